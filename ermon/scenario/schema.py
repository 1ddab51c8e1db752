"""The shape of a scenario file: its keys, their types, and the help that editors show for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, Strict, WithJsonSchema

from ermon.config.azure import Vlan
from ermon.config.fields import Asn, Boolean, Count, Duration, Line, Network, Several, Timestamp, show
from ermon.config.shape import Section
from ermon.model.findings import Status
from ermon.model.settings import Severity
from ermon.scenario.fields import (
    AnyPrefixes,
    Families,
    Listed,
    LocalPreference,
    Names,
    NameText,
    NextHop,
    OriginAsn,
    PathIdentifier,
    PathText,
    RouteCommunities,
    Routes,
    one_or_many,
)


class AboutSection(Section):
    """Which findings are meant: a check, and as many of its labels as matter. Of a list of values, each."""

    check: NameText
    """The check, as `ermon checks` lists it."""
    circuit: Names | None = None
    """Label: the circuit."""
    link: Names | None = None
    """Label: the link of the circuit."""
    family: Names | None = None
    """Label: ipv4, ipv6, or [ipv4, ipv6] for one of each."""
    pool: Names | None = None
    """Label: the NAT pool."""
    feed: Names | None = None
    """Label: the feed."""
    uplink: Names | None = None
    """Label: the uplink."""
    segment: Names | None = None
    """Label: the segment."""
    ms_service: Names | None = None
    """Label: Microsoft's service or region."""
    geo: Names | None = None
    """Label: the geopolitical region."""
    group: Names | None = None
    """Label: the group of circuits that back each other up."""
    peering: Names | None = None
    """Label: microsoft or private."""
    view: Names | None = None
    """Label: the view that no feed provides."""
    region: Names | None = None
    """Label: the region of an ermon, of several."""
    process: Names | None = None
    """Label: the ExaBGP process, or the BMP connection (bmp/ROUTER)."""
    source: Names | None = None
    """Label: the published list, as findings name it."""


LABELS = tuple(name for name in AboutSection.model_fields if name != "check")


class TransitionEntry(AboutSection):
    """A finding that must be raised or cleared."""

    after: Duration | None = None
    """So long after the step, to the millisecond. Default: any time until the next step."""
    severity: Annotated[Severity, Strict(strict=False)] | None = None
    """The severity it must have."""
    prefixes: AnyPrefixes | None = None
    """Prefixes that its evidence must name, among others."""


class StatusEntry(AboutSection):
    """What a check must answer."""

    # A mapping has its answer under `is`: {check: link-down, circuit: chicago, is: unknown}.
    answer: Annotated[Status, Strict(strict=False)] = Field(alias="is")
    """The answer: ok, violated, unknown or suppressed; of every subject that is meant."""
    after: Duration = 0.0
    """So long after the step. Default: at once."""


def _transitions(value: object) -> object:
    return [{"check": item} if isinstance(item, str) else item for item in _listed(value)]


def _listed(value: object) -> list[Any]:
    found = one_or_many(value)
    return found if isinstance(found, list) else []


Transitions = Annotated[
    Listed[TransitionEntry],
    BeforeValidator(
        _transitions,
        json_schema_input_type=NameText | TransitionEntry | Listed[NameText | TransitionEntry],
    ),
]
Abouts = Annotated[
    Listed[AboutSection],
    BeforeValidator(
        _transitions, json_schema_input_type=NameText | AboutSection | Listed[NameText | AboutSection]
    ),
]
Statuses = Annotated[
    Listed[StatusEntry],
    BeforeValidator(one_or_many, json_schema_input_type=StatusEntry | Listed[StatusEntry]),
]


class ExpectSection(Section):
    """What must come of a step, and what must not."""

    raised: Transitions | None = None
    """Findings that must be raised."""
    cleared: Transitions | None = None
    """Findings that must be cleared."""
    not_raised: Abouts | None = None
    """Findings that must not be raised before the next step, not even with severity info."""
    status: Statuses | None = None
    """What checks must answer."""


class Storage(StrEnum):
    FAILS = "fails"
    WORKS = "works"


class Restart(StrEnum):
    ERMON = "ermon"


class VrpEntry(Section):
    """A VRP: this AS may originate this prefix."""

    prefix: Network
    """The prefix."""
    asn: OriginAsn
    """The AS; 0: nobody may."""
    max_length: Count | None = None
    """The longest prefix that it may originate. Default: the prefix itself."""
    expires: Timestamp | None = None
    """When it ends. Default: never."""


class RouteObjectEntry(Section):
    """A route object of a registry."""

    prefix: Network
    """The prefix."""
    asn: OriginAsn
    """Its origin."""


class SessionState(StrEnum):
    UP = "up"
    DOWN = "down"
    MISSING = "missing"
    SILENT = "silent"


class AcceptEntry(Section):
    """What is accepted: a check, and the subjects."""

    check: NameText
    """prefix-count-low, service-count-low, advertised-count-low, drain or source-rejected."""
    circuit: NameText | None = None
    """Of this circuit; all but source-rejected need it."""
    link: NameText | None = None
    """Of this link. Default: of every link."""
    service: NameText | None = None
    """service-count-low: of this service. Default: of every service."""
    ms_service: NameText | None = None
    """The same, by the name of the label."""
    source: NameText | None = None
    """source-rejected: the published list, by the label of its findings."""
    reason: Line = "as planned"
    """Why."""


class ArpState(StrEnum):
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    EMPTY = "empty"


class AzureTablesEntry(Section):
    """What Azure answers when it is asked for the tables of Microsoft's edge router at the far end of a link. Without more,
    these agree with what the feeds show of the link.
    """

    circuit: NameText
    """The circuit of the link."""
    link: NameText
    """The link."""
    lacks: Routes | None = None
    """Prefixes that the route table lacks, or the word all."""
    has: AnyPrefixes | None = None
    """Prefixes that the route table has besides, as routes of Microsoft's."""
    partial: Boolean = False
    """Some rows of the route table cannot be read."""
    session: Line = "established"
    """The state of our session in the summary: a word such as Idle."""
    arp: Annotated[ArpState, Strict(strict=False)] = ArpState.COMPLETE
    """The ARP table: complete, incomplete (our side is missing) or empty."""
    asked: Duration = 5.0
    """So long before the step Azure was asked. Default: 5s."""
    fails: Line | None = None
    """The tables cannot be read, and why."""


class AzurePeeringState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"


class AzureEntry(Section):
    """What Azure says of a circuit otherwise than the configuration does."""

    age: Duration = 0.0
    """How long ago Azure said it; a file may be older than its reading."""
    peering: Annotated[AzurePeeringState, Strict(strict=False)] = AzurePeeringState.ENABLED
    """The peering is enabled, disabled, or missing from the circuit."""
    circuit_state: Line | None = None
    """circuitProvisioningState. Default: Enabled."""
    provider_state: Line | None = None
    """serviceProviderProvisioningState. Default: Provisioned."""
    location: Line | None = None
    """The peering location. Default: the circuit's."""
    peer_asn: Asn | None = None
    """Your ASN. Default: customer.asn."""
    vlan: Vlan | None = None
    """The VLAN. Default: the circuit's, if it has one."""
    family: Families | None = None
    """Only this family has the following. Default: both."""
    prefixes: Several[Network] | None = None
    """The advertised public prefixes. Default: those of the circuit's pools."""
    prefix_state: Line | None = None
    """The state of their validation. Default: Configured."""
    customer_asn: Asn | None = None
    """The ASN that they are registered for. Default: none of its own."""
    primary: Network | None = None
    """The subnet of the primary link. Default: that of the first link."""
    secondary: Network | None = None
    """The subnet of the secondary link. Default: that of the second link."""
    route_filter: Line | None = None
    """The name of the route filter. Default: the circuit's, if it has one."""


def _parse_azure(value: object) -> object:
    if isinstance(value, dict) or value in {"usual", "fails"}:
        return value
    raise ValueError(f"must be usual, fails, or what Azure says otherwise, not {show(value)}")


class StepEntry(Section):
    """One thing that happens, when, and what must come of it."""

    at: Duration | None = None
    """So long after the scenario began. Without at and after: when the step before is done."""
    after: Duration | None = None
    """So long after the step before was done."""
    converge: Names | None = None
    """Feeds (or all) come up and in sync, and show a good day: what the configuration expects of them."""
    in_sync: Names | None = None
    """Feeds (or all) come up if they are not, end their first dump, and get in sync."""
    up: Names | None = None
    """Sessions of feeds (or all) are established, empty."""
    end_of_rib: Names | None = None
    """Feeds (or all) end their first dump."""
    down: Names | None = None
    """Sessions of feeds (or all) are lost, and their routes with them."""
    announce: Routes | None = None
    """Prefixes, {count: N, of: PREFIX} for many, or the word usual: what converge shows."""
    withdraw: Routes | None = None
    """Prefixes, or the word all. Together with announce: in one UPDATE."""
    refresh: Names | None = None
    """Feeds (or all) send everything again, between the markers of RFC 7313; what omit names is gone then."""
    messages_lost: Names | None = None
    """Messages of these feeds are lost on their way to ermon."""
    exabgp_down: Names | None = None
    """ExaBGP processes (edges, or an internet feed's name) end, and the sessions of their feeds with them."""
    exabgp_up: Names | None = None
    """ExaBGP processes run again. converge says so too."""
    bmp_down: Names | None = None
    """BMP connections of these routers (or all) end, and what they reported with them."""
    bmp_up: Names | None = None
    """Routers (or all) connect by BMP, and have not reported a session yet. converge says so too."""
    statistics: Names | None = None
    """Routers (or all) begin to send statistics by BMP. converge says so too."""
    session: Annotated[SessionState, Strict(strict=False)] | None = None
    """A router reports by BMP that its session on a link or uplink is up, with the usual routes, or down; it does not report it on
    this connection (missing), or has ceased to send statistics of it (silent).
    """
    source_rejected: Names | None = None
    """Published lists cannot be used, by the label of their findings; the old ones stay in force."""
    source_accepted: Names | None = None
    """Published lists are there and can be used."""
    azure_tables: AzureTablesEntry | None = None
    """The tables of Microsoft's edge router on a link are read, or cannot be."""
    vrps: Several[VrpEntry] | None = None
    """ermon reads its lists of VRPs, and in your address space they have these; [] for none."""
    route_objects: Several[RouteObjectEntry] | None = None
    """ermon reads its files of route objects, and in your address space they have these; [] for none."""
    azure: (
        Annotated[
            Literal["usual", "fails"] | AzureEntry,
            BeforeValidator(_parse_azure, json_schema_input_type=Literal["usual", "fails"] | AzureEntry),
        ]
        | None
    ) = None
    """Azure is read: it says what the configuration does (usual), something else of it, or cannot be read (fails)."""
    storage: Annotated[Storage, Strict(strict=False)] | None = None
    """What must outlive ermon cannot be written (fails), or can be again (works)."""
    accept: AcceptEntry | None = None
    """Somebody takes what a check calls wrong for right from now on, as with ermon accept."""
    restart: Annotated[Restart, Strict(strict=False)] | None = None
    """ermon is restarted, with what its storage keeps; routers call again at once and send their tables."""
    feed: Names | None = None
    """announce, withdraw: the feeds that show it. Default, with a link: the edge tables of its router, and its session by BMP. session: the
    sessions, by their feeds.
    """
    circuit: NameText | None = None
    """announce, withdraw, session: the circuit of the link. azure: the circuit; default: all that are read."""
    link: NameText | None = None
    """announce, withdraw: the link of the route, which gives the next hop (and the path identifier). session: the link."""
    uplink: NameText | None = None
    """session: the uplink."""
    next_hop: NextHop | None = None
    """announce: the next hop, or none. Default: Microsoft's address on the link, else the router's."""
    path: PathText | None = None
    """announce: the AS path, such as "64500 12076 {8075 8068}". Default: what a router would send here."""
    communities: RouteCommunities | None = None
    """announce: communities or the names of services, no-export, no-advertise, blackhole."""
    local_preference: LocalPreference | None = None
    """announce: the LOCAL_PREF, or none. Default: 100 on an edge-table, and none elsewhere."""
    path_id: PathIdentifier | None = None
    """announce, withdraw: the path identifier of ADD-PATH."""
    omit: Routes | None = None
    """refresh: what is not sent again, prefixes or the word all."""
    source: Names | None = None
    """vrps, route_objects: only these sources, by the label of their findings. Default: all."""
    family: Families | None = None
    """end_of_rib, refresh, session, all, usual: only this family."""
    add_path: Families | None = None
    """up, in_sync, converge: the families with ADD-PATH in force; [] for none. Default: as configured."""
    hold_time: Duration | None = None
    """up, in_sync, converge: what the router offers; 0 for none, and anything else is as usual."""
    reason: Line | None = None
    """down, session, bmp_down: why."""
    expect: ExpectSection | None = None
    """What must come of it."""


def _parse_config(value: object) -> object:
    if isinstance(value, str | dict) and value:
        return value
    raise ValueError(f"must be the file name of a configuration, or a whole one, not {show(value)}")


def _parse_changes(value: object) -> object:
    if isinstance(value, dict):
        return value
    raise ValueError(f"must be a mapping with keys of the configuration, not {show(value)}")


def _parse_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"must be text, not {show(value)}")


Text = Annotated[str, PlainValidator(_parse_text), WithJsonSchema({"type": "string"})]
Configuration = Annotated[
    Any, PlainValidator(_parse_config), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]
Changes = Annotated[dict[str, Any], PlainValidator(_parse_changes), WithJsonSchema({"type": "object"})]


class ScenarioEntry(Section):
    """A short story: what happens, and what ermon must say to it."""

    name: Line
    """A sentence that is true when the scenario passes."""
    description: Text | None = None
    """Why it matters."""
    start: Timestamp | None = None
    """The date and time at which it begins, for maintenance windows and dates. Default: 2026-01-01T00:00:00Z."""
    changes: Changes | None = None
    """Changes to the configuration for this scenario, as in ermon.yml; null removes a key."""
    ignore: Names | None = None
    """Checks whose findings may come and go unexpected."""
    steps: Listed[StepEntry]
    """What happens, in the order of time."""
    until: Duration | None = None
    """When it ends. Default: when no finding and no session is on its way any more."""


class ScenarioFile(Section):
    """Policy tests for `ermon test`: a configuration, and scenarios that hold it to its word."""

    description: Text | None = None
    """What the scenarios are about."""
    config: Configuration
    """The configuration: a file name, relative to this file, or its text right here."""
    changes: Changes | None = None
    """Changes to it for all scenarios, as in ermon.yml; null removes a key."""
    ignore: Names | None = None
    """Checks whose findings may come and go unexpected, in all scenarios."""
    scenarios: Listed[ScenarioEntry]
    """The scenarios; each begins from nothing."""


Verb = Literal[
    "converge",
    "in_sync",
    "up",
    "end_of_rib",
    "down",
    "announce",
    "withdraw",
    "refresh",
    "messages_lost",
    "exabgp_down",
    "exabgp_up",
    "bmp_down",
    "bmp_up",
    "statistics",
    "session",
    "source_rejected",
    "source_accepted",
    "azure_tables",
    "vrps",
    "route_objects",
    "azure",
    "storage",
    "restart",
    "accept",
]
