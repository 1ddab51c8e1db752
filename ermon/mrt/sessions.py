"""Records about sessions: BGP messages and changes of state (RFC 6396 section 4.4, RFC 8050 section 3), read and written."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ermon.bgp.header import HEADER_OCTETS, MARKER
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Address
from ermon.mrt.records import UnusedError, write_record

ESTABLISHED = 6
"""State of a session (RFC 4271 section 8.2.2, by the numbers of RFC 6396 section 4.4.1)."""
IDLE, OPEN_CONFIRM = 1, 5
STATES = {
    1: "Idle",
    2: "Connect",
    3: "Active",
    4: "OpenSent",
    5: "OpenConfirm",
    6: "Established",
    7: "Clearing",
    8: "Deleted",
}
"""The last two are FRR's own."""

_STATE_CHANGE, _MESSAGE, _MESSAGE_AS4, _STATE_CHANGE_AS4, _MESSAGE_LOCAL, _MESSAGE_AS4_LOCAL = (
    0,
    1,
    4,
    5,
    6,
    7,
)
_ADD_PATH = 8
"""The first of the four subtypes whose messages have path identifiers (RFC 8050 section 3)."""

_AS_TRANS = 23456
"""RFC 6793 section 9: stands for an ASN of four octets where there is room for two."""

_VERSIONS = {1: (4, 4), 2: (6, 16)}
"""By AFI: version and octets of an address."""
_AFIS = {4: 1, 6: 2}
_STATE_PAIR = Struct("!HH")


class _Subtype(NamedTuple):
    four_octet: bool
    is_local: bool
    add_path: bool


_MESSAGES = {
    _MESSAGE: _Subtype(four_octet=False, is_local=False, add_path=False),
    _MESSAGE_AS4: _Subtype(four_octet=True, is_local=False, add_path=False),
    _MESSAGE_LOCAL: _Subtype(four_octet=False, is_local=True, add_path=False),
    _MESSAGE_AS4_LOCAL: _Subtype(four_octet=True, is_local=True, add_path=False),
    _ADD_PATH: _Subtype(four_octet=False, is_local=False, add_path=True),
    _ADD_PATH + 1: _Subtype(four_octet=True, is_local=False, add_path=True),
    _ADD_PATH + 2: _Subtype(four_octet=False, is_local=True, add_path=True),
    _ADD_PATH + 3: _Subtype(four_octet=True, is_local=True, add_path=True),
}
_SUBTYPES = {what: subtype for subtype, what in _MESSAGES.items()}


class End(NamedTuple):
    """One end of a session."""

    address: Address
    asn: int


class Message(NamedTuple):
    """A BGP message."""

    sender: End
    receiver: End
    is_local: bool
    """Whether the router that wrote the file is the sender."""
    four_octet: bool
    """Whether its paths have ASNs of four octets."""
    add_path: bool
    """Whether its NLRI have path identifiers."""
    kind: int
    """OPEN, UPDATE …"""
    body: bytes
    """Behind the header of the BGP message."""


class StateChange(NamedTuple):
    """A session of the router that wrote the file went from one state to another."""

    peer: End
    local: End
    """Its address is unspecified before there is a connection."""
    old: int
    new: int


def read_session_record(subtype: int, body: bytes) -> Message | StateChange:
    """Read a record of type BGP4MP or BGP4MP_ET; ``Unreadable`` if it contradicts itself, ``UnusedError`` if it is neither of both."""
    if subtype in {_STATE_CHANGE, _STATE_CHANGE_AS4}:
        peer, local, at = _read_ends(body, four_octet=subtype == _STATE_CHANGE_AS4)
        if len(body) - at < _STATE_PAIR.size:
            raise Unreadable("a change of state without the states")
        return StateChange(peer, local, *_STATE_PAIR.unpack_from(body, at))
    what = _MESSAGES.get(subtype)
    if what is None:
        raise UnusedError("neither a message nor a change of state")
    peer, local, at = _read_ends(body, four_octet=what.four_octet)
    sender, receiver = (local, peer) if what.is_local else (peer, local)
    kind, message = _split_message(body, at)
    return Message(sender, receiver, what.is_local, what.four_octet, what.add_path, kind, message)


def _read_ends(body: bytes, *, four_octet: bool) -> tuple[End, End, int]:
    """Return the peer's end, the local one, and where what is behind them begins."""
    width = 4 if four_octet else 2
    at = 2 * width + 4
    """Behind the ASNs, the interface and the AFI."""
    if len(body) < at:
        raise Unreadable("it ends before its addresses")
    afi = body[at - 2] << 8 | body[at - 1]
    if afi not in _VERSIONS:
        raise Unreadable(f"addresses of AFI {afi}")
    version, octets = _VERSIONS[afi]
    if len(body) < at + 2 * octets:
        raise Unreadable("it ends within its addresses")
    asns = int.from_bytes(body[:width], "big"), int.from_bytes(body[width : 2 * width], "big")
    peer, local = (
        Address(version, int.from_bytes(body[start : start + octets], "big")) for start in (at, at + octets)
    )
    return End(peer, asns[0]), End(local, asns[1]), at + 2 * octets


def _split_message(body: bytes, at: int) -> tuple[int, bytes]:
    """Return type and body of the BGP message; octets behind it are passed over."""
    room = len(body) - at
    if room < HEADER_OCTETS or not body.startswith(MARKER, at):
        raise Unreadable("no BGP message where one should be")
    size = body[at + 16] << 8 | body[at + 17]
    if not HEADER_OCTETS <= size <= room:
        raise Unreadable(f"a BGP message of {size} octets in {room}")
    return body[at + 18], body[at + HEADER_OCTETS : at + size]


# Writing ---------------------------------------------------------------------------------------------


def write_message(
    time: float,
    peer: End,
    local: End,
    message: bytes,
    *,
    is_local: bool = False,
    four_octet: bool = True,
    add_path: bool = False,
) -> bytes:
    """Return the record of a BGP message, which has its header; ``is_local``: the local end has sent it."""
    subtype = _SUBTYPES[_Subtype(four_octet, is_local, add_path)]
    return write_record(time, subtype, _write_ends(peer, local, four_octet=four_octet) + message)


def write_state_change(time: float, peer: End, local: End, old: int, new: int) -> bytes:
    """Return the record of a change of state."""
    ends = _write_ends(peer, local, four_octet=True)
    return write_record(time, _STATE_CHANGE_AS4, ends + _STATE_PAIR.pack(old, new))


def _write_ends(peer: End, local: End, *, four_octet: bool) -> bytes:
    version, octets = peer.address.version, 4 if peer.address.version == 4 else 16
    width = 4 if four_octet else 2
    asns = (asn if four_octet or asn < 1 << 16 else _AS_TRANS for asn in (peer.asn, local.asn))
    written = b"".join(asn.to_bytes(width, "big") for asn in asns)
    addresses = (end.address.value.to_bytes(octets, "big") for end in (peer, local))
    return b"".join((written, bytes(2), _AFIS[version].to_bytes(2, "big"), *addresses))
