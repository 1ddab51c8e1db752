"""A route as an UPDATE carries it (RFC 4271 section 4.3): a prefix with its path attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from struct import error as struct_error
from struct import iter_unpack, pack, unpack
from typing import Self, TypeVar, overload

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
    """One segment of an AS_PATH."""

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


class AsPath(Sequence[PathSegment]):
    """The segments of an AS_PATH, in as few bytes as they came in: the sender of a path chooses its length.

    ASNs have 32 bits.
    """

    __slots__ = ("_packed",)

    def __init__(self, segments: Iterable[PathSegment] = ()) -> None:
        words: list[int] = []
        for segment in segments:
            words += (_KINDS.index(segment.kind), len(segment.asns), *segment.asns)
        self._packed = pack(f"{len(words)}I", *words)

    @classmethod
    def of_sequence(cls, asns: Sequence[int]) -> Self:
        """Return the path of a single ``AS_SEQUENCE``, as nearly all paths are. Full tables come through here."""
        path = cls.__new__(cls)
        path._packed = pack(f"{len(asns) + 2}I", _SEQUENCE, len(asns), *asns)  # noqa: SLF001 - its own class
        return path

    @property
    def packed_bytes(self) -> int:
        return len(self._packed)

    @property
    def text(self) -> str:
        """The path as routers show it."""
        words = self._words()
        if words and words[0] == _SEQUENCE and words[1] == len(words) - 2:
            return " ".join(map(str, words[2:]))  # nearly all paths: findings about a whole table list theirs
        return " ".join(map(str, self))

    def _words(self) -> tuple[int, ...]:
        return unpack(f"{len(self._packed) // 4}I", self._packed)

    @property
    def first_asn(self) -> int | None:
        """The ASN at the head of the path; ``None`` if there is none."""
        return next((segment.asns[0] for segment in self if segment.asns), None)

    def __iter__(self) -> Iterator[PathSegment]:
        words = self._words()
        at = 0
        while at < len(words):
            end = at + 2 + words[at + 1]
            yield PathSegment(_KINDS[words[at]], words[at + 2 : end])
            at = end

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._packed)

    @overload
    def __getitem__(self, at: int) -> PathSegment: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[PathSegment, ...]: ...
    def __getitem__(self, at: int | slice) -> PathSegment | tuple[PathSegment, ...]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsPath) and self._packed == other._packed

    def __hash__(self) -> int:
        return hash(self._packed)

    def __repr__(self) -> str:
        return f"AsPath({tuple(self)})"


_KINDS = tuple(SegmentKind)
_SEQUENCE = _KINDS.index(SegmentKind.SEQUENCE)

C = TypeVar("C", bound=tuple[int, ...])


class _Packed(AbstractSet[C]):
    """Communities of one kind, in as few bytes as they came in: an UPDATE of 4 kB holds a thousand of them."""

    __slots__ = ("_packed",)
    _format: str
    _width: int
    """Bytes of one community."""

    def __init__(self, communities: Iterable[C] = ()) -> None:
        self._packed = b"".join(sorted({pack(self._format, *each) for each in communities}))

    @classmethod
    def of_octets(cls, octets: bytes) -> Self:
        """Read them from the octets of an attribute, in network byte order; the length must be right."""
        communities, width = cls.__new__(cls), cls._width
        communities._packed = (  # noqa: SLF001 - its own class
            octets
            if len(octets) == width
            else b"".join(sorted({octets[at : at + width] for at in range(0, len(octets), width)}))
        )
        return communities

    @property
    def packed_bytes(self) -> int:
        return len(self._packed)

    @classmethod
    def _from_iterable(cls, it: Iterable[C]) -> frozenset[C]:  # type: ignore[override]  # what `&` and `|` give
        return frozenset(it)

    def __contains__(self, community: object) -> bool:
        if not isinstance(community, tuple):
            return False
        try:
            wanted = pack(self._format, *community)
        except struct_error:  # a community of another kind
            return False
        at = self._packed.find(wanted)
        while at % self._width and at > 0:  # a match across the end of one and the beginning of the next
            at = self._packed.find(wanted, at - at % self._width + self._width)
        return at >= 0

    def __iter__(self) -> Iterator[C]:
        return iter_unpack(self._format, self._packed)  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._packed) // self._width

    def __eq__(self, other: object) -> bool:
        return self._packed == other._packed if type(other) is type(self) else AbstractSet.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(self._packed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"


class Communities(_Packed[tuple[int, int]]):
    """Standard communities (RFC 1997)."""

    __slots__ = ()
    _format, _width = "!HH", 4


class LargeCommunities(_Packed[tuple[int, int, int]]):
    """Large communities (RFC 8092)."""

    __slots__ = ()
    _format, _width = "!III", 12


PRIVATE_ASNS = (range(64512, 65535), range(4_200_000_000, 4_294_967_295))
"""Private ASNs, which identify no network on the internet (RFC 6996 section 5)."""

BLACKHOLE = (65535, 666)
"""The community of remote-triggered blackholing (RFC 7999)."""

LLGR_STALE = (65535, 6)
"""The community of routes that are kept for a lost neighbor (RFC 9494 section 4.4)."""

GRACEFUL_SHUTDOWN = (65535, 0)
"""The community of a path that is about to go away (RFC 8326)."""


ROUTE_BYTES = 700
"""Approximate memory of a route, wherever it is held, without its path attributes."""

ATTRIBUTES_BYTES = 600
"""Approximate memory of path attributes, without those whose length the sender chooses."""


class Attributes(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The path attributes of an UPDATE, shared by all routes of a feed with equal ones."""

    next_hop: Address | None = None
    """The global next hop if there are two (RFC 2545 section 3); ``None`` if the UPDATE had none."""
    as_path: AsPath = AsPath()
    communities: Communities = Communities()
    large_communities: LargeCommunities = LargeCommunities()
    origin: str | None = None
    med: int | None = None
    local_preference: int | None = None

    def has_community(self, community: Community) -> bool:
        return community.values in self.communities or community.values in self.large_communities

    @property
    def path_text(self) -> str:
        return self.as_path.text

    @property
    def held_bytes(self) -> int:
        """Approximate memory of these attributes, however many routes share them."""
        return (
            ATTRIBUTES_BYTES
            + self.as_path.packed_bytes
            + self.communities.packed_bytes
            + self.large_communities.packed_bytes
        )


class Route(msgspec.Struct, frozen=True, gc=False):
    """A prefix with its path attributes, as one feed sent it."""

    prefix: Prefix
    path_id: PathId
    attributes: Attributes

    @property
    def key(self) -> RouteKey:
        return (self.prefix, self.path_id)
