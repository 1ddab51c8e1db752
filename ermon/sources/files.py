"""Published lists that are files on this host."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import formats
from ermon.sources.published import MAX_BYTES, PublishedList, SourceError, refusal


def load_file(source: SourceKey, base: Path) -> PublishedList:
    """Read the list that a source names, which is a file; ``SourceError`` if it is of no use."""
    published = formats.parse(source.kind, read_file(source.location, base), source.select)
    if problem := refusal(published, None):
        raise SourceError(problem)
    return published


def load_local(config: Config, base: Path) -> tuple[dict[SourceKey, PublishedList], list[str]]:
    """Read every published list of a configuration that is a file; return them, and what is wrong with others.

    A list that would have to be fetched is left out without a word: what it expects is not known here.
    """
    lists: dict[SourceKey, PublishedList] = {}
    problems: list[str] = []
    for key in dict.fromkeys(map(SourceKey.of, config.sources)):
        if is_url(key.location):
            continue
        try:
            lists[key] = load_file(key, base)
        except SourceError as error:
            problems.append(f"source {key.name}: {error}")
    return lists, problems


def read_file(location: str, base: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return what a file holds: a path, relative to ``base`` as a rule, or a ``file:`` URL.

    ``SourceError`` if it cannot be read: waiting does not mend that.
    """
    path = base / _path(location)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO without a writer does not hold it up
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SourceError(f"{path} is not a file")
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path} cannot be read: {reason}") from error
    if len(data) > max_bytes:
        raise SourceError(f"{path} is larger than {max_bytes} bytes")
    return data


def _path(location: str) -> str:
    if not location.startswith("file:"):
        return location
    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"}:
        raise SourceError(f"file: {parts.netloc} is another host; write a path, or file:///path")
    return unquote(parts.path)
