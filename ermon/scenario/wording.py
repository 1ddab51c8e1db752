"""Steps and findings in words, for the reader of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ermon.model.findings import Transition
from ermon.scenario.fields import Many, RouteItem, Word
from ermon.scenario.schema import StepEntry, Verb

_SHOWN = 3
"""So many prefixes tell what a step is about."""


def seconds(offset: float) -> str:
    """Write a time since the scenario began as the file writes durations."""
    if round(offset % 1, 6):
        return f"{round(offset * 1000)}ms" if offset < 1 else f"{round(offset, 6):.6f}".rstrip("0") + "s"
    return f"{offset:.0f}s"


def describe(step: StepEntry, verbs: Sequence[Verb]) -> str:
    """Say in a few words what happens in a step."""
    parts = []
    for verb in verbs:
        value = getattr(step, verb)
        routes = verb in {"announce", "withdraw"}
        parts.append(f"{verb.replace('_', ' ')} {_routes(value) if routes else _names(value)}")
    where = [
        f"of {' and '.join(step.family)}" if step.family else "",
        f"on {step.circuit} {step.link}" if step.circuit else "",
        f"on {', '.join(step.feed)}" if step.feed else "",
    ]
    return " ".join([" and ".join(parts) or "(wait)", *filter(None, where)])


def _names(value: Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _routes(items: Sequence[RouteItem]) -> str:
    shown = [_route(item) for item in items[:_SHOWN]]
    more = len(items) - _SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _route(item: RouteItem) -> str:
    if isinstance(item, Word):
        return item.text
    return f"{item.count} prefixes of {item.of}" if isinstance(item, Many) else str(item)


def named(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())


def told(transition: Transition) -> str:
    """Write a transition as ``raised pool-leak pool=x family=ipv4 feed=y (critical)``."""
    finding = transition.finding
    return f"{transition.state} {finding.check} {named(finding.labels)} ({finding.severity})"
