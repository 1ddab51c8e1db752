"""The web of `ermon run` for unknown clients, scrapers and operators."""

from __future__ import annotations

import base64
import contextlib
import http.client
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.e2e.company import configuration, own_network
from tests.e2e.daemon import PATIENCE, STOP_SECONDS, Answer, Daemon, eventually
from tests.httpd.pki import Pki, write

PASSWORD = "correct horse"
SECURE = f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users:
  noc: {bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}
"""


class SecureDaemon(Daemon):
    """An ermon that requires a certificate and a password."""

    def __init__(self, directory: Path, configuration: dict[str, Any]) -> None:
        self.pki = Pki(directory)
        self.pki.issue("server", "localhost", "127.0.0.1")
        self.tls = self.pki.client(self.pki.issue("client", "noc.example.net"))
        web = write(directory / "web.yml", SECURE)
        write(directory / "password", f"{PASSWORD}\n")
        super().__init__(directory, configuration, f"--web.config.file={web}", "--web.enable-lifecycle")

    def request(self, method: str, path: str, body: object = None, *, password: str = PASSWORD) -> Answer:
        del body
        connection = http.client.HTTPSConnection(*self._address, timeout=PATIENCE, context=self.tls)
        credentials = base64.b64encode(f"noc:{password}".encode()).decode()
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Authorization": f"Basic {credentials}"})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())

    def certificate(self) -> bytes:
        """Return the certificate that it presents, without verification."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(self._address) as raw, context.wrap_socket(raw) as tls:
            shown = tls.getpeercert(binary_form=True)
            assert shown is not None
            return shown

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of ermon against it, as an operator would."""
        proof = ("--ca-file=ca.crt", "--cert-file=client.crt", "--key-file=client.key")
        return subprocess.run(
            [sys.executable, "-m", "ermon", *arguments, f"--url=https://{self.address}", *proof],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture
def settings() -> dict[str, Any]:
    return configuration(own_network())


@pytest.fixture
def secure(directory: Path, settings: dict[str, Any]) -> Iterator[SecureDaemon]:
    with SecureDaemon(directory, settings) as daemon:
        daemon.start()
        yield daemon


def test_a_certificate_a_password_and_a_rotation(secure: SecureDaemon):
    assert secure.get("/metrics").status == 200
    assert secure.request("GET", "/metrics", password="wrong").status == 401
    assert secure.request("POST", "/-/reload").status == 200
    plain = http.client.HTTPConnection(*secure._address, timeout=PATIENCE)
    with contextlib.closing(plain):
        plain.request("GET", "/metrics")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain.getresponse()

    known = ("--username=noc", "--password-file=password")
    added = secure.command(
        "maintenance", "add", *known, "--circuit=chicago", "--for=1h", "--reason=provider works"
    )
    assert (added.returncode, added.stderr) == (0, "")
    assert "provider works" in added.stdout
    refused = secure.command("maintenance", "list")
    assert refused.returncode == 3
    assert "use --username and --password-file" in refused.stderr

    before, pid = secure.certificate(), secure.pid
    secure.pki.issue("server", "localhost", "127.0.0.1")
    eventually(lambda: secure.certificate() != before, "the new certificate is shown")
    assert (secure.get("/metrics").status, secure.pid) == (200, pid)

    write(secure.directory / "web.yml", SECURE + "rate_limit: {interval: soon}\n")
    assert secure.get("/metrics").status == 200
    assert secure.request("GET", "/metrics", password="wrong").status == 401
    assert len(secure.logged("web configuration refused, the previous one stays in force")) == 1


def test_it_stops_in_time_though_over_a_hundred_are_connected_with_tls(secure: SecureDaemon):
    credentials = base64.b64encode(f"noc:{PASSWORD}".encode())
    with contextlib.ExitStack() as stack:
        for number in range(120):
            raw = stack.enter_context(socket.create_connection(secure._address, timeout=PATIENCE))
            if number < 60:
                continue  # sends nothing, not even TLS
            client = stack.enter_context(secure.tls.wrap_socket(raw, server_hostname="localhost"))
            if number < 90:  # reads nothing of the answer
                asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\n\r\n"
                client.sendall(asked % credentials * 20)
            elif number < 110:
                asked = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\n\r\n"
                client.sendall(asked % credentials)
                assert client.recv(1024).startswith(b"HTTP/1.1 200")
            else:  # never ends its request
                asked = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\n"
                client.sendall(asked % credentials + b"Content-Length: 100\r\n\r\n{")
        secure.send_signal(signal.SIGTERM)
        assert secure.process is not None
        assert secure.process.wait(STOP_SECONDS) == 0
        secure.wait_until_nothing_is_left()


def test_names_are_known_as_the_command_line_says(directory: Path, settings: dict[str, Any]):
    flags = ("--web.external-url=https://noc.example.net/ermon", "--web.allowed-host=ermon.svc")
    flags += ("--web.enable-lifecycle",)
    with Daemon(directory, settings, *flags) as daemon:
        daemon.launch()
        daemon.wait_for_web()

        def status(host: str) -> int:
            connection = http.client.HTTPConnection(*daemon._address, timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", "/-/healthy", headers={"Host": host})
                return connection.getresponse().status

        for host in ("noc.example.net", "ermon.svc:10179", socket.gethostname(), "localhost"):
            assert status(host) == 200, host
        assert status("evil.example") == 421
        assert "--web.enable-lifecycle has no effect" in daemon.log_file.read_text(), (
            "nobody can prove who they are"
        )


def test_a_wrong_web_configuration_prevents_the_start_with_all_its_mistakes(
    directory: Path, settings: dict[str, Any]
):
    file = directory / "web.yml"
    file.write_text("basic_auth_users: {noc: secret}\nrate_limit: {interval: 1s, burst: 0}\n")
    settings["customer"]["asn"] = 0
    with Daemon(directory, settings, f"--web.config.file={file}") as daemon:
        assert daemon.launch().wait(PATIENCE) == 2
        told = daemon.log_end()
    assert f"{directory}/ermon.yml:2:3: customer.asn: must be an AS number" in told
    assert f"{file}:1:20: basic_auth_users.noc: is not a bcrypt hash" in told
    assert f"{file}:2:28: rate_limit.burst: must be a whole number, 1 to 1000000000, not 0" in told
