"""The daemon: wires ExaBGP, the core, the logs and the web together, and stops them all.

The way of a route: an ``ExaBGP`` yields lines, the decoder makes events of them, the monitor takes them
in, and what it raises or clears goes out to the log and to whoever listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from ermon.checks.sharding import NoFeedError
from ermon.config.load import ConfigError, LoadedConfig, load_config
from ermon.config.secrets import SecretError, Secrets, read_secrets
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor
from ermon.core.timeline import SAMPLE_SECONDS
from ermon.daemon.logs import log_notes, log_transition
from ermon.daemon.options import Options, StartError
from ermon.daemon.supervisor import FeedSupervisor
from ermon.daemon.systemd import Notifier, Systemd, status_line
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import PasswordError
from ermon.httpd.listen import ListenError, listening
from ermon.httpd.live import LiveWebConfig
from ermon.httpd.shell import WebConfig
from ermon.httpd.sites import hosts_of
from ermon.metrics.process import Telemetry
from ermon.model.events import Event, SourceJudged, StorageJudged
from ermon.model.findings import Transition, TransitionState
from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey
from ermon.notify.senders import Senders
from ermon.recording.entries import Reason
from ermon.recording.files import FolderError
from ermon.recording.held import Held
from ermon.recording.recorder import FileRecorder, Recorder
from ermon.sources.fetch import Fetcher
from ermon.sources.keeper import SourceKeeper
from ermon.sources.policy import with_published
from ermon.sources.published import MAX_BYTES, PublishedList
from ermon.sources.record import MemoryRecords
from ermon.sources.store import ListFiles
from ermon.storage.adapters import StoredRecords, StoredWindows, keep_timeline, kept_timeline
from ermon.storage.kept import Kept
from ermon.storage.store import Store
from ermon.web.app import WebContext, make_app
from ermon.web.context import no_history
from ermon.web.events import EventHub

GARBAGE_THRESHOLD = 100_000
"""Objects made before Python looks for cycles: with a table in memory, looking takes tens of milliseconds,
and what ermon holds has no cycles worth the wait.
"""

REFRESH_SECONDS = SAMPLE_SECONDS
"""How often what was learnt, the evidence of what is raised, and the timeline are written down."""

Updated = Callable[[SourceKey, PublishedList], None]
Judged = Callable[[SourceKey, str | None], None]


class Service:
    """One running ermon."""

    def __init__(
        self, options: Options, loaded: LoadedConfig, secrets: Secrets, store: Store | None = None
    ) -> None:
        """``store`` holds what an earlier ermon left; without one, nothing outlives this one."""
        now = time.time()
        left = Kept() if store is None else store.kept
        config = loaded.config
        self.options = options
        self._config = config
        self._store = store
        self.monitor = Monitor(with_published(config, {}), now, left.findings, left.cleared, left.baselines)
        self.telemetry = Telemetry(config)
        self.hub = EventHub()
        self._log = structlog.get_logger()
        self._recorder = make_recorder(options, self._hold, self.telemetry.not_recorded)
        self._speakers = FeedSupervisor(
            options,
            config,
            secrets.md5,
            self.telemetry,
            apply=self.monitor.apply,
            settle=self._settle,
            recorder=self._recorder,
        )
        self._senders = Senders(
            config,
            secrets,
            state=lambda: self.monitor,
            done=self._delivered,
            telemetry=self.telemetry,
            external_url=options.external_url,
            started_at=now,
        )
        self._systemd = Systemd(
            Notifier.take_from(os.environ),
            ready=self._speakers.ready,
            signs=self._speakers.signs,
            status=lambda: status_line(self.monitor),
            answer_seconds=options.answer_seconds,
        )
        self._clock_changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._maintenance = MaintenanceBook(None if store is None else StoredWindows(store))
        self.monitor.maintain([booked.window for booked in self._maintenance.windows()], now)
        self._senders.send(left.deliveries)
        self._web_config = (
            WebConfig if options.web_config_file is None else LiveWebConfig(options.web_config_file).current
        )
        self._started_at = now
        self._timeline = kept_timeline(store, now)
        self._sources = make_keeper(options, store, self._source_updated, self._source_judged)
        self.telemetry.source_age = self._source_age

    # Life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        async with AsyncExitStack() as stack:
            if self._store is not None:
                stack.push_async_callback(self._store.close)
            stack.push_async_callback(asyncio.to_thread, self._recorder.close)
            self._recorder.begin(Reason.START)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._speakers.cancel)
            self._tasks = tasks
            await stack.enter_async_context(self._signals())
            await stack.enter_async_context(self._web())
            stack.push_async_callback(self._speakers.stop)
            await self._speakers.start(tasks)
            self._sources.reconfigure(self._config.sources)
            for task in (
                *(self._keep_time(), self._keep_state(), self._sources.run()),
                *(self._senders.run(), self._systemd.run()),
            ):
                stack.callback(tasks.create_task(task).cancel)
            self._heed_maintenance()
            if self._store is not None:
                self._store.report_to(self._storage_judged)
            self._log.info(
                "ermon runs", feeds=len(self.monitor.config.feeds), runtime=str(self.options.runtime)
            )
            await self._stopping.wait()
            self._systemd.stopping()
            self._write_state()
            self._log.info("ermon stops")

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.create_task(self._reload_on_signal()))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._speakers.end()
        self._stopping.set()

    async def _reload_on_signal(self) -> None:
        await self.reload()

    @asynccontextmanager
    async def _web(self) -> AsyncIterator[None]:
        context = WebContext(
            monitor=lambda: self.monitor,
            telemetry=self.telemetry,
            hub=self.hub,
            ready=self._speakers.ready,
            reload=self.reload,
            lifecycle=self.options.lifecycle,
            external_url=self.options.external_url,
            web_config=self._web_config,
            hosts=hosts_of(self.options.external_url, self.options.listen, self.options.allowed_hosts),
            started_at=self._started_at,
            maintenance=self._maintenance,
            maintenance_changed=self._heed_maintenance,
            history=no_history if self._store is None else self._store.history,
            timeline=self._timeline,
        )
        async with AsyncExitStack() as stack:
            try:
                urls = await stack.enter_async_context(listening(make_app(context), self.options.listen))
            except ListenError as error:
                raise StartError(str(error)) from error
            for url in urls:
                self._log.info("web listens", address=url)
            yield

    # Time --------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Settle when the next deadline comes, and never before all that was said until then is taken in.

        Otherwise a stopped ermon would, when it goes on, raise what was mended long before.
        """
        while True:
            self._clock_changed.clear()
            deadline = self.monitor.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - time.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # Python 3.11's wait_for may swallow a cancellation
                    await self._clock_changed.wait()
                continue
            now = time.time()
            await self._speakers.catch_up()
            self._settle(now)

    # What comes of it --------------------------------------------------------------------------------

    def _settle(self, now: float | None) -> None:
        """Let time pass until ``now``, hand on what the monitor has found, and carry out what it asks for."""
        if now is not None:
            self._recorder.clock(now)
        outcome = self.monitor.advance(self.monitor.now if now is None else now)
        clock = time.time()
        for message_time in outcome.detections:
            self.telemetry.detected(clock - message_time)
        for transition in outcome.transitions:
            self._report(transition)
        if outcome.transitions:
            self._hand_out(outcome.transitions)
        self._timeline.follow(self.monitor, outcome.changes)
        self.hub.publish_outcome(self.monitor, outcome)
        for request in outcome.requests:
            self._tasks.create_task(self._speakers.ask(request))
        self._clock_changed.set()

    def _report(self, transition: Transition) -> None:
        if transition.state is TransitionState.RAISED:
            self.telemetry.raised(transition.finding.check)
        log_transition(self._log, transition)

    def _hand_out(self, transitions: list[Transition]) -> None:
        """Tell the receivers. What a webhook is told must not be forgotten by a restart, so it is written
        down first; the Alertmanagers are told again and again all that is raised.
        """
        self._senders.push()
        deliveries = self._senders.deliveries(transitions)
        if self._store is None:
            self._senders.send(deliveries)
            return
        saved = self._store.save(transitions, deliveries)
        saved.add_done_callback(lambda _: self._senders.send(deliveries))

    def _delivered(self, delivery: str) -> None:
        """A webhook needs to be told of this no longer."""
        if self._store is not None:
            self._store.delivered(delivery)

    def _heed_maintenance(self) -> None:
        now = time.time()
        windows = [booked.window for booked in self._maintenance.windows()]
        self._recorder.maintenance(windows, now)
        self.monitor.maintain(windows, now)
        self._settle(now)

    def _hold(self) -> Held:
        """Take what is held at the moment, for a recording to begin with."""
        return Held.by(self.monitor, self._speakers.memory, self._sources.lists())

    # What outlives it --------------------------------------------------------------------------------

    async def _keep_state(self) -> None:
        self._timeline.sample(self.monitor, time.time())
        while True:
            await asyncio.sleep(REFRESH_SECONDS - time.time() % REFRESH_SECONDS)
            self._write_state()

    def _write_state(self) -> None:
        now = time.time()
        self._timeline.sample(self.monitor, now)
        if self._store is not None:
            self._store.refresh(self.monitor.findings(), self.monitor.baselines(now))
            keep_timeline(self._store, self._timeline, now)

    def _storage_judged(self, problem: str | None) -> None:
        self._apply(StorageJudged(time.time(), problem))

    # Published lists ---------------------------------------------------------------------------------

    def _source_updated(self, source: SourceKey, published: PublishedList) -> None:
        self._log.info("published list", source=source.name, prefixes=len(published.prefixes))
        now = time.time()
        self._recorder.listed(source, published, now)
        self.monitor.reconfigure(with_published(self._config, self._sources.lists()), now)
        self._source_judged(source, None)

    def _source_judged(self, source: SourceKey, problem: str | None) -> None:
        self._apply(SourceJudged(time.time(), source.name, problem))

    def _apply(self, event: Event) -> None:
        """Take in what has just happened in ermon itself."""
        self._recorder.event(event)
        self.monitor.apply(event)
        self._settle(event.time)

    def _source_age(self, name: str) -> float | None:
        ages = (age for source, age in self._sources.ages().items() if source.name == name)
        return next(ages, None)

    # Reload ------------------------------------------------------------------------------------------

    async def reload(self) -> list[str]:
        """Go over to the configuration file as it is now; return what is wrong with it, and then nothing
        has changed.
        """
        async with self._reloading:
            with self._systemd.reloading():
                return await self._reload()

    async def _reload(self) -> list[str]:
        try:
            loaded = await asyncio.to_thread(load_config, self.options.config_file)
            loaded = loaded.only_feeds(self.options.feeds_match)
            secrets = await asyncio.to_thread(read_secrets, loaded.config, self.options.config_file)
            await self._go_over(loaded.config, secrets)
        except (ConfigError, NoFeedError, SecretError, PasswordError, ExaBGPError) as error:
            problems = str(error).splitlines()
            for problem in problems:
                self._log.error("reload refused", problem=problem)
            self.telemetry.reloaded(successful=False)
            return problems
        log_notes(self._log, loaded, self.options.feeds_match, time.time())
        self.telemetry.reloaded(successful=True)
        self._log.info("configuration reloaded")
        return []

    async def _go_over(self, config: Config, secrets: Secrets) -> None:
        self._speakers.prepare(config, secrets.md5)
        self._config = config
        self._sources.reconfigure(config.sources)
        self.monitor.reconfigure(with_published(config, self._sources.lists()), time.time())
        self._recorder.begin(Reason.RELOAD)
        self.telemetry.reconfigure(config)
        self._senders.reconfigure(config, secrets)
        await self._speakers.reconfigure(config, secrets.md5)
        self._settle(time.time())


def make_recorder(options: Options, hold: Callable[[], Held], dropped: Callable[[int], None]) -> Recorder:
    """Prepare to record; ``FolderError`` where that cannot be."""
    if options.record is None:
        return Recorder()
    return FileRecorder(
        options.record, options.record_limits, options.config_file, hold=hold, dropped=dropped
    )


def make_keeper(options: Options, store: Store | None, updated: Updated, judged: Judged) -> SourceKeeper:
    """Prepare to fetch published lists, and to keep them where there is a place for it."""
    base = options.config_file.parent
    if store is None or options.storage is None:
        return SourceKeeper(Fetcher(base, MemoryRecords()), None, updated=updated, rejected=judged)
    folder = options.storage / "sources"
    fetcher = Fetcher(base, StoredRecords(store))
    return SourceKeeper(fetcher, ListFiles(folder, MAX_BYTES), updated=updated, rejected=judged)


async def serve(options: Options, loaded: LoadedConfig) -> None:
    """Run the daemon; raises ``StartError`` when it cannot start."""
    store = None
    try:
        secrets = read_secrets(loaded.config, options.config_file)
        if options.storage is not None:
            store = await Store.open(options.storage, options.retention_seconds)
        service = Service(options, loaded, secrets, store)
    except (ConfigError, SecretError, PasswordError, FolderError) as error:
        raise StartError(str(error)) from error
    if store is None:
        structlog.get_logger().warning(
            "nothing is kept: without --storage.path, a restart forgets what is raised, learnt and planned"
        )
    log_notes(structlog.get_logger(), loaded, options.feeds_match, time.time())
    faulthandler.enable()  # the watchdog's SIGABRT then shows where ermon was stuck
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.freeze()
    await service.run()
