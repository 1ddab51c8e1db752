"""Reasons of failures, in words that an engineer can act on."""

from __future__ import annotations

import re
import signal

import msgspec

from ermon.bgp import notification
from ermon.bgp.notification import notification_text, subcode_text
from ermon.model.inventory import Feed
from ermon.model.prefixes import parse_address
from ermon.model.text import endpoint, printable

_CANNOT_LISTEN = {
    "EADDRNOTAVAIL": "not an address of this machine; `ip address add {host} dev DEVICE`",
    "EADDRINUSE": "another program listens there; `ss -ltnp 'sport = :{port}'` says what",
    "EACCES": "no permission to use a port below 1024; `ermon render systemd` grants it to the service (AmbientCapabilities=CAP_NET_BIND_SERVICE)",
    "EAFNOSUPPORT": "this machine has no IPv{version}; `sysctl net.ipv6.conf.all.disable_ipv6`",
    "MD5": "the kernel refused its MD5 keys; `sysctl net.core.optmem_max` limits them",
}
"""By the name of the error, as errno(3) has it."""
UNPRIVILEGED_PORT = 1024
_CANNOT_LISTEN["EPERM"] = _CANNOT_LISTEN["EACCES"]


def cannot_listen(address: str, port: int, error: str) -> str:
    """Return why ermon cannot listen on an address, with a command that fixes or examines it.

    ``error`` is the name of the error (errno(3)).
    """
    version = parse_address(address).version
    host = f"{address}/{32 if version == 4 else 128}"
    if error in {"EACCES", "EPERM"} and port >= UNPRIVILEGED_PORT:
        why = "no permission to use the port; `ausearch -m avc -ts recent` says whether SELinux denies it"
    elif (known := _CANNOT_LISTEN.get(error)) is not None:
        why = known.format(host=host, port=port, version=version)
    else:
        why = error or "unknown error"  # any text of ExaBGP's process, also with braces
    return f"cannot listen on {endpoint(address, port)}: {why}"


# Processes ------------------------------------------------------------------------------------------

_LAST_WORDS = (
    (re.compile(r"Too many death for relay"), "its relay ended repeatedly"),
    (re.compile(r"could not load/reload configuration; *(.*)"), r"it refused its configuration: \1"),
    (re.compile(r"could not drop privileges"), "it cannot run as ermon's account"),
    (re.compile(r".*\b(No space left on device)\b.*"), r"\1"),
)
"""The last log lines of ExaBGP 5.0.15, and their meaning here."""
MAX_LAST_WORDS = 500


def process_end(status: int, last_words: str) -> str:
    """Return why an ExaBGP process ended: ``status`` is that of subprocess, ``last_words`` the end of its log."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:  # a real-time signal
            name = str(-status)
        memory = "; the kernel does that when memory runs out; see `journalctl -k --grep 'Out of memory'`"
        return f"killed by signal {name}{memory if name == 'SIGKILL' else ''}"
    words = printable(" ".join(last_words.split()))[:MAX_LAST_WORDS]
    for pattern, meaning in _LAST_WORDS:
        if (found := pattern.search(words)) is not None:
            words = found.expand(meaning)
            break
    return f"ended with status {status}{f': {words}' if words else ''}"


# Sessions -------------------------------------------------------------------------------------------

CLOSED = "connection lost, or closed by the router, without a NOTIFICATION"
UNREADABLE = "ended by ermon without a NOTIFICATION: ExaBGP could not read a message from the router"

_ENDS = {
    "": UNREADABLE,
    "closing connection": CLOSED,
    "process problem": "ended by ermon without a NOTIFICATION: ermon's relay stopped",
    "stop, message [removed]": "ended by ermon, as its feed was changed; the router has not connected since",
    "stop, message [shutting down]": "ended by ermon, which stopped ExaBGP",
    "graceful restarted negotiated, closing without sending any notification": "ended by ermon without a NOTIFICATION, "
    "as graceful restart was agreed (RFC 4724); the router has not connected since",
}
"""By the reason of ExaBGP 5.0.15 (reactor/peer.py)."""
_REPLACED = ("connection received before", "closing outgoing connection")
_NOTIFICATION = re.compile(r"notification (sent|received) \((\d{1,3}),(\d{1,3})\)")


class PeerOpen(msgspec.Struct, frozen=True):
    """The content of a router's OPEN."""

    asn: int | None = None
    router_id: str = ""
    hold_time: int | None = None


def session_end(reason: str, feed: Feed, opened: PeerOpen | None, farewell: str = "") -> str:
    """Return why a session ended or did not come up, in the words of the RFCs, and which side ended it.

    ``reason`` is ExaBGP's. ``opened`` is the content of the router's OPEN, if one was received; ``farewell`` is its
    Shutdown Communication (RFC 9003).
    """
    found = _NOTIFICATION.match(reason)
    if found is None:
        if reason.startswith(_REPLACED):
            return "another connection of the router replaced it"
        return _ENDS.get(reason, printable(reason))
    sent, code, subcode = found[1] == "sent", int(found[2]), int(found[3])
    if sent and (code, subcode) == (notification.MESSAGE_HEADER, 1) and opened is None:
        return "the router connected, but sent no OPEN in time"
    if code == notification.OPEN:
        detail = _sent_detail(subcode, feed, opened) if sent else _received_detail(subcode, feed)
        by, why = "ermon" if sent else "the router", subcode_text(code, subcode) or "unspecific"
        return f"OPEN refused by {by}: {why}{f' ({detail})' if detail else ''}"
    said = f"{notification_text(code, subcode)}, sent by {'ermon' if sent else 'the router'}"
    return f'{said}: "{farewell}"' if farewell and not sent else said


def _sent_detail(subcode: int, feed: Feed, opened: PeerOpen | None) -> str:
    if opened is None:
        return ""
    match subcode:
        case 2:
            return f"the router says {opened.asn}, the feed says {feed.peer_asn}"
        case 3:
            return f"the router says {printable(opened.router_id)}, which collector.router_id must not be"
        case 6:
            return f"the router says {opened.hold_time} s, and 3 is the least"
    return ""


def _received_detail(subcode: int, feed: Feed) -> str:
    match subcode:
        case 2:
            return f"ermon says {feed.local_asn}, the feed's local_asn"
        case 3:
            return "ermon says collector.router_id, which no router must have"
        case 6:
            return "ermon says collector.hold_time"
    return ""
