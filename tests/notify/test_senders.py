"""All senders together, and what a reload changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from ermon.config.secrets import Secrets
from ermon.metrics.process import Telemetry
from ermon.model.findings import Transition, TransitionState
from ermon.model.inventory import Config
from ermon.notify.senders import Senders
from tests.checks.company import company
from tests.notify.receiver import Receiver, until
from tests.notify.test_alertmanager import State, names
from tests.notify.test_alerts import finding


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    receiver = await Receiver().start()
    yield receiver
    await receiver.stop()


def configured(alertmanagers: list[str] = [], webhooks: list[str] = []) -> Config:  # noqa: B006
    hooks = [{"url": url} for url in webhooks]
    return company(f"{{alertmanager: {{urls: {alertmanagers}}}, webhooks: {hooks}}}").config


def raised(check: str = "pool-leak") -> Transition:
    return Transition(time.time(), TransitionState.RAISED, finding(check))


class Told:
    """Running senders."""

    def __init__(self, config: Config, state: State) -> None:
        self.done: list[str] = []
        self.senders = Senders(
            config,
            Secrets(),
            state=lambda: state,
            done=self.done.append,
            telemetry=Telemetry(config),
            external_url="https://ermon.example.net",
            started_at=time.time(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Senders]:
        task = asyncio.create_task(self.senders.run())
        try:
            yield self.senders
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()


async def test_a_dead_receiver_delays_no_other(receiver: Receiver, other: Receiver):
    receiver.be_silent()
    config = configured([receiver.url(), other.url()], [receiver.url("/hook"), other.url("/hook")])
    state = State()
    async with Told(config, state).running() as senders:
        await other.received(1)
        state.raised.append(finding())
        senders.push()
        senders.send(senders.deliveries([raised()]))
        await other.received(3)
    assert {post.path for post in other.posts} == {"/api/v2/alerts", "/hook"}


async def test_webhooks_receive_only_their_deliveries(receiver: Receiver):
    told = Told(configured(webhooks=[receiver.url("/hook")]), State())
    async with told.running() as senders:
        (delivery,) = senders.deliveries([raised()])
        assert not receiver.posts
        senders.send([delivery])
        await until(lambda: told.done == [delivery.id], "it is done")


async def test_a_delivery_of_an_earlier_run_whose_webhook_is_gone_is_over(receiver: Receiver):
    told = Told(configured(webhooks=[receiver.url("/hook")]), State())
    (delivery,) = told.senders.deliveries([raised()])
    gone = Told(configured(), State())
    with capture_logs() as log:
        gone.senders.send([delivery])
    assert gone.done == [delivery.id]
    assert [entry["event"] for entry in log] == ["finding not delivered"]
    assert "/hook" not in str(log)


async def test_a_reload_keeps_waiting_deliveries_of_remaining_receivers(receiver: Receiver, other: Receiver):
    receiver.refuse(500)
    other.refuse(500)
    told = Told(configured(webhooks=[receiver.url("/hook"), other.url("/hook")]), State())
    async with told.running() as senders:
        kept, gone = senders.deliveries([raised()])
        senders.send([kept, gone])
        await receiver.received(1)
        await other.received(1)
        receiver.answer = receiver.take
        senders.reconfigure(configured(webhooks=[receiver.url("/hook")]), Secrets())
        await until(lambda: set(told.done) == {kept.id, gone.id}, "both are over")
    assert receiver.posts[-1].body == kept.body


async def test_after_a_reload_resolved_alerts_are_still_sent(receiver: Receiver, other: Receiver):
    state = State(finding())
    async with Told(configured([receiver.url()]), state).running() as senders:
        await receiver.received(2)
        state.raised = []  # a reload has changed its severity, or switched the check off
        senders.reconfigure(configured([receiver.url(), other.url()]), Secrets())
        await receiver.received(4)
        await other.received(1)
    assert names(receiver, 2) == ["ErmonPoolLeak", "ErmonWatchdog"]
    assert receiver.posts[2].json[0]["endsAt"] < receiver.posts[0].json[0]["endsAt"]
    assert names(other) == ["ErmonWatchdog"]


async def test_no_receivers_are_no_error():
    async with Told(configured(), State()).running() as senders:
        senders.push()
        senders.send(senders.deliveries([raised()]))
        await asyncio.sleep(0)
