"""What Azure says of the circuits: the last two readings of each, and what earlier ones listed.

House rules: nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ermon.checks.facts import AzureSight
from ermon.model.azure import OUTDATED_AFTER, AzureReading
from ermon.model.events import AzureRead
from ermon.model.inventory import Circuit, Config
from ermon.model.prefixes import Prefix, PrefixSet, parse_prefix
from ermon.model.text import utc_text

MOST_LISTED = 5_000
"""Prefixes of earlier readings that are remembered for one circuit: Azure accepts a few hundred at a time."""


class AzureState(msgspec.Struct, omit_defaults=True):
    """The readings of one circuit. The fields are a file format. Times are those of events."""

    last: AzureReading | None = None
    taken: float = 0.0
    before: AzureReading | None = None
    before_taken: float = 0.0
    listed: tuple[str, ...] = ()
    """The prefixes that readings before the last one listed as advertised."""
    problem: str = ""
    """Why the latest attempt to read it failed; empty if it did not."""
    since: float | None = None
    """When the first attempt was made; ``None`` before it."""

    def take(self, event: AzureRead) -> None:
        """Take in a reading, or that there was none. A reading that is not younger than the last one is the same again."""
        self.problem = event.problem
        self.since = event.time if self.since is None else self.since
        self._list(event.listed)
        taken = min(event.taken, event.time)
        if event.reading is None or (self.last is not None and taken <= self.taken):
            return
        if self.last is not None:
            self._list(self.last.prefixes)
            self.before, self.before_taken = self.last, self.taken
        self.last, self.taken = event.reading, taken

    def _list(self, prefixes: Iterable[str]) -> None:
        self.listed = tuple(dict.fromkeys((*prefixes, *self.listed)))[:MOST_LISTED]

    def outdated_at(self, refresh: float) -> float:
        """Return the time from which on the last reading no longer counts; ``refresh`` is in seconds."""
        return round(self.taken + OUTDATED_AFTER * refresh, 6)

    def overdue_at(self, refresh: float) -> float | None:
        """Return from when on it is reported that there was no reading; ``None`` before the first attempt.

        A reading of an earlier run is old if ermon was not running for long: that is no reason to report it at once.
        """
        if self.since is None:
            return None
        last = self.since if self.last is None else max(self.since, self.taken)
        return round(last + max(OVERDUE_SECONDS, OUTDATED_AFTER * refresh), 6)


OVERDUE_SECONDS = 3600.0
"""Without a reading for so long, or for ``OUTDATED_AFTER`` intervals if that is longer, Azure's view is stale."""

Named = dict[tuple[str, Prefix], float]
"""By circuit and prefix of a pool: since when the configuration names it."""


class AzureReadings:
    """What Azure says of each circuit that it is asked about, and since when the configuration names their pools."""

    def __init__(self, config: Config, now: float) -> None:
        asked = {name: circuit for name, circuit in config.circuits.items() if circuit.azure is not None}
        self.states = {name: AzureState() for name in asked}
        # A file that was written before ermon was started named its pools then.
        since = now if config.written_at is None else min(now, config.written_at)
        self.named: Named = {
            (circuit, prefix): since
            for pool in config.pools.values()
            for circuit in pool.circuits
            if circuit in asked
            for prefix in pool.prefixes
        }
        self._asked = asked

    def take_over(self, before: AzureReadings) -> None:
        """Go on from the readings under another configuration. A circuit with another identity begins anew."""
        for name in self.states.keys() & before.states.keys():
            if _same(before._asked[name], self._asked[name]):  # of the same class
                self.states[name] = msgspec.structs.replace(before.states[name])
        self.named.update((key, before.named[key]) for key in self.named.keys() & before.named.keys())

    def memory(self) -> AzureMemory:
        return AzureMemory(
            {name: msgspec.structs.replace(state) for name, state in self.states.items()},
            tuple((circuit, str(prefix), since) for (circuit, prefix), since in self.named.items()),
        )

    def restore(self, memory: AzureMemory) -> None:
        for name in self.states.keys() & memory.states.keys():
            self.states[name] = msgspec.structs.replace(memory.states[name])
        known = {(circuit, parse_prefix(text)): since for circuit, text, since in memory.named}
        self.named.update((key, known[key]) for key in self.named.keys() & known.keys())

    def outdated_at(self, circuit: str) -> float | None:
        """Return when the last reading of a circuit no longer counts; ``None`` if there is none."""
        source, state = self._asked[circuit].azure, self.states[circuit]
        return None if source is None or state.last is None else state.outdated_at(source.refresh)

    def overdue_at(self, circuit: str) -> float | None:
        """Return from when on a circuit without another reading is reported; ``None`` before the first attempt."""
        source = self._asked[circuit].azure
        return None if source is None else self.states[circuit].overdue_at(source.refresh)

    def overdue(self, circuit: str, now: float) -> bool | None:
        """Return whether there was no reading of a circuit for too long; ``None`` if there was none yet."""
        at = self.overdue_at(circuit)
        if at is not None and now >= at:
            return True
        return None if self.states[circuit].last is None else False

    def problem(self, circuit: str, wall: Callable[[float], float]) -> str:
        """Return when a circuit was read last, and why it could not be read since."""
        state = self.states[circuit]
        read = "never" if state.last is None else utc_text(wall(state.taken))
        return f"last read: {read}" + (f"; {state.problem}" if state.problem else "")

    def sight(self, circuit: str, now: float, wall: Callable[[float], float]) -> AzureSight | None:
        """Return what Azure says of a circuit, unless it is too old; ``wall`` converts a time to the wall clock."""
        due = self.outdated_at(circuit) if circuit in self.states else None
        if due is None or now >= due:
            return None
        state = self.states[circuit]
        assert state.last is not None  # it would not be too old at any time
        when, listed = utc_text(wall(state.taken)), PrefixSet(map(parse_prefix, state.listed))
        return AzureSight(state.last, state.taken, when, state.before, state.before_taken, listed)


def in_words(reading: AzureReading) -> str:
    """Say what a reading says of a circuit and its peering."""
    said = [f"circuit {reading.circuit_state or 'unknown'}"]
    if reading.provider_state and not reading.direct:
        said.append(f"provider {reading.provider_state}")
    if not reading.peering:
        return ", ".join([*said, "no such peering"])
    for name, peering in (("IPv4", reading.ipv4), ("IPv6", reading.ipv6)):
        if peering is not None and (peering.state or peering.prefixes):
            listed = (
                f" with {len(peering.prefixes)} prefixes {peering.prefix_state}" if peering.prefixes else ""
            )
            said.append(f"{name} {peering.state or 'enabled'}{listed}")
    return ", ".join(said)


class AzureMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """``AzureReadings`` as a value. A file format."""

    states: dict[str, AzureState] = {}
    named: tuple[tuple[str, str, float], ...] = ()


def _same(old: Circuit, new: Circuit) -> bool:
    return (
        old.azure is not None
        and new.azure is not None
        and (old.azure.key, old.peering) == (new.azure.key, new.peering)
    )
