"""What Microsoft's edge says of one link: its BGP neighbors, its routes, its ARP table and its counters.

Azure Resource Manager reads these tables from the edge routers on request, and prints them nearly as the routers do. So the
fields are texts that are kept as they came, and the meaning of a text is worked out here. Sources: Microsoft,
"Express Route Circuits - List Routes Table", "List Routes Table Summary", "List Arp Table" and "Get Peering Stats" (REST API
2024-05-01), and "Getting ARP tables in the Resource Manager deployment model".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ermon.model.inventory import Circuit, Link
from ermon.model.prefixes import Address, Family, Prefix, parse_address, parse_nlri

DEVICES = ("primary", "secondary")
"""Azure's names of the two edge routers of a circuit."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_UNITS = {"y": 365 * _DAY, "w": 7 * _DAY, "d": _DAY, "h": _HOUR, "m": _MINUTE, "s": 1.0}
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)")
_PARTS = re.compile(r"(?:\d{1,6}[ywdhms])+")
_PART = re.compile(r"(\d+)([ywdhms])")
_ASN_SPACE = 1 << 32


class AzureRoute(msgspec.Struct, frozen=True, array_like=True):
    """One path of the edge router's table."""

    network: str
    """The prefix, as ``ADDRESS/LENGTH`` without host bits."""
    next_hop: str = ""
    """As it came, for example ``203.0.113.1*``."""
    path: str = ""
    """The AS path as it came, for example ``64500 I``: an origin code may follow the ASNs."""

    @property
    def prefix(self) -> Prefix:
        return parse_nlri(self.network)

    @property
    def next_hop_address(self) -> Address | None:
        """The next hop without the router's marks; ``None`` if it is no address."""
        return read_address(self.next_hop)

    @property
    def asns(self) -> tuple[int, ...]:
        """The ASNs of the path, those of sets and confederations included."""
        return tuple(
            asn for word in re.split(r"[\s{}()\[\],]+", self.path) if (asn := read_asn(word)) is not None
        )


class AzureNeighbor(msgspec.Struct, frozen=True, omit_defaults=True):
    """One BGP neighbor of the edge router, from the summary of its route table."""

    address: str
    asn: int = 0
    """0 if it cannot be read."""
    up_down: str = ""
    """For how long it has been in its state, as the router writes it: ``8w4d``, ``00:12:33``, ``never``."""
    state: str = ""
    """The number of prefixes received if the session is established, else the word for its state, such as ``Idle``."""

    @property
    def parsed(self) -> Address | None:
        """The address; ``None`` if it cannot be read."""
        return read_address(self.address)

    @property
    def family(self) -> Family | None:
        return None if self.parsed is None else self.parsed.prefix.family

    @property
    def received(self) -> int | None:
        """The number of prefixes that it sends; ``None`` if the session is not established."""
        return int(self.state) if self.state.isascii() and self.state.isdigit() else None

    @property
    def seconds(self) -> float | None:
        """For how many seconds it has been in its state, to the precision of the text; ``None`` if that is not said."""
        return read_duration(self.up_down)


class AzureArp(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the edge router's ARP table for the subnet of a link."""

    interface: str
    """``On-Prem`` or ``Microsoft``."""
    address: str = ""
    mac: str = ""
    """As it came: ``ffff.eeee.dddd``, ``Incomplete``, or empty."""

    @property
    def complete(self) -> bool:
        digits = re.sub(r"[.:\-\s]", "", self.mac)
        return re.fullmatch(r"[0-9A-Fa-f]{12}", digits) is not None and digits.strip("0") != ""

    @property
    def is_ours(self) -> bool:
        """Whether it is our side: that of the customer, or of the provider in between."""
        return self.interface.replace("-", "").replace(" ", "").casefold().startswith("onprem")


class AzureTraffic(msgspec.Struct, frozen=True, omit_defaults=True):
    """The octets of a link since some time in the past, seen from Microsoft's edge."""

    bytes_in: int = 0
    bytes_out: int = 0


def arp_problem(table: Iterable[AzureArp]) -> str:
    """Return what an ARP table says is wrong, and who can mend it; empty if both sides are resolved.

    Source: Microsoft, "Getting ARP tables in the Resource Manager deployment model": without the entry of our side, or with an
    incomplete one, the cause is ours or the provider's; without any entry, it is Microsoft's.
    """
    entries = tuple(table)
    if not entries:
        return "ARP table empty: open a support case with Microsoft"
    ours = [entry for entry in entries if entry.is_ours]
    if not ours:
        return "ARP shows Microsoft's side only: call the provider"
    if not all(entry.complete for entry in ours):
        return "ARP incomplete: call the provider"
    return ""


def device_of(circuit: Circuit, link: Link) -> str | None:
    """Return Azure's name of the edge router of a link: the link's own name, or by its place in the configuration.

    ``None`` if the circuit has more links than Azure has edge routers.
    """
    names = list(circuit.links)
    if link.name in DEVICES:
        return link.name
    at = names.index(link.name)
    return DEVICES[at] if at < len(DEVICES) and not set(names) & set(DEVICES) else None


# Reading what routers write ----------------------------------------------------------------------------------------


def read_address(text: str) -> Address | None:
    """Return the address in a text that may have marks of a router around it, such as ``203.0.113.1*``."""
    try:
        return parse_address(text.strip(" *>=~()"))
    except ValueError:
        return None


def read_asn(text: str) -> int | None:
    """Return an ASN that is written plainly, as ``1.10`` (RFC 5396), or as a negative number of 32 bits, as Azure's API declares it."""
    if match := re.fullmatch(r"(\d{1,5})\.(\d{1,5})", text, re.ASCII):
        high, low = int(match[1]), int(match[2])
        return high << 16 | low if high < 65536 and low < 65536 else None
    if not re.fullmatch(r"-?\d{1,10}", text, re.ASCII):
        return None
    value = int(text)
    if -_ASN_SPACE // 2 <= value < 0:
        value += _ASN_SPACE
    return value if 0 < value < _ASN_SPACE else None


def read_duration(text: str) -> float | None:
    """Return the seconds in ``HH:MM:SS``, ``1d02h``, ``8w4d`` or ``1y2w``; ``None`` for anything else, such as ``never``."""
    text = text.strip()
    if match := _CLOCK.fullmatch(text):
        return int(match[1]) * _HOUR + int(match[2]) * _MINUTE + int(match[3])
    if not text.isascii() or not _PARTS.fullmatch(text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
