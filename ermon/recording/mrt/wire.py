"""One session of a recording, and the MRT records of what happens on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from ermon.bgp.attributes import AS4_AGGREGATOR, AS4_PATH, MULTIPROTOCOL, Repairs, split_attributes
from ermon.bgp.encode import (
    Encoded,
    TooLongError,
    write_announcements,
    write_end_of_rib,
    write_nlri,
    write_withdrawals,
)
from ermon.bgp.header import HEADER_OCTETS
from ermon.bgp.multiprotocol import family_of
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update, split_update
from ermon.model.prefixes import FAMILIES, Family
from ermon.model.routes import Attributes, Route, RouteKey
from ermon.mrt.sessions import (
    ESTABLISHED,
    IDLE,
    OPEN_CONFIRM,
    End,
    write_message,
    write_state_change,
)


class Wire:
    """The messages of a session in both directions; ``is_local`` says of each that the router has sent it to the peer.

    Each method yields records. It takes effect once all of them are taken.
    """

    def __init__(self, peer: End, local: End, left_out: Counter[str]) -> None:
        """``left_out`` counts what no record can say."""
        self.peer, self.local = peer, local
        self.is_up = False
        self._left_out = left_out
        self._opens: dict[bool, bytes] = {}
        self._joined = False
        """The recording began within the session."""
        self._held: dict[bool, dict[RouteKey, Attributes]] = {False: {}, True: {}}
        self._ended: set[tuple[bool, Family]] = set()
        """What has sent End-of-RIB."""
        self._stale: dict[Family, set[RouteKey]] = {}
        """Routes that have not come again since a refresh of their family began (RFC 7313)."""
        self._attributes = AttributesCache()

    # Sessions ------------------------------------------------------------------------------------------

    def start(self, time: float, opens: dict[bool, bytes]) -> Iterator[bytes]:
        """The session is established, after these OPENs."""
        yield from self.end(time)
        self.is_up, self._joined, self._opens = True, False, opens
        yield from self._start(time)

    def _start(self, time: float) -> Iterator[bytes]:
        for is_local, octets in self._opens.items():
            yield self._record(time, octets, is_local=is_local)
        yield write_state_change(time, self.peer, self.local, OPEN_CONFIRM, ESTABLISHED)

    def join(self) -> None:
        """A message shows that the session is up."""
        if not self.is_up:
            self.is_up = self._joined = True

    def end(self, time: float, notification: bytes = b"", *, is_local: bool = False) -> Iterator[bytes]:
        """The session is over, after a NOTIFICATION if there was one."""
        if self.is_up:
            if notification:
                yield self._record(time, notification, is_local=is_local)
            yield write_state_change(time, self.peer, self.local, ESTABLISHED, IDLE)
        self.is_up, self._opens = False, {}
        self._ended.clear()
        self._stale.clear()
        for held in self._held.values():
            held.clear()

    def present(self, time: float) -> Iterator[bytes]:
        """Yield the state of the session, for a file that begins at this time."""
        if not self.is_up:
            return
        if not self._joined:
            yield from self._start(time)
        for is_local, held in self._held.items():
            routes = (Route(*key, attributes) for key, attributes in held.items())
            yield from self._announce(time, routes, is_local=is_local)
        for is_local, family in sorted(self._ended):
            yield self._record(time, write_end_of_rib(family), is_local=is_local)

    # Routes --------------------------------------------------------------------------------------------

    def message(
        self,
        time: float,
        octets: bytes,
        codec: Codec,
        families: Collection[Family],
        *,
        is_local: bool = False,
    ) -> Iterator[bytes]:
        """An UPDATE came in these octets. It is written in them, unless they are malformed or unusual, or also have routes of other families."""
        try:
            read = read_update(octets[HEADER_OCTETS:], codec, self._attributes)
        except Unreadable as error:
            self._left_out[f"an UPDATE that cannot be read ({error})"] += 1
            return
        self.join()
        if read.end_of_rib is not None:
            if read.end_of_rib in families:
                yield from self.end_of_rib(time, read.end_of_rib, is_local=is_local)
            return
        found = {route.prefix.family for route in read.announced} | {key[0].family for key in read.withdrawn}
        if found.isdisjoint(families):
            return
        announced = tuple(route for route in read.announced if route.prefix.family in families)
        withdrawn = tuple(key for key in read.withdrawn if key[0].family in families)
        with_path_ids = {family in codec.add_path for family in found}
        is_whole = len(with_path_ids) == 1 and found.issubset(families)
        if read.repaired is not None or not is_whole or not _is_usual(octets[HEADER_OCTETS:], read):
            yield from self.update(time, announced, withdrawn, is_local=is_local)
            return
        self._hold(announced, withdrawn, is_local=is_local)
        yield self._record(
            time, octets, is_local=is_local, four_octet=codec.four_octet, add_path=with_path_ids.pop()
        )

    def update(
        self,
        time: float,
        announced: Collection[Route],
        withdrawn: Collection[RouteKey],
        *,
        is_local: bool = False,
    ) -> Iterator[bytes]:
        """Routes are announced and withdrawn, and their octets are not known."""
        self.join()
        self._hold(announced, withdrawn, is_local=is_local)
        for each in write_withdrawals(withdrawn):
            yield self._encoded(time, each, is_local=is_local)
        yield from self._announce(time, announced, is_local=is_local)

    def _announce(self, time: float, routes: Iterable[Route], *, is_local: bool) -> Iterator[bytes]:
        try:
            for each in write_announcements(routes):
                yield self._encoded(time, each, is_local=is_local)
        except TooLongError as error:
            self._left_out[f"routes that no UPDATE has room for ({error})"] += 1

    def end_of_rib(self, time: float, family: Family, *, is_local: bool = False) -> Iterator[bytes]:
        """The first dump of a family is complete."""
        self.join()
        if not self._joined:
            self._ended.add((is_local, family))
        yield self._record(time, write_end_of_rib(family), is_local=is_local)

    def refresh_began(self, family: Family) -> None:
        """All routes of a family come again. bgpdump cannot read the message that says so, so the end of it is written."""
        self._stale[family] = {key for key in self._held[False] if key[0].family == family}

    def refresh_ended(self, time: float, family: Family) -> Iterator[bytes]:
        """Those that have not come again are gone."""
        if gone := self._stale.pop(family, None):
            yield from self.update(time, (), sorted(gone))

    def replace(
        self, time: float, held: dict[RouteKey, Attributes], families: Collection[Family], *, is_local: bool
    ) -> Iterator[bytes]:
        """These and no others are the routes of some families: another snapshot says so."""
        before = {key: of for key, of in self._held[is_local].items() if key[0].family in families}
        gone = [key for key in before if key not in held]
        changed = [Route(*key, of) for key, of in held.items() if before.get(key) != of]
        yield from self.update(time, changed, gone, is_local=is_local)

    def _hold(self, announced: Iterable[Route], withdrawn: Iterable[RouteKey], *, is_local: bool) -> None:
        held = self._held[is_local]
        for key in withdrawn:
            held.pop(key, None)
            self._forget_stale(key, is_local=is_local)
        for route in announced:
            held[route.key] = route.attributes
            self._forget_stale(route.key, is_local=is_local)

    def _forget_stale(self, key: RouteKey, *, is_local: bool) -> None:
        if self._stale and not is_local and (stale := self._stale.get(key[0].family)):
            stale.discard(key)

    # Records -------------------------------------------------------------------------------------------

    def _encoded(self, time: float, update: Encoded, *, is_local: bool) -> bytes:
        return self._record(time, update.octets, is_local=is_local, add_path=update.add_path)

    def _record(
        self,
        time: float,
        octets: bytes,
        *,
        is_local: bool,
        four_octet: bool = True,
        add_path: bool = False,
    ) -> bytes:
        return write_message(
            time,
            self.peer,
            self.local,
            octets,
            is_local=is_local,
            four_octet=four_octet,
            add_path=add_path,
        )


def _is_usual(body: bytes, read: Read) -> bool:
    """Return whether bgpdump 1.6.2 reads the octets of an UPDATE, which is not malformed, without a complaint, and the same routes.

    It aborts at some AS4_AGGREGATORs, warns about AS4_PATH in messages with ASNs of four octets and about other families, and
    takes bits behind the length of a prefix for a part of it.
    """
    values = split_attributes(split_update(body)[1], Repairs()).values
    if AS4_PATH in values or AS4_AGGREGATOR in values:
        return False
    if any(family_of(values[code]) is None for code in MULTIPROTOCOL if code in values):
        return False
    announced = [route.key for route in read.announced]
    return all(
        write_nlri(key for key in keys if key[0].family == family) in body
        for keys in (announced, read.withdrawn)
        for family in FAMILIES
    )
