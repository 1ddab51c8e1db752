"""The state of the network as Prometheus series, read when it is scraped and never poked along the way.

A scrape is collected and rendered on the event loop, slice by slice (``ermon.aio.slices`` says why). What changes while a
large network is scraped may show in its later series. The text of each series, its name and labels, is made once
for a configuration, and a scrape only adds the values: more than ten times quicker than prometheus_client
renders, whose formats these are.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from ermon.aio.slices import in_slices, list_in_slices
from ermon.api.status import Answer, CircuitDoc, FeedDoc, PoolDoc
from ermon.checks.check import SUBJECT_LABELS
from ermon.checks.redundancy import CircuitGroup, Metros
from ermon.checks.subject import Subject
from ermon.core.alarm import Alarm
from ermon.core.layout import Layout
from ermon.core.monitor import Monitor
from ermon.core.session import Session
from ermon.core.status import Collected
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config
from ermon.model.prefixes import Family

SLICE_SERIES = 200
"""Series in one step, less than a millisecond even when they are new; see ``ermon.aio.slices``."""

COMPRESSION_LEVEL = 1
"""A scraper on the same host gains nothing by more, and a level costs more than it saves."""


@dataclass(frozen=True, slots=True, eq=False)
class MetricFamily:
    """A metric: what ``# HELP`` and ``# TYPE`` say of it, and the names of its labels."""

    name: str
    """Of its series: a counter's ends in ``_total``."""
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...]

    def head(self, *, openmetrics: bool) -> str:
        """Return the lines above the series; OpenMetrics names a counter without its ``_total``."""
        name = self.name.removesuffix("_total") if openmetrics and self.kind == "counter" else self.name
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n"

    def series(self, values: Sequence[str]) -> str:
        """Return the text of one series, up to its value."""
        pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(self.labels, values, strict=True)]
        return f"{self.name}{{{','.join(pairs)}}} "


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _gauge(name: str, text: str, *labels: str) -> MetricFamily:
    return MetricFamily(name, "gauge", text, labels)


def _counter(name: str, text: str, *labels: str) -> MetricFamily:
    return MetricFamily(name, "counter", text, labels)


_FEED = ("feed", "router", "view")
_LINK = ("circuit", "link", "family")

FEED_UP = _gauge("ermon_feed_up", "Whether the feed's session is established.", *_FEED)
FEED_IN_SYNC = _gauge(
    "ermon_feed_in_sync", "Whether the feed's routes are known to be complete.", *_FEED, "family"
)
FEED_TRANSITIONS = _counter(
    "ermon_feed_transitions_total", "Times that the feed's session came up or went down.", "feed", "to"
)
FEED_CHANGED = _gauge(
    "ermon_feed_last_transition_timestamp_seconds",
    "When the feed's session last came up or went down; 0 for never.",
    "feed",
)
FEED_MESSAGE = _gauge(
    "ermon_feed_last_message_timestamp_seconds", "When the feed last said anything; 0 for never.", "feed"
)
FEED_UPDATES = _counter("ermon_feed_updates_total", "UPDATEs received.", "feed")
FEED_ROUTES = _gauge("ermon_feed_routes", "Routes held.", "feed", "family")
FEED_LOST = _counter("ermon_feed_lost_messages_total", "Messages known to be lost.", "feed")
LINK_STATE = _gauge(
    "ermon_link_state",
    "1 for the state that the link is in, 0 for the others.",
    *("circuit", "link", "router", "family", "state"),
)
LINK_TRANSITIONS = _counter(
    "ermon_link_transitions_total", "Changes of the link's state between up and down.", *_LINK
)
LINK_CHANGED = _gauge(
    "ermon_link_last_transition_timestamp_seconds", "When the link's state last changed; 0 for never.", *_LINK
)
LINK_ROUTES = _gauge("ermon_link_routes", "Prefixes that the link brings.", *_LINK)
LINK_SERVICE_ROUTES = _gauge(
    "ermon_link_service_routes",
    "Routes of the link that carry a required service's community.",
    *("circuit", "link", "ms_service"),
)
LINK_ADVERTISED = _gauge(
    "ermon_link_advertised_prefixes", "Prefixes advertised to Microsoft on the link.", *_LINK
)
LINK_LIMIT = _gauge(
    "ermon_link_advertised_prefix_limit",
    "Number of advertised prefixes at which Microsoft drops the session.",
    *_LINK,
)
CIRCUIT_LINKS_UP = _gauge("ermon_circuit_links_up", "Links of the circuit that are up.", "circuit", "family")
CIRCUIT_INFO = _gauge(
    "ermon_circuit_info",
    "What the circuit is, in all of its locations; always 1.",
    "circuit",
    "location",
    "geo",
    "peering",
)
CIRCUIT_LINKS = _gauge(
    "ermon_circuit_links",
    "Links of the circuit that have the family; with the metropolitan areas that geo-not-redundant compares.",
    *("circuit", "geo", "group", "peering", "family", "metro"),
)
METROS_APART = _gauge(
    "ermon_metros_apart",
    "Metropolitan areas of two circuits that have nothing in common, so that the two are redundant; always 1.",
    *("geo", "group", "peering", "family", "metro", "other"),
)
MAINTENANCE_ACTIVE = _gauge(
    "ermon_maintenance_active",
    "Whether a maintenance window covers the circuit, the link or the feed.",
    *("circuit", "link", "feed"),
)
MAINTENANCE_END = _gauge(
    "ermon_maintenance_end_timestamp_seconds",
    "When the maintenance of the circuit, the link or the feed ends; 0 for none.",
    *("circuit", "link", "feed"),
)
POOL_ADVERTISED = _gauge(
    "ermon_pool_advertised",
    "Whether Microsoft hears the pool on the link: 1 for the answer, 0 for the others.",
    *("pool", "family", "circuit", "link", "state"),
)
POOL_ON_INTERNET = _gauge(
    "ermon_pool_on_internet",
    "Whether the feed shows the pool or a part of it: 1 for the answer, 0 for the others.",
    *("pool", "family", "feed", "state"),
)
POOL_ADDRESSES = _gauge("ermon_pool_addresses", "Addresses in the pool.", "pool")
FINDING_RAISED = _gauge(
    "ermon_finding_raised",
    "Whether a finding is raised: after raise_after, and through clear_after.",
    *("check", *SUBJECT_LABELS),
)
CHECK_UNKNOWN = _gauge(
    "ermon_check_unknown", "Whether the check cannot be judged at present.", "check", *SUBJECT_LABELS
)
CHECK_SUPPRESSED = _gauge(
    "ermon_check_suppressed",
    "Whether a violation is kept quiet by a larger one, a drain or a maintenance window.",
    *("check", *SUBJECT_LABELS),
)
CHECK_INFO = _gauge(
    "ermon_check_info",
    "With which severity a check that is switched on raises its worst findings; always 1.",
    *("check", "severity"),
)


Labels = tuple[str, ...]
Sample = tuple[Labels, float]


class Texts:
    """The text of every series of one configuration, made when it is first shown."""

    def __init__(self, layout: Layout) -> None:
        self.alarms = layout.alarms
        self.severities = layout.severities
        self._subjects: list[Labels] = []
        self._texts: dict[MetricFamily, dict[Labels, str]] = {}

    def subjects(self) -> Iterator[tuple[Labels, Alarm]]:
        """Yield every alarm with its labels, which are made when they are first shown."""
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
    """What a scrape shows, all of one moment."""

    config: Config
    circuits: Mapping[str, CircuitDoc]
    pools: Mapping[str, PoolDoc]
    feeds: Mapping[str, FeedDoc]
    sessions: Mapping[str, Session]
    link_changes: Mapping[Labels, float]
    """By circuit, link and family: when the state last changed, in seconds since the epoch; 0 for never."""
    clock_offset: float
    """What is to be added to the times of ``sessions``, in seconds."""
    maintenance: Mapping[tuple[str, str, str], float]
    """The circuits, links and feeds (circuit, link, feed) that are in maintenance, and until when."""
    addresses: Mapping[str, int]
    metros_apart: Collection[tuple[CircuitGroup, Family, Metros, Metros]]
    texts: Texts


class Page(NamedTuple):
    body: bytes
    content_type: str
    gzipped: bool


class Metrics:
    """Renders the state of a monitor together with what a registry counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._one_at_a_time = asyncio.Lock()

    async def render(
        self, monitor: Monitor, *, accept: str = "", accept_encoding: str = "", only: Collection[str] = ()
    ) -> Page:
        """Render for the ``Accept`` and ``Accept-Encoding`` of a request; ``only`` names series to show alone.

        One scrape at a time: many scrapers together take no more of the processor than one.
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
        clock_offset=facts.clock_offset,
        maintenance=monitor.coverage.open_until(facts.calendar_now),
        addresses=layout.addresses,
        metros_apart=layout.metros_apart,
        texts=texts,
    )


def render_network(snapshot: Snapshot, *, openmetrics: bool, only: Collection[str] = ()) -> Iterator[str]:
    """Render all that is read from the monitor, without the end mark of OpenMetrics, slice by slice."""
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
            [((name,), 0 if time is None else time + snapshot.clock_offset) for name, time in times.items()],
        )
    yield FEED_UPDATES, (((name,), feed.updates) for name, feed in feeds.items())
    yield FEED_ROUTES, (((name, family), feeds[name].routes[family]) for name, family in families)
    yield FEED_LOST, (((name,), feed.lost_messages) for name, feed in feeds.items())


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
    # Each region shows what it judges: together they show every circuit and link, and none of them twice.
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
    yield POOL_ADDRESSES, (((name,), snapshot.addresses[name]) for name, _ in pools)


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
    for family, status in ((CHECK_UNKNOWN, Status.UNKNOWN), (CHECK_SUPPRESSED, Status.SUPPRESSED)):
        yield family, _with_status(texts, status)
    yield CHECK_INFO, (((check, severity.value), 1) for check, severity in texts.severities.items())


def _with_status(texts: Texts, status: Status) -> Iterator[Sample]:
    return ((labels, int(alarm.status is status)) for labels, alarm in texts.subjects())
