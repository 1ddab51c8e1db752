"""Azure service tags: the weekly file, and the answer of the REST API.

Source: Microsoft, "Virtual network service tags" (learn.microsoft.com/azure/virtual-network/service-tags-
overview), and the example ServiceTagsList.json of the REST API 2024-05-01, which differs from the file:
its change numbers are strings, and it may go on at ``nextLink``.
"""

from __future__ import annotations

from msgspec import Struct

from ermon.model.inventory import ExpectedPrefix
from ermon.sources.published import (
    PublishedList,
    SourceError,
    no_such,
    published_list,
    read_json,
    read_prefixes,
)

KIND = "service-tags"


class _Properties(Struct, rename="camel"):
    address_prefixes: list[str]


class _Tag(Struct):
    name: str
    properties: _Properties


class _ServiceTags(Struct, rename="camel"):
    values: list[_Tag]
    change_number: int | str
    next_link: str | None = None


def parse_service_tags(document: bytes, select: tuple[str, ...]) -> PublishedList:
    """Return the prefixes of the tags that ``select`` names, such as ``Storage.WestEurope``.

    Case does not matter. The tag without a region is the whole service, in all regions.
    """
    if not select:
        raise SourceError("select: must name the tags that are wanted, such as Storage.WestEurope")
    found: _ServiceTags = read_json(document, _ServiceTags)
    tags = {tag.name.casefold(): tag for tag in found.values}
    prefixes: set[ExpectedPrefix] = set()
    for name in select:
        tag = tags.get(name.casefold())
        if tag is None:
            raise _missing(name, found)
        listed = read_prefixes(tag.properties.address_prefixes, f"service tag {tag.name}")
        prefixes.update(map(ExpectedPrefix, listed))
    return published_list(prefixes, str(found.change_number))


def _missing(name: str, found: _ServiceTags) -> SourceError:
    error = no_such(name, [tag.name for tag in found.values], "service tag")
    if found.next_link:
        return SourceError(f"{error}; the list goes on at its nextLink, which is not in this file")
    return error
