"""The routes of an UPDATE that ExaBGP has parsed. ``encode`` is the inverse.

What the dialect leaves out, and what is made of it:

- Confederation segments are printed as ``as-sequence``. No speaker sends two sequences in a row unless one
  of them is full (RFC 4271 section 5.1.2), so a sequence before another one is read as a confederation's.
- An IPv6 route with a global and a link-local next hop (RFC 2545 section 3) comes as two routes.

House rules: nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ermon.exabgp.lines import Nlri, ParsedUpdate, PathAttributes, Segment
from ermon.model.prefixes import Address, parse_address, parse_prefix
from ermon.model.routes import Attributes, PathId, PathSegment, Route, RouteKey, SegmentKind

_FULL_SEGMENT = 255
"""How many ASNs a segment of an AS_PATH can hold (RFC 4271 section 4.3)."""


def read_routes(update: ParsedUpdate) -> tuple[tuple[Route, ...], tuple[RouteKey, ...]]:
    """Return what is announced and what is withdrawn; ``ValueError`` if any of it cannot be read."""
    announced: list[Route] = []
    for by_next_hop in (update.announce.ipv4, update.announce.ipv6):
        if by_next_hop:
            announced += _read_announced(by_next_hop, update.attribute)
    withdrawn = [
        (parse_prefix(nlri.nlri), _read_path_id(nlri.path_information))
        for nlri in update.withdraw.ipv4 + update.withdraw.ipv6
    ]
    return tuple(announced), tuple(withdrawn)


def _read_announced(by_next_hop: Mapping[str, list[Nlri]], attribute: PathAttributes) -> Collection[Route]:
    as_path = _read_as_path(attribute.as_path)
    routes: list[Route] = []
    link_local: list[Route] = []
    for text, nlris in by_next_hop.items():
        next_hop = _read_next_hop(text)
        attributes = Attributes(
            next_hop=next_hop,
            as_path=as_path,
            communities=attribute.community,
            large_communities=attribute.large_community,
            origin=attribute.origin,
            med=attribute.med,
            local_preference=attribute.local_preference,
        )
        found = link_local if next_hop is not None and next_hop.is_link_local else routes
        found += [Route(parse_prefix(n.nlri), _read_path_id(n.path_information), attributes) for n in nlris]
    if len(by_next_hop) == 1:
        return routes or link_local
    # One route by two next hops: the global one is the route's.
    return {route.key: route for route in link_local + routes}.values()


def _read_path_id(text: str | None) -> PathId:
    if text is None:
        return None
    version, value = parse_address(text)
    if version != 4:
        raise ValueError(f"path identifier {text!r}")
    return value


def _read_next_hop(text: str) -> Address | None:
    """Read a next hop; an IPv4-mapped one (RFC 4291 section 2.5.5.2) is the IPv4 address in it."""
    if text == "no-nexthop":
        return None
    address = parse_address(text)
    if address.version == 6 and address.value >> 32 == 0xFFFF:
        return Address(4, address.value & 0xFFFFFFFF)
    return address


def _read_as_path(segments: Mapping[int, Segment]) -> tuple[PathSegment, ...]:
    path: list[PathSegment] = []
    after: Segment | None = None
    for position in sorted(segments, reverse=True):
        segment = segments[position]
        path.append(PathSegment(_kind(segment, after), segment.value))
        after = segment
    return tuple(reversed(path))


def _kind(segment: Segment, after: Segment | None) -> SegmentKind:
    """Tell a confederation's sequence from a plain one: see the top of this file."""
    if after is None or not (segment.element is after.element is SegmentKind.SEQUENCE):
        return segment.element
    full = _FULL_SEGMENT in {len(segment.value), len(after.value)}
    return segment.element if full else SegmentKind.CONFED_SEQUENCE
