"""Two `ermon run` at once: one for each region of a file, and a pair with the same routers."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ermon.checks.catalogue import subjects
from ermon.config.load import load_config
from tests import bgp
from tests.e2e.company import PART_OF_POOL, POOL, Company, configuration, export, own_network
from tests.e2e.daemon import Daemon

CHICAGO, DALLAS = "edge-[12]*", "edge-3*"
DALLAS_POOL = {"ipv4": "198.51.100.16/28", "ipv6": "2001:db8:100:11::/64"}

SECOND_REGION = """
circuits:
  dallas:
    geo: us
    location: Dallas
    peering: microsoft
    links:
      primary: {router: edge-3, subnet: 203.0.113.8/30, subnet6: "2001:db8:ffff::8/126"}
    receive:
      services: [exchange-online]
nat_pools:
  dal-outbound: {circuit: dallas, prefixes: [198.51.100.16/28, "2001:db8:100:11::/64"]}
uplinks:
  isp-b: {router: edge-3, asn: 64511}
feeds:
  edge-3: {router: edge-3, view: edge-table, peer: NET.13, local: NET.5, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-3-msee: {router: edge-3, view: to-microsoft, circuit: dallas, link: primary, peer: NET.13, local: NET.6, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  edge-3-isp-b: {router: edge-3, view: to-internet, uplink: isp-b, peer: NET.13, local: NET.7, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}
"""


def two_regions() -> dict[str, Any]:
    """The shared file: the company with a second circuit, and without the outside view."""
    network = own_network()
    found = configuration(network)
    del found["feeds"]["outside"]
    for section, entries in yaml.safe_load(SECOND_REGION.replace("NET", network)).items():
        found[section] |= entries
    found["collector"]["port"] = bgp.free_port(*{feed["local"] for feed in found["feeds"].values()})
    return found


def region(directory: Path, settings: dict[str, Any], glob: str) -> Company:
    """The ermon of a region, and the routers that connect to it."""
    directory.mkdir()
    taken = {name: feed for name, feed in settings["feeds"].items() if fnmatchcase(name, glob)}
    company = Company(
        directory, settings | {"feeds": taken}, f"--feeds.match={glob}", f"--region={directory.name}"
    )
    company.daemon.configure(settings)
    if (mirror := company.routers.get("edge-3-msee")) is not None:
        mirror.withdraw(*POOL.values())
        for prefix in DALLAS_POOL.values():
            export(mirror, prefix)
    return company


@pytest.fixture
def regions(directory: Path) -> Iterator[tuple[Company, Company]]:
    """Chicago and Dallas on a good day."""
    settings = two_regions()
    with (
        region(directory / "chicago", settings, CHICAGO).running() as chicago,
        region(directory / "dallas", settings, DALLAS).running() as dallas,
    ):
        yield chicago, dallas


def asked(daemon: Daemon) -> set[str]:
    """Return every subject that an ermon judges."""
    return {_name(found["check"], found["labels"]) for found in daemon.api("statuses")}


def _name(check: str, labels: Mapping[str, str]) -> str:
    return " ".join([check, *labels.values()])


ABOUT_THE_INSTANCE = {"exabgp-down edges", "storage-failed"}
"""Subjects that each ermon has of its own, told apart by the region."""


# Regions ---------------------------------------------------------------------------------------------


def test_two_regions_together_have_the_subjects_of_one_ermon(regions):
    chicago, dallas = (region.daemon for region in regions)
    config = load_config(chicago.config_file).config
    whole = {_name(subject.check, dict(subject.labels)) for subject in subjects(config)}
    assert dallas.config_file.read_text() == chicago.config_file.read_text()
    assert whole - asked(chicago) - asked(dallas) == {
        "geo-not-redundant us microsoft",
        "sight-lost",  # neither has three routers
        *ABOUT_THE_INSTANCE,
        *(f"pool-fallback chi-outbound {family} edge-3-isp-b isp-b" for family in POOL),
        *(f"pool-fallback dal-outbound {family} edge-1-isp-a isp-a" for family in POOL),
    }
    assert asked(chicago).isdisjoint(asked(dallas))
    for name, daemon in (("chicago", chicago), ("dallas", dallas)):
        assert asked(daemon) - whole == {f"{subject} {name}" for subject in ABOUT_THE_INSTANCE}
        daemon.wait_until(
            lambda daemon=daemon: daemon.metric("ermon_check_unknown") == 0,
            "nothing is unknown on a good day",
        )


def test_a_leak_is_raised_by_the_region_that_sees_it_and_the_end_of_one_raises_nothing_in_the_other(regions):
    chicago, dallas = regions
    with chicago.daemon.listen() as story:
        dallas.leak(PART_OF_POOL["ipv4"], "edge-3-isp-b")
        found = dallas.daemon.wait_until_raised("pool-leak")
        assert found["labels"] == {
            "pool": "chi-outbound",
            "family": "ipv4",
            "feed": "edge-3-isp-b",
            "uplink": "isp-b",
        }
        dallas.daemon.send_signal(signal.SIGKILL)
        dallas.daemon.process.wait()
        chicago.leak(PART_OF_POOL["ipv6"], "edge-1-isp-a")
        chicago.daemon.wait_until_raised("pool-leak", family="ipv6")
        chicago.repair(PART_OF_POOL["ipv6"], "edge-1-isp-a")
        chicago.daemon.wait_until_cleared("pool-leak")
        assert story.checks_raised() == {"pool-leak"}
        assert not story.told("raised", "pool-leak", family="ipv4"), "Dallas' own affair"


def test_a_reload_keeps_to_the_region_and_is_refused_when_nothing_of_it_is_left(regions):
    chicago, _ = regions
    daemon = chicago.daemon
    settings = yaml.safe_load(daemon.config_file.read_text())
    feeds = settings["feeds"]
    daemon.configure(settings | {"feeds": {n: f for n, f in feeds.items() if fnmatchcase(n, DALLAS)}})
    refused = daemon.request("POST", "/-/reload")
    assert refused.status == 400
    assert "--feeds.match=edge-[12]* matches no feed; there are edge-3, edge-3-msee" in refused.text
    settings["checks"]["pool-leak"]["severity"] = "warning"
    daemon.configure(settings)
    assert daemon.request("POST", "/-/reload").status == 200
    assert set(daemon.status()["feeds"]) == set(chicago.routers)


# A pair ----------------------------------------------------------------------------------------------


def test_a_pair_reports_the_same_about_the_same_routers(directory):
    with contextlib.ExitStack() as stack:
        pair = []
        for name in ("one", "two"):
            (directory / name).mkdir()
            company = Company(directory / name, configuration(own_network()))
            pair.append(stack.enter_context(company.running()))
        for company in pair:
            company.leak(PART_OF_POOL["ipv4"])
            company.daemon.wait_until_raised("pool-leak")
        told = [company.daemon.findings("pool-leak")[0] for company in pair]
        for value in ("labels", "severity", "summary", "evidence"):
            assert told[0][value] == told[1][value], value
        assert asked(pair[0].daemon) == asked(pair[1].daemon)
        assert series(pair[0].daemon) == series(pair[1].daemon)


def series(daemon: Daemon) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return name and labels of every series that rules and dashboards may use."""
    families = text_string_to_metric_families(daemon.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in families
        for sample in family.samples
        if sample.name.startswith("ermon_")
    }
