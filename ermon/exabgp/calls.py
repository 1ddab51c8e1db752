"""A seccomp filter against system calls that affect other processes or files, where Landlock has no right for them.

Landlock has no right for Unix sockets, UDP, or the modes and owners of files, as of Linux 6.18. So this filter refuses,
with EPERM: every connection (a process in the box accepts connections or gets its sockets from ermon), every socket that
is not TCP, changes of files by their path, the memory and limits of other processes, and io_uring, which does the same
without a system call. All other calls are allowed: Landlock limits the rest, and libraries change.

The filter is a program of the classic BPF (seccomp(2)), for x86-64, ARM64 and RISC-V. Elsewhere there is none.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable

from ermon.exabgp.landlock import prctl

# Architectures as in linux/audit.h; call numbers of asm/unistd_64.h or asm-generic/unistd.h.
_X86_64, _ARM64, _RISCV64 = 0xC000003E, 0xC00000B7, 0xC00000F3
_ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _ARM64, "riscv64": _RISCV64}
_X32 = 0x40000000  # a bit in the numbers of x86-64: a second set of the same calls
_ABSENT = -1

REFUSED: dict[str, tuple[int, int]] = {
    "connect": (42, 203),
    # Rights of files, which Landlock leaves to their owners.
    "chmod": (90, _ABSENT),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, _ABSENT),
    "lchown": (94, _ABSENT),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, _ABSENT),
    "utimes": (235, _ABSENT),
    "futimesat": (261, _ABSENT),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "truncate": (76, 45),  # Landlock has a right for this since its third version
    # Other processes of the user.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "request_key": (249, 218),
    # It can do all of this without system calls.
    "io_uring_setup": (425, 425),
}
"""The calls that are always refused: the number on x86-64, and on other architectures."""

_SOCKET, _SOCKETPAIR = (41, 198), (53, 199)
_FLAGS_OF_SENDING = {(44, 206): 3, (46, 211): 2, (307, 269): 3}  # sendto, sendmsg, sendmmsg: which argument
_PRLIMIT = (302, 261)
_MSG_FASTOPEN = 0x20000000  # connects, without Landlock noticing
_AF_INET, _AF_INET6 = 2, 10
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 5, 0xF
_IPPROTO_TCP = 6

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

Step = tuple[int, int, int, int]
"""Code, steps to skip if the condition is true, steps to skip if it is false, and the constant (struct sock_filter)."""


def refuse_calls() -> bool:
    """Make the kernel refuse the calls in this process and its children; return whether that worked.

    The process must have given up new privileges first.
    """
    architecture = _ARCHITECTURES.get(os.uname().machine)
    if architecture is None or sys.byteorder != "little":
        return False
    steps = program(architecture)
    packed = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(packed, len(packed))
    description = struct.pack("@HP", len(steps), ctypes.addressof(held))
    return prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, description)


def program(architecture: int) -> list[Step]:
    """Return the filter for an architecture."""
    column = 0 if architecture == _X86_64 else 1
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, architecture),  # the calls of a 32-bit program have other numbers
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if architecture == _X86_64:
        steps += _when(_IF_AT_LEAST, _X32, [(_RETURN, 0, 0, _REFUSE)])
    for numbers in REFUSED.values():
        if numbers[column] != _ABSENT:
            steps += _when(_IF_EQUAL, numbers[column], [(_RETURN, 0, 0, _REFUSE)])
    steps += _when(
        _IF_EQUAL,
        _SOCKET[column],
        [
            *_unless_one_of(0, (_AF_INET, _AF_INET6)),
            *_unless_one_of(1, (_SOCK_STREAM,), _SOCK_TYPE_MASK),
            *_unless_one_of(2, (0, _IPPROTO_TCP)),  # Landlock does not treat MPTCP as TCP
            (_RETURN, 0, 0, _ALLOW),
        ],
    )
    # A socket of a datagram pair can send to any other socket by its path.
    pair = _unless_one_of(1, (_SOCK_STREAM, _SOCK_SEQPACKET), _SOCK_TYPE_MASK)
    steps += _when(_IF_EQUAL, _SOCKETPAIR[column], [*pair, (_RETURN, 0, 0, _ALLOW)])
    for numbers, argument in _FLAGS_OF_SENDING.items():
        flags = [_argument(argument), *_when(_IF_ANY_BIT, _MSG_FASTOPEN, [(_RETURN, 0, 0, _REFUSE)])]
        steps += _when(_IF_EQUAL, numbers[column], [*flags, (_RETURN, 0, 0, _ALLOW)])
    own_limits = [*_unless_one_of(0, (0,)), (_RETURN, 0, 0, _ALLOW)]
    steps += _when(_IF_EQUAL, _PRLIMIT[column], own_limits)
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _when(condition: int, value: int, steps: list[Step]) -> list[Step]:
    """Execute the steps if the condition is true for the loaded value, and skip them otherwise."""
    return [(condition, 0, len(steps), value), *steps]


def _unless_one_of(argument: int, values: Iterable[int], mask: int | None = None) -> list[Step]:
    """Refuse the call unless an argument, or its masked bits, equals one of the values."""
    values = tuple(values)
    masked: list[Step] = [] if mask is None else [(_AND, 0, 0, mask)]
    tests: list[Step] = [(_IF_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [_argument(argument), *masked, *tests, (_RETURN, 0, 0, _REFUSE)]


def _argument(position: int) -> Step:
    """Load the low half of an argument: the kernel uses only this half of an ``int``."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * position)
