"""A copy of a daemon's state in the client: begins with a snapshot, and follows the daemon's events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ermon.api.answers import FindingDoc, LinkEvent
from ermon.api.status import ClockStepDoc, FeedDoc, GroupDoc, HeadlineDoc, LinkDoc, PoolDoc, StatusDoc
from ermon.client.http import Client, Parser, TooLongError, is_it_ermon, read, read_json
from ermon.client.target import UnreachableError
from ermon.terminal.display import instant

MAX_CLEARED = 200
"""Cleared findings that a picture keeps, so that it does not grow while it follows a daemon for weeks."""


class Picture:
    """The daemon's state and clock, as far as the client has received them."""

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``where`` is the daemon's address, for messages. ``clock`` returns monotonic seconds."""
        self.where = where
        self.changes = 0
        """The number of events taken."""
        self.findings: dict[str, FindingDoc] = {}
        self.status: StatusDoc
        self._clock = clock
        self._taken_at = 0.0

    def now(self) -> datetime:
        """Return the daemon's time, which may differ from this machine's clock."""
        return instant(self.status.time) + timedelta(seconds=self._clock() - self._taken_at)

    def take(self, kind: str, data: Any) -> None:
        """Apply an event of ``/api/v1/events``; unknown kinds and places are ignored.

        Raises ``UnreachableError`` for data that ermon does not send.
        """
        self.changes += 1
        match kind:
            case "snapshot":
                snapshot = read(data, dict[str, Any], self.where)
                self.take_all(snapshot.get("status"), snapshot.get("findings"))
            case "transition":
                self._take_finding(read(data, FindingDoc, self.where))
            case "link":
                self._take_link(read(data, dict[str, Any], self.where))
            case "feed" if (name := self._name(data, "feed")) in self.status.feeds:
                feeds = {**self.status.feeds, name: read(data, FeedDoc, self.where)}
                self.status = msgspec.structs.replace(self.status, feeds=feeds)
            case "pool" if (name := self._name(data, "pool")) in self.status.pools:
                pools = {**self.status.pools, name: read(data, PoolDoc, self.where)}
                self.status = msgspec.structs.replace(self.status, pools=pools)
            case "headline":
                headline = read(data, HeadlineDoc, self.where)
                self.status = msgspec.structs.replace(self.status, headline=headline)
            case "clock":
                steps = (*self.status.clock_steps, read(data, ClockStepDoc, self.where))
                self.status = msgspec.structs.replace(self.status, clock_steps=steps)
            case _:
                pass

    def take_all(self, status: object, findings: object) -> None:
        found = read(findings, tuple[FindingDoc, ...], self.where)
        self.take_status(status)
        self.findings = {finding.id: finding for finding in found}

    def take_status(self, status: object) -> None:
        self.status = read(status, StatusDoc, self.where)
        self._taken_at = self._clock()

    def _take_finding(self, finding: FindingDoc) -> None:
        self.findings[finding.id] = finding
        for old in self.cleared()[MAX_CLEARED:]:
            del self.findings[old.id]

    def _take_link(self, data: dict[str, Any]) -> None:
        name, link = str(data.get("circuit")), str(data.get("link"))
        circuit = self.status.circuits.get(name)
        if circuit is None or link not in circuit.links:
            return
        now = read(data, LinkEvent, self.where).circuit_state
        circuit = msgspec.structs.replace(
            circuit,
            links={**circuit.links, link: read(data, LinkDoc, self.where)},
            state=now.state,
            links_up=now.links_up,
            links_unknown=now.links_unknown,
            shown=now.shown,
            overall=now.overall,
        )
        circuits = {**self.status.circuits, name: circuit}
        self.status = msgspec.structs.replace(self.status, circuits=circuits)

    def _name(self, data: object, label: str) -> str:
        return str(read(data, dict[str, Any], self.where).get(label))

    # Reading -----------------------------------------------------------------------------------------

    def raised(self) -> list[FindingDoc]:
        """Return the raised findings, the worst first, in the daemon's order."""
        return sorted(
            (finding for finding in self.findings.values() if finding.state == "raised"),
            key=_place_of_finding,
        )

    def listed(self) -> list[FindingDoc | GroupDoc]:
        """Return the raised findings, the worst first, with findings of one cause as a group."""
        first = {group: self.findings.get(group.findings[0]) for group in self.status.groups}
        places: list[tuple[tuple[int, str], FindingDoc | GroupDoc]] = [
            ((group.rank, finding.raised_at), group)
            for group, finding in first.items()
            if finding is not None
        ]
        grouped = {each for _, group in places if isinstance(group, GroupDoc) for each in group.findings}
        places += [(_place_of_finding(each), each) for each in self.raised() if each.id not in grouped]
        return [each for _, each in sorted(places, key=lambda placed: placed[0])]

    def cleared(self) -> list[FindingDoc]:
        """Return the cleared findings, the latest first."""
        found = [finding for finding in self.findings.values() if finding.state != "raised"]
        return sorted(found, key=lambda finding: finding.cleared_at or finding.since, reverse=True)


def _place_of_finding(finding: FindingDoc) -> tuple[int, str]:
    return (finding.rank, finding.raised_at)


# Following a daemon --------------------------------------------------------------------------------------

RETRY_SECONDS = 2.0
"""The delay that ermon asks every client of its events to use."""
SILENCE_SECONDS = 40.0
"""ermon sends something every 15 s; after two missing messages the connection counts as lost."""


class Event(NamedTuple):
    """An event that the picture has applied."""

    kind: str
    data: Any
    id: str


class Heard(NamedTuple):
    """The connection is up, and there is nothing new."""


CLOSED = "ermon closed it (it stopped or restarts)"
"""The reason for the end of a connection without an error."""


class Lost(NamedTuple):
    """The connection is lost, and will be tried again."""

    reason: str


News: TypeAlias = Event | Heard | Lost


async def follow(client: Client, picture: Picture) -> AsyncGenerator[News, None]:
    """Yield a daemon's events until cancelled, the snapshot first.

    Raises ``UnreachableError`` if the first connection fails; later losses are yielded as ``Lost``.
    """
    last_id, begun = "", False
    while True:
        reason = CLOSED
        try:
            async with aclosing(_listen(client, last_id)) as news:
                async for each in news:
                    if isinstance(each, Event):
                        last_id = ""  # an event that cannot be applied: a snapshot is needed
                        picture.take(each.kind, each.data)
                        last_id, begun = each.id, True
                    if begun:
                        yield each
        except UnreachableError as error:
            if not begun:
                raise
            reason = str(error)
        if not begun:
            raise UnreachableError(
                f"{client.name} has closed the connection without a single event. {is_it_ermon(client.name)}"
            )
        yield Lost(reason)
        await asyncio.sleep(RETRY_SECONDS)


async def _listen(client: Client, last_id: str) -> AsyncGenerator[Event | Heard, None]:
    """Yield the events of one connection, those after ``last_id`` if the daemon still has them."""
    headers: Mapping[str, str] = {"Accept": "text/event-stream"}
    if last_id:
        headers = {**headers, "Last-Event-ID": last_id}
    parser = Parser()
    async with aclosing(client.stream("events", silence_seconds=SILENCE_SECONDS, headers=headers)) as pieces:
        async for piece in pieces:
            try:
                for raw in parser.feed(piece):
                    yield Event(raw.kind, read_json(raw.data), raw.id)
            except (TooLongError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                problem = f"{client.name}/api/v1/events: is not an event of ermon's: {error}. {is_it_ermon(client.name)}"
                raise UnreachableError(problem) from None
            yield Heard()
