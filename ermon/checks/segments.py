"""Checks of where Microsoft's routes spread: which internal segments have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

from ermon.checks import needs
from ermon.checks.check import Check, NotTested, Section
from ermon.checks.facts import Facts
from ermon.checks.subject import OK, UNKNOWN, Evidence, RouteGroup, Subject, Verdict, present, violated
from ermon.checks.topics import MICROSOFT, RouteSet, feed_topic, routes_topic
from ermon.model.inventory import Config, Feed, View
from ermon.model.settings import Severity


def segment_leak(config: Config) -> Iterator[Subject]:
    return _segments(config, "segment-leak", "forbidden")


def segment_missing(config: Config) -> Iterator[Subject]:
    return _segments(config, "segment-missing", "required")


def _segments(config: Config, check: str, says: Literal["forbidden", "required"]) -> Iterator[Subject]:
    judge = _segment_leak if says == "forbidden" else _segment_missing
    for segment in config.segments.values():
        if segment.expressroute != says:
            continue
        feeds = tuple(feed for feed in config.feeds.values() if feed.segment == segment.name)
        topics = {feed_topic(feed.name) for feed in feeds} | {
            routes_topic(feed.name, RouteSet(MICROSOFT, family)) for feed in feeds for family in feed.families
        }
        yield Subject(check, (("segment", segment.name),), frozenset(topics), partial(judge, feeds))


def _microsoft_routes(feeds: tuple[Feed, ...], facts: Facts) -> RouteGroup:
    return RouteGroup(
        facts.matching(feed.name, RouteSet(MICROSOFT, family)) for feed in feeds for family in feed.families
    )


def _complete(feed: Feed, facts: Facts) -> bool:
    return all(facts.in_sync(feed.name, family) for family in feed.families)


def _segment_leak(feeds: tuple[Feed, ...], facts: Facts) -> Verdict:
    evidence = Evidence(routes=_microsoft_routes(feeds, facts), feeds=[feed.name for feed in feeds])
    return present(evidence, complete=any(_complete(feed, facts) for feed in feeds))


SEGMENT_LEAK = Check(
    name="segment-leak",
    section=Section.SEGMENTS,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=segment_leak,
    labels=("segment",),
    summary="Segment {segment} has Microsoft routes and must have none",
    needs=needs.one_segment_feed,
    views=(View.SEGMENT,),
    acceptance=NotTested("about the networks behind the circuits"),
)


def _segment_missing(feeds: tuple[Feed, ...], facts: Facts) -> Verdict:
    if any(
        facts.in_sync(feed.name, family) and facts.matching(feed.name, RouteSet(MICROSOFT, family))
        for feed in feeds
        for family in feed.families
    ):
        return OK
    if any(_complete(feed, facts) for feed in feeds):
        return violated(Evidence(feeds=[feed.name for feed in feeds]))
    return UNKNOWN


SEGMENT_MISSING = Check(
    name="segment-missing",
    section=Section.SEGMENTS,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=segment_missing,
    labels=("segment",),
    summary="Segment {segment} lacks the Microsoft routes that it needs",
    needs=needs.every_segment_feed,
    views=(View.SEGMENT,),
    acceptance=NotTested("about the networks behind the circuits"),
)
