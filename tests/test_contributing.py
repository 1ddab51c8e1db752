"""The code that the contributor's guide shows is the real code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.written import COMMAND

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
SHOWN = re.findall(r"^In `([^`]+)`.*?^```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_it_shows_each_piece_of_a_check():
    assert [Path(file).parent.as_posix() for file, _ in SHOWN] == [
        *("ermon/checks", "ermon/checks", "ermon/checks/guide", "tests/checks", "tests/scenarios")
    ]


@pytest.mark.parametrize(("file", "block"), SHOWN, ids=[file for file, _ in SHOWN])
def test_the_code_that_it_shows_is_in_the_file(file: str, block: str):
    assert block in (ROOT / file).read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:ermon|tests)/[\w./-]+)`", TEXT))))
def test_files_that_it_names_exist(path: str):
    assert list(ROOT.glob(re.sub("CHECK|MODULE", "*", path)))


def test_it_names_the_command_that_writes():
    assert COMMAND in TEXT
