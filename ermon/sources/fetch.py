"""Gets a published list: from a file, or from a URL in the way that its kind needs.

The answer of a URL may be anything: a GET is encrypted and bounded in time and size, and every failure has a reason.
No reason contains the query of a URL, which may hold access keys and the client request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from ermon import __version__
from ermon.aio.threads import Resolver, in_thread
from ermon.model.source_key import is_url, shown
from ermon.sources import m365, reading
from ermon.sources.published import MAX_BYTES, SourceError
from ermon.sources.reading import read_file
from ermon.sources.store import Records, SourceRecord, Validators

HOUR = 3600.0
MAX_WAIT = 24 * HOUR
"""The longest wait after 429, in seconds, even if the server asks for a longer one."""

_CHUNK_BYTES = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}
_TEXT_TYPES = {"", "text/plain", "text/json", "application/octet-stream"}
"""Types of JSON files besides application/json; ``text/html`` would be a log-in page or an error."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for fetching a list. Times are seconds."""

    max_bytes: int = MAX_BYTES
    """The size of a list, decompressed."""
    connect: float = 15.0
    idle: float = 30.0
    """The longest time without a byte."""
    total: float = 120.0
    """The time for all pages of a list."""
    redirects: int = 3
    """A download page may redirect, and a content network again."""


DEFAULT_LIMITS = Limits()


class FetchError(Exception):
    """A list could not be fetched; the text is the reason."""

    def __init__(self, reason: str, *, answered: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.answered = answered
        """Whether a server was reached."""
        self.wait = wait
        """Seconds until the next request is allowed there."""


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes | None
    """``None``: not modified."""
    validators: Validators


@dataclass(frozen=True, slots=True)
class Pieces:
    """An answer as it came: a long one must not be put together on the event loop."""

    pieces: tuple[bytes, ...] | None
    """``None``: not modified."""
    packed: bool = False
    """Whether they are gzip."""
    validators: Validators = field(default_factory=Validators)


def new_session(limits: Limits, tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Return a session without cookies or caches; ``tls`` replaces the system's certificate authorities."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=Resolver(), use_dns_cache=False, ssl=True if tls is None else tls
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.idle),
        auto_decompress=False,  # aiohttp would decompress without a limit
        trust_env=True,  # HTTPS_PROXY: most monitoring hosts need a proxy to reach the internet
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"ermon/{__version__}",
        },
    )


async def download(
    session: aiohttp.ClientSession, url: str, limits: Limits, validators: Validators | None = None
) -> Answer:
    """Return the content of ``url``; ``FetchError`` if it is not JSON within the limits.

    With ``validators``, the answer may be that the content has not changed.
    """
    found = await download_pieces(session, url, limits, validators)
    if found.pieces is None:
        return Answer(None, found.validators)
    body = b"".join(found.pieces)
    return Answer(await _unpack(url, body, limits.max_bytes) if found.packed else body, found.validators)


async def download_pieces(
    session: aiohttp.ClientSession, url: str, limits: Limits, validators: Validators | None = None
) -> Pieces:
    """The same without putting the content together; ``limits.max_bytes`` is that of what is sent."""
    headers = {
        name: value
        for name, value in (
            ("If-None-Match", validators and validators.etag),
            ("If-Modified-Since", validators and validators.last_modified),
        )
        if value
    }
    try:
        target = URL(url)
    except ValueError as error:
        raise FetchError("the URL of the list cannot be read") from error
    place = _place(target)
    with in_words(place, limits):
        return await _follow(session, target, limits, headers)


@contextlib.contextmanager
def in_words(place: str, limits: Limits) -> Iterator[None]:
    """Turn what aiohttp raises inside the block into a ``FetchError``, with a reason that names ``place``."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        reason = f"{place}: its certificate is not trusted: {error.certificate_error}"
        raise FetchError(reason) from error
    except aiohttp.ClientConnectorError as error:
        raise FetchError(
            f"{place}: cannot be reached: {error.os_error.strerror or error.os_error}"
        ) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise FetchError(f"{place}: cannot be reached in {limits.connect:g} s") from error
    except aiohttp.SocketTimeoutError as error:
        raise FetchError(f"{place}: sent nothing for {limits.idle:g} s", answered=True) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise FetchError(f"{place}: the answer is truncated", answered=True) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = f"{place}: violates HTTP: {type(error).__name__}"
        raise FetchError(reason, answered=True) from error


async def _follow(
    session: aiohttp.ClientSession, url: URL, limits: Limits, headers: dict[str, str]
) -> Pieces:
    if not _is_safe(url):
        raise FetchError(f"{_place(url)}: only https is fetched, and http from a loopback address")
    for _ in range(limits.redirects + 1):
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _take(response, limits, conditional=bool(headers))
            target = url.join(URL(response.headers.get("Location", "")))
            if target.scheme != "https" or not target.host:
                raise FetchError(f"{_place(url)}: redirects to {target.scheme}, not to https", answered=True)
            url = target
    raise FetchError(f"{_place(url)}: redirects more than {limits.redirects} times", answered=True)


async def _take(response: aiohttp.ClientResponse, limits: Limits, *, conditional: bool) -> Pieces:
    place = _place(response.url)
    validators = Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))
    if response.status == 304 and conditional:
        return Pieces(None, validators=validators)
    if response.status != 200:
        wait = _wait_wanted(response) if response.status == 429 else 0.0
        raise FetchError(f"{place}: answered {response.status}", answered=True, wait=wait)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _TEXT_TYPES and not kind.endswith(("/json", "+json")):
        raise FetchError(f"{place}: sent {kind[:60]}, not JSON", answered=True)
    pieces, packed = await _received(response, limits)
    return Pieces(pieces, packed, validators)


async def read_body(response: aiohttp.ClientResponse, limits: Limits) -> bytes:
    """Return the body of an answer, decompressed; ``FetchError`` if it is too large or damaged."""
    pieces, packed = await _received(response, limits)
    body = b"".join(pieces)
    return await _unpack(str(response.url), body, limits.max_bytes) if packed else body


async def _received(response: aiohttp.ClientResponse, limits: Limits) -> tuple[tuple[bytes, ...], bool]:
    """Return the body of an answer as it came, and whether it is gzip."""
    place = _place(response.url)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise FetchError(f"{place}: sent {encoding[:60]}, which was not requested", answered=True)
    pieces, length = list[bytes](), 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        pieces.append(chunk)
        length += len(chunk)
        if length > limits.max_bytes:
            raise _too_large(place, limits.max_bytes)
    return tuple(pieces), encoding.endswith("gzip")


def _wait_wanted(response: aiohttp.ClientResponse) -> float:
    """Return the wait after 429 in seconds: an hour, as Microsoft's web service asks, or a longer ``Retry-After``."""
    text = response.headers.get("Retry-After", "")
    seconds = float(text) if text.isascii() and text.isdigit() else 0.0
    return min(max(HOUR, seconds), MAX_WAIT)


async def _unpack(url: str, packed: bytes, most: int) -> bytes:
    place = _place(URL(url))
    unpacked = await in_thread(partial(_gunzip, packed, most))
    if unpacked is None:
        raise FetchError(f"{place}: the compressed answer is damaged or truncated", answered=True)
    if len(unpacked) > most:
        raise _too_large(place, most)
    return unpacked


def _gunzip(packed: bytes, most: int) -> bytes | None:
    """Decompress up to ``most`` + 1 bytes; ``None`` if the data is not one complete gzip stream."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip: RFC 1952
    try:
        unpacked = stream.decompress(packed, most + 1)
    except zlib.error:
        return None
    return unpacked if len(unpacked) > most or (stream.eof and not stream.unused_data) else None


def _too_large(place: str, most: int) -> FetchError:
    return FetchError(f"{place}: is larger than {most} bytes", answered=True)


def _is_safe(url: URL) -> bool:
    if url.scheme == "http":
        try:
            return ipaddress.ip_address(url.host or "").is_loopback
        except ValueError:
            return False
    return url.scheme == "https" and bool(url.host)


def _place(url: URL) -> str:
    return f"{url.host or ''}{url.path}"


# A whole list ---------------------------------------------------------------------------------------


MAX_PAGES = 100
"""Azure's lists have one page or a few; this is the limit for an endless list."""

ALL_CHANGES = "0000000000"
"""The version before the first: the web service then returns all changes since its beginning."""


class Fetched(NamedTuple):
    document: bytes | None
    """``None``: the list has not changed."""
    validators: Validators = Validators()


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Reads files and fetches URLs."""

    base: Path
    """The folder for relative file names: that of the configuration."""
    records: Records
    limits: Limits = DEFAULT_LIMITS
    tls: ssl.SSLContext | None = None
    """Replaces the system's certificate authorities."""

    async def fetch(self, kind: str, location: str, known: SourceRecord | None) -> Fetched:
        """Return the current list at ``location``.

        ``FetchError``: it cannot be fetched now; ``SourceError``: it cannot be used.
        """
        if not is_url(location):
            return Fetched(await in_thread(partial(read_file, location, self.base, self.limits.max_bytes)))
        try:
            return await self._fetch_url(kind, location, known)
        except FetchError as error:
            if kind == m365.KIND and error.answered:
                error.wait = max(error.wait, HOUR)  # the web service allows one request an hour
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
        """Fetch the version, and the rest only when the version has grown.

        This fetches all changes, not only the new ones: so every addition that has not taken effect yet is among
        them, even after missed versions.
        """
        client = await in_thread(self.records.client_request_id)

        async def ask(method: str) -> bytes:
            answer = await download(session, f"{service.base}/{method}?clientrequestid={client}", self.limits)
            assert answer.body is not None  # the request was not conditional
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
        while link := await in_thread(partial(reading.next_page, kind, pages[-1])):
            if len(pages) == MAX_PAGES:
                raise SourceError(f"has more than {MAX_PAGES} pages")
            answer = await download(session, _next_url(url, link), self.limits)
            assert answer.body is not None
            pages.append(answer.body)
            if sum(map(len, pages)) > self.limits.max_bytes:
                raise SourceError(f"its pages are larger than {self.limits.max_bytes} bytes together")
        return Fetched(await in_thread(partial(reading.join_pages, kind, pages)), first.validators)


def _next_url(url: str, link: str) -> str:
    try:
        following = urljoin(url, link)
        same = urlsplit(following).scheme == urlsplit(url).scheme
    except ValueError:
        same = False
    if not same:
        raise SourceError("its nextLink is not a URL of https")
    return following
