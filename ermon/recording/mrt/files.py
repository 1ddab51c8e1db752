"""MRT files, plain or compressed with gzip or bzip2: as the files say themselves, whatever they are called."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ermon.aio.files import OWN_MODE
from ermon.mrt.records import CutError, Record, cut
from ermon.recording.files import COMPRESSION_LEVEL, READ_BYTES, STANDARD_INPUT, UnreadableError

MAX_DECOMPRESSED_OCTETS = 4 * 1024**3
"""A compressed file is read so far: a small one can expand without end. The table of a large route collector has less."""

_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"


class _Unpacker(Protocol):
    """What zlib's and bz2's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class MrtFiles:
    """The records of several files, one file after the other."""

    def __init__(
        self,
        paths: Iterable[Path],
        note: Callable[[str], None],
        *,
        max_decompressed: int = MAX_DECOMPRESSED_OCTETS,
    ) -> None:
        """``note`` is called with a message for each file that is truncated or damaged; ``path`` is that file then."""
        self._paths = paths
        self._note = note
        self._max_decompressed = max_decompressed
        self.path: Path | None = None
        """The file of the last record."""

    def __iter__(self) -> Iterator[Iterator[Record]]:
        """Yield the records of each file; ``UnreadableError`` if one cannot be read, or decompresses to too much."""
        for path in self._paths:
            self.path = path
            yield self._records(path)

    def _records(self, path: Path) -> Iterator[Record]:
        try:
            with _open(path) as file:
                yield from cut(self._blocks(file, path))
        except CutError as error:
            self._note(f"{error}; the records before it count")
        except (EOFError, zlib.error) as error:
            self._note(
                f"its compressed data is damaged or truncated ({error}); the records before that count"
            )
        except OSError as error:
            if error.errno is None:  # bz2's own
                self._note(f"its compressed data is damaged ({error}); the records before that count")
                return
            raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error

    def _blocks(self, file: BufferedReader, path: Path) -> Iterator[bytes]:
        read = iter(partial(file.read1, READ_BYTES), b"")
        begin = file.peek(len(_BZIP2))[: len(_BZIP2)]
        if begin.startswith(_GZIP):
            yield from self._limited(_gunzipped(read), path)
        elif begin == _BZIP2:
            yield from self._limited(_bunzipped(read), path)
        else:
            yield from read

    def _limited(self, blocks: Iterable[bytes], path: Path) -> Iterator[bytes]:
        room = self._max_decompressed
        for block in blocks:
            room -= len(block)
            if room < 0:
                raise UnreadableError(
                    f"{path}: decompressed, it has more than {self._max_decompressed} octets, which is the limit; "
                    "decompress it, and give ermon the plain file or parts of it"
                )
            yield block


def _open(path: Path) -> AbstractContextManager[BufferedReader]:
    if path == STANDARD_INPUT:
        return contextlib.nullcontext(cast("BufferedReader", sys.stdin.buffer))
    return path.open("rb")


def _gunzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a gzip file, which may be several, one behind the other; ``EOFError`` if its end is missing."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for block in blocks:
        data = block
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield unpacker.decompress(data, READ_BYTES)
            data = unpacker.unconsumed_tail or unpacker.unused_data
    yield unpacker.flush()
    _require_end(unpacker)


def _bunzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a bzip2 file, as ``_gunzipped``."""
    unpacker = bz2.BZ2Decompressor()
    for block in blocks:
        data = block
        while data or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                unpacker = bz2.BZ2Decompressor()
            yield unpacker.decompress(data, READ_BYTES)
            data = unpacker.unused_data if unpacker.eof else b""
    _require_end(unpacker)


def _require_end(unpacker: _Unpacker) -> None:
    if not unpacker.eof:
        raise EOFError("its end is missing")


# Writing ---------------------------------------------------------------------------------------------


def write_mrt(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a new file, or to standard output, and return their number; without any, there is no file.

    A file is compressed if its name says so. ``UnreadableError`` if it exists, or cannot be written.
    """
    first = next(iterator := iter(records), None)
    if first is None:
        return 0
    if path == STANDARD_INPUT:
        return _write_to_standard_output(chain((first,), iterator))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWN_MODE)
    except FileExistsError:
        raise UnreadableError(f"{path}: it exists already; remove it, or name another file") from None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as plain, _packed(plain, path) as file:
            return _write(file, chain((first,), iterator))
    except BaseException as error:
        path.unlink(missing_ok=True)  # half a file looks like a whole one
        if isinstance(error, OSError):
            raise UnreadableError(f"{path}: cannot be written: {error.strerror}") from error
        raise


def _write_to_standard_output(records: Iterable[bytes]) -> int:
    try:
        # A buffer of its own, because Python's is written again at exit when that failed.
        with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as file:
            return _write(file, records)
    except BrokenPipeError:
        raise  # the reader has enough
    except OSError as error:
        raise UnreadableError(f"standard output: cannot be written: {error.strerror}") from error


def _packed(plain: BinaryIO, path: Path) -> AbstractContextManager[BinaryIO]:
    match path.suffix:
        case ".gz":
            return cast("BinaryIO", gzip.GzipFile("", "wb", COMPRESSION_LEVEL, plain))
        case ".bz2":
            return cast("BinaryIO", bz2.BZ2File(plain, "wb"))
        case _:
            return contextlib.nullcontext(plain)


def _write(file: BinaryIO, records: Iterable[bytes]) -> int:
    count = 0
    for record in records:
        file.write(record)
        count += 1
    return count
