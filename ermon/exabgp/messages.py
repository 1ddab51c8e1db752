"""Reads what a single message of ExaBGP's JSON says into events; ``decode`` relates messages to those before.

House rules: nothing here waits, sleeps, logs or reads a clock. A function raises ``ValueError`` if its message is invalid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ermon.exabgp.lines import FAMILY_OF, Listening, Neighbor, Open, Refused
from ermon.exabgp.reasons import cannot_listen
from ermon.exabgp.updates import read_routes
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    ConnectionsRefused,
    EndOfRib,
    Event,
    HoldTimeZero,
    ListeningJudged,
    RefreshBegan,
    RefreshEnded,
    Update,
)
from ermon.model.prefixes import FAMILIES, Family, parse_address
from ermon.model.text import printable

MAX_SHUTDOWN_CHARACTERS = 255
"""How much of a peer's Shutdown Communication is kept: the limit of RFC 9003 section 2."""

_SENDS_PATHS = frozenset({"send", "send/receive"})
"""The directions of ADD-PATH in which the peer may send several paths (RFC 7911 section 4)."""


def read_listening(listening: Listening, time: float) -> Iterator[ListeningJudged]:
    for address, error in listening.addresses.items():
        local = str(parse_address(address))
        problem = cannot_listen(local, listening.port, printable(error)) if error else None
        yield ListeningJudged(time, local, problem)


def read_refused(refused: Refused, time: float) -> Iterator[ConnectionsRefused]:
    for each in refused.connections:
        local, peer = str(parse_address(each.local)), str(parse_address(each.peer))
        yield ConnectionsRefused(time, local, peer, each.count)
    if refused.more:
        yield ConnectionsRefused(time, "", "", refused.more)


def read_farewell(neighbor: Neighbor) -> str:
    """Return the Shutdown Communication (RFC 9003) of a NOTIFICATION, printable; empty if there is none."""
    message = neighbor.notification.message if neighbor.notification is not None else ""
    found = re.match('Shutdown Communication: "(.*)"', message, re.DOTALL)
    text = found[1][:MAX_SHUTDOWN_CHARACTERS] if found else ""
    return printable(text)


def read_offer(said: Open, feed: str, time: float) -> Iterable[Event]:
    """Return what the peer's OPEN offers that matters to a policy."""
    offered = said.capabilities.add_path
    directions: dict[Family, str] = {"ipv4": offered.ipv4, "ipv6": offered.ipv6}
    families = frozenset(family for family in FAMILIES if directions[family] in _SENDS_PATHS)
    return (AddPathOffered(time, feed, families), *_read_hold_time(said.hold_time, feed, time))


def read_negotiated(neighbor: Neighbor, feed: str, time: float) -> Iterable[Event]:
    negotiated = neighbor.negotiated
    if negotiated is None:
        raise ValueError("nothing negotiated")
    families = frozenset(FAMILY_OF[f] for f in negotiated.add_path.receive if f in FAMILY_OF)
    return (AddPathNegotiated(time, feed, families), *_read_hold_time(negotiated.hold_time, feed, time))


def _read_hold_time(seconds: int | None, feed: str, time: float) -> Iterable[Event]:
    return (HoldTimeZero(time, feed),) if seconds == 0 else ()


def read_refresh(neighbor: Neighbor, feed: str, time: float) -> Event:
    """Read a ROUTE-REFRESH: the peer asks for routes, or marks the begin or end of a refresh of its own (RFC 7313)."""
    refresh = neighbor.route_refresh
    if refresh is None or refresh.family is None:
        return Alive(time, feed)
    match refresh.subtype:
        case "begin":
            return RefreshBegan(time, feed, refresh.family)
        case "end":
            return RefreshEnded(time, feed, refresh.family)
        case _:
            return Alive(time, feed)


def read_update(neighbor: Neighbor, feed: str, time: float) -> Event:
    message = neighbor.message
    if message is not None and message.update is not None:
        return Update(time, feed, *read_routes(message.update))
    if message is not None and message.eor is not None:
        family = message.eor.family
        return Alive(time, feed) if family is None else EndOfRib(time, feed, family)
    raise ValueError("an UPDATE that ExaBGP did not parse")
