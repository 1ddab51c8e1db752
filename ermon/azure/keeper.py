"""Keeps Azure's view of the circuits up to date: reads files that are written again, and asks Azure Resource Manager on a schedule.

The last good reading stays until it is too old; an attempt that fails is reported, and ends nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from ermon.aio.files import Edition, read_if_new
from ermon.aio.rounds import AT_ONCE, Place, Rounds, delayed
from ermon.aio.threads import in_thread
from ermon.azure.circuit import MAX_BYTES, NoSuchCircuitError, find_circuit, read_circuits, reading_of
from ermon.azure.client import ArmClient
from ermon.azure.documents import AzureCircuit, shaped
from ermon.azure.documents import objects as objects_of
from ermon.azure.requests import ArmError
from ermon.azure.store import ReadingFiles, Remembered, followed
from ermon.model.azure import AzureFailure, AzureReading
from ermon.model.inventory import Circuit, Peering
from ermon.sources.published import SourceError

LOOK_SECONDS = 60.0
"""How often a file is looked at, to see whether it was written again."""


class FailedError(Exception):
    """Azure's view could not be read; the text is the reason."""

    def __init__(self, kind: AzureFailure, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.kind = kind
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading of one circuit, and when Azure said so, by the wall clock."""

    reading: AzureReading
    taken: float


Read = Callable[[str, Taken, tuple[str, ...]], None]
"""Called with a circuit, its reading, and, for one of an earlier run, the prefixes that were listed at any time before."""
Failed = Callable[[str, AzureFailure, str], None]
"""Called with a circuit, the kind of a failure and its reason, at each attempt that fails."""


@dataclass(slots=True, eq=False)
class _Place(Place):
    """A file, or one circuit of Azure Resource Manager, with the circuits of the configuration that are read there."""

    location: str
    """A file; empty for Azure Resource Manager."""
    circuits: dict[str, Circuit] = field(default_factory=dict)
    refresh: float = 0.0
    restored: set[str] = field(default_factory=set)
    """The circuits whose readings of an earlier run have been looked up."""
    seen: Edition | None = None
    """The file as it was last read."""


class AzureKeeper:
    """Reads Azure's view of the circuits that a configuration names; ``read`` and ``failed`` are called in the event loop."""

    def __init__(
        self,
        base: Path,
        files: ReadingFiles,
        *,
        read: Read,
        failed: Failed,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``base`` is the folder for relative file names; ``clock`` is the wall clock, in seconds since the epoch."""
        self._base = base
        self._files = files
        self._read = read
        self._failed = failed
        self._clock = clock
        self._client: ArmClient | None = None
        self._rounds: Rounds[str, _Place] = Rounds(self._refresh, self._restore)
        self._kept: dict[str, Remembered] = {}
        self._log = structlog.get_logger()

    def reconfigure(self, circuits: Iterable[Circuit], client: ArmClient | None) -> None:
        """Change to these circuits. Files are read again; Azure is not asked before its time."""
        self._client = client
        wanted: dict[str, dict[str, Circuit]] = {}
        for circuit in circuits:
            if circuit.azure is not None:
                where = f"arm:{circuit.azure.key}" if circuit.azure.by_arm else circuit.azure.location
                wanted.setdefault(where, {})[circuit.name] = circuit
        self._rounds.leave_out_all_but(wanted)
        for name, own in wanted.items():
            by_arm = any(circuit.azure is not None and circuit.azure.by_arm for circuit in own.values())
            place = self._rounds.places.setdefault(name, _Place("" if by_arm else name))
            new = place.circuits != own
            # A circuit whose resource_id has been corrected has nothing in common with the one that was read before.
            place.restored = {
                each
                for each in place.restored & own.keys()
                if _identity(place.circuits[each]) == _identity(own[each])
            }
            place.circuits = own
            place.refresh = min(
                circuit.azure.refresh for circuit in own.values() if circuit.azure is not None
            )
            if new:
                place.seen = None
            if new or place.location:
                place.due = AT_ONCE
            self._rounds.go_to(name)

    async def run(self) -> None:
        """Keep reading until cancelled."""
        await self._rounds.run()

    async def _refresh(self, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        # Before the attempt, so that a reload meanwhile can ask for another one at once.
        if place.location:
            place.due = loop.time() + min(LOOK_SECONDS, place.refresh)
        else:
            place.due = loop.time() + delayed(place.refresh)
        try:
            found = await (self._from_file(place) if place.location else self._from_arm(place))
        except FailedError as error:
            place.not_before = loop.time() + error.wait
            for name in place.circuits:
                self._failed(name, error.kind, str(error))
        else:
            for name, one in found.items():
                await self._take(place, name, one)

    async def _take(self, place: _Place, name: str, one: Taken | FailedError) -> None:
        circuit = place.circuits.get(name)
        if circuit is None:
            return  # a reload has removed it meanwhile
        if isinstance(one, FailedError):
            self._failed(name, one.kind, str(one))
            return
        before = self._kept.get(name)
        if before is not None and one.taken <= before.taken <= self._clock():
            # The file that was read before says nothing new, but it can be read again.
            self._read(name, Taken(before.last, before.taken), ())
            return
        self._kept[name] = kept = followed(before, one.reading, one.taken)
        try:
            await in_thread(partial(self._files.keep, circuit, kept))
        except OSError as error:
            self._log.warning("Azure's view cannot be kept over a restart", circuit=name, problem=str(error))
        if place.circuits.get(name) == circuit:
            self._read(name, one, ())

    async def _restore(self, place: _Place) -> None:
        """Go on from the readings of an earlier run."""
        for name, circuit in list(place.circuits.items()):
            if name in place.restored:
                continue
            place.restored.add(name)
            kept = await in_thread(partial(self._files.load, circuit))
            self._kept.pop(name, None)
            if kept is None:
                continue
            self._kept[name] = kept
            if kept.before is not None:
                self._read(name, Taken(kept.before, kept.before_taken), kept.listed)
            self._read(name, Taken(kept.last, kept.taken), kept.listed)
            if not place.location:
                left = place.refresh - max(0.0, self._clock() - kept.taken)
                place.due = asyncio.get_running_loop().time() + min(left, place.refresh)

    # Files -------------------------------------------------------------------------------------------

    async def _from_file(self, place: _Place) -> Mapping[str, Taken | FailedError]:
        """Return the readings of a file that was written again; nothing if it was not."""
        try:
            seen, content = await in_thread(
                partial(read_if_new, self._base / place.location, place.seen, MAX_BYTES)
            )
        except OSError as error:
            place.seen = None
            reason = f"{place.location} cannot be read: {error.strerror or error}"
            raise FailedError(AzureFailure.FILE, reason) from error
        if content is None:
            return {}
        place.seen = seen
        if len(content) > MAX_BYTES:
            raise FailedError(AzureFailure.FILE, f"{place.location} is larger than {MAX_BYTES} bytes")
        try:
            circuits = await in_thread(partial(read_circuits, content))
        except SourceError as error:
            raise FailedError(AzureFailure.SHAPE, f"{place.location}: {error}") from error
        taken = min(seen.written, self._clock())  # a file of the future is of now
        return {name: _found(place.location, circuits, each, taken) for name, each in place.circuits.items()}

    # Azure Resource Manager --------------------------------------------------------------------------

    async def _from_arm(self, place: _Place) -> Mapping[str, Taken | FailedError]:
        source = next(iter(place.circuits.values())).azure
        assert source is not None  # only such circuits are in a place
        if self._client is None:
            raise FailedError(AzureFailure.LOGIN, "the configuration does not say how to log in")
        try:
            async with self._client.turn(source.resource_id):
                document = await self._client.get(source.resource_id)
            circuits = await in_thread(partial(_circuits_in, document))
        except ArmError as error:
            raise FailedError(error.kind, str(error), error.wait) from error
        except SourceError as error:
            raise FailedError(AzureFailure.SHAPE, str(error)) from error
        taken = self._clock()
        return {
            name: _found("Azure's answer", circuits, each, taken) for name, each in place.circuits.items()
        }


def _identity(circuit: Circuit) -> tuple[str, Peering]:
    assert circuit.azure is not None  # only such circuits are in a place
    return circuit.azure.key, circuit.peering


def _circuits_in(document: Any) -> list[AzureCircuit]:
    return [shaped(where, value, AzureCircuit) for where, value in objects_of("$", document)]


def _found(where: str, circuits: list[AzureCircuit], circuit: Circuit, taken: float) -> Taken | FailedError:
    assert circuit.azure is not None  # only such circuits are in a place
    try:
        return Taken(reading_of(find_circuit(circuits, circuit.azure.resource_id), circuit.peering), taken)
    except NoSuchCircuitError as error:
        return FailedError(AzureFailure.MISSING, f"{where}: {error}")
    except SourceError as error:
        return FailedError(AzureFailure.SHAPE, f"{where}: {error}")
