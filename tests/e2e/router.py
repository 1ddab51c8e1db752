"""A router on a bare BGP speaker: keeps its session, and sends its table at the start of each session."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from types import TracebackType
from typing import Self

from tests import bgp
from tests.bgp import PATIENCE, SessionRefusedError, Speaker

RETRY_SECONDS = 0.05
_FAMILY_OF_VERSION: dict[int, bgp.Family] = {4: "ipv4", 6: "ipv6"}


class Router:
    """One session of a router and the table that it sends; usable as a context manager.

    As a real router, it connects again after the end of a session, begins each session with its whole table and
    End-of-RIB, and sends a family again on request (RFC 2918).
    """

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.sessions = 0
        """The number of sessions that came up, including the present one."""
        self._table: dict[tuple[str, int | None], bytes] = {}
        self._lock = threading.Lock()
        self._enabled = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Self:
        self.enable()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._enabled.set()
        self._thread.join()
        self.speaker.close()

    def announce(
        self,
        *prefixes: str,
        next_hop: str,
        as_path: Iterable[int] = (),
        communities: Iterable[tuple[int, int]] = (),
        path_id: int | None = None,
        local_preference: int | None = None,
        med: int | None = None,
    ) -> None:
        """Add routes to the table, and send them at once if the session is up."""
        as_path, communities = list(as_path), list(communities)
        with self._lock:
            for prefix in prefixes:
                message = bgp.announcement(
                    prefix,
                    next_hop=next_hop,
                    as_path=as_path,
                    communities=communities,
                    path_id=path_id,
                    local_preference=local_preference,
                    med=med,
                )
                self._table[prefix, path_id] = message
                self._send(message)

    def withdraw(self, *prefixes: str, path_id: int | None = None) -> None:
        with self._lock:
            for prefix in prefixes:
                del self._table[prefix, path_id]
                self._send(bgp.withdrawal(prefix, path_id=path_id))

    def enable(self) -> None:
        self._enabled.set()

    def shut_down(self, communication: str) -> None:
        """End the session with a Cease that has a reason (RFC 9003), and connect again only after ``enable``."""
        text = communication.encode()
        with self._disabled():
            self.speaker.notify(6, 2, bytes([len(text)]) + text)

    def reset(self) -> None:
        """End the session with a TCP reset, and connect again only after ``enable``."""
        with self._disabled():
            self.speaker.reset()

    def vanish(self) -> None:
        """End the session without any packet, and connect again only after ``enable``."""
        with self._disabled():
            self.speaker.vanish()

    def keepalives(self) -> int:
        """The number of keepalives that the far end has sent in this session."""
        return sum(kind == bgp.KEEPALIVE for kind, _ in self.speaker.received)

    @contextlib.contextmanager
    def _disabled(self) -> Iterator[None]:
        with self._lock:
            self._enabled.clear()
            yield

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # the session has just ended; the next one begins with the table
            if self.speaker.is_up:
                self.speaker.send(message)

    def _live(self) -> None:
        while not self._closing.is_set():
            self._enabled.wait()
            with contextlib.suppress(OSError, SessionRefusedError):
                self.speaker.attempt(timeout=PATIENCE)
                self._serve()
            self._closing.wait(RETRY_SECONDS)

    def _serve(self) -> None:
        """Send the table, and families again on request, until the session ends."""
        with self._lock:
            self.sessions += 1
            self.speaker.send(*self._table.values())
            self.speaker.end_of_rib()
        answered = 0
        while not self.speaker.ended.wait(RETRY_SECONDS) and not self._closing.is_set():
            news = self.speaker.received[answered:]
            answered += len(news)
            for kind, body in news:
                if kind == bgp.ROUTE_REFRESH:
                    self._send_again("ipv6" if body[:2] == b"\0\2" else "ipv4")
        with self._lock:  # the code that ends the session has done so
            pass

    def _send_again(self, family: bgp.Family) -> None:
        with self._lock:
            for (prefix, _), message in self._table.items():
                if _FAMILY_OF_VERSION[ip_network(prefix).version] == family:
                    self._send(message)
