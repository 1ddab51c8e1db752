"""Checks of the sessions with internet providers, which routers report by BMP: whether an uplink is up, and whether any is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from ermon.checks import needs
from ermon.checks.check import Check, NotTested, Section
from ermon.checks.facts import Facts
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, on_feed, violated
from ermon.checks.topics import Topic, feed_topic, process_topic
from ermon.model.findings import LinkState
from ermon.model.inventory import Config, Feed, Uplink, View
from ermon.model.prefixes import FAMILIES, Family
from ermon.model.settings import Severity


class UplinkSessions:
    """The sessions of the uplinks in one family, as their routers report them."""

    def __init__(self, config: Config, family: Family) -> None:
        own = [feed for feed in config.feeds.values() if family in feed.families and feed.uplink is not None]
        self._feeds = {feed.uplink: feed for feed in own if feed.view is View.FROM_INTERNET}
        self._mirrored = {f.uplink for f in own if f.view is View.TO_INTERNET and not f.by_bmp}

    def feed(self, uplink: str) -> Feed | None:
        """Return the feed that shows whether the uplink is up; ``None`` if its router does not report by BMP."""
        return self._feeds.get(uplink)

    @property
    def topics(self) -> frozenset[Topic]:
        feeds = self._feeds.values()
        return frozenset(
            {*(feed_topic(feed.name) for feed in feeds), *(process_topic(f.process) for f in feeds)}
        )

    def state(self, uplink: str, facts: Facts) -> LinkState | None:
        """Return whether a session of the uplink is up; ``None`` if the uplink does not have the family."""
        feed = self._feeds.get(uplink)
        if feed is None:
            return LinkState.UNKNOWN
        if uplink not in self._mirrored and not facts.session_exists(feed.name):
            return None
        return facts.session_state(feed.name)

    def down(self, uplink: str, facts: Facts) -> bool:
        return self.state(uplink, facts) is LinkState.DOWN


def uplink_down(config: Config) -> Iterator[Subject]:
    for family in FAMILIES:
        sessions = UplinkSessions(config, family)
        for uplink in config.uplinks:
            if (feed := sessions.feed(uplink)) is not None:
                labels = (("uplink", uplink), ("family", family))
                topics = frozenset({feed_topic(feed.name), process_topic(feed.process)})
                judge = partial(_uplink_down, sessions, uplink, feed)
                yield Subject("uplink-down", labels, topics, judge, feeds=(feed.name,))


def _uplink_down(sessions: UplinkSessions, uplink: str, feed: Feed, facts: Facts) -> Verdict:
    match sessions.state(uplink, facts):
        case LinkState.UP:
            return OK
        case LinkState.DOWN:
            return violated(on_feed(feed, details=partial(_said, {uplink: feed}, facts)))
        case _:
            return UNKNOWN


def _said(feeds: Mapping[str, Feed], facts: Facts) -> dict[str, list[str]]:
    """Return what the routers report of these uplinks, for the moment at which it is shown."""
    return {"sessions": [f"{uplink}: {facts.session_said(feed.name)}" for uplink, feed in feeds.items()]}


UPLINK_DOWN = Check(
    name="uplink-down",
    section=Section.INTERNET,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=30,
    subjects=uplink_down,
    labels=("uplink", "family"),
    summary="Uplink {uplink} is down for {family}: no session with the provider is up",
    needs=needs.nothing_else,
    acceptance=NotTested("about an uplink, and of no circuit"),
)


def uplinks_down(config: Config) -> Iterator[Subject]:
    sites: dict[str | None, list[Uplink]] = {}
    for uplink in config.uplinks.values():
        sites.setdefault(uplink.site, []).append(uplink)
    for family in FAMILIES:
        sessions = UplinkSessions(config, family)
        for site, uplinks in sites.items():
            names = tuple(uplink.name for uplink in uplinks)
            if any(sessions.feed(name) is not None for name in names):
                group = (("group", site),) if site is not None else ()
                labels = (("family", family), *group)
                judge = partial(_uplinks_down, sessions, names)
                yield Subject("uplinks-down", labels, sessions.topics, judge)


def _uplinks_down(sessions: UplinkSessions, uplinks: tuple[str, ...], facts: Facts) -> Verdict:
    """An uplink without the family does not count: it could not carry its packets anyway."""
    states = {uplink: sessions.state(uplink, facts) for uplink in uplinks}
    known = {state for state in states.values() if state is not None}
    if LinkState.UP in known:
        return OK
    if known != {LinkState.DOWN}:
        return UNKNOWN
    down = [uplink for uplink, state in states.items() if state is LinkState.DOWN]
    feeds = {uplink: feed for uplink in down if (feed := sessions.feed(uplink)) is not None}
    names = [feed.name for feed in feeds.values()]
    evidence = Evidence(
        feeds=names,
        routers=sorted({feed.router for feed in feeds.values() if feed.router is not None}),
        details=partial(_said, feeds, facts),
    )
    return violated(evidence)._replace(explains=names.__contains__)


UPLINKS_DOWN = Check(
    name="uplinks-down",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=30,
    subjects=uplinks_down,
    labels=("family",),
    optional_labels=("group",),
    summary="Every uplink[ of {group}] is down for {family}",
    needs=needs.site_uplinks,
    suppresses=("uplink-down", "internet-only-withdrawn"),
    acceptance=NotTested("about the uplinks as a whole"),
)
