"""Drops all capabilities (capabilities(7)) but some, if ermon was started as root or with more than it needs."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Collection

from ermon.exabgp.landlock import prctl

DAC_READ_SEARCH, NET_BIND_SERVICE = 2, 10

_LAST = 63
_PR_CAPBSET_DROP = 24  # linux/prctl.h
_VERSION_3 = 0x20080522  # linux/capability.h
_HEADER, _SETS = struct.Struct("=Ii"), struct.Struct("=6I")


def keep_capabilities(kept: Collection[int]) -> None:
    """Keep only these capabilities of this process, and never give others to programs that it starts."""
    for number in set(range(_LAST + 1)) - set(kept):
        prctl(_PR_CAPBSET_DROP, number)  # the kernel refuses this without a capability
    library = ctypes.CDLL(None)
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION_3, 0), _HEADER.size)
    sets = ctypes.create_string_buffer(_SETS.size)
    if library.capget(header, sets) == 0:
        low, high = (sum(1 << number % 32 for number in kept if number // 32 == half) for half in (0, 1))
        masks = (*(low,) * 3, *(high,) * 3)  # effective, permitted, inheritable; then the next 32
        left = (held & mask for held, mask in zip(_SETS.unpack(sets.raw), masks, strict=True))
        library.capset(header, _SETS.pack(*left))
