"""A network namespace for a test, in which all of 127.0.0.0/8 and every port are free.

It has no name, so that nothing of it can be left over: the kernel removes it with its last process and socket, also
after a failed test.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests import bgp

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def namespace(*addresses: str) -> Iterator[None]:
    """Put this thread and everything that it starts into a new network namespace.

    ``addresses`` are further addresses of its loopback interface, besides 127.0.0.1/8 and ::1. Skips the test if
    namespaces are not allowed; in CI, fails it.
    """
    bgp.require(shutil.which("ip") is not None, "iproute2")
    with open("/proc/thread-self/ns/net", "rb") as outside:  # noqa: PTH123  # Path has no read-only descriptor
        bgp.require(_unshare(), "right to make network namespaces: not root")
        try:
            _ip("link", "set", "lo", "up")
            for address in addresses:
                _ip("address", "add", address, "dev", "lo")
            yield
        finally:
            if _libc.setns(outside.fileno(), _CLONE_NEWNET):
                pytest.exit(f"the tests cannot leave a network namespace: {os.strerror(ctypes.get_errno())}")


def _unshare() -> bool:
    if not _libc.unshare(_CLONE_NEWNET):
        return True
    if ctypes.get_errno() != errno.EPERM:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return False


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
