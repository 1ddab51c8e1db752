"""One connection: aiohttp's, with time limits for its requests, and the identity of its client.

Errors of clients cost one line of the log per minute (``Seldom``), not a traceback each.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ermon.httpd.seldom import Seldom

HEAD_SECONDS = 10.0
"""How long a client may take to send a request: from the beginning of the connection, including TLS, and later from the
first byte of each request.
"""
MAX_HEADER_BYTES = 8 * 1024
"""The limit for the request line and for each header, as in other servers."""
MAX_HEADERS = 64
KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept: longer than the interval of scrapers, too short to collect many."""
LINGER_SECONDS = 1.0
"""How long the rest of an unwanted body is read, so that the answer arrives."""
_END_OF_HEAD = b"\r\n\r\n"
_SHOWN_CHARACTERS = 60


class Connection(web.RequestHandler):
    """One client's connection; times are the loop's."""

    def __init__(self, server: web.Server, log: StrangersLog) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            logger=log,  # type: ignore[arg-type]  # it logs as a Logger does
            access_log=None,  # type: ignore[arg-type]  # none is kept
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,  # no client needs more
        )
        self.clock = loop.time
        self.busy = False
        """A request is being answered or is waiting for its turn."""
        self.idle_since = self.clock()
        self.proven = False
        """The other end has proven its identity."""
        self._late_at: float | None = self.clock() + HEAD_SECONDS
        self._end = b""

    @property
    def late(self) -> bool:
        """The client has begun a request and has not completed it in time."""
        return not self.busy and self._late_at is not None and self.clock() > self._late_at

    def data_received(self, data: bytes) -> None:
        if data:
            if self._late_at is None and not self.busy:
                self._late_at = self.clock() + HEAD_SECONDS
            self._end = (self._end + data[-4:])[-4:]
        super().data_received(data)

    def begin(self) -> None:
        """A request is complete and must be answered."""
        self.busy, self._late_at = True, None

    def handle_error(self, *arguments: Any, **keywords: Any) -> web.StreamResponse:
        """Answer a request that did not reach the application: it cannot be parsed, or there is a bug."""
        response = super().handle_error(*arguments, **keywords)
        response.headers.update({"Server": "ermon", "X-Content-Type-Options": "nosniff"})
        return response

    async def finish_response(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(*arguments)
        finally:
            self.busy, self.idle_since = False, self.clock()
            # Data after the request may be the beginning of the next one. After an unread body this is not known.
            if self._end != _END_OF_HEAD:
                self._late_at = self.idle_since + HEAD_SECONDS


class StrangersLog(logging.LoggerAdapter[logging.Logger]):
    """The logger for aiohttp: bugs with a traceback, errors of clients as a count."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger("aiohttp.server"), {})
        self.malformed = Seldom("malformed requests")

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        match exc_info:
            case HttpProcessingError():
                reason = f"{type(exc_info).__name__}: {exc_info.message}"
                self.malformed.tell(client=args[0] if args else None, reason=shown(reason))
            case ConnectionError():
                pass  # the client is gone
            case _:
                super().exception(msg, *args, exc_info=exc_info, **kwargs)


def shown(text: str) -> str:
    """Return a text from a client as one short line."""
    words = " ".join(text.split())
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."
