"""Protects the secrets in ermon's memory from other processes of the same user."""

from __future__ import annotations

from ermon.exabgp.landlock import prctl

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_memory_private() -> None:
    """Allow only root to trace this process, or to read its memory, environment and open files below /proc (proc(5)).

    This also disables core dumps. Programs that this process starts do not inherit it.
    """
    prctl(_PR_SET_DUMPABLE, 0)
