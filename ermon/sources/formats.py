"""One table of the kinds of lists: how each is read, and how its pages are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ermon.sources import azure, m365
from ermon.sources.published import PublishedList, SourceError, read_json

Parser = Callable[[bytes, tuple[str, ...]], PublishedList]

PARSERS: Mapping[str, Parser] = {
    m365.KIND: m365.parse_m365,
    azure.SERVICE_TAGS: azure.parse_service_tags,
    azure.BGP_COMMUNITIES: azure.parse_bgp_communities,
}

_ITEMS = {azure.SERVICE_TAGS: "values", azure.BGP_COMMUNITIES: "value"}
"""Where the answers of Azure's REST API have their items."""


def parse(kind: str, document: bytes, select: tuple[str, ...]) -> PublishedList:
    """Read a list; ``SourceError`` says what is wrong with it."""
    return PARSERS[kind](document, select)


class _Page(Struct, rename="camel"):
    next_link: str | None = None


def next_page(kind: str, page: bytes) -> str | None:
    """Return the URL at which a list goes on (``nextLink``), ``None`` if this page is its last.

    Only an object can have one: the arrays that command lines print are whole.
    """
    if kind not in _ITEMS:
        return None
    found: _Page | list[Raw] = read_json(page, _Page | list[Raw])
    return (found.next_link or None) if isinstance(found, _Page) else None


def join_pages(kind: str, pages: list[bytes]) -> bytes:
    """Make one document of all pages, as if there had been only one."""
    if len(pages) == 1:
        return pages[0]
    items = _ITEMS[kind]
    decoded: list[Any] = [read_json(page) for page in pages]
    if not all(isinstance(page, dict) and isinstance(page.get(items), list) for page in decoded):
        raise SourceError(f"is not in the documented shape: a page has no list in {items}")
    joined = {**decoded[0], items: [item for page in decoded for item in page[items]], "nextLink": None}
    return msgspec.json.encode(joined)
