"""What is held of one feed, one link and one circuit: the state that `NetworkFacts` is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """How often an ExaBGP process has ended of late; times are seconds since the epoch. A file format."""

    ends: list[float] = []
    restless_until: float | None = None
    """Until then it counts as down though it runs."""

    def ended(self, now: float) -> None:
        self.ends = [*(time for time in self.ends if time + PROCESS_WINDOW_SECONDS > now), now]
        if len(self.ends) > PROCESS_ENDS or self.restless(now):
            self.restless_until = now + PROCESS_QUIET_SECONDS

    def restless(self, now: float) -> bool:
        return self.restless_until is not None and now < self.restless_until


@dataclass(slots=True)
class ProcessState:
    """An ExaBGP process."""

    up: bool | None = None
    """Whether it runs; ``None``: it has not reported yet."""
    silent: bool = False
    """It runs and has not answered for too long."""
    problem: str = ""
    """Why it ended the last time, or what it fails to do now."""
    runs: ProcessRuns = field(default_factory=ProcessRuns)

    def copy(self) -> ProcessState:
        return ProcessState(self.up, self.silent, self.problem, msgspec.structs.replace(self.runs))


class Awaited(StrEnum):
    """Whether a router that has no session is given time to call again, since ExaBGP was started. A file format."""

    NO = "no"
    UNHEARD = "unheard"
    """Nothing is known of an earlier session: the feed is new."""
    BACK = "back"
    """It had one when its process ended."""


@dataclass(slots=True)
class FeedState:
    """A feed's session and what it has sent."""

    feed: Feed
    session: Session
    rib: AdjRibIn = field(default_factory=AdjRibIn)
    held: HeldBytes = field(default_factory=HeldBytes)
    route_sets: dict[RouteSet, dict[RouteKey, Route]] = field(default_factory=dict)
    counted_sets: dict[RouteSet, AdjRibIn] = field(default_factory=dict)
    """On an edge table: those of ``route_sets`` that are counted, from the first route on."""
    tables: dict[LinkKey, AdjRibIn] = field(default_factory=dict)
    """On an edge table: the routes of each link, from the first one on."""
    coverage: dict[LinkKey, ExpectedCoverage] = field(default_factory=dict)
    churn: dict[LinkKey, Churn] = field(default_factory=dict)
    """When the routes of each link changed."""
    microsoft: dict[Family, int] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0))
    """On an edge table: how many routes are Microsoft's, internal copies included."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """On an edge table of best paths: what is not held."""
    interest: Interest | None = None
    """Of a view of the internet, from its first UPDATE that came in octets: what can be asked about on it."""
    strays: Strays = field(default_factory=Strays)
    """On an edge table: the Microsoft routes that fit no link."""
    refreshes: dict[Family, set[RouteKey]] = field(default_factory=dict)
    """While the router sends a family again (RFC 7313): the routes that have not come again yet."""
    asked: dict[Family, Asked] = field(default_factory=dict)
    """What was asked for anew and may not have come yet."""
    canary_missing: tuple[Prefix, ...] | None = None
    awaited: Awaited = Awaited.NO
    awaited_until: float | None = None
    """``None``: it is not waited for, or no longer until its process is started."""
    overflowed_until: float | None = None
    overflowed_by: Limit | None = None
    """Which limit it went beyond; ``None`` when it is not kept down."""
    overflow_seconds: float = 0.0
    teardown_at: float | None = None
    losses: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When the session was lost."""

    @property
    def held_bytes(self) -> int:
        """About how much memory what the feed has sent takes, also of what is not held as routes."""
        return self.held.total + self.passed_over.held_bytes


class CeasedLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a link from when it ceased to be up until it is up again. A file format."""

    brought: int = 0
    """Its recent prefixes."""
    settled: frozenset[Unattributed] = frozenset()
    """What kept routes of its router from any link while it still had its own."""


class CircuitSight(msgspec.Struct, omit_defaults=True):
    """Whether anybody would notice what happens to a circuit, in a family. A file format."""

    seen: bool = False
    """A link is up, or all are proven down."""
    lost_at: float | None = None
    """When it was last seen, or before that, when its first edge table came up."""


@dataclass(slots=True)
class LinkInfo:
    state: LinkState = LinkState.UNKNOWN
    deciders: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    changed_at: float | None = None
    transitions: int = 0
    """Changes between up and down; unknown between two equal states is no change."""
    known_state: LinkState = LinkState.UNKNOWN
    awaited_until: float | None = None
    """Until when its state is waited for, after a start; ``None`` from when it is known."""
    returned_at: float | None = None
    """When it last went from down to up."""
    flaps: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When it changed between up and down."""
    losses: SpanCount = field(default_factory=lambda: SpanCount(0, 0.0, 1.0))
    """When it went down, once in each span of the clock."""
    settles_until: float | None = None
    """Until when changes of its routes are no churn: it went down, came up, or a drain of it began or ended."""

    def flaps_end(self) -> float | None:
        """Return when it has changed so seldom of late that it is fine; ``None``: it is."""
        ends = [end for end in (self.flaps.ends_at(), self.losses.ends_at()) if end is not None]
        return max(ends, default=None)

    ceased: CeasedLink | None = None
    """``None`` while it is up, and where it never was."""


def rolling(config: Config, limit: Parameter, seconds: float) -> RollingCount:
    """Count what a check allows ``limit`` of within so many seconds."""
    return RollingCount(int(limit.of(config)), seconds)
