"""Server-sent events: what changes goes to everybody who listens, in order, with ids to resume from.

Nobody who listens can hold ermon up: events are queued for each client up to a limit, and a client that
is further behind loses them all and starts anew with a snapshot.
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
"""Events that a client can resume from, and that are queued for one: a busy minute, and about a megabyte."""

PUBLISH_SECONDS = 0.05
"""What changes is published at once, and again so often at most: a busy minute changes the same links many times, nobody
sees more on a page, and lines that come in must not wait for pages.
"""

MAX_CLIENTS = 100
"""A wall of screens; a client with more is the first to lose one."""

_Entity = tuple[str, str | LinkKey]
"""What an event is about: ``link``, ``feed`` or ``pool``, and which."""


class TooManyClientsError(Exception):
    """No more can listen."""


class Subscription:
    """One client's events."""

    def __init__(self, limit: int, missed: Iterable[bytes] | None, party: str = "") -> None:
        """``missed`` came since the client was last here; ``None``: nobody knows what it has missed."""
        self.party = party
        """Whose it is."""
        self.ended = False
        """Its place is somebody else's now."""
        self.behind = missed is None
        """A snapshot must be sent before anything else."""
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
        """A snapshot of this very moment is on its way."""
        self.behind = False

    async def wait(self, seconds: float) -> bytes:
        """Return the events that have come; none if none come in time, or if a snapshot is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        return self.take()

    def take(self) -> bytes:
        """Return the events that have come, without waiting."""
        self._wake.clear()
        events = b"".join(self._events)
        self._events.clear()
        return events


class EventHub:
    """Takes what happens and hands it to all subscriptions."""

    def __init__(
        self,
        *,
        kept_events: int = KEPT_EVENTS,
        max_clients: int = MAX_CLIENTS,
        every: float = PUBLISH_SECONDS,
    ) -> None:
        """``every``: seconds between two times at which states are published."""
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=kept_events)
        self._limit = kept_events
        self._max_clients = max_clients
        self._subscriptions: dict[Subscription, None] = {}
        """Those who listen, the longest first."""
        self._number = 0
        self._known: NetworkFacts | None = None
        self._shown_pools: dict[str, PoolDoc] = {}
        self._waiting: dict[_Entity, None] = {}
        """What has changed and is still to be published."""
        self._every = every
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._shown_headline: HeadlineDoc | None = None
        self._revision = -1
        """Of how alarms stand, as it was published: a window that ends, or a violation that is noticed, changes nothing
        else.
        """
        self._run = secrets.token_hex(4)
        """Part of every id: those of an earlier ermon, or of before a reload, are not to be resumed from."""

    @property
    def last_id(self) -> str:
        return f"{self._run}-{self._number}"

    @property
    def clients(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribe(self, last_event_id: str | None = None, party: str = "") -> Iterator[Subscription]:
        """Listen, from after an event on if that is known; ``TooManyClientsError`` when there is no place.

        When all are taken, ``party`` gets one of the party that has the most, unless that has hardly more than it.
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
        """Everybody needs a snapshot: what circuits, pools and feeds there are may have changed."""
        self._run = secrets.token_hex(4)
        self._kept.clear()
        self._shown_pools.clear()
        self._waiting.clear()
        for subscription in self._subscriptions:
            subscription.fall_behind()

    def publish_outcome(self, monitor: Monitor, outcome: Outcome) -> None:
        """Publish what came of events and time: transitions, and the new state of what has changed."""
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
        """Publish what waits: now, or when enough time has passed since the last time."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a script or a test, in which nothing else waits
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
        """Publish until the slice is over, and one at least: a slow machine must get on, too."""
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
        """Last of all, so that clients can show it beside its subject."""
        if headline != self._shown_headline:
            self._shown_headline = headline
            self.publish("headline", headline)


def frame(kind: str, data: Any, event_id: str) -> bytes:
    """Write one event of a stream (WHATWG HTML, server-sent events); JSON has no line feeds of its own."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event_id.encode("ascii"),
        kind.encode("ascii"),
        msgspec.json.encode(data),
    )


def _touched(monitor: Monitor, changes: Iterable[Change]) -> Iterator[_Entity]:
    """Name the links, feeds and pools whose state may have changed: links first, and pools last."""
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
                pools |= dict.fromkeys(_pools_seen_on(monitor, config.feeds[feed]))
            case PoolChanged(pool=pool) if pool in config.pools:
                pools[pool] = None
            case _:
                pass  # a reload has removed it, or another instance judges it
    yield from (("link", key) for key in links)
    yield from (("feed", name) for name in feeds)
    yield from (("pool", name) for name in pools)


def _pools_of(monitor: Monitor, link: LinkKey) -> Iterator[str]:
    """Yield the pools that are to be on a link, and those of other circuits that a mirror of it shows."""
    yield from monitor.layout.pools_of.get(link[0], ())
    for mirror in monitor.config.mirrors.get(link, ()):
        yield from sorted(shown_pools(monitor.network, mirror.name))


def _pools_seen_on(monitor: Monitor, feed: Feed) -> Iterable[str]:
    if feed.link_key is not None:
        return _pools_of(monitor, feed.link_key)
    return monitor.config.pools if feed.view in {View.TO_INTERNET, View.INTERNET} else ()
