"""Reads secrets from the files that the configuration names; the configuration itself never contains one.

A file is looked for in ``$CREDENTIALS_DIRECTORY`` (systemd), then beside the configuration.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ermon.azure.assertion import ClientCertificate
from ermon.azure.login import LoginSecrets
from ermon.model.azure import AzureAccess
from ermon.model.inventory import Config
from ermon.model.settings import Access, ClientTls

MAX_SECRET_BYTES = 8 * 1024
"""A larger file cannot be a secret: servers accept headers up to this size, and a token is sent in one."""


MAX_PEM_BYTES = 64 * 1024
"""A certificate with its key, and with those of a few authorities."""


class SecretError(Exception):
    """A secret cannot be read; ``problems`` says which, where it was looked for, and why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """How ermon authenticates itself to a receiver, and how it authenticates the receiver."""

    authorization: str | None = None
    """The value of the header ``Authorization``."""
    tls: ssl.SSLContext | None = None
    """``None``: the system's certificate authorities are trusted."""
    server_name: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The contents of the files that a configuration names; they are never shown."""

    md5: Mapping[str, str] = field(default_factory=dict)
    """The TCP MD5 key of each feed that has one."""
    bmp: Mapping[str, str] = field(default_factory=dict)
    """The TCP MD5 key of each router whose BMP connection has one."""
    alertmanager: Credentials = Credentials()
    webhooks: Mapping[str, Credentials] = field(default_factory=dict)
    """By URL."""
    signing_keys: Mapping[str, bytes] = field(default_factory=dict)
    """By URL: the key that signs each post to a webhook."""
    azure: LoginSecrets = field(default_factory=LoginSecrets)
    azure_tls: ssl.SSLContext | None = None
    """The authorities of Azure's hosts; ``None``: those of the system."""


def read_secrets(config: Config, config_file: Path) -> Secrets:
    """Read every file that ``config`` names; raise ``SecretError`` with everything that is wrong with them."""
    reader = _Reader(config_file)
    secrets = Secrets(
        md5={
            feed.name: reader.text(f"feeds.{feed.name}.md5_password_file", feed.md5_password_file)
            for feed in config.feeds.values()
            if feed.md5_password_file is not None
        },
        bmp={
            name: reader.text(f"routers.{name}.bmp.md5_password_file", router.md5_password_file)
            for name, router in config.bmp.items()
            if router.md5_password_file is not None
        },
        alertmanager=reader.credentials("alertmanager", config.alertmanager.access),
        webhooks={
            webhook.url: reader.credentials(f"webhooks[{at}]", webhook.access)
            for at, webhook in enumerate(config.webhooks)
        },
        signing_keys={
            webhook.url: reader.content(f"webhooks[{at}].secret_file", webhook.secret_file)
            for at, webhook in enumerate(config.webhooks)
            if webhook.secret_file is not None
        },
        azure=LoginSecrets() if config.azure is None else reader.azure(config.azure),
        azure_tls=None if config.azure is None else reader.authorities("azure", config.azure.ca_file),
    )
    if reader.problems:
        raise SecretError(reader.problems)
    return secrets


def credential_name(file: str) -> str:
    """Return the name of the credential for ``file``, whose path is relative to the configuration.

    systemd passes the file ``edge-1.key`` of a folder that it loads as ``secrets`` as ``secrets_edge-1.key``
    (systemd.exec(5), LoadCredential=). An absolute path is returned as it is: no credential replaces it.
    """
    return file if file.startswith("/") else file.replace("/", "_")


def files_named_in(config: Config) -> list[str]:
    """Return every file that ``read_secrets`` would read, each once."""
    accesses = [config.alertmanager.access, *(webhook.access for webhook in config.webhooks)]
    files = [
        *(feed.md5_password_file for feed in config.feeds.values()),
        *(router.md5_password_file for router in config.bmp.values()),
        *(webhook.secret_file for webhook in config.webhooks),
        *(file for _, file in _azure_files(config)),
        *(access.basic_auth.password_file for access in accesses if access.basic_auth is not None),
        *(access.bearer_token_file for access in accesses),
        *(file for a in accesses for file in (a.tls.ca_file, a.tls.cert_file, a.tls.key_file)),
    ]
    return list(dict.fromkeys(file for file in files if file is not None))


def named_files(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every file that ``read_secrets`` would read, with the key that names it."""
    yield from _md5_files(config)
    for key, file in _azure_files(config):
        yield ("azure", key), file
    receivers: list[tuple[tuple[str | int, ...], Access]] = [(("alertmanager",), config.alertmanager.access)]
    receivers += [(("webhooks", at), webhook.access) for at, webhook in enumerate(config.webhooks)]
    for at, webhook in enumerate(config.webhooks):
        if webhook.secret_file is not None:
            yield ("webhooks", at, "secret_file"), webhook.secret_file
    for path, access in receivers:
        if access.basic_auth is not None:
            yield (*path, "basic_auth", "password_file"), access.basic_auth.password_file
        if access.bearer_token_file is not None:
            yield (*path, "bearer_token_file"), access.bearer_token_file
        for key in ("ca_file", "cert_file", "key_file"):
            if (file := getattr(access.tls, key)) is not None:
                yield (*path, "tls", key), file


def _md5_files(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for feed in config.feeds.values():
        if feed.md5_password_file is not None:
            yield ("feeds", feed.name, "md5_password_file"), feed.md5_password_file
    for name, router in config.bmp.items():
        if router.md5_password_file is not None:
            yield ("routers", name, "bmp", "md5_password_file"), router.md5_password_file


def _azure_files(config: Config) -> Iterator[tuple[str, str]]:
    for key in ("client_secret_file", "certificate_file", "ca_file"):
        if config.azure is not None and (file := getattr(config.azure, key)) is not None:
            yield key, file


def places_of(name: str, folder: Path, credentials: str | None) -> list[Path]:
    """Return the places where a file is looked for, in this order; ``credentials`` is ``$CREDENTIALS_DIRECTORY``."""
    beside = folder / name
    return [beside] if not credentials else [Path(credentials) / credential_name(name), beside]


class _Reader:
    """Reads files and collects what is wrong with them."""

    def __init__(self, config_file: Path) -> None:
        self.problems: list[str] = []
        self._config_file = config_file
        self._credentials = os.environ.get("CREDENTIALS_DIRECTORY")

    def content(self, key: str, name: str) -> bytes:
        """Return the contents of a file without white space around them; empty if something is wrong."""
        try:
            return self._read(name)
        except (OSError, ValueError) as error:
            self._complain(key, error)
            return b""

    def text(self, key: str, name: str) -> str:
        """Return the contents as text: one line in ASCII."""
        content = self.content(key, name)
        if not content.isascii() or any(byte < 0x20 or byte == 0x7F for byte in content):
            self._complain(key, f"{self._find(name)} must contain only the secret: one line of ASCII")
            return ""
        return content.decode("ascii")

    def credentials(self, key: str, access: Access) -> Credentials:
        authorization = None
        if access.basic_auth is not None:
            password = self.content(f"{key}.basic_auth.password_file", access.basic_auth.password_file)
            pair = access.basic_auth.username.encode() + b":" + password
            authorization = f"Basic {base64.b64encode(pair).decode('ascii')}"
        elif access.bearer_token_file is not None:
            authorization = f"Bearer {self.text(f'{key}.bearer_token_file', access.bearer_token_file)}"
        return Credentials(authorization, self._tls(f"{key}.tls", access.tls), access.tls.server_name)

    def azure(self, access: AzureAccess) -> LoginSecrets:
        secret = access.client_secret_file
        found = LoginSecrets(
            "" if secret is None else self.text("azure.client_secret_file", secret),
            b"" if access.certificate_file is None else self._pem(access.certificate_file),
        )
        if found.certificate:
            try:
                ClientCertificate(found.certificate)
            except ValueError as error:
                self._complain("azure.certificate_file", error)
        return found

    def _pem(self, name: str) -> bytes:
        """Return a certificate with its key, and perhaps those of its authorities."""
        try:
            return self._read(name, MAX_PEM_BYTES)
        except (OSError, ValueError) as error:
            self._complain("azure.certificate_file", error)
            return b""

    def authorities(self, key: str, file: str | None) -> ssl.SSLContext | None:
        """Return a context that trusts the authorities of a file alone; ``None`` without one."""
        return self._tls(key, ClientTls(ca_file=file))

    def _tls(self, key: str, tls: ClientTls) -> ssl.SSLContext | None:
        if tls.ca_file is None and tls.cert_file is None:
            return None
        context = ssl.create_default_context() if tls.ca_file is None else _trusting_nobody()
        if tls.ca_file is not None:
            try:
                context.load_verify_locations(self._find(tls.ca_file))
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                self._complain(f"{key}.ca_file", _reason(error, "certificate authorities"))
        if tls.cert_file is not None and tls.key_file is not None:
            try:
                # Without a password, OpenSSL would ask for one on the terminal.
                context.load_cert_chain(self._find(tls.cert_file), self._find(tls.key_file), lambda: "")
            except (OSError, ValueError) as error:
                what = "a certificate and its key, which must not be encrypted"
                self._complain(f"{key}.cert_file", _reason(error, what))
        return context

    def _read(self, name: str, most: int = MAX_SECRET_BYTES) -> bytes:
        path = self._find(name)
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"{path} is larger than {most} bytes: it is not a secret")
        if not content.strip():
            raise ValueError(f"{path} is empty: it must contain only the secret")
        return content.strip()

    def _find(self, name: str) -> Path:
        places = places_of(name, self._config_file.parent, self._credentials)
        for path in places:
            if path.is_file():
                return path
        looked = " or in ".join(str(path.parent) for path in places)
        raise ValueError(
            f"there is no file {Path(name).name} in {looked}: put it there, readable by ermon only"
        )

    def _complain(self, key: str, problem: object) -> None:
        self.problems.append(f"{self._config_file}: {key}: {problem}")


def _trusting_nobody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reason(error: Exception, wanted: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"the file must contain {wanted}, in PEM ({error.reason or error})"
    return str(error)
