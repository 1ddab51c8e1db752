"""The steps of a scenario → events with their times, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from ermon.config.problems import Complaint
from ermon.config.yaml import KeyPath
from ermon.model.events import Event
from ermon.model.inventory import Config
from ermon.scenario.schema import StepEntry, Verb
from ermon.scenario.stage import ScriptError, Stage
from ermon.scenario.verbs import PLAYED
from ermon.scenario.wording import describe

VERBS: tuple[Verb, ...] = get_args(Verb)
_ON_ROUTES = ("feed", "circuit", "link", "path_id", "family")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "converge": ("add_path",),
    "in_sync": ("add_path",),
    "up": ("add_path",),
    "end_of_rib": ("family",),
    "down": ("reason",),
    "announce": (*_ON_ROUTES, "next_hop", "path", "communities"),
    "withdraw": _ON_ROUTES,
}
"""The keys that belong to a verb, beside those of every step."""
_MODIFIERS = sorted({key for keys in _TAKES.values() for key in keys})


@dataclass(frozen=True, slots=True)
class Act:
    """A step as it is played; times are seconds since the scenario began."""

    path: KeyPath
    """The step in its file."""
    at: float
    done: float
    """When it is over: getting in sync takes its time, everything else none."""
    events: tuple[Event, ...]
    text: str


def make_acts(
    config: Config, start: float, steps: Sequence[StepEntry], path: KeyPath
) -> tuple[list[Act], list[Complaint]]:
    """Return what happens in a scenario, and what is wrong with it.

    It begins at ``start`` (seconds since the epoch); ``path`` is where the steps stand in their file.
    """
    stage = Stage(config, start)
    acts: list[Act] = []
    complaints: list[Complaint] = []
    clock = 0.0
    for number, step in enumerate(steps):
        stage.path = (*path, number)
        try:
            at = _time(stage, step, clock)
            stage.now = round(start + at, 6)
            act = _act(stage, step, at)
        except ScriptError as error:
            stage.unsure = True
            complaints.append(error.complaint)
        else:
            clock = act.done
            acts.append(act)
    return acts, complaints


def _time(stage: Stage, step: StepEntry, clock: float) -> float:
    if step.at is not None and step.after is not None:
        raise stage.error("after", "stands beside at; keep one of them")
    if step.at is None:
        return round(clock + (step.after or 0.0), 6)
    if step.at < clock:
        message = f"is before the step above is done, at {clock:g}s; time only goes forward"
        raise stage.error("at", message)
    return step.at


def _act(stage: Stage, step: StepEntry, at: float) -> Act:
    verbs = [verb for verb in VERBS if getattr(step, verb) is not None]
    _check_keys(stage, step, verbs)
    # Of several verbs, which can only be announce and withdraw, the first one plays both.
    events = tuple(PLAYED[verbs[0]](stage, step)) if verbs else ()
    done = at
    if {"converge", "in_sync"} & set(verbs):
        collector = stage.config.collector
        done = round(at + min(collector.settle, collector.settle_limit), 6)
    return Act(stage.path, at, done, events, describe(step, verbs))


def _check_keys(stage: Stage, step: StepEntry, verbs: list[Verb]) -> None:
    if len(verbs) > 1 and set(verbs) != {"announce", "withdraw"}:
        raise stage.error(verbs[1], f"stands beside {verbs[0]}; make it a step of its own")
    if not verbs and step.expect is None:
        message = f"does nothing and expects nothing; give one of {', '.join(VERBS)}, or expect"
        raise ScriptError(Complaint(stage.path, message))
    allowed = {key for verb in verbs for key in _TAKES.get(verb, ())}
    for key in _MODIFIERS:
        if getattr(step, key) is not None and key not in allowed:
            owners = " or ".join(verb for verb, keys in _TAKES.items() if key in keys)
            raise stage.error(key, f"belongs to {owners}, which this step does not have")
