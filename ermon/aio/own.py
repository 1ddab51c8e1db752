"""ermon's own folders and files: no other account can write to them, links are not followed, and the umask does not
matter.

Errors are ``OSError`` with the path, and a message that says how to fix it.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path

from ermon.aio.files import KINDS, OWN_MODE

FOLDER_MODE = 0o700


class NotAFileError(OSError):
    """Something else has the file's name: a link, a folder, a pipe, a device."""


def own_folder(path: Path, mode: int = FOLDER_MODE, *, inside: bool = False) -> None:
    """Create the folder and its missing parents. An existing folder must belong to this account or to root.

    ``inside``: it is in another folder of ermon's own. Then it must not be a link, and its mode is corrected.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode)
        each.chmod(mode)
    follow = 0 if not inside else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow)
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in {0, os.geteuid()}:
            raise _refusal(path, f"it belongs to {_name(found.st_uid)}, and ermon is {_name(os.geteuid())}")
        if inside and stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(descriptor, mode)
            return
    finally:
        os.close(descriptor)
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        why = f"it is world-writable (mode {stat.S_IMODE(found.st_mode):04o}); name a new folder in it, and ermon creates that"
        raise _refusal(path, why)


def own_file(path: Path) -> None:
    """Create the file if it is missing, for this account only; ``NotAFileError`` if the name is that of something else."""
    try:
        descriptor = os.open(
            path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, OWN_MODE
        )
    except FileExistsError:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotAFileError(
                errno.EEXIST, f"it is {KINDS.get(stat.S_IFMT(found.st_mode), 'not a file')}", str(path)
            )
        if found.st_uid != os.geteuid():
            raise _refusal(path, f"it belongs to {_name(found.st_uid)}, and ermon is {_name(os.geteuid())}")
        if stat.S_IMODE(found.st_mode) != OWN_MODE:
            # By its descriptor: the name may belong to another file by now.
            Path(f"/proc/self/fd/{descriptor}").chmod(OWN_MODE)
    finally:
        os.close(descriptor)


def _refusal(path: Path, why: str) -> PermissionError:
    return PermissionError(errno.EPERM, why, str(path))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
