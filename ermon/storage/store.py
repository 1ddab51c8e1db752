"""Keeps what must outlive ermon: changes are passed to the store, and its thread writes them.

What is to be kept is held in memory whole, and nobody waits for the disk who need not: a disk that is full,
gone, broken or stuck costs what a restart would have remembered, and never the watching. It is tried again
until it works, and then everything is written that has come together.

The event loop changes the state and counts a version; the thread takes the state as a whole, writes it, and says
which version is on disk now. Nothing is queued but the findings that were cleared, so that a disk that fails for
a day owes one write and not a day of them, and no write depends on one that was lost.
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
"""How often a disk that failed is tried again."""
OPEN_SECONDS = 6.0
"""How long a start waits for the disk: longer than for another ermon that is about to end."""
SAVE_SECONDS = 2.0
"""How long a transition waits for the disk before it is sent all the same."""
HISTORY_SECONDS = 5.0
"""How long a reader of the history waits for the disk."""
CLOSE_SECONDS = 1.0
"""How long the end waits for the disk: ermon stops within two seconds."""
CLEARED_KEPT = 1_000
"""Cleared findings that are handed to the next ermon at once; the others stay in the file."""
HOURS_HELD = 25
"""Hours of the links that are handed to the next ermon, and to a new file: 24, and the one that is not over."""
HISTORY_HELD = 10_000
"""Cleared findings that wait in memory for a disk that fails, some ten megabytes; then the oldest are lost."""

_NOT_WRITTEN = -1
"""The version on disk, as far as the thread relies on it, after a look has failed: everything is written again at once."""

Reported = Callable[[str | None], None]

T = TypeVar("T")
_Question = tuple[Callable[[PastTables], Any], Any, asyncio.Future[Any]]
"""What is looked up, the answer where that cannot be had, and for whom."""


class _Work(NamedTuple):
    """What the thread is to do next."""

    version: int
    """Everything up to this change is in it."""
    state: State
    cleared: tuple[HistoryRow, ...]
    latest: tuple[HistoryRow, ...]
    hours: Hours
    questions: tuple[_Question, ...]
    ending: bool


class Store:
    """One folder's store. All methods are for the event loop, and none of them raises or blocks."""

    def __init__(self, file: StorageFile, clock: Callable[[], float]) -> None:
        """For ``open``."""
        self.kept = Kept()
        """What an earlier ermon left."""
        self.problem: str | None = None
        """Why nothing can be written at present, and what to do."""
        self._reported: Reported = lambda _: None
        self._log = structlog.get_logger()
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._clock = clock
        self._changed = threading.Condition()
        """Guards what stands below and both threads touch. It is never held while the disk is waited for."""
        self._state: dict[Table, dict[str, bytes]] = {table: {} for table in Table}
        self._unwritten: dict[str, HistoryRow] = {}
        self._latest: deque[HistoryRow] = deque(maxlen=CLEARED_KEPT)
        """The latest first: what a new file begins with, and what is known without the disk."""
        self._hours: dict[int, bytes] = {}
        """What the links were lately, by hour: a new file begins with it."""
        self._version = 0
        """Counts changes."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._questions: list[_Question] = []
        self._late = False
        """The start has gone on without what there is on disk."""
        self._ending = False
        self._opened: asyncio.Future[Kept] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, folder: Path, retention_seconds: float, *, clock: Callable[[], float] = time.time, **limits: int
    ) -> Self:
        """Open the store in ``folder``, which is made if it is missing, and read what is kept. Where that
        cannot be had, nothing is kept, and ``problem`` says why.
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
        """Have ``reported`` called with every new problem, also one that there is, and with ``None`` when
        all is well again.
        """
        self._reported = reported
        if self.problem is not None:
            reported(self.problem)

    # What is to be kept ------------------------------------------------------------------------------

    def save(
        self, transitions: Iterable[Transition], deliveries: Iterable[Delivery] = ()
    ) -> asyncio.Future[None]:
        """Keep these together. Wait for the result to know them on disk, or not to be had there soon."""
        with self._changed:
            for transition in transitions:
                self._transition(transition)
            for delivery in deliveries:
                self._state[Table.DELIVERIES][delivery.id] = database.encode(delivery)
            return self._wait_for_disk()

    def delivered(self, delivery_id: str) -> None:
        """Forget a delivery: its receiver has it, or never will."""
        with self._changed:
            if self._state[Table.DELIVERIES].pop(delivery_id, None) is not None:
                self._touch()

    def refresh(self, findings: Iterable[Finding], levels: Mapping[Counted, LevelMemory]) -> None:
        """Keep the evidence of findings as it is now, and what was learnt; and see whether the disk works."""
        now = self._clock()
        with self._changed:
            held = self._state[Table.FINDINGS]
            held.update({f.id: database.encode(f) for f in findings if f.id in held})
            self._state[Table.BASELINES] = database.level_rows(levels, now)
            self._state[Table.INSTALLATION]["saved-at"] = database.encode(now)
            self._touch()

    def set_windows(self, windows: Iterable[BookedWindow]) -> asyncio.Future[None]:
        """Keep exactly these windows; wait for the result as for that of ``save``."""
        with self._changed:
            self._state[Table.WINDOWS] = {booked.id: database.encode(booked) for booked in windows}
            return self._wait_for_disk()

    def value(self, table: Table, key: str) -> bytes | None:
        """Return the JSON that is kept under a key; on any thread."""
        with self._changed:
            return self._state[table].get(key)

    def set_value(self, table: Table, key: str, value: bytes) -> None:
        """Keep JSON under a key; on any thread."""
        with self._changed:
            self._state[table][key] = value
            self._touch()

    def keep_hours(self, hours: Mapping[int, bytes]) -> None:
        """Keep what the links were in these hours, as ``database.packed`` writes it."""
        with self._changed:
            self._hours |= hours
            self._hours = {hour: self._hours[hour] for hour in sorted(self._hours)[-HOURS_HELD:]}
            self._touch()

    @property
    def latest_hour(self) -> int | None:
        """The last hour that this ermon has kept."""
        return max(self._hours, default=None)

    # The history -------------------------------------------------------------------------------------

    async def history(self, since: float, limit: int) -> list[Finding]:
        """Return the findings that were cleared at or after ``since`` (seconds since the epoch), the latest
        first, ``limit`` at most; where the disk fails, what is known without it.
        """
        rows = await self._rows(lambda past: past.history(since, limit), lambda row: row.cleared_at >= since)
        return await asyncio.to_thread(Reader(self._clock()).findings, rows[:limit])

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        """Return the findings that were raised at some time between two times and are cleared, what was cleared last first,
        ``limit`` at most; where the disk fails, what is known without it.
        """
        rows = await self._rows(
            lambda past: past.between(start, end, limit), lambda row: row.cleared_at >= start
        )
        found = await asyncio.to_thread(Reader(self._clock()).findings, rows)
        return [finding for finding in found if finding.since <= end][:limit]

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        """Return a finding that was cleared, as long as it is kept."""
        rows = await self._rows(lambda past: past.find(finding_id), lambda row: row.id == finding_id)
        found = await asyncio.to_thread(Reader(self._clock()).findings, rows)
        return found[0] if found else None

    async def _rows(
        self, look: Callable[[PastTables], list[HistoryRow]], wanted: Callable[[HistoryRow], bool]
    ) -> list[HistoryRow]:
        """Look findings up on the disk, and in what is known without it; the latest first."""
        nothing: list[HistoryRow] = []
        found = await self._ask(look, nothing)
        with self._changed:
            held = [row for row in (*self._latest, *self._unwritten.values()) if wanted(row)]
        rows = {row.id: row for row in (*found, *held)}
        return sorted(rows.values(), key=lambda row: row.cleared_at, reverse=True)

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        """Return what is held of the links from one hour of the calendar to another, by their number since the epoch."""
        nothing: dict[int, bytes] = {}
        found = await self._ask(lambda past: past.hours(first, last), nothing)
        with self._changed:
            found |= {hour: packed for hour, packed in self._hours.items() if first <= hour <= last}
        return await asyncio.to_thread(Reader(self._clock()).hours, found)

    async def held_from(self) -> float | None:
        """Return the earliest time of which the history holds anything."""
        return await self._ask(lambda past: past.held_from(), None)

    async def _ask(self, look: Callable[[PastTables], T], otherwise: T) -> T:
        """Look something up on the disk, unless that does not answer."""
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
        """Write what is not written, if that can be done soon, and end."""
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
        except Exception as error:  # noqa: BLE001 - nobody else would say so
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
        """Take over what there is, unless the start has gone on without."""
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
        """Wait for something that changes, for a question, for the end, or for a disk that failed."""
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

    # And back in the event loop

    def _take_over(self, found: Kept, problem: str | None) -> None:
        if not self._opened.done():
            self._judge(problem)
            self._opened.set_result(found)

    def _settle(self, work: _Work, done: bool, problem: str | None) -> None:
        if done:
            with self._changed:
                for row in work.cleared:
                    # It may have been raised and cleared again while it was written.
                    if self._unwritten.get(row.id) is row:
                        del self._unwritten[row.id]
        self._judge(problem)
        settled = [saved for version, saved in self._waiting if version <= work.version]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > work.version]
        for saved in settled:
            _answer(saved, None)

    def _in_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(callback, *arguments)


def _answer(question: asyncio.Future[T], answer: T) -> None:
    if not question.done():  # somebody still waits
        question.set_result(answer)
