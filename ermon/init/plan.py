"""Decides what the user need not be asked: the feeds that the policy needs, their addresses, and proposals."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ermon.init.answers import (
    AnswerError,
    Answers,
    CircuitAnswers,
    Design,
    LinkAnswers,
    end_of,
    free_name,
    sites_of,
)
from ermon.init.designs import routers_proposed, sends_best_paths
from ermon.model.inventory import InternetUse, View
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, PrefixSet, parse_address, parse_prefix

_FIRST_MIRROR_ASN = 65010
"""Private ASNs, without those that Azure uses itself (65515 to 65520)."""

_ROUTERS_FROM = {4: parse_address("192.0.2.1"), 6: parse_address("2001:db8::1")}
_COLLECTOR_FROM = {4: parse_address("192.0.2.101"), 6: parse_address("2001:db8::101")}
_PROVIDER_FROM = {4: parse_address("192.0.2.201"), 6: parse_address("2001:db8::201")}
"""Proposed addresses are from the documentation ranges (RFC 5737, RFC 3849), so they cannot be mistaken for real ones."""
_EXAMPLES = tuple(map(parse_prefix, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))


@dataclass(frozen=True, slots=True)
class PlannedFeed:
    name: str
    view: View
    router: str
    peer: Address
    local: Address
    families: tuple[Family, ...]
    place: tuple[tuple[str, str], ...] = ()
    """The keys that name the mirrored neighbor."""
    local_asn: int | None = None
    canary: tuple[Prefix, ...] = ()
    vrf: str | None = None
    """Of an edge table: its routing table on the router."""
    add_path: bool = False


@dataclass(slots=True)
class Plan:
    """A complete configuration, without its text."""

    answers: Answers
    collector: Address
    routers: dict[str, Address]
    """The routers' addresses, by router or ``ROUTER/VRF``, as in ``Answers.routers``."""
    feeds: list[PlannedFeed] = field(default_factory=list)
    proposed_routers: set[str] = field(default_factory=set)
    """The routers that are proposals themselves."""
    proposed_addresses: set[str] = field(default_factory=set)
    """The routers whose addresses are proposals."""
    collector_proposed: bool = False

    @property
    def reporting(self) -> dict[str, Address]:
        """The routers that report their sessions by BMP, with the address that each connects from: that of its first table."""
        own: dict[str, Address] = {}
        for end, address in self.routers.items():
            own.setdefault(end.partition("/")[0], address)
        return {name: address for name, address in own.items() if name in self.answers.bmp}

    @property
    def locals(self) -> list[Address]:
        """The addresses of ermon's side."""
        return sorted({feed.local for feed in self.feeds})

    def internet_use(self, pool: str) -> InternetUse:
        """Return the use of a pool on the internet: inside announced space, it usually has a covering route."""
        own = self.answers.own_prefixes
        inside = any(
            p.contains(prefix) and p != prefix for prefix in self.answers.pools[pool].prefixes for p in own
        )
        return InternetUse.AGGREGATE if inside and self.answers.uplinks else InternetUse.FORBIDDEN


def plan(answers: Answers) -> Plan:
    """Make the plan. ``answers`` must be complete, except for routers and addresses."""
    proposed = _propose_routers(answers)
    _propose_sites(answers)
    _settle_bmp(answers)
    names = answers.ends
    known = [*answers.routers.values(), *filter(None, [answers.collector])]
    version = known[0].version if known else 4
    space = _space(answers)
    collector = answers.collector or next(_free(_COLLECTOR_FROM[version], known, space))
    free = _free(_ROUTERS_FROM[version], [*known, collector], space)
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
    if Design.PROVIDER in answers.designs:
        _propose_providers(answers, {*routers.values(), *(feed.local for feed in planned.feeds)}, space)
    answers.notes += _silent(answers)
    return planned


def _silent(answers: Answers) -> Iterator[str]:
    """Return the families in which a mirror will have no routes, which looks like a broken mirror."""
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


def _settle_bmp(answers: Answers) -> None:
    """Refuse routers without a link or uplink, and leave out those whose sessions are a provider's."""
    for name in sorted(answers.bmp - set(answers.router_names)):
        known = ", ".join(answers.router_names)
        raise AnswerError(f"--bmp: {name} is the router of no link and no uplink; they are {known}")
    if answers.bmp and Design.PROVIDER in answers.designs:
        answers.notes.append(
            "--bmp is left out: the sessions with Microsoft are the provider's, and your routers cannot report them."
        )
        answers.bmp = set()


def _propose_sites(answers: Answers) -> None:
    for circuit in answers.circuits.values():
        for link, site in zip(circuit.links.values(), sites_of(circuit.location or ""), strict=False):
            if link.location is None:
                link.location, link.location_proposed = site, True


def _space(answers: Answers) -> list[Prefix]:
    """Return all known prefixes of the network; examples must not be in them."""
    subnets = [
        subnet
        for circuit in answers.circuits.values()
        for link in circuit.links.values()
        for subnet in (link.subnet, link.subnet6)
    ]
    pools = [prefix for pool in answers.pools.values() for prefix in pool.prefixes]
    vnets = [prefix for circuit in answers.circuits.values() for prefix in circuit.vnets]
    return [*filter(None, subnets), *pools, *vnets, *answers.own_prefixes]


def _free(first: Address, taken: Iterable[Address], space: Iterable[Prefix] = ()) -> Iterator[Address]:
    """Yield unused addresses from ``first`` on; examples continue in the next documentation range, never in real space."""
    taken, space = set(taken), list(space)
    for address in _following(first, space):
        if address not in taken:
            yield address


def _following(first: Address, space: list[Prefix]) -> Iterator[Address]:
    home = next((each for each in _EXAMPLES if each.contains(first.prefix)), None)
    if home is not None:
        for example in [home, *(each for each in _EXAMPLES if each.version == home.version and each != home)]:
            value = example.value + first.value - home.value
            while value <= example.last:
                address = Address(first.version, value)
                inside = next((prefix for prefix in space if prefix.contains(address.prefix)), None)
                if inside is None:
                    yield address
                value = max(value, inside.last if inside is not None else 0) + 1
    yield from (Address(first.version, value) for value in itertools.count(first.value))


def _feeds(planned: Plan) -> list[PlannedFeed]:
    """Make one feed for every view of every router; all feeds of one router have different local addresses."""
    feeds: list[PlannedFeed] = []
    taken = set(planned.routers.values())
    answers = planned.answers
    # The user who gave the first address also has the next ones; a proposed one is only an example.
    space = _space(answers) if planned.collector_proposed else []
    for view, router, vrf, wanted, place, families in _views(answers):
        others = {feed.local for feed in feeds if feed.router == router}
        locals_ = _free(planned.collector, taken | others, space)
        is_table = view is View.EDGE_TABLE
        feeds.append(
            PlannedFeed(
                free_name(wanted, [feed.name for feed in feeds]),
                view,
                router,
                planned.routers[end_of(router, vrf)],
                next(locals_),
                families,
                place,
                _mirror_asn(answers, view),
                _canary(answers, families) if view is View.TO_INTERNET else (),
                vrf=vrf if is_table else None,
                add_path=is_table and not sends_best_paths(answers, router),
            )
        )
    return feeds


_Planned = tuple[View, str, str | None, str, tuple[tuple[str, str], ...], tuple[Family, ...]]


def _views(answers: Answers) -> Iterator[_Planned]:
    """Yield view, router, VRF, preferred name, keys of the neighbor, and families of each feed."""
    ends = [
        (circuit, name, link) for circuit in answers.circuits.values() for name, link in circuit.links.items()
    ]
    for router, vrf in dict.fromkeys((link.router or "", circuit.vrf) for circuit, _, link in ends):
        here = [link for circuit, _, link in ends if (link.router, circuit.vrf) == (router, vrf)]
        wanted = router if vrf is None else f"{router[:31]}-{vrf[:31]}"
        yield View.EDGE_TABLE, router, vrf, wanted, (), _union(map(_families, here))
    for circuit, name, link in ends:
        place = (("circuit", circuit.name), ("link", name))
        wanted = _short(circuit, name)
        yield View.TO_MICROSOFT, link.router or "", circuit.vrf, wanted, place, _families(link)
    space = [prefix for pool in answers.pools.values() for prefix in pool.prefixes] + answers.own_prefixes
    for uplink, entry in answers.uplinks.items():
        families = _union((prefix.family,) for prefix in space)
        name = f"{entry.router[:31]}-{uplink[:31]}"
        yield View.TO_INTERNET, entry.router, None, name, (("uplink", uplink),), families


def _propose_providers(answers: Answers, taken: Iterable[Address], space: list[Prefix]) -> None:
    """Name the provider's router of each link: the routes have its address as next hop, not an address of the link."""
    used = {
        *taken,
        *(a for c in answers.circuits.values() for link in c.links.values() for a in link.provider_addresses),
    }
    free = {version: _free(first, used, space) for version, first in _PROVIDER_FROM.items()}
    for circuit in answers.circuits.values():
        for link in circuit.links.values():
            known = {address.version for address in link.provider_addresses}
            for subnet in (link.subnet, link.subnet6):
                if subnet is not None and subnet.version not in known:
                    link.provider_addresses.append(next(free[subnet.version]))
                    link.provider_proposed = True


def _short(circuit: CircuitAnswers, link: str) -> str:
    return f"{circuit.name[:50]}-{link}"


def _families(link: LinkAnswers) -> tuple[Family, ...]:
    return _union((subnet.family,) for subnet in (link.subnet, link.subnet6) if subnet is not None)


def _union(families: Iterable[tuple[Family, ...]]) -> tuple[Family, ...]:
    present = {family for each in families for family in each}
    return tuple(family for family in FAMILIES if family in present)


def _mirror_asn(answers: Answers, view: View) -> int | None:
    """Return an ASN that is in no known path, a different one for each kind of mirror; none for an edge table."""
    if view is View.EDGE_TABLE:
        return None
    known = {answers.asn, *(uplink.asn for uplink in answers.uplinks.values()), *answers.provider_asns}
    known |= {*answers.peer_asns.values(), *answers.customer_asns.values()}
    free = [asn for asn in range(_FIRST_MIRROR_ASN, _FIRST_MIRROR_ASN + len(known) + 2) if asn not in known]
    return free[0] if view is View.TO_MICROSOFT else free[1]


def _canary(answers: Answers, families: tuple[Family, ...]) -> tuple[Prefix, ...]:
    """Return, for each family, the first of our prefixes that is certainly announced: one outside the pools."""
    pools = PrefixSet(prefix for pool in answers.pools.values() for prefix in pool.prefixes)
    free = [prefix for prefix in answers.own_prefixes if not pools.covers(prefix)]
    found = (next((prefix for prefix in free if prefix.family == family), None) for family in families)
    return tuple(prefix for prefix in found if prefix is not None)
