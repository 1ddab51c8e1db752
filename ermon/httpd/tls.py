"""The TLS settings of ``--web.config.file``, for Python's ssl.

Settings that ssl cannot apply as Go's crypto/tls does are refused, never ignored: a setting that silently has no effect
is worse than none.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""Go's TLS 1.2 suites (crypto/tls, ``CipherSuites``), with OpenSSL's names."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""OpenSSL's names of curves, by Go's names."""

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
"""TLS 1.0 and 1.1 must not be used any more (RFC 8996)."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The settings of the server's side; certificates and the key are in PEM."""

    cert: bytes
    """The server's certificate, and the intermediate ones."""
    key: bytes
    client_ca: bytes | None = None
    """The authorities of clients' certificates."""
    verify: ssl.VerifyMode = ssl.CERT_NONE
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """Suites of TLS 1.2, by OpenSSL's names; empty: OpenSSL's default."""
    curve: str | None = None
    """OpenSSL's name."""
    server_preference: bool = True


class TlsError(Exception):
    """The settings cannot be used."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        """The key under ``tls_server_config`` with the error."""


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make a new context for the server's side; raise ``TlsError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = settings.minimum, settings.maximum
    _load_certificate(context, settings)
    if settings.client_ca is not None:
        try:
            context.load_verify_locations(cadata=settings.client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise TlsError(
                "client_ca", "holds no certificate in PEM; name the certificate of the clients' authority"
            ) from None
    context.verify_mode = settings.verify
    if settings.ciphers:
        try:
            context.set_ciphers(":".join(settings.ciphers))
        except ssl.SSLError:
            raise TlsError(
                "cipher_suites", "names no cipher that the OpenSSL of this machine allows; remove it"
            ) from None
    if settings.curve is not None:
        context.set_ecdh_curve(settings.curve)
    if not settings.server_preference:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in settings.cert:
        raise TlsError("cert", "holds no certificate in PEM; name the server's certificate")
    if b" PRIVATE KEY-----" not in settings.key:
        raise TlsError("key", "holds no private key in PEM; name the key of the server's certificate")
    try:
        with _in_memory(settings.cert) as cert, _in_memory(settings.key) as key:
            context.load_cert_chain(cert, key, password=_no_passphrase)
    except _EncryptedKeyError:
        raise TlsError(
            "key", "is encrypted, and ermon has no passphrase; store the key unencrypted"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError("key", "is not the key of the certificate; name a matching pair") from None
        reason = (error.reason or "it is damaged").replace("_", " ").lower()
        raise TlsError(
            "cert", f"or its key cannot be used: {reason}; check both with `openssl x509`"
        ) from None


class _EncryptedKeyError(Exception):
    pass


def _no_passphrase() -> str:
    raise _EncryptedKeyError  # otherwise OpenSSL would ask for a password on the terminal


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Yield a path to data in memory: ssl reads certificates and keys only from files."""
    number = os.memfd_create("ermon-tls", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:  # without a path yet
            file.write(data)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def name_of(certificate: Mapping[str, Any]) -> str:
    """Return the name of a certificate for the log: its common name, else its first alternative name."""
    for part in certificate.get("subject", ()):
        for kind, value in part:
            if kind == "commonName":
                return str(value)
    return next(iter(alternative_names(certificate)), "a certificate without a name")


def alternative_names(certificate: Mapping[str, Any]) -> list[str]:
    """Return a certificate's names that can be in ``client_allowed_sans``: DNS, address, e-mail and URI.

    ``certificate`` is the result of ``SSLSocket.getpeercert()``.
    """
    return [
        normalized_address(value) if kind == "IP Address" else value
        for kind, value in certificate.get("subjectAltName", ())
        if kind in {"DNS", "IP Address", "email", "URI"}
    ]


def normalized_address(text: str) -> str:
    """Return an address in its shortest form, and other texts unchanged: OpenSSL does not shorten IPv6 addresses."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text
