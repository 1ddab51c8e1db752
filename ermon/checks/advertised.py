"""Checks of what we advertise to Microsoft, on the mirrors of the links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from ermon.checks.mirror import (
    ADVERTISED,
    DEFAULT,
    FOREIGN_POOL,
    INTERNET_ONLY,
    LINK_SUBNET,
    NOT_PUBLIC,
    POOL_SPACE,
    REFUSED_PATH,
    UNDECLARED,
    MirroredLink,
    mirrored,
    overlapping_pools,
    pool_index,
    prefix_limit,
)
from ermon.checks.parameters import parameter
from ermon.checks.received import microsoft_circuits
from ermon.checks.subject import (
    MICROSOFT,
    OK,
    UNKNOWN,
    Evidence,
    Facts,
    Labels,
    Subject,
    Verdict,
    difference_topic,
    link_down,
    link_labels,
    present,
    violated,
)
from ermon.model.inventory import Config, Link, Peering, Pool
from ermon.model.prefixes import FAMILIES, Family, PrefixIndex, PrefixSet


def _microsoft_links(config: Config) -> Iterator[MirroredLink]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            yield mirrored(config, link)


def _forbidden(check: str, link: MirroredLink, kind: str) -> Subject:
    """A subject for routes that must not be advertised on a link at all."""
    topics = frozenset(link.topics(link.families, kind))
    judge = partial(_nothing_advertised, link, link.families, kind, "")
    return Subject(check, link_labels(link.link), topics, judge)


def _nothing_advertised(
    link: MirroredLink, families: tuple[Family, ...], kind: str, name: str, facts: Facts
) -> Verdict:
    evidence = Evidence(routes=link.advertised(facts, families, kind, name), routers=(link.link.router,))
    return present(evidence, complete=link.complete(facts, families))


# Pools -----------------------------------------------------------------------------------------------


def _pool_labels(pool: Pool, link: Link, family: Family) -> Labels:
    return (("pool", pool.name), ("family", family), *link_labels(link))


def pool_not_advertised(config: Config) -> Iterator[Subject]:
    for pool in config.pools.values():
        for link in config.pool_links(pool):
            if config.circuits[link.circuit].peering is not Peering.MICROSOFT:
                continue
            mirror = mirrored(config, link)
            for family in filter(mirror.has_family, pool.families):
                topics = frozenset(mirror.mirror_topics((family,), POOL_SPACE, pool.name))
                judge = partial(_pool_not_advertised, pool, mirror, family)
                yield Subject("pool-not-advertised", _pool_labels(pool, link, family), topics, judge)


def _pool_not_advertised(pool: Pool, link: MirroredLink, family: Family, facts: Facts) -> Verdict:
    """Only the mirror is asked: a link that is down is no mistake of the advertisement."""
    shown = link.shown(facts, pool, family)
    if shown is None:
        return UNKNOWN
    if shown:
        return OK
    missing = [
        prefix
        for prefix in pool.prefixes_of(family)
        if not any(facts.covers(feed.name, prefix) for feed in link.feeds)
    ]
    return violated(Evidence(prefixes=missing, routers=(link.link.router,)))


def pool_wrong_circuit(config: Config) -> Iterator[Subject]:
    pools = pool_index(config)
    of_circuit = Counter((name, f) for p in config.pools.values() for name in p.circuits for f in p.families)
    of_all = Counter(family for pool in config.pools.values() for family in pool.families)
    for link in _microsoft_links(config):
        foreign = [f for f in FAMILIES if of_all[f] > of_circuit[link.link.circuit, f]]
        for family in filter(link.has_family, foreign):
            topics = frozenset(link.topics((family,), FOREIGN_POOL))
            labels = (*link_labels(link.link), ("family", family))
            judge = partial(_pool_wrong_circuit, link, family, pools)
            yield Subject("pool-wrong-circuit", labels, topics, judge)


def _pool_wrong_circuit(
    link: MirroredLink, family: Family, pools: PrefixIndex[tuple[Pool, ...]], facts: Facts
) -> Verdict:
    routes = link.advertised(facts, (family,), FOREIGN_POOL)

    def details() -> dict[str, list[str]]:
        found = {
            pool.name
            for route in routes
            for pool in overlapping_pools(pools, route.prefix)
            if link.link.circuit not in pool.circuits
        }
        return {"pools": sorted(found)}

    evidence = Evidence(routes=routes, routers=(link.link.router,), details=details)
    return present(evidence, complete=link.complete(facts, (family,)))


def inbound_not_redundant(config: Config) -> Iterator[Subject]:
    """What Microsoft calls is to be advertised on two circuits (Microsoft, "Implementing ExpressRoute for
    Microsoft 365").
    """
    for pool in config.pools.values():
        circuits = [c.name for c in microsoft_circuits(config) if c.name in pool.circuits]
        if pool.use != "inbound" or len(circuits) < 2:
            continue
        links = [mirrored(config, link) for link in config.pool_links(pool) if link.circuit in circuits]
        for family in pool.families:
            if any(link.has_family(family) for link in links):
                topics = frozenset(t for link in links for t in link.topics((family,), POOL_SPACE, pool.name))
                labels = (("pool", pool.name), ("family", family))
                judge = partial(_inbound_not_redundant, pool, family, links)
                yield Subject("inbound-not-redundant", labels, topics, judge)


def _inbound_not_redundant(pool: Pool, family: Family, links: list[MirroredLink], facts: Facts) -> Verdict:
    answers: dict[str, set[bool | None]] = {}
    for link in links:
        answers.setdefault(link.link.circuit, set()).add(link.advertises(facts, pool, family))
    seen = [circuit for circuit, found in answers.items() if True in found]
    possible = [circuit for circuit, found in answers.items() if found != {False}]
    if len(seen) >= 2:
        return OK
    if len(possible) >= 2:
        return UNKNOWN
    return violated(Evidence(prefixes=pool.prefixes_of(family), details={"advertised_on": seen}))


# Everything else -------------------------------------------------------------------------------------


def advertised_undeclared(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if config.circuits[link.circuit].advertise.prefixes is not None:
            yield _forbidden("advertised-undeclared", mirrored(config, link), UNDECLARED)


def advertised_not_public(config: Config) -> Iterator[Subject]:
    for link in _microsoft_links(config):
        yield _forbidden("advertised-not-public", link, NOT_PUBLIC)


def advertised_default(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if not config.circuits[link.circuit].advertise.allow_default:
            yield _forbidden("advertised-default", mirrored(config, link), DEFAULT)


def advertised_internet_only(config: Config) -> Iterator[Subject]:
    for link in _microsoft_links(config):
        yield _forbidden("advertised-internet-only", link, INTERNET_ONLY)


def advertised_link_subnet(config: Config) -> Iterator[Subject]:
    for link in _microsoft_links(config):
        yield _forbidden("advertised-link-subnet", link, LINK_SUBNET)


def advertised_path(config: Config) -> Iterator[Subject]:
    for link in _microsoft_links(config):
        yield _forbidden("advertised-path", link, REFUSED_PATH)


def microsoft_reflected(config: Config) -> Iterator[Subject]:
    for link in config.links:
        yield _forbidden("microsoft-reflected", mirrored(config, link), MICROSOFT)


def advertised_limit_near(config: Config) -> Iterator[Subject]:
    yield from _limit(config, "advertised-limit-near")


def advertised_limit_reached(config: Config) -> Iterator[Subject]:
    yield from _limit(config, "advertised-limit-reached")


def _limit(config: Config, check: str) -> Iterator[Subject]:
    percent = parameter(config, check, "percent")
    for link in config.links:
        mirror = mirrored(config, link)
        for family in mirror.families:
            labels = (*link_labels(link), ("family", family))
            topics = frozenset(mirror.mirror_topics((family,), ADVERTISED))
            limit = prefix_limit(config.circuits[link.circuit], family)
            yield Subject(check, labels, topics, partial(_limit_exceeded, mirror, family, limit, percent))


def _limit_exceeded(link: MirroredLink, family: Family, limit: int, percent: float, facts: Facts) -> Verdict:
    """The mirror alone is asked: the session that Microsoft dropped for it must not hide the cause."""
    count = link.count(facts, family)
    if count * 100 >= limit * percent:
        details = {"advertised": count, "limit": limit}
        return violated(Evidence(routers=(link.link.router,), details=details))
    return OK if link.in_sync(facts, family) else UNKNOWN


def advertised_asymmetry(config: Config) -> Iterator[Subject]:
    """Both links of a circuit are to advertise the same (Microsoft, "ExpressRoute routing requirements"); a
    longer prefix on one of them draws all of its traffic there.
    """
    for circuit in config.circuits.values():
        bound = PrefixSet(
            prefix
            for pool in config.pools.values()
            if circuit.name in pool.circuits
            and pool.links is not None
            and not circuit.links.keys() <= set(pool.links)
            for prefix in pool.prefixes
        )
        mirrors = [mirrored(config, link) for link in circuit.links.values()]
        for family in FAMILIES:
            links = tuple(link for link in mirrors if link.has_family(family))
            if len(links) < 2:
                continue
            topics = {difference_topic("advertised", circuit.name, family)}
            topics.update(topic for link in links for topic in link.topics((), ADVERTISED))
            labels = (("circuit", circuit.name), ("family", family))
            judge = partial(_advertised_asymmetry, links, family, bound)
            yield Subject("advertised-asymmetry", labels, frozenset(topics), judge)


def _advertised_asymmetry(
    links: tuple[MirroredLink, ...], family: Family, bound: PrefixSet, facts: Facts
) -> Verdict:
    alive = [link for link in links if not link_down(facts, link.link, family)]
    if len(alive) < 2:
        return OK
    differing = facts.advertised_one_sided(links[0].link.circuit, family)
    # A default route is advertised-default only.
    if prefixes := [prefix for prefix in differing if not prefix.is_default and not bound.covers(prefix)]:
        return violated(Evidence(prefixes=prefixes, routers=[link.link.router for link in alive]))
    return OK if all(link.in_sync(facts, family) for link in alive) else UNKNOWN
