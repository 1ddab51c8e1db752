"""The company of the demo: what its routers announce, and the routers themselves.

``demo.yml`` is the same company as ermon knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ermon.demo.child import Child, cancel
from ermon.demo.speaker import Announcement, Speaker, Table
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Feed

EXCHANGE, SHAREPOINT, TEAMS = "12076:5010", "12076:5020", "12076:5030"


def _from_microsoft(msee: str, msee6: str) -> Table:
    """What Microsoft sends on the link whose far end has these addresses."""
    path = (MICROSOFT_ASN,)
    return (
        Announcement("192.0.2.0/26", msee, path, (EXCHANGE,)),
        Announcement("192.0.2.64/26", msee, path, (SHAREPOINT,)),
        Announcement("192.0.2.128/26", msee, path, (TEAMS,)),
        Announcement("2001:db8:40::/48", msee6, path, (EXCHANGE,)),
        Announcement("2001:db8:41::/48", msee6, path, (SHAREPOINT,)),
    )


PRIMARY = _from_microsoft("203.0.113.2", "2001:db8:ffff::2")
SECONDARY = _from_microsoft("203.0.113.6", "2001:db8:ffff::6")
"""What each link of the circuit brings."""

POOL = Announcement("198.51.100.0/28", "198.51.100.254")
POOL6 = Announcement("2001:db8:100:1::/64", "2001:db8:100::fe")
"""The NAT pool, as our routers announce it."""

SERVERS = Announcement("198.51.100.128/25", "198.51.100.254")
SERVERS6 = Announcement("2001:db8:100:8000::/49", "2001:db8:100::fe")
"""The part of our address space that the internet may know."""

MORE_SPECIFIC = Announcement("2001:db8:100:1::/72", "2001:db8:fffe::1", (64520, 64511, 64500))
"""A part of the NAT pool, as it is heard outside."""

TABLES: Mapping[str, Table] = {
    "edge-1": (*PRIMARY, SERVERS, SERVERS6),
    "edge-2": (*SECONDARY, SERVERS, SERVERS6),
    "edge-1-msee": (POOL, POOL6),
    "edge-2-msee": (POOL, POOL6),
    "edge-1-isp-a": (SERVERS, SERVERS6),
    "edge-2-isp-b": (SERVERS, SERVERS6),
    "outside": (
        Announcement("198.51.100.128/25", "192.0.2.254", (64520, 64510, 64500)),
        Announcement("2001:db8:100:8000::/49", "2001:db8:fffe::1", (64520, 64511, 64500)),
    ),
}
"""What each feed shows while all is well."""


class Company:
    """The routers, running: one for each router of the configuration, and one for the outside view."""

    def __init__(self, config: Config, directory: Path) -> None:
        self._config = config
        sessions: dict[str, list[Feed]] = {}
        for feed in config.feeds.values():
            sessions.setdefault(feed.router or feed.name, []).append(feed)
        self._speakers = {
            name: Speaker(name, feeds, TABLES, config.collector.port, directory)
            for name, feeds in sessions.items()
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Company]:
        """Run the routers; ``DemoError`` when one does not start."""
        async with AsyncExitStack() as stack:
            for speaker in self._speakers.values():
                await stack.enter_async_context(speaker.running())
            for speaker in self._speakers.values():
                await speaker.wait_until_started()
            yield self

    async def wait_for_an_end(self) -> Child:
        """Return the first router that ends by itself."""
        children = [speaker.child for speaker in self._speakers.values()]
        waiting = [asyncio.create_task(child.process.wait()) for child in children]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*waiting)
        return next(child for child in children if not child.running)

    def connect_all(self) -> None:
        for speaker in self._speakers.values():
            speaker.connect()

    def connect(self, feed: str) -> None:
        self._speaker(feed).connect(self._config.feeds[feed])

    def disconnect(self, feed: str) -> None:
        self._speaker(feed).disconnect(self._config.feeds[feed])

    def announce(self, feed: str, *announcements: Announcement) -> None:
        self._speaker(feed).announce(self._config.feeds[feed], *announcements)

    def withdraw(self, feed: str, *announcements: Announcement) -> None:
        self._speaker(feed).withdraw(self._config.feeds[feed], *announcements)

    def _speaker(self, feed: str) -> Speaker:
        return self._speakers[self._config.feeds[feed].router or feed]
