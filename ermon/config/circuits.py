"""The shape of a circuit in ``ermon.yml``: its links, what Microsoft must send on them, and what may be sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from ermon.config.azure import CircuitAzureSection
from ermon.config.fields import (
    AnyNetwork,
    Boolean,
    Communities,
    Count,
    Day,
    HostAddresses,
    Ipv4Network,
    Ipv6Network,
    Line,
    Name,
    Network,
    Percent,
    PositiveDuration,
    ServiceName,
    Several,
    SourceLocation,
)
from ermon.config.shape import Alone, Section
from ermon.model.inventory import Peering


class MatchSection(Section):
    """What identifies a route of the link if its next hop is not in the link's subnet."""

    next_hop: HostAddresses | None = None
    """Next hops of the link's routes."""
    community: Communities | None = None
    """Communities that your router puts on the link's routes, such as "64500:302"."""
    prefixes: Several[Network] = ()
    """Inside these prefixes, a route with such a next hop belongs to the link with any path; for a provider that
    summarizes Microsoft's routes."""


class LinkEntry(Section):
    """One of the two connections of a circuit."""

    router: Name
    """Your router at this end of the link."""
    location: Line | None = None
    """Peering location of this link, where the links of a circuit differ (Metro). Default: the circuit's."""
    subnet: Ipv4Network | None = None
    """IPv4 subnet of the link, a /30: its first host is your router, the second Microsoft's."""
    subnet6: Ipv6Network | None = None
    """IPv6 subnet of the link, a /126."""
    match: MatchSection | None = None
    """Other ways to identify the link's routes, for routers that rewrite the next hop."""
    vrf: Line | None = None
    """The VRF of the link on the router. Default: the circuit's."""


class MinimumSection(Section):
    """The least number of routes, by family."""

    ipv4: Count | None = None
    """IPv4 routes on each link."""
    ipv6: Count | None = None
    """IPv6 routes on each link."""


class ExpectedPrefixEntry(Section):
    """A prefix that must be covered, optionally only between two dates."""

    prefix: Network
    """The prefix."""
    starts: Day | None = Field(default=None, alias="from")
    """First day (UTC) on which it is expected."""
    ends: Day | None = Field(default=None, alias="until")
    """First day (UTC) on which it is no longer expected."""


class ServiceEntry(Section):
    """A service or region that is required on each link, and the number of its routes."""

    name: ServiceName
    """The service, by name or community."""
    minimum: Count | None = None
    """Fewer routes than this is service-count-low."""
    drop_percent: Percent | None = None
    """A loss of this many percent of the usual level is service-count-low too. Default: the circuit's drop_percent."""


def _name_alone(value: object) -> object:
    return value if isinstance(value, dict) else {"name": value}


def _prefix_alone(value: object) -> object:
    return {"prefix": value} if isinstance(value, str) else value


class SourceEntry(Section):
    """A list of prefixes that Microsoft publishes."""

    kind: Literal["m365", "service-tags", "bgp-communities"]
    """Which list: the Microsoft 365 endpoints, Azure's service tags, or the BGP service communities."""
    location: SourceLocation = Field(alias="from")
    """A file, relative to this one, or an https URL."""
    refresh: PositiveDuration = 12 * 3600.0
    """How often it is read again."""
    select: Several[Line] = ()
    """The parts of the list to use, such as [Exchange]. Default: all."""


class ReceiveSection(Section):
    """What Microsoft must send on each link of the circuit."""

    services: Several[
        Annotated[
            ServiceEntry, BeforeValidator(_name_alone, json_schema_input_type=ServiceName | ServiceEntry)
        ]
    ] = ()
    """Services and regions, by name or community; each must have at least one route."""
    minimum: MinimumSection = MinimumSection()
    """Fewer routes than this is prefix-count-low."""
    drop_percent: Percent | None = None
    """A loss of this many percent of the link's usual level is prefix-count-low too."""
    prefixes: Several[
        Annotated[
            ExpectedPrefixEntry,
            BeforeValidator(_prefix_alone, json_schema_input_type=Network | ExpectedPrefixEntry),
        ]
    ] = ()
    """Prefixes that the link's routes must cover."""
    sources: Several[SourceEntry] = ()
    """Published lists of prefixes that the link's routes must cover."""
    only_listed: Boolean = False
    """Whether a route outside services, prefixes and sources is prefix-unlisted."""
    own_prefixes: Several[Network] = ()
    """Your own space that may come back: BYOIP, Global Reach, branch to branch."""
    allow_default: Boolean = False
    """Whether Azure may send a default route; private peering only."""
    vnets: Several[Network] = ()
    """Address space of your virtual networks; a route outside it is prefix-unlisted. Private peering only."""
    gateways: Count = 1
    """Number of virtual network gateways connected to the circuit; private peering only."""


def _any_prefix(value: object) -> object:
    if value == "any":
        return None
    if isinstance(value, list):
        return value
    raise ValueError("must be a list of prefixes, or the word any")


class AdvertiseSection(Section):
    """What you may advertise to Microsoft besides the circuit's NAT pools."""

    prefixes: Annotated[
        Several[Network] | None,
        BeforeValidator(_any_prefix, json_schema_input_type=Literal["any"] | Several[Network]),
    ] = None
    """Prefixes, or any for everything. Default: none on Microsoft peering, any on private peering."""
    allow_default: Boolean = False
    """Whether a default route may be advertised; private peering only."""
    required: Several[AnyNetwork] = ()
    """Prefixes that must be covered besides the NAT pools; a default route must be advertised as such."""
    drop_percent: Percent | None = None
    """A loss of this many percent of the link's usual level is advertised-count-low."""


class CircuitEntry(Section):
    """An ExpressRoute circuit with one of its peerings; one with both is two entries."""

    geo: Line
    """ExpressRoute geopolitical region, such as us; circuits of one geo back each other up."""
    location: Line
    """Peering location, such as Chicago."""
    peering: Annotated[Peering, Strict(strict=False)]
    """Which peering of the circuit this is."""
    group: Name | None = None
    """Circuits of one geo, peering and group back each other up."""
    metro: Line | None = None
    """Its metropolitan area. Default: the location without its number, so that Amsterdam2 is in Amsterdam."""
    vrf: Line | None = None
    """The VRF of its links on the routers. Default: the global table."""
    premium: Boolean = False
    """Whether the circuit has the premium add-on: 10,000 prefixes on private peering instead of 4,000."""
    links: Annotated[dict[Name, LinkEntry], Field(min_length=1)]
    """Its two connections by name, as a rule primary and secondary."""
    receive: Annotated[ReceiveSection, Alone()] = ReceiveSection()
    """What Microsoft must send."""
    advertise: Annotated[AdvertiseSection, Alone()] = AdvertiseSection()
    """What you may advertise."""
    azure: Annotated[CircuitAzureSection | None, Alone()] = None
    """Where Azure's own view of the circuit is read. Default: nowhere."""
