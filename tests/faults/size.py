"""How much of a fault is tried: little with every run, and with `ERMON_FAULTS=full` as much as in the attack."""

import os

FULL = os.environ.get("ERMON_FAULTS") == "full"


def size(small: int, full: int) -> int:
    return full if FULL else small
