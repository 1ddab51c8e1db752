"""Checks of whose the NAT pools are, in the eyes of registries: the RPKI, and Internet Routing Registries.

Microsoft validates advertised prefixes against registries, by the peering's ASN or by its ``customerASN``
(learn.microsoft.com/azure/expressroute/expressroute-routing). What Microsoft itself says of that is Azure's part; these
checks find the same mistakes before Microsoft does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested
from ermon.checks.facts import Facts, Registered
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, violated
from ermon.checks.topics import ownership_topic
from ermon.model.inventory import Config, Peering, Pool
from ermon.model.ownership import OwnershipSource, Vrp, covering
from ermon.model.prefixes import Family, Prefix, parse_prefix
from ermon.model.settings import Severity
from ermon.model.source_key import SourceKey
from ermon.model.text import utc_text

_Judge = Callable[[Config, Pool, Family, Facts], Verdict]


def ownership_names(sources: Iterable[OwnershipSource]) -> tuple[str, ...]:
    """Return the names of sources of VRPs or route objects, as findings label them."""
    return tuple(SourceKey.of(source).name for source in sources)


def _subjects(
    check: str, judge: _Judge, sources: Iterable[OwnershipSource], config: Config
) -> Iterator[Subject]:
    """Yield a subject for each family of each pool that Microsoft validates: private peering has no such rule."""
    topics = frozenset(map(ownership_topic, ownership_names(sources)))
    for pool in config.pools.values() if topics else ():
        if not any(config.circuits[name].peering is Peering.MICROSOFT for name in pool.circuits):
            continue
        for family in pool.families:
            labels = (("pool", pool.name), ("family", family))
            yield Subject(check, labels, topics, partial(judge, config, pool, family))


def read_recently(facts: Facts, sources: Iterable[OwnershipSource]) -> list[Registered]:
    """Return what those sources say that were read recently enough."""
    found = map(facts.registered, ownership_names(sources))
    return [each for each in found if each is not None]


def _knows(readings: Iterable[Registered], prefixes: Iterable[Prefix]) -> bool:
    """Return whether every prefix was looked for in one of these readings."""
    return all(any(each.knows(prefix) for each in readings) for prefix in prefixes)


def _vrps(readings: Iterable[Registered]) -> list[Vrp]:
    """Return the VRPs of several lists: what one of them has is there."""
    return list(dict.fromkeys(vrp for each in readings for vrp in each.vrps))


# The RPKI --------------------------------------------------------------------------------------------


def pool_roa(config: Config) -> Iterator[Subject]:
    return _subjects("pool-roa", _pool_roa, config.ownership.vrps, config)


def _pool_roa(config: Config, pool: Pool, family: Family, facts: Facts) -> Verdict:
    """A length that no VRP allows is no violation: the pool is advertised to Microsoft only, and a ROA for the /24
    around it is what RFC 9319 section 4 recommends.
    """
    ours, prefixes = config.customer.registered_asns, pool.prefixes_of(family)
    readings = read_recently(facts, config.ownership.vrps)
    vrps = _vrps(readings)
    named = {prefix: covering(vrps, prefix) for prefix in prefixes}
    others = {
        prefix: found
        for prefix, found in named.items()
        if found and not any(vrp.asn in ours for vrp in found)
    }
    if others:
        texts = dict.fromkeys(str(vrp) for found in others.values() for vrp in found)
        return violated(
            Evidence(prefixes=tuple(others), details={"vrps": sorted(texts), "asns": sorted(ours)})
        )
    return OK if _knows(readings, prefixes) else UNKNOWN


POOL_ROA = Check(
    name="pool-roa",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=pool_roa,
    labels=("pool", "family"),
    summary="The RPKI names other ASNs for NAT pool {pool} ({family}), not ours",
    needs=needs.nothing_else,
    peering=Peering.MICROSOFT,
    acceptance=Tested(AcceptanceStep.OWNERSHIP),
)


def pool_roa_gone(config: Config) -> Iterator[Subject]:
    return _subjects("pool-roa-gone", _pool_roa_gone, config.ownership.vrps, config)


def _pool_roa_gone(config: Config, pool: Pool, family: Family, facts: Facts) -> Verdict:
    """Only what named you counts: a foreign VRP that has gone is what was wished for."""
    ours, prefixes = config.customer.registered_asns, pool.prefixes_of(family)
    readings = read_recently(facts, config.ownership.vrps)
    present = {vrp.key for vrp in _vrps(readings)}
    gone = [(vrp.key, "no longer in the list") for each in readings for vrp in each.gone]
    ended = [(v.key, f"ended on {utc_text(v.expires or 0.0)}") for each in readings for v in each.ended]
    lost = [(key, why) for key, why in (*gone, *ended) if key[1] in ours and key not in present]
    found = [
        (prefix, f"{registered} AS{asn}: {why}")
        for prefix in prefixes
        for (registered, asn), why in lost
        if parse_prefix(registered).contains(prefix)
    ]
    if found:
        pools = tuple(dict.fromkeys(prefix for prefix, _ in found))
        return violated(Evidence(prefixes=pools, details={"vrps": sorted({text for _, text in found})}))
    return OK if _knows(readings, prefixes) else UNKNOWN


POOL_ROA_GONE = Check(
    name="pool-roa-gone",
    section=Section.ADVERTISED,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=0,
    subjects=pool_roa_gone,
    labels=("pool", "family"),
    summary="A ROA that named our ASN for NAT pool {pool} ({family}) has gone",
    needs=needs.nothing_else,
    peering=Peering.MICROSOFT,
    acceptance=NotTested("what is left is tested"),
)


# Internet Routing Registries -------------------------------------------------------------------------


def pool_unregistered(config: Config) -> Iterator[Subject]:
    if not config.ownership.route_objects:
        return iter(())
    return _subjects("pool-unregistered", _pool_unregistered, config.ownership.sources, config)


def _pool_unregistered(config: Config, pool: Pool, family: Family, facts: Facts) -> Verdict:
    """What is registered in one place is registered. That it is nowhere is known only where every registry was read,
    and the RPKI if it is asked at all.
    """
    ours, prefixes, asked = config.customer.registered_asns, pool.prefixes_of(family), config.ownership
    registries, rpki = read_recently(facts, asked.route_objects), read_recently(facts, asked.vrps)
    objects = [each for reading in registries for each in reading.route_objects]
    own = [vrp for vrp in _vrps(rpki) if vrp.asn in ours]
    missing = tuple(
        prefix
        for prefix in prefixes
        if not covering(own, prefix)
        and not any(each.covers(prefix) and (each.asn is None or each.asn in ours) for each in objects)
    )
    if not missing:
        return OK
    all_read = len(registries) == len(asked.route_objects) and all(_knows([r], missing) for r in registries)
    if not all_read or (asked.vrps and not _knows(rpki, missing)):
        return UNKNOWN
    others = {str(each) for each in objects for prefix in missing if each.covers(prefix)}
    return violated(
        Evidence(prefixes=missing, details={"route_objects": sorted(others), "asns": sorted(ours)})
    )


POOL_UNREGISTERED = Check(
    name="pool-unregistered",
    section=Section.ADVERTISED,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=0,
    subjects=pool_unregistered,
    labels=("pool", "family"),
    summary="No registry names our ASN for NAT pool {pool} ({family})",
    needs=needs.nothing_else,
    peering=Peering.MICROSOFT,
    acceptance=Tested(AcceptanceStep.OWNERSHIP, place=1),
)
