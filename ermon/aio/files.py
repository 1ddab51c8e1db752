"""Files that are always complete, a reader finds the old one or the new one, never a part; and files that others write."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

OWN_MODE = 0o600
"""Readable by ermon only: its files contain passwords, and details of the network that help an attacker."""


def replace_file(path: Path, data: bytes, *, mode: int = OWN_MODE, durable: bool = True) -> None:
    """Replace or create a file; ``OSError`` if that fails, and then the old file is unchanged.

    ``durable``: a power failure after the return cannot undo it. This waits for the disk: do not use it on the event
    loop, or for files that are useless after the process ends.
    """
    with beside(path, data, mode=mode, durable=durable) as complete:
        complete.replace(
            path
        )  # a rename: where `path` is a symbolic link, the link goes and its target stays
    if durable:
        _sync_folder(path.parent)  # the file is on the disk, and this puts its name there


@contextlib.contextmanager
def beside(path: Path, data: bytes, *, mode: int = OWN_MODE, durable: bool = True) -> Iterator[Path]:
    """Yield a complete file in the folder of ``path``, for the caller to rename; otherwise it is removed.

    Its name is random and it is created with O_EXCL (``mkstemp``): it cannot be a prepared symbolic link, and two
    writers never share it. With a fixed name such as ``path.new``, one could rename a file that the other still writes.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    complete = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # mkstemp uses 0600; the umask does not matter
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
"""The other types of a directory entry, by ``stat.S_IFMT``."""


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; ``OSError`` at once for a pipe or a device, which could block without an end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'not a file')}", str(path))
    return os.fdopen(descriptor, "rb")


class Edition(NamedTuple):
    """What distinguishes one edition of a file from another."""

    inode: int
    size: int
    modified: int
    """Nanoseconds since the epoch."""

    @classmethod
    def of(cls, status: os.stat_result) -> Edition:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def written(self) -> float:
        """When it was written, in seconds since the epoch."""
        return self.modified / 1e9


def read_if_new(path: Path, known: Edition | None, limit: int) -> tuple[Edition, bytes | None]:
    """Return the edition of a file, and its content, of which no more than one byte over ``limit`` is read; ``None`` if it is
    the edition that is known. ``OSError`` if that fails.
    """
    with open_file(path) as file:
        edition = Edition.of(os.fstat(file.fileno()))
        return edition, None if edition == known else file.read(limit + 1)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
