"""Keeps the published lists: refreshes them on their schedules, refuses bad ones, and stores good ones.

The list in force is the last good one, whatever comes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from ermon.aio.backoff import Backoff
from ermon.aio.threads import in_thread
from ermon.model.inventory import Source
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import m365, reading
from ermon.sources.fetch import HOUR, Fetched, Fetcher, FetchError
from ermon.sources.published import PublishedList, SourceError, refusal
from ermon.sources.store import ListFiles, Records, SourceRecord

FAILURES_TOLERATED = 2
"""Refreshes in a row that may fail without a finding: lists change weekly at most."""

JITTER = 0.1
"""Refreshes come up to so much later than asked for, never earlier: otherwise every ermon of a company asks
at the same moment.
"""

FIRST_RETRY_SECONDS = 60.0
"""A source without any list is asked again soon, and then less and less often, as ``refresh`` says at most:
its checks say nothing until then.
"""

_NEVER = float("-inf")

Updated = Callable[[SourceKey, PublishedList], None]
Rejected = Callable[[SourceKey, str | None], None]


@dataclass(slots=True, eq=False)
class _Held:
    """A source, and its list in force."""

    source: SourceKey
    restored: bool = False
    """Whether what an earlier run kept was looked for."""
    document: bytes | None = None
    kept: bytes | None = None
    """What is on disk."""
    published: PublishedList | None = None
    record: SourceRecord | None = None
    reason: str | None = None
    """What was reported last."""


@dataclass(slots=True, eq=False)
class _Place:
    """Where lists come from; sources that want different parts of one list share its fetches.

    Times are those of the event loop's clock, which nobody sets. ``asked`` is when it was last asked, ``due`` when
    it should be asked again, and ``blocked_until`` when it may be, however much a reload shortens ``refresh``: a
    server that said 429 is not asked sooner because somebody edited a file.
    """

    kind: str
    location: str
    refresh: float
    held: dict[SourceKey, _Held] = field(default_factory=dict)
    failures: int = 0
    retry: Backoff = field(default_factory=lambda: Backoff(FIRST_RETRY_SECONDS, math.inf))
    asked: float = _NEVER
    due: float = _NEVER
    blocked_until: float = _NEVER
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def succeeded(self) -> None:
        """Forget the failures: the place has answered."""
        self.failures = 0
        self.retry.reset()

    def common_record(self) -> SourceRecord | None:
        """Return what is known of the list, if all sources hold the same edition of it."""
        records = [held.record for held in self.held.values()]
        first = records[0]
        if first is None or any(record is None or not record.same_edition(first) for record in records):
            return None
        return first


class SourceKeeper:
    """Knows the published lists that a configuration names.

    ``updated`` is called with each list that comes into force, also with those an earlier run kept.
    ``rejected`` is called with the reason why a list cannot be used or had for longer, or has another
    reason than before, and with ``None`` when all is well again. Both are called in the event loop.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        files: ListFiles | None,
        *,
        updated: Updated,
        rejected: Rejected,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetcher = fetcher
        self._records: Records = fetcher.records
        self._files = files
        self._updated = updated
        self._rejected = rejected
        self._clock = clock
        self._places: dict[tuple[str, str], _Place] = {}
        self._watches: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._storage_failed = False
        self._log = structlog.get_logger()

    # What it knows -----------------------------------------------------------------------------------

    def lists(self) -> Mapping[SourceKey, PublishedList]:
        """Return the lists in force."""
        return {held.source: held.published for held in self._all() if held.published is not None}

    def ages(self) -> Mapping[SourceKey, float | None]:
        """Return for how many seconds each source's list has not been known to be what is published;
        ``None`` where there is no list.
        """
        now = self._clock()
        return {
            held.source: None if held.record is None else max(0.0, now - held.record.checked_at)
            for held in self._all()
        }

    def _all(self) -> Iterable[_Held]:
        return (held for place in self._places.values() for held in place.held.values())

    # Configuration -----------------------------------------------------------------------------------

    def reconfigure(self, sources: Iterable[Source]) -> None:
        """Go over to these sources. Lists of those that stay are kept, and files are read again."""
        wanted: dict[tuple[str, str], dict[SourceKey, float]] = {}
        for source in sources:
            key = SourceKey.of(source)
            refreshes = wanted.setdefault((key.kind, key.location), {})
            refreshes[key] = min(source.refresh, refreshes.get(key, source.refresh))
        for gone in self._places.keys() - wanted.keys():
            del self._places[gone]
            if (watch := self._watches.pop(gone, None)) is not None:
                watch.cancel()
        for where, refreshes in wanted.items():
            self._set_place(where, refreshes)

    def _set_place(self, where: tuple[str, str], refreshes: Mapping[SourceKey, float]) -> None:
        kind, location = where
        refresh = min(refreshes.values())
        if kind == m365.KIND and is_url(location):
            refresh = max(refresh, HOUR)  # Microsoft asks not to poll the version more often
        place = self._places.setdefault(where, _Place(kind, location, refresh))
        place.refresh = refresh
        place.due = min(place.due, place.asked + refresh) if is_url(location) else _NEVER
        place.held = {key: place.held.get(key) or _Held(key) for key in refreshes}
        place.changed.set()
        self._watch(where)

    def _watch(self, where: tuple[str, str]) -> None:
        if self._group is not None and where not in self._watches:
            self._watches[where] = self._group.create_task(self._keep(self._places[where]))

    # Refreshing --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the lists fresh until cancelled; whatever is under way then is given up at once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for where in self._places:
                    self._watch(where)
                await asyncio.get_running_loop().create_future()  # sources may come and go
        finally:
            self._group = None
            self._watches.clear()

    async def _keep(self, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        while True:
            place.changed.clear()
            await self._restore(place)
            wait = max(place.due, place.blocked_until) - loop.time()
            if wait <= 0:
                await self._refresh(place)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # wait_for may swallow a cancellation (Python 3.11)
                    await place.changed.wait()

    async def _refresh(self, place: _Place) -> None:
        sources = tuple(place.held.values())
        failure: FetchError | None = None
        place.asked = asyncio.get_running_loop().time()
        try:
            fetched = await self._fetcher.fetch(place.kind, place.location, place.common_record())
        except FetchError as error:
            failure = error
            place.failures += 1
            if place.failures > FAILURES_TOLERATED:
                self._report_all(place, str(error))
        except SourceError as error:
            place.succeeded()
            self._report_all(place, str(error))
        else:
            place.succeeded()
            for held in sources:
                await self._take(place, held, fetched)
        self._schedule(place, failure)

    def _schedule(self, place: _Place, failure: FetchError | None) -> None:
        wait = place.refresh
        if failure is not None and any(held.published is None for held in place.held.values()):
            wait = min(wait, place.retry.wait())
        now = asyncio.get_running_loop().time()
        place.due = now + wait * (1 + JITTER * random.random())  # noqa: S311  # nothing secret about it
        if failure is not None:
            place.blocked_until = now + failure.wait

    async def _take(self, place: _Place, held: _Held, fetched: Fetched) -> None:
        """Put a fetched list in force, or refuse it."""
        published = held.published
        try:
            if fetched.document is not None and fetched.document != held.document:
                read = partial(self._read, held.source, fetched.document, held.published)
                published = await in_thread(read)
        except SourceError as error:
            self._report(place, held, str(error))
            return
        assert published is not None  # a source without a list does not ask whether it has changed
        document = held.document if fetched.document is None else fetched.document
        record = SourceRecord(self._clock(), published.version, fetched.validators)
        await self._store(held, document, record)
        self._put_in_force(place, held, document, published, record)
        self._report(place, held, None)

    def _read(self, source: SourceKey, document: bytes, in_force: PublishedList | None) -> PublishedList:
        """Read a list that is to take the place of ``in_force``, which is returned if it says the same;
        ``SourceError`` if it must not. A long list takes a second: not for the event loop.
        """
        published = reading.parse(source.kind, document, source.select)
        if in_force is not None and published == in_force:
            return in_force
        if problem := refusal(published, in_force):
            advice = self._advice(source) if published.prefixes else ""
            raise SourceError(f"{problem}{advice}")
        return published

    def _advice(self, source: SourceKey) -> str:
        """How to have a list that was refused for being much shorter."""
        if self._files is None:
            return "; to accept it, restart ermon"
        return f"; to accept it, stop ermon, remove {self._files.path(source)}, and start ermon"

    def _put_in_force(
        self,
        place: _Place,
        held: _Held,
        document: bytes | None,
        published: PublishedList,
        record: SourceRecord,
    ) -> None:
        if place.held.get(held.source) is not held:  # a reload has removed it meanwhile
            return
        news = published is not held.published
        held.document, held.published, held.record = document, published, record
        if news:
            self._updated(held.source, published)

    def _report_all(self, place: _Place, reason: str) -> None:
        for held in place.held.values():
            self._report(place, held, reason)

    def _report(self, place: _Place, held: _Held, reason: str | None) -> None:
        if reason != held.reason and place.held.get(held.source) is held:
            held.reason = reason
            self._rejected(held.source, reason)

    # On disk -----------------------------------------------------------------------------------------

    async def _restore(self, place: _Place) -> None:
        """Give sources that are new here the list of an earlier run, or the one that another source holds."""
        for held in [held for held in place.held.values() if not held.restored]:
            held.restored = True
            document, record = await in_thread(partial(self._load, held.source))
            if document is not None and record is not None:
                problem = await self._adopt(place, held, document, record)
                if problem is None:
                    held.kept = document
                    continue
                self._log.warning("kept list is of no use", source=held.source.name, problem=problem)
            for other in place.held.values():
                if other.document is not None and other.record is not None:
                    problem = await self._adopt(place, held, other.document, other.record)
                    self._report(place, held, problem)
                    break
        if place.asked == _NEVER and is_url(place.location):
            place.due = self._first_due(place)

    async def _adopt(self, place: _Place, held: _Held, document: bytes, record: SourceRecord) -> str | None:
        """Put a list in force that was fetched before; return why that cannot be done."""
        try:
            published = await in_thread(partial(self._read, held.source, document, None))
        except SourceError as error:
            return str(error)
        self._put_in_force(place, held, document, published, record)
        return None

    def _load(self, source: SourceKey) -> tuple[bytes | None, SourceRecord | None]:
        if self._files is None:
            return None, None
        return self._files.load(source), self._records.load(source)

    def _first_due(self, place: _Place) -> float:
        """A list that an earlier run found fresh is fresh until it is due, however often ermon restarts."""
        records = [held.record for held in place.held.values()]
        checked = [record.checked_at for record in records if record is not None]
        if len(checked) < len(records):
            return _NEVER
        left = place.refresh - (self._clock() - min(checked))
        return asyncio.get_running_loop().time() + min(left, place.refresh)

    async def _store(self, held: _Held, document: bytes | None, record: SourceRecord) -> None:
        def write() -> None:
            if self._files is not None and document is not None and document is not held.kept:
                self._files.keep(held.source, document)
                held.kept = document
            self._records.keep(held.source, record)

        try:
            await in_thread(write)
        except OSError as error:
            if not self._storage_failed:
                self._log.warning("lists cannot be kept", problem=str(error))
            self._storage_failed = True
        else:
            self._storage_failed = False
