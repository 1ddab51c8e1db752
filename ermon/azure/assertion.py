"""Proves with a certificate that ermon is an application: a JSON Web Token that its key signs.

Source: Microsoft, "Microsoft identity platform application authentication certificate credentials"
(learn.microsoft.com/entra/identity-platform/certificate-credentials): PS256, with the SHA-256 thumbprint of the certificate.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

LIFETIME_SECONDS = 300
"""How long an assertion is valid. Microsoft recommends five to ten minutes."""


class ClientCertificate:
    """A certificate and its key, which sign assertions."""

    def __init__(self, pem: bytes) -> None:
        """``pem`` holds both, and perhaps the certificates of its authorities after it. ``ValueError`` says what is wrong."""
        try:
            certificate = x509.load_pem_x509_certificates(pem)[0]
        except ValueError:
            raise ValueError("it must contain a certificate, in PEM") from None
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):  # TypeError: the key is encrypted
            raise ValueError("it must contain the certificate's key too, in PEM and not encrypted") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("its key must be an RSA key: Microsoft accepts no other for applications")  # noqa: TRY004  # about the file
        if key.public_key() != certificate.public_key():
            raise ValueError("its key does not belong to its certificate")
        self._key = key
        self._thumbprint = _encoded(certificate.fingerprint(hashes.SHA256()))
        self.der = certificate.public_bytes(Encoding.DER)

    def assertion(self, client: str, audience: str, now: float) -> str:
        """Return an assertion for an application at the URL of tokens; ``now`` is in seconds since the epoch."""
        header = {"alg": "PS256", "typ": "JWT", "x5t#S256": self._thumbprint}
        claims = {
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": str(uuid.uuid4()),
            "nbf": int(now),
            "iat": int(now),
            "exp": int(now) + LIFETIME_SECONDS,
        }
        signed = f"{_json(header)}.{_json(claims)}"
        algorithm = hashes.SHA256()
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)  # RFC 7518 section 3.5
        return f"{signed}.{_encoded(self._key.sign(signed.encode('ascii'), pss, algorithm))}"


def _json(value: Mapping[str, object]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
