"""What the tests install is what ``pyproject.toml`` asks for, and each file of it is known."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "tests/requirements.lock"
ENTRIES = re.sub(r" \\\n +", " ", re.sub(r"(?m)^ *#.*\n?", "", LOCK.read_text())).splitlines()
"""One for each release: what is asked for, and the hashes of its files."""


def asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])
    ]


@pytest.mark.parametrize("asked", asked_for(), ids=lambda asked: asked.name)
def test_all_that_is_asked_for_is_locked_to_releases_that_will_do(asked):
    locked = [Requirement(entry.partition(" --hash")[0]) for entry in ENTRIES]
    found = [entry for entry in locked if canonicalize_name(entry.name) == canonicalize_name(asked.name)]
    assert found, "run tests/run lock"
    for entry in found:
        (release,) = entry.specifier
        assert release.operator == "=="
        assert release.version in asked.specifier, "run tests/run lock"


def test_every_release_is_locked_to_its_files_wherever_they_come_from():
    release = r"[a-z0-9-]+==[A-Za-z0-9.!+]+(?: ; [^;#@]+?)?"
    for entry in ENTRIES:
        assert re.fullmatch(rf"{release}(?: --hash=sha256:[0-9a-f]{{64}})+", entry), entry[:100]
