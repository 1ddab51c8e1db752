"""Checks of ermon's own sight: what it cannot see, or not for certain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ermon.checks.internet import internet_feeds
from ermon.checks.mirror import mirrored
from ermon.checks.sharding import everywhere
from ermon.checks.subject import (
    OK,
    STORAGE,
    UNKNOWN,
    Evidence,
    Facts,
    Labels,
    Subject,
    Verdict,
    content_topic,
    feed_labels,
    feed_topic,
    link_labels,
    on_feed,
    process_topic,
    source_topic,
    violated,
)
from ermon.model.inventory import Config, Feed, Peering, View
from ermon.model.prefixes import Family
from ermon.model.source_key import SourceKey


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


def feed_flapping(config: Config) -> Iterator[Subject]:
    return _per_feed("feed-flapping", config.feeds.values(), _feed_flapping)


def _feed_flapping(feed: Feed, facts: Facts) -> Verdict:
    return violated(on_feed(feed)) if facts.feed_flaps(feed.name) else OK


def feed_empty(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        for family in feed.families:
            name, *uplink = feed_labels(feed)
            labels = (name, ("family", family), *uplink)
            topics = frozenset({feed_topic(feed.name), content_topic(feed.name)})
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


def source_rejected(config: Config) -> Iterator[Subject]:
    for name in source_names(config):
        topics = frozenset({source_topic(name)})
        yield Subject("source-rejected", (("source", name),), topics, partial(_source_rejected, name))


def source_names(config: Config) -> tuple[str, ...]:
    """Name the published lists that the configuration asks for, each once."""
    return tuple(dict.fromkeys(SourceKey.of(source).name for source in config.sources))


def _source_rejected(name: str, facts: Facts) -> Verdict:
    problem = facts.source_problem(name)
    if problem is None:
        return UNKNOWN
    return violated(Evidence(details={"problem": problem})) if problem else OK


def storage_failed(config: Config) -> Iterator[Subject]:
    del config  # the same for every configuration
    yield Subject("storage-failed", (), frozenset({STORAGE}), _storage_failed)


def _storage_failed(facts: Facts) -> Verdict:
    problem = facts.storage_problem()
    return OK if problem is None else violated(Evidence(details={"problem": problem}))


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

_EDGE_CHECKS = (
    *("link-down", "circuit-down", "link-flapping", "prefix-missing", "prefix-count-low", "link-asymmetry"),
    *("drain", "drain-both", "churn-high"),
)
_MICROSOFT_EDGE_CHECKS = ("communities-missing", "service-missing", "prefix-unexpected", "origin-unexpected")
_LINK_MIRROR_CHECKS = (
    *("advertised-undeclared", "advertised-default", "advertised-limit-near", "advertised-limit-reached"),
    *("advertised-asymmetry", "microsoft-reflected"),
)
_MICROSOFT_LINK_MIRROR_CHECKS = (
    *("pool-not-advertised", "pool-wrong-circuit", "advertised-not-public", "advertised-link-subnet"),
    *("advertised-internet-only", "advertised-path", "inbound-not-redundant"),
)
_INTERNET_CHECKS = ("pool-leak", "pool-covered", "pool-fallback")
_UPLINK_CHECKS = (*_INTERNET_CHECKS, "microsoft-leaked", "internet-undeclared", "mirror-disagrees")
_SEGMENT_CHECKS = ("segment-leak", "segment-missing")


def view_missing(config: Config) -> Iterator[Subject]:
    for labels, unknown in missing_views(config):
        judge = partial(_view_missing, unknown)
        yield Subject("view-missing", labels, frozenset(), judge)


def _view_missing(unknown: tuple[str, ...], facts: Facts) -> Verdict:
    del facts
    return violated(Evidence(details={"unknown_checks": list(unknown)}))


def missing_views(config: Config) -> Iterator[tuple[Labels, tuple[str, ...]]]:
    """Yield each view that the policy needs and no feed provides, of whichever instance, with checks that stay
    unknown for it.
    """
    config = everywhere(config)
    feeds = config.feeds.values()
    edges = [feed for feed in feeds if feed.view is View.EDGE_TABLE]
    uplink_mirrors = [feed for feed in feeds if feed.view is View.TO_INTERNET]
    pool_families = {family for pool in config.pools.values() for family in pool.families}
    watched = {feed.segment for feed in feeds if feed.view is View.SEGMENT}
    for link in config.links:
        is_microsoft = config.circuits[link.circuit].peering is Peering.MICROSOFT
        if not _carried(link.families, (feed for feed in edges if feed.router == link.router)):
            yield (
                (("view", str(View.EDGE_TABLE)), *link_labels(link)),
                (
                    *_EDGE_CHECKS,
                    *(_MICROSOFT_EDGE_CHECKS if is_microsoft else ()),
                ),
            )
        if not _carried(link.families, mirrored(config, link).feeds):
            yield (
                (("view", str(View.TO_MICROSOFT)), *link_labels(link)),
                (
                    *_LINK_MIRROR_CHECKS,
                    *(_MICROSOFT_LINK_MIRROR_CHECKS if is_microsoft else ()),
                ),
            )
    for uplink in config.uplinks:
        feeds_of_it = [feed for feed in uplink_mirrors if feed.uplink == uplink]
        if not feeds_of_it or not _carried(pool_families, feeds_of_it):
            yield (("view", str(View.TO_INTERNET)), ("uplink", uplink)), _UPLINK_CHECKS
    if config.pools and not config.uplinks and not any(True for _ in internet_feeds(config)):
        yield (("view", str(View.INTERNET)),), _INTERNET_CHECKS
    for segment in config.segments:
        if segment not in watched:
            yield (("view", str(View.SEGMENT)), ("segment", segment)), _SEGMENT_CHECKS


def _carried(families: Iterable[Family], feeds: Iterable[Feed]) -> bool:
    """Tell whether feeds together carry all of these families: one that nobody carries is never seen."""
    return set(families) <= {family for feed in feeds for family in feed.families}
