"""Keeps the published lists: refreshes them on their schedules, refuses bad ones, and stores good ones.

The list in force is the last good one, whatever comes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from ermon.aio.backoff import Backoff
from ermon.aio.threads import in_thread
from ermon.model.inventory import ExpectedPrefix, Source
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import m365, reading
from ermon.sources.fetch import HOUR, Fetched, Fetcher, FetchError
from ermon.sources.published import NoSuchPartError, PublishedList, SourceError, published_list, refusal
from ermon.sources.store import ListFiles, Records, SourceRecord, SourceTrouble

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
Taken = Callable[[SourceKey], None]

REFRESHES_UNTIL_TAKEN = 3
"""A change that was refused, and that so many refreshes after it still show, is no accident of a download."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A list as it was read, with what is carried over of parts that it no longer has."""

    published: PublishedList
    missing: str | None = None
    carried: Mapping[str, tuple[ExpectedPrefix, ...]] = field(default_factory=dict)
    problem: str | None = None
    """Why it is not to take the place of the list in force."""

    def digest(self) -> str:
        """Name the list briefly; another list has another name. A long one takes a moment: not for the event loop."""
        return hashlib.sha256(repr(self.published).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class _Refused:
    """A list that was refused for what it lacks."""

    document: bytes
    read: _Read
    record: SourceRecord


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
    missing: str | None = None
    """What is wrong with parts that the list no longer has, if there are any."""
    carried: Mapping[str, tuple[ExpectedPrefix, ...]] = field(default_factory=dict)
    """Of those parts: what they were when the list had them. They stay in force."""
    refused: _Refused | None = None
    """What would take the place of the list in force, had it not shrunk so much."""
    refused_digest: str = ""
    """Which list that is; known after a restart, too."""
    seen_again: int = 0
    """In how many refreshes it was fetched again since."""
    trouble: SourceTrouble = field(default_factory=SourceTrouble)
    """What is kept of what is wrong."""

    def no_longer_refused(self) -> None:
        self.refused, self.refused_digest, self.seen_again = None, "", 0

    def remember(self, trouble: SourceTrouble) -> None:
        """Go on where an earlier run was."""
        self.trouble, self.reason = trouble, trouble.reason
        self.refused_digest, self.seen_again = trouble.refused, trouble.seen_again


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
    counted_at: float = _NEVER
    """When it was last asked in its turn, by the wall clock: a restart does not change that."""
    early: bool = False
    """Whether it is asked before its turn, because ermon has just been started: a failure is nothing new then."""
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
    reason than before, and with ``None`` when all is well again. ``taken`` is called before a list comes into
    force that was refused and stayed the same. All are called in the event loop.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        files: ListFiles | None,
        *,
        updated: Updated,
        rejected: Rejected,
        taken: Taken = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetcher = fetcher
        self._records: Records = fetcher.records
        self._files = files
        self._updated = updated
        self._rejected = rejected
        self._taken = taken
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

    def problem(self, source: SourceKey) -> str | None:
        """Return why the list of a source cannot be used or had, as ``rejected`` was last called."""
        return next((held.reason for held in self._all() if held.source == source), None)

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
        if not place.early:
            place.counted_at = self._clock()
        try:
            fetched = await self._fetcher.fetch(place.kind, place.location, place.common_record())
        except FetchError as error:
            failure = error
            place.failures += not place.early
            if place.failures > FAILURES_TOLERATED:
                self._report_all(place, str(error))
        except SourceError as error:
            place.succeeded()
            for held in sources:
                held.no_longer_refused()
            self._report_all(place, str(error))
        else:
            place.succeeded()
            for held in sources:
                await self._take(place, held, fetched)
        place.early = False
        self._schedule(place, failure)
        for held in sources:
            self._keep_trouble(place, held)

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
        if fetched.document is None or fetched.document == held.document:
            assert held.published is not None  # a source without a list does not ask whether it has changed
            read, document = _Read(held.published, held.missing, held.carried), held.document
        else:
            document = fetched.document
            try:
                read = await in_thread(partial(self._read, held, document))
            except SourceError as error:
                held.no_longer_refused()
                self._report(place, held, str(error))
                return
        record = SourceRecord(self._clock(), read.published.version, fetched.validators)
        if read.problem is not None and document is not None:
            if not await self._stays(place, held, read):
                self._refuse(place, held, _Refused(document, read, record))
                return
            self._taken(held.source)
        await self._keep_and_use(place, held, document, read, record)

    @staticmethod
    async def _stays(place: _Place, held: _Held, read: _Read) -> bool:
        """Return whether a list that was refused has been seen again often enough to be what is published now."""
        digest = await in_thread(read.digest)
        if held.refused_digest != digest:
            held.refused_digest, held.seen_again = digest, 0
        else:
            held.seen_again += not place.early
        return held.seen_again >= REFRESHES_UNTIL_TAKEN

    def _refuse(self, place: _Place, held: _Held, refused: _Refused) -> None:
        held.refused = refused
        advice = f"; if the list is correct: ermon accept source-rejected --source {held.source.name!r} --reason WHY"
        self._report(place, held, f"{refused.read.problem}{advice}")

    async def accept(self, name: str) -> bool:
        """Put the lists of a source in force that were refused, since somebody says that they are right; return
        whether there was one.
        """
        found = False
        for place in self._places.values():
            for held in [held for held in place.held.values() if held.source.name == name]:
                if (refused := held.refused) is not None:
                    found = True
                    await self._keep_and_use(place, held, refused.document, refused.read, refused.record)
                    self._keep_trouble(place, held)
        return found

    async def _keep_and_use(
        self, place: _Place, held: _Held, document: bytes | None, read: _Read, record: SourceRecord
    ) -> None:
        held.no_longer_refused()
        held.missing, held.carried = read.missing, read.carried
        await self._store(held, document, record)
        self._put_in_force(place, held, document, read.published, record)
        self._report(place, held, read.missing)

    def _read(self, held: _Held, document: bytes, *, restored: bool = False) -> _Read:
        """Read a list that is to take the place of the one in force; ``SourceError`` if it is of no use.

        A part that the list had, and no longer has, stays as it was, and nothing else is refused for it. A long list
        takes a second: not for the event loop.
        """
        source, before = held.source, held.published
        missing, carried = None, dict[str, tuple[ExpectedPrefix, ...]]()
        try:
            published = reading.parse(source.kind, document, source.select)
        except NoSuchPartError as error:
            parts, carried = self._parts(held, document)
            if not parts or (before is None and not restored):
                raise
            missing = str(error)
            found = [prefix for part in parts for prefix in part.prefixes]
            kept = [prefix for prefixes in carried.values() for prefix in prefixes]
            published = published_list((*found, *kept), parts[0].version)
        if problem := refusal(published, None):
            raise SourceError(problem)
        if published == before:
            return _Read(before, missing, carried)
        return _Read(published, missing, carried, refusal(published, before))

    @staticmethod
    def _parts(
        held: _Held, document: bytes
    ) -> tuple[list[PublishedList], dict[str, tuple[ExpectedPrefix, ...]]]:
        """Read each selected part for itself; return those that are there, and what the others were."""
        kind, parts, carried = held.source.kind, [], {}
        for name in held.source.select:
            try:
                parts.append(reading.parse(kind, document, (name,)))
            except NoSuchPartError:
                carried[name] = held.carried.get(name, ())
                if held.document is not None and not carried[name]:
                    with contextlib.suppress(SourceError):
                        carried[name] = reading.parse(kind, held.document, (name,)).prefixes
        return parts, carried

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
            document, record, trouble = await in_thread(partial(self._load, held.source))
            self._remember(place, held, trouble)
            if document is not None and record is not None:
                problem = await self._adopt(place, held, document, record, restored=True)
                if problem is None:
                    held.kept = document
                    continue
                self._log.warning("cached list is unusable", source=held.source.name, problem=problem)
            for other in place.held.values():
                if other.document is not None and other.record is not None:
                    problem = await self._adopt(place, held, other.document, other.record)
                    if problem is not None:
                        self._report(place, held, problem)
                    break
        if place.asked == _NEVER and is_url(place.location):
            place.due = self._first_due(place)

    def _remember(self, place: _Place, held: _Held, trouble: SourceTrouble) -> None:
        """Continue with the problems of an earlier run: what was reported stays reported, and counts continue."""
        if trouble == SourceTrouble() or place.held.get(held.source) is not held:
            return
        held.remember(trouble)
        place.failures = max(place.failures, trouble.failures)
        place.counted_at = max(place.counted_at, trouble.counted_at)
        place.early = place.asked == _NEVER and 0 <= self._clock() - place.counted_at < place.refresh
        if held.reason is not None:
            self._rejected(held.source, held.reason)

    async def _adopt(
        self, place: _Place, held: _Held, document: bytes, record: SourceRecord, *, restored: bool = False
    ) -> str | None:
        """Put a list in force that was fetched before; return why that cannot be done."""
        try:
            read = await in_thread(partial(self._read, held, document, restored=restored))
        except SourceError as error:
            return str(error)
        held.missing, held.carried = read.missing, read.carried
        self._put_in_force(place, held, document, read.published, record)
        if read.missing is not None:
            self._report(place, held, read.missing)
        return None

    def _load(self, source: SourceKey) -> tuple[bytes | None, SourceRecord | None, SourceTrouble]:
        trouble = self._records.trouble(source)
        if self._files is None:
            return None, None, trouble
        return self._files.load(source), self._records.load(source), trouble

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
                self._log.warning("published lists cannot be cached", problem=str(error))
            self._storage_failed = True
        else:
            self._storage_failed = False

    def _keep_trouble(self, place: _Place, held: _Held) -> None:
        trouble = SourceTrouble()
        if held.reason is not None or place.failures or held.refused_digest:
            trouble = SourceTrouble(
                held.reason, place.failures, held.refused_digest, held.seen_again, place.counted_at
            )
        if trouble != held.trouble and place.held.get(held.source) is held:
            held.trouble = trouble
            self._records.keep_trouble(held.source, trouble)
