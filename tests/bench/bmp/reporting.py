"""How soon a lost session is told that a router reports, from the octets of its Peer Down to the webhook.

No router does anything here: a thread sends what one would, and the kernel keeps little for it. So what is measured begins when
ermon could have read the Peer Down.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.bench.bmp import MICROSOFT, PROVIDER, stream
from tests.bench.bmp.receivers import LOCAL, SETTINGS, connect
from tests.bench.bmp.waiting import MAX_PAUSE_SECONDS, Webhook, wait_until_up
from tests.bench.children import ermon
from tests.bgp import announcement, free_port, notification, open_message
from tests.bmp import router
from tests.e2e.alertmanager import Inbox

SETS = 20_000
CHUNK_OCTETS = 2**14
KERNEL_OCTETS = 2**16
"""What the kernel may keep of what was sent."""
OCTETS_PER_SECOND = 5_000_000
"""About as fast as FRR 8.4 reports a table."""
_ADMINISTRATIVE_SHUTDOWN = 2
_OTHER = "203.0.113.6"
"""Microsoft's end of the other link, which stays up: else the loss of the circuit is told and not that of the link."""


class Edge:
    """The router."""

    def __init__(self, port: int) -> None:
        self._turn = threading.Lock()
        self._ended = threading.Event()
        connect(port).close()
        self._connection = socket.socket()
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_OCTETS)
        self._connection.connect((LOCAL, port))
        provider = router.peer_header(PROVIDER.address, asn=PROVIDER.asn)
        theirs = open_message(PROVIDER.asn, router_id="192.0.2.1", families=("ipv4", "ipv6"))
        self._send(router.initiation() + router.peer_up(provider, received=theirs))
        self.up(_OTHER)

    def _send(self, octets: bytes) -> float:
        """Return when it began."""
        with self._turn:
            began = time.perf_counter()
            self._connection.sendall(octets)
            return began

    def up(self, neighbor: str = MICROSOFT.address) -> None:
        before, after = (router.peer_header(neighbor, flags=flags) for flags in (0, router.POST_POLICY))
        update = announcement("203.0.113.128/26", next_hop=neighbor, as_path=[MICROSOFT.asn])
        self._send(router.peer_up(before) + router.route_monitoring(update, after))

    def down(self) -> float:
        shutdown = notification(6, _ADMINISTRATIVE_SHUTDOWN, b"\x0cplanned work")
        return self._send(router.peer_down(3, shutdown, router.peer_header(MICROSOFT.address)))

    @contextmanager
    def streaming(self, table: list[bytes], octets_per_second: float) -> Iterator[None]:
        """Send a table over and over."""
        self._ended.clear()
        sender = threading.Thread(target=self._stream, args=(table, octets_per_second))
        sender.start()
        try:
            yield
        finally:
            self._ended.set()
            sender.join()

    def _stream(self, table: list[bytes], octets_per_second: float) -> None:
        due = time.monotonic()
        for chunk in cycle(table):
            if self._ended.wait(max(0.0, due - time.monotonic())):
                return
            self._send(chunk)
            due = max(due, time.monotonic() - 0.1) + len(chunk) / octets_per_second

    def close(self) -> None:
        self._connection.close()


def reporting(folder: Path, count: int, routes: int) -> Iterator[tuple[str, list[float]]]:
    """Yield the seconds from Peer Down to webhook, with nothing else going on and while a table streams in."""
    table = _table(routes)
    with Inbox() as inbox:
        port = free_port(LOCAL)
        configuration = folder / "ermon.yml"
        configuration.write_text(yaml.safe_dump(_settings(port, inbox.url)))
        with ermon(configuration, folder) as (_, web):
            connect(int(web.rpartition(":")[2])).close()
            edge, webhook = Edge(port), Webhook(inbox)
            try:
                yield "nothing else", list(_lose(edge, webhook, web, count))
                speed = f"a table of {routes:,}, {OCTETS_PER_SECOND / 1e6:.0f} MB/s"
                with edge.streaming(table, OCTETS_PER_SECOND):
                    yield speed, list(_lose(edge, webhook, web, count))
                with edge.streaming(table, float("inf")):
                    yield "the same as fast as ermon reads it", list(_lose(edge, webhook, web, count))
            finally:
                edge.close()


def _table(routes: int) -> list[bytes]:
    """Return it in chunks of whole messages, after the policy."""
    chunks, chunk = [], bytearray()
    _, *messages = stream(routes, min(SETS, routes), PROVIDER)
    for message in messages[:routes]:
        chunk += message[len(message) // 2 :]  # without what is reported before the policy
        if len(chunk) >= CHUNK_OCTETS:
            chunks.append(bytes(chunk))
            chunk.clear()
    return [*chunks, bytes(chunk)]


def _settings(port: int, url: str) -> dict[str, Any]:
    link_down = {"raise_after": "0s", "clear_after": "0s"}
    settings = deepcopy(SETTINGS)
    links = settings["circuits"]["chicago"]["links"]
    links["secondary"] = {"router": "edge-1", "subnet": "203.0.113.4/30"}
    return settings | {
        "collector": {"settle": "0s", "bmp": {"listen": [f"{LOCAL}:{port}"]}},
        "webhooks": [{"url": url}],
        "checks": {"link-down": link_down},
    }


def _lose(edge: Edge, webhook: Webhook, web: str, count: int) -> Iterator[float]:
    pauses: Callable[[float, float], float] = Random(1).uniform
    for _ in range(count):
        edge.up()
        wait_until_up(web)
        time.sleep(pauses(0, MAX_PAUSE_SECONDS))
        began = edge.down()
        yield webhook.wait() - began
