"""Checks of ermon's own sight: what it cannot see, or not for certain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ermon.checks.advertised import mirrors
from ermon.checks.internet import internet_feeds
from ermon.checks.subject import (
    OK,
    UNKNOWN,
    Evidence,
    Facts,
    Labels,
    Subject,
    Verdict,
    feed_labels,
    feed_topic,
    link_labels,
    on_feed,
    process_topic,
    violated,
)
from ermon.inventory import Config, Feed, View
from ermon.prefixes import Family


def _per_feed(
    check: str,
    feeds: Iterable[Feed],
    judge: Callable[[Feed, Facts], Verdict],
    *,
    caused_by_process: bool = False,
) -> Iterator[Subject]:
    for feed in feeds:
        yield Subject(
            check,
            feed_labels(feed),
            frozenset({feed_topic(feed.name)}),
            partial(judge, feed),
            feeds=(feed.name,) if caused_by_process else (),
        )


def feed_down(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-down", config.feeds.values(), _feed_down, caused_by_process=True)


def _feed_down(feed: Feed, facts: Facts) -> Verdict:
    if facts.up(feed.name):
        return OK
    reason = facts.down_reason(feed.name)
    return violated(on_feed(feed, details={"peer": feed.peer, **({"reason": reason} if reason else {})}))


def feed_empty(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        for family in feed.families:
            name, *uplink = feed_labels(feed)
            labels = (name, ("family", family), *uplink)
            topics = frozenset({feed_topic(feed.name)})
            yield Subject("feed-empty", labels, topics, partial(_feed_empty, feed, family))


def _feed_empty(feed: Feed, family: Family, facts: Facts) -> Verdict:
    if not facts.in_sync(feed.name, family):
        return UNKNOWN
    return OK if facts.received_any(feed.name, family) else violated(on_feed(feed))


def feed_no_eor(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-no-eor", config.feeds.values(), _feed_no_eor)


def _feed_no_eor(feed: Feed, facts: Facts) -> Verdict:
    came = facts.end_of_rib(feed.name)
    if came is None:
        return UNKNOWN
    return OK if came else violated(on_feed(feed))


def feed_best_path_only(config: Config) -> Iterator[Subject]:
    feeds = [feed for feed in config.feeds.values() if feed.add_path]
    return _per_feed("feed-best-path-only", feeds, _feed_best_path_only)


def _feed_best_path_only(feed: Feed, facts: Facts) -> Verdict:
    if not facts.up(feed.name):
        return UNKNOWN
    families = [str(family) for family in feed.families if not facts.all_paths(feed.name, family)]
    return violated(on_feed(feed, details={"families": families})) if families else OK


def feed_lost_messages(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-lost-messages", config.feeds.values(), _feed_lost_messages)


def _feed_lost_messages(feed: Feed, facts: Facts) -> Verdict:
    reason = facts.loss(feed.name)
    return OK if reason is None else violated(on_feed(feed, details={"reason": reason}))


def feed_overflow(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-overflow", config.feeds.values(), partial(_feed_overflow, config))


def _feed_overflow(config: Config, feed: Feed, facts: Facts) -> Verdict:
    if not facts.overflowed(feed.name):
        return OK
    return violated(on_feed(feed, details={"max_routes": config.collector.max_routes}))


def canary_missing(config: Config) -> Iterator[Subject]:
    feeds = [feed for feed in config.feeds.values() if feed.canary]
    return _per_feed("canary-missing", feeds, _canary_missing)


def _canary_missing(feed: Feed, facts: Facts) -> Verdict:
    missing = facts.canary_missing(feed.name)
    if missing is None:
        return UNKNOWN
    return violated(on_feed(feed, prefixes=missing)) if missing else OK


def exabgp_down(config: Config) -> Iterator[Subject]:
    for process in config.processes:
        topics = frozenset({process_topic(process)})
        yield Subject("exabgp-down", (("process", process),), topics, partial(_exabgp_down, process))


def _exabgp_down(process: str, facts: Facts) -> Verdict:
    up = facts.process_up(process)
    if up is None:
        return UNKNOWN
    return OK if up else violated(Evidence())


# Views that nobody provides --------------------------------------------------------------------------

_EDGE_CHECKS = ("link-down", "circuit-down", "service-missing", "prefix-missing", "prefix-unexpected")
_LINK_MIRROR_CHECKS = (
    "pool-not-advertised",
    "pool-wrong-circuit",
    "advertised-undeclared",
    "microsoft-reflected",
)
_INTERNET_CHECKS = ("pool-leak", "pool-covered", "pool-fallback")
_UPLINK_CHECKS = (*_INTERNET_CHECKS, "microsoft-leaked", "mirror-disagrees")
_SEGMENT_CHECKS = ("segment-leak", "segment-missing")


def view_missing(config: Config) -> Iterator[Subject]:
    for labels, unknown in missing_views(config):
        judge = partial(_view_missing, unknown)
        yield Subject("view-missing", labels, frozenset(), judge)


def _view_missing(unknown: tuple[str, ...], facts: Facts) -> Verdict:
    del facts
    return violated(Evidence(details={"unknown_checks": list(unknown)}))


def missing_views(config: Config) -> Iterator[tuple[Labels, tuple[str, ...]]]:
    """Yield each view that the policy needs and no feed provides, with checks that stay unknown for it."""
    feeds = config.feeds.values()
    edge_routers = {feed.router for feed in feeds if feed.view is View.EDGE_TABLE}
    mirrored = {feed.uplink for feed in feeds if feed.view is View.TO_INTERNET}
    watched = {feed.segment for feed in feeds if feed.view is View.SEGMENT}
    for link in config.links:
        if link.router not in edge_routers:
            yield (("view", str(View.EDGE_TABLE)), *link_labels(link)), _EDGE_CHECKS
        if not mirrors(config, link):
            yield (("view", str(View.TO_MICROSOFT)), *link_labels(link)), _LINK_MIRROR_CHECKS
    for uplink in config.uplinks:
        if uplink not in mirrored:
            yield (("view", str(View.TO_INTERNET)), ("uplink", uplink)), _UPLINK_CHECKS
    if config.pools and not config.uplinks and not any(True for _ in internet_feeds(config)):
        yield (("view", str(View.INTERNET)),), _INTERNET_CHECKS
    for segment in config.segments:
        if segment not in watched:
            yield (("view", str(View.SEGMENT)), ("segment", segment)), _SEGMENT_CHECKS
