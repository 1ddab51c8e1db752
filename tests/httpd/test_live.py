"""``--web.config.file`` changes while ermon runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.httpd.live import RETRY_SECONDS, LiveWebConfig
from tests.httpd.pki import Pki, write

USERS = "basic_auth_users: {alice: $2y$04$lTQjNPJBRmDnd7Tc6ePnWu4sLUMRyvq4eC4Kxm6cMJ7yRj0vcHkLm}\n"
OTHERS = USERS.replace("alice", "bob")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "web.yml", USERS)


def test_a_change_is_taken_over(file: Path):
    live = LiveWebConfig(file)
    before = live.current()
    assert live.current() is before
    write(file, OTHERS)
    assert list(live.current().users) == ["bob"]


def test_what_has_become_invalid_opens_no_door_and_is_told_once(file: Path):
    live = LiveWebConfig(file)
    write(file, "basic_auth_users: {alice: secret}\n")
    with capture_logs() as log:
        assert list(live.current().users) == ["alice"]
        assert list(live.current().users) == ["alice"]
    [line] = log
    assert line["event"] == "web configuration refused, the last good one stays in force"
    assert line["problem"].startswith(f"{file}:1:20: basic_auth_users.alice: is no bcrypt hash")
    write(file, OTHERS)
    assert list(live.current().users) == ["bob"]


@pytest.mark.parametrize("text", ["", "# nothing any more\n"])
def test_a_file_that_was_emptied_opens_no_door(file: Path, text: str):
    live = LiveWebConfig(file)
    write(file, text)
    assert list(live.current().users) == ["alice"]


def test_a_file_that_is_gone_opens_no_door(file: Path):
    live = LiveWebConfig(file)
    file.unlink()
    assert list(live.current().users) == ["alice"]


def test_a_file_that_is_being_written_is_left_until_it_is_done(file: Path):
    live = LiveWebConfig(file)
    write(file, "rate_limit: {interval: 1s}\n", seconds_ago=0)  # and the users to come
    assert list(live.current().users) == ["alice"]
    write(file, "rate_limit: {interval: 1s}\n" + OTHERS)
    assert list(live.current().users) == ["bob"]


def test_a_date_in_the_future_holds_nothing_up(file: Path):
    live = LiveWebConfig(file)
    write(file, OTHERS, seconds_ago=-3600)
    assert list(live.current().users) == ["bob"]


def test_a_new_certificate_is_a_new_context(tmp_path: Path):
    pki = Pki(tmp_path)
    pki.issue("server", "localhost")
    file = write(tmp_path / "web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    live = LiveWebConfig(file)
    before = live.current().tls
    pki.issue("server", "localhost")
    after = live.current().tls
    assert isinstance(after, ssl.SSLContext)
    assert after is not before
    assert live.current().tls is after


def test_a_certificate_without_its_key_is_not_taken(tmp_path: Path):
    pki = Pki(tmp_path)
    pki.issue("server", "localhost")
    pki.issue("other", "localhost")
    file = write(tmp_path / "web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    live = LiveWebConfig(file)
    before = live.current().tls
    (tmp_path / "other.crt").replace(tmp_path / "server.crt")
    with capture_logs() as log:
        assert live.current().tls is before
    assert "is not the key of the certificate" in log[0]["problem"]
    (tmp_path / "other.key").replace(tmp_path / "server.key")
    assert live.current().tls is not before


def test_a_certificate_that_comes_later_is_found(tmp_path: Path):
    now = [1e9]
    pki = Pki(tmp_path)
    pki.issue("server", "localhost")
    file = write(tmp_path / "web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    live = LiveWebConfig(file, clock=lambda: now[0])
    before = live.current().tls
    write(file, "tls_server_config: {cert_file: new.crt, key_file: new.key}\n")
    assert live.current().tls is before
    pki.issue("new", "localhost")
    now[0] += RETRY_SECONDS
    assert live.current().tls is not before


@pytest.mark.parametrize("tls_first", [True, False])
def test_tls_is_not_switched_on_or_off_while_ermon_runs(tmp_path: Path, tls_first: bool):
    Pki(tmp_path).issue("server", "localhost")
    texts = ["tls_server_config: {cert_file: server.crt, key_file: server.key}\n" + USERS, OTHERS]
    first, second = texts if tls_first else texts[::-1]
    file = write(tmp_path / "web.yml", first)
    live = LiveWebConfig(file)
    write(file, second)
    with capture_logs() as log:
        assert list(live.current().users) == ["alice" if tls_first else "bob"]
    assert (live.current().tls is not None) is tls_first
    assert log[0]["problem"].endswith(
        "TLS cannot be switched on or off while ermon runs; restart ermon for that"
    )
