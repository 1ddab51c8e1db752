from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory for the test whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        yield Path(path)
