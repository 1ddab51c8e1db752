"""What ermon costs beside a bare ExaBGP, and how soon it tells of a leak: see README.md in this folder.

Run it from the top of the repository: ``python -m tests.bench.ingest``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any, NamedTuple

from ermon.config.load import load_config
from ermon.model.inventory import Config
from tests.bench.children import EVENT_PATIENCE, Events, bare_exabgp, ermon, peak_memory
from tests.bench.table import updates
from tests.bgp import Speaker, free_port, notification

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
TABLE_FEED = "outside"
MIRROR_FEED, LEAKING_POOL = "edge-1-isp-a", "chi-outbound"
CEASE = notification(6, 2)

MAX_PAUSE_SECONDS = 0.05
"""Between leaks, at random: they must not fall into step with anybody's polling."""

SESSION_PATIENCE = 60.0


class Ingest(NamedTuple):
    """One run: how long it took from the first UPDATE until the last was dealt with, and the memory in MB."""

    seconds: float
    memory: dict[str, float]


def prepare(reference: Path, folder: Path) -> Path:
    """Copy the policy with what a measurement needs: a free port, and no wait before a clearing."""
    text = reference.read_text()
    text = re.sub(r"(?m)^(  port:) \d+", rf"\1 {free_port('127.0.0.1', '127.0.0.9')}", text)
    text = re.sub(r"(?m)^checks:.*$", r"\g<0>\n  pool-leak: {clear_after: 0s}", text)
    copy = folder / "ermon.yml"
    copy.write_text(text)
    (folder / "campus-core.key").write_text(secrets.token_hex(16))
    return copy


def router(config: Config, feed: str) -> Speaker:
    """The router of a feed, not yet connected."""
    declared = config.feeds[feed]
    return Speaker(
        declared.peer,
        declared.local,
        config.collector.port,
        asn=declared.peer_asn,
        families=declared.families,
    )


def send_all(sender: Speaker, table: bytes) -> float:
    """Send the table and a Cease, and return when the sending began.

    The Cease stands behind the last UPDATE. So when its session is seen to be over, every UPDATE before
    it has been decoded, written and read.
    """
    began = time.perf_counter()
    sender.send(table + CEASE)
    return began


def ingest_bare(config_file: Path, table: bytes, folder: Path) -> Ingest:
    """Measure until ExaBGP has closed the session, which it does after having written all lines before."""
    config = load_config(config_file).config
    with bare_exabgp(config_file, TABLE_FEED, folder) as pid:
        sender = router(config, TABLE_FEED)
        sender.establish(SESSION_PATIENCE)
        began = send_all(sender, table)
        if not sender.ended.wait(EVENT_PATIENCE):
            raise TimeoutError("ExaBGP has not ended the session")
        seconds = time.perf_counter() - began
        sender.close()
        return Ingest(seconds, peak_memory(pid))


def ingest_ermon(config_file: Path, table: bytes, folder: Path, *flags: str) -> Ingest:
    """Measure until ermon has told that the feed is down."""
    config = load_config(config_file).config
    with ermon(config_file, folder, *flags) as (pid, web):
        sender = router(config, TABLE_FEED)
        sender.establish(SESSION_PATIENCE)
        with Events(web) as events:
            events.wait("feed", feed_is(TABLE_FEED, "up"))
            began = send_all(sender, table)
            events.wait("feed", feed_is(TABLE_FEED, "down"))
            seconds = time.perf_counter() - began
        sender.close()
        return Ingest(seconds, peak_memory(pid))


def feed_is(feed: str, state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: data["feed"] == feed and data["state"] == state


def leak_is(state: str) -> Callable[[dict[str, Any]], bool]:
    labels = {"pool": LEAKING_POOL, "feed": MIRROR_FEED}
    return lambda data: (
        data["check"] == "pool-leak" and data["state"] == state and labels.items() <= data["labels"].items()
    )


def measure_leaks(config: Config, mirror: Speaker, events: Events, count: int) -> list[float]:
    """Leak a pool and withdraw it, ``count`` times; return the seconds from each UPDATE to its finding."""
    (prefix,) = map(str, config.pools[LEAKING_POOL].prefixes)
    asn = config.feeds[MIRROR_FEED].peer_asn
    pauses = Random(1)
    latencies = []
    for _ in range(count):
        time.sleep(pauses.uniform(0, MAX_PAUSE_SECONDS))
        began = time.perf_counter()
        mirror.announce(prefix, next_hop="192.0.2.201", as_path=[asn])
        events.wait("transition", leak_is("raised"))
        latencies.append(time.perf_counter() - began)
        mirror.withdraw(prefix)
        events.wait("transition", leak_is("cleared"))
    return latencies


@contextmanager
def streaming(sender: Speaker, table: bytes) -> Iterator[None]:
    """Send the table over and over, for as long as the context lasts."""
    stop = threading.Event()

    def stream() -> None:
        while not stop.is_set():
            try:
                sender.send(table)
            except OSError:
                if not stop.is_set():
                    raise

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        sender.close()
        thread.join()


def measure_latency(config_file: Path, table: bytes, folder: Path, count: int) -> None:
    """Measure the leaks while nothing else happens, and while a full table streams in; print what came out."""
    config = load_config(config_file).config
    with (
        ermon(config_file, folder) as (_, web),
        router(config, MIRROR_FEED) as mirror,
        router(config, TABLE_FEED) as outside,
        Events(web) as events,
    ):
        for canary in config.feeds[MIRROR_FEED].canary:
            mirror.announce(str(canary), next_hop="192.0.2.201", as_path=[config.feeds[MIRROR_FEED].peer_asn])
        mirror.end_of_rib()
        report_latency("idle", measure_leaks(config, mirror, events, count))
        with streaming(outside, table):
            report_latency("while the table streams in", measure_leaks(config, mirror, events, count))


def report_ingest(name: str, runs: list[Ingest], messages: int) -> None:
    seconds = median(run.seconds for run in runs)
    memory = {part: max(run.memory.get(part, 0.0) for run in runs) for part in runs[0].memory}
    spread = f"{min(run.seconds for run in runs):.2f} to {max(run.seconds for run in runs):.2f}"
    print(f"{name:<28}{messages / seconds:>9,.0f} UPDATEs/s{seconds:>8.2f} s  ({spread})")
    print(f"{'':<28}peak memory: " + ", ".join(f"{part} {peak:.0f} MB" for part, peak in memory.items()))


def report_latency(name: str, latencies: list[float]) -> None:
    worst = quantiles(latencies, n=100)[98]
    print(f"leak to finding, {name}: median {median(latencies) * 1000:.1f} ms, 99 % {worst * 1000:.1f} ms")


def measure_ingest(config_file: Path, messages: list[bytes], folder: Path, runs: int, *, whole: bool) -> None:
    """Let them take turns, so that whatever else the machine does meets all of them; print what came out."""
    table = b"".join(messages)
    bare_runs, whole_runs, recorded_runs = [], [], []
    record = f"--record.path={folder / 'recordings'}"
    for run in range(runs):
        bare_runs.append(ingest_bare(config_file, table, subfolder(folder, f"bare-{run}")))
        if whole:
            whole_runs.append(ingest_ermon(config_file, table, subfolder(folder, f"ermon-{run}")))
            recorded_runs.append(ingest_ermon(config_file, table, subfolder(folder, f"record-{run}"), record))
    report_ingest("bare ExaBGP", bare_runs, len(messages))
    if whole:
        report_ingest("ExaBGP, relay and ermon", whole_runs, len(messages))
        report_ingest("the same, recorded", recorded_runs, len(messages))
        ratio = median(run.seconds for run in whole_runs) / median(run.seconds for run in bare_runs)
        print(f"ermon's own side costs {(ratio - 1) * 100:+.1f} % of the time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=REFERENCE, help="the policy (%(default)s)")
    parser.add_argument("--prefixes", type=int, default=200_000, help="size of the table (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each of the two (%(default)s)")
    parser.add_argument("--leaks", type=int, default=200, help="idle, and as many under load (%(default)s)")
    parser.add_argument("--bare", action="store_true", help="measure the bare ExaBGP only")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config_file = prepare(arguments.config, folder)
        peer_asn = load_config(config_file).config.feeds[TABLE_FEED].peer_asn
        messages = updates(arguments.prefixes, asn=peer_asn, next_hop="192.0.2.1")
        print(
            f"{arguments.prefixes:,} prefixes in {len(messages):,} UPDATEs, median of {arguments.runs} runs"
        )
        measure_ingest(config_file, messages, folder, arguments.runs, whole=not arguments.bare)
        if not arguments.bare:
            measure_latency(config_file, b"".join(messages), subfolder(folder, "latency"), arguments.leaks)


def subfolder(folder: Path, name: str) -> Path:
    created = folder / name
    created.mkdir(mode=0o700)
    return created


if __name__ == "__main__":
    main()
