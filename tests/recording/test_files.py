"""Files of recordings: truncated, damaged, old, too many."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest

from ermon.recording.files import Folder, FolderError, RecordedLines, UnreadableError, recordings

NUMBERS = [b"%d" % number for number in range(50_000)]


def read(*paths: Path) -> tuple[list[bytes], list[str]]:
    notes: list[str] = []
    return [line.rstrip(b"\n") for line in RecordedLines(paths, notes.append)], notes


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(NUMBERS)))
    return path


def test_several_files_are_one(tmp_path: Path, whole: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(b"one\ntwo")
    assert read(plain, whole, plain) == ([b"one", b"two", *NUMBERS, b"one", b"two"], [])


def test_a_file_may_consist_of_several_packed_ones(whole: Path) -> None:
    whole.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert read(whole) == ([b"one", b"two"], [])


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(whole: Path, share: float) -> None:
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * share)])
    found, notes = read(whole)
    assert found == NUMBERS[: len(found)]
    assert len(found) < len(NUMBERS)
    assert share < 0.1 or len(found) > len(NUMBERS) * share / 2
    assert notes == ["it is truncated: its writer was killed, or is still writing"]


def test_a_damaged_file_is_read_up_to_the_damage_and_the_next_one_too(tmp_path: Path, whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b"\xff" * 64
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(data)
    found, (note,) = read(damaged, whole)
    assert found[-len(NUMBERS) :] == NUMBERS
    assert note.startswith("it is damaged after line")


def test_a_line_without_an_end_is_refused_however_small_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"{}\n")
        for _ in range(80):
            file.write(bytes(2**20))
    assert path.stat().st_size < 100_000
    with pytest.raises(
        UnreadableError, match=r"line 2 is longer than 67108864 bytes; that is not a recording"
    ):
        read(path)


def test_a_long_line_is_one_line(tmp_path: Path) -> None:
    """Reading takes time proportional to the length: the line comes in hundreds of blocks, and is copied once."""
    long = b"x" * (32 * 2**20)
    path = tmp_path / "long.jsonl.gz"
    path.write_bytes(gzip.compress(b"one\n" + long + b"\ntwo\n"))
    assert read(path) == ([b"one", long, b"two"], [])
    path.write_bytes(b"one\n" + long + b"\ntwo\n")
    assert read(path) == ([b"one", long, b"two"], [])


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(FolderError, match=r"cannot record there: it is world-writable \(mode 0777\)"):
        Folder(tmp_path)


def test_a_reader_knows_where_a_line_is_from(tmp_path: Path) -> None:
    paths = [tmp_path / "1", tmp_path / "2"]
    for path in paths:
        path.write_bytes(b"a\nb\n")
    lines = RecordedLines(paths, pytest.fail)
    assert [(lines.path, lines.number) for _ in lines] == [(path, n) for path in paths for n in (1, 2)]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="nowhere: cannot be read: No such file or directory"):
        read(tmp_path / "nowhere")
    with pytest.raises(UnreadableError, match="it contains no recording"):
        recordings(tmp_path)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.jsonl.gz", "a.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in recordings(tmp_path)] == ["a.jsonl", "b.jsonl.gz"]


def made(folder: Path, number: int, size: int, age: float = 0.0) -> Path:
    path = folder / f"ermon-{number}.jsonl.gz"
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    files = [made(tmp_path, number, 100) for number in range(5)]
    foreign = tmp_path / "a.jsonl.gz"
    foreign.write_bytes(b"x" * 1000)
    Folder(tmp_path).prune(3600, 250)
    assert [path.exists() for path in files] == [False, False, False, True, True]
    assert foreign.exists(), "what ermon did not write is not its own to remove"


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    old, young = made(tmp_path, 1, 1, age=3601), made(tmp_path, 2, 1, age=3500)
    Folder(tmp_path).prune(3600, 10**6)
    assert [old.exists(), young.exists()] == [False, True]


def test_the_file_that_is_being_written_stays(tmp_path: Path) -> None:
    files = [made(tmp_path, number, 100, age=9999) for number in range(2)]
    Folder(tmp_path).prune(3600, 50, files[1])
    assert [path.exists() for path in files] == [False, True]
