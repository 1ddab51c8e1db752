"""Builds one ermon from the command line of ``ermon run``, and runs it."""

from __future__ import annotations

import faulthandler
import gc
import os
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import structlog
from aiohttp import web

from ermon.aio.own import own_folder
from ermon.aio.slices import let_the_loop_through
from ermon.azure.table_arm import ask_device
from ermon.azure.table_files import TablesRead
from ermon.checks.sharding import Instance
from ermon.config.load import ConfigError, LoadedConfig
from ermon.config.secrets import SecretError, Secrets, read_secrets
from ermon.core.accepting import Labels
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor
from ermon.core.runs import RunLog
from ermon.core.timeline import Timeline
from ermon.daemon.azure import AzureViews
from ermon.daemon.azure_tables import EdgeTables, asking
from ermon.daemon.changes import PublishedLists, Reloader
from ermon.daemon.clock import SteadyClock
from ermon.daemon.driver import Driver, counting, handing_out, keeping_drains, logging, remembering, showing
from ermon.daemon.intake import Intake
from ermon.daemon.logs import log_notes
from ermon.daemon.lookouts import Lookouts
from ermon.daemon.memory import keep_memory_private
from ermon.daemon.registries import Registries
from ermon.daemon.service import Service, StartError
from ermon.daemon.stations import Stations
from ermon.daemon.supervisor import FeedSupervisor
from ermon.daemon.systemd import ANSWER_SECONDS, Notifier, Systemd, status_line
from ermon.exabgp.configure import PasswordError
from ermon.exabgp.relay import BUFFER_LIMIT
from ermon.httpd.access import hosts_of, proves_anybody
from ermon.httpd.config import LiveWebConfig
from ermon.httpd.passwords import Familiar
from ermon.httpd.shell import WebConfig
from ermon.httpd.sockets import CONTROL_SOCKET, FOLDER_MODE
from ermon.metrics.process import Telemetry
from ermon.model.events import Accepted
from ermon.model.inventory import Circuit, LinkKey
from ermon.notify.senders import Senders
from ermon.recording.entries import Held
from ermon.recording.files import FolderError, Limits
from ermon.recording.recorder import FileRecorder, Recorder
from ermon.sources.published import with_published
from ermon.storage.adapters import (
    StoredWindows,
    keep_drains,
    keep_parties,
    kept_drains,
    kept_links,
    kept_parties,
    kept_runs,
    kept_sessions,
    kept_timeline,
)
from ermon.storage.database import Kept
from ermon.storage.store import Store
from ermon.web.app import WebContext, make_app
from ermon.web.events import EventHub
from ermon.web.handling import NOTHING_KEPT

GARBAGE_THRESHOLD = 100_000
"""Allocations between two runs of Python's garbage collector. With a full table in memory a run takes tens of
milliseconds, and ermon's data has hardly any cycles to collect.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    config_file: Path
    listen: tuple[tuple[str, int], ...]
    runtime: Path
    lifecycle: bool
    """Whether the API accepts changes over TCP too."""
    storage: Path | None = None
    """The folder of the state that survives a restart; ``None``: nothing is stored."""
    retention_seconds: float = 90 * 86400.0
    """How long cleared findings are stored."""
    record: Path | None = None
    """The folder for recordings of ExaBGP's output; ``None``: nothing is recorded."""
    record_limits: Limits = field(default_factory=Limits)
    instance: Instance = field(default_factory=Instance)
    relay_buffer_limit: int = BUFFER_LIMIT
    """Bytes that each relay buffers for ermon."""
    answer_seconds: float = ANSWER_SECONDS
    """How long an ExaBGP may be silent before ermon stops feeding systemd's watchdog."""
    external_url: str = "http://127.0.0.1:10179"
    """The URL at which users reach ermon, without a slash at the end, for links in alerts."""
    allowed_hosts: tuple[str, ...] = ()
    """Further host names that clients may use for ermon."""
    web_config_file: Path | None = None
    """TLS, users and limits of the web, in the format of Prometheus' exporter-toolkit."""


async def serve(options: Options, loaded: LoadedConfig) -> None:
    """Run the daemon; raises ``StartError`` when it cannot start."""
    keep_memory_private()
    store = None
    try:
        own_folder(options.runtime, FOLDER_MODE)
    except OSError as error:
        raise StartError(f"--runtime.path: {options.runtime}: cannot be used: {error.strerror}") from error
    try:
        secrets = read_secrets(loaded.config, options.config_file)
        if options.storage is not None:
            store = await Store.open(options.storage, options.retention_seconds)
        service = Parts(options, loaded, secrets, store).service
    except (ConfigError, SecretError, PasswordError, FolderError) as error:
        raise StartError(str(error)) from error
    if store is None:
        structlog.get_logger().warning(
            "no --storage.path: findings, baselines and maintenance windows will be lost on restart"
        )
    log_notes(structlog.get_logger(), loaded, options.instance, time.time())
    let_the_loop_through()
    faulthandler.enable()  # the watchdog's SIGABRT then shows where ermon was stuck
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.freeze()  # modules and configuration are never garbage
    await service.run()


class Parts:
    """The parts of one ermon. Each is made at its first use.

    ``store`` has the state of an earlier ermon; without it no state survives this one. Where two parts need each other,
    one of them gets a lambda, and calls it only when ermon runs.
    """

    def __init__(
        self, options: Options, loaded: LoadedConfig, secrets: Secrets, store: Store | None = None
    ) -> None:
        self._options = options
        self._config = loaded.config
        self._secrets = secrets
        self._store = store
        self._left = Kept() if store is None else store.kept
        self._clock = SteadyClock()
        self._now = self._clock.now()

    # From events to findings -------------------------------------------------------------------------

    @cached_property
    def monitor(self) -> Monitor:
        left = self._left
        config = with_published(self._config, {})
        return Monitor(
            config,
            self._now,
            left.findings,
            left.cleared,
            left.levels,
            kept_drains(self._store),
            kept_links(self._store),
            kept_sessions(self._store),
        )

    @cached_property
    def recorder(self) -> Recorder:
        options = self._options
        if options.record is None:
            return Recorder()
        return FileRecorder(
            options.record,
            options.record_limits,
            options.config_file,
            hold=self._hold,
            dropped=self.telemetry.not_recorded,
        )

    @cached_property
    def driver(self) -> Driver:
        driver = Driver(self.monitor, self.recorder, self.maintenance, self._clock)
        # The log and the receivers get it before the pages.
        for listener in (
            counting(self.telemetry, self._clock),
            logging(),
            handing_out(self.senders, self._store),
            keeping_drains(self.monitor, self._store),
            remembering(self.timeline, self.monitor),
            asking(lambda: self.tables),
            showing(self.hub, self.monitor),
        ):
            driver.add_listener(listener)
        return driver

    @cached_property
    def intake(self) -> Intake:
        return Intake(
            self.telemetry,
            self.recorder,
            self._clock,
            self.driver.turn,
            apply=self.monitor.apply,
            advance=self.driver.advance,
            interest=self.monitor.interest,
        )

    @cached_property
    def supervisor(self) -> FeedSupervisor:
        return FeedSupervisor(
            self._config,
            self._secrets.md5,
            self.intake,
            runtime=self._options.runtime,
            buffer_limit=self._options.relay_buffer_limit,
        )

    @cached_property
    def stations(self) -> Stations:
        return Stations(self._config, self._secrets.bmp, self.intake)

    @cached_property
    def lookouts(self) -> Lookouts:
        return Lookouts(self._config, self.intake)

    @cached_property
    def lists(self) -> PublishedLists:
        options = self._options
        return PublishedLists(
            self._config,
            options.config_file.parent,
            self._store,
            None if options.storage is None else options.storage / "sources",
            driver=self.driver,
            recorder=self.recorder,
        )

    @cached_property
    def registries(self) -> Registries:
        options = self._options
        folder = None if options.storage is None else options.storage / "sources"
        return Registries(self._config, options.config_file.parent, folder, driver=self.driver)

    @cached_property
    def azure(self) -> AzureViews:
        options = self._options
        return AzureViews(
            self._config,
            self._secrets,
            options.config_file.parent,
            None if options.storage is None else options.storage / "azure",
            driver=self.driver,
            telemetry=self.telemetry,
        )

    @cached_property
    def tables(self) -> EdgeTables:
        return EdgeTables(self._config, self._options.config_file.parent, self._ask_azure, driver=self.driver)

    async def _ask_azure(self, circuit: Circuit, device: str) -> TablesRead:
        return await ask_device(self.azure.client, circuit, device)

    @cached_property
    def maintenance(self) -> MaintenanceBook:
        book = MaintenanceBook(None if self._store is None else StoredWindows(self._store))
        self.monitor.maintain([booked.window for booked in book.windows()], self._now)
        return book

    # Receivers and the web ---------------------------------------------------------------------------

    @cached_property
    def senders(self) -> Senders:
        senders = Senders(
            self._config,
            self._secrets,
            state=lambda: self.monitor,
            done=(lambda _: None) if self._store is None else self._store.delivered,
            telemetry=self.telemetry,
            external_url=self._options.external_url,
            started_at=self._now,
        )
        senders.send(self._left.deliveries)
        return senders

    @cached_property
    def telemetry(self) -> Telemetry:
        return Telemetry(
            self._config,
            source_age=self._age_of,
            clock=self._clock.now,
            azure_age=self._azure_age_of,
            tables_age=self._tables_age_of,
        )

    def _age_of(self, published: str) -> float | None:
        age = self.lists.age(published)
        return self.registries.age(published) if age is None else age

    def _tables_age_of(self, link: LinkKey) -> float | None:
        tables = self.monitor.network.microsoft.links.get(link)
        if tables is None or tables.read_at is None:
            return None
        return max(0.0, self._clock.now() - tables.read_at)

    def _azure_age_of(self, circuit: str) -> float | None:
        return self.azure.age(circuit)

    @cached_property
    def timeline(self) -> Timeline:
        return kept_timeline(self._store, self.runs, self._now)

    @cached_property
    def runs(self) -> RunLog:
        runs = kept_runs(self._store)
        runs.begin(self._now, self._now - self._options.retention_seconds)
        return runs

    @cached_property
    def hub(self) -> EventHub:
        return EventHub()

    @cached_property
    def systemd(self) -> Systemd:
        return Systemd(
            Notifier.take_from(os.environ),
            ready=self.supervisor.ready,
            signs=self.supervisor.signs,
            status=lambda: status_line(self.monitor),
            answer_seconds=self._options.answer_seconds,
        )

    @cached_property
    def app(self) -> web.Application:
        options = self._options
        file = options.web_config_file
        web_config = WebConfig if file is None else LiveWebConfig(file).current
        if options.lifecycle and not proves_anybody(web_config()):
            structlog.get_logger().warning(
                "--web.enable-lifecycle has no effect: changes over TCP need a password or a verified client certificate, which --web.config.file sets up; on this machine, use the control socket"
            )
        return make_app(
            WebContext(
                monitor=lambda: self.monitor,
                telemetry=self.telemetry,
                hub=self.hub,
                ready=self.supervisor.ready,
                reload=self.reloader.reload,
                lifecycle=options.lifecycle,
                external_url=options.external_url,
                control=options.runtime.absolute() / CONTROL_SOCKET,
                familiar=self._familiar(),
                web_config=web_config,
                hosts=hosts_of(options.external_url, options.listen, options.allowed_hosts),
                hold=self._hold,
                started_at=self._now,
                maintenance=self.maintenance,
                maintenance_changed=self.driver.apply_maintenance,
                accept=self._accept,
                azure=self.tables,
                past=NOTHING_KEPT if self._store is None else self._store,
                runs=self.runs,
                timeline=self.timeline,
            )
        )

    async def _accept(self, check: str, labels: Labels, because: str) -> None:
        """Accept the present state of a subject as usual, and store the new baselines."""
        if "source" in dict(labels):
            await self.lists.accept(dict(labels)["source"], because)
            await self.registries.accept(dict(labels)["source"], because)
            return
        self.driver.take_in(Accepted(self._clock.now(), check, labels, because))
        if self._store is not None:
            self._store.refresh(self.monitor.findings(), self.monitor.levels(self._clock.now()))
            keep_drains(self._store, self.monitor.drains())

    def _familiar(self) -> Familiar:
        store = self._store
        if store is None:
            return Familiar()
        return Familiar(kept_parties(store), lambda parties: keep_parties(store, parties))

    def _hold(self) -> Held:
        lists = self.lists.in_force()
        return Held.by(self.monitor, self.supervisor.memory, lists, self.stations.memory)

    # All together ------------------------------------------------------------------------------------

    @cached_property
    def reloader(self) -> Reloader:
        return Reloader(
            self._options.config_file,
            self._options.instance,
            driver=self.driver,
            supervisor=self.supervisor,
            stations=self.stations,
            lookouts=self.lookouts,
            lists=self.lists,
            registries=self.registries,
            azure=self.azure,
            tables=self.tables,
            senders=self.senders,
            recorder=self.recorder,
            telemetry=self.telemetry,
            systemd=self.systemd,
        )

    @cached_property
    def service(self) -> Service:
        return Service(
            driver=self.driver,
            supervisor=self.supervisor,
            stations=self.stations,
            lookouts=self.lookouts,
            lists=self.lists,
            registries=self.registries,
            azure=self.azure,
            tables=self.tables,
            senders=self.senders,
            systemd=self.systemd,
            reloader=self.reloader,
            recorder=self.recorder,
            telemetry=self.telemetry,
            store=self._store,
            timeline=self.timeline,
            runs=self.runs,
            app=self.app,
            listen=self._options.listen,
            runtime=self._options.runtime,
        )
