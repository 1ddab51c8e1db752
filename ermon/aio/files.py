"""Files that are whole at every moment: a reader finds the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

OWN_MODE = 0o600
"""Readable by ermon only: passwords, and what an attacker would like to know of a network, are in its files."""


def replace_file(path: Path, data: bytes, *, mode: int = OWN_MODE, durable: bool = True) -> None:
    """Replace a file, or make it; ``OSError`` if that fails, and then the one before is still there.

    ``durable``: a power failure cannot undo it once this returns. It waits for the disk, so it is not for
    the event loop, and not for what ends with the process in any case.
    """
    with beside(path, data, mode=mode, durable=durable) as complete:
        complete.replace(
            path
        )  # a rename: where `path` is a symbolic link, the link goes and its target stays
    if durable:
        _sync_folder(path.parent)  # the file is on the disk, and this puts its name there


@contextlib.contextmanager
def beside(path: Path, data: bytes, *, mode: int = OWN_MODE, durable: bool = True) -> Iterator[Path]:
    """Give a complete file in the folder of ``path``, to be renamed; it is removed if nobody did.

    Its name is random and it is made with O_EXCL (``mkstemp``): nobody can have put a symbolic link there, and
    two writers never share it, as they would share ``path.new``, and one rename what the other still writes.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    complete = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # mkstemp says 0600, and what umask says does not matter
            file.write(data)
            file.flush()
            if durable:
                os.fsync(
                    file.fileno()
                )  # before the rename: a crash must not leave the new name on an empty file
        yield complete
    finally:
        complete.unlink(missing_ok=True)


KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What else can have a file's name."""


def open_file(path: Path) -> BinaryIO:
    """Open a file to read; ``OSError`` at once where it is a pipe or a device, which may block without an end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'not a file')}", str(path))
    return os.fdopen(descriptor, "rb")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
