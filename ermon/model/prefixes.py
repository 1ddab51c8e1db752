"""Prefix arithmetic for the hot path: what covers what.

A prefix is three integers, so that containment is a shift and a comparison, and the sort order is the one that people
expect. ``netaddr`` takes four times as long to read a prefix, so it is used only where speed does not matter.

A default route covers nothing: ``PrefixIndex.covers`` does not count it.
"""

from __future__ import annotations

import socket
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Generic, Literal, NamedTuple, TypeVar

from netaddr.ip import IPV4_NOT_GLOBALLY_REACHABLE, IPV6_NOT_GLOBALLY_REACHABLE
from sortedcontainers import SortedList

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, Family] = ("ipv4", "ipv6")
VERSIONS: Mapping[Family, int] = {"ipv4": 4, "ipv6": 6}
"""The IP version of each family: the first number of its prefixes. To compare it is faster than to ask for the family."""
FAMILY_NAMES: Mapping[str, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}
"""The spelling of address families in text."""

_BITS = {4: 32, 6: 128}

_HOST_BITS = {
    version: tuple((1 << (bits - length)) - 1 for length in range(bits + 1))
    for version, bits in _BITS.items()
}
"""By version and prefix length: a mask of the host bits."""

_LENGTHS = {
    version: {str(length): (length, host_bits) for length, host_bits in enumerate(masks)}
    for version, masks in _HOST_BITS.items()
}
"""By version and text of a prefix length: the length, and a mask of the host bits."""


class Prefix(NamedTuple):
    """A prefix: IP version (4 or 6), network address as an integer, and length in bits."""

    version: int
    value: int
    length: int

    @property
    def family(self) -> Family:
        return "ipv4" if self.version == 4 else "ipv6"

    @property
    def bits(self) -> int:
        return _BITS[self.version]

    @property
    def last(self) -> int:
        """The last address, as an integer."""
        return self.value | _HOST_BITS[self.version][self.length]

    @property
    def is_default(self) -> bool:
        return self.length == 0

    def contains(self, other: Prefix) -> bool:
        """Return whether ``other`` is equal to this prefix or inside it."""
        return (
            self.version == other.version
            and self.length <= other.length
            and other.value >> (shift := _BITS[self.version] - self.length) == self.value >> shift
        )

    def overlaps(self, other: Prefix) -> bool:
        return self.contains(other) or other.contains(self)

    def __str__(self) -> str:
        return f"{format_address(self.version, self.value)}/{self.length}"


_new_prefix: Callable[[type[Prefix], Iterable[int]], Prefix] = tuple.__new__
"""For full tables: ``Prefix()`` takes twice as long."""

DEFAULT_ROUTE: dict[Family, Prefix] = {"ipv4": Prefix(4, 0, 0), "ipv6": Prefix(6, 0, 0)}


class Address(NamedTuple):
    """An IP address: version (4 or 6) and value as an integer."""

    version: int
    value: int

    def __str__(self) -> str:
        return format_address(self.version, self.value)

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.version, self.value, _BITS[self.version])

    @property
    def is_link_local(self) -> bool:
        """Whether it is in fe80::/10 (RFC 4291 section 2.5.6); IPv4 link-local next hops do not occur."""
        return self.version == 6 and self.value >> 118 == 0xFE80 >> 6

    @property
    def unmapped(self) -> Address:
        """The IPv4 address in an IPv4-mapped one (RFC 4291 section 2.5.5.2); any other address is itself."""
        if self.version == 6 and self.value >> 32 == 0xFFFF:
            return Address(4, self.value & 0xFFFFFFFF)
        return self


def format_address(version: int, value: int) -> str:
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, value.to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, value.to_bytes(16, "big"))


def parse_address(text: str) -> Address:
    """Read an address in the usual notation; raise ``ValueError`` for anything else."""
    try:
        if ":" in text:
            return Address(6, int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big"))
        return Address(4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big"))
    except OSError:
        raise ValueError(f"{text!r} is not an IP address") from None


def parse_prefix(text: str) -> Prefix:
    """Read ``ADDRESS/LENGTH``; raise ``ValueError`` for anything else, and if host bits are set."""
    return _read_prefix(text, masked=False)


def parse_nlri(text: str) -> Prefix:
    """The same for a prefix that came over BGP: its host bits are irrelevant (RFC 4271 section 4.3)."""
    return _read_prefix(text, masked=True)


def _read_prefix(text: str, *, masked: bool) -> Prefix:
    address, _, digits = text.partition("/")
    version, family = (6, socket.AF_INET6) if ":" in address else (4, socket.AF_INET)
    try:
        length, host_bits = _LENGTHS[version][digits]
        value = int.from_bytes(socket.inet_pton(family, address), "big")
    except KeyError:
        raise ValueError(f"{text!r} is not a prefix: its length is not 0 to {_BITS[version]}") from None
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not a prefix") from None
    if value & host_bits:
        if not masked:
            raise ValueError(f"{text!r} is not a prefix: host bits are set")
        value &= ~host_bits
    return _new_prefix(Prefix, (version, value, length))


def supernet(prefix: Prefix, length: int) -> Prefix:
    """Return the less specific prefix of ``length`` that contains ``prefix``."""
    shift = _BITS[prefix.version] - length
    return Prefix(prefix.version, prefix.value >> shift << shift, length)


class PrefixSet:
    """A fixed amount of address space. How it is divided into prefixes does not matter: two halves are a whole."""

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        for version, start, end in merged(prefixes):
            self._starts[version].append(start)
            self._ends[version].append(end)

    def __bool__(self) -> bool:
        return bool(self._starts[4] or self._starts[6])

    def prefixes(self) -> Iterator[Prefix]:
        """Yield the fewest prefixes that make up the space, in order."""
        for version, bits in _BITS.items():
            for start, end in zip(self._starts[version], self._ends[version], strict=True):
                at = start
                while at <= end:
                    # The largest prefix that the alignment of the first address and the end of the range allow.
                    host_bits = min(
                        (at & -at).bit_length() - 1 if at else bits, (end - at + 1).bit_length() - 1
                    )
                    yield Prefix(version, at, bits - host_bits)
                    at += 1 << host_bits

    def covers(self, prefix: Prefix) -> bool:
        """Return whether every address of ``prefix`` is in the set."""
        starts = self._starts[prefix.version]
        at = bisect_right(starts, prefix.value) - 1
        return at >= 0 and self._ends[prefix.version][at] >= prefix.last

    def overlaps(self, prefix: Prefix) -> bool:
        """Return whether any address of ``prefix`` is in the set."""
        starts = self._starts[prefix.version]
        at = bisect_right(starts, prefix.last) - 1
        return at >= 0 and self._ends[prefix.version][at] >= prefix.value

    def without(self, other: PrefixSet) -> PrefixSet:
        """Return the address space of this set that is not in ``other``."""
        result = PrefixSet(())
        for version in (4, 6):
            hole_starts, hole_ends = other._starts[version], other._ends[version]
            for start, end in zip(self._starts[version], self._ends[version], strict=True):
                at = start
                hole = bisect_left(hole_ends, start)  # earlier holes do not matter
                while hole < len(hole_starts) and hole_starts[hole] <= end:
                    if hole_starts[hole] > at:
                        result._append(version, at, hole_starts[hole] - 1)
                    at = hole_ends[hole] + 1
                    hole += 1
                if at <= end:
                    result._append(version, at, end)
        return result

    def _append(self, version: int, start: int, end: int) -> None:
        self._starts[version].append(start)
        self._ends[version].append(end)


def merged(prefixes: Iterable[Prefix]) -> Iterator[tuple[int, int, int]]:
    """Yield the address ranges (version, first, last) of ``prefixes``; adjacent ranges are joined."""
    current: tuple[int, int, int] | None = None
    for prefix in sorted(prefixes):
        start, end = prefix.value, prefix.last
        if current is not None and current[0] == prefix.version and start <= current[2] + 1:
            current = (current[0], current[1], max(current[2], end))
            continue
        if current is not None:
            yield current
        current = (prefix.version, start, end)
    if current is not None:
        yield current


def address_count(prefixes: Iterable[Prefix]) -> int:
    """Count the addresses that ``prefixes`` cover together, each once; a default route covers none."""
    return sum(last - first + 1 for _, first, last in merged(p for p in prefixes if not p.is_default))


V = TypeVar("V")


class PrefixIndex(Generic[V]):
    """A dictionary by prefix that also finds the entries that cover a prefix, and those inside one.

    A search for covering entries costs one look-up for each length in use. A search for entries inside costs a binary
    search and what it finds. Neither grows with the table. Entries are sorted when they are searched: a first dump comes
    route by route, and sorting all of it at once costs a fraction of finding a place for each.
    """

    def __init__(self) -> None:
        self._values: dict[Prefix, V] = {}
        self._sorted: SortedList[Prefix] | None = None
        """All entries but the ``_unsorted`` ones; ``None`` until they are searched, and once most are unsorted."""
        self._unsorted: set[Prefix] = set()
        self._lengths: dict[int, dict[int, int]] = {version: {} for version in _BITS}
        """By version and length: the number of entries."""
        self._masks: dict[int, tuple[tuple[int, int], ...]] = dict.fromkeys(_BITS, ())
        """By version: the lengths in use, the shortest first, and the mask of each."""

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._values)

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._values

    def get(self, prefix: Prefix) -> V | None:
        return self._values.get(prefix)

    def __setitem__(self, prefix: Prefix, value: V) -> None:
        if prefix not in self._values:
            version, _, length = prefix
            lengths = self._lengths[version]
            if length in lengths:
                lengths[length] += 1
            else:
                lengths[length] = 1
                self._lengths_changed(version)
            if self._sorted is not None:
                self._unsorted.add(prefix)
                if len(self._unsorted) > len(self._sorted):
                    self._sorted, self._unsorted = None, set()
        self._values[prefix] = value

    def __delitem__(self, prefix: Prefix) -> None:
        del self._values[prefix]
        version, _, length = prefix
        lengths = self._lengths[version]
        lengths[length] -= 1
        if not lengths[length]:
            del lengths[length]
            self._lengths_changed(version)
        if prefix in self._unsorted:
            self._unsorted.discard(prefix)
        elif self._sorted is not None:
            self._sorted.remove(prefix)

    def _lengths_changed(self, version: int) -> None:
        bits = _BITS[version]
        self._masks[version] = tuple(
            (length, (1 << bits) - (1 << bits - length)) for length in sorted(self._lengths[version])
        )

    def _in_order(self) -> SortedList[Prefix]:
        if self._sorted is None:
            self._sorted = SortedList(self._values)
        elif self._unsorted:
            self._sorted.update(self._unsorted)
            self._unsorted = set()
        return self._sorted

    def covering(self, prefix: Prefix) -> Iterator[tuple[Prefix, V]]:
        """Yield the entries that are equal to ``prefix`` or contain it, the shortest first."""
        version, address, longest = prefix
        for length, mask in self._masks[version]:
            if length > longest:
                return
            found = (version, address & mask, length)
            value = self._values.get(found)  # type: ignore[call-overload]  # a prefix is equal to its tuple
            if value is not None:
                yield _new_prefix(Prefix, found), value

    def inside(self, prefix: Prefix) -> Iterator[tuple[Prefix, V]]:
        """Yield the entries that are equal to ``prefix`` or inside it, in order."""
        end = Prefix(prefix.version, prefix.last, _BITS[prefix.version])
        for found in self._in_order().irange(prefix, end):
            yield found, self._values[found]

    def uncovered_addresses(self, prefix: Prefix, but: Container[Prefix] = ()) -> int:
        """Count the addresses of ``prefix`` that no other entry covers, ``but`` some that do not count. A default route
        covers nothing.
        """
        if prefix.is_default or any(
            found != prefix and not found.is_default and found not in but
            for found, _ in self.covering(prefix)
        ):
            return 0
        others = (found for found, _ in self.inside(prefix) if found != prefix and found not in but)
        return prefix.last - prefix.value + 1 - address_count(others)

    def covers(self, prefix: Prefix) -> bool:
        """Return whether the entries cover every address of ``prefix``, one alone or several together.

        A default route covers nothing.
        """
        if any(not found.is_default for found, _ in self.covering(prefix)):
            return True
        inside = [found for found, _ in self.inside(prefix) if not found.is_default]
        return bool(inside) and PrefixSet(inside).covers(prefix)


# Public space: what may be received from and advertised to Microsoft --------------------------------


_REGISTERED = tuple(map(str, (*IPV4_NOT_GLOBALLY_REACHABLE, *IPV6_NOT_GLOBALLY_REACHABLE)))
"""The addresses that IANA's registries of special-purpose addresses (RFC 6890) call not globally reachable, from
netaddr.

The registries except a few addresses inside, such as 192.0.0.9 (RFC 7723); these are included here, because they are
never announced by themselves.
"""

_NOT_UNICAST = (
    "192.88.99.0/24",  # was the anycast prefix of 6to4 relays (RFC 7526)
    "224.0.0.0/4",  # multicast (RFC 5771)
    "::/3",  # only 2000::/3 is global unicast (RFC 4291 section 2.4)
    "4000::/2",
    "8000::/1",
    "3fff::/20",  # documentation (RFC 9637); netaddr 1.3 does not have it yet
)


def not_public_space(public_space: Iterable[Prefix]) -> PrefixSet:
    """Return the space that is private, shared, unique-local, reserved or for documentation, without the space that
    ``policy.public_space`` calls public.
    """
    return PrefixSet(map(parse_prefix, (*_REGISTERED, *_NOT_UNICAST))).without(PrefixSet(public_space))
