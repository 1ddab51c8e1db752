"""Route objects of Internet Routing Registries, in files: RPSL as a registry answers or dumps it, and JSON of bgpq4.

Sources: RFC 2622 sections 2 and 4 and RFC 4012 section 3 (RPSL; its objects are separated by empty lines, and a line
that begins with a space, a tab or a plus sign continues the one before); bgpq4(8), ``-j``, and its output of version
1.9. bgpq4 says whose objects it lists only in the list's name: ``bgpq4 -j -l AS64500 AS64500``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from msgspec import Struct

from ermon.model.ownership import Reading, RouteObject
from ermon.model.prefixes import Prefix, PrefixSet, parse_prefix
from ermon.model.text import printable
from ermon.sources.published import SourceError, quote, read_json, within
from ermon.sources.vrps import MAX_BYTES, MAX_HELD, read_asn

_MAX_BGPQ4_BYTES = 32 * 1024 * 1024
"""bgpq4's list of one AS or set has a few kilobytes; it is decoded as a whole."""
_LONGEST_LINE = 64 * 1024
_SPACES = b" \t\r\n"


class _Listed(Struct):
    prefix: str
    shortest: int | None = msgspec.field(default=None, name="greater-equal")


def read_route_objects(parts: Iterable[bytes], space: Iterable[Prefix], taken_at: float = 0.0) -> Reading:
    """Read a file that comes in ``parts`` of any size; ``SourceError`` if it cannot be used.

    A dump takes seconds: do not use this on the event loop.
    """
    own = PrefixSet(space)
    rest = within(parts, MAX_BYTES)
    first = b""
    while not first.strip() and len(first) <= _LONGEST_LINE and (part := next(rest, None)) is not None:
        first += part
    if first.lstrip().startswith(b"{"):
        total, found = _bgpq4(_whole(first, rest), own)
    else:
        total, found = _rpsl(_lines(first, rest), own)
    if len(found) > MAX_HELD:
        raise SourceError(f"has more than {MAX_HELD} route objects in customer.own_prefixes and nat_pools")
    order = sorted(found, key=lambda each: (each.prefix, each.asn or 0, each.shortest or 0, each.registry))
    return Reading(taken_at, total, route_objects=tuple(order))


# bgpq4 -j --------------------------------------------------------------------------------------------


def _whole(first: bytes, rest: Iterator[bytes]) -> bytes:
    held, length = [first], len(first)
    for part in rest:
        held.append(part)
        length += len(part)
        if length > _MAX_BGPQ4_BYTES:
            raise SourceError(f"is larger than {_MAX_BGPQ4_BYTES} bytes, which no list of bgpq4 is")
    return b"".join(held)


def _bgpq4(document: bytes, own: PrefixSet) -> tuple[int, set[RouteObject]]:
    lists: dict[str, list[_Listed]] = read_json(document, dict[str, list[_Listed]])
    found: set[RouteObject] = set()
    for name, listed in lists.items():
        origin = _origin(name)
        for each in listed:
            prefix = _prefix(each.prefix)
            if each.shortest is not None and not prefix.length <= each.shortest <= prefix.bits:
                raise SourceError(f"greater-equal {each.shortest} does not fit {prefix}")
            if own.overlaps(prefix):
                found.add(RouteObject(str(prefix), origin, each.shortest))
    return sum(map(len, lists.values())), found


def _origin(name: str) -> int | None:
    """Return the AS that a list is named after; ``None`` if it has another name, such as NN, which is bgpq4's own."""
    try:
        return read_asn(name) if name[:2].upper() == "AS" else None
    except ValueError:
        return None


# RPSL ------------------------------------------------------------------------------------------------


def _lines(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for part in chain((first,), rest):
        *whole, held = (held + part).split(b"\n")
        yield from whole
        if len(held) > _LONGEST_LINE:
            raise SourceError(f"has a line of more than {_LONGEST_LINE} bytes")
    yield held


def _rpsl(lines: Iterator[bytes], own: PrefixSet) -> tuple[int, set[RouteObject]]:
    found: set[RouteObject] = set()
    total, said_none = 0, False
    for attributes in _objects(lines):
        if isinstance(attributes, bytes):
            said_none = said_none or b"no entries found" in attributes.lower()
            continue
        text = attributes.get(b"route") or attributes.get(b"route6")
        try:
            prefix, origin = parse_prefix(text or ""), read_asn(attributes.get(b"origin", ""))
        except ValueError:
            continue  # another class; or a mistake, which dumps have, and which registers nothing
        total += 1
        if own.overlaps(prefix):
            registry = printable(attributes.get(b"source", ""))[:40]
            found.add(RouteObject(str(prefix), origin, registry=registry))
    if not total and not said_none:
        raise SourceError("has no route object: neither a list of bgpq4 -j, nor RPSL with route or route6")
    return total, found


_NAMES = frozenset({b"route", b"route6", b"origin", b"source"})


def _objects(lines: Iterator[bytes]) -> Iterator[dict[bytes, str] | bytes]:
    """Yield the attributes of each object that are of interest, and each remark of a server."""
    attributes: dict[bytes, str] = {}
    for line in lines:
        if not line.strip(_SPACES):
            if attributes:
                yield attributes
            attributes = {}
        elif line[:1] in b"%#":
            yield line
        elif line[:1] not in b" \t+":  # these continue a line, which no attribute of interest needs
            name, _, value = line.partition(b":")
            name = name.strip(_SPACES).lower()
            if name in _NAMES and name not in attributes:
                text = value.partition(b"#")[0].strip(_SPACES)
                attributes[name] = text.decode("ascii", "replace")
    if attributes:
        yield attributes


def _prefix(text: str) -> Prefix:
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise SourceError(str(error) if len(text) <= 60 else f"{quote(text)} is not a prefix") from None
