"""The shape of ``--web.config.file``: its keys, their types and defaults, as in Prometheus' exporter-toolkit.

What is right or wrong between values is not here but in ``config``. No message here holds a value of
``basic_auth_users``: what stands where a hash should may be a password.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from ermon.config.fields import AtLeastOne, Boolean, Count, Duration
from ermon.config.shape import Section

MAX_COST = 14
"""Of a bcrypt hash: 0.8 s of one core for each login, and twice as much with each step more."""

_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_USER = re.compile(r"[^:\x00-\x1f\x7f]{1,255}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,8000}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('must be text; put it in "quotes"')  # noqa: TRY004  # pydantic takes ValueError
    return value


def _user(value: object) -> str:
    text = _text(value)
    if not _USER.fullmatch(text):
        raise ValueError(
            "is not a valid user name: it must not be empty, longer than 255 letters, or contain a colon"
        )
    return text


def _mapping(value: object) -> object:
    # The usual message would show what stands here: perhaps a password.
    if not isinstance(value, dict):
        raise ValueError("must be a mapping (lines of USER: HASH)")  # noqa: TRY004  # as above
    return value


def _hash(value: object) -> bytes:
    """Take a bcrypt hash; anything else may be a password, and is not shown."""
    found = _HASH.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not 4 <= int(found[1]) <= MAX_COST:
        raise ValueError(
            f"is a hash of cost {int(found[1])}, and must be of 4 to {MAX_COST}, or each login would delay the "
            "others; make one with: htpasswd -nBC 10 USER"
        )
    return found[0].encode("ascii")


def _header(value: object) -> str:
    text = _text(value)
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("must be one line of ASCII text")
    return text


Text = Annotated[str, PlainValidator(_text)]
HeaderText = Annotated[str, PlainValidator(_header)]
Users = Annotated[
    dict[Annotated[str, PlainValidator(_user)], Annotated[bytes, PlainValidator(_hash)]],
    BeforeValidator(_mapping),
]


class TlsSection(Section):
    """TLS, and the certificates of clients."""

    cert: Text | None = None
    """The server's certificate, in PEM."""
    key: Text | None = None
    """Its key, in PEM."""
    client_ca: Text | None = None
    """The authority of clients' certificates, in PEM."""
    cert_file: Text | None = None
    """A file with the server's certificate, relative to this one."""
    key_file: Text | None = None
    """A file with its key."""
    client_ca_file: Text | None = None
    """A file with the authority of clients' certificates."""
    client_auth_type: Literal[
        "NoClientCert",
        "RequestClientCert",
        "RequireClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
    ] = "NoClientCert"
    """Whether clients show a certificate."""
    client_allowed_sans: AtLeastOne[Text] | None = None
    """Names of which a client's certificate must hold one."""
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"
    """The oldest version of TLS that is spoken."""
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS13"
    """The newest."""
    cipher_suites: AtLeastOne[Text] | None = None
    """Cipher suites of TLS 1.2."""
    prefer_server_cipher_suites: Boolean = True
    """Whether the server chooses the suite."""
    curve_preferences: AtLeastOne[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]] | None = None
    """The curve of the key exchange."""


class HeadersSection(Section):
    """Headers of every answer, in place of ermon's own; one that is blank is not set."""

    content_security_policy: HeaderText = Field(default="", alias="Content-Security-Policy")
    """What a page of ermon's may load."""
    frame_options: Literal["deny", "sameorigin"] | None = Field(default=None, alias="X-Frame-Options")
    """Whether others may show ermon in a frame."""
    content_type_options: Literal["nosniff"] | None = Field(default=None, alias="X-Content-Type-Options")
    """Whether browsers may guess what an answer is."""
    xss_protection: HeaderText = Field(default="", alias="X-XSS-Protection")
    """For browsers of long ago."""
    strict_transport_security: HeaderText = Field(default="", alias="Strict-Transport-Security")
    """How long browsers insist on TLS for this host."""


class HttpSection(Section):
    """HTTP itself."""

    http2: Boolean | None = None
    """Without effect: ermon speaks HTTP/1.1."""
    headers: HeadersSection = HeadersSection()
    """Headers of every answer."""


class RateLimitSection(Section):
    """How many requests are answered."""

    interval: Duration
    """The time after which one more request is answered; 0 for no limit."""
    burst: Count = 1
    """Requests that are answered at once."""


class WebFile(Section):
    """The whole file."""

    tls_server_config: TlsSection | None = None
    """TLS, and the certificates of clients."""
    http_server_config: HttpSection = HttpSection()
    """HTTP itself."""
    basic_auth_users: Users = Field(default={})
    """Users, and the bcrypt hashes of their passwords."""
    rate_limit: RateLimitSection | None = None
    """How many requests are answered."""
