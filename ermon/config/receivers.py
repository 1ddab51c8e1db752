"""What must hold for those that findings are sent to: no secret travels in the clear, and none is sent twice."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from ermon.config.problems import Complaint
from ermon.config.schema import AccessKeys, Draft
from ermon.config.yaml import KeyPath


def complaints_about_receivers(draft: Draft) -> Iterator[Complaint]:
    yield from _access(("alertmanager",), draft.alertmanager)
    for at, url in enumerate(draft.alertmanager.urls):
        yield from _in_the_clear(("alertmanager", "urls", at), url, draft.alertmanager)
    seen: dict[str, int] = {}
    for at, webhook in enumerate(draft.webhooks):
        if webhook is None:
            continue
        path = ("webhooks", at)
        yield from _access(path, webhook)
        yield from _in_the_clear((*path, "url"), webhook.url, webhook)
        first = seen.setdefault(webhook.url, at)
        if first != at:
            yield Complaint((*path, "url"), f"is the URL of webhooks[{first}] too; keep one of them")


def cautions_about_receivers(draft: Draft) -> Iterator[Complaint]:
    yield from _unused_tls(("alertmanager",), draft.alertmanager, *draft.alertmanager.urls)
    for at, webhook in enumerate(draft.webhooks):
        if webhook is not None:
            yield from _unused_tls(("webhooks", at), webhook, webhook.url)


def _access(path: KeyPath, keys: AccessKeys) -> Iterator[Complaint]:
    if keys.basic_auth is not None and keys.bearer_token_file is not None:
        yield Complaint((*path, "bearer_token_file"), "stands beside basic_auth; keep one of them")
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
            path, f"would send the secret of {secret} over the network in the clear; write https://, or take "
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
