"""What is kept of published lists: each as it was fetched, for a start without the network, and its record.

A list is written before its record, so that a record never speaks of a list that is not there.
Files of sources that are configured no longer stay; they are few.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from ermon.aio.files import open_file, replace_file
from ermon.aio.own import own_folder
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
        own_folder(path.parent)
        replace_file(path, document)

    def path(self, source: SourceKey) -> Path:
        return self._folder / (file_stem(source) + _LIST_SUFFIX)


def _read(path: Path, most: int) -> bytes | None:
    """Return what a file holds, ``None`` if it cannot be read or holds more than ``most`` bytes."""
    with contextlib.suppress(OSError), open_file(path) as file:
        data = file.read(most + 1)
        return data if len(data) <= most else None
    return None


# Records -------------------------------------------------------------------------------------------------


class Validators(Struct, frozen=True):
    """What a server is asked with whether a list has changed (RFC 9110 section 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


class SourceRecord(Struct, frozen=True):
    """What is known of the list in force."""

    checked_at: float
    """When it was last known to be what is published: seconds since the epoch."""
    version: str = ""
    validators: Validators = Validators()

    def same_edition(self, other: SourceRecord) -> bool:
        """Return whether both speak of the same publication, whenever it was looked at."""
        return (self.version, self.validators) == (other.version, other.validators)


class SourceTrouble(Struct, frozen=True, omit_defaults=True):
    """What is wrong with a source, beside the list in force: a restart neither forgets it nor counts it anew."""

    reason: str | None = None
    """What was reported last."""
    failures: int = 0
    """Refreshes in a row that failed."""
    refused: str = ""
    """The digest of the list that was refused."""
    seen_again: int = 0
    """In how many refreshes since."""
    counted_at: float = 0.0
    """When the last refresh that counts was: seconds since the epoch."""


class Records(Protocol):
    """Remembers records, also elsewhere than on disk. Neither reading nor writing fails: what cannot be had was never known."""

    def load(self, source: SourceKey) -> SourceRecord | None:
        """Return what was kept of a source, ``None`` if there is nothing of use."""
        ...

    def keep(self, source: SourceKey, record: SourceRecord) -> None: ...

    def trouble(self, source: SourceKey) -> SourceTrouble:
        """Return what was kept of what is wrong with a source."""
        ...

    def keep_trouble(self, source: SourceKey, trouble: SourceTrouble) -> None: ...

    def client_request_id(self) -> str:
        """Return the GUID that identifies this installation to Microsoft's web service: always the same."""
        ...


class MemoryRecords:
    """Remembers until ermon ends."""

    def __init__(self) -> None:
        self._records: dict[SourceKey, SourceRecord] = {}
        self._troubles: dict[SourceKey, SourceTrouble] = {}
        self._client_request_id = str(uuid.uuid4())

    def load(self, source: SourceKey) -> SourceRecord | None:
        return self._records.get(source)

    def keep(self, source: SourceKey, record: SourceRecord) -> None:
        self._records[source] = record

    def trouble(self, source: SourceKey) -> SourceTrouble:
        return self._troubles.get(source, SourceTrouble())

    def keep_trouble(self, source: SourceKey, trouble: SourceTrouble) -> None:
        self._troubles[source] = trouble

    def client_request_id(self) -> str:
        return self._client_request_id
