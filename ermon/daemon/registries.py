"""What registries say of the own address space, in a running ermon: from the keeper of their lists to the monitor.

The keeper's times are those of the wall clock, because files and other hosts have no other; the monitor's are those of
events.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from ermon.daemon.driver import Driver
from ermon.model.events import OwnershipRead, SourceJudged
from ermon.model.inventory import Config
from ermon.model.ownership import Reading
from ermon.model.source_key import SourceKey
from ermon.sources.ownership import KEPT_BYTES, OwnershipKeeper
from ermon.sources.store import ListFiles


class Registries:
    """Keeps the readings of a configuration up to date. Nothing is read before ``run``.

    ``folder`` is for what was read, if it is kept; files are named relative to ``base``.
    """

    def __init__(self, config: Config, base: Path, folder: Path | None, *, driver: Driver) -> None:
        self._driver = driver
        self._log = structlog.get_logger()
        self._because: dict[str, str] = {}
        """By name of a source: why a refused list counts."""
        files = None if folder is None else ListFiles(folder, KEPT_BYTES)
        self._keeper = OwnershipKeeper(base, files, updated=self._read, rejected=self._judged)
        self.reconfigure(config)

    async def run(self) -> None:
        """Read the lists until cancelled."""
        await self._keeper.run()

    def reconfigure(self, config: Config) -> None:
        """Change to the sources and the address space of another configuration."""
        sources = config.ownership.sources
        self._keeper.reconfigure(sources, config.our_space, config.policy.relearn_after)

    async def accept(self, name: str, because: str) -> None:
        """Use a refused list as it was last read; ``because`` is the reason for the history."""
        self._because[name] = because
        if not await self._keeper.accept(name):
            del self._because[name]

    def age(self, name: str) -> float | None:
        """Return the seconds since the list of that name was written or fetched; ``None`` without such a list."""
        ages = (age for source, age in self._keeper.ages().items() if source.name == name)
        return next(ages, None)

    def _read(self, source: SourceKey, reading: Reading) -> None:
        own = len(reading.vrps) + len(reading.route_objects)
        self._log.info("registry read", source=source.name, entries=reading.total, in_own_space=own)
        now = self._driver.clock.now()
        ahead = self._driver.wall() - now
        self._driver.take_in(OwnershipRead(now, source.name, reading.at(lambda time: time - ahead)))

    def _judged(self, source: SourceKey, problem: str | None) -> None:
        because = self._because.pop(source.name, "") if problem is None else ""
        self._driver.take_in(SourceJudged(self._driver.clock.now(), source.name, problem, because))
