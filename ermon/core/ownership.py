"""What registries say of the own address space, as last read, and until when it counts.

House rules: nothing here reads a clock. Times are those of events; only VRPs end by the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.checks.facts import Registered
from ermon.core.wall_clock import WallClock
from ermon.model.inventory import Config
from ermon.model.ownership import Reading
from ermon.model.prefixes import parse_prefix
from ermon.model.source_key import SourceKey


class OwnershipReadings:
    """The last reading of each source, by the source's name."""

    def __init__(self, config: Config) -> None:
        self._lasts = {SourceKey.of(source).name: source.lasts for source in config.ownership.sources}
        self._forget = config.policy.relearn_after
        self._readings: dict[str, Reading] = {}

    def take(self, source: str, reading: Reading) -> bool:
        """Take a reading; return whether the configuration has its source."""
        if source not in self._lasts:
            return False
        self._readings[source] = reading.after(self._readings.get(source), self._forget)
        return True

    def readings(self) -> Mapping[str, Reading]:
        return self._readings

    def restore(self, readings: Mapping[str, Reading]) -> None:
        """Go on with what an earlier monitor knew of the sources that this configuration has too."""
        self._readings |= {name: each for name, each in readings.items() if name in self._lasts}

    def registered(self, source: str, now: float, clock: WallClock) -> Registered | None:
        reading = self._readings.get(source)
        if reading is None or self._over(source, reading) <= now:
            return None
        date = clock.at(now)
        return Registered(
            reading.taken_at,
            None if reading.space is None else tuple(map(parse_prefix, reading.space)),
            tuple(vrp for vrp in reading.vrps if not vrp.ended(date)),
            tuple(vrp for vrp in reading.vrps if vrp.ended(date)),
            tuple(vrp for vrp in reading.gone if self._forgotten(vrp.seen_at) > now),
            reading.route_objects,
        )

    def next_change(self, source: str, now: float, clock: WallClock) -> float | None:
        """Return when something that a source said next ceases to count; ``None`` if nothing does."""
        return min((time for time in self._changes(source, now, clock) if time > now), default=None)

    def _changes(self, source: str, now: float, clock: WallClock) -> Iterator[float]:
        reading = self._readings.get(source)
        if reading is None:
            return
        yield self._over(source, reading)
        yield from (self._forgotten(vrp.seen_at) for vrp in reading.gone)
        for vrp in reading.vrps:
            if vrp.expires is not None:
                yield from clock.moments(vrp.expires, now)

    def _over(self, source: str, reading: Reading) -> float:
        """Return when a reading no longer counts. Rounded as the times of events are."""
        return round(reading.taken_at + self._lasts[source], 6)

    def _forgotten(self, seen_at: float) -> float:
        return round(seen_at + self._forget, 6)
