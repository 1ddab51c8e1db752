"""What came of a scenario against what was expected: the failures, each with its place in the file.

A transition of severity warning or critical that nothing expects is a failure, unless its check is
ignored: a policy test that sees only what it looks for would pass while everything else burns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ermon.config.yaml import KeyPath
from ermon.model.findings import TransitionState
from ermon.model.inventory import Severity
from ermon.scenario.expectations import Expectations, ExpectedStatus, ExpectedTransition, Forbidden
from ermon.scenario.play import Record, Told
from ermon.scenario.wording import named, seconds, told


class Failure(NamedTuple):
    path: KeyPath
    """What of the file was not met."""
    message: str


def failures(expected: Expectations, record: Record, ignored: frozenset[str], name: KeyPath) -> list[Failure]:
    """Return what was not met; ``name`` is the scenario's place in the file."""
    found = [failure for each in expected.transitions for failure in _transition(each, record)]
    found += [failure for each in expected.forbidden for failure in _forbidden(each, record)]
    for number, status in enumerate(expected.statuses):
        found += _status(number, status, record)
    wanted = [[each for each in record.told if _met(e, each)] for e in expected.transitions]
    known = {id(each) for met in wanted for each in met}
    for each in record.told:
        finding = each.transition.finding
        if finding.severity is not Severity.INFO and finding.check not in ignored and id(each) not in known:
            message = f"not expected: {told(each.transition)} at {seconds(each.time)}: {finding.summary}"
            found.append(Failure(name, message))
    return found


def _when_met(expected: ExpectedTransition, each: Told) -> bool:
    return each.step == expected.step if expected.time is None else each.time == expected.time


def _met(expected: ExpectedTransition, each: Told) -> bool:
    return expected.fits(each.transition) and _when_met(expected, each)


def _transition(expected: ExpectedTransition, record: Record) -> Iterator[Failure]:
    meant = [each for each in record.told if expected.fits(each.transition)]
    met = [each for each in meant if _when_met(expected, each)]
    path, what = expected.about.path, f"{expected.about} to be {expected.state}"
    if not met:
        when = "in this step" if expected.time is None else f"at {seconds(expected.time)}"
        others = ", ".join(seconds(each.time) for each in meant)
        came = f"it was at {others}" if others else f"it was not before the end, at {seconds(record.ended)}"
        yield Failure(path, f"expected {what} {when}; {came}")
    for each in met:
        finding = each.transition.finding
        if expected.severity not in {None, finding.severity}:
            yield Failure(path, f"expected {what} as {expected.severity}; it was {finding.severity}")
        shown = finding.evidence.get("prefixes", [])
        missing = [str(prefix) for prefix in expected.prefixes if str(prefix) not in shown]
        if missing:
            yield Failure(
                path,
                f"expected {what} with {', '.join(missing)}; its evidence names {', '.join(shown) or 'no prefix'}",
            )


def _forbidden(expected: Forbidden, record: Record) -> Iterator[Failure]:
    for each in record.told:
        finding = each.transition.finding
        raised = each.transition.state is TransitionState.RAISED
        if raised and each.step == expected.step and expected.about.fits(finding.check, finding.labels):
            message = f"expected {expected.about} not to be raised; it was at {seconds(each.time)}"
            yield Failure(expected.about.path, message)


def _status(number: int, expected: ExpectedStatus, record: Record) -> Iterator[Failure]:
    path, when = expected.about.path, f"at {seconds(expected.time)}"
    if number not in record.statuses:
        yield Failure(
            path, f"expected {expected.about} to be {expected.status} {when}; the scenario ended before"
        )
    for labels, status in record.statuses.get(number, ()):
        if status is not expected.status:
            shown = f"{expected.about.check} {named(labels)}"
            yield Failure(path, f"expected {shown} to be {expected.status} {when}; it was {status}")
