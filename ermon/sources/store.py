"""Stores published lists: each list as it was fetched, for a start without the network, and its record.

A list is written before its record, so a record never describes a missing list. Files of sources that are no longer
configured stay; they are few.
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
    """Return the name of a source's files, without suffix; it reveals nothing of the URL."""
    whole = "\0".join((source.kind, source.location, *source.select))
    return f"{source.kind}-{hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_CHARACTERS]}"


class ListFiles:
    """The stored lists, one file each."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def load(self, source: SourceKey) -> bytes | None:
        """Return the stored list, ``None`` if there is none or it cannot be read."""
        return _read(self.path(source), self._max_bytes)

    def keep(self, source: SourceKey, document: bytes) -> None:
        """Store a list; ``OSError`` if that fails, and then the previous one is unchanged."""
        path = self.path(source)
        own_folder(path.parent)
        replace_file(path, document)

    def path(self, source: SourceKey) -> Path:
        return self._folder / (file_stem(source) + _LIST_SUFFIX)


def _read(path: Path, most: int) -> bytes | None:
    """Return the content of a file, ``None`` if it cannot be read or has more than ``most`` bytes."""
    with contextlib.suppress(OSError), open_file(path) as file:
        data = file.read(most + 1)
        return data if len(data) <= most else None
    return None


# Records -------------------------------------------------------------------------------------------------


class Validators(Struct, frozen=True):
    """The validators of a conditional request (RFC 9110 section 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


class SourceRecord(Struct, frozen=True):
    """The record of the list in force."""

    checked_at: float
    """When it was last known to be current: seconds since the epoch."""
    version: str = ""
    validators: Validators = Validators()

    def same_edition(self, other: SourceRecord) -> bool:
        """Return whether both records describe the same edition, regardless of when it was checked."""
        return (self.version, self.validators) == (other.version, other.validators)


class SourceTrouble(Struct, frozen=True, omit_defaults=True):
    """The problems of a source. A restart neither forgets them nor restarts the counts."""

    reason: str | None = None
    """The last reported reason."""
    failures: int = 0
    """The number of consecutive failed refreshes."""
    refused: str = ""
    """The digest of the list that was refused."""
    seen_again: int = 0
    """The number of refreshes since then that returned the same list."""
    counted_at: float = 0.0
    """The time of the last refresh that counts: seconds since the epoch."""


class Records(Protocol):
    """The interface of a store of records. Its methods never fail: a record that cannot be read counts as unknown."""

    def load(self, source: SourceKey) -> SourceRecord | None:
        """Return the record of a source, ``None`` if there is no usable one."""
        ...

    def keep(self, source: SourceKey, record: SourceRecord) -> None: ...

    def trouble(self, source: SourceKey) -> SourceTrouble:
        """Return the stored problems of a source."""
        ...

    def keep_trouble(self, source: SourceKey, trouble: SourceTrouble) -> None: ...

    def client_request_id(self) -> str:
        """Return the GUID that identifies this installation to Microsoft's web service: always the same."""
        ...


class MemoryRecords:
    """Stores records in memory, until ermon ends."""

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
