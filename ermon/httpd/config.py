"""Reads ``--web.config.file`` into a ``WebConfig``, with file, line and column of every error; also again while ermon
runs.

The format is that of Prometheus' exporter-toolkit (docs/web-configuration.md there). Unknown keys, and settings that
ermon cannot apply, are errors: nothing is ignored silently.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from ermon.aio.files import open_file
from ermon.config.problems import Complaint, in_order
from ermon.config.shape import read_shape
from ermon.config.yaml import ConfigError, Positions, read_yaml
from ermon.httpd.schema import TlsSection, WebFile
from ermon.httpd.shell import RateLimit, WebConfig
from ermon.httpd.tls import CIPHERS, CURVES, VERSIONS, TlsError, TlsSettings, make_context, normalized_address

MAX_PEM_BYTES = 1024 * 1024
"""Five times the size of a bundle with all public authorities."""
_NEEDS = "one of tls_server_config, http_server_config, basic_auth_users and rate_limit"

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_TLS = "tls_server_config"


def load_web_config(path: Path) -> WebConfig:
    """Read the file and the certificates that it names; raise ``ConfigError`` with all errors."""
    document = read_yaml(path, needs=_NEEDS)
    data, positions = document.values, document.positions
    problems = list(document.problems)
    if not isinstance(data, dict):
        raise ConfigError([*problems, positions.problem((), f"must be a mapping with {_NEEDS}")])
    shape = read_shape(WebFile, data)
    tls, pem = _tls_section(data), _Pem(path.parent)
    context, found = None, shape.complaints
    if tls is not None:
        wrong = [Complaint((_TLS, key), message) for key, message in _complaints(tls)]
        context = pem.context(tls) if not wrong else None
        found += wrong + pem.complaints
    problems += [positions.problem(*complaint) for complaint in found]
    if problems or shape.value is None:
        raise ConfigError(in_order(problems))
    return _interpreted(shape.value, context, (path, *pem.files), positions)


def _interpreted(
    file: WebFile, context: ssl.SSLContext | None, files: tuple[Path, ...], positions: Positions
) -> WebConfig:
    """Make the settings from a valid file."""
    tls, rate, http = file.tls_server_config, file.rate_limit, file.http_server_config
    http2 = positions.problem(("http_server_config", "http2"), "warning: no-effect: ermon speaks HTTP/1.1")
    allowed = (tls.client_allowed_sans if tls else None) or ()
    return WebConfig(
        tls=context,
        client_allowed_sans=frozenset(map(normalized_address, allowed)),
        users=file.basic_auth_users,
        headers={name: text for name, text in http.headers.model_dump(by_alias=True).items() if text},
        rate_limit=RateLimit(rate.interval, rate.burst) if rate and rate.interval else None,
        files=files,
        warnings=(str(http2),) if http.http2 else (),
    )


def _tls_section(data: Mapping[str, Any]) -> TlsSection | None:
    """Return the section if its shape is valid, regardless of errors elsewhere in the file."""
    try:
        return TlsSection.model_validate(data[_TLS]) if _TLS in data else None
    except ValidationError:
        return None


def _complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    """Yield contradictions between keys of the section, and settings that ssl does not support."""
    for kind, what in (("cert", "certificate"), ("key", "key"), ("client_ca", "authority")):
        inline, named = getattr(tls, kind), getattr(tls, f"{kind}_file")
        if inline is not None and named is not None:
            yield kind, f"gives the {what} that {kind}_file also names; remove one of them"
        elif inline is None and named is None and kind != "client_ca":
            yield f"{kind}_file", f"is missing; name the file with the server's {what}"
    yield from _client_complaints(tls)
    yield from _protocol_complaints(tls)


def _protocol_complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    for key in ("min_version", "max_version"):
        if getattr(tls, key) not in VERSIONS:
            yield key, "is obsolete and must not be used (RFC 8996); write TLS12 or TLS13"
    if (tls.min_version, tls.max_version) == ("TLS13", "TLS12"):
        yield "max_version", "is older than min_version; then no version is left"
    unknown = [suite for suite in tls.cipher_suites or () if suite not in CIPHERS]
    if unknown:
        shown = ", ".join(repr(suite[:80]) for suite in unknown)
        yield "cipher_suites", f"{shown} cannot be chosen; of TLS 1.2 there are {', '.join(CIPHERS)}"
    if tls.cipher_suites and tls.min_version == "TLS13":
        yield (
            "cipher_suites",
            "has no effect with min_version TLS13, whose suites cannot be chosen; remove it",
        )
    if len(tls.curve_preferences or ()) > 1:
        yield "curve_preferences", "names several; Python's ssl allows one: name one, or remove the key"


def _client_complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    kind, ca = tls.client_auth_type, tls.client_ca or tls.client_ca_file
    if kind not in _VERIFY:
        verifying = "RequireAndVerifyClientCert or VerifyClientCertIfGiven"
        yield (
            "client_auth_type",
            f"{kind} accepts unverified certificates, which ermon does not support; write {verifying}",
        )
    elif kind != "NoClientCert" and ca is None:
        yield "client_auth_type", f"{kind} needs client_ca_file, the authority that verifies them; add it"
    elif kind == "NoClientCert" and ca is not None:
        given = "client_ca" if tls.client_ca else "client_ca_file"
        yield (
            given,
            "has no effect without client_auth_type; write client_auth_type: RequireAndVerifyClientCert",
        )
    if tls.client_allowed_sans and kind != "RequireAndVerifyClientCert":
        yield (
            "client_allowed_sans",
            "needs client_auth_type: RequireAndVerifyClientCert, or the client may have no certificate",
        )


class _Pem:
    """Reads the certificates and the key of a section, and makes a TLS context from them."""

    def __init__(self, folder: Path) -> None:
        self.complaints: list[Complaint] = []
        self.files: list[Path] = []
        self._folder = folder

    def context(self, tls: TlsSection) -> ssl.SSLContext | None:
        """Return the context, or add the errors to ``complaints``."""
        cert, key, client_ca = (self._read(tls, kind) for kind in ("cert", "key", "client_ca"))
        if self.complaints or cert is None or key is None:
            return None
        settings = TlsSettings(
            cert=cert,
            key=key,
            client_ca=client_ca,
            verify=_VERIFY[tls.client_auth_type],
            minimum=VERSIONS[tls.min_version],
            maximum=VERSIONS[tls.max_version],
            ciphers=tuple(CIPHERS[suite] for suite in tls.cipher_suites or ()),
            curve=CURVES[tls.curve_preferences[0]] if tls.curve_preferences else None,
            server_preference=tls.prefer_server_cipher_suites,
        )
        try:
            return make_context(settings)
        except TlsError as error:
            self._complain(tls, error.key, str(error))
            return None

    def _read(self, tls: TlsSection, kind: str) -> bytes | None:
        inline: str | None = getattr(tls, kind)
        name: str | None = getattr(tls, f"{kind}_file")
        if name is None:
            return None if inline is None else inline.encode()
        path = self._folder / name
        try:
            with open_file(path) as file:
                data = file.read(MAX_PEM_BYTES + 1)
        except (OSError, ValueError) as error:
            self._complain(tls, kind, f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        if len(data) > MAX_PEM_BYTES:
            self._complain(
                tls, kind, f"{path} is larger than {MAX_PEM_BYTES // 1024**2} MiB: that is not a certificate"
            )
            return None
        self.files.append(path)
        return data

    def _complain(self, tls: TlsSection, kind: str, message: str) -> None:
        named = getattr(tls, f"{kind}_file", None) is not None
        self.complaints.append(Complaint((_TLS, f"{kind}_file" if named else kind), message))


SETTLE_SECONDS = 1.0
"""A file that was changed within this time may be incomplete, and half of it could allow too much."""
RETRY_SECONDS = 10.0
"""After an error the file is read again even if it is unchanged: a file that it names may exist by then."""

Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


# As it is now, while ermon runs ---------------------------------------------------------------------


class LiveWebConfig:
    """The present content of the file, or its last valid content.

    An invalid file never allows more: the last valid settings stay in force, and the errors are logged once.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Read it for the first time; raises ``ConfigError``."""
        self._path = path
        self._clock = clock
        self._log = structlog.get_logger()
        self._config = load_web_config(path)
        self._seen = _stamp(self._config.files)
        self._reported = ""
        self._retry_at = float("inf")
        self._warn(self._config)

    def current(self) -> WebConfig:
        """Return the settings in force. This is cheap enough for every request: it checks the files' times and sizes."""
        now = self._clock()
        stamp = _stamp(self._config.files)
        if (stamp != self._seen or now >= self._retry_at) and not _fresh(stamp, now):
            self._seen = stamp
            self._read_again(now)
        return self._config

    def _read_again(self, now: float) -> None:
        try:
            config = load_web_config(self._path)
        except ConfigError as error:
            self._refuse(str(error), now)
            return
        if (config.tls is None) is not (self._config.tls is None):
            self._refuse(
                f"{self._path}: TLS cannot be switched on or off while ermon runs; restart ermon for that",
                now,
            )
            return
        self._config = config
        self._seen = _stamp(config.files)
        self._reported, self._retry_at = "", float("inf")
        self._log.info("web configuration reloaded", file=str(self._path))
        self._warn(config)

    def _refuse(self, problems: str, now: float) -> None:
        self._retry_at = now + RETRY_SECONDS
        if problems != self._reported:
            self._reported = problems
            for problem in problems.splitlines():
                self._log.error("web configuration refused, the previous one stays in force", problem=problem)

    def _warn(self, config: WebConfig) -> None:
        for warning in config.warnings:
            self._log.warning("web configuration", problem=warning)


def _stamp(files: tuple[Path, ...]) -> Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _fresh(stamp: Stamp, now: float) -> bool:
    """Return whether a file was changed a moment ago; a time in the future does not count."""
    return any(found is not None and 0 <= now - found[3] / 1e9 < SETTLE_SECONDS for found in stamp)
