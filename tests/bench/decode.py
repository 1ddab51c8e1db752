"""Measures how many routes a second ermon reads from the octets of UPDATEs, and ExaBGP from the same: ``python -m
tests.bench.decode``.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

from ermon.bgp.update import AttributesCache, Codec, read_update
from tests.bench.table import updates
from tests.wire.exabgp import negotiated, read_by_exabgp

HEADER = 19
ROUTES = 200_000
RUNS = 5
CODEC = Codec()


def seconds(read: Callable[[Iterable[bytes]], None], bodies: list[bytes]) -> float:
    """Return the least CPU time of several runs."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        read(bodies)
        taken.append(time.process_time() - began)
    return min(taken)


def read_with(cache: AttributesCache | None) -> Callable[[Iterable[bytes]], None]:
    """Decode with the given cache, or with a new one each time."""

    def read(bodies: Iterable[bytes]) -> None:
        known = AttributesCache() if cache is None else cache
        for body in bodies:
            read_update(body, CODEC, known)

    return read


def read_as_exabgp(bodies: Iterable[bytes]) -> None:
    session = negotiated(CODEC)
    for body in bodies:
        read_by_exabgp(body, session)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=ROUTES, help=f"of the table (default: {ROUTES})")
    routes = parser.parse_args().routes
    bodies = [each[HEADER:] for each in updates(routes, asn=64520, next_hop="192.0.2.1")]
    few = bodies[: len(bodies) // 10]
    warm = AttributesCache(entries=10**6, octets=1 << 30)
    print(f"{routes} routes in {len(bodies)} UPDATEs, the fastest of {RUNS} runs")
    for name, read, of in (
        ("ermon", read_with(None), bodies),
        ("ermon, attributes known", read_with(warm), bodies),
        ("ExaBGP, its JSON and ermon's reader of that", read_as_exabgp, few),
    ):
        taken = seconds(read, of)
        share = routes * len(of) / len(bodies)
        print(f"{name:45} {share / taken:10,.0f} routes/s {1e6 * taken / len(of):7.1f} us an UPDATE")


if __name__ == "__main__":
    main()
