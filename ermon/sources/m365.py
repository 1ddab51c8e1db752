"""The Microsoft 365 IP address and URL web service.

Source: Microsoft, "Office 365 IP Address and URL web service" (learn.microsoft.com/microsoft-365/enterprise/
microsoft-365-ip-web-service). It has three methods: ``/version``, ``/endpoints`` (the current list, with additions up
to 30 days before they are used) and ``/changes`` (with dates). ermon stores their answers in one document,
``{"version": …, "endpoints": …, "changes": …}``. A file may also contain ``/endpoints`` alone; then its additions count
at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from ermon.model import communities
from ermon.model.inventory import ExpectedPrefix, ListedEndpoint
from ermon.model.prefixes import Prefix, parse_prefix
from ermon.model.source_key import SERVICE_AREAS
from ermon.sources.published import (
    PublishedList,
    SourceError,
    no_such,
    published_list,
    quote,
    read_json,
    read_prefixes,
)

KIND = "m365"

DEFAULT_INSTANCE = "Worldwide"

_PUBLIC = {
    "Exchange": "12076:5010",
    "SharePoint": "12076:5020",
    "Skype": "12076:5030",
    "Common": "12076:5100",
}
"""The community of each service area's routes (Microsoft, "Using BGP communities in ExpressRoute")."""
_US_GOVERNMENT = {
    "Exchange": "12076:5110",
    "SharePoint": "12076:5120",
    "Skype": "12076:5130",
    "Common": "12076:5200",
}
"""The same in the national clouds of the US (Microsoft, "ExpressRoute routing requirements")."""
_COMMUNITIES = {
    "worldwide": _PUBLIC,
    "usgovdod": _US_GOVERNMENT,
    "usgovgcchigh": _US_GOVERNMENT,
}
"""By instance of the cloud; of another one the communities are not known."""

_HOST = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""The name of one host: ``*.example.net`` stands for unknown ones."""
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_MOST_PORTS = 16
"""The endpoint sets that Microsoft publishes have six TCP ports at most. With any number of them, a short list could
name a great many endpoints.
"""

_VERSION = re.compile(r"[0-9]{10}")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_WEB_METHOD = re.compile(r"/(?:endpoints|version|changes)(?:/([A-Za-z0-9]+))?(?:/[0-9]*)?$")


class _Set(Struct, rename="camel"):
    id: int
    service_area: str
    express_route: bool
    ips: list[str] = []
    urls: list[str] | None = None
    tcp_ports: str | None = None


class _Items(Struct, rename="camel"):
    ips: list[str] = []
    urls: list[str] | None = None
    effective_date: str | None = None


class _Change(Struct, rename="camel"):
    id: int
    endpoint_set_id: int
    version: str
    add: _Items | None = None
    remove: _Items | None = None


class _Version(Struct):
    instance: str
    latest: str


class _Document(Struct):
    endpoints: list[_Set]
    changes: list[_Change] = []
    version: _Version | list[_Version] | None = None


class WebService(NamedTuple):
    """The address of the web service, and the instance of the cloud."""

    base: str
    instance: str

    @classmethod
    def at(cls, location: str) -> WebService:
        """Read it from the URL of the service or of one of its methods; the query is ignored."""
        parts = urlsplit(location)
        path = parts.path.rstrip("/")
        method = _WEB_METHOD.search(path)
        base = urlunsplit((parts.scheme, parts.netloc, path[: method.start()] if method else path, "", ""))
        return cls(base, (method and method[1]) or DEFAULT_INSTANCE)


def parse_m365(document: bytes, select: Iterable[str]) -> PublishedList:
    """Return the prefixes that use ExpressRoute, of the service areas that ``select`` names (all if it is empty),
    each from its effective date on, and the hosts of the same endpoint sets with their TCP ports.
    """
    areas = {_area(name) for name in select} or set(SERVICE_AREAS)
    found: list[_Set] | _Document = read_json(document, list[_Set] | _Document)
    if isinstance(found, list):
        found = _Document(found)
    history, named, services = _history(found.changes), _names(found.changes), _services(found.version)
    expected: set[ExpectedPrefix] = set()
    hosts: set[ListedEndpoint] = set()
    for endpoints in found.endpoints:
        if endpoints.express_route and endpoints.service_area in areas:
            expected.update(_expected(endpoints, history.get(endpoints.id, {})))
            if (service := services.get(endpoints.service_area)) is not None:
                hosts.update(_hosts(endpoints, service, named.get(endpoints.id, {})))
    version = "" if found.version is None else _latest(found.version, DEFAULT_INSTANCE)
    return published_list(expected, version, hosts)


def latest_version(document: bytes, instance: str) -> str:
    """Read ``/version`` of one instance (an object) or of all (an array): ten digits, YYYYMMDDNN."""
    return _latest(read_json(document, _Version | list[_Version]), instance)


def combine(version: str, instance: str, endpoints: bytes, changes: bytes) -> bytes:
    """Put the service's answers into one document; ``SourceError`` if they are not JSON."""
    parts = {
        "version": _Version(instance, version),
        "endpoints": read_json(endpoints),
        "changes": read_json(changes),
    }
    return msgspec.json.encode(parts)


def _area(name: str) -> str:
    for area in SERVICE_AREAS:
        if area.casefold() == name.casefold():
            return area
    raise no_such(name, SERVICE_AREAS, "service area")


def _latest(version: _Version | list[_Version], instance: str) -> str:
    records = version if isinstance(version, list) else [version]
    if isinstance(version, list):
        records = [record for record in records if record.instance.casefold() == instance.casefold()]
    if not records:
        raise SourceError(f"version: there is no instance {quote(instance)}")
    latest = records[0].latest
    if _VERSION.fullmatch(latest) is None:
        raise SourceError(f"version: {quote(latest)} is not a version; it has ten digits, YYYYMMDDNN")
    return latest


# Hosts ----------------------------------------------------------------------------------------------


def _services(version: _Version | list[_Version] | None) -> dict[str, str]:
    """Return the services of the service areas. A list that does not say which instance it is of is the usual one."""
    instance = version.instance if isinstance(version, _Version) else DEFAULT_INSTANCE
    of_areas = _COMMUNITIES.get(instance.casefold(), {})
    return {area: communities.service(community).name for area, community in of_areas.items()}


def _hosts(endpoints: _Set, service: str, changes: dict[str, _Last]) -> Iterator[ListedEndpoint]:
    """Yield the hosts of a set with each of their TCP ports. What is not one host or one port, such as a name with a
    wildcard or a range of ports, is left out: nothing shows which hosts and ports it means.
    """
    texts = {text.strip() for text in (endpoints.tcp_ports or "").split(",", _MOST_PORTS)}
    ports = [text for text in texts if _PORT.fullmatch(text) and int(text) <= 0xFFFF]
    for host in {name.casefold() for name in endpoints.urls or ()}:
        if _HOST.fullmatch(host) is None:
            continue
        last = changes.get(host)
        day = last and _readable_day(last.effective)
        starts, ends = (day, None) if last is not None and last.added else (None, day)
        for port in ports:
            yield ListedEndpoint(service, f"{host}:{port}", starts, ends)


def _names(changes: Iterable[_Change]) -> dict[int, dict[str, _Last]]:
    """Return, by endpoint set, the last change of each name, in small letters."""
    named: dict[int, dict[str, _Last]] = {}
    for change in sorted(changes, key=lambda change: (change.version, change.id)):
        of_set = named.setdefault(change.endpoint_set_id, {})
        for items, added in ((change.remove, False), (change.add, True)):
            if items is not None:
                names = map(str.casefold, items.urls or ())
                of_set.update(dict.fromkeys(names, _Last(added, items.effective_date)))
    return named


def _readable_day(text: str | None) -> date | None:
    """Return a date, ``None`` if it is invalid: a list is not refused because of the date of a name."""
    try:
        return _day(text, "urls")
    except SourceError:
        return None


# Dates -----------------------------------------------------------------------------------------------


class _Last(NamedTuple):
    """The last change of a prefix in an endpoint set."""

    added: bool
    effective: str | None
    """As published. ermon parses it only where needed, because old changes may contain errors."""


def _history(changes: Iterable[_Change]) -> dict[int, dict[Prefix, _Last]]:
    """Return, by endpoint set, the last change of each prefix.

    A text that is not a prefix matches nothing in ``/endpoints``, so it is ignored.
    """
    history: dict[int, dict[Prefix, _Last]] = {}
    for change in sorted(changes, key=lambda change: (change.version, change.id)):
        of_set = history.setdefault(change.endpoint_set_id, {})
        for items, added in ((change.remove, False), (change.add, True)):
            if items is not None:
                last = _Last(added, items.effective_date)
                of_set.update(dict.fromkeys(_readable(items.ips), last))
    return history


def _readable(texts: Iterable[str]) -> Iterator[Prefix]:
    for text in texts:
        try:
            yield parse_prefix(text)
        except ValueError:
            continue


def _expected(endpoints: _Set, changes: dict[Prefix, _Last]) -> Iterator[ExpectedPrefix]:
    """Yield the prefixes of a set with their periods.

    Microsoft announces an added prefix from its effective date on, and a removed one until its effective date. A
    removal without a date has already happened.
    """
    where = f"endpoint set {endpoints.id} (ips)"
    listed = read_prefixes(endpoints.ips, where)
    for prefix in listed:
        last = changes.get(prefix)
        day = last and _day(last.effective, where)
        if last is None or day is None:
            yield ExpectedPrefix(prefix)
        elif last.added:
            yield ExpectedPrefix(prefix, starts=day)
        else:
            yield ExpectedPrefix(prefix, ends=day)
    for prefix, last in changes.items():
        if prefix not in listed and not last.added and (day := _day(last.effective, where)):
            yield ExpectedPrefix(prefix, ends=day)


def _day(text: str | None, where: str) -> date | None:
    if text is None:
        return None
    try:
        digits = _DATE.fullmatch(text)
        if digits:
            return date(*map(int, digits.groups()))
    except ValueError:
        pass  # such as the 31st of June
    raise SourceError(f"{where}: {quote(text)} is not an effective date, YYYYMMDD")
