"""The verbs of steps that are about sessions, processes, published lists and storage: a function for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ermon.checks.sight import source_names
from ermon.model.events import (
    AddPathNegotiated,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    StorageJudged,
)
from ermon.model.inventory import Feed
from ermon.scenario.good_day import good_day
from ermon.scenario.schema import StepEntry, Storage
from ermon.scenario.stage import Stage
from ermon.scenario.updates import update


def converge(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Everything comes up, as on a good day."""
    feeds = stage.feeds(step.converge or (), "converge")
    for process in dict.fromkeys(feed.process for feed in feeds):
        yield ProcessUp(stage.now, process)
    for feed in feeds:
        yield from _start_session(stage, feed, step)
        yield from stage.update(feed, good_day(stage.config, feed, stage.now))
    # All first dumps are there before the first one ends, as if the routers were equally fast.
    for feed in feeds:
        yield from _end_dump(stage, feed)


def in_sync(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.in_sync or (), "in_sync"):
        if feed.name not in stage.sent:
            yield from _start_session(stage, feed, step)
        yield from _end_dump(stage, feed)


def up(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.up or (), "up"):
        yield from _start_session(stage, feed, step)


def end_of_rib(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.up_feeds(step.end_of_rib or (), "end_of_rib"):
        for family in step.family or feed.families:
            yield EndOfRib(stage.now, feed.name, family)


def down(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for feed in stage.feeds(step.down or (), "down"):
        stage.sent.pop(feed.name, None)
        yield SessionDown(stage.now, feed.name, step.reason or "closing connection")


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


PLAYED: Mapping[str, Callable[[Stage, StepEntry], Iterable[Event]]] = {
    "announce": update,
    "withdraw": update,
    **{
        verb.__name__: verb
        for verb in (
            *(converge, in_sync, up, end_of_rib, down, messages_lost, exabgp_up, exabgp_down),
            *(source_rejected, source_accepted, storage),
        )
    },
}
"""How the step of each verb of the schema is played."""


def _start_session(stage: Stage, feed: Feed, step: StepEntry) -> Iterator[Event]:
    stage.sent[feed.name] = {}
    if step.add_path is not None:
        yield AddPathNegotiated(stage.now, feed.name, frozenset(step.add_path))
    yield SessionUp(stage.now, feed.name)


def _end_dump(stage: Stage, feed: Feed) -> Iterator[Event]:
    for family in feed.families:
        yield EndOfRib(stage.now, feed.name, family)


def _judge_sources(stage: Stage, names: Iterable[str], key: str, problem: str | None) -> Iterator[Event]:
    for name in names:
        stage.known(name, source_names(stage.config), key, "a published list")
        yield SourceJudged(stage.now, name, problem)
