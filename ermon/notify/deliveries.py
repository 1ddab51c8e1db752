"""A transition as it is posted to webhooks. Nothing here sends anything or reads a clock."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

import msgspec

from ermon.api.findings import finding_doc, substance
from ermon.checks.check import runbook_url
from ermon.model.findings import Delivery, Transition
from ermon.model.inventory import Webhook


def make_deliveries(transition: Transition, webhooks: Iterable[Webhook], external_url: str) -> list[Delivery]:
    """Return what is to be posted, and to whom: to each webhook that wants to hear of it."""
    state = transition.state.value
    return [
        _delivery(transition, webhook.url, external_url) for webhook in webhooks if state in webhook.events
    ]


def _delivery(transition: Transition, url: str, external_url: str) -> Delivery:
    finding = transition.finding
    described = finding_doc(finding)
    identity = f"{finding.id} {transition.state} {url}"
    delivery = hashlib.sha256(identity.encode()).hexdigest()[:32]
    happened_at = finding.raised_at if finding.cleared_at is None else finding.cleared_at
    lasted = None if finding.ended_at is None else round(finding.ended_at - finding.since, 3)
    body = {
        "delivery": delivery,
        "time": round(happened_at, 3),
        "state": str(transition.state),
        "id": finding.id,
        **substance(described),
        "since": described.since,
        "raised_at": described.raised_at,
        "cleared_at": described.cleared_at,
        **({} if lasted is None else {"duration_seconds": lasted}),
        "runbook_url": runbook_url(external_url, finding.check),
    }
    return Delivery(delivery, url, msgspec.json.encode(body), happened_at)


def headers(delivery: Delivery, key: bytes | None) -> Mapping[str, str]:
    """Return the headers of a post. With a key, it is signed as GitHub signs: HMAC-SHA256 of the body, whole
    and before any decoding, in hexadecimal. The body names the delivery, so an old post that somebody sends
    again is known by an id that was seen before.
    """
    named = {"X-Ermon-Delivery": delivery.id}
    if key is None:
        return named
    signature = hmac.new(key, delivery.body, hashlib.sha256).hexdigest()
    return named | {"X-Ermon-Signature-256": f"sha256={signature}"}
