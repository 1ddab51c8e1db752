"""The metrics of the network: their names, what they are about, and their labels. ``network`` reads their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ermon.checks.check import SUBJECT_LABELS


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
