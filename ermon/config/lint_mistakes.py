"""Lints about mistakes that no schema finds, such as an ASN in the wrong place or a name with a letter missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from ermon.config.lint_catalogue import Weight
from ermon.config.yaml import KeyPath
from ermon.model.communities import is_private_peering, slug_of
from ermon.model.inventory import Config, Feed, Peering, View
from ermon.model.prefixes import PrefixSet, parse_address


class Lint(NamedTuple):
    """A finding about the configuration, and the key that it is about."""

    name: str
    path: KeyPath
    message: str
    weight: Weight | None = None
    """``None``: the usual weight of the lint."""


Rule = Callable[[Config], Iterator[Lint]]

MIRRORS = (View.TO_MICROSOFT, View.TO_INTERNET)
ALERTMANAGER_PATHS = ("/api/v1/alerts", "/api/v2/alerts")

LOCATIONS = (
    *(
        "Amsterdam",
        "Atlanta",
        "Auckland",
        "Bangkok",
        "Berlin",
        "Bogota",
        "Busan",
        "Campinas",
        "Canberra",
        "Cape Town",
    ),
    *(
        "Chennai",
        "Chicago",
        "Copenhagen",
        "Dallas",
        "Denver",
        "Doha",
        "Dubai",
        "Dublin",
        "Frankfurt",
        "Geneva",
    ),
    *("Hong Kong", "Jakarta", "Johannesburg", "Kuala Lumpur", "Las Vegas", "London", "Los Angeles", "Madrid"),
    *("Marseille", "Melbourne", "Miami", "Milan", "Minneapolis", "Montreal", "Mumbai", "Munich", "New York"),
    *("Newport", "Osaka", "Oslo", "Paris", "Perth", "Phoenix", "Pune", "Quebec City", "Queretaro", "Quincy"),
    *(
        "Rio de Janeiro",
        "San Antonio",
        "Santiago",
        "Sao Paulo",
        "Seattle",
        "Seoul",
        "Silicon Valley",
        "Singapore",
    ),
    *("Stavanger", "Stockholm", "Sydney", "Taipei", "Tel Aviv", "Tokyo", "Toronto", "Vancouver", "Warsaw"),
    *("Washington DC", "Zurich"),
)
"""Peering locations without their numbers (Microsoft, "ExpressRoute peering locations and connectivity partners")."""
GEOS = (
    *(
        "Africa",
        "Asia",
        "Australia",
        "Canada",
        "China",
        "Europe",
        "India",
        "Japan",
        "Middle East",
        "North America",
    ),
    *("Oceania", "South Africa", "South America", "South Korea", "United Kingdom", "United States"),
)
NEAR = 0.85
"""How similar two names are, at least, if one is a typing error of the other: one letter in seven."""


def _mirror_asns_swapped(config: Config) -> Iterator[Lint]:
    others: dict[str | None, set[int]] = {}
    for feed in config.exabgp_feeds.values():
        if feed.view not in MIRRORS:
            others.setdefault(feed.router, set()).add(feed.peer_asn)
    for feed in _mirrors(config):
        routers = others.get(feed.router) or {config.customer.asn}
        if feed.local_asn in routers and feed.peer_asn not in routers:
            text = (
                f"{feed.local_asn} is the ASN of {feed.router or 'the router'}, but local_asn is ermon's: "
                f"write peer_asn: {feed.local_asn}, local_asn: {feed.peer_asn}"
            )
            yield Lint("mirror-asns-swapped", ("feeds", feed.name), text)


def _mirrors(config: Config) -> Iterator[Feed]:
    return (feed for feed in config.exabgp_feeds.values() if feed.view in MIRRORS)


def _canaries(config: Config) -> Iterator[Lint]:
    ours = PrefixSet(
        (
            *config.customer.own_prefixes,
            *config.internet_only,
            *(prefix for pool in config.pools.values() for prefix in pool.prefixes),
            *(prefix for circuit in config.circuits.values() for prefix in circuit.advertise.prefixes or ()),
        )
    )
    for feed in config.feeds.values():
        for at, canary in enumerate(feed.canary):
            path = ("feeds", feed.name, "canary", at)
            pools = [p.name for p in config.pools.values() if any(own.contains(canary) for own in p.prefixes)]
            if pools and feed.view in {View.TO_INTERNET, View.INTERNET}:
                text = f"{canary} is in pool {pools[0]}, which must never be there; use a prefix that is always there"
                yield Lint("canary-is-pool", path, text)
            elif feed.view in MIRRORS and config.customer.own_prefixes and not ours.covers(canary):
                text = f"{canary} is in none of own_prefixes: the router does not advertise it"
                yield Lint("canary-not-ours", path, text)


def _communities(config: Config) -> Iterator[Lint]:
    for circuit in config.circuits.values():
        for at, service in enumerate(circuit.receive.services):
            path = ("circuits", circuit.name, "receive", "services", at)
            if slug_of(service.community) is None:
                yield Lint("community-unknown", path, f"{service.name} is not in Microsoft's list")
            elif is_private_peering(service.community) is not (circuit.peering is Peering.PRIVATE):
                other = "Microsoft" if circuit.peering is Peering.PRIVATE else "private"
                yield Lint("community-other-peering", path, f"{service.name} is of {other} peering")


def _alertmanager_path(config: Config) -> Iterator[Lint]:
    for at, url in enumerate(config.alertmanager.urls):
        parts = urlsplit(url)
        if found := next((p for p in ALERTMANAGER_PATHS if parts.path.rstrip("/").endswith(p)), None):
            right = parts._replace(
                path=parts.path.rstrip("/").removesuffix(found), query="", fragment=""
            ).geturl()
            yield Lint(
                "alertmanager-path",
                ("alertmanager", "urls", at),
                f"ermon adds {found[:5]}v2/alerts: write {right}",
            )


def _router_id_taken(config: Config) -> Iterator[Lint]:
    path, taken = ("collector", "router_id"), parse_address(config.collector.router_id)
    owners = [f"router {name}" for name, addresses in config.routers.items() if taken in addresses]
    owners += [
        f"feed {feed.name}'s router" for feed in config.exabgp_feeds.values() if feed.peer == str(taken)
    ]
    if owners:
        yield Lint(
            "router-id-taken", path, f"{taken} is an address of {owners[0]}, which would refuse the session"
        )


def _uplink_asn_ours(config: Config) -> Iterator[Lint]:
    for uplink in config.uplinks.values():
        if uplink.asn == config.customer.asn:
            path = ("uplinks", uplink.name, "asn")
            yield Lint("uplink-asn-ours", path, f"{uplink.asn} is our own ASN; write the provider's")


def _pool_not_ours(config: Config) -> Iterator[Lint]:
    own = PrefixSet(config.customer.own_prefixes)
    for pool in config.pools.values() if own else ():
        for prefix in pool.prefixes:
            if not own.covers(prefix):
                path = ("nat_pools", pool.name, "prefixes")
                yield Lint("pool-not-ours", path, f"{prefix} is in none of customer.own_prefixes")


def _name_unknown(config: Config) -> Iterator[Lint]:
    circuits = list(config.circuits.values())
    yield from _near(
        ((("circuits", c.name, "geo"), c.geo) for c in circuits), GEOS, {c.geo for c in circuits}, "a geo"
    )
    places: list[tuple[KeyPath, str]] = [
        (("circuits", c.name, "metro"), c.metro) for c in circuits if c.metro is not None
    ]
    for circuit in circuits:
        own = {link.location for link in circuit.links.values()}
        if own - {circuit.location}:
            links = [
                (("circuits", circuit.name, "links", link.name), link.location)
                for link in circuit.links.values()
            ]
            places += links
        else:
            places.append((("circuits", circuit.name, "location"), circuit.location))
    yield from _near(places, LOCATIONS, {name for _, name in places}, "a location")


def _near(
    named: Iterable[tuple[KeyPath, str]], known: Iterable[str], used: set[str], kind: str
) -> Iterator[Lint]:
    """Yield lints about names that differ from a known one by a typing error or by upper and lower case."""
    plain = {plain_place(name): name for name in known}
    for path, name in named:
        others = [other for other in sorted(used) if other != name and _spelled(other) == _spelled(name)]
        near: list[str] = []
        if plain_place(name) not in plain:
            near = difflib.get_close_matches(plain_place(name), plain, n=1, cutoff=NEAR)
        if others or near:
            right = others[0] if others else plain[near[0]]
            yield Lint(
                "name-unknown", path, f"{name!r} is almost {kind}: {right!r}; write one of them everywhere"
            )


def plain_place(name: str) -> str:
    """Return the metro of a peering location: its name without number and the word Metro, in lower case."""
    return re.sub(r"\bmetro\b|[0-9]+$", "", _spelled(name)).strip()


def _spelled(name: str) -> str:
    return re.sub(r"[-_\s]+", " ", name.casefold()).strip()


MISTAKES: tuple[Rule, ...] = (
    _mirror_asns_swapped,
    _canaries,
    _communities,
    _alertmanager_path,
    _router_id_taken,
    _uplink_asn_ours,
    _pool_not_ours,
    _name_unknown,
)
