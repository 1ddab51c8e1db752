"""`ermon replay` finds in the recordings of `ermon run --record.path` every transition, at its time."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ermon.cli.shared import UNREACHABLE
from ermon.config.load import load_config
from ermon.exabgp.raw import RawState
from ermon.model.inventory import Config
from ermon.recording.files import RecordedLines
from ermon.recording.mrt.files import MrtFiles
from ermon.recording.mrt.peers import Matching
from ermon.recording.mrt.replay import MrtPlayback
from ermon.recording.replay import Playback, Replay
from tests.e2e.company import EDGES, EXCHANGE, MSEE, PART_OF_POOL, Company, bring, configuration, own_network
from tests.e2e.daemon import PATIENCE, Daemon, EventStream, eventually
from tests.mrt import bgpdump
from tests.recording.test_replay import no_rejection

Told = tuple[float, str, str, dict[str, str]]
"""Time, state, check and labels of a transition."""


@pytest.fixture
def settings() -> dict:
    """The company's configuration, on addresses of this test."""
    return configuration(own_network())


@pytest.fixture
def recordings(directory) -> Path:
    return directory / "recordings"


def replay(daemon: Daemon, *files: Path) -> tuple[list[dict[str, Any]], str]:
    """Replay recordings; return the transitions, and the text on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "ermon", "replay", str(daemon.config_file), *map(str, files)],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def told_by(story: EventStream) -> list[Told]:
    """The transitions of the daemon; times are truncated to milliseconds."""
    found = [data for kind, data in story.events if kind == "transition"]
    return [
        (datetime.fromisoformat(t[f"{t['state']}_at"]).timestamp(), t["state"], t["check"], t["labels"])
        for t in found
    ]


def told(replayed: list[dict[str, Any]]) -> list[Told]:
    return [(t["time"], t["state"], t["check"], t["labels"]) for t in replayed]


def book_maintenance(daemon: Daemon) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    body = {"feed": "edge-2", "to": ends.isoformat(), "reason": "power"}
    assert daemon.request("POST", "/api/v1/maintenance", body).status == 201


def first_and_last(path: Path) -> tuple[float, float]:
    """The times of the snapshot at the beginning of a file and of its end, rounded as in a replay."""
    first, *_, last = gzip.decompress(path.read_bytes()).splitlines()
    return round(json.loads(first)["time"], 3), round(json.loads(last)["time"], 3)


def eventful_day(company: Company, story: EventStream) -> None:
    """A leak, a lost link, lost messages, a planned and an unplanned loss of sessions."""
    daemon = company.daemon

    def wait(state: str, check: str, **labels: str) -> None:
        daemon.wait_until(lambda: story.told(state, check, **labels), f"{check} {labels} is {state}")

    company.leak(PART_OF_POOL["ipv4"])
    company.routers["edge-1"].withdraw(*EXCHANGE.values(), path_id=1)
    wait("raised", "pool-leak", family="ipv4")
    company.repair(PART_OF_POOL["ipv4"])
    wait("raised", "link-down", link="primary", family="ipv6")
    for family, msee in MSEE["edge-1"].items():
        bring(company.routers["edge-1"], msee, EXCHANGE[family])
    wait("cleared", "link-down", link="primary", family="ipv6")
    book_maintenance(daemon)
    sessions = company.sessions()
    os.kill(daemon.relay_pid("edges"), signal.SIGKILL)
    wait("raised", "feed-lost-messages", feed="edge-1")
    company.wait_for_new_sessions(sessions, *EDGES)
    company.wait_until_well()
    sessions = company.sessions()
    os.kill(daemon.exabgp_pid("edges"), signal.SIGKILL)
    wait("raised", "exabgp-down", process="edges")
    company.wait_for_new_sessions(sessions, *EDGES)
    company.wait_until_well()


def test_a_recording_of_many_files_replays_to_the_transitions_of_the_daemon(
    directory, settings, recordings, dialect
):
    company = Company(directory, settings, f"--record.path={recordings}", "--record.file-bytes=1000")
    with company.running(), company.daemon.listen() as story:
        eventful_day(company, story)
        truth = told_by(story)
    files, policy = sorted(recordings.iterdir()), load_config(company.daemon.config_file).config
    assert len(files) > 2
    assert [path.stat().st_mode & 0o777 for path in (recordings, files[0])] == [0o700, 0o600]
    lines = list(RecordedLines(files, pytest.fail))
    written = {
        each for each in ("raw", "update") if any(f'"type": "{each}"'.encode() in line for line in lines)
    }
    assert written == {"raw" if dialect is RawState.ON else "update"}
    found, notes = replay(company.daemon, recordings)
    assert not notes
    heard = [t for t in told(found) if t[0] > truth[0][0] - 0.001][: len(truth)]
    assert [each[1:] for each in heard] == [each[1:] for each in truth]
    assert [each[0] for each in heard] == pytest.approx([each[0] for each in truth], abs=0.0011)
    for path in files:
        begin, end = first_and_last(path)
        alone = replay_here(policy, pytest.fail, path)
        assert [t for t in told(alone) if begin < t[0] < end] == [
            t for t in told(found) if begin < t[0] < end
        ]
    assert about_routes(as_mrt(company.daemon, policy, files, directory / "day.mrt")) == about_routes(found)


def as_mrt(daemon: Daemon, policy: Config, files: list[Path], path: Path) -> list[dict[str, Any]]:
    """Export recordings as MRT, and replay the file, which bgpdump reads as ermon does."""
    arguments = ["recording", "export", str(daemon.config_file), *map(str, files), "--mrt", str(path)]
    subprocess.run([sys.executable, "-m", "ermon", *arguments], check=True, timeout=PATIENCE)
    assert bgpdump.read(path) == bgpdump.comparable(bgpdump.dumped(path))
    playback = MrtPlayback(policy, Matching(policy), lambda skipped: pytest.fail(skipped.what))
    return list(Replay(playback).transitions(MrtFiles([path], pytest.fail)))


def about_routes(replayed: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, str]]]:
    """The findings that are about routes, and not about ermon's own sight."""
    return [
        (t["state"], t["check"], t["labels"]) for t in replayed if t["check"] in {"pool-leak", "link-down"}
    ]


def test_the_recording_of_a_killed_ermon_can_be_replayed(directory, settings, recordings):
    company = Company(directory, settings, f"--record.path={recordings}")
    with company.running():
        daemon = company.daemon
        company.leak(PART_OF_POOL["ipv6"])
        daemon.wait_until_raised("pool-leak", family="ipv6")
        policy = load_config(daemon.config_file).config

        def recorded() -> bool:
            found = replay_here(policy, lambda _: None, *recordings.iterdir())
            return any(t["check"] == "pool-leak" for t in found)

        eventually(recorded, "the leak is in the recording")
        daemon.end(signal.SIGKILL)
        (first,) = recordings.iterdir()
        found, notes = replay(daemon, first)
        assert notes == f"{first}: it is truncated: its writer was killed, or is still writing\n"
        daemon.start()
        daemon.wait_until_raised("pool-leak", family="ipv6")
    found, _ = replay(company.daemon, recordings)
    leaks = [(t["state"], t["labels"]["family"]) for t in found if t["check"] == "pool-leak"]
    assert leaks == [("raised", "ipv6"), ("raised", "ipv6")], "a new ermon, a new recording"


def replay_here(policy: Config, note: Callable[[str], None], *files: Path) -> list[dict[str, Any]]:
    return list(Replay(Playback(policy, no_rejection)).transitions(RecordedLines(files, note)))


def test_ermon_does_not_start_where_it_cannot_record(directory, settings, recordings):
    recordings.touch()
    with Daemon(directory, settings, f"--record.path={recordings}") as daemon:
        assert daemon.launch().wait(PATIENCE) == UNREACHABLE
        assert (
            f"ermon: --record.path: {recordings}: cannot record there: Not a directory"
            in daemon.log_file.read_text()
        )
