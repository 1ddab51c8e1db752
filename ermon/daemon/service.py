"""One running ermon: starts its parts in order, and stops them in the opposite order. ``build`` makes the parts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import web

from ermon.aio.slices import list_in_slices
from ermon.core.monitor import Outcome
from ermon.core.runs import ALIVE_SECONDS, RunLog
from ermon.core.timeline import SAMPLE_SECONDS, Timeline
from ermon.daemon.azure import AzureViews
from ermon.daemon.azure_tables import EdgeTables
from ermon.daemon.changes import PublishedLists, Reloader
from ermon.daemon.driver import Driver
from ermon.daemon.lookouts import Lookouts
from ermon.daemon.registries import Registries
from ermon.daemon.stations import Stations
from ermon.daemon.supervisor import FeedSupervisor
from ermon.daemon.systemd import Systemd
from ermon.httpd.listen import listening
from ermon.httpd.shell import SHELL
from ermon.httpd.sockets import ListenError
from ermon.metrics.process import Telemetry
from ermon.model.events import ClockStepped, DrainChanged, FeedChanged, LinkChanged, StorageJudged
from ermon.model.inventory import bmp_connection
from ermon.notify.senders import Senders
from ermon.recording.entries import Reason
from ermon.recording.recorder import Recorder
from ermon.storage.adapters import (
    keep_drains,
    keep_links,
    keep_runs,
    keep_sessions,
    keep_timeline,
    write_links,
)
from ermon.storage.store import Store

REFRESH_SECONDS = SAMPLE_SECONDS
"""How often baselines, the evidence of raised findings, and the timeline are stored."""
TOGETHER_SECONDS = 1.0
"""Changes of sessions and links within this time are stored together."""


class StartError(Exception):
    """ermon cannot start; the text says what is wrong and what to do."""


@dataclass(slots=True, eq=False)
class Service:
    """The parts of one ermon; ``run`` starts and stops them."""

    driver: Driver
    supervisor: FeedSupervisor
    stations: Stations
    lookouts: Lookouts
    lists: PublishedLists
    registries: Registries
    azure: AzureViews
    tables: EdgeTables
    senders: Senders
    systemd: Systemd
    reloader: Reloader
    recorder: Recorder
    telemetry: Telemetry
    store: Store | None
    timeline: Timeline
    runs: RunLog
    app: web.Application
    listen: Sequence[tuple[str, int]]
    runtime: Path
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Locked while the state is stored in slices, so that a newer state is stored later."""

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; raises ``StartError`` or ``ExaBGPError`` if ermon cannot start.

        The order matters. The recorder is closed last but for the store, because the end of all other parts is recorded
        and stored too. The web listens before ExaBGP is started, so that a port in use costs no session. It ends
        after ExaBGP, so that the status page does not show an outdated state.
        """
        stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            if self.store is not None:
                stack.push_async_callback(self.store.close)
            stack.push_async_callback(asyncio.to_thread, self.recorder.close)
            self.recorder.begin(Reason.START)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self.supervisor.cancel)
            self.driver.add_listener(lambda outcome: self._ask(outcome, tasks))
            await stack.enter_async_context(self._signals(stopping, tasks))
            await stack.enter_async_context(self._web())
            stack.push_async_callback(self.stations.stop)
            stack.push_async_callback(self.supervisor.stop)
            await self.supervisor.start(tasks)
            for work in (
                *(self.driver.keep_time(self._level), self._keep_state(), self.lists.run()),
                *(self.registries.run(), self.azure.run(), self.tables.run()),
                *(self.stations.run(), self.lookouts.run()),
                self._keep_alive(),
                self.driver.clock.watch(self._clock_stepped),
                *(self.senders.run(), self.systemd.run()),
            ):
                stack.callback(tasks.create_task(work).cancel)
            self.driver.apply_maintenance()
            if self.store is not None:
                self.store.report_to(self._storage_judged)
                stack.callback(tasks.create_task(self._keep_sessions(self.store)).cancel)
            structlog.get_logger().info(
                "ermon runs", feeds=len(self.driver.monitor.config.feeds), runtime=str(self.runtime)
            )
            await stopping.wait()
            self.systemd.stopping()
            await self._write_state()
            self._write_alive(stopped=True)
            structlog.get_logger().info("ermon stops")

    def _ask(self, outcome: Outcome, tasks: asyncio.TaskGroup) -> None:
        """Send the monitor's requests to the routers."""
        for request in outcome.requests:
            feed = self.driver.monitor.config.feeds.get(request.feed)
            if feed is not None and feed.by_bmp:
                self.stations.ask(request)
            elif feed is not None and feed.ris is not None:
                self.lookouts.ask(request)
            else:
                tasks.create_task(self.supervisor.ask(request))

    async def _level(self, process: str) -> bool:
        """Return when everything that a process or a router had said before has been taken in."""
        for router in self.driver.monitor.config.bmp:
            if process == bmp_connection(router):
                await self.stations.level(router)
                return True
        if self.lookouts.carries(process):
            return True  # what waits there to be read cannot end a violation: only a state does
        return await self.supervisor.level(process)

    @asynccontextmanager
    async def _signals(self, stopping: asyncio.Event, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.stations.end()
            self.lookouts.end()
            self.supervisor.end()  # at once: messages of routers while their sessions close are no findings
            stopping.set()

        async def reload() -> None:
            await self.reloader.reload()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.create_task(reload()))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    @asynccontextmanager
    async def _web(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                urls = await stack.enter_async_context(listening(self.app, self.listen))
            except ListenError as error:
                raise StartError(str(error)) from error
            for url in urls:
                structlog.get_logger().info("web listens", address=url)
            structlog.get_logger().info("listening on control socket", path=str(self.app[SHELL].control))
            yield

    # Storage -----------------------------------------------------------------------------------------

    async def _keep_state(self) -> None:
        self.timeline.sample(self.driver.monitor, self.driver.wall())
        while True:
            await asyncio.sleep(REFRESH_SECONDS - self.driver.wall() % REFRESH_SECONDS)
            await self._write_state()

    async def _write_state(self) -> None:
        now, monitor = self.driver.clock.now(), self.driver.monitor
        self.timeline.sample(monitor, self.driver.wall())
        if self.store is not None:
            self.store.refresh(monitor.findings(), monitor.levels(now))
            keep_drains(self.store, monitor.drains())
            await self._write_sessions(self.store)

    async def _keep_alive(self) -> None:
        """Store regularly that ermon runs: after a kill, nothing else says when it ended."""
        while True:
            self._write_alive()
            await asyncio.sleep(ALIVE_SECONDS)

    def _write_alive(self, *, stopped: bool = False) -> None:
        self.runs.is_alive(self.driver.wall(), stopped=stopped)
        if self.store is not None:
            keep_runs(self.store, self.runs)

    async def _write_sessions(self, store: Store) -> None:
        monitor = self.driver.monitor
        async with self.writing:
            await keep_timeline(store, self.timeline, self.driver.wall())
            feeds = await list_in_slices(monitor.feeds_to_keep())
            keep_sessions(store, monitor.sessions_to_keep(feeds))
            links = await list_in_slices(monitor.links_to_keep())
            keep_links(store, await asyncio.to_thread(write_links, links))

    async def _keep_sessions(self, store: Store) -> None:
        """Store which sessions and links are up, soon after a change: the next ermon needs it also after a kill."""
        changed = asyncio.Event()

        def note(outcome: Outcome) -> None:
            if any(
                isinstance(change, FeedChanged | LinkChanged | DrainChanged) for change in outcome.changes
            ):
                changed.set()

        self.driver.add_listener(note)
        while True:
            await changed.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            changed.clear()
            await self._write_sessions(store)

    def _clock_stepped(self, step: ClockStepped) -> None:
        self.telemetry.clock_stepped()
        self.runs.clock_stepped(self.driver.wall(), step.time + step.offset, step.suspended)
        self.driver.clock_stepped(step)
        self._write_alive()

    def _storage_judged(self, problem: str | None) -> None:
        self.driver.take_in(StorageJudged(self.driver.clock.now(), problem))
