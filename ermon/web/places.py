"""Search for everything with a name, an address, an ASN or a community, and its link on the page."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from ermon.api.answers import FoundPlaceDoc
from ermon.api.status import FeedOverall, HeadlineKind, PoolOverall, Shown
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import guide
from ermon.core.alarm import Alarm
from ermon.core.monitor import Monitor
from ermon.core.pool_status import pool_status
from ermon.core.status import circuit_status, feed_status, link_status
from ermon.model import communities
from ermon.model.findings import Finding
from ermon.model.inventory import Config, Feed, LinkKey
from ermon.model.prefixes import Address, Prefix, parse_address
from ermon.model.routes import Community
from ermon.model.text import quoted
from ermon.web.query import AsnQuery, CommunityQuery, NameQuery, PrefixQuery, Query

KINDS = ("circuit", "link", "pool", "uplink", "router", "feed", "segment", "finding", "service", "check")
"""The kinds of results, in the order of equally good matches."""

_NOT_FOUND = 9

Raised = tuple[str, Alarm]
"""A raised finding: its id and its alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something that can be found."""

    kind: str
    name: str
    text: str
    href: str | None = None
    terms: tuple[str, ...] = ()
    """Other names, in the form of ``plain``."""
    prefixes: tuple[Prefix, ...] = ()
    asns: tuple[int, ...] = ()
    communities: tuple[Community, ...] = ()
    link: LinkKey | None = None
    state: Shown | None = None
    alarm: Alarm | None = None
    """The alarm of a raised finding. Its text is made only when it is shown."""


@lru_cache(maxsize=10_000)
def plain(text: str) -> str:
    """Normalize a name: ``Exchange Online`` becomes ``exchange-online``."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def find_places(config: Config, raised: Iterable[Raised], query: Query) -> list[Place]:
    """Return the places that match a query, the best first."""
    ranked = [
        (rank, KINDS.index(place.kind), place)
        for place in _all(config, raised)
        if (rank := _rank(place, query)) < _NOT_FOUND
    ]
    return [place for _, _, place in sorted(ranked, key=lambda each: each[:2])]


def advice(config: Config, text: str) -> str:
    """Return a text that there is no such name, with a similar one if there is any."""
    known: dict[str, str] = {}
    for place in _all(config, ()):
        spoken = _spoken(place)
        for term in (plain(place.name), plain(spoken), *plain(spoken).split("-")):
            if len(term) > 2:
                known.setdefault(term, spoken)
    near = difflib.get_close_matches(plain(text), known, n=3, cutoff=0.7)
    meant = list(dict.fromkeys(known[term] for term in near))
    could = f" Did you mean {' or '.join(meant)}?" if meant else ""
    return f"{quoted(text)} is not a prefix, address, ASN, community or name.{could}"


def _spoken(place: Place) -> str:
    """Return the usual name of a place: for a service, Microsoft's name without the part in parentheses."""
    return place.text.partition(": ")[2].partition(" (")[0] if place.kind == "service" else place.name


def describe(monitor: Monitor, place: Place) -> FoundPlaceDoc:
    """Return a place with its present state."""
    text, state = place.text, None
    if place.alarm is not None:
        word = "recovering" if place.alarm.recovering else "raised"
        text = f"{place.alarm.severity}, {word}: {monitor.summary(place.alarm)}"
    with suppress(KeyError):  # a reload may have removed it meanwhile
        state = _state(monitor, place)
    return FoundPlaceDoc(kind=place.kind, name=place.name, text=text, state=state, href=place.href)


def _state(monitor: Monitor, place: Place) -> str | None:
    match place.kind:
        case "circuit":
            return circuit_status(monitor, place.name).overall
        case "link":
            assert place.link is not None
            return link_status(monitor, place.link).overall
        case "pool":
            overall = pool_status(monitor, place.name).overall
            states = {PoolOverall.PLANNED: Shown.UP, PoolOverall.WRONG: Shown.DOWN}
            return states.get(PoolOverall(overall), Shown.UNKNOWN)
        case "feed":
            states_of_feeds = {
                FeedOverall.UP: Shown.UP,
                FeedOverall.DOWN: Shown.DOWN,
                FeedOverall.ABSENT: None,
            }
            return states_of_feeds.get(FeedOverall(feed_status(monitor, place.name).overall), Shown.UNKNOWN)
        case "finding" if place.alarm is not None and place.alarm.recovering:
            return HeadlineKind.RECOVERING
        case _:
            return place.state


# Ranking -------------------------------------------------------------------------------------------------


def _rank(place: Place, query: Query) -> int:
    """Return how well a place matches, 0 is best."""
    return min(
        _rank_by_name(place, plain(query.text), whole=not isinstance(query, NameQuery)),
        _rank_by_number(place, query),
    )


def _rank_by_name(place: Place, wanted: str, *, whole: bool) -> int:
    """Return how well the name matches. With ``whole`` only the whole name counts, because the query is primarily an
    address, an ASN or a community.
    """
    terms = (plain(place.name), *place.terms)
    if not wanted:
        return _NOT_FOUND
    if wanted.removeprefix(f"{place.kind}-") in terms or wanted in terms:
        return 0
    if whole:
        return _NOT_FOUND
    if any(term.startswith(wanted) for term in terms):
        return 2
    return 4 if any(wanted in term for term in terms) else _NOT_FOUND


def _rank_by_number(place: Place, query: Query) -> int:
    match query:
        case PrefixQuery(prefix=wanted):
            return min((_overlap(each, wanted) for each in place.prefixes), default=_NOT_FOUND)
        case AsnQuery(asn=asn):
            return 1 if asn in place.asns else _NOT_FOUND
        case CommunityQuery(community=community):
            return 1 if community in place.communities else _NOT_FOUND
        case _:
            return _NOT_FOUND


def _overlap(known: Prefix, wanted: Prefix) -> int:
    """Return how well prefixes overlap. A default route overlaps everything and does not count."""
    if known == wanted:
        return 1
    if known.is_default or wanted.is_default:
        return _NOT_FOUND
    if known.contains(wanted):
        return 3
    return 5 if wanted.contains(known) else _NOT_FOUND


# The places ----------------------------------------------------------------------------------------------


def _all(config: Config, raised: Iterable[Raised]) -> Iterator[Place]:
    yield from _circuits(config)
    yield from _pools(config)
    yield from _routers(config)
    yield from _feeds(config)
    for finding_id, alarm in raised:
        yield _finding(finding_id, alarm.subject.check, alarm.labels, alarm=alarm)
    yield from _services(config)
    for name in CATALOGUE:
        yield Place(kind="check", name=name, text=guide(name).title, href=f"runbooks/{name}")


def _circuits(config: Config) -> Iterator[Place]:
    for circuit in config.circuits.values():
        about = ", ".join(filter(None, (circuit.location, circuit.geo, f"{circuit.peering} peering")))
        yield Place(
            kind="circuit", name=circuit.name, text=about, href=_on_page("circuit", circuit.name),
            asns=config.customer.provider_asns,
        )  # fmt: skip
        for link in circuit.links.values():
            subnets = ", ".join(map(str, link.subnets))
            yield Place(
                kind="link",
                name=f"{link.name} of circuit {circuit.name}",
                text=f"on {link.router}" + (f", {subnets}" if subnets else ""),
                href=_on_page("link", circuit.name, link.name),
                terms=(plain(link.name), plain(f"{circuit.name} {link.name}")),
                prefixes=(*link.subnets, *(address.prefix for address in link.match_next_hops)),
                communities=tuple(link.match_communities),
                link=link.key,
            )


def _pools(config: Config) -> Iterator[Place]:
    for pool in config.pools.values():
        yield Place(
            kind="pool",
            name=pool.name,
            text=f"{', '.join(map(str, pool.prefixes))}; of circuit {' and '.join(pool.circuits)}",
            href=_on_page("pool", pool.name),
            prefixes=pool.prefixes,
        )


def _routers(config: Config) -> Iterator[Place]:
    """Yield the routers with their uplinks and segments."""
    roles: dict[str, list[str]] = {name: [] for name in config.routers}
    for link in config.links:
        roles.setdefault(link.router, []).append(f"link {link.name} of circuit {link.circuit}")
    for uplink in config.uplinks.values():
        roles.setdefault(uplink.router, []).append(f"uplink {uplink.name}")
        yield Place(
            kind="uplink",
            name=uplink.name,
            text=f"AS{uplink.asn}, on {uplink.router}",
            href=_on_page("uplink", uplink.name),
            prefixes=_hosts(uplink.neighbors),
            asns=(uplink.asn,),
        )
    for feed in config.feeds.values():
        if feed.router is not None:
            roles.setdefault(feed.router, [])
    for name, role in roles.items():
        yield Place(
            kind="router",
            name=name,
            text=", ".join(role) or "no link and no uplink",
            href=_on_page("router", name),
            prefixes=_hosts(config.routers.get(name, ())),
        )
    for segment in config.segments.values():
        text = f"Microsoft's routes are {segment.expressroute}"
        feed_name = next((feed.name for feed in config.feeds.values() if feed.segment == segment.name), None)
        href = None if feed_name is None else _on_page("feed", feed_name)
        yield Place(kind="segment", name=segment.name, text=text, href=href, prefixes=segment.local)


def _feeds(config: Config) -> Iterator[Place]:
    for feed in config.feeds.values():
        of = "" if feed.router is None else f" of {feed.router}"
        yield Place(
            kind="feed",
            name=feed.name,
            text=f"{feed.view}{of}, {_ends(feed)}",
            href=_on_page("feed", feed.name),
            prefixes=_hosts(parse_address(each) for each in (feed.peer, feed.local) if each),
            asns=tuple(asn for asn in (feed.peer_asn, feed.local_asn) if asn),
        )


def _ends(feed: Feed) -> str:
    """Name the ends of a feed's session. One that is reported by BMP is the router's own, with its neighbor."""
    if feed.ris is not None:
        return "by RIPE's route collectors"
    if not feed.by_bmp:
        return f"{feed.peer} to {feed.local}"
    return f"its session with {feed.peer or f'AS{feed.peer_asn}'} by BMP"


def cleared_finding(finding: Finding) -> Place:
    text = f"{finding.severity}, cleared: {finding.summary}"
    return _finding(finding.id, finding.check, finding.labels, text=text)


def _finding(
    finding_id: str, check: str, labels: Mapping[str, str], *, text: str = "", alarm: Alarm | None = None
) -> Place:
    """Return the place of a finding, which is found by its id, its check and its labels."""
    about = [plain(value) for value in labels.values() if value]
    if labels.get("circuit") and labels.get("link"):
        about.append(plain(f"{labels['circuit']} {labels['link']}"))
    return Place(
        kind="finding",
        name=finding_id,
        text=text,
        href=f"findings/{finding_id}",
        terms=(check, *about),
        state=Shown.UP if alarm is None else Shown.DOWN,
        alarm=alarm,
    )


def _services(config: Config) -> Iterator[Place]:
    """Yield the services and regions of Microsoft, each with the circuits that require it."""
    needed: dict[tuple[int, int], list[str]] = {}
    for circuit in config.circuits.values():
        for service in circuit.receive.services:
            needed.setdefault(service.community, []).append(circuit.name)
    for each in communities.named():
        by = needed.get(each.community, [])
        community = Community(each.community)
        text = f"{community}: {each.name}" + (f"; required on circuit {' and '.join(by)}" if by else "")
        yield Place(
            kind="service",
            name=each.slug,
            text=text,
            href=_on_page("circuit", by[0]) if by else None,
            terms=(plain(each.name),),
            communities=(community,),
        )


def _hosts(addresses: Iterable[Address]) -> tuple[Prefix, ...]:
    return tuple(address.prefix for address in addresses)


def _on_page(kind: str, *names: str) -> str:
    """Return the link to a place on the status page, as the page builds its ids."""
    return f"#{kind}/{'/'.join(names)}"


def communities_of(places: Sequence[Place]) -> list[Community]:
    """Return the communities of the services among these places."""
    return [each for place in places if place.kind == "service" for each in place.communities]
