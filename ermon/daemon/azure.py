"""Azure's view of the circuits in the daemon: its readings become events, and its failures are counted."""

from __future__ import annotations

from pathlib import Path

import structlog

from ermon.azure.client import ArmClient
from ermon.azure.keeper import AzureKeeper, Taken
from ermon.azure.store import ReadingFiles
from ermon.config.secrets import Secrets
from ermon.daemon.driver import Driver
from ermon.metrics.process import Telemetry
from ermon.model.azure import AzureFailure
from ermon.model.events import AzureRead
from ermon.model.inventory import Config


class AzureViews:
    """Keeps Azure's view of a configuration's circuits up to date. Nothing is read before ``run``.

    ``folder`` is for the readings, if they are to outlive a restart. Files are named relative to ``base``.
    """

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        base: Path,
        folder: Path | None,
        *,
        driver: Driver,
        telemetry: Telemetry,
    ) -> None:
        self._driver = driver
        self._telemetry = telemetry
        self._taken: dict[str, float] = {}
        """By circuit: when the last reading was taken, by the wall clock."""
        self._problems: dict[str, str] = {}
        """By circuit: the last reported reason."""
        self._log = structlog.get_logger()
        self.client: ArmClient | None = None
        """What asks Azure Resource Manager, if the configuration says how to log in."""
        self._keeper = AzureKeeper(base, ReadingFiles(folder), read=self._read, failed=self._failed)
        self.reconfigure(config, secrets)

    async def run(self) -> None:
        await self._keeper.run()

    def reconfigure(self, config: Config, secrets: Secrets) -> None:
        """Change to the circuits of another configuration, and to its way to log in."""
        self.client = (
            None if config.azure is None else ArmClient(config.azure, secrets.azure, secrets.azure_tls)
        )
        for gone in self._taken.keys() - config.circuits.keys():
            del self._taken[gone]
        self._keeper.reconfigure(config.circuits.values(), self.client)

    def age(self, circuit: str) -> float | None:
        """Return the age of the last reading of a circuit in seconds; ``None`` if there is none."""
        taken = self._taken.get(circuit)
        return None if taken is None else max(0.0, self._driver.wall() - taken)

    def _read(self, circuit: str, found: Taken, listed: tuple[str, ...]) -> None:
        now = self._driver.clock.now()
        self._taken[circuit] = found.taken
        age = max(0.0, self._driver.wall() - found.taken)
        if self._problems.pop(circuit, None) is not None:
            self._log.info("Azure's view is read again", circuit=circuit)
        self._driver.take_in(AzureRead(now, circuit, round(now - age, 6), found.reading, listed=listed))

    def _failed(self, circuit: str, kind: AzureFailure, reason: str) -> None:
        self._telemetry.azure_failed(circuit, kind)
        if self._problems.get(circuit) != reason:
            self._problems[circuit] = reason
            self._log.warning("Azure's view cannot be read", circuit=circuit, kind=str(kind), problem=reason)
            self._driver.take_in(AzureRead(self._driver.clock.now(), circuit, problem=reason))
