"""What makes routers report their sessions by BMP, on every platform.

The files in ``golden_bmp`` are the output for a plain router, and for one with everything that can be asked for. After an intended
change, ``ERMON_WRITE_GOLDEN=1 pytest tests/routers`` writes them again; read them before they are committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from ermon.config import monitored
from ermon.config.load import interpret
from ermon.config.yaml import read_yaml
from ermon.routers import PLATFORMS, RouterError, render, render_bmp
from ermon.routers.reporting import describe_reporting

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
GOLDEN = Path(__file__).parent / "golden_bmp"
WITH_BMP = [name for name, platform in PLATFORMS.items() if platform.bmp is not None]
WITHOUT_BMP = ["openbgpd", "panos", "fortios"]
every_platform = pytest.mark.parametrize("platform", WITH_BMP)
CASES = ("edge-1", "edge-3-with-everything")


@pytest.fixture
def configured(tmp_path):
    def change_and_load(change=lambda settings: None, **bmp):
        settings = yaml.safe_load(REFERENCE.read_text())
        settings["collector"]["bmp"] = {"listen": ["192.0.2.10:11019", "[2001:db8::10]:11020"]}
        settings["routers"]["edge-1"]["bmp"] = {"peer": "192.0.2.201"} | bmp
        change(settings)
        file = tmp_path / "ermon.yml"
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
        return interpret(read_yaml(file)).config

    return change_and_load


def everything(settings):
    """Links in two tables, an uplink whose neighbor is not known, IPv6, a key, TTL security and all that can be reported."""
    settings["circuits"]["dallas-private"]["vrf"] = "PRIVATE"
    settings["circuits"]["dallas"]["links"]["primary"]["subnet6"] = "2001:db8:ffff::8/126"
    settings["uplinks"]["isp-c"] = {"router": "edge-3", "asn": 64512}
    settings["routers"]["edge-3"] = {
        "bmp": {
            "peer": "2001:db8::203",
            "md5_password_file": "edge-3.bmp.key",
            "ttl_security": 2,
            "pre_policy": True,
            "adj_rib_out": True,
        }
    }


def commands(text):
    return "\n".join(line for line in text.splitlines() if not re.match(r"\s*[!#]", line))


@every_platform
@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_was_read_and_approved(configured, platform, case):
    config = configured() if case == "edge-1" else configured(everything)
    text = render_bmp(config, case.removesuffix("-with-everything"), platform)
    file = GOLDEN / f"{case}.{platform}"
    if os.environ.get("ERMON_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_no_golden_file_is_left_over():
    assert {file.name for file in GOLDEN.iterdir()} == {f"{case}.{p}" for case in CASES for p in WITH_BMP}


@every_platform
def test_the_station_is_ermons_address_of_the_routers_family(configured, platform):
    text = commands(render_bmp(configured(), "edge-1", platform))
    assert re.search(r"\b192\.0\.2\.10\b", text)
    assert re.search(r"\b11019\b", text)
    text = commands(render_bmp(configured(everything), "edge-3", platform))
    assert re.search(r"\b2001:db8::10\b", text)
    assert re.search(r"\b11020\b", text)
    assert "192.0.2.10" not in text


@every_platform
def test_an_address_that_the_configuration_does_not_name_is_a_placeholder(configured, platform):
    def listen_everywhere(settings):
        settings["collector"]["bmp"] = {"listen": ["0.0.0.0:11019"]}

    text = render_bmp(configured(listen_everywhere), "edge-1", platform)
    assert "REPLACE-ADDRESS-OF-ERMON" in commands(text)
    assert "0.0.0.0" not in text


@every_platform
@pytest.mark.parametrize(("within", "seconds"), [("3m", 30), ("1h", 30), ("60s", 20), ("20s", 15)], ids=str)
def test_statistics_come_more_often_than_ermon_asks_for_them(configured, platform, within, seconds):
    config = configured(lambda settings: settings["collector"]["bmp"].update(stats_within=within))
    assert describe_reporting(config, "edge-1").statistics_seconds == seconds
    text = render_bmp(config, "edge-1", platform)
    rate = re.search(
        r"(?:stats interval|stats-reporting-period|statistics-timeout =?) ?(\d+?)(000)?$", text, re.MULTILINE
    )
    if platform in {"bird", "nxos", "vyos"}:
        assert "a command for statistics could not be confirmed" in text
    elif platform == "eos":
        assert "\n      statistics\n" in text
    else:
        assert rate is not None
        assert rate[1] == str(seconds)


@every_platform
def test_routes_before_the_policy_are_reported_only_where_that_is_asked_for(configured, platform):
    plain = commands(render_bmp(configured(), "edge-1", platform))
    asked = render_bmp(configured(pre_policy=True), "edge-1", platform)
    before = re.compile(r"pre[-_]policy|policy pre|\"all\"")
    assert not before.search(plain)
    if platform in {"iosxe", "nxos"}:
        assert "it reports routes before its inbound policy only" in asked
    elif platform == "eos":
        assert "remove pre_policy from routers.edge-1.bmp" in asked
    else:
        assert before.search(commands(asked))
        assert re.search(r"post[-_]policy|policy post", plain)


@every_platform
def test_what_no_command_was_found_for_is_said(configured, platform):
    text = render_bmp(configured(everything), "edge-3", platform)
    assert "remove adj_rib_out from" in text
    assert "ermon accepts packets with a TTL of 254 or more only" in text
    assert ("remove md5_password_file" in text) == (platform != "junos")
    plain = render_bmp(configured(), "edge-1", platform)
    assert not re.search("adj_rib_out|TTL|md5", plain)


@every_platform
def test_each_platform_says_whether_it_was_tried_and_what_it_is_after(configured, platform):
    text = render_bmp(configured(), "edge-1", platform)
    assert ("tried on no device" in text) == (platform not in {"frr", "gobgp"})
    assert re.search(r"^[!#] Source: \S", text, re.MULTILINE)


@every_platform
def test_every_placeholder_is_listed_at_the_top(configured, platform):
    text = render_bmp(configured(everything), "edge-3", platform)
    wanted = set(re.findall(r"REPLACE-[A-Z0-9.:-]*[A-Z0-9]", commands(text)))
    assert wanted == set(re.findall(r"^[!#]   (REPLACE-\S+)$", text, re.MULTILINE))
    assert "edge-3.bmp.key" not in text


@pytest.mark.parametrize("platform", ["iosxe", "iosxr", "nxos", "eos"])
def test_each_neighbor_is_named_where_a_platform_asks_for_it(configured, platform):
    text = commands(render_bmp(configured(everything), "edge-3", platform, "Loopback0"))
    named = re.findall(r"neighbor (\S+)", text)
    assert (
        named
        == [
            *("203.0.113.10", "2001:db8:ffff::a", "203.0.113.14", "REPLACE-NEIGHBOR-OF-ISP-C"),
            *("172.16.0.2", "172.16.0.6"),
        ]
        or platform == "iosxe"
    )
    assert set(named) == {
        *("203.0.113.10", "2001:db8:ffff::a", "203.0.113.14", "REPLACE-NEIGHBOR-OF-ISP-C"),
        *("172.16.0.2", "172.16.0.6"),
    }


def test_frr_connects_once_for_all_of_its_tables(configured):
    text = commands(render_bmp(configured(everything), "edge-3", "frr"))
    assert text.count("bmp connect") == 1
    assert "  bmp import-vrf-view PRIVATE\n" in text

    def in_one_vrf(settings):
        settings["circuits"]["chicago"]["vrf"] = "BLUE"
        del settings["uplinks"]["isp-a"], settings["feeds"]["edge-1-isp-a"]

    text = commands(render_bmp(configured(in_one_vrf), "edge-1", "frr"))
    assert text.startswith("router bgp 64500 vrf BLUE\n")
    assert "import-vrf-view" not in text


def test_only_the_families_of_its_sessions_are_reported(configured):
    def ipv4_only(settings):
        del settings["circuits"]["chicago"]["links"]["primary"]["subnet6"]
        del settings["circuits"]["chicago"]["receive"]["minimum"]["ipv6"]
        del settings["uplinks"]["isp-a"], settings["feeds"]["edge-1-isp-a"]

    for platform in ("frr", "vyos", "eos"):
        text = commands(render_bmp(configured(ipv4_only), "edge-1", platform))
        assert "ipv4" in text
        assert "ipv6" not in text


def test_the_asn_is_that_of_its_bgp_sessions_with_ermon_or_else_the_customers(configured):
    def without_feeds(settings):
        settings["feeds"] = {
            name: feed for name, feed in settings["feeds"].items() if feed.get("router") != "edge-1"
        }
        settings["customer"]["asn"] = 64599
        settings["collector"]["asn"] = 64500

    assert describe_reporting(configured(), "edge-1").asn == 64500
    assert describe_reporting(configured(without_feeds), "edge-1").asn == 64599


def test_the_configurations_check_knows_the_platforms_without_bmp():
    assert set(WITHOUT_BMP) == monitored.WITHOUT_BMP == {n for n, p in PLATFORMS.items() if p.bmp is None}


@pytest.mark.parametrize("platform", WITHOUT_BMP)
def test_a_platform_without_bmp_is_refused_and_the_error_says_what_to_do(configured, platform):
    with pytest.raises(
        RouterError,
        match=r"has no BMP .*: remove routers.edge-1.bmp, .* edge-table \(ermon render router edge-1",
    ):
        render_bmp(configured(), "edge-1", platform)


def test_a_router_without_bmp_is_refused(configured):
    with pytest.raises(RouterError, match=r"'edge-2' has no bmp .*Routers with bmp: edge-1$"):
        render_bmp(configured(), "edge-2", "frr")


def test_a_router_that_only_reports_its_sessions_is_rendered_with_bmp(configured):
    def without_feeds(settings):
        settings["feeds"] = {
            name: feed for name, feed in settings["feeds"].items() if feed.get("router") != "edge-1"
        }

    config = configured(without_feeds)
    with pytest.raises(RouterError, match="print that with --bmp"):
        render(config, "edge-1", "frr", {})
    assert "bmp targets ERMON" in render_bmp(config, "edge-1", "frr")


@pytest.mark.parametrize(
    ("change", "source", "said"),
    [
        (lambda settings: None, "Loopback0\nreload", "not the name of an interface"),
        (lambda settings: settings["circuits"]["chicago"].update(vrf="X reload"), None, "cannot be used"),
        (lambda settings: settings["circuits"]["chicago"].update(vrf="X; }"), None, "cannot be used"),
    ],
)
def test_a_name_that_would_be_a_command_is_refused(configured, change, source, said):
    with pytest.raises(RouterError, match=said):
        render_bmp(configured(change), "edge-1", "frr", source)


def test_a_router_without_links_has_nothing_to_report(configured):
    def reporting(settings):
        settings["routers"]["core"] = {"bmp": {"peer": "192.0.2.99"}}

    with pytest.raises(RouterError, match="nothing to report"):
        render_bmp(configured(reporting), "core", "frr")
