"""``--web.config.file`` → ``WebConfig``, every error with its file, line and column.

The format is that of Prometheus' exporter-toolkit (docs/web-configuration.md there). A key that it does not
have, and a setting that ermon cannot honour, are errors: nothing here is left out silently.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ermon.config.problems import Complaint, in_order
from ermon.config.shape import read_shape
from ermon.config.yaml import ConfigError, Positions, read_yaml
from ermon.httpd.schema import TlsSection, WebFile
from ermon.httpd.shell import RateLimit, WebConfig
from ermon.httpd.tls import CIPHERS, CURVES, VERSIONS, TlsError, TlsSettings, make_context, normalized_address

MAX_PEM_BYTES = 1024 * 1024
"""A bundle of every public authority is a fifth of it."""
_NEEDS = "one of tls_server_config, http_server_config, basic_auth_users and rate_limit"

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_TLS = "tls_server_config"


def load_web_config(path: Path) -> WebConfig:
    """Read the file and the certificates it names; raise ``ConfigError`` with everything that is wrong."""
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
    """Make settings of a file that is right."""
    tls, rate, http = file.tls_server_config, file.rate_limit, file.http_server_config
    http2 = positions.problem(("http_server_config", "http2"), "has no effect: ermon speaks HTTP/1.1")
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
    """Return the section if its shape is right, whatever is wrong elsewhere in the file."""
    try:
        return TlsSection.model_validate(data[_TLS]) if _TLS in data else None
    except ValidationError:
        return None


def _complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    """What is wrong between the keys of the section, and what ssl cannot do."""
    for kind, what in (("cert", "certificate"), ("key", "key"), ("client_ca", "authority")):
        inline, named = getattr(tls, kind), getattr(tls, f"{kind}_file")
        if inline is not None and named is not None:
            yield kind, f"gives the {what} that {kind}_file names too; remove one of them"
        elif inline is None and named is None and kind != "client_ca":
            yield f"{kind}_file", f"is missing; name the file with the server's {what}"
    yield from _client_complaints(tls)
    yield from _protocol_complaints(tls)


def _protocol_complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    for key in ("min_version", "max_version"):
        if getattr(tls, key) not in VERSIONS:
            yield key, "is obsolete, and must not be used any more (RFC 8996); write TLS12 or TLS13"
    if (tls.min_version, tls.max_version) == ("TLS13", "TLS12"):
        yield "max_version", "is older than min_version; then no version is left"
    unknown = [suite for suite in tls.cipher_suites or () if suite not in CIPHERS]
    if unknown:
        shown = ", ".join(repr(suite[:80]) for suite in unknown)
        yield "cipher_suites", f"{shown} cannot be chosen; of TLS 1.2 there are {', '.join(CIPHERS)}"
    if tls.cipher_suites and tls.min_version == "TLS13":
        yield (
            "cipher_suites",
            "means nothing with min_version TLS13, whose suites cannot be chosen; remove it",
        )
    if len(tls.curve_preferences or ()) > 1:
        yield "curve_preferences", "names several; Python's ssl takes one: name that, or remove the key"


def _client_complaints(tls: TlsSection) -> Iterator[tuple[str, str]]:
    kind, ca = tls.client_auth_type, tls.client_ca or tls.client_ca_file
    if kind not in _VERIFY:
        verifying = "RequireAndVerifyClientCert or VerifyClientCertIfGiven"
        yield (
            "client_auth_type",
            f"{kind} takes certificates that nobody verifies, ermon does not; write {verifying}",
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
            "needs client_auth_type: RequireAndVerifyClientCert, or there may be no name",
        )


class _Pem:
    """Reads the certificates and the key of a section, and makes a context of them."""

    def __init__(self, folder: Path) -> None:
        self.complaints: list[Complaint] = []
        self.files: list[Path] = []
        self._folder = folder

    def context(self, tls: TlsSection) -> ssl.SSLContext | None:
        """Make it, or say in ``complaints`` what is wrong."""
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
            with path.open("rb") as file:
                data = file.read(MAX_PEM_BYTES + 1)
        except (OSError, ValueError) as error:
            self._complain(tls, kind, f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        if len(data) > MAX_PEM_BYTES:
            self._complain(
                tls, kind, f"{path} is larger than {MAX_PEM_BYTES // 1024**2} MiB: that is no certificate"
            )
            return None
        self.files.append(path)
        return data

    def _complain(self, tls: TlsSection, kind: str, message: str) -> None:
        named = getattr(tls, f"{kind}_file", None) is not None
        self.complaints.append(Complaint((_TLS, f"{kind}_file" if named else kind), message))
