"""Posts deliveries to one webhook, in order, each until the receiver has accepted it.

Each delivery arrives at least once: if a receiver answers too late, or ermon restarts, ermon posts it again with the
same id. While a delivery waits, later ones wait too, so that a finding is never cleared before it is raised.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from ermon.aio.backoff import Backoff
from ermon.api.answers import finding_doc, substance
from ermon.checks.check import finding_url, runbook_url
from ermon.config.secrets import Credentials
from ermon.metrics.process import Telemetry, receiver_name
from ermon.model.findings import Delivery, Transition
from ermon.model.settings import Webhook
from ermon.notify.post import Client, PostError


def make_deliveries(transition: Transition, webhooks: Iterable[Webhook], external_url: str) -> list[Delivery]:
    """Return one delivery for each webhook that is configured for the finding."""
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
        "finding_url": finding_url(external_url, finding.id),
        "runbook_url": runbook_url(external_url, finding.check),
    }
    return Delivery(delivery, url, msgspec.json.encode(body), happened_at)


def headers(delivery: Delivery, key: bytes | None) -> Mapping[str, str]:
    """Return the headers of a post.

    With a key, the post is signed as GitHub signs its own: HMAC-SHA256 of the whole body before any decoding, in
    hexadecimal. The body contains the id of the delivery, so that a receiver recognizes a replayed post by an id that it
    has seen before.
    """
    named = {"X-Ermon-Delivery": delivery.id}
    if key is None:
        return named
    signature = hmac.new(key, delivery.body, hashlib.sha256).hexdigest()
    return named | {"X-Ermon-Signature-256": f"sha256={signature}"}


# Sending --------------------------------------------------------------------------------------------


FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
MAX_AGE_SECONDS = 24 * 3600.0
"""Age at which a delivery is dropped: after a day, the status page is more useful than old messages."""
MAX_WAITING = 10_000
"""Deliveries that may wait for one webhook: some ten megabytes, and more than a bad day causes."""
MAX_REFUSALS = 5
"""A delivery whose content is refused this often, within half a minute, is dropped in favor of the next."""

_REFUSES_CONTENT = {400, 413, 422}
"""Statuses that refuse the content of a post. Other errors concern the receiver or its access rights, which can be
repaired, so ermon retries.
"""


class WebhookSender:
    """Posts to one URL."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        key: bytes | None,
        waiting: deque[Delivery],
        *,
        done: Callable[[str], None],
        telemetry: Telemetry,
    ) -> None:
        """``waiting`` is posted first; ``done`` is called with the id of each delivery that was accepted or dropped."""
        self.waiting = waiting
        self._client = Client(url, credentials, proxy=True)
        self._key = key
        self._done = done
        self._telemetry = telemetry
        self._receiver = receiver_name(url)
        self._log = structlog.get_logger().bind(receiver=self._receiver)
        self._wake = asyncio.Event()
        self._failing = self._overflowing = False
        self._old_at: dict[str, float] = {}
        """By id: when a delivery will be too old, by the monotonic clock, so that setting the date does not age it."""
        for delivery in waiting:
            self._age(delivery)

    def put(self, delivery: Delivery) -> None:
        """Post a delivery after all before it have been accepted."""
        self.waiting.append(delivery)
        self._age(delivery)
        self._wake.set()
        if len(self.waiting) > MAX_WAITING:
            oldest = self.waiting.popleft()
            self._give_up(oldest, f"more than {MAX_WAITING} are waiting", logged=not self._overflowing)
            self._overflowing = True

    async def run(self) -> None:
        """Post until cancelled."""
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        refused, refusals = "", 0
        async with self._client:
            while True:
                self._wake.clear()
                if not self.waiting:
                    await self._wake.wait()
                    continue
                delivery = self.waiting[0]
                error = await self._attempt(delivery)
                if error is None:
                    backoff.reset()
                    continue
                refusals = 1 + (refusals if refused == delivery.id else 0)
                refused = delivery.id if error.status in _REFUSES_CONTENT else ""
                if refused and refusals >= MAX_REFUSALS:
                    self._drop(delivery, f"refused {refusals} times: {error}")
                    backoff.reset()
                elif time.monotonic() > self._old_at.get(delivery.id, float("inf")):  # it may be removed
                    self._drop(delivery, f"not delivered for {MAX_AGE_SECONDS / 3600:g} h: {error}")
                else:
                    await asyncio.sleep(backoff.wait())

    async def _attempt(self, delivery: Delivery) -> PostError | None:
        try:
            await self._client.post(delivery.body, headers(delivery, self._key))
        except PostError as error:
            self._telemetry.notification_failed(self._receiver)
            if not self._failing:
                self._failing = True
                self._log.error("webhook delivery failing", problem=str(error))
            return error
        self._telemetry.notified(self._receiver)
        if self._failing:
            self._log.info("webhook delivery recovered", waiting=len(self.waiting) - 1)
        self._failing = self._overflowing = False
        self._remove(delivery)
        self._end(delivery)
        return None

    def _age(self, delivery: Delivery) -> None:
        age = max(0.0, time.time() - delivery.created_at)
        self._old_at[delivery.id] = time.monotonic() + MAX_AGE_SECONDS - age

    def _end(self, delivery: Delivery) -> None:
        self._old_at.pop(delivery.id, None)
        self._done(delivery.id)

    def _drop(self, delivery: Delivery, reason: str) -> None:
        self._remove(delivery)
        self._give_up(delivery, reason, logged=True)

    def _remove(self, delivery: Delivery) -> None:
        """Remove a delivery from the head of the queue, unless it was removed meanwhile because the queue was full."""
        if self.waiting and self.waiting[0] is delivery:
            self.waiting.popleft()

    def _give_up(self, delivery: Delivery, reason: str, *, logged: bool) -> None:
        self._telemetry.notification_failed(self._receiver)
        if logged:
            self._log.error("finding not delivered", delivery=delivery.id, problem=reason)
        self._end(delivery)
