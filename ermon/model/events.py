"""Events that the core takes in, and the changes and requests that it gives out. All are frozen.

Times are seconds since the epoch, as floats rounded to microseconds: every decoder rounds them, so that a timer and a
line at the same instant compare equal.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ermon.model.azure import AzureReading
from ermon.model.azure_tables import AzureArp, AzureNeighbor, AzureRoute, AzureTraffic
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkKey
from ermon.model.ownership import Reading
from ermon.model.prefixes import Family
from ermon.model.routes import Route, RouteKey


class SessionUp(msgspec.Struct, frozen=True):
    """A session was established: the routes of an earlier session no longer count."""

    time: float
    feed: str


class DownCause(StrEnum):
    """Why a session ended that a router reports by BMP: a closed set, fit for a metric's label."""

    ADMIN_SHUTDOWN = "admin-shutdown"
    ADMIN_RESET = "admin-reset"
    MAX_PREFIXES = "max-prefixes"
    HOLD_TIMER = "hold-timer"
    DECONFIGURED = "deconfigured"
    TRANSPORT = "transport"
    """The connection was closed or lost."""
    OPEN_ERROR = "open-error"
    OTHER = "other"


class SessionDown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session ended, or an attempt at one failed."""

    time: float
    feed: str
    reason: str = ""
    cause: DownCause = DownCause.OTHER
    """By BMP: the kind of its reason."""


class AddPathOffered(msgspec.Struct, frozen=True):
    """The families in which the peer's OPEN offers to send several paths (RFC 7911 section 4)."""

    time: float
    feed: str
    families: frozenset[Family]


class AddPathNegotiated(msgspec.Struct, frozen=True):
    """The families in which several paths will be received; this outweighs ``AddPathOffered``."""

    time: float
    feed: str
    families: frozenset[Family]


class HoldTimeZero(msgspec.Struct, frozen=True):
    """The peer's OPEN has hold time 0: no KEEPALIVE is sent, and no silence ends the session (RFC 4271 section 4.2)."""

    time: float
    feed: str


class Update(msgspec.Struct, frozen=True):
    """One UPDATE. A prefix both withdrawn and announced in it is announced (RFC 4271 section 4.3)."""

    time: float
    feed: str
    announced: tuple[Route, ...] = ()
    withdrawn: tuple[RouteKey, ...] = ()
    updates: int = 1
    """How many UPDATEs it stands for: several that came at once and have no route in common."""


class Uninteresting(msgspec.Struct, frozen=True):
    """UPDATEs without a route that the policy asks about: it only counts that they came."""

    time: float
    feed: str
    updates: int
    announced: frozenset[Family]
    """The families of their announced routes."""
    withdrawn: frozenset[Family]


class EndOfRib(msgspec.Struct, frozen=True):
    """The first dump of a family is complete (RFC 4724 section 2)."""

    time: float
    feed: str
    family: Family


class RefreshBegan(msgspec.Struct, frozen=True):
    """The router begins to send all routes of a family again (RFC 7313, BoRR)."""

    time: float
    feed: str
    family: Family


class RefreshEnded(msgspec.Struct, frozen=True):
    """The router has sent all routes of a family again: those that have not come since it began are gone (RFC 7313,
    EoRR).
    """

    time: float
    feed: str
    family: Family


class Alive(msgspec.Struct, frozen=True):
    """A message without routes (KEEPALIVE, ROUTE-REFRESH), which shows that the session is alive."""

    time: float
    feed: str


class MessagesLost(msgspec.Struct, frozen=True):
    """Messages of a feed were lost: its routes may be wrong until the router sends all again."""

    time: float
    feed: str
    count: int
    """How many are known to be lost; 0 if that is not known."""
    reason: str


class ProcessUp(msgspec.Struct, frozen=True):
    """An ExaBGP process runs and answers, or has just sent a line."""

    time: float
    process: str


class ProcessDown(msgspec.Struct, frozen=True):
    """An ExaBGP process ended or no longer answers: its sessions are gone."""

    time: float
    process: str
    reason: str = ""
    wanted: bool = False
    """Whether ermon itself has ended it, to start it with another configuration."""


class ListeningJudged(msgspec.Struct, frozen=True):
    """ermon listens for BGP on one of its addresses, or cannot."""

    time: float
    local: str
    problem: str | None = None
    """Why it cannot, in words; ``None`` if it does."""


class ConnectionsRefused(msgspec.Struct, frozen=True):
    """A connection came from an address that belongs to no feed's router."""

    time: float
    local: str
    """The local address; empty for connections that were only counted."""
    peer: str
    count: int


class ProcessSilent(msgspec.Struct, frozen=True):
    """An ExaBGP process runs but does not answer; ``ProcessUp`` follows when it does again."""

    time: float
    process: str
    reason: str


class SourceJudged(msgspec.Struct, frozen=True):
    """A published list came into force, or could not be used, in which case the old one stays in force."""

    time: float
    source: str
    problem: str | None = None
    because: str = ""
    """Why a list is in force that was refused before."""


class OwnershipRead(msgspec.Struct, frozen=True):
    """VRPs or route objects were read: those that overlap your address space."""

    time: float
    source: str
    reading: Reading


class Accepted(msgspec.Struct, frozen=True):
    """A user takes what a check calls wrong for right from now on."""

    time: float
    check: str
    labels: tuple[tuple[str, str], ...]
    """The labels that a subject must have."""
    because: str
    """Who accepted it, and why."""


class StorageJudged(msgspec.Struct, frozen=True):
    """The state of ermon was written, or could not be."""

    time: float
    problem: str | None = None


class ClockStepped(msgspec.Struct, frozen=True):
    """The machine's clock was set, or the machine was suspended. The times of events go on as before; only the calendar
    and displayed times follow the clock.
    """

    time: float
    offset: float
    """How many seconds the wall clock is ahead of the times of events now."""
    suspended: float = 0.0
    """For how many seconds of that difference the machine was suspended since the last step: these have really
    passed.
    """
    since: float | None = None
    """The time of events from which on it holds, if that is before it was noticed."""


class SessionUnreported(msgspec.Struct, frozen=True):
    """A router that reports its sessions by BMP does not report this one (RFC 7854)."""

    time: float
    feed: str


class SessionSilent(msgspec.Struct, frozen=True):
    """A router has ceased to report about a session, without saying that it ended; the next event of the feed says that it goes on."""

    time: float
    feed: str
    reason: str


class RoutesUnreadable(msgspec.Struct, frozen=True):
    """A session is up, and its routes cannot be known until it comes up again."""

    time: float
    feed: str
    reason: str


class StatisticsBegan(msgspec.Struct, frozen=True):
    """The first statistics on a BMP connection: from now on, a session without them is silent."""

    time: float
    process: str


class AzureTables(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tables of the edge router that is Microsoft's end of a link were read, or could not be.

    A table that is ``None`` was not read this time.
    """

    time: float
    link: LinkKey
    asked: float
    """When Microsoft was asked: what has happened since then may not be in the tables."""
    routes: tuple[AzureRoute, ...] | None = None
    partial: bool = False
    """Whether routes may be missing from ``routes``."""
    neighbors: tuple[AzureNeighbor, ...] | None = None
    arp: tuple[AzureArp, ...] | None = None
    traffic: AzureTraffic | None = None
    problem: str = ""
    """Why tables could not be read."""


class AzureRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Azure's own view of a circuit was read, or could not be read."""

    time: float
    circuit: str
    taken: float = 0.0
    """When Azure said so; a file may be older than its reading."""
    reading: AzureReading | None = None
    """``None``: it could not be read; the last reading stays until it is too old."""
    problem: str = ""
    """Why it could not be read."""
    listed: tuple[str, ...] = ()
    """Prefixes that Azure listed as advertised at some time before; only the first event after a start has them."""


Event = (
    SessionUp
    | SessionDown
    | AddPathOffered
    | AddPathNegotiated
    | HoldTimeZero
    | Update
    | Uninteresting
    | EndOfRib
    | RefreshBegan
    | RefreshEnded
    | Alive
    | MessagesLost
    | ProcessUp
    | ProcessDown
    | ListeningJudged
    | ConnectionsRefused
    | ProcessSilent
    | SourceJudged
    | OwnershipRead
    | Accepted
    | StorageJudged
    | ClockStepped
    | SessionUnreported
    | SessionSilent
    | RoutesUnreadable
    | StatisticsBegan
    | AzureTables
    | AzureRead
)


class FeedRequest(msgspec.Struct, frozen=True):
    """A request of the core to the BGP side: a feed should send everything again."""

    feed: str
    action: str
    """``refresh`` (RFC 2918) or ``teardown`` (Cease, RFC 4486)."""
    families: tuple[Family, ...]
    reason: str


class LinkChanged(msgspec.Struct, frozen=True):
    """A link has another state in a family."""

    time: float
    link: LinkKey
    family: Family
    state: LinkState


class DrainChanged(msgspec.Struct, frozen=True):
    """Microsoft began or ceased to drain a link in a family."""

    time: float
    link: LinkKey
    family: Family
    draining: bool


class FeedChanged(msgspec.Struct, frozen=True):
    """The session of a feed, or what it can prove, may have changed."""

    time: float
    feed: str


class PoolChanged(msgspec.Struct, frozen=True):
    """Where a pool is seen, or whether that is right, may have changed."""

    time: float
    pool: str


class ClockChanged(msgspec.Struct, frozen=True):
    """The machine's clock has stepped."""

    time: float
    set_by: float
    """The seconds by which the clock was set, forward or back."""
    suspended: float
    """The seconds for which the machine was suspended."""


Change = LinkChanged | DrainChanged | FeedChanged | PoolChanged | ClockChanged
