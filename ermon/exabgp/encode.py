"""What is held of a feed, back into lines of ExaBGP's JSON: the inverse of ``decode``.

House rules: nothing here waits, sleeps, logs or reads a clock. Every line is one that ExaBGP could have
written, with one exception: it prints a confederation's segments as ``as-sequence``, and here they keep
their kind, which ``decode`` understands too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    Segment,
)
from ermon.model.inventory import Feed
from ermon.model.prefixes import Address, Family
from ermon.model.routes import Attributes, PathId, Route

ROUTES_A_LINE = 500
"""As many as an UPDATE of 4,096 octets (RFC 4271 section 4) holds of short prefixes, about."""

_ENCODER = msgspec.json.Encoder()


class _Attributes(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """``lines.PathAttributes`` with its sets in order, so that the same routes make the same lines."""

    origin: str | None = None
    as_path: dict[int, Segment] = {}
    med: int | None = None
    local_preference: int | None = None
    community: list[tuple[int, int]] = []
    large_community: list[tuple[int, int, int]] = []


class FeedEncoder:
    """Writes the lines of one feed, all of one time (seconds since the epoch) and from one process id."""

    def __init__(self, feed: Feed, pid: int, time: float) -> None:
        self._addresses = Addresses(feed.local, feed.peer)
        self._pid = pid
        self._time = time

    def offered(self, families: Iterable[Family]) -> bytes:
        """The peer's OPEN, as far as it says in which families it may send several paths."""
        offers = AddPathCapability(**dict.fromkeys(families, "send/receive"))
        return self._line("open", open=Open(Capabilities(offers)))

    def negotiated(self, families: Iterable[Family]) -> bytes:
        """In which families several paths are received."""
        receive = AddPathFamilies([f"{family} unicast" for family in sorted(families)])
        return self._line("negotiated", negotiated=Negotiated(receive))

    def up(self) -> bytes:
        return self._line("state", state="up")

    def updates(self, routes: Iterable[Route]) -> Iterator[bytes]:
        """Announce routes, those with the same attributes together."""
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
