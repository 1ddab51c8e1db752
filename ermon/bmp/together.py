"""Takes UPDATEs that were read at once together: a router reports each route of a table by itself, and each UPDATE is judged.

What comes in between is not lost: an UPDATE of a route that is among those before it is by itself again, and all that is no UPDATE
stays between those before it and those behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.model.events import Event, Uninteresting, Update
from ermon.model.routes import Route, RouteKey


class _Batch:
    """UPDATEs of one feed without a route in common."""

    def __init__(self, first: Update) -> None:
        self._first = first
        self._updates = 0
        self._announced: list[Route] = []
        self._withdrawn: list[RouteKey] = []
        self._keys: set[RouteKey] = set()
        self.add(first)

    def add(self, update: Update) -> bool:
        """Return whether it could be added."""
        keys = [route.key for route in update.announced]
        keys += update.withdrawn
        if not self._keys.isdisjoint(keys):
            return False
        self._keys.update(keys)
        self._announced += update.announced
        self._withdrawn += update.withdrawn
        self._updates += update.updates
        return True

    def update(self) -> Update:
        if self._updates == 1:
            return self._first
        return Update(
            self._first.time,
            self._first.feed,
            tuple(self._announced),
            tuple(self._withdrawn),
            self._updates,
        )


def together(events: Iterable[Event]) -> Iterator[Event]:
    """Yield events that were all read at one time, with the UPDATEs of a feed between two others as few as they can be."""
    batches: dict[str, _Batch] = {}
    passed: dict[str, Uninteresting] = {}
    for event in events:
        if isinstance(event, Update):
            batch = batches.get(event.feed)
            if batch is None:
                batches[event.feed] = _Batch(event)
            elif not batch.add(event):
                yield batch.update()
                batches[event.feed] = _Batch(event)
        elif isinstance(event, Uninteresting):
            before = passed.get(event.feed)
            passed[event.feed] = event if before is None else _sum(before, event)
        else:
            yield from passed.values()
            yield from (batch.update() for batch in batches.values())
            batches, passed = {}, {}
            yield event
    yield from passed.values()
    yield from (batch.update() for batch in batches.values())


def _sum(one: Uninteresting, other: Uninteresting) -> Uninteresting:
    return Uninteresting(
        one.time,
        one.feed,
        one.updates + other.updates,
        one.announced | other.announced,
        one.withdrawn | other.withdrawn,
    )
