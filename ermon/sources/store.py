"""Published lists on disk, as they were fetched: what the next start uses when the network is not there.

A list is written before its record (``record``), so that a record never speaks of a list that is not there.
Files of sources that are configured no longer stay; they are few.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from ermon.aio.files import replace_file
from ermon.model.source_key import SourceKey

_LIST_SUFFIX = ".json"
_DIGEST_CHARACTERS = 16


def file_stem(source: SourceKey) -> str:
    """Name the files of a source; nothing of its URL can be read there."""
    whole = "\0".join((source.kind, source.location, *source.select))
    return f"{source.kind}-{hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_CHARACTERS]}"


class ListFiles:
    """The lists themselves, one file each."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def load(self, source: SourceKey) -> bytes | None:
        """Return the list that was kept, ``None`` if there is none that can be read."""
        return _read(self.path(source), self._max_bytes)

    def keep(self, source: SourceKey, document: bytes) -> None:
        """Write a list; ``OSError`` if that fails, and then the one before is still there."""
        path = self.path(source)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, document)

    def path(self, source: SourceKey) -> Path:
        return self._folder / (file_stem(source) + _LIST_SUFFIX)


def _read(path: Path, most: int) -> bytes | None:
    """Return what a file holds, ``None`` if it cannot be read or holds more than ``most`` bytes."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        data = file.read(most + 1)
        return data if len(data) <= most else None
    return None
