"""The language of a platform, as each platform's module describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ermon.routers.describe import MAX_TTL, Router
from ermon.routers.reporting import Reporting

SHUT_DOWN = "A session stays shut down until it is complete, so that a mirror never shows routes that its policy denies."

CALLS_AGAIN = (
    "ermon never connects. This router's own timers decide how soon it reconnects after a restart of ermon: no command for that",
    "could be confirmed. Nothing is raised for it during collector.reconnect_grace.",
)
"""A note for platforms whose documentation names no connect-retry timer."""


@dataclass(frozen=True, slots=True)
class Bmp:
    """How a platform's module writes what reports a router's sessions by BMP, and what the platform can report."""

    write: Callable[[Reporting], Iterable[str]]
    notes: Callable[[Reporting], Iterable[str]]
    """What the reader should know about the output, in lines."""
    sources: tuple[str, ...]
    """What the commands are after, in lines."""
    tried_on: str | None
    """The release that the output was loaded into, ``None`` if it was not tried."""
    post_policy: bool = True
    """Whether it reports the routes that its inbound policy accepts."""
    pre_policy: bool = True
    """Whether it reports, besides, the routes before that, as it is configured here."""
    statistics: bool = True
    """Whether it sends statistics, as often as it is told."""
    keys: bool = False
    """Whether its connection can have a TCP MD5 key."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform's module provides, and what the platform can do."""

    title: str
    comment: str
    """The beginning of a line that the router does not read."""
    notes: Callable[[Router], Iterable[str]]
    """What the reader should know about the output, in lines."""
    any_port: bool
    """Whether it can connect to a port other than 179."""
    all_paths: bool
    """Whether it can send all paths of a prefix (RFC 7911) as it is configured here."""
    tried_on: str | None
    """The release that the output was loaded into, ``None`` if it was not tried."""
    write: Callable[[Router], Iterable[str]]
    bmp: Bmp | None
    """``None``: by its documentation, it has no BMP."""


def indented(lines: Iterable[str], by: str) -> Iterator[str]:
    """Indent lines by one level, such as below ``vrf NAME``."""
    return (by + line for line in lines)


def about_selection(router: Router) -> Iterator[str]:
    """Warn if the selection of paths does not apply to the session alone."""
    if router.families_with_all_paths:
        yield "CAUTION: `additional-paths selection` applies to the whole address family. If there is one already,"
        yield "omit the command, and add the line of ERMON-ALL-PATHS to the existing policy."


def about_ttl(router: Router, for_ebgp: str) -> Iterator[str]:
    """Warn of iBGP sessions whose TTL ermon checks, if the platform has no command for it."""
    for session in router.sessions:
        if session.hops is not None and session.is_internal:
            yield f"CAUTION: ermon accepts packets of {session.feed} with a TTL of {MAX_TTL + 1 - session.hops} or more only, so they must leave"
            yield f"with the TTL {MAX_TTL}. `{for_ebgp}` is for eBGP; a command for iBGP could not be confirmed."


def about_ipv6(router: Router) -> Iterator[str]:
    """Say what to check on a platform that was not tried."""
    for session in router.ipv6_tables_over_ipv4:
        yield f"{session.feed} carries IPv6 over IPv4. If ermon shows next hops of its own session on IPv6 routes there, such as"
        yield f"{session.source}, it cannot find their link: give the feed IPv6 addresses (peer and local)."


def about_ipv6_of_frr(router: Router) -> Iterator[str]:
    """Warn of what FRR 8.4 does within seconds, whatever its settings."""
    for session in router.ipv6_tables_over_ipv4:
        yield f"CAUTION: {session.feed} carries IPv6 over IPv4. FRR (8.4) replaces their next hops by ::ffff:{session.source},"
        yield "and no setting prevents it. Then ermon cannot find their link, which seems down: give the feed IPv6"
        yield "addresses (peer and local). Both families may stay on it."
