"""Where the NAT pools are seen: on each link, and in what the internet hears; and whether that is as it should be.

Most pools are on two links of hundreds. So what is true of a link for every pool is worked out once, and a pool is
looked for only where a mirror shows some of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ermon.api.status import Answer, PlaceDoc, PoolDoc, PoolOverall, PoolPlace
from ermon.checks.internet import INSIDE_POOL
from ermon.checks.mirror import POOL_SPACE
from ermon.checks.subject import RouteSet, link_down
from ermon.core.facts import NetworkFacts
from ermon.core.layout import layout_of
from ermon.core.monitor import Monitor
from ermon.model.inventory import InternetUse, LinkKey, Pool
from ermon.model.prefixes import FAMILIES, Family

_Answers = dict[str, dict[str, Answer]]
"""By circuit and link. Pools share rows: nobody changes one."""


class Mirrors:
    """What can be said at one moment of each link on which a pool could be advertised, for all pools alike."""

    def __init__(self, monitor: Monitor) -> None:
        self._facts, layout = monitor.network, layout_of(monitor)
        self._proven: dict[Family, dict[str, LinkKey]] = {family: {} for family in FAMILIES}
        """By mirror in sync: its link, where that is not known to be down."""
        self._nowhere: dict[Family, _Answers] = {family: {} for family in FAMILIES}
        """What is answered of a pool that no mirror shows."""
        self.unseen: dict[Family, set[LinkKey]] = {family: set() for family in FAMILIES}
        """The links of which that is unknown."""
        for family in FAMILIES:
            for link in layout.pool_links[family]:
                down = link_down(self._facts, link, family)
                mirrors = layout.mirrors[link.key].feeds
                in_sync = [feed.name for feed in mirrors if self._facts.in_sync(feed.name, family)]
                answer = Answer.NO if down or in_sync else Answer.UNKNOWN
                self._nowhere[family].setdefault(link.circuit, {})[link.name] = answer
                if answer is Answer.UNKNOWN:
                    self.unseen[family].add(link.key)
                if not down:
                    self._proven[family].update(dict.fromkeys(in_sync, link.key))

    def showing(self, pool: Pool, family: Family) -> set[LinkKey]:
        """Return the links whose mirror shows all of a pool, and that are not known to be down."""
        proven, prefixes = self._proven[family], pool.prefixes_of(family)
        return {
            proven[feed]
            for feed in self._facts.feeds_showing(RouteSet(POOL_SPACE, family, pool.name))
            if feed in proven and all(self._facts.covers(feed, prefix) for prefix in prefixes)
        }

    def answers(self, family: Family, showing: Iterable[LinkKey]) -> _Answers:
        """Answer for every link whether it advertises a pool that ``showing`` do."""
        rows = dict(self._nowhere[family])
        for circuit, link in showing:
            rows[circuit] = {**rows[circuit], link: Answer.YES}
        return rows


def pools_status(monitor: Monitor, names: Iterable[str] | None = None) -> dict[str, PoolDoc]:
    """Return the status of these pools, or of all; the mirrors are looked at once for all of them."""
    mirrors = Mirrors(monitor)
    wanted = monitor.config.pools if names is None else names
    return {name: pool_status(monitor, name, mirrors) for name in wanted}


def pool_status(monitor: Monitor, name: str, mirrors: Mirrors | None = None) -> PoolDoc:
    """Return where a pool is seen, and how it stands there; ``mirrors`` must be of this moment."""
    pool, layout = monitor.config.pools[name], layout_of(monitor)
    mirrors = mirrors or Mirrors(monitor)
    expected_on = layout.expected_on[name]
    showing = {family: mirrors.showing(pool, family) for family in pool.families}
    advertised = {family: mirrors.answers(family, links) for family, links in showing.items()}
    on_internet = {
        family: {
            feed: _on_internet(monitor.network, pool, feed, family) for feed in layout.internet_feeds[family]
        }
        for family in pool.families
    }
    notable = expected_on.union(*showing.values(), *(mirrors.unseen[family] for family in pool.families))
    ordered = sorted(notable, key=layout.order.__getitem__)
    on_links = _on_links(advertised, ordered, expected_on)
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
    )


def _on_internet(facts: NetworkFacts, pool: Pool, feed: str, family: Family) -> Answer:
    """Return whether a prefix equal to the pool's or inside it is in the view; only in sync there is a no."""
    if facts.matching(feed, RouteSet(INSIDE_POOL, family, pool.name)):
        return Answer.YES
    return Answer.NO if facts.in_sync(feed, family) else Answer.UNKNOWN


def _on_links(
    advertised: Mapping[Family, _Answers], links: Iterable[LinkKey], expected_on: Collection[LinkKey]
) -> dict[str, dict[str, PoolPlace]]:
    places: dict[str, dict[str, PoolPlace]] = {}
    for circuit, link in links:
        answers = [rows[circuit][link] for rows in advertised.values() if link in rows.get(circuit, ())]
        place = place_on_link(answers, expected=(circuit, link) in expected_on) if answers else None
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
    """Judge the answers of all families on one link: what is wrong in one is not made good by another.

    ``None``: the pool is absent, as planned.
    """
    if (Answer.NO if expected else Answer.YES) in answers:
        return PoolPlace.MISSING if expected else PoolPlace.UNEXPECTED
    if Answer.UNKNOWN in answers:
        return PoolPlace.UNKNOWN
    return PoolPlace.ADVERTISED if expected else None


def place_on_internet(answers: Collection[Answer], use: InternetUse) -> PoolPlace | None:
    """Judge the answers of all families on one feed that shows what the internet hears; ``None`` as above."""
    if Answer.YES in answers:
        return PoolPlace.FAILOVER if use is InternetUse.FAILOVER else PoolPlace.UNEXPECTED
    return PoolPlace.UNKNOWN if Answer.UNKNOWN in answers else None


def _pool_overall(places: Collection[PoolPlace]) -> PoolOverall:
    if PoolPlace.MISSING in places or PoolPlace.UNEXPECTED in places:
        return PoolOverall.WRONG
    return PoolOverall.UNKNOWN if PoolPlace.UNKNOWN in places else PoolOverall.PLANNED
