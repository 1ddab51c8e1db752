"""``ermon maintenance`` against a daemon's web."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ermon.cli import run
from tests.checks.company import company
from tests.web.site import ME, Site


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    site = Site(company().converge()).tell()
    with capture_logs():  # that would stand beside what the command prints
        async with site.controlled(tmp_path):
            yield f"--socket={site.control}"


@pytest.fixture
async def locked_server() -> AsyncIterator[str]:
    async with Site(company().converge()).tell().listens() as url:
        yield f"--url={url}"


async def maintenance(server: str, capsys: Any, *arguments: str) -> tuple[int, str, str]:
    """Run the command as a user would, beside the server."""
    command = ["maintenance", arguments[0], server, *arguments[1:]]
    code = await asyncio.to_thread(run, command)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


ADD = (
    "add",
    "--circuit",
    "chicago",
    "--link",
    "primary",
    "--to",
    "2099-01-01T00:00:00Z",
    "--reason",
    "works",
)


async def test_that_there_is_no_window_is_said_to_people(server: str, capsys: Any) -> None:
    assert await maintenance(server, capsys, "list") == (0, "", "There are no maintenance windows.\n")


async def test_a_window_is_added_listed_and_ended(server: str, capsys: Any) -> None:
    code, out, _ = await maintenance(server, capsys, *ADD, "--from", "2026-01-01T00:00:00Z")
    assert code == 0
    assert f"circuit chicago, link primary: works (by {ME})" in out
    window_id = out.split()[0]
    assert await maintenance(server, capsys, "list") == (0, out, "")
    code, out, _ = await maintenance(server, capsys, "end", window_id)
    assert (code, out.split()[0]) == (0, window_id)
    assert "not active" in out


async def test_errors_are_shown_in_the_words_of_the_daemon(server: str, capsys: Any) -> None:
    code, out, err = await maintenance(server, capsys, *ADD, "--circuit", "paris")
    assert (code, out) == (2, "")
    assert "there is no circuit 'paris'" in err


async def test_a_daemon_that_allows_no_changes_says_so(locked_server: str, capsys: Any) -> None:
    code, _, err = await maintenance(locked_server, capsys, *ADD)
    assert code == 2
    assert "--web.enable-lifecycle and a password or a verified client certificate" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "--circuit", "chicago", "--reason", "works"),
        ("add", "--circuit", "chicago", "--reason", "works", "--for", "soon"),
        ("add", "--circuit", "chicago", "--for", "2h"),
        ("add", "--circuit", "chicago", "--for", "2h", "--reason", "works", "--from", "tomorrow"),
        ("add", "--circuit", "chicago", "--for", "2h", "--reason", "works", "--from", "9999-12-31T23:00:00Z"),
        ("add", "--circuit", "chicago", "--reason", "works", "--to", "9999-12-31T23:59:59-05:00"),
        ("end",),
    ],
)
def test_an_end_and_a_reason_are_mandatory(arguments: tuple[str, ...], capsys: Any) -> None:
    try:
        code = run(["maintenance", *arguments])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    assert capsys.readouterr().err


def test_a_daemon_that_is_not_there_is_3(capsys: Any) -> None:
    assert run(["maintenance", "list", "--url", "http://127.0.0.1:9"]) == 3
    assert "cannot be reached" in capsys.readouterr().err
