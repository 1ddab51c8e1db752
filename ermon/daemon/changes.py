"""Changes a running ermon to the present configuration file, or to newer published lists.

A configuration comes into force as a whole or not at all. Published lists change only what is expected, so they need no
new plan. A list that cannot be used is reported, and the last good one stays in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from ermon.bmp.listen import BmpListenError
from ermon.checks.sharding import Instance, NoFeedError
from ermon.config.load import ConfigError, load_config
from ermon.config.secrets import SecretError, Secrets, read_secrets
from ermon.core.monitor import Parts
from ermon.core.route_index import Expectations
from ermon.daemon.azure import AzureViews
from ermon.daemon.azure_tables import EdgeTables
from ermon.daemon.driver import Driver
from ermon.daemon.logs import log_notes
from ermon.daemon.lookouts import Lookouts
from ermon.daemon.registries import Registries
from ermon.daemon.stations import Stations
from ermon.daemon.supervisor import AddressError, FeedSupervisor
from ermon.daemon.systemd import Systemd
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import PasswordError
from ermon.metrics.process import Telemetry
from ermon.model.events import SourceJudged
from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey
from ermon.notify.senders import Senders
from ermon.recording.entries import Reason
from ermon.recording.recorder import Recorder
from ermon.sources.fetch import Fetcher
from ermon.sources.keeper import SourceKeeper
from ermon.sources.published import MAX_BYTES, PublishedList, with_published
from ermon.sources.store import ListFiles, MemoryRecords
from ermon.storage.adapters import StoredRecords
from ermon.storage.store import Store

TAKEN = "the refused list is still published after three more refreshes"
"""The reason that the history shows for an accepted list."""


class PublishedLists:
    """Keeps the published lists of a configuration up to date.

    ``folder`` is for the lists and ``store`` for the records about them, if there are any. Files are named relative to
    ``base``. Nothing is fetched before ``run``.
    """

    def __init__(
        self,
        config: Config,
        base: Path,
        store: Store | None,
        folder: Path | None,
        *,
        driver: Driver,
        recorder: Recorder,
    ) -> None:
        self._config = config
        self._driver = driver
        self._recorder = recorder
        self._log = structlog.get_logger()
        self._updates: dict[SourceKey, PublishedList] = {}
        self._updated = asyncio.Event()
        self._because: dict[str, str] = {}
        """By name of a list: why a refused one comes into force."""
        records = MemoryRecords() if store is None else StoredRecords(store)
        files = None if store is None or folder is None else ListFiles(folder, MAX_BYTES)
        fetcher = Fetcher(base, records)
        self._keeper = SourceKeeper(
            fetcher, files, updated=self._note, rejected=self._judged, taken=self._taken
        )

    async def run(self) -> None:
        """Refresh the lists until cancelled."""
        self._keeper.reconfigure(self._config.sources)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._put_in_force())

    def in_force(self) -> Mapping[SourceKey, PublishedList]:
        return self._keeper.lists()

    def reconfigure(self, config: Config) -> Config:
        """Change to the lists of another configuration; return it with the contents of those that are in force."""
        self._config = config
        self._keeper.reconfigure(config.sources)
        return with_published(config, self._keeper.lists())

    async def accept(self, name: str, because: str) -> None:
        """Put a refused list in force as it was last fetched; ``because`` is the reason for the history."""
        self._because[name] = because
        if not await self._keeper.accept(name):
            del self._because[name]  # it was not refused: it cannot be fetched or read

    def age(self, name: str) -> float | None:
        """Return the seconds since the list of that name was last known to be current; ``None`` without such a list."""
        ages = (age for source, age in self._keeper.ages().items() if source.name == name)
        return next(ages, None)

    def _taken(self, source: SourceKey) -> None:
        """Note that a refused list is accepted because it is still published unchanged."""
        self._because[source.name] = TAKEN
        self._log.warning("published list accepted after repeated refusals", source=source.name, reason=TAKEN)

    def _note(self, source: SourceKey, published: PublishedList) -> None:
        self._log.info("published list", source=source.name, prefixes=len(published.prefixes))
        self._updates[source] = published
        self._updated.set()

    async def _put_in_force(self) -> None:
        """Change the monitor to lists that have changed, all that have arrived at the same time in one step."""
        driver = self._driver
        while True:
            await self._updated.wait()
            self._updated.clear()
            async with driver.changing:
                updates, self._updates = self._updates, {}
                before, after = driver.monitor.config, with_published(self._config, self._keeper.lists())
                expectations = await asyncio.to_thread(Expectations, before, after)
                async with driver.still():
                    for source, published in updates.items():
                        self._recorder.listed(source, published, driver.clock.now())
                    await driver.expect(expectations)
            for source in updates:
                self._judged(source, self._keeper.problem(source))

    def _judged(self, source: SourceKey, problem: str | None) -> None:
        because = self._because.pop(source.name, "") if problem is None else ""
        self._driver.take_in(SourceJudged(self._driver.clock.now(), source.name, problem, because))


class Reloader:
    """Reloads ``file`` for an instance. One reload runs at a time. Requests that arrive while
    a reload waits for its turn share that reload.
    """

    def __init__(
        self,
        file: Path,
        instance: Instance,
        *,
        driver: Driver,
        supervisor: FeedSupervisor,
        stations: Stations,
        lookouts: Lookouts,
        lists: PublishedLists,
        registries: Registries,
        azure: AzureViews,
        tables: EdgeTables,
        senders: Senders,
        recorder: Recorder,
        telemetry: Telemetry,
        systemd: Systemd,
    ) -> None:
        self._file = file
        self._instance = instance
        self._driver = driver
        self._supervisor = supervisor
        self._stations = stations
        self._lookouts = lookouts
        self._lists = lists
        self._registries = registries
        self._azure = azure
        self._tables = tables
        self._senders = senders
        self._recorder = recorder
        self._telemetry = telemetry
        self._systemd = systemd
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[list[str]] | None = None
        """The reload that waits for its turn, if any."""
        self._log = structlog.get_logger()

    async def reload(self) -> list[str]:
        """Reload; return the mistakes in the file or in files that it names. If there are any, nothing has changed."""
        if self._next is None:
            self._next = asyncio.create_task(self._reload_in_turn())
        return await asyncio.shield(self._next)  # if the caller is cancelled, others still wait for it

    async def _reload_in_turn(self) -> list[str]:
        async with self._turn:
            self._next = None  # the file is read from now on, so that a later request needs another reload
            with self._systemd.reloading():
                return await self._reload()

    async def _reload(self) -> list[str]:
        try:
            loaded = await asyncio.to_thread(load_config, self._file)
            loaded = loaded.of(self._instance)
            secrets = await asyncio.to_thread(read_secrets, loaded.config, self._file)
            await self._go_over(loaded.config, secrets)
        except (
            ConfigError,
            NoFeedError,
            SecretError,
            PasswordError,
            AddressError,
            BmpListenError,
            ExaBGPError,
        ) as error:
            problems = str(error).splitlines()
            for problem in problems:
                self._log.error("reload refused", problem=problem)
            self._telemetry.reloaded(successful=False)
            return problems
        await asyncio.to_thread(log_notes, self._log, loaded, self._instance, time.time())
        self._telemetry.reloaded(successful=True)
        self._log.info("configuration reloaded")
        return []

    async def _go_over(self, config: Config, secrets: Secrets) -> None:
        # Steps that may fail come first. The monitor changes before ExaBGP: it must know a new feed before its session
        # comes up, and it ignores what a removed feed still sends.
        await asyncio.to_thread(self._supervisor.prepare, config, secrets.md5)
        self._stations.prepare(config)
        async with self._driver.changing:
            with_lists = self._lists.reconfigure(config)
            parts = await asyncio.to_thread(Parts, with_lists, self._driver.clock.now())
            async with self._driver.still():
                await self._driver.go_over(parts)
                self._stations.go_over(config)
                self._lookouts.reconfigure(config)  # it stops what belongs to feeds that are no more
                self._recorder.begin(Reason.RELOAD)
                self._telemetry.reconfigure(config)
                self._senders.reconfigure(config, secrets)
        self._registries.reconfigure(config)
        self._azure.reconfigure(config, secrets)
        self._tables.reconfigure(config)
        await self._supervisor.reconfigure(config, secrets.md5)
        await self._stations.reconfigure(config, secrets.bmp)
        self._driver.advance(self._driver.clock.now())
