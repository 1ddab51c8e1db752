"""Reads BGP MD5 keys from the files that the configuration names: never from the configuration itself."""

from __future__ import annotations

import os
from pathlib import Path

from ermon.inventory import Config

MAX_SECRET_BYTES = 1024
"""A larger file is no key: TCP MD5 takes 80 bytes (RFC 2385, Linux)."""


class SecretError(Exception):
    """A key cannot be read; ``problems`` says which, where it was looked for, and why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_md5_passwords(config: Config, config_file: Path) -> dict[str, str]:
    """Return the key of each feed that names one, by feed.

    A file is looked for under ``$CREDENTIALS_DIRECTORY`` (systemd), then beside the configuration.
    """
    passwords: dict[str, str] = {}
    problems: list[str] = []
    for feed in config.feeds.values():
        if feed.md5_password_file is None:
            continue
        try:
            passwords[feed.name] = _read(feed.md5_password_file, config_file.parent)
        except (OSError, ValueError) as error:
            problems.append(f"{config_file}: feeds.{feed.name}.md5_password_file: {error}")
    if problems:
        raise SecretError(problems)
    return passwords


def _read(name: str, beside: Path) -> str:
    folders = [Path(folder) for folder in (os.environ.get("CREDENTIALS_DIRECTORY"),) if folder] + [beside]
    for folder in folders:
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
            if len(data) > MAX_SECRET_BYTES:
                raise ValueError(f"{path} is larger than {MAX_SECRET_BYTES} bytes: it is no key")
            password = data.decode("ascii").strip()
            if not password:
                raise ValueError(f"{path} is empty: it must hold the key, and nothing else")
            return password
    looked = " or in ".join(map(str, folders))
    raise ValueError(f"there is no file {name} in {looked}: put the key there, readable by ermon only")
