"""What RIPE's collectors hear of some prefixes, into the events of one feed.

House rules: nothing here waits, logs or reads a clock, and ``RisStream`` is total: whatever the text, it returns events.

RIS Live tells changes only, so the routes of a state from RIPEstat come first. A withdrawal of one peer means little, and messages may
be lost on RIPE's side: a route that counts is gone only when the next state does not have it (``Held.time``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from ermon.model.events import (
    Alive,
    EndOfRib,
    Event,
    MessagesLost,
    RoutesUnreadable,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.inventory import Feed, RisLive
from ermon.model.prefixes import Prefix, PrefixSet
from ermon.model.routes import Route, RouteKey
from ermon.ris.messages import Beat, Heard, Refusal, State, Unreadable, read_message
from ermon.ris.space import outermost

SILENCE_SECONDS = 180.0
"""RIS Live that has passed nothing on for so long has an outage: its collectors see messages all the time."""
STATE_SECONDS = 900.0
"""How old a state may be before the next one is asked for."""
OLDEST_STATES = 3
"""A state is too old to prove an absence after so many intervals."""
CLOCKS_SECONDS = 60.0
"""How far RIPE's clock and this machine's may differ."""
ALIVE_SECONDS = 10.0
"""A message without routes is an event once in this time."""
MAX_ROUTES = 200_000
"""Routes that are held. Some 1,500 peers may have a route to each prefix."""
ROUTES_AN_EVENT = 100
"""An event is applied in one step, and 100 routes take some milliseconds: see ``ermon.aio.slices``."""
MAX_NAMED_PREFIXES = 200
"""Prefixes that were heard of, and that RIPEstat is asked about besides your own."""

_AWAITS_STATE = "its changes come, and RIPEstat's state of the routes before them is awaited"


class RisEnd(StrEnum):
    """Why a connection to RIS Live ended, or could not be made: a closed set, fit for a metric's label."""

    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    """By RIS Live, for a reason that loses nothing more than the connection."""
    TOO_SLOW = "too-slow"
    """By RIS Live, which had more to say than this side took in."""
    SILENT = "silent"
    REFUSED = "refused"
    """RIS Live says that it does not do what it is asked."""
    TOO_LARGE = "too-large"
    """A message is larger than any that RIS Live sends."""


class Taken(NamedTuple):
    """What became of a message."""

    events: list[Event]
    rejected: str = ""
    """Why it was rejected; empty if it was not."""
    ended: str = ""
    """Why the connection cannot go on; empty if it can."""
    is_life: bool = True
    """Whether it shows that RIS Live passes messages on."""


class Held(NamedTuple):
    route: Route
    time: float
    """By RIPE's clock: until when it is known to have been there."""


class RisStream:
    """Reads what RIPE says for one feed, over all of its connections. Times are those of events, but for ``wall``."""

    def __init__(self, feed: Feed, ris: RisLive, asked: Collection[Prefix]) -> None:
        self.feed = feed
        self.asked = tuple(asked)
        self._min_peers = ris.min_peers
        self._space = PrefixSet(asked)
        self._held: dict[RouteKey, Held] = {}
        self._peers: dict[Prefix, Counter[int]] = {}
        """By prefix: how many of the held routes each peer's ASN has."""
        self._heard_before: tuple[Prefix, ...] = ()
        """Prefixes that were heard of on earlier connections, until a state says whether they still have routes."""
        self._since: float | None = None
        """The wall-clock time since which changes come; ``None``: not connected."""
        self._is_known = False
        """A state has come since then, so that the held routes are complete."""
        self._failed = False
        """The last state could not be had, and that was said."""
        self._state_at = 0.0
        """The wall-clock time of the last state."""
        self._alive_at = float("-inf")
        self.interval = STATE_SECONDS
        """Seconds from one state to the next."""

    # Connections -------------------------------------------------------------------------------------

    def opened(self, time: float, wall: float) -> list[Event]:
        """Note that RIS Live sends changes from now on."""
        self._since, self._is_known, self._failed = wall, False, False
        self._heard_before = self.heard_of()
        self._held, self._peers = {}, {}
        name = self.feed.name
        return [SessionUp(time, name), RoutesUnreadable(time, name, _AWAITS_STATE)]

    def closed(self, time: float, reason: str, *, lost: bool) -> list[Event]:
        """Note the end of a connection, or that none could be made. ``lost``: RIS Live had more to say."""
        name, was_open = self.feed.name, self._since is not None
        self._since, self._is_known = None, False
        events: list[Event] = [MessagesLost(time, name, 0, reason)] if lost and was_open else []
        return [*events, SessionDown(time, name, reason)]

    def begin_again(self) -> None:
        """Send everything again with the next state, as the monitor asks."""
        self._is_known = False

    @property
    def state_at(self) -> float:
        """The wall-clock time of the last state; 0 before the first."""
        return self._state_at

    @property
    def is_known(self) -> bool:
        """Whether a state since the beginning of the connection has come."""
        return self._is_known

    # Changes -----------------------------------------------------------------------------------------

    def take(self, text: str | bytes, time: float, wall: float) -> Taken:
        """Read a message of RIS Live that arrived at ``time``."""
        if self._since is None:
            return Taken([])
        try:
            message = read_message(text)
        except Unreadable as error:
            # It may have been a route of ours: so it is not known any more which there are.
            lost = MessagesLost(
                time, self.feed.name, 1, f"a message of RIS Live that cannot be read: {error}"
            )
            return Taken([lost], rejected=str(error))
        match message:
            case None:
                return Taken([], is_life=False)
            case Refusal(reason):
                return Taken([], ended=f"RIS Live refuses what it is asked: {reason}", is_life=False)
            case Beat():
                return Taken(self._alive(time))
            case Heard():
                return Taken(self._heard(message, time, wall))

    def _alive(self, time: float) -> list[Event]:
        if time < self._alive_at + ALIVE_SECONDS:
            return []
        self._alive_at = time
        return [Alive(time, self.feed.name)]

    def _heard(self, heard: Heard, time: float, wall: float) -> list[Event]:
        at = min(heard.time, wall + CLOCKS_SECONDS)  # a time in the future would hold the route for ever
        announced = tuple(route for route in heard.routes if self._is_asked(route.prefix))
        changed = tuple(route for route in announced if self._hold(route, at))
        again = {route.key for route in announced}
        withdrawn = tuple(key for key in heard.withdrawn if key not in again and self._let_go(key))
        events: list[Event] = []
        if len(self._held) > MAX_ROUTES:
            self._held, self._peers = {}, {}
            reason = f"more than {MAX_ROUTES} routes to your prefixes and their neighbors"
            events.append(MessagesLost(time, self.feed.name, 0, reason))
        if changed or withdrawn:
            events.append(Update(time, self.feed.name, changed, withdrawn))
        return events or self._alive(time)

    def _is_asked(self, prefix: Prefix) -> bool:
        """Return whether a prefix overlaps what was asked about. A default route covers nothing, and every peer may have one."""
        return not prefix.is_default and prefix.family in self.feed.families and self._space.overlaps(prefix)

    def _hold(self, route: Route, at: float) -> bool:
        """Hold a route; return whether anything about it has changed."""
        before = self._held.get(route.key)
        self._held[route.key] = Held(route, at if before is None else max(at, before.time))
        if before is not None and before.route == route:
            return False
        if before is not None:
            self._count(before.route, -1)
        self._count(route, 1)
        return True

    def _let_go(self, key: RouteKey) -> bool:
        """Let go of a withdrawn route that does not count; return whether there was one.

        One that counts stays until the next state: its peer may only have lost its session, and absence must be proven.
        """
        if key not in self._held or len(self._peers.get(key[0], ())) >= self._min_peers:
            return False
        self._drop(key)
        return True

    def _drop(self, key: RouteKey) -> None:
        self._count(self._held.pop(key).route, -1)

    def _count(self, route: Route, change: int) -> None:
        peers, asn = self._peers.setdefault(route.prefix, Counter()), route.attributes.as_path.first_asn or 0
        peers[asn] += change
        if peers[asn] <= 0:
            del peers[asn]
        if not peers:
            del self._peers[route.prefix]

    # States ------------------------------------------------------------------------------------------

    def heard_of(self) -> tuple[Prefix, ...]:
        """Return the prefixes that were heard of and are none that was asked about, those with the most peers first."""
        found = {*self._peers, *self._heard_before}.difference(self.asked)
        return tuple(sorted(found, key=lambda p: (-len(self._peers.get(p, ())), p))[:MAX_NAMED_PREFIXES])

    def take_state(
        self, states: Iterable[State], named: Collection[Prefix], time: float, wall: float
    ) -> list[Event]:
        """Take the routes that there were a moment ago; all of ``states`` together are all of them to the ``named`` prefixes.

        A prefix that was first heard of after RIPEstat was asked is not among these: nothing is known of its absence.
        """
        if self._since is None:
            return []
        found, at = {}, float("inf")
        for state in states:
            at = min(at, state.time)
            found.update({r.key: r for r in state.routes if self._is_asked(r.prefix)})
        if len(found) > MAX_ROUTES:
            return self.state_failed(f"RIPEstat's state has more than {MAX_ROUTES} routes", time, wall)
        at = min(at, wall)
        gone = tuple(
            key
            for key, held in self._held.items()
            if held.time <= at and key not in found and key[0] in named
        )
        for key in gone:
            self._drop(key)
        # What came later over RIS Live outweighs the state.
        older = (
            route
            for route in found.values()
            if route.key not in self._held or self._held[route.key].time <= at
        )
        changed = tuple(route for route in older if self._hold(route, at))
        self._state_at = at
        name = self.feed.name
        is_later = at >= self._since - CLOCKS_SECONDS
        if not self._is_known and is_later and not self._is_too_old(wall):
            return self._began(time)
        events: list[Event] = [Update(time, name, changed, gone)] if changed or gone else []
        if not self._is_known:
            before = "" if is_later else ", and of before the connection to RIS Live"
            reason = f"RIPEstat's latest state is {wall - at:.0f} s old{before}"
            events.append(RoutesUnreadable(time, name, reason))
        return events or self._too_old(time, wall) or [Alive(time, name)]

    def _began(self, time: float) -> list[Event]:
        """Send everything, now that everything is known."""
        self._is_known, self._failed, self._heard_before = True, False, ()
        name, routes = self.feed.name, tuple(held.route for held in self._held.values())
        parts = (routes[at : at + ROUTES_AN_EVENT] for at in range(0, len(routes), ROUTES_AN_EVENT))
        updates = (Update(time, name, part) for part in parts)
        return [SessionUp(time, name), *updates, *(EndOfRib(time, name, f) for f in self.feed.families)]

    def state_failed(self, reason: str, time: float, wall: float) -> list[Event]:
        """Note that a state could not be had. Before the first one, and once the last one is old, no absence is known."""
        if self._since is None or self._failed:
            return []
        if self._is_known:
            return self._too_old(time, wall, reason)
        self._failed = True
        return [MessagesLost(time, self.feed.name, 0, f"no state of the routes from RIPEstat: {reason}")]

    def _too_old(self, time: float, wall: float, why: str = "") -> list[Event]:
        if not self._is_known or not self._is_too_old(wall):
            return []
        self._is_known, self._failed = False, True
        age = f"RIPEstat's latest state is {wall - self._state_at:.0f} s old"
        return [MessagesLost(time, self.feed.name, 0, f"{age}{': ' if why else ''}{why}")]

    def _is_too_old(self, wall: float) -> bool:
        return wall >= self._state_at + OLDEST_STATES * self.interval


def shows_life(text: str | bytes) -> bool:
    """Return whether a message shows that RIS Live passes on what its collectors see, and is no answer of its own."""
    try:
        return isinstance(read_message(text), Beat | Heard)
    except Unreadable:
        return False


def subscriptions(asked: Collection[Prefix], *, beats: bool) -> Iterator[dict[str, object]]:
    """Yield the subscriptions of a feed. ``beats``: also to what shows within seconds that RIS Live passes messages on.

    Few prefixes change in three minutes. Changes of the peers' sessions come more often, and the KEEPALIVEs of one collector always.
    """
    for prefix in outermost(asked):
        about = {"prefix": str(prefix), "moreSpecific": True, "lessSpecific": True, "type": "UPDATE"}
        yield {"type": "ris_subscribe", "data": about}
    yield {"type": "ris_subscribe", "data": {"type": "RIS_PEER_STATE"}}
    if beats:
        yield {"type": "ris_subscribe", "data": {"type": "KEEPALIVE", "host": "rrc00"}}
