"""Posts JSON with limits of time and size, and gives a reason for every failure.

No reason contains the URL, because the paths of webhooks are often secrets.
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
"""Time limit for the connection to a receiver, for each attempt."""
TOTAL_SECONDS = 10.0
"""Time limit for a whole attempt. Alertmanager accepts 5,000 alerts in less than a tenth of a second."""
KEEP_OPEN_SECONDS = 150.0
"""Time for which an idle connection stays open: two re-sends, so that an alert does not wait for a handshake."""
MAX_ANSWER_BYTES = 4096
"""ermon reads no more of an answer, because a receiver may send without end."""
SHOWN_CHARACTERS = 200


class PostError(Exception):
    """The receiver has not accepted the post, or it is unknown whether it has; the text is the reason."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """The HTTP status; ``None`` without an answer."""


class Client:
    """Posts to one URL, one post after the other, over a persistent connection."""

    def __init__(self, url: str, credentials: Credentials, *, proxy: bool) -> None:
        """``proxy``: whether to use the proxies of the environment (HTTPS_PROXY, NO_PROXY)."""
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
        """Return when the receiver has accepted the post; raises ``PostError`` otherwise. Redirects are not followed."""
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
    """Return the system's text of an error. asyncio's texts contain addresses, and only the first of several errors."""
    known = error.errno is not None and error.errno > 0
    return os.strerror(error.errno) if known else error.strerror or str(error)  # type: ignore[arg-type]


def _shown(status: int, answer: bytes) -> str:
    text = printable(" ".join(answer.decode("utf-8", "replace").split()))[:SHOWN_CHARACTERS]
    redirects = "; redirects are not followed: write the target URL" if 300 <= status < 400 else ""
    return f"answered {status}{f': {text}' if text else ''}{redirects}"
