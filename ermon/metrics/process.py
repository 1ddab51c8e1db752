"""Counts of events outside the core: lines, latencies, restarts, reloads, notifications.

Everything that can be read from the monitor at a scrape is in ``network``, so that nothing is stored twice.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from importlib import metadata
from itertools import product
from urllib.parse import urlsplit

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from ermon import __version__
from ermon.bgp.attributes import RepairKind
from ermon.bmp.router import RejectReason as BmpRejectReason
from ermon.checks.azure_tables import has_tables
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.sight import source_names
from ermon.exabgp.box import PARTS
from ermon.exabgp.decode import RejectReason
from ermon.exabgp.raw import RawState
from ermon.model.azure import AzureFailure
from ermon.model.inventory import Config, LinkKey
from ermon.ris.stream import RisEnd

DETECTION_BUCKETS_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""From a millisecond, the best time on loopback, over a second, which ermon promises, to a minute, after a SIGSTOP."""


class Telemetry:
    """ermon's counters. Every label set exists from the start, with 0."""

    def __init__(
        self,
        config: Config,
        source_age: Callable[[str], float | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        azure_age: Callable[[str], float | None] = lambda _: None,
        tables_age: Callable[[LinkKey], float | None] = lambda _: None,
    ) -> None:
        """``source_age`` returns the age in seconds of a published list by its name, ``None`` without a list;
        ``azure_age`` that of the last reading of Azure's view of a circuit, and ``tables_age`` that of Microsoft's tables of
        a link. ``clock`` is
        the clock of the messages' time stamps.
        """
        # `_created` series double the number of series, and Prometheus does not need them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        self.registry = CollectorRegistry(auto_describe=True)
        self._make_ingest()
        self._make_exabgp()
        self._make_reload()
        self._raised = self._counter("ermon_findings_raised_total", "Findings raised.", "check")
        self._notifications = self._counter(
            "ermon_notifications_total", "Notifications that a receiver accepted.", "receiver"
        )
        self._failures = self._counter(
            "ermon_notification_failures_total",
            "Notifications that could not be delivered to a receiver.",
            "receiver",
        )
        self._age_of = source_age
        self._azure_age_of = azure_age
        self._tables_age_of = tables_age
        self._clock = clock
        self._clock_steps = Counter(
            "ermon_clock_steps_total",
            "How often the wall clock was set, or the machine suspended, while ermon ran; ermon's own time goes on as before.",
            registry=self.registry,
        )
        self._refused = self._counter(
            "ermon_refused_connections_total",
            "Connections refused because no feed has their source address.",
            "port",
        )
        self._refused.labels("bgp")
        self._make_bmp()
        self._make_ris()
        self._restarts_seen: dict[str, int] = {}
        self._dropped_seen: dict[str, int] = {}
        self._source_ages = self._gauge(
            "ermon_source_age_seconds",
            "Seconds since ermon last confirmed that a list is the published one.",
            "source",
        )
        self._azure_ages = self._gauge(
            "ermon_azure_age_seconds",
            "Age of the last reading of Azure's view of a circuit; NaN if there is none.",
            "circuit",
        )
        self._tables_ages = self._gauge(
            "ermon_azure_tables_age_seconds",
            "Age of the last route table of Microsoft's edge router on a link; NaN if nothing was read.",
            "circuit",
            "link",
        )
        self._azure_failures = self._counter(
            "ermon_azure_failures_total",
            "Attempts to read Azure's view of a circuit that failed, by what failed.",
            "circuit",
            "kind",
        )
        for check in CATALOGUE:
            self._raised.labels(check)
        self.reconfigure(config)
        self.reloaded(successful=True)
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=self.registry)

    def _make_ingest(self) -> None:
        self._lines = Counter("ermon_ingest_lines_total", "Lines read from ExaBGP.", registry=self.registry)
        self._rejected = self._counter(
            "ermon_ingest_rejected_total", "Lines from ExaBGP that could not be decoded.", "reason"
        )
        for reason in RejectReason:
            self._rejected.labels(reason)
        self._malformed = self._counter(
            "ermon_feed_malformed_updates_total",
            "UPDATEs with a malformed path attribute that did not end the session, by what RFC 7606 does about it.",
            "feed",
            "kind",
        )
        self._lag = Gauge(
            "ermon_ingest_lag_seconds",
            "Age of the newest message from ExaBGP when it was processed.",
            registry=self.registry,
        )
        self._behind = self._gauge(
            "ermon_feed_behind_seconds",
            "Seconds for which ExaBGP has always had more to read from the feed's router; 0 if less than a second.",
            "feed",
        )
        self._detection = Histogram(
            "ermon_detection_seconds",
            "Time from ExaBGP's time stamp of a message to the violation known and handed to the senders, "
            "raise_after not counted.",
            buckets=DETECTION_BUCKETS_SECONDS,
            registry=self.registry,
        )

    def _make_exabgp(self) -> None:
        self._build = self._gauge(
            "ermon_build_info",
            "Versions of ermon, ExaBGP and Python; the value is always 1.",
            "version",
            "exabgp_version",
            "python_version",
        )
        self._build.labels(__version__, metadata.version("exabgp"), platform.python_version()).set(1)
        self._up = self._gauge(
            "ermon_exabgp_up", "1 if the ExaBGP process runs and answers, else 0.", "process"
        )
        self._restarts = self._counter(
            "ermon_exabgp_restarts_total", "Restarts of an ExaBGP process.", "process"
        )
        self._confined = self._gauge(
            "ermon_exabgp_confined",
            "1 if the kernel confines the ExaBGP process in this respect (files, ports, signals, system calls), else 0.",
            "process",
            "part",
        )
        self.unconfined: dict[str, tuple[str, ...]] = {}
        """By process: the parts of the sandbox that it lacks, once it has reported them."""
        self._raw = self._gauge(
            "ermon_exabgp_raw",
            "Whether an ExaBGP process passes UPDATEs on as they came, which is many times as fast.",
            "process",
        )
        self._dropped = self._counter(
            "ermon_relay_dropped_lines_total",
            "Lines that the relay of an ExaBGP process dropped because its buffer was full or they were too long.",
            "process",
        )

        self._not_recorded = Counter(
            "ermon_recording_dropped_lines_total",
            "Lines that could not be recorded because the disk was full or slow.",
            registry=self.registry,
        )

    def _make_bmp(self) -> None:
        self._bmp_up = self._gauge(
            "ermon_bmp_up", "1 if the router reports its sessions to ermon over BMP now, else 0.", "router"
        )
        self._bmp_messages = self._counter(
            "ermon_bmp_messages_total", "BMP messages received from a router.", "router"
        )
        self._bmp_moot = self._counter(
            "ermon_bmp_moot_messages_total",
            "BMP messages of a router that were not judged, because their session or the connection had ended.",
            "router",
        )
        self._bmp_rejected = self._counter(
            "ermon_bmp_rejected_total",
            "BMP messages of a router that could not be read, or not in full.",
            "router",
            "reason",
        )
        self._refused.labels("bmp")

    def _make_ris(self) -> None:
        self._ris_up = self._gauge(
            "ermon_ris_up", "1 if RIS Live sends its changes for the feed to ermon now, else 0.", "feed"
        )
        self._ris_messages = self._counter(
            "ermon_ris_messages_total", "Messages received from RIS Live for a feed.", "feed"
        )
        self._ris_rejected = self._counter(
            "ermon_ris_rejected_total", "Messages of RIS Live that could not be read.", "feed"
        )
        self._ris_ends = self._counter(
            "ermon_ris_connection_ends_total",
            "Ends of connections to RIS Live, and attempts that failed, by why.",
            "feed",
            "reason",
        )
        self._ris_failures = self._counter(
            "ermon_ris_state_failures_total", "States that could not be had from RIPEstat.", "feed"
        )
        self._ris_state_at = self._gauge(
            "ermon_ris_state_timestamp_seconds",
            "Unix time of the latest state of the routes from RIPEstat; 0: there was none.",
            "feed",
        )

    def _make_reload(self) -> None:
        self._reload_successful = Gauge(
            "ermon_config_last_reload_successful",
            "1 if the last attempt to load the configuration succeeded, else 0.",
            registry=self.registry,
        )
        self._reload_time = Gauge(
            "ermon_config_last_reload_success_timestamp_seconds",
            "Unix time at which the configuration was last loaded.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    # Configuration -----------------------------------------------------------------------------------

    def reconfigure(self, config: Config) -> None:
        """Keep series for the processes, feeds and receivers of a configuration, and for no others."""
        processes, receivers = set(config.processes), receiver_names(config)
        for process_metric in (self._up, self._restarts, self._raw, self._dropped):
            _keep_series(process_metric, processes)
        _keep_series(self._confined, processes, PARTS)
        self._feeds = frozenset(config.feeds)
        _keep_series(self._malformed, self._feeds, RepairKind)
        self._read_feeds = frozenset(config.exabgp_feeds)
        _keep_series(self._behind, self._read_feeds)
        self._routers = frozenset(config.bmp)
        for bmp_metric in (self._bmp_up, self._bmp_messages, self._bmp_moot):
            _keep_series(bmp_metric, self._routers)
        _keep_series(self._bmp_rejected, self._routers, BmpRejectReason)
        self._ris = frozenset(config.ris_feeds)
        for ris_metric in (
            *(self._ris_up, self._ris_messages, self._ris_rejected),
            *(self._ris_failures, self._ris_state_at),
        ):
            _keep_series(ris_metric, self._ris)
        _keep_series(self._ris_ends, self._ris, RisEnd)
        for receiver_metric in (self._notifications, self._failures):
            _keep_series(receiver_metric, receivers)
        _keep_series(self._source_ages, set(source_names(config)))
        for source in source_names(config):
            self._source_ages.labels(source).set_function(partial(self._source_age, source))
        self._in_azure = frozenset(name for name, each in config.circuits.items() if each.azure is not None)
        _keep_series(self._azure_failures, self._in_azure, AzureFailure)
        _keep_series(self._azure_ages, self._in_azure)
        for circuit in self._in_azure:
            self._azure_ages.labels(circuit).set_function(partial(self._azure_age, circuit))
        self._keep_tables(config)
        for seen in (self._restarts_seen, self._dropped_seen):
            for gone in seen.keys() - processes:
                del seen[gone]
        for gone in self.unconfined.keys() - processes:
            del self.unconfined[gone]

    def _source_age(self, source: str) -> float:
        age = self._age_of(source)
        return float("nan") if age is None else age

    def _keep_tables(self, config: Config) -> None:
        links = [link.key for link in config.links if has_tables(config, link)]
        _keep_only(self._tables_ages, links)
        for key in links:
            self._tables_ages.labels(*key).set_function(partial(self._tables_age, key))

    def _tables_age(self, link: LinkKey) -> float:
        age = self._tables_age_of(link)
        return float("nan") if age is None else age

    def _azure_age(self, circuit: str) -> float:
        age = self._azure_age_of(circuit)
        return float("nan") if age is None else age

    def reloaded(self, *, successful: bool) -> None:
        """Note that the configuration was loaded, or was refused and the old one stays in force."""
        self._reload_successful.set(int(successful))
        if successful:
            self._reload_time.set(time.time())

    # Events ------------------------------------------------------------------------------------------

    def line(self) -> None:
        self._lines.inc()

    def not_recorded(self, lines: int) -> None:
        self._not_recorded.inc(lines)

    def rejected(self, reason: RejectReason) -> None:
        self._rejected.labels(reason).inc()

    def malformed(self, feed: str, kind: RepairKind) -> None:
        """Count an UPDATE with a malformed attribute; a reload may have removed its feed meanwhile."""
        if feed in self._feeds:
            self._malformed.labels(feed, kind).inc()

    def message(self, message_time: float) -> None:
        """Note that a message with this time stamp, in seconds since the epoch, was processed just now."""
        self._lag.set(max(0.0, self._clock() - message_time))

    def behind(self, feed: str, seconds: float) -> None:
        """Note for how long more has waited to be read from a feed's router; a reload may have removed the feed meanwhile."""
        if feed in self._read_feeds:
            self._behind.labels(feed).set(seconds)

    def detected(self, seconds: float) -> None:
        """Note the time from a message to the detection of its violation."""
        self._detection.observe(max(0.0, seconds))

    def clock_stepped(self) -> None:
        self._clock_steps.inc()

    def refused(self, port: str, connections: int) -> None:
        """Note connections to the port of a protocol from hosts that are not in the configuration."""
        self._refused.labels(port).inc(connections)

    def azure_failed(self, circuit: str, kind: AzureFailure) -> None:
        """Count an attempt to read Azure's view of a circuit that failed; a reload may have removed it meanwhile."""
        if circuit in self._in_azure:
            self._azure_failures.labels(circuit, kind).inc()

    def raised(self, check: str) -> None:
        self._raised.labels(check).inc()

    def bmp(self, router: str, *, up: bool, messages: int, moot: int) -> None:
        """Note whether a router is connected by BMP, how many more of its messages were judged, and how many never will be;
        a reload may have removed it.
        """
        if router not in self._routers:
            return
        self._bmp_up.labels(router).set(int(up))
        self._bmp_messages.labels(router).inc(messages + moot)
        self._bmp_moot.labels(router).inc(moot)

    def bmp_rejected(self, router: str, reason: BmpRejectReason) -> None:
        if router in self._routers:
            self._bmp_rejected.labels(router, reason).inc()

    def ris(self, feed: str, *, up: bool, messages: int = 0, rejected: int = 0) -> None:
        """Note whether RIS Live sends changes for a feed, and what it has just sent; a reload may have removed the feed."""
        if feed in self._ris:
            self._ris_up.labels(feed).set(int(up))
            self._ris_messages.labels(feed).inc(messages)
            self._ris_rejected.labels(feed).inc(rejected)

    def ris_ended(self, feed: str, reason: RisEnd) -> None:
        if feed in self._ris:
            self._ris_up.labels(feed).set(0)
            self._ris_ends.labels(feed, reason).inc()

    def ris_state(self, feed: str, at: float | None) -> None:
        """Note the time of a state of the routes, or that none could be had (``None``)."""
        if feed not in self._ris:
            return
        if at is None:
            self._ris_failures.labels(feed).inc()
        else:
            self._ris_state_at.labels(feed).set(at)

    def process(self, process: str, *, up: bool, restarts: int, dropped: int = 0) -> None:
        """Set the state of an ExaBGP process, and its own counts of restarts and dropped lines."""
        self._up.labels(process).set(int(up))
        _advance(self._restarts, self._restarts_seen, process, restarts)
        _advance(self._dropped, self._dropped_seen, process, dropped)

    def confined(self, process: str, missing: Collection[str] | None) -> None:
        """Set the parts that the sandbox of an ExaBGP process lacks on this machine; ``None``: not reported yet."""
        self.unconfined.pop(process, None)
        if missing is not None:
            self.unconfined[process] = tuple(missing)
        for part in PARTS:
            self._confined.labels(process, part).set(int(missing is not None and part not in missing))

    def raw(self, process: str, state: RawState | None) -> None:
        """Set whether an ExaBGP process passes UPDATEs on undecoded; ``None``: not reported yet."""
        self._raw.labels(process).set(int(state is RawState.ON))

    def notified(self, receiver: str) -> None:
        self._notifications.labels(receiver).inc()

    def notification_failed(self, receiver: str) -> None:
        self._failures.labels(receiver).inc()


def receiver_names(config: Config) -> set[str]:
    """Return the label values of all receivers."""
    urls = (*config.alertmanager.urls, *(webhook.url for webhook in config.webhooks))
    return {receiver_name(url) for url in urls}


def receiver_name(url: str) -> str:
    """Return a receiver's host and port, because paths and user names of webhooks are often secrets."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _keep_series(metric: Counter | Gauge, *values: Iterable[str]) -> None:
    """Keep a series for each combination of the label values, new ones at 0, and no others."""
    _keep_only(metric, product(*values))


def _keep_only(metric: Counter | Gauge, labels_of: Iterable[tuple[str, ...]]) -> None:
    """Keep a series for each of these label values, new ones at 0, and no others."""
    present = {tuple(sample.labels.values()) for family in metric.collect() for sample in family.samples}
    wanted = set(labels_of)
    for gone in present - wanted:
        metric.remove(*gone)
    for labels in wanted:
        metric.labels(*labels)


def _advance(counter: Counter, seen: dict[str, int], process: str, count: int) -> None:
    """Add the growth of a count. A count that fell belongs to a new process of the same name, and started at 0."""
    before = seen.get(process, 0)
    counter.labels(process).inc(count - before if count >= before else count)
    seen[process] = count
