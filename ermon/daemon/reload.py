"""Takes a running ermon over to the configuration file as it is now: as a whole, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from ermon.checks.sharding import NoFeedError
from ermon.config.load import ConfigError, load_config
from ermon.config.secrets import SecretError, Secrets, read_secrets
from ermon.core.monitor import Parts
from ermon.daemon.driver import Driver
from ermon.daemon.lists import PublishedLists
from ermon.daemon.logs import log_notes
from ermon.daemon.supervisor import FeedSupervisor
from ermon.daemon.systemd import Systemd
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import PasswordError
from ermon.metrics.process import Telemetry
from ermon.model.inventory import Config
from ermon.notify.senders import Senders
from ermon.recording.entries import Reason
from ermon.recording.recorder import Recorder


class Reloader:
    """Reads ``file`` again, with the feeds that ``feeds_match`` takes; one reload at a time."""

    def __init__(
        self,
        file: Path,
        feeds_match: Sequence[str],
        *,
        driver: Driver,
        supervisor: FeedSupervisor,
        lists: PublishedLists,
        senders: Senders,
        recorder: Recorder,
        telemetry: Telemetry,
        systemd: Systemd,
    ) -> None:
        self._file = file
        self._feeds_match = feeds_match
        self._driver = driver
        self._supervisor = supervisor
        self._lists = lists
        self._senders = senders
        self._recorder = recorder
        self._telemetry = telemetry
        self._systemd = systemd
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger()

    async def reload(self) -> list[str]:
        """Go over; return what is wrong with the file or what it names, and then nothing has changed."""
        async with self._turn:
            with self._systemd.reloading():
                return await self._reload()

    async def _reload(self) -> list[str]:
        try:
            loaded = await asyncio.to_thread(load_config, self._file)
            loaded = loaded.only_feeds(self._feeds_match)
            secrets = await asyncio.to_thread(read_secrets, loaded.config, self._file)
            await self._go_over(loaded.config, secrets)
        except (ConfigError, NoFeedError, SecretError, PasswordError, ExaBGPError) as error:
            problems = str(error).splitlines()
            for problem in problems:
                self._log.error("reload refused", problem=problem)
            self._telemetry.reloaded(successful=False)
            return problems
        log_notes(self._log, loaded, self._feeds_match, time.time())
        self._telemetry.reloaded(successful=True)
        self._log.info("configuration reloaded")
        return []

    async def _go_over(self, config: Config, secrets: Secrets) -> None:
        # What may refuse comes first. The monitor goes over before ExaBGP: a session of a new feed must find
        # its feed known, and what a feed that is gone may still say is nobody's any more.
        self._supervisor.prepare(config, secrets.md5)
        async with self._driver.changing:
            with_lists = self._lists.reconfigure(config)
            parts = await asyncio.to_thread(Parts, with_lists, self._driver.clock.now())
            async with self._driver.still():
                await self._driver.go_over(parts)
                self._recorder.begin(Reason.RELOAD)
                self._telemetry.reconfigure(config)
                self._senders.reconfigure(config, secrets)
        await self._supervisor.reconfigure(config, secrets.md5)
        self._driver.advance(self._driver.clock.now())
