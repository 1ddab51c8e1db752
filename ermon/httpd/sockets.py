"""The listening sockets of the HTTP server: TCP, and a Unix socket for this machine's own accounts.

The group of the Unix socket's file and folder limits access to it, and the kernel names the connected account (unix(7),
SO_PEERCRED). A connection over loopback proves nothing: a proxy's connections come from there too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ermon.aio.own import own_folder
from ermon.aio.threads import in_thread

CONTROL_SOCKET = "control.sock"
CONTROL_MODE = 0o660
"""For the daemon's account and its group, whose members may make changes."""
FOLDER_MODE = 0o750
BACKLOG = 128
STALLED_SECONDS = 60.0
"""A client that accepts no data for so long is disconnected (tcp(7), TCP_USER_TIMEOUT)."""
NAMED_SECONDS = 2.0
"""How long a directory service may take to return the name of an account."""


class ListenError(Exception):
    """ermon cannot listen on an address; the text names it."""


async def listen_on(host: str, port: int) -> list[socket.socket]:
    """Listen on all addresses of a host; an empty host means all addresses of this machine. Raises ``ListenError``."""
    loop = asyncio.get_running_loop()
    found: list[socket.socket] = []
    try:
        infos = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(infos):
            try:
                listener = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue  # a kernel without IPv6
            found.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000))
            listener.bind(address)
            listener.listen(BACKLOG)
        if not found:
            raise OSError("this machine does not support this kind of address")  # noqa: TRY301  # reported as the others are
    except OSError as error:
        for listener in found:
            listener.close()
        raise ListenError(
            f"--web.listen-address={host}:{port}: cannot listen there: {error.strerror or error}"
        ) from error
    return found


# For this machine's own accounts ---------------------------------------------------------------------


@contextlib.contextmanager
def control_socket(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket until the context ends; its folder is created if missing. Raises ``ListenError``.

    The socket of a dead ermon is replaced. A socket that answers is left alone, and so is anything else with that name,
    such as a symbolic link.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.setblocking(False)
        try:
            own_folder(path.parent, FOLDER_MODE)
            _make_way(path)
            listener.bind(str(path))
            own = _allow_the_group(path)
            listener.listen(BACKLOG)  # no connections before it has its mode
        except OSError as error:
            raise ListenError(f"{path}: cannot listen there: {error.strerror or error}") from error
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(path.lstat(), own):  # unless it belongs to another ermon now
                    path.unlink()


def _make_way(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(f"{path} exists and is not a socket: remove it, or choose another --runtime.path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)  # its creator has died
            return
        except BlockingIOError:
            pass  # its queue is full, so it is alive
    raise ListenError(f"{path}: another ermon listens there: stop it, or choose another --runtime.path")


def _allow_the_group(path: Path) -> os.stat_result:
    """Set the mode of a socket regardless of the umask, without following a symbolic link."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode):
            raise ListenError(f"{path}: something else replaced the socket")
        Path(f"/proc/self/fd/{descriptor}").chmod(CONTROL_MODE)
        return found
    finally:
        os.close(descriptor)


def account_of(connection: Any) -> int | None:
    """Return the user id of the process at the other end of a Unix socket; ``None`` for other sockets.

    ``connection`` is a socket, or asyncio's replacement for it.
    """
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    format_ = "3i"
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(format_))
    _, uid, _ = struct.unpack(format_, credentials)
    return int(uid)


async def name_of_account(uid: int) -> str:
    """Return the name of the account, or ``uid 1000`` if a directory service does not return it in time."""
    try:
        async with asyncio.timeout(NAMED_SECONDS):
            return (await in_thread(lambda: pwd.getpwuid(uid))).pw_name
    except (KeyError, TimeoutError, OSError):
        return f"uid {uid}"
