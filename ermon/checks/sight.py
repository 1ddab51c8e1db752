"""Checks of ermon's visibility: what it cannot see, or not for certain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ermon.checks import needs
from ermon.checks.check import (
    Acceptable,
    AcceptanceStep,
    Check,
    NotTested,
    OtherSeverity,
    Parameter,
    ReadFromState,
    Section,
    Tested,
)
from ermon.checks.facts import Facts
from ermon.checks.subject import (
    NOT_YET,
    OK,
    UNKNOWN,
    Evidence,
    Subject,
    Verdict,
    feed_labels,
    on_feed,
    region_labels,
    violated,
)
from ermon.checks.topics import STORAGE, content_topic, feed_topic, process_topic, router_topic, source_topic
from ermon.model.inventory import EDGES, Config, Feed, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity
from ermon.model.source_key import SourceKey

FLAP_LOSSES = Parameter(
    "feed-flapping",
    "losses",
    3,
    "count",
    "The highest number of losses of the session within `window` that is ok.",
)
FLAP_WINDOW = Parameter(
    "feed-flapping", "window", 600.0, "duration", "The rolling window in which losses are counted."
)


def _per_feed(
    check: str,
    feeds: Iterable[Feed],
    judge: Callable[[Feed, Facts], Verdict],
    *,
    caused_by_process: bool = False,
) -> Iterator[Subject]:
    for feed in feeds:
        topics = {feed_topic(feed.name)}
        if caused_by_process and feed.router is not None:
            topics.add(router_topic(feed.router))  # see sight-lost, which suppresses this
        yield Subject(
            check,
            feed_labels(feed),
            frozenset(topics),
            partial(judge, feed),
            feeds=(feed.name,),
        )


def feed_down(config: Config) -> Iterator[Subject]:
    feeds = (*config.exabgp_feeds.values(), *config.ris_feeds.values())
    return _per_feed("feed-down", feeds, _feed_down, caused_by_process=True)


def _feed_down(feed: Feed, facts: Facts) -> Verdict:
    if facts.up(feed.name):
        return OK
    problem = facts.listening_problem(feed.name)
    if facts.awaited(feed.name) and not problem:
        return UNKNOWN
    reason = problem or facts.down_reason(feed.name)
    peer = {"source": feed.ris.url.partition("?")[0]} if feed.ris is not None else {"peer": feed.peer}
    details: dict[str, object] = {**peer, **({"reason": reason} if reason else {})}
    if strangers := facts.strangers(feed.name):
        details["refused"] = [stranger_text([feed], stranger) for stranger in sorted(strangers)]
    return violated(on_feed(feed, details=details))


def stranger_text(feeds: Sequence[Feed], stranger: str) -> str:
    """Return a sentence about an unknown router that connects to the address of these feeds."""
    routers = list(dict.fromkeys(feed.router or f"the router of {feed.name}" for feed in feeds))
    some = " or ".join(routers) if len(routers) <= MAX_ROUTERS_NAMED else f"one of its {len(routers)} routers"
    return (
        f"A router at {stranger} tries to connect to {feeds[0].local} and no feed has this pair: "
        f"is update-source missing on {some}?"
    )


MAX_ROUTERS_NAMED = 4


FEED_DOWN = Check(
    name="feed-down",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=0,
    subjects=feed_down,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} is down: ermon cannot see [the routes of {routers}|its routes]",
    needs=needs.nothing_else,
    acceptance=ReadFromState(AcceptanceStep.SIGHT),
)


def feed_flapping(config: Config) -> Iterator[Subject]:
    feeds = (*config.exabgp_feeds.values(), *config.ris_feeds.values())
    return _per_feed("feed-flapping", feeds, _feed_flapping)


def _feed_flapping(feed: Feed, facts: Facts) -> Verdict:
    return violated(on_feed(feed)) if facts.feed_flaps(feed.name) else OK


FEED_FLAPPING = Check(
    name="feed-flapping",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=300,
    symptom=True,
    subjects=feed_flapping,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="The session of feed {feed} is flapping",
    needs=needs.nothing_else,
    parameters=(FLAP_LOSSES, FLAP_WINDOW),
    acceptance=NotTested("about the past of a feed; the present is tested"),
)


def feed_empty(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        if feed.view in {View.FROM_MICROSOFT, View.FROM_INTERNET}:
            continue  # a session without routes is a link or uplink that is down
        for family in feed.families:
            name, *uplink = feed_labels(feed)
            labels = (name, ("family", family), *uplink)
            topics = frozenset({feed_topic(feed.name), content_topic(feed.name)})
            judge = partial(_feed_empty, feed, family)
            yield Subject("feed-empty", labels, topics, judge, feeds=(feed.name,))


def _feed_empty(feed: Feed, family: Family, facts: Facts) -> Verdict:
    if not facts.in_sync(feed.name, family):
        return UNKNOWN
    return OK if facts.received_any(feed.name, family) else violated(on_feed(feed))


FEED_EMPTY = Check(
    name="feed-empty",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=0,
    subjects=feed_empty,
    labels=("feed", "family"),
    optional_labels=("uplink",),
    summary="Feed {feed} is up and has no {family} routes",
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)


def feed_no_eor(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-no-eor", config.exabgp_feeds.values(), _feed_no_eor)


def _feed_no_eor(feed: Feed, facts: Facts) -> Verdict:
    came = facts.end_of_rib(feed.name)
    if came is None:
        return UNKNOWN
    return OK if came else violated(on_feed(feed))


FEED_NO_EOR = Check(
    name="feed-no-eor",
    section=Section.SIGHT,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=0,
    subjects=feed_no_eor,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} sends no End-of-RIB",
    needs=needs.nothing_else,
    acceptance=NotTested("the feed is in sync all the same, only later"),
)


def feed_best_path_only(config: Config) -> Iterator[Subject]:
    feeds = [feed for feed in config.exabgp_feeds.values() if feed.add_path]
    return _per_feed("feed-best-path-only", feeds, _feed_best_path_only)


def _feed_best_path_only(feed: Feed, facts: Facts) -> Verdict:
    if not facts.up(feed.name):
        return UNKNOWN
    families = [str(family) for family in feed.families if not facts.all_paths(feed.name, family)]
    return violated(on_feed(feed, details={"families": families})) if families else OK


FEED_BEST_PATH_ONLY = Check(
    name="feed-best-path-only",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=feed_best_path_only,
    labels=("feed",),
    summary="Feed {feed} does not carry all paths",
    needs=needs.nothing_else,
    acceptance=ReadFromState(AcceptanceStep.SIGHT),
)


def feed_no_hold(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-no-hold", config.exabgp_feeds.values(), _feed_no_hold)


def _feed_no_hold(feed: Feed, facts: Facts) -> Verdict:
    if not facts.up(feed.name):
        return UNKNOWN
    return violated(on_feed(feed, details={"peer": feed.peer})) if facts.no_hold(feed.name) else OK


FEED_NO_HOLD = Check(
    name="feed-no-hold",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=feed_no_hold,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} has no hold time: ermon would not notice a dead router",
    needs=needs.nothing_else,
    acceptance=ReadFromState(AcceptanceStep.SIGHT),
)


def feed_lost_messages(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-lost-messages", config.feeds.values(), _feed_lost_messages)


def _feed_lost_messages(feed: Feed, facts: Facts) -> Verdict:
    reason = facts.loss(feed.name)
    return OK if reason is None else violated(on_feed(feed, details={"reason": reason}))


FEED_LOST_MESSAGES = Check(
    name="feed-lost-messages",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=feed_lost_messages,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="BGP updates of feed {feed} were lost",
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)


def feed_overflow(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-overflow", config.feeds.values(), partial(_feed_overflow, config))


def _feed_overflow(config: Config, feed: Feed, facts: Facts) -> Verdict:
    limit = facts.overflowed(feed.name)
    if limit is None:
        return OK
    return violated(on_feed(feed, details={limit: getattr(config.collector, limit)}))


FEED_OVERFLOW = Check(
    name="feed-overflow",
    section=Section.SIGHT,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=300,
    subjects=feed_overflow,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} was torn down: it sent more than max_routes or max_bytes",
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)


def canary_missing(config: Config) -> Iterator[Subject]:
    feeds = [feed for feed in config.feeds.values() if feed.canary]
    return _per_feed("canary-missing", feeds, _canary_missing)


def _canary_missing(feed: Feed, facts: Facts) -> Verdict:
    missing = facts.canary_missing(feed.name)
    if missing is None:
        return UNKNOWN
    return violated(on_feed(feed, prefixes=missing)) if missing else OK


CANARY_MISSING = Check(
    name="canary-missing",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=0,
    subjects=canary_missing,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} does not show its canary prefix",
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)


def source_rejected(config: Config) -> Iterator[Subject]:
    for name in source_names(config):
        topics = frozenset({source_topic(name)})
        yield Subject("source-rejected", (("source", name),), topics, partial(_source_rejected, name))


def source_names(config: Config) -> tuple[str, ...]:
    """Return the published lists of the configuration, and its sources of VRPs and route objects, each once."""
    keys = (*map(SourceKey.of, config.sources), *map(SourceKey.of, config.ownership.sources))
    return tuple(dict.fromkeys(key.name for key in keys))


def _source_rejected(name: str, facts: Facts) -> Verdict:
    problem = facts.source_problem(name)
    if problem is None:
        return UNKNOWN
    return violated(Evidence(details={"problem": problem})) if problem else OK


SOURCE_REJECTED = Check(
    name="source-rejected",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=source_rejected,
    labels=("source",),
    summary="Published list {source} could not be used; the old one stays in force",
    needs=needs.nothing_else,
    acceptance=NotTested("the list that is in force is tested"),
    acceptable=Acceptable.LIST,
)


def storage_failed(config: Config) -> Iterator[Subject]:
    yield Subject("storage-failed", region_labels(config), frozenset({STORAGE}), _storage_failed)


def _storage_failed(facts: Facts) -> Verdict:
    problem = facts.storage_problem()
    return OK if problem is None else violated(Evidence(details={"problem": problem}))


STORAGE_FAILED = Check(
    name="storage-failed",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=storage_failed,
    optional_labels=("region",),
    summary="ermon[ of region {region}] cannot write its state",
    needs=needs.nothing_else,
    acceptance=NotTested("the watching goes on"),
)


PROCESS_ENDS, PROCESS_WINDOW_SECONDS, PROCESS_QUIET_SECONDS = 3, 600.0, 300.0
"""A process that has ended more often than this number in this time counts as down though it runs, until it has run for
the quiet time.
"""


def exabgp_down(config: Config) -> Iterator[Subject]:
    for process in config.processes:
        topics = frozenset({process_topic(process)})
        yield Subject(
            "exabgp-down",
            (("process", process), *region_labels(config)),
            topics,
            partial(_exabgp_down, process),
        )


def _exabgp_down(process: str, facts: Facts) -> Verdict:
    up = facts.process_up(process)
    if up is None:
        return UNKNOWN
    if up and not facts.process_restless(process):
        # Not ok yet: a finding that is cleared before the sessions are back would say too much.
        return NOT_YET if facts.sessions_awaited(process) else OK
    reason = facts.process_problem(process)
    if up:
        reason = f"it has ended more than {PROCESS_ENDS} times in 10 minutes, last: {reason}"
    return violated(Evidence(details={"reason": reason} if reason else {}))


EXABGP_DOWN = Check(
    name="exabgp-down",
    section=Section.SIGHT,
    severity=Severity.CRITICAL,
    # The other processes carry outside views. Without those, leaks are still seen on the mirrors: no page at night.
    other_severity=OtherSeverity(Severity.WARNING, "process", unless=EDGES),
    raise_after=5,
    clear_after=0,
    subjects=exabgp_down,
    labels=("process",),
    optional_labels=("region",),
    summary="ExaBGP process {process}[ of region {region}] is not running or does not answer",
    needs=needs.nothing_else,
    suppresses=("feed-down", "circuit-unseen", "sight-lost"),
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)
