"""The series that dashboards and alerts use: their names, labels, types and values."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from msgspec import structs
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ermon.aio import slices
from ermon.checks.catalogue import CATALOGUE
from ermon.core.monitor import Monitor
from ermon.core.status import Collected
from ermon.exabgp.decode import RejectReason
from ermon.metrics import network as metrics
from ermon.metrics.network import Metrics
from ermon.metrics.process import Telemetry
from ermon.model.events import DownCause
from ermon.model.settings import MaintenanceWindow
from ermon.scenario.azure_circuit import usual
from tests.checks.company import REPORTING, V4, V6, Company, Space, company

OPENMETRICS = "application/openmetrics-text;version=1.0.0"

FINDING = [
    *("check", "circuit", "link", "family", "pool", "feed", "uplink", "segment", "ms_service"),
    *("geo", "group", "peering", "view", "process", "source", "region"),
]

SESSION = ["router", "circuit", "link", "uplink", "family"]

CONTRACT: Mapping[str, tuple[str, list[str]]] = {
    "ermon_build_info": ("gauge", ["version", "exabgp_version", "python_version"]),
    "ermon_config_last_reload_successful": ("gauge", []),
    "ermon_config_last_reload_success_timestamp_seconds": ("gauge", []),
    "ermon_exabgp_up": ("gauge", ["process"]),
    "ermon_exabgp_restarts_total": ("counter", ["process"]),
    "ermon_exabgp_confined": ("gauge", ["process", "part"]),
    "ermon_exabgp_raw": ("gauge", ["process"]),
    "ermon_feed_up": ("gauge", ["feed", "router", "view"]),
    "ermon_feed_in_sync": ("gauge", ["feed", "router", "view", "family"]),
    "ermon_feed_transitions_total": ("counter", ["feed", "to"]),
    "ermon_feed_last_transition_timestamp_seconds": ("gauge", ["feed"]),
    "ermon_feed_last_message_timestamp_seconds": ("gauge", ["feed"]),
    "ermon_feed_updates_total": ("counter", ["feed"]),
    "ermon_feed_routes": ("gauge", ["feed", "family"]),
    "ermon_feed_lost_messages_total": ("counter", ["feed"]),
    "ermon_feed_malformed_updates_total": ("counter", ["feed", "kind"]),
    "ermon_session_state": ("gauge", [*SESSION, "state"]),
    "ermon_session_transitions_total": ("counter", SESSION),
    "ermon_session_downs_total": ("counter", [*SESSION, "reason"]),
    "ermon_bmp_up": ("gauge", ["router"]),
    "ermon_bmp_messages_total": ("counter", ["router"]),
    "ermon_bmp_moot_messages_total": ("counter", ["router"]),
    "ermon_bmp_rejected_total": ("counter", ["router", "reason"]),
    "ermon_link_state": ("gauge", ["circuit", "link", "router", "family", "state"]),
    "ermon_link_transitions_total": ("counter", ["circuit", "link", "family"]),
    "ermon_link_last_transition_timestamp_seconds": ("gauge", ["circuit", "link", "family"]),
    "ermon_link_routes": ("gauge", ["circuit", "link", "family"]),
    "ermon_link_service_routes": ("gauge", ["circuit", "link", "ms_service"]),
    "ermon_link_advertised_prefixes": ("gauge", ["circuit", "link", "family"]),
    "ermon_link_advertised_prefix_limit": ("gauge", ["circuit", "link", "family"]),
    "ermon_circuit_links_up": ("gauge", ["circuit", "family"]),
    "ermon_maintenance_active": ("gauge", ["circuit", "link", "feed"]),
    "ermon_maintenance_end_timestamp_seconds": ("gauge", ["circuit", "link", "feed"]),
    "ermon_circuit_info": ("gauge", ["circuit", "location", "geo", "peering"]),
    "ermon_circuit_links": ("gauge", ["circuit", "family", "geo", "group", "metro", "peering"]),
    "ermon_metros_apart": ("gauge", ["family", "geo", "group", "metro", "other", "peering"]),
    "ermon_pool_advertised": ("gauge", ["pool", "family", "circuit", "link", "state"]),
    "ermon_pool_on_internet": ("gauge", ["pool", "family", "feed", "state"]),
    "ermon_pool_addresses": ("gauge", ["pool"]),
    "ermon_pool_family_addresses": ("gauge", ["pool", "family"]),
    "ermon_finding_raised": ("gauge", FINDING),
    "ermon_finding_worse": ("gauge", FINDING),
    "ermon_azure_age_seconds": ("gauge", ["circuit"]),
    "ermon_azure_failures_total": ("counter", ["circuit", "kind"]),
    "ermon_check_unknown": ("gauge", FINDING),
    "ermon_check_suppressed": ("gauge", FINDING),
    "ermon_check_info": ("gauge", ["check", "severity"]),
    "ermon_findings_raised_total": ("counter", ["check"]),
    "ermon_detection_seconds": ("histogram", ["le"]),
    "ermon_ingest_lines_total": ("counter", []),
    "ermon_ingest_rejected_total": ("counter", ["reason"]),
    "ermon_ingest_lag_seconds": ("gauge", []),
    "ermon_feed_behind_seconds": ("gauge", ["feed"]),
    "ermon_clock_steps_total": ("counter", []),
    "ermon_refused_connections_total": ("counter", ["port"]),
    "ermon_notifications_total": ("counter", ["receiver"]),
    "ermon_notification_failures_total": ("counter", ["receiver"]),
}
"""The series that users depend on: none of them may be renamed or removed."""

AZURE = "circuits: {chicago: {azure: {resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er, from: azure.json}}}"
WITH_RECEIVER = "alertmanager: {urls: ['http://127.0.0.1:9093']}"
BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def net() -> Company:
    return company(WITH_RECEIVER).converge()


class Scraper:
    """Scrapes one ermon repeatedly."""

    def __init__(self, net: Company) -> None:
        self.net = net
        self.telemetry = Telemetry(net.config)
        self.metrics = Metrics(self.telemetry.registry)

    async def text(self, accept: str = "", only: tuple[str, ...] = ()) -> str:
        page = await self.metrics.render(self.net.monitor, accept=accept, only=only)
        return page.body.decode()

    async def families(self) -> dict[str, Metric]:
        families = parse_text(await self.text())
        return {f.name + ("_total" if f.type == "counter" else ""): f for f in families}

    async def series(self) -> Series:
        families = (await self.families()).values()
        return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}

    async def value(self, name: str, **labels: str) -> float:
        """The value of the one series with these labels, independently of the values of other labels."""
        found = [
            value
            for (series, has), value in (await self.series()).items()
            if series == name and labels.items() <= dict(has).items()
        ]
        assert len(found) == 1, f"{len(found)} series {name} {labels}"
        return found[0]

    async def state(self, name: str, **labels: str) -> str:
        """The state whose series is 1, of all states of a subject."""
        found = [
            dict(has)["state"]
            for (series, has), value in (await self.series()).items()
            if series == name and labels.items() <= dict(has).items() and value == 1
        ]
        assert len(found) == 1, f"{name} {labels} is {found}"
        return found[0]


@pytest.fixture
def scraper(net: Company) -> Scraper:
    return Scraper(net)


# The contract ----------------------------------------------------------------------------------------


async def test_every_metric_exists_from_the_start_with_its_type_and_labels():
    families = await Scraper(company(WITH_RECEIVER, REPORTING, AZURE)).families()
    found = {
        name: (family.type, sorted({label for s in family.samples for label in s.labels}))
        for name, family in families.items()
        if name in CONTRACT
    }
    assert found == {name: (kind, sorted(labels)) for name, (kind, labels) in CONTRACT.items()}


async def test_a_finding_with_a_worse_severity_has_a_series_of_its_own():
    net = company(WITH_RECEIVER, AZURE)
    scraper = Scraper(net)
    pool = {"check": "azure-prefix-unlisted", "pool": "chi", "circuit": "chicago"}
    good = usual(net.config, net.config.circuits["chicago"])
    unlisted = structs.replace(good, ipv4=structs.replace(good.ipv4, prefixes=()))
    net.azure_says("chicago", good)
    for expected in (0, 0, 1):
        assert await scraper.value("ermon_finding_worse", **pool) == expected
        net.wait(900).azure_says("chicago", unlisted).wait(0)
    net.wait(900).azure_says("chicago", good).wait(0)
    assert await scraper.value("ermon_finding_worse", **pool) == 0


async def test_no_series_appears_or_vanishes_with_the_state_of_the_network():
    net = company(WITH_RECEIVER, REPORTING, AZURE)
    scraper = Scraper(net)
    before = (await scraper.series()).keys()
    net.process_up().converge().connect("edge-1").down("edge-1/chicago/primary/ipv4")
    net.announce("isp-a", V4.pool, V6.pool_part)
    net.lose("chicago-primary", "ipv4", "ipv6").down("edge-3", "outside").wait(120)
    net.process_down()
    assert (await scraper.series()).keys() == before


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
async def test_counters_have_no_series_of_their_creation(scraper: Scraper, accept: str):
    assert "_created" not in await scraper.text(accept)


async def test_python_and_the_process_are_measured_too(scraper: Scraper):
    assert {"process_resident_memory_bytes", "python_info"} <= (await scraper.families()).keys()


async def test_promtool_finds_nothing_to_say(scraper: Scraper):
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is missing, and must not be in CI"
        pytest.skip("promtool is missing; it comes with Debian's package prometheus")
    text = await scraper.text()
    found = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


# Formats ---------------------------------------------------------------------------------------------


async def test_both_formats_say_the_same(scraper: Scraper):
    # The resources of the process change between two scrapes.
    def read(families: object) -> Series:
        return {
            (s.name, frozenset(s.labels.items())): s.value
            for family in families
            for s in family.samples
            if s.name.startswith("ermon_")
        }

    text = read(parse_text(await scraper.text()))
    openmetrics = await scraper.text(OPENMETRICS)
    assert openmetrics.endswith("# EOF\n")
    assert openmetrics.count("# EOF") == 1
    assert read(parse_openmetrics(openmetrics)) == text


async def test_only_requested_series_are_shown(scraper: Scraper):
    text = await scraper.text(
        only=("ermon_link_routes", "ermon_feed_updates_total", "ermon_ingest_lines_total")
    )
    names = {family.name for family in parse_text(text)}
    assert names == {"ermon_link_routes", "ermon_feed_updates", "ermon_ingest_lines"}


async def test_odd_names_are_escaped():
    odd = 'Zürich "2" \\ b'
    scraper = Scraper(company(f"circuits: {{chicago: {{location: '{odd}'}}}}"))
    assert await scraper.value("ermon_circuit_info", circuit="chicago", location=odd) == 1


async def test_a_circuit_in_two_locations_names_both():
    links = "links: {primary: {location: Dallas}, secondary: {location: Chicago}}"
    scraper = Scraper(company(f"circuits: {{chicago: {{{links}}}}}"))
    assert await scraper.value("ermon_circuit_info", circuit="chicago", location="Chicago, Dallas") == 1


async def test_metropolitan_areas_that_are_apart_are_named_by_family():
    changes = """
    circuits:
      chicago: {group: production, location: Amsterdam Metro}
      dallas: {group: production, location: Dublin2, links: {primary: {subnet6: null}, secondary: {subnet6: null}}}
    """
    series = await Scraper(company(changes)).series()
    found = {
        tuple(dict(labels)[name] for name in ("geo", "group", "peering", "family", "metro", "other"))
        for name, labels in series
        if name == "ermon_metros_apart"
    }
    assert found == {("us", "production", "microsoft", "ipv4", "amsterdam", "dublin")}
    links = {
        tuple(dict(labels)[name] for name in ("circuit", "group", "metro", "family")): value
        for (name, labels), value in series.items()
        if name == "ermon_circuit_links"
    }
    assert links == {
        ("chicago", "production", "amsterdam", "ipv4"): 2,
        ("chicago", "production", "amsterdam", "ipv6"): 2,
        ("dallas", "production", "dublin", "ipv4"): 2,
    }


async def test_circuits_that_have_an_area_in_common_are_not_apart():
    links = "links: {primary: {location: Dallas}, secondary: {location: Chicago}}"
    series = await Scraper(company(f"circuits: {{chicago: {{{links}}}}}")).series()
    assert {name for name, _ in series if name == "ermon_metros_apart"} == set()


async def test_a_scraper_that_accepts_gzip_gets_it(scraper: Scraper):
    page = await scraper.metrics.render(scraper.net.monitor, accept_encoding="deflate, gzip;q=0.5")
    assert page.gzipped
    assert gzip.decompress(page.body).startswith(b"# HELP ermon_feed_up ")


async def test_the_event_loop_gets_a_turn_after_each_slice(scraper: Scraper, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics, "SLICE_SERIES", 10)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    text = await scraper.text()
    turns = 0
    scrape = asyncio.create_task(scraper.text())
    while not scrape.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= text.count("ermon_check_unknown{") / 10
    assert {line for line in text.splitlines() if line.startswith("ermon_link")} <= set(
        (await scrape).splitlines()
    )


async def test_maintenance_is_shown_with_its_end(scraper: Scraper):
    net = scraper.net
    places = [
        {"circuit": "chicago", "link": "primary", "feed": ""},
        {"circuit": "", "link": "", "feed": "isp-a"},
    ]
    other = {"circuit": "chicago", "link": "secondary", "feed": ""}
    for place in (*places, other):
        assert await scraper.value("ermon_maintenance_active", **place) == 0
        assert await scraper.value("ermon_maintenance_end_timestamp_seconds", **place) == 0
    begins, ends = (datetime.fromtimestamp(net.now + seconds, UTC) for seconds in (0, 600))
    net.monitor.maintain([MaintenanceWindow(begins, ends, "works", router="edge-1")], net.now)
    for place in places:
        assert await scraper.value("ermon_maintenance_active", **place) == 1
        assert await scraper.value("ermon_maintenance_end_timestamp_seconds", **place) == ends.timestamp()
    assert await scraper.value("ermon_maintenance_active", **other) == 0
    net.wait(600)
    assert await scraper.value("ermon_maintenance_active", **places[0]) == 0


async def test_a_scrape_shows_the_collected_state_despite_later_changes(
    scraper: Scraper, monkeypatch: pytest.MonkeyPatch
):
    take = metrics.take_snapshot

    def take_and_lose_the_feed(monitor: Monitor, collected: Collected) -> metrics.Snapshot:
        snapshot = take(monitor, collected)
        scraper.net.down("isp-a")
        return snapshot

    monkeypatch.setattr(metrics, "take_snapshot", take_and_lose_the_feed)
    feed = {"feed": "isp-a"}
    first, second = scraper.value("ermon_feed_up", **feed), scraper.value("ermon_feed_up", **feed)
    assert await asyncio.gather(first, second) == [1, 0]


# Values ----------------------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_a_leak_and_its_end(scraper: Scraper, space: Space):
    pool = {"pool": "chi", "family": space.family, "feed": "isp-a"}
    leak = {"check": "pool-leak", "uplink": "isp-a", "circuit": "", **pool}
    net = scraper.net.announce("isp-a", space.pool, path="64500")
    assert await scraper.state("ermon_pool_on_internet", **pool) == "yes"
    assert await scraper.value("ermon_finding_raised", **leak) == 1
    net.withdraw("isp-a", space.pool).wait(59)
    assert await scraper.state("ermon_pool_on_internet", **pool) == "no"
    assert await scraper.value("ermon_finding_raised", **leak) == 1
    net.wait(1)
    assert await scraper.value("ermon_finding_raised", **leak) == 0


@BOTH_FAMILIES
async def test_a_lost_link(scraper: Scraper, space: Space):
    link = {"circuit": "chicago", "link": "primary", "family": space.family}
    net = scraper.net.wait(60).lose("chicago-primary", space.family)
    assert await scraper.state("ermon_link_state", router="edge-1", **link) == "down"
    assert await scraper.value("ermon_link_routes", **link) == 0
    assert await scraper.value("ermon_link_transitions_total", **link) == 1
    assert await scraper.value("ermon_link_last_transition_timestamp_seconds", **link) == net.now
    assert await scraper.value("ermon_circuit_links_up", circuit="chicago", family=space.family) == 1
    assert await scraper.state("ermon_pool_advertised", pool="chi", **link) == "no"
    low = {"check": "prefix-count-low", **link}
    assert await scraper.value("ermon_check_suppressed", **low) == 1
    assert await scraper.value("ermon_check_unknown", **low) == 0


@BOTH_FAMILIES
async def test_subjects_that_cannot_be_judged_are_unknown(scraper: Scraper, space: Space):
    link = {"circuit": "chicago", "link": "primary", "family": space.family}
    scraper.net.down("edge-1", "chicago-primary")
    assert await scraper.value("ermon_check_unknown", check="link-down", **link) == 1
    assert await scraper.state("ermon_link_state", **link) == "unknown"
    assert await scraper.state("ermon_pool_advertised", pool="chi", **link) == "unknown"


async def test_a_feed_s_session(scraper: Scraper):
    feed = {"feed": "edge-1"}
    assert await scraper.value("ermon_feed_up", router="edge-1", view="edge-table", **feed) == 1
    assert await scraper.value("ermon_feed_in_sync", family="ipv6", **feed) == 1
    assert await scraper.value("ermon_feed_routes", family="ipv6", **feed) == 2
    updates = await scraper.value("ermon_feed_updates_total", **feed)
    net = scraper.net.wait(7).announce("edge-1", V6.extra)
    assert await scraper.value("ermon_feed_updates_total", **feed) == updates + 1
    assert await scraper.value("ermon_feed_last_message_timestamp_seconds", **feed) == net.now
    net.lose_messages("edge-1", 4).wait(3).down("edge-1")
    assert await scraper.value("ermon_feed_lost_messages_total", **feed) == 4
    assert await scraper.value("ermon_feed_in_sync", family="ipv4", **feed) == 0
    assert await scraper.value("ermon_feed_transitions_total", to="down", **feed) == 1
    assert await scraper.value("ermon_feed_last_transition_timestamp_seconds", **feed) == net.now


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_a_session_that_its_router_reports(family: str):
    scraper = Scraper(company(WITH_RECEIVER, REPORTING))
    net, name = scraper.net, f"edge-1/chicago/primary/{family}"
    labels = {"router": "edge-1", "circuit": "chicago", "link": "primary", "uplink": "", "family": family}
    assert await scraper.state("ermon_session_state", **labels) == "unknown"
    net.connect("edge-1").up(name)
    assert await scraper.state("ermon_session_state", **labels) == "up"
    net.wait(1).down(name, reason="the neighbor sent hold timer expired", cause=DownCause.HOLD_TIMER).wait(
        1
    ).up(name)
    assert await scraper.value("ermon_session_transitions_total", **labels) == 2
    assert await scraper.value("ermon_session_downs_total", reason="hold-timer", **labels) == 1
    assert await scraper.value("ermon_session_downs_total", reason="other", **labels) == 0


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_a_session_is_neither_down_nor_counted_when_its_router_reports_nothing(family: str):
    scraper = Scraper(company(WITH_RECEIVER, REPORTING))
    net, name = scraper.net, f"edge-1/isp-a/{family}"
    labels = {"router": "edge-1", "circuit": "", "link": "", "uplink": "isp-a", "family": family}
    net.connect("edge-1").up(name).disconnect("edge-1")
    assert await scraper.state("ermon_session_state", **labels) == "unknown"
    assert await scraper.value("ermon_session_transitions_total", **labels) == 0
    net.connect("edge-1").wait(10).not_reported(name)
    assert await scraper.state("ermon_session_state", **labels) == "down"
    assert await scraper.value("ermon_session_downs_total", reason="other", **labels) == 1


async def test_a_feed_without_a_router_has_an_empty_label(scraper: Scraper):
    assert await scraper.value("ermon_feed_up", feed="outside", router="", view="internet") == 1


async def test_a_check_has_the_severity_that_the_configuration_gives_it():
    changes = "checks: {link-down: {severity: critical}, feed-down: {enabled: false}}"
    series = await Scraper(company(changes, "policy: {internet_covering: critical}")).series()
    found = {dict(has)["check"]: dict(has)["severity"] for name, has in series if name == "ermon_check_info"}
    assert (found["link-down"], found["pool-covered"], found["link-asymmetry"]) == (
        *("critical", "critical"),
        "warning",
    )
    assert "feed-down" not in found


async def test_a_reload_changes_the_series(scraper: Scraper):
    await scraper.text()
    changed = company(WITH_RECEIVER, "nat_pools: {dal: null}")
    scraper.net.reconfigure(changed.config)
    pools = {dict(labels).get("pool") for _, labels in await scraper.series()}
    assert "chi" in pools
    assert "dal" not in pools


async def test_the_check_of_a_finding_and_the_reason_of_a_rejection_are_from_closed_sets(scraper: Scraper):
    families = await scraper.families()
    checks = {s.labels["check"] for s in families["ermon_findings_raised_total"].samples}
    reasons = {s.labels["reason"] for s in families["ermon_ingest_rejected_total"].samples}
    assert checks == set(CATALOGUE)
    assert reasons == set(RejectReason)
