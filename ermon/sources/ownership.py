"""Keeps what registries say of the own address space: reads it on its schedule, and stores what it read.

Like the keeper of published lists it never gives up a good list for a bad one. Unlike it, it does not hold what it has
read: of the 600,000 VRPs of the internet, a few are about one company. Times are those of the wall clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from ermon.aio.files import Edition, open_file
from ermon.aio.rounds import AT_ONCE, Place, Rounds
from ermon.aio.threads import in_thread
from ermon.model.ownership import VRPS, OwnershipSource, Reading, space_of
from ermon.model.prefixes import Prefix, parse_prefix
from ermon.model.source_key import SourceKey, is_url
from ermon.model.text import duration_text
from ermon.sources.fetch import FetchError, Limits, download_pieces, new_session
from ermon.sources.keeper import FAILURES_TOLERATED, FIRST_RETRY_SECONDS, REFRESHES_UNTIL_TAKEN
from ermon.sources.published import SourceError
from ermon.sources.reading import path_of
from ermon.sources.route_objects import read_route_objects
from ermon.sources.store import ListFiles, Validators
from ermon.sources.vrps import MAX_BYTES, read_vrps

LIMITS = Limits(max_bytes=MAX_BYTES, total=300.0)
KEPT_BYTES = 32 * 1024 * 1024
"""The size of what is kept of a source."""

_MANY = 1000
"""A list with so many entries is the internet's, and does not shrink to half; a list that was cut to the own space may."""
_WRITTEN_SECONDS = 900.0
"""A file is not old before this time, however often it is read."""
_MADE_SECONDS = 86_400.0
"""A validator that runs has made its list within this time."""
_PAUSES = 20
"""Reading takes at most one part in so many of the time, however short ``refresh`` is."""
_READ_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"

Updated = Callable[[SourceKey, Reading], None]
Rejected = Callable[[SourceKey, str | None], None]


class _Kept(msgspec.Struct, frozen=True):
    """What is kept of a source over a restart."""

    reading: Reading
    validators: Validators = Validators()


class _Got(NamedTuple):
    """A list that was found; ``reading`` is ``None`` if it is the same as before."""

    reading: Reading | None
    taken_at: float
    validators: Validators = Validators()
    edition: Edition | None = None


@dataclass(slots=True, eq=False)
class _Held(Place):
    """A source, and its last reading."""

    source: OwnershipSource
    reading: Reading | None = None
    validators: Validators = field(default_factory=Validators)
    edition: Edition | None = None
    reason: str | None = None
    """The last reported problem."""
    failures: int = 0
    refused: _Got | None = None
    refusals: int = 0
    judged: bool = False
    """Whether it has been reported that the source can be used, or not."""
    restored: bool = False

    @property
    def key(self) -> SourceKey:
        return SourceKey.of(self.source)


# Reading -----------------------------------------------------------------------------------------------


def read(
    source: OwnershipSource, pieces: Iterable[bytes], space: Iterable[Prefix], taken_at: float
) -> Reading:
    """Read a list that comes in pieces, gzip or not; ``SourceError`` if it cannot be used. It takes seconds."""
    wanted = tuple(space)
    parse = read_vrps if source.kind == VRPS else read_route_objects
    found = parse(_plain(iter(pieces)), wanted, taken_at)
    return msgspec.structs.replace(found, space=space_of(wanted))


def read_file(source: OwnershipSource, base: Path, space: Iterable[Prefix]) -> tuple[Reading, Edition]:
    """Read a file, relative to ``base``; ``SourceError`` if it cannot be used."""
    path = base / path_of(source.location)
    try:
        with open_file(path) as file:
            edition = Edition.of(os.fstat(file.fileno()))
            pieces = iter(partial(file.read, _READ_BYTES), b"")
            return read(source, pieces, space, edition.written), edition
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except SourceError as error:
        raise SourceError(f"{path} {error}") from error


def _plain(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from pieces
        return
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip: RFC 1952
    try:
        for piece in _with(first, pieces):
            held = piece
            while held:
                yield stream.decompress(held, _READ_BYTES)
                held = stream.unconsumed_tail
        if not stream.eof or stream.unused_data:
            raise SourceError("is compressed, and damaged or truncated")
    except zlib.error as error:
        raise SourceError("is compressed, and damaged") from error


def _with(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def counts_from(source: OwnershipSource, written: float) -> float:
    """Return from when on a file counts: from when it was written, because reading it again makes it no newer."""
    return written + max(0.0, _WRITTEN_SECONDS - source.lasts)


def shrunk(new: Reading, old: Reading | None) -> str | None:
    """Return why a list must not replace an older one; ``None`` if it may."""
    if old is None or old.total < _MANY or 2 * new.total >= old.total:
        return None
    lost = -(-100 * (old.total - new.total) // old.total)
    return f"lost {lost} % of its {old.total} entries, more than half"


def outdated(source: OwnershipSource, reading: Reading, now: float) -> str | None:
    """Return why a list that can be read says nothing about today; ``None`` if it does."""
    age = now - reading.taken_at
    if age >= source.lasts:
        return f"was written {duration_text(age)} ago, more than three times refresh: does what writes it still run?"
    made = _time_of(reading.made)
    if is_url(source.location) and made is not None and now - made > max(_MADE_SECONDS, source.lasts):
        return f"was made {duration_text(now - made)} ago: does its validator still run?"
    return None


def _time_of(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


# Keeping -----------------------------------------------------------------------------------------------


class OwnershipKeeper:
    """Keeps the sources that a configuration names.

    ``updated`` is called with each reading that counts from now on, also with those of an earlier run; ``rejected`` with
    the reason when a source cannot be used, again when the reason changes, and with ``None`` when that is over. Both are
    called in the event loop.
    """

    def __init__(
        self,
        base: Path,
        files: ListFiles | None,
        *,
        updated: Updated,
        rejected: Rejected,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``base``: the folder for relative file names; ``tls`` replaces the system's certificate authorities."""
        self._base = base
        self._files = files
        self._updated = updated
        self._rejected = rejected
        self._tls = tls
        self._clock = clock
        self._space: tuple[Prefix, ...] = ()
        self._forget = 0.0
        self._rounds: Rounds[SourceKey, _Held] = Rounds(self._look, self._restore_once)
        self._storage_failed = False

    def ages(self) -> Mapping[SourceKey, float]:
        """Return the age of each source's list that was ever read, in seconds."""
        now = self._clock()
        return {
            key: max(0.0, now - held.reading.taken_at)
            for key, held in self._rounds.places.items()
            if held.reading is not None
        }

    def reconfigure(self, sources: Iterable[OwnershipSource], space: Iterable[Prefix], forget: float) -> None:
        """Change to these sources; they are read again at once if they must say more than before.

        ``space``: the own address space; ``forget``: how long a VRP that has gone is remembered, in seconds.
        """
        wanted = {SourceKey.of(source): source for source in sources}
        self._space, self._forget = tuple(space), forget
        self._rounds.leave_out_all_but(wanted)
        for key, source in wanted.items():
            held = self._rounds.places.setdefault(key, _Held(source))
            held.source = source
            held.due = AT_ONCE
            self._rounds.go_to(key)

    async def run(self) -> None:
        """Read the sources until cancelled."""
        await self._rounds.run()

    async def _restore_once(self, held: _Held) -> None:
        if not held.restored:
            held.restored = True
            await self._restore(held)

    async def _look(self, held: _Held) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        pause = await self._refresh(held)
        held.due = loop.time() + max(pause, _PAUSES * (loop.time() - began))

    async def _refresh(self, held: _Held) -> float:
        """Read a source; return the seconds to the next time."""
        soon = min(FIRST_RETRY_SECONDS, held.source.refresh)
        try:
            got = await self._get(held)
        except FetchError as error:
            held.failures += 1
            if held.failures > FAILURES_TOLERATED or held.reading is None:
                self._report(held, str(error))
            return max(soon if held.reading is None else held.source.refresh, error.wait)
        except SourceError as error:
            held.failures = 0
            self._report(held, str(error))
            return held.source.refresh if is_url(held.source.location) else soon  # it may be being written
        held.failures = 0
        problem = None if got.reading is None else shrunk(got.reading, held.reading)
        if problem is None:
            await self._use(held, got)
            return held.source.refresh
        held.refusals += 1
        if held.refusals > REFRESHES_UNTIL_TAKEN:
            await self._use(held, got)
        else:
            held.refused = got
            advice = (
                f"; if it is correct: ermon accept source-rejected --source {held.key.name!r} --reason WHY"
            )
            self._report(held, problem + advice)
        return held.source.refresh

    async def _get(self, held: _Held) -> _Got:
        """Return what the source has now; ``FetchError`` or ``SourceError`` if that is nothing that can be used."""
        source, space = held.source, self._space
        known = held.reading is not None and held.reading.space == space_of(space)
        if not is_url(source.location):
            reading, edition = await in_thread(
                partial(_read_if_new, source, self._base, space, held.edition if known else None)
            )
            return _Got(reading, counts_from(source, edition.written), edition=edition)
        try:
            async with asyncio.timeout(LIMITS.total), new_session(LIMITS, self._tls) as session:
                found = await download_pieces(
                    session, source.location, LIMITS, held.validators if known else None
                )
        except TimeoutError as error:
            raise FetchError(f"takes longer than {LIMITS.total:g} s", answered=True) from error
        now = self._clock()
        if found.pieces is None:
            return _Got(None, now, found.validators)
        return _Got(await in_thread(partial(read, source, found.pieces, space, now)), now, found.validators)

    async def accept(self, name: str) -> bool:
        """Use a refused list of this source, because an operator accepts it; return whether there was one."""
        for held in self._rounds.places.values():
            if held.key.name == name and held.refused is not None:
                await self._use(held, held.refused)
                return True
        return False

    async def _use(self, held: _Held, got: _Got) -> None:
        held.refused, held.refusals = None, 0
        before = held.reading
        reading = got.reading or before
        assert reading is not None  # only a source that was read before can be unchanged
        now = self._clock()
        reading = msgspec.structs.replace(reading, taken_at=min(got.taken_at, now)).after(
            before, self._forget
        )
        if self._rounds.places.get(held.key) is not held:
            return
        held.reading, held.validators, held.edition = reading, got.validators, got.edition
        if reading != before:
            await self._store(held)
            self._updated(held.key, reading)
        self._report(held, outdated(held.source, reading, now))

    def _report(self, held: _Held, reason: str | None) -> None:
        news = reason != held.reason or not held.judged
        if news and self._rounds.places.get(held.key) is held:
            held.reason, held.judged = reason, True
            self._rejected(held.key, reason)

    # On disk -----------------------------------------------------------------------------------------

    async def _restore(self, held: _Held) -> None:
        """Go on with what an earlier run has read."""
        if self._files is None:
            return
        document = await in_thread(partial(self._files.load, held.key))
        if document is None:
            return
        try:
            kept = await in_thread(partial(msgspec.json.decode, document, type=_Kept))
            for each in kept.reading.vrps + kept.reading.route_objects + kept.reading.gone:
                parse_prefix(each.prefix)
        except (ValueError, RecursionError) as error:
            structlog.get_logger().warning(
                "cached list is unusable", source=held.key.name, problem=str(error)
            )
            return
        held.reading, held.validators = kept.reading, kept.validators
        self._updated(held.key, kept.reading)

    async def _store(self, held: _Held) -> None:
        files, reading = self._files, held.reading
        if files is None or reading is None:
            return
        document = msgspec.json.encode(_Kept(reading, held.validators))
        try:
            await in_thread(partial(files.keep, held.key, document))
        except OSError as error:
            if not self._storage_failed:
                structlog.get_logger().warning("published lists cannot be cached", problem=str(error))
            self._storage_failed = True
        else:
            self._storage_failed = False


def _read_if_new(
    source: OwnershipSource, base: Path, space: tuple[Prefix, ...], known: Edition | None
) -> tuple[Reading | None, Edition]:
    """Read a file unless it is the one that is known."""
    if known is not None:
        with contextlib.suppress(OSError):
            if known == Edition.of((base / path_of(source.location)).stat()):
                return None, known
    return read_file(source, base, space)
