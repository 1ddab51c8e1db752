"""The client of a running daemon's API, for the commands that need one.

The client does not trust the server to be ermon: it limits the time and size of answers, and checks their types.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from ermon.api.answers import Failure, Success
from ermon.client.target import Target, UnreachableError, UsageError, closed, reason
from ermon.model.text import printable

CONNECT_SECONDS = 5.0
"""How long a daemon may take to accept a connection. A reachable one accepts at once."""
ANSWER_SECONDS = 30.0
"""How long one answer may take as a whole; ermon takes milliseconds."""
MAX_RECORDING_BYTES = 512 * 1024 * 1024
"""The routes that ermon holds of a large company's edge tables take a tenth of it."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The statuses of two hundred feeds and fifty circuits take a tenth of it."""


T = TypeVar("T")


class Client:
    """A connection to the API of one daemon."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = target.url
        self.name = target.name

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        given = self._target.authorization
        socket = self._target.socket
        self._session = aiohttp.ClientSession(
            connector=None if socket is None else aiohttp.UnixConnector(str(socket)),
            timeout=timeout,
            headers={} if given is None else {aiohttp.hdrs.AUTHORIZATION: given},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, kind: type[T], **parameters: str) -> T:
        """Return the data of ``/api/v1/PATH``; raises ``UsageError`` if the daemon refuses the request as wrong."""
        code, body, where = await self._send("GET", path, parameters)
        if code == 400 and (words := _own_words(body)) is not None:
            raise UsageError(words)
        if code != 200:
            raise UnreachableError(f"{where}: {_refusal(code, body, where)}")
        return _decode(body, kind, where)

    async def bare(self, path: str, kind: type[T]) -> T:
        """Return the answer of ``/api/v1/PATH``, whose data has no envelope."""
        code, body, where = await self._send("GET", path, {})
        if code != 200:
            raise UnreachableError(f"{where}: {_refusal(code, body, where)}")
        return _decode(body, kind, where, bare=True)

    async def recording(self) -> list[bytes]:
        """Return the lines of a recording that has the daemon's present state."""
        with self._reached(where := self._where("recording")):
            async with self._session.get(self._address("recording", {}), **self._as_always) as response:
                most = MAX_RECORDING_BYTES if response.status == 200 else None
                body = await _read(response, where, most)
                if response.status != 200:
                    raise UnreachableError(f"{where}: {_refusal(response.status, body, where)}")
                return body.splitlines()

    async def change(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Request a change; raises ``UsageError`` if the daemon does not allow it or refuses it as wrong."""
        code, answer, where = await self._send(method, path, {}, body)
        if code in {400, 401, 403, 404}:
            raise UsageError(f"{where}: {_refusal(code, answer, where)}")
        if code not in {200, 201}:
            raise UnreachableError(f"{where}: {_refusal(code, answer, where)}")
        return _decode(answer, kind, where)

    async def _send(
        self, method: str, path: str, parameters: Mapping[str, str], data: object = None
    ) -> tuple[int, bytes, str]:
        with self._reached(where := self._where(path)):
            async with self._session.request(
                method, self._address(path, parameters), json=data, **self._as_always
            ) as response:
                return response.status, await _read(response, where), where

    async def stream(
        self, path: str, *, silence_seconds: float, headers: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the event stream ``/api/v1/PATH`` as they arrive, until the server ends it.

        After ``silence_seconds`` without a byte, the server counts as gone.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
        with self._reached(where := self._where(path), silence_seconds):
            async with self._session.get(
                self._address(path, {}), headers=headers, timeout=timeout, **self._as_always
            ) as response:
                if response.status != 200:
                    refusal = _refusal(response.status, await _read(response, where), where)
                    raise UnreachableError(f"{where}: {refusal}")
                if response.content_type != "text/event-stream":
                    raise UnreachableError(
                        f"{where}: the answer is not a stream of events. {is_it_ermon(where)}"
                    )
                # The stream ends with the connection: an ermon that stops does not write the last chunk.
                with suppress(aiohttp.ClientPayloadError):
                    async for part in response.content.iter_any():
                        yield part

    async def reload(self) -> list[str]:
        """Request a reload of the configuration; return the mistakes in it, none if it was loaded."""
        with self._reached(where := f"{self.name}/-/reload"):
            async with self._session.post(self._url.joinpath("-", "reload"), **self._as_always) as response:
                lines = [
                    printable(line)
                    for line in (await _read(response, where)).decode(errors="replace").splitlines()
                ]
        if response.status not in {200, 400}:
            words = lines[0] if len(lines) == 1 else is_it_ermon(where)
            wrong = UsageError if response.status in {401, 403} else UnreachableError
            raise wrong(f"{where}: HTTP {response.status}: {words}")
        return lines if response.status == 400 else []

    @contextmanager
    def _reached(self, where: str, seconds: float | None = None) -> Iterator[None]:
        """Turn errors of a request into ``UnreachableError`` with a reason in words.

        ``seconds`` is the time limit to name in the text, by default ``ANSWER_SECONDS``.
        """
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            raise UnreachableError(
                f"{self.name}: its certificate is not accepted: {reason(error.certificate_error)}. "
                "name its CA certificate with --ca-file"
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UnreachableError(self._not_reached(error)) from None
        except TimeoutError:
            raise UnreachableError(
                f"{where}: no answer within {seconds or ANSWER_SECONDS:g} s. Is its host overloaded, or is it another server?"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"{where}: {reason(error)}. {is_it_ermon(where)}") from None

    def _not_reached(self, error: aiohttp.ClientError) -> str:
        socket = self._target.socket
        if socket is not None and isinstance(getattr(error, "os_error", None), PermissionError):
            return closed(socket)
        if self._target.no_socket is not None:
            return (
                f"no ermon runs here: there is no {self._target.no_socket}, and {self.name} cannot be reached: "
                f"{reason(error)}. Is `ermon run` up? With --runtime.path=DIR, its socket is DIR/control.sock: name it with "
                "--socket, or another daemon with --url"
            )
        option = "--url" if socket is None else "--socket"
        return f"{self.name} cannot be reached: {reason(error)}. Is `ermon run` up there? Name another daemon with {option}"

    def _where(self, path: str) -> str:
        return f"{self.name}/api/v1/{path}"

    def _address(self, path: str, parameters: Mapping[str, str]) -> URL:
        # joinpath keeps the path prefix under which a proxy serves ermon.
        return self._url.joinpath("api", "v1", path).with_query(parameters)

    @property
    def _as_always(self) -> dict[str, Any]:
        return {"allow_redirects": False, "ssl": self._target.tls or True}


def is_it_ermon(where: str) -> str:
    """Return the question whether the server is ermon, with the option that names another; ``where`` is a URL or a socket."""
    if "://" in where:
        return "Is that an ermon? --url needs the address of `ermon run --web.listen-address`"
    return "Is that an ermon? --socket needs the control socket of `ermon run`"


async def _read(response: aiohttp.ClientResponse, where: str, most: int | None = None) -> bytes:
    """Read a body of at most ``most`` bytes, by default ``MAX_ANSWER_BYTES``."""
    most = MAX_ANSWER_BYTES if most is None else most
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > most:
            raise UnreachableError(f"{where}: the answer is longer than {most} bytes. {is_it_ermon(where)}")
    return bytes(body)


def _decode(body: bytes, kind: type[T], where: str, *, bare: bool = False) -> T:
    try:
        if bare:
            return _typed(body, kind)
        return _typed(body, Success[kind]).data  # type: ignore[valid-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(
            f"{where}: is not an answer of ermon's API: {error}. {is_it_ermon(where)}"
        ) from None


_ESCAPE = re.compile(r"\\[^\"\\/]")


def _typed(body: bytes, kind: type[T]) -> T:
    return msgspec.convert(read_json(body), kind)


def read_json(body: bytes) -> Any:
    """Parse JSON, and make every text in it safe to print.

    All text of a server passes through this function. The commands print it, also to terminals.
    """
    text = body.decode()
    harmless = text.isprintable() and _ESCAPE.search(text) is None  # as nearly always
    found = msgspec.json.decode(body)
    return found if harmless else _cleaned(found)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case dict():
            return {printable(key): _cleaned(each) for key, each in value.items()}
        case list():
            return [_cleaned(each) for each in value]
    return value


def read(data: object, kind: type[T], where: str) -> T:
    """Convert the answer of ``where`` to ``kind``; raises ``UnreachableError`` if it does not fit."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreachableError(
            f"{where}: is not an answer of ermon's API: {error}. {is_it_ermon(where)}"
        ) from None


def _own_words(body: bytes) -> str | None:
    """Return the text of an error that ermon wrote; ``None`` if the answer is not ermon's, such as a proxy's."""
    try:
        return _typed(body, Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refusal(code: int, body: bytes, where: str) -> str:
    """Return why the request failed, in ermon's words if ermon refused it."""
    words = _own_words(body)
    if words is None:
        return f"HTTP {code}, and not an answer of ermon. {is_it_ermon(where)}"
    if code == 401:
        words += "; use --username and --password-file"
    if code == 404:
        words += ". Is this ermon older than the command?"
    return f"HTTP {code}: {words}"


# Server-sent events (WHATWG HTML, section 9.2): from bytes to events ---------------------------------


MAX_EVENT_BYTES = 32 * 1024 * 1024
"""The same limit as for an answer, because a snapshot is one event."""


class TooLongError(Exception):
    """An event is longer than any of ermon's."""


class RawEvent(NamedTuple):
    kind: str
    data: bytes
    id: str


class Parser:
    """Parses an event stream that arrives in pieces. ermon ends lines with a line feed, and proxies do not change that."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0

    def feed(self, piece: bytes) -> list[RawEvent]:
        """Return the events that this piece completes. Comments, which only keep the connection alive, give none."""
        self._rest += piece.replace(b"\r\n", b"\n")
        found = []
        while (end := self._rest.find(b"\n\n", self._searched)) >= 0:
            event = _event(bytes(self._rest[:end]))
            del self._rest[: end + 2]
            self._searched = 0
            if event is not None:
                found.append(event)
        self._searched = max(0, len(self._rest) - 1)
        if len(self._rest) > MAX_EVENT_BYTES:
            raise TooLongError(f"an event is longer than {MAX_EVENT_BYTES} bytes")
        return found


def _event(block: bytes) -> RawEvent | None:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        fields[name] = fields[name] + b"\n" + value if name == b"data" and name in fields else value
    if b"data" not in fields:
        return None
    kind, number = fields.get(b"event", b"message"), fields.get(b"id", b"")
    return RawEvent(kind.decode(errors="replace"), fields[b"data"], number.decode(errors="replace"))
