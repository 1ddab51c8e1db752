"""What is remembered of a published list besides the list itself, and where: a seam for other storage."""

from __future__ import annotations

import uuid
from typing import Protocol

from msgspec import Struct

from ermon.model.source_key import SourceKey


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
        """Tell whether both speak of the same publication, whenever it was looked at."""
        return (self.version, self.validators) == (other.version, other.validators)


class Records(Protocol):
    """Remembers. Neither reading nor writing fails: what cannot be had was never known."""

    def load(self, source: SourceKey) -> SourceRecord | None:
        """Return what was kept of a source, ``None`` if there is nothing of use."""
        ...

    def keep(self, source: SourceKey, record: SourceRecord) -> None: ...

    def client_request_id(self) -> str:
        """Return the GUID by which Microsoft's web service tells installations apart: always the same."""
        ...


class MemoryRecords:
    """Remembers until ermon ends."""

    def __init__(self) -> None:
        self._records: dict[SourceKey, SourceRecord] = {}
        self._client_request_id = str(uuid.uuid4())

    def load(self, source: SourceKey) -> SourceRecord | None:
        return self._records.get(source)

    def keep(self, source: SourceKey, record: SourceRecord) -> None:
        self._records[source] = record

    def client_request_id(self) -> str:
        return self._client_request_id
