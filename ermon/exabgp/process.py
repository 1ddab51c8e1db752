"""Starts, watches, restarts, reloads and stops one ExaBGP process. Yields its messages, and judges nothing.

A reload keeps all sessions if possible.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from ermon.aio.backoff import Backoff
from ermon.exabgp import launch, relay
from ermon.exabgp.channel import Answered, Channel, ExaBGPError, Message, Silent, Stopped
from ermon.exabgp.configure import environment, render
from ermon.exabgp.directory import ProcessDirectory
from ermon.exabgp.door import Door
from ermon.exabgp.raw import ANSWER, SWITCH, WINDOW, RawState
from ermon.exabgp.reasons import process_end
from ermon.exabgp.window import WINDOW_DECODED_OCTETS, WINDOW_OCTETS
from ermon.model.inventory import EDGES, Config, Feed
from ermon.model.prefixes import Family

RELOAD_SECONDS = 10.0
"""How long ExaBGP may take to read its configuration again."""

_LOOK_SECONDS = 0.02


class Reload(Enum):
    """The effect of a reload on ExaBGP."""

    UNCHANGED = "unchanged"
    RELOADED = "reloaded"
    """Unchanged feeds kept their sessions."""
    RESTARTED = "restarted"
    """The port changed, or ExaBGP cannot read a new configuration now: every session ends."""


def needs_restart(old: Config, new: Config) -> bool:
    """Return whether ``new`` needs a new process: the port is in the environment, and the process can bind no other
    port.
    """
    return environment_of(old) != environment_of(new)


def environment_of(config: Config) -> dict[str, str]:
    """Return the settings that ExaBGP reads from its environment instead of its configuration."""
    return environment(config, user_name())


def user_name() -> str:
    """Return this account's name. An account without a name cannot change to another, so any existing name works."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return pwd.getpwuid(0).pw_name


async def reload(process: asyncio.subprocess.Process, directory: ProcessDirectory) -> None:
    """Make the process read the new configuration; ``ExaBGPError`` if it refuses it.

    ExaBGP answers SIGUSR1 only in its log, so this searches the log. A log that has become shorter was emptied meanwhile
    (``ProcessDirectory.limit_log``), and is read from its beginning.
    """
    before = directory.log_size()
    process.send_signal(signal.SIGUSR1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RELOAD_SECONDS):
            news = ""
            while process.returncode is None and "could not load/reload configuration" not in news:
                await asyncio.sleep(_LOOK_SECONDS)
                news = directory.log(before if directory.log_size() >= before else 0)
                if "loaded new configuration successfully" in news:
                    return
            await asyncio.sleep(_LOOK_SECONDS)  # the reason follows in the next lines
            raise ExaBGPError(f"ExaBGP refused its configuration: {directory.last_words()}")
    raise ExaBGPError("ExaBGP did not read its configuration again")


RESTARTED = "restarted by ermon because the configuration changed"
"""The reason of an intended end of ExaBGP."""

TICK_SECONDS = 1.0
"""Between checks whether ExaBGP answers."""

UNANSWERED_TICKS = 10
"""ExaBGP counts as hung after so many ticks without an answer. Ticks are counted instead of seconds: if ermon itself was
stopped for a minute, that is one tick."""

GIVEN_UP_TICKS = UNANSWERED_TICKS + 6
"""ExaBGP is killed after so many ticks: a hung process is reported before it is restarted, and a process that was only
slow keeps its sessions."""

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.25, 30.0
"""The wait before a restart; it doubles with every run that ends early."""

STABLE_SECONDS = 60.0
"""After a run of this length, the next restart waits only as long as the first one."""

STOP_SECONDS = 1.0
"""How long ExaBGP may take to end after SIGTERM, and a silent relay after the end of ExaBGP."""

_INHERITED = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "PYTHONHOME", SWITCH}
)
"""The only variables that ExaBGP gets from ermon's environment: no secrets, and no access to systemd."""


# The process ----------------------------------------------------------------------------------------


class ExaBGP:
    """One ExaBGP process, kept running from ``start`` to ``stop``, or inside ``async with``.

    ``runtime`` is a directory for this ermon only. ``md5_passwords`` has the passwords of feeds, by name; an invalid one
    is a ``configure.PasswordError``, here and in ``reload``. ``buffer_limit`` and ``max_line`` are the relay's, in bytes.
    ExaBGP's clock is the monotonic clock plus ``clock_anchor``.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        md5_passwords: Mapping[str, str],
        runtime: Path,
        *,
        buffer_limit: int = relay.BUFFER_LIMIT,
        max_line: int = relay.MAX_LINE,
        clock_anchor: float | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        """The number of starts after the first."""
        self.started_at = self.answered_at = float("-inf")
        """The times of the last start or attempt, and of the last answer, on the event loop's clock."""
        self._config = config
        self._passwords = md5_passwords
        # Its own anchor, if no other process needs the same time.
        self._clock_anchor = time.time() - time.monotonic() if clock_anchor is None else clock_anchor
        self._limits = (buffer_limit, max_line)
        self._directory = ProcessDirectory(runtime, name)
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._restart_wanted = asyncio.Event()
        self._cannot_reload = False
        """ExaBGP 5.0.15 keeps parts of a configuration that it refused, and then refuses all others."""
        self._channel = Channel(max_line)
        self._door: Door | None = None
        """The door of the latest run."""
        self._render(config, md5_passwords)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def up(self) -> bool:
        """Whether it listens and has sent lines."""
        return self._channel.up

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def relay_pid(self) -> int | None:
        """The process id of the connected relay."""
        return self._channel.relay_pid

    @property
    def missing_of_box(self) -> tuple[str, ...] | None:
        """The parts of its box (``box.PARTS``) that this machine does not support; ``None``: not reported yet."""
        return None if self._door is None else self._door.missing

    @property
    def raw(self) -> RawState | None:
        """Whether it passes raw UPDATEs on; ``None``: not reported yet."""
        return None if self._door is None else self._door.raw

    @property
    def relay_dropped(self) -> int:
        """The number of lines that relays dropped."""
        return self._channel.dropped

    @property
    def configuration_path(self) -> Path:
        return self._directory.configuration_path

    @property
    def log_path(self) -> Path:
        return self._directory.log_path

    async def start(self) -> None:
        """Start ExaBGP; ``ExaBGPError`` if that can never work."""
        if importlib.util.find_spec("exabgp") is None:
            raise ExaBGPError(
                f"ExaBGP is not installed beside {sys.executable}: pip install 'exabgp>=5.0.15,<5.1'"
            )
        self._directory.prepare()
        self.started_at = asyncio.get_running_loop().time()
        self._supervisor = asyncio.create_task(self._supervise())
        self._supervisor.add_done_callback(self._supervised)

    async def stop(self) -> None:
        """End ExaBGP and ``messages``; no process is left when this returns."""
        if self._supervisor is None:
            return
        self._supervisor.cancel()
        await asyncio.wait((self._supervisor,))
        self._supervisor = None
        self._channel.close()
        self._directory.remove()

    def messages(self) -> AsyncIterator[Message]:
        """Yield the messages in order until ``stop``. There must be one reader, which keeps reading."""
        return self._channel.messages()

    async def ping(self) -> None:
        """Return when ``messages`` has yielded everything that ExaBGP sent before; ``ExaBGPError`` without a relay."""
        await self._channel.ping()

    async def command(self, text: str) -> None:
        """Send an ExaBGP API command; it waits for a relay, and is dropped while ExaBGP is down."""
        if self._process is not None:
            self._channel.send(text.encode("ascii"))

    async def teardown(self, feed: Feed) -> None:
        """End a feed's session, so that the router opens a new one and sends everything again."""
        await self.command(f"neighbor {feed.peer} local-ip {feed.local} teardown 4")

    async def refresh(self, feed: Feed, families: Iterable[Family]) -> None:
        """Ask the router to send a feed's routes again (RFC 2918)."""
        for family in families:
            session = f"neighbor {feed.peer} local-ip {feed.local}"
            await self.command(f"{session} announce route-refresh {family} unicast")

    def answer(self, what: str) -> None:
        """Send an answer about raw UPDATEs (``raw.ANSWER``); it is dropped while ExaBGP is down."""
        if self._process is not None and self.raw is RawState.ON:
            with contextlib.suppress(ExaBGPError):  # too many wait: a later one says more
                self._channel.send(f"{ANSWER} {what}".encode("ascii"))

    async def reload(self, config: Config, md5_passwords: Mapping[str, str]) -> Reload:
        """Change to another configuration; ``ExaBGPError`` if ExaBGP refuses it and keeps the old one."""
        old, old_passwords = self._config, self._passwords
        old_text, text = await asyncio.to_thread(
            lambda: (self._render(old, old_passwords), self._render(config, md5_passwords))
        )
        self._config, self._passwords = config, md5_passwords
        if needs_restart(old, config):
            self._restart_wanted.set()
            return Reload.RESTARTED
        if text == old_text:
            return Reload.UNCHANGED
        if self._process is None or not self.up or self._cannot_reload:
            self._restart_wanted.set()
            return Reload.RESTARTED
        try:
            self._write_configuration()
            await reload(self._process, self._directory)
        except ExaBGPError:
            self._config, self._passwords = old, old_passwords
            self._write_configuration()
            self._cannot_reload = True
            raise
        return Reload.RELOADED

    async def _supervise(self) -> None:
        """Run ExaBGP, and restart it whenever it ends."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
        while True:
            began = self.started_at = loop.time()
            try:
                reason = await self._run()
            except OSError as error:  # a full disk, a removed directory, no memory
                reason = f"could not be started: {error}"
            await self._channel.put(Stopped(reason, wanted=reason == RESTARTED))
            if loop.time() - began >= STABLE_SECONDS:
                backoff.reset()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    backoff.wait()
                ):  # Python 3.11's wait_for may swallow a cancellation
                    await self._restart_wanted.wait()
            self.restarts += 1

    def _supervised(self, supervisor: asyncio.Task[None]) -> None:
        """Pass a bug on to the reader of the messages, which would wait without an end otherwise."""
        if not supervisor.cancelled() and (error := supervisor.exception()) is not None:
            self._channel.close(error)

    async def _run(self) -> str:
        """Run ExaBGP once; return why it ended, after all its output has been read."""
        self._restart_wanted.clear()
        self._cannot_reload = False
        self._directory.begin_run()
        with contextlib.closing(Door()) as self._door:
            self._write_configuration()
            process = self._process = await self._spawn(self._door)
            reader = asyncio.create_task(self._channel.read_relays(self._door, process.pid))
            try:
                reason = await self._watch(process, reader)
                self._channel.up = False
                self._channel.expect_end()
                await self._end(process)
                await self._drain(reader)  # messages of routers before the end still count
            finally:  # also when ermon stops meanwhile, which cancels this
                self._process = None
                self._channel.up = False
                await self._end(process)
                await self._abandon(reader)
        return reason

    async def _spawn(self, door: Door) -> asyncio.subprocess.Process:
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
        window = WINDOW_DECODED_OCTETS if self.name == EDGES else WINDOW_OCTETS
        own = {relay.DOOR: str(door.inside), WINDOW: str(window)}
        log = self._directory.open_log()
        try:
            return await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-P",
                    launch.__file__,
                    str(os.getpid()),
                    str(self._directory.configuration_path),
                    repr(self._clock_anchor),
                    str(self._config.collector.port),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=inherited | environment_of(self._config) | own,
                pass_fds=(door.inside,),
                process_group=0,  # Ctrl-C in a terminal is for ermon
            )
        finally:
            os.close(log)
            door.handed_down()

    async def _watch(self, process: asyncio.subprocess.Process, reader: asyncio.Task[None]) -> str:
        """Return why the process ended or must end: by itself, without an answer, or for another configuration."""
        ended = asyncio.create_task(process.wait())
        restart = asyncio.create_task(self._restart_wanted.wait())
        unanswered = 0
        silence = f"did not answer for {UNANSWERED_TICKS * TICK_SECONDS:.0f} s"
        try:
            while unanswered < GIVEN_UP_TICKS:
                await asyncio.wait(
                    (ended, restart, reader), timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if ended.done():
                    return self._how_ended(ended.result())
                if restart.done():
                    return RESTARTED
                if reader.done():
                    reader.result()  # only a bug can end it now
                before, unanswered = unanswered, self._count_unanswered(unanswered)
                if before < UNANSWERED_TICKS <= unanswered:
                    await self._channel.put(Silent(silence))
                elif unanswered < UNANSWERED_TICKS <= before:
                    await self._channel.put(Answered())
                self._directory.limit_log()
        finally:
            ended.cancel()
            restart.cancel()
        process.kill()
        return silence

    def _count_unanswered(self, unanswered: int) -> int:
        """Ask for an answer; return the number of ticks since the last answer."""
        if self._channel.take_answer():
            self.answered_at = asyncio.get_running_loop().time()
            unanswered = 0
        elif self._channel.waiting:  # otherwise the answer may be behind unread lines
            unanswered += 1
        if self._channel.relay_pid is not None:
            self._channel.send(b"version")
        return unanswered

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for end in (process.terminate, process.kill):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, TimeoutError):
                    end()
                    async with asyncio.timeout(STOP_SECONDS):
                        await process.wait()

    async def _drain(self, reader: asyncio.Task[None]) -> None:
        """Read the rest from the relay, but wait only for a limited time for a silent one."""
        self._channel.finish()
        quiet = 0  # a relay is not silent while it waits for ermon
        while quiet < 10 and not reader.done():
            await asyncio.wait((reader,), timeout=STOP_SECONDS / 10)
            quiet = quiet + 1 if self._channel.waiting else 0

    async def _abandon(self, reader: asyncio.Task[None]) -> None:
        if not reader.done():
            self._channel.kill_relay()
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader

    def _render(self, config: Config, passwords: Mapping[str, str]) -> str:
        whose = self._directory.configuration_path
        helper = (sys.executable, "-I", "-S", relay.__file__, whose, *self._limits)
        return render(config, self.name, shlex.join(map(str, helper)), passwords)

    def _write_configuration(self) -> None:
        self._directory.write_configuration(self._render(self._config, self._passwords))

    def _how_ended(self, status: int) -> str:
        return process_end(status, self._directory.last_words())
