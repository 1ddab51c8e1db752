"""Reads UPDATEs that ExaBGP has passed on unchanged (``raw``) into events. Pure, as ``decode``."""

from __future__ import annotations

from collections.abc import Iterator

from ermon.bgp.header import HEADER_OCTETS, MAX_MESSAGE_OCTETS
from ermon.bgp.interest import Interest, Run, Unasked
from ermon.bgp.malformed import Malformed, malformed_of
from ermon.bgp.update import AttributesCache, Codec, Read, read_update
from ermon.exabgp.lines import FAMILY_OF, RawUpdates
from ermon.exabgp.runs import size_of_update
from ermon.model.events import Alive, EndOfRib, Event, Uninteresting, Update
from ermon.model.prefixes import Family


class FrameReader:
    """Reads the frames of all sessions. Its cache saves time and does not change results."""

    def __init__(self) -> None:
        self._attributes = AttributesCache()

    def read(
        self,
        frame: RawUpdates,
        feed: str,
        time: float,
        malformed: list[Malformed],
        interest: Interest | None = None,
    ) -> Iterator[Event]:
        """Yield the events of a frame, and add to ``malformed``. UPDATEs without ``interest`` are counted, but not read.

        ``Unreadable`` at an UPDATE that must end the session (RFC 7606); another ``ValueError`` if the frame does not
        consist of UPDATEs.
        """
        codec = Codec(four_octet=frame.asn4, add_path=frozenset(_unicast(frame.add_path)))
        # IPv4 needs no capability (RFC 4760 section 8)
        families: frozenset[Family] = frozenset(("ipv4", *_unicast(frame.families)))
        passed = _Passed(feed, time, families)
        at = 0
        try:
            while at < len(frame.body):
                if interest is not None:
                    at = passed.run(interest.pass_over_run(frame.body, at, codec))
                if not (octets := _body(frame.body, at)):
                    break
                at += HEADER_OCTETS + len(octets)
                if interest is not None and passed.one(interest.pass_over(octets, codec)):
                    continue
                yield from passed.event()
                read = read_update(octets, codec, self._attributes)
                if interest is not None:
                    interest.note(read.announced)
                if (found := malformed_of(read, feed)) is not None:
                    malformed.append(found)
                yield _event(read, families, feed, time)
        except ValueError:
            yield from passed.event()
            raise
        yield from passed.event()


class _Passed:
    """UPDATEs in a row that were not read."""

    def __init__(self, feed: str, time: float, families: frozenset[Family]) -> None:
        self._feed, self._time, self._families = feed, time, families
        self._clear()

    def _clear(self) -> None:
        self._updates = 0
        self._announced: frozenset[Family] = frozenset()
        self._withdrawn: frozenset[Family] = frozenset()

    def run(self, run: Run) -> int:
        """Add a run; return where it ends."""
        self._updates += run.updates
        self._announced |= run.announced
        return run.end

    def one(self, unasked: Unasked | None) -> bool:
        """Add one that was not read, and return whether it was not."""
        if unasked is None:
            return False
        self._updates += 1
        self._announced |= unasked.announced
        self._withdrawn |= unasked.withdrawn
        return True

    def event(self) -> Iterator[Event]:
        """Yield one event for them, and clear them."""
        if self._updates:
            announced, withdrawn = self._announced & self._families, self._withdrawn & self._families
            yield Uninteresting(self._time, self._feed, self._updates, announced, withdrawn)
            self._clear()


def _unicast(names: list[str]) -> Iterator[Family]:
    return (FAMILY_OF[name] for name in names if name in FAMILY_OF)


def _body(updates: bytes, at: int) -> bytes:
    """Return the body of an UPDATE, empty behind the last one; ``ValueError`` if there is anything else."""
    if at == len(updates):
        return b""
    size = size_of_update(updates, at, MAX_MESSAGE_OCTETS)
    if not 0 < size <= len(updates) - at:
        raise ValueError("a frame that is not of whole UPDATEs")
    return updates[at + HEADER_OCTETS : at + size]


def _event(read: Read, families: frozenset[Family], feed: str, time: float) -> Event:
    """Return the event of an UPDATE, with the negotiated families only."""
    if (family := read.end_of_rib) is not None:
        return EndOfRib(time, feed, family) if family in families else Alive(time, feed)
    announced, withdrawn = read.announced, read.withdrawn
    if len(families) == 1:
        announced = tuple(route for route in announced if route.prefix.family in families)
        withdrawn = tuple(key for key in withdrawn if key[0].family in families)
    return Update(time, feed, announced, withdrawn)
