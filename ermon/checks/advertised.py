"""Checks of what the links advertise to Microsoft, judged on the mirrors of the links."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Parameter, Required, Section, Tested
from ermon.checks.edge_table import microsoft_circuits
from ermon.checks.facts import Facts, link_awaited, link_down, link_in_doubt
from ermon.checks.mirror import (
    ADVERTISED,
    DEFAULT,
    INTERNET_ONLY,
    LINK_SUBNET,
    NOT_PUBLIC,
    REFUSED_PATH,
    UNDECLARED,
    MirroredLink,
    mirrored,
    prefix_limit,
)
from ermon.checks.redundancy import lacking
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, present, violated
from ermon.checks.topics import MICROSOFT, RouteSet, difference_topic
from ermon.model.inventory import Config, Feed, Peering, View
from ermon.model.prefixes import DEFAULT_ROUTE, FAMILIES, Family, Prefix, PrefixSet
from ermon.model.routes import Route
from ermon.model.settings import Severity


def microsoft_links(config: Config) -> Iterator[MirroredLink]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            yield mirrored(config, link)


def _forbidden(check: str, link: MirroredLink, kind: str) -> Subject:
    """Return the subject of routes that must never be advertised on a link."""
    topics = frozenset(link.topics(link.families, kind))
    judge = partial(_nothing_advertised, link, link.families, kind, "")
    return Subject(check, link_labels(link.link), topics, judge)


def _nothing_advertised(
    link: MirroredLink, families: tuple[Family, ...], kind: str, name: str, facts: Facts
) -> Verdict:
    evidence = Evidence(routes=link.advertised(facts, families, kind, name), routers=(link.link.router,))
    return present(evidence, complete=link.complete(facts, families))


def advertised_undeclared(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if config.circuits[link.circuit].advertise.prefixes is not None:
            yield _forbidden("advertised-undeclared", mirrored(config, link), UNDECLARED)


ADVERTISED_UNDECLARED = Check(
    name="advertised-undeclared",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=60,
    subjects=advertised_undeclared,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises an undeclared prefix",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN),
)


def advertised_not_public(config: Config) -> Iterator[Subject]:
    for link in microsoft_links(config):
        yield _forbidden("advertised-not-public", link, NOT_PUBLIC)


ADVERTISED_NOT_PUBLIC = Check(
    name="advertised-not-public",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=advertised_not_public,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises a non-public prefix to Microsoft",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, required=Required.ON_MICROSOFT_PEERING),
)


def advertised_default(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if not config.circuits[link.circuit].advertise.allow_default:
            mirror = mirrored(config, link)
            topics = mirror.topics(mirror.families, DEFAULT) | mirror.topics(mirror.families, ADVERTISED)
            judge = partial(_advertised_default, mirror)
            yield Subject("advertised-default", link_labels(link), frozenset(topics), judge)


def _advertised_default(link: MirroredLink, facts: Facts) -> Verdict:
    """Two halves of the address space draw the same traffic as a default route."""
    routes: list[Route] = []
    for family in link.families:
        defaults = link.advertised(facts, (family,), DEFAULT)
        routes.extend(defaults)
        if not defaults and link.heard(facts, family):
            for feed in link.feeds:
                routes.extend(_parts_of_a_default(facts, feed, family))
    evidence = Evidence(routes=routes, routers=(link.link.router,))
    return present(evidence, complete=link.complete(facts, link.families))


def _parts_of_a_default(facts: Facts, feed: Feed, family: Family) -> list[Route]:
    """Return the least specific routes of a mirror that together cover the whole family; none if they do not."""
    whole = DEFAULT_ROUTE[family]
    # Hardly any mirror has routes for both ends, and looking for them costs next to nothing.
    for end in (whole.value, whole.last):
        routes = facts.covering(feed.name, Prefix(whole.version, end, whole.bits))
        if all(route.prefix.is_default for route in routes):
            return []
    parts = [r for r in facts.matching(feed.name, RouteSet(ADVERTISED, family)).values() if r.prefix.length]
    if not PrefixSet(route.prefix for route in parts).covers(whole):
        return []
    general: list[Route] = []
    for route in sorted(parts, key=lambda route: route.prefix):
        if not general or not general[-1].prefix.contains(route.prefix):
            general.append(route)
    return general


ADVERTISED_DEFAULT = Check(
    name="advertised-default",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=advertised_default,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises a default route to Microsoft",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, required=Required.ON_MICROSOFT_PEERING),
)


def advertised_internet_only(config: Config) -> Iterator[Subject]:
    for link in microsoft_links(config):
        yield _forbidden("advertised-internet-only", link, INTERNET_ONLY)


ADVERTISED_INTERNET_ONLY = Check(
    name="advertised-internet-only",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=advertised_internet_only,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises internet-only space to Microsoft",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, required=Required.ON_MICROSOFT_PEERING),
)


def advertised_link_subnet(config: Config) -> Iterator[Subject]:
    for link in microsoft_links(config):
        yield _forbidden("advertised-link-subnet", link, LINK_SUBNET)


ADVERTISED_LINK_SUBNET = Check(
    name="advertised-link-subnet",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=advertised_link_subnet,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises a link subnet to Microsoft",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, place=1),
)


def advertised_path(config: Config) -> Iterator[Subject]:
    for link in config.links:
        yield _forbidden("advertised-path", mirrored(config, link), REFUSED_PATH)


ADVERTISED_PATH = Check(
    name="advertised-path",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=60,
    subjects=advertised_path,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises AS paths that Microsoft refuses or strips",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, place=2),
)


def microsoft_reflected(config: Config) -> Iterator[Subject]:
    for link in config.links:
        yield _forbidden("microsoft-reflected", mirrored(config, link), MICROSOFT)


MICROSOFT_REFLECTED = Check(
    name="microsoft-reflected",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=microsoft_reflected,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} advertises Microsoft's own routes to Microsoft",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_CLEAN, place=1, required=Required.ALWAYS),
)


NEAR_PERCENT = Parameter(
    "advertised-limit-near", "percent", 80.0, "percent", "Share of Microsoft's prefix limit, in percent."
)
REACHED_PERCENT = Parameter(
    "advertised-limit-reached", "percent", 95.0, "percent", "Share of Microsoft's prefix limit, in percent."
)


def advertised_limit_near(config: Config) -> Iterator[Subject]:
    yield from _limit(config, NEAR_PERCENT)


ADVERTISED_LIMIT_NEAR = Check(
    name="advertised-limit-near",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=advertised_limit_near,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} is at 80 % of Microsoft's {family} prefix limit",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    parameters=(NEAR_PERCENT,),
    acceptance=Tested(AcceptanceStep.LIMITS),
)


def advertised_limit_reached(config: Config) -> Iterator[Subject]:
    yield from _limit(config, REACHED_PERCENT)


ADVERTISED_LIMIT_REACHED = Check(
    name="advertised-limit-reached",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=advertised_limit_reached,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} is at 95 % of Microsoft's {family} prefix limit",
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    parameters=(REACHED_PERCENT,),
    suppresses=("advertised-limit-near",),
    acceptance=Tested(AcceptanceStep.LIMITS),
)


def _limit(config: Config, share: Parameter) -> Iterator[Subject]:
    percent = share.of(config)
    for link in config.links:
        mirror = mirrored(config, link)
        for family in mirror.families:
            labels = (*link_labels(link), ("family", family))
            topics = frozenset(mirror.topics((family,), ADVERTISED))
            limit = prefix_limit(config.circuits[link.circuit], family)
            judge = partial(_limit_exceeded, mirror, family, limit, percent)
            yield Subject(share.check, labels, topics, judge)


def _limit_exceeded(link: MirroredLink, family: Family, limit: int, percent: float, facts: Facts) -> Verdict:
    """Only the mirror counts, not the link's state: when Microsoft drops the session because of the limit, the finding
    must stay.
    """
    if link_awaited(facts, link.link, family):
        return UNKNOWN
    count = link.count(facts, family)
    if count * 100 >= limit * percent:
        details = {"advertised": count, "limit": limit}
        return violated(Evidence(routers=(link.link.router,), details=details))
    return OK if link.in_sync(facts, family) else UNKNOWN


def advertised_asymmetry(config: Config) -> Iterator[Subject]:
    """Both links of a circuit should advertise the same (Microsoft, "ExpressRoute routing requirements"); a more
    specific prefix on one of them draws all of its traffic there.
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
    if any(link_in_doubt(facts, link.link, family) for link in alive):
        return UNKNOWN
    if len(alive) < 2:
        return OK
    differing = facts.advertised_one_sided(links[0].link.circuit, family)
    # advertised-default reports default routes.
    if prefixes := [prefix for prefix in differing if not prefix.is_default and not bound.covers(prefix)]:
        both = [link.link for link in alive]
        details = partial(lacking, prefixes, both, facts.mirrors_lack)
        return violated(Evidence(prefixes=prefixes, routers=[link.router for link in both], details=details))
    return OK if all(link.in_sync(facts, family) for link in alive) else UNKNOWN


ADVERTISED_ASYMMETRY = Check(
    name="advertised-asymmetry",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=advertised_asymmetry,
    labels=("circuit", "family"),
    summary="[Circuit {circuit} advertises {family} prefix {prefix} on one link and not on {missing_on}|The links of circuit {circuit} advertise different {family} prefixes]",
    named_evidence=("missing_on",),
    needs=needs.circuit_mirrors,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ADVERTISED_EQUAL),
)
