"""Server-sent events: sends changes to all subscribed clients, in order, with ids from which a client can resume.

No client can delay ermon: events are queued for each client up to a limit. A client that is further behind loses its
events and gets a new snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec.structs import asdict

from ermon.aio.slices import Slice
from ermon.api.answers import FeedEvent, LinkEvent, PoolEvent, finding_doc
from ermon.api.status import HeadlineDoc, PoolDoc
from ermon.core.facts import NetworkFacts
from ermon.core.headline import make_headline
from ermon.core.monitor import Monitor, Outcome
from ermon.core.pool_status import pool_status, shown_pools
from ermon.core.runs import clock_step_doc
from ermon.core.status import circuit_state, feed_status, link_status
from ermon.model.events import Change, ClockChanged, DrainChanged, FeedChanged, LinkChanged, PoolChanged
from ermon.model.inventory import Feed, LinkKey, View

KEPT_EVENTS = 1_000
"""Events that are kept for clients to resume, and the limit of the queue of each: a busy minute, about a megabyte."""

PUBLISH_SECONDS = 0.05
"""A change is published at once, and further ones after this interval. In a busy minute the same links change many times,
more updates would not be visible on a page, and lines of ExaBGP must not wait for pages.
"""

MAX_CLIENTS = 100
"""Enough for a wall of screens. Beyond it, the client with the most streams loses one."""

_Entity = tuple[str, str | LinkKey]
"""The subject of an event: ``link``, ``feed`` or ``pool``, and its key."""


class TooManyClientsError(Exception):
    """All places for event streams are taken."""


class Subscription:
    """The queue of events for one client."""

    def __init__(self, limit: int, missed: Iterable[bytes] | None, party: str = "") -> None:
        """``missed`` are the events since the client's last one; ``None`` if those are unknown."""
        self.party = party
        """The client that it belongs to, for limits per client."""
        self.ended = False
        """Whether it had to give its place to another client."""
        self.behind = missed is None
        """Whether a snapshot must be sent before anything else."""
        self._limit = limit
        self._events = deque(missed or ())
        self._wake = asyncio.Event()
        if self._events:
            self._wake.set()

    def put(self, event: bytes) -> None:
        if self.behind:
            return  # the snapshot will show it
        if len(self._events) >= self._limit:
            self.fall_behind()
            return
        self._events.append(event)
        self._wake.set()

    def fall_behind(self) -> None:
        self._events.clear()
        self.behind = True
        self._wake.set()

    def end(self) -> None:
        self.ended = True
        self._wake.set()

    def caught_up(self) -> None:
        """Note that a snapshot of this moment is being sent."""
        self.behind = False

    async def wait(self, seconds: float) -> bytes:
        """Wait for events and return them; return none if none arrive in time, or if a snapshot is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        return self.take()

    def take(self) -> bytes:
        """Return the queued events without waiting."""
        self._wake.clear()
        events = b"".join(self._events)
        self._events.clear()
        return events


class EventHub:
    """Distributes events to all subscriptions."""

    def __init__(
        self,
        *,
        kept_events: int = KEPT_EVENTS,
        max_clients: int = MAX_CLIENTS,
        every: float = PUBLISH_SECONDS,
    ) -> None:
        """``every`` is the shortest interval in seconds between two publications of states."""
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=kept_events)
        self._limit = kept_events
        self._max_clients = max_clients
        self._subscriptions: dict[Subscription, None] = {}
        """The subscriptions, the oldest first."""
        self._number = 0
        self._known: NetworkFacts | None = None
        self._shown_pools: dict[str, PoolDoc] = {}
        self._waiting: dict[_Entity, None] = {}
        """Subjects that have changed and must still be published."""
        self._every = every
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._shown_headline: HeadlineDoc | None = None
        self._revision = -1
        """The revision of the alarms' standing at the last headline. The end of a window, or a violation that is not
        raised yet, changes only this.
        """
        self._run = secrets.token_hex(4)
        """Part of every id, so that a client cannot resume from an id of an earlier ermon or from before a reload."""

    @property
    def last_id(self) -> str:
        return f"{self._run}-{self._number}"

    @property
    def clients(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribe(self, last_event_id: str | None = None, party: str = "") -> Iterator[Subscription]:
        """Subscribe, from after the event ``last_event_id`` if ermon still has it.

        If all places are taken, ``party`` gets a place of the party with the most, unless that has hardly more than
        ``party`` itself: then ``TooManyClientsError`` is raised.
        """
        if len(self._subscriptions) >= self._max_clients:
            self._make_place(party)
        subscription = Subscription(self._limit, self._missed(last_event_id), party)
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            self._subscriptions.pop(subscription, None)

    def _make_place(self, party: str) -> None:
        holds = Counter(each.party for each in self._subscriptions)
        most, count = max(holds.items(), key=lambda item: item[1], default=("", 0))
        if count <= holds[party] + 1:
            raise TooManyClientsError(f"{self._max_clients} clients are listening already")
        victim = next(each for each in self._subscriptions if each.party == most)
        del self._subscriptions[victim]
        victim.end()

    def _missed(self, last_event_id: str | None) -> list[bytes] | None:
        run, _, number = (last_event_id or "").partition("-")
        if run != self._run or not (number.isdecimal() and len(number) < 20):
            return None
        last = int(number)
        first_kept = self._kept[0][0] if self._kept else self._number + 1
        if not first_kept - 1 <= last <= self._number:
            return None
        return [event for number, event in self._kept if number > last]

    def publish(self, kind: str, data: Any) -> None:
        self._number += 1
        event = frame(kind, data, self.last_id)
        self._kept.append((self._number, event))
        for subscription in self._subscriptions:
            subscription.put(event)

    def start_anew(self) -> None:
        """Send every client a snapshot, because a reload may have changed the circuits, pools and feeds."""
        self._run = secrets.token_hex(4)
        self._kept.clear()
        self._shown_pools.clear()
        self._waiting.clear()
        for subscription in self._subscriptions:
            subscription.fall_behind()

    def publish_outcome(self, monitor: Monitor, outcome: Outcome) -> None:
        """Publish an outcome: its transitions, and the new state of everything that has changed."""
        if monitor.network is not self._known:
            if self._known is not None:
                self.start_anew()
            self._known = monitor.network
            self._shown_headline = make_headline(monitor)
            self._revision = monitor.standing.revision
        if not outcome.transitions and not outcome.changes and monitor.standing.revision == self._revision:
            return
        self._revision = monitor.standing.revision
        for transition in outcome.transitions:
            self.publish("transition", finding_doc(transition.finding))
        for change in outcome.changes:
            if isinstance(change, ClockChanged):
                at, seconds = monitor.network.wall(change.time), change.set_by + change.suspended
                self.publish("clock", clock_step_doc(at, seconds, change.suspended))
        self._waiting.update(dict.fromkeys(_touched(monitor, outcome.changes)))
        if self._timer is None:
            self._publish_soon(monitor)

    def _publish_soon(self, monitor: Monitor) -> None:
        """Publish waiting changes, now or when the interval since the last publication is over."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no event loop: a script or a test, in which nothing else runs
            while self._waiting:
                self._publish_slice(monitor)
            self._publish_headline(make_headline(monitor))
            return
        if loop.time() < self._next_at:
            self._timer = loop.call_at(self._next_at, self._publish_now, loop, monitor)
        else:
            self._publish_now(loop, monitor)

    def _publish_now(self, loop: asyncio.AbstractEventLoop, monitor: Monitor) -> None:
        self._timer = None
        self._publish_slice(monitor)
        if self._waiting:
            self._timer = loop.call_later(0, self._publish_now, loop, monitor)
            return
        self._publish_headline(make_headline(monitor))
        self._next_at = loop.time() + self._every

    def _publish_slice(self, monitor: Monitor) -> None:
        """Publish until the slice is over, but at least one change, so that a slow machine makes progress too."""
        current = Slice()
        while self._waiting:
            entity = next(iter(self._waiting))
            del self._waiting[entity]
            self._publish_entity(monitor, entity)
            if current.over():
                return

    def _publish_entity(self, monitor: Monitor, entity: _Entity) -> None:
        config = monitor.config
        match entity:
            case ("link", (_, _) as key):
                self._publish_link(monitor, key)
            case ("feed", str(name)) if name in config.feeds:
                self.publish("feed", FeedEvent(**asdict(feed_status(monitor, name)), feed=name))
            case ("pool", str(name)) if name in config.pools:
                self._publish_pool(name, pool_status(monitor, name))
            case _:
                pass  # a reload has removed it

    def _publish_link(self, monitor: Monitor, key: LinkKey) -> None:
        circuit = monitor.config.circuits[key[0]]
        links = {link.name: link_status(monitor, link.key) for link in circuit.links.values()}
        values = asdict(links[key[1]])
        state = circuit_state(circuit, links)
        self.publish("link", LinkEvent(**values, circuit=circuit.name, link=key[1], circuit_state=state))

    def _publish_pool(self, name: str, pool: PoolDoc) -> None:
        if self._shown_pools.get(name) != pool:
            self._shown_pools[name] = pool
            self.publish("pool", PoolEvent(**asdict(pool), pool=name))

    def _publish_headline(self, headline: HeadlineDoc) -> None:
        """Publish the headline after all states, so that clients already have the state of its subject."""
        if headline != self._shown_headline:
            self._shown_headline = headline
            self.publish("headline", headline)


def frame(kind: str, data: Any, event_id: str) -> bytes:
    """Encode one event of a stream (WHATWG HTML, server-sent events). Its JSON contains no line feeds."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event_id.encode("ascii"),
        kind.encode("ascii"),
        msgspec.json.encode(data),
    )


def _touched(monitor: Monitor, changes: Iterable[Change]) -> Iterator[_Entity]:
    """Yield the links, feeds and pools whose state may have changed: links first, pools last."""
    config, families = monitor.config, monitor.layout.link_families
    links: dict[LinkKey, None] = {}
    feeds: dict[str, None] = {}
    pools: dict[str, None] = {}
    for change in changes:
        match change:
            case LinkChanged(link=key) if change.family in families.get(key, ()):
                links[key] = None
                pools |= dict.fromkeys(_pools_of(monitor, key))
            case DrainChanged(link=key) if change.family in families.get(key, ()):
                links[key] = None
            case FeedChanged(feed=feed) if feed in config.feeds:
                feeds[feed] = None
                own = config.feeds[feed].link_key
                if config.feeds[feed].by_bmp and own is not None and families.get(own):
                    links[own] = None
                pools |= dict.fromkeys(_pools_seen_on(monitor, config.feeds[feed]))
            case PoolChanged(pool=pool) if pool in config.pools:
                pools[pool] = None
            case _:
                pass  # a reload has removed it, or another ermon monitors it
    yield from (("link", key) for key in links)
    yield from (("feed", name) for name in feeds)
    yield from (("pool", name) for name in pools)


def _pools_of(monitor: Monitor, link: LinkKey) -> Iterator[str]:
    """Yield the pools that must be on a link, and those of other circuits that a mirror of it shows."""
    yield from monitor.layout.pools_of.get(link[0], ())
    for mirror in monitor.config.mirrors.get(link, ()):
        yield from sorted(shown_pools(monitor.network, mirror.name))


def _pools_seen_on(monitor: Monitor, feed: Feed) -> Iterable[str]:
    if feed.link_key is not None:
        return _pools_of(monitor, feed.link_key)
    return monitor.config.pools if feed.view in {View.TO_INTERNET, View.INTERNET} else ()
