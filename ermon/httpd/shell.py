"""What every part of the shell goes by: its settings, what the application inside says of itself, and the party
behind an address.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ermon.httpd.passwords import Familiar
from ermon.httpd.sockets import account_of


class RateLimit(NamedTuple):
    """A token bucket: one request every ``interval`` seconds, and ``burst`` at once."""

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Who may speak to the server, and how."""

    tls: ssl.SSLContext | None = None
    """Made anew whenever the file or a certificate changes; ``None``: plain HTTP."""
    client_allowed_sans: frozenset[str] = frozenset()
    """Names of which a client's certificate must hold one; empty: any name will do."""
    users: Mapping[str, bytes] = field(default_factory=dict)
    """The bcrypt hash of each user's password; empty: nobody is asked for one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every answer, in place of the shell's own."""
    rate_limit: RateLimit | None = None
    files: tuple[Path, ...] = ()
    """Those that this was read from."""
    warnings: tuple[str, ...] = ()
    """What is allowed and does not do what its author may think."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What the shell asks of the application that it stands around."""

    is_own_host: Callable[[str], bool]
    """Whether a Host header names this server: ``access.Hosts.hold``."""
    config: Callable[[], WebConfig] = WebConfig
    """The settings as they are now: asked for at every request, so it must be cheap."""
    external_url: str = ""
    """Under which people reach the server, without a slash at the end."""
    changes_allowed: bool = False
    """Whether anything may be changed over TCP: ``access.require_changes_allowed``."""
    control: Path | None = None
    """The socket over which changes go without further ado; ``None``: there is none."""
    familiar: Familiar = field(default_factory=Familiar)
    """The parties that have given a right password."""
    streams: frozenset[Callable[..., object]] = frozenset()
    """Handlers whose answers do not end: they take nobody's turn, and limit themselves."""


SHELL = web.AppKey("shell", Shell)

LOOPBACK = "loopback"
"""The party that all connections over loopback are."""
_ACCOUNT = "uid "


def party_of(request: web.Request) -> str:
    """Name the party that sent a request, for limits."""
    return party_at(request.get_extra_info("socket"), request.remote)


def party_at(connection: Any, remote: str | None) -> str:
    """Name the party at the other end of a connection: an account of this machine, or an address."""
    uid = account_of(connection)
    return address_key(remote) if uid is None else f"{_ACCOUNT}{uid}"


def origin_of(request: web.Request) -> str:
    """Name where a request comes from, for passwords: as its party, but each address of loopback by itself."""
    party = party_of(request)
    return f"{LOOPBACK} {request.remote}" if party == LOOPBACK else party


def is_of_this_machine(party: str) -> bool:
    return party == LOOPBACK or is_an_account(party)


def is_an_account(party: str) -> bool:
    """Return whether a party came over the control socket."""
    return party.startswith(_ACCOUNT)


def address_key(remote: str | None) -> str:
    """Name the party behind an address, for limits: loopback is one, and so is an IPv6 /64 (RFC 4291)."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return LOOPBACK
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
