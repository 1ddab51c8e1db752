"""A real Prometheus with the rules of ``ermon render rules``, and real ermons: which alerts fire, and how many."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ermon import rules
from ermon.config.load import load_config
from ermon.rules import RuleSet
from tests.e2e.company import EXCHANGE, MSEE, PART_OF_POOL, Company, bring, configuration, own_network
from tests.e2e.daemon import Daemon, eventually
from tests.e2e.prometheus import Prometheus
from tests.e2e.test_regions import CHICAGO, DALLAS, region, two_regions

LEAK = {
    "alertname": "ErmonPoolLeak",
    "severity": "critical",
    "pool": "chi-outbound",
    "family": "ipv4",
    "feed": "edge-1-isp-a",
    "uplink": "isp-a",
}
WATCHDOG = {"alertname": "ErmonWatchdog", "severity": "none", "sender": "prometheus"}
NOT_REDUNDANT = {
    "alertname": "ErmonGeoNotRedundant",
    "severity": "warning",
    "geo": "us",
    "peering": "microsoft",
}


def prometheus(directory: Path, *daemons: Daemon) -> Prometheus:
    """A Prometheus with all rules for the configuration of these ermons."""
    directory.mkdir()
    config = load_config(daemons[0].config_file).config
    files = []
    for rule_set in RuleSet:
        files.append(directory / f"ermon-{rule_set}.rules.yml")
        files[-1].write_text(rules.render([rule_set], config))
    return Prometheus(directory, [daemon.address for daemon in daemons], files)


def wait_for(server: Prometheus, *expected: dict[str, str]) -> None:
    """Wait until exactly these alerts fire."""

    def fires() -> bool:
        return sorted(map(sorted, (alert.items() for alert in server.alerts()))) == sorted(
            map(sorted, (alert.items() for alert in expected))
        )

    eventually(fires, f"{[alert['alertname'] for alert in expected]} fire and nothing else")


def test_a_finding_of_both_ermons_of_a_pair_is_one_alert_with_its_labels(directory):
    with contextlib.ExitStack() as stack:
        pair = []
        for name in ("one", "two"):
            (directory / name).mkdir()
            company = Company(directory / name, configuration(own_network()))
            pair.append(stack.enter_context(company.running()))
        one, two = pair
        server = stack.enter_context(prometheus(directory / "prometheus", one.daemon, two.daemon).running())
        server.wait_until_scraped(2)
        wait_for(server, WATCHDOG)
        for company in pair:
            company.leak(PART_OF_POOL["ipv4"])
            company.daemon.wait_until_raised("pool-leak")
        seen = 'ermon_finding_raised{check="pool-leak", family="ipv4", feed="edge-1-isp-a"} == 1'
        eventually(lambda: len(server.query(seen)) == 2, "Prometheus has it from both")
        wait_for(server, WATCHDOG, LEAK)
        finding = one.daemon.findings("pool-leak")[0]
        assert {name: LEAK[name] for name in LEAK if name != "alertname"} == {
            "severity": finding["severity"],
            **finding["labels"],
        }
        one.repair(PART_OF_POOL["ipv4"])
        one.daemon.wait_until_cleared("pool-leak")
        eventually(lambda: len(server.query(seen)) == 1, "Prometheus has it from one alone")
        wait_for(server, WATCHDOG, LEAK)
        two.repair(PART_OF_POOL["ipv4"])
        wait_for(server, WATCHDOG)


def test_a_geo_without_a_second_location_is_one_alert_over_the_ermons_of_two_regions(directory):
    settings = two_regions()
    settings["checks"]["geo-not-redundant"] = {"raise_after": "1s", "clear_after": "1s"}
    for effect in ("link-down", "circuit-down", "service-missing"):
        settings["checks"][effect] = {"enabled": False}
    with contextlib.ExitStack() as stack:
        chicago = stack.enter_context(region(directory / "chicago", settings, CHICAGO).running())
        dallas = stack.enter_context(region(directory / "dallas", settings, DALLAS).running())
        server = stack.enter_context(
            prometheus(directory / "prometheus", chicago.daemon, dallas.daemon).running()
        )
        server.wait_until_scraped(2)
        both = "sum by (family) (metro:ermon_circuits_up:count) == 2"
        eventually(lambda: len(server.query(both)) == 2, "both circuits are up in both families")
        wait_for(server, WATCHDOG)
        for prefix in EXCHANGE.values():
            dallas.routers["edge-3"].withdraw(prefix, path_id=1)
        wait_for(server, WATCHDOG, NOT_REDUNDANT)
        for family, prefix in EXCHANGE.items():
            bring(dallas.routers["edge-3"], MSEE["edge-3"][family], prefix)
        wait_for(server, WATCHDOG)
