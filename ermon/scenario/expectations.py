"""The expectations of a scenario's steps, checked against the configuration.

A wrong name in an expectation would make a test that can never pass, or never fail. So every check, label and value
must occur in this configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ermon.checks.catalogue import CATALOGUE, subjects
from ermon.config.problems import Complaint, advice
from ermon.config.yaml import KeyPath
from ermon.model.findings import Status, Transition, TransitionState
from ermon.model.inventory import Config
from ermon.model.prefixes import Prefix
from ermon.model.settings import Severity
from ermon.scenario.schema import LABELS, AboutSection, StatusEntry, StepEntry, TransitionEntry
from ermon.scenario.script import Act

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class About:
    """The findings of a check with these labels; other labels do not matter."""

    path: KeyPath
    """The place of the expectation in its file."""
    check: str
    labels: Labels

    def fits(self, check: str, labels: Labels) -> bool:
        return check == self.check and self.labels.items() <= labels.items()

    def __str__(self) -> str:
        return f"{self.check} {named(self.labels)}".strip()


@dataclass(frozen=True, slots=True)
class ExpectedTransition:
    about: About
    state: TransitionState
    step: int
    """The step that must cause it, unless ``time`` is set."""
    time: float | None
    """Seconds since the scenario began."""
    severity: Severity | None
    prefixes: tuple[Prefix, ...]

    def fits(self, transition: Transition) -> bool:
        """Return whether the transition is of the expected check and subject, at any time and with any severity."""
        finding = transition.finding
        return transition.state is self.state and self.about.fits(finding.check, finding.labels)


@dataclass(frozen=True, slots=True)
class Forbidden:
    about: About
    step: int


@dataclass(frozen=True, slots=True)
class ExpectedStatus:
    about: About
    step: int
    time: float
    status: Status


@dataclass(frozen=True, slots=True)
class Expectations:
    transitions: tuple[ExpectedTransition, ...]
    forbidden: tuple[Forbidden, ...]
    statuses: tuple[ExpectedStatus, ...]

    @property
    def last(self) -> float:
        """The time of the last expectation, in seconds since the scenario began."""
        times = [e.time for e in self.transitions if e.time is not None]
        return max([0.0, *times, *(e.time for e in self.statuses)])


class Expecting:
    """Reads the expectations of one scenario; ``complaints`` has their errors."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._subjects: dict[str, list[Labels]] = {}
        for subject in subjects(config):
            self._subjects.setdefault(subject.check, []).append(dict(subject.labels))
        self.complaints: list[Complaint] = []

    def read(self, steps: Sequence[StepEntry], acts: Sequence[Act]) -> Expectations:
        """``acts`` are the played steps."""
        transitions: list[ExpectedTransition] = []
        forbidden: list[Forbidden] = []
        statuses: list[ExpectedStatus] = []
        for number, (step, act) in enumerate(zip(steps, acts, strict=True)):
            if step.expect is None:
                continue
            path = (*act.path, "expect")
            for state, entries in (
                (TransitionState.RAISED, step.expect.raised),
                (TransitionState.CLEARED, step.expect.cleared),
            ):
                transitions += self._transitions(state, entries or (), (*path, str(state)), number, act)
            for at, entry in enumerate(step.expect.not_raised or ()):
                place = (*path, "not_raised", at)
                forbidden += [
                    Forbidden(about, number) for about in self._abouts(entry, place, must_exist=False)
                ]
            for at, status in enumerate(step.expect.status or ()):
                statuses += self._statuses(status, (*path, "status", at), number, act)
        return Expectations(tuple(transitions), tuple(forbidden), tuple(statuses))

    def ignored(self, names: Sequence[str], path: KeyPath) -> frozenset[str]:
        for at, name in enumerate(names):
            if name not in CATALOGUE:
                self._complain((*path, at), f"{name!r} is not a check; {advice(name, CATALOGUE)}")
        return frozenset(names)

    def _transitions(
        self,
        state: TransitionState,
        entries: Sequence[TransitionEntry],
        path: KeyPath,
        number: int,
        act: Act,
    ) -> Iterator[ExpectedTransition]:
        for at, entry in enumerate(entries):
            time = None if entry.after is None else round(act.done + entry.after, 6)
            for about in self._abouts(entry, (*path, at)):
                yield ExpectedTransition(about, state, number, time, entry.severity, entry.prefixes or ())

    def _statuses(self, entry: StatusEntry, path: KeyPath, number: int, act: Act) -> Iterator[ExpectedStatus]:
        for about in self._abouts(entry, path):
            yield ExpectedStatus(about, number, round(act.done + entry.after, 6), entry.answer)

    def _abouts(self, entry: AboutSection, path: KeyPath, *, must_exist: bool = True) -> Iterator[About]:
        """Return one for each combination of the values of its labels."""
        if not self._known_check(entry.check, path, must_exist=must_exist):
            return
        given = {name: getattr(entry, name) for name in LABELS if getattr(entry, name) is not None}
        wrong = [
            n
            for n, values in given.items()
            if not self._known_label(entry.check, n, values, path, must_exist)
        ]
        if wrong:
            return
        for values in product(*given.values()):
            about = About(path, entry.check, dict(zip(given, values, strict=True)))
            if must_exist and not any(
                about.fits(entry.check, known) for known in self._subjects[entry.check]
            ):
                self._complain(
                    path, f"there is no {about} in this configuration, though each of its values is known"
                )
            yield about

    def _known_check(self, check: str, path: KeyPath, *, must_exist: bool) -> bool:
        if check not in CATALOGUE:
            self._complain((*path, "check"), f"{check!r} is not a check; {advice(check, CATALOGUE)}")
            return False
        if must_exist and check not in self._subjects:
            off = not CATALOGUE[check].enabled(self._config)
            reason = "the check is switched off" if off else "it declares nothing that the check is about"
            self._complain((*path, "check"), f"{check} says nothing with this configuration: {reason}")
            return False
        return True

    def _known_label(
        self, check: str, name: str, values: Sequence[str], path: KeyPath, must_exist: bool
    ) -> bool:
        """Return whether the label and its values are known; a forbidden finding may have a subject that only other checks have."""
        of_check = self._subjects.get(check, [])
        pool = (
            of_check
            if must_exist or not of_check
            else [s for all_of in self._subjects.values() for s in all_of]
        )
        labels = sorted({label for subject in of_check for label in subject})
        if of_check and name not in labels:
            self._complain((*path, name), f"is not a label of {check}; it has {', '.join(labels)}")
            return False
        known = {subject[name] for subject in pool if name in subject}
        wrong = [value for value in values if value not in known]
        for value in wrong:
            self._complain(
                (*path, name), f"{value!r} is nothing that {check} is about; {advice(value, known)}"
            )
        return not wrong

    def _complain(self, path: KeyPath, message: str) -> None:
        self.complaints.append(Complaint(path, message))


# Findings in words, for the reader of a report ------------------------------------------------------


def seconds(offset: float) -> str:
    """Write a time since the scenario began as the file writes durations."""
    if round(offset % 1, 6):
        return f"{round(offset * 1000)}ms" if offset < 1 else f"{round(offset, 6):.6f}".rstrip("0") + "s"
    return f"{offset:.0f}s"


def named(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())


def transition_text(transition: Transition) -> str:
    """Write a transition as ``raised pool-leak pool=x family=ipv4 feed=y (critical)``."""
    finding = transition.finding
    return f"{transition.state} {finding.check} {named(finding.labels)} ({finding.severity})"
