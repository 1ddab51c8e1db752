"""Reads UPDATEs with ExaBGP and ermon's reader of its JSON: the independent judge of ``ermon.bgp.update``."""

from __future__ import annotations

import msgspec
from exabgp.bgp.message import Action, Message
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.open.capability.negotiated import Negotiated
from exabgp.bgp.message.update import Update
from exabgp.bgp.message.update.attribute import Attribute
from exabgp.logger import log
from exabgp.protocol.family import AFI, SAFI
from exabgp.reactor.api.response.json import JSON

from ermon.bgp.attributes import Repair, RepairKind
from ermon.bgp.update import Codec, Read
from ermon.exabgp.lines import Line
from ermon.exabgp.lines import Message as Said
from ermon.exabgp.updates import read_routes

UNICAST = {"ipv4": (AFI.ipv4, SAFI.unicast), "ipv6": (AFI.ipv6, SAFI.unicast)}
_MESSAGES = msgspec.json.Decoder(Said)
_LINES = msgspec.json.Decoder(Line)
_ENCODER = JSON("5.0.0")


class ResetError(Exception):
    """ExaBGP ends the session with this error code and subcode."""

    def __init__(self, code: int, subcode: int, why: str) -> None:
        super().__init__(f"{code}/{subcode} {why}")


def negotiated(codec: Codec) -> Negotiated:
    log.disable()
    session = Negotiated({"capability": {"aigp": False}})
    session.asn4 = codec.four_octet
    session.families = list(UNICAST.values())
    session.addpath._receive = {UNICAST[family]: True for family in codec.add_path}
    return session


def read_by_exabgp(body: bytes, session: Negotiated) -> Read:
    """Read the body of an UPDATE as ``Protocol.read_message`` of ExaBGP 5.0.15 does, and its line as ermon does.

    ``ResetError`` if ExaBGP ends the session, ``ValueError`` if ermon cannot read the line.
    """
    try:
        update = Message.unpack(Message.CODE.UPDATE, body, Direction.IN, session)
    except Notify as error:
        raise ResetError(error.code, error.subcode, str(error.data)) from None
    except Exception as error:  # noqa: BLE001 - as in ExaBGP
        raise ResetError(1, 0, repr(error)) from None
    repaired = None
    if update.TYPE == Update.TYPE:
        if Attribute.CODE.INTERNAL_TREAT_AS_WITHDRAW in update.attributes:
            repaired = Repair(RepairKind.TREAT_AS_WITHDRAW, "")
            for nlri in update.nlris:
                nlri.action = Action.WITHDRAW
        elif Attribute.CODE.INTERNAL_DISCARD in update.attributes:
            repaired = Repair(RepairKind.ATTRIBUTE_DISCARD, "")
    return _read(_MESSAGES.decode(str(_ENCODER._update(update)["message"])), repaired)


def read_line(line: bytes) -> Read:
    """Read a line with an UPDATE as ermon does."""
    neighbor = _LINES.decode(line).neighbor
    assert neighbor is not None
    assert neighbor.message is not None
    return _read(neighbor.message, None)


def _read(said: Said, repaired: Repair | None) -> Read:
    if said.update is not None:
        return Read(*read_routes(said.update), None, repaired)
    return Read((), (), said.eor.family if said.eor is not None else None, repaired)
