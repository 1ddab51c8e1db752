"""A router's BMP connection, as long as something of it is to be judged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ermon.bmp.ahead import ReadAhead


@dataclass(slots=True)
class Connection:
    """One that is open, or that has ended and of which something waits."""

    number: int
    ahead: ReadAhead
    ended: str | None = None
    """Why it has ended, once it has."""
    _marks: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)

    def when_judged(self, reached: asyncio.Future[None]) -> None:
        """Have ``reached`` done when everything that was read so far is judged."""
        self._marks.append((self.ahead.mark(), reached))
        self.note_judged()

    def note_judged(self) -> None:
        """Say so to those who wait for it."""
        for mark, reached in self._marks:
            if self.ahead.is_over(mark):
                reach(reached)
        self._marks = [each for each in self._marks if not each[1].done()]

    def abandon(self) -> int:
        """Judge nothing more of it; return how many messages waited."""
        messages = self.ahead.forget()
        self.note_judged()
        return messages


def reach(mark: asyncio.Future[None]) -> None:
    if not mark.done():  # who waited for it may have been cancelled
        mark.set_result(None)
