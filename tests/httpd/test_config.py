"""The web configuration file: users, certificates and limits."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.cli import run
from ermon.config.load import ConfigError
from ermon.httpd.config import RETRY_SECONDS, LiveWebConfig, load_web_config
from ermon.httpd.shell import RateLimit
from tests.httpd.pki import Pki, write

BAD = sorted((Path(__file__).parent / "bad_config").glob("*.yml"))
HASH = "$2y$04$lTQjNPJBRmDnd7Tc6ePnWu4sLUMRyvq4eC4Kxm6cMJ7yRj0vcHkLm"
ENCRYPTED = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIH0MF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBCBrkSyjiq8G3zQekCF
um73AgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQxRmpNs4GoGs7f5/+
aig7IgSBkJDMxnHopj1rAmmIc6dVAoMNDQucCsheC6g3f6eGEf5Cldsrfbtc8u40
ebqdRRMEH/y6mRc1QfAaIAAQRTjgjAMYUdTc6P1y2MsOUiZKi0Wr3vkmMo2ShaCG
L+h/7m6kMIXcNxghABUXp+JrHd9WporWGiWHweBl6Ss1QnGK8FYmOzNFJsPKpE09
Ljk/DjBocQ==
-----END ENCRYPTED PRIVATE KEY-----
"""
REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_all_mistakes_of_a_bad_file_are_reported(file: Path):
    lines = file.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# ") for line in lines if line.startswith("# FILE:")]
    with pytest.raises(ConfigError) as caught:
        load_web_config(file)
    said = str(caught.value).replace(str(file), "FILE").replace(str(file.parent), "FOLDER")
    assert said.splitlines() == expected


def test_there_is_a_bad_file_for_most_that_can_go_wrong():
    assert len(BAD) > 20


def test_everything_that_the_file_can_say(tmp_path: Path):
    Pki(tmp_path).issue("server", "localhost")
    file = tmp_path / "web.yml"
    file.write_text(f"""
tls_server_config:
  cert_file: server.crt
  key_file: {tmp_path}/server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example.net, "2001:db8:0::1", 192.0.2.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]
  curve_preferences: [CurveP256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: false
  headers: {{Strict-Transport-Security: max-age=63072000, X-Frame-Options: sameorigin, X-XSS-Protection: ""}}
basic_auth_users: {{alice: {HASH}}}
rate_limit: {{interval: 500ms, burst: 20}}
""")
    config = load_web_config(file)
    tls = config.tls
    assert tls is not None
    assert (tls.verify_mode, tls.minimum_version) == (ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2)
    assert [c["name"] for c in tls.get_ciphers() if c["protocol"] != "TLSv1.3"] == [
        "ECDHE-ECDSA-AES256-GCM-SHA384"
    ]
    assert not tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert config.client_allowed_sans == {"prometheus.example.net", "2001:db8::1", "192.0.2.1"}
    assert config.users == {"alice": HASH.encode()}
    assert config.headers == {
        "Strict-Transport-Security": "max-age=63072000",
        "X-Frame-Options": "sameorigin",
    }
    assert config.rate_limit == RateLimit(0.5, 20)
    assert set(config.files) == {file, *(tmp_path / name for name in ("server.crt", "server.key", "ca.crt"))}
    assert config.warnings == ()


def test_defaults_are_those_of_exporter_toolkit(tmp_path: Path):
    Pki(tmp_path).issue("server", "localhost")
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    config = load_web_config(file)
    tls = config.tls
    assert tls is not None
    assert (tls.verify_mode, tls.minimum_version, tls.maximum_version) == (
        ssl.CERT_NONE,
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    )
    assert tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert (config.users, config.headers, config.rate_limit) == ({}, {}, None)


def test_certificates_may_stand_in_the_file_itself(tmp_path: Path):
    certificate = Pki(tmp_path).issue("server", "localhost")
    indented = {
        "cert": b"".join(pem.bytes() for pem in certificate.cert_chain_pems).decode().replace("\n", "\n    "),
        "key": certificate.private_key_pem.bytes().decode().replace("\n", "\n    "),
    }
    file = tmp_path / "web.yml"
    file.write_text(
        "tls_server_config:\n" + "".join(f"  {key}: |\n    {pem}\n" for key, pem in indented.items())
    )
    config = load_web_config(file)
    assert config.tls is not None
    assert config.files == (file,)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("other.key", "tls_server_config.key_file: is not the key of the certificate"),
        ("encrypted.key", "tls_server_config.key_file: is encrypted, and ermon has no passphrase"),
        ("server.crt", "tls_server_config.key_file: holds no private key in PEM"),
    ],
)
def test_a_key_that_cannot_be_used(tmp_path: Path, key: str, problem: str):
    pki = Pki(tmp_path)
    pki.issue("server", "localhost")
    pki.issue("other", "localhost")
    (tmp_path / "encrypted.key").write_text(ENCRYPTED)
    file = tmp_path / "web.yml"
    file.write_text(f"tls_server_config: {{cert_file: server.crt, key_file: {key}}}\n")
    with pytest.raises(ConfigError) as caught:
        load_web_config(file)
    assert problem in str(caught.value)


def test_http2_is_accepted_and_said_to_be_without_effect(tmp_path: Path):
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {http2: true}\n")
    [warning] = load_web_config(file).warnings
    assert str(warning) == f"{file}:1:22: http_server_config.http2: warning: no-effect: ermon speaks HTTP/1.1"


@pytest.mark.parametrize("text", ["rate_limit: {interval: 0, burst: 20}", "rate_limit: {interval: 0s}"])
def test_no_interval_is_no_limit(tmp_path: Path, text: str):
    file = tmp_path / "web.yml"
    file.write_text(text)
    assert load_web_config(file).rate_limit is None


@pytest.mark.parametrize("text", ["basic_auth_users: {alice: hunter2}", "basic_auth_users: hunter2"])
def test_no_message_shows_what_may_be_a_password(tmp_path: Path, text: str):
    file = tmp_path / "web.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_web_config(file)
    assert "hunter2" not in str(caught.value)


def test_check_validates_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    web = tmp_path / "web.yml"
    web.write_text("rate_limit: {burst: 20}\n")
    bad = tmp_path / "ermon.yml"
    bad.write_text("customer: {asn: 0}\n")
    assert run(["check", str(bad), f"--web.config.file={web}"]) == 2
    told = capsys.readouterr().err
    assert f"{bad}:1:" in told
    assert f"{web}:1:1: rate_limit.interval: is missing" in told
    web.write_text("http_server_config: {http2: true}\n")
    assert run(["check", str(REFERENCE), f"--web.config.file={web}"]) != 2
    assert f"{web}:1:22: http_server_config.http2" in capsys.readouterr().out


USERS = "basic_auth_users: {alice: $2y$04$lTQjNPJBRmDnd7Tc6ePnWu4sLUMRyvq4eC4Kxm6cMJ7yRj0vcHkLm}\n"
OTHERS = USERS.replace("alice", "bob")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "web.yml", USERS)


def test_a_change_of_the_file_is_applied(file: Path):
    live = LiveWebConfig(file)
    before = live.current()
    assert live.current() is before
    write(file, OTHERS)
    assert list(live.current().users) == ["bob"]


def test_a_file_that_becomes_invalid_allows_nothing_and_is_reported_once(file: Path):
    live = LiveWebConfig(file)
    write(file, "basic_auth_users: {alice: secret}\n")
    with capture_logs() as log:
        assert list(live.current().users) == ["alice"]
        assert list(live.current().users) == ["alice"]
    [line] = log
    assert line["event"] == "web configuration refused, the previous one stays in force"
    assert line["problem"].startswith(f"{file}:1:20: basic_auth_users.alice: is not a bcrypt hash")
    write(file, OTHERS)
    assert list(live.current().users) == ["bob"]


@pytest.mark.parametrize("text", ["", "# nothing any more\n"])
def test_a_file_that_was_emptied_opens_no_door(file: Path, text: str):
    live = LiveWebConfig(file)
    write(file, text)
    assert list(live.current().users) == ["alice"]


def test_a_missing_file_allows_nothing(file: Path):
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
