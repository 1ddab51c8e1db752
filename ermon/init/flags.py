"""The flags of ``ermon init`` → answers. What describes a circuit belongs to the ``--circuit`` before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ermon.init.answers import (
    LINKS,
    AnswerError,
    Answers,
    CircuitAnswers,
    PoolAnswers,
    UplinkAnswers,
    a_line,
    a_name,
    a_peering,
    a_prefix,
    a_service,
    an_address,
    an_asn,
    listed,
    prefixes,
)
from ermon.model.inventory import Peering


class _Reader:
    """Reads flags in their order; before the first ``--circuit`` they are for all circuits."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._current: CircuitAnswers | None = None

    def circuit(self, text: str) -> None:
        name = a_name(text)
        self._current = self.answers.circuits.setdefault(name, CircuitAnswers(name))

    def circuits(self) -> list[CircuitAnswers]:
        if self._current is not None:
            return [self._current]
        if not self.answers.circuits:
            raise ValueError("describes a circuit, and none is named; put --circuit NAME before it")
        return list(self.answers.circuits.values())

    def location(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.location = a_line(text)

    def geo(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.geo = a_line(text)

    def peering(self, text: str) -> None:
        for circuit in self.circuits():
            circuit.peering = a_peering(text)

    def service(self, text: str) -> None:
        for circuit in self.circuits():
            if self._current is not None or circuit.peering is not Peering.PRIVATE:
                circuit.services += [
                    each for each in map(a_service, listed(text)) if each not in circuit.services
                ]

    def link(self, text: str) -> None:
        link, (router, *subnets) = _assigned(text, "primary=ROUTER,SUBNET[,SUBNET6]")
        if link not in LINKS:
            raise ValueError(f"the links of a circuit are {' and '.join(LINKS)}, there is no {link!r}")
        if len(subnets) > 2:
            raise ValueError("a link has one IPv4 and one IPv6 subnet at most")
        circuits = self.circuits()
        if subnets and len(circuits) > 1:
            raise ValueError(
                "there are several circuits, and a subnet belongs to one; put --circuit NAME before it"
            )
        for circuit in circuits:
            circuit.links[link].router = a_name(router)
            for subnet in map(a_prefix, subnets):
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
                del self.answers.pools[proposed]  # who names pools knows them better than Azure
        self.answers.pools[a_name(name)] = PoolAnswers([circuits[0].name], prefixes(",".join(found)))

    def asn(self, text: str) -> None:
        self.answers.asn = an_asn(text)

    def own_prefix(self, text: str) -> None:
        own = self.answers.own_prefixes
        own += [prefix for prefix in prefixes(text) if prefix not in own]

    def uplink(self, text: str) -> None:
        name, parts = _assigned(text, "NAME=ROUTER,ASN")
        if len(parts) != 2:
            raise ValueError("must be NAME=ROUTER,ASN, such as isp-a=edge-1,64510")
        self.answers.uplinks[a_name(name)] = UplinkAnswers(a_name(parts[0]), an_asn(parts[1]))

    def router(self, text: str) -> None:
        name, parts = _assigned(text, "NAME=ADDRESS")
        if len(parts) != 1:
            raise ValueError("must be NAME=ADDRESS, the one address that the router speaks to ermon from")
        self.answers.routers[a_name(name)] = an_address(parts[0])

    def collector(self, text: str) -> None:
        self.answers.collector = an_address(text)


def _assigned(text: str, form: str) -> tuple[str, list[str]]:
    name, equals, rest = text.partition("=")
    parts = listed(rest)
    if not equals or not name.strip() or not parts:
        raise ValueError(f"must be {form}, not {text!r}")
    return name.strip(), parts


FLAGS: Mapping[str, Callable[[_Reader, str], None]] = {
    "--asn": _Reader.asn,
    "--circuit": _Reader.circuit,
    "--peering": _Reader.peering,
    "--location": _Reader.location,
    "--geo": _Reader.geo,
    "--link": _Reader.link,
    "--service": _Reader.service,
    "--pool": _Reader.pool,
    "--own-prefix": _Reader.own_prefix,
    "--uplink": _Reader.uplink,
    "--router": _Reader.router,
    "--collector": _Reader.collector,
}


def add_flags(answers: Answers, given: Iterable[tuple[str, str]]) -> None:
    """Add what flags say, as (name, text) in their order; ``AnswerError`` names the flag."""
    reader = _Reader(answers)
    for name, text in given:
        try:
            FLAGS[name](reader, text)
        except ValueError as error:
            raise AnswerError(f"{name}: {error}") from None
