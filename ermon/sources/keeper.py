"""Keeps the published lists: refreshes them on their schedules, refuses bad ones, and stores good ones.

The last good list stays in force until another good one replaces it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from ermon.aio.backoff import Backoff
from ermon.aio.rounds import AT_ONCE, Place, Rounds, delayed
from ermon.aio.threads import in_thread
from ermon.model.inventory import ExpectedPrefix, Source
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import m365, reading
from ermon.sources.fetch import HOUR, Fetched, Fetcher, FetchError
from ermon.sources.published import NoSuchPartError, PublishedList, SourceError, published_list, refusal
from ermon.sources.store import ListFiles, Records, SourceRecord, SourceTrouble

FAILURES_TOLERATED = 2
"""The number of consecutive refreshes that may fail without a finding: lists change weekly at most."""

FIRST_RETRY_SECONDS = 60.0
"""A source without any list is retried soon, then less and less often, at the latest after ``refresh``: its checks are
unknown until then.
"""

_NEVER = float("-inf")

Updated = Callable[[SourceKey, PublishedList], None]
Rejected = Callable[[SourceKey, str | None], None]
Taken = Callable[[SourceKey], None]

REFRESHES_UNTIL_TAKEN = 3
"""A refused list that so many later refreshes return again is not a damaged download: it is accepted."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A list as it was read, with the prefixes that were carried over for missing parts."""

    published: PublishedList
    missing: str | None = None
    carried: Mapping[str, tuple[ExpectedPrefix, ...]] = field(default_factory=dict)
    problem: str | None = None
    """Why it must not replace the list in force."""

    def digest(self) -> str:
        """Return a digest of the list. A long list takes some time: do not use this on the event loop."""
        return hashlib.sha256(repr(self.published).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class _Refused:
    """A list that was refused because too much is missing."""

    document: bytes
    read: _Read
    record: SourceRecord


@dataclass(slots=True, eq=False)
class _Held:
    """A source, and its list in force."""

    source: SourceKey
    restored: bool = False
    """Whether the stored list of an earlier run has been looked up."""
    document: bytes | None = None
    kept: bytes | None = None
    """The document on disk."""
    published: PublishedList | None = None
    record: SourceRecord | None = None
    reason: str | None = None
    """The last reported reason."""
    missing: str | None = None
    """The problem of parts that are missing from the list, if any."""
    carried: Mapping[str, tuple[ExpectedPrefix, ...]] = field(default_factory=dict)
    """The last known prefixes of the missing parts. They stay in force."""
    refused: _Refused | None = None
    """The list that was refused because it shrank too much."""
    refused_digest: str = ""
    """The digest of that list; also known after a restart."""
    seen_again: int = 0
    """The number of later refreshes that returned it again."""
    trouble: SourceTrouble = field(default_factory=SourceTrouble)
    """The stored problems."""

    def no_longer_refused(self) -> None:
        self.refused, self.refused_digest, self.seen_again = None, "", 0

    def remember(self, trouble: SourceTrouble) -> None:
        """Continue with the stored problems of an earlier run."""
        self.trouble, self.reason = trouble, trouble.reason
        self.refused_digest, self.seen_again = trouble.refused, trouble.seen_again


@dataclass(slots=True, eq=False)
class _Place(Place):
    """The location of a list. Sources with different parts of one list share its fetches.

    Times are those of the event loop's clock, which is monotonic. ``asked`` is the time of the last request, ``due`` the
    time of the next one, and ``not_before`` the earliest time for it, even if a reload shortens ``refresh``: after
    429, a change of the configuration must not cause an earlier request.
    """

    kind: str
    location: str
    refresh: float
    held: dict[SourceKey, _Held] = field(default_factory=dict)
    failures: int = 0
    counted_at: float = _NEVER
    """The time of the last regular request, by the wall clock: it survives a restart."""
    early: bool = False
    """Whether the request is early because ermon has just started: a failure then does not count."""
    retry: Backoff = field(default_factory=lambda: Backoff(FIRST_RETRY_SECONDS, math.inf))
    asked: float = _NEVER

    def succeeded(self) -> None:
        """Reset the failures after an answer."""
        self.failures = 0
        self.retry.reset()

    def common_record(self) -> SourceRecord | None:
        """Return the record of the list, if all sources have the same edition."""
        records = [held.record for held in self.held.values()]
        first = records[0]
        if first is None or any(record is None or not record.same_edition(first) for record in records):
            return None
        return first


class SourceKeeper:
    """Keeps the published lists that a configuration names.

    ``updated`` is called with each list that comes into force, including stored lists of an earlier run. ``rejected``
    is called with the reason when a list can no longer be used or fetched, again when the reason changes, and with
    ``None`` when the problem is over. ``taken`` is called before a list comes into force that was refused first and
    did not change since. All are called in the event loop.
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
        self._rounds: Rounds[tuple[str, str], _Place] = Rounds(self._refresh, self._restore)
        self._storage_failed = False
        self._log = structlog.get_logger()

    # What it knows -----------------------------------------------------------------------------------

    def lists(self) -> Mapping[SourceKey, PublishedList]:
        """Return the lists in force."""
        return {held.source: held.published for held in self._all() if held.published is not None}

    def ages(self) -> Mapping[SourceKey, float | None]:
        """Return the age of each source's list: seconds since it was last known to be current; ``None`` without a list."""
        now = self._clock()
        return {
            held.source: None if held.record is None else max(0.0, now - held.record.checked_at)
            for held in self._all()
        }

    def _all(self) -> Iterable[_Held]:
        return (held for place in self._rounds.places.values() for held in place.held.values())

    def problem(self, source: SourceKey) -> str | None:
        """Return why the list of a source cannot be used or fetched: the reason of the last call of ``rejected``."""
        return next((held.reason for held in self._all() if held.source == source), None)

    # Configuration -----------------------------------------------------------------------------------

    def reconfigure(self, sources: Iterable[Source]) -> None:
        """Change to these sources. The lists of remaining sources stay in force, and files are read again."""
        wanted: dict[tuple[str, str], dict[SourceKey, float]] = {}
        for source in sources:
            key = SourceKey.of(source)
            refreshes = wanted.setdefault((key.kind, key.location), {})
            refreshes[key] = min(source.refresh, refreshes.get(key, source.refresh))
        self._rounds.leave_out_all_but(wanted)
        for where, refreshes in wanted.items():
            self._set_place(where, refreshes)

    def _set_place(self, where: tuple[str, str], refreshes: Mapping[SourceKey, float]) -> None:
        kind, location = where
        refresh = min(refreshes.values())
        if kind == m365.KIND and is_url(location):
            refresh = max(refresh, HOUR)  # Microsoft asks clients not to poll the version more often
        place = self._rounds.places.setdefault(where, _Place(kind, location, refresh))
        place.refresh = refresh
        place.due = min(place.due, place.asked + refresh) if is_url(location) else AT_ONCE
        place.held = {key: place.held.get(key) or _Held(key) for key in refreshes}
        self._rounds.go_to(where)

    # Refreshing --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Refresh the lists until cancelled; a fetch in progress is then aborted at once."""
        await self._rounds.run()

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
        place.due = now + delayed(wait)
        if failure is not None:
            place.not_before = now + failure.wait

    async def _take(self, place: _Place, held: _Held, fetched: Fetched) -> None:
        """Put a fetched list in force, or refuse it."""
        if fetched.document is None or fetched.document == held.document:
            assert held.published is not None  # without a list the request was not conditional
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
        """Return whether a refused list was returned often enough to accept it."""
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
        """Put the refused lists of a source in force, because an operator accepts them; return whether there was one."""
        found = False
        for place in self._rounds.places.values():
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
        """Read a list that may replace the one in force; ``SourceError`` if it cannot be used.

        A part that is now missing from the list keeps its old prefixes, and the other parts are used. A long list
        takes a second: do not use this on the event loop.
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
            endpoints = [endpoint for part in parts for endpoint in part.endpoints]
            published = published_list((*found, *kept), parts[0].version, endpoints)
        if problem := refusal(published, None):
            raise SourceError(problem)
        if published == before:
            return _Read(before, missing, carried)
        return _Read(published, missing, carried, refusal(published, before))

    @staticmethod
    def _parts(
        held: _Held, document: bytes
    ) -> tuple[list[PublishedList], dict[str, tuple[ExpectedPrefix, ...]]]:
        """Read each selected part separately; return the found ones, and the old prefixes of the missing ones."""
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
        if place.held.get(held.source) is not held:  # a reload has removed it in the meantime
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
        """Give new sources the stored list of an earlier run, or the list of another source with the same location."""
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
        """Put a list in force that was fetched earlier; return the reason if that is impossible."""
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
        """Return when the first refresh is due: a list that an earlier run fetched is not fetched early after a restart."""
        records = [held.record for held in place.held.values()]
        checked = [record.checked_at for record in records if record is not None]
        if len(checked) < len(records):
            return AT_ONCE
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
