"""Settings for all tests: their order, what is skipped, and that each restores logging."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from ermon.checks.catalogue import CATALOGUE
from ermon.core.alarm import Alarm
from ermon.exabgp.raw import SWITCH, RawState

# Before anything imports them, so that pytest rewrites their assertions.
pytest.register_assert_rewrite("tests.e2e.company", "tests.e2e.daemon", "tests.e2e.prometheus", "tests.story")

# A shell starts background jobs with SIGINT ignored; children of a test would inherit that, and SIGINT could not end them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Times are shown in the machine's zone, too.
os.environ["TZ"] = "UTC"
time.tzset()

# The time for an example depends on the machine, and not on ermon.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of completeness first. If a check lacks a piece, skip the tests about this check and those about all
    checks, so that one test fails.
    """
    items.sort(key=lambda item: item.path.name != "test_complete.py")
    about = {item: names for item in items if (names := set(_names(item)))}
    if not any("*" in names or not names.isdisjoint(CATALOGUE) for names in about.values()):
        return
    from tests import complete  # noqa: PLC0415 - imports tests.story, whose assertions are rewritten later

    incomplete = {Path(name).stem for name in complete.missing()}
    for item, names in about.items():
        if incomplete and ("*" in names or not names.isdisjoint(incomplete)):
            which = ", ".join(sorted(incomplete))
            item.add_marker(pytest.mark.skip(f"not complete: {which}; see test_the_catalogue_is_complete"))


def _names(item: pytest.Item) -> Iterator[str]:
    """Return the names of the checks that a test may be about; ``*`` stands for all of them."""
    if item.get_closest_marker("whole_catalogue") is not None:
        yield "*"
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        for value in item.callspec.params.values():
            match value:
                case str():
                    yield value
                case Path():
                    yield value.stem
                case Alarm():
                    yield value.subject.check


@pytest.fixture(params=[RawState.ON, RawState.OFF])
def dialect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RawState:
    """The output of a started ExaBGP: raw UPDATEs, or its own JSON."""
    monkeypatch.setenv(SWITCH, request.param)
    chosen: RawState = request.param
    return chosen


@pytest.fixture(autouse=True)
def _logging_as_before():
    """Restore logging, because a test that runs a command in this process configures it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def clock_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set this machine's time zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()
