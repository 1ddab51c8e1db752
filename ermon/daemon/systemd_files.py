"""The files that make ermon a service of systemd: ``data/systemd``, with the paths of an installation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from importlib import resources
from pathlib import Path

from ermon.config.secrets import credential_name

EXECUTABLE = Path("/usr/local/bin/ermon")
CONFIG_FILE = Path("/etc/ermon/ermon.yml")
"""The paths in the files as they are shipped."""

SECRETS = "secrets"
"""The folder of the keys beside the configuration, and the name of the credentials that systemd makes of it."""

HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  # not to be used
"""What the service does not see (systemd.exec(5), ProtectHome= and PrivateTmp=)."""

_PLAIN = re.compile(r"/[A-Za-z0-9/._+@-]*")


class UnitFile(Enum):
    SERVICE = "ermon.service"
    SYSUSERS = "ermon.sysusers.conf"
    TMPFILES = "ermon.tmpfiles.conf"


class UnitError(ValueError):
    """A path cannot stand in a unit; the text says which, and what to do."""


def render(wanted: UnitFile, executable: Path, config_file: Path, secret_files: Iterable[str]) -> str:
    """Return a file for an ermon at ``executable`` with the configuration at ``config_file``, both absolute.

    ``secret_files`` are what the configuration names. Those that are neither in its folder ``secrets`` nor
    absolute, which ermon has to be able to read itself, are passed on one by one.
    """
    for path in (executable, config_file):
        if not _PLAIN.fullmatch(str(path)):
            raise UnitError(f"{path}: a unit takes an absolute path of letters, digits and . _ + - @ only")
    source = resources.files("ermon") / "data" / "systemd" / wanted.value
    text = source.read_text(encoding="utf-8")
    text = text.replace(str(EXECUTABLE), str(executable)).replace(str(CONFIG_FILE), str(config_file))
    text = text.replace(str(CONFIG_FILE.parent), str(config_file.parent))
    folder = f"LoadCredential={SECRETS}:{config_file.parent / SECRETS}\n"
    single = [
        f"LoadCredential={credential_name(file)}:{config_file.parent / file}\n"
        for file in secret_files
        if not file.startswith(("/", f"{SECRETS}/"))
    ]
    return text.replace(folder, folder + "".join(single))


def hidden(paths: Sequence[Path]) -> Path | None:
    """Return the first path, if any, that the service would not see."""
    return next((path for path in paths if any(path.is_relative_to(folder) for folder in HIDDEN)), None)
