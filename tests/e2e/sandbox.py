"""Runs a command in the sandbox that a unit describes, as far as that is possible without systemd.

Run by root as ``sandbox.py UNIT WRITABLE_DIRECTORY COMMAND...``. It enforces: user nobody with only the unit's
capabilities, without new privileges, with its umask; everything but the directory read-only; and system calls, address
families, and memory that is written and executed, as the unit allows them. Other settings of the unit are not enforced
here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

NOBODY = 65534
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # seccomp.h: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO
_EQUAL, _MASKED_EQUAL = 4, 7  # scmp_compare
_WRITE, _EXECUTE = 2, 4  # mman.h
_MS_REMOUNT, _MS_BIND, _MS_READ_ONLY, _MS_PRIVATE, _MS_REC = 32, 4096, 1, 1 << 18, 1 << 14  # mount.h
_CLONE_NEWNS = 0x00020000


class Unit:
    """The settings of a unit's section ``Service``, each with all of its values."""

    def __init__(self, text: str) -> None:
        self.settings: dict[str, list[str]] = {}
        section = text.partition("[Service]\n")[2].partition("\n[")[0]
        for line in section.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.partition("=")
                self.settings.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        (value,) = self.settings[name]
        return value

    def words(self, name: str) -> list[str]:
        return [word for value in self.settings[name] for word in value.split()]

    def system_calls(self) -> set[str]:
        """The names of the allowed system calls, with systemd's groups expanded."""
        groups = _groups()
        allowed = set(_expand(groups, ["@default"]))
        for value in self.settings["SystemCallFilter"]:
            named = set(_expand(groups, value.removeprefix("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
        return allowed


def _groups() -> dict[str, list[str]]:
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], check=True, capture_output=True, text=True
    ).stdout
    groups: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("@"):
            members = groups[line] = []
        elif (word := line.strip()) and not word.startswith("#"):
            members.append(word)
    return groups


def _expand(groups: dict[str, list[str]], words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("@"):
            yield from _expand(groups, groups[word])
        else:
            yield word


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A filter of libseccomp that refuses everything with EPERM that it does not allow."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(_REFUSE))

    def allow(self, name: str, *comparison: int) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # of another architecture
            return
        conditions = (_Comparison * 1)(_Comparison(*comparison)) if comparison else None
        added = self._library.seccomp_rule_add_array(
            self._context, _ALLOW, number, 1 if comparison else 0, conditions
        )
        assert added == 0, f"{name}: {os.strerror(-added)}"

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def restrict(unit: Unit) -> None:
    """Make the kernel refuse the system calls that the unit does not allow."""
    rules = Filter()
    special = {"socket", "mmap", "mmap2", "mprotect", "pkey_mprotect"}
    for name in unit.system_calls() - special:
        rules.allow(name)
    for family in unit.words("RestrictAddressFamilies"):
        rules.allow("socket", 0, _EQUAL, getattr(socket, family), 0)
    assert unit.one("MemoryDenyWriteExecute") == "yes"
    for protection in (0, _WRITE, _EXECUTE):
        rules.allow("mmap", 2, _MASKED_EQUAL, _WRITE | _EXECUTE, protection)
    rules.allow("mprotect", 2, _MASKED_EQUAL, _EXECUTE, 0)
    rules.load()


def make_read_only(writable: str) -> None:
    """Enter a mount namespace in which only ``writable`` of the root file system can be written."""
    library = ctypes.CDLL(None, use_errno=True)

    def check(outcome: int) -> None:
        if outcome:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    check(library.unshare(_CLONE_NEWNS))
    check(library.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    check(library.mount(writable.encode(), writable.encode(), None, _MS_BIND, None))
    check(library.mount(None, b"/", None, _MS_REMOUNT | _MS_BIND | _MS_READ_ONLY, None))


def main() -> None:
    unit_file, writable, *command = sys.argv[1:]
    unit = Unit(Path(unit_file).read_text())
    if os.getuid() == 0:
        make_read_only(writable)
        wanted = ",".join(
            f"+{name.removeprefix('CAP_').lower()}" for name in unit.words("CapabilityBoundingSet")
        )
        assert unit.words("AmbientCapabilities") == unit.words("CapabilityBoundingSet")
        sets = [f"--{kind}=-all,{wanted}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
        become = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", *sets]
        os.execvp("setpriv", ["setpriv", *become, sys.executable, *sys.argv])
    os.umask(int(unit.one("UMask"), 8))
    restrict(unit)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
