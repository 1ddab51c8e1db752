"""Keeps the secrets that ermon holds in its memory from the other processes of its user."""

from __future__ import annotations

from ermon.exabgp.landlock import prctl

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_memory_private() -> None:
    """Let nobody but root trace this process, or read its memory, environment and open files below /proc (proc(5)).

    There is no core dump any more, either. What this process starts has not inherited it.
    """
    prctl(_PR_SET_DUMPABLE, 0)
