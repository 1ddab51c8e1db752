"""The lock file of the tests has what ``pyproject.toml`` requires, production gets the same, and each file has its
hash.
"""

import os
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TESTS, PRODUCTION = ROOT / "tests/requirements.lock", ROOT / "deploy/requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def entries(lock):
    """Return one entry for each release: the requirement, and the hashes of its files."""
    return re.sub(r" \\\n +", " ", re.sub(r"(?m)^ *#.*\n?", "", lock.read_text())).splitlines()


def releases(lock):
    return [Requirement(entry.partition(" --hash")[0]) for entry in entries(lock)]


def asked_for():
    project = PROJECT["project"]
    production = (*project["dependencies"], *PROJECT["build-system"]["requires"])
    for lock, texts in (
        (TESTS, (*project["dependencies"], *project["optional-dependencies"]["dev"])),
        (PRODUCTION, production),
    ):
        for text in texts:
            asked = Requirement(text)
            yield pytest.param(lock, asked, id=f"{lock.parent.name}-{asked.name}")


@pytest.mark.parametrize(("lock", "asked"), list(asked_for()))
def test_all_requirements_are_locked_to_allowed_releases(lock, asked):
    found = [
        entry for entry in releases(lock) if canonicalize_name(entry.name) == canonicalize_name(asked.name)
    ]
    assert found, "run tests/run lock"
    for entry in found:
        (release,) = entry.specifier
        assert release.operator == "=="
        assert release.version in asked.specifier, "run tests/run lock"


@pytest.mark.parametrize("lock", [TESTS, PRODUCTION], ids=["tests", "production"])
def test_every_release_is_locked_to_its_files_wherever_they_come_from(lock):
    release = r"[a-z0-9-]+==[A-Za-z0-9.!+]+(?: ; [^;#@]+?)?"
    for entry in entries(lock):
        assert re.fullmatch(rf"{release}(?: --hash=sha256:[0-9a-f]{{64}})+", entry), entry[:100]


def test_production_gets_the_very_files_that_the_tests_are_given():
    given = {entry.split()[0]: set(re.findall(r"--hash=\S+", entry)) for entry in entries(TESTS)}
    for entry in entries(PRODUCTION):
        assert given.get(entry.split()[0]) == set(re.findall(r"--hash=\S+", entry)), "run tests/run lock"


def test_production_gets_nothing_that_only_the_tests_need():
    names = {canonicalize_name(entry.name) for entry in releases(PRODUCTION)}
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "playwright", "grafana-foundation-sdk"}


@pytest.mark.skipif("ERMON_LOCKED" not in os.environ, reason="`tests/run` alone installs what is locked")
def test_tests_and_production_use_the_same_releases():
    for entry in releases(PRODUCTION):
        if entry.marker is None or entry.marker.evaluate():
            assert metadata.version(entry.name) in entry.specifier, f"{entry.name}: remove .venv"
