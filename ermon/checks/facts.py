"""What is known of the network at one moment: the questions that a judge may ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from ermon.checks.attribution import Unattributed
from ermon.checks.topics import Counted, GroupKey, RouteSet
from ermon.model.azure import AzureReading
from ermon.model.findings import LinkState
from ermon.model.inventory import ExpectationPeriods, Limit, Link, LinkKey
from ermon.model.ownership import GoneVrp, RouteObject, Vrp
from ermon.model.prefixes import Family, Prefix, PrefixSet
from ermon.model.routes import Route, RouteKey


class Amount(NamedTuple):
    """How much is received or advertised: prefixes, and the addresses that they cover together.

    A median of amounts is an ``Amount`` too.
    """

    routes: float
    addresses: float


class LinkChanges(NamedTuple):
    """How often a link has changed recently, not counting changes in maintenance or in a drain."""

    changes: int
    """Changes between up and down, within the window of ``link-flapping``."""
    spans: int
    """10-minute spans of the last 24 hours in which it was lost."""


class Preference(NamedTuple):
    """How two links compare by LOCAL_PREF, in numbers of prefixes."""

    shared: int = 0
    """Prefixes that both links have."""
    higher: int = 0
    """Prefixes for which the first link has the higher LOCAL_PREF."""
    missing: int = 0
    """Prefixes for which one link has no LOCAL_PREF, so that the preference is unknown."""


class Registered(NamedTuple):
    """What one source of VRPs or route objects says now."""

    taken_at: float
    """When its file was written, or when it was fetched."""
    space: Collection[Prefix] | None
    """The address space that it was read for; ``None``: everything."""
    vrps: Collection[Vrp] = ()
    """Those that have not ended."""
    ended: Collection[Vrp] = ()
    gone: Collection[GoneVrp] = ()
    """Those that it had until recently."""
    route_objects: Collection[RouteObject] = ()

    def knows(self, prefix: Prefix) -> bool:
        return self.space is None or any(own.contains(prefix) for own in self.space)


CompareKind = Literal["received", "advertised", "rejected"]
"""What is compared of a link: the router's session by BMP with its edge table; what it says it advertises with its mirror; the
session before its inbound policy with the session after it.
"""


class Disagreement(NamedTuple):
    """How the two sides of a comparison differ."""

    prefixes: Collection[Prefix]
    """The prefixes that are proven to be on one side only."""
    compared: int
    """The number of prefixes of the larger side."""
    complete: bool
    """Whether each side proves what it lacks."""


class Acceptance(StrEnum):
    """Whether Microsoft's edge router holds what a link advertises to it, by its own table."""

    HELD = "held"
    LACKING = "lacking"
    """Two readings lack it, both taken after the last change of what is advertised."""
    WAITING = "waiting"
    """The last reading lacks it, and the one before does not say so."""
    UNKNOWN = "unknown"
    """No reading says: there is none, it is too old, or it was taken before the last change of what is advertised."""


class AzureDifferences(NamedTuple):
    """How Microsoft's table of a link and the routes that ermon sees on the link differ."""

    only_microsoft: Collection[Prefix]
    """Prefixes that Microsoft's table has in two readings and that no feed shows."""
    only_ours: Collection[Prefix]
    """Prefixes that the link's routes have and that Microsoft's table lacks in two readings."""
    once: bool
    """Whether the last reading differs in more than the one before."""


class AzureSight(NamedTuple):
    """What Azure says of a circuit, in its last reading and in the one before."""

    reading: AzureReading
    taken: float
    """When Azure said so; seconds since the epoch."""
    when: str
    """The same for people."""
    before: AzureReading | None
    """``None``: there is no other reading yet."""
    before_taken: float
    listed: PrefixSet
    """The space that Azure listed as advertised in any reading before the last one."""


class PeersHaving(NamedTuple):
    """How many ASNs' peers of RIPE's collectors have a prefix."""

    now: int
    most: int
    """Since it counts as heard."""
    stuck: bool
    """Fewer than half of those that had it still do, and no others have heard it since."""


class Facts(Protocol):
    """What is known of the network at one moment."""

    @property
    def now(self) -> float: ...

    @property
    def calendar_now(self) -> float:
        """The time by which dates are judged. Unlike ``now``, it follows the wall clock when that is set."""
        ...

    def up(self, feed: str) -> bool:
        """Return whether the feed's session is established."""
        ...

    def in_sync(self, feed: str, family: Family) -> bool:
        """Return whether the feed's routes of this family are known to be complete."""
        ...

    def knows(self, feed: str, family: Family, space: Iterable[Prefix]) -> bool:
        """Return whether the feed has sent everything about these prefixes of the family, prefixes inside them and
        covering ones: it is in sync, and no routes among them have just been requested.
        """
        ...

    def all_paths(self, feed: str, family: Family) -> bool:
        """Return whether the session carries all paths (ADD-PATH), so that it can prove absence."""
        ...

    def received_any(self, feed: str, family: Family) -> bool:
        """Return whether the session has received a route of this family, held or not."""
        ...

    def end_of_rib(self, feed: str) -> bool | None:
        """Return whether End-of-RIB has come in every family; ``None`` if it is too early to say, or if ermon did not
        see the beginning of the session.
        """
        ...

    def down_reason(self, feed: str) -> str:
        """Return why the session ended; empty if there is no reason."""
        ...

    def session_report(self, link: LinkKey, family: Family) -> str:
        """Return what the router reports by BMP of its session on a link that is down, and since when; empty if its report does not
        decide on the link.
        """
        ...

    def session_state(self, feed: str) -> LinkState:
        """Return whether a session that is reported by BMP is up; unknown unless its router reports that now."""
        ...

    def session_exists(self, feed: str) -> bool:
        """Return whether the router has reported the session by BMP at some time, or may do so yet."""
        ...

    def session_said(self, feed: str) -> str:
        """Return what the router reports by BMP of a session, and since when."""
        ...

    def still_shown(self, link: LinkKey, family: Family) -> Collection[str]:
        """Return the edge tables in sync that show routes of a link whose session decides on it."""
        ...

    def disagreement(self, kind: CompareKind, link: LinkKey, family: Family) -> Disagreement | None:
        """Return how two ways of seeing a link differ; ``None`` if they cannot be compared now."""
        ...

    def lacking(self, kind: CompareKind, link: LinkKey, prefix: Prefix) -> Collection[str]:
        """Return the sides of such a comparison that are proven to lack a prefix, by the names of their feeds."""
        ...

    def session_reported(self, feed: str) -> bool | None:
        """Return whether the router reports by BMP that there is such a session, up or down; ``None`` if that is not known yet."""
        ...

    def routes_unreadable(self, feed: str) -> str:
        """Return why the routes of a session that is reported by BMP cannot be known; empty if they can."""
        ...

    def connection_awaited(self, connection: str) -> bool:
        """Return whether the router of a BMP connection has still time to connect after a start of ermon."""
        ...

    def has_statistics(self, connection: str) -> bool:
        """Return whether statistics have come on a BMP connection since it began."""
        ...

    def listening_problem(self, feed: str) -> str:
        """Return why ermon cannot listen on the feed's address; empty if it can."""
        ...

    def strangers(self, feed: str) -> Collection[str]:
        """Return the addresses that recently connected to the feed's address and belong to no feed's router there."""
        ...

    def no_hold(self, feed: str) -> bool:
        """Return whether the session has hold time 0, so that its loss goes unnoticed."""
        ...

    def loss(self, feed: str) -> str | None:
        """Return why messages were lost, until the feed has been in sync in a new session."""
        ...

    def overflowed(self, feed: str) -> Limit | None: ...

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        """Return the canary prefixes that the feed does not show; ``None`` if that cannot be judged yet."""
        ...

    def awaited(self, feed: str) -> bool:
        """Return whether the router of a feed without a session is given time to connect again after a start of
        ExaBGP.
        """
        ...

    def sessions_awaited(self, process: str) -> Collection[str]:
        """Return the feeds of a running process whose sessions were up before it ended, and are not back yet."""
        ...

    def process_up(self, process: str) -> bool | None:
        """Return whether an ExaBGP process runs and answers; ``None`` if it has not reported yet."""
        ...

    def process_problem(self, process: str) -> str:
        """Return in words why an ExaBGP process is down, as far as that is known."""
        ...

    def process_restless(self, process: str) -> bool:
        """Return whether an ExaBGP process has ended so often recently that it counts as down though it runs."""
        ...

    def source_problem(self, source: str) -> str | None:
        """Return why a published list cannot be used, empty if it can; ``None`` if it has not been tried yet."""
        ...

    def azure_accepts(self, link: LinkKey, prefix: Prefix) -> Acceptance:
        """Return whether the table of Microsoft's edge router has the space of a prefix that the link advertises."""
        ...

    def azure_differences(self, link: LinkKey, family: Family) -> AzureDifferences | None:
        """Return how Microsoft's table differs from the routes of a link that is up; ``None`` if they cannot be compared."""
        ...

    def azure_rows(self, link: LinkKey, prefixes: Iterable[Prefix]) -> Collection[str]:
        """Return the rows of Microsoft's table for those of ``only_microsoft``, as they came."""
        ...

    def azure_reading_overdue(self, circuit: str) -> bool | None:
        """Return whether Azure's view of a circuit could not be read for too long; ``None`` if it was not read yet."""
        ...

    def azure_reading_problem(self, circuit: str) -> str:
        """Return when Azure's view of a circuit was read last, and why it could not be read since."""
        ...

    def azure_overdue(self, link: LinkKey) -> bool | None:
        """Return whether the tables of Microsoft's edge router could not be read for too long; ``None`` if they were not read yet."""
        ...

    def azure_problem(self, link: LinkKey) -> str:
        """Return when those tables were read last, and why they could not be read since."""
        ...

    def microsofts_side(self, link: LinkKey, family: Family) -> str:
        """Return what Microsoft's edge router says of the session and of ARP on a link; empty if nothing is known that is recent."""
        ...

    def registered(self, source: str) -> Registered | None:
        """Return what a source of VRPs or route objects says; ``None`` if it was not read within three of its intervals."""
        ...

    def azure(self, circuit: str) -> AzureSight | None:
        """Return what Azure says of a circuit; ``None`` if it has not been read yet, or not for more than three
        intervals.
        """
        ...

    def named_since(self, circuit: str, prefix: Prefix) -> float:
        """Return since when the configuration has a pool of the circuit with this prefix."""
        ...

    def storage_problem(self) -> str | None:
        """Return why nothing can be kept over a restart; ``None`` if it can, or if the configuration keeps nothing."""
        ...

    def matching(self, feed: str, route_set: RouteSet) -> Mapping[RouteKey, Route]:
        """Return the feed's routes that are in the set."""
        ...

    def peers_having(self, feed: str, prefix: Prefix) -> PeersHaving | None:
        """Return how many peers have exactly this prefix; ``None`` if the feed is not one that RIPE's collectors carry."""
        ...

    def feeds_showing(self, route_set: RouteSet) -> Collection[str]:
        """Return the feeds that have a route in the set."""
        ...

    def up_circuits(self, vrf: str | None, family: Family) -> Collection[str]:
        """Return the circuits with an up link in the VRF."""
        ...

    def in_first_dump(self, circuit: str, family: Family) -> bool:
        """Return whether an edge table of the circuit's routers and VRFs may still be in its first dump. It is false
        once ``sync_timeout`` has passed since the circuit was last seen.
        """
        ...

    def routers_out_of_sight(self) -> Collection[str]:
        """Return the routers whose edge tables are all down."""
        ...

    def routers_awaited(self) -> Collection[str]:
        """Return those of ``routers_out_of_sight`` that are given time to connect again."""
        ...

    def stale_routes(self, link: LinkKey, family: Family) -> int:
        """Count the link's routes that carry LLGR_STALE (RFC 9494 section 4.4), on the feeds whose routes count."""
        ...

    def seen(self, family: Family) -> bool:
        """Return whether any edge table is in sync in this family."""
        ...

    def link_state(self, link: LinkKey, family: Family) -> LinkState: ...

    def state_awaited(self, link: LinkKey, family: Family) -> bool:
        """Return whether ermon was started so recently that the state of the link may be known soon."""
        ...

    def last_known_state(self, link: LinkKey, family: Family) -> LinkState:
        """Return the link's last known state: up or down; unknown if it was never known."""
        ...

    def lately_returned(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link went from down to up within the last ``policy.failover_grace``."""
        ...

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds that prove presence and absence on the link: in sync, of the link's own router, with all
        paths.
        """
        ...

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds whose routes count for the link: those that decide. If there is none, every other edge table
        in sync that shows a route of the link.
        """
        ...

    def strays(self, link: LinkKey, family: Family) -> Mapping[Unattributed, int]:
        """Count the Microsoft routes in the tables of the link's own router that fit no link and may be this link's, by
        the reason why they fit none.
        """
        ...

    def prefix_count(self, link: LinkKey, family: Family) -> int:
        """Count the prefixes received on the link, on the feeds whose routes count for it."""
        ...

    def expectations(self, circuit: str) -> ExpectationPeriods:
        """Return the prefixes expected on the circuit at present, including published lists, and their times."""
        ...

    def uncovered(self, feed: str, link: LinkKey) -> Collection[Prefix]:
        """Return the expected prefixes that the link's routes on this feed do not cover."""
        ...

    def covers(self, feed: str, prefix: Prefix) -> bool:
        """Return whether the feed's routes other than a default route cover all of ``prefix``."""
        ...

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to a less specific prefix, including the default route."""
        ...

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to a prefix inside it."""
        ...

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that are on one up link of the circuit and not on another."""
        ...

    def lacks(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether the absence of a prefix from an up link is proven."""
        ...

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that one mirror in sync of a link of the circuit shows and another does not. Links that
        are down are left out.
        """
        ...

    def mirrors_lack(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether mirrors of the link are in sync and none of them shows a prefix."""
        ...

    def without_failover(self, group: GroupKey, family: Family) -> Collection[Prefix]:
        """Return the prefixes that one circuit of a group advertises on an up link, and for which it is proven that no
        other circuit of the group covers them.
        """
        ...

    def draining(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link is being drained in this family: its paths are marked, or were marked before it fell
        silent.
        """
        ...

    def drain_overdue(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link has been drained for longer than ``policy.max_drain``."""
        ...

    def preference(self, link: LinkKey, other: LinkKey, family: Family) -> Preference | None:
        """Return how the routers prefer ``link`` to ``other``; ``None`` if that cannot be known: it takes all paths of
        both routers, over iBGP and in one ASN.
        """
        ...

    def drained_paths(self, link: LinkKey) -> Collection[Route]:
        """Return the paths of the link that are marked as drained."""
        ...

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link has changed between up and down too often recently."""
        ...

    def link_changes(self, link: LinkKey, family: Family) -> LinkChanges:
        """Return how often the link has changed recently, as ``link-flapping`` counts."""
        ...

    def feed_flaps(self, feed: str) -> bool:
        """Return whether the session was lost too often recently."""
        ...

    def churning(self, link: LinkKey) -> Collection[str]:
        """Return the feeds on which the link's routes change too often."""
        ...

    def route_changes(self, feed: str, link: LinkKey) -> int:
        """Return how many changes of the link's routes came on a feed in the last minute, as ``churn-high`` counts."""
        ...

    def amount(self, counted: Counted) -> Amount:
        """Return the amount on the feeds whose routes count: the witnesses of a link, or the mirrors in sync of a
        link.
        """
        ...

    def usual(self, counted: Counted) -> Amount | None:
        """Return the usual level: the higher of the medians of the last hour and of the last 24 hours of right amounts.
        ``None`` if nothing has been learned yet.
        """
        ...


def link_down(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link is proven down for routes of a family.

    For a family that the link has, its state in that family counts. For any other family, the link is down when all its
    families are.
    """
    families = link.families_of(family)
    return bool(families) and all(facts.link_state(link.key, f) is LinkState.DOWN for f in families)


def link_in_doubt(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link was proven down for routes of a family, and is not known to be down or up any more.

    It is unknown whether what its mirror shows is advertised again, so it proves nothing that must be there. A link
    that was never down is not in doubt.
    """
    last = [facts.last_known_state(link.key, f) for f in link.families_of(family)]
    return bool(last) and set(last) == {LinkState.DOWN} and not link_down(facts, link, family)


def link_awaited(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether ermon was started so recently that the link may soon be known to be down for routes of a
    family.
    """
    return not link_up(facts, link, family) and any(
        facts.state_awaited(link.key, f) for f in link.families_of(family)
    )


def circuit_seen(facts: Facts, links: Collection[Link], family: Family) -> bool:
    """Return whether the state of a circuit is known. ``links`` are all its links in the family: one is up, or all are
    down.
    """
    states = {facts.link_state(link.key, family) for link in links}
    return LinkState.UP in states or states == {LinkState.DOWN}


def link_up(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link is known to be up for routes of a family; for a family that it lacks, in any that it
    has.
    """
    return any(facts.link_state(link.key, f) is LinkState.UP for f in link.families_of(family))
