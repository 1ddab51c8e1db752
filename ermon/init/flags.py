"""Turns the flags of ``ermon init`` into answers. A flag that describes a circuit belongs to the ``--circuit`` before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ermon.init import FLAGS
from ermon.init.answers import (
    LINKS,
    AnswerError,
    Answers,
    CircuitAnswers,
    PoolAnswers,
    UplinkAnswers,
    end_of,
    listed,
    read_address,
    read_asn,
    read_designs,
    read_host,
    read_line,
    read_name,
    read_peering,
    read_prefix,
    read_prefixes,
    read_service,
    read_vrf,
    read_vrps_file,
)
from ermon.model.inventory import Peering


class _Reader:
    """Reads flags in order; flags before the first ``--circuit`` apply to all circuits."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._current: CircuitAnswers | None = None

    def circuit(self, text: str) -> None:
        name = read_name(text)
        self._current = self.answers.circuits.setdefault(name, CircuitAnswers(name))

    def circuits(self) -> list[CircuitAnswers]:
        if self._current is not None:
            return [self._current]
        if not self.answers.circuits:
            raise ValueError("describes a circuit, but none is named; put --circuit NAME before it")
        return list(self.answers.circuits.values())

    def location(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.location = read_line(text)

    def geo(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.geo = read_line(text)

    def peering(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.peering = read_peering(text)

    def design(self, text: str) -> None:
        self.answers.designs |= read_designs(text)

    def provider(self, text: str) -> None:
        found = [read_asn(part) for part in listed(text)]
        if not found:
            raise ValueError("must be AS numbers such as 64510, not nothing")
        self.answers.provider_asns += [asn for asn in found if asn not in self.answers.provider_asns]

    def provider_address(self, text: str) -> None:
        link, addresses = _assigned(text, "primary=ADDRESS[,ADDRESS]")
        _known_link(link)
        for circuit in self.circuits():
            circuit.links[link].provider_addresses += [read_host(address) for address in addresses]

    def vrf(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.vrf = read_vrf(text)

    def vnet(self, text: str) -> None:
        for circuit in self.circuits():
            if self._current is not None or circuit.peering is not Peering.MICROSOFT:
                circuit.vnets_proposed = False
                circuit.vnets += [each for each in read_prefixes(text) if each not in circuit.vnets]

    def best_path(self, text: str) -> None:
        found = [read_name(part) for part in listed(text)]
        if not found:
            raise ValueError("must be the name of a router, not nothing")
        self.answers.best_paths |= set(found)

    def bmp(self, text: str) -> None:
        found = [read_name(part) for part in listed(text)]
        if not found:
            raise ValueError("must be the name of a router, not nothing")
        self.answers.bmp |= set(found)

    def vrps(self, text: str) -> None:
        self.answers.vrps = read_vrps_file(text)

    def service(self, text: str) -> None:
        for circuit in self.circuits():
            if self._current is not None or circuit.peering is not Peering.PRIVATE:
                circuit.services += [
                    each for each in map(read_service, listed(text)) if each not in circuit.services
                ]

    def link(self, text: str) -> None:
        link, (router, *subnets) = _assigned(text, "primary=ROUTER,SUBNET[,SUBNET6]")
        _known_link(link)
        if len(subnets) > 2:
            raise ValueError("a link has one IPv4 and one IPv6 subnet at most")
        circuits = self.circuits()
        if subnets and len(circuits) > 1:
            raise ValueError(
                "there are several circuits, and a subnet belongs to one; put --circuit NAME before it"
            )
        for circuit in circuits:
            circuit.links[link].router = read_name(router)
            for subnet in map(read_prefix, subnets):
                circuit.links[link].set_subnet(subnet)

    def pool(self, text: str) -> None:
        name, found = _assigned(text, "NAME=PREFIX[,PREFIX]")
        circuits = [each for each in self.circuits() if each.peering is not Peering.PRIVATE]
        if len(circuits) != 1:
            raise ValueError(
                "a pool belongs to one circuit with Microsoft peering; put --circuit NAME before it"
            )
        for proposed in [key for key, pool in self.answers.pools.items() if pool.proposed]:
            if circuits[0].name in self.answers.pools[proposed].circuits:
                del self.answers.pools[proposed]  # flags take precedence over Azure's data
        self.answers.pools[read_name(name)] = PoolAnswers([circuits[0].name], read_prefixes(",".join(found)))

    def asn(self, text: str) -> None:
        self.answers.asn = read_asn(text)

    def own_prefix(self, text: str) -> None:
        own = self.answers.own_prefixes
        own += [prefix for prefix in read_prefixes(text) if prefix not in own]

    def uplink(self, text: str) -> None:
        name, parts = _assigned(text, "NAME=ROUTER,ASN")
        if len(parts) != 2:
            raise ValueError("must be NAME=ROUTER,ASN, such as isp-a=edge-1,64510")
        self.answers.uplinks[read_name(name)] = UplinkAnswers(read_name(parts[0]), read_asn(parts[1]))

    def router(self, text: str) -> None:
        name, parts = _assigned(text, "NAME=ADDRESS")
        if len(parts) != 1:
            raise ValueError("must be NAME=ADDRESS, the one address from which the router connects to ermon")
        router, slash, vrf = name.partition("/")
        end = end_of(read_name(router), read_vrf(vrf) if slash else None)
        self.answers.routers[end] = read_address(parts[0])

    def collector(self, text: str) -> None:
        self.answers.collector = read_address(text)


def _known_link(link: str) -> None:
    if link not in LINKS:
        raise ValueError(f"the links of a circuit are {' and '.join(LINKS)}, there is no {link!r}")


def _assigned(text: str, form: str) -> tuple[str, list[str]]:
    name, equals, rest = text.partition("=")
    parts = listed(rest)
    if not equals or not name.strip() or not parts:
        raise ValueError(f"must be {form}, not {text!r}")
    return name.strip(), parts


def _method(flag: str) -> Callable[[_Reader, str], None]:
    """Return the reader of a flag: the method of its name. The import of this module fails if one is missing."""
    found: Callable[[_Reader, str], None] = getattr(_Reader, flag.removeprefix("--").replace("-", "_"))
    return found


_METHODS = {flag.name: _method(flag.name) for flag in FLAGS}


def add_flags(answers: Answers, given: Iterable[tuple[str, str]]) -> None:
    """Add the flags, as (name, text) in order; ``AnswerError`` names the flag."""
    reader = _Reader(answers)
    for name, text in given:
        try:
            _METHODS[name](reader, text)
        except ValueError as error:
            raise AnswerError(f"{name}: {error}") from None
