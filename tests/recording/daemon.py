"""A small daemon: it processes and records the input of a test, and stores its findings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ermon.core.monitor import Monitor
from ermon.exabgp.decode import Decoder, Rejected
from ermon.model.events import Event
from ermon.model.inventory import Config
from ermon.model.settings import MaintenanceWindow
from ermon.model.source_key import SourceKey
from ermon.recording.entries import Held, Reason
from ermon.recording.files import Limits, RecordedLines, recordings
from ermon.recording.recorder import FileRecorder
from ermon.recording.replay import Playback, Replay
from ermon.sources.published import PublishedList, with_published

QUICK = Limits(gather_seconds=0.0, flush_seconds=0.0, retry_seconds=0.0, stop_seconds=30.0)
Told = tuple[float, str, str, str]


class MiniatureDaemon:
    def __init__(self, policy: Config, folder: Path, now: float, limits: Limits = QUICK) -> None:
        self.policy = policy
        self.folder = folder
        self.lists: dict[SourceKey, PublishedList] = {}
        self.monitor = Monitor(with_published(policy, {}), now)
        self.decoder = Decoder(policy.feeds)
        self._told: list[Told] = []
        self.dropped = 0
        self.config_file = folder.parent / "ermon.yml"
        self.config_file.write_text("the policy")
        self.recorder = FileRecorder(
            folder / "recordings", limits, self.config_file, hold=self.hold, dropped=self._drop
        )
        self.recorder.begin(Reason.START)
        self.settle(now)

    def hold(self) -> Held:
        return Held.by(self.monitor, self.decoder.memory, self.lists)

    def _drop(self, lines: int) -> None:
        self.dropped += lines

    # Input

    def lines(self, *lines: bytes) -> None:
        for line in lines:
            self.recorder.line(line)
            for event in self.decoder.decode(line).events:
                self.monitor.apply(event)
            self._take(self.monitor.now)

    def event(self, event: Event) -> None:
        self.recorder.event(event)
        self.monitor.apply(event)
        self._take(event.time)

    def started(self, process: str, pid: int, now: float) -> None:
        self.recorder.started(process, pid, now)
        self.decoder.process_started(process, pid)

    def settle(self, now: float) -> None:
        self.recorder.clock(now)
        self._take(now)

    def maintain(self, windows: Iterable[MaintenanceWindow], now: float) -> None:
        self.recorder.maintenance(windows, now)
        self.monitor.maintain(windows, now)
        self._take(now)

    def publish(self, source: SourceKey, published: PublishedList, now: float) -> None:
        self.lists[source] = published
        self.recorder.listed(source, published, now)
        self.monitor.use_lists(with_published(self.policy, self.lists), now)
        self._take(now)

    def next_file(self, reason: Reason = Reason.FULL) -> None:
        self.recorder.begin(reason)

    def _take(self, now: float) -> None:
        for t in self.monitor.advance(now).transitions:
            self._told.append(_told(t.time, str(t.state), t.finding.check, t.finding.labels))

    # Results

    @property
    def told(self) -> list[Told]:
        """Its findings; those of one instant are in the order of a replay."""
        return sorted(self._told, key=lambda told: (told[0], told[2], told[3]))

    def stop(self) -> None:
        self.recorder.close()

    @property
    def files(self) -> list[Path]:
        return recordings(self.folder / "recordings")

    def replay(self, *files: Path, policy: Config | None = None) -> tuple[list[Told], list[str]]:
        """Replay the given files, or all; return the findings until the daemon stopped, and the notes."""
        notes: list[str] = []

        def reject(number: int, why: Rejected) -> None:
            notes.append(f"line {number}: {why.reason}: {why.detail}")

        lines = RecordedLines(files or self.files, notes.append)
        run = Replay(Playback(policy or self.policy, reject, config_sha256="0", note=notes.append))
        told = [_told(t["time"], t["state"], t["check"], t["labels"]) for t in run.transitions(lines)]
        found = [t for t in told if t[0] <= round(self.monitor.now, 3)]
        return sorted(found, key=lambda each: (each[0], each[2], each[3])), notes


def _told(time: float, state: str, check: str, labels: Any) -> Told:
    return (round(time, 3), state, check, json.dumps(dict(labels), sort_keys=True))
