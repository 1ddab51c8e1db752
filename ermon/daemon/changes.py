"""Takes a running ermon over to something else: its configuration file as it is now, or newer published lists.

A configuration comes into force as a whole or not at all. Lists change only what is expected, so they need no new
plan; one that cannot be used is reported, and the last good one stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from ermon.checks.sharding import NoFeedError
from ermon.config.load import ConfigError, load_config
from ermon.config.secrets import SecretError, Secrets, read_secrets
from ermon.core.monitor import Parts
from ermon.core.route_index import Expectations
from ermon.daemon.driver import Driver
from ermon.daemon.logs import log_notes
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
"""Why it is in force then; the history keeps it."""


class PublishedLists:
    """Keeps the lists of a configuration, in ``folder`` where there is one and a ``store`` for their records.

    Files are named relative to ``base``. Nothing is fetched before ``run``.
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
        """By list: why one comes into force that was refused."""
        records = MemoryRecords() if store is None else StoredRecords(store)
        files = None if store is None or folder is None else ListFiles(folder, MAX_BYTES)
        fetcher = Fetcher(base, records)
        self._keeper = SourceKeeper(
            fetcher, files, updated=self._note, rejected=self._judged, taken=self._taken
        )

    async def run(self) -> None:
        """Keep them fresh until cancelled."""
        self._keeper.reconfigure(self._config.sources)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._put_in_force())

    def in_force(self) -> Mapping[SourceKey, PublishedList]:
        return self._keeper.lists()

    def reconfigure(self, config: Config) -> Config:
        """Go over to the lists of another configuration; return it with what is in force of them."""
        self._config = config
        self._keeper.reconfigure(config.sources)
        return with_published(config, self._keeper.lists())

    async def accept(self, name: str, because: str) -> None:
        """Put the list of that name in force as it was last fetched, though it was refused."""
        self._because[name] = because
        if not await self._keeper.accept(name):
            del self._because[name]  # none was refused: it cannot be fetched, or read

    def age(self, name: str) -> float | None:
        """Return for how many seconds the list of that name has not been known to be what is published."""
        ages = (age for source, age in self._keeper.ages().items() if source.name == name)
        return next(ages, None)

    def _taken(self, source: SourceKey) -> None:
        """A list that was refused has stayed the same: it is what is published now."""
        self._because[source.name] = TAKEN
        self._log.warning("published list accepted after repeated refusals", source=source.name, reason=TAKEN)

    def _note(self, source: SourceKey, published: PublishedList) -> None:
        self._log.info("published list", source=source.name, prefixes=len(published.prefixes))
        self._updates[source] = published
        self._updated.set()

    async def _put_in_force(self) -> None:
        """Take the monitor over to the lists that have changed: those that come together, together."""
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
    """Reads ``file`` again, with the feeds that ``feeds_match`` takes; one reload at a time, and those that are asked for
    while another has not begun are one.
    """

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
        self._next: asyncio.Task[list[str]] | None = None
        """The reload that waits for its turn."""
        self._log = structlog.get_logger()

    async def reload(self) -> list[str]:
        """Go over; return what is wrong with the file or what it names, and then nothing has changed."""
        if self._next is None:
            self._next = asyncio.create_task(self._reload_in_turn())
        return await asyncio.shield(self._next)  # the caller may go away: others wait for it too

    async def _reload_in_turn(self) -> list[str]:
        async with self._turn:
            self._next = None  # from now on, the file may change behind what has been read of it
            with self._systemd.reloading():
                return await self._reload()

    async def _reload(self) -> list[str]:
        try:
            loaded = await asyncio.to_thread(load_config, self._file)
            loaded = loaded.only_feeds(self._feeds_match)
            secrets = await asyncio.to_thread(read_secrets, loaded.config, self._file)
            await self._go_over(loaded.config, secrets)
        except (ConfigError, NoFeedError, SecretError, PasswordError, AddressError, ExaBGPError) as error:
            problems = str(error).splitlines()
            for problem in problems:
                self._log.error("reload refused", problem=problem)
            self._telemetry.reloaded(successful=False)
            return problems
        await asyncio.to_thread(log_notes, self._log, loaded, self._feeds_match, time.time())
        self._telemetry.reloaded(successful=True)
        self._log.info("configuration reloaded")
        return []

    async def _go_over(self, config: Config, secrets: Secrets) -> None:
        # What may refuse comes first. The monitor goes over before ExaBGP: a session of a new feed must find
        # its feed known, and what a feed that is gone may still say is nobody's any more.
        await asyncio.to_thread(self._supervisor.prepare, config, secrets.md5)
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
