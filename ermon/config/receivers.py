"""The receivers of findings: their keys in the file, and the rules between them.

No secret is sent unencrypted, and no receiver gets a finding twice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import urlsplit

from ermon.config.fields import AtLeastOne, HttpUrl, Line, PositiveDuration, Several
from ermon.config.problems import Complaint
from ermon.config.shape import Section
from ermon.config.yaml import KeyPath


class BasicAuthSection(Section):
    """User name and password of HTTP basic authentication."""

    username: Line
    """The user's name."""
    password_file: Line
    """File with the password, looked for like an md5_password_file."""


class TlsSection(Section):
    """TLS of a receiver; files are PEM, looked for like an md5_password_file."""

    ca_file: Line | None = None
    """Trusted certificate authorities, instead of the system's."""
    cert_file: Line | None = None
    """ermon's client certificate, if the receiver requires one."""
    key_file: Line | None = None
    """The private key of cert_file."""
    server_name: Line | None = None
    """The name in the receiver's certificate, if it is not the host of the URL."""


class AccessKeys(Section):
    """Authentication between ermon and a receiver."""

    basic_auth: BasicAuthSection | None = None
    """User name and password of HTTP basic authentication."""
    bearer_token_file: Line | None = None
    """File with a token that is sent as Authorization: Bearer, looked for like an md5_password_file."""
    tls: TlsSection = TlsSection()
    """TLS of https:// URLs."""


class AlertmanagerSection(AccessKeys):
    """Pushing findings to Alertmanager."""

    urls: Several[HttpUrl] = ()
    """Every Alertmanager, such as http://127.0.0.1:9093; each gets every alert."""
    resend: PositiveDuration = 60.0
    """How often a raised finding is re-sent."""


class WebhookEntry(AccessKeys):
    """A receiver of findings as JSON."""

    url: HttpUrl
    """The URL to which findings are posted."""
    events: AtLeastOne[Literal["raised", "cleared"]] = ("raised", "cleared")
    """Which findings are posted."""
    secret_file: Line | None = None
    """File with the key that signs each post, looked for like an md5_password_file."""


# Rules -------------------------------------------------------------------------------------------------


def complaints_about_receivers(
    alertmanager: AlertmanagerSection, webhooks: Sequence[WebhookEntry | None]
) -> Iterator[Complaint]:
    yield from _access(("alertmanager",), alertmanager)
    for at, url in enumerate(alertmanager.urls):
        yield from _in_the_clear(("alertmanager", "urls", at), url, alertmanager)
    seen: dict[str, int] = {}
    for at, webhook in enumerate(webhooks):
        if webhook is None:
            continue
        path = ("webhooks", at)
        yield from _access(path, webhook)
        yield from _in_the_clear((*path, "url"), webhook.url, webhook)
        first = seen.setdefault(webhook.url, at)
        if first != at:
            yield Complaint((*path, "url"), f"is also the URL of webhooks[{first}]; keep one of them")


def cautions_about_receivers(
    alertmanager: AlertmanagerSection, webhooks: Sequence[WebhookEntry | None]
) -> Iterator[Complaint]:
    yield from _unused_tls(("alertmanager",), alertmanager, *alertmanager.urls)
    for at, webhook in enumerate(webhooks):
        if webhook is not None:
            yield from _unused_tls(("webhooks", at), webhook, webhook.url)


def _access(path: KeyPath, keys: AccessKeys) -> Iterator[Complaint]:
    if keys.basic_auth is not None and keys.bearer_token_file is not None:
        yield Complaint((*path, "bearer_token_file"), "cannot be combined with basic_auth; keep one of them")
    if keys.basic_auth is not None and ":" in keys.basic_auth.username:
        yield Complaint(
            (*path, "basic_auth", "username"), "must not contain ':', which ends a user's name (RFC 7617)"
        )
    if keys.tls.cert_file is not None and keys.tls.key_file is None:
        yield Complaint((*path, "tls", "cert_file"), "needs its private key; add key_file")
    if keys.tls.key_file is not None and keys.tls.cert_file is None:
        yield Complaint((*path, "tls", "key_file"), "needs its certificate; add cert_file")


def _in_the_clear(path: KeyPath, url: str, keys: AccessKeys) -> Iterator[Complaint]:
    secret = next(
        (key for key in ("basic_auth", "bearer_token_file") if getattr(keys, key) is not None), None
    )
    if secret is not None and urlsplit(url).scheme == "http" and not _is_loopback(url):
        yield Complaint(
            path, f"would send the secret of {secret} unencrypted; write https://, or take "
            f"{secret} out",
        )  # fmt: skip


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unused_tls(path: KeyPath, keys: AccessKeys, *urls: str) -> Iterator[Complaint]:
    if any(value is not None for _, value in keys.tls) and not any(url.startswith("https:") for url in urls):
        yield Complaint((*path, "tls"), "has no effect: no URL here begins with https://")
