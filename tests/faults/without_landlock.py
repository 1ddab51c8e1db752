"""Runs a program and its children as on a kernel without Landlock: ``without_landlock.py PROGRAM...``."""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
STEPS = (
    (0x20, 0, 0, 0),  # load the number of the system call
    (0x35, 0, 2, 444),  # landlock_create_ruleset, the first of three
    (0x35, 1, 0, 447),
    (0x06, 0, 0, 0x00050000 | errno.EOPNOTSUPP),
    (0x06, 0, 0, 0x7FFF0000),
)

packed = b"".join(struct.pack("=HBBI", *step) for step in STEPS)
held = ctypes.create_string_buffer(packed, len(packed))
library = ctypes.CDLL(None)
assert library.prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_long, (1, 0, 0, 0))) == 0
program = struct.pack("@HP", len(STEPS), ctypes.addressof(held))
assert library.prctl(PR_SET_SECCOMP, ctypes.c_long(SECCOMP_MODE_FILTER), program) == 0
os.execv(sys.argv[1], sys.argv[1:])
