"""The published lists of one ermon: what comes into force reaches the monitor, and what cannot be used is said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from ermon.core.route_index import Expectations
from ermon.daemon.driver import Driver
from ermon.model.events import SourceJudged
from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey
from ermon.recording.recorder import Recorder
from ermon.sources.fetch import Fetcher
from ermon.sources.keeper import SourceKeeper
from ermon.sources.published import MAX_BYTES, PublishedList, with_published
from ermon.sources.store import ListFiles, MemoryRecords
from ermon.storage.adapters import StoredRecords
from ermon.storage.store import Store


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
        records = MemoryRecords() if store is None else StoredRecords(store)
        files = None if store is None or folder is None else ListFiles(folder, MAX_BYTES)
        fetcher = Fetcher(base, records)
        self._keeper = SourceKeeper(fetcher, files, updated=self._note, rejected=self._judged)

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

    def age(self, name: str) -> float | None:
        """Return for how many seconds the list of that name has not been known to be what is published."""
        ages = (age for source, age in self._keeper.ages().items() if source.name == name)
        return next(ages, None)

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
                self._judged(source, None)

    def _judged(self, source: SourceKey, problem: str | None) -> None:
        self._driver.take_in(SourceJudged(self._driver.clock.now(), source.name, problem))
