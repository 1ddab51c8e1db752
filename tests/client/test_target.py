"""Which daemon a command asks: by default that of this machine over its control socket."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.cli import run
from ermon.client import target
from ermon.client.http import Client
from ermon.client.target import UnreachableError, UsageError, make_target
from tests import bgp
from tests.web.site import Site
from tests.web.test_accept import lessened

COMMANDS = (
    (["status"], 1),
    (["routes", "192.0.2.0/24"], 1),
    (["verify"], 1),
    (["maintenance", "list"], 0),
    (["maintenance", "add", "--circuit=chicago", "--for=1h", "--reason=works"], 0),
    (["accept", "prefix-count-low", "--circuit=chicago", "--reason=planned"], 0),
    (["reload"], 0),
)


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Path]:
    site = Site(lessened()).tell()
    with capture_logs():
        async with site.controlled(tmp_path):
            assert site.control is not None
            yield site.control


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """There is no ermon on this machine."""
    missing = tmp_path / "none" / "control.sock"
    monkeypatch.setattr(target, "DEFAULT_SOCKET", missing)
    monkeypatch.setattr(target, "DEFAULT_URL", "http://127.0.0.1:9")
    return missing


@pytest.mark.parametrize(("command", "code"), COMMANDS)
@pytest.mark.parametrize("told", [True, False])
async def test_every_command_speaks_over_the_control_socket(
    control: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], code: int, told: bool, capsys
):
    if not told:
        monkeypatch.setattr(target, "DEFAULT_SOCKET", control)
    flags = [f"--socket={control}"] if told else []
    ended = await asyncio.to_thread(run, [*command, *flags])
    nothing = "There are no maintenance windows.\n" if command == ["maintenance", "list"] else ""
    assert (ended, capsys.readouterr().err) == (code, nothing)


async def test_a_change_is_judged_over_the_control_socket_before_it_is_loaded(control: Path, capsys):
    config = Path(__file__).parents[2] / "config" / "ermon.yml"
    assert await asyncio.to_thread(run, ["check", str(config), f"--socket={control}"]) in {0, 1}
    assert f"with what {control} holds:" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_where_no_ermon_is_they_say_so(nowhere: Path, command: list[str], code: int, capsys):
    del code
    assert run(command) == 3
    said = capsys.readouterr().err
    assert said.startswith(
        f"ermon: no ermon runs here: there is no {nowhere}, and http://127.0.0.1:9 cannot be reached: "
    )
    assert "With --runtime.path=DIR, its socket is DIR/control.sock: name it with --socket" in said


async def test_without_a_socket_they_read_at_the_usual_address(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    async with Site(lessened()).tell().listens() as url:
        monkeypatch.setattr(target, "DEFAULT_URL", url)
        assert await asyncio.to_thread(run, ["maintenance", "list"]) == 0
        assert await asyncio.to_thread(run, ["reload"]) == 2
    assert "HTTP 403: " in capsys.readouterr().err


def test_a_daemon_that_died_is_no_other(tmp_path: Path, capsys):
    assert run(["status", f"--socket={tmp_path / 'control.sock'}"]) == 3
    said = capsys.readouterr().err
    assert "control.sock cannot be reached: " in said
    assert said.endswith("Is `ermon run` up there? Name another daemon with --socket\n")


@pytest.mark.parametrize("other", [{"url": "http://127.0.0.1:10179"}, {"username": "noc"}])
def test_a_socket_excludes_other_flags(other: dict[str, str]):
    with pytest.raises(UsageError, match="--socket is for a daemon on this machine"):
        make_target(socket=Path("control.sock"), **other)


def test_credentials_imply_tcp(nowhere: Path, tmp_path: Path):
    (tmp_path / "password").write_text("x")
    found = make_target(username="noc", password_file=tmp_path / "password")
    assert (found.socket, str(found.url)) == (None, "http://127.0.0.1:9")


@contextmanager
def somebody_else() -> Iterator[None]:
    bgp.require(os.geteuid() == 0, "right to be somebody else: not root")
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def folder_in(name: str) -> Path:
    folder = Path(name) / "ermon"
    folder.mkdir()
    folder.parent.chmod(0o755)
    return folder


@pytest.mark.parametrize("closed", ["folder", "socket"])
async def test_a_user_without_the_right_gets_the_remedy(closed: str, monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory() as name, capture_logs():
        folder = folder_in(name)
        site = Site(lessened()).tell()
        async with site.controlled(folder):
            set_mode(folder, 0o750 if closed == "folder" else 0o755)
            monkeypatch.setattr(target, "DEFAULT_SOCKET", site.control)
            with somebody_else(), pytest.raises(UnreachableError) as caught:
                async with Client(make_target()) as client:
                    await client.reload()
    assert f"{site.control}: permission denied: join the group ermon, or use sudo" in str(caught.value)
    assert site.reloads == 0


async def test_a_reload_shows_the_mistakes(tmp_path: Path, capsys):
    site = Site(lessened()).tell()
    with capture_logs():
        async with site.controlled(tmp_path):
            command = ["reload", f"--socket={site.control}"]
            assert await asyncio.to_thread(run, command) == 0
            assert capsys.readouterr().out == "configuration reloaded\n"
            site.problems = ["ermon.yml:3:5: feeds: one", "ermon.yml:4:5: feeds: \x1b[31mtwo"]
            assert await asyncio.to_thread(run, command) == 2
    assert capsys.readouterr().err == "ermon.yml:3:5: feeds: one\nermon.yml:4:5: feeds: \ufffd[31mtwo\n"
    assert site.reloads == 2
