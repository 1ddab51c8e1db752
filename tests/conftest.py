"""What every test leaves behind: a process that logs as it did before."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A test that starts a command in this process configures logging for whoever comes next."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
