"""What a configuration names outside of itself: lists and secrets in files, and addresses of this machine.

Lists are read, secrets are not: of those it is only asked whether they are there.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ermon.config.lint_mistakes import Lint
from ermon.config.secrets import named_files, places_of
from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey, is_url
from ermon.sources.published import SourceError
from ermon.sources.reading import load_file


def lint_files(config: Config, folder: Path) -> Iterator[Lint]:
    """Yield what cannot be used of the files that a configuration in ``folder`` names."""
    for circuit in config.circuits.values():
        for at, source in enumerate(circuit.receive.sources):
            key = SourceKey.of(source)
            if is_url(key.location):
                continue
            try:
                load_file(key, folder)
            except SourceError as error:
                place = ("circuits", circuit.name, "receive", "sources", at)
                yield Lint("source-unreadable", place, str(error))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    for path, file in named_files(config):
        places = places_of(file, folder, credentials)
        if not any(place.is_file() for place in places):
            where = " or in ".join(str(place.parent) for place in places)
            yield Lint("key-file-missing", path, f"there is no file {Path(file).name} in {where}")


def lint_machine(config: Config) -> Iterator[Lint]:
    """Yield the addresses of the configuration that this machine does not have."""
    asked: dict[str, bool] = {}
    for feed in config.feeds.values():
        if feed.local not in asked:
            asked[feed.local] = _is_here(feed.local)
        if not asked[feed.local]:
            text = f"{feed.local} is no address of this machine; `ip address add` it, or correct it"
            yield Lint("local-not-here", ("feeds", feed.name, "local"), text)


def _is_here(address: str) -> bool:
    """Return whether this machine can have a socket at an address; on doubt, it can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return True
