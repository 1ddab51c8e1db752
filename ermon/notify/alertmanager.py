"""Keeps one Alertmanager informed of raised findings: sends changes at once, and the whole state regularly.

There is no queue: each push reads the present state. So an Alertmanager that is down costs no memory, and gets the
present state when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import structlog
from yarl import URL

from ermon.aio.backoff import Backoff
from ermon.config.secrets import Credentials
from ermon.metrics.process import Telemetry, receiver_name
from ermon.model.findings import Finding
from ermon.notify import alerts
from ermon.notify.alerts import Alert, Entry, Ledger
from ermon.notify.post import Client, PostError

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 15.0
"""An alert may be waiting for an Alertmanager that is down, so ermon retries often, at least every ``resend``."""
RESENDS_MISSED = 4
"""Alertmanager resolves an alert after this number of missed re-sends, as with Prometheus."""
MAX_ALERTS = 256
"""Alerts in one POST, as with Prometheus: at most half a megabyte, which takes a few milliseconds to encode."""
MAX_REFUSED = 10
"""Alerts that may be refused one by one. If there are more, the reason is not in the alerts."""

_REFUSES_CONTENT = {400, 413}


class State(Protocol):
    """The present findings; a ``Monitor`` has them."""

    @property
    def cleared(self) -> Iterable[Finding]:
        """The cleared findings, the newest first."""
        ...

    def findings(self) -> Iterable[Finding]:
        """Return the raised findings."""
        ...


class AlertmanagerSender:
    """Pushes to the Alertmanager at one URL."""

    def __init__(
        self,
        url: str,
        resend: float,
        credentials: Credentials,
        ledger: Ledger,
        *,
        state: Callable[[], State],
        telemetry: Telemetry,
        external_url: str,
        started_at: float,
    ) -> None:
        """``resend`` is seconds, ``started_at`` seconds since the epoch."""
        self.ledger = ledger
        self._client = Client(str(URL(url) / "api/v2/alerts"), credentials, proxy=False)
        self._resend = resend
        self._state = state
        self._telemetry = telemetry
        self._external_url = external_url
        self._started_at = started_at
        self._receiver = receiver_name(url)
        self._log = structlog.get_logger().bind(receiver=self._receiver)
        self._wake = asyncio.Event()
        self._refused: list[PostError] = []
        self._failing = False

    def push(self) -> None:
        """Send changes at once, or as soon as the Alertmanager is back."""
        self._wake.set()

    async def run(self) -> None:
        """Push until cancelled. Raised findings stay raised in Alertmanager then, because the end of ermon clears nothing."""
        backoff = Backoff(FIRST_RETRY_SECONDS, min(LONGEST_RETRY_SECONDS, self._resend))
        loop = asyncio.get_running_loop()
        everything_due = loop.time()
        async with self._client:
            while True:
                self._wake.clear()
                everything = loop.time() >= everything_due
                try:
                    await self._tell(everything=everything)
                except PostError as error:
                    self._note(error)
                    everything_due = loop.time()  # ermon does not know what the Alertmanager still has
                    await asyncio.sleep(backoff.wait())
                    continue
                self._note(self._refused[0] if self._refused else None)
                backoff.reset()
                if everything:
                    everything_due = loop.time() + self._resend
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(everything_due):  # wait_for may swallow a cancellation
                        await self._wake.wait()

    async def _tell(self, *, everything: bool) -> None:
        now = time.time()
        state = self._state()
        entries = self.ledger.due(state.findings(), state.cleared, now, everything=everything)
        self._refused.clear()
        for start in range(0, len(entries), MAX_ALERTS):
            batch = entries[start : start + MAX_ALERTS]
            await self._send([self._alert(entry, now) for entry in batch])
            self.ledger.sent(batch)
        if everything:
            await self._send([alerts.watchdog(self._started_at, self._expiry(now), self._external_url)])

    def _alert(self, entry: Entry, now: float) -> Alert:
        ends_at = self._expiry(now) if entry.ended_at is None else entry.ended_at
        return alerts.alert(entry.finding, ends_at, self._external_url)

    def _expiry(self, now: float) -> float:
        return now + RESENDS_MISSED * self._resend

    async def _send(self, batch: list[Alert]) -> None:
        """Send some alerts. If they are refused for their content, send all of them except those that cause it."""
        try:
            await self._client.post(msgspec.json.encode(batch))
        except PostError as error:
            self._telemetry.notification_failed(self._receiver)
            if error.status not in _REFUSES_CONTENT or len(self._refused) >= MAX_REFUSED:
                raise
            if len(batch) == 1:
                name = batch[0]["labels"]["alertname"]
                self._refused.append(PostError(f"{error} (the alert {name})", error.status))
                return
            middle = len(batch) // 2
            await self._send(batch[:middle])
            await self._send(batch[middle:])
        else:
            self._telemetry.notified(self._receiver)

    def _note(self, error: PostError | None) -> None:
        """Log when pushes begin to fail and when they work again, not each attempt in between."""
        if error is not None and not self._failing:
            self._log.error("push to alertmanager failing", problem=str(error))
        elif error is None and self._failing:
            self._log.info("push to alertmanager recovered")
        self._failing = error is not None
