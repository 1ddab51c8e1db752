"""Runs the checks and keeps the alarms, from the verdict to the finding and its end.

A verdict is asked for again when something that it depends on has changed. A violation is not raised at once: its
``raise_after`` has to pass, a cause may suppress it, and a maintenance window may cover it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.subject import UNKNOWN
from ermon.checks.topics import EXPECTATIONS, Topic
from ermon.core import evidence
from ermon.core.alarm import Alarm, AlarmKey, AlarmState, Phase, Waiting
from ermon.core.facts import NetworkFacts
from ermon.core.horizons import Owner
from ermon.core.learning import Learning
from ermon.core.maintenance import Cover, Coverage, Suppression, describe
from ermon.core.plan import Plan
from ermon.core.standing import Standing, rank, worst
from ermon.core.timers import OwnedTimers
from ermon.model.events import Change, PoolChanged
from ermon.model.findings import Finding, Status, Transition, TransitionState
from ermon.model.settings import MaintenanceWindow

RENDER_INTERVAL_SECONDS = 1.0
"""Routes in the evidence of a raised finding are updated at most this often, and on request: otherwise the cost of a
leak of a whole table would grow with its square. Evidence without routes is updated at each change: the reason of a
feed that is down may change twice in a second.
"""
RENDERED_PER_SECOND = 20_000
"""Evidence with more routes is updated less often than once in a second, so that these many routes are looked at in one."""
CLEARED_FINDINGS = 1_000
"""How many cleared findings are remembered."""
CLEARED_BECAUSE = "cleared_because"
"""Key in the evidence of a finding that was cleared for another reason than that its subject became ok; its value is
the reason.
"""
ALARMS_AT_ONCE = 50
"""Alarms that a reload judges in one step, about half a millisecond: see ``ermon.aio.slices``."""


class AlarmKeeper:
    """The alarms of one plan; ``transitions`` and ``changes`` are its outcomes."""

    def __init__(self, plan: Plan, facts: NetworkFacts, cleared: Iterable[Finding] = ()) -> None:
        """``cleared``: findings of the past, the latest first."""
        self.plan = plan
        self.facts = facts
        self.cleared = deque(cleared, CLEARED_FINDINGS)
        self.transitions: list[Transition] = []
        self.changes: list[Change] = []
        self.timers: OwnedTimers[AlarmKey] = OwnedTimers(plan.owner, facts.horizons)
        self.answers: OwnedTimers[AlarmKey] = OwnedTimers(plan.owner, facts.horizons)
        """For each alarm with waiting verdicts: when the first of them is due."""
        self.learning = Learning(plan, facts)
        self._settled: dict[AlarmKey, str] = {}
        """Alarms to be judged again because another level is usual now, and the reason. If they are ok then, they are
        cleared at once.
        """
        self.standing = Standing()
        self._off_unjudged = list(plan.switched_off)
        self._unjudged: dict[AlarmKey, Alarm] = dict(plan.alarms)
        self.coverage = Coverage(plan.config, ())
        self._covers: dict[AlarmKey, Cover] = {}

    # Going on from what was known --------------------------------------------------------------------

    def go_on_from(self, states: Mapping[AlarmKey, AlarmState]) -> None:
        """Go on with the states of the same subjects under another plan."""
        deque(self.go_on_step_by_step(states.items()), maxlen=0)

    def go_on_step_by_step(self, states: Iterable[tuple[AlarmKey, AlarmState]]) -> Iterator[None]:
        """The same step by step; a step is ``ALARMS_AT_ONCE`` alarms."""
        for number, (key, state) in enumerate(states, 1):
            if alarm := self.plan.alarms.get(key):
                self._go_on(alarm, state)
                self._set_timer(alarm)
                self._await_answers(alarm)
            if not number % ALARMS_AT_ONCE:
                yield

    def restore(self, findings: Iterable[Finding]) -> None:
        """Go on from findings that an earlier run of ermon raised: they are stale until they can be judged."""
        known = {(check, frozenset(labels)): alarm for (check, labels), alarm in self.plan.alarms.items()}
        for finding in findings:
            alarm = known.get((finding.check, frozenset(finding.labels.items())))
            if alarm is None:
                self.clear_removed(finding)
                continue
            state = AlarmState(
                phase=Phase.RAISED,
                since=finding.since,
                raised_at=finding.raised_at,
                finding_id=finding.id,
                evidence=finding.evidence,
                severity=None if CATALOGUE[finding.check].worse is None else finding.severity,
                restored=True,
            )
            self._go_on(alarm, state)

    def _go_on(self, alarm: Alarm, state: AlarmState) -> None:
        alarm.go_on_from(state)
        if alarm.raised:
            self.standing.raised[alarm.key] = alarm

    def clear_removed(self, finding: Finding) -> None:
        """Clear a finding whose subject is no longer in the configuration."""
        reason = "the configuration no longer contains its subject"
        gone = _cleared(finding, self.facts.calendar_now, {**finding.evidence, CLEARED_BECAUSE: reason})
        self._report(Transition(self.facts.now, TransitionState.CLEARED, gone))

    # Reading -----------------------------------------------------------------------------------------

    def raised(self) -> list[Alarm]:
        """Return the alarms that are raised, the worst first."""
        return worst(self.standing.raised.values())

    def finding(self, alarm: Alarm) -> Finding:
        """Return the finding of a raised alarm, with its times by the wall clock."""
        state, wall = alarm.state, self.facts.wall
        shown = _shown(alarm)
        return Finding(
            id=state.finding_id,
            check=alarm.subject.check,
            labels=alarm.labels,
            severity=alarm.severity,
            summary=_summary(alarm, shown),
            evidence=shown,
            since=wall(state.since),
            raised_at=wall(state.raised_at),
            stale=state.status is Status.UNKNOWN,
            suppressed=state.status is Status.SUPPRESSED,
            suppressed_because=self.suppressed_because(alarm),
            ok_since=wall(state.ended) if alarm.recovering and state.ended is not None else None,
            clears_at=wall(state.due) if alarm.recovering and state.due is not None else None,
            rank=rank(alarm),
        )

    def summary(self, alarm: Alarm) -> str:
        """Return the one-line summary of a violated alarm, raised or not."""
        if alarm.raised:
            return _summary(alarm, _shown(alarm))
        proof, now = alarm.verdict.evidence, self.facts.now
        if proof is not None and now - alarm.noticed_at >= RENDER_INTERVAL_SECONDS:
            alarm.noticed, alarm.noticed_at = evidence.render(proof), now
        return _summary(alarm, alarm.noticed)

    @cached_property
    def missing_views(self) -> list[str]:
        """Name the views that no feed provides. They follow from the configuration, so they are worked out once: it
        takes longer than all the rest of a look at the network.
        """
        return [self.summary(alarm) for alarm in self.plan.layout.missing_views]

    # Maintenance -------------------------------------------------------------------------------------

    def use_windows(self, windows: Iterable[MaintenanceWindow]) -> None:
        """Apply these windows and no others. Alarms that they cover, or that the earlier ones covered, are judged
        again.
        """
        self._judge_covered()
        self.coverage = self.facts.coverage = Coverage(self.plan.config, windows)
        self._covers = self.plan.covers(self.coverage)
        self._judge_covered()

    def suppression(self, alarm: Alarm) -> Suppression | None:
        """Return the window or the exception that would suppress a violation of this alarm now."""
        cover = self._covers.get(alarm.key)
        return None if cover is None else cover.active(self.facts.calendar_now)

    def suppressed_because(self, alarm: Alarm) -> str | None:
        """Return why an alarm is suppressed; ``None`` if it is not."""
        if alarm.status is not Status.SUPPRESSED:
            return None
        on_purpose = self.suppression(alarm)
        if on_purpose is not None:
            return describe(on_purpose)
        return next((cause.subject.check for cause in self.plan.causes_of(alarm)), None)

    def _judge_covered(self) -> None:
        self.standing.dates_changed()
        self._unjudged.update((key, self.plan.alarms[key]) for key in self._covers)

    def dated(self) -> Iterator[Alarm]:
        """Yield the alarms that depend on the date: those covered by windows, and those about prefixes with an expected
        period.
        """
        for key in self._covers:
            yield self.plan.alarms[key]
        yield from self.plan.depending_on(EXPECTATIONS)

    def judge_dates(self, owner: Owner | None = None) -> None:
        """Judge again the alarms that depend on the date, of one owner or of all: a window has begun or ended, or a
        prefix begins or ceases to be expected.
        """
        self.standing.dates_changed()
        self._unjudged.update(
            (alarm.key, alarm)
            for alarm in self.dated()
            if owner is None or self.plan.owner(alarm.key) == owner
        )

    # Evaluation --------------------------------------------------------------------------------------

    def evaluate(self, topics: Collection[Topic]) -> bool:
        """Judge every alarm whose verdict may have changed; return whether a violation began."""
        self._judge_switched_off(topics)
        unjudged = self._take_unjudged(topics)
        if not unjudged:
            return False
        moved = dict(unjudged)
        for alarm in unjudged.values():
            self._judge(alarm, moved)
        began = False
        for alarm in sorted(moved.values(), key=alarm_order):
            began |= self._move(alarm)
        self.learning.follow(moved.values())
        return began

    def evaluate_each(self, topics: Collection[Topic]) -> None:
        """The same for a change that comes from ermon itself and from no process. Each alarm is judged at the time up
        to which everything that it depends on has been received.
        """
        self._judge_switched_off(topics)
        unjudged = self._take_unjudged(topics)
        moved = dict(unjudged)
        for alarm in unjudged.values():
            self._go_to_time_of(alarm)
            self._judge(alarm, moved)
        for alarm in sorted(moved.values(), key=alarm_order):
            self._go_to_time_of(alarm)
            self._move(alarm)
            self.learning.follow((alarm,))

    def evaluate_step_by_step(self, topics: Collection[Topic]) -> Iterator[None]:
        """The same for many alarms; a step is ``ALARMS_AT_ONCE`` of them."""
        self._judge_switched_off(topics)
        unjudged = self._take_unjudged(topics)
        moved = dict(unjudged)
        for number, alarm in enumerate(unjudged.values(), 1):
            self._go_to_time_of(alarm)
            self._judge(alarm, moved)
            if not number % ALARMS_AT_ONCE:
                yield
        # Go through all alarms: they are sorted already, and sorting ``moved`` would take long.
        for number, alarm in enumerate(self.plan.layout.alarms, 1):
            if alarm.key in moved:
                self._go_to_time_of(alarm)
                self._move(alarm)
                self.learning.follow((alarm,))
            if not number % ALARMS_AT_ONCE:
                yield

    def learn(self, now: float) -> None:
        """Let levels become usual that have lasted long enough, and judge again the checks that called them too low."""
        for key, learnt in self.learning.fire(now).items():
            self.settle(self.plan.alarms[key], learnt)

    def accept(self, alarm: Alarm, reason: str) -> None:
        """Take what the alarm calls wrong for right from now on, because a user has accepted it."""
        self.learning.accept(alarm)
        self.settle(alarm, reason)

    def settle(self, alarm: Alarm, reason: str) -> None:
        """Judge an alarm again by the new usual level. If it is ok then, clear it at once, with this reason."""
        self._unjudged[alarm.key] = alarm
        self._settled[alarm.key] = reason

    def fire(self, now: float) -> None:
        """Fire the timers of raising and clearing that are due."""
        while (key := self.timers.pop(now)) is not None:
            alarm = self.plan.alarms[key]
            self._transition(alarm, alarm.fire(now))

    def take_answers(self, now: float) -> bool:
        """Apply the waiting verdicts for which everything up to their time has been received; return whether a
        violation began.
        """
        began = False
        while (key := self.answers.pop(now)) is not None:
            alarm = self.plan.alarms[key]
            answer = next(answer for answer in alarm.state.waiting if answer.status is not alarm.status)
            at = alarm.state.waiting.index(answer)
            alarm.state.waiting = alarm.state.waiting[at + 1 :]
            if answer.evidence:
                alarm.state.evidence = answer.evidence
            began |= self._answer(alarm, answer.status)
            self._await_answers(alarm)
        return began

    def _go_to_time_of(self, alarm: Alarm) -> None:
        """Set ``facts.now`` to the time up to which everything that an alarm depends on has been received."""
        if not self.facts.horizons.together:
            self.facts.now = self.facts.horizons.now(self.plan.owner(alarm.key))

    def _take_unjudged(self, topics: Collection[Topic]) -> dict[AlarmKey, Alarm]:
        unjudged, self._unjudged = self._unjudged, {}
        for topic in topics if len(unjudged) < len(self.plan.alarms) else ():
            unjudged.update((alarm.key, alarm) for alarm in self.plan.depending_on(topic))
        return unjudged

    def _judge_switched_off(self, topics: Collection[Topic]) -> None:
        if not self.plan.switched_off:
            return
        unjudged, self._off_unjudged = self._off_unjudged, []
        unjudged += (alarm for topic in topics for alarm in self.plan.switched_off_depending_on(topic))
        for alarm in dict.fromkeys(unjudged):
            alarm.verdict = alarm.subject.judge(self.facts)
            self.standing.follow_switched_off(alarm)

    def _judge(self, alarm: Alarm, moved: dict[AlarmKey, Alarm]) -> None:
        """Run the check, and add to ``moved`` the alarms that this verdict begins or ceases to suppress."""
        before, was_stale = alarm.verdict, alarm.stale
        now = self._go_to_last_answer(alarm)
        verdict = alarm.subject.judge(self.facts)
        self.facts.now = now
        alarm.verdict = verdict if verdict.lasting or not alarm.raised else UNKNOWN
        if verdict.status is Status.VIOLATED:
            alarm.state.severity = verdict.severity
        alarm.state.restored = alarm.state.restored and verdict.status is Status.UNKNOWN
        if (before.suppresses, was_stale) != (alarm.verdict.suppresses, alarm.stale):
            moved.update((effect.key, effect) for effect in self.plan.effects(alarm))

    def _go_to_last_answer(self, alarm: Alarm) -> float:
        """Set ``facts.now`` to the time of the last waiting verdict, if that is later than the time of a process that
        is behind: conditions that end by time, such as a grace period, have ended by then. Return the time before.
        """
        now = self.facts.now
        if alarm.state.waiting:
            self.facts.now = max(now, alarm.state.waiting[-1].time)
        return now

    def _move(self, alarm: Alarm) -> bool:
        now = self._go_to_last_answer(alarm)
        status = self._status(alarm)
        self.facts.now = now
        return not self._waits(alarm, status) and self._answer(alarm, status)

    def _waits(self, alarm: Alarm, status: Status) -> bool:
        """Keep a verdict for later if a process that the alarm depends on is behind the verdict's time; return whether
        it waits.

        The next events of that process may be earlier. If they change the verdict, it is unknown from then on until the
        last time that a faster process changed it: the state between those times can no longer be judged.
        """
        horizons, state = self.facts.horizons, alarm.state
        if horizons.together:
            return False
        now, until = self.facts.now, horizons.until(self.plan.owner(alarm.key))
        while state.waiting and state.waiting[0].time <= until and state.waiting[0].status is state.status:
            # This verdict changes nothing, and no event can come any more that is earlier.
            state.waiting = state.waiting[1:]
        if not state.waiting and now <= until:
            return False
        statuses = [state.status, *(answer.status for answer in state.waiting)]
        if status is statuses[-1]:
            if not state.waiting and alarm.phase is not Phase.QUIET:
                self._render(alarm)  # render now: when it is raised, its evidence may be gone
            if not state.waiting or state.waiting[-1].time < now:
                touched = (
                    state.waiting[:-1] if len(statuses) > 2 and status is statuses[-2] else state.waiting
                )
                state.waiting = (*touched, Waiting(now, status))
                self._await_answers(alarm)
            return True
        before = tuple(answer for answer in state.waiting if answer.time <= now)
        proof = alarm.verdict.evidence if status is Status.VIOLATED else None
        shown = {} if proof is None else evidence.render(proof)
        if before == state.waiting:
            state.waiting = (*before, Waiting(now, status, shown))
        else:
            last = state.waiting[-1].time
            state.waiting = (*before, Waiting(now, Status.UNKNOWN), Waiting(last, status, shown))
        self._await_answers(alarm)
        return True

    def _await_answers(self, alarm: Alarm) -> None:
        changing = (answer.time for answer in alarm.state.waiting if answer.status is not alarm.status)
        due = next(changing, None)
        if due is None:
            self.answers.cancel(alarm.key)
        else:
            self.answers.set(alarm.key, due)

    def _answer(self, alarm: Alarm, status: Status) -> bool:
        """Apply a verdict at its time; return whether a violation begins."""
        before, phase, was_due = alarm.state.status, alarm.state.phase, alarm.state.due
        now = self.facts.now
        transition = alarm.move(status, now)
        reason = self._settled.pop(alarm.key, None) if self._settled else None
        if reason is not None and alarm.phase is Phase.CLEARING:
            transition = alarm.fire(now)  # a user, or a week at this level, says that it is right
        if was_due is not None or alarm.state.due is not None:
            self._set_timer(alarm)
        if transition is not None:
            self._transition(alarm, transition, reason)
        elif alarm.raised and status in {Status.VIOLATED, Status.UNKNOWN}:  # unknown may have a reason
            self._render(alarm)
        if (
            status is not before
            or alarm.phase is not phase
            or (not alarm.known and status is not Status.UNKNOWN)
        ):
            self.standing.follow(alarm)
        if status is not before:
            pool = alarm.labels.get("pool")
            if pool is not None:
                self.changes.append(PoolChanged(now, pool))
        return status is Status.VIOLATED and before is not Status.VIOLATED

    def _status(self, alarm: Alarm) -> Status:
        if alarm.verdict.status is not Status.VIOLATED:
            return alarm.verdict.status
        if self.plan.kept_quiet(alarm):
            return Status.SUPPRESSED
        return Status.VIOLATED if self.suppression(alarm) is None else Status.SUPPRESSED

    def _set_timer(self, alarm: Alarm) -> None:
        due = alarm.state.due
        if due is None:
            self.timers.cancel(alarm.key)
        elif self.timers.due(alarm.key) != due:
            self.timers.set(alarm.key, due)

    # Findings ----------------------------------------------------------------------------------------

    def _transition(self, alarm: Alarm, state: TransitionState, because: str | None = None) -> None:
        now = self.facts.now
        if state is TransitionState.RAISED:
            alarm.state.finding_id = _finding_id(alarm)
            alarm.rendered_at = float("-inf")
            self._render(alarm)
            finding = self.finding(alarm)
        else:
            alarm.verdict = alarm.verdict._replace(evidence=None)
            ended = now if alarm.state.ended is None else alarm.state.ended
            wall, shown = self.facts.wall, alarm.state.evidence
            if because is not None:
                shown = {**shown, CLEARED_BECAUSE: because}
            finding = _cleared(self.finding(alarm), wall(now), shown, wall(ended))
            alarm.state.ended = None
        self.standing.follow(alarm)
        self._report(Transition(now, state, finding))

    def _report(self, transition: Transition) -> None:
        if transition.state is TransitionState.CLEARED:
            self.cleared.appendleft(transition.finding)
        self.transitions.append(transition)

    def _render(self, alarm: Alarm) -> None:
        proof, now = alarm.verdict.evidence, self.facts.now
        if proof is None:
            return
        cheap = not (callable(proof.details) or proof.routes or proof.prefixes)
        interval = max(RENDER_INTERVAL_SECONDS, len(proof.routes) / RENDERED_PER_SECOND)
        alarm.outdated = not cheap and now - alarm.rendered_at < interval
        if not alarm.outdated:
            alarm.state.evidence = evidence.render(proof)
            alarm.rendered_at = now


def _shown(alarm: Alarm) -> Mapping[str, Any]:
    """Return the present evidence. Reading it changes nothing: a recording must replay to the same reports."""
    proof = alarm.verdict.evidence if alarm.outdated else None
    return alarm.state.evidence if proof is None else evidence.render(proof)


def _summary(alarm: Alarm, shown: Mapping[str, Any]) -> str:
    told = CATALOGUE[alarm.subject.check].summarize(alarm.labels, shown)
    return f"{told} ({alarm.subject.distinction})" if alarm.subject.distinction else told


def alarm_order(alarm: Alarm) -> AlarmKey:
    return alarm.order


def _finding_id(alarm: Alarm) -> str:
    """Return the same id for the same violation in every instance that sees it begin at that time."""
    text = f"{alarm.subject.check} {alarm.subject.labels} {alarm.state.since:.6f}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cleared(finding: Finding, now: float, shown: Mapping[str, Any], ended: float | None = None) -> Finding:
    return Finding(
        id=finding.id,
        check=finding.check,
        labels=finding.labels,
        severity=finding.severity,
        summary=finding.summary,
        evidence=shown,
        since=finding.since,
        raised_at=finding.raised_at,
        ended_at=now if ended is None else ended,
        cleared_at=now,
    )
