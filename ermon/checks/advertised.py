"""Checks of what we advertise to Microsoft, on the mirrors of the links.

A mirror shows what would be sent, and stays as it is when the real session dies. So *advertised* means:
in the link's mirror, and the link not known to be down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ermon.attribution import Attribution
from ermon.checks.parameters import parameter
from ermon.checks.received import microsoft_circuits
from ermon.checks.subject import (
    MICROSOFT,
    OK,
    UNKNOWN,
    Bucket,
    Evidence,
    Facts,
    Labels,
    RouteGroup,
    Select,
    Subject,
    Topic,
    Verdict,
    feed_topic,
    link_down,
    link_labels,
    link_topic,
    present,
    routes_topic,
    violated,
)
from ermon.inventory import Circuit, Config, Feed, Link, Peering, Pool, View
from ermon.model import Route
from ermon.prefixes import FAMILIES, Family, PrefixIndex, PrefixSet
from ermon.public import not_public_space

ADVERTISED = "advertised"
POOL_SPACE = "pool-space"
FOREIGN_POOL = "foreign-pool"
UNDECLARED = "undeclared"
NOT_PUBLIC = "not-public"
DEFAULT = "default"
INTERNET_ONLY = "internet-only"
LINK_SUBNET = "link-subnet"

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
"""Prefixes at which Microsoft drops the session, by peering, premium and family (Microsoft,
"ExpressRoute routing requirements" and "ExpressRoute limits").
"""


def prefix_limit(circuit: Circuit, family: Family) -> int:
    return PREFIX_LIMITS[circuit.peering, circuit.premium, family]


# What a mirror is sorted into ------------------------------------------------------------------------


def select(config: Config, feed: Feed) -> Select:
    """Sort what a mirror of a link shows by what the checks ask of it.

    A default route belongs to ``advertised-default`` only: it is no covering route, and no other check
    has anything to say of it.
    """
    if feed.circuit is None:
        raise ValueError(f"feed {feed.name} mirrors no circuit")
    circuit = config.circuits[feed.circuit]
    own_pools = [pool for pool in config.pools.values() if circuit.name in pool.circuits]
    own_pool_space = PrefixSet(prefix for pool in own_pools for prefix in pool.prefixes)
    declared = _declared(circuit, own_pools)
    not_public = not_public_space(config.policy.public_space)
    internet_only = PrefixSet(config.internet_only)
    link_subnets = PrefixSet(subnet for link in config.links for subnet in link.subnets)
    allowed_subnets = PrefixSet(
        prefix for prefix in circuit.advertise.prefixes or () if prefix in config.customer.own_prefixes
    )
    pools = pool_index(config)

    def buckets(route: Route, _: Attribution) -> Iterator[Bucket]:
        prefix = route.prefix
        family = prefix.family
        yield Bucket(ADVERTISED, family)
        if prefix.is_default:
            yield Bucket(DEFAULT, family)
            return
        foreign = not own_pool_space.covers(prefix)
        for pool in overlapping_pools(pools, route):
            yield Bucket(POOL_SPACE, family, pool.name)
            if foreign and circuit.name not in pool.circuits:
                yield Bucket(FOREIGN_POOL, family, pool.name)
        if declared is not None and not declared.covers(prefix):
            yield Bucket(UNDECLARED, family)
        if not_public.overlaps(prefix):
            yield Bucket(NOT_PUBLIC, family)
        if internet_only.overlaps(prefix):
            yield Bucket(INTERNET_ONLY, family)
        if link_subnets.overlaps(prefix) and not allowed_subnets.covers(prefix):
            yield Bucket(LINK_SUBNET, family)

    return buckets


def _declared(circuit: Circuit, pools: Iterable[Pool]) -> PrefixSet | None:
    """Return what the circuit may advertise; ``None`` is everything."""
    if circuit.advertise.prefixes is None:
        return None
    return PrefixSet((*circuit.advertise.prefixes, *(prefix for pool in pools for prefix in pool.prefixes)))


def pool_index(config: Config) -> PrefixIndex[tuple[Pool, ...]]:
    index: PrefixIndex[tuple[Pool, ...]] = PrefixIndex()
    for pool in config.pools.values():
        for prefix in pool.prefixes:
            index[prefix] = (*(index.get(prefix) or ()), pool)
    return index


def overlapping_pools(index: PrefixIndex[tuple[Pool, ...]], route: Route) -> Iterator[Pool]:
    """Yield the pools of which the route shares any address, each once."""
    found = {
        pool.name: pool
        for entries in (index.covering(route.prefix), index.inside(route.prefix))
        for _, pools in entries
        for pool in pools
    }
    return iter(found.values())


# What the verdicts look at, and depend on ------------------------------------------------------------


def mirrors(config: Config, link: Link) -> tuple[Feed, ...]:
    return tuple(
        feed for feed in config.feeds.values() if feed.view is View.TO_MICROSOFT and feed.link_key == link.key
    )


def _families(config: Config, link: Link) -> tuple[Family, ...]:
    """The families in which the link's mirrors, or the link where it has none, can say anything."""
    feeds = mirrors(config, link)
    return tuple(f for f in FAMILIES if any(f in feed.families for feed in feeds)) or link.families


def _advertised(
    facts: Facts, config: Config, link: Link, families: Iterable[Family], kind: str, name: str = ""
) -> RouteGroup:
    return RouteGroup(
        facts.matching(feed.name, Bucket(kind, family, name))
        for family in families
        if not link_down(facts, link, family)
        for feed in mirrors(config, link)
    )


def _complete(facts: Facts, config: Config, link: Link, families: Iterable[Family]) -> bool:
    """Tell whether everything that is advertised on the link is known."""
    return all(
        link_down(facts, link, family)
        or any(facts.in_sync(feed.name, family) for feed in mirrors(config, link))
        for family in families
    )


def _topics(config: Config, link: Link, families: Iterable[Family], kind: str, name: str = "") -> set[Topic]:
    topics = {link_topic(link.key, family) for family in link.families}
    for feed in mirrors(config, link):
        topics.add(feed_topic(feed.name))
        topics.update(routes_topic(feed.name, Bucket(kind, family, name)) for family in families)
    return topics


def _forbidden(config: Config, link: Link, check: str, kind: str) -> Subject:
    """A subject for routes that must not be advertised on a link at all."""
    families = _families(config, link)
    topics = frozenset(_topics(config, link, families, kind))
    judge = partial(_nothing_advertised, config, link, families, kind, "")
    return Subject(check, link_labels(link), topics, judge)


def _nothing_advertised(
    config: Config, link: Link, families: tuple[Family, ...], kind: str, name: str, facts: Facts
) -> Verdict:
    routes = _advertised(facts, config, link, families, kind, name)
    evidence = Evidence(routes=routes, routers=(link.router,))
    return present(evidence, complete=_complete(facts, config, link, families))


# Pools -----------------------------------------------------------------------------------------------


def pool_not_advertised(config: Config) -> Iterator[Subject]:
    for pool in config.pools.values():
        for link in config.pool_links(pool):
            if config.circuits[link.circuit].peering is not Peering.MICROSOFT:
                continue
            for family in pool.families:
                if not _has_family(config, link, family):
                    continue
                topics = {feed_topic(feed.name) for feed in mirrors(config, link)}
                topics.update(
                    routes_topic(feed.name, Bucket(POOL_SPACE, family, pool.name))
                    for feed in mirrors(config, link)
                )
                judge = partial(_pool_not_advertised, config, pool, link, family)
                labels = _pool_labels(pool, link, family)
                yield Subject("pool-not-advertised", labels, frozenset(topics), judge)


def _has_family(config: Config, link: Link, family: Family) -> bool:
    return family in link.families or any(family in feed.families for feed in mirrors(config, link))


def _pool_labels(pool: Pool, link: Link, family: Family) -> Labels:
    return (("pool", pool.name), ("family", family), *link_labels(link))


def _pool_not_advertised(config: Config, pool: Pool, link: Link, family: Family, facts: Facts) -> Verdict:
    """Only the mirror is asked: a link that is down is no mistake of the advertisement."""
    uncovered = [
        [prefix for prefix in pool.prefixes_of(family) if not facts.covers(feed.name, prefix)]
        for feed in mirrors(config, link)
        if facts.in_sync(feed.name, family)
    ]
    if not uncovered:
        return UNKNOWN
    if not all(uncovered):
        return OK
    return violated(Evidence(prefixes=uncovered[0], routers=(link.router,)))


def pool_wrong_circuit(config: Config) -> Iterator[Subject]:
    for pool in config.pools.values():
        for circuit in microsoft_circuits(config):
            if circuit.name in pool.circuits:
                continue
            for link in circuit.links.values():
                for family in pool.families:
                    if not _has_family(config, link, family):
                        continue
                    topics = frozenset(_topics(config, link, (family,), FOREIGN_POOL, pool.name))
                    judge = partial(_nothing_advertised, config, link, (family,), FOREIGN_POOL, pool.name)
                    labels = _pool_labels(pool, link, family)
                    yield Subject("pool-wrong-circuit", labels, topics, judge)


# Everything else -------------------------------------------------------------------------------------


def advertised_undeclared(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if config.circuits[link.circuit].advertise.prefixes is not None:
            yield _forbidden(config, link, "advertised-undeclared", UNDECLARED)


def advertised_not_public(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            yield _forbidden(config, link, "advertised-not-public", NOT_PUBLIC)


def advertised_default(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if not config.circuits[link.circuit].advertise.allow_default:
            yield _forbidden(config, link, "advertised-default", DEFAULT)


def advertised_internet_only(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            yield _forbidden(config, link, "advertised-internet-only", INTERNET_ONLY)


def microsoft_reflected(config: Config) -> Iterator[Subject]:
    for link in config.links:
        yield _forbidden(config, link, "microsoft-reflected", MICROSOFT)


def advertised_limit_near(config: Config) -> Iterator[Subject]:
    yield from _limit(config, "advertised-limit-near")


def advertised_limit_reached(config: Config) -> Iterator[Subject]:
    yield from _limit(config, "advertised-limit-reached")


def _limit(config: Config, check: str) -> Iterator[Subject]:
    percent = parameter(config, check, "percent")
    for link in config.links:
        for family in _families(config, link):
            labels = (*link_labels(link), ("family", family))
            topics = {feed_topic(feed.name) for feed in mirrors(config, link)}
            topics.update(
                routes_topic(feed.name, Bucket(ADVERTISED, family)) for feed in mirrors(config, link)
            )
            judge = partial(_limit_exceeded, config, link, family, percent)
            yield Subject(check, labels, frozenset(topics), judge)


def _limit_exceeded(config: Config, link: Link, family: Family, percent: float, facts: Facts) -> Verdict:
    """The mirror alone is asked: the session that Microsoft dropped for it must not hide the cause."""
    limit = prefix_limit(config.circuits[link.circuit], family)
    count = advertised_prefixes(facts, config, link, family)
    if count * 100 >= limit * percent:
        details = {"advertised": count, "limit": limit}
        return violated(Evidence(routers=(link.router,), details=details))
    known = any(facts.in_sync(feed.name, family) for feed in mirrors(config, link))
    return OK if known else UNKNOWN


def advertised_prefixes(facts: Facts, config: Config, link: Link, family: Family) -> int:
    """Count the prefixes that the link's mirror shows; where it has several, the most."""
    counts = (len(facts.matching(feed.name, Bucket(ADVERTISED, family))) for feed in mirrors(config, link))
    return max(counts, default=0)
