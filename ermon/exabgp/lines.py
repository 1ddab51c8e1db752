"""The lines that ExaBGP 5.0 writes with ``encoder json``, as typed values for ``decode`` and ``updates``.

Keys that say nothing about routes or sessions are skipped. Where skipping would lose routes (a family that
is not known here), an unknown key is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ermon.model.findings import Seconds
from ermon.model.prefixes import FAMILIES, Family
from ermon.model.routes import SegmentKind

Half = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Number = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
"""Numbers of 16 and of 32 bits: others have no place on the wire."""

FAMILY_OF: dict[str, Family] = {f"{family} unicast": family for family in FAMILIES}


class Nlri(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="kebab"):
    nlri: str
    path_information: str | None = None
    """A path identifier (RFC 7911), written as if it were an IPv4 address."""


class Announce(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """By family, then by next hop."""

    ipv4: dict[str, list[Nlri]] = msgspec.field(name="ipv4 unicast", default_factory=dict)
    ipv6: dict[str, list[Nlri]] = msgspec.field(name="ipv6 unicast", default_factory=dict)


class Withdraw(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    ipv4: list[Nlri] = msgspec.field(name="ipv4 unicast", default_factory=list)
    ipv6: list[Nlri] = msgspec.field(name="ipv6 unicast", default_factory=list)


class Segment(msgspec.Struct, frozen=True):
    element: SegmentKind
    """Never a confederation's: ExaBGP prints those as ``as-sequence``."""
    value: tuple[Number, ...]


class PathAttributes(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    origin: Literal["igp", "egp", "incomplete", "invalid"] | None = None
    """A value of its own kind, and so one object for all routes."""
    as_path: dict[int, Segment] = {}
    """By position; missing when empty."""
    med: int | None = None
    local_preference: int | None = None
    community: frozenset[tuple[Half, Half]] = frozenset()
    large_community: frozenset[tuple[Number, Number, Number]] = frozenset()


class ParsedUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    attribute: PathAttributes = PathAttributes()
    announce: Announce = Announce()
    withdraw: Withdraw = Withdraw()


class AfiSafi(msgspec.Struct, frozen=True, omit_defaults=True):
    """A family, and of a ROUTE-REFRESH its subtype: ``query``, ``begin`` or ``end`` (RFC 7313)."""

    afi: str
    safi: str
    subtype: str = ""

    @property
    def family(self) -> Family | None:
        return FAMILY_OF.get(f"{self.afi} {self.safi}")


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the two of a parsed UPDATE; neither of a raw message, which has only its octets."""

    update: ParsedUpdate | None = None
    eor: AfiSafi | None = None


class AddPathCapability(msgspec.Struct, frozen=True, omit_defaults=True):
    """The direction per family: ``send``, ``receive``, ``send/receive``, or something else."""

    ipv4: str = msgspec.field(name="ipv4/unicast", default="")
    ipv6: str = msgspec.field(name="ipv6/unicast", default="")


class Asn4(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 6793."""

    asn4: int | None = None


class Capabilities(msgspec.Struct, frozen=True, omit_defaults=True):
    add_path: AddPathCapability = msgspec.field(name="69", default_factory=AddPathCapability)
    asn4: Asn4 = msgspec.field(name="65", default_factory=Asn4)


class Open(msgspec.Struct, frozen=True, omit_defaults=True):
    capabilities: Capabilities
    hold_time: int | None = None
    """What the peer offers, in seconds."""
    asn: int | None = None
    """AS_TRANS (23456) where it takes more than two octets."""
    router_id: str = ""


class AddPathFamilies(msgspec.Struct, frozen=True):
    receive: list[str]


class Negotiated(msgspec.Struct, frozen=True, omit_defaults=True):
    add_path: AddPathFamilies
    hold_time: int | None = None
    """What is in force, in seconds: the smaller of both offers."""


class Notification(msgspec.Struct, frozen=True):
    message: str


class Addresses(msgspec.Struct, frozen=True):
    local: str
    peer: str


class Peer(msgspec.Struct, frozen=True):
    address: Addresses


class RawUpdates(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """Not of ExaBGP's own: whole UPDATEs as they came, by ``ermon.exabgp.raw``."""

    session: Number
    octets: Annotated[int, msgspec.Meta(ge=0)]
    """Of the session's UPDATEs so far, with these."""
    asn4: bool
    """Whether their ASNs have four octets (RFC 6793)."""
    families: list[str]
    """What the session has negotiated."""
    add_path: list[str]
    """The families whose NLRI have path identifiers."""
    body: bytes
    """With their headers; base64 in the line."""
    answer: bool = False
    """Whether ExaBGP must be told when these are processed."""


class Neighbor(Peer, frozen=True, omit_defaults=True, rename="kebab"):
    direction: str = "receive"
    state: str = ""
    reason: str = ""
    message: Message | None = None
    open: Open | None = None
    negotiated: Negotiated | None = None
    notification: Notification | None = None
    route_refresh: AfiSafi | None = None
    raw: RawUpdates | None = None


class Listening(msgspec.Struct, frozen=True, omit_defaults=True):
    """Not of ExaBGP's own: what ``ermon.exabgp.listener`` listens on in its process."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    addresses: dict[str, Annotated[str, msgspec.Meta(max_length=40)]]
    """By address: the name of the error that prevents it, as errno(3) has it; empty where there is none."""


class RefusedConnections(msgspec.Struct, frozen=True, omit_defaults=True):
    local: str
    peer: str
    count: Annotated[int, msgspec.Meta(ge=1, le=2**32)]


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """Not of ExaBGP's own: who connected to it lately and is no feed's router."""

    connections: Annotated[list[RefusedConnections], msgspec.Meta(max_length=64)]
    more: Annotated[int, msgspec.Meta(ge=0, le=2**32)] = 0
    """Connections besides, from addresses that are not named."""


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every line has, read by itself when the rest of the line cannot be read."""

    exabgp: str
    time: Seconds
    pid: int
    type: str
    counter: int | None = None
    """Of the lines with a neighbor: counts that neighbor's lines, from 1."""
    neighbor: Peer | None = None


class Line(Envelope, frozen=True, omit_defaults=True):
    neighbor: Neighbor | None = None
    notification: str = ""
    """``shutdown`` on the one line of ExaBGP's own that has no neighbor."""
    listening: Listening | None = None
    refused: Refused | None = None
