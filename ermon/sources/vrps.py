"""VRPs, as RPKI validators write them: JSON of rpki-client, routinator, StayRTR and what reads the same shape.

``{"metadata": …, "roas": [{"asn": "AS64500" or 64500, "prefix": …, "maxLength": …, "ta": …, "expires": …}, …], …}``.
Sources: rpki-client(8), ``-j``; Routinator's manual, "Output formats" (json, jsonext); StayRTR's README, ``/rpki.json``.

The list of the whole internet has some 600,000 of them in 60 megabytes, and only what overlaps the own space is of
interest. So the document is read in parts: no part keeps Python's lock for longer than a slice of the event loop, and
nothing but one part and the result is held.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from ermon.model.ownership import Reading, Vrp
from ermon.model.prefixes import Prefix, PrefixSet, parse_prefix
from ermon.sources.published import SourceError, quote, within

MAX_BYTES = 128 * 1024 * 1024
"""The size of a document, decompressed: twice that of today's internet."""

MAX_HELD = 100_000
"""VRPs that overlap the own space: more would mean that it is not one's own."""

_PART_BYTES = 64 * 1024
"""msgspec decodes that many in about half a millisecond."""
_LONGEST_HEAD = 4 * 1024 * 1024
"""What may stand before the list: the validator's metadata."""
_LONGEST_ITEM = 1024 * 1024
_TAIL_BYTES = 256 * 1024
"""As much is read of what stands behind the list, for the metadata."""
_HEADS = 16
"""So many lists of the names that are sought may stand before the one that counts; each is read with all before it."""
_TRIES = 16
"""So many ends of objects are tried as the end of a part: in ``jsonext`` there are objects inside of them."""

_LIST = re.compile(rb'"(?:roas|vrps)"\s*:\s*\[')
_OBJECT_ENDS = re.compile(rb"\}\s*,")
_LONGEST_AS = 4_294_967_295
_FOR_EVER = 250_000_000_000.0
"""Seconds since the epoch, some time in the year 9892: later ends cannot be shown as dates."""


class _Roa(Struct):
    prefix: str
    asn: int | str
    max_length: int | None = msgspec.field(default=None, name="maxLength")
    expires: float | None = None


class _Metadata(Struct):
    buildtime: str | None = None
    """rpki-client, StayRTR."""
    generated_time: str | None = msgspec.field(default=None, name="generatedTime")
    """Routinator."""


class _Around(Struct):
    """The document without its list."""

    metadata: _Metadata | None = None


_ROAS = msgspec.json.Decoder(list[_Roa])
_AROUND = msgspec.json.Decoder(_Around)


def read_vrps(parts: Iterable[bytes], space: Iterable[Prefix], taken_at: float = 0.0) -> Reading:
    """Read a document that comes in ``parts`` of any size; ``SourceError`` if it cannot be used.

    It takes seconds for the whole internet: do not use this on the event loop.
    """
    wanted = _Wanted(space)
    document = _Document(parts)
    try:
        for roas in document.lists():
            wanted.take(roas)
    except msgspec.ValidationError as error:
        raise SourceError(f"is not in the documented shape: {error}") from error
    except (ValueError, RecursionError) as error:  # msgspec.DecodeError is one
        raise SourceError(f"is not JSON: {error}") from error
    if not wanted.total:
        # rpki-client writes an empty list, and ends well, where it could fetch nothing.
        raise SourceError("has no VRP at all: its validator has fetched nothing")
    return Reading(taken_at, wanted.total, vrps=wanted.found(), made=document.made)


class _Document:
    """Cuts the list of a document into parts that are lists themselves."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = _limited(parts)
        self._held = b""
        self.made = ""

    def lists(self) -> Iterator[list[_Roa]]:
        head = self._head()
        while True:
            if self._more(_PART_BYTES):
                if (part := self._first()) is not None:
                    yield part
                    continue
                if (found := self._last()) is None:
                    self._grow()
                    continue
            else:
                found = self._last()
            if found is None:
                raise ValueError("the list has no end")
            roas, end = found
            yield roas
            self._around(head, end)
            return

    def _more(self, enough: int) -> bool:
        """Hold so many bytes, or all that are left; return whether there may be more."""
        held = [self._held]
        length = len(self._held)
        while length < enough:
            part = next(self._parts, None)
            if part is None:
                self._held = b"".join(held)
                return False
            held.append(part)
            length += len(part)
        self._held = b"".join(held)
        return True

    def _grow(self) -> None:
        if len(self._held) > _LONGEST_ITEM:
            raise ValueError("an object of the list has no end")
        self._more(2 * len(self._held))

    def _head(self) -> bytes:
        """Skip what stands before the list, and return it."""
        at, more, tries = 0, True, 0
        while True:
            more = self._more(len(self._held) + _PART_BYTES)
            while found := _LIST.search(self._held, at):
                head, at = self._held[: found.end()], found.end()
                if _is_json(head + b"]}"):
                    self._held = self._held[at:]
                    return head
                tries += 1
                if tries == _HEADS:
                    raise ValueError("it does not begin like a document with roas")
            if not more or len(self._held) > _LONGEST_HEAD:
                whole = more or not _is_json(self._held)
                raise ValueError(
                    "it has no list roas" if not whole else "it does not begin like a document with roas"
                )
            at = max(0, len(self._held) - 64)

    def _first(self) -> list[_Roa] | None:
        """Take objects that more follow; ``None`` if it cannot be found here where they end."""
        ends = [found.span() for found in _OBJECT_ENDS.finditer(self._held)]
        for last, following in ends[: -_TRIES - 1 : -1]:
            # Whatever stands in texts or in objects: only behind a whole number of objects, a bracket makes it a list.
            try:
                roas = _ROAS.decode(b"[" + self._held[: last + 1] + b"]")
            except msgspec.ValidationError:
                raise
            except ValueError:
                continue
            self._held = self._held[following:]
            return roas
        return None

    def _last(self) -> tuple[list[_Roa], int] | None:
        """Return the last objects of the list, and where it ends; ``None`` if it does not end here."""
        text = "[" + self._held.decode(errors="surrogateescape")  # a part may end within a character
        try:
            found, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return None
        end = len(text[:end].encode(errors="surrogateescape")) - 1
        return msgspec.convert(found, list[_Roa]), end

    def _around(self, head: bytes, end: int) -> None:
        """Note what the document says of itself; ``ValueError`` if its end is missing."""
        if self._more(end + _TAIL_BYTES):
            last = self._held
            for part in self._parts:
                last = part
            tail = b"}" if last.rstrip().endswith(b"}") else b""
        else:
            tail = self._held[end:]
        metadata = _AROUND.decode(head + b"]" + tail).metadata
        if metadata is not None:
            self.made = (metadata.buildtime or metadata.generated_time or "")[:40]


def _limited(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield parts of at most ``_PART_BYTES``, and no more than ``MAX_BYTES`` in all."""
    for part in within(parts, MAX_BYTES):
        for at in range(0, len(part), _PART_BYTES):
            yield part[at : at + _PART_BYTES]


def _is_json(text: bytes) -> bool:
    try:
        _ANY.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


_ANY = msgspec.json.Decoder(msgspec.Raw)


class _Wanted:
    """The VRPs that overlap some address space."""

    def __init__(self, space: Iterable[Prefix]) -> None:
        prefixes = tuple(space)
        self._own = PrefixSet(prefixes)
        self._heads = {4: set[int](), 6: set[int]()}
        """By version: the first eight or sixteen bits of the space. Nearly all VRPs are known by these to be others'."""
        for prefix in prefixes:
            bits = _HEAD_BITS[prefix.version]
            first = prefix.value >> (prefix.bits - bits)
            self._heads[prefix.version].update(range(first, first + (1 << max(0, bits - prefix.length))))
        self._found: set[Vrp] = set()
        self.total = 0

    def take(self, roas: list[_Roa]) -> None:
        self.total += len(roas)
        for roa in roas:
            if self._may_overlap(roa.prefix):
                self._keep(roa)

    def _may_overlap(self, text: str) -> bool:
        first, separator, _ = text.partition(":")
        version, base = (6, 16) if separator else (4, 10)
        if not separator:
            first = text.partition(".")[0]
        try:
            head, length = int(first or "0", base), int(text.rpartition("/")[2])
        except ValueError:
            return True  # reading it says what is wrong
        return head in self._heads[version] or length < _HEAD_BITS[version]

    def _keep(self, roa: _Roa) -> None:
        try:
            prefix, asn = parse_prefix(roa.prefix), read_asn(roa.asn)
        except ValueError as error:
            raise SourceError(f"roas: {error}") from None
        length = roa.max_length
        if length is not None and not prefix.length <= length <= prefix.bits:
            raise SourceError(f"roas: maxLength {length} does not fit {prefix}")
        if self._own.overlaps(prefix):
            expires = None if roa.expires is None or roa.expires >= _FOR_EVER else max(0.0, roa.expires)
            self._found.add(Vrp(str(prefix), asn, length, expires))
            if len(self._found) > MAX_HELD:
                raise SourceError(
                    f"has more than {MAX_HELD} VRPs in customer.own_prefixes and nat_pools: is all of that yours?"
                )

    def found(self) -> tuple[Vrp, ...]:
        order = sorted(self._found, key=lambda vrp: (vrp.key, vrp.max_length or 0, vrp.expires or 0.0))
        return tuple(order)


_HEAD_BITS = {4: 8, 6: 16}


def read_asn(value: int | str) -> int:
    """Return an ASN that is written as ``AS64500``, ``64500``, or as a number; else raise ``ValueError``."""
    text = str(value)
    digits = text[2:] if text[:2].upper() == "AS" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) <= _LONGEST_AS):
        raise ValueError(f"{quote(text)} is not an ASN")
    return int(digits)
