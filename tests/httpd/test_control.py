"""The control socket: the whole web for this machine's accounts, without a password."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ermon.httpd import sockets
from ermon.httpd.access import proves_anybody
from ermon.httpd.config import LiveWebConfig
from ermon.httpd.shell import RateLimit, WebConfig
from ermon.httpd.sockets import ListenError, control_socket, name_of_account
from tests.httpd.pki import Pki, write
from tests.httpd.test_access import USERS
from tests.web.site import Site


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


def mode(path: Path) -> str:
    return oct(path.lstat().st_mode & 0o777)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_it_is_for_the_daemon_and_its_group_with_any_umask(path: Path, umask: int):
    before = os.umask(umask)
    try:
        with control_socket(path):
            assert (mode(path.parent), mode(path)) == ("0o750", "0o660")
            assert path.stat().st_gid == os.getegid()
    finally:
        os.umask(before)
    assert not path.exists()


def test_the_mode_of_a_folder_that_is_there_is_its_owner_s(path: Path):
    path.parent.mkdir(mode=0o700)
    with control_socket(path):
        assert mode(path.parent) == "0o700"


def test_the_socket_of_a_dead_ermon_is_replaced(path: Path):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    with control_socket(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("waiting", [0, 200])
def test_that_of_an_ermon_that_lives_is_left_alone(path: Path, waiting: int):
    """Also if that ermon is too busy to accept connections."""
    with control_socket(path) as first:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(waiting)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(path))
        with pytest.raises(ListenError, match="another ermon listens there"), control_socket(path):
            raise AssertionError("never reached")
        for client in clients:
            client.close()
        assert path.is_socket()
        first.accept()[0].close()


@pytest.mark.parametrize("target", ["file", "socket", "nothing"])
def test_no_symbolic_link_is_followed(path: Path, target: str):
    path.parent.mkdir()
    other = path.parent / "other"
    with socket.socket(socket.AF_UNIX) as dead:
        if target == "socket":
            dead.bind(str(other))
            other.chmod(0o600)
        elif target == "file":
            other.write_text("precious")
            other.chmod(0o600)
        path.symlink_to(other)
        with pytest.raises(ListenError, match="exists and is not a socket: remove it"), control_socket(path):
            raise AssertionError("never reached")
    assert path.is_symlink()
    assert other.exists() is (target != "nothing")
    assert target == "nothing" or mode(other) == "0o600"


def test_the_socket_of_a_later_ermon_is_not_removed(path: Path):
    with control_socket(path):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run" / "control.sock"
    with pytest.raises(ListenError, match=f"{path}: cannot listen there"), control_socket(path):
        raise AssertionError("never reached")


async def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch):
    assert await name_of_account(os.getuid()) != f"uid {os.getuid()}"
    assert await name_of_account(2**31 - 7) == f"uid {2**31 - 7}"

    def slow(_: int) -> None:
        raise OSError("the directory does not answer")

    monkeypatch.setattr(sockets.pwd, "getpwuid", slow)
    assert await name_of_account(0) == "uid 0"


async def test_it_serves_the_whole_api_without_the_credentials_for_tcp(site: Site, tmp_path: Path):
    Pki(tmp_path).issue("server", "localhost")
    text = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
    config = LiveWebConfig(write(tmp_path / "web.yml", text)).current()
    site.web_config = lambda: WebConfig(config.tls, users=USERS, rate_limit=RateLimit(3600.0, 1))
    async with site.controlled(tmp_path) as client:
        for name in ("/", "/metrics", "/-/healthy", "/api/v1/status", "/api/v1/maintenance"):
            assert (await client.get(name)).status == 200


async def test_whether_a_configuration_can_prove_who_a_caller_is(tmp_path: Path):
    assert not proves_anybody(WebConfig())
    assert proves_anybody(WebConfig(users=USERS))
    Pki(tmp_path).issue("server", "localhost")
    for auth, proves in (("NoClientCert", False), ("RequireAndVerifyClientCert", True)):
        ca = "client_ca_file: ca.crt, " if proves else ""
        text = f"tls_server_config: {{cert_file: server.crt, key_file: server.key, {ca}client_auth_type: {auth}}}\n"
        assert proves_anybody(LiveWebConfig(write(tmp_path / "web.yml", text)).current()) is proves
