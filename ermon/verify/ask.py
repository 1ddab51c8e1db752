"""Asks a running daemon for everything that the acceptance test of its circuits needs.

The server is not trusted to be ermon: the time and size of its answers are limited, and their types are checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ermon.api.answers import AzureLinkDoc, AzureTablesDoc, FindingDoc, RouteDoc, RoutesDoc, SubjectDoc
from ermon.api.status import StatusDoc
from ermon.client.http import Client, is_it_ermon
from ermon.client.target import Target, UnreachableError, UsageError
from ermon.model.prefixes import Family, Prefix, parse_prefix

TOTAL_SECONDS = 120.0
"""How long all answers together may take."""
MAX_TABLE_REQUESTS = 200
"""Requests for one feed's routes of one family: enough for every circuit within Microsoft's limits, but not for a leaked
full table.
"""

_WHOLE: Mapping[Family, Prefix] = {"ipv4": Prefix(4, 0, 0), "ipv6": Prefix(6, 0, 0)}


@dataclass(frozen=True, slots=True)
class Table:
    """The routes of one family that ermon holds for a feed."""

    routes: tuple[RouteDoc, ...]
    complete: bool
    """Whether the feed is in sync, and no answer was truncated."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A daemon's state. Its answers arrive one after the other, so they may differ by a moment."""

    url: str
    """The daemon's address, without a password."""
    status: StatusDoc
    statuses: tuple[SubjectDoc, ...]
    findings: tuple[FindingDoc, ...]
    """The raised findings."""
    tables: Mapping[tuple[str, Family], Table] = field(default_factory=dict)
    """By feed and family: the tables that concern the tested circuits."""
    azure: Mapping[str, Mapping[str, AzureLinkDoc]] = field(default_factory=dict)
    """By circuit and link: what is known of Microsoft's edge routers; only circuits whose tables are read."""


async def take_snapshot(target: Target, circuit: str | None) -> Snapshot:
    """Request everything about one circuit, or about all of them.

    Raises ``UsageError`` for a circuit that the daemon does not know, and ``UnreachableError``.
    """
    try:
        async with asyncio.timeout(TOTAL_SECONDS), Client(target) as client:
            return await _take(client, circuit)
    except TimeoutError:
        raise UnreachableError(
            f"{target.name}: did not answer everything within {TOTAL_SECONDS:g} s. Is its host overloaded?"
        ) from None


async def _take(client: Client, circuit: str | None) -> Snapshot:
    status = await client.get("status", StatusDoc)
    if circuit is not None and circuit not in status.circuits:
        known = ", ".join(status.circuits) or "none"
        raise UsageError(f"there is no circuit {circuit!r} at {client.name}: there are {known}")
    if not status.circuits:
        raise UsageError(f"there is nothing to test: the configuration at {client.name} declares no circuit")
    _check_prefixes((p for pool in status.pools.values() for p in pool.prefixes), client.name)
    wanted = status.circuits if circuit is None else {circuit: status.circuits[circuit]}
    statuses = await client.get("statuses", tuple[SubjectDoc, ...])
    findings = await client.get("findings", tuple[FindingDoc, ...], state="raised")
    tables = {key: await _table(client, *key) for key in sorted(_tables_of(status, wanted))}
    azure = await _edge_routers(client) if any(each.azure for each in wanted.values()) else {}
    return Snapshot(client.name, status, statuses, findings, tables, azure)


async def _edge_routers(client: Client) -> dict[str, Mapping[str, AzureLinkDoc]]:
    return {each.circuit: each.links for each in await client.get("azure", tuple[AzureTablesDoc, ...])}


AZURE_SECONDS = 900.0
"""How long to wait for Microsoft's tables: Azure takes minutes for each."""
_LOOK_SECONDS = 5.0


async def ask_azure(target: Target, circuit: str | None, say: Callable[[str], None]) -> None:
    """Let the daemon read the tables of Microsoft's edge routers now, and wait until it has. ``say`` gets what is not read, and why.

    Azure may be asked only every few minutes, and its credentials stay with the daemon. Raises ``UnreachableError``, also if
    the caller has no right to request it, and for a circuit without tables.
    """
    async with Client(target) as client:
        asked = await client.change("POST", "azure", tuple[AzureTablesDoc, ...], {"circuit": circuit})
        for each in asked:
            if each.seconds:
                say(
                    f"Azure was asked for the tables of {each.circuit} lately, and is asked again in {each.seconds:.0f} s"
                )
        waiting = {each.circuit for each in asked if each.seconds == 0}
        if waiting:
            say(f"asking Azure for the tables of {', '.join(sorted(waiting))}; it takes minutes")
        deadline = asyncio.get_running_loop().time() + AZURE_SECONDS
        while waiting and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
            found = await client.get("azure", tuple[AzureTablesDoc, ...])
            for each in found:
                if each.circuit in waiting and not each.reading:
                    waiting.discard(each.circuit)
                    for name, link in each.links.items():
                        if link.problem:
                            say(f"{each.circuit} {name}: {link.problem}")


def _tables_of(status: StatusDoc, circuits: Iterable[str]) -> set[tuple[str, Family]]:
    """Return the feeds and families that show what the links receive and advertise."""
    found: set[tuple[str, Family]] = set()
    for circuit in circuits:
        for name, link in status.circuits[circuit].links.items():
            for feed_name, feed in status.feeds.items():
                if (
                    (feed.view == "edge-table" and (feed.router, feed.vrf) == (link.router, link.vrf))
                    or any(feed_name in deciders for deciders in link.decided_by.values())
                    or any(feed_name == session.feed for session in link.sessions.values())
                    or (feed.view == "to-microsoft" and (feed.circuit, feed.link) == (circuit, name))
                ):
                    found.update((feed_name, family) for family in feed.in_sync)
    return found


async def _table(client: Client, feed: str, family: Family) -> Table:
    """Request all routes of a feed. If an answer is truncated, request the two halves of its prefix."""
    pending = [_WHOLE[family]]
    routes: dict[RouteDoc, None] = {}
    in_sync = True
    for _ in range(MAX_TABLE_REQUESTS):
        prefix = pending.pop()
        found = await client.get("routes", RoutesDoc, prefix=str(prefix), match="longer", feed=feed)
        routes.update(dict.fromkeys(found.routes))
        _check_prefixes((route.prefix for route in found.routes), client.name)
        in_sync = in_sync and feed not in found.feeds_not_in_sync
        if found.truncated:
            # The routes for the prefix itself come first, so they were not truncated.
            pending += _halves(prefix)
        if not pending:
            return Table(tuple(routes), complete=in_sync)
    return Table(tuple(routes), complete=False)


def _check_prefixes(prefixes: Iterable[str], where: str) -> None:
    """Raise an error for text that is not a prefix, so that the rest of the code need not check."""
    try:
        for prefix in prefixes:
            parse_prefix(prefix)
    except ValueError as error:
        raise UnreachableError(
            f"{where}: is not an answer of ermon's API: {error}. {is_it_ermon(where)}"
        ) from None


def _halves(prefix: Prefix) -> tuple[Prefix, ...]:
    if prefix.length == prefix.bits:
        return ()
    bit = 1 << (prefix.bits - prefix.length - 1)
    version, value, length = prefix
    return (Prefix(version, value, length + 1), Prefix(version, value | bit, length + 1))
