"""What holds for all tests."""

import logging

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Before anything imports them: their assertions are to say what they found.
pytest.register_assert_rewrite("tests.e2e.company", "tests.e2e.daemon", "tests.e2e.prometheus", "tests.story")

# How long an example takes says something about the machine, and nothing about ermon.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A test that starts a command in this process configures logging for whoever comes next."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
