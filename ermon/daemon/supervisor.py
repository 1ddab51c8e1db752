"""Starts, reads, asks, reconfigures and stops the ExaBGP processes of one ermon.

It decodes the lines of each process to events, and passes them on in the order in which they arrived.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import structlog
from msgspec import structs

from ermon.aio.slices import Slice, give_way
from ermon.checks.sight import stranger_text
from ermon.daemon.intake import Intake
from ermon.daemon.malformed import MalformedUpdates
from ermon.daemon.sparing import Sparing
from ermon.daemon.systemd import Sign
from ermon.exabgp import channel
from ermon.exabgp.addresses import problems as why_not
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import listening_addresses
from ermon.exabgp.decode import Decoder, DecoderMemory, Rejected, reject_control
from ermon.exabgp.process import ExaBGP, Reload
from ermon.exabgp.raw import RawState
from ermon.exabgp.reasons import UNREADABLE
from ermon.model.events import (
    ConnectionsRefused,
    Event,
    FeedRequest,
    ListeningJudged,
    MessagesLost,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    SessionDown,
    SessionUp,
)
from ermon.model.inventory import Config

BEHIND_SECONDS = 1.0
"""A process whose last line was this old when ermon read it is behind: what ermon notices between its lines gets the
time of those lines.
"""
CLOCK_TOLERANCE_SECONDS = 1.0
"""How far ahead of ermon's clock the time of a line may be."""
REJECTIONS_LOGGED_EVERY_SECONDS = 10.0
"""Every rejected line is counted, and one for each reason is logged in this time."""
STRANGERS_LOGGED_EVERY_SECONDS = 60.0
"""A host that connects repeatedly is logged once in this time."""
MAX_STRANGERS_LOGGED = 16
"""Lines for all hosts in this time, because one host can use countless IPv6 addresses. All connections are counted."""


class AddressError(Exception):
    """ermon cannot listen on an address of the configuration; the text has a line for each feed."""


class FeedSupervisor:
    """Manages the ExaBGP processes, and turns their output into events."""

    def __init__(
        self,
        config: Config,
        passwords: Mapping[str, str],
        intake: Intake,
        *,
        runtime: Path,
        buffer_limit: int,
    ) -> None:
        self._config = config
        self._passwords = dict(passwords)
        self._intake = intake
        self._behind = asyncio.Lock()
        """Held by the process that waits for its turn with more lines than fit in a slice: one at a time, so that a process
        with a single line waits for one of these and not for all.
        """
        self._runtime = runtime
        self._buffer_limit = buffer_limit
        self._decoder = Decoder(config.exabgp_feeds, interest=intake.interest)
        self._processes: dict[str, ExaBGP] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._rejections = Sparing(REJECTIONS_LOGGED_EVERY_SECONDS)
        self._malformed = MalformedUpdates(intake.telemetry)
        self._strangers = Sparing(STRANGERS_LOGGED_EVERY_SECONDS, MAX_STRANGERS_LOGGED)
        self._ended: dict[str, str] = {}
        """The reason of each process's last end."""
        self._problems: dict[str, str] = {}
        """The reason for each address on which listening fails."""
        self._heard: dict[str, tuple[float, float]] = {}
        """By process: the time of its last line, and how late ermon read it, in seconds."""
        self._ending = False
        self._log = structlog.get_logger()

    # Start and end -----------------------------------------------------------------------------------

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Start every process of the configuration; ``tasks`` read them."""
        self._tasks = tasks
        for name in self._config.processes:
            await self._start_process(name)

    def end(self) -> None:
        """Ignore the output of the processes from now on, because ermon is about to stop them."""
        self._ending = True

    async def stop(self) -> None:
        self.end()
        async with asyncio.TaskGroup() as group:
            for name in list(self._processes):
                group.create_task(self._stop_process(name))

    def cancel(self) -> None:
        """Stop reading at once, because another part of ermon has failed."""
        for reader in self._readers.values():
            reader.cancel()

    def prepare(self, config: Config, passwords: Mapping[str, str]) -> None:
        """Check a new configuration. Raises ``PasswordError`` if ExaBGP cannot be configured with it, and
        ``AddressError`` if ermon cannot listen on one of its addresses.
        """
        for name in config.processes:
            ExaBGP(name, config, dict(passwords), self._runtime)
        self._try_addresses(config)

    def _try_addresses(self, config: Config) -> None:
        """Try to listen on the new addresses. Those on which ermon's own ExaBGP listens already would seem to be in use."""
        held = {
            (address, self._config.collector.port)
            for name in self._processes
            for address in listening_addresses(self._config, name)
            if address not in self._problems
        }
        port = config.collector.port
        locals_ = {feed.local for feed in config.exabgp_feeds.values() if (feed.local, port) not in held}
        found = why_not(sorted(locals_), port)
        problems = [
            f"feeds.{feed.name}.local: {found[feed.local]}"
            for feed in config.exabgp_feeds.values()
            if feed.local in found
        ]
        if problems:
            raise AddressError("\n".join(problems))

    async def reconfigure(self, config: Config, passwords: Mapping[str, str]) -> None:
        """Change to another configuration; sessions whose own settings did not change stay up."""
        before, self._config, self._passwords = self._config, config, dict(passwords)
        self._decoder.set_feeds(config.exabgp_feeds)
        locals_ = {feed.local for feed in config.exabgp_feeds.values()}
        self._problems = {local: problem for local, problem in self._problems.items() if local in locals_}
        for name in [name for name in self._processes if name not in config.processes]:
            await self._stop_process(name)

        def listens_on_more(name: str) -> bool:
            return not set(listening_addresses(config, name)) <= set(listening_addresses(before, name))

        # An address may move from one process to another, which can listen on it only after the first has closed it.
        for name in sorted(config.processes, key=listens_on_more):
            if name not in self._processes:
                await self._start_process(name)
            elif await self._processes[name].reload(config, self._passwords) is Reload.RESTARTED:
                self._log.warning("restarting exabgp", process=name, reason="the configuration changed")

    async def _start_process(self, name: str) -> None:
        process = ExaBGP(
            name,
            self._config,
            self._passwords,
            self._runtime,
            buffer_limit=self._buffer_limit,
            clock_anchor=self._intake.clock.anchor,
        )
        await process.start()
        self._processes[name] = process
        self._readers[name] = self._tasks.create_task(self._read(process))

    async def _stop_process(self, name: str) -> None:
        process, reader = self._processes.pop(name), self._readers.pop(name)
        await process.stop()
        await reader

    # State and requests ------------------------------------------------------------------------------

    def ready(self) -> tuple[bool, str]:
        """Return whether every ExaBGP is up and listening, and otherwise the reason in words."""
        up = {name for name, process in self._processes.items() if process.up}
        missing = [name for name in self._config.processes if name not in up]
        if missing:
            return (False, "\n".join(map(self._why_missing, missing)))
        feeds = self._config.exabgp_feeds.values()
        if feeds and all(feed.local in self._problems for feed in feeds):
            return (False, "\n".join(f"feeds.{f.name}.local: {self._problems[f.local]}" for f in feeds))
        return (True, "ready")

    def _why_missing(self, name: str) -> str:
        reason = self._ended.get(name)
        return f"ExaBGP is not up yet: {name}{f': {reason}' if reason else ''}"

    def signs(self) -> dict[str, Sign]:
        """Return when each process last started and answered."""
        return {
            name: Sign(process.started_at, process.answered_at) for name, process in self._processes.items()
        }

    async def ask(self, request: FeedRequest) -> None:
        """Ask a router to send everything again, by route refresh or by a new session."""
        feed = self._config.feeds.get(request.feed)
        process = self._processes.get(feed.process) if feed is not None else None
        if feed is None or process is None:
            return
        self._log.info("requesting full resend", feed=feed.name, method=request.action, reason=request.reason)
        if request.action == "refresh":
            await process.refresh(feed, request.families)
        else:
            await process.teardown(feed)

    @property
    def memory(self) -> DecoderMemory:
        """What the decoder remembers of the lines before."""
        return self._decoder.memory

    async def level(self, name: str) -> bool:
        """Return ``True`` when everything that the process had sent at the call is applied; ``False`` if it cannot be
        asked at present.
        """
        process = self._processes.get(name)
        if process is None:
            return False
        try:
            await process.ping()
        except ExaBGPError:
            return False
        return True

    # Reading -----------------------------------------------------------------------------------------

    async def _read(self, process: ExaBGP) -> None:
        """Process the output of one ExaBGP until it is stopped."""
        async for message in process.messages():
            if self._ending or process.name not in self._processes:
                continue  # ermon stops it: nothing to report
            if isinstance(message, channel.Lines):
                await self._take_lines(process.name, message.lines)
                continue
            async with self._intake.turn:
                self._take_control(process, message)

    def _take_control(self, process: ExaBGP, message: channel.Control) -> None:
        now = self._intake.clock.now()
        match message:
            case channel.Started(pid):
                self._note_start(process, pid)
                self._intake.recorder.started(process.name, pid, now)
                self._decoder.process_started(process.name, pid)
                self._apply_own(ProcessUp(now, process.name))
            case channel.Silent(reason):
                self._log.error("exabgp hangs", process=process.name, reason=reason)
                self._apply_own(ProcessSilent(now, process.name, reason))
            case channel.Answered():
                self._log.info("exabgp answers again", process=process.name)
                self._apply_own(ProcessUp(now, process.name))
            case channel.Stopped(reason, wanted):
                self._ended[process.name] = reason
                log = self._log.info if wanted else self._log.error
                log("exabgp stopped", process=process.name, reason=reason)
                self._apply_own(ProcessDown(now, process.name, reason, wanted))
            case channel.Dropped(count):
                reason = f"the relay's buffer was full: {count} lines of its process were dropped"
                self._lose(process, reason, self._time_in(process.name, now))
            case channel.RelayLost():
                self._lose(process, "ermon's relay stopped", self._time_in(process.name, now))
            case channel.Unreadable(line):
                self._reject(reject_control(line))
        self._intake.telemetry.process(
            process.name, up=process.up, restarts=process.restarts, dropped=process.relay_dropped
        )
        self._intake.advance(now)

    def _note_start(self, process: ExaBGP, pid: int) -> None:
        missing = process.missing_of_box
        self._intake.telemetry.confined(process.name, missing)
        self._intake.telemetry.raw(process.name, process.raw)
        self._log.info(
            "exabgp started",
            process=process.name,
            pid=pid,
            confined=missing == (),
            raw=process.raw is RawState.ON,
        )
        if missing:
            self._log.warning(
                "exabgp is not confined",
                process=process.name,
                missing=", ".join(missing),
                problem="this kernel cannot confine ExaBGP, which reads untrusted input from routers",
                remedy="Linux 6.12 or newer with Landlock and seccomp",
            )
        if process.raw is RawState.UNTESTED:
            self._log.warning(
                "exabgp decodes UPDATEs itself",
                process=process.name,
                problem="ermon was not tested with this ExaBGP, which decodes UPDATEs itself: a full table takes much more CPU time",
                remedy="pip install 'exabgp==5.0.15'",
            )

    async def _take_lines(self, process: str, lines: list[bytes]) -> None:
        rest = deque(lines)
        async with self._intake.turn:
            self._take_slice(process, rest)
        while rest:
            await give_way()
            async with self._behind, self._intake.turn:
                self._take_slice(process, rest)
        await give_way()

    def _take_slice(self, process: str, lines: deque[bytes]) -> None:
        """Apply lines until the slice is over, at least one. Lines differ much in their work, so a slice is limited by
        time and not by their number.
        """
        self._intake.clock.look()  # notice a clock step first: these lines may be from after it, or from long before
        current = Slice()
        while lines:
            said = self._take_line(process, lines.popleft())
            if said is not None:
                self._heard[process] = said, self._intake.clock.now() - said
            if current.over():
                break
        self._intake.advance(None)

    def _take_line(self, process: str, line: bytes) -> float | None:
        """Apply a line; return the time of its last event, ``None`` if it has none."""
        self._intake.recorder.line(line)
        decoded = self._decoder.decode(line, process)
        self._intake.telemetry.line()
        if decoded.rejected is not None:
            self._reject(decoded.rejected)
        for malformed in decoded.malformed:
            self._malformed.note(malformed, self._intake.clock.now())
        if decoded.behind is not None:
            self._intake.telemetry.behind(*decoded.behind)
        latest = self._intake.clock.now() + CLOCK_TOLERANCE_SECONDS
        for event in decoded.events:
            # ExaBGP has the same clock. A line from the future would make the monitor's time run ahead.
            self._apply(
                event if event.time <= latest else structs.replace(event, time=self._intake.clock.now())
            )
        exabgp = self._processes.get(process)  # a reload may be stopping it
        if decoded.answer is not None and exabgp is not None:
            exabgp.answer(decoded.answer)
        return decoded.events[-1].time if decoded.events else None

    def _apply_own(self, event: Event) -> None:
        """Record and apply an event that ExaBGP did not report."""
        self._intake.recorder.event(event)
        self._apply(event)

    def _apply(self, event: Event) -> None:
        match event:
            case SessionUp(feed=feed):
                self._intake.telemetry.behind(feed, 0.0)
                self._log.info("session up", feed=feed)
            case SessionDown(feed=feed, reason=reason):
                self._intake.telemetry.behind(feed, 0.0)
                log = self._log.warning if reason == UNREADABLE else self._log.info
                log("session down", feed=feed, reason=reason)
            case ProcessDown(process=process):
                for lost in self._config.exabgp_feeds.values():
                    if lost.process == process:
                        self._intake.telemetry.behind(lost.name, 0.0)
            case ListeningJudged(local=local, problem=problem):
                self._note_listening(local, problem)
            case ConnectionsRefused():
                self._note_stranger(event)
            case _:
                pass
        self._intake.apply(event)
        self._intake.telemetry.message(event.time)

    def _note_listening(self, local: str, problem: str | None) -> None:
        before = self._problems.pop(local, None)
        if problem is not None:
            self._problems[local] = problem
        if problem == before:
            return
        feeds = [feed.name for feed in self._config.exabgp_feeds.values() if feed.local == local]
        if problem is None:
            self._log.info("listening on address", address=local, feeds=feeds)
        else:
            self._log.error("cannot listen on address", address=local, feeds=feeds, reason=problem)

    def _note_stranger(self, event: ConnectionsRefused) -> None:
        self._intake.telemetry.refused("bgp", event.count)
        feeds = [feed for feed in self._config.exabgp_feeds.values() if feed.local == event.local]
        if feeds and self._strangers.passes((event.local, event.peer), self._intake.clock.now()):
            self._log.warning(
                "connection refused",
                address=event.local,
                peer=event.peer,
                problem=stranger_text(feeds, event.peer),
            )

    def _time_in(self, process: str, now: float) -> float:
        """Return the time of an event that ermon notices between two lines of a process: ``now``, or the time of the last
        line if ermon is behind with them.
        """
        said, late = self._heard.get(process, (now, 0.0))
        return said if late > BEHIND_SECONDS else now

    def _lose(self, process: ExaBGP, reason: str, time: float) -> None:
        """Mark every feed of a process as having lost messages, because ermon does not know whose were lost. Every
        router must send its routes again.
        """
        process.answer("lost")
        self._log.warning("BGP updates lost", process=process.name, reason=reason)
        for feed in self._config.exabgp_feeds.values():
            if feed.process == process.name:
                self._apply_own(MessagesLost(time, feed.name, 0, reason))

    def _reject(self, rejected: Rejected) -> None:
        self._intake.telemetry.rejected(rejected.reason)
        if self._rejections.passes(rejected.reason, self._intake.clock.now()):
            self._log.warning(
                "line rejected", reason=str(rejected.reason), detail=rejected.detail, line=rejected.line
            )
