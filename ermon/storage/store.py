"""Stores the state that survives a restart: ermon passes changes to the store, and the store's thread writes them.

The whole state is also in memory, and hardly any code waits for the disk. A disk that is full, missing, broken or stuck
costs the memory over a restart, but never the monitoring. The store retries until the disk works, and then writes
everything at once.

The event loop changes the state and increments a version. The thread takes the whole state, writes it, and reports which
version is on disk. Only cleared findings are queued. So after a day of failures one write is due and not a day of
writes, and no write depends on one that was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import structlog

from ermon.checks.topics import Counted
from ermon.core.levels import LevelMemory
from ermon.core.maintenance_book import BookedWindow
from ermon.core.timeline import KeptTimeline, hour_of
from ermon.model.findings import Delivery, Finding, Transition, TransitionState
from ermon.storage import database
from ermon.storage.database import Kept, Reader, State, Table
from ermon.storage.file import StorageFile
from ermon.storage.past import HistoryRow, Hours, PastTables

RETRY_SECONDS = 10.0
"""The interval of retries after the disk has failed."""
OPEN_SECONDS = 6.0
"""How long the start waits for the disk: longer than for another ermon that is about to end."""
SAVE_SECONDS = 2.0
"""How long a transition waits for the disk before it is sent without it."""
HISTORY_SECONDS = 5.0
"""How long a request for the history waits for the disk."""
CLOSE_SECONDS = 1.0
"""How long ermon's end waits for the disk, because ermon must stop within two seconds."""
CLEARED_KEPT = 1_000
"""Cleared findings that the next ermon reads at its start; the others stay in the file."""
HOURS_HELD = 25
"""Hours of the links that the next ermon reads at its start, and that a new file gets: 24, and the present one."""
HISTORY_HELD = 10_000
"""Cleared findings that wait in memory while the disk fails, some ten megabytes. Beyond that the oldest are lost."""

_NOT_WRITTEN = -1
"""The version that the thread assumes on disk after a query has failed, so that it writes everything again at once."""

Reported = Callable[[str | None], None]

T = TypeVar("T")
_Question = tuple[Callable[[PastTables], Any], Any, asyncio.Future[Any]]
"""A query, its result after an error, and the future that gets the result."""


class _Work(NamedTuple):
    """The next work of the thread."""

    version: int
    """The version of the state that it contains."""
    state: State
    cleared: tuple[HistoryRow, ...]
    latest: tuple[HistoryRow, ...]
    hours: Hours
    questions: tuple[_Question, ...]
    ending: bool


class Store:
    """The store in one folder. Call its methods on the event loop unless they say otherwise. None raises or blocks."""

    def __init__(self, file: StorageFile, clock: Callable[[], float]) -> None:
        """Use ``open`` instead."""
        self.kept = Kept()
        """The stored state of an earlier ermon."""
        self.problem: str | None = None
        """Why nothing can be written at present, and what to do; ``None`` if all is well."""
        self._reported: Reported = lambda _: None
        self._log = structlog.get_logger()
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._clock = clock
        self._changed = threading.Condition()
        """Guards the attributes below that both threads use. No thread holds it while it waits for the disk."""
        self._state: dict[Table, dict[str, bytes]] = {table: {} for table in Table}
        self._unwritten: dict[str, HistoryRow] = {}
        self._latest: deque[HistoryRow] = deque(maxlen=CLEARED_KEPT)
        """The latest rows of the history, the latest first: for a new file, and for requests while the disk fails."""
        self._hours: dict[int, bytes] = {}
        """The recent hours of the links' timeline: for a new file."""
        self._version = 0
        """The number of changes."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._questions: list[_Question] = []
        self._late = False
        """Whether the start went on without waiting for the stored state."""
        self._ending = False
        self._opened: asyncio.Future[Kept] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, folder: Path, retention_seconds: float, *, clock: Callable[[], float] = time.time, **limits: int
    ) -> Self:
        """Open the store in ``folder``, which is made if it is missing, and read the stored state. If that fails,
        ``kept`` is empty, and ``problem`` says why.
        """
        store = cls(StorageFile(folder, retention_seconds, **limits), clock)
        threading.Thread(target=store._work, name="ermon-storage", daemon=True).start()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                store.kept = await asyncio.shield(store._opened)
        except TimeoutError:
            with store._changed:
                store._late = True
            store._judge(store._silence)
        if store.kept.unreadable:
            store._log.error("skipped unreadable rows", rows=store.kept.unreadable, path=str(folder))
        return store

    def report_to(self, reported: Reported) -> None:
        """Call ``reported`` with the present problem, if any, with every new one, and with ``None`` when all is well
        again.
        """
        self._reported = reported
        if self.problem is not None:
            reported(self.problem)

    # Storing -----------------------------------------------------------------------------------------

    def save(
        self, transitions: Iterable[Transition], deliveries: Iterable[Delivery] = ()
    ) -> asyncio.Future[None]:
        """Store transitions and deliveries in one transaction. The result is done when they are on disk, or when the disk
        takes too long.
        """
        with self._changed:
            for transition in transitions:
                self._transition(transition)
            for delivery in deliveries:
                self._state[Table.DELIVERIES][delivery.id] = database.encode(delivery)
            return self._wait_for_disk()

    def delivered(self, delivery_id: str) -> None:
        """Remove a delivery that was accepted or given up."""
        with self._changed:
            if self._state[Table.DELIVERIES].pop(delivery_id, None) is not None:
                self._touch()

    def refresh(self, findings: Iterable[Finding], levels: Mapping[Counted, LevelMemory]) -> None:
        """Store the present evidence of findings and the usual levels. This also tests whether the disk works."""
        now = self._clock()
        with self._changed:
            held = self._state[Table.FINDINGS]
            held.update({f.id: database.encode(f) for f in findings if f.id in held})
            self._state[Table.BASELINES] = database.level_rows(levels, now)
            self._state[Table.INSTALLATION]["saved-at"] = database.encode(now)
            self._touch()

    def set_windows(self, windows: Iterable[BookedWindow]) -> asyncio.Future[None]:
        """Store exactly these windows; the result is done as that of ``save``."""
        with self._changed:
            self._state[Table.WINDOWS] = {booked.id: database.encode(booked) for booked in windows}
            return self._wait_for_disk()

    def value(self, table: Table, key: str) -> bytes | None:
        """Return the JSON that is stored under a key; callable on any thread."""
        with self._changed:
            return self._state[table].get(key)

    def set_value(self, table: Table, key: str, value: bytes) -> None:
        """Store JSON under a key; callable on any thread."""
        with self._changed:
            self._state[table][key] = value
            self._touch()

    def keep_hours(self, hours: Mapping[int, bytes]) -> None:
        """Store these hours of the links' timeline, encoded by ``database.packed``."""
        with self._changed:
            self._hours |= hours
            self._hours = {hour: self._hours[hour] for hour in sorted(self._hours)[-HOURS_HELD:]}
            self._touch()

    @property
    def latest_hour(self) -> int | None:
        """The last hour that this ermon has stored, ``None`` if there is none."""
        return max(self._hours, default=None)

    # The history -------------------------------------------------------------------------------------

    async def history(self, since: float, limit: int) -> list[Finding]:
        """Return the findings that were cleared at or after ``since`` (seconds since the epoch), the latest first, at
        most ``limit``. If the disk fails, return those in memory.
        """
        rows = await self._rows(lambda past: past.history(since, limit), lambda row: row.cleared_at >= since)
        return await asyncio.to_thread(Reader(self._clock()).findings, rows[:limit])

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        """Return the cleared findings that were raised at some time between two times, at most ``limit``, the one that
        was cleared last first. If the disk fails, return those in memory.
        """
        rows = await self._rows(
            lambda past: past.between(start, end, limit), lambda row: row.cleared_at >= start
        )
        found = await asyncio.to_thread(Reader(self._clock()).findings, rows)
        return [finding for finding in found if finding.since <= end][:limit]

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        """Return a cleared finding, ``None`` if none with this id is stored."""
        rows = await self._rows(lambda past: past.find(finding_id), lambda row: row.id == finding_id)
        found = await asyncio.to_thread(Reader(self._clock()).findings, rows)
        return found[0] if found else None

    async def _rows(
        self, look: Callable[[PastTables], list[HistoryRow]], wanted: Callable[[HistoryRow], bool]
    ) -> list[HistoryRow]:
        """Return findings from the disk and from memory, the latest first."""
        nothing: list[HistoryRow] = []
        found = await self._ask(look, nothing)
        with self._changed:
            held = [row for row in (*self._latest, *self._unwritten.values()) if wanted(row)]
        rows = {row.id: row for row in (*found, *held)}
        return sorted(rows.values(), key=lambda row: row.cleared_at, reverse=True)

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        """Return the stored timeline of the links from one hour to another, by hours since the epoch."""
        nothing: dict[int, bytes] = {}
        found = await self._ask(lambda past: past.hours(first, last), nothing)
        with self._changed:
            found |= {hour: packed for hour, packed in self._hours.items() if first <= hour <= last}
        return await asyncio.to_thread(Reader(self._clock()).hours, found)

    async def held_from(self) -> float | None:
        """Return the earliest time with stored history, ``None`` if there is none."""
        return await self._ask(lambda past: past.held_from(), None)

    async def _ask(self, look: Callable[[PastTables], T], otherwise: T) -> T:
        """Return the result of a query on disk, or ``otherwise`` if the disk does not answer in time."""
        answer: asyncio.Future[T] = self._loop.create_future()
        with self._changed:
            self._questions.append((look, otherwise, answer))
            self._changed.notify()
        try:
            async with asyncio.timeout(HISTORY_SECONDS):
                return await answer
        except TimeoutError:
            return otherwise

    async def close(self) -> None:
        """Write the rest of the state, if the disk is fast enough, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.shield(self._ended)
        except TimeoutError:
            self._log.error("storage does not answer", lost="pending writes")

    def _transition(self, transition: Transition) -> None:
        finding = transition.finding
        if transition.state is TransitionState.RAISED:
            self._state[Table.FINDINGS][finding.id] = database.encode(finding)
            return
        self._state[Table.FINDINGS].pop(finding.id, None)
        row = database.history_row(finding)
        self._latest.appendleft(row)
        self._unwritten[row.id] = row
        while len(self._unwritten) > HISTORY_HELD:
            del self._unwritten[next(iter(self._unwritten))]

    def _touch(self) -> None:
        self._version += 1
        self._changed.notify()

    def _wait_for_disk(self) -> asyncio.Future[None]:
        self._touch()
        saved: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((self._version, saved))
        late = self._loop.call_later(SAVE_SECONDS, self._give_up, saved)
        saved.add_done_callback(lambda _: late.cancel())
        return saved

    def _give_up(self, saved: asyncio.Future[None]) -> None:
        if not saved.done():
            saved.set_result(None)
            self._judge(self._silence)

    @property
    def _silence(self) -> str:
        return f"{self._file.path}: the disk does not respond; check it"

    def _judge(self, problem: str | None) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        if problem is None:
            self._log.info("storage works again")
        else:
            self._log.error("storage failed", problem=problem)
        self._reported(problem)

    # The thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._read_and_write()
        except Exception as error:  # noqa: BLE001 - nothing else would report it
            self._log.exception("storage stopped", path=str(self._file.path))
            problem = (
                f"{self._file.path}: nothing more is written ({type(error).__name__}: {error}); restart ermon"
            )
            self._in_loop(self._take_over, Kept(), problem)
            self._in_loop(self._judge, problem)
        self._in_loop(_answer, self._ended, None)

    def _read_and_write(self) -> None:
        problem = self._begin()
        version, ending = 0, False
        while not ending:
            work = self._next_work(version, problem)
            version, ending = work.version, work.ending
            done, problem = self._file.write(work.state, work.cleared, work.latest, work.hours, self._clock())
            self._in_loop(self._settle, work, done, problem)
            for look, otherwise, answer in work.questions:
                looked = self._file.look(look, otherwise)
                self._in_loop(_answer, answer, looked.answer)
                if not looked.done:
                    version = _NOT_WRITTEN
        self._file.close()

    def _begin(self) -> str | None:
        """Read the stored state, unless the start did not wait for it."""
        now = self._clock()
        found = self._file.begin(CLEARED_KEPT, hour_of(now) - HOURS_HELD)
        state = {table: dict(found.state[table]) for table in Table}
        left = Reader(now).read(state, found.latest, found.hours)
        with self._changed:
            if not self._late:
                self._state = state
                self._latest.extend(found.latest)
        self._in_loop(self._take_over, left, found.problem)
        return found.problem

    def _next_work(self, written: int, problem: str | None) -> _Work:
        """Wait for a change, a query, the end, or the next retry after the disk has failed, and return the work to do."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._version > written or self._questions or self._ending,
                None if problem is None else RETRY_SECONDS,
            )
            questions, self._questions = self._questions, []
            return _Work(
                version=self._version,
                state={table: dict(rows) for table, rows in self._state.items()},
                cleared=tuple(self._unwritten.values()),
                latest=tuple(self._latest),
                hours=dict(self._hours),
                questions=tuple(questions),
                ending=self._ending,
            )

    # On the event loop again

    def _take_over(self, found: Kept, problem: str | None) -> None:
        if not self._opened.done():
            self._judge(problem)
            self._opened.set_result(found)

    def _settle(self, work: _Work, done: bool, problem: str | None) -> None:
        if done:
            with self._changed:
                for row in work.cleared:
                    # The finding may have been raised and cleared again during the write.
                    if self._unwritten.get(row.id) is row:
                        del self._unwritten[row.id]
        self._judge(problem)
        settled = [saved for version, saved in self._waiting if version <= work.version]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > work.version]
        for saved in settled:
            _answer(saved, None)

    def _in_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: no one waits any more
            self._loop.call_soon_threadsafe(callback, *arguments)


def _answer(question: asyncio.Future[T], answer: T) -> None:
    if not question.done():  # the caller still waits
        question.set_result(answer)
