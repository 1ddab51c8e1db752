"""Posts to a webhook: their content, and that each arrives."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ermon.config.secrets import Credentials
from ermon.metrics.process import Telemetry
from ermon.model.findings import Delivery, Transition, TransitionState
from ermon.notify import post, webhooks
from ermon.notify.webhooks import WebhookSender, headers, make_deliveries
from tests.checks.company import company
from tests.defaults import make_webhook
from tests.networks import START
from tests.notify.receiver import Receiver, until
from tests.notify.test_alerts import cleared, finding

RAISED = Transition(START + 5, TransitionState.RAISED, finding())
CLEARED = Transition(START + 100, TransitionState.CLEARED, cleared(finding(), START + 100))
HOOK = make_webhook("https://hooks.example.net/s3cret")


def test_a_delivery_has_the_output_of_replay_with_times_and_links():
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
        "finding_url": "https://ermon.example.net/findings/id-of-pool-leak",
        "runbook_url": "https://ermon.example.net/runbooks/pool-leak",
    }
    assert (delivery.url, delivery.created_at) == (HOOK.url, START + 100)


def test_a_raised_finding_has_no_end():
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
def test_a_webhook_receives_only_configured_findings(event: str, count: tuple[int, int]):
    hook = make_webhook(HOOK.url, (event,))  # type: ignore[arg-type]
    assert tuple(len(make_deliveries(each, [hook], "")) for each in (RAISED, CLEARED)) == count


def test_the_signature_is_the_hmac_of_the_body():
    (delivery,) = make_deliveries(RAISED, [HOOK], "")
    assert headers(delivery, None) == {"X-Ermon-Delivery": delivery.id}
    signature = hmac.new(b"key", delivery.body, hashlib.sha256).hexdigest()
    assert headers(delivery, b"key")["X-Ermon-Signature-256"] == f"sha256={signature}"


class Hook:
    """A sender to the receiver's `/hook`, and the outcome of its deliveries."""

    def __init__(self, receiver: Receiver, key: bytes | None = None) -> None:
        self.receiver = receiver
        self.url = receiver.url("/hook")
        self.done: list[str] = []
        self.telemetry = Telemetry(company(f"webhooks: [{{url: '{self.url}'}}]").config)
        self.sender = self.make(key)

    def make(self, key: bytes | None = None, waiting: Iterable[Delivery] = ()) -> WebhookSender:
        return WebhookSender(
            self.url,
            Credentials(),
            key,
            deque(waiting),
            done=self.done.append,
            telemetry=self.telemetry,
        )

    def put(self, *ids: str, age: float = 0.0) -> None:
        for each in ids:
            self.sender.put(Delivery(each, self.url, each.encode(), time.time() - age))

    def counted(self, name: str) -> float:
        labels = {"receiver": f"127.0.0.1:{self.receiver.port}"}
        return self.telemetry.registry.get_sample_value(f"ermon_{name}_total", labels) or 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    async def has_done(self, *ids: str) -> None:
        await until(lambda: self.done == list(ids), f"done: {ids}")


@pytest.fixture
def hook(receiver: Receiver) -> Hook:
    return Hook(receiver)


def bodies(receiver: Receiver) -> list[str]:
    return [post.body.decode() for post in receiver.posts]


async def test_deliveries_arrive_in_order_signed_and_are_done(receiver: Receiver):
    hook = Hook(receiver, b"key")
    hook.put("1", "2")
    async with hook.running():
        await receiver.received(2)
        hook.put("3")
        await hook.has_done("1", "2", "3")
    assert bodies(receiver) == ["1", "2", "3"]
    assert [post.headers["X-Ermon-Delivery"] for post in receiver.posts] == ["1", "2", "3"]
    assert all(post.headers["X-Ermon-Signature-256"].startswith("sha256=") for post in receiver.posts)
    assert {post.path for post in receiver.posts} == {"/hook"}
    assert hook.counted("notifications") == 3


@pytest.mark.parametrize("status", [302, 401, 403, 404, 408, 410, 425, 429, 500, 503])
async def test_a_temporary_error_is_retried_and_no_delivery_overtakes(hook: Hook, status: int):
    hook.receiver.refuse(status)
    hook.put("1", "2")
    with capture_logs() as log:
        async with hook.running():
            await hook.receiver.received(webhooks.MAX_REFUSALS + 2)
            assert set(bodies(hook.receiver)) == {"1"}
            hook.receiver.answer = hook.receiver.take
            await hook.has_done("1", "2")
    assert [entry["event"] for entry in log] == [
        "webhook delivery failing",
        "webhook delivery recovered",
    ]
    assert log[0]["problem"].startswith(f"answered {status}")
    assert hook.counted("notifications") == 2
    assert hook.counted("notification_failures") >= webhooks.MAX_REFUSALS + 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_delivery_that_is_refused_for_its_content_is_dropped_in_the_end(hook: Hook, status: int):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status if await request.read() == b"odd" else 200)

    hook.receiver.answer = answer
    hook.put("1", "odd", "2")
    with capture_logs() as log:
        async with hook.running():
            await hook.has_done("1", "odd", "2")
    assert bodies(hook.receiver) == ["1", *["odd"] * webhooks.MAX_REFUSALS, "2"]
    assert {"finding not delivered"} <= {entry["event"] for entry in log}


async def test_one_refusal_after_many_failures_of_the_receiver_costs_nothing(hook: Hook):
    statuses = [*[503] * webhooks.MAX_REFUSALS, 400, 200]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=statuses[len(hook.receiver.posts) - 1])

    hook.receiver.answer = answer
    hook.put("1")
    async with hook.running():
        await hook.has_done("1")
    assert hook.counted("notifications") == 1


async def test_a_receiver_that_answers_too_late_is_sent_it_again_with_the_same_id(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(post, "TOTAL_SECONDS", 0.1)
    hook.receiver.be_silent()
    hook.put("1")
    async with hook.running():
        await hook.receiver.received(2)
        hook.receiver.answer = hook.receiver.take
        await hook.has_done("1")
    assert {sent.headers["X-Ermon-Delivery"] for sent in hook.receiver.posts} == {"1"}


async def test_a_receiver_that_was_down_receives_everything(hook: Hook):
    await hook.receiver.stop()
    hook.put("1", "2")
    async with hook.running():
        await until(lambda: hook.counted("notification_failures") >= 2, "it is tried again")
        await hook.receiver.start(port=hook.receiver.port)
        await hook.has_done("1", "2")
    assert bodies(hook.receiver) == ["1", "2"]


async def test_a_delivery_that_fails_for_a_day_is_dropped_and_logged(hook: Hook):
    hook.receiver.refuse(500)
    hook.put("old", age=webhooks.MAX_AGE_SECONDS + 1)
    hook.put("new")
    with capture_logs() as log:
        async with hook.running():
            await hook.has_done("old")
            await hook.receiver.received(3)
    assert bodies(hook.receiver)[:3] == ["old", "new", "new"]
    (entry,) = (entry for entry in log if entry["event"] == "finding not delivered")
    assert (entry["delivery"], entry["problem"]) == ("old", "not delivered for 24 h: answered 500")


async def test_setting_the_clock_does_not_age_deliveries(hook: Hook, monkeypatch: pytest.MonkeyPatch):
    hook.receiver.refuse(500)
    hook.put("new")
    set_on = time.time() + 2 * webhooks.MAX_AGE_SECONDS
    monkeypatch.setattr(webhooks.time, "time", lambda: set_on)
    async with hook.running():
        await hook.receiver.received(2)
    assert not hook.done


async def test_the_oldest_makes_room_where_too_many_wait(hook: Hook, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhooks, "MAX_WAITING", 3)
    with capture_logs() as log:
        hook.put("1", "2", "3", "4", "5")
    assert hook.done == ["1", "2"]
    assert hook.counted("notification_failures") == 2
    (entry,) = log
    assert (entry["delivery"], entry["problem"]) == ("1", "more than 3 are waiting")
    async with hook.running():
        await hook.has_done("1", "2", "3", "4", "5")
    assert bodies(hook.receiver) == ["3", "4", "5"]


async def test_a_delivery_that_is_dropped_during_its_post_does_not_remove_another(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "MAX_WAITING", 2)
    may_answer = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response()

    hook.receiver.answer = answer
    hook.put("1")
    async with hook.running():
        await hook.receiver.received(1)
        hook.put("2", "3")
        may_answer.set()
        await until(lambda: hook.done[-1:] == ["3"], "all are over")
    assert bodies(hook.receiver) == ["1", "2", "3"]


async def test_a_new_sender_posts_the_waiting_deliveries(hook: Hook):
    hook.put("1", "2")
    hook.sender = hook.make(waiting=hook.sender.waiting)
    async with hook.running():
        await hook.has_done("1", "2")


async def test_the_log_shows_no_path(hook: Hook):
    hook.receiver.refuse(500)
    hook.put("1")
    with capture_logs() as log:
        async with hook.running():
            await until(lambda: log, "it fails")
    assert "/hook" not in str(log)
