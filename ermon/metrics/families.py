"""The metrics of the network: their names, help texts and labels. ``network`` reads their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ermon.checks.check import SUBJECT_LABELS


@dataclass(frozen=True, slots=True, eq=False)
class MetricFamily:
    """A metric: the texts of ``# HELP`` and ``# TYPE``, and the names of its labels."""

    name: str
    """The name of its series; that of a counter ends in ``_total``."""
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

FEED_UP = _gauge("ermon_feed_up", "1 if the feed's BGP session is established, else 0.", *_FEED)
FEED_IN_SYNC = _gauge("ermon_feed_in_sync", "1 if the feed and family are in sync, else 0.", *_FEED, "family")
FEED_TRANSITIONS = _counter(
    "ermon_feed_transitions_total", "Times that the feed's BGP session came up or went down.", "feed", "to"
)
FEED_CHANGED = _gauge(
    "ermon_feed_last_transition_timestamp_seconds",
    "Unix time at which the feed's session last came up or went down, 0 if never.",
    "feed",
)
FEED_MESSAGE = _gauge(
    "ermon_feed_last_message_timestamp_seconds",
    "Unix time of the last message from the feed, 0 if none.",
    "feed",
)
FEED_UPDATES = _counter("ermon_feed_updates_total", "UPDATE messages received.", "feed")
FEED_ROUTES = _gauge("ermon_feed_routes", "Routes of the feed that ermon holds.", "feed", "family")
FEED_LOST = _counter(
    "ermon_feed_lost_messages_total", "BGP messages of the feed that are known to be lost.", "feed"
)
_SESSION = ("router", "circuit", "link", "uplink", "family")

SESSION_STATE = _gauge(
    "ermon_session_state",
    "The router's own session with Microsoft or a provider, as it reports it by BMP: 1 for the present state, 0 for the other states.",
    *_SESSION,
    "state",
)
SESSION_TRANSITIONS = _counter(
    "ermon_session_transitions_total",
    "Changes of the router's own session between up and down, as it reports them by BMP.",
    *_SESSION,
)
SESSION_DOWNS = _counter(
    "ermon_session_downs_total",
    "Ends of the router's own session, as it reports them by BMP.",
    *_SESSION,
    "reason",
)
LINK_STATE = _gauge(
    "ermon_link_state",
    "1 for the present state of the link, 0 for the other states.",
    *("circuit", "link", "router", "family", "state"),
)
LINK_TRANSITIONS = _counter(
    "ermon_link_transitions_total", "Changes of the link's state between up and down.", *_LINK
)
LINK_CHANGED = _gauge(
    "ermon_link_last_transition_timestamp_seconds",
    "Unix time at which the link's state last changed, 0 if never.",
    *_LINK,
)
LINK_ROUTES = _gauge("ermon_link_routes", "Prefixes received on the link.", *_LINK)
LINK_SERVICE_ROUTES = _gauge(
    "ermon_link_service_routes",
    "Routes received on the link with the community of a required service.",
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
    "Location, geo and peering of the circuit; the value is always 1.",
    "circuit",
    "location",
    "geo",
    "peering",
)
CIRCUIT_LINKS = _gauge(
    "ermon_circuit_links",
    "Links of the circuit with the address family; metro is what geo-not-redundant compares.",
    *("circuit", "geo", "group", "peering", "family", "metro"),
)
METROS_APART = _gauge(
    "ermon_metros_apart",
    "Two circuits whose metropolitan areas have nothing in common, and so are redundant; the value is always 1.",
    *("geo", "group", "peering", "family", "metro", "other"),
)
MAINTENANCE_ACTIVE = _gauge(
    "ermon_maintenance_active",
    "1 while a maintenance window covers the circuit, link or feed, else 0.",
    *("circuit", "link", "feed"),
)
MAINTENANCE_END = _gauge(
    "ermon_maintenance_end_timestamp_seconds",
    "Unix time at which the maintenance of the circuit, link or feed ends, 0 if none.",
    *("circuit", "link", "feed"),
)
POOL_ADVERTISED = _gauge(
    "ermon_pool_advertised",
    "Whether the pool is advertised to Microsoft on the link: 1 for the present state, 0 for the other states.",
    *("pool", "family", "circuit", "link", "state"),
)
POOL_ON_INTERNET = _gauge(
    "ermon_pool_on_internet",
    "Whether the feed shows the pool or a part of it: 1 for the present state, 0 for the other states.",
    *("pool", "family", "feed", "state"),
)
POOL_ADDRESSES = _gauge("ermon_pool_addresses", "Addresses in the pool.", "pool")
POOL_FAMILY_ADDRESSES = _gauge(
    "ermon_pool_family_addresses", "Addresses of one family in the pool.", "pool", "family"
)
FINDING_RAISED = _gauge(
    "ermon_finding_raised",
    "1 while a finding is raised, from the end of raise_after to the end of clear_after, else 0.",
    *("check", *SUBJECT_LABELS),
)
FINDING_WORSE = _gauge(
    "ermon_finding_worse",
    "1 while a finding is raised with a worse severity than its check usually has, else 0; only for checks that have two.",
    *("check", *SUBJECT_LABELS),
)
CHECK_UNKNOWN = _gauge(
    "ermon_check_unknown", "1 while the check is unknown for this subject, else 0.", "check", *SUBJECT_LABELS
)
CHECK_SUPPRESSED = _gauge(
    "ermon_check_suppressed",
    "1 while another finding, a drain or a maintenance window suppresses the violation, else 0.",
    *("check", *SUBJECT_LABELS),
)
CHECK_INFO = _gauge(
    "ermon_check_info",
    "Highest severity of each enabled check; the value is always 1.",
    *("check", "severity"),
)
