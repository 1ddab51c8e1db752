"""Learns the usual levels from the verdicts, and lets a new steady level become usual after a time.

An amount that a check calls ok is learned. An amount that is too low is not, until it has lasted for
``policy.relearn_after``, alike on every link of the circuit and with nothing else wrong with what the circuit receives.
Then it is how the network is now.

House rules: nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from ermon.checks.facts import Amount, link_up
from ermon.checks.subject import Learns
from ermon.checks.topics import Counted
from ermon.core.alarm import Alarm, AlarmKey
from ermon.core.facts import NetworkFacts
from ermon.core.levels import Level, same_level
from ermon.core.plan import Plan
from ermon.core.timers import OwnedTimers
from ermon.model.findings import Status


class Learning:
    """Keeps ``facts.levels``; ``timers`` holds when a level becomes usual."""

    def __init__(self, plan: Plan, facts: NetworkFacts) -> None:
        self._plan = plan
        self._facts = facts
        self.timers: OwnedTimers[AlarmKey] = OwnedTimers(plan.owner, facts.horizons)
        self._low: dict[str, dict[AlarmKey, Alarm]] = {}
        """By circuit: the alarms that call something too low now."""
        for counted in plan.counted:
            facts.levels[counted] = Level()

    def follow(self, moved: Iterable[Alarm]) -> None:
        """Learn from alarms that have just been judged, or whose status has changed because of other alarms."""
        touched: set[str] = set()
        for alarm in moved:
            if alarm.subject.learns is not None:
                self._learn(alarm, alarm.subject.learns)
                touched.add(alarm.labels["circuit"])
            elif self._low and self._plan.spoils(alarm):
                touched.add(alarm.labels["circuit"])
        for circuit in touched.intersection(self._low):
            for alarm in self._low[circuit].values():
                self._go_on(alarm)

    def _learn(self, alarm: Alarm, learns: Learns) -> None:
        facts, status = self._facts, alarm.status
        low = self._low.get(alarm.labels["circuit"], {})
        if status is Status.VIOLATED:
            self._low.setdefault(alarm.labels["circuit"], low)[alarm.key] = alarm
            return
        if low.pop(alarm.key, None) is not None:
            self.timers.cancel(alarm.key)
            if not low:
                del self._low[alarm.labels["circuit"]]
        for counted in learns.counted:
            if status is Status.OK:
                facts.levels[counted].right(facts.amount(counted), facts.now)
            else:
                facts.levels[counted].stop(facts.now)

    def _go_on(self, alarm: Alarm) -> None:
        """Count the time of a level that is too low, while the conditions hold; set a timer for when it has lasted long
        enough.
        """
        learns, facts = alarm.subject.learns, self._facts
        assert learns is not None
        due = []
        spoiled = self._plan.spoiled(alarm)
        for counted in learns.counted:
            level, amount = facts.levels[counted], facts.amount(counted)
            median = level.too_low(amount, learns.drop_percent, facts.now)
            if spoiled or not self._alike(counted, learns, median):
                level.stop(facts.now)
            else:
                lasted = level.go_on(amount, facts.now)
                due.append(facts.now + max(0.0, facts.config.policy.relearn_after - lasted))
        if due:
            self.timers.set(alarm.key, min(due))
        else:
            self.timers.cancel(alarm.key)

    def _alike(self, counted: Counted, learns: Learns, median: Amount) -> bool:
        """Return whether every other up link of the circuit is at the same level. An amount that is only a lower bound
        is not at that level only if it is above it.
        """
        facts = self._facts
        for link in facts.config.circuits[counted.link[0]].links.values():
            if link.key == counted.link or not link_up(facts, link, counted.family):
                continue
            theirs = counted._replace(link=link.key)
            amount = facts.amount(theirs)
            above = all(one > usual for one, usual in zip(amount, median, strict=True))
            if not same_level(amount, median, learns.drop_percent) and (above or facts.amount_known(theirs)):
                return False
        return True

    def accept(self, alarm: Alarm) -> None:
        """Take the present amounts for usual."""
        for counted in alarm.subject.learns.counted if alarm.subject.learns else ():
            self._facts.levels[counted].accept(self._facts.amount(counted), self._facts.now)

    def fire(self, now: float) -> dict[AlarmKey, str]:
        """Let levels become usual that have lasted long enough; return their alarms, and in words what was learned."""
        learnt: dict[AlarmKey, str] = {}
        while (key := self.timers.pop(now)) is not None:
            learns = self._plan.alarms[key].subject.learns
            assert learns is not None
            said = [
                self._facts.levels[counted].becomes_usual(now)
                for counted in learns.counted
                if round(self._facts.levels[counted].lasted(now), 6)
                >= self._facts.config.policy.relearn_after
            ]
            learnt[key] = "learnt: " + ", ".join(filter(None, said))
        return learnt
