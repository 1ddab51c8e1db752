"""Damaged files, links, files of other users, and a umask of 000: ermon goes on monitoring, and reports them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.e2e.company import PART_OF_POOL, Company, configuration, own_network

pytestmark = pytest.mark.slow


@pytest.fixture
def settings():
    return configuration(own_network())


def modes(folder: Path) -> dict[str, int]:
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in paths}


def test_umask_000_opens_nothing(directory, settings):
    state, recordings = directory / "state", directory / "recordings"
    flags = f"--storage.path={state}", f"--record.path={recordings}"
    before = os.umask(0)
    try:
        with Company(directory, settings, *flags).started() as company:
            runtime = modes(company.daemon.runtime)
            assert (runtime.pop("."), runtime.pop("control.sock")) == (0o750, 0o660)
            found = [*runtime.values(), *modes(state).values(), *modes(recordings).values()]
            assert len(found) > 5
            assert set(found) <= {0o700, 0o600}
    finally:
        os.umask(before)


def test_sqlite_with_a_damaged_schema_is_set_aside_and_reported(directory, settings):
    state = directory / "state"
    with Company(directory, settings, f"--storage.path={state}").started():
        pass
    file = state / "ermon.sqlite"
    file.write_bytes(
        file.read_bytes().replace(
            b"open_finding (key TEXT PRIMARY KEY N", b"open_finding (key TEXT PRIMARY KEY \xf8"
        )
    )
    with Company(directory, settings, f"--storage.path={state}").started() as company:
        problem = company.daemon.wait_until_raised("storage-failed")["evidence"]["problem"]
        assert f"{file} was damaged" in problem
        company.leak(PART_OF_POOL["ipv4"])
        company.daemon.wait_until_raised("pool-leak", family="ipv4")
        company.repair(PART_OF_POOL["ipv4"])
        company.daemon.wait_until_cleared("pool-leak")
        history = company.daemon.api("findings?state=cleared&since=0")
        assert "pool-leak" in {finding["check"] for finding in history}, "the thread answers"


def test_sqlite_that_is_a_link_is_not_followed(directory, settings):
    state, target = directory / "state", directory / "anothers"
    state.mkdir()
    target.write_bytes(b"another's")
    target.chmod(0o644)
    (state / "ermon.sqlite").symlink_to(target)
    with Company(directory, settings, f"--storage.path={state}").started() as company:
        problem = company.daemon.wait_until_raised("storage-failed")["evidence"]["problem"]
        assert "it is a symbolic link" in problem
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"another's", 0o644)


@pytest.mark.parametrize("flag", ["runtime", "record"])
def test_a_folder_in_which_everybody_may_write_is_refused_at_the_start(directory, settings, flag):
    company = Company(directory, settings)
    folder = directory / "open"
    folder.mkdir()
    folder.chmod(0o777)
    company.daemon.flags = (f"--{flag}.path={folder}",)
    process = company.daemon.launch()
    assert process.wait(30) not in {0, 70}
    assert f"--{flag}.path: {folder}: " in company.daemon.log_file.read_text()
    assert "it is world-writable (mode 0777)" in company.daemon.log_file.read_text()
