"""The steps of a scenario in which ermon reads registries: VRPs and route objects."""

from __future__ import annotations

from collections.abc import Iterator

from ermon.checks.ownership import ownership_names
from ermon.model.events import Event, OwnershipRead, SourceJudged
from ermon.model.ownership import OwnershipSource, Reading, RouteObject, Vrp
from ermon.scenario.schema import StepEntry
from ermon.scenario.updates import Stage


def vrps(stage: Stage, step: StepEntry) -> Iterator[Event]:
    found = tuple(
        Vrp(
            str(each.prefix),
            each.asn,
            each.max_length,
            None if each.expires is None else each.expires.timestamp(),
        )
        for each in step.vrps or ()
    )
    reading = Reading(stage.now, len(found), vrps=found)
    yield from _read(stage, step, "vrps", stage.config.ownership.vrps, reading)


def route_objects(stage: Stage, step: StepEntry) -> Iterator[Event]:
    found = tuple(RouteObject(str(each.prefix), each.asn) for each in step.route_objects or ())
    reading = Reading(stage.now, len(found), route_objects=found)
    yield from _read(stage, step, "route_objects", stage.config.ownership.route_objects, reading)


def _read(
    stage: Stage, step: StepEntry, key: str, sources: tuple[OwnershipSource, ...], reading: Reading
) -> Iterator[Event]:
    known = ownership_names(sources)
    if not known:
        raise stage.error(
            key, f"has nothing to read; add ownership: {{{key}: [{{from: FILE}}]}} to the configuration"
        )
    for name in step.source or known:
        stage.known(name, known, "source", f"one of ownership.{key}")
        yield OwnershipRead(stage.now, name, reading)
        yield SourceJudged(stage.now, name)
