"""Turns the steps of a scenario into events with their times, and finds errors in them.

A verb about feeds, processes, published lists or storage is a function here; ``announce`` and ``withdraw`` are in
``updates``, and what routers report by BMP is in ``sessions``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from ermon.checks.sight import source_names
from ermon.config.problems import Complaint
from ermon.config.yaml import KeyPath
from ermon.core.accepting import AcceptError, said_by, wanted_labels
from ermon.exabgp.reasons import CLOSED
from ermon.model.events import (
    Accepted,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    StorageJudged,
    Update,
)
from ermon.model.inventory import Config
from ermon.scenario.azure import azure_tables
from ermon.scenario.azure_circuit import azure, azure_again
from ermon.scenario.fields import Many, RouteItem, Word
from ermon.scenario.good_day import good_day
from ermon.scenario.registries import route_objects, vrps
from ermon.scenario.schema import AcceptEntry, AzureEntry, AzureTablesEntry, StepEntry, Storage, Verb
from ermon.scenario.sessions import (
    bmp_down,
    bmp_up,
    end_dump,
    session,
    start_processes,
    start_session,
    statistics,
)
from ermon.scenario.updates import ScriptError, Stage, refresh, update

# The verbs: a function for each ---------------------------------------------------------------------


def converge(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Bring everything up, as on a good day."""
    feeds = stage.feeds(step.converge or (), "converge")
    yield from start_processes(stage, feeds)
    for feed in feeds:
        yield from start_session(stage, feed, step)
        yield from stage.update(feed, good_day(stage.config, feed, stage.now))
    # All first dumps have been sent before the first End-of-RIB, as if the routers were equally fast.
    for feed in feeds:
        yield from end_dump(stage, feed)


def in_sync(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.in_sync or (), "in_sync"):
        if feed.name not in stage.sent:
            yield from start_session(stage, feed, step)
        yield from end_dump(stage, feed)


def up(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.up or (), "up"):
        yield from start_session(stage, feed, step)


def end_of_rib(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.up_feeds(step.end_of_rib or (), "end_of_rib"):
        for family in step.family or feed.families:
            yield EndOfRib(stage.now, feed.name, family)


def down(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.down or (), "down"):
        stage.sent.pop(feed.name, None)
        yield SessionDown(stage.now, feed.name, step.reason or CLOSED)


def messages_lost(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.up_feeds(step.messages_lost or (), "messages_lost"):
        yield MessagesLost(stage.now, feed.name, 1, "messages are missing")


def exabgp_up(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for name in step.exabgp_up or ():
        stage.known(name, stage.config.processes, "exabgp_up", "an ExaBGP process")
        yield ProcessUp(stage.now, name)


def exabgp_down(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for name in step.exabgp_down or ():
        stage.known(name, stage.config.processes, "exabgp_down", "an ExaBGP process")
        for feed in stage.config.feeds.values():
            if feed.process == name:
                stage.sent.pop(feed.name, None)
        yield ProcessDown(stage.now, name, "exited")


def source_rejected(stage: Stage, step: StepEntry) -> Iterator[Event]:
    yield from _judge_sources(stage, step.source_rejected or (), "source_rejected", "it does not parse")


def source_accepted(stage: Stage, step: StepEntry) -> Iterator[Event]:
    yield from _judge_sources(stage, step.source_accepted or (), "source_accepted", None)


def storage(stage: Stage, step: StepEntry) -> Iterator[Event]:
    yield StorageJudged(stage.now, "the disk is full" if step.storage is Storage.FAILS else None)


def accept(stage: Stage, step: StepEntry) -> Iterator[Event]:
    wanted = step.accept
    assert wanted is not None
    try:
        labels = wanted_labels(
            stage.config,
            wanted.check,
            circuit=wanted.circuit,
            link=wanted.link,
            service=wanted.service or wanted.ms_service,
            source=wanted.source,
        )
        because = said_by("the scenario", wanted.reason)
    except AcceptError as error:
        raise stage.error("accept", str(error)) from None
    yield Accepted(stage.now, wanted.check, labels, because)
    if wanted.source is not None:
        yield SourceJudged(stage.now, wanted.source, None, because)


def restart(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Return the events after a restart: ExaBGP runs, the known routers reconnect, and each sends its table, or reports by BMP that
    a session is still down.
    """
    del step
    yield from azure_again(stage)
    feeds = [stage.config.feeds[name] for name in stage.sent]
    connected = [feed for feed in stage.config.feeds.values() if feed.process in stage.connected]
    yield from start_processes(stage, (*feeds, *connected))
    for feed in connected:
        if feed.name in stage.reported_down and feed.name not in stage.sent:
            yield SessionDown(stage.now, feed.name, stage.reported_down[feed.name])
    for feed in feeds:
        yield SessionUp(stage.now, feed.name)
        if held := stage.sent[feed.name]:
            yield Update(stage.now, feed.name, announced=tuple(sent.route for sent in held.values()))
    for feed in feeds:
        yield from end_dump(stage, feed)


PLAYED: Mapping[str, Callable[[Stage, StepEntry], Iterable[Event]]] = {
    "announce": update,
    "withdraw": update,
    "refresh": refresh,
    **{
        verb.__name__: verb
        for verb in (
            *(converge, in_sync, up, end_of_rib, down, messages_lost, exabgp_up, exabgp_down),
            *(bmp_up, bmp_down, statistics, session),
            *(source_rejected, source_accepted, azure, azure_tables, vrps, route_objects),
            *(storage, restart, accept),
        )
    },
}
"""The function that plays a step, by verb of the schema."""


def _judge_sources(stage: Stage, names: Iterable[str], key: str, problem: str | None) -> Iterator[Event]:
    for name in names:
        stage.known(name, source_names(stage.config), key, "a published list")
        yield SourceJudged(stage.now, name, problem)


# A scenario, step by step ---------------------------------------------------------------------------


VERBS: tuple[Verb, ...] = get_args(Verb)
_ON_ROUTES = ("feed", "circuit", "link", "path_id", "family")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "converge": ("add_path", "hold_time"),
    "in_sync": ("add_path", "hold_time"),
    "up": ("add_path", "hold_time"),
    "end_of_rib": ("family",),
    "down": ("reason",),
    "azure": ("circuit",),
    "bmp_down": ("reason",),
    "session": ("feed", "circuit", "link", "uplink", "family", "reason"),
    "refresh": ("family", "omit"),
    "vrps": ("source",),
    "route_objects": ("source",),
    "announce": (*_ON_ROUTES, "next_hop", "path", "communities", "local_preference"),
    "withdraw": _ON_ROUTES,
}
"""The keys of a verb, in addition to those of every step."""
_MODIFIERS = sorted({key for keys in _TAKES.values() for key in keys})


@dataclass(frozen=True, slots=True)
class Act:
    """A played step; times are seconds since the scenario began."""

    path: KeyPath
    """The place of the step in its file."""
    at: float
    done: float
    """The time when it is over: only getting in sync takes time."""
    events: tuple[Event, ...]
    text: str
    restarts: bool = False
    """A new ermon continues, with the stored state of this one."""


def make_acts(
    config: Config, start: float, steps: Sequence[StepEntry], path: KeyPath
) -> tuple[list[Act], list[Complaint]]:
    """Return the acts of a scenario, and its errors.

    It begins at ``start`` (seconds since the epoch); ``path`` is the place of the steps in their file.
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
        raise stage.error("after", "cannot be combined with at; keep one of them")
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
    if {"converge", "in_sync", "restart"} & set(verbs):
        collector = stage.config.collector
        done = round(at + min(collector.settle, collector.settle_limit), 6)
    return Act(stage.path, at, done, events, describe(step, verbs), restarts=step.restart is not None)


def _check_keys(stage: Stage, step: StepEntry, verbs: list[Verb]) -> None:
    if len(verbs) > 1 and set(verbs) != {"announce", "withdraw"}:
        raise stage.error(verbs[1], f"cannot be combined with {verbs[0]}; make it a separate step")
    if not verbs and step.expect is None:
        message = f"does nothing and expects nothing; give one of {', '.join(VERBS)}, or expect"
        raise ScriptError(Complaint(stage.path, message))
    allowed = {key for verb in verbs for key in _TAKES.get(verb, ())}
    for key in _MODIFIERS:
        if getattr(step, key) is not None and key not in allowed:
            owners = " or ".join(verb for verb, keys in _TAKES.items() if key in keys)
            raise stage.error(key, f"belongs to {owners}, which this step does not have")


# Steps in words, for the reader of a report ---------------------------------------------------------


_SHOWN = 3
"""The number of prefixes in the description of a step."""


def describe(step: StepEntry, verbs: Sequence[Verb]) -> str:
    """Describe a step in a few words."""
    parts = []
    for verb in verbs:
        value = getattr(step, verb)
        routes = verb in {"announce", "withdraw"}
        if isinstance(value, AcceptEntry):
            value = value.check
        if isinstance(value, AzureTablesEntry):
            value = f"of {value.circuit} {value.link}"
        elif verb in {"vrps", "route_objects"}:
            value = [f"{each.prefix} AS{each.asn}" for each in value] or "none"
        elif isinstance(value, AzureEntry):
            value = ", ".join(sorted(value.model_fields_set))
        parts.append(f"{verb.replace('_', ' ')} {_routes(value) if routes else _names(value)}")
    where = [
        f"of {' and '.join(step.family)}" if step.family else "",
        f"on {step.circuit} {step.link or ''}".rstrip() if step.circuit else "",
        f"on {step.uplink}" if step.uplink else "",
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
