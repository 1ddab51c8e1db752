"""Measures the start, UPDATEs, sessions and reloads: the jobs without the web."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from ermon.model.prefixes import FAMILIES
from tests.bench.scale.cost import Memory, Report, cpu, cpu_of_steps, typical
from tests.bench.scale.network import CHANGED, CONFIG, Network
from tests.bench.scale.running import IN_SYNC_SECONDS, Running, converged, load

Steps = Iterator[tuple[str, Callable[[], object]]]


def start(network: Network, folder: Path, effort: float, report: Report) -> None:
    report("feeds", len(network.sessions))
    report("config_bytes", (folder / CONFIG).stat().st_size)
    report("machine_cpu_seconds", cpu(lambda: sum(n * n for n in range(1_000_000))))
    memory = Memory()
    found: list[Running] = []
    config = load(folder / CONFIG)  # once before, for imports and caches
    report("load_cpu_seconds", cpu(lambda: load(folder / CONFIG)))
    report("monitor_cpu_seconds", cpu(lambda: found.append(Running(config))))
    report("start_memory_bytes", memory.grown())
    report("subjects", found[0].subjects())


def reload(network: Network, folder: Path, effort: float, report: Report) -> None:
    running = converged(network, folder)
    config = load(folder / CHANGED)
    memory = Memory()
    plan, *steps = cpu_of_steps(running.reconfigure(config))
    report("reload_plan_cpu_seconds", plan)
    report("reload_cpu_seconds", sum(steps))
    report("reload_hold_seconds", max(steps))
    report("reload_memory_bytes", memory.grown())


# UPDATEs -------------------------------------------------------------------------------------------------


def updates(network: Network, folder: Path, effort: float, report: Report) -> None:
    running = Running(load(folder / CONFIG))
    running.tidy()
    _report_all(report, _first_dumps(network, running))
    running.wait(IN_SYNC_SECONDS)
    for steps in (_leaks, _changes, _foreign, _losses):
        _report_all(report, typical(steps(network, running), effort))


def _report_all(report: Report, found: Mapping[str, float]) -> None:
    for name, value in found.items():
        report(name, value)


def _first_dumps(network: Network, running: Running) -> dict[str, float]:
    """Let every feed send its first dump, and return the medians."""
    ups, dumped = [], []
    for feed, session in network.sessions.items():
        ups.append(cpu(partial(running.take, *session.up(running.now))))
        for update in network.dump(feed):
            cost = cpu(partial(running.take, session.update(running.now, update)))
            if session.add_path:  # an edge table
                dumped.append(cost)
        running.take(*session.ends_of_rib(running.now))
    return {"session_up_cpu_seconds": median(ups), "first_dump_update_cpu_seconds": median(dumped)}


def _leaks(network: Network, running: Running) -> Steps:
    """Leak one pool after the other on one uplink after the other, and withdraw it."""
    for n in count():
        running.wait(1)
        session, leak = network.leak(n)
        yield "leak_cpu_seconds", partial(running.take, session.update(running.now, leak))
        yield "leak_withdrawn_cpu_seconds", partial(running.take, session.withdrawal(running.now, leak))


def _changes(network: Network, running: Running) -> Steps:
    """Change a route of one link after the other, and announce it again unchanged."""
    for n in count():
        running.wait(1)
        link = network.links[n % len(network.links)]
        all_of_it = link.brings(FAMILIES[n % 2], med=n)
        route = replace(all_of_it, prefixes=all_of_it.prefixes[:1])
        line = network.sessions[link.router].update(running.now, route)
        yield "changed_cpu_seconds", partial(running.take, line)
        yield "unchanged_cpu_seconds", partial(running.take, line)


def _foreign(network: Network, running: Running) -> Steps:
    """Announce seven routes that the policy does not ask about, on a view from outside and on an edge table."""
    for n in count():
        running.wait(1)
        outside = network.outside_feeds[n % network.outside]
        edge = network.links[n % len(network.links)].router
        lines = {
            feed: network.sessions[feed].update(running.now, network.foreign(feed, n))
            for feed in (outside, edge)
        }
        yield "foreign_outside_cpu_seconds", partial(running.take, lines[outside])
        yield "foreign_edge_cpu_seconds", partial(running.take, lines[edge])
        yield "decode_cpu_seconds", partial(running.decode, lines[outside])


def _losses(network: Network, running: Running) -> Steps:
    """Lose the session of one edge table after the other, and bring it back until it is in sync."""
    for n in count():
        running.wait(1)
        feed = network.links[n % len(network.links)].router
        yield "edge_lost_cpu_seconds", partial(running.take, network.sessions[feed].down(running.now))
        running.wait(1)
        yield "edge_back_cpu_seconds", partial(running.come_up, network, feed)
