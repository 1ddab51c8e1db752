"""What every part of the shell goes by: its settings, what the application inside says of itself, and the party
behind an address.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aiohttp import web


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
    """Whether anything may be changed over HTTP: ``access.require_changes_allowed``."""
    streams: frozenset[Callable[..., object]] = frozenset()
    """Handlers whose answers do not end: they take nobody's turn, and limit themselves."""


SHELL = web.AppKey("shell", Shell)

AWAITED = web.AppKey("awaited", set[web.RequestHandler])
"""The connections that have not asked for anything yet."""

LOOPBACK = "loopback"
"""The address key of all that comes from this machine."""


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
