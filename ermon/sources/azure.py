"""The lists of Azure: service tags, and the BGP service communities with their prefixes.

Service tags come as a weekly file, and from the REST API. Source: Microsoft, "Virtual network service
tags" (learn.microsoft.com/azure/virtual-network/service-tags-overview), and the example ServiceTagsList.json of
the REST API 2024-05-01, which differs from the file: its change numbers are strings, and it may continue at
``nextLink``.

BGP communities are the prefixes that Microsoft announces with each community. Source: Microsoft, "Bgp Service Communities -
List" (learn.microsoft.com/rest/api/expressroute/bgp-service-communities/list). Azure's command line prints its items
without ``value`` and ``properties`` around them (``az network route-filter rule list-service-communities``), and
PowerShell prints names with capital letters (``Get-AzBgpServiceCommunity | ConvertTo-Json -Depth 5``); ermon reads all
of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ermon.model import communities
from ermon.model.inventory import ExpectedPrefix
from ermon.sources.published import (
    PublishedList,
    SourceError,
    convert,
    no_such,
    published_list,
    read_json,
    read_prefixes,
)

SERVICE_TAGS = "service-tags"
BGP_COMMUNITIES = "bgp-communities"

_DEPTH = 6
"""Levels of the answer that have field names: the answer, its items, an item, its properties, their communities, and a
community.
"""


# Service tags --------------------------------------------------------------------------------------------


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
        raise SourceError("select: must name tags, such as Storage.WestEurope")
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
        return SourceError(f"{error}; the list continues at its nextLink, which is not in this file")
    return error


# BGP communities -----------------------------------------------------------------------------------------


class _Community(Struct, rename="camel"):
    community_value: str
    community_name: str = ""
    community_prefixes: list[str] | None = None
    is_authorized_to_use: bool = True


class _Service(Struct, rename="camel"):
    bgp_communities: list[_Community]
    name: str = ""
    service_name: str = ""


def parse_bgp_communities(document: bytes, select: tuple[str, ...]) -> PublishedList:
    """Return the prefixes of the communities (``12076:5010``), slugs (``exchange-online``) or services
    (``Exchange``) that ``select`` names.

    Without ``select``, return those of all communities that the subscription is authorised to use: a route filter can
    contain only these. IPv4 and IPv6 are separate entries with the same community.
    """
    services = _services(read_json(document))
    chosen = _selected(services, select) if select else _authorized(services)
    prefixes: set[ExpectedPrefix] = set()
    for community in chosen:
        where = f"community {community.community_value} ({community.community_name})"
        prefixes.update(map(ExpectedPrefix, read_prefixes(community.community_prefixes or (), where)))
    return published_list(prefixes)


def _services(value: Any) -> list[_Service]:
    """Find the services in any of the documented forms."""
    value = _camel_keys(value, _DEPTH)
    if isinstance(value, dict):
        value = value.get("value", [value])  # PowerShell prints a single item without a list
    if not isinstance(value, list):
        raise SourceError("is not in the documented shape: neither a list, nor an object with one in value")
    items = [
        {**item, **item["properties"]}
        if isinstance(item, dict) and isinstance(item.get("properties"), dict)
        else item
        for item in value
    ]
    return convert(items, list[_Service])


def _camel_keys(value: Any, depth: int) -> Any:
    if isinstance(value, dict) and depth:
        return {key[:1].lower() + key[1:]: _camel_keys(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list) and depth:
        return [_camel_keys(item, depth - 1) for item in value]
    return value


def _authorized(services: list[_Service]) -> Iterator[_Community]:
    return (
        community
        for service in services
        for community in service.bgp_communities
        if community.is_authorized_to_use
    )


def _selected(services: list[_Service], select: tuple[str, ...]) -> Iterator[_Community]:
    by_name: dict[str, list[_Community]] = {}
    for service in services:
        for name in {service.name.casefold(), service.service_name.casefold()} - {""}:
            by_name.setdefault(name, []).extend(service.bgp_communities)
        for community in service.bgp_communities:
            by_name.setdefault(community.community_value, []).append(community)
    for name in select:
        found = by_name.get(_community_of(name)) or by_name.get(name.casefold())
        if found is None:
            raise no_such(name, {*(service.name for service in services)}, "community or service")
        yield from found


def _community_of(name: str) -> str:
    """Return the community of a slug; any other text is returned unchanged."""
    try:
        high, low = communities.service(name).community
    except ValueError:
        return name
    return f"{high}:{low}"
