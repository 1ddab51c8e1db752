"""The text of a NOTIFICATION, in the words of the RFCs (IANA, "BGP Error (Notification) Codes")."""

from __future__ import annotations

from types import MappingProxyType

from ermon.model.text import printable

MESSAGE_HEADER, OPEN, UPDATE, HOLD_TIMER, FINITE_STATE_MACHINE, CEASE, ROUTE_REFRESH, SEND_HOLD_TIMER = range(
    1, 9
)

CODES = MappingProxyType(
    {
        MESSAGE_HEADER: "message header error",
        OPEN: "OPEN message error",
        UPDATE: "UPDATE message error",
        HOLD_TIMER: "hold timer expired",
        FINITE_STATE_MACHINE: "finite state machine error",
        CEASE: "Cease",
        ROUTE_REFRESH: "ROUTE-REFRESH message error",
        SEND_HOLD_TIMER: "send hold timer expired",
    }
)
"""RFC 4271 section 4.5, RFC 7313 section 5, RFC 9687 section 4."""

SUBCODES = MappingProxyType(
    {
        # RFC 4271 section 6.1
        (MESSAGE_HEADER, 1): "connection not synchronized",
        (MESSAGE_HEADER, 2): "bad message length",
        (MESSAGE_HEADER, 3): "bad message type",
        # RFC 4271 section 6.2, RFC 5492 section 5, RFC 9234 section 4.2
        (OPEN, 1): "unsupported version number",
        (OPEN, 2): "bad peer AS",
        (OPEN, 3): "bad BGP identifier",
        (OPEN, 4): "unsupported optional parameter",
        (OPEN, 5): "authentication failure",
        (OPEN, 6): "unacceptable hold time",
        (OPEN, 7): "unsupported capability",
        (OPEN, 11): "role mismatch",
        # RFC 4271 section 6.3
        (UPDATE, 1): "malformed attribute list",
        (UPDATE, 2): "unrecognized well-known attribute",
        (UPDATE, 3): "missing well-known attribute",
        (UPDATE, 4): "attribute flags error",
        (UPDATE, 5): "attribute length error",
        (UPDATE, 6): "invalid ORIGIN attribute",
        (UPDATE, 7): "AS routing loop",
        (UPDATE, 8): "invalid NEXT_HOP attribute",
        (UPDATE, 9): "optional attribute error",
        (UPDATE, 10): "invalid network field",
        (UPDATE, 11): "malformed AS_PATH",
        # RFC 6608 section 4
        (FINITE_STATE_MACHINE, 1): "unexpected message in OpenSent",
        (FINITE_STATE_MACHINE, 2): "unexpected message in OpenConfirm",
        (FINITE_STATE_MACHINE, 3): "unexpected message in Established",
        # RFC 4486 section 3, RFC 8203 (9003), RFC 8538 section 3, RFC 9384 section 3
        (CEASE, 1): "maximum number of prefixes reached",
        (CEASE, 2): "administrative shutdown",
        (CEASE, 3): "peer de-configured",
        (CEASE, 4): "administrative reset",
        (CEASE, 5): "connection rejected",
        (CEASE, 6): "other configuration change",
        (CEASE, 7): "connection collision resolution",
        (CEASE, 8): "out of resources",
        (CEASE, 9): "hard reset",
        (CEASE, 10): "BFD down",
        # RFC 7313 section 5
        (ROUTE_REFRESH, 1): "invalid message length",
    }
)


def subcode_text(code: int, subcode: int) -> str:
    """Return the name of a subcode; empty if it says no more than its code."""
    if subcode == 0:  # "unspecific", RFC 4271 section 4.5
        return ""
    return SUBCODES.get((code, subcode), f"subcode {subcode}")


def notification_text(code: int, subcode: int) -> str:
    """Return the names of code and subcode: ``Cease: administrative shutdown``."""
    head, detail = CODES.get(code, f"error code {code}"), subcode_text(code, subcode)
    return f"{head}: {detail}" if detail else head


MAX_CHARACTERS = 255

SHUTDOWN, RESET, HARD_RESET = 2, 4, 9
"""Subcodes of Cease: the two with a Shutdown Communication, and the one that contains another NOTIFICATION."""


def describe(code: int, subcode: int, data: bytes) -> str:
    """Return what a NOTIFICATION says, as one printable line: ``Cease: administrative shutdown: "planned work"``.

    The line has ``MAX_CHARACTERS`` at most. The data of a hard reset holds its reason (RFC 8538 section 3.1).
    """
    text = notification_text(code, subcode)
    if (code, subcode) == (CEASE, HARD_RESET) and len(data) >= 2:
        inner = notification_text(data[0], data[1])
        said = shutdown_communication(data[0], data[1], data[2:])
        text = f"{text}: {inner}"
    else:
        said = shutdown_communication(code, subcode, data)
    return f'{text}: "{said[: MAX_CHARACTERS - len(text) - 4]}"' if said else text


def shutdown_communication(code: int, subcode: int, data: bytes) -> str:
    """Return the message of the other end's operator (RFC 9003 section 2), printable; empty if there is none.

    Its length field has one octet. U+FFFD replaces octets that are not UTF-8.
    """
    if code != CEASE or subcode not in {SHUTDOWN, RESET} or not data:
        return ""
    return printable(data[1 : 1 + data[0]].decode("utf-8", "replace"))
