"""Limits the rights of this process and its children to a list: permanently, and without root.

Landlock (kernel.org, userspace-api/landlock) allows files, TCP ports and signals by list. A process in a Landlock domain
can neither trace a process outside nor read its memory. Each version of the interface supports more; parts that this
machine does not support are reported. This file needs only the standard library (ctypes), because ``relay`` loads it
alone.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FILES, PORTS, SIGNALS = "files", "ports", "signals"
SINCE = {FILES: 1, PORTS: 4, SIGNALS: 6}
"""The first version of the interface with each part: that of Linux 5.13, 6.7 and 6.12."""

_LOGGING_SINCE = 7  # Linux 6.15
# linux/landlock.h, linux/prctl.h. The numbers of these system calls are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_FOR_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""The number of file rights by version; they are the lowest bits."""
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1 << 0, 1 << 1
_LOG_NEW_EXEC_ON = 1 << 1
_PR_SET_NO_NEW_PRIVS = 38
_O_PATH = 0o10000000


class Rights(NamedTuple):
    """The rights of a process. Files and folders that do not exist are skipped."""

    read: tuple[str, ...] = ()
    """Files that it can read, and folders with everything in them."""
    write: tuple[str, ...] = ()
    """Existing files that it can write. It can create, rename and remove nothing."""
    execute: tuple[str, ...] = ()
    """Programs that it can execute, and their interpreters, such as ld.so."""
    listen: tuple[int, ...] = ()
    """TCP ports that it can bind. It can connect to none. A socket that is not bound may listen on a port that the
    kernel chooses: as of Linux 6.18 there is no right for that, and a filter of system calls cannot see it. Refusing
    listen(2) would need a second listener outside, which passes in a socket for each address that is added while sessions
    are up. It would gain little: an attacker in this process already has the session that they used.
    """
    signal_outside: bool = False
    """Whether it can signal processes outside its domain, if the surrounding domain allows that."""


def enter(rights: Rights) -> tuple[str, ...]:
    """Give up all other rights, and new privileges; return the parts of ``SINCE`` that this machine does not support."""
    try:
        forgo_new_privileges()
        version = _syscall(_CREATE_RULESET, 0, 0, _ASK_FOR_VERSION)
        _restrict(rights, version)
    except OSError:  # Landlock is not compiled in or not enabled, or a seccomp filter forbids it
        version = 0
    return tuple(part for part, first in SINCE.items() if version < first)


def forgo_new_privileges() -> None:
    """Prevent programs executed from now on from gaining rights; ``OSError`` if the kernel does not support that."""
    if not prctl(_PR_SET_NO_NEW_PRIVS, 1):
        raise OSError


def prctl(option: int, *arguments: int | bytes) -> bool:
    """Change something about this process (prctl(2), linux/prctl.h); return whether the kernel has done so."""
    padded = (*arguments, *(0,) * (4 - len(arguments)))  # some options require zeros in the rest
    outcome: int = ctypes.CDLL(None).prctl(option, *_words(padded))
    return outcome == 0


def _restrict(rights: Rights, version: int) -> None:
    known = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= version)) - 1
    scoped = _SCOPE_ABSTRACT_UNIX | (0 if rights.signal_outside else _SCOPE_SIGNAL)
    refused = struct.pack(
        "=QQQ",
        known,
        _BIND_TCP | _CONNECT_TCP if version >= SINCE[PORTS] else 0,
        scoped if version >= SINCE[SIGNALS] else 0,
    )
    ruleset = _syscall(_CREATE_RULESET, refused, len(refused), 0)
    try:
        for path, wanted in _file_rules(rights):
            _allow_file(ruleset, path, wanted)
        if version >= SINCE[PORTS]:
            for port in rights.listen:
                _syscall(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _BIND_TCP, port), 0)
        # The kernel's audit log then shows refused attempts, also of programs that are executed here.
        _syscall(_RESTRICT_SELF, ruleset, _LOG_NEW_EXEC_ON if version >= _LOGGING_SINCE else 0)
    finally:
        os.close(ruleset)


def _file_rules(rights: Rights) -> Iterator[tuple[str, int]]:
    for path in rights.read:
        yield path, _READ_FILE | _READ_DIR
    for path in rights.write:
        yield path, _WRITE_FILE
    for path in rights.execute:
        yield path, _READ_FILE | _EXECUTE


def _allow_file(ruleset: int, path: str, wanted: int) -> None:
    try:
        descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:  # an inaccessible path needs no right
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            wanted &= ~_READ_DIR  # the kernel accepts this right for folders only
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", wanted, descriptor), 0)
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: int | bytes) -> int:
    """Make a system call; ``OSError`` if it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    outcome: int = library.syscall(ctypes.c_long(number), *_words(arguments))
    if outcome < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return outcome


def _words(arguments: Iterable[int | bytes]) -> list[bytes | ctypes.c_long]:
    """Pass numbers in whole registers: the C functions do not declare the number and size of their arguments."""
    return [word if isinstance(word, bytes) else ctypes.c_long(word) for word in arguments]
