"""The lines that ExaBGP 5.0 writes with ``encoder json``, as typed values for ``decode``, ``messages`` and ``updates``.

Keys without information about routes or sessions are skipped. If skipping could lose routes (an unknown family), an
unknown key is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ermon.model.findings import Seconds
from ermon.model.prefixes import FAMILIES, Family
from ermon.model.routes import SegmentKind

Half = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Number = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
"""Numbers of 16 and 32 bits, as in BGP messages."""

FAMILY_OF: dict[str, Family] = {f"{family} unicast": family for family in FAMILIES}


class Nlri(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="kebab"):
    nlri: str
    path_information: str | None = None
    """A path identifier (RFC 7911), written like an IPv4 address."""


class Announce(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """By family, then by next hop."""

    ipv4: dict[str, list[Nlri]] = msgspec.field(name="ipv4 unicast", default_factory=dict)
    ipv6: dict[str, list[Nlri]] = msgspec.field(name="ipv6 unicast", default_factory=dict)


class Withdraw(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    ipv4: list[Nlri] = msgspec.field(name="ipv4 unicast", default_factory=list)
    ipv6: list[Nlri] = msgspec.field(name="ipv6 unicast", default_factory=list)


class Segment(msgspec.Struct, frozen=True):
    element: SegmentKind
    """Never of a confederation: ExaBGP prints such segments as ``as-sequence``."""
    value: tuple[Number, ...]


class PathAttributes(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    origin: Literal["igp", "egp", "incomplete", "invalid"] | None = None
    """A ``Literal``, so all routes share one object."""
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
    """A family; for a ROUTE-REFRESH also its subtype: ``query``, ``begin`` or ``end`` (RFC 7313)."""

    afi: str
    safi: str
    subtype: str = ""

    @property
    def family(self) -> Family | None:
        return FAMILY_OF.get(f"{self.afi} {self.safi}")


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parsed UPDATE has one of the two; a raw message, which has only its octets, has neither."""

    update: ParsedUpdate | None = None
    eor: AfiSafi | None = None


class AddPathCapability(msgspec.Struct, frozen=True, omit_defaults=True):
    """The direction by family: ``send``, ``receive``, ``send/receive``, or other texts."""

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
    """The peer's offer, in seconds."""
    asn: int | None = None
    """AS_TRANS (23456) if the ASN needs more than two octets."""
    router_id: str = ""


class AddPathFamilies(msgspec.Struct, frozen=True):
    receive: list[str]


class Negotiated(msgspec.Struct, frozen=True, omit_defaults=True):
    add_path: AddPathFamilies
    hold_time: int | None = None
    """The negotiated hold time in seconds: the smaller of both offers."""


class Notification(msgspec.Struct, frozen=True):
    message: str


class Addresses(msgspec.Struct, frozen=True):
    local: str
    peer: str


class Peer(msgspec.Struct, frozen=True):
    address: Addresses


class RawUpdates(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """Whole UPDATEs, unchanged. ``ermon.exabgp.raw`` writes this, not ExaBGP itself."""

    session: Annotated[int, msgspec.Meta(ge=0)]
    """No other session has this number, not even one of another run of ExaBGP."""
    octets: Annotated[int, msgspec.Meta(ge=0)]
    """The total size of the session's UPDATEs so far, including these, in octets."""
    asn4: bool
    """Whether their ASNs have four octets (RFC 6793)."""
    families: list[str]
    """The negotiated families."""
    add_path: list[str]
    """The families whose NLRI have path identifiers."""
    body: bytes
    """The UPDATEs with their headers; base64 in the line. Empty in a line which says that the session is not behind any more."""
    answer: bool = False
    """Whether ExaBGP needs an answer when these have been processed."""
    behind: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """For how many seconds more waited to be read on the session's connection; 0 if it is less than ``raw.BEHIND_SECONDS``."""


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
    """The listening addresses of ``ermon.exabgp.listener`` in ExaBGP's process; ExaBGP itself does not write this."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    addresses: dict[str, Annotated[str, msgspec.Meta(max_length=40)]]
    """By address: the name of the error (errno(3)); empty if there is none."""


class RefusedConnections(msgspec.Struct, frozen=True, omit_defaults=True):
    local: str
    peer: str
    count: Annotated[int, msgspec.Meta(ge=1, le=2**32)]


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """Recent connections from addresses without a feed; ExaBGP itself does not write this."""

    connections: Annotated[list[RefusedConnections], msgspec.Meta(max_length=64)]
    more: Annotated[int, msgspec.Meta(ge=0, le=2**32)] = 0
    """The number of further connections, from other addresses."""


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """The common part of all lines, read alone when the rest of a line is invalid."""

    exabgp: str
    time: Seconds
    pid: int
    type: str
    counter: int | None = None
    """In lines with a neighbor: the number of this line among the neighbor's lines, from 1."""
    neighbor: Peer | None = None


class Line(Envelope, frozen=True, omit_defaults=True):
    neighbor: Neighbor | None = None
    notification: str = ""
    """``shutdown`` in the only line of ExaBGP itself without a neighbor."""
    listening: Listening | None = None
    refused: Refused | None = None
