"""Recordings that are not as ermon writes them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ermon.exabgp.decode import Rejected
from ermon.recording.playback import Playback
from ermon.recording.replay import Replay
from tests.recording.daemon import MiniatureDaemon
from tests.recording.test_replay import BEGAN, CONNECTED, MIRROR, SESSION, at, replay


def entry(type_: str, seconds: float = 0, **values: object) -> bytes:
    return json.dumps(
        {"ermon": {"type": type_, **values}, "time": BEGAN + seconds}, separators=(",", ":")
    ).encode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"ermon":', "Input data was truncated"),
        (b'{"ermon":{"type":"event","kind":"x","values":{"a":' + b"[" * 100_000, "nested too deeply"),
        (entry("tomorrow"), "Invalid value 'tomorrow'"),
        (entry("clock", 1e12), "Expected `float` <= 253402300799.0"),
        (entry("event", kind="Update", values={"time": 1.0, "feed": "edge"}), "there is no event 'Update'"),
        (entry("event", kind="ProcessUp", values={}), "missing required field `time`"),
        (
            entry("event", kind="MessagesLost", values={"time": 1.0, "feed": "x", "count": 1, "reason": ""}),
            "there is no feed 'x'",
        ),
        (entry("state", snapshot={"now": BEGAN}, decoder={"pids": []}), "Expected `object`, got `array`"),
    ],
)
def test_an_entry_that_makes_no_sense_is_skipped(line: bytes, why: str) -> None:
    rejected: list[tuple[int, Rejected]] = []
    run = Replay(Playback(MIRROR, lambda number, which: rejected.append((number, which))))
    lines = [*at(0, *SESSION)]
    assert list(run.transitions([lines[0], line, *lines[1:]])) == replay(MIRROR, lines)
    ((number, which),) = rejected
    assert number == 2
    assert why in which.detail
    assert len(which.detail) + len(which.line) < 1000


def test_plain_lines_of_exabgp_may_follow_upon_a_recording(tmp_path: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, tmp_path, BEGAN)
    daemon.lines(*at(1, CONNECTED))
    daemon.stop()
    lines = gzip.decompress(daemon.files[0].read_bytes()).splitlines()
    found = replay(MIRROR, [*lines, *at(2, *SESSION[1:])])
    assert [t["time"] for t in found if t["check"] == "pool-leak"] == [round(BEGAN + 2, 3)] * 2


def test_a_snapshot_reads_as_lines_of_exabgp_without_the_entries(tmp_path: Path) -> None:
    """Another tool, or an ermon that knows no entries, sees the sessions and routes too."""
    daemon = MiniatureDaemon(MIRROR, tmp_path, BEGAN)
    daemon.lines(*at(1, *SESSION))
    daemon.settle(BEGAN + 10)
    daemon.next_file()
    daemon.stop()
    lines = gzip.decompress(daemon.files[1].read_bytes()).splitlines()
    found = replay(MIRROR, [line for line in lines if not line.startswith(b'{"ermon"')])
    raised = [(t["time"], t["labels"]["family"]) for t in found if t["check"] == "pool-leak"]
    assert raised == [(round(BEGAN + 10, 3), "ipv4"), (round(BEGAN + 10, 3), "ipv6")]
