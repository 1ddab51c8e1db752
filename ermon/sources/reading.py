"""Reads a published list: the table of the kinds of lists, the joining of pages, and lists in files on this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Raw, Struct

from ermon.aio.files import open_file
from ermon.model.inventory import Config
from ermon.model.source_key import SourceKey, is_url
from ermon.sources import azure, m365
from ermon.sources.published import MAX_BYTES, PublishedList, SourceError, read_json, refusal

Parser = Callable[[bytes, tuple[str, ...]], PublishedList]

PARSERS: Mapping[str, Parser] = {
    m365.KIND: m365.parse_m365,
    azure.SERVICE_TAGS: azure.parse_service_tags,
    azure.BGP_COMMUNITIES: azure.parse_bgp_communities,
}

_ITEMS = {azure.SERVICE_TAGS: "values", azure.BGP_COMMUNITIES: "value"}
"""The field with the items in answers of Azure's REST API, by kind."""


def parse(kind: str, document: bytes, select: tuple[str, ...]) -> PublishedList:
    """Parse a list; ``SourceError`` if it is invalid."""
    return PARSERS[kind](document, select)


class _Page(Struct, rename="camel"):
    next_link: str | None = None


def next_page(kind: str, page: bytes) -> str | None:
    """Return the URL of the next page (``nextLink``), ``None`` if this page is the last.

    Only an object can have one: the arrays that command lines print are complete.
    """
    if kind not in _ITEMS:
        return None
    found: _Page | list[Raw] = read_json(page, _Page | list[Raw])
    return (found.next_link or None) if isinstance(found, _Page) else None


def join_pages(kind: str, pages: list[bytes]) -> bytes:
    """Join all pages into one document, as if there were only one page."""
    if len(pages) == 1:
        return pages[0]
    items = _ITEMS[kind]
    decoded: list[Any] = [read_json(page) for page in pages]
    if not all(isinstance(page, dict) and isinstance(page.get(items), list) for page in decoded):
        raise SourceError(f"is not in the documented shape: a page has no list in {items}")
    joined = {**decoded[0], items: [item for page in decoded for item in page[items]], "nextLink": None}
    return msgspec.json.encode(joined)


# Lists that are files on this host ------------------------------------------------------------------


def load_file(source: SourceKey, base: Path) -> PublishedList:
    """Read a list from the file that its source names; ``SourceError`` if it cannot be used."""
    published = parse(source.kind, read_file(source.location, base), source.select)
    if problem := refusal(published, None):
        raise SourceError(problem)
    return published


def load_local(config: Config, base: Path) -> tuple[dict[SourceKey, PublishedList], list[str]]:
    """Read all published lists of a configuration that are files; return them, and the problems of the unusable ones.

    Lists that must be fetched are skipped: their content is unknown here.
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
    """Return the content of a file. ``location`` is a path, usually relative to ``base``, or a ``file:`` URL.

    ``SourceError`` if it cannot be read: a retry would not help.
    """
    path = base / path_of(location)
    try:
        with open_file(path) as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path} cannot be read: {reason}") from error
    if len(data) > max_bytes:
        raise SourceError(f"{path} is larger than {max_bytes} bytes")
    return data


def path_of(location: str) -> str:
    if not location.startswith("file:"):
        return location
    parts = urlsplit(location)
    if parts.netloc not in {"", "localhost"}:
        raise SourceError(f"file: {parts.netloc} is another host; write a path, or file:///path")
    return unquote(parts.path)
