"""How many octets of UPDATEs may be on their way from ExaBGP to ermon. Pure: a caller brings the time, in seconds.

ermon processes the lines of an ExaBGP process in order, so what is on its way delays the next UPDATE of every other session. An
ExaBGP process therefore passes on as much as ermon processes in some 30 ms. The sessions that send more share this window,
and TCP makes their routers wait; a session that sends little never waits.

While ermon stands still, it answers nothing. Each session is then read up to ``MOST_OCTETS`` all the same, so that its UPDATEs
get the time of their arrival and not the time at which ermon goes on.
"""

from __future__ import annotations

from weakref import WeakSet

WINDOW_OCTETS = 2**18
"""The window of an ExaBGP process of the view ``internet``. ermon does not decode most of its UPDATEs."""

WINDOW_DECODED_OCTETS = 2**15
"""The window of a process whose UPDATEs ermon decodes: some 300 of them, which take 30 ms."""

MOST_OCTETS = 2**20
"""Unanswered octets of one session while ermon stands still."""

STANDS_STILL_SECONDS = 1.0
"""ermon stands still when a session has waited for an answer for so long."""

_STEPS = 8
"""Answers for each window: the next UPDATEs are read before ermon has processed all of it."""


class Window:
    """The window that the sessions of one ExaBGP process share."""

    def __init__(self, octets: int) -> None:
        self.step = octets // _STEPS
        """Octets of a session after which it wants an answer, octets to read at once, and those of a line: some 300 UPDATEs
        of a table that ermon does not decode, or 40 that it does, which are about a slice of its loop.
        """
        self._octets = octets
        self._sessions: WeakSet[UnderWay] = WeakSet()

    def open(self) -> UnderWay:
        """Return the count of a new session. It is part of the window as long as the caller holds it."""
        session = UnderWay(self)
        self._sessions.add(session)
        return session

    def share(self) -> int:
        """Return how many unanswered octets a session may have that sends more than ermon processes."""
        sending = sum(session.unanswered >= self.step for session in self._sessions)
        return max(self._octets // max(sending, 1), 2 * self.step)


class UnderWay:
    """Octets of one session's UPDATEs: how many were written to ermon, and how many of them ermon has processed."""

    def __init__(self, window: Window) -> None:
        self.written = 0
        self.step = window.step
        self._window = window
        self._taken = self._asked = 0
        self._waits_since = 0.0
        """When the last answer came, or the first UPDATEs were written after it that want another."""

    @property
    def unanswered(self) -> int:
        return self.written - self._taken

    def write(self, octets: int, now: float) -> bool:
        """Count octets that are written; return whether ermon is to answer when it has processed them."""
        self.written += octets
        if self.written - self._asked < self.step:
            return False
        if self._asked <= self._taken:
            self._waits_since = now
        self._asked = self.written
        return True

    def take(self, octets: int, now: float) -> None:
        """Note that ermon has processed this many octets of the session since its start."""
        self._taken = max(self._taken, min(octets, self.written))
        self._waits_since = now

    def is_full(self, now: float) -> bool:
        """Return whether the session must not be read for now."""
        unanswered = self.unanswered
        if unanswered < 2 * self.step:
            return False
        if now - self._waits_since >= STANDS_STILL_SECONDS:
            return unanswered >= MOST_OCTETS
        return unanswered >= self._window.share()
