"""The shared flags about ermon's web."""

from __future__ import annotations

import argparse
import socket

import pytest

from ermon.cli.shared import add_web, web_options


def options(*flags: str, tls: bool = False) -> dict[str, object]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_web(parser)
    return web_options(parser.parse_args(flags), tls=tls)


def test_ermon_is_reached_on_loopback_by_default():
    found = options()
    assert found["listen"] == (("127.0.0.1", 10179),)
    assert found["external_url"] == "http://127.0.0.1:10179"
    assert (found["lifecycle"], found["allowed_hosts"], found["web_config_file"]) == (False, (), None)


@pytest.mark.parametrize(
    ("flags", "tls", "url"),
    [
        (
            ("--web.listen-address=192.0.2.1:80", "--web.listen-address=[::1]:81"),
            False,
            "http://192.0.2.1:80",
        ),
        (("--web.listen-address=[2001:db8::1]:443",), True, "https://[2001:db8::1]:443"),
        (("--web.listen-address=0.0.0.0:10179",), True, f"https://{socket.gethostname()}:10179"),
        (("--web.listen-address=:10179",), False, f"http://{socket.gethostname()}:10179"),
        (("--web.external-url=https://noc.example.net/ermon/",), False, "https://noc.example.net/ermon"),
    ],
)
def test_the_url_under_which_people_reach_it(flags: tuple[str, ...], tls: bool, url: str):
    assert options(*flags, tls=tls)["external_url"] == url


@pytest.mark.parametrize(
    "flag",
    [
        "--web.external-url=noc.example.net",
        "--web.external-url=ftp://noc.example.net",
        "--web.external-url=https://me:secret@noc.example.net",
        "--web.external-url=https://noc.example.net:99999",
        "--web.external-url=https://noc.example.net/{{ $labels.a }}",
        "--web.allowed-host=https://noc.example.net",
        "--web.allowed-host=noc.example.net:10179",
        "--web.allowed-host=",
        "--web.listen-address=10179",
    ],
)
def test_invalid_values_are_refused(flag: str):
    with pytest.raises(argparse.ArgumentError):
        options(flag)
