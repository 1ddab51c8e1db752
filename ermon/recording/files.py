"""The files of recordings in their folder: a truncated one can be read, and old ones are removed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from ermon.aio.own import own_folder
from ermon.model.text import file_stamp

COMPRESSION_LEVEL = 6
"""zlib's default, at about 20 MB/s. It compresses a full table of raw UPDATEs to less than a half, and of ExaBGP's JSON,
which is five times as long, to a ninth.
"""

READ_BYTES = 2**18

MAX_LINE_BYTES = 64 * 2**20
"""ExaBGP's lines (``decode.MAX_LINE_BYTES``) and the state of a network are far shorter. A small compressed file can
contain a line without an end.
"""

STANDARD_INPUT = Path("-")

_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_NAME, _SUFFIX = "ermon-", ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is recorded; times are in seconds."""

    retention: float = 7 * 86_400.0
    size: int = 1024**3
    """Total size of all files, in bytes."""
    file_bytes: int = 64 * 1024**2
    """A file is full when it has grown by so much since its snapshot. A damaged file costs this much at most."""
    file_seconds: float = 3600.0
    """A file is full at this age: operators usually need an hour."""
    queued_bytes: int = 32 * 1024**2
    """The queue for the disk: about ten seconds of ExaBGP's maximum rate."""
    gather_seconds: float = 0.25
    """How long lines are gathered before they are compressed together."""
    flush_seconds: float = 1.0
    """The maximum loss if ermon is killed. More frequent flushes make the files larger."""
    retry_seconds: float = 30.0
    """The pause after an error of the disk."""
    stop_seconds: float = 1.0
    """How long ermon waits for the disk when it stops."""

    @property
    def full_bytes(self) -> int:
        """The size of a full file: the total size always has room for several files."""
        return min(self.file_bytes, self.size // 8)


class FolderError(Exception):
    """A folder cannot be used for recordings; the text says why."""


class UnreadableError(Exception):
    """A recording cannot be read; the text says where and why."""


class Folder:
    """The folder with the recordings of one ermon only; ``FolderError`` if it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            own_folder(path)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise FolderError(f"--record.path: {path}: cannot record there: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            busy = error.errno in {errno.EWOULDBLOCK, errno.EACCES}
            why = "another ermon records there; use another folder" if busy else error.strerror
            raise FolderError(f"--record.path: {path}: cannot record there: {why}") from error

    def close(self) -> None:
        os.close(self._lock)

    def prune(self, retention: float, size: int, current: Path | None = None) -> None:
        """Remove files older than ``retention`` seconds, and the oldest ones until at most ``size`` bytes remain;
        never the file that is being written.
        """
        room, oldest = size, time.time() - retention
        for path in sorted(self.path.glob(f"{_NAME}*{_SUFFIX}"), reverse=True):
            with contextlib.suppress(OSError):
                found = path.stat()
                room -= found.st_size
                old = found.st_mtime < oldest or room < 0
                if old and path != current:
                    path.unlink()


class RecordingFile:
    """A file that is being written. Every method may raise ``OSError``; the caller gives the file up then."""

    def __init__(self, folder: Path, recording: str, part: int, now: float) -> None:
        self.path = folder / f"{_NAME}{recording}-{part:06}-{file_stamp(now)}{_SUFFIX}"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)  # regardless of the umask
        self._file: BinaryIO = os.fdopen(descriptor, "wb")
        self._compressor = zlib.compressobj(COMPRESSION_LEVEL, wbits=_GZIP)
        self.bytes = 0
        """Written so far, compressed."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Add lines, at least one."""
        self._put(self._compressor.compress(b"\n".join(lines) + b"\n"))

    def flush(self) -> None:
        """Make everything written so far readable, even if ermon is killed."""
        self._put(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def finish(self) -> None:
        self._put(self._compressor.flush(zlib.Z_FINISH))
        self._file.close()

    def give_up(self) -> None:
        """Leave the file as it is; raises nothing."""
        with contextlib.suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Remove the file; raises nothing."""
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes += len(data)


def recording_name(now: float) -> str:
    """Return the name of a recording that begins at ``now`` (seconds since the epoch); names sort by time."""
    return file_stamp(now, fraction=True)


# Reading ---------------------------------------------------------------------------------------------


class RecordedLines:
    """The lines of several files, one after the other; ``UnreadableError`` if one cannot be read."""

    def __init__(self, paths: Iterable[Path], note: Callable[[str], None]) -> None:
        """``note`` is called with a message for each truncated or damaged file."""
        self._paths = paths
        self._note = note
        self.path: Path | None = None
        """The file of the last line."""
        self.number = 0
        """The number of that line, from 1."""
        self._broken = False
        """The file is truncated or damaged."""

    def __iter__(self) -> Iterator[bytes]:
        for path in self._paths:
            self.path, self.number, self._broken = path, 0, False
            try:
                yield from self._lines(path)
            except OSError as error:
                raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error

    def _lines(self, path: Path) -> Iterator[bytes]:
        with _open(path) as file:
            packed = file.peek(2).startswith(_MAGIC)
            blocks = self._unpacked(file) if packed else iter(partial(file.read1, READ_BYTES), b"")
            for line in self._split(blocks):
                self.number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise UnreadableError(
                        f"{path}: line {self.number} is longer than {MAX_LINE_BYTES} bytes; that is not a recording"
                    )
                yield line

    def _split(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield lines without their line ends; of a line that is too long, yield the beginning. Each byte is copied only
        a few times, for any length.
        """
        rest = bytearray()
        for block in blocks:
            *lines, last = block.split(b"\n")
            for line in lines:
                yield bytes(rest + line) if rest else line
                rest.clear()
            rest += last
            if len(rest) > MAX_LINE_BYTES:
                yield bytes(rest)
        if rest and not self._broken:  # an incomplete line is useless
            yield bytes(rest)

    def _unpacked(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            yield from _decompressed(file)
        except EOFError:
            self._note("it is truncated: its writer was killed, or is still writing")
            self._broken = True
        except zlib.error as error:
            self._note(f"it is damaged after line {self.number}: {error}")
            self._broken = True


def _open(path: Path) -> AbstractContextManager[BufferedReader]:
    if path == STANDARD_INPUT:
        return contextlib.nullcontext(cast("BufferedReader", sys.stdin.buffer))
    return path.open("rb")


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a gzip file as far as possible; ``EOFError`` if its end is missing."""
    unpacker = zlib.decompressobj(_GZIP)
    while data := file.read(READ_BYTES):
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
            yield unpacker.decompress(data, READ_BYTES)
            data = unpacker.unconsumed_tail or unpacker.unused_data
    yield unpacker.flush()
    if not unpacker.eof:
        raise EOFError


def recordings(path: Path) -> list[Path]:
    """Return the recordings in a folder, the oldest first, or the one file that ``path`` is;
    ``UnreadableError`` if the folder has none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.name.endswith((".jsonl", ".jsonl.gz")))
    if not found:
        raise UnreadableError(f"{path}: it contains no recording: no file that ends with .jsonl or .jsonl.gz")
    return found
