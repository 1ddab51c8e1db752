"""What follows from a configuration alone: every alarm, its topics, and its causes.

Making a plan is most of the cost of a start and of a reload, and needs nothing of the network, so it can be done on
another thread while everything else goes on. One monitor uses a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ermon.checks.catalogue import (
    CATALOGUE,
    SUPPRESSES,
    SUPPRESSES_TOGETHER,
    SUPPRESSES_WHILE_STALE,
    classifiers,
    subjects,
    switched_off,
)
from ermon.checks.subject import Subject
from ermon.checks.topics import Topic
from ermon.core.about import About, about_of
from ermon.core.alarm import Alarm, AlarmKey
from ermon.core.horizons import OWN, Owner, of_links
from ermon.core.layout import Layout
from ermon.core.maintenance import Cover, Coverage
from ermon.model.findings import Status
from ermon.model.inventory import Config

_ERMON_S_OWN = frozenset(
    {"process", "source", "storage", "expectations", "azure", "azure-tables", "ownership"}
)
"""The kinds of topics that do not come from a feed."""
_OF_A_FEED = frozenset({"feed", "content", "routes"})
"""The kinds of topics that begin with a feed. The feed is empty in the topics of a link's routes, which come from edge
tables.
"""


class Plan:
    """The alarms of a configuration, and look-ups from topics and causes to alarms."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.classifiers = classifiers(config)
        self.alarms = {alarm.key: alarm for alarm in map(self._alarm, subjects(config))}
        self.layout = Layout(config, self.alarms.values())
        self.switched_off = [self._alarm(subject) for subject in switched_off(config)]
        """The alarms of checks that are switched off. They are not raised and suppress nothing; their violations are
        shown.
        """
        self._off_by_topic: dict[Topic, list[Alarm]] = {}
        for alarm in self.switched_off:
            for topic in alarm.subject.topics:
                self._off_by_topic.setdefault(topic, []).append(alarm)
        self._by_topic: dict[Topic, list[Alarm]] = {}
        self._by_label: dict[tuple[str, str], list[Alarm]] = {}
        self._by_check: dict[str, list[Alarm]] = {}
        for alarm in self.alarms.values():
            self._by_check.setdefault(alarm.subject.check, []).append(alarm)
            for topic in alarm.subject.topics:
                self._by_topic.setdefault(topic, []).append(alarm)
            for label in alarm.subject.labels:
                self._by_label.setdefault(label, []).append(alarm)
        self._causes: dict[AlarmKey, list[Alarm]] = {}
        self._causes_together: dict[AlarmKey, list[Alarm]] = {}
        self._causes_while_stale: dict[AlarmKey, list[Alarm]] = {}
        self._effects: dict[AlarmKey, list[Alarm]] = {}
        self._link_causes()
        learners = [alarm.subject.learns for alarm in self.alarms.values() if alarm.subject.learns]
        self.counted = tuple(dict.fromkeys(counted for learns in learners for counted in learns.counted))
        """Everything that is counted and has a usual level."""
        self._spoiling = frozenset(check for learns in learners for check in learns.spoiled_by)
        self._spoilers: dict[AlarmKey, list[Alarm]] = {}
        self._processes = {feed.name: feed.process for feed in config.feeds.values()}
        self._of_links = of_links(config)
        self._everybody = self._of_links.union(self._processes.values())
        self._judges: dict[AlarmKey, Owner] = {}
        self._owners: dict[AlarmKey, Owner] = {}
        self._same_owner: dict[Owner, Owner] = {}

    def _alarm(self, subject: Subject) -> Alarm:
        check = CATALOGUE[subject.check]
        return Alarm(
            subject,
            check.severity_of(subject, self.config),
            max(check.raised_after(self.config), subject.raise_after),
            check.cleared_after(self.config),
            fixed_severity=check.settings(self.config).severity is not None,
        )

    # Look-ups ----------------------------------------------------------------------------------------

    def depending_on(self, topic: Topic) -> Iterable[Alarm]:
        """Return the alarms whose verdict may change when ``topic`` has changed."""
        return self._by_topic.get(topic, ())

    def switched_off_depending_on(self, topic: Topic) -> Iterable[Alarm]:
        """The same for the checks that are switched off."""
        return self._off_by_topic.get(topic, ())

    def effects(self, cause: Alarm) -> Iterable[Alarm]:
        """Return the alarms that ``cause`` suppresses while it is violated."""
        return self._effects.get(cause.key, ())

    def owner(self, key: AlarmKey) -> Owner:
        """Return the ExaBGP processes whose feeds an alarm depends on, by itself or through its causes."""
        owner = self._owners.get(key)
        if owner is None:
            owner = self._find_owner(self.alarms[key])
            self._owners[key] = owner = self._same_owner.setdefault(owner, owner)
        return owner

    def kept_quiet(self, effect: Alarm) -> bool:
        """Return whether a cause that is violated now suppresses ``effect``."""
        return next(self.causes_of(effect), None) is not None

    def causes_of(self, effect: Alarm) -> Iterator[Alarm]:
        """Yield the causes that are violated now and suppress ``effect``."""
        family = effect.labels.get("family")
        for cause in self._causes.get(effect.key, ()):
            if _keeps_quiet(cause, effect, family):
                yield cause
        for cause in self._causes_while_stale.get(effect.key, ()):
            if cause.stale:
                yield cause
        together = self._causes_together.get(effect.key, ())
        if all(cause.state.restored or cause.verdict.keeps_quiet(family) for cause in together):
            yield from together

    def spoils(self, alarm: Alarm) -> bool:
        """Return whether a violation of this alarm may keep a level of its circuit from becoming usual."""
        return alarm.subject.check in self._spoiling

    def spoiled(self, learner: Alarm) -> bool:
        """Return whether a violation keeps the learner's level from becoming usual now."""
        spoilers = self._spoilers.get(learner.key)
        if spoilers is None:
            spoilers = self._spoilers[learner.key] = list(self._find_spoilers(learner))
        return any(alarm.verdict.status is Status.VIOLATED for alarm in spoilers)

    def _find_spoilers(self, learner: Alarm) -> Iterator[Alarm]:
        """Yield the alarms that may spoil a level: of the same circuit, on all of its links, and of the same family if
        both have one.
        """
        family = learner.labels.get("family")
        checks = learner.subject.learns.spoiled_by if learner.subject.learns else ()
        for alarm in self._by_label.get(("circuit", learner.labels["circuit"]), ()):
            if alarm.subject.check in checks and family in {None, alarm.labels.get("family", family)}:
                yield alarm

    def covers(self, coverage: Coverage) -> dict[AlarmKey, Cover]:
        """Return what may suppress alarms on purpose, for those alarms that have such a suppression."""
        near = [self._by_check.get(check, ()) for check in coverage.checks]
        near += [self._by_label.get(label, ()) for label in coverage.labels]
        found = {alarm.key: coverage.of(alarm.subject) for alarms in near for alarm in alarms}
        return {key: cover for key, cover in found.items() if cover is not None}

    def let_go(self) -> Iterator[None]:
        """Release the plan step by step, when it is no longer used.

        Releasing a hundred thousand objects at once takes as long as judging them. The alarms are last, because readers
        may still use them until then.
        """
        alarms = list(self.alarms.values())
        for table in (
            self._by_topic,
            self._by_label,
            self._by_check,
            self._causes,
            self._causes_together,
            self._causes_while_stale,
            self._effects,
            self.alarms,
        ):
            yield from _emptied(table)
        del self.layout
        while alarms:
            del alarms[-_STEP:]
            yield

    def _find_owner(self, alarm: Alarm) -> Owner:
        found = self._judged_by(alarm)
        for causes in (self._causes, self._causes_together, self._causes_while_stale):
            for cause in causes.get(alarm.key, ()):
                if found == self._everybody:
                    return found
                found |= self._judged_by(cause)
        return found

    def _judged_by(self, alarm: Alarm) -> Owner:
        """Return the processes of the feeds that a verdict depends on."""
        found = self._judges.get(alarm.key)
        if found is None:
            found = OWN
            for kind, key in alarm.subject.topics:
                if kind in _OF_A_FEED and key[0]:
                    found |= {self._processes[key[0]]}
                elif kind not in _ERMON_S_OWN:
                    found |= self._of_links
            self._judges[alarm.key] = found
        return found

    # Causes ------------------------------------------------------------------------------------------

    def _link_causes(self) -> None:
        by_check = self._by_check
        for causes, suppresses in (
            (self._causes, SUPPRESSES),
            (self._causes_together, SUPPRESSES_TOGETHER),
            (self._causes_while_stale, SUPPRESSES_WHILE_STALE),
        ):
            for cause_name, effect_names in suppresses.items():
                by_circuit = _by_circuit(by_check.get(cause_name, ()))
                for effect in (effect for name in effect_names for effect in by_check.get(name, ())):
                    found = list(self._touching(by_circuit, effect))
                    causes.setdefault(effect.key, []).extend(found)
                    for cause in found:
                        self._effects.setdefault(cause.key, []).append(effect)

    def _touching(self, by_circuit: Mapping[str | None, Sequence[Alarm]], effect: Alarm) -> Iterator[Alarm]:
        """Yield the causes that are about the same thing as an effect."""
        about = about_of(self.config, effect.labels)
        circuits = about.get("circuit")
        near = (*sorted(circuits), None) if circuits is not None else tuple(by_circuit)
        for cause in (cause for key in near for cause in by_circuit.get(key, ())):
            if self._touches(cause, effect, about):
                yield cause

    def _touches(self, cause: Alarm, effect: Alarm, about: About) -> bool:
        """Return whether a cause is about the same thing as an effect: they agree in every label that both have."""
        if "process" in cause.labels:
            feeds, process = self.config.feeds, cause.labels["process"]
            return any(feeds[feed].process == process for feed in effect.subject.feeds)
        circuit = self.config.circuits.get(cause.labels.get("circuit", ""))
        for name, value in cause.subject.labels:
            if (
                name == "family"
                and circuit is not None
                and about.get(name, set()).isdisjoint(circuit.families)
            ):
                continue  # a circuit without that family is down if all of its own families are
            if value not in about.get(name, (value,)):
                return False
        return True


_STEP = 50
"""Entries that are released in one step; see ``ermon.aio.slices``."""


def _emptied(table: dict[Any, Any]) -> Iterator[None]:
    while table:
        for _ in range(min(_STEP, len(table))):
            table.popitem()
        yield


def _keeps_quiet(cause: Alarm, effect: Alarm, family: str | None) -> bool:
    """Return whether a cause suppresses an effect now. A cause that was raised before a restart does so until it is
    judged: its effects may be judged before it.
    """
    if cause.state.restored:
        return True
    verdict = cause.verdict
    if not verdict.keeps_quiet(family):
        return False
    feeds = effect.subject.feeds
    return verdict.explains is None or not feeds or any(map(verdict.explains, feeds))


def _by_circuit(causes: Iterable[Alarm]) -> dict[str | None, list[Alarm]]:
    """Group causes by the circuit that they are about, so that an effect is not compared with all of them."""
    found: dict[str | None, list[Alarm]] = {}
    for cause in causes:
        found.setdefault(cause.labels.get("circuit"), []).append(cause)
    return found
