"""Checks passwords against bcrypt hashes, and decides the order of the checks.

A bcrypt hash is slow by design: one is computed at a time, on a thread, and few requests may wait for it. A password that
was right once is remembered. A flood of wrong passwords must not delay right ones: parties with an earlier right password
come first (``Familiar``, which survives a restart), parties with a recent wrong password come last. The order depends on
the origin of a password, never on whether the user exists.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic

import bcrypt

REMEMBERED = 1_000
"""The number of right passwords that are recognized without computing the hash."""
MAX_WAITING = 16
"""The number of waiting passwords: about three seconds at the usual cost."""
MAX_WAITING_PER_PARTY = 2
"""The same per party: guessing delays the guesser, and others by a fraction of a second."""
MAX_FAMILIAR = 256
"""The number of remembered parties with a right password."""
WRONG_SECONDS = 600.0
"""For so many seconds a party with a wrong password comes after others."""
MAX_WRONG = 4_096
"""The number of remembered parties with a wrong password."""
BCRYPT_BYTES = 72
"""bcrypt ignores the rest of a longer password."""


class BusyError(Exception):
    """Too many passwords are waiting for a check."""


class Familiar:
    """The parties that have given a right password, the latest last; ``keep`` is called for each new one."""

    def __init__(
        self, parties: Iterable[str] = (), keep: Callable[[list[str]], None] = lambda _: None
    ) -> None:
        self._parties = OrderedDict.fromkeys(parties)
        self._keep = keep

    def __contains__(self, party: str) -> bool:
        return party in self._parties

    def add(self, party: str) -> None:
        known = party in self._parties
        self._parties[party] = None
        self._parties.move_to_end(party)
        if len(self._parties) > MAX_FAMILIAR:
            self._parties.popitem(last=False)
        if not known:
            self._keep(list(self._parties))


@dataclass(slots=True, eq=False)
class _Waiting:
    party: str
    turn: asyncio.Future[None]


class Passwords:
    """Checks passwords against hashes."""

    def __init__(self, familiar: Familiar | None = None) -> None:
        self._familiar = familiar or Familiar()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._secret = secrets.token_bytes(32)  # random: the digests are useless elsewhere
        self._wrong: OrderedDict[str, float] = OrderedDict()
        self._waiting: list[_Waiting] = []
        self._having: _Waiting | None = None
        self._asked: dict[tuple[bytes, str], asyncio.Future[bool | None]] = {}
        """What is being worked out, by the password and whose it is."""

    async def right(self, users: Mapping[str, bytes], user: str, password: str, party: str) -> bool:
        """Return whether this is the user's password; the check of an unknown user takes equally long.

        ``party`` is the origin of the request (``shell.origin_of``). Raises ``BusyError``.
        """
        hashed = users.get(user)
        against = hashed if hashed is not None else next(iter(users.values()))
        mark = hmac.digest(self._secret, repr((user, password, against)).encode(), "sha256")
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        if not await self._once(mark, password, against, party) or hashed is None:
            self._note_wrong(party)
            return False
        self._wrong.pop(party, None)
        self._familiar.add(party)
        self._right[mark] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _note_wrong(self, party: str) -> None:
        self._wrong[party] = monotonic()
        self._wrong.move_to_end(party)
        if len(self._wrong) > MAX_WRONG:
            self._wrong.popitem(last=False)

    async def _once(self, mark: bytes, password: str, hashed: bytes, party: str) -> bool:
        """Work a password out once for all requests of a party that come with it: a page sends several at once, and after
        a start of ermon no password is known yet.
        """
        asked = (mark, party)
        while (others := self._asked.get(asked)) is not None:
            if (answer := await asyncio.shield(others)) is not None:
                return answer
        mine: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._asked[asked], found = mine, None
        try:
            found = await self._work_out(password, hashed, party)
            return found
        finally:
            del self._asked[asked]
            mine.set_result(found)  # None: whoever asked has gone, or had no turn, and the next one asks

    async def _work_out(self, password: str, hashed: bytes, party: str) -> bool:
        mine = self._queue(party)
        try:
            await mine.turn
            return await asyncio.to_thread(bcrypt.checkpw, password.encode()[:BCRYPT_BYTES], hashed)
        finally:
            if mine is self._having:
                self._having = None
            elif mine in self._waiting:
                self._waiting.remove(mine)
            self._call_next()

    def _queue(self, party: str) -> _Waiting:
        """Take a place in the queue, if necessary that of a request with lower priority; raises ``BusyError``."""
        there = [*self._waiting, *([self._having] if self._having is not None else [])]
        if sum(each.party == party for each in there) >= MAX_WAITING_PER_PARTY:
            raise BusyError
        if len(there) >= MAX_WAITING:
            last = max(reversed(self._waiting), key=lambda each: self._rank(each.party))
            if self._rank(last.party) <= self._rank(party):
                raise BusyError
            self._waiting.remove(last)
            if not last.turn.done():  # the waiting task may have been cancelled
                last.turn.set_exception(BusyError())
        mine = _Waiting(party, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._call_next()
        return mine

    def _call_next(self) -> None:
        waiting = [each for each in self._waiting if not each.turn.done()]
        if self._having is None and waiting:
            self._having = min(waiting, key=lambda each: self._rank(each.party))
            self._waiting.remove(self._having)
            self._having.turn.set_result(None)

    def _rank(self, party: str) -> int:
        if party in self._familiar:
            return 0
        return 2 if monotonic() - self._wrong.get(party, float("-inf")) < WRONG_SECONDS else 1
