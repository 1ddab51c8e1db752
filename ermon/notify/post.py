"""One POST of JSON, bounded in time and size, and every failure with its reason.

No reason shows the URL: the paths of webhooks are often secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp

from ermon import __version__
from ermon.aio.threads import Resolver
from ermon.config.secrets import Credentials
from ermon.model.text import printable

CONNECT_SECONDS = 5.0
"""A receiver that does not accept a connection by then is dead for this attempt."""
TOTAL_SECONDS = 10.0
"""For one attempt as a whole: Alertmanager takes 5,000 alerts in less than a tenth of a second."""
KEEP_OPEN_SECONDS = 150.0
"""A connection outlives a pause of two re-sends, so that a page does not wait for a handshake."""
MAX_ANSWER_BYTES = 4096
"""More of an answer is not read: nobody needs it, and a receiver may send without end."""
SHOWN_CHARACTERS = 200


class PostError(Exception):
    """It was not taken, or nobody can tell; the text is the reason."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """The HTTP status; ``None`` when there was no answer."""


class Client:
    """Posts to one URL, one post after the other, over a connection that is kept open."""

    def __init__(self, url: str, credentials: Credentials, *, proxy: bool) -> None:
        """``proxy``: the proxies of the environment are used, as HTTPS_PROXY and NO_PROXY say."""
        self._url = url
        self._credentials = credentials
        self._proxy = proxy

    async def __aenter__(self) -> Self:
        credentials = self._credentials
        headers = {"Content-Type": "application/json", "User-Agent": f"ermon/{__version__}"}
        if credentials.authorization is not None:
            headers["Authorization"] = credentials.authorization
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Resolver(),
                use_dns_cache=False,
                limit=1,
                keepalive_timeout=KEEP_OPEN_SECONDS,
                ssl=True if credentials.tls is None else credentials.tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            trust_env=self._proxy,
            headers=headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Return when the receiver has taken it; otherwise ``PostError``. Redirects are not followed."""
        try:
            await self._post(body, headers or {})
        except aiohttp.ClientConnectorCertificateError as error:
            raise PostError(f"its certificate is not trusted: {error.certificate_error}") from error
        except aiohttp.ClientConnectorError as error:
            raise PostError(f"cannot be reached: {_why(error.os_error)}") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise PostError(f"cannot be reached in {CONNECT_SECONDS:g} s") from error
        except TimeoutError as error:
            raise PostError(f"does not answer in {TOTAL_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PostError(f"broke off, or does not speak HTTP: {type(error).__name__}") from error

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        async with self._session.post(
            self._url,
            data=body,
            headers=headers,
            allow_redirects=False,
            server_hostname=self._credentials.server_name,
        ) as response:
            answer = await response.content.read(MAX_ANSWER_BYTES)
            if not 200 <= response.status < 300:
                raise PostError(_shown(response.status, answer), response.status)


def _why(error: OSError) -> str:
    """Return the system's own words: asyncio's name addresses, and nothing but the first of several."""
    known = error.errno is not None and error.errno > 0
    return os.strerror(error.errno) if known else error.strerror or str(error)  # type: ignore[arg-type]


def _shown(status: int, answer: bytes) -> str:
    text = printable(" ".join(answer.decode("utf-8", "replace").split()))[:SHOWN_CHARACTERS]
    redirects = "; redirects are not followed: write the target URL" if 300 <= status < 400 else ""
    return f"answered {status}{f': {text}' if text else ''}{redirects}"
