"""What a running sender sends to an Alertmanager."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ermon.config.secrets import Credentials
from ermon.metrics.process import Telemetry
from ermon.model.findings import Finding
from ermon.notify import alertmanager
from ermon.notify.alertmanager import AlertmanagerSender
from ermon.notify.alerts import Ledger
from tests.checks.company import company
from tests.notify.receiver import Receiver, until
from tests.notify.test_alerts import cleared, finding

HOUR = 3600.0


class State:
    """The raised and cleared findings."""

    def __init__(self, *raised: Finding) -> None:
        self.raised = list(raised)
        self.cleared: list[Finding] = []

    def findings(self) -> list[Finding]:
        return self.raised

    def clear(self) -> None:
        self.cleared = [cleared(each, time.time()) for each in self.raised]
        self.raised = []


@pytest.fixture
def telemetry(receiver: Receiver) -> Telemetry:
    return Telemetry(company(f"alertmanager: {{urls: ['{receiver.url()}']}}").config)


@asynccontextmanager
async def pushing(
    receiver: Receiver, state: State, telemetry: Telemetry, resend: float = HOUR
) -> AsyncIterator[AlertmanagerSender]:
    sender = AlertmanagerSender(
        receiver.url("/am"),
        resend,
        Credentials(),
        Ledger(),
        state=lambda: state,
        telemetry=telemetry,
        external_url="https://ermon.example.net",
        started_at=time.time(),
    )
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None


def names(receiver: Receiver, first: int = 0) -> list[str]:
    return [alert["labels"]["alertname"] for post in receiver.posts[first:] for alert in post.json]


def counted(telemetry: Telemetry, name: str, receiver: Receiver) -> float:
    labels = {"receiver": f"127.0.0.1:{receiver.port}"}
    found = telemetry.registry.get_sample_value(f"ermon_{name}_total", labels)
    assert found is not None
    return found


def ends_in_the_future(alert: dict[str, Any]) -> bool:
    return datetime.fromisoformat(alert["endsAt"]).timestamp() > time.time()


async def test_all_raised_findings_and_the_watchdog_are_sent_at_the_start(
    receiver: Receiver, telemetry: Telemetry
):
    async with pushing(receiver, State(finding()), telemetry):
        await until(lambda: counted(telemetry, "notifications", receiver) == 2, "both posts are counted")
    assert names(receiver) == ["ErmonPoolLeak", "ErmonWatchdog"]
    assert {post.path for post in receiver.posts} == {"/am/api/v2/alerts"}
    assert all(ends_in_the_future(alert) for post in receiver.posts for alert in post.json)
    assert counted(telemetry, "notification_failures", receiver) == 0


async def test_changes_are_sent_at_once_and_nothing_else(receiver: Receiver, telemetry: Telemetry):
    state = State(finding())
    async with pushing(receiver, state, telemetry) as sender:
        await receiver.received(2)
        state.raised.append(finding("link-down"))
        sender.push()
        await receiver.received(3)
        state.clear()
        sender.push()
        await receiver.received(4)
    assert names(receiver, 2) == ["ErmonLinkDown", "ErmonLinkDown", "ErmonPoolLeak"]
    assert not any(ends_in_the_future(alert) for alert in receiver.posts[3].json)


async def test_raised_findings_are_sent_again_regularly(receiver: Receiver, telemetry: Telemetry):
    async with pushing(receiver, State(finding()), telemetry, resend=0.02):
        await receiver.received(8)
    assert names(receiver)[:8] == ["ErmonPoolLeak", "ErmonWatchdog"] * 4
    first, again = receiver.posts[0].json[0], receiver.posts[6].json[0]
    assert first["labels"] == again["labels"]
    assert first["startsAt"] == again["startsAt"]
    assert first["endsAt"] < again["endsAt"]


async def test_many_news_while_one_post_is_under_way_are_one_post(receiver: Receiver, telemetry: Telemetry):
    state, may_answer = State(), asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response()

    async with pushing(receiver, state, telemetry) as sender:
        await receiver.received(1)
        receiver.answer = answer
        for number in range(100):
            state.raised.append(finding(labels={"pool": f"pool-{number}"}))
            sender.push()
            await asyncio.sleep(0)
        await receiver.received(2)
        may_answer.set()
        await until(lambda: len(set(map(str, told_pools(receiver)))) == 100, "all are told")
    assert len(receiver.posts) <= 3


def told_pools(receiver: Receiver) -> list[str]:
    return [a["labels"]["pool"] for post in receiver.posts for a in post.json if "pool" in a["labels"]]


async def test_many_alerts_are_sent_in_posts_of_limited_size_with_causes_first(
    receiver: Receiver, telemetry: Telemetry
):
    leaks = [finding(labels={"pool": f"pool-{number}"}) for number in range(600)]
    async with pushing(receiver, State(*leaks, finding("circuit-down")), telemetry):
        await receiver.received(4)
    sizes = [len(post.json) for post in receiver.posts]
    assert sizes == [alertmanager.MAX_ALERTS, alertmanager.MAX_ALERTS, 601 - 2 * alertmanager.MAX_ALERTS, 1]
    assert names(receiver)[0] == "ErmonCircuitDown"


# It does not take them -------------------------------------------------------------------------------


async def test_everything_is_sent_when_it_is_back_and_both_changes_are_logged_once(
    receiver: Receiver, telemetry: Telemetry
):
    port = receiver.port
    await receiver.stop()
    state = State(finding())
    with capture_logs() as log:
        async with pushing(receiver, state, telemetry) as sender:
            await until(
                lambda: counted(telemetry, "notification_failures", receiver) >= 3, "it is tried again"
            )
            state.raised.append(finding("link-down"))
            sender.push()
            await receiver.start(port=port)
            await receiver.received(2)
            await until(lambda: len(log) == 2, "the log says so")
    assert set(names(receiver)) == {"ErmonPoolLeak", "ErmonLinkDown", "ErmonWatchdog"}
    assert [(entry["event"], entry["receiver"]) for entry in log] == [
        ("push to alertmanager failing", f"127.0.0.1:{port}"),
        ("push to alertmanager recovered", f"127.0.0.1:{port}"),
    ]
    assert "Connection refused" in log[0]["problem"]


async def test_a_restarted_alertmanager_gets_everything_with_the_first_change(
    receiver: Receiver, telemetry: Telemetry
):
    state = State(finding())
    async with pushing(receiver, state, telemetry) as sender:
        await receiver.received(2)
        receiver.refuse(503)
        state.raised.append(finding("link-down"))
        sender.push()
        before = len(await receiver.received(3))
        receiver.answer = receiver.take
        await until(lambda: "ErmonWatchdog" in names(receiver, before), "everything is told")
    assert {"ErmonPoolLeak", "ErmonLinkDown"} <= set(names(receiver, before))


async def test_one_refused_alert_does_not_delay_the_others(receiver: Receiver, telemetry: Telemetry):
    taken: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        batch = await request.json()
        if any(alert["labels"].get("pool") == "odd" for alert in batch):
            return web.Response(status=400, text="invalid label")
        taken.extend(alert["labels"].get("pool", "watchdog") for alert in batch)
        return web.Response()

    receiver.answer = answer
    pools = [f"pool-{number}" for number in range(20)]
    state = State(*[finding(labels={"pool": pool}) for pool in [*pools[:10], "odd", *pools[10:]]])
    with capture_logs() as log:
        async with pushing(receiver, state, telemetry, resend=0.05):
            await until(lambda: taken.count("watchdog") >= 2, "everything was told twice")
    assert set(taken) == {*pools, "watchdog"}
    (entry,) = log
    assert entry["problem"] == "answered 400: invalid label (the alert ErmonPoolLeak)"
    assert counted(telemetry, "notification_failures", receiver) >= 5


async def test_alerts_are_not_sent_one_by_one_if_all_are_refused(
    receiver: Receiver, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(alertmanager, "FIRST_RETRY_SECONDS", HOUR)
    monkeypatch.setattr(alertmanager, "LONGEST_RETRY_SECONDS", HOUR)
    receiver.refuse(400, "Client sent an HTTP request to an HTTPS server.")
    state = State(*[finding(labels={"pool": f"pool-{number}"}) for number in range(256)])
    with capture_logs() as log:
        async with pushing(receiver, state, telemetry):
            await until(lambda: log, "it is given up for now")
    assert len(receiver.posts) < 50


async def test_the_end_of_ermon_resolves_nothing(receiver: Receiver, telemetry: Telemetry):
    async with pushing(receiver, State(finding()), telemetry):
        await receiver.received(2)
    assert all(ends_in_the_future(alert) for post in receiver.posts for alert in post.json)


async def test_no_credential_is_in_the_log_or_in_a_label(telemetry: Telemetry):
    sender = AlertmanagerSender(
        "http://127.0.0.1:1/t0ken",
        HOUR,
        Credentials("Bearer s3cret"),
        Ledger(),
        state=State,
        telemetry=telemetry,
        external_url="",
        started_at=0.0,
    )
    with capture_logs() as log:
        task = asyncio.create_task(sender.run())
        await until(lambda: log, "it fails")
        task.cancel()
        await asyncio.wait([task])
    assert "s3cret" not in str(log)
    assert "t0ken" not in str(log)
