"""Checks of what routers report of their own sessions by BMP: whether they report, and whether it can be believed.

A session with Microsoft that is down is ``link-down``. Here is what keeps ermon from knowing that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested
from ermon.checks.facts import Facts
from ermon.checks.subject import (
    OK,
    UNKNOWN,
    Evidence,
    Subject,
    Verdict,
    link_labels,
    on_feed,
    region_labels,
    violated,
)
from ermon.checks.topics import feed_topic, process_topic
from ermon.model.inventory import Config, Feed, Link
from ermon.model.prefixes import Family
from ermon.model.settings import Severity


def reported(links: Iterable[Link], family: Family, facts: Facts) -> Mapping[str, list[str]]:
    """Return what the routers report of their sessions on these links, as details of evidence; empty where they report nothing."""
    links = tuple(links)
    found = [f"{link.name}: {words}" for link in links if (words := facts.session_report(link.key, family))]
    # Graceful restart keeps the routes of a dead session; or the neighbor's address is another one than ermon takes it for.
    shown = sorted(feed for link in links for feed in facts.still_shown(link.key, family))
    return ({"sessions": found} if found else {}) | ({"routes_still_on": shown} if shown else {})


def _connections(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each BMP connection and the feeds that it carries."""
    for connection in config.connections:
        yield connection, tuple(feed.name for feed in config.feeds.values() if feed.process == connection)


def bmp_down(config: Config) -> Iterator[Subject]:
    for connection, feeds in _connections(config):
        topics = frozenset({process_topic(connection)})
        judge = partial(_bmp_down, connection)
        yield Subject(
            "bmp-down", (("process", connection), *region_labels(config)), topics, judge, feeds=feeds
        )


def _bmp_down(connection: str, facts: Facts) -> Verdict:
    up = facts.process_up(connection)
    if up:
        return OK
    if up is None:  # nothing has been heard of it since ermon started
        if facts.connection_awaited(connection):
            return UNKNOWN
        return violated(Evidence(details={"reason": "the router has not connected since ermon started"}))
    return violated(Evidence(details={"reason": facts.process_problem(connection)}))


BMP_DOWN = Check(
    name="bmp-down",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=0,
    subjects=bmp_down,
    labels=("process",),
    optional_labels=("region",),
    summary="No BMP connection {process}[ in region {region}]: ermon cannot see the sessions of that router",
    needs=needs.nothing_else,
    suppresses=(
        *("feed-lost-messages", "feed-overflow", "feed-empty", "uplink-down"),
        *("received-rejected", "sight-disagrees"),
    ),
    acceptance=NotTested("without it, the steps about links tell what is missing"),
)


def bmp_no_stats(config: Config) -> Iterator[Subject]:
    for connection, _ in _connections(config):
        topics = frozenset({process_topic(connection)})
        yield Subject("bmp-no-stats", (("process", connection),), topics, partial(_bmp_no_stats, connection))


def _bmp_no_stats(connection: str, facts: Facts) -> Verdict:
    if not facts.process_up(connection):
        return UNKNOWN
    return OK if facts.has_statistics(connection) else violated(Evidence())


BMP_NO_STATS = Check(
    name="bmp-no-stats",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=300,
    clear_after=0,
    subjects=bmp_no_stats,
    labels=("process",),
    summary="BMP connection {process} carries no statistics: ermon would not notice a removed session or a router that hangs",
    needs=needs.nothing_else,
    acceptance=NotTested("the sessions of the router are believed meanwhile"),
)


def bmp_session_missing(config: Config) -> Iterator[Subject]:
    for (link, family), feed in config.sessions.items():
        labels = (*link_labels(config.link(link)), ("family", family))
        topics = frozenset({feed_topic(feed.name), process_topic(feed.process)})
        yield Subject("bmp-session-missing", labels, topics, partial(_bmp_session_missing, feed))


def _bmp_session_missing(feed: Feed, facts: Facts) -> Verdict:
    if not facts.process_up(feed.process):
        return UNKNOWN
    if unreadable := facts.routes_unreadable(feed.name):
        return violated(
            on_feed(
                feed, details={"neighbor": feed.peer, "reason": f"its routes cannot be read: {unreadable}"}
            )
        )
    match facts.session_reported(feed.name):
        case None:
            return UNKNOWN
        case True:
            return OK
        case _:
            details = {"neighbor": feed.peer, "reason": "the router reports no session with this neighbor"}
            return violated(on_feed(feed, details=details))


BMP_SESSION_MISSING = Check(
    name="bmp-session-missing",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=0,
    subjects=bmp_session_missing,
    labels=("circuit", "link", "family"),
    summary="The router does not report its {family} session on link {link} of circuit {circuit} by BMP, or not its routes",
    needs=needs.link_state,
    acceptance=Tested(AcceptanceStep.SIGHT),
)
