"""The state of one feed, one link and one circuit, of which `NetworkFacts` is made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from ermon.bgp.interest import Interest
from ermon.checks.attribution import Unattributed
from ermon.checks.check import Parameter
from ermon.checks.sight import PROCESS_ENDS, PROCESS_QUIET_SECONDS, PROCESS_WINDOW_SECONDS
from ermon.checks.topics import RouteSet
from ermon.core.asked import Asked
from ermon.core.churn import Churn
from ermon.core.coverage import ExpectedCoverage
from ermon.core.hearing import Hearing
from ermon.core.held_bytes import HeldBytes
from ermon.core.passed_over import PassedOver
from ermon.core.rib import AdjRibIn
from ermon.core.rolling import RollingCount, SpanCount
from ermon.core.session import Session
from ermon.core.strays import Strays
from ermon.model.findings import LinkState
from ermon.model.inventory import (
    Config,
    Feed,
    Limit,
    LinkKey,
)
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.routes import Route, RouteKey


class ProcessRuns(msgspec.Struct, omit_defaults=True):
    """The recent ends of an ExaBGP process; times are seconds since the epoch. A file format."""

    ends: list[float] = []
    restless_until: float | None = None
    """Until this time it counts as down, even if it runs."""

    def ended(self, now: float) -> None:
        self.ends = [*(time for time in self.ends if time + PROCESS_WINDOW_SECONDS > now), now]
        if len(self.ends) > PROCESS_ENDS or self.restless(now):
            self.restless_until = now + PROCESS_QUIET_SECONDS

    def restless(self, now: float) -> bool:
        return self.restless_until is not None and now < self.restless_until


@dataclass(slots=True)
class ProcessState:
    """An ExaBGP process, or the BMP connection of a router."""

    up: bool | None = None
    """Whether it runs; ``None`` if it has not reported yet."""
    silent: bool = False
    """It runs, but has not answered for too long."""
    problem: str = ""
    """Why it ended the last time, or what it fails to do now."""
    runs: ProcessRuns = field(default_factory=ProcessRuns)
    is_connection: bool = False
    connected_at: float | None = None
    """When the latest BMP connection began."""
    has_statistics: bool = False
    """Statistics have come on the present BMP connection."""

    def copy(self) -> ProcessState:
        return replace(self, runs=msgspec.structs.replace(self.runs))


class Awaited(StrEnum):
    """Whether a router without a session is given time to connect again after a start of ExaBGP. A file format."""

    NO = "no"
    UNHEARD = "unheard"
    """No earlier session is known: the feed is new."""
    BACK = "back"
    """It had a session when its process ended."""


@dataclass(slots=True)
class FeedState:
    """A feed's session and what it has sent."""

    feed: Feed
    session: Session
    rib: AdjRibIn = field(default_factory=AdjRibIn)
    held: HeldBytes = field(default_factory=HeldBytes)
    route_sets: dict[RouteSet, dict[RouteKey, Route]] = field(default_factory=dict)
    counted_sets: dict[RouteSet, AdjRibIn] = field(default_factory=dict)
    """On an edge table: those of ``route_sets`` that are counted; a set has an entry from its first route on."""
    tables: dict[LinkKey, AdjRibIn] = field(default_factory=dict)
    """On an edge table: the routes of each link; a link has an entry from its first route on."""
    coverage: dict[LinkKey, ExpectedCoverage] = field(default_factory=dict)
    churn: dict[LinkKey, Churn] = field(default_factory=dict)
    """The recent route changes of each link."""
    microsoft: dict[Family, int] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0))
    """On an edge table: the number of Microsoft's routes, internal copies included."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """On an edge table of best paths: the routes that are not held."""
    interest: Interest | None = None
    """On a view of the internet: which routes the checks can ask about. Set with the first UPDATE that comes in
    octets.
    """
    strays: Strays = field(default_factory=Strays)
    """On an edge table: the Microsoft routes that fit no link."""
    refreshes: dict[Family, set[RouteKey]] = field(default_factory=dict)
    """While the router sends a family again (RFC 7313): the routes that have not come again yet."""
    asked: dict[Family, Asked] = field(default_factory=dict)
    """Requests for routes that may not be answered yet."""
    hearing: Hearing | None = None
    """On a feed that RIPE's collectors carry: how many of their peers have each prefix."""
    canary_missing: tuple[Prefix, ...] | None = None
    awaited: Awaited = Awaited.NO
    awaited_until: float | None = None
    """``None`` if it is not waited for, or is waited for only from the start of its process on."""
    overflowed_until: float | None = None
    overflowed_by: Limit | None = None
    """Which limit it exceeded; ``None`` if it is not kept down."""
    overflow_seconds: float = 0.0
    teardown_at: float | None = None
    losses: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When the session was lost."""

    @property
    def held_bytes(self) -> int:
        """Approximate memory of everything that the feed has sent, including routes that are not held."""
        return self.held.total + self.passed_over.held_bytes


class CeasedLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a link from when it ceased to be up until it is up again. A file format."""

    brought: int = 0
    """The number of its recent prefixes."""
    settled: frozenset[Unattributed] = frozenset()
    """The reasons why routes of its router fitted no link while the link still had its own routes."""


class CircuitSight(msgspec.Struct, omit_defaults=True):
    """Whether ermon would notice a loss of a circuit in a family. A file format."""

    seen: bool = False
    """A link is up, or all are proven down."""
    lost_at: float | None = None
    """When it was last seen; before it was seen at all, when its first edge table came up."""


@dataclass(slots=True)
class LinkInfo:
    """The state of a link in one family, and its recent changes; times are seconds since the epoch."""

    state: LinkState = LinkState.UNKNOWN
    deciders: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    changed_at: float | None = None
    transitions: int = 0
    """The number of changes between up and down; unknown between two equal states is no change."""
    known_state: LinkState = LinkState.UNKNOWN
    awaited_until: float | None = None
    """Until when its state is waited for after a start; ``None`` once it is known."""
    returned_at: float | None = None
    """When it last went from down to up."""
    flaps: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When it changed between up and down."""
    losses: SpanCount = field(default_factory=lambda: SpanCount(0, 0.0, 1.0))
    """When it went down, once in each span of the clock."""
    settles_until: float | None = None
    """Until when changes of its routes are no churn, because it went down or came up, or a drain of it began or
    ended.
    """

    def flaps_end(self) -> float | None:
        """Return when its recent changes are back within the limit; ``None`` if they are."""
        ends = [end for end in (self.flaps.ends_at(), self.losses.ends_at()) if end is not None]
        return max(ends, default=None)

    ceased: CeasedLink | None = None
    """``None`` while it is up, and if it never was."""


def rolling(config: Config, limit: Parameter, seconds: float) -> RollingCount:
    """Return a counter for a check that allows ``limit`` events within so many seconds."""
    return RollingCount(int(limit.of(config)), seconds)
