"""What is known of a network so far, and how a text becomes an answer: in the words of the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ermon.config.fields import (
    Asn,
    Ipv4Network,
    Ipv6Network,
    Line,
    Name,
    Network,
    ServiceName,
    SessionAddress,
)
from ermon.model.inventory import Peering
from ermon.model.prefixes import Address, Prefix

LINKS = ("primary", "secondary")
"""The two connections that every ExpressRoute circuit has."""

MAX_NAME = 63
"""As in the configuration."""


class AnswerError(Exception):
    """Something that was given cannot be used; the text names it, and says what would be right."""


@dataclass(slots=True)
class LinkAnswers:
    router: str | None = None
    subnet: Prefix | None = None
    subnet6: Prefix | None = None

    @property
    def has_subnet(self) -> bool:
        return self.subnet is not None or self.subnet6 is not None

    def set_subnet(self, prefix: Prefix) -> None:
        if prefix.version == 4:
            self.subnet = prefix
        else:
            self.subnet6 = prefix


@dataclass(slots=True)
class CircuitAnswers:
    name: str
    geo: str | None = None
    location: str | None = None
    peering: Peering | None = None
    premium: bool | None = None
    services: list[str] = field(default_factory=list)
    links: dict[str, LinkAnswers] = field(default_factory=lambda: {name: LinkAnswers() for name in LINKS})
    ports: str | None = None
    """Circuits with the same text here are peerings of one circuit of Azure's: they end on the same routers."""


@dataclass(slots=True)
class PoolAnswers:
    circuits: list[str]
    prefixes: list[Prefix]
    proposed: bool = False
    """Azure knows that these are advertised, not that they are NAT pools."""


@dataclass(slots=True)
class UplinkAnswers:
    router: str
    asn: int


@dataclass(slots=True)
class Answers:
    asn: int | None = None
    own_prefixes: list[Prefix] = field(default_factory=list)
    circuits: dict[str, CircuitAnswers] = field(default_factory=dict)
    pools: dict[str, PoolAnswers] = field(default_factory=dict)
    uplinks: dict[str, UplinkAnswers] = field(default_factory=dict)
    routers: dict[str, Address] = field(default_factory=dict)
    """The address that a router speaks to ermon from."""
    collector: Address | None = None
    """The first of ermon's addresses."""
    notes: list[str] = field(default_factory=list)
    """What whoever runs this should know, one line each."""

    @property
    def microsoft(self) -> list[CircuitAnswers]:
        """The circuits with Microsoft peering: only there are NAT pools."""
        return [each for each in self.circuits.values() if each.peering is Peering.MICROSOFT]


# Texts -------------------------------------------------------------------------------------------------


def _checked(field_type: Any, value: object) -> Any:
    """Read a value as the configuration does; ``ValueError`` in its words."""
    try:
        return TypeAdapter(field_type).validate_python(value)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise ValueError(str(detail.get("ctx", {}).get("error", detail["msg"]))) from None


def _reader(field_type: Any) -> Callable[[str], Any]:
    return lambda text: _checked(field_type, text.strip())


# Each reads a text as the configuration would: ``ValueError`` says what would be right.
read_name: Callable[[str], str] = _reader(Name)
read_address: Callable[[str], Address] = _reader(SessionAddress)
read_prefix: Callable[[str], Prefix] = _reader(Network)
read_subnet: Callable[[str], Prefix] = _reader(Ipv4Network)
read_subnet6: Callable[[str], Prefix] = _reader(Ipv6Network)


def read_line(text: str) -> str:
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError(f"must be text in UTF-8, not {text!r}")  # an undecodable byte of the terminal's
    return str(_checked(Line, text.strip()))


def read_asn(text: str) -> int:
    text = text.strip().upper().removeprefix("AS")
    return int(_checked(Asn, int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text))


def read_service(text: str) -> str:
    """Read a service, and keep how it was written: a slug, or a community."""
    _checked(ServiceName, text.strip())
    return text.strip()


def read_peering(text: str) -> Peering:
    try:
        return Peering(text.strip().lower())
    except ValueError:
        raise ValueError(f"must be microsoft or private, not {text.strip()!r}") from None


def listed(text: str) -> list[str]:
    """Take ``a, b`` apart."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_prefixes(text: str) -> list[Prefix]:
    found = list(dict.fromkeys(read_prefix(part) for part in listed(text)))
    if not found:
        raise ValueError("must be prefixes such as 198.51.100.0/28, 2001:db8:100:1::/64, not nothing")
    return found


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Make a name that the configuration takes out of any text, and that is not ``taken``."""
    taken = set(taken)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in wanted).lstrip("._-")
    plain = plain or "unnamed"
    for number in range(1, len(taken) + 2):
        suffix = f"-{number}" if number > 1 else ""
        name = plain[: MAX_NAME - len(suffix)] + suffix
        if name not in taken:
            return name
    raise AssertionError("there are more numbers than names")


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
Several sites of one city differ in a number at the end only.
"""

_GEO = {location.lower(): geo for geo, locations in _LOCATIONS.items() for location in locations}


def geo_of(location: str) -> str | None:
    """Name the geopolitical region of a peering location, ``None`` where the table does not know it.

    It is a proposal: ``geo`` says which circuits back each other up, and only their owner knows that.
    """
    return _GEO.get(re.sub(r" ?\d+$", "", location.strip().lower()))
