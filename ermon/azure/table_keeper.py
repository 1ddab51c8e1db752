"""Keeps the tables of Microsoft's edge routers up to date: gently, because Azure asks the routers for each of them.

Azure is asked for one table of a circuit at a time, for its summary before its routes, on a schedule, and out of turn when somebody
wants to know, at most once in ``OUT_OF_TURN_SECONDS``. It is never asked before a time that it named (Retry-After). Files are looked
at, and read when they were written again. An attempt that fails is reported, and ends nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ermon.aio.rounds import AT_ONCE, Place, Rounds, delayed
from ermon.aio.threads import in_thread
from ermon.azure.table_files import Seen, TablesRead, read_files
from ermon.model.azure_tables import device_of
from ermon.model.inventory import Circuit, LinkKey

LOOK_SECONDS = 60.0
"""How often files are looked at, to see whether they were written again."""
OUT_OF_TURN_SECONDS = 300.0
"""The least time between two readings of a circuit that Azure itself is asked for."""

AskDevice = Callable[[Circuit, str], Awaitable[TablesRead]]
"""Asks Azure for the tables of one edge router of a circuit."""
Taken = Callable[[LinkKey, TablesRead], None]
"""Called with what one attempt brought for a link, in the event loop."""


@dataclass(slots=True, eq=False)
class _Place(Place):
    """The tables of one circuit. Times are those of the event loop's clock."""

    circuit: Circuit
    seen: dict[str, Seen] = field(default_factory=dict)
    """By edge router: the files that were read."""
    began: float = AT_ONCE
    reading: bool = False

    @property
    def links(self) -> Iterable[tuple[LinkKey, str]]:
        for link in self.circuit.links.values():
            if (device := device_of(self.circuit, link)) is not None:
                yield link.key, device

    @property
    def folder(self) -> str | None:
        return None if self.circuit.azure is None else self.circuit.azure.tables


class TableKeeper:
    """Reads the tables of the circuits that a configuration names."""

    def __init__(
        self, base: Path, ask: AskDevice, taken: Taken, *, clock: Callable[[], float] = time.time
    ) -> None:
        """``base`` is the folder for relative names; ``clock`` is the wall clock, in seconds since the epoch."""
        self._base = base
        self._ask = ask
        self._taken = taken
        self._clock = clock
        self._rounds: Rounds[str, _Place] = Rounds(self._refresh)

    def reconfigure(self, circuits: Iterable[Circuit]) -> None:
        """Change to these circuits. Files are read again; Azure is not asked before its time."""
        wanted = {c.name: c for c in circuits if c.azure is not None and c.azure.reads_tables}
        self._rounds.leave_out_all_but(wanted)
        for name, circuit in wanted.items():
            place = self._rounds.places.setdefault(name, _Place(circuit))
            if place.circuit.azure != circuit.azure or place.circuit.links.keys() != circuit.links.keys():
                place.seen, place.due = {}, AT_ONCE
            place.circuit = circuit
            self._rounds.go_to(name)

    async def run(self) -> None:
        """Keep reading until cancelled."""
        await self._rounds.run()

    def out_of_turn(self, circuit: str) -> float | None:
        """Read the tables of a circuit as soon as that is allowed, if it has any; return in how many seconds that is.

        0 also if they are being read, or if their files are; ``None`` if the circuit has no tables.
        """
        place = self._rounds.places.get(circuit)
        if place is None:
            return None
        if place.reading:
            return 0.0
        now = asyncio.get_running_loop().time()
        allowed = now if place.folder is not None else max(now, place.began + OUT_OF_TURN_SECONDS)
        place.due = min(place.due, allowed)
        place.changed.set()
        return max(place.due, place.not_before, now) - now

    def reading(self, circuit: str) -> bool:
        """Return whether the tables of a circuit are being read, or are about to be."""
        place = self._rounds.places.get(circuit)
        return place is not None and (
            place.reading or max(place.due, place.not_before) <= asyncio.get_running_loop().time()
        )

    async def _refresh(self, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        place.began, place.reading = loop.time(), True
        refresh = place.circuit.azure.refresh if place.circuit.azure is not None else LOOK_SECONDS
        try:
            for link, device in list(place.links):
                found = await self._read(place, device)
                if found.asked is not None or found.problems:
                    self._taken(link, found)
                if found.wait:
                    place.not_before = loop.time() + found.wait
                    break
        finally:
            place.reading = False
        if place.folder is not None:
            place.due = loop.time() + min(LOOK_SECONDS, refresh)
        else:
            place.due = place.began + delayed(refresh)

    async def _read(self, place: _Place, device: str) -> TablesRead:
        if place.folder is None:
            return await self._ask(place.circuit, device)
        seen = place.seen.setdefault(device, {})
        return await in_thread(partial(read_files, self._base / place.folder, device, seen, self._clock()))
