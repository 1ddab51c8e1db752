"""Sends single requests to Azure, and reads the answers: bounded in time and size, over https, without redirects.

An answer may be anything: every failure has a kind and a reason, and no reason has a query, a token or a text of the answer.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from ermon.aio.threads import in_thread
from ermon.model.azure import AzureFailure
from ermon.model.text import printable
from ermon.sources.fetch import FetchError, Limits, in_words, new_session, read_body
from ermon.sources.published import SourceError, read_json

RETRY_FLOOR_SECONDS, RETRY_CAP_SECONDS = 10.0, 600.0
"""What a server asks for in Retry-After is respected between these."""

LIMITS = Limits(max_bytes=32 * 1024 * 1024, connect=15.0, idle=60.0, total=120.0, redirects=0)
"""Of one request; a circuit's routes are some megabytes at most."""


class ArmError(Exception):
    """Azure could not be read; the text is the reason, in one line."""

    def __init__(self, kind: AzureFailure, reason: str, wait: float = 0.0) -> None:
        super().__init__(printable(reason[:500]))
        self.kind = kind
        self.wait = wait
        """Seconds until the next request is allowed."""


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """An answer: its status, its content as decoded JSON, and the headers that matter."""

    place: str
    """The host and the path that answered."""
    status: int
    document: Any
    """``None`` if the answer has no content, or its status is an error and its content is not JSON."""
    location: str = ""
    retry_after: float = RETRY_FLOOR_SECONDS
    size: int = 0
    """The bytes of the content."""


class Requests:
    """Sends requests; ``tls`` replaces the system's certificate authorities."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def send(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        form: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
    ) -> Answered:
        """Send one request; ``ArmError`` if no usable answer comes. HTTPS_PROXY is respected."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with new_session(limits, self._tls) as session:
            return await _exchange(session, method, URL(url, encoded=True), headers, limits, form)

    async def direct(
        self, url: str, query: Mapping[str, str], headers: Mapping[str, str], limits: Limits
    ) -> Answered:
        """Send a GET that goes through no proxy, to an address of this machine's own network."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.idle)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, auto_decompress=False) as session:
            return await _exchange(session, "GET", URL(url).with_query(query), headers, limits, None)


async def _exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: Mapping[str, str],
    limits: Limits,
    form: Mapping[str, str] | None,
) -> Answered:
    place = f"{url.host}{url.path}"
    try:
        async with asyncio.timeout(limits.total):
            with in_words(place, limits):
                request = session.request(method, url, headers=headers, data=form, allow_redirects=False)
                async with request as response:
                    return await _take(place, response, limits)
    except TimeoutError as error:
        reason = f"{place}: takes longer than {limits.total:g} s"
        raise ArmError(AzureFailure.UNREACHABLE, reason) from error
    except FetchError as error:
        kind = AzureFailure.ANSWER if error.answered else AzureFailure.UNREACHABLE
        raise ArmError(kind, str(error)) from error


async def _take(place: str, response: aiohttp.ClientResponse, limits: Limits) -> Answered:
    if 300 <= response.status < 400:
        raise ArmError(AzureFailure.ANSWER, f"{place}: redirects to another place, which is refused")
    body = await read_body(response, limits)
    document = None
    if body:
        try:
            document = await in_thread(partial(read_json, body))
        except SourceError as error:
            if response.status < 300:
                raise ArmError(AzureFailure.SHAPE, f"{place}: {error}") from error
    return Answered(
        place,
        response.status,
        document,
        response.headers.get("Location", ""),
        _retry_after(response.headers.get("Retry-After", "")),
        len(body),
    )


_CODE = re.compile(r"[A-Za-z_.]{1,60}")


def code_of(value: object) -> str:
    """Return the code of an error; empty if it is anything but one: what answers may repeat a token or a secret there."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _retry_after(text: str) -> float:
    """Return the wait that a server asks for, in seconds or as a date (RFC 9110 section 10.2.3), within the limits."""
    seconds = 0.0
    if text.isascii() and text.isdigit():
        seconds = float(text)
    elif text:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            seconds = 0.0
    return min(max(seconds, RETRY_FLOOR_SECONDS), RETRY_CAP_SECONDS)
