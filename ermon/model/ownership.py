"""What registries say of address space: who may originate it (RPKI), and who says that he does (route objects).

Values and how they follow each other; where they are read is in ``ermon.sources``, and what follows from them in
``ermon.checks.ownership``. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import structs

from ermon.model.prefixes import Prefix, parse_prefix

Kind = Literal["vrps", "route-objects"]
VRPS: Literal["vrps"] = "vrps"
ROUTE_OBJECTS: Literal["route-objects"] = "route-objects"

INTERVALS = 3
"""A reading that is older than so many intervals no longer counts."""

MAX_GONE = 1000
"""The most VRPs that are remembered after they have gone: a source that changes all the time must not fill memory."""


@dataclass(frozen=True, slots=True)
class OwnershipSource:
    """A file or URL with VRPs or route objects."""

    kind: Kind
    location: str
    """A path, or a URL (of VRPs only)."""
    refresh: float
    """Seconds between two readings."""

    @property
    def lasts(self) -> float:
        """For how many seconds a reading counts."""
        return INTERVALS * self.refresh


@dataclass(frozen=True, slots=True)
class Ownership:
    """Where ermon reads whose the address space is."""

    vrps: tuple[OwnershipSource, ...] = ()
    route_objects: tuple[OwnershipSource, ...] = ()

    @property
    def sources(self) -> tuple[OwnershipSource, ...]:
        return (*self.vrps, *self.route_objects)


class Vrp(msgspec.Struct, frozen=True, omit_defaults=True):
    """A validated ROA payload: this AS may originate this prefix (RFC 6811 section 2)."""

    prefix: str
    """In canonical text."""
    asn: int
    """0: no AS may (RFC 7607)."""
    max_length: int | None = None
    """``None``: that of the prefix."""
    expires: float | None = None
    """When the first of the certificates and CRLs that it depends on ends, by the wall clock; ``None``: not said."""

    @property
    def key(self) -> VrpKey:
        return (self.prefix, self.asn)

    def ended(self, date: float) -> bool:
        """Return whether it has ended at a date of the wall clock."""
        return self.expires is not None and self.expires <= date

    def __str__(self) -> str:
        longer = (
            f", up to /{self.max_length}"
            if self.max_length not in (None, parse_prefix(self.prefix).length)
            else ""
        )
        return f"{self.prefix} AS{self.asn}{longer}"


VrpKey = tuple[str, int]
"""A prefix and an AS. A ROA that is issued again with another maximum length names the same AS."""


class GoneVrp(msgspec.Struct, frozen=True):
    """A VRP that an earlier reading had."""

    prefix: str
    asn: int
    seen_at: float
    """When the last reading with it was made."""

    @property
    def key(self) -> VrpKey:
        return (self.prefix, self.asn)


class RouteObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A route or route6 object of an Internet Routing Registry (RFC 2622 section 4, RFC 4012 section 3)."""

    prefix: str
    """In canonical text."""
    asn: int | None = None
    """The origin; ``None`` if the list does not say whose objects it has: then it is yours."""
    shortest: int | None = None
    """Where bgpq4 has put objects together: the length of the least specific ones inside the prefix."""
    registry: str = ""

    def covers(self, prefix: Prefix) -> bool:
        own = parse_prefix(self.prefix)
        return own.contains(prefix) and prefix.length >= (self.shortest or own.length)

    def __str__(self) -> str:
        inside = f", its /{self.shortest}s" if self.shortest else ""
        origin = f" AS{self.asn}" if self.asn is not None else ""
        return f"{self.prefix}{origin}{inside}{f' ({self.registry})' if self.registry else ''}"


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source had at one time, as far as it overlaps the space that ermon asks about."""

    taken_at: float
    """When its file was written, or when it was fetched."""
    total: int = 0
    """How many VRPs or route objects it had in all."""
    space: tuple[str, ...] | None = None
    """What it was read for; ``None``: everything."""
    vrps: tuple[Vrp, ...] = ()
    gone: tuple[GoneVrp, ...] = ()
    route_objects: tuple[RouteObject, ...] = ()
    made: str = ""
    """When its validator made it, in its own words."""

    def knows(self, prefix: Prefix) -> bool:
        """Return whether it was read for this prefix."""
        return self.space is None or any(parse_prefix(each).contains(prefix) for each in self.space)

    def at(self, clock: Callable[[float], float]) -> Reading:
        """Return it with its times by another clock."""
        gone = tuple(structs.replace(each, seen_at=round(clock(each.seen_at), 6)) for each in self.gone)
        return structs.replace(self, taken_at=round(clock(self.taken_at), 6), gone=gone)

    def after(self, before: Reading | None, forget: float) -> Reading:
        """Return this reading with the VRPs that are no longer there, which an earlier one had at most ``forget`` seconds ago."""
        if before is None:
            return self
        gone = {each.key: each for each in (*before.gone, *self.gone)}
        gone |= {vrp.key: GoneVrp(vrp.prefix, vrp.asn, before.taken_at) for vrp in before.vrps}
        present = {vrp.key for vrp in self.vrps}
        since = self.taken_at - forget
        left = [each for key, each in gone.items() if key not in present and each.seen_at >= since]
        newest = sorted(left, key=lambda each: (-each.seen_at, each.key))[:MAX_GONE]
        return structs.replace(self, gone=tuple(sorted(newest, key=lambda each: each.key)))


NOT_READ = Ownership()
"""No registry is asked."""


def covering(vrps: Iterable[Vrp], prefix: Prefix) -> list[Vrp]:
    return [vrp for vrp in vrps if parse_prefix(vrp.prefix).contains(prefix)]


def space_of(prefixes: Collection[Prefix]) -> tuple[str, ...]:
    """Return address space as readings name it: without prefixes that others contain."""
    outer: list[Prefix] = []
    for prefix in sorted(set(prefixes)):
        if not outer or not outer[-1].contains(prefix):
            outer.append(prefix)
    return tuple(map(str, outer))
