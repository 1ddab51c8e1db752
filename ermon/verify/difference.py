"""What changed between two reports: step by step, and prefix by prefix on every link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.model.prefixes import Family, parse_prefix
from ermon.verify.report import (
    Change,
    CircuitChange,
    CircuitReport,
    Comparison,
    Direction,
    LinkReport,
    Outcome,
    PrefixChange,
    Prefixes,
    Report,
    Step,
    StepChange,
    rank,
)

NOTHING = Prefixes(complete=False, prefixes=())


def compare(before: Report, after: Report, circuit: str | None) -> Comparison:
    """Compare what two reports say of one circuit, or of all that either of them names."""
    earlier = {found.circuit: found for found in before.circuits if circuit in {None, found.circuit}}
    now = {found.circuit: found for found in after.circuits}
    changes = tuple(_circuit(name, earlier.get(name), now.get(name)) for name in {**earlier, **now})
    worse = any(
        change.change == "gone" or any(step.change in {"worse", "gone"} for step in change.steps)
        for change in changes
    )
    return Comparison(before=before.time, worse=worse, circuits=changes)


def _circuit(name: str, before: CircuitReport | None, after: CircuitReport | None) -> CircuitChange:
    if before is None or after is None:
        return CircuitChange(name, "new" if before is None else "gone")
    earlier, now = ({step.id: step for step in report.steps} for report in (before, after))
    steps = [_step(earlier.get(step), now.get(step)) for step in {**now, **earlier}]
    changed = tuple(step for step in steps if step is not None)
    prefixes = tuple(_prefixes(before, after))
    return CircuitChange(name, "changed" if changed or prefixes else "same", changed, prefixes)


def _step(before: Step | None, after: Step | None) -> StepChange | None:
    """Compare one step; ``None`` where nothing changed.

    A step that is gone counts as worse: what is no longer asked is no longer proven.
    """
    shown = after or before
    if shown is None:
        return None
    solved, added = _problems_only_in(before, after), _problems_only_in(after, before)
    change: Change
    if before is None or after is None:
        change = "new" if before is None else "gone"
    elif before.status is not after.status:
        change = "better" if rank(after.status) > rank(before.status) else "worse"
    elif solved or added:
        change = "better" if not added else "worse" if not solved else "different"
    else:
        return None
    return StepChange(shown.id, shown.title, change, _status(before), _status(after), solved, added)


def _status(step: Step | None) -> Outcome | None:
    return step.status if step is not None else None


def _problems_only_in(step: Step | None, other: Step | None) -> tuple[str, ...]:
    known = {proof.key for proof in other.evidence} if other is not None else set()
    return tuple(
        proof.text
        for proof in (step.evidence if step is not None else ())
        if proof.status is not Outcome.PASS and proof.key not in known
    )


def _prefixes(before: CircuitReport, after: CircuitReport) -> Iterator[PrefixChange]:
    nowhere = LinkReport(router="", received={}, advertised={})
    for link in {**before.links, **after.links}:
        earlier, now = before.links.get(link, nowhere), after.links.get(link, nowhere)
        yield from _one_way(link, "received", earlier.received, now.received)
        yield from _one_way(link, "advertised", earlier.advertised, now.advertised)


def _one_way(
    link: str, direction: Direction, before: Mapping[Family, Prefixes], after: Mapping[Family, Prefixes]
) -> Iterator[PrefixChange]:
    for family in {**before, **after}:
        was, is_now = before.get(family, NOTHING), after.get(family, NOTHING)
        gone, new = _only_in(was, is_now), _only_in(is_now, was)
        if gone or new:
            yield PrefixChange(link, direction, family, was.complete and is_now.complete, gone, new)


def _only_in(these: Prefixes, others: Prefixes) -> tuple[str, ...]:
    only = set(these.prefixes).difference(others.prefixes)
    return tuple(map(str, sorted(map(parse_prefix, only))))
