"""Every secret comes from a file, and everything that is wrong with the files is reported at once."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ermon.config.secrets import MAX_SECRET_BYTES, SecretError, read_secrets
from ermon.model.inventory import Config, View
from ermon.model.settings import Access, BasicAuth, ClientTls
from tests.defaults import make_alertmanager, make_config, make_feed, make_webhook

FEED = make_feed("edge-1", View.EDGE_TABLE, "127.0.0.11", "127.0.0.1", md5_password_file="edge.key")
OPEN_FEED = replace(FEED, name="open", local="127.0.0.2", md5_password_file=None)
HOOK = "https://hooks.example.net/ermon"
ENCRYPTED_KEY = """
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg0720EDwVK+QICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEL1RGPyfQnyXgHWyfqTruRYEgZD9
InH/K/EdSZpXgc9P7uP+MBJdRdoDuhPDKI+k+0p1k2Tn181gHmwniVSHpO07qVvT
NRBcGMS3uOZ3ZMTvTSP56F95B8FTCpWRV6bhpZ+INaViH/47ZpBS7ssl3HvLTle4
bad1/qjeArCiExP42P/APm03TbIEladM6kpnmZGobaZj5AYLzSCvsyQxf9US4is=
-----END ENCRYPTED PRIVATE KEY-----
"""
CLIENT = Path(__file__).parents[1] / "notify" / "client.pem"


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder / "ermon.yml"


def hooked(**access: Any) -> Config:
    return make_config(webhooks=(make_webhook(HOOK, access=Access(**access)),))


def problems(of: Config, config_file: Path) -> list[str]:
    with pytest.raises(SecretError) as error:
        read_secrets(of, config_file)
    return error.value.problems


# Places --------------------------------------------------------------------------------------------------


def test_a_key_is_read_from_beside_the_configuration(config_file):
    (config_file.parent / "edge.key").write_text("s3cret\n")
    assert read_secrets(make_config(FEED, OPEN_FEED), config_file).md5 == {"edge-1": "s3cret"}


def test_the_credentials_directory_comes_first(config_file, tmp_path, monkeypatch):
    (config_file.parent / "edge.key").write_text("old")
    (tmp_path / "edge.key").write_text("new")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secrets(make_config(FEED), config_file).md5 == {"edge-1": "new"}


def test_a_file_in_a_folder_has_the_name_that_systemd_gives_it(config_file, tmp_path, monkeypatch):
    (tmp_path / "secrets_edge.key").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    feed = replace(FEED, md5_password_file="secrets/edge.key")
    assert read_secrets(make_config(feed), config_file).md5 == {"edge-1": "s3cret"}


def test_an_absolute_path_is_no_credential(config_file, tmp_path, monkeypatch):
    (tmp_path / "edge.key").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(config_file.parent))
    feed = replace(FEED, md5_password_file=str(tmp_path / "edge.key"))
    assert read_secrets(make_config(feed), config_file).md5 == {"edge-1": "s3cret"}


def test_every_file_that_cannot_be_read_is_named_with_where_it_was_looked_for(config_file):
    everything = make_config(
        FEED,
        alertmanager=make_alertmanager(
            "https://127.0.0.1:9093",
            access=Access(
                basic_auth=BasicAuth("ermon", "alerts.password"), tls=ClientTls("ca.pem", "am.crt", "am.key")
            ),
        ),
        webhooks=(
            make_webhook(HOOK, secret_file="hook.key"),
            make_webhook(HOOK + "/2", access=Access(bearer_token_file="hook.token")),
        ),
    )
    found = problems(everything, config_file)
    for problem, (key, name) in zip(
        found,
        [
            ("feeds.edge-1.md5_password_file", "edge.key"),
            ("alertmanager.basic_auth.password_file", "alerts.password"),
            ("alertmanager.tls.ca_file", "ca.pem"),
            ("alertmanager.tls.cert_file", "am.crt"),
            ("webhooks[1].bearer_token_file", "hook.token"),
            ("webhooks[0].secret_file", "hook.key"),
        ],
        strict=True,
    ):
        assert problem.startswith(
            f"{config_file}: {key}: there is no file {name} in {config_file.parent}: put it there"
        )


# Contents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n", "is empty"),
        (b"x" * (MAX_SECRET_BYTES + 1), "is larger than"),
        (b"\xff", "one line of ASCII"),
        (b"two\nlines", "one line of ASCII"),
    ],
)
def test_an_invalid_key_is_refused(config_file, content, problem):
    (config_file.parent / "edge.key").write_bytes(content)
    (config_file.parent / "hook.token").write_bytes(content)
    assert problem in problems(make_config(FEED), config_file)[0]
    assert problem in problems(hooked(bearer_token_file="hook.token"), config_file)[0]


def test_passwords_and_tokens_become_headers(config_file):
    (config_file.parent / "password").write_text("öpen sésame\n")
    (config_file.parent / "token").write_text("t0ken\n")
    basic = read_secrets(hooked(basic_auth=BasicAuth("ermon", "password")), config_file)
    assert basic.webhooks[HOOK].authorization == "Basic ZXJtb246w7ZwZW4gc8Opc2FtZQ=="
    bearer = read_secrets(hooked(bearer_token_file="token"), config_file)
    assert bearer.webhooks[HOOK].authorization == "Bearer t0ken"
    assert read_secrets(hooked(), config_file).webhooks[HOOK].authorization is None


def test_a_signing_key_may_be_any_bytes(config_file):
    (config_file.parent / "hook.key").write_bytes(b"\x00\xff\n")
    secrets = read_secrets(make_config(webhooks=(make_webhook(HOOK, secret_file="hook.key"),)), config_file)
    assert secrets.signing_keys == {HOOK: b"\x00\xff"}


def test_no_secret_is_printed(config_file):
    (config_file.parent / "token").write_text("t0ken\n")
    secrets = read_secrets(hooked(bearer_token_file="token"), config_file)
    assert "t0ken" not in repr(secrets) + repr(secrets.webhooks)


# TLS -----------------------------------------------------------------------------------------------------


def test_a_ca_file_replaces_the_systems_authorities(config_file):
    (config_file.parent / "ca.pem").write_text(CLIENT.read_text())
    tls = read_secrets(hooked(tls=ClientTls(ca_file="ca.pem")), config_file).webhooks[HOOK].tls
    assert tls is not None
    assert len(tls.get_ca_certs()) == 1
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_without_tls_settings_the_system_is_trusted(config_file):
    assert read_secrets(hooked(), config_file).webhooks[HOOK].tls is None


@pytest.mark.parametrize("content", ["", "nonsense", ENCRYPTED_KEY])
def test_invalid_certificates_and_keys_are_refused_without_asking_for_a_password(config_file, content):
    (config_file.parent / "ca.pem").write_text(content)
    (config_file.parent / "hook.key").write_text(content)
    (config_file.parent / "hook.crt").write_text(CLIENT.read_text())
    ca, own = problems(hooked(tls=ClientTls("ca.pem", "hook.crt", "hook.key")), config_file)
    assert "webhooks[0].tls.ca_file: the file must contain certificate authorities, in PEM" in ca
    assert "webhooks[0].tls.cert_file: the file must contain a certificate and its key" in own
