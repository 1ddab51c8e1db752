"""Whose turn is next among those of whom something waits."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Gives turns: to those who have had none yet, and to those who wait for another one, alternately.

    So who has little to say waits for one turn of those who have much, however many they are, and each of those still gets
    every second turn or more.
    """

    def __init__(self) -> None:
        self._first: deque[T] = deque()
        self._further: deque[T] = deque()
        self._was_first = False

    def enter(self, who: T) -> None:
        """Have somebody wait for a first turn."""
        self._first.append(who)

    def again(self, who: T) -> None:
        """Have somebody wait for another turn: the last one was not enough."""
        self._further.append(who)

    def next(self) -> T | None:
        """Return whose turn it is, who waits no longer then; ``None``: nobody waits."""
        self._was_first = bool(self._first) and not (self._was_first and self._further)
        waiting = self._first if self._was_first else self._further
        return waiting.popleft() if waiting else None
