"""``ermon routes PREFIX``: the routes that a running daemon holds to a prefix, and around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from rich.console import RenderableType
from rich.text import Text

from ermon.api.answers import RouteDoc, RoutesDoc
from ermon.api.status import StatusDoc
from ermon.client.http import Client, read
from ermon.client.target import Target, UsageError
from ermon.terminal.display import indented, make_console, text
from ermon.terminal.status import as_json

TITLES = {"exact": "To {}", "covering": "Covering {}", "longer": "Inside {}"}
MATCHES = tuple(TITLES)

_SOUGHT = {"exact": "to it", "covering": "covering it", "longer": "inside it"}

_ATTRIBUTIONS = {
    "unattributed": "a Microsoft route that fits no link",
    "internal-copy": "an internal copy of another router's route",
    "not-microsoft": "not a Microsoft route",
}


async def show_routes(
    target: Target, prefix: str, out: TextIO, *, feed: str | None, match: str | None, json: bool
) -> bool:
    """Print the routes, and tell whether there are any.

    ``prefix`` is a valid one. ``match``: one of ``MATCHES``, or ``None`` for all of them. ``UsageError`` for a feed
    that the daemon does not have, ``UnreachableError`` when none answers. With ``json``: one object, each match that
    was asked for as the API answers it.
    """
    async with Client(target) as client:
        status = read(await client.get("status", dict[str, Any]), StatusDoc, client.name)
        if feed is not None and feed not in status.feeds:
            known = ", ".join(status.feeds) or "none"
            raise UsageError(f"there is no feed {feed!r} at {client.name}: there are {known}")
        where = {} if feed is None else {"feed": feed}
        answers = {
            each: await client.get("routes", dict[str, Any], prefix=prefix, match=each, **where)
            for each in (MATCHES if match is None else (match,))
        }
        found = {each: read(answer, RoutesDoc, client.name) for each, answer in answers.items()}
    if json:
        out.write(as_json(answers))
    else:
        console = make_console(out)
        for part in _report(found, status):
            console.print(part)
    return any(answer.routes for answer in found.values())


def _report(found: Mapping[str, RoutesDoc], status: StatusDoc) -> Iterator[RenderableType]:
    shown = False
    for match, answer in found.items():
        # The routes to the prefix itself stand in every answer.
        routes = [
            route
            for route in answer.routes
            if match == "exact" or "exact" not in found or route.prefix != answer.prefix
        ]
        if not routes:
            continue
        if shown:
            yield text("")
        shown = True
        yield text(TITLES[match].format(answer.prefix), "bold underline")
        for same in _by_prefix(routes):
            for route in same:
                yield from _route(route, status)
        if answer.truncated:
            total = f"{answer.total}" if answer.total_exact else f"more than {answer.total}"
            yield text(
                f"◆ Only {len(answer.routes)} of {total} routes are shown; --feed or a longer prefix",
                "yellow",
            )
    answers = list(found.values())
    if not shown:
        yield text(
            f"○ {answers[0].prefix}: no route {' or '.join(_SOUGHT[match] for match in found)} is held."
        )
    yield from _lacking(found)
    yield from _limits(answers)


def _lacking(found: Mapping[str, RoutesDoc]) -> Iterator[RenderableType]:
    """Say who does not have it, and nothing that contains it either."""
    if "exact" not in found or "covering" not in found:
        return
    covering = found["covering"]
    without = found["exact"].feeds_without
    none = [feed for feed in without if feed in covering.feeds_without]
    covered = [
        feed
        for feed in without
        if feed not in covering.feeds_without and any(route.feed == feed for route in covering.routes)
    ]
    if none or covered:
        yield text("")
    if none:
        yield text(f"○ No route to it on {', '.join(none)}")
    if covered:
        yield text(f"○ Only a route that contains it on {', '.join(covered)}")


def _by_prefix(routes: list[RouteDoc]) -> Iterable[list[RouteDoc]]:
    """Put together what the feeds hold to one prefix, so that it can be compared."""
    found: dict[str, list[RouteDoc]] = {}
    for route in routes:
        found.setdefault(route.prefix, []).append(route)
    return found.values()


def _route(route: RouteDoc, status: StatusDoc) -> Iterator[RenderableType]:
    feed = status.feeds.get(route.feed)
    head = Text().append_text(text(route.prefix, "bold")).append_text(text(f"  on {route.feed}"))
    if feed is not None:
        head.append_text(text(f" ({feed.view})", "dim"))
    if route.circuit is not None:
        head.append_text(text(f", came by {route.circuit} {route.link}", "green"))
    elif route.attribution is not None:
        head.append_text(text(f", {_ATTRIBUTIONS.get(route.attribution, route.attribution)}", "yellow"))
    yield head
    parts = [
        f"AS path {route.as_path}" if route.as_path else "empty AS path",
        f"next hop {route.next_hop}" if route.next_hop else "no next hop",
    ]
    for name, value in (
        ("path id", route.path_id or None),
        ("local preference", route.local_preference),
        ("MED", route.med),
    ):
        if value is not None:
            parts.append(f"{name} {value}")
    yield indented(text("; ".join(parts)), 4)
    named = [f"{each.name} ({each.community})" if each.name else each.community for each in route.communities]
    if named or route.large_communities:
        yield indented(text(", ".join([*named, *route.large_communities])), 4)


def _limits(answers: list[RoutesDoc]) -> Iterator[RenderableType]:
    """Say where a route that is not shown proves nothing."""
    unsynced = list(dict.fromkeys(feed for answer in answers for feed in answer.feeds_not_in_sync))
    partial = list(dict.fromkeys(feed for answer in answers for feed in answer.partial_feeds))
    if unsynced or partial:
        yield text("")
    if unsynced:
        yield text(f"◆ Not in sync, so that routes may be missing: {', '.join(unsynced)}", "yellow")
    if partial:
        yield text(
            f"○ Only what the policy asks about is held from {', '.join(partial)}: other routes may exist there",
            "dim",
        )
