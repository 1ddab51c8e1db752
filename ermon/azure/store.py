"""Keeps what Azure said of each circuit over a restart: one file for each circuit and peering."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import msgspec

from ermon.aio.files import open_file, replace_file
from ermon.aio.own import own_folder
from ermon.model.azure import AzureReading
from ermon.model.inventory import Circuit

_MAX_BYTES = 16 * 1024 * 1024
MOST_LISTED = 5_000


class Remembered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last two readings of a circuit. A file format. Times are seconds since the epoch, by the wall clock."""

    last: AzureReading
    taken: float
    before: AzureReading | None = None
    before_taken: float = 0.0
    listed: tuple[str, ...] = ()
    """Prefixes that any of the readings listed as advertised."""


def followed(remembered: Remembered | None, reading: AzureReading, taken: float) -> Remembered:
    """Return what is remembered after another reading."""
    if remembered is None:
        return Remembered(reading, taken, listed=reading.prefixes)
    listed = tuple(dict.fromkeys((*reading.prefixes, *remembered.listed)))[:MOST_LISTED]
    return Remembered(reading, taken, remembered.last, remembered.taken, listed)


class ReadingFiles:
    """The files; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, circuit: Circuit) -> Remembered | None:
        """Return what is remembered of a circuit; ``None`` if there is nothing usable."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            if (path := self._path(circuit)) is not None:
                with open_file(path) as file:
                    return msgspec.json.decode(file.read(_MAX_BYTES), type=Remembered)
        return None

    def keep(self, circuit: Circuit, remembered: Remembered) -> None:
        """Write it; ``OSError`` if that fails, and then the earlier file is unchanged."""
        if (path := self._path(circuit)) is not None:
            own_folder(path.parent)
            replace_file(path, msgspec.json.encode(remembered))

    def _path(self, circuit: Circuit) -> Path | None:
        if self._folder is None or circuit.azure is None:
            return None
        whole = f"{circuit.azure.key}\0{circuit.peering}"
        return self._folder / f"circuit-{hashlib.sha256(whole.encode()).hexdigest()[:16]}.json"
