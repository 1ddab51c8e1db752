"""UPDATEs that ExaBGP has passed on as they came (``raw``), into events. Pure, as ``decode`` is.

What ExaBGP would have answered with a NOTIFICATION costs the feed its UPDATE here, and with that, soon, its session.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.bgp.interest import Interest, Unasked
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update
from ermon.exabgp.lines import FAMILY_OF, RawUpdates
from ermon.exabgp.runs import ANSWER_OCTETS, HEADER_OCTETS, size_of_update
from ermon.model.events import Alive, EndOfRib, Event, MessagesLost, Uninteresting, Update
from ermon.model.prefixes import Family

UNDECODED = "an UPDATE could not be decoded"
"""Why messages are lost, where it is that."""

_LARGEST_OCTETS = 65_535  # RFC 8654 section 4


class FrameReader:
    """Reads the frames of all sessions. What it remembers saves time and changes nothing."""

    def __init__(self) -> None:
        self._attributes = AttributesCache()

    def read(
        self, frame: RawUpdates, feed: str, time: float, events: list[Event], interest: Interest | None = None
    ) -> str | None:
        """Add the events of a frame; return what is wrong with its first UPDATE that cannot be read, if any cannot.

        What is of no ``interest`` is counted, and not read.
        """
        codec = Codec(four_octet=frame.asn4, add_path=frozenset(_unicast(frame.add_path)))
        families: frozenset[Family] = frozenset(
            ("ipv4", *_unicast(frame.families))
        )  # IPv4 needs no capability (RFC 4760 section 8)
        problem: str | None = None
        passed: list[Unasked] = []
        try:
            for octets in _bodies(frame.body):
                unasked = None if interest is None else interest.pass_over(octets, codec)
                if unasked is not None:
                    passed.append(unasked)
                    continue
                events += _uninteresting(passed, families, feed, time)
                try:
                    read = read_update(octets, codec, self._attributes)
                except Unreadable as error:
                    problem = problem or str(error)
                    events.append(MessagesLost(time, feed, 1, UNDECODED))
                    continue
                if interest is not None:
                    interest.note(read.announced)
                events.append(_event(read, families, feed, time))
        except ValueError as error:
            problem = problem or str(error)
            events += _uninteresting(passed, families, feed, time)
            events.append(MessagesLost(time, feed, 1, UNDECODED))
        events += _uninteresting(passed, families, feed, time)
        return problem


def _uninteresting(
    passed: list[Unasked], families: frozenset[Family], feed: str, time: float
) -> Iterator[Event]:
    """Tell of UPDATEs in a row that were not read, and forget them."""
    if passed:
        announced = frozenset[Family]().union(*(each.announced for each in set(passed)))
        withdrawn = frozenset[Family]().union(*(each.withdrawn for each in set(passed)))
        yield Uninteresting(time, feed, len(passed), announced & families, withdrawn & families)
        passed.clear()


def answer_to(frame: RawUpdates) -> tuple[int, int] | None:
    """Return the session and its octets, if ExaBGP must be told that they were processed: ``None`` for most frames."""
    before = frame.octets - len(frame.body)
    due = frame.octets // ANSWER_OCTETS != before // ANSWER_OCTETS
    return (frame.session, frame.octets) if due else None


def _unicast(names: list[str]) -> Iterator[Family]:
    return (FAMILY_OF[name] for name in names if name in FAMILY_OF)


def _bodies(updates: bytes) -> Iterator[bytes]:
    """Yield what is behind the header of each UPDATE; ``ValueError`` where there is none."""
    at = 0
    while at < len(updates):
        size = size_of_update(updates, at, _LARGEST_OCTETS)
        if not 0 < size <= len(updates) - at:
            raise ValueError("a frame that is not of whole UPDATEs")
        yield updates[at + HEADER_OCTETS : at + size]
        at += size


def _event(read: Read, families: frozenset[Family], feed: str, time: float) -> Event:
    """Return what an UPDATE says of the families that the session has negotiated."""
    if (family := read.end_of_rib) is not None:
        return EndOfRib(time, feed, family) if family in families else Alive(time, feed)
    announced, withdrawn = read.announced, read.withdrawn
    if len(families) == 1:
        announced = tuple(route for route in announced if route.prefix.family in families)
        withdrawn = tuple(key for key in withdrawn if key[0].family in families)
    return Update(time, feed, announced, withdrawn)
