"""Posts deliveries to one webhook, in order, each until the receiver has taken it.

At least once: a receiver that answers too late, or an ermon that is restarted, makes a second post with the
same id. While one waits, those behind it wait too: a finding is never cleared before it is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from ermon.aio.backoff import Backoff
from ermon.config.secrets import Credentials
from ermon.metrics.process import Telemetry, receiver_name
from ermon.model.findings import Delivery
from ermon.notify.deliveries import headers
from ermon.notify.post import Client, PostError

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
MAX_AGE_SECONDS = 24 * 3600.0
"""Who was away for a day looks at the status page, and needs no news of yesterday."""
MAX_WAITING = 10_000
"""Deliveries for one webhook: some ten megabytes, and more than a day of trouble brings."""
MAX_REFUSALS = 5
"""A delivery whose content is refused so often, within half a minute, makes room for the next."""

_REFUSES_CONTENT = {400, 413, 422}
"""Any other answer than success is about the receiver, or about who may post to it: that can be mended."""


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
        """``waiting`` is posted first; ``done`` is called with the id of each delivery that is over."""
        self.waiting = waiting
        self._client = Client(url, credentials, proxy=True)
        self._key = key
        self._done = done
        self._telemetry = telemetry
        self._receiver = receiver_name(url)
        self._log = structlog.get_logger().bind(receiver=self._receiver)
        self._wake = asyncio.Event()
        self._failing = self._overflowing = False

    def put(self, delivery: Delivery) -> None:
        """Post it when all before it have been taken."""
        self.waiting.append(delivery)
        self._wake.set()
        if len(self.waiting) > MAX_WAITING:
            oldest = self.waiting.popleft()
            self._give_up(oldest, f"more than {MAX_WAITING} wait", logged=not self._overflowing)
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
                elif time.time() - delivery.created_at > MAX_AGE_SECONDS:
                    self._drop(delivery, f"not taken for {MAX_AGE_SECONDS / 3600:g} h: {error}")
                else:
                    await asyncio.sleep(backoff.wait())

    async def _attempt(self, delivery: Delivery) -> PostError | None:
        try:
            await self._client.post(delivery.body, headers(delivery, self._key))
        except PostError as error:
            self._telemetry.notification_failed(self._receiver)
            if not self._failing:
                self._failing = True
                self._log.error("webhook does not take findings", problem=str(error))
            return error
        self._telemetry.notified(self._receiver)
        if self._failing:
            self._log.info("webhook takes findings again", waiting=len(self.waiting) - 1)
        self._failing = self._overflowing = False
        self._remove(delivery)
        self._done(delivery.id)
        return None

    def _drop(self, delivery: Delivery, reason: str) -> None:
        self._remove(delivery)
        self._give_up(delivery, reason, logged=True)

    def _remove(self, delivery: Delivery) -> None:
        """Take it from the head, unless it had to make room meanwhile."""
        if self.waiting and self.waiting[0] is delivery:
            self.waiting.popleft()

    def _give_up(self, delivery: Delivery, reason: str, *, logged: bool) -> None:
        self._telemetry.notification_failed(self._receiver)
        if logged:
            self._log.error("finding not delivered", delivery=delivery.id, problem=reason)
        self._done(delivery.id)
