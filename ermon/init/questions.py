"""Asks for what is not known yet, or says which flags would tell it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from ermon.init.answers import (
    LINKS,
    Answers,
    CircuitAnswers,
    PoolAnswers,
    UplinkAnswers,
    geo_of,
    listed,
    read_address,
    read_asn,
    read_line,
    read_name,
    read_peering,
    read_prefixes,
    read_service,
    read_subnet,
    read_subnet6,
)
from ermon.model.inventory import Peering
from ermon.model.prefixes import Address

T = TypeVar("T")


class MissingError(Exception):
    """Something is needed, and there is nobody to be asked; the text names the flags."""


class Terminal(Protocol):
    """Whoever answers."""

    def read(self, prompt: str) -> str: ...

    def say(self, text: str) -> None: ...


class Questions:
    """Puts questions until the answer is one; an empty line takes the default."""

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
                self.say("  is needed")
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
    if answers.asn is None:
        answers.asn = questions.ask("Your AS number, as Microsoft sees it", read_asn, example="64500")
    for circuit in answers.circuits.values():
        _circuit(answers, circuit, questions)
    if not answers.circuits:
        _circuits(answers, questions)
    _pools(answers, questions)
    _uplinks(answers, questions)
    _addresses(answers, questions)


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
    for (name, link), router in zip(circuit.links.items(), routers_proposed(answers, circuit), strict=True):
        end = f"of the {name} link {of}"
        if link.router is None:
            link.router = questions.ask(f"Your router at the end {end}", read_name, default=router)
        while not link.has_subnet:
            asked_for_subnets = True
            link.subnet = questions.ask(
                f"IPv4 subnet {end}", _or_none(read_subnet), example="203.0.113.0/30", default=""
            )
            link.subnet6 = questions.ask(
                f"IPv6 subnet {end}", _or_none(read_subnet6), example="2001:db8:ffff::/126", default=""
            )
            if not link.has_subnet:
                questions.say("  a link has an IPv4 subnet, an IPv6 subnet, or both")
    # Azure does not know them; whoever gave a circuit by flags would have said so there.
    if circuit.peering is Peering.MICROSOFT and not circuit.services and (asked_for_subnets or circuit.ports):
        question = f"Services that {circuit.name} must bring, those of its route filter"
        circuit.services = questions.ask(
            question, _services, example="exchange-online, sharepoint-online", default=""
        )


def routers_proposed(answers: Answers, circuit: CircuitAnswers) -> tuple[str, str]:
    """Two routers for each circuit; peerings of one circuit in Azure share theirs."""
    groups = list(dict.fromkeys(each.ports or each.name for each in answers.circuits.values()))
    at = 2 * groups.index(circuit.ports or circuit.name)
    return f"edge-{at + 1}", f"edge-{at + 2}"


def _pools(answers: Answers, questions: Questions) -> None:
    pooled = {circuit for pool in answers.pools.values() for circuit in pool.circuits}
    for circuit in answers.microsoft:
        if circuit.name in pooled:
            continue
        found = questions.ask(
            f"NAT pool of {circuit.name}: what your clients come from when they talk to Microsoft",
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
        question = "Is there an exit to the internet that ermon can watch?"
        while questions.yes(question, default=not answers.uplinks):
            name = questions.ask("Name of the exit", _new(answers.uplinks), example="isp-a")
            router = questions.ask(f"Your router at {name}", read_name, default=routers[0])
            asn = questions.ask(f"AS number of the provider at {name}", read_asn, example="64510")
            answers.uplinks[name] = UplinkAnswers(router, asn)
            question = "Another exit to the internet?"
    if answers.uplinks and not answers.own_prefixes:
        question = "Address space that is yours, all that you announce to the internet"
        answers.own_prefixes = questions.ask(
            question, read_prefixes, example="198.51.100.0/24, 2001:db8:100::/40"
        )


def _addresses(answers: Answers, questions: Questions) -> None:
    if answers.collector is None:
        question = (
            "First of this machine's addresses that routers will connect to; ermon takes it and the next few"
        )
        answers.collector = questions.ask(question, read_address, example="10.0.0.20")
    for router in routers_used(answers):
        if router not in answers.routers:
            question = f"Address that {router} will connect from, as a rule its loopback"
            parse = _peer_of(answers, answers.collector)
            answers.routers[router] = questions.ask(question, parse, example="10.0.0.1")


def routers_used(answers: Answers) -> list[str]:
    ends = [link.router for circuit in answers.circuits.values() for link in circuit.links.values()]
    ends += [uplink.router for uplink in answers.uplinks.values()]
    return list(dict.fromkeys(router for router in ends if router is not None))


def _new(taken: Collection[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        name = read_name(text)
        if name in taken:
            raise ValueError(f"there is a {name} already; give another name")
        return name

    return parse


def _or_none(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: parse(text) if text else None


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
            raise ValueError(f"{address} is that of another; each router has its own, and ermon has")
        return address

    return parse


# Without anybody to ask ----------------------------------------------------------------------------------


def do_without(answers: Answers) -> None:
    """Take what has a default; ``MissingError`` with all that has none."""
    missing: list[str] = []
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
