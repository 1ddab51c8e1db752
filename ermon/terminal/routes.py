"""``ermon routes QUERY``: what a running daemon finds for a query, and which feeds do not have a prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from rich.console import RenderableType
from rich.text import Text

from ermon.api.answers import FoundPlaceDoc, FoundRoutesDoc, RouteDoc, SearchDoc
from ermon.api.status import StatusDoc
from ermon.client.http import Client, read
from ermon.client.target import Target, UsageError
from ermon.terminal.display import indented, make_console, mark, print_parts, style, text
from ermon.terminal.status import as_json

MATCHES = ("exact", "covering", "longer")
"""The ways in which routes match a prefix."""

_ATTRIBUTIONS = {
    "unattributed": "a Microsoft route that fits no link",
    "internal-copy": "an internal copy of another router's route",
    "not-microsoft": "not a Microsoft route",
}


async def show_routes(
    target: Target, query: str, out: TextIO, *, feed: str | None, match: str | None, json: bool
) -> bool:
    """Print the results, and return whether there are any; for a prefix, an ASN or a community only routes count.

    ``match`` is one of ``MATCHES``, or ``None`` for all of them. Raises ``UsageError`` for a query that the daemon does
    not understand or a feed that it does not have, and ``UnreachableError`` if no daemon answers.
    """
    async with Client(target) as client:
        status = read(await client.get("status", dict[str, Any]), StatusDoc, client.name)
        if feed is not None and feed not in status.feeds:
            known = ", ".join(status.feeds) or "none"
            raise UsageError(f"there is no feed {feed!r} at {client.name}: there are {known}")
        where = {} if feed is None else {"feed": feed}
        answer = await client.get("search", dict[str, Any], q=query, **where)
        found = read(answer, SearchDoc, client.name)
        if json and found.kind == "prefix":
            answer = {
                each: await client.get("routes", dict[str, Any], prefix=query, match=each, **where)
                for each in (MATCHES if match is None else (match,))
            }
    routes = [each for each in found.routes if found.kind != "prefix" or match in (None, each.match)]
    if json:
        out.write(as_json(answer))
    else:
        print_parts(make_console(out), _apart(_sections(found, routes, status)))
    return found.kind == "name" or any(each.routes for each in routes)


def _apart(sections: Iterable[list[RenderableType]]) -> Iterator[RenderableType]:
    """Put an empty line between sections."""
    first = True
    for section in sections:
        if section:
            if not first:
                yield text("")
            yield from section
            first = False


def _sections(
    found: SearchDoc, routes: list[FoundRoutesDoc], status: StatusDoc
) -> Iterator[list[RenderableType]]:
    if not any(each.routes for each in routes) and found.kind != "name":
        yield [text(_nothing(found, routes))]
    if found.kind == "name":
        yield list(_places(found))
    for each in routes:
        yield list(_routes(each, status))
    yield list(_without(found)) if any(each.match == "exact" for each in routes) else []
    if found.kind != "name":
        yield list(_places(found))
    yield [text(f"◆ {note}", "yellow") for note in found.notes]


def _nothing(found: SearchDoc, routes: list[FoundRoutesDoc]) -> str:
    if found.kind != "prefix":
        return f"○ {found.title}: no feed has a route with it."
    sought = {"exact": "this prefix", "covering": "a covering one", "longer": "a more specific one"}
    return f"○ {found.title}: no feed has {' or '.join(sought[each.match] for each in routes)}."


def _places(found: SearchDoc) -> Iterator[RenderableType]:
    for place in found.places:
        yield _place(place)
    if (rest := found.places_total - len(found.places)) > 0:
        yield text(f"◆ and {rest} more: search for a longer name", "yellow")


def _place(place: FoundPlaceDoc) -> Text:
    head = Text()
    if place.state is not None:
        head.append_text(text(f"{mark(place.state)} ", style(place.state)))
    head.append_text(text(f"{place.kind} {place.name}", "bold"))
    return head.append_text(text(f"  {place.text}"))


def _routes(found: FoundRoutesDoc, status: StatusDoc) -> Iterator[RenderableType]:
    if not found.routes:
        return
    yield text(found.title, "bold underline")
    for same in _by_prefix(found.routes):
        for route in same:
            yield from _route(route, status)
    if found.truncated:
        total = f"{found.total}" if found.total_exact else f"more than {found.total}"
        yield text(
            f"◆ Only {len(found.routes)} of {total} routes are shown; --feed or a longer prefix", "yellow"
        )


def _without(found: SearchDoc) -> Iterator[RenderableType]:
    """Yield the feeds that do not have a prefix, by reason."""
    feeds: dict[tuple[str, bool], list[str]] = {}
    for each in found.without:
        feeds.setdefault((each.text, each.reason in {"absent", "covered"}), []).append(each.feed)
    if feeds:
        yield text("Not on", "bold underline")
    for (why, proven), names in feeds.items():
        yield text(
            f"{mark('no' if proven else 'unknown')} {', '.join(names)}: {why}", "" if proven else "yellow"
        )


def _by_prefix(routes: Iterable[RouteDoc]) -> Iterable[list[RouteDoc]]:
    """Group the routes of all feeds by prefix, so that they can be compared."""
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
        head.append_text(text(f", learned over {route.circuit} {route.link}", "green"))
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
