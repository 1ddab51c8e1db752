"""How much is recorded, and how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is recorded; times are in seconds."""

    retention: float = 7 * 86_400.0
    size: int = 1024**3
    """Bytes of all files together."""
    file_bytes: int = 64 * 1024**2
    """A file that has grown by so much since its snapshot is full; what is lost with a damaged one."""
    file_seconds: float = 3600.0
    """A file that is so old is full: an hour is what people ask for."""
    queued_bytes: int = 32 * 1024**2
    """What may wait for the disk: some ten seconds of all that ExaBGP can say."""
    gather_seconds: float = 0.25
    """How long lines are gathered before they are compressed together."""
    flush_seconds: float = 1.0
    """What a killed ermon loses at most; oftener, and the files grow."""
    retry_seconds: float = 30.0
    """How long a disk that refused is left alone."""
    stop_seconds: float = 1.0
    """How long the end of ermon waits for the disk."""

    @property
    def full_bytes(self) -> int:
        """However small the whole is, it holds some files."""
        return min(self.file_bytes, self.size // 8)
