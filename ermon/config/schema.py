"""The shape of ``ermon.yml``: its keys, their types and defaults, and the help that editors show for them.

``ermon.config.rules`` has the rules between values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, create_model

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Parameter
from ermon.config.azure import AzureSection
from ermon.config.circuits import CircuitEntry
from ermon.config.fields import (
    Asn,
    AtLeastOne,
    Boolean,
    ByteSize,
    CommunityText,
    Count,
    Distinguisher,
    Duration,
    End,
    Endpoint,
    FeedView,
    HoldTime,
    Hops,
    HostAddress,
    HostAddresses,
    Ipv4Address,
    Line,
    Name,
    Network,
    PeerCount,
    Percent,
    Port,
    PositiveDuration,
    Reference,
    RouterId,
    ServiceName,
    SessionAddress,
    Several,
    StateUrl,
    Target,
    Timestamp,
    WebSocketUrl,
)
from ermon.config.ownership import OwnershipSection
from ermon.config.receivers import AlertmanagerSection, WebhookEntry
from ermon.config.shape import Alone, Section
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import InternetUse
from ermon.model.settings import Severity

KNOWN_CHECKS: Mapping[str, Mapping[str, Parameter]] = {
    name: {parameter.name: parameter for parameter in check.parameters} for name, check in CATALOGUE.items()
}
"""Every check of the catalogue, in its order, with its own parameters."""


class CustomerSection(Section):
    """Whose network this is."""

    asn: Asn
    """Your AS number, as Microsoft sees it."""
    provider_asns: Several[Asn] = ()
    """AS numbers of a layer-3 ExpressRoute provider, which stand between yours and 12076 in AS paths."""
    own_prefixes: Several[Network] = ()
    """Your address space, wherever it is announced."""
    origin_asns: Several[Asn] = ()
    """Other AS numbers that may originate your space: subsidiaries, a DDoS scrubber."""
    wan_asns: Several[Asn] = ()
    """AS numbers of carriers between your sites, such as an MPLS provider's."""


class BmpSection(Section):
    """How ermon takes BMP connections of routers."""

    listen: AtLeastOne[Endpoint]
    """Addresses and ports of this machine that routers connect to, such as 192.0.2.10:11019."""
    stats_within: PositiveDuration = 180.0
    """How long a router may send no statistics of a session before its state counts as unknown."""
    max_message: ByteSize = 1024**2
    """Longest BMP message; with a longer one, ermon closes the connection and reports it."""


class CollectorSection(Section):
    """ermon's side of the BGP sessions, which ExaBGP speaks."""

    router_id: RouterId = "127.0.0.1"
    """BGP identifier of ermon's side; any IPv4 address that no router uses as its own."""
    # Alone, because customer.asn would otherwise count as the default of local_asn, and be reported there.
    asn: Annotated[Asn | None, Alone(spoils=("customer",))] = None
    """AS number of ermon's side of a session, unless the feed has a local_asn. Default: customer.asn."""
    port: Port = 179
    """TCP port that routers connect to."""
    hold_time: HoldTime = 30.0
    """BGP hold time: ermon ends a session after this silence. Whole seconds, at least 3s."""
    settle: Duration = 2.0
    """Quiet time after End-of-RIB before a feed counts as in sync."""
    settle_limit: Duration = 10.0
    """A feed is in sync this long after End-of-RIB even if updates go on."""
    sync_timeout: PositiveDuration = 120.0
    """A feed is in sync this long after its session came up even without End-of-RIB."""
    max_routes: Count = 2_000_000
    """Maximum number of routes of one feed; with more, ermon tears the feed down and reports it."""
    max_bytes: ByteSize = 512 * 1024**2
    """Maximum memory for the routes of one feed; with more, ermon tears the feed down and reports it."""
    reconnect_grace: Duration = 150.0
    """How long routers may take to reconnect after ExaBGP's start."""
    bmp: BmpSection | None = None
    """How ermon takes BMP connections. Default: it takes none."""


class BmpPeerEntry(Section):
    """Microsoft's end of a link, as the router reports it."""

    ipv4: Ipv4Address | None = None
    """Its IPv4 address. Default: the second host of the link's subnet."""
    ipv6: HostAddress | None = None
    """Its address on the session that carries IPv6. Default: the second host of the link's subnet6."""
    rd: Distinguisher | None = None
    """Route distinguisher of the VRF that the session is in. Default: any."""


class RouterBmpSection(Section):
    """The router reports its BGP sessions to ermon (BMP, RFC 7854)."""

    peer: SessionAddress
    """The address that the router connects from; connections from other addresses are refused."""
    md5_password_file: Line | None = None
    """File with the connection's TCP MD5 key (RFC 2385), looked for in $CREDENTIALS_DIRECTORY, then beside this file."""
    ttl_security: Hops | None = None
    """Packets are accepted from at most this many hops away (RFC 5082)."""
    pre_policy: Boolean = False
    """Whether the router reports correctly what it receives before its inbound policy; not so on FRR."""
    adj_rib_out: Boolean = False
    """Whether the router reports what it advertises (RFC 8671); then its links and uplinks need no mirrors."""
    peers: dict[Line, BmpPeerEntry] = Field(default={})
    """Links by CIRCUIT/LINK whose session is reported with another address, or in a VRF."""


class RouterEntry(Section):
    """A router of yours."""

    addresses: Several[HostAddress] = ()
    """Its own addresses: a route with such a next hop is an internal copy of that router's route."""
    platform: (
        Literal[
            "bird",
            "eos",
            "fortios",
            "frr",
            "gobgp",
            "iosxe",
            "iosxr",
            "junos",
            "nxos",
            "openbgpd",
            "panos",
            "vyos",
        ]
        | None
    ) = None
    """Its platform, as in "ermon render router --platform"."""
    bmp: RouterBmpSection | None = None
    """The router reports its BGP sessions to ermon."""


class PoolEntry(Section):
    """A NAT pool: addresses that your traffic to Microsoft comes from, or that Microsoft calls."""

    circuit: Reference | None = None
    """The circuit that advertises it; or name several under circuits."""
    circuits: AtLeastOne[Reference] | None = None
    """The circuits that advertise it."""
    prefixes: AtLeastOne[Network]
    """Its addresses."""
    links: AtLeastOne[Reference] | None = None
    """The links that advertise it, if only some of them should. Default: every link of its circuits."""
    use: Literal["outbound", "inbound"] = "outbound"
    """outbound: the source addresses of your clients; inbound: addresses that Microsoft connects to."""
    internet: Annotated[InternetUse, Strict(strict=False)] = InternetUse.FORBIDDEN
    """On the internet: forbidden (nothing may be there), aggregate (a less specific covering route may be there), or
    failover (the pool itself may be there while its links are down)."""


class UplinkEntry(Section):
    """A connection to an internet provider."""

    router: Name
    """Your router at this end."""
    asn: Asn
    """AS number of the internet provider."""
    neighbor: HostAddresses = ()
    """Addresses of the provider's router, one of each family: for the commands that ermon shows, and to find its sessions by BMP."""
    site: Line | None = None
    """Site that the uplink belongs to, for uplinks-down. Default: all uplinks without a site are one."""


class SegmentEntry(Section):
    """A part of your internal network with its own routers."""

    expressroute: Literal["forbidden", "required"]
    """Whether Microsoft's routes are forbidden or required there."""
    local: Several[Network] = ()
    """Prefixes that it reaches by a local breakout with static routes; they are left out."""


class FeedEntry(Section):
    """One BGP session from a router to ermon."""

    view: FeedView
    """Which table its routes are: the router's own table, what it advertises to Microsoft or to an internet uplink,
    the internet's table, or a segment's table."""
    peer: SessionAddress | None = None
    """The router's address of the session. Required, except with source."""
    local: SessionAddress | None = None
    """ermon's address of the session; it differs between the feeds of a router. Required, except with source."""
    peer_asn: Asn | None = None
    """The router's AS number. Required, except with source."""
    local_asn: Asn | None = None
    """ermon's AS number here: the router's own on an edge-table (iBGP), one that appears in no path on
    to-microsoft and to-internet (eBGP). Default: collector.asn."""
    families: AtLeastOne[Literal["ipv4", "ipv6"]] = ("ipv4",)
    """Address families on the session."""
    add_path: Boolean = False
    """Whether the router sends all its paths (RFC 7911); only then ermon can prove that a link has no route."""
    router: Reference | None = None
    """The router that sends the feed."""
    vrf: Line | None = None
    """edge-table: the VRF of the router that it shows. Default: the global table."""
    circuit: Reference | None = None
    """to-microsoft: the circuit of the mirrored link."""
    link: Reference | None = None
    """to-microsoft: the mirrored link."""
    uplink: Reference | None = None
    """to-internet: the mirrored uplink."""
    segment: Reference | None = None
    """segment: the segment whose table it is."""
    canary: Several[Network] = ()
    """Prefixes that this feed must always show; while one is missing, the feed counts as not in sync."""
    source: Literal["ris-live"] | None = None
    """internet: RIPE's route collectors instead of a session. RIPE learns your prefixes. Needs a canary."""
    min_peers: PeerCount | None = None
    """source: a prefix counts once RIPE's peers of so many ASNs have it. Default: 2."""
    url: WebSocketUrl | None = None
    """source: the address of RIS Live. Default: RIPE's own."""
    state_url: StateUrl | None = None
    """source: the address of RIPEstat's bgp-state. Default: RIPE's own."""
    md5_password_file: Line | None = None
    """File with the session's TCP MD5 key (RFC 2385), looked for in $CREDENTIALS_DIRECTORY, then beside this
    file."""
    ttl_security: Hops | None = None
    """Packets are accepted from at most this many hops away (RFC 5082)."""


class SessionEntry(FeedEntry):
    """A feed that is a session, with what each session has."""

    peer: SessionAddress
    local: SessionAddress
    peer_asn: Asn


class AcceptEntry(Section):
    """A lint that you accept."""

    lint: Line
    """Its name, as "ermon check" prints it."""
    at: Line
    """The path that "ermon check" prints before it, or what that is in: circuits.chicago for circuits.chicago.links."""
    reason: Line
    """Why, for the next reader of the file."""


class PolicySection(Section):
    """Settings of the checks for all circuits."""

    microsoft_asns: AtLeastOne[Asn] = (MICROSOFT_ASN, 8075, 8068, 8069)
    """AS numbers that a Microsoft route may carry; any other is origin-unexpected."""
    public_space: Several[Network] = ()
    """Address space that also counts as public; for laboratories."""
    internet_covering: Literal["warning", "critical"] = "warning"
    """Severity of pool-covered."""
    max_drain: PositiveDuration = 4 * 3600.0
    """A link counts as draining for at most this long after its drain began."""
    failover_grace: Duration = 180.0
    """How long a pool that says failover may stay on the internet after a link of its circuits came up."""
    relearn_after: PositiveDuration = 7 * 86400.0
    """How long a new level must be steady to become the usual one."""
    blackhole_communities: Several[CommunityText] = ()
    """Communities that mean remote-triggered blackholing, besides 65535:666."""
    accept: Several[AcceptEntry] = ()
    """Lints that you accept."""


class CheckEntry(Section):
    """Settings of one check; the catalogue has the defaults."""

    enabled: Boolean | None = None
    """false switches the check off: it neither reports nor suppresses."""
    severity: Annotated[Severity, Strict(strict=False)] | None = None
    """Severity of its findings."""
    raise_after: Duration | None = None
    """How long a violation must last without interruption before it is raised."""
    clear_after: Duration | None = None
    """How long the check must be ok before the finding is cleared."""


class MaintenanceEntry(Section):
    """A maintenance window: nothing new is raised for what it covers."""

    starts: Timestamp = Field(alias="from")
    """When it begins, with the time zone: 2026-12-01T02:00:00Z."""
    ends: Timestamp = Field(alias="to")
    """When it ends; every window must have an end."""
    reason: Line
    """Why, for the engineer on call."""
    circuit: Reference | None = None
    """The circuit; all of its links are covered."""
    link: Reference | None = None
    """One link of the circuit only."""
    feed: Reference | None = None
    """A feed, instead of a circuit."""
    router: Reference | None = None
    """A router, with its links and feeds."""
    uplink: Reference | None = None
    """An uplink."""
    segment: Reference | None = None
    """A segment."""
    group: Reference | None = None
    """A group of circuits."""


class ExceptionEntry(Section):
    """Subjects for which a check is switched off, and why; a label that is not given matches every value."""

    check: Reference
    """The check."""
    reason: Line
    """Why, for the engineer on call."""
    until: End | None = None
    """When it ends: a date, or a time with its zone. Default: never."""
    circuit: Line | None = None
    """Their label circuit."""
    link: Line | None = None
    """Their label link."""
    family: Line | None = None
    """Their label family."""
    pool: Line | None = None
    """Their label pool."""
    feed: Line | None = None
    """Their label feed."""
    uplink: Line | None = None
    """Their label uplink."""
    segment: Line | None = None
    """Their label segment."""
    ms_service: Line | None = None
    """Their label ms_service."""
    geo: Line | None = None
    """Their label geo."""
    group: Line | None = None
    """Their label group."""
    peering: Line | None = None
    """Their label peering."""
    view: Line | None = None
    """Their label view."""
    process: Line | None = None
    """Their label process."""
    source: Line | None = None
    """Their label source."""
    router: Line | None = None
    """Their label router."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that have a value."""
        keys = type(self).model_fields.keys() - {"check", "reason", "until"}
        return {key: value for key in sorted(keys) if (value := getattr(self, key)) is not None}


class ProbeEntry(Section):
    """A TCP port of a service that blackbox_exporter probes, besides those that the Microsoft 365 list names."""

    service: ServiceName
    """The service, by name or community."""
    target: Target
    """A host of the service and the port, such as outlook.office365.com:443."""


class ChecksSection(Section):
    """Settings of checks, by name."""


class Draft(Section):
    """The valid parts of a file, for the rules between values."""

    customer: CustomerSection | None = None
    collector: CollectorSection = CollectorSection()
    """ermon's side of the BGP sessions, which ExaBGP speaks."""
    routers: dict[Name, RouterEntry] = Field(default={})
    """Routers by name; their own addresses identify internal copies of routes."""
    azure: Annotated[AzureSection | None, Alone(spoils=("circuits",))] = None
    """How ermon logs in to Azure Resource Manager; only where a circuit is read from there."""
    circuits: dict[Name, CircuitEntry] = Field(default={})
    nat_pools: dict[Name, PoolEntry] = Field(default={})
    """NAT pools by name."""
    ownership: Annotated[OwnershipSection, Alone()] = OwnershipSection()
    """Registries that say whose your address space is. Default: none is asked."""
    internet_only: Annotated[Several[Network], Alone()] = ()
    """Address space published to the internet that must never be advertised to Microsoft."""
    uplinks: dict[Name, UplinkEntry] = Field(default={})
    """Internet uplinks by name."""
    segments: dict[Name, SegmentEntry] = Field(default={})
    """Internal segments by name, for route scoping."""
    feeds: dict[Name, FeedEntry] = Field(default={})
    policy: PolicySection = PolicySection()
    """Settings of the checks for all circuits."""
    maintenance: Several[MaintenanceEntry | None] = ()
    exceptions: Several[ExceptionEntry | None] = ()
    alertmanager: AlertmanagerSection = AlertmanagerSection()
    """Pushing findings to Alertmanager."""
    webhooks: Several[WebhookEntry | None] = ()
    probes: Several[ProbeEntry | None] = ()


class File(Draft):
    """The configuration of ermon: circuits, pools and feeds, and the policy that they must meet."""

    customer: CustomerSection
    """Whose network this is."""
    circuits: Annotated[dict[Name, CircuitEntry], Field(min_length=1)]
    """ExpressRoute circuits by name."""
    feeds: dict[Name, FeedEntry] = Field(default={})
    """BGP sessions from routers to ermon, by name."""
    maintenance: Several[MaintenanceEntry] = ()
    """Maintenance windows; nothing new is raised for what they cover."""
    exceptions: Several[ExceptionEntry] = ()
    """Subjects for which a check is switched off."""
    webhooks: Several[WebhookEntry] = ()
    """Receivers of findings as JSON."""
    probes: Several[ProbeEntry] = ()
    """Targets for blackbox_exporter, which ermon hands to Prometheus with those of the Microsoft 365 list."""
    checks: ChecksSection = ChecksSection()
    """Settings of checks, by name."""


_PARAMETER_TYPES: Mapping[str, Any] = {"count": Count, "percent": Percent, "duration": PositiveDuration}


def _check_entry(name: str, parameters: Mapping[str, Parameter]) -> type[CheckEntry]:
    """Return the model of a check's entry: its own keys beside those of every check."""
    if not parameters:
        return CheckEntry
    fields: dict[str, Any] = {
        key: (
            _PARAMETER_TYPES[p.unit] | None,
            Field(default=None, description=f"{p.description} {_default(p)}"),
        )
        for key, p in parameters.items()
    }
    return create_model(f"CheckEntry_{name}", __base__=CheckEntry, __doc__=CheckEntry.__doc__, **fields)


def _default(parameter: Parameter) -> str:
    unit = "s" if parameter.unit == "duration" else ""
    return f"Default: {parameter.default:g}{unit}."


def file_model(known: Mapping[str, Mapping[str, Parameter]] = KNOWN_CHECKS) -> type[File]:
    """Return the model of the whole file, with the checks of ``known`` and their parameters."""
    entries: dict[str, Any] = {name: (_check_entry(name, own) | None, None) for name, own in known.items()}
    checks = create_model("Checks", __base__=ChecksSection, __doc__=ChecksSection.__doc__, **entries)
    whole: Any = (checks, Field(default=checks(), description="Settings of checks, by name."))
    return create_model("File", __base__=File, __doc__=File.__doc__, checks=whole)


FILE = file_model()
