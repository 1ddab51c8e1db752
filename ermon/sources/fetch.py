"""Gets a published list from where it is: a file, or a URL in the way that its kind asks for."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp

from ermon.aio.threads import in_thread
from ermon.model.source_key import is_url, shown
from ermon.sources import formats, m365
from ermon.sources.download import DEFAULT_LIMITS, HOUR, FetchError, Limits, download, new_session
from ermon.sources.files import read_file
from ermon.sources.published import SourceError
from ermon.sources.store import Records, SourceRecord, Validators

MAX_PAGES = 100
"""Azure's lists have one page, or a few; this ends a list that goes on for ever."""

ALL_CHANGES = "0000000000"
"""The version before the first: the web service then tells every change since it began."""


class Fetched(NamedTuple):
    document: bytes | None
    """``None``: what is known is still what is published."""
    validators: Validators = Validators()


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Reads files and fetches URLs."""

    base: Path
    """Where relative file names begin: beside the configuration."""
    records: Records
    limits: Limits = DEFAULT_LIMITS
    tls: ssl.SSLContext | None = None
    """Whom to trust instead of the system's certificate authorities."""

    async def fetch(self, kind: str, location: str, known: SourceRecord | None) -> Fetched:
        """Return the list that is at ``location`` now.

        ``FetchError``: there is none to be had at the moment; ``SourceError``: it cannot be used.
        """
        if not is_url(location):
            return Fetched(await in_thread(partial(read_file, location, self.base, self.limits.max_bytes)))
        try:
            return await self._fetch_url(kind, location, known)
        except FetchError as error:
            if kind == m365.KIND and error.answered:
                error.wait = max(error.wait, HOUR)  # the web service wants to be asked once an hour at most
            raise

    async def _fetch_url(self, kind: str, url: str, known: SourceRecord | None) -> Fetched:
        try:
            async with asyncio.timeout(self.limits.total), new_session(self.limits, self.tls) as session:
                if kind == m365.KIND:
                    return await self._m365(session, m365.WebService.at(url), known)
                return await self._pages(session, kind, url, known)
        except TimeoutError as error:
            reason = f"{shown(url)}: takes longer than {self.limits.total:g} s"
            raise FetchError(reason, answered=True) from error

    async def _m365(
        self, session: aiohttp.ClientSession, service: m365.WebService, known: SourceRecord | None
    ) -> Fetched:
        """Ask for the version, and for the rest only when it has grown.

        All changes are asked for, not those since the last time: only then every addition that is yet to
        take effect is among them, whatever was missed.
        """
        client = await in_thread(self.records.client_request_id)

        async def ask(method: str) -> bytes:
            answer = await download(session, f"{service.base}/{method}?clientrequestid={client}", self.limits)
            assert answer.body is not None  # nothing was said of what is known
            return answer.body

        version = m365.latest_version(await ask(f"version/{service.instance}"), service.instance)
        if known is not None and version <= known.version:
            return Fetched(None)
        endpoints = await ask(f"endpoints/{service.instance}")
        changes = await ask(f"changes/{service.instance}/{ALL_CHANGES}")
        return Fetched(await in_thread(partial(m365.combine, version, service.instance, endpoints, changes)))

    async def _pages(
        self, session: aiohttp.ClientSession, kind: str, url: str, known: SourceRecord | None
    ) -> Fetched:
        first = await download(session, url, self.limits, None if known is None else known.validators)
        if first.body is None:
            assert known is not None
            return Fetched(None, known.validators)
        pages = [first.body]
        while link := await in_thread(partial(formats.next_page, kind, pages[-1])):
            if len(pages) == MAX_PAGES:
                raise SourceError(f"has more than {MAX_PAGES} pages")
            answer = await download(session, _next_url(url, link), self.limits)
            assert answer.body is not None
            pages.append(answer.body)
            if sum(map(len, pages)) > self.limits.max_bytes:
                raise SourceError(f"its pages are larger than {self.limits.max_bytes} bytes together")
        return Fetched(await in_thread(partial(formats.join_pages, kind, pages)), first.validators)


def _next_url(url: str, link: str) -> str:
    try:
        following = urljoin(url, link)
        same = urlsplit(following).scheme == urlsplit(url).scheme
    except ValueError:
        same = False
    if not same:
        raise SourceError("its nextLink is not a URL of https")
    return following
