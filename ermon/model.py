"""The nouns of what happens: routes, events, findings and transitions. All of them are frozen.

Times are seconds since the epoch, as floats rounded to microseconds: every decoder rounds them, so that
a timer and a line at the same instant compare equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from ermon.inventory import Community, LinkKey, Severity
from ermon.prefixes import Address, Family, Prefix

PathId = int | None
"""The path identifier of ADD-PATH (RFC 7911), ``None`` without it."""

RouteKey = tuple[Prefix, PathId]
"""The key of a route in an Adj-RIB-In: the NLRI."""


class SegmentKind(StrEnum):
    """Kinds of AS_PATH segments (RFC 4271 section 4.3, RFC 5065 section 3)."""

    SEQUENCE = "as-sequence"
    SET = "as-set"
    CONFED_SEQUENCE = "as-confed-sequence"
    CONFED_SET = "as-confed-set"

    @property
    def is_confederation(self) -> bool:
        return self in {SegmentKind.CONFED_SEQUENCE, SegmentKind.CONFED_SET}


class PathSegment(msgspec.Struct, frozen=True):
    kind: SegmentKind
    asns: tuple[int, ...]

    def __str__(self) -> str:
        joined = " ".join(map(str, self.asns))
        match self.kind:
            case SegmentKind.SEQUENCE:
                return joined
            case SegmentKind.SET:
                return f"{{{joined}}}"
            case SegmentKind.CONFED_SEQUENCE:
                return f"({joined})"
            case SegmentKind.CONFED_SET:
                return f"[{joined}]"


BLACKHOLE = (65535, 666)
"""The community of remote-triggered blackholing (RFC 7999)."""


class Attributes(msgspec.Struct, frozen=True):
    """The path attributes of an UPDATE, shared by all its routes."""

    next_hop: Address | None = None
    """The global next hop where there are two (RFC 2545 section 3); ``None`` when the UPDATE had none."""
    as_path: tuple[PathSegment, ...] = ()
    communities: frozenset[tuple[int, int]] = frozenset()
    large_communities: frozenset[tuple[int, int, int]] = frozenset()
    origin: str | None = None
    med: int | None = None
    local_preference: int | None = None

    def has_community(self, community: Community) -> bool:
        return community.values in self.communities or community.values in self.large_communities

    @property
    def path_text(self) -> str:
        return " ".join(map(str, self.as_path))


class Route(msgspec.Struct, frozen=True):
    """A prefix with its path attributes, as one feed sent it."""

    prefix: Prefix
    path_id: PathId
    attributes: Attributes

    @property
    def key(self) -> RouteKey:
        return (self.prefix, self.path_id)


class SessionUp(msgspec.Struct, frozen=True):
    """A session was established: whatever was known of the feed's routes is over."""

    time: float
    feed: str


class SessionDown(msgspec.Struct, frozen=True):
    time: float
    feed: str
    reason: str = ""


class AddPathOffered(msgspec.Struct, frozen=True):
    """The families in which the peer's OPEN offers to send several paths (RFC 7911 section 4)."""

    time: float
    feed: str
    families: frozenset[Family]


class AddPathNegotiated(msgspec.Struct, frozen=True):
    """The families in which several paths will be received: outweighs the OPEN."""

    time: float
    feed: str
    families: frozenset[Family]


class Update(msgspec.Struct, frozen=True):
    """One UPDATE. A prefix both withdrawn and announced in it is announced (RFC 4271 section 4.3)."""

    time: float
    feed: str
    announced: tuple[Route, ...] = ()
    withdrawn: tuple[RouteKey, ...] = ()


class EndOfRib(msgspec.Struct, frozen=True):
    """The first dump of a family is complete (RFC 4724 section 2)."""

    time: float
    feed: str
    family: Family


class Alive(msgspec.Struct, frozen=True):
    """A message that carries no routes (KEEPALIVE, ROUTE-REFRESH) and shows that the session lives."""

    time: float
    feed: str


class MessagesLost(msgspec.Struct, frozen=True):
    """Messages of a feed were sent and are gone: its routes may be wrong until it sends all again."""

    time: float
    feed: str
    count: int
    """How many are known to be lost; 0 when nobody counted them."""
    reason: str


class ProcessUp(msgspec.Struct, frozen=True):
    """An ExaBGP process runs and answers, or has just spoken."""

    time: float
    process: str


class ProcessDown(msgspec.Struct, frozen=True):
    """An ExaBGP process ended or no longer answers: its sessions are gone."""

    time: float
    process: str
    reason: str = ""


class SourceJudged(msgspec.Struct, frozen=True):
    """A published list came into force, or could not be used; the old one then stays in force."""

    time: float
    source: str
    problem: str | None = None


class StorageJudged(msgspec.Struct, frozen=True):
    """What must outlive ermon was written, or could not be."""

    time: float
    problem: str | None = None


Event = (
    SessionUp
    | SessionDown
    | AddPathOffered
    | AddPathNegotiated
    | Update
    | EndOfRib
    | Alive
    | MessagesLost
    | ProcessUp
    | ProcessDown
    | SourceJudged
    | StorageJudged
)


class Status(StrEnum):
    """What a check answers for one subject."""

    OK = "ok"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class LinkState(StrEnum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class TransitionState(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


class Finding(msgspec.Struct, frozen=True):
    """A violation that has held for its check's ``raise_after``, and has not been cleared for good."""

    id: str
    check: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    evidence: Mapping[str, Any]
    since: float
    """When the violation began."""
    raised_at: float
    ended_at: float | None = None
    """When the violation ended; it was cleared ``clear_after`` later."""
    cleared_at: float | None = None
    stale: bool = False
    """Raised, and at present not to be judged."""
    suppressed: bool = False


class Transition(msgspec.Struct, frozen=True):
    """A finding was raised or cleared."""

    time: float
    state: TransitionState
    finding: Finding


class FeedRequest(msgspec.Struct, frozen=True):
    """What the core asks of the BGP side: that a feed sends everything again."""

    feed: str
    action: str
    """``refresh`` (RFC 2918) or ``teardown`` (Cease, RFC 4486)."""
    families: tuple[Family, ...]
    reason: str


class LinkChanged(msgspec.Struct, frozen=True):
    time: float
    link: LinkKey
    family: Family
    state: LinkState


class DrainChanged(msgspec.Struct, frozen=True):
    """Microsoft began or ceased to drain a link."""

    time: float
    link: LinkKey
    draining: bool


class FeedChanged(msgspec.Struct, frozen=True):
    time: float
    feed: str


class PoolChanged(msgspec.Struct, frozen=True):
    time: float
    pool: str


Change = LinkChanged | DrainChanged | FeedChanged | PoolChanged
