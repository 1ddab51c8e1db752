"""What the command line of ``ermon run`` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ermon.daemon.systemd import ANSWER_SECONDS
from ermon.exabgp.relay import BUFFER_LIMIT
from ermon.recording.limits import Limits


@dataclass(frozen=True, slots=True)
class Options:
    config_file: Path
    listen: tuple[tuple[str, int], ...]
    runtime: Path
    lifecycle: bool
    storage: Path | None = None
    """Where what must outlive ermon is kept; ``None``: nowhere."""
    retention_seconds: float = 90 * 86400.0
    """How long findings are kept after they were cleared."""
    record: Path | None = None
    """Where what ExaBGP says is recorded; ``None``: nowhere."""
    record_limits: Limits = field(default_factory=Limits)
    feeds_match: tuple[str, ...] = ()
    """Globs on the names of the feeds that this instance takes; empty: all of them."""
    relay_buffer_limit: int = BUFFER_LIMIT
    """Bytes that each relay holds for ermon."""
    answer_seconds: float = ANSWER_SECONDS
    """How long an ExaBGP may be silent before systemd's watchdog is not fed any more."""
    external_url: str = "http://127.0.0.1:10179"
    """Under which people reach ermon, without a slash at the end: for links in alerts."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides, under which clients may ask for ermon."""
    web_config_file: Path | None = None
    """TLS, users and limits of the web, in the format of Prometheus' exporter-toolkit."""


class StartError(Exception):
    """ermon cannot start; the text says what is wrong and what to do."""
