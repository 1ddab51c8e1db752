"""The kinds of reasons why a session ended, few enough for the label of a metric."""

from __future__ import annotations

from types import MappingProxyType

from ermon.bgp.notification import CEASE, HARD_RESET, HOLD_TIMER, OPEN, RESET, SEND_HOLD_TIMER, SHUTDOWN
from ermon.model.events import DownCause

_MAX_PREFIXES, _DECONFIGURED = 1, 3
"""More subcodes of Cease (RFC 4486 section 3)."""

_CEASE = MappingProxyType(
    {
        _MAX_PREFIXES: DownCause.MAX_PREFIXES,
        SHUTDOWN: DownCause.ADMIN_SHUTDOWN,
        _DECONFIGURED: DownCause.DECONFIGURED,
        RESET: DownCause.ADMIN_RESET,
    }
)
_CODES = MappingProxyType(
    {
        OPEN: DownCause.OPEN_ERROR,
        HOLD_TIMER: DownCause.HOLD_TIMER,
        SEND_HOLD_TIMER: DownCause.HOLD_TIMER,
    }
)
_EVENTS = MappingProxyType(
    {
        2: ("it was shut down on the router", DownCause.ADMIN_SHUTDOWN),
        8: ("it was shut down on the router", DownCause.ADMIN_SHUTDOWN),
        10: ("its hold timer expired", DownCause.HOLD_TIMER),
        18: ("its connection failed", DownCause.TRANSPORT),
    }
)
"""RFC 4271 sections 8.1.2 to 8.1.5, of the 28 those that end an established session without a NOTIFICATION being sent."""


def of_notification(body: bytes) -> DownCause:
    """Return the kind of a NOTIFICATION by its body; the data of a hard reset holds its reason (RFC 8538 section 3.1)."""
    code, subcode = (body[0], body[1]) if len(body) >= 2 else (0, 0)
    if (code, subcode) == (CEASE, HARD_RESET):
        return of_notification(body[2:]) if body[2:4] != bytes((CEASE, HARD_RESET)) else DownCause.OTHER
    if code == CEASE:
        return _CEASE.get(subcode, DownCause.OTHER)
    return _CODES.get(code, DownCause.OTHER)


def of_event(event: int) -> tuple[str, DownCause]:
    """Return what an event of the router's own state machine says of a session, empty if it says nothing, and its kind."""
    return _EVENTS.get(event, ("", DownCause.OTHER))
