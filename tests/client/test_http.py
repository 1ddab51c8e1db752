"""How a command reaches its daemon, and which credentials it sends."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ermon.cli import run
from ermon.client import http
from ermon.client.http import Parser, RawEvent, TooLongError
from ermon.client.target import MAX_PASSWORD_BYTES, UnreachableError, UsageError, make_target
from ermon.web.events import frame
from tests.httpd.pki import Pki

URL = "https://ermon.example.net"


def test_a_password_comes_from_a_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("pässword \n")
    target = make_target(URL, username="noc", password_file=file)
    assert target.authorization == "Basic " + base64.b64encode("noc:pässword ".encode()).decode()
    assert target.authorization not in repr(target)


def test_a_certificate_and_an_authority(tmp_path: Path):
    Pki(tmp_path).issue("client", "noc.example.net")
    target = make_target(
        URL,
        ca_file=tmp_path / "ca.crt",
        cert_file=tmp_path / "client.crt",
        key_file=tmp_path / "client.key",
    )
    assert target.tls is not None
    assert target.tls.check_hostname
    assert len(target.tls.get_ca_certs()) == 1


def test_without_either_this_machine_s_authorities_are_trusted():
    target = make_target(URL)
    assert (target.tls, target.authorization) == (None, None)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": "http://127.0.0.1:10179", "ca_file": "ca.crt"}, "need an https:// URL"),
        ({"ca_file": "none.crt"}, "--ca-file: none.crt is not a PEM file with certificates: No such file"),
        ({"ca_file": "large"}, "--ca-file: large is not a PEM file with certificates"),
        ({"key_file": "client.key"}, "--key-file needs --cert-file"),
        ({"cert_file": "client.crt", "key_file": "ca.crt"}, "client.crt and its key cannot be used"),
        ({"username": "noc"}, "--username and --password-file belong together"),
        ({"password_file": "large"}, "--username and --password-file belong together"),
        ({"username": "noc", "password_file": "none"}, "none cannot be read: No such file"),
        ({"username": "noc", "password_file": "large"}, "large is larger than 1024 bytes"),
        ({"username": "a:b", "password_file": "large"}, "a user name must not contain a colon"),
        ({"url": "https://noc:hunter2@ermon.example.net"}, "use --username and --password-file"),
    ],
)
def test_impossible_combinations_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], problem: str
):
    monkeypatch.chdir(tmp_path)
    Pki(tmp_path).issue("client", "noc.example.net")
    (tmp_path / "large").write_bytes(b"x" * (MAX_PASSWORD_BYTES + 1))
    url = given.pop("url", URL)
    options = {name: value if name == "username" else Path(value) for name, value in given.items()}
    with pytest.raises(UsageError) as caught:
        make_target(url, **options)
    assert problem in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("command", [["verify"], ["maintenance", "list"]])
def test_every_command_reports_it_in_the_same_way(command: list[str], capsys: pytest.CaptureFixture[str]):
    assert run([*command, "--username", "noc"]) == 2
    assert capsys.readouterr().err == "ermon: --username and --password-file belong together; give both\n"


STREAM = b"retry: 2000\n\n: still here\n\n" + frame("feed", {"a": "ü\n"}, "7-1") + frame("pool", 2, "7-2")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_from_any_pieces(size: int):
    parser = Parser()
    pieces = [STREAM[n : n + size] for n in range(0, len(STREAM), size)]
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert events == [RawEvent("feed", '{"a":"ü\\n"}'.encode(), "7-1"), RawEvent("pool", b"2", "7-2")]


def test_half_an_event_is_none():
    assert Parser().feed(b'event: feed\ndata: {"a": 1}\n') == []


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "MAX_EVENT_BYTES", 100)
    parser = Parser()
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(TooLongError):
        parser.feed(b"x" * 90)


@pytest.mark.parametrize(
    ("where", "option"),
    [
        ("/run/ermon/control.sock/api/v1/status", "--socket needs"),
        ("https://ermon.example.net/api/v1/status", "--url needs"),
    ],
)
def test_a_hint_names_the_option_that_the_command_was_called_with(where: str, option: str):
    assert f"Is that an ermon? {option}" in http.is_it_ermon(where)
    with pytest.raises(UnreachableError, match=option):
        http.read({}, int, where)
