"""Sessions in a scenario: how they start, and what routers report of their own by BMP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ermon.model.events import (
    AddPathNegotiated,
    EndOfRib,
    Event,
    HoldTimeZero,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    StatisticsBegan,
)
from ermon.model.inventory import Feed
from ermon.scenario.fields import ALL
from ermon.scenario.good_day import good_day
from ermon.scenario.schema import SessionState, StepEntry
from ermon.scenario.updates import Stage, sessions_of

CONNECTION_CLOSED = "the router closed the connection, or it was lost"
SESSION_CLOSED = "the neighbor closed the session"
SILENT = "no statistics have come of it"


def start_processes(stage: Stage, feeds: Iterable[Feed]) -> Iterator[Event]:
    """Start the ExaBGP processes of feeds; routers that report by BMP connect and send statistics."""
    for process in dict.fromkeys(feed.process for feed in feeds if feed.ris is None):
        yield ProcessUp(stage.now, process)
        if process in stage.config.connections:
            stage.connected.add(process)
            yield StatisticsBegan(stage.now, process)


def start_session(stage: Stage, feed: Feed, step: StepEntry) -> Iterator[Event]:
    stage.sent[feed.name] = {}
    if step.add_path is not None:
        yield AddPathNegotiated(stage.now, feed.name, frozenset(step.add_path))
    if step.hold_time == 0:
        yield HoldTimeZero(stage.now, feed.name)
    yield SessionUp(stage.now, feed.name)


def end_dump(stage: Stage, feed: Feed) -> Iterator[Event]:
    for family in feed.families:
        yield EndOfRib(stage.now, feed.name, family)


# What routers report by BMP: a function for each verb ---------------------------------------------------


def bmp_up(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for connection in _connections(stage, step.bmp_up or (), "bmp_up"):
        stage.connected.add(connection)
        yield ProcessUp(stage.now, connection)


def bmp_down(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for connection in _connections(stage, step.bmp_down or (), "bmp_down"):
        stage.connected.discard(connection)
        for feed in stage.config.feeds.values():
            if feed.process == connection:
                stage.sent.pop(feed.name, None)
        yield ProcessDown(stage.now, connection, step.reason or CONNECTION_CLOSED)


def statistics(stage: Stage, step: StepEntry) -> Iterator[Event]:
    for connection in _connections(stage, step.statistics or (), "statistics"):
        _refuse_unconnected(stage, connection, "statistics")
        yield StatisticsBegan(stage.now, connection)


def session(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Report what a router says by BMP of its session on a link or uplink."""
    for feed in _sessions(stage, step):
        _refuse_unconnected(stage, feed.process, "session")
        match step.session:
            case SessionState.UP:
                yield from start_session(stage, feed, step)
                yield from stage.update(feed, good_day(stage.config, feed, stage.now))
                yield from end_dump(stage, feed)
            case SessionState.MISSING:
                stage.sent.pop(feed.name, None)
                yield SessionUnreported(stage.now, feed.name)
            case SessionState.SILENT:
                yield SessionSilent(stage.now, feed.name, step.reason or SILENT)
            case _:
                stage.sent.pop(feed.name, None)
                stage.reported_down[feed.name] = step.reason or SESSION_CLOSED
                yield SessionDown(stage.now, feed.name, stage.reported_down[feed.name])


def _sessions(stage: Stage, step: StepEntry) -> list[Feed]:
    """Return the feeds that a router's BMP connection carries of a link's or an uplink's sessions, or those that are named."""
    if step.feed is not None and step.circuit is None and step.uplink is None:
        named = stage.feeds(step.feed, "feed")
        for feed in named:
            if not feed.by_bmp:
                raise stage.error("feed", f"{feed.name} is not reported by BMP; its session is up or down")
        return named
    if step.feed is not None:
        raise stage.error("feed", "cannot be combined with a link or an uplink, which name their feeds")
    if (step.uplink is None) == (step.circuit is None and step.link is None):
        raise stage.error("session", "needs a circuit and link, an uplink, or a feed")
    link = stage.link_of(step)
    if link is not None:
        found, key, router = sessions_of(stage.config, link), "link", link.router
    else:
        uplinks = stage.config.uplinks
        name = stage.known(step.uplink or "", uplinks, "uplink", "an uplink")
        found = [feed for feed in stage.config.feeds.values() if feed.by_bmp and feed.uplink == name]
        key, router = "uplink", uplinks[name].router
    found = [feed for feed in found if step.family is None or set(step.family) & set(feed.families)]
    if not found:
        message = f"{router} does not report its session by BMP; add routers.{router}.bmp: {{peer: ADDRESS}}"
        raise stage.error(key, message)
    return found


def _connections(stage: Stage, names: Collection[str], key: str) -> list[str]:
    """Return the BMP connections of routers."""
    known = {feed.router or "": feed.process for feed in stage.config.feeds.values() if feed.by_bmp}
    if ALL in names:
        return list(known.values())
    return [known[stage.known(name, known, key, "a router that reports by BMP")] for name in names]


def _refuse_unconnected(stage: Stage, connection: str, key: str) -> None:
    if connection not in stage.connected and not stage.unsure:
        message = f"{connection} is not connected at this point; first use bmp_up or converge"
        raise stage.error(key, message)
