"""The command that reads recordings, and the flags that record."""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import pytest

from ermon.cli import run
from ermon.cli.shared import byte_size
from ermon.config.load import load_config

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config" / "ermon.reference.yml"
LINE = {
    "exabgp": "5.0.0",
    "time": 1795184918.0,
    "pid": 7,
    "type": "state",
    "neighbor": {"address": {"local": "192.0.2.10", "peer": "192.0.2.1"}, "state": "up"},
}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A recording of two lines, from sessions of the reference configuration."""
    feeds = load_config(REFERENCE).config.feeds.values()
    addresses = [{"local": feed.local, "peer": feed.peer} for feed in list(feeds)[:2]]
    path = tmp_path / "recordings" / "1.jsonl"
    path.parent.mkdir()
    path.write_text(
        "".join(json.dumps(LINE | {"neighbor": {"address": a, "state": "up"}}) + "\n" for a in addresses)
    )
    return path


def replay(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["replay", str(REFERENCE), *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_packed_files_several_files_and_folders_are_read_as_one_file_would_be(plain, capsys) -> None:
    first, second = plain.read_bytes().splitlines(keepends=True)
    expected = replay(capsys, plain, "--statuses")
    assert expected[0] == 0
    assert expected[1]
    packed = plain.with_name("1.jsonl.gz")
    packed.write_bytes(gzip.compress(first))
    plain.with_name("2.jsonl.gz").write_bytes(gzip.compress(second))
    plain.unlink()
    assert replay(capsys, plain.parent, "--statuses") == expected
    assert replay(capsys, packed, plain.with_name("2.jsonl.gz"), "--statuses") == expected


def test_a_bad_line_is_named_by_its_file_and_number(plain, capsys) -> None:
    second = plain.with_name("2.jsonl")
    second.write_text("\nnonsense\n")
    code, _, err = replay(capsys, plain, second)
    assert code == 0
    assert err.startswith(f"{second}:2: skipped: not-json")


def test_a_truncated_file_is_reported(plain, capsys) -> None:
    packed = plain.with_name("1.jsonl.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-8])
    code, _, err = replay(capsys, packed)
    assert (code, err) == (0, f"{packed}: it is truncated: its writer was killed, or is still writing\n")


def test_a_folder_without_recordings_is_wrong_usage(tmp_path, capsys) -> None:
    code, out, err = replay(capsys, tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"{tmp_path}: it contains no recording")


@pytest.mark.parametrize(("text", "size"), [("16MiB", 2**24), ("2GiB", 2**31)])
def test_a_size_is_read_as_bytes(text: str, size: int) -> None:
    assert byte_size(text) == size


@pytest.mark.parametrize("text", ["", "1", "15MiB", "1GB", "1.5GiB", "1025GiB", "-1GiB"])
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size from 16MiB to 1024GiB"):
        byte_size(text)
