"""Measures how soon a leak is reported while full tables stream in: see README.md in this folder.

Run it from the top of the repository: ``python -m tests.bench.latency``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, NamedTuple

from ermon.config.load import load_config
from ermon.exabgp import raw
from ermon.model.inventory import Config
from tests.bench.children import EVENT_PATIENCE, Events, ermon
from tests.bench.policy import (
    LEAKING_POOL,
    MAX_PAUSE_SECONDS,
    MIRROR_FEED,
    REFERENCE,
    TABLE_FEED,
    feed_is,
    prepare,
    router,
    subfolder,
)
from tests.bench.table import updates
from tests.bgp import announcement, end_of_rib, withdrawal
from tests.e2e.alertmanager import Inbox

EDGE_FEED = "edge-2"
"""An edge table of a router whose feeds share the ExaBGP of the mirror."""
NEXT_HOP = "192.0.2.201"
SWITCH_SECONDS = 0.0005
"""A short switch interval, so that computing threads do not delay those that note arrivals."""


class Arrival(NamedTuple):
    """A transition of a finding, as a receiver received it."""

    way: str
    at: float
    """The time of ``time.perf_counter``."""
    finding: dict[str, Any]


class Receivers:
    """A client of the event stream and a webhook, both in this process."""

    def __init__(self, events: Events, inbox: Inbox) -> None:
        self._events, self._inbox = events, inbox
        self._arrivals: queue.Queue[Arrival] = queue.Queue()
        self._read = 0
        self.ways = ("event stream", "webhook")
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        """Note the events of the stream, until ermon ends it."""

        def note(finding: dict[str, Any]) -> bool:
            self._arrivals.put(Arrival("event stream", time.perf_counter(), finding))
            return False

        with contextlib.suppress(OSError, ValueError, AttributeError):  # it was closed meanwhile
            self._events.wait("transition", note)

    def wait(self, feed: str, state: str) -> dict[str, float]:
        """Return when the finding of the leak on a feed arrived in this state, by way of delivery."""
        found: dict[str, float] = {}
        deadline = time.perf_counter() + EVENT_PATIENCE
        while len(found) < len(self.ways):
            for arrival in self._new():
                finding = arrival.finding
                labels = finding["labels"]
                if (
                    finding["check"] == "pool-leak"
                    and finding["state"] == state
                    and (labels.get("pool"), labels.get("feed")) == (LEAKING_POOL, feed)
                ):
                    found[arrival.way] = arrival.at
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{feed}: pool-leak is not {state}, only for {list(found)}")
        return found

    def _new(self) -> Iterator[Arrival]:
        for post in self._inbox.posts[self._read :]:
            self._read += 1
            yield Arrival("webhook", post.at, post.json)
        try:
            yield self._arrivals.get(timeout=0.002)
        except queue.Empty:
            return


class Leaks:
    """Leaks a pool on one feed and withdraws it again, and keeps how long each report took."""

    def __init__(
        self, config: Config, feed: str, receivers: Receivers, send: Callable[[bytes], None]
    ) -> None:
        declared = config.feeds[feed]
        (prefix,) = map(str, config.pools[LEAKING_POOL].prefixes)
        self._leak = announcement(prefix, next_hop=NEXT_HOP, as_path=[declared.peer_asn])
        self._withdrawal = withdrawal(prefix)
        self._feed, self._receivers, self._send = feed, receivers, send
        self.found: dict[str, list[float]] = {way: [] for way in receivers.ways}

    def repeat(self, count: int, before: bytes = b"", behind: bytes = b"") -> None:
        """Leak ``count`` times, each time between these UPDATEs; the time starts when they are sent."""
        pauses = Random(1)
        for _ in range(count):
            time.sleep(pauses.uniform(0, MAX_PAUSE_SECONDS))
            began = time.perf_counter()
            self._send(before + self._leak + behind)
            for way, at in self._receivers.wait(self._feed, "raised").items():
                self.found[way].append(at - began)
            self._send(self._withdrawal)
            self._receivers.wait(self._feed, "cleared")


def stream(config_file: Path, feed: str, prefixes: int, up: Any) -> None:
    """Send a table on a feed repeatedly, in a separate process."""
    config = load_config(config_file).config
    table = make_table(config, feed, prefixes)
    with router(config, feed) as sender:
        sender.send(table)
        sender.end_of_rib()
        up.set()
        while True:
            sender.send(table)


def make_table(config: Config, feed: str, prefixes: int) -> bytes:
    return b"".join(updates(prefixes, asn=config.feeds[feed].peer_asn, next_hop="192.0.2.1"))


@contextmanager
def streaming(config_file: Path, feed: str, prefixes: int) -> Iterator[None]:
    """Stream a table in during the block, which begins after the whole table was sent once."""
    spawn = multiprocessing.get_context("spawn")
    up = spawn.Event()
    process = spawn.Process(target=stream, args=(config_file, feed, prefixes, up), daemon=True)
    process.start()
    try:
        if not up.wait(EVENT_PATIENCE):
            raise TimeoutError(f"{feed} has not sent its table")
        yield
    finally:
        process.kill()
        process.join()


class Case(NamedTuple):
    name: str
    what: str


CASES = {
    "idle": "nothing else happens",
    "elsewhere": f"a table streams in on `{TABLE_FEED}`, which has an ExaBGP of its own",
    "beside": f"a table streams in on `{EDGE_FEED}`, which has the mirror's ExaBGP",
    "middle": f"in the middle of the table that `{TABLE_FEED}` sends once more",
}


def measure(
    config_file: Path, folder: Path, count: int, prefixes: int, cases: list[str], module: list[str]
) -> None:
    """Print a line for each case and way of delivery."""
    config = load_config(config_file).config
    with ExitStack() as stack:
        inbox = stack.enter_context(Inbox())
        config_file.write_text(
            re.sub(r"(?m)^webhooks:.*$", f"webhooks: [{{url: '{inbox.url}'}}]", config_file.read_text())
        )
        storage = f"--storage.path={folder / 'storage'}"
        _, web = stack.enter_context(ermon(config_file, folder, storage, module=module))
        mirror = stack.enter_context(router(config, MIRROR_FEED))
        for canary in config.feeds[MIRROR_FEED].canary:
            mirror.announce(str(canary), next_hop=NEXT_HOP, as_path=[config.feeds[MIRROR_FEED].peer_asn])
        mirror.end_of_rib()
        receivers = Receivers(stack.enter_context(Events(web)), inbox)
        for case in cases:
            leaks = Leaks(config, MIRROR_FEED, receivers, mirror.send)
            if case == "idle":
                leaks.repeat(count)
            elif case == "middle":
                leaks = measure_middle(config, receivers, web, count, prefixes)
            else:
                feed = TABLE_FEED if case == "elsewhere" else EDGE_FEED
                with streaming(config_file, feed, prefixes):
                    leaks.repeat(count)
            report(case, leaks)


def measure_middle(config: Config, receivers: Receivers, web: str, count: int, prefixes: int) -> Leaks:
    """Leak in the middle of a table that the feed has sent before."""
    table = updates(prefixes, asn=config.feeds[TABLE_FEED].peer_asn, next_hop="192.0.2.1")
    half = len(table) // 2
    before, behind = b"".join(table[:half]), b"".join(table[half:])
    with router(config, TABLE_FEED) as outside, Events(web) as events:
        outside.send(before, behind, end_of_rib("ipv4"))
        events.wait("feed", lambda data: feed_is(TABLE_FEED, "up")(data) and all(data["in_sync"].values()))
        leaks = Leaks(config, TABLE_FEED, receivers, outside.send)
        leaks.repeat(count, before, behind)
        return leaks


def report(case: str, leaks: Leaks) -> None:
    load = os.getloadavg()[0]
    for way, seconds in leaks.found.items():
        ordered = sorted(seconds)
        cuts = quantiles(ordered, n=100, method="inclusive")
        middle, worst = (1000 * cuts[at] for at in (49, 98))
        print(
            f"{case:<10} {way:<13} n={len(ordered)}  median {middle:8.1f} ms  99 % {worst:8.1f} ms  "
            f"max {1000 * ordered[-1]:8.1f} ms  load {load:.1f}",
            flush=True,
        )


def main() -> None:
    listed = "; ".join(f"{name}: {what}" for name, what in CASES.items())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"all, or some of: {listed}")
    parser.add_argument("--config", type=Path, default=REFERENCE, help="the policy (%(default)s)")
    parser.add_argument("--prefixes", type=int, default=200_000, help="size of the table (%(default)s)")
    parser.add_argument("--leaks", type=int, default=100, help="of each case (%(default)s)")
    parser.add_argument(
        "--raw", choices=["on", "off"], help=f"whether UPDATEs come as they came ({raw.SWITCH})"
    )
    parser.add_argument("--hold", action="store_true", help="print what held ermon's event loop, too")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if arguments.raw:
        os.environ[raw.SWITCH] = arguments.raw
    sys.setswitchinterval(SWITCH_SECONDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config_file = prepare(arguments.config, folder)
        module = ["tests.bench.hold"] if arguments.hold else ["ermon"]
        measure(
            config_file,
            subfolder(folder, "ermon"),
            arguments.leaks,
            arguments.prefixes,
            arguments.cases or list(CASES),
            module,
        )
        if arguments.hold:
            print((folder / "ermon" / "ermon.log").read_text())


if __name__ == "__main__":
    main()
