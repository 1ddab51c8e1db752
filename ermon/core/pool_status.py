"""Where the NAT pools are seen, on each link and on the internet, and whether that is right.

Most pools are on two links of hundreds. So a pool is looked for on the links of its own circuits, and on other links
only if their mirror shows a part of it. If the mirror of another circuit is down, the status does not show this at the
pool, but at the feed and in ``pool-wrong-circuit`` of that link, which is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ermon.api.status import Answer, OwnershipDoc, PlaceDoc, PoolDoc, PoolOverall, PoolPlace
from ermon.checks.internet import INSIDE_POOL
from ermon.checks.mirror import POOL_SPACE
from ermon.checks.ownership import read_recently
from ermon.checks.topics import RouteSet
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.inventory import InternetUse, LinkKey, Pool
from ermon.model.ownership import covering
from ermon.model.prefixes import Family
from ermon.model.text import rfc3339

_Answers = dict[str, dict[str, Answer]]
"""By circuit and link."""


def pools_status(monitor: Monitor) -> dict[str, PoolDoc]:
    return {name: pool_status(monitor, name) for name in monitor.config.pools}


def pool_status(monitor: Monitor, name: str) -> PoolDoc:
    """Return where a pool is seen, and whether it should be there."""
    pool, layout = monitor.config.pools[name], monitor.layout
    expected_on = layout.expected_on[name]
    advertised = {family: _advertised(monitor, pool, family) for family in pool.families}
    on_internet = {
        family: {
            feed: _on_internet(monitor.network, pool, feed, family) for feed in layout.internet_feeds[family]
        }
        for family in pool.families
    }
    on_links = _on_links(advertised, expected_on)
    on_feeds = _on_feeds(on_internet, pool.internet)
    return PoolDoc(
        use=pool.use,
        internet=pool.internet,
        prefixes=tuple(map(str, pool.prefixes)),
        circuits=pool.circuits,
        expected_on=tuple(PlaceDoc(circuit=circuit, link=link) for circuit, link in sorted(expected_on)),
        advertised=advertised,
        on_internet=on_internet,
        on_links=on_links,
        on_feeds=on_feeds,
        overall=_pool_overall(
            {*on_feeds.values(), *(place for row in on_links.values() for place in row.values())}
        ),
        ownership={family: _ownership(monitor, pool, family) for family in pool.families}
        if monitor.config.ownership.sources
        else {},
    )


def _ownership(monitor: Monitor, pool: Pool, family: Family) -> OwnershipDoc:
    facts, prefixes = monitor.network, pool.prefixes_of(family)
    readings = read_recently(facts, monitor.config.ownership.sources)
    vrps = {str(vrp) for each in readings for prefix in prefixes for vrp in covering(each.vrps, prefix)}
    objects = {
        str(found)
        for each in readings
        for prefix in prefixes
        for found in each.route_objects
        if found.covers(prefix)
    }
    newest = max((each.taken_at for each in readings), default=None)
    return OwnershipDoc(
        read_at=None if newest is None else rfc3339(facts.wall(newest)),
        vrps=tuple(sorted(vrps)),
        route_objects=tuple(sorted(objects)),
    )


def _advertised(monitor: Monitor, pool: Pool, family: Family) -> _Answers:
    """Return the answers for each link of the pool's circuits, and for every other link that advertises the pool."""
    facts, layout = monitor.network, monitor.layout
    answers: _Answers = {}
    for link in layout.pool_links(pool, family):
        found = layout.mirrors[link.key].advertises(facts, pool, family)
        answer = Answer.UNKNOWN if found is None else Answer.YES if found else Answer.NO
        answers.setdefault(link.circuit, {})[link.name] = answer
    for key in showing_links(facts, pool, family):
        circuit, link_name = key
        if link_name not in answers.get(circuit, ()) and layout.mirrors[key].advertises(facts, pool, family):
            answers.setdefault(circuit, {})[link_name] = Answer.YES
    return answers


def showing_links(facts: NetworkFacts, pool: Pool, family: Family) -> list[LinkKey]:
    """Return the links with a mirror that shows a part of a pool, sorted."""
    feeds = facts.feeds_showing(RouteSet(POOL_SPACE, family, pool.name))
    keys = {facts.config.feeds[feed].link_key for feed in feeds}
    return sorted(key for key in keys if key is not None)


def shown_pools(facts: NetworkFacts, feed: str) -> set[str]:
    """Return the pools of which a mirror shows a part."""
    return {route_set.name for route_set in facts.feeds[feed].route_sets if route_set.kind == POOL_SPACE}


def _on_internet(facts: NetworkFacts, pool: Pool, feed: str, family: Family) -> Answer:
    """Return whether the feed has a prefix equal to the pool's or inside it. Only a feed in sync proves that it has
    none.
    """
    if facts.matching(feed, RouteSet(INSIDE_POOL, family, pool.name)):
        return Answer.YES
    return Answer.NO if facts.knows(feed, family, pool.prefixes_of(family)) else Answer.UNKNOWN


def _on_links(
    advertised: Mapping[Family, _Answers], expected_on: Collection[LinkKey]
) -> dict[str, dict[str, PoolPlace]]:
    found: dict[LinkKey, list[Answer]] = {}
    for rows in advertised.values():
        for circuit, row in rows.items():
            for link, answer in row.items():
                found.setdefault((circuit, link), []).append(answer)
    places: dict[str, dict[str, PoolPlace]] = {}
    for (circuit, link), answers in found.items():
        place = place_on_link(answers, expected=(circuit, link) in expected_on)
        if place is not None:
            places.setdefault(circuit, {})[link] = place
    return places


def _on_feeds(on_internet: Mapping[Family, Mapping[str, Answer]], use: InternetUse) -> dict[str, PoolPlace]:
    found: dict[str, set[Answer]] = {}
    for answers in on_internet.values():
        for feed, answer in answers.items():
            found.setdefault(feed, set()).add(answer)
    places = {feed: place_on_internet(answers, use) for feed, answers in found.items()}
    return {feed: place for feed, place in places.items() if place is not None}


def place_on_link(answers: Collection[Answer], *, expected: bool) -> PoolPlace | None:
    """Judge the answers of all families on one link: a fault in one family is not made good by another.

    ``None`` if the pool is absent, as planned.
    """
    if (Answer.NO if expected else Answer.YES) in answers:
        return PoolPlace.MISSING if expected else PoolPlace.UNEXPECTED
    if Answer.UNKNOWN in answers:
        return PoolPlace.UNKNOWN
    return PoolPlace.ADVERTISED if expected else None


def place_on_internet(answers: Collection[Answer], use: InternetUse) -> PoolPlace | None:
    """Judge the answers of all families on one feed that shows the internet or what is advertised to it; ``None`` as
    above.
    """
    if Answer.YES in answers:
        return PoolPlace.FAILOVER if use is InternetUse.FAILOVER else PoolPlace.UNEXPECTED
    return PoolPlace.UNKNOWN if Answer.UNKNOWN in answers else None


def _pool_overall(places: Collection[PoolPlace]) -> PoolOverall:
    if PoolPlace.MISSING in places or PoolPlace.UNEXPECTED in places:
        return PoolOverall.WRONG
    return PoolOverall.UNKNOWN if PoolPlace.UNKNOWN in places else PoolOverall.PLANNED
