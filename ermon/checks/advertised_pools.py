"""Checks of where the NAT pools are advertised to Microsoft, and where they must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.advertised import microsoft_links
from ermon.checks.check import AcceptanceStep, Check, NotTested, Required, Section, Tested
from ermon.checks.edge_table import microsoft_circuits
from ermon.checks.facts import Facts, link_awaited, link_down, link_in_doubt
from ermon.checks.mirror import (
    AFTER_MISSING,
    BOUND_ELSEWHERE,
    FOREIGN_POOL,
    POOL_SPACE,
    MirroredLink,
    mirrored,
    overlapping_pools,
    pool_index,
)
from ermon.checks.subject import (
    OK,
    UNKNOWN,
    Evidence,
    Labels,
    Subject,
    Verdict,
    link_labels,
    present,
    violated,
)
from ermon.checks.topics import link_topic
from ermon.model.inventory import Config, Link, Peering, Pool, View
from ermon.model.prefixes import FAMILIES, Family, PrefixIndex
from ermon.model.settings import Severity


def _pool_labels(pool: Pool, link: Link, family: Family) -> Labels:
    return (("pool", pool.name), ("family", family), *link_labels(link))


def pool_not_advertised(config: Config) -> Iterator[Subject]:
    for pool in config.pools.values():
        for link in config.pool_links(pool):
            if config.circuits[link.circuit].peering is not Peering.MICROSOFT:
                continue
            mirror = mirrored(config, link)
            for family in filter(mirror.has_family, pool.families):
                topics = frozenset(mirror.topics((family,), POOL_SPACE, pool.name))
                judge = partial(_pool_not_advertised, pool, mirror, family)
                yield Subject("pool-not-advertised", _pool_labels(pool, link, family), topics, judge)


def _pool_not_advertised(pool: Pool, link: MirroredLink, family: Family, facts: Facts) -> Verdict:
    """Only the mirror counts, since a link that is down is no mistake of the advertisement. A link that was down and is
    unknown now is an exception: then a pool in the mirror does not count as advertised.
    """
    shown = link.unless_in_doubt(facts, family, link.shown(facts, pool, family))
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


POOL_NOT_ADVERTISED = Check(
    name="pool-not-advertised",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=30,
    subjects=pool_not_advertised,
    labels=("pool", "family", "circuit", "link"),
    summary="NAT pool {pool} ({family}) is not advertised on link {link} of circuit {circuit}",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    suppresses=AFTER_MISSING,
    shown_when_off=True,
    acceptance=Tested(AcceptanceStep.POOLS),
)


def pool_wrong_link(config: Config) -> Iterator[Subject]:
    """Return traffic must come back over the link whose NAT device holds the translations."""
    for pool in config.pools.values():
        for circuit in microsoft_circuits(config):
            if pool.links is None or circuit.name not in pool.circuits:
                continue
            own = tuple(link for link in circuit.links.values() if link.name in pool.links)
            for link in map(partial(mirrored, config), circuit.links.values()):
                if link.link in own:
                    continue
                for family in filter(link.has_family, pool.families):
                    topics = link.topics((family,), BOUND_ELSEWHERE, pool.name)
                    topics |= {link_topic(other.key, f) for other in own for f in other.families}
                    judge = partial(_pool_wrong_link, pool, link, own, family)
                    labels = _pool_labels(pool, link.link, family)
                    yield Subject("pool-wrong-link", labels, frozenset(topics), judge)


def _pool_wrong_link(
    pool: Pool, link: MirroredLink, own: tuple[Link, ...], family: Family, facts: Facts
) -> Verdict:
    """While all of a pool's own links are down, it may be advertised elsewhere, because it can be reached only
    there.
    """
    if own and all(link_down(facts, other, family) for other in own):
        return OK
    routes = link.advertised(facts, (family,), BOUND_ELSEWHERE, pool.name)
    if routes and own and all(_may_be_down(facts, other, family) for other in own):
        return UNKNOWN
    evidence = Evidence(routes=routes, routers=(link.link.router,))
    return present(evidence, complete=link.complete(facts, (family,)))


def _may_be_down(facts: Facts, link: Link, family: Family) -> bool:
    return any(may_be(facts, link, family) for may_be in (link_down, link_in_doubt, link_awaited))


POOL_WRONG_LINK = Check(
    name="pool-wrong-link",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=pool_wrong_link,
    labels=("pool", "family", "circuit", "link"),
    summary="NAT pool {pool} ({family}) is advertised on link {link} of circuit {circuit}, but is bound to another link",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.POOLS_ELSEWHERE, place=1, required=Required.WITH_BOUND_POOLS),
)


def pool_wrong_circuit(config: Config) -> Iterator[Subject]:
    pools = pool_index(config)
    of_circuit = Counter((name, f) for p in config.pools.values() for name in p.circuits for f in p.families)
    of_all = Counter(family for pool in config.pools.values() for family in pool.families)
    for link in microsoft_links(config):
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


POOL_WRONG_CIRCUIT = Check(
    name="pool-wrong-circuit",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=pool_wrong_circuit,
    labels=("circuit", "link", "family"),
    summary="NAT pool {pools} of another circuit[ {prefix}| ({family})] is advertised on link {link} of circuit {circuit}",
    named_evidence=("pools",),
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    shown_when_off=True,
    acceptance=Tested(AcceptanceStep.POOLS_ELSEWHERE, required=Required.WITH_OTHER_CIRCUITS),
)


def inbound_not_redundant(config: Config) -> Iterator[Subject]:
    """A pool that Microsoft calls should be advertised on two circuits (Microsoft, "Implementing ExpressRoute for
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
    routers = [link.link.router for link in links]
    evidence = Evidence(prefixes=pool.prefixes_of(family), routers=routers, details={"advertised_on": seen})
    return violated(evidence)


INBOUND_NOT_REDUNDANT = Check(
    name="inbound-not-redundant",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=inbound_not_redundant,
    labels=("pool", "family"),
    summary="Inbound pool {pool} ({family}) is advertised on fewer than two circuits",
    needs=needs.pool_mirrors,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=NotTested("about several circuits"),
)
