"""What is known of the network at one moment, as the checks ask for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from ermon.checks.attribution import Unattributed
from ermon.checks.topics import Counted, GroupKey, RouteSet
from ermon.model.findings import LinkState
from ermon.model.inventory import ExpectationPeriods, Limit, Link, LinkKey
from ermon.model.prefixes import Family, Prefix
from ermon.model.routes import Route, RouteKey


class Amount(NamedTuple):
    """How much is received or advertised: prefixes, and the addresses that they cover together.

    A median of such amounts is one, too.
    """

    routes: float
    addresses: float


class LinkChanges(NamedTuple):
    """How often a link has changed of late, where nobody expected it."""

    changes: int
    """Between up and down, within the window of ``link-flapping``."""
    spans: int
    """10-minute spans of the last 24 hours in which it was lost."""


class Preference(NamedTuple):
    """How two links compare by LOCAL_PREF, in prefixes."""

    shared: int = 0
    """Those that both have."""
    higher: int = 0
    """Those of which the first one has the higher LOCAL_PREF."""
    missing: int = 0
    """Those of which one has no LOCAL_PREF: the preference is unknown."""


class Facts(Protocol):
    """What is known of the network at one moment."""

    @property
    def now(self) -> float: ...

    @property
    def calendar_now(self) -> float:
        """The time by which dates are judged: it follows the wall clock where that is set, and ``now`` does not."""
        ...

    def up(self, feed: str) -> bool:
        """Return whether the feed's session is established."""
        ...

    def in_sync(self, feed: str, family: Family) -> bool:
        """Return whether the feed's routes of this family are known to be complete."""
        ...

    def knows(self, feed: str, family: Family, space: Iterable[Prefix]) -> bool:
        """Return whether the feed has said all that it has to say of these prefixes of the family, what is inside them
        and what covers them: it is in sync, and nothing of them has just been asked for.
        """
        ...

    def all_paths(self, feed: str, family: Family) -> bool:
        """Return whether the session carries all paths (ADD-PATH), so that it can prove absence."""
        ...

    def received_any(self, feed: str, family: Family) -> bool:
        """Return whether the session has received a route of this family, held or not."""
        ...

    def end_of_rib(self, feed: str) -> bool | None:
        """Return whether End-of-RIB has come in every family; ``None``: too early to tell, or not seen
        because the session began before we looked.
        """
        ...

    def down_reason(self, feed: str) -> str:
        """Return why the session ended; empty where there was none."""
        ...

    def listening_problem(self, feed: str) -> str:
        """Return why nobody can connect to the feed's address, as ermon cannot listen on it; empty where it can."""
        ...

    def strangers(self, feed: str) -> Collection[str]:
        """Return the addresses that lately connected to the feed's address and are no feed's router there."""
        ...

    def no_hold(self, feed: str) -> bool:
        """Return whether the session was agreed with a hold time of 0, so that nobody notices its end."""
        ...

    def loss(self, feed: str) -> str | None:
        """Return why messages were lost, until the feed has been in sync in a new session since."""
        ...

    def overflowed(self, feed: str) -> Limit | None: ...

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        """Return the canary prefixes that the feed does not show; ``None``: not to be judged yet."""
        ...

    def awaited(self, feed: str) -> bool:
        """Return whether the router of a feed without a session is given time to call again, since ExaBGP was started."""
        ...

    def sessions_awaited(self, process: str) -> Collection[str]:
        """Return the feeds of a process that runs again whose sessions were up before it ended, and are not back yet."""
        ...

    def process_up(self, process: str) -> bool | None:
        """Return whether an ExaBGP process runs and answers; ``None``: it has not reported yet."""
        ...

    def process_problem(self, process: str) -> str:
        """Return in words why an ExaBGP process that is down does not run, as far as that is known."""
        ...

    def process_restless(self, process: str) -> bool:
        """Return whether an ExaBGP process has ended so often of late that it is not right though it runs."""
        ...

    def source_problem(self, source: str) -> str | None:
        """Return why a published list cannot be used, empty where it can; ``None``: not tried yet."""
        ...

    def storage_problem(self) -> str | None:
        """Return why nothing can be kept over a restart; ``None``: it can, or nothing is to be kept."""
        ...

    def matching(self, feed: str, route_set: RouteSet) -> Mapping[RouteKey, Route]:
        """Return the feed's routes that are in the set."""
        ...

    def feeds_showing(self, route_set: RouteSet) -> Collection[str]:
        """Return the feeds that have a route in the set."""
        ...

    def up_circuits(self, vrf: str | None, family: Family) -> Collection[str]:
        """Return the circuits of which a link in the VRF is up."""
        ...

    def in_first_dump(self, circuit: str, family: Family) -> bool:
        """Return whether an edge table of the circuit's routers and VRFs may still be in its first dump, and has not
        been waited for too long since the circuit was last seen.
        """
        ...

    def routers_out_of_sight(self) -> Collection[str]:
        """Return the routers with edge tables of which none is up."""
        ...

    def routers_awaited(self) -> Collection[str]:
        """Return those of them that are given time to call again."""
        ...

    def stale_routes(self, link: LinkKey, family: Family) -> int:
        """Count the link's routes that carry LLGR_STALE (RFC 9494 section 4.4), on the feeds whose routes count."""
        ...

    def seen(self, family: Family) -> bool:
        """Return whether any edge table is in sync in this family."""
        ...

    def link_state(self, link: LinkKey, family: Family) -> LinkState: ...

    def state_awaited(self, link: LinkKey, family: Family) -> bool:
        """Return whether so little time has passed since a start that the state of the link may be known soon."""
        ...

    def last_known_state(self, link: LinkKey, family: Family) -> LinkState:
        """Return the link's state when it was last known: up or down; unknown if it never was."""
        ...

    def lately_returned(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link went from down to up within the last ``policy.failover_grace``."""
        ...

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds that prove presence and absence on the link: in sync, of the link's own
        router, with all paths.
        """
        ...

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds whose routes count for the link: those that decide, and only while there is
        none, every other edge table in sync that shows a route of the link.
        """
        ...

    def strays(self, link: LinkKey, family: Family) -> Mapping[Unattributed, int]:
        """Count the Microsoft routes in the tables of the link's own router that fit no link and may be this one's, by
        what keeps them from it.
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
        """Return whether the feed's routes cover all of ``prefix``, a default route aside."""
        ...

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to what contains it, a default route included."""
        ...

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to what is inside it."""
        ...

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that are on one link of the circuit that is up and not on another."""
        ...

    def lacks(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether a prefix is proven not to be on a link that is up."""
        ...

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that one mirror in sync of a link of the circuit shows and another does not,
        links that are down aside.
        """
        ...

    def mirrors_lack(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether mirrors of the link are in sync, and none of them shows a prefix."""
        ...

    def without_failover(self, group: GroupKey, family: Family) -> Collection[Prefix]:
        """Return the prefixes that one circuit of a group advertises on a link that is up, and that are proven to be
        covered by nothing that another circuit of it advertises.
        """
        ...

    def draining(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link is being drained in this family: its paths say so, or said so before it fell silent."""
        ...

    def drain_overdue(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link has been drained for longer than ``policy.max_drain``."""
        ...

    def preference(self, link: LinkKey, other: LinkKey, family: Family) -> Preference | None:
        """Return how the routers prefer ``link`` to ``other``; ``None`` where nobody can tell: it takes all paths of both
        routers, over iBGP and in one ASN.
        """
        ...

    def drained_paths(self, link: LinkKey) -> Collection[Route]:
        """Return the paths of the link that say that it is being drained."""
        ...

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link has changed between up and down too often of late."""
        ...

    def link_changes(self, link: LinkKey, family: Family) -> LinkChanges:
        """Return how often the link has changed of late, as ``link-flapping`` counts."""
        ...

    def feed_flaps(self, feed: str) -> bool:
        """Return whether the session was lost too often of late."""
        ...

    def churning(self, link: LinkKey) -> Collection[str]:
        """Return the feeds on which the link's routes change too often."""
        ...

    def route_changes(self, feed: str, link: LinkKey) -> int:
        """Return how many changes of the link's routes came on a feed in the last minute, as ``churn-high`` counts."""
        ...

    def amount(self, counted: Counted) -> Amount:
        """Return how much there is on the feeds whose routes count for it: the witnesses of a link, and the
        mirrors of a link that are in sync.
        """
        ...

    def usual(self, counted: Counted) -> Amount | None:
        """Return the usual level, the higher of the medians of the last hour and of the last 24 hours in which
        it was right; ``None``: nothing learnt yet.
        """
        ...


def link_down(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link is proven down for routes of a family.

    A family that the link has uses that family's state; for any other, the link is down when all its
    families are.
    """
    families = link.families_of(family)
    return bool(families) and all(facts.link_state(link.key, f) is LinkState.DOWN for f in families)


def link_in_doubt(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link was proven down for routes of a family, and is not known to be so any more.

    What its mirror shows may be advertised again or may not: nothing that must be there is proven by it. A link
    that was never seen to be down is not in doubt.
    """
    last = [facts.last_known_state(link.key, f) for f in link.families_of(family)]
    return bool(last) and set(last) == {LinkState.DOWN} and not link_down(facts, link, family)


def link_awaited(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether it may soon be known, after a start, that the link is down for routes of a family."""
    return not link_up(facts, link, family) and any(
        facts.state_awaited(link.key, f) for f in link.families_of(family)
    )


def circuit_seen(facts: Facts, links: Collection[Link], family: Family) -> bool:
    """Return whether it is known how a circuit is, of whose links in a family these are all: one is up, or all are down."""
    states = {facts.link_state(link.key, family) for link in links}
    return LinkState.UP in states or states == {LinkState.DOWN}


def link_up(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link is known to be up for routes of a family; for one that it lacks, in any that it has."""
    return any(facts.link_state(link.key, f) is LinkState.UP for f in link.families_of(family))
