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

from ermon.model.inventory import ExpectedPrefix
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

_VERSION = re.compile(r"[0-9]{10}")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_WEB_METHOD = re.compile(r"/(?:endpoints|version|changes)(?:/([A-Za-z0-9]+))?(?:/[0-9]*)?$")


class _Set(Struct, rename="camel"):
    id: int
    service_area: str
    express_route: bool
    ips: list[str] = []


class _Items(Struct, rename="camel"):
    ips: list[str] = []
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
    each from its effective date on.
    """
    areas = {_area(name) for name in select} or set(SERVICE_AREAS)
    found: list[_Set] | _Document = read_json(document, list[_Set] | _Document)
    if isinstance(found, list):
        found = _Document(found)
    history = _history(found.changes)
    expected: set[ExpectedPrefix] = set()
    for endpoints in found.endpoints:
        if endpoints.express_route and endpoints.service_area in areas:
            expected.update(_expected(endpoints, history.get(endpoints.id, {})))
    version = "" if found.version is None else _latest(found.version, DEFAULT_INSTANCE)
    return published_list(expected, version)


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
