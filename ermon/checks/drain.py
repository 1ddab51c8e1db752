"""Checks of drains: Microsoft prepends its ASN on a link that it is about to work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import combinations

from ermon.checks import needs
from ermon.checks.check import Acceptable, AcceptanceStep, Check, NotTested, Parameter, Section, Tested
from ermon.checks.edge_table import decided, link_topics
from ermon.checks.facts import Facts
from ermon.checks.redundancy import AFTER_LINK_LOSS
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import Topic, drain_topic, preference_topic
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Circuit, Config, Link, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity

DRAIN_REPEATS = Parameter(
    "drain",
    "repeats",
    4,
    "count",
    "This many 12076 in a row at the head of a path, if one is usual, mark a drain.",
)
DRAIN_PERCENT = Parameter(
    "drain",
    "percent",
    50.0,
    "percent",
    "The link counts as draining when more of its paths than this are marked.",
)


def drain(config: Config) -> Iterator[Subject]:
    """Microsoft prepends its ASN on the routes of a link that it is about to work on (Microsoft,
    "Planned maintenance guidance for ExpressRoute").
    """
    for circuit, links, topics in _circuits(config):
        for link in circuit.links.values():
            yield Subject("drain", link_labels(link), topics, partial(_drain, links, link))


def _circuits(config: Config) -> Iterator[tuple[Circuit, tuple[Link, ...], frozenset[Topic]]]:
    for circuit in config.circuits.values():
        links = tuple(circuit.links.values())
        yield circuit, links, frozenset(link_topics(links) | {drain_topic(link.key) for link in links})


def _drain(links: tuple[Link, ...], link: Link, facts: Facts) -> Verdict:
    if families := _drained(facts, link):
        quiets = [
            family
            for family in families
            if not facts.drain_overdue(link.key, family) and _carried(facts, links, link, family)
        ]
        return Verdict(Status.VIOLATED, _evidence(facts, link, families), quiets=frozenset(quiets))
    return OK if decided(facts, link) else UNKNOWN


def _drained(facts: Facts, link: Link) -> list[Family]:
    return [family for family in link.families if facts.draining(link.key, family)]


def _evidence(facts: Facts, link: Link, families: Iterable[Family]) -> Evidence:
    routes = facts.drained_paths(link.key)
    return Evidence(routes=routes, routers=(link.router,), details={"families": list(families)})


def _carried(facts: Facts, links: tuple[Link, ...], link: Link, family: Family) -> bool:
    """Return whether another link is up and not drained, so that it carries the traffic of this one."""
    return any(
        family in other.families
        and facts.link_state(other.key, family) is LinkState.UP
        and not facts.draining(other.key, family)
        for other in links
        if other is not link
    )


DRAIN = Check(
    name="drain",
    section=Section.RECEIVED,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=60,
    subjects=drain,
    labels=("circuit", "link"),
    summary="Microsoft is draining link {link} of circuit {circuit}",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    parameters=(DRAIN_REPEATS, DRAIN_PERCENT),
    suppresses=("link-down", *AFTER_LINK_LOSS),
    acceptance=Tested(AcceptanceStep.STEADY),
    acceptable=Acceptable.PATHS,
)


def drain_both(config: Config) -> Iterator[Subject]:
    for circuit, links, topics in _circuits(config):
        labels = (("circuit", circuit.name),)
        yield Subject("drain-both", labels, topics, partial(_drain_both, links))


def _drain_both(links: tuple[Link, ...], facts: Facts) -> Verdict:
    """All links must be drained in the same family: otherwise each family has a link that carries its traffic."""
    shared = set.intersection(*({*link.families} for link in links)) if links else set()
    idle = {
        family: [link for link in links if not facts.draining(link.key, family)] for family in sorted(shared)
    }
    if both := [family for family, found in idle.items() if not found]:
        return violated(Evidence(routers=[link.router for link in links], details={"families": both}))
    seen = all(any(facts.deciders(link.key, family) for link in found) for family, found in idle.items())
    return OK if seen else UNKNOWN


DRAIN_BOTH = Check(
    name="drain-both",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=drain_both,
    labels=("circuit",),
    summary="Microsoft is draining every link of circuit {circuit}",
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.STEADY),
)


def drain_long(config: Config) -> Iterator[Subject]:
    for link in config.links:
        topics = frozenset(link_topics((link,)) | {drain_topic(link.key)})
        yield Subject("drain-long", link_labels(link), topics, partial(_drain_long, link))


def _drain_long(link: Link, facts: Facts) -> Verdict:
    """No maintenance lasts so long: it is probably no drain, but a prepend that stays."""
    families = [family for family in _drained(facts, link) if facts.drain_overdue(link.key, family)]
    if families:
        return violated(_evidence(facts, link, families))
    return OK if decided(facts, link) else UNKNOWN


DRAIN_LONG = Check(
    name="drain-long",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=drain_long,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} has been draining for longer than any maintenance lasts",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=NotTested("the check drain reports the drain itself"),
)


def drain_not_followed(config: Config) -> Iterator[Subject]:
    """A drain moves traffic by a longer AS path, which LOCAL_PREF outweighs (RFC 4271 section 9.1.2.2)."""
    for circuit, links, topics in _circuits(config):
        own = topics | {preference_topic(circuit.name, family) for family in circuit.families}
        for link in links:
            judge = partial(_drain_not_followed, links, link)
            yield Subject("drain-not-followed", link_labels(link), own, judge)


def _drain_not_followed(links: tuple[Link, ...], link: Link, facts: Facts) -> Verdict:
    drained = _drained(facts, link)
    if not drained:
        return OK if decided(facts, link) else UNKNOWN
    answers = {family: _keeps_traffic(facts, links, link, family) for family in drained}
    if kept := [family for family, answer in answers.items() if answer]:
        return violated(_evidence(facts, link, kept))
    return UNKNOWN if None in answers.values() else OK


def _keeps_traffic(facts: Facts, links: tuple[Link, ...], link: Link, family: Family) -> bool | None:
    """Return whether the routers prefer a drained link to one that could carry its traffic; ``None`` if that is not
    known.
    """
    answers: list[bool | None] = []
    for other in links:
        if other is link or family not in other.families:
            continue
        state = facts.link_state(other.key, family)
        if state is LinkState.UNKNOWN:
            answers.append(None)
        elif state is LinkState.UP and not facts.draining(other.key, family):
            found = facts.preference(link.key, other.key, family)
            answers.append(found and _most(found.higher, found.missing, found.shared))
    return True if True in answers else None if None in answers else False


def _most(count: int, missing: int, of: int) -> bool | None:
    """Return whether ``count`` is more than half; ``None`` if the missing values decide."""
    if count * 2 > of:
        return True
    return None if (count + missing) * 2 > of else False


DRAIN_NOT_FOLLOWED = Check(
    name="drain-not-followed",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=drain_not_followed,
    labels=("circuit", "link"),
    summary="Traffic stays on link {link} of circuit {circuit}, which Microsoft is draining",
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    covered_by_maintenance=False,  # during a window on the link, its traffic must be elsewhere
    acceptance=NotTested("the check drain reports the drain itself"),
)


def drain_would_not_be_followed(config: Config) -> Iterator[Subject]:
    for circuit, _, topics in _circuits(config):
        for family in circuit.families:
            links = tuple(link for link in circuit.links.values() if family in link.families)
            if len(links) > 1:
                labels = (("circuit", circuit.name), ("family", family))
                own = topics | {preference_topic(circuit.name, family)}
                judge = partial(_drain_would_not_be_followed, links, family)
                yield Subject("drain-would-not-be-followed", labels, own, judge)


def _drain_would_not_be_followed(links: tuple[Link, ...], family: Family, facts: Facts) -> Verdict:
    """Judged only while no link is drained: during a drain, `drain-not-followed` shows whether the traffic has
    moved.
    """
    if any(facts.draining(link.key, family) for link in links):
        return UNKNOWN
    states = {link: facts.link_state(link.key, family) for link in links}
    up = [link for link, state in states.items() if state is LinkState.UP]
    answers = [_differs(facts, one, other, family) for one, other in combinations(up, 2)]
    if True in answers:
        return violated(Evidence(routers=[link.router for link in up]))
    return UNKNOWN if None in answers or LinkState.UNKNOWN in states.values() else OK


def _differs(facts: Facts, one: Link, other: Link, family: Family) -> bool | None:
    there = facts.preference(one.key, other.key, family)
    back = facts.preference(other.key, one.key, family)
    if there is None or back is None:
        return None
    return _most(there.higher + back.higher, there.missing, there.shared)


DRAIN_WOULD_NOT_BE_FOLLOWED = Check(
    name="drain-would-not-be-followed",
    section=Section.RECEIVED,
    severity=Severity.INFO,
    raise_after=300,
    clear_after=300,
    subjects=drain_would_not_be_followed,
    labels=("circuit", "family"),
    summary="The routers prefer one link of circuit {circuit} for {family}: traffic will not follow a drain of it",
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    acceptance=NotTested("a preference may be meant; it matters when a link is drained"),
)
