"""What nobody needs to be asked: which feeds the policy needs, their addresses, and what is proposed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ermon.init.answers import Answers, CircuitAnswers, LinkAnswers, free_name
from ermon.init.questions import routers_proposed, routers_used
from ermon.model.inventory import InternetUse, View
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, PrefixSet, parse_address

_FIRST_MIRROR_ASN = 65010
"""Private, and none of those that Azure uses itself (65515 to 65520)."""

_ROUTERS_FROM = {4: parse_address("192.0.2.1"), 6: parse_address("2001:db8::1")}
_COLLECTOR_FROM = {4: parse_address("192.0.2.101"), 6: parse_address("2001:db8::101")}
"""Proposed addresses are of the documentation ranges (RFC 5737, RFC 3849): nobody takes them for real."""


@dataclass(frozen=True, slots=True)
class PlannedFeed:
    name: str
    view: View
    router: str
    peer: Address
    local: Address
    families: tuple[Family, ...]
    place: tuple[tuple[str, str], ...] = ()
    """The keys that name what is mirrored."""
    local_asn: int | None = None
    canary: tuple[Prefix, ...] = ()


@dataclass(slots=True)
class Plan:
    """A whole configuration, except for its words."""

    answers: Answers
    collector: Address
    routers: dict[str, Address]
    feeds: list[PlannedFeed] = field(default_factory=list)
    proposed_routers: set[str] = field(default_factory=set)
    """Nobody said that there is such a router."""
    proposed_addresses: set[str] = field(default_factory=set)
    """Nobody said that these routers have these addresses."""
    collector_proposed: bool = False

    @property
    def locals(self) -> list[Address]:
        """The addresses of ermon's side."""
        return sorted({feed.local for feed in self.feeds})

    def internet_use(self, pool: str) -> InternetUse:
        """A pool inside announced space is covered on the internet, as a rule."""
        own = self.answers.own_prefixes
        inside = any(
            p.contains(prefix) and p != prefix for prefix in self.answers.pools[pool].prefixes for p in own
        )
        return InternetUse.AGGREGATE if inside and self.answers.uplinks else InternetUse.FORBIDDEN


def plan(answers: Answers) -> Plan:
    """Decide the rest. ``answers`` must be complete: it lacks routers and addresses at most."""
    proposed = _propose_routers(answers)
    names = routers_used(answers)
    known = [*answers.routers.values(), *filter(None, [answers.collector])]
    version = known[0].version if known else 4
    collector = answers.collector or next(_free(_COLLECTOR_FROM[version], known))
    free = _free(_ROUTERS_FROM[version], [*known, collector])
    routers = {name: answers.routers.get(name) or next(free) for name in names}
    planned = Plan(
        answers,
        collector,
        routers,
        proposed_routers=proposed,
        proposed_addresses={name for name in names if name not in answers.routers},
        collector_proposed=answers.collector is None,
    )
    planned.feeds = _feeds(planned)
    answers.notes += _silent(answers)
    return planned


def _silent(answers: Answers) -> Iterator[str]:
    """Families in which a mirror will have nothing to show, which looks like one that does not work."""
    for circuit in answers.microsoft:
        pools = [pool for pool in answers.pools.values() if circuit.name in pool.circuits]
        space = [prefix for pool in pools for prefix in pool.prefixes]
        yield from _unannounced(
            space,
            _union(map(_families, circuit.links.values())),
            f"Circuit {circuit.name} has {{}} links and no {{}} pool",
        )
    if answers.uplinks:
        space = [prefix for pool in answers.pools.values() for prefix in pool.prefixes]
        families = _union((prefix.family,) for prefix in space)
        yield from _unannounced(answers.own_prefixes, families, "There is an {} pool and no {} own prefix")


def _unannounced(space: Iterable[Prefix], families: Iterable[Family], what: str) -> Iterator[str]:
    for family in sorted(set(families) - {prefix.family for prefix in space}):
        name = {"ipv4": "IPv4", "ipv6": "IPv6"}[family]
        yield f"{what.format(name, name)}: while nothing is announced there, feed-empty is raised."


def _propose_routers(answers: Answers) -> set[str]:
    proposed: set[str] = set()
    for circuit in answers.circuits.values():
        for link, router in zip(circuit.links.values(), routers_proposed(answers, circuit), strict=True):
            if link.router is None:
                link.router = router
                proposed.add(router)
    return proposed


def _free(first: Address, taken: Iterable[Address]) -> Iterator[Address]:
    taken = set(taken)
    value = first.value
    while True:
        address = Address(first.version, value)
        if address not in taken:
            yield address
        value += 1


def _feeds(planned: Plan) -> list[PlannedFeed]:
    """One feed for every view of every router, each with a local address that its router has no other feed on."""
    feeds: list[PlannedFeed] = []
    taken = set(planned.routers.values())
    for view, router, wanted, place, families in _views(planned.answers):
        locals_ = _free(planned.collector, taken | {feed.local for feed in feeds if feed.router == router})
        feeds.append(
            PlannedFeed(
                free_name(wanted, [feed.name for feed in feeds]),
                view,
                router,
                planned.routers[router],
                next(locals_),
                families,
                place,
                _mirror_asn(planned.answers, view),
                _canary(planned.answers, families) if view is View.TO_INTERNET else (),
            )
        )
    return feeds


def _views(
    answers: Answers,
) -> Iterator[tuple[View, str, str, tuple[tuple[str, str], ...], tuple[Family, ...]]]:
    """View, router, wished name, keys of the place, and families of each feed."""
    ends = [
        (circuit, name, link) for circuit in answers.circuits.values() for name, link in circuit.links.items()
    ]
    for router in dict.fromkeys(link.router or "" for _, _, link in ends):
        families = _union(_families(link) for _, _, link in ends if link.router == router)
        yield View.EDGE_TABLE, router, router, (), families
    for circuit, name, link in ends:
        place = (("circuit", circuit.name), ("link", name))
        yield View.TO_MICROSOFT, link.router or "", _short(circuit, name), place, _families(link)
    space = [prefix for pool in answers.pools.values() for prefix in pool.prefixes] + answers.own_prefixes
    for uplink, entry in answers.uplinks.items():
        families = _union((prefix.family,) for prefix in space)
        name = f"{entry.router[:31]}-{uplink[:31]}"
        yield View.TO_INTERNET, entry.router, name, (("uplink", uplink),), families


def _short(circuit: CircuitAnswers, link: str) -> str:
    return f"{circuit.name[:50]}-{link}"


def _families(link: LinkAnswers) -> tuple[Family, ...]:
    return _union((subnet.family,) for subnet in (link.subnet, link.subnet6) if subnet is not None)


def _union(families: Iterable[tuple[Family, ...]]) -> tuple[Family, ...]:
    present = {family for each in families for family in each}
    return tuple(family for family in FAMILIES if family in present)


def _mirror_asn(answers: Answers, view: View) -> int | None:
    """An ASN that is in no path that we know of, another one for each kind of mirror; none on an edge table."""
    if view is View.EDGE_TABLE:
        return None
    known = {answers.asn, *(uplink.asn for uplink in answers.uplinks.values())}
    free = [asn for asn in range(_FIRST_MIRROR_ASN, _FIRST_MIRROR_ASN + len(known) + 2) if asn not in known]
    return free[0] if view is View.TO_MICROSOFT else free[1]


def _canary(answers: Answers, families: tuple[Family, ...]) -> tuple[Prefix, ...]:
    """In each family the first of our prefixes that is announced for certain: one that is not in a pool."""
    pools = PrefixSet(prefix for pool in answers.pools.values() for prefix in pool.prefixes)
    free = [prefix for prefix in answers.own_prefixes if not pools.covers(prefix)]
    found = (next((prefix for prefix in free if prefix.family == family), None) for family in families)
    return tuple(prefix for prefix in found if prefix is not None)
