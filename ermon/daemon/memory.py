"""Keeps the secrets that ermon holds in its memory from the other processes of its user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_memory_private() -> None:
    """Let nobody but root trace this process, or read its memory, environment and open files below /proc (proc(5)).

    There is no core dump any more, either. What this process starts has not inherited it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, *map(ctypes.c_long, (0, 0, 0, 0)))
