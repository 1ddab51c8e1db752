"""Speaks to the API of a running daemon, for the commands that do.

Whatever answers is not trusted to be ermon: its answers are bounded in time and size, and typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

CONNECT_SECONDS = 5.0
"""How long a daemon may take to accept a connection: it is near, or the network is broken."""
ANSWER_SECONDS = 30.0
"""How long one answer may take as a whole; ermon takes milliseconds."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The statuses of two hundred feeds and fifty circuits are a tenth of it."""

T = TypeVar("T")


class _Envelope(msgspec.Struct, Generic[T], frozen=True):
    status: Literal["success"]
    data: T


class _Failure(msgspec.Struct, frozen=True):
    status: Literal["error"]
    error: str


class UsageError(Exception):
    """The question is wrong; says what would be right."""


class UnreachableError(Exception):
    """No ermon answers as one should; says which address, what is wrong, and what to do."""


def parse_url(text: str) -> URL:
    """Read the address of a daemon; anything else is a ``UsageError``."""
    try:
        url = URL(text.rstrip("/"))
        usable = url.scheme in {"http", "https"} and bool(url.host) and not url.query_string
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{text!r} is not the address of a daemon; give one such as http://127.0.0.1:10179")
    return url


class Client:
    """Speaks to the API of one daemon."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.name = shown(url)

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, kind: type[T], **parameters: str) -> T:
        """Return the data of ``/api/v1/PATH``."""
        code, body, where = await self._send("GET", path, parameters)
        if code != 200:
            raise UnreachableError(f"{where}: {_refusal(code, body)}")
        return _decode(body, kind, where)

    async def change(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Ask for a change; what the daemon does not allow, or finds wrong with it, is a ``UsageError``."""
        code, answer, where = await self._send(method, path, {}, body)
        if code in {400, 403, 404}:
            raise UsageError(f"{where}: {_refusal(code, answer)}")
        if code not in {200, 201}:
            raise UnreachableError(f"{where}: {_refusal(code, answer)}")
        return _decode(answer, kind, where)

    async def _send(
        self, method: str, path: str, parameters: Mapping[str, str], data: object = None
    ) -> tuple[int, bytes, str]:
        where = f"{self.name}/api/v1/{path}"
        # joinpath keeps a path that a proxy puts before ermon's own.
        url = self._url.joinpath("api", "v1", path).with_query(parameters)
        try:
            async with self._session.request(method, url, json=data, allow_redirects=False) as response:
                return response.status, await _read(response, where), where
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UnreachableError(
                f"{self.name} cannot be reached: {_reason(error)}. Is `ermon run` up there? --url says where"
            ) from None
        except TimeoutError:
            raise UnreachableError(
                f"{where}: no answer within {ANSWER_SECONDS:g} s. Is its host overloaded, or something else there?"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"{where}: {_reason(error)}. {IS_IT_ERMON}") from None


IS_IT_ERMON = "Is that an ermon? --url takes the address that `ermon run --web.listen-address` has"


async def _read(response: aiohttp.ClientResponse, where: str) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise UnreachableError(
                f"{where}: the answer is longer than {MAX_ANSWER_BYTES} bytes. {IS_IT_ERMON}"
            )
    return bytes(body)


def _decode(body: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(body, type=_Envelope[kind]).data  # type: ignore[valid-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(f"{where}: is no answer of ermon's API: {error}. {IS_IT_ERMON}") from None


def _refusal(code: int, body: bytes) -> str:
    """Say why there is no answer, in the words of whoever refused it where those are ermon's."""
    try:
        words = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"HTTP {code}, and not in ermon's words. {IS_IT_ERMON}"
    if code == 404:
        words += ". Is this ermon older than the command?"
    return f"HTTP {code}: {words}"


def _reason(error: Exception) -> str:
    """Say what went wrong with a connection; many of aiohttp's errors have no text at all."""
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(error).__name__


def shown(url: URL) -> str:
    """Write an address without what it may hold of a secret."""
    return str(url.with_user(None)).rstrip("/")
