"""One connection: aiohttp's, and besides how long its client may take to say what it wants, and who it is.

What a stranger says wrongly is theirs, and costs a line of the log a minute (``Seldom``), not a traceback each.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ermon.httpd.seldom import Seldom

HEAD_SECONDS = 10.0
"""How long a client may take to say what it wants: from the beginning of the connection, TLS included, and later on
from the first byte of each request.
"""
MAX_HEADER_BYTES = 8 * 1024
"""Of the request line, and of each header: what every other server allows."""
MAX_HEADERS = 64
KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept: longer than scrapers pause, shorter than anybody could gather many."""
LINGER_SECONDS = 1.0
"""How long the rest of a body that was not asked for is read, so that the answer arrives."""
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
            auto_decompress=False,  # nobody has so much to say
        )
        self.clock = loop.time
        self.busy = False
        """A request is being answered, or waits for its turn."""
        self.idle_since = self.clock()
        self.proven = False
        """The other end has proven its identity."""
        self._late_at: float | None = self.clock() + HEAD_SECONDS
        self._end = b""

    @property
    def late(self) -> bool:
        """The client has begun to say what it wants, and does not come to the end."""
        return not self.busy and self._late_at is not None and self.clock() > self._late_at

    def data_received(self, data: bytes) -> None:
        if data:
            if self._late_at is None and not self.busy:
                self._late_at = self.clock() + HEAD_SECONDS
            self._end = (self._end + data[-4:])[-4:]
        super().data_received(data)

    def begin(self) -> None:
        """A request has come to its end, and is to be answered."""
        self.busy, self._late_at = True, None

    def handle_error(self, *arguments: Any, **keywords: Any) -> web.StreamResponse:
        """Answer what never got to the application: it cannot be read, or is a bug."""
        response = super().handle_error(*arguments, **keywords)
        response.headers.update({"Server": "ermon", "X-Content-Type-Options": "nosniff"})
        return response

    async def finish_response(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(*arguments)
        finally:
            self.busy, self.idle_since = False, self.clock()
            # What came behind the request may be the beginning of the next one. Behind a body nobody knows.
            if self._end != _END_OF_HEAD:
                self._late_at = self.idle_since + HEAD_SECONDS


class StrangersLog(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp logs: bugs with their traceback, and what strangers do wrong as a number of times."""

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
    """Write what a stranger said on one short line."""
    words = " ".join(text.split())
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."
