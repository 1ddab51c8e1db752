"""A route as an UPDATE carries it (RFC 4271 section 4.3): a prefix with its path attributes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from ermon.model.prefixes import Address, Prefix

PathId = int | None
"""The path identifier of ADD-PATH (RFC 7911), ``None`` without it."""

RouteKey = tuple[Prefix, PathId]
"""The key of a route in an Adj-RIB-In: the NLRI."""


@dataclass(frozen=True, slots=True)
class Community:
    """A standard (RFC 1997) or large (RFC 8092) community: its two or three numbers."""

    values: tuple[int, ...]

    def __str__(self) -> str:
        return ":".join(map(str, self.values))


class SegmentKind(StrEnum):
    """Kinds of AS_PATH segments (RFC 4271 section 4.3, RFC 5065 section 3)."""

    SEQUENCE = "as-sequence"
    SET = "as-set"
    CONFED_SEQUENCE = "as-confed-sequence"
    CONFED_SET = "as-confed-set"

    @property
    def is_confederation(self) -> bool:
        return self in {SegmentKind.CONFED_SEQUENCE, SegmentKind.CONFED_SET}


class PathSegment(msgspec.Struct, frozen=True):
    kind: SegmentKind
    asns: tuple[int, ...]

    def __str__(self) -> str:
        joined = " ".join(map(str, self.asns))
        match self.kind:
            case SegmentKind.SEQUENCE:
                return joined
            case SegmentKind.SET:
                return f"{{{joined}}}"
            case SegmentKind.CONFED_SEQUENCE:
                return f"({joined})"
            case SegmentKind.CONFED_SET:
                return f"[{joined}]"


PRIVATE_ASNS = (range(64512, 65535), range(4_200_000_000, 4_294_967_295))
"""ASNs that nobody has to himself on the internet (RFC 6996 section 5)."""

BLACKHOLE = (65535, 666)
"""The community of remote-triggered blackholing (RFC 7999)."""

LLGR_STALE = (65535, 6)
"""The community of routes that are kept for a neighbor that is gone (RFC 9494 section 4.4)."""

GRACEFUL_SHUTDOWN = (65535, 0)
"""The community of a path that is about to go away (RFC 8326)."""


class Attributes(msgspec.Struct, frozen=True):
    """The path attributes of an UPDATE, shared by all its routes."""

    next_hop: Address | None = None
    """The global next hop where there are two (RFC 2545 section 3); ``None`` when the UPDATE had none."""
    as_path: tuple[PathSegment, ...] = ()
    communities: frozenset[tuple[int, int]] = frozenset()
    large_communities: frozenset[tuple[int, int, int]] = frozenset()
    origin: str | None = None
    med: int | None = None
    local_preference: int | None = None

    def has_community(self, community: Community) -> bool:
        return community.values in self.communities or community.values in self.large_communities

    @property
    def path_text(self) -> str:
        return " ".join(map(str, self.as_path))


class Route(msgspec.Struct, frozen=True):
    """A prefix with its path attributes, as one feed sent it."""

    prefix: Prefix
    path_id: PathId
    attributes: Attributes

    @property
    def key(self) -> RouteKey:
        return (self.prefix, self.path_id)
