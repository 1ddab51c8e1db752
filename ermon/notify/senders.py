"""The senders for all Alertmanagers and webhooks of the configuration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import structlog

from ermon.config.secrets import Credentials, Secrets
from ermon.metrics.process import Telemetry
from ermon.model.findings import Delivery, Transition
from ermon.model.inventory import Config
from ermon.notify.alertmanager import AlertmanagerSender, State
from ermon.notify.alerts import Ledger
from ermon.notify.webhooks import WebhookSender, make_deliveries


class Senders:
    """One sender for each Alertmanager and webhook. No sender waits for another, and the rest of ermon for none."""

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        *,
        state: Callable[[], State],
        done: Callable[[str], None],
        telemetry: Telemetry,
        external_url: str,
        started_at: float,
    ) -> None:
        """``done`` is called with the id of each delivery that was accepted or given up; ``started_at`` is seconds
        since the epoch.
        """
        self._state = state
        self._done = done
        self._telemetry = telemetry
        self._external_url = external_url
        self._started_at = started_at
        self._alertmanagers: dict[str, AlertmanagerSender] = {}
        self._webhooks: dict[str, WebhookSender] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.reconfigure(config, secrets)

    # Sending -----------------------------------------------------------------------------------------

    def push(self) -> None:
        """Send changes to every Alertmanager at once, after something was raised or cleared."""
        for alertmanager in self._alertmanagers.values():
            alertmanager.push()

    def deliveries(self, transitions: Iterable[Transition]) -> list[Delivery]:
        """Return the deliveries of these transitions to webhooks; store each until ``done`` is called with its id."""
        webhooks = self._config.webhooks
        return [d for each in transitions for d in make_deliveries(each, webhooks, self._external_url)]

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Post deliveries in order. Those for webhooks that are no longer configured are done at once."""
        for delivery in deliveries:
            webhook = self._webhooks.get(delivery.url)
            if webhook is None:
                self._abandon(delivery)
            else:
                webhook.put(delivery)

    def _abandon(self, delivery: Delivery) -> None:
        structlog.get_logger().warning(
            "finding not delivered", delivery=delivery.id, problem="its webhook is no longer configured"
        )
        self._done(delivery.id)

    # Start, reload and end ---------------------------------------------------------------------------

    def reconfigure(self, config: Config, secrets: Secrets) -> None:
        """Change to the receivers of another configuration; those that stay keep their waiting deliveries."""
        for task in self._tasks:
            task.cancel()
        alertmanagers, webhooks = self._alertmanagers, self._webhooks
        self._config = config
        self._alertmanagers = {
            url: AlertmanagerSender(
                url,
                config.alertmanager.resend,
                secrets.alertmanager,
                alertmanagers[url].ledger if url in alertmanagers else Ledger(),
                state=self._state,
                telemetry=self._telemetry,
                external_url=self._external_url,
                started_at=self._started_at,
            )
            for url in config.alertmanager.urls
        }
        self._webhooks = {
            webhook.url: WebhookSender(
                webhook.url,
                secrets.webhooks.get(webhook.url, Credentials()),
                secrets.signing_keys.get(webhook.url),
                webhooks[webhook.url].waiting if webhook.url in webhooks else deque(),
                done=self._done,
                telemetry=self._telemetry,
            )
            for webhook in config.webhooks
        }
        for gone in webhooks.keys() - self._webhooks.keys():
            for delivery in webhooks[gone].waiting:
                self._abandon(delivery)
        self._start()

    async def run(self) -> None:
        """Run all senders until cancelled; posts in progress are then given up at once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._start()
                await asyncio.get_running_loop().create_future()  # a reload may add receivers
        finally:
            self._group = None

    def _start(self) -> None:
        if self._group is None:  # not running yet
            return
        senders: list[AlertmanagerSender | WebhookSender] = [*self._alertmanagers.values()]
        senders += self._webhooks.values()
        self._tasks = [self._group.create_task(sender.run()) for sender in senders]
