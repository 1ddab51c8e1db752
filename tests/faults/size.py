"""The size of faults: small by default, and with `ERMON_FAULTS=full` as in a real attack."""

import os

FULL = os.environ.get("ERMON_FAULTS") == "full"


def size(small: int, full: int) -> int:
    return full if FULL else small
