"""The company of the demo: its routers, and what they announce.

``demo.yml`` is ermon's configuration for the same company. A router is an ExaBGP process with the sessions of its feeds,
started like ermon's own ExaBGP, with ermon's relay as its helper. Both end with the demo in any case.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from ermon.demo.bmp import Reporter
from ermon.demo.child import Child, cancel
from ermon.demo.microsoft import MicrosoftSide
from ermon.exabgp import launch, relay
from ermon.exabgp.channel import Channel, Started
from ermon.exabgp.configure import quote
from ermon.exabgp.door import Door
from ermon.exabgp.process import user_name
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Feed
from ermon.model.prefixes import FAMILIES, parse_prefix

START_SECONDS = 20.0
"""How long ExaBGP may take to start: half a second, unless the machine is very busy."""

HOLD_SECONDS = 90
"""Long enough for a busy laptop; nothing in the demo waits for it."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A route that a router announces. Without an AS path, an eBGP session sends the router's own ASN."""

    prefix: str
    next_hop: str
    as_path: tuple[int, ...] = ()
    communities: tuple[str, ...] = ()

    def text(self, *, path_id: bool) -> str:
        """Return it in ExaBGP's syntax, with a path identifier for a session with ADD-PATH (RFC 7911)."""
        words = [self.prefix, "next-hop", self.next_hop]
        if self.as_path:
            words += ["as-path [", *map(str, self.as_path), "]"]
        if self.communities:
            words += ["community [", *self.communities, "]"]
        if path_id:
            words += ["path-information 0.0.0.1"]
        return " ".join(words)


Table = Sequence[Announcement]


class Speaker:
    """One router. Its sessions come up on ``connect``."""

    def __init__(
        self, name: str, feeds: Sequence[Feed], tables: Mapping[str, Table], port: int, directory: Path
    ) -> None:
        """``tables``, by feed, are announced when the session comes up; ``port`` is ermon's."""
        self.name = name
        self._feeds = feeds
        self._tables = tables
        self._port = port
        self._configuration = directory / f"{name}.conf"
        self._door = Door()
        self._channel = Channel(relay.MAX_LINE)
        self._connected: set[str] = set()
        self._started = asyncio.Event()
        command = (sys.executable, "-P", launch.__file__, str(os.getpid()), str(self._configuration))
        settings = _settings() | {relay.DOOR: str(self._door.inside)}
        log = directory / f"{name}.log"
        self.child = Child(f"router {name} (ExaBGP)", command, log, settings, (self._door.inside,))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Speaker]:
        """Run the process; ``wait_until_started`` returns when it accepts commands."""
        self._configure()
        with closing(self._door) as door:
            tasks = [asyncio.create_task(self._watch())]
            try:
                async with self.child:
                    door.handed_down()
                    relays = self._channel.read_relays(door, self.child.process.pid)
                    tasks.append(asyncio.create_task(relays))
                    yield self
            finally:  # not earlier: the relay would stop ExaBGP otherwise
                await cancel(*tasks)

    async def wait_until_started(self) -> None:
        """Return when ExaBGP and its helper run; ``DemoError`` when they do not start."""
        waiting = asyncio.create_task(self._started.wait()), asyncio.create_task(self.child.process.wait())
        try:
            await asyncio.wait(waiting, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*waiting)
        if not self._started.is_set():
            raise self.child.failure("does not start")

    def connect(self, *feeds: Feed) -> None:
        """Open the sessions of these feeds, or of all feeds if none is named; open sessions stay open."""
        self._connected.update(feed.name for feed in feeds or self._feeds)
        self._reconfigure()

    def disconnect(self, feed: Feed) -> None:
        """Close a session; the others stay open."""
        self._connected.discard(feed.name)
        self._reconfigure()

    def announce(self, feed: Feed, *announcements: Announcement) -> None:
        for announcement in announcements:
            self._send(feed, "announce", announcement)

    def withdraw(self, feed: Feed, *announcements: Announcement) -> None:
        for announcement in announcements:
            self._send(feed, "withdraw", announcement)

    def _send(self, feed: Feed, verb: str, announcement: Announcement) -> None:
        route = announcement.text(path_id=feed.add_path)
        self._channel.send(f"neighbor {feed.local} {verb} route {route}".encode("ascii"))

    async def _watch(self) -> None:
        async for message in self._channel.messages():
            if isinstance(message, Started):
                self._started.set()

    def _reconfigure(self) -> None:
        self._configure()
        self.child.process.send_signal(signal.SIGUSR1)

    def _configure(self) -> None:
        helper = (sys.executable, "-P", relay.__file__, str(self._configuration))
        lines = [f"process story {{ run {' '.join(map(quote, helper))}; encoder json; }}"]
        for feed in self._feeds:
            if feed.name in self._connected:
                lines += _neighbor(feed, self._tables[feed.name], self._port)
        self._configuration.write_text("\n".join(lines) + "\n", encoding="ascii")


def _settings() -> dict[str, str]:
    return {
        "exabgp_daemon_user": user_name(),
        "exabgp_log_level": "INFO",
        "exabgp_api_ack": "false",
        "exabgp_api_cli": "false",
        "EXABGP_ENVFILE": "/dev/null",
    }


def _neighbor(feed: Feed, table: Table, port: int) -> list[str]:
    """Write the router's configuration of a feed, with its first routes."""
    families = " ".join(f"{family} unicast;" for family in feed.families)
    lines = [
        f"neighbor {feed.local} {{",
        f"  local-address {feed.peer}; local-as {feed.peer_asn}; peer-as {feed.local_asn};",
        f"  router-id {feed.peer}; hold-time {HOLD_SECONDS}; connect {port};",
        f"  capability {{ add-path {'send' if feed.add_path else 'disable'}; route-refresh enable; }}",
        f"  family {{ {families} }}",
        f"  add-path {{ {families} }}" if feed.add_path else "",
        "  api { processes [ story ]; }",
        "  announce {",
    ]
    for family in FAMILIES:
        routes = [route for route in table if parse_prefix(route.prefix).family == family]
        unicast = [f"    unicast {route.text(path_id=feed.add_path)};" for route in routes]
        lines += [f"   {family} {{", *unicast, "   }"]
    return [*lines, "  }", "}"]


# What each feed shows, and the routers that show it -------------------------------------------------


EXCHANGE, SHAREPOINT, TEAMS = "12076:5010", "12076:5020", "12076:5030"


def _from_microsoft(msee: str, msee6: str) -> Table:
    """Return Microsoft's routes on the link whose far end has these addresses."""
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
"""The routes that each link of the circuit receives."""

POOL = Announcement("198.51.100.0/28", "198.51.100.254")
POOL6 = Announcement("2001:db8:100:1::/64", "2001:db8:100::fe")
"""The NAT pool, as our routers announce it."""

SERVERS = Announcement("198.51.100.128/25", "198.51.100.254")
SERVERS6 = Announcement("2001:db8:100:8000::/49", "2001:db8:100::fe")
"""The part of our address space that the internet may know."""

MORE_SPECIFIC = Announcement("2001:db8:100:1::/72", "2001:db8:fffe::1", (64520, 64511, 64500))
"""A part of the NAT pool, as it appears on the internet."""

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
"""The routes of each feed without faults."""


class Company:
    """The running routers: one for each router of the configuration, and one for the outside view."""

    def __init__(self, config: Config, directory: Path, microsoft: MicrosoftSide) -> None:
        self.microsoft = microsoft
        """The far end of the circuit, as Azure shows it."""
        self._config = config
        sessions: dict[str, list[Feed]] = {}
        for feed in config.exabgp_feeds.values():
            sessions.setdefault(feed.router or feed.name, []).append(feed)
        self._speakers = {
            name: Speaker(name, feeds, TABLES, config.collector.port, directory)
            for name, feeds in sessions.items()
        }

        self._reporters = {name: Reporter(config, router, SECONDARY) for name, router in config.bmp.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Company]:
        """Run the routers; ``DemoError`` when one does not start."""
        async with AsyncExitStack() as stack:
            for speaker in self._speakers.values():
                await stack.enter_async_context(speaker.running())
            for speaker in self._speakers.values():
                await speaker.wait_until_started()
            for reporter in self._reporters.values():
                await stack.enter_async_context(reporter.running())
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

    def shut_down_by_microsoft(self, router: str, farewell: str) -> None:
        """Let Microsoft end a router's sessions and say why, which the router reports."""
        self._reporters[router].shut_down(farewell)

    def bring_up_by_microsoft(self, router: str) -> None:
        self._reporters[router].bring_up()

    def _speaker(self, feed: str) -> Speaker:
        return self._speakers[self._config.feeds[feed].router or feed]
