"""Fixtures for tests with real ExaBGPs."""

import tempfile
from pathlib import Path

import pytest

from tests import bgp


@pytest.fixture
def runtime():
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
def port():
    return bgp.free_port("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
