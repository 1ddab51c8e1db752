"""The state of the network as Prometheus series, read from the monitor at each scrape.

A scrape is collected and rendered on the event loop in slices (``ermon.aio.slices`` says why). A change during the scrape
of a large network may appear in its later series. The text of each series, its name and labels, is made once for a
configuration, and a scrape only adds the values. This is more than ten times as fast as prometheus_client, whose
formats these are.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from ermon.aio.slices import in_slices, list_in_slices
from ermon.api.status import Answer, CircuitDoc, FeedDoc, PoolDoc
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import SUBJECT_LABELS
from ermon.checks.redundancy import CircuitGroup, Metros
from ermon.checks.subject import Subject
from ermon.core.alarm import Alarm
from ermon.core.layout import Layout
from ermon.core.monitor import Monitor
from ermon.core.session import Session
from ermon.core.status import Collected
from ermon.metrics.families import (
    CHECK_INFO,
    CHECK_SUPPRESSED,
    CHECK_UNKNOWN,
    CIRCUIT_INFO,
    CIRCUIT_LINKS,
    CIRCUIT_LINKS_UP,
    FEED_CHANGED,
    FEED_IN_SYNC,
    FEED_LOST,
    FEED_MESSAGE,
    FEED_ROUTES,
    FEED_TRANSITIONS,
    FEED_UP,
    FEED_UPDATES,
    FINDING_RAISED,
    FINDING_WORSE,
    LINK_ADVERTISED,
    LINK_CHANGED,
    LINK_LIMIT,
    LINK_ROUTES,
    LINK_SERVICE_ROUTES,
    LINK_STATE,
    LINK_TRANSITIONS,
    MAINTENANCE_ACTIVE,
    MAINTENANCE_END,
    METROS_APART,
    POOL_ADDRESSES,
    POOL_ADVERTISED,
    POOL_FAMILY_ADDRESSES,
    POOL_ON_INTERNET,
    SESSION_DOWNS,
    SESSION_STATE,
    SESSION_TRANSITIONS,
    MetricFamily,
)
from ermon.model.events import DownCause
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config, View
from ermon.model.prefixes import Family

SLICE_SERIES = 200
"""Series in one step, which takes less than a millisecond even if their texts are new; see ``ermon.aio.slices``."""

COMPRESSION_LEVEL = 1
"""A higher level costs more CPU time than the smaller answer saves."""


Labels = tuple[str, ...]
Sample = tuple[Labels, float]


class Texts:
    """The text of every series of one configuration, made at its first use."""

    def __init__(self, layout: Layout) -> None:
        self.alarms = layout.alarms
        self.severities = layout.severities
        self._subjects: list[Labels] = []
        self._texts: dict[MetricFamily, dict[Labels, str]] = {}

    def subjects(self) -> Iterator[tuple[Labels, Alarm]]:
        """Yield every alarm with its labels, which are made at their first use."""
        for number, alarm in enumerate(self.alarms):
            if number == len(self._subjects):
                self._subjects.append(_subject_labels(alarm.subject))
            yield self._subjects[number], alarm

    def lines(self, family: MetricFamily, samples: Iterable[Sample]) -> Iterator[str]:
        texts = self._texts.setdefault(family, {})
        for labels, value in samples:
            text = texts.get(labels)
            if text is None:
                text = texts[labels] = family.series(labels)
            yield f"{text}{value}\n"


def _subject_labels(subject: Subject) -> Labels:
    labels = dict(subject.labels)
    return (subject.check, *(labels.get(name, "") for name in SUBJECT_LABELS))


_TEXTS: WeakKeyDictionary[Layout, Texts] = WeakKeyDictionary()


class Snapshot(NamedTuple):
    """Everything that a scrape shows, at one moment."""

    config: Config
    circuits: Mapping[str, CircuitDoc]
    pools: Mapping[str, PoolDoc]
    feeds: Mapping[str, FeedDoc]
    sessions: Mapping[str, Session]
    link_changes: Mapping[Labels, float]
    """By circuit, link and family: when the state last changed, in seconds since the epoch; 0 for never."""
    wall: Callable[[float], float]
    """Converts a time of ``sessions`` to the wall clock."""
    maintenance: Mapping[tuple[str, str, str], float]
    """The circuits, links and feeds in maintenance, as (circuit, link, feed), with the end of the maintenance."""
    addresses: Mapping[str, Mapping[Family, int]]
    """By pool and family."""
    metros_apart: Collection[tuple[CircuitGroup, Family, Metros, Metros]]
    texts: Texts


class Page(NamedTuple):
    body: bytes
    content_type: str
    gzipped: bool


class Metrics:
    """Renders the state of a monitor together with the metrics of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._one_at_a_time = asyncio.Lock()

    async def render(
        self, monitor: Monitor, *, accept: str = "", accept_encoding: str = "", only: Collection[str] = ()
    ) -> Page:
        """Render for the ``Accept`` and ``Accept-Encoding`` of a request; ``only`` selects series by name.

        Only one scrape runs at a time, so that many scrapers take no more of the CPU at once than one.
        """
        encode, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith("application/openmetrics-text")
        counted = self._registry.restricted_registry(only) if only else self._registry
        async with self._one_at_a_time:
            collected = Collected(monitor)
            await in_slices(collected.steps())
            rendered = render_network(take_snapshot(monitor, collected), openmetrics=openmetrics, only=only)
            parts = await list_in_slices(part.encode() for part in rendered)
            parts.append(encode(counted))
        zipped = gzip_accepted(accept_encoding)
        body = await asyncio.to_thread(_joined, parts, zipped=zipped)
        return Page(body, content_type, zipped)


def _joined(parts: Iterable[bytes], *, zipped: bool) -> bytes:
    body = b"".join(parts)
    return gzip.compress(body, COMPRESSION_LEVEL) if zipped else body


def take_snapshot(monitor: Monitor, collected: Collected) -> Snapshot:
    layout, facts = monitor.layout, monitor.network
    texts = _TEXTS.get(layout)
    if texts is None:
        texts = _TEXTS[layout] = Texts(layout)
    return Snapshot(
        config=collected.config,
        circuits=collected.circuits,
        pools=collected.pools,
        feeds=collected.feeds,
        sessions={name: state.session for name, state in facts.feeds.items()},
        link_changes={
            (*key, family): 0 if info.changed_at is None else facts.wall(info.changed_at)
            for (key, family), info in facts.links.items()
        },
        wall=partial(facts.clock.date, now=facts.now),
        maintenance=monitor.coverage.open_until(facts.calendar_now),
        addresses=layout.addresses,
        metros_apart=layout.metros_apart,
        texts=texts,
    )


def render_network(snapshot: Snapshot, *, openmetrics: bool, only: Collection[str] = ()) -> Iterator[str]:
    """Yield the series that are read from the monitor, in slices, without the end mark of OpenMetrics."""
    for family, samples in read(snapshot):
        if only and family.name not in only:
            continue
        lines = snapshot.texts.lines(family, samples)
        part = family.head(openmetrics=openmetrics)
        while part:
            yield part
            part = "".join(islice(lines, SLICE_SERIES))


# Reading ---------------------------------------------------------------------------------------------


def read(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    """Yield every metric with its label values and values."""
    yield from _read_feeds(snapshot)
    yield from _read_sessions(snapshot)
    yield from _read_links(snapshot)
    yield from _read_circuits(snapshot)
    yield from _read_pools(snapshot)
    yield from _read_subjects(snapshot)


def _read_feeds(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    feeds, sessions = snapshot.feeds, snapshot.sessions
    identity = {name: (name, feed.router or "", feed.view) for name, feed in feeds.items()}
    families = [(name, family) for name, feed in feeds.items() for family in feed.in_sync]
    yield FEED_UP, ((identity[name], int(feed.state == "up")) for name, feed in feeds.items())
    yield (
        FEED_IN_SYNC,
        (((*identity[name], family), int(feeds[name].in_sync[family])) for name, family in families),
    )
    ways = [
        ((name, to), count)
        for name in feeds
        for to, count in (("up", sessions[name].ups), ("down", sessions[name].downs))
    ]
    yield FEED_TRANSITIONS, ways
    changed = {name: sessions[name].changed_at for name in feeds}
    heard = {name: sessions[name].message_at for name in feeds}
    for metric, times in ((FEED_CHANGED, changed), (FEED_MESSAGE, heard)):
        yield (
            metric,
            [((name,), 0 if time is None else snapshot.wall(time)) for name, time in times.items()],
        )
    yield FEED_UPDATES, (((name,), feed.updates) for name, feed in feeds.items())
    yield FEED_ROUTES, (((name, family), feeds[name].routes[family]) for name, family in families)
    yield FEED_LOST, (((name,), feed.lost_messages) for name, feed in feeds.items())


def _read_sessions(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    """Read the sessions that routers report by BMP. Each is a feed, and may be more feeds besides, which are left out."""
    own = [
        ((feed.router or "", feed.circuit or "", feed.link or "", feed.uplink or "", family), name)
        for name, feed in snapshot.config.feeds.items()
        if feed.view in {View.FROM_MICROSOFT, View.FROM_INTERNET} and not feed.pre_policy
        for family in feed.families
    ]
    yield (
        SESSION_STATE,
        _one_per_state(((labels, snapshot.feeds[name].state) for labels, name in own), LinkState),
    )
    yield SESSION_TRANSITIONS, ((labels, snapshot.sessions[name].changes) for labels, name in own)
    yield (
        SESSION_DOWNS,
        (
            ((*labels, cause.value), snapshot.sessions[name].causes.get(cause, 0))
            for labels, name in own
            for cause in DownCause
        ),
    )


def _read_links(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    links = [
        ((circuit, name), link)
        for circuit, found in snapshot.circuits.items()
        for name, link in found.links.items()
    ]
    families = [((*key, family), link, family) for key, link in links for family in link.state]
    states = [((*key[:2], link.router, key[2]), link.state[family]) for key, link, family in families]
    yield LINK_STATE, _one_per_state(states, LinkState)
    yield LINK_TRANSITIONS, ((key, link.transitions[family]) for key, link, family in families)
    yield LINK_CHANGED, ((key, snapshot.link_changes[key]) for key, _, _ in families)
    yield LINK_ROUTES, ((key, link.routes[family]) for key, link, family in families)
    yield (
        LINK_SERVICE_ROUTES,
        (((*key, service), count) for key, link in links for service, count in link.service_routes.items()),
    )
    for metric, shown in (
        (LINK_ADVERTISED, [(key, link.advertised_prefixes) for key, link in links]),
        (LINK_LIMIT, [(key, link.advertised_prefix_limit) for key, link in links]),
    ):
        yield metric, (((*key, family), count) for key, counts in shown for family, count in counts.items())


def _read_circuits(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    yield (
        CIRCUIT_LINKS_UP,
        (
            ((name, family), count)
            for name, circuit in snapshot.circuits.items()
            for family, count in circuit.links_up.items()
        ),
    )
    circuits = snapshot.config.circuits.values()
    # Each ermon shows only what it judges, so that all regions together show every circuit and link once.
    judged = {name: circuit for name, circuit in snapshot.circuits.items() if circuit.links_up}
    places = [(name, "", "") for name in judged]
    places += [(name, link, "") for name, c in judged.items() for link, doc in c.links.items() if doc.state]
    places += [("", "", feed) for feed in snapshot.feeds]
    yield MAINTENANCE_ACTIVE, [(place, int(place in snapshot.maintenance)) for place in places]
    yield MAINTENANCE_END, [(place, snapshot.maintenance.get(place, 0)) for place in places]
    yield CIRCUIT_INFO, (((c.name, _listed(c.locations), c.geo, c.peering), 1) for c in circuits)
    placed = [
        ((c.name, c.geo, c.group or "", c.peering, family, _listed(c.metros)), count)
        for c in circuits
        for family, count in Counter(f for link in c.links.values() for f in link.families).items()
    ]
    yield CIRCUIT_LINKS, placed
    yield (
        METROS_APART,
        (
            ((geo, group or "", peering, family, _listed(one), _listed(other)), 1)
            for (geo, peering, group), family, one, other in snapshot.metros_apart
        ),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _read_pools(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    pools = snapshot.pools.items()
    advertised = (
        ((name, family, circuit, link), answer)
        for name, pool in pools
        for family, rows in pool.advertised.items()
        for circuit, row in rows.items()
        if circuit in pool.circuits
        for link, answer in row.items()
    )
    yield POOL_ADVERTISED, _one_per_state(advertised, Answer)
    on_internet = (
        ((name, family, feed), answer)
        for name, pool in pools
        for family, answers in pool.on_internet.items()
        for feed, answer in answers.items()
    )
    yield POOL_ON_INTERNET, _one_per_state(on_internet, Answer)
    yield POOL_ADDRESSES, (((name,), sum(snapshot.addresses[name].values())) for name, _ in pools)
    yield (
        POOL_FAMILY_ADDRESSES,
        (((name, family), count) for name, _ in pools for family, count in snapshot.addresses[name].items()),
    )


def _one_per_state(
    answers: Iterable[tuple[Labels, str]], states: type[LinkState | Answer]
) -> Iterator[Sample]:
    """Yield a series for each state: 1 for the present one, 0 for the others."""
    every = [state.value for state in states]
    for labels, present in answers:
        for name in every:
            yield (*labels, name), int(name == present)


def _read_subjects(snapshot: Snapshot) -> Iterator[tuple[MetricFamily, Iterable[Sample]]]:
    texts = snapshot.texts
    yield FINDING_RAISED, ((labels, int(alarm.raised)) for labels, alarm in texts.subjects())
    yield FINDING_WORSE, _worse(texts)
    for family, status in ((CHECK_UNKNOWN, Status.UNKNOWN), (CHECK_SUPPRESSED, Status.SUPPRESSED)):
        yield family, _with_status(texts, status)
    yield CHECK_INFO, (((check, severity.value), 1) for check, severity in texts.severities.items())


def _worse(texts: Texts) -> Iterator[Sample]:
    for labels, alarm in texts.subjects():
        worse = CATALOGUE[alarm.subject.check].worse
        if worse is not None:
            yield labels, int(alarm.raised and alarm.state.severity is worse.severity)


def _with_status(texts: Texts, status: Status) -> Iterator[Sample]:
    return ((labels, int(alarm.status is status)) for labels, alarm in texts.subjects())
