"""Serves a story's ermon while the story goes on, for tests of the page that need no router."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ermon.core.maintenance_book import MaintenanceBook
from ermon.httpd.listen import listening
from ermon.httpd.shell import WebConfig
from ermon.web.app import make_app
from tests.checks.company import Company
from tests.web.site import Site


class Watched:
    """``act`` runs a part of the story on the event loop, and publishes the changes."""

    def __init__(self, net: Company, *, users: dict[str, bytes] | None = None) -> None:
        self.net = net
        self.book = MaintenanceBook()
        self.site = Site(net, lifecycle=users is not None, web_config=lambda: WebConfig(users=users or {}))
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None

    def act(self, happen: Callable[[Company], object]) -> None:
        done = threading.Event()

        def on_the_loop() -> None:
            happen(self.net)
            self.site.tell()
            done.set()

        assert self._loop is not None
        self._loop.call_soon_threadsafe(on_the_loop)
        assert done.wait(30)

    def _maintain(self) -> None:
        self.net.monitor.maintain([booked.window for booked in self.book.windows()], self.net.now)
        self.site.tell()

    async def _serve(self, ready: threading.Event, ends: list[asyncio.Event]) -> None:
        context = replace(
            self.site.tell().context(), maintenance=self.book, maintenance_changed=self._maintain
        )
        async with listening(make_app(context), [("127.0.0.1", 0)]) as [url]:
            self.url, self._loop = url, asyncio.get_running_loop()
            ends.append(end := asyncio.Event())
            ready.set()
            await end.wait()

    @contextmanager
    def served(self) -> Iterator[Watched]:
        ready, ends = threading.Event(), list[asyncio.Event]()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready, ends)), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(ends[0].set)
            thread.join()
