"""What the mirrors of a link show: sorted, counted, and compared with the link's state.

A mirror shows what would be sent, and does not change when the real session goes down. So *advertised* means: in the
link's mirror, and the link not known to be down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ermon.checks.attribution import Attribution
from ermon.checks.facts import Facts, link_awaited, link_down, link_in_doubt
from ermon.checks.subject import Classifier, RouteGroup
from ermon.checks.topics import RouteSet, Topic, feed_topic, link_topic, routes_topic
from ermon.model.inventory import Circuit, Config, Feed, Link, Peering, Pool
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixIndex, PrefixSet, not_public_space
from ermon.model.routes import PRIVATE_ASNS, Route

ADVERTISED = "advertised"
POOL_SPACE = "pool-space"
FOREIGN_POOL = "foreign-pool"
BOUND_ELSEWHERE = "bound-elsewhere"
REQUIRED = "required"
UNDECLARED = "undeclared"
NOT_PUBLIC = "not-public"
DEFAULT = "default"
INTERNET_ONLY = "internet-only"
LINK_SUBNET = "link-subnet"
REFUSED_PATH = "refused-path"

USELESS_ASNS: dict[Peering, tuple[range, ...]] = {
    # Documentation ASNs (RFC 5398), which Microsoft refuses, and private ones (RFC 6996), which it removes
    # (Microsoft, "ExpressRoute routing requirements").
    Peering.MICROSOFT: (range(64496, 64512), *PRIVATE_ASNS),
    # The ASN of Azure's own gateways and those reserved beside it: a gateway drops a path that holds its own
    # (Microsoft, "VPN Gateway FAQ").
    Peering.PRIVATE: (range(65515, 65521),),
}
"""ASNs with which an advertised path is useless, by peering."""

AFTER_MISSING = ("advertised-count-low", "advertised-asymmetry", "geo-asymmetry", "feed-empty")
"""The checks that a missing pool or prefix would raise as well."""

PREFIX_LIMITS: dict[tuple[Peering, bool, Family], int] = {
    (Peering.MICROSOFT, False, "ipv4"): 200,
    (Peering.MICROSOFT, False, "ipv6"): 200,
    (Peering.MICROSOFT, True, "ipv4"): 200,
    (Peering.MICROSOFT, True, "ipv6"): 200,
    (Peering.PRIVATE, False, "ipv4"): 4_000,
    (Peering.PRIVATE, False, "ipv6"): 100,
    (Peering.PRIVATE, True, "ipv4"): 10_000,
    (Peering.PRIVATE, True, "ipv6"): 100,
}
"""The number of prefixes at which Microsoft drops the session, by peering, premium and family (Microsoft, "ExpressRoute
routing requirements" and "ExpressRoute limits").
"""


def prefix_limit(circuit: Circuit, family: Family) -> int:
    return PREFIX_LIMITS[circuit.peering, circuit.premium, family]


@dataclass(frozen=True, slots=True)
class MirroredLink:
    """A link, and the feeds that mirror what is sent over it: usually one, sometimes none."""

    link: Link
    feeds: tuple[Feed, ...]

    @property
    def families(self) -> tuple[Family, ...]:
        """The families of its mirrors; if it has no mirror, those of the link."""
        seen = tuple(f for f in FAMILIES if any(f in feed.families for feed in self.feeds))
        return seen or self.link.families

    def has_family(self, family: Family) -> bool:
        return family in self.link.families or family in self.families

    def advertised(self, facts: Facts, families: Iterable[Family], kind: str, name: str = "") -> RouteGroup:
        """Return the routes of a set that are advertised to Microsoft on this link."""
        return RouteGroup(
            facts.matching(feed.name, RouteSet(kind, family, name))
            for family in families
            if self.heard(facts, family)
            for feed in self.feeds
        )

    def heard(self, facts: Facts, family: Family) -> bool:
        """Return whether what the mirror shows counts as advertised: the link is neither known to be down nor may be
        known to be down soon after a start, when mirrors may come before the edge tables.
        """
        return not link_down(facts, self.link, family) and not link_awaited(facts, self.link, family)

    def complete(self, facts: Facts, families: Iterable[Family]) -> bool:
        """Return whether everything that is advertised on the link is known."""
        return all(
            link_down(facts, self.link, f) or (self.in_sync(facts, f) and self.heard(facts, f))
            for f in families
        )

    def in_sync(self, facts: Facts, family: Family) -> bool:
        return any(facts.in_sync(feed.name, family) for feed in self.feeds)

    def shown(self, facts: Facts, pool: Pool, family: Family) -> bool | None:
        """Return whether a mirror shows all of a pool's space; ``None`` if that is not known."""
        answers = [
            all(facts.covers(feed.name, prefix) for prefix in pool.prefixes_of(family))
            for feed in self.feeds
            if facts.in_sync(feed.name, family)
        ]
        return any(answers) if answers else None

    def advertises(self, facts: Facts, pool: Pool, family: Family) -> bool | None:
        """Return whether all of a pool's space is advertised on the link; ``None`` if that is not known."""
        if link_down(facts, self.link, family):
            return False
        return self.unless_in_doubt(facts, family, self.shown(facts, pool, family))

    def unless_in_doubt(self, facts: Facts, family: Family, shown: bool | None) -> bool | None:
        """Return ``shown``, but ``None`` if it is true and the link was down and may still be."""
        return None if shown and link_in_doubt(facts, self.link, family) else shown

    def count(self, facts: Facts, family: Family) -> int:
        """Count the prefixes that the mirror shows; of several mirrors, the most."""
        counts = (len(facts.matching(feed.name, RouteSet(ADVERTISED, family))) for feed in self.feeds)
        return max(counts, default=0)

    def mirror_topics(self, families: Iterable[Family], kind: str, name: str = "") -> set[Topic]:
        """Return the topics of a verdict that depends on the mirrors alone."""
        topics = {feed_topic(feed.name) for feed in self.feeds}
        for family in families:
            topics.update(routes_topic(feed.name, RouteSet(kind, family, name)) for feed in self.feeds)
        return topics

    def topics(self, families: Iterable[Family], kind: str, name: str = "") -> set[Topic]:
        """Return the topics of a verdict on what is advertised: those of the mirrors and of the link's state."""
        return self.mirror_topics(families, kind, name) | self.link_topics()

    def link_topics(self) -> set[Topic]:
        return {link_topic(self.link.key, family) for family in self.link.families}


def mirrored(config: Config, link: Link) -> MirroredLink:
    return MirroredLink(link, config.mirrors.get(link.key, ()))


# Sorting a mirror ------------------------------------------------------------------------------------


def classifiers(config: Config) -> Callable[[Feed], Classifier]:
    """Return the function that makes the classifier of a link's mirror. Routes are sorted by what the checks look
    for.
    """
    own_pools: dict[str, list[Pool]] = {}
    for pool in config.pools.values():
        for name in pool.circuits:
            own_pools.setdefault(name, []).append(pool)
    space = _Space(
        not_public=not_public_space(config.policy.public_space),
        internet_only=PrefixSet(config.internet_only),
        link_subnets=PrefixSet(subnet for link in config.links for subnet in link.subnets),
        own_prefixes=frozenset(config.customer.own_prefixes),
        pools=pool_index(config),
        asn=config.customer.asn,
    )

    def classifier(feed: Feed) -> Classifier:
        if feed.circuit is None:
            raise ValueError(f"feed {feed.name} mirrors no circuit")
        return _classifier(space, config.circuits[feed.circuit], feed.link, own_pools.get(feed.circuit, []))

    return classifier


class _Space(NamedTuple):
    """The address space that the routes of every mirror are compared with."""

    not_public: PrefixSet
    internet_only: PrefixSet
    link_subnets: PrefixSet
    own_prefixes: frozenset[Prefix]
    pools: PrefixIndex[tuple[Pool, ...]]
    asn: int


def _classifier(space: _Space, circuit: Circuit, link: str | None, own_pools: list[Pool]) -> Classifier:
    """A default route is in the sets of ``advertised-default`` only: it covers no pool, and no other check judges
    it.
    """
    own_pool_space = PrefixSet(prefix for pool in own_pools for prefix in pool.prefixes)
    declared = _declared(circuit, own_pools)
    bound_elsewhere = {
        pool.name: PrefixSet(pool.prefixes)
        for pool in own_pools
        if pool.links is not None and link not in pool.links
    }
    rightful = PrefixSet(
        prefix for pool in own_pools if pool.links is None or link in pool.links for prefix in pool.prefixes
    )
    required = PrefixSet(prefix for prefix in circuit.advertise.required if not prefix.is_default)
    allowed_subnets = space.own_prefixes.intersection(circuit.advertise.prefixes or ())

    def route_sets(route: Route, _: Attribution) -> Iterator[RouteSet]:
        prefix = route.prefix
        family = prefix.family
        yield RouteSet(ADVERTISED, family)
        if prefix.is_default:
            yield RouteSet(DEFAULT, family)
            return
        pools = overlapping_pools(space.pools, prefix)
        for pool in pools:
            yield RouteSet(POOL_SPACE, family, pool.name)
            # A pool of this link may be inside one that is bound to another link.
            bound = bound_elsewhere.get(pool.name)
            if bound is not None and bound.covers(prefix) and not rightful.covers(prefix):
                yield RouteSet(BOUND_ELSEWHERE, family, pool.name)
        foreign = any(circuit.name not in pool.circuits for pool in pools)
        for kind, applies in (
            (FOREIGN_POOL, foreign and not own_pool_space.covers(prefix)),
            (UNDECLARED, declared is not None and not declared.covers(prefix)),
            (NOT_PUBLIC, space.not_public.overlaps(prefix)),
            (INTERNET_ONLY, space.internet_only.overlaps(prefix)),
            (LINK_SUBNET, space.link_subnets.overlaps(prefix) and prefix not in allowed_subnets),
            (REQUIRED, required.overlaps(prefix)),
            (REFUSED_PATH, _useless_path(route, circuit.peering, space.asn)),
        ):
            if applies:
                yield RouteSet(kind, family)

    return Classifier(route_sets)


def _useless_path(route: Route, peering: Peering, own_asn: int) -> bool:
    return any(
        asn != own_asn and any(asn in useless for useless in USELESS_ASNS[peering])
        for segment in route.attributes.as_path
        for asn in segment.asns
    )


def _declared(circuit: Circuit, pools: Iterable[Pool]) -> PrefixSet | None:
    """Return the space that the circuit may advertise; ``None`` if it may advertise everything."""
    if circuit.advertise.prefixes is None:
        return None
    return PrefixSet((*circuit.advertise.prefixes, *(prefix for pool in pools for prefix in pool.prefixes)))


def pool_index(config: Config) -> PrefixIndex[tuple[Pool, ...]]:
    index: PrefixIndex[tuple[Pool, ...]] = PrefixIndex()
    for pool in config.pools.values():
        for prefix in pool.prefixes:
            index[prefix] = (*(index.get(prefix) or ()), pool)
    return index


def overlapping_pools(index: PrefixIndex[tuple[Pool, ...]], prefix: Prefix) -> list[Pool]:
    """Return the pools that overlap the prefix, each once."""
    found = {
        pool.name: pool
        for entries in (index.covering(prefix), index.inside(prefix))
        for _, pools in entries
        for pool in pools
    }
    return list(found.values())
