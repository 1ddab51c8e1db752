import subprocess
import sys
import time

from ermon.exabgp import launch


def test_launcher_gives_up_when_its_parent_is_gone():
    command = [sys.executable, "-P", launch.__file__, "1", "/nonexistent.conf"]
    outcome = subprocess.run(command, check=False, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert "ermon is gone" in outcome.stderr


def test_time_continues_from_its_anchor_independently_of_the_wall_clock(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # restored at the end, also after other changes
    before = time.monotonic()
    launch.keep_time_steadily(1_795_000_000.0)
    assert 1_795_000_000.0 + before <= time.time() <= 1_795_000_000.0 + time.monotonic()
