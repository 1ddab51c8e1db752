"""Reads routes from the UPDATEs of ExaBGP's JSON, and writes the lines of a feed's state. ``decode`` reads all other lines.

The JSON lacks some information:

- Confederation segments are printed as ``as-sequence``. No speaker sends two consecutive sequences unless one of them is
  full (RFC 4271 section 5.1.2), so a sequence before another one is read as a confederation's.
- An IPv6 route with a global and a link-local next hop (RFC 2545 section 3) comes as two routes.

House rules: nothing here waits, sleeps, logs or reads a clock. Every written line is one that ExaBGP could have written,
with one exception: ExaBGP prints confederation segments as ``as-sequence``, and here they keep their kind, which is read
too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from ermon.exabgp.lines import (
    AddPathCapability,
    AddPathFamilies,
    Addresses,
    AfiSafi,
    Announce,
    Capabilities,
    Line,
    Message,
    Negotiated,
    Neighbor,
    Nlri,
    Open,
    ParsedUpdate,
    PathAttributes,
    Segment,
    Withdraw,
)
from ermon.model.inventory import Feed
from ermon.model.prefixes import FAMILIES, Address, Family, parse_address, parse_nlri
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathId,
    PathSegment,
    Route,
    RouteKey,
    SegmentKind,
)

_FULL_SEGMENT = 255
"""The maximum number of ASNs in a segment of an AS_PATH (RFC 4271 section 4.3)."""


def read_routes(update: ParsedUpdate) -> tuple[tuple[Route, ...], tuple[RouteKey, ...]]:
    """Return the announced and the withdrawn routes; ``ValueError`` if any of them is invalid."""
    announced: list[Route] = []
    for by_next_hop in (update.announce.ipv4, update.announce.ipv6):
        if by_next_hop:
            announced += _read_announced(by_next_hop, update.attribute)
    withdrawn = [
        (parse_nlri(nlri.nlri), _read_path_id(nlri.path_information))
        for nlri in update.withdraw.ipv4 + update.withdraw.ipv6
    ]
    return tuple(announced), tuple(withdrawn)


def _read_announced(by_next_hop: Mapping[str, list[Nlri]], attribute: PathAttributes) -> Collection[Route]:
    as_path = _read_as_path(attribute.as_path)
    communities = Communities(attribute.community)
    large_communities = LargeCommunities(attribute.large_community)
    routes: list[Route] = []
    link_local: list[Route] = []
    for text, nlris in by_next_hop.items():
        next_hop = _read_next_hop(text)
        attributes = Attributes(
            next_hop=next_hop,
            as_path=as_path,
            communities=communities,
            large_communities=large_communities,
            origin=attribute.origin,
            med=attribute.med,
            local_preference=attribute.local_preference,
        )
        found = link_local if next_hop is not None and next_hop.is_link_local else routes
        found += [Route(parse_nlri(n.nlri), _read_path_id(n.path_information), attributes) for n in nlris]
    if len(by_next_hop) == 1:
        return routes or link_local
    # One route with two next hops: the global one counts.
    return {route.key: route for route in link_local + routes}.values()


def _read_path_id(text: str | None) -> PathId:
    if text is None:
        return None
    version, value = parse_address(text)
    if version != 4:
        raise ValueError(f"path identifier {text!r}")
    return value


def _read_next_hop(text: str) -> Address | None:
    """Read a next hop; of an IPv4-mapped one, return the IPv4 address."""
    return None if text == "no-nexthop" else parse_address(text).unmapped


def _read_as_path(segments: Mapping[int, Segment]) -> AsPath:
    path: list[PathSegment] = []
    after: Segment | None = None
    for position in sorted(segments, reverse=True):
        segment = segments[position]
        path.append(PathSegment(_kind(segment, after), segment.value))
        after = segment
    return AsPath(reversed(path))


def _kind(segment: Segment, after: Segment | None) -> SegmentKind:
    """Distinguish a confederation's sequence from a plain one: see the top of this file."""
    if after is None or not (segment.element is after.element is SegmentKind.SEQUENCE):
        return segment.element
    full = _FULL_SEGMENT in {len(segment.value), len(after.value)}
    return segment.element if full else SegmentKind.CONFED_SEQUENCE


ROUTES_A_LINE = 500
"""About the number of short prefixes in an UPDATE of 4,096 octets (RFC 4271 section 4)."""

_ENCODER = msgspec.json.Encoder()


class _Attributes(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """``lines.PathAttributes`` with sorted sets, so that equal routes give equal lines."""

    origin: str | None = None
    as_path: dict[int, Segment] = {}
    med: int | None = None
    local_preference: int | None = None
    community: list[tuple[int, int]] = []
    large_community: list[tuple[int, int, int]] = []


class FeedEncoder:
    """Writes the lines of one feed, all with one time (seconds since the epoch) and one process id."""

    def __init__(self, feed: Feed, pid: int, time: float) -> None:
        self._addresses = Addresses(feed.local, feed.peer)
        self._pid = pid
        self._time = time

    def offered(self, families: Iterable[Family]) -> bytes:
        """Return the peer's OPEN with the families in which it may send several paths."""
        offers = AddPathCapability(**dict.fromkeys(families, "send/receive"))
        return self._line("open", open=Open(Capabilities(offers)))

    def negotiated(self, families: Iterable[Family]) -> bytes:
        """Return the line with the families in which several paths are received."""
        receive = AddPathFamilies([f"{family} unicast" for family in sorted(families)])
        return self._line("negotiated", negotiated=Negotiated(receive))

    def up(self) -> bytes:
        return self._line("state", state="up")

    def updates(self, routes: Iterable[Route]) -> Iterator[bytes]:
        """Yield lines that announce the routes; routes with equal attributes are together."""
        together: dict[tuple[Attributes, Family], list[Route]] = {}
        for route in routes:
            together.setdefault((route.attributes, route.prefix.family), []).append(route)
        for (attributes, family), alike in together.items():
            said = _path_attributes(attributes)
            next_hop = "no-nexthop" if attributes.next_hop is None else str(attributes.next_hop)
            rest = iter(alike)
            while nlris := [_nlri(route) for route in islice(rest, ROUTES_A_LINE)]:
                announced = Announce(**{family: {next_hop: nlris}})
                update = ParsedUpdate(said, announced)  # type: ignore[arg-type]  # written alike
                yield self._line("update", message=Message(update=update))

    def withdrawals(self, keys: Iterable[RouteKey]) -> Iterator[bytes]:
        """Yield lines that withdraw routes."""
        rest = iter(keys)
        while some := list(islice(rest, ROUTES_A_LINE)):
            by_family: dict[Family, list[Nlri]] = {family: [] for family in FAMILIES}
            for prefix, path_id in some:
                by_family[prefix.family].append(Nlri(str(prefix), _path_information(path_id)))
            update = ParsedUpdate(withdraw=Withdraw(by_family["ipv4"], by_family["ipv6"]))
            yield self._line("update", message=Message(update=update))

    def end_of_rib(self, family: Family) -> bytes:
        return self._line("update", message=Message(eor=AfiSafi(family, "unicast")))

    def _line(self, kind: str, **said: object) -> bytes:
        neighbor = Neighbor(self._addresses, **said)  # type: ignore[arg-type]  # one field of a message each
        return _ENCODER.encode(Line("5.0.0", self._time, self._pid, kind, neighbor=neighbor))


def _path_attributes(attributes: Attributes) -> _Attributes:
    return _Attributes(
        origin=attributes.origin,
        as_path={at: Segment(part.kind, part.asns) for at, part in enumerate(attributes.as_path)},
        med=attributes.med,
        local_preference=attributes.local_preference,
        community=sorted(attributes.communities),
        large_community=sorted(attributes.large_communities),
    )


def _nlri(route: Route) -> Nlri:
    return Nlri(str(route.prefix), _path_information(route.path_id))


def _path_information(path_id: PathId) -> str | None:
    return None if path_id is None else str(Address(4, path_id))
