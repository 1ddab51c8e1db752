"""Speaks to the API of a running daemon, for the commands that do.

Whatever answers is not trusted to be ermon: its answers are bounded in time and size, and typed.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from ermon.api.answers import Failure, Success

CONNECT_SECONDS = 5.0
"""How long a daemon may take to accept a connection: it is near, or the network is broken."""
ANSWER_SECONDS = 30.0
"""How long one answer may take as a whole; ermon takes milliseconds."""
MAX_PASSWORD_BYTES = 1024
"""A larger file is no password; ermon looks at the first 72 bytes of one."""
MAX_RECORDING_BYTES = 512 * 1024 * 1024
"""What is held of the edge tables of a large company is a tenth of it."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The statuses of two hundred feeds and fifty circuits are a tenth of it."""

T = TypeVar("T")


class UsageError(Exception):
    """The question is wrong; says what would be right."""


class UnreachableError(Exception):
    """No ermon answers as one should; says which address, what is wrong, and what to do."""


def parse_url(text: str) -> URL:
    """Read the address of a daemon; anything else is a ``UsageError``."""
    try:
        url = URL(text.rstrip("/"))
        if url.raw_user is not None or url.raw_password is not None:
            raise UsageError(
                "an address holds no user and no password: others see the arguments of a command; "
                "give --username and --password-file"
            )
        usable = url.scheme in {"http", "https"} and bool(url.host) and not url.query_string
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{text!r} is not the address of a daemon; give one such as http://127.0.0.1:10179")
    return url


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon, and what it wants to see of whoever asks."""

    url: URL
    tls: ssl.SSLContext | None = None
    """For https; ``None``: with the authorities that this machine trusts."""
    authorization: str | None = field(default=None, repr=False)
    """The header that says who asks."""


def make_target(
    url: str,
    *,
    ca_file: Path | None = None,
    username: str | None = None,
    password_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Target:
    """Read what a command line says of a daemon; raises ``UsageError``.

    ``ca_file``: the authority of its certificate. ``cert_file`` and ``key_file``: our own certificate, for a
    daemon that wants one. All are in PEM. ``password_file`` holds the password, and perhaps a line feed.
    """
    address = parse_url(url)
    if address.scheme != "https" and (ca_file or cert_file or key_file):
        raise UsageError("--ca-file, --cert-file and --key-file are for an https:// address; --url is none")
    return Target(address, _tls(ca_file, cert_file, key_file), _authorization(username, password_file))


def _tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    if ca_file is None and cert_file is None and key_file is None:
        return None
    if key_file is not None and cert_file is None:
        raise UsageError("--key-file needs --cert-file, the certificate that the key is for")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise UsageError(
            f"--ca-file: {ca_file} is no file with certificates in PEM: {_reason(error)}"
        ) from None
    if cert_file is not None:
        try:
            context.load_cert_chain(cert_file, key_file)
        except OSError as error:
            raise UsageError(
                f"--cert-file: {cert_file} and its key cannot be used: {_reason(error)}"
            ) from None
    return context


def _authorization(username: str | None, password_file: Path | None) -> str | None:
    if (username is None) is not (password_file is None):
        raise UsageError("--username and --password-file belong together; give both")
    if username is None or password_file is None:
        return None
    if ":" in username:
        raise UsageError("--username: a user has no colon in its name (RFC 7617)")
    try:
        with password_file.open("rb") as file:
            password = file.read(MAX_PASSWORD_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--password-file: {password_file} cannot be read: {_reason(error)}") from None
    if len(password) > MAX_PASSWORD_BYTES:
        raise UsageError(f"--password-file: {password_file} is larger than {MAX_PASSWORD_BYTES} bytes")
    given = username.encode() + b":" + password.rstrip(b"\r\n")
    return f"Basic {base64.b64encode(given).decode()}"


class Client:
    """Speaks to the API of one daemon."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = target.url
        self.name = shown(target.url)

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        given = self._target.authorization
        self._session = aiohttp.ClientSession(
            timeout=timeout, headers={} if given is None else {aiohttp.hdrs.AUTHORIZATION: given}
        )
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

    async def recording(self) -> list[bytes]:
        """Return the lines of a recording of this moment."""
        with _unreachable(self.name, where := self._where("recording"), ANSWER_SECONDS):
            async with self._session.get(self._address("recording", {}), **self._as_always) as response:
                most = MAX_RECORDING_BYTES if response.status == 200 else None
                body = await _read(response, where, most)
                if response.status != 200:
                    raise UnreachableError(f"{where}: {_refusal(response.status, body)}")
                return body.splitlines()

    async def change(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Ask for a change; what the daemon does not allow, or finds wrong with it, is a ``UsageError``."""
        code, answer, where = await self._send(method, path, {}, body)
        if code in {400, 401, 403, 404}:
            raise UsageError(f"{where}: {_refusal(code, answer)}")
        if code not in {200, 201}:
            raise UnreachableError(f"{where}: {_refusal(code, answer)}")
        return _decode(answer, kind, where)

    async def _send(
        self, method: str, path: str, parameters: Mapping[str, str], data: object = None
    ) -> tuple[int, bytes, str]:
        with _unreachable(self.name, where := self._where(path), ANSWER_SECONDS):
            async with self._session.request(
                method, self._address(path, parameters), json=data, **self._as_always
            ) as response:
                return response.status, await _read(response, where), where

    async def stream(
        self, path: str, *, silence_seconds: float, headers: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield what comes of the event stream ``/api/v1/PATH``, until whoever sends it ends it.

        ``silence_seconds``: after so long without a byte there is nobody any more.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
        with _unreachable(self.name, where := self._where(path), silence_seconds):
            async with self._session.get(
                self._address(path, {}), headers=headers, timeout=timeout, **self._as_always
            ) as response:
                if response.status != 200:
                    refusal = _refusal(response.status, await _read(response, where))
                    raise UnreachableError(f"{where}: {refusal}")
                if response.content_type != "text/event-stream":
                    raise UnreachableError(f"{where}: the answer is no stream of events. {IS_IT_ERMON}")
                async for part in response.content.iter_any():
                    yield part

    def _where(self, path: str) -> str:
        return f"{self.name}/api/v1/{path}"

    def _address(self, path: str, parameters: Mapping[str, str]) -> URL:
        # joinpath keeps a path that a proxy puts before ermon's own.
        return self._url.joinpath("api", "v1", path).with_query(parameters)

    @property
    def _as_always(self) -> dict[str, Any]:
        return {"allow_redirects": False, "ssl": self._target.tls or True}


@contextmanager
def _unreachable(name: str, where: str, seconds: float) -> Iterator[None]:
    """Say in words why there is no answer."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise UnreachableError(
            f"{name}: its certificate is not accepted: {_reason(error.certificate_error)}. "
            "--ca-file names the authority that it is from"
        ) from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise UnreachableError(
            f"{name} cannot be reached: {_reason(error)}. Is `ermon run` up there? --url says where"
        ) from None
    except TimeoutError:
        raise UnreachableError(
            f"{where}: no answer within {seconds:g} s. Is its host overloaded, or something else there?"
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError(f"{where}: {_reason(error)}. {IS_IT_ERMON}") from None


IS_IT_ERMON = "Is that an ermon? --url takes the address that `ermon run --web.listen-address` has"


async def _read(response: aiohttp.ClientResponse, where: str, most: int | None = None) -> bytes:
    """Read a body of ``most`` bytes, those of an answer unless said."""
    most = MAX_ANSWER_BYTES if most is None else most
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > most:
            raise UnreachableError(f"{where}: the answer is longer than {most} bytes. {IS_IT_ERMON}")
    return bytes(body)


def _decode(body: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(body, type=Success[kind]).data  # type: ignore[valid-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreachableError(f"{where}: is no answer of ermon's API: {error}. {IS_IT_ERMON}") from None


def read(data: object, kind: type[T], where: str) -> T:
    """Type what ``where`` has answered; anything that does not fit is an ``UnreachableError``."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreachableError(f"{where}: is no answer of ermon's API: {error}. {IS_IT_ERMON}") from None


def _refusal(code: int, body: bytes) -> str:
    """Say why there is no answer, in the words of whoever refused it where those are ermon's."""
    try:
        words = msgspec.json.decode(body, type=Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"HTTP {code}, and not in ermon's words. {IS_IT_ERMON}"
    if code == 401:
        words += "; --username and --password-file say who asks"
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
