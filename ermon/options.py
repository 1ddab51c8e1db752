"""What the command line of ``ermon run`` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ermon.exabgp.relay import BUFFER_LIMIT


@dataclass(frozen=True, slots=True)
class Options:
    config_file: Path
    listen: tuple[tuple[str, int], ...]
    runtime: Path
    lifecycle: bool
    storage: Path | None = None
    """Where what must outlive ermon is kept; ``None``: nowhere."""
    relay_buffer_limit: int = BUFFER_LIMIT
    """Bytes that each relay holds for ermon."""


class StartError(Exception):
    """ermon cannot start; the text says what is wrong and what to do."""
