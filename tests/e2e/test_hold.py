from pathlib import Path

from tests.bench.scale.live import reload_live
from tests.bench.scale.network import Network


def test_the_steps_of_a_reloading_daemon_are_reported(directory: Path) -> None:
    Network(1, uplinks=1).write(directory)
    steps = reload_live(directory, limit=120)
    assert steps is not None
    assert any("reload" in step["name"].lower() for step in steps)
    longest = [step["longest_seconds"] for step in steps]
    assert longest == sorted(longest, reverse=True)
    assert longest[0] > 0


def test_a_daemon_that_takes_too_long_is_given_up(directory: Path) -> None:
    Network(1, uplinks=1).write(directory)
    assert reload_live(directory, limit=0) is None
