"""Who reads a router's BMP stream: pmacct's collector, and ermon."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ermon.config.load import load_config
from ermon.model.inventory import View
from tests.bench.bmp import MICROSOFT, PROVIDER, Neighbor
from tests.bench.children import Events, child, ermon
from tests.bench.policy import feed_is
from tests.bench.table.receivers import said
from tests.bgp import free_port
from tests.bmp import router

LOCAL = "127.0.0.1"
CONNECT_SECONDS = 60.0
PATIENCE = 900.0
"""Seconds after which a receiver is given up that has not read everything."""

SETTINGS: dict[str, Any] = {
    "customer": {"asn": router.EDGE, "own_prefixes": ["198.51.100.0/24"]},
    "routers": {"edge-1": {"bmp": {"peer": LOCAL}}},
    "circuits": {
        "chicago": {
            "geo": "us",
            "location": "Chicago",
            "peering": "microsoft",
            "links": {"primary": {"router": "edge-1", "subnet": "203.0.113.0/30"}},
        }
    },
    "uplinks": {"isp": {"router": "edge-1", "asn": PROVIDER.asn}},
}
"""One link, one uplink, and nothing that ExaBGP has to do."""


def connect(port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return socket.create_connection((LOCAL, port))
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


class Receiver(ABC):
    """One that is measured; files of its own are in ``folder``."""

    name: ClassVar[str]
    neighbor: ClassVar[Neighbor]
    """Whose table it is sent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port(LOCAL)

    @classmethod
    def missing(cls) -> str | None:
        """Return why it cannot be measured on this machine; ``None``: it can."""
        return None

    @classmethod
    def version(cls) -> str:
        return ""

    @abstractmethod
    def running(self) -> contextlib.AbstractContextManager[int]:
        """Run it, and yield its process id."""

    @abstractmethod
    def read_all(self, connection: socket.socket) -> None:
        """Return when it has read everything that was sent."""


class Pmbmpd(Receiver):
    """It writes every route as JSON to a file."""

    name, neighbor = "pmbmpd", PROVIDER

    @classmethod
    def missing(cls) -> str | None:
        return None if Path("/usr/sbin/pmbmpd").exists() else "pmbmpd is not installed"

    @classmethod
    def version(cls) -> str:
        return said("pmbmpd", "-V").split("pmbmpd ")[1].split()[0]

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        configuration = self.folder / "configuration"
        configuration.write_text(
            f"bmp_daemon_ip: {LOCAL}\nbmp_daemon_port: {self.port}\n"
            f"bmp_daemon_msglog_file: {self.folder / 'messages.json'}\nbmp_daemon_msglog_output: json\n"
        )
        command = ["/usr/sbin/pmbmpd", "-f", str(configuration)]
        with child(command, self.folder / "output", dict(os.environ)) as started:
            yield started.pid

    def read_all(self, connection: socket.socket) -> None:
        """It closes a connection that its router has ended once it is there."""
        connection.sendall(router.termination(0))
        connection.settimeout(PATIENCE)
        if connection.recv(1):
            raise ConnectionError("pmbmpd answers")


class Ermon(Receiver):
    """``ermon run``, which judges the table of an uplink, and keeps of it what the policy asks about."""

    name, neighbor = "ermon, an uplink's table", PROVIDER
    view: ClassVar = View.FROM_INTERNET

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        collector = {"settle": "0s", "bmp": {"listen": [f"{LOCAL}:{self.port}"]}}
        configuration = self.folder / "ermon.yml"
        configuration.write_text(yaml.safe_dump(SETTINGS | {"collector": collector}))
        feeds = load_config(configuration).config.feeds.values()
        self._feed = next(feed.name for feed in feeds if feed.view is self.view and "ipv4" in feed.families)
        with ermon(configuration, self.folder) as (pid, web):
            connect(int(web.rpartition(":")[2])).close()  # from here on, it answers
            with Events(web) as self._events:
                yield pid

    def read_all(self, connection: socket.socket) -> None:
        del connection
        up = feed_is(self._feed, "up")
        self._events.wait("feed", lambda data: up(data) and all(data["in_sync"].values()))


class ErmonOnLink(Ermon):
    """The same with the table of a link, of which every route is kept and compared with what is expected."""

    name, neighbor = "ermon, a link's table", MICROSOFT
    view = View.FROM_MICROSOFT
