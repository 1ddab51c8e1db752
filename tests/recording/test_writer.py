"""The writing thread: nothing waits for it, and it counts lines that it could not write."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ermon.recording.files import FolderError, RecordedLines, RecordingFile
from tests.e2e.daemon import eventually
from tests.recording.daemon import QUICK, MiniatureDaemon
from tests.recording.test_replay import BEGAN, DOWN, MIRROR, SESSION, at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RecordedLines([path], lambda _: None)]


def reasons(daemon: MiniatureDaemon) -> list[tuple[str, int]]:
    """Return why each file began, and how many lines were lost before it."""
    heads = [lines(path)[0]["ermon"] for path in daemon.files]
    return [(head["reason"], head.get("lost_lines", 0)) for head in heads]


def day(daemon: MiniatureDaemon, until: int) -> None:
    """Raise and clear a leak every ten seconds."""
    for second in range(10, until, 20):
        daemon.lines(*at(second, *SESSION))
        daemon.settle(BEGAN + second + 5)
        daemon.lines(*at(second + 10, DOWN))


def test_everything_is_readable_soon_though_the_file_is_not_ended(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    day(daemon, 30)
    notes: list[str] = []
    count = len(SESSION) + 4

    def readable() -> bool:
        found = list(RecordedLines((folder / "recordings").iterdir(), notes.append))
        return len(found) > count and json.loads(found[-1]).get("type") == "state"

    eventually(readable, "the last line is there")
    assert set(notes) <= {"it is truncated: its writer was killed, or is still writing"}
    assert daemon.replay()[0] == daemon.told
    daemon.stop()


def test_the_last_line_is_readable_soon_though_no_other_follows(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN, replace(QUICK, flush_seconds=0.2))
    recordings = folder / "recordings"
    eventually(lambda: any(path.stat().st_size for path in recordings.iterdir()), "it is recorded")
    daemon.settle(BEGAN + 5)
    eventually(lambda: lines(daemon.files[0])[-1]["time"] == BEGAN + 5, "the last line is there")
    daemon.stop()


def test_a_full_file_is_followed_by_another(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN, replace(QUICK, file_bytes=1))
    daemon.settle(BEGAN + 1)
    eventually(lambda: daemon.recorder._writer.due, "the file is full")
    day(daemon, 100)
    daemon.stop()
    assert {reason for reason, _ in reasons(daemon)} == {"start", "full"}
    assert daemon.replay()[0] == daemon.told


def test_an_old_file_is_followed_by_another(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN, replace(QUICK, file_seconds=0.0))
    daemon.settle(BEGAN + 1)
    eventually(lambda: daemon.recorder._writer.due, "the file is old")
    day(daemon, 100)
    daemon.stop()
    assert {reason for reason, _ in reasons(daemon)} == {"start", "full"}


# Loss ------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_loses_lines_and_is_written_to_again_when_it_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.lines(*at(1, *SESSION))
    recordings = folder / "recordings"
    eventually(lambda: any(path.stat().st_size for path in recordings.iterdir()), "it is recorded")
    full = threading.Event()
    put = RecordingFile._put

    def put_or_refuse(file: RecordingFile, data: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(file, data)

    full.set()
    monkeypatch.setattr(RecordingFile, "_put", put_or_refuse)
    daemon.settle(BEGAN + 5)
    eventually(lambda: daemon.dropped, "something is lost")
    daemon.lines(*at(10, DOWN))
    full.clear()
    seconds = iter(range(1000))

    def goes_on() -> bool:
        daemon.settle(BEGAN + 40 + next(seconds))
        return reasons(daemon)[-1][1] > 0

    eventually(goes_on, "there is a file that says what was lost")
    began = daemon.monitor.now
    daemon.lines(*at(5000, *SESSION))
    daemon.stop()
    assert reasons(daemon)[-1] == ("loss", daemon.dropped)
    found, notes = daemon.replay()
    assert (
        f"{daemon.dropped} lines before it could not be recorded; findings that they raised and cleared may be missing"
        in notes
    )
    assert [told for told in found if told[0] > began] == [told for told in daemon.told if told[0] > began]
    assert capsys.readouterr().out.count("No space left on device") == 1, "it is said once"


def test_lines_lost_before_a_file_that_could_not_begin_are_reported_by_the_next_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.lines(*at(1, *SESSION))
    recordings = folder / "recordings"
    eventually(lambda: any(path.stat().st_size for path in recordings.iterdir()), "it is recorded")
    full, refused = threading.Event(), 0
    put, discard = RecordingFile._put, RecordingFile.discard

    def put_or_refuse(file: RecordingFile, data: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(file, data)

    def count_and_discard(file: RecordingFile) -> None:
        nonlocal refused
        refused += 1
        discard(file)

    monkeypatch.setattr(RecordingFile, "_put", put_or_refuse)
    monkeypatch.setattr(RecordingFile, "discard", count_and_discard)
    seconds = iter(range(5, 10_000))

    def after_a_second(condition: Callable[[], bool]) -> bool:
        daemon.settle(BEGAN + next(seconds))
        return condition()

    full.set()
    eventually(lambda: after_a_second(lambda: refused > 2), "new files are tried")
    assert len(daemon.files) == 1, "none of them remains"
    full.clear()
    eventually(lambda: after_a_second(lambda: len(daemon.files) > 1), "a file begins")
    daemon.stop()
    assert daemon.dropped > 2
    assert reasons(daemon)[-1] == ("loss", daemon.dropped)


def refuse(file: RecordingFile, data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("stops", [False, True])
def test_lines_in_the_compressor_are_lost_with_their_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN, replace(QUICK, flush_seconds=3600.0))
    daemon.lines(*at(1, *SESSION))
    sent = 1 + len(SESSION)  # the first line is that of the daemon's start
    eventually(lambda: daemon.recorder._writer._unflushed == sent, "all are compressed")
    monkeypatch.setattr(RecordingFile, "_put", refuse)
    if stops:
        daemon.stop()
        assert daemon.dropped == sent
        assert "it is truncated: its writer was killed, or is still writing" in daemon.replay()[1]
        return
    daemon.settle(BEGAN + 5)
    eventually(lambda: daemon.dropped == sent + 1, "the line that cannot be written is lost too")
    monkeypatch.undo()
    seconds = iter(range(6, 10_000))

    def goes_on() -> bool:
        daemon.settle(BEGAN + next(seconds))
        return len(daemon.files) > 1

    eventually(goes_on, "a file begins")
    daemon.stop()
    assert reasons(daemon)[-1] == ("loss", daemon.dropped)


def test_a_disk_that_is_too_slow_holds_up_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN, replace(QUICK, queued_bytes=50_000))
    stuck, go_on = threading.Event(), threading.Event()
    write = RecordingFile.write

    def wait_and_write(file: RecordingFile, some: list[bytes]) -> None:
        stuck.set()
        go_on.wait()
        write(file, some)

    monkeypatch.setattr(RecordingFile, "write", wait_and_write)
    daemon.settle(BEGAN + 1)
    assert stuck.wait(30)
    day(daemon, 3000)
    assert daemon.dropped > 300
    go_on.set()
    eventually(lambda: daemon.recorder._writer.due, "the disk has caught up")
    began = daemon.monitor.now
    daemon.lines(*at(5000, *SESSION))
    daemon.stop()
    assert reasons(daemon)[-1] == ("loss", daemon.dropped)
    found = daemon.replay(daemon.files[-1])[0]
    assert [told for told in found if told[0] > began] == [told for told in daemon.told if told[0] > began]


# The folder ------------------------------------------------------------------------------------------


def test_two_daemons_do_not_record_into_one_folder(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    with pytest.raises(FolderError, match="another ermon records there; use another folder"):
        MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.stop()
    MiniatureDaemon(MIRROR, folder, BEGAN).stop()


def test_a_folder_that_cannot_be_says_why(folder: Path) -> None:
    (folder / "recordings").touch()
    with pytest.raises(FolderError, match="recordings: cannot record there: Not a directory"):
        MiniatureDaemon(MIRROR, folder, BEGAN)


def test_recordings_are_for_their_owner_alone(folder: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.stop()
    modes = [path.stat().st_mode & 0o777 for path in (folder / "recordings", *daemon.files)]
    assert modes == [0o700, 0o600]
