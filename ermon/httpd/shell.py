"""Shared by all parts of the shell: its settings, the requirements of the application inside, and the party behind an
address.
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
    """The settings for access to the server."""

    tls: ssl.SSLContext | None = None
    """Replaced whenever the file or a certificate changes; ``None``: plain HTTP."""
    client_allowed_sans: frozenset[str] = frozenset()
    """Names of which a client's certificate must have one; empty: any name is accepted."""
    users: Mapping[str, bytes] = field(default_factory=dict)
    """The bcrypt hash of each user's password; empty: no password is required."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every answer, instead of the shell's own."""
    rate_limit: RateLimit | None = None
    files: tuple[Path, ...] = ()
    """The files from which the settings were read."""
    warnings: tuple[str, ...] = ()
    """Warnings about settings that are allowed but may not do what their author expects."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The requirements of the application inside the shell."""

    is_own_host: Callable[[str], bool]
    """Whether a Host header names this server: ``access.Hosts.hold``."""
    config: Callable[[], WebConfig] = WebConfig
    """Returns the present settings. It is called for every request, so it must be cheap."""
    external_url: str = ""
    """The external URL of the server, without a slash at the end."""
    changes_allowed: bool = False
    """Whether changes are allowed over TCP: ``access.require_changes_allowed``."""
    control: Path | None = None
    """The control socket, over which changes need no further proof; ``None``: there is none."""
    familiar: Familiar = field(default_factory=Familiar)
    """The parties that have given a right password."""
    streams: frozenset[Callable[..., object]] = frozenset()
    """Handlers with endless answers: they do not take a turn, and have their own limits."""


SHELL = web.AppKey("shell", Shell)

LOOPBACK = "loopback"
"""The party of all connections over loopback."""
_ACCOUNT = "uid "


def party_of(request: web.Request) -> str:
    """Return the party that sent a request, for limits."""
    return party_at(request.get_extra_info("socket"), request.remote)


def party_at(connection: Any, remote: str | None) -> str:
    """Return the party at the other end of a connection: an account of this machine, or an address."""
    uid = account_of(connection)
    return address_key(remote) if uid is None else f"{_ACCOUNT}{uid}"


def origin_of(request: web.Request) -> str:
    """Return the origin of a request, for passwords: its party, but each loopback address separately."""
    party = party_of(request)
    return f"{LOOPBACK} {request.remote}" if party == LOOPBACK else party


def is_of_this_machine(party: str) -> bool:
    return party == LOOPBACK or is_an_account(party)


def is_an_account(party: str) -> bool:
    """Return whether a party connected over the control socket."""
    return party.startswith(_ACCOUNT)


def address_key(remote: str | None) -> str:
    """Return the party of an address, for limits: all of loopback is one, and so is an IPv6 /64 (RFC 4291)."""
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
