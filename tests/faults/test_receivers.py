"""Webhooks and Alertmanagers that never answer, answer without end, or answer nonsense do not affect monitoring or
other receivers.
"""

from __future__ import annotations

import contextlib
import gzip
import signal
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.alertmanager import Inbox
from tests.e2e.company import PART_OF_POOL, Company, configuration, own_network
from tests.e2e.daemon import STOP_SECONDS

pytestmark = pytest.mark.slow

MAX_GROWTH_BYTES = 48 * 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"


class Hostile(socketserver.ThreadingTCPServer):
    """Answers every connection in one way; ``asked`` is set after the first."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, answer: Callable[[Hostile, socketserver.StreamRequestHandler], None]) -> None:
        hostile = self
        self.asked, self.over = threading.Event(), threading.Event()
        self.followed = False

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if b"/followed" in self.connection.recv(65536).split(b"\r\n")[0]:
                    hostile.followed = True
                hostile.asked.set()
                with contextlib.suppress(OSError):
                    answer(hostile, self)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def again_and_again(self, handler: socketserver.StreamRequestHandler, piece: bytes) -> None:
        while not self.over.is_set():
            handler.wfile.write(piece)


def hang(server, handler):
    server.over.wait()


def redirect(server, handler):
    handler.wfile.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: " + server.url.encode() + b"/followed\r\n\r\n")


def endless_body(server, handler):
    handler.wfile.write(OK + b"Content-Length: 10000000000\r\n\r\n")
    server.again_and_again(handler, bytes(65536))


def endless_headers(server, handler):
    handler.wfile.write(OK)
    server.again_and_again(handler, b"X-More: " + b"x" * 1000 + b"\r\n")


def garbage(server, handler):
    handler.wfile.write(bytes(range(256)) * 16)


def escapes(server, handler):
    handler.wfile.write(b"HTTP/1.1 500 \x1b[31mred\r\nContent-Length: 12\r\n\r\n\x1b]0;title\x07\r\n")


def endless_continue(server, handler):
    server.again_and_again(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def slow_bytes(server, handler):
    for octet in OK:
        handler.wfile.write(bytes([octet]))
        if server.over.wait(0.5):
            return


def bomb(server, handler):
    packed = gzip.compress(bytes(64 * 1024 * 1024))
    handler.wfile.write(
        OK + b"Content-Encoding: gzip\r\nContent-Length: " + str(len(packed)).encode() + b"\r\n\r\n" + packed
    )


def refuse(server, handler):
    handler.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


ANSWERS = (
    hang,
    redirect,
    endless_body,
    endless_headers,
    garbage,
    escapes,
    endless_continue,
    slow_bytes,
    bomb,
    refuse,
)


@pytest.fixture
def hostile() -> Iterator[list[Hostile]]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Hostile(answer)) for answer in (*ANSWERS, *ANSWERS)]
        for server in servers:
            stack.callback(server.shutdown)
            stack.callback(server.over.set)
        yield servers


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def test_hostile_receivers_delay_neither_a_leak_nor_other_receivers_nor_the_end(directory, hostile):
    settings = configuration(own_network())
    webhooks, alertmanagers = hostile[: len(ANSWERS)], hostile[len(ANSWERS) :]
    with Inbox() as inbox:
        settings["webhooks"] = [
            *({"url": server.url} for server in webhooks),
            {"url": "http://nobody.invalid/"},
            {"url": f"{inbox.url}/hook"},
        ]
        settings["alertmanager"] = {
            "urls": [*(server.url for server in alertmanagers), "http://nobody.invalid:9093", inbox.url]
        }
        with Company(directory, settings).running() as company:
            daemon, sessions, memory = company.daemon, company.sessions(), resident_bytes(company.daemon.pid)
            for family, prefix in PART_OF_POOL.items():
                company.leak(prefix)
                daemon.wait_until_raised("pool-leak", family=family)
            daemon.wait_until(
                lambda: {"/hook", "/api/v2/alerts"} <= {post.path for post in inbox.posts},
                "good ones are told",
            )
            daemon.wait_until(lambda: all(server.asked.is_set() for server in hostile), "so are the hostile")
            daemon.wait_until(
                lambda: daemon.metric("ermon_notification_failures_total") >= len(hostile) / 2,
                "what they answer is a failure",
            )
            for prefix in PART_OF_POOL.values():
                company.repair(prefix)
            daemon.wait_until_cleared("pool-leak")
            assert company.sessions() == sessions
            assert not [server for server in hostile if server.followed], "no redirect is followed"
            assert resident_bytes(daemon.pid) - memory < MAX_GROWTH_BYTES
            log = daemon.log_file.read_text()
            assert not [character for character in log if character < " " and character != "\n"]
            daemon.send_signal(signal.SIGTERM)
            assert daemon.process.wait(STOP_SECONDS) == 0
