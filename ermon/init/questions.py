"""Asks for missing answers, or says which flags would give them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from ermon.init.answers import (
    DESIGNS,
    LINKS,
    Answers,
    CircuitAnswers,
    Design,
    PoolAnswers,
    UplinkAnswers,
    geo_of,
    listed,
    read_address,
    read_asn,
    read_designs,
    read_host,
    read_line,
    read_name,
    read_peering,
    read_prefixes,
    read_service,
    read_subnet,
    read_subnet6,
    read_vrf,
    read_vrps_file,
)
from ermon.init.designs import propose_vrf, routers_proposed, settle
from ermon.model.inventory import Peering
from ermon.model.prefixes import Address

T = TypeVar("T")


class MissingError(Exception):
    """Answers are missing, and there is no terminal to ask; the text names the flags."""


class Terminal(Protocol):
    """The user who answers."""

    def read(self, prompt: str) -> str: ...

    def say(self, text: str) -> None: ...


class Questions:
    """Asks until the answer is valid; an empty line selects the default."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def say(self, text: str) -> None:
        self._terminal.say(text)

    def ask(
        self, question: str, parse: Callable[[str], T], *, example: str = "", default: str | None = None
    ) -> T:
        while True:
            hint = f" (such as {example})" if example else ""
            shown = f" [{default or 'none'}]" if default is not None else ""
            text = self._terminal.read(f"{question}{hint}{shown}: ").strip()
            if not text and default is None:
                self.say(f"  please answer, for example {example}" if example else "  please answer")
                continue
            try:
                return parse(text or default or "")
            except ValueError as error:
                self.say(f"  {error}")

    def yes(self, question: str, *, default: bool) -> bool:
        return self.ask(question, _yes_or_no, default="yes" if default else "no")


def _yes_or_no(text: str) -> bool:
    if text.lower() in {"y", "yes", "n", "no"}:
        return text.lower().startswith("y")
    raise ValueError("must be yes or no")


def ask_for_the_rest(answers: Answers, questions: Questions) -> None:
    """Ask for everything that ``answers`` lacks."""
    _design(answers, questions)
    settle(answers)
    if answers.asn is None:
        answers.asn = questions.ask("Your AS number, as Microsoft sees it", read_asn, example="64500")
    for circuit in answers.circuits.values():
        _circuit(answers, circuit, questions)
    if not answers.circuits:
        _circuits(answers, questions)
    _vrfs(answers, questions)
    _best_paths(answers, questions)
    _pools(answers, questions)
    _uplinks(answers, questions)
    _bmp(answers, questions)
    _vrps(answers, questions)
    _addresses(answers, questions)


def _design(answers: Answers, questions: Questions) -> None:
    """Ask about the design in one question: who runs BGP with Microsoft, VRFs, and whether an edge sends all paths."""
    if not answers.designs and not answers.provider_asns:
        questions.say("How are your circuits connected? One or several of:")
        for design, meaning in DESIGNS.items():
            questions.say(f"  {design:<11}  {meaning}")
        answers.designs = questions.ask("Design of your edge", read_designs, default=Design.TWO_ROUTERS)
    if Design.PROVIDER in answers.designs and not answers.provider_asns:
        peers = ", ".join(map(str, dict.fromkeys(answers.peer_asns.values())))
        question = "AS numbers of the provider, between yours and Microsoft's 12076"
        answers.provider_asns = questions.ask(question, _asns, example="64510", default=peers or None)


def _vrfs(answers: Answers, questions: Questions) -> None:
    if Design.VRFS not in answers.designs:
        return
    for circuit in answers.circuits.values():
        propose_vrf(circuit)
        if circuit.vrf_proposed:
            question = f"VRF of the links of {circuit.name} on your routers"
            circuit.vrf, circuit.vrf_proposed = questions.ask(question, read_vrf, default=circuit.vrf), False


def _best_paths(answers: Answers, questions: Questions) -> None:
    """Ask only where it is not evident: for a firewall the answer is known."""
    if Design.FIREWALL in answers.designs or answers.best_paths:
        return
    question = "Routers that send best paths only, without ADD-PATH, such as firewalls and SD-WAN edges"
    answers.best_paths = questions.ask(question, _names, default="")


def _circuits(answers: Answers, questions: Questions) -> None:
    while not answers.circuits or questions.yes("Another circuit?", default=False):
        name = questions.ask("Name of the circuit", _new(answers.circuits), example="chicago")
        answers.circuits[name] = circuit = CircuitAnswers(name)
        _circuit(answers, circuit, questions)


def _circuit(answers: Answers, circuit: CircuitAnswers, questions: Questions) -> None:
    of = f"of {circuit.name}"
    if circuit.peering is None:
        circuit.peering = questions.ask(
            f"Peering {of}, microsoft or private", read_peering, default="microsoft"
        )
    if circuit.location is None:
        circuit.location = questions.ask(f"Peering location {of}", read_line, example="Chicago")
    if circuit.geo is None:
        circuit.geo = questions.ask(
            f"Geopolitical region {of}: circuits of one region back each other up",
            read_line,
            example="north-america",
            default=geo_of(circuit.location),
        )
    if circuit.premium is None:
        is_private = circuit.peering is Peering.PRIVATE
        circuit.premium = is_private and questions.yes(f"Premium add-on {of}?", default=False)
    asked_for_subnets = False
    for name, router in zip(circuit.links, routers_proposed(answers, circuit), strict=True):
        asked_for_subnets |= _link(answers, circuit, name, router, questions)
    _ipv6(circuit, questions)
    # Azure does not have them; with flags, --service gives them.
    if circuit.peering is Peering.MICROSOFT and not circuit.services and (asked_for_subnets or circuit.ports):
        question = f"Services required on {circuit.name}, as in its route filter"
        circuit.services = questions.ask(
            question, _services, example="exchange-online, sharepoint-online", default=""
        )


def _link(answers: Answers, circuit: CircuitAnswers, name: str, router: str, questions: Questions) -> bool:
    """Ask for a link; return whether its subnets were asked for."""
    link = circuit.links[name]
    end = f"of the {name} link of {circuit.name}"
    if link.router is None:
        link.router = questions.ask(f"Your router at the end {end}", read_name, default=router)
    lacked_subnets = not link.has_subnet
    while not link.has_subnet:
        link.subnet = questions.ask(
            f"IPv4 subnet {end}", _or_none(read_subnet), example="203.0.113.0/30", default=""
        )
        link.subnet6 = questions.ask(
            f"IPv6 subnet {end}", _or_none(read_subnet6), example="2001:db8:ffff::/126", default=""
        )
        if not link.has_subnet:
            questions.say("  a link has an IPv4 subnet, an IPv6 subnet, or both")
    if Design.PROVIDER in answers.designs and not link.provider_addresses:
        question = f"Address of the provider's router {end}, the next hop of its routes"
        link.provider_addresses = questions.ask(question, _hosts, example="10.1.0.2", default="")
    return lacked_subnets


def _ipv6(circuit: CircuitAnswers, questions: Questions) -> None:
    """Azure has IPv6 as soon as a dual-stack gateway needs it, and does not know whether the routers use it."""
    ends = [link for link in circuit.links.values() if link.subnet6_proposed]
    if not ends:
        return
    speaks = questions.yes(f"Azure has IPv6 on {circuit.name}. Do your routers use it there?", default=True)
    for link in ends:
        link.subnet6_proposed = False
        link.subnet6 = link.subnet6 if speaks else None


def _pools(answers: Answers, questions: Questions) -> None:
    pooled = {circuit for pool in answers.pools.values() for circuit in pool.circuits}
    for circuit in answers.microsoft:
        if circuit.name in pooled:
            continue
        found = questions.ask(
            f"NAT pool of {circuit.name}: the source addresses that Microsoft sees",
            _or_none(read_prefixes),
            example="198.51.100.0/28, 2001:db8:100:1::/64",
            default="",
        )
        if found:
            name = questions.ask(
                "Name of that pool", _new(answers.pools), default=f"{circuit.name[:50]}-outbound"
            )
            answers.pools[name] = PoolAnswers([circuit.name], found)


def _uplinks(answers: Answers, questions: Questions) -> None:
    if not answers.uplinks:
        routers = [link.router for circuit in answers.circuits.values() for link in circuit.links.values()]
        question = "Do you want ermon to watch an internet uplink?"
        while questions.yes(question, default=not answers.uplinks):
            name = questions.ask("Name of the uplink", _new(answers.uplinks), example="isp-a")
            router = questions.ask(f"Your router at {name}", read_name, default=routers[0])
            asn = questions.ask(f"AS number of the provider at {name}", read_asn, example="64510")
            answers.uplinks[name] = UplinkAnswers(router, asn)
            question = "Another internet uplink?"
    if answers.uplinks and not answers.own_prefixes:
        question = "Your address space: all that you announce to the internet"
        answers.own_prefixes = questions.ask(
            question, read_prefixes, example="198.51.100.0/24, 2001:db8:100::/40"
        )


def _bmp(answers: Answers, questions: Questions) -> None:
    """Ask which routers do BMP: none of a provider has a session with Microsoft, and firewalls have no BMP."""
    if answers.bmp or answers.designs & {Design.PROVIDER, Design.FIREWALL}:
        return
    known = answers.router_names

    def parse(text: str) -> set[str]:
        for name in (named := _names(text)) - set(known):
            raise ValueError(f"{name} is not one of your routers; they are {', '.join(known)}")
        return named

    question = "Routers that can report their sessions by BMP, which shows why a session with Microsoft ended"
    answers.bmp = questions.ask(question, parse, example=", ".join(known), default="")


def _vrps(answers: Answers, questions: Questions) -> None:
    """Ask for a list of VRPs where there are pools that it can be about."""
    if answers.vrps is None and answers.pools:
        question = "File with VRPs, in which ermon looks your NAT pools up: JSON of rpki-client or routinator"
        example = "/var/lib/rpki-client/json"
        answers.vrps = questions.ask(question, _or_none(read_vrps_file), example=example, default="")


def _addresses(answers: Answers, questions: Questions) -> None:
    if answers.collector is None:
        question = "First address of this machine for BGP sessions; ermon also uses the next ones"
        answers.collector = questions.ask(question, read_address, example="10.0.0.20")
    for end in answers.ends:
        if end not in answers.routers:
            router, slash, vrf = end.partition("/")
            inside = f", in VRF {vrf}" if slash else ""
            question = f"Address from which {router} connects{inside}, usually its loopback"
            parse = _peer_of(answers, answers.collector)
            answers.routers[end] = questions.ask(question, parse, example="10.0.0.1")


def _new(taken: Collection[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        name = read_name(text)
        if name in taken:
            raise ValueError(f"there is a {name} already; give another name")
        return name

    return parse


def _or_none(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: parse(text) if text else None


def _asns(text: str) -> list[int]:
    return [read_asn(part) for part in listed(text)]


def _hosts(text: str) -> list[Address]:
    return [read_host(part) for part in listed(text)]


def _names(text: str) -> set[str]:
    return {read_name(part) for part in listed(text)}


def _services(text: str) -> list[str]:
    return [read_service(part) for part in listed(text)]


def _peer_of(answers: Answers, collector: Address) -> Callable[[str], Address]:
    def parse(text: str) -> Address:
        address = read_address(text)
        if address.version != collector.version:
            raise ValueError(
                f"{address} and ermon's {collector} are of different families; one session has one family"
            )
        if address == collector or address in answers.routers.values():
            raise ValueError(
                f"{address} is already used; each router needs its own address, and so does ermon"
            )
        return address

    return parse


# Without a terminal --------------------------------------------------------------------------------------


def do_without(answers: Answers) -> None:
    """Use the defaults; ``MissingError`` with all answers that have none."""
    settle(answers)
    missing: list[str] = []
    if Design.PROVIDER in answers.designs and not answers.provider_asns:
        missing.append("--provider ASN: the provider's AS number, between yours and 12076")
    if answers.asn is None:
        missing.append("--asn ASN: your AS number, as Microsoft sees it")
    if not answers.circuits:
        missing.append("--circuit NAME, or --azure FILE: the circuit")
    for circuit in answers.circuits.values():
        circuit.peering = circuit.peering or Peering.MICROSOFT
        circuit.premium = bool(circuit.premium)
        of = f"of circuit {circuit.name} (after --circuit {circuit.name})"
        if circuit.location is None:
            missing.append(f"--location LOCATION: the peering location {of}")
        elif circuit.geo is None:
            circuit.geo = geo_of(circuit.location)
        if circuit.geo is None:
            missing.append(f"--geo GEO: the geopolitical region {of}")
        missing += [
            f"--link {name}=ROUTER,SUBNET: the {name} link {of}"
            for name in LINKS
            if not circuit.links[name].has_subnet
        ]
    if answers.uplinks and not answers.own_prefixes:
        missing.append("--own-prefix PREFIX: the address space that you announce on the uplinks")
    if missing:
        raise MissingError("\n".join(f"is missing: {each}" for each in missing))
