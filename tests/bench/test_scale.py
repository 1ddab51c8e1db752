import gc
import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path

import pytest

from ermon.config.lints import lint
from ermon.config.load import load_config
from ermon.model.prefixes import FAMILIES
from tests.bench.scale import judging
from tests.bench.scale.__main__ import main
from tests.bench.scale.children import Limits, run
from tests.bench.scale.cost import Figure, cpu_of_steps
from tests.bench.scale.jobs import JOBS, OUT_OF_MEMORY
from tests.bench.scale.network import (
    CHANGED,
    CONFIG,
    OUTSIDE,
    UPLINKS,
    Network,
    pool_prefix,
    regional,
)
from tests.bench.scale.report import TABLES, Row, tables
from tests.bench.scale.running import START, Running, load

LIMITS = Limits(seconds=60, gigabytes=8)


@pytest.fixture(autouse=True)
def _garbage_as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.fixture
def network() -> Network:
    return Network(2)


@pytest.fixture
def running(network: Network, tmp_path: Path) -> Running:
    network.write(tmp_path)
    return Running(load(tmp_path / CONFIG)).converge(network)


# The network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("circuits", [2, 10])
def test_the_configuration_is_clean(circuits: int, tmp_path: Path) -> None:
    Network(circuits).write(tmp_path)
    for file in (CONFIG, CHANGED):
        loaded = load_config(tmp_path / file)
        assert len(loaded.config.circuits) == len(loaded.config.pools) == circuits
        assert len(loaded.config.feeds) == 4 * circuits + UPLINKS + OUTSIDE
        assert loaded.warnings == ()
        found = [each.name for each in lint(loaded, START)]
        assert set(found) == {"metro", "uplinks-not-redundant"}


@pytest.mark.parametrize("network", [Network(2), Network(10), Network(3, uplinks=6, outside=1)])
def test_on_a_good_day_every_link_is_up_and_nothing_is_raised(network: Network, tmp_path: Path) -> None:
    network.write(tmp_path)
    running = Running(load(tmp_path / CONFIG))
    assert not any(running.links_up())
    running.converge(network)
    running.wait(3600)
    links_up = list(running.links_up())
    assert len(links_up) == network.circuits * 2 * len(FAMILIES)
    assert all(links_up)
    assert running.raised() == []


def test_another_policy_judges_the_same_routes(running: Running, tmp_path: Path) -> None:
    config = load(tmp_path / CHANGED)
    assert config != running.config
    assert len(cpu_of_steps(running.reconfigure(config))) > 2
    running.wait(3600)
    assert all(running.links_up())
    assert running.raised() == []


def test_a_thousand_circuits_have_addresses_of_their_own() -> None:
    network = Network(1_000)
    sessions = list(network.sessions.values())
    pairs = {(ip_address(each.local), ip_address(each.peer)) for each in sessions}
    assert len(pairs) == len(sessions) == 4_000 + UPLINKS + OUTSIDE
    for family in FAMILIES:
        of_family = [pool_prefix(circuit, family) for circuit in range(1_000)]
        of_family += [link.subnet6 if family == "ipv6" else link.subnet for link in network.links]
        of_family += [prefix for circuit in range(1_000) for prefix in regional(circuit, family)]
        in_order = sorted(map(ip_network, of_family))
        assert not any(first.overlaps(second) for first, second in pairwise(in_order))
    for link in network.links:
        for subnet, family in ((link.subnet, "ipv4"), (link.subnet6, "ipv6")):
            assert ip_address(link.msee(family)) == ip_network(subnet)[2]


@pytest.mark.parametrize(("circuits", "uplinks"), [(0, 1), (4_097, 4), (1, 0), (1, 3)])
def test_a_network_that_cannot_be_is_refused(circuits: int, uplinks: int) -> None:
    with pytest.raises(ValueError, match="circuits"):
        Network(circuits, uplinks)


# What is measured ----------------------------------------------------------------------------------------


def test_a_leak_is_raised_and_cleared(network: Network, running: Running) -> None:
    steps = judging._leaks(network, running)
    for name, step in (next(steps) for _ in range(8)):
        step()
        leaks = [finding for finding in running.raised() if finding.startswith("pool-leak")]
        assert len(leaks) == (name == "leak_cpu_seconds")
    assert running.raised() == []


def test_a_lost_edge_table_comes_back(network: Network, running: Running) -> None:
    steps = judging._losses(network, running)
    for name, step in (next(steps) for _ in range(8)):
        step()
        assert all(running.links_up()) == (name == "edge_back_cpu_seconds")
    assert running.raised() == []


def test_a_changed_route_counts_as_a_change_and_an_unchanged_one_does_not(
    network: Network, running: Running
) -> None:
    edge = network.links[0].router
    held = [running.held()[edge]]
    steps = judging._changes(network, running)
    for _, step in (next(steps) for _ in range(2)):
        step()
        held.append(running.held()[edge])
    good_day, changed, unchanged = held
    assert len(changed - good_day) == len(good_day - changed) == 1
    assert changed == unchanged


def test_the_policy_does_not_ask_about_foreign_routes(network: Network, running: Running) -> None:
    held = running.held()
    steps = judging._foreign(network, running)
    for _, step in (next(steps) for _ in range(6)):
        step()
    assert running.held() == held
    feeds = running.monitor.network.feeds
    updates = sum(feeds[name].session.updates - len(held[name]) for name in network.outside_feeds)
    assert updates == 2


@pytest.mark.parametrize("job", JOBS)
def test_each_job_finds_all_of_its_figures(job: str, network: Network, tmp_path: Path) -> None:
    network.write(tmp_path)
    found: dict[str, Figure] = {}
    JOBS[job](network, tmp_path, 0.0, found.__setitem__)
    expected = {column.key for table in TABLES if table.job == job for column in table.columns}
    assert expected <= found.keys()
    assert all(found[key] > 0 for key in expected if not key.endswith("memory_bytes"))


# How it is run -------------------------------------------------------------------------------------------


def test_a_table_shows_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row(10, {"check_cpu_seconds": 1.234, "check_memory_bytes": 1_234_500_000}, {}),
        Row(1_000, {}, {"check": "over 120 s"}),
    ]
    title, *lines = tables(rows, ["check"])
    assert "ermon check" in title
    assert [line.split() for line in lines] == [
        ["circuits", "CPU", "memory"],
        ["s", "MB"],
        ["10", "1.23", "1,234"],
        ["1,000", "over", "120", "s", "over", "120", "s"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_job_that_takes_too_long_is_ended_and_its_figures_are_kept() -> None:
    endless = """print('{"found": 1}', flush=True)\nwhile True: pass"""
    assert run(["-c", endless], LIMITS._replace(seconds=0.1)) == ({"found": 1}, "over 0.1 s")


def test_a_job_that_takes_too_much_memory_says_so() -> None:
    greedy = f"""
import sys
try:
    bytearray(2_000_000_000)
except MemoryError:
    sys.exit({OUT_OF_MEMORY})
"""
    assert run(["-c", greedy], LIMITS._replace(gigabytes=1)) == ({}, "over 1 GB")


def test_one_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="has ended with 3"):
        run(["-c", "import sys; sys.exit(3)"], LIMITS)


def test_the_command_prints_what_the_children_found(capsys: pytest.CaptureFixture[str]) -> None:
    main(["2", "--jobs", "start,check", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["circuits"] == 2
    assert row["figures"]["feeds"] == 8 + UPLINKS + OUTSIDE
    assert row["figures"]["monitor_cpu_seconds"] > 0
    assert row["figures"]["check_memory_bytes"] > 0
    assert row["why"] == {}
