"""The answers about a network so far, and the parsing of texts into answers, as in the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ermon.config.fields import (
    Asn,
    HostAddress,
    Ipv4Network,
    Ipv6Network,
    Line,
    Name,
    Network,
    ServiceName,
    SessionAddress,
)
from ermon.config.ownership import VRPS_REFRESH_SECONDS
from ermon.model.inventory import Peering
from ermon.model.ownership import VRPS, OwnershipSource
from ermon.model.prefixes import Address, Prefix
from ermon.model.source_key import is_url
from ermon.sources.ownership import read_file
from ermon.sources.published import SourceError

LINKS = ("primary", "secondary")
"""The two connections that every ExpressRoute circuit has."""

MAX_NAME = 63
"""As in the configuration."""


class Design(StrEnum):
    """Designs of the customer's end of circuits; a network may combine several."""

    TWO_ROUTERS = "two-routers"
    ONE_ROUTER = "one-router"
    VRFS = "vrfs"
    FIREWALL = "firewall"
    PROVIDER = "provider"


DESIGNS: Mapping[Design, str] = {
    Design.TWO_ROUTERS: "each link of a circuit ends on a router of its own",
    Design.ONE_ROUTER: "both links of a circuit end on one router",
    Design.VRFS: "Microsoft peering and private peering are in VRFs of the routers",
    Design.FIREWALL: "both links end on a firewall cluster or an SD-WAN edge, which sends best paths only",
    Design.PROVIDER: "a layer-3 provider runs BGP with Microsoft, and you run BGP with the provider",
}


class AnswerError(Exception):
    """An input cannot be used; the text names it, and says what is valid."""


@dataclass(slots=True)
class LinkAnswers:
    router: str | None = None
    subnet: Prefix | None = None
    subnet6: Prefix | None = None
    subnet6_proposed: bool = False
    """Azure has IPv6 here; whether the routers use it is not known."""
    location: str | None = None
    """The site of the link, if the links of a circuit are at different sites (Metro)."""
    location_proposed: bool = False
    """Which link is at which site is not known."""

    provider_addresses: list[Address] = field(default_factory=list)
    """The provider's router that sends the link's routes, if a layer-3 provider runs BGP with Microsoft."""
    provider_proposed: bool = False

    @property
    def has_subnet(self) -> bool:
        return self.subnet is not None or self.subnet6 is not None

    def set_subnet(self, prefix: Prefix) -> None:
        if prefix.version == 4:
            self.subnet = prefix
        else:
            self.subnet6 = prefix
            self.subnet6_proposed = False


@dataclass(slots=True)
class CircuitAnswers:
    name: str
    geo: str | None = None
    location: str | None = None
    peering: Peering | None = None
    premium: bool | None = None
    vrf: str | None = None
    """The routing table of its links on the routers; ``None``: the global one."""
    vrf_proposed: bool = False
    services: list[str] = field(default_factory=list)
    links: dict[str, LinkAnswers] = field(default_factory=lambda: {name: LinkAnswers() for name in LINKS})
    vnets: list[Prefix] = field(default_factory=list)
    """Address space of the virtual networks behind it; private peering only."""
    vnets_proposed: bool = False
    """Which of them are behind this circuit is not known."""
    ports: str | None = None
    """Circuits with the same text here are peerings of one Azure circuit: they end on the same routers."""


@dataclass(slots=True)
class PoolAnswers:
    circuits: list[str]
    prefixes: list[Prefix]
    proposed: bool = False
    """Azure lists these as advertised; whether they are NAT pools is not known."""


@dataclass(slots=True)
class UplinkAnswers:
    router: str
    asn: int


@dataclass(slots=True)
class Answers:
    asn: int | None = None
    peer_asns: dict[str, int] = field(default_factory=dict)
    """Azure's peer ASN, by circuit."""
    customer_asns: dict[str, int] = field(default_factory=dict)
    """The ASN to which the advertised prefixes are registered, by circuit, if Azure has a separate one."""
    designs: set[Design] = field(default_factory=set)
    provider_asns: list[int] = field(default_factory=list)
    """ASNs of a layer-3 provider, between ours and 12076."""
    best_paths: set[str] = field(default_factory=set)
    """Routers that send only best paths."""
    bmp: set[str] = field(default_factory=set)
    """Routers that report their sessions by BMP."""
    own_prefixes: list[Prefix] = field(default_factory=list)
    circuits: dict[str, CircuitAnswers] = field(default_factory=dict)
    pools: dict[str, PoolAnswers] = field(default_factory=dict)
    uplinks: dict[str, UplinkAnswers] = field(default_factory=dict)
    routers: dict[str, Address] = field(default_factory=dict)
    """The address from which a router connects to ermon; for a VRF the key is ``ROUTER/VRF``."""
    vrps: str | None = None
    """A file with VRPs, which was read."""
    collector: Address | None = None
    """The first of ermon's addresses."""
    notes: list[str] = field(default_factory=list)
    """Notes for the user, one line each."""

    @property
    def microsoft(self) -> list[CircuitAnswers]:
        """Return the circuits with Microsoft peering: only these have NAT pools."""
        return [each for each in self.circuits.values() if each.peering is Peering.MICROSOFT]

    @property
    def ends(self) -> list[str]:
        """The routing tables that have sessions with ermon, as in ``routers``."""
        ends = [
            end_of(link.router, circuit.vrf)
            for circuit in self.circuits.values()
            for link in circuit.links.values()
            if link.router is not None
        ]
        return list(dict.fromkeys([*ends, *(uplink.router for uplink in self.uplinks.values())]))

    @property
    def router_names(self) -> list[str]:
        """The routers of links and uplinks."""
        return list(dict.fromkeys(end.partition("/")[0] for end in self.ends))


# Texts -------------------------------------------------------------------------------------------------


def _checked(field_type: Any, value: object) -> Any:
    """Read a value as the configuration does; ``ValueError`` with the same message."""
    try:
        return TypeAdapter(field_type).validate_python(value)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise ValueError(str(detail.get("ctx", {}).get("error", detail["msg"]))) from None


def _reader(field_type: Any) -> Callable[[str], Any]:
    return lambda text: _checked(field_type, text.strip())


# Each reads a text as the configuration does: ``ValueError`` says what is valid.
read_name: Callable[[str], str] = _reader(Name)
read_address: Callable[[str], Address] = _reader(SessionAddress)
read_host: Callable[[str], Address] = _reader(HostAddress)
read_prefix: Callable[[str], Prefix] = _reader(Network)
read_subnet: Callable[[str], Prefix] = _reader(Ipv4Network)
read_subnet6: Callable[[str], Prefix] = _reader(Ipv6Network)


def read_line(text: str) -> str:
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError(f"must be text in UTF-8, not {text!r}")  # an undecodable byte from the terminal
    return str(_checked(Line, text.strip()))


def read_vrf(text: str) -> str:
    """Read the name of a VRF: one that all platforms of `ermon render router` accept."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,62}", text.strip()):
        raise ValueError(
            f"{text.strip()!r} cannot be the name of a VRF; letters, digits and . _ : - are allowed"
        )
    return text.strip()


def read_asn(text: str) -> int:
    text = text.strip().upper().removeprefix("AS")
    return int(_checked(Asn, int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text))


def read_service(text: str) -> str:
    """Read a service, a slug or a community, and return it as it was written."""
    _checked(ServiceName, text.strip())
    return text.strip()


def read_peering(text: str) -> Peering:
    try:
        return Peering(text.strip().lower())
    except ValueError:
        raise ValueError(f"must be microsoft or private, not {text.strip()!r}") from None


def read_designs(text: str) -> set[Design]:
    found = set()
    for part in listed(text):
        try:
            found.add(Design(part.lower()))
        except ValueError:
            raise ValueError(f"{part!r} is not a design; the designs are {', '.join(Design)}") from None
    if not found:
        raise ValueError(f"must be one or several of {', '.join(Design)}, not nothing")
    if found >= {Design.ONE_ROUTER, Design.TWO_ROUTERS}:
        raise ValueError("one-router and two-routers exclude each other; take one")
    return found


def listed(text: str) -> list[str]:
    """Split a text such as ``a, b``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_prefixes(text: str) -> list[Prefix]:
    found = list(dict.fromkeys(read_prefix(part) for part in listed(text)))
    if not found:
        raise ValueError("must be prefixes such as 198.51.100.0/28, 2001:db8:100:1::/64, not nothing")
    return found


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Make a valid name for the configuration from any text, and one that is not ``taken``."""
    taken = set(taken)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in wanted).lstrip("._-")
    plain = plain or "unnamed"
    for number in range(1, len(taken) + 2):
        suffix = f"-{number}" if number > 1 else ""
        name = plain[: MAX_NAME - len(suffix)] + suffix
        if name not in taken:
            return name
    raise AssertionError("there are more numbers than names")


def end_of(router: str, vrf: str | None) -> str:
    """Return the name of a router's routing table, as in ``Answers.routers``."""
    return router if vrf is None else f"{router}/{vrf}"


# Geopolitical regions ----------------------------------------------------------------------------------

_LOCATIONS: Mapping[str, tuple[str, ...]] = {
    "asia": ("Bangkok", "Hong Kong", "Jakarta", "Kuala Lumpur", "Singapore", "Taipei"),
    "australia-government": ("Canberra",),
    "europe": (
        *(
            "Amsterdam",
            "Berlin",
            "Copenhagen",
            "Dublin",
            "Frankfurt",
            "Geneva",
            "London",
            "Madrid",
            "Marseille",
        ),
        *("Milan", "Munich", "Newport(Wales)", "Oslo", "Paris", "Stavanger", "Stockholm", "Warsaw", "Zurich"),
    ),
    "india": ("Chennai", "Mumbai", "Pune"),
    "israel": ("Tel Aviv",),
    "japan": ("Osaka", "Tokyo"),
    "north-america": (
        *("Atlanta", "Chicago", "Dallas", "Denver", "Las Vegas", "Los Angeles", "Miami", "Minneapolis"),
        *("Montreal", "New York", "Phoenix", "Quebec City", "Queretaro(Mexico)", "Quincy", "San Antonio"),
        *("Seattle", "Silicon Valley", "Toronto", "Vancouver", "Washington DC"),
    ),
    "oceania": ("Auckland", "Melbourne", "Perth", "Sydney"),
    "qatar": ("Doha",),
    "south-africa": ("Cape Town", "Johannesburg"),
    "south-america": ("Campinas", "Rio de Janeiro", "Sao Paulo", "Santiago"),
    "south-korea": ("Busan", "Seoul"),
    "uae": ("Abu Dhabi", "Dubai"),
}
"""Peering locations by geopolitical region, of the public cloud (Microsoft, "Azure regions to ExpressRoute locations
within a geopolitical region", learn.microsoft.com/azure/expressroute/expressroute-locations-providers, page of 2024-04-05).
Several sites of one city differ only in a number at the end.
"""

_GEO = {location.lower(): geo for geo, locations in _LOCATIONS.items() for location in locations}


_METRO = re.compile(r"(.+\S) metro", re.IGNORECASE)


def sites_of(location: str) -> tuple[str, ...]:
    """Return the two sites of a Metro location, and none for others: "Amsterdam Metro" is Amsterdam and Amsterdam2.

    Source: "About ExpressRoute Metro", learn.microsoft.com/azure/expressroute/metro: a Metro circuit has one link at each.
    """
    metro = _METRO.fullmatch(location.strip())
    return (metro[1], f"{metro[1]}2") if metro is not None else ()


def geo_of(location: str) -> str | None:
    """Return the geopolitical region of a peering location, ``None`` if the table does not have it.

    It is a proposal: ``geo`` says which circuits back each other up, and only their owner knows that.
    """
    city, *_ = sites_of(location) or (location,)
    return _GEO.get(re.sub(r" ?\d+$", "", city.strip().lower()))


def read_vrps_file(text: str) -> str:
    """Return the path of a list of VRPs that ermon can read; ``ValueError`` says why it cannot."""
    path = Path(text.strip()).expanduser().absolute()
    if is_url(text.strip()):
        raise ValueError(
            "must be a file here; add the URL of a validator to ermon.yml afterwards: ownership.vrps"
        )
    try:
        read_file(OwnershipSource(VRPS, str(path), VRPS_REFRESH_SECONDS), Path("/"), ())
    except SourceError as error:
        raise ValueError(str(error)) from None
    return str(path)
