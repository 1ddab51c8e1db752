"""Runs a recording through the core on its own clock: no sockets, no wall clock.

The same input gives the same output, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import asdict

from ermon.api.findings import SubjectDoc, finding_doc, substance
from ermon.core.monitor import Monitor
from ermon.model.findings import Transition, transition_order
from ermon.recording.playback import Begun, Expected, Maintained, Passed, Playback, Step


class Replay:
    """One run over a recording. Iterate over ``transitions``, then ask for ``statuses``."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._monitor: Monitor | None = None
        self._start = 0.0
        self._instant: list[Transition] = []

    @property
    def decoded_anything(self) -> bool:
        return self._monitor is not None

    def transitions(self, lines: Iterable[bytes], until: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield what is raised and cleared, in order; ``until`` ends the clock that many seconds after
        the first line, otherwise it runs until no finding's and no session's timer is running.
        """
        for step in self._playback.steps(lines):
            if self._monitor is None:
                self._start = step.time
            if until is not None and step.time > self._end(until):
                break
            yield from self._take(step)
        if self._monitor is not None:
            yield from self._run_out(self._monitor, until)

    def statuses(self) -> Iterator[dict[str, Any]]:
        """Yield the status of every check and subject, ordered by check and labels."""
        for case in self._monitor.statuses() if self._monitor is not None else ():
            labels = dict(case.subject.labels)
            yield asdict(SubjectDoc(check=case.subject.check, labels=labels, status=case.status))

    def _take(self, step: Step) -> Iterator[dict[str, Any]]:
        if isinstance(step, Begun):
            yield from self._print_instant()
            self._monitor = step.monitor
        elif self._monitor is None:
            self._monitor = Monitor(self._playback.config, step.time)
        monitor = self._monitor
        yield from self._pass_time(monitor, step.time)
        match step:
            case Begun() | Passed():
                return
            case Maintained(time, windows):
                monitor.maintain(windows, time)
            case Expected(time, config):
                monitor.use_lists(config, time)
            case _:
                monitor.apply(step)
        yield from self._pass_time(monitor, step.time)

    def _end(self, until: float) -> float:
        return round(self._start + until, 6)

    def _run_out(self, monitor: Monitor, until: float | None) -> Iterator[dict[str, Any]]:
        if until is not None:
            yield from self._pass_time(monitor, self._end(until))
        else:
            while monitor.timers_running() and (due := monitor.next_deadline()) is not None:
                yield from self._pass_time(monitor, due)
        yield from self._print_instant()

    def _pass_time(self, monitor: Monitor, now: float) -> Iterator[dict[str, Any]]:
        """Settle; transitions are printed when their instant is over, since a later line of the same
        instant may bring others that come before them.
        """
        for transition in monitor.advance(now).transitions:
            if self._instant and self._instant[0].time < transition.time:
                yield from self._print_instant()
            self._instant.append(transition)
        if self._instant and self._instant[0].time < monitor.now:
            yield from self._print_instant()

    def _print_instant(self) -> Iterator[dict[str, Any]]:
        instant, self._instant = sorted(self._instant, key=transition_order), []
        for transition in instant:
            yield render(transition, self._start)


def render(transition: Transition, start: float) -> dict[str, Any]:
    """Return a transition as JSON values; ``offset`` counts from ``start``, in seconds."""
    finding = transition.finding
    rendered = {
        "offset": round(transition.time - start, 3),
        "time": round(transition.time, 3),
        "state": str(transition.state),
        **substance(finding_doc(finding)),
    }
    if finding.ended_at is not None:
        rendered["duration_seconds"] = round(finding.ended_at - finding.since, 3)
    return rendered


def to_line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
