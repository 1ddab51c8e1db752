"""Speaks to the API of a running daemon, for the commands that do.

Whatever answers is not trusted to be ermon: its answers are bounded in time and size, and typed.
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
"""How long a daemon may take to accept a connection: it is near, or the network is broken."""
ANSWER_SECONDS = 30.0
"""How long one answer may take as a whole; ermon takes milliseconds."""
MAX_RECORDING_BYTES = 512 * 1024 * 1024
"""What is held of the edge tables of a large company is a tenth of it."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The statuses of two hundred feeds and fifty circuits are a tenth of it."""


T = TypeVar("T")


class Client:
    """Speaks to the API of one daemon."""

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
        """Return the data of ``/api/v1/PATH``; what the daemon finds wrong with the question is a ``UsageError``."""
        code, body, where = await self._send("GET", path, parameters)
        if code == 400 and (words := _own_words(body)) is not None:
            raise UsageError(words)
        if code != 200:
            raise UnreachableError(f"{where}: {_refusal(code, body, where)}")
        return _decode(body, kind, where)

    async def recording(self) -> list[bytes]:
        """Return the lines of a recording of this moment."""
        with self._reached(where := self._where("recording")):
            async with self._session.get(self._address("recording", {}), **self._as_always) as response:
                most = MAX_RECORDING_BYTES if response.status == 200 else None
                body = await _read(response, where, most)
                if response.status != 200:
                    raise UnreachableError(f"{where}: {_refusal(response.status, body, where)}")
                return body.splitlines()

    async def change(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Ask for a change; what the daemon does not allow, or finds wrong with it, is a ``UsageError``."""
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
        """Yield what comes of the event stream ``/api/v1/PATH``, until the server ends it.

        ``silence_seconds``: after so long without a byte there is nobody any more.
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
                # Its end is that of the connection: an ermon that stops does not write the last chunk of a stream.
                with suppress(aiohttp.ClientPayloadError):
                    async for part in response.content.iter_any():
                        yield part

    async def reload(self) -> list[str]:
        """Ask for a reload of the configuration; returns what is wrong with it, if anything is."""
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
        """Say in words why there is no answer within so many seconds, those of an answer unless said."""
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
                f"{reason(error)}. Is `ermon run` up? Name another daemon with --socket or --url"
            )
        option = "--url" if socket is None else "--socket"
        return f"{self.name} cannot be reached: {reason(error)}. Is `ermon run` up there? Name another daemon with {option}"

    def _where(self, path: str) -> str:
        return f"{self.name}/api/v1/{path}"

    def _address(self, path: str, parameters: Mapping[str, str]) -> URL:
        # joinpath keeps a path that a proxy puts before ermon's own.
        return self._url.joinpath("api", "v1", path).with_query(parameters)

    @property
    def _as_always(self) -> dict[str, Any]:
        return {"allow_redirects": False, "ssl": self._target.tls or True}


def is_it_ermon(where: str) -> str:
    """Ask whether the answer is ermon's, with the option that names another daemon: ``where`` is a URL or a socket."""
    if "://" in where:
        return "Is that an ermon? --url needs the address of `ermon run --web.listen-address`"
    return "Is that an ermon? --socket needs the control socket of `ermon run`"


async def _read(response: aiohttp.ClientResponse, where: str, most: int | None = None) -> bytes:
    """Read a body of ``most`` bytes, those of an answer unless said."""
    most = MAX_ANSWER_BYTES if most is None else most
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > most:
            raise UnreachableError(f"{where}: the answer is longer than {most} bytes. {is_it_ermon(where)}")
    return bytes(body)


def _decode(body: bytes, kind: type[T], where: str) -> T:
    try:
        return _typed(body, Success[kind]).data  # type: ignore[valid-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(
            f"{where}: is not an answer of ermon's API: {error}. {is_it_ermon(where)}"
        ) from None


_ESCAPE = re.compile(r"\\[^\"\\/]")


def _typed(body: bytes, kind: type[T]) -> T:
    return msgspec.convert(read_json(body), kind)


def read_json(body: bytes) -> Any:
    """Read JSON in which every text can be shown anywhere, from any author.

    It is the one door through which a server's words come in, and its users print them, to terminals too.
    """
    text = body.decode()
    harmless = text.isprintable() and _ESCAPE.search(text) is None  # nearly always: so is all that is in it
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
    """Type what ``where`` has answered; anything that does not fit is an ``UnreachableError``."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreachableError(
            f"{where}: is not an answer of ermon's API: {error}. {is_it_ermon(where)}"
        ) from None


def _own_words(body: bytes) -> str | None:
    """Return ermon's own words of an error; ``None`` where somebody else answers."""
    try:
        return _typed(body, Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refusal(code: int, body: bytes, where: str) -> str:
    """Say why there is no answer, in ermon's words if ermon refused it."""
    words = _own_words(body)
    if words is None:
        return f"HTTP {code}, and not an answer of ermon. {is_it_ermon(where)}"
    if code == 401:
        words += "; use --username and --password-file"
    if code == 404:
        words += ". Is this ermon older than the command?"
    return f"HTTP {code}: {words}"


# Server-sent events (WHATWG HTML, section 9.2): bytes in, events out --------------------------------


MAX_EVENT_BYTES = 32 * 1024 * 1024
"""As long as an answer may be: a snapshot is one event."""


class TooLongError(Exception):
    """An event is longer than ermon's are."""


class RawEvent(NamedTuple):
    kind: str
    data: bytes
    id: str


class Parser:
    """Reads a stream that comes in pieces. ermon ends lines with line feeds, and so does every proxy."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0

    def feed(self, piece: bytes) -> list[RawEvent]:
        """Return the events that this piece completes; none for comments, which only say that somebody is there."""
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
