"""MRT files: plain, compressed, truncated, damaged, and too large."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
from pathlib import Path

import pytest

from ermon.mrt.records import Record
from ermon.recording.files import UnreadableError
from ermon.recording.mrt.files import MrtFiles, write_mrt
from tests.mrt import mrt

RECORDS = [mrt.record(16, 4, bytes([at]) * 2_000) for at in range(200)]
PLAIN = b"".join(RECORDS)
PACKED = {"plain": PLAIN, "gzip": gzip.compress(PLAIN), "bzip2": bz2.compress(PLAIN)}


def read(path: Path, limit: int = 2**30) -> tuple[list[Record], list[str]]:
    notes: list[str] = []
    files = MrtFiles([path], notes.append, max_decompressed=limit)
    return [record for records in files for record in records], notes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_a_file_is_what_it_says_itself_whatever_its_name_is(path: Path, packed: bytes) -> None:
    path.write_bytes(packed)
    records, notes = read(path)
    assert [record.body[0] for record in records] == list(range(200))
    assert notes == []


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_several_compressed_files_behind_each_other_are_one(path: Path, pack) -> None:
    path.write_bytes(pack(PLAIN[:3_000]) + pack(PLAIN[3_000:]))
    records, notes = read(path)
    assert len(records) == 200
    assert notes == []


@pytest.mark.parametrize("kind", PACKED)
def test_of_a_truncated_file_what_is_there_counts(path: Path, kind: str) -> None:
    path.write_bytes(PACKED[kind][:-5])
    records, (note,) = read(path)
    assert len(records) == 199 if kind == "plain" else len(records) <= 200
    expected = {
        "plain": "the record at octet 400388 is truncated: 2007 octets of it are there; the records before it count",
        "gzip": "its compressed data is damaged or truncated (its end is missing); the records before that count",
        "bzip2": "its compressed data is damaged or truncated (its end is missing); the records before that count",
    }
    assert note == expected[kind]


@pytest.mark.parametrize("kind", ["gzip", "bzip2"])
def test_of_a_damaged_file_what_is_before_the_damage_counts(path: Path, kind: str) -> None:
    packed = PACKED[kind]
    path.write_bytes(packed[:60] + bytes(100) + packed[160:])
    _, (note,) = read(path)
    assert "its compressed data is damaged" in note


@pytest.mark.parametrize("kind", ["gzip", "bzip2"])
def test_a_small_file_cannot_expand_without_end(path: Path, kind: str) -> None:
    path.write_bytes(PACKED[kind])
    with pytest.raises(UnreadableError, match=r"file: decompressed, it has more than 10000 octets"):
        read(path, limit=10_000)


def test_a_file_that_cannot_be_read(path: Path) -> None:
    with pytest.raises(UnreadableError, match="file: cannot be read: No such file or directory"):
        read(path)


def test_standard_input(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(PACKED["gzip"]))))
    records, notes = read(Path("-"))
    assert len(records) == 200
    assert notes == []


@pytest.mark.parametrize("name", ["a.mrt", "a.mrt.gz", "a.mrt.bz2"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert write_mrt(path, iter(RECORDS)) == 200
    assert len(read(path)[0]) == 200
    assert (path.read_bytes() == PLAIN) is (name == "a.mrt")
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_not_replaced_and_half_a_file_does_not_stay(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(UnreadableError, match="it exists already"):
        write_mrt(path, iter(RECORDS))
    assert path.read_text() == "mine"
    path.unlink()

    def failing():
        yield RECORDS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_mrt(path, failing())
    assert not path.exists()
    assert write_mrt(path, iter([])) == 0
    assert not path.exists()
    with pytest.raises(UnreadableError, match="cannot be written"):
        write_mrt(path / "nowhere", iter(RECORDS))
