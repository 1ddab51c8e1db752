"""What is posted to a webhook of a transition."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from ermon.model.findings import Transition, TransitionState
from ermon.notify.deliveries import headers, make_deliveries
from tests.defaults import make_webhook
from tests.networks import START
from tests.notify.test_alerts import cleared, finding

RAISED = Transition(START + 5, TransitionState.RAISED, finding())
CLEARED = Transition(START + 100, TransitionState.CLEARED, cleared(finding(), START + 100))
HOOK = make_webhook("https://hooks.example.net/s3cret")


def test_a_delivery_is_what_replay_prints_and_when_and_where_to_read_on():
    (delivery,) = make_deliveries(CLEARED, [HOOK], "https://ermon.example.net")
    assert json.loads(delivery.body) == {
        "delivery": delivery.id,
        "time": START + 100,
        "state": "cleared",
        "id": "id-of-pool-leak",
        "check": "pool-leak",
        "severity": "critical",
        "labels": {"pool": "chi", "family": "ipv4", "feed": "isp-a"},
        "summary": "NAT pool chi is advertised to the internet",
        "evidence": {"prefixes": ["198.51.100.0/28"], "prefixes_total": 1},
        "since": "2026-03-01T12:00:00.000Z",
        "raised_at": "2026-03-01T12:00:05.000Z",
        "cleared_at": "2026-03-01T12:01:40.000Z",
        "duration_seconds": 99.0,
        "runbook_url": "https://ermon.example.net/runbooks/pool-leak",
    }
    assert (delivery.url, delivery.created_at) == (HOOK.url, START + 100)


def test_what_is_raised_has_no_end():
    (delivery,) = make_deliveries(RAISED, [HOOK], "")
    body = json.loads(delivery.body)
    assert (body["state"], body["cleared_at"], "duration_seconds" in body) == ("raised", None, False)


def test_an_id_is_the_same_after_a_restart_and_another_for_every_receiver_and_state():
    other = make_webhook("https://hooks.example.net/other")
    ids = [d.id for t in (RAISED, CLEARED) for d in make_deliveries(t, [HOOK, other], "")]
    assert len(set(ids)) == 4
    assert ids == [d.id for t in (RAISED, CLEARED) for d in make_deliveries(t, [HOOK, other], "")]
    assert not any("s3cret" in each for each in ids)


@pytest.mark.parametrize(("event", "count"), [("raised", (1, 0)), ("cleared", (0, 1))])
def test_a_webhook_hears_only_of_what_it_asked_for(event: str, count: tuple[int, int]):
    hook = make_webhook(HOOK.url, (event,))  # type: ignore[arg-type]
    assert tuple(len(make_deliveries(each, [hook], "")) for each in (RAISED, CLEARED)) == count


def test_the_signature_is_the_hmac_of_the_body():
    (delivery,) = make_deliveries(RAISED, [HOOK], "")
    assert headers(delivery, None) == {"X-Ermon-Delivery": delivery.id}
    signature = hmac.new(b"key", delivery.body, hashlib.sha256).hexdigest()
    assert headers(delivery, b"key")["X-Ermon-Signature-256"] == f"sha256={signature}"
