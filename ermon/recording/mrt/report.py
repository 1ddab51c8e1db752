"""What ``ermon replay`` says of MRT files that it cannot use completely: bounded, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ermon.model.prefixes import FAMILIES, FAMILY_NAMES, Address
from ermon.recording.mrt.peers import Direction, Matching
from ermon.recording.mrt.replay import MrtPlayback, Skipped

MOST_DAMAGED = 10
"""Damaged records that are shown one by one."""
MOST_KINDS = 20
"""Kinds of unused records, and peers without a feed, that are named."""

MOST_REMEMBERED = 1_000
"""Kinds of unused records that are told apart: a file of garbage has thousands."""


class MrtReport:
    """Collects what was skipped."""

    def __init__(self, show: Callable[[str], None]) -> None:
        """``show`` prints a line of text, with the file that is read in front of it."""
        self._show = show
        self._damaged = 0
        self._unused: dict[str, tuple[int, int]] = {}
        """By kind: the number of records, and where the first is."""

    @property
    def count(self) -> int:
        """The number of skipped records."""
        return self._damaged + sum(count for count, _ in self._unused.values())

    def skipped(self, record: Skipped) -> None:
        """Note a skipped record; show it, if it is damaged and not too many were before."""
        if not record.is_damaged:
            is_known = record.what in self._unused or len(self._unused) < MOST_REMEMBERED
            what = record.what if is_known else "records of still other kinds"
            count, first = self._unused.get(what, (0, record.offset))
            self._unused[what] = count + 1, first
            return
        self._damaged += 1
        if self._damaged <= MOST_DAMAGED:
            self._show(f"record at octet {record.offset}: skipped: {record.what}")

    def close(self) -> None:
        """Show the numbers of what was not shown one by one."""
        if self._damaged > MOST_DAMAGED:
            self._show(f"{self._damaged - MOST_DAMAGED} more damaged records: skipped")
        for what, (count, first) in list(self._unused.items())[:MOST_KINDS]:
            self._show(f"{_records(count)} not used: {what}; the first at octet {first}")
        if len(self._unused) > MOST_KINDS:
            rest = sum(count for count, _ in list(self._unused.values())[MOST_KINDS:])
            self._show(f"{_records(rest)} of other kinds not used")


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


class _Peer:
    """A peer whose records are of no feed."""

    def __init__(self) -> None:
        self.records = 0
        self.asn = 0
        self.others: set[str] = set()
        self.candidates: list[str] = []

    def add(self, of: Direction, count: int, matching: Matching) -> None:
        self.records += count
        peer, other = (of.receiver, of.sender) if of.is_local and of.receiver else (of.sender, of.receiver)
        self.asn = self.asn or peer.asn  # there are records from before the peer's OPEN
        if other is None:
            self.candidates = matching.candidates(of)
        elif other.address.value:
            self.others.add(str(other.address))

    def describe(self, address: Address) -> str:
        ends = f" with {', '.join(sorted(self.others)[:3])}" if self.others else ""
        choice = f"; it may be {' or '.join(self.candidates)}" if self.candidates else ""
        return f"{address} AS {self.asn}{ends} ({_records(self.records)}{choice})"


def peers_without_feed(unmatched: Mapping[Direction, int], matching: Matching) -> list[str]:
    """Describe the peers whose records are of no feed, those with the most records first."""
    peers: dict[tuple[Address, bool], _Peer] = {}
    for of, count in unmatched.items():
        peer = of.receiver if of.is_local and of.receiver is not None else of.sender
        peers.setdefault((peer.address, of.is_local), _Peer()).add(of, count, matching)
    ordered = sorted(peers.items(), key=lambda item: (-item[1].records, item[0]))
    described = [
        f"{'what was sent to ' if is_sent else ''}{peer.describe(address)}"
        for (address, is_sent), peer in ordered
    ]
    more = len(described) - MOST_KINDS
    return described[:MOST_KINDS] + ([f"{more} more"] if more > 0 else [])


def half_tables(playback: MrtPlayback) -> Iterator[str]:
    """Say which feeds have a table of one family and none of the other, and no messages: it counts as empty."""
    for name, found in sorted(playback.tables.items()):
        for family in FAMILIES:
            if family in playback.config.feeds[name].families and family not in found:
                yield (
                    f"there is no table of {FAMILY_NAMES[family]} for {name}, so that its {FAMILY_NAMES[family]} counts as empty "
                    "once collector.sync_timeout is over; give the file with it too"
                )
