"""The thread that writes a recording: a slow or full disk delays nothing else.

Lines that cannot be written are counted. After a loss the recording continues with a new file, which begins with a
snapshot, so the content of each file is consistent.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from msgspec.structs import replace

from ermon.recording.entries import End, Head, Held, Reason, write_entry
from ermon.recording.files import Folder, Limits, RecordingFile

LINES_AT_ONCE = 1_000
"""Lines of a snapshot that are made and compressed together."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new file begins with."""

    head: Head
    held: Held


class Writer:
    """Takes lines from the event loop; everything else runs on its own thread."""

    def __init__(self, folder: Folder, limits: Limits, dropped: Callable[[int], None]) -> None:
        """``dropped`` is called on either thread with the number of lines that were just lost."""
        self.due: Reason | None = None
        """The reason if a new file is needed: the owner of the snapshot then calls ``open``."""
        self._folder = folder
        self._limits = limits
        self._dropped = dropped
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._stopping = threading.Event()
        # Of both threads, under the lock:
        self._queue: list[bytes | Opening] = []
        self._queued_bytes = 0
        self._lost: int | None = None
        """Number of lines lost since the file became incomplete; ``None``: it is complete."""
        self._opening = False
        """The queue contains a new file."""
        # Of the thread that writes:
        self._file: RecordingFile | None = None
        self._began = self._flushed = 0.0
        self._snapshot_bytes = 0
        self._unflushed = 0
        """Number of lines that may still be in the compressor and not in the file."""
        self._failed: float | None = None
        """Time of the last error of the disk; ``None``: the disk works."""
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    # On the event loop -------------------------------------------------------------------------------

    def put(self, line: bytes) -> None:
        """Take a line, or count it as lost; never waits for the disk."""
        with self._lock:
            if self._lost is None and self._queued_bytes + len(line) <= self._limits.queued_bytes:
                self._queue.append(line)
                self._queued_bytes += len(line)
                if not self._something.is_set():
                    self._something.set()
                return
            first = self._lost is None
            self._lost = (self._lost or 0) + 1
        self._dropped(1)
        if first:
            self._log.error("recording falls behind", problem="the disk is too slow")

    def open(self, head: Head, held: Held) -> None:
        """Continue with a new file, which records the number of lost lines."""
        with self._lock:
            self.due, self._opening = None, True
            self._queue.append(Opening(replace(head, lost_lines=self._lost or 0), held))
            self._lost = None
            self._something.set()

    def close(self) -> None:
        """Write the rest and stop; wait for the disk for a limited time only."""
        self._stopping.set()
        self._something.set()
        self._thread.join(self._limits.stop_seconds)

    # On the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._something.wait(self._patience())
            self._stopping.wait(self._limits.gather_seconds)
            self._write(self._take())
            self._look_after()
        self._write(self._take())
        self._end_file(time.time())

    def _patience(self) -> float | None:
        """Return how long the thread may wait for new lines, in seconds; ``None``: without a limit."""
        if self._lost is not None:
            return self._limits.retry_seconds
        return self._limits.flush_seconds if self._unflushed else None

    def _take(self) -> list[bytes | Opening]:
        with self._lock:
            taken, self._queue, self._queued_bytes, self._opening = self._queue, [], 0, False
            self._something.clear()
        return taken

    def _write(self, taken: list[bytes | Opening]) -> None:
        lines: list[bytes] = []
        for item in taken:
            if isinstance(item, Opening):
                self._write_lines(lines)
                lines = []
                self._end_file(item.held.now)
                self._open(item)
            else:
                lines.append(item)
        self._write_lines(lines)

    def _write_lines(self, lines: list[bytes]) -> None:
        if lines and self._file is None:
            self._lose(len(lines))
        elif lines and self._file is not None:
            try:
                self._file.write(lines)
                self._unflushed += len(lines)
            except OSError as error:
                self._fail(error)
                self._lose(len(lines))

    def _open(self, opening: Opening) -> None:
        head, held, limits = opening.head, opening.held, self._limits
        lines = itertools.chain([write_entry(head, held.now)], held.lines())
        try:
            self._folder.prune(limits.retention, limits.size - limits.full_bytes)
            self._file = RecordingFile(self._folder.path, head.recording, head.part, held.now)
            while some := list(itertools.islice(lines, LINES_AT_ONCE)):
                self._file.write(some)
            self._flush(self._file)
            self._folder.prune(limits.retention, limits.size - limits.full_bytes, self._file.path)
        except OSError as error:
            if self._file is not None:
                self._file.discard()  # otherwise one file would remain for each attempt
            self._fail(error, head.lost_lines)
            return
        self._began, self._snapshot_bytes, self._failed = time.monotonic(), self._file.bytes, None
        self._log.info(
            "recording", file=self._file.path.name, reason=str(head.reason), lost_lines=head.lost_lines
        )

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._file is not None:
            try:
                if self._unflushed and now >= self._flushed + self._limits.flush_seconds:
                    self._flush(self._file)
            except OSError as error:
                self._fail(error)
        due = self._why_due(now)
        with self._lock:
            if not self._opening:
                self.due = due

    def _why_due(self, now: float) -> Reason | None:
        if self._lost is not None:
            waited = self._failed is None or now >= self._failed + self._limits.retry_seconds
            return Reason.LOSS if waited else None
        if self._file is None:
            return None
        grown = self._file.bytes - self._snapshot_bytes
        full = grown >= self._limits.full_bytes or now >= self._began + self._limits.file_seconds
        return Reason.FULL if full else None

    def _flush(self, file: RecordingFile) -> None:
        file.flush()
        self._flushed, self._unflushed = time.monotonic(), 0

    def _end_file(self, now: float) -> None:
        file, unflushed, self._file, self._unflushed = self._file, self._unflushed, None, 0
        if file is not None:
            try:
                file.write([write_entry(End(), now)])
                file.finish()
            except OSError as error:
                file.give_up()
                self._log.error("recording failed", file=file.path.name, problem=error.strerror)
                self._lose(unflushed)

    def _fail(self, error: OSError, lost_before: int = 0) -> None:
        """Give the file up; further lines are lost until there is a new file.

        The next file reports the lines that were ``lost_before`` this one too; they have been counted already.
        """
        if self._file is not None:
            self._file.give_up()
        unflushed, self._file, self._unflushed = self._unflushed, None, 0
        if self._failed is None:
            self._log.error(
                "recording failed", folder=str(self._folder.path), problem=error.strerror or str(error)
            )
        self._failed = time.monotonic()
        self._lose(unflushed, lost_before)

    def _lose(self, lines: int, counted: int = 0) -> None:
        """Note lost lines, which the next file reports; those that have been ``counted`` already are not counted again."""
        with self._lock:
            self._lost = (self._lost or 0) + lines + counted
        self._dropped(lines)
