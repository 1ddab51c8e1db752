"""Microsoft's own test procedure for a circuit whose NAT pools reach Microsoft 365, walked step by step.

Source: Microsoft, "Implementing ExpressRoute for Microsoft 365", "Build your test procedures"
(learn.microsoft.com/microsoft-365/enterprise/implementing-expressroute). What BGP shows is decided by the steps of the
acceptance test. For what it cannot show, the procedure names the tool that can, and how its result meets ermon's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ermon.checks.check import AcceptanceStep
from ermon.verify import azure
from ermon.verify.circuit import CircuitFacts
from ermon.verify.report import Outcome, ProcedureStep, Step, worst


@dataclass(frozen=True, slots=True)
class _Part:
    """One step of the procedure."""

    title: str
    steps: tuple[AcceptanceStep, ...] = ()
    """The steps of the acceptance test that decide it; none: another tool does."""
    eyes: Callable[[CircuitFacts], Iterable[str]] = lambda _: ()
    elsewhere: Callable[[CircuitFacts], str] = lambda _: ""
    """Which other tool shows it, and how its result meets ermon's."""
    by_azure: Callable[[CircuitFacts], tuple[Outcome, str] | None] = lambda _: None
    """What Azure says of it, where no step of the acceptance test decides; ``None`` if Azure is not asked."""
    beside: Callable[[CircuitFacts], str] = lambda _: ""
    """What else is said of it, which does not change the outcome."""


def walk(facts: CircuitFacts, steps: Iterable[Step]) -> tuple[ProcedureStep, ...]:
    """Walk the procedure with the steps of a circuit's acceptance test; nothing where there is nothing to test."""
    if not facts.is_microsoft or not facts.pools:
        return ()
    found = {step.id: step for step in steps}
    return tuple(_judge(number, part, facts, found) for number, part in enumerate(_PROCEDURE, 1))


def _judge(number: int, part: _Part, facts: CircuitFacts, found: Mapping[str, Step]) -> ProcedureStep:
    tested = [found[step] for step in part.steps if step in found]
    if not tested and (said := part.by_azure(facts)) is not None:
        outcome, text = said
        eyes = tuple(part.eyes(facts))
        return ProcedureStep(number, part.title, outcome, f"{text}. {part.elsewhere(facts)}", eyes)
    if not tested:
        return ProcedureStep(number, part.title, None, part.elsewhere(facts))
    status = worst(step.status for step in tested)
    texts = [*(step.summary for step in tested if step.status is status), part.beside(facts)]
    text = "; ".join(dict.fromkeys(filter(None, texts)))
    return ProcedureStep(
        number,
        part.title,
        status,
        text,
        tuple(dict.fromkeys(part.eyes(facts))),
        tuple(step.id for step in tested),
    )


# What each step is seen by -------------------------------------------------------------------------


def _receiving(facts: CircuitFacts) -> Iterator[str]:
    for name, link in facts.links.items():
        for family in link.state:
            for feed in link.decided_by.get(family) or facts.edge_feeds(link, family):
                yield _named(facts, feed, f"link {name}")


def _advertising(facts: CircuitFacts) -> Iterator[str]:
    for name in facts.links:
        for family in facts.mirrored_families(name):
            for feed in facts.mirrors(name, family):
                yield _named(facts, feed, f"link {name}")


def _elsewhere(facts: CircuitFacts) -> Iterator[str]:
    for name, feed in facts.feeds.items():
        if feed.view in {"to-internet", "internet"} or (
            feed.view == "to-microsoft" and feed.circuit != facts.name
        ):
            yield name


def _named(facts: CircuitFacts, feed: str, what: str) -> str:
    """Return the name of a feed. A session that its router reports by BMP is named after both."""
    found = facts.all_feeds[feed]
    return f"{found.router}'s report of {what} by BMP" if found.by_bmp else feed


# What other tools show -----------------------------------------------------------------------------


def _ping(facts: CircuitFacts) -> str:
    routers = sorted({link.router for link in facts.links.values()})
    ping = f"Ping the other end of each link from {' and '.join(routers)}"
    if facts.edges:
        return f"{ping}, which also shows layer 3"
    return (
        f"not in BGP. {ping}. With circuits.NAME.azure, Azure's ARP tables show whether both ends of the link answer "
        "at layer 2"
    )


def _nat(facts: CircuitFacts) -> str:
    return (
        "not in BGP. The firewall counts its translations: ermon render rules --nat-sessions joins its exporter's count "
        f"with ermon_pool_addresses of {', '.join(facts.pools)}"
    )


def _azure(facts: CircuitFacts) -> str:
    return (
        f"not read. Add azure to circuits.{facts.name}: Azure then says which prefixes Microsoft has accepted"
    )


def _list_alone(facts: CircuitFacts) -> str:
    return (
        ""
        if facts.edges
        else "by the circuit's list alone: Microsoft's tables, which show each link, are not read"
    )


def _hosts(_: CircuitFacts) -> str:
    return (
        "not in BGP. Run ping, traceroute and tcpping from a host behind the pool; ermon render probes gives "
        "blackbox_exporter the same targets, and its rule says where the routes are there and the probe fails"
    )


_PROCEDURE: tuple[_Part, ...] = (
    _Part("The provider's router answers", eyes=azure.arp_tables, elsewhere=_ping, by_azure=azure.arp),
    _Part(
        "Microsoft 365's routes are received",
        (AcceptanceStep.SERVICES, AcceptanceStep.PREFIXES, AcceptanceStep.COUNTS),
        _receiving,
    ),
    _Part("NAT operates", elsewhere=_nat),
    _Part("The NAT pools' routes are advertised", (AcceptanceStep.POOLS,), _advertising),
    _Part(
        "ExpressRoute has accepted them",
        (AcceptanceStep.ACCEPTED,),
        azure.readings,
        _azure,
        beside=_list_alone,
    ),
    _Part(
        "The NAT range is advertised nowhere else",
        (AcceptanceStep.POOLS_ELSEWHERE, AcceptanceStep.INTERNET),
        _elsewhere,
    ),
    _Part("Both BGP sessions run", (AcceptanceStep.SESSIONS,), _receiving, beside=azure.sessions),
    _Part("A host reaches Microsoft", elsewhere=_hosts),
)
