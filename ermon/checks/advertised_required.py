"""Checks of prefixes other than pools that must be advertised to Microsoft: by a circuit, and by the circuits that back
it up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested
from ermon.checks.facts import Facts, link_down, link_in_doubt, link_up
from ermon.checks.mirror import ADVERTISED, AFTER_MISSING, DEFAULT, REQUIRED, MirroredLink, mirrored
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, violated
from ermon.checks.topics import GroupKey, RouteSet, failover_topic
from ermon.model.inventory import Config, Peering, View
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.settings import Severity


def prefix_not_advertised(config: Config) -> Iterator[Subject]:
    """A site cannot be reached from Azure if no link advertises its prefix."""
    for circuit in config.circuits.values():
        links = tuple(mirrored(config, link) for link in circuit.links.values())
        for family in FAMILIES:
            required = tuple(sorted({p for p in circuit.advertise.required if p.family == family}))
            if required and any(link.has_family(family) for link in links):
                topics = {topic for link in links for topic in link.topics((family,), REQUIRED)}
                if any(prefix.is_default for prefix in required):
                    topics.update(topic for link in links for topic in link.topics((family,), DEFAULT))
                labels = (("circuit", circuit.name), ("family", family))
                judge = partial(_prefix_not_advertised, links, family, required)
                yield Subject("prefix-not-advertised", labels, frozenset(topics), judge)


def _prefix_not_advertised(
    links: tuple[MirroredLink, ...], family: Family, required: tuple[Prefix, ...], facts: Facts
) -> Verdict:
    """It is enough if one link advertises a prefix; ``advertised-asymmetry`` reports those that are on one link
    only.
    """
    missing: list[Prefix] = []
    unknown = False
    for prefix in required:
        answers = {_advertises(facts, link, family, prefix) for link in links}
        if True not in answers:
            if None in answers:
                unknown = True
            else:
                missing.append(prefix)
    if missing:
        return violated(Evidence(prefixes=missing, routers=[link.link.router for link in links]))
    return UNKNOWN if unknown else OK


def _advertises(facts: Facts, link: MirroredLink, family: Family, prefix: Prefix) -> bool | None:
    """Return whether the link advertises all of ``prefix``; ``None`` if that is not known."""
    if link_down(facts, link.link, family):
        return False
    in_sync = [feed for feed in link.feeds if facts.in_sync(feed.name, family)]
    if not in_sync:
        return None
    if prefix.is_default:
        shown = any(facts.matching(feed.name, RouteSet(DEFAULT, family)) for feed in in_sync)
    else:
        shown = any(facts.covers(feed.name, prefix) for feed in in_sync)
    return link.unless_in_doubt(facts, family, shown)


PREFIX_NOT_ADVERTISED = Check(
    name="prefix-not-advertised",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=60,
    clear_after=30,
    subjects=prefix_not_advertised,
    labels=("circuit", "family"),
    summary="No link of circuit {circuit} advertises a required {family} prefix",
    needs=needs.circuit_mirrors,
    views=(View.TO_MICROSOFT,),
    suppresses=AFTER_MISSING,
    acceptance=Tested(AcceptanceStep.POOLS, place=2),
)


def failover_groups(config: Config) -> dict[GroupKey, tuple[str, ...]]:
    """Return the circuits of private peering that back each other up, by their group."""
    groups: dict[GroupKey, tuple[str, ...]] = {}
    for circuit in config.circuits.values():
        if circuit.peering is Peering.PRIVATE and circuit.group is not None:
            key = (circuit.geo, circuit.group, str(circuit.peering))
            groups[key] = (*groups.get(key, ()), circuit.name)
    return {key: names for key, names in groups.items() if len(names) > 1}


def geo_asymmetry(config: Config) -> Iterator[Subject]:
    """If only one circuit of a group advertises a site, the site is cut off from Azure when that circuit fails."""
    for key, names in failover_groups(config).items():
        links = {n: tuple(mirrored(config, k) for k in config.circuits[n].links.values()) for n in names}
        everywhere = [link for each in links.values() for link in each]
        for family in FAMILIES:
            if all(any(link.has_family(family) for link in each) for each in links.values()):
                topics = {topic for link in everywhere for topic in link.topics((family,), ADVERTISED)}
                geo, group, peering = key
                labels = (("geo", geo), ("group", group), ("peering", peering), ("family", family))
                judge = partial(_geo_asymmetry, key, links, family)
                yield Subject(
                    "geo-asymmetry", labels, frozenset({*topics, failover_topic(key, family)}), judge
                )


def _geo_asymmetry(
    key: GroupKey, links: Mapping[str, tuple[MirroredLink, ...]], family: Family, facts: Facts
) -> Verdict:
    """Judged only while every circuit has an up link: a circuit that is down advertises nothing, and that is no
    mistake.
    """
    if not all(any(link_up(facts, link.link, family) for link in each) for each in links.values()):
        return UNKNOWN
    everywhere = [link for each in links.values() for link in each]
    if prefixes := facts.without_failover(key, family):
        showing = partial(_shows_any, facts, family, prefixes)

        def details() -> dict[str, list[str]]:
            return {"advertised_by": sorted(name for name, each in links.items() if any(map(showing, each)))}

        routers = {link.link.router for link in everywhere}
        return violated(Evidence(prefixes=prefixes, routers=routers, details=details))
    alive = [link for link in everywhere if not link_down(facts, link.link, family)]
    doubted = any(link_in_doubt(facts, link.link, family) for link in alive)
    return UNKNOWN if doubted or not all(link.in_sync(facts, family) for link in alive) else OK


def _shows_any(facts: Facts, family: Family, prefixes: Collection[Prefix], link: MirroredLink) -> bool:
    return any(
        route.prefix in prefixes
        for feed in link.feeds
        for route in facts.matching(feed.name, RouteSet(ADVERTISED, family)).values()
    )


GEO_ASYMMETRY = Check(
    name="geo-asymmetry",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=geo_asymmetry,
    labels=("geo", "group", "peering", "family"),
    summary="A prefix of group {group} in {geo} ({peering}, {family}) is advertised by only one circuit",
    needs=needs.group_mirrors,
    peering=Peering.PRIVATE,
    views=(View.TO_MICROSOFT,),
    acceptance=NotTested("about several circuits: one that lacks a prefix must not fail the others"),
)
