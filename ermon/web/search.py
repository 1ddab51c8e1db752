"""``/api/v1/search``: one search for everything, with the same answer for the page and the terminal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from aiohttp import web

from ermon.aio.slices import in_slices, list_in_slices
from ermon.api.answers import FoundRoutesDoc, SearchDoc, WithoutDoc
from ermon.core.facts import FILTERED_VIEWS
from ermon.core.monitor import Monitor
from ermon.core.standing import worst
from ermon.model.findings import LinkState
from ermon.model.inventory import Feed
from ermon.model.prefixes import FAMILY_NAMES, Prefix
from ermon.model.routes import Attributes, Community, Route
from ermon.web.handling import CONTEXT, WebContext, answer, parameters, refuse, success
from ermon.web.history import find_cleared
from ermon.web.places import Place, advice, cleared_finding, communities_of, describe, find_places
from ermon.web.query import AsnQuery, CommunityQuery, NameQuery, PrefixQuery, Query, parse_query
from ermon.web.routes import MAX_COUNTED, Describer, matching

MAX_PLACES = 50
MAX_FOUND = 200
"""Most routes of each kind in one answer; ``/api/v1/routes`` returns more."""
MAX_SERVICES = 12
"""If a name matches more services than this, routes are not searched by their communities."""

_FINDING_ID = re.compile(r"[0-9a-f]{16}")
_KEPT_IN_PART = "keeps only what the policy needs; the router may have more"


@dataclass(slots=True)
class _Found:
    """Routes that match in one way."""

    match: str
    title: str
    routes: list[tuple[str, Route]] = field(default_factory=list)
    """The first routes, with their feeds."""
    counted: int = 0

    def add(self, feed: str, route: Route) -> bool:
        """Add a route; return ``False`` when the limit of the count is reached."""
        self.counted += 1
        if len(self.routes) < MAX_FOUND:
            self.routes.append((feed, route))
        return self.counted <= MAX_COUNTED

    def document(self, describer: Describer) -> FoundRoutesDoc:
        return FoundRoutesDoc(
            match=self.match,
            title=self.title,
            routes=tuple(describer.route(feed, route) for feed, route in self.routes),
            total=min(self.counted, MAX_COUNTED),
            total_exact=self.counted <= MAX_COUNTED,
            truncated=self.counted > len(self.routes),
        )


async def search(request: web.Request) -> web.Response:
    """Handle a query: return the places that it names, and the routes that match it."""
    values = parameters(request, "q", "feed")
    context = request.app[CONTEXT]
    try:
        query = parse_query(values.get("q", ""))
    except ValueError as error:
        refuse(str(error))
    monitor = context.monitor()
    _feeds(monitor, feed := values.get("feed"))
    places = await _places(context, monitor, query)
    if not places and isinstance(query, NameQuery):
        refuse(await asyncio.to_thread(advice, monitor.config, query.text))
    shown = await list_in_slices(describe(monitor, place) for place in places[:MAX_PLACES])
    wanted, notes = _carrying(query, places)
    config, feeds = monitor.config, _feeds(monitor, feed)  # one configuration for all, also during a reload
    limits = _limits(monitor, feeds, query)
    without: tuple[WithoutDoc, ...] = ()
    if isinstance(query, PrefixQuery):
        found, without = _around(monitor, feeds, query.prefix), tuple(_without(monitor, feeds, query.prefix))
    else:
        found = await _scan(monitor, feeds, wanted)

    def render() -> bytes:
        describer = Describer(config)
        return success(
            SearchDoc(
                query=query.text,
                kind=_KINDS[type(query)],
                title=_title(query),
                places=tuple(shown),
                places_total=len(places),
                routes=tuple(each.document(describer) for each in found),
                without=without,
                notes=tuple([*notes, *limits] if found else notes),
            )
        )

    return answer(await asyncio.to_thread(render))


_KINDS: dict[type, str] = {
    PrefixQuery: "prefix",
    AsnQuery: "asn",
    CommunityQuery: "community",
    NameQuery: "name",
}


def _title(query: Query) -> str:
    match query:
        case PrefixQuery(prefix=prefix):
            return f"{FAMILY_NAMES[prefix.family]} prefix {prefix}"
        case AsnQuery(asn=asn):
            return f"AS{asn}"
        case CommunityQuery(community=community):
            return f"Community {community}"
        case NameQuery(text=text):
            return f"Name {text}"


def _feeds(monitor: Monitor, wanted: str | None) -> dict[str, Feed]:
    feeds = monitor.config.feeds
    if wanted is not None and wanted not in feeds:
        raise web.HTTPNotFound(text=f"there is no feed {wanted!r}")
    return {name: feed for name, feed in feeds.items() if wanted in (None, name)}


async def _places(context: WebContext, monitor: Monitor, query: Query) -> list[Place]:
    raised = [(alarm.state.finding_id, alarm) for alarm in worst(monitor.standing.raised.values())]
    places = await asyncio.to_thread(find_places, monitor.config, raised, query)
    if not places and _FINDING_ID.fullmatch(query.text):
        kept = await find_cleared(context, query.text)
        places = [] if kept is None else [cleared_finding(kept)]
    return places


# A prefix, and the feeds that do not have it -------------------------------------------------------------


def _around(monitor: Monitor, feeds: Iterable[str], prefix: Prefix) -> list[_Found]:
    """Find the routes for a prefix, those that cover it, and those inside it."""
    around = [
        _Found("exact", f"To {prefix}"),
        _Found("covering", f"Covering {prefix} (less specific)"),
        _Found("longer", f"Inside {prefix} (more specific)"),
    ]
    for found in around:
        for name, route in matching(monitor, feeds, prefix, found.match):
            if (found.match == "exact" or route.prefix != prefix) and not found.add(name, route):
                break
    return around


def _without(monitor: Monitor, feeds: dict[str, Feed], prefix: Prefix) -> Iterator[WithoutDoc]:
    """Yield each feed without the prefix, with the reason."""
    for name, feed in feeds.items():
        if feed.by_bmp and prefix.family not in feed.families:
            continue  # the session is two feeds, one of each family
        if prefix not in monitor.network.feeds[name].rib:
            reason, text = _why_not(monitor, feed, prefix)
            yield WithoutDoc(feed=name, reason=reason, text=text)
    for name in monitor.config.elsewhere:
        yield WithoutDoc(feed=name, reason="elsewhere", text="another ermon has this feed")


def _why_not(monitor: Monitor, feed: Feed, prefix: Prefix) -> tuple[str, str]:
    known, family = monitor.network, FAMILY_NAMES[prefix.family]
    if prefix.family not in feed.families:
        return "other-family", f"carries no {family}"
    if feed.by_bmp and (own := known.own_session(feed.name)).state is not LinkState.UP:
        return "not-in-sync", f"the session is {own.state}: {own.reason or 'the router does not say why'}"
    if not known.up(feed.name):
        return "not-in-sync", "the session is down"
    if not known.knows(feed.name, prefix.family, (prefix,)):
        return "not-in-sync", f"not in sync for {family}: the route may still come"
    if not _keeps(monitor, feed, prefix):
        return "not-kept", _KEPT_IN_PART
    covering = [route.prefix for route in known.feeds[feed.name].rib.covering(prefix)]
    if covering:
        return "covered", f"only a less specific route, {max(covering, key=lambda each: each.length)}"
    return "absent", "no route"


def _keeps(monitor: Monitor, feed: Feed, prefix: Prefix) -> bool:
    """Return whether ermon would keep a feed's route to this prefix, independently of its AS path."""
    return feed.view not in FILTERED_VIEWS or monitor.reactor.routes.watched_on(feed).overlaps(prefix)


# An ASN, a community, a service --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a route must contain to match."""

    match: str
    title: str
    carried: Callable[[Attributes], bool]


def _carrying(query: Query, places: list[Place]) -> tuple[_Wanted | None, list[str]]:
    """Return what matching routes must contain, and notes about it for the answer."""
    match query:
        case AsnQuery(asn=asn):
            return _Wanted("as-path", f"With AS{asn} in the AS path", lambda each: _passes(each, asn)), []
        case CommunityQuery(community=community):
            return _with_communities([community]), []
        case NameQuery():
            services = communities_of(places)
            if len(services) > MAX_SERVICES:
                return None, [
                    f"{len(services)} services and regions fit: search for one of them to see its routes."
                ]
            return _with_communities(services) if services else None, []
        case _:
            return None, []


def _with_communities(wanted: list[Community]) -> _Wanted:
    title = f"With community {' or '.join(map(str, wanted))}"
    return _Wanted("community", title, lambda each: any(map(each.has_community, wanted)))


def _passes(attributes: Attributes, asn: int) -> bool:
    return any(asn in segment.asns for segment in attributes.as_path)


async def _scan(monitor: Monitor, feeds: Iterable[str], wanted: _Wanted | None) -> list[_Found]:
    """Search all routes. Routes share attributes, and each attribute is examined once."""
    if wanted is None:
        return []
    found = _Found(wanted.match, wanted.title)
    await in_slices(_look_through(monitor, feeds, wanted.carried, found))
    return [found]


def _look_through(
    monitor: Monitor, feeds: Iterable[str], carried: Callable[[Attributes], bool], found: _Found
) -> Iterator[None]:
    """Search in slices; routes that are added or withdrawn meanwhile may be found or not."""
    for name in feeds:
        if (state := monitor.network.feeds.get(name)) is None:
            continue  # a reload has removed the feed
        rib = state.rib
        fits: dict[Attributes, bool] = {}
        for prefix in tuple(chain(rib.prefixes("ipv4"), rib.prefixes("ipv6"))):
            for route in tuple(rib.paths(prefix)):
                attributes = route.attributes
                if attributes not in fits:
                    fits[attributes] = carried(attributes)
                if fits[attributes] and not found.add(name, route):
                    return
            yield


# Notes about missing routes ------------------------------------------------------------------------------


def _limits(monitor: Monitor, feeds: dict[str, Feed], query: Query) -> list[str]:
    """Return notes about feeds that may have more routes than ermon shows. For the prefix itself, ``without`` says it."""
    prefix = query.prefix if isinstance(query, PrefixQuery) else None
    partial, blind = [], []
    for name, feed in feeds.items():
        families = [each for each in feed.families if prefix is None or each == prefix.family]
        if not families:
            continue
        if not all(monitor.network.in_sync(name, each) for each in families):
            blind.append(name)
        elif feed.view in FILTERED_VIEWS and (prefix is None or not _keeps(monitor, feed, prefix)):
            partial.append(name)
    notes = []
    if blind:
        notes.append(f"Not in sync, so that routes may be missing: {', '.join(blind)}.")
    if partial:
        verb = "keeps" if len(partial) == 1 else "keep"
        notes.append(f"{', '.join(partial)} {verb} only what the policy needs; the routers may have more.")
    return notes
