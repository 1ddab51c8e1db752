"""The usual levels for the oracle, computed from its record of moments at each request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from ermon.checks.facts import Amount
from ermon.checks.subject import Subject
from ermon.checks.topics import Counted
from ermon.model.events import Accepted
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Link, View
from tests.oracle_facts import DAY, HOUR, median

if TYPE_CHECKING:
    from tests.oracle import Oracle

Spans = list[tuple[Amount, float]]
"""Amounts, and how many seconds each lasted."""


class Levels:
    """Reads the record; it stores only which levels became usual, and when."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self.learnt: dict[Counted, tuple[float, Amount]] = {}
        self.settled: set[tuple[float, str, object]] = set()
        """When a subject was judged again because a level had become usual."""

    def usual(self, counted: Counted) -> Amount | None:
        of_hour, of_day = self._median(self._right(counted, HOUR)), self._median(self._right(counted, DAY))
        if of_hour is None or of_day is None:
            return None
        return Amount(max(of_hour.routes, of_day.routes), max(of_hour.addresses, of_day.addresses))

    def _right(self, counted: Counted, room: float) -> Spans:
        """Return the right amounts within the last ``room`` seconds of such time."""
        oracle, spans, until = self._oracle, [], self._oracle.now
        learnt_at, learnt = self.learnt.get(counted, (float("-inf"), None))
        for moment in reversed(oracle.moments):
            if moment.time < learnt_at:
                break
            lasted, until = until - moment.time, moment.time
            if counted in moment.right:
                spans.append((moment.right[counted], min(lasted, room)))
                room = max(0.0, room - lasted)
        return spans if learnt is None else [*spans, (learnt, room)]

    @staticmethod
    def _median(spans: Spans) -> Amount | None:
        routes = median([(amount.routes, lasted) for amount, lasted in spans])
        addresses = median([(amount.addresses, lasted) for amount, lasted in spans])
        return None if routes is None or addresses is None else Amount(routes, addresses)

    # A level that is too low -------------------------------------------------------------------------

    def low(self, counted: Counted) -> Spans:
        """Return how much of the time at the present low level has counted."""
        oracle, spans = self._oracle, []
        since, _ = self.learnt.get(counted, (float("-inf"), None))
        times = [*(moment.time for moment in oracle.moments), oracle.now]
        for moment, (_, until) in zip(oracle.moments, pairwise(times), strict=True):
            if moment.time < since or counted in moment.right:
                spans = []
            elif counted in moment.low:
                amount, counts, drop = moment.low[counted]
                if not _same(amount, self._median(spans) or amount, drop):
                    spans = []
                if counts:
                    spans.append((amount, until - moment.time))
        return spans

    def write_down(self, subject: Subject, status: Status) -> None:
        """Note in the last moment the amounts of a subject that has just been judged."""
        learns, oracle = subject.learns, self._oracle
        if learns is None:
            return
        for counted in learns.counted:
            amount = oracle.facts.amount(counted)
            if status is Status.OK:
                oracle.moments[-1].right[counted] = amount
            elif status is Status.VIOLATED:
                level = self._median(self.low(counted)) or amount
                level = level if _same(amount, level, learns.drop_percent) else amount
                spoiled = self._spoiled(subject)
                alike = all(
                    _same(other, level, learns.drop_percent)
                    or not (known or (other.routes > level.routes and other.addresses > level.addresses))
                    for other, known in self._others(counted)
                )
                oracle.moments[-1].low[counted] = (amount, alike and not spoiled, learns.drop_percent)

    def _spoiled(self, subject: Subject) -> bool:
        if subject.check == "advertised-count-low":
            return False
        about = dict(subject.labels)
        wrong = {"prefix-missing", "service-missing", "link-asymmetry", "drain"}
        for (check, labels), verdict in self._oracle.verdicts.items():
            of = dict(labels)
            if check not in wrong or of["circuit"] != about["circuit"]:
                continue
            same_family = "family" not in about or of.get("family", about["family"]) == about["family"]
            if same_family and verdict.status is Status.VIOLATED:
                return True
        return False

    def _others(self, counted: Counted) -> Iterator[tuple[Amount, bool]]:
        """Yield the amounts on the other links of the circuit that are up, and whether there cannot be more."""
        facts = self._oracle.facts
        for link in self._oracle.config.circuits[counted.link[0]].links.values():
            if link.key == counted.link:
                continue
            families = [counted.family] if counted.family in link.families else link.families
            if any(facts.link_state(link.key, family) is LinkState.UP for family in families):
                yield facts.amount(counted._replace(link=link.key)), self._all_seen(link, counted)

    def _all_seen(self, link: Link, counted: Counted) -> bool:
        facts, feeds = self._oracle.facts, self._oracle.config.feeds
        if counted.kind != "advertised":
            return counted.family in link.families and facts.deciders(link.key, counted.family) != ()
        mirrors = [n for n, f in feeds.items() if f.view is View.TO_MICROSOFT and f.link_key == link.key]
        return any(facts.in_sync(name, counted.family) for name in mirrors)

    # Until it is usual -------------------------------------------------------------------------------

    def deadlines(self) -> Iterator[float]:
        oracle = self._oracle
        for counted, (_, counts, _) in oracle.moments[-1].low.items() if oracle.moments else ():
            if counts:
                lasted = sum(seconds for _, seconds in self.low(counted))
                yield oracle.now + oracle.config.policy.relearn_after - lasted

    def learn(self, subjects: list[Subject]) -> None:
        """Make levels usual that have lasted for long enough by now."""
        oracle, enough = self._oracle, self._oracle.config.policy.relearn_after
        for subject in subjects:
            for counted in subject.learns.counted if subject.learns else ():
                spans = self.low(counted) if oracle.moments[-1].low.get(counted, (0, False))[1] else []
                level = self._median(spans)
                if level is not None and sum(seconds for _, seconds in spans) >= enough:
                    self.learnt[counted] = (oracle.now, level)
                    self.settled.add((oracle.now, subject.check, subject.labels))

    def accept(self, event: Accepted, subjects: list[Subject]) -> None:
        """Make a present low level usual, if it is visible."""
        oracle = self._oracle
        for subject in subjects:
            meant = subject.check == event.check and set(event.labels) <= set(subject.labels)
            if meant and oracle.verdicts[subject.check, subject.labels].status is Status.VIOLATED:
                for counted in subject.learns.counted if subject.learns else ():
                    self.learnt[counted] = (oracle.now, oracle.facts.amount(counted))
                self.settled.add((oracle.now, subject.check, subject.labels))

    def forget(self, subjects: list[Subject]) -> None:
        """Forget levels of which no subject asks any more; keep the others."""
        asked = {
            counted for subject in subjects for counted in (subject.learns.counted if subject.learns else ())
        }
        for moment in self._oracle.moments:
            for gone in moment.right.keys() - asked:
                del moment.right[gone]
            for gone in moment.low.keys() - asked:
                del moment.low[gone]


def _same(amount: Amount, level: Amount, drop_percent: float) -> bool:
    """Return whether routes or addresses are within the band of the level."""
    off = [abs(one - usual) * 100 <= usual * drop_percent for one, usual in zip(amount, level, strict=True)]
    return any(off)
