"""Plays a story to the monitor: feeds come up, routes are announced and withdrawn, time passes.

A story has its own clock, which starts at 0 and moves only on request. Tests speak to it in the words of the catalogue
of checks:

    net.withdraw("edge-1", "192.0.2.0/26")
    net.assert_raised_after(10, "link-down", circuit="chicago", link="primary", family="ipv4")
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import structs

from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.model.azure import AzureReading
from ermon.model.azure_tables import AzureArp, AzureNeighbor, AzureRoute
from ermon.model.events import (
    Accepted,
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    AzureRead,
    AzureTables,
    Change,
    ConnectionsRefused,
    DownCause,
    EndOfRib,
    Event,
    FeedRequest,
    HoldTimeZero,
    ListeningJudged,
    MessagesLost,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    SourceJudged,
    StatisticsBegan,
    StorageJudged,
    Update,
)
from ermon.model.findings import Finding, Transition, TransitionState
from ermon.model.inventory import EDGES, Config, bmp_connection
from ermon.model.ownership import Reading
from ermon.model.prefixes import FAMILIES, Family, parse_address, parse_prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)

START = 1_795_000_000.0
"""2026-11-18T11:06:40Z, the default start of a story."""

SETTLE = 2.0
"""How long a feed must be quiet after End-of-RIB to be in sync."""

MILLISECOND = 0.001

SOMEWHERE: Mapping[Family, str] = {"ipv4": "192.0.2.254", "ipv6": "2001:db8:fe::254"}
"""A next hop that belongs to no link and no router."""

_BRACKETS = {
    "": SegmentKind.SEQUENCE,
    "{": SegmentKind.SET,
    "(": SegmentKind.CONFED_SEQUENCE,
    "[": SegmentKind.CONFED_SET,
}


@functools.cache
def config(text: str) -> Config:
    """Load a configuration from a file, as users do."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ermon.yml"
        file.write_text(text)
        return load_config(file).config


def as_path(text: str) -> AsPath:
    """Parse ``64500 12076 {8075 8068}``: braces are an AS_SET, parentheses a confederation's sequence."""
    segments = re.findall(r"([{(\[]?)([\d ]*\d)[})\]]?", text)
    return AsPath(
        PathSegment(_BRACKETS[bracket], tuple(map(int, asns.split()))) for bracket, asns in segments
    )


def attributes(via: str | None, path: str, communities: str) -> Attributes:
    numbers = [tuple(map(int, community.split(":"))) for community in communities.split()]
    return Attributes(
        next_hop=None if via is None else parse_address(via),
        as_path=as_path(path),
        communities=Communities((n[0], n[1]) for n in numbers if len(n) == 2),
        large_communities=LargeCommunities((n[0], n[1], n[2]) for n in numbers if len(n) == 3),
    )


class Story:
    """A monitor with a clock, and methods in the words of the domain."""

    def __init__(self, config: Config, *, start: float = START) -> None:
        self.config = config
        self.start = self.now = start
        self.monitor = Monitor(config, start)
        self._transitions: list[Transition] = []
        self._requests: list[FeedRequest] = []
        self._changes: list[Change] = []

    # What happens ------------------------------------------------------------------------------------

    def up(self, *feeds: str) -> Self:
        return self._apply(SessionUp(self.now, feed) for feed in feeds)

    def down(
        self, *feeds: str, reason: str = "closing connection", cause: DownCause = DownCause.OTHER
    ) -> Self:
        return self._apply(SessionDown(self.now, feed, reason, cause) for feed in feeds)

    def end_of_rib(self, *feeds: str, family: Family | None = None) -> Self:
        """End the first dump of the feeds, in all their families or in the given one."""
        for feed in feeds:
            families = self.config.feeds[feed].families if family is None else (family,)
            self._apply(EndOfRib(self.now, feed, each) for each in families)
        return self

    def refresh_begins(self, feed: str, *families: Family) -> Self:
        """Begin to send all routes again, in all families or in the given ones."""
        named = families or self.config.feeds[feed].families
        return self._apply(RefreshBegan(self.now, feed, family) for family in named)

    def refresh_ends(self, feed: str, *families: Family) -> Self:
        named = families or self.config.feeds[feed].families
        return self._apply(RefreshEnded(self.now, feed, family) for family in named)

    def announce(
        self,
        feed: str,
        *prefixes: str,
        via: str | Mapping[Family, str] | None = SOMEWHERE,
        path: str = "",
        communities: str = "",
        path_id: int | None = None,
        preference: int | None = None,
        withdrawing: Iterable[str] = (),
    ) -> Self:
        """Announce prefixes in one UPDATE, which may withdraw others. ``via=None`` announces without a next hop."""
        next_hops = via if isinstance(via, Mapping) else dict.fromkeys(FAMILIES, via)
        shared = {
            family: structs.replace(attributes(address, path, communities), local_preference=preference)
            for family, address in next_hops.items()
        }
        parsed = map(parse_prefix, prefixes)
        routes = tuple(Route(prefix, path_id, shared[prefix.family]) for prefix in parsed)
        withdrawn = tuple((parse_prefix(prefix), path_id) for prefix in withdrawing)
        return self._apply([Update(self.now, feed, routes, withdrawn)])

    def withdraw(self, feed: str, *prefixes: str, path_id: int | None = None) -> Self:
        keys = tuple((parse_prefix(prefix), path_id) for prefix in prefixes)
        return self._apply([Update(self.now, feed, withdrawn=keys)])

    def peer_offers_add_path(self, feed: str, *families: Family) -> Self:
        return self._apply([AddPathOffered(self.now, feed, frozenset(families))])

    def add_path_negotiated(self, feed: str, *families: Family) -> Self:
        return self._apply([AddPathNegotiated(self.now, feed, frozenset(families))])

    def says_hold_time_zero(self, *feeds: str) -> Self:
        return self._apply(HoldTimeZero(self.now, feed) for feed in feeds)

    def lose_messages(self, feed: str, count: int = 1) -> Self:
        return self._apply([MessagesLost(self.now, feed, count, "a gap in ExaBGP's counter")])

    def process_up(self, process: str = EDGES) -> Self:
        return self._apply([ProcessUp(self.now, process)])

    def process_down(self, process: str = EDGES) -> Self:
        return self._apply([ProcessDown(self.now, process, "exited")])

    def connect(self, router: str) -> Self:
        """A router begins to report its sessions by BMP."""
        return self.process_up(bmp_connection(router))

    def disconnect(self, router: str) -> Self:
        return self.process_down(bmp_connection(router))

    def statistics(self, router: str) -> Self:
        """The first statistics of a BMP connection come."""
        return self._apply([StatisticsBegan(self.now, bmp_connection(router))])

    def not_reported(self, *feeds: str) -> Self:
        """Routers have had time to report their sessions by BMP, and have not reported these."""
        return self._apply(SessionUnreported(self.now, feed) for feed in feeds)

    def silent(self, *feeds: str) -> Self:
        """Routers have ceased to send statistics of these sessions."""
        return self._apply(SessionSilent(self.now, feed, "no statistics") for feed in feeds)

    def alive(self, *feeds: str) -> Self:
        return self._apply(Alive(self.now, feed) for feed in feeds)

    def unreadable(self, *feeds: str) -> Self:
        """What these sessions' routes are cannot be known."""
        return self._apply(RoutesUnreadable(self.now, feed, "ADD-PATH") for feed in feeds)

    def cannot_listen(self, local: str, problem: str | None) -> Self:
        """Report that listening on an address of ermon fails; ``None``: it works."""
        return self._apply([ListeningJudged(self.now, local, problem)])

    def refused(self, peer: str, *, at: str) -> Self:
        """Report a connection from a host that is no feed's router."""
        return self._apply([ConnectionsRefused(self.now, at, peer, 1)])

    def process_silent(self, process: str = EDGES) -> Self:
        return self._apply([ProcessSilent(self.now, process, "did not answer for 10 seconds")])

    def restart(self) -> Self:
        """Continue with another ermon that has what this one has stored; the routers have not connected yet."""
        self._settle()
        self.monitor = self.monitor.restarted(self.now)
        return self

    def reads_registry(self, source: str, *, age: float = 0.0, **found: Any) -> Self:
        """Read a source of VRPs or route objects, whose list is so many seconds old."""
        return self._apply([OwnershipRead(self.now, source, Reading(self.now - age, **found))])

    def judge_source(self, source: str, problem: str | None = None) -> Self:
        """Report that a published list came into force, or could not be used."""
        return self._apply([SourceJudged(self.now, source, problem)])

    def accept(self, check: str, because: str = "accepted by ann: as planned", **labels: str) -> Self:
        """Accept the present state of a check's subjects."""
        return self._apply([Accepted(self.now, check, tuple(labels.items()), because)])

    def azure_says(self, circuit: str, reading: AzureReading, *, age: float = 0.0) -> Self:
        """Read what Azure says of a circuit."""
        return self._apply([AzureRead(self.now, circuit, self.now - age, reading)])

    def azure_fails(self, circuit: str) -> Self:
        return self._apply([AzureRead(self.now, circuit, problem="Azure cannot be reached")])

    def microsoft_says(
        self,
        circuit: str,
        link: str,
        routes: Iterable[tuple[str, str, str]] | None = None,
        *,
        neighbors: Iterable[tuple[str, str, str]] | None = None,
        arp: Iterable[tuple[str, str]] | None = None,
        partial: bool = False,
        problem: str = "",
        asked: float = 5.0,
    ) -> Self:
        """Read the tables of Microsoft's edge router, which was asked so many seconds ago.

        ``routes``: network, next hop and path; ``neighbors``: address, time in this state, and state or count;
        ``arp``: interface and MAC address.
        """
        tables = AzureTables(
            self.now,
            (circuit, link),
            round(self.now - asked, 6),
            routes=None if routes is None else tuple(AzureRoute(*row) for row in routes),
            partial=partial,
            neighbors=None
            if neighbors is None
            else tuple(AzureNeighbor(address, 64500, since, state) for address, since, state in neighbors),
            arp=None if arp is None else tuple(AzureArp(side, "", mac) for side, mac in arp),
            problem=problem,
        )
        return self._apply([tables])

    def judge_storage(self, problem: str | None = None) -> Self:
        """Report that the state was written to disk, or could not be."""
        return self._apply([StorageJudged(self.now, problem)])

    def wait(self, seconds: float) -> Self:
        self.now = round(self.now + seconds, 6)
        self._settle()
        return self

    def get_in_sync(self, *feeds: str) -> Self:
        """End the first dump of the feeds, and wait until they are in sync."""
        return self.end_of_rib(*feeds).wait(SETTLE)

    def reconfigure(self, config: Config) -> Self:
        self.config = config
        self.monitor.reconfigure(config, self.now)
        return self

    def _apply(self, events: Iterable[Event]) -> Self:
        for event in events:
            self.monitor.apply(event)
        return self

    def _settle(self) -> None:
        outcome = self.monitor.advance(self.now)
        self._transitions += outcome.transitions
        self._requests += outcome.requests
        self._changes += outcome.changes

    # What is known -----------------------------------------------------------------------------------

    @property
    def transitions(self) -> list[Transition]:
        """The transitions until now."""
        self._settle()
        return self._transitions

    @property
    def requests(self) -> list[FeedRequest]:
        """The requests to routers until now."""
        self._settle()
        return self._requests

    def take_changes(self) -> list[Change]:
        """Return what has changed since the last call."""
        self._settle()
        changes, self._changes = self._changes, []
        return changes

    @property
    def clock(self) -> float:
        """Seconds since the story began."""
        return round(self.now - self.start, 3)

    def status(self, check: str, **labels: str) -> str:
        """Return the status of a subject that must exist, with its labels in the order of the catalogue."""
        for case in self.monitor.statuses():
            if case.subject.check == check and case.subject.labels == tuple(labels.items()):
                return case.status.value
        raise AssertionError(f"{check} has no subject {labels}, only {self.subjects(check)}")

    def subjects(self, check: str) -> list[dict[str, str]]:
        return [dict(case.subject.labels) for case in self.monitor.statuses() if case.subject.check == check]

    def finding(self, check: str, **labels: str) -> Finding | None:
        found = [f for f in self.monitor.findings() if f.check == check and dict(f.labels) == labels]
        return found[0] if found else None

    def raised(self, *checks: str) -> list[str]:
        """Return the raised findings, such as ``link-down chicago primary ipv4``: all, or those of some checks."""
        return sorted(_name(f) for f in self.monitor.findings() if not checks or f.check in checks)

    def told(self, *checks: str) -> list[str]:
        """Return all transitions so far, such as ``10.0 raised link-down chicago primary ipv4``."""
        return [
            f"{round(t.time - self.start, 3)} {t.state} {_name(t.finding)}"
            for t in self.transitions
            if not checks or t.finding.check in checks
        ]

    # What must come ----------------------------------------------------------------------------------

    def assert_raised_after(self, seconds: float, check: str, **labels: str) -> Finding:
        """Check that the finding is raised exactly this number of seconds from now, and not a millisecond earlier."""
        return self._assert_told_after(TransitionState.RAISED, seconds, check, labels)

    def assert_cleared_after(self, seconds: float, check: str, **labels: str) -> Finding:
        """Check that the finding is cleared exactly this number of seconds from now, and not a millisecond earlier."""
        return self._assert_told_after(TransitionState.CLEARED, seconds, check, labels)

    def _assert_told_after(
        self, state: TransitionState, seconds: float, check: str, labels: dict[str, str]
    ) -> Finding:
        if seconds:
            self.wait(seconds - MILLISECOND)
            assert (self.finding(check, **labels) is not None) == (state is TransitionState.CLEARED), (
                f"too early: {self.told()}"
            )
            self.wait(MILLISECOND)
        told = [t for t in self.transitions if t.finding.check == check and dict(t.finding.labels) == labels]
        assert told, f"nothing was told of {check} {labels}, only {self.told()}"
        assert (told[-1].state, round(told[-1].time, 3)) == (state, round(self.now, 3)), self.told(check)
        assert list(told[-1].finding.labels.items()) == list(labels.items())
        return told[-1].finding


def _name(finding: Finding) -> str:
    return " ".join([finding.check, *finding.labels.values()])
