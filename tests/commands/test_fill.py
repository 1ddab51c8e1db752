"""The steps of a guide, filled in from a finding and the configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import read_guide
from ermon.commands.fill import Commands, Step, commands_of, fill
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.model.settings import Severity
from tests.checks.company import COMPANY, REPORTING, company
from tests.story import config

UPLINK = "isp-a: {router: edge-1, asn: 64510}"
ROUTERS = "routers:\n  edge-1: {platform: bird}\n  edge-2: {platform: iosxr}\n"
KNOWN = (
    COMPANY.replace(
        UPLINK, 'isp-a: {router: edge-1, asn: 64510, neighbor: [203.0.113.129, "2001:db8:ffff:1::1"]}'
    )
    + ROUTERS
)


def finding(check: str, evidence: dict[str, Any] | None = None, **labels: str) -> Finding:
    return Finding("f1", check, labels, Severity.CRITICAL, "It is so", evidence or {}, 0.0, 0.0)


def leak(prefix: str, family: str = "ipv4") -> Finding:
    return finding(
        "pool-leak", {"prefixes": [prefix]}, pool="chi", family=family, feed="isp-a", uplink="isp-a"
    )


def filled(found: Finding, known: Config | None = None) -> list[Step]:
    return fill(read_guide(found.check).plain().pieces, known or config(KNOWN), found)


def commands(steps: list[Step]) -> list[Commands]:
    return [each for step in steps for part in step for each in part.commands]


def text(steps: list[Step]) -> str:
    return " ".join(part.text for step in steps for part in step)


@pytest.mark.parametrize(
    ("family", "pool", "neighbor"),
    [
        ("ipv4", "198.51.100.0/28", "203.0.113.129"),
        ("ipv6", "2001:db8:100:10::/64", "2001:db8:ffff:1::1"),
    ],
)
def test_a_leak_names_the_provider_the_pool_and_the_platform(family: str, pool: str, neighbor: str):
    sent, stop, undo, _ = commands(filled(leak(pool, family)))
    assert (sent.where, sent.platform) == ("edge-1, uplink isp-a", "bird")
    assert f'"{neighbor}"' in sent.by_platform["bird"]
    assert f"net ~ [ {pool}+ ]" in sent.by_platform["bird"]
    assert f"if net ~ [ {pool}+ ] then reject;" in stop.by_platform["bird"]
    assert f"clear bgp {family} unicast {neighbor} soft out" in stop.by_platform["iosxe"]
    assert "no route-map TO-ISP deny" in undo.by_platform["iosxe"]


def test_a_part_of_a_pool_that_leaks_is_stopped_with_all_of_the_pool():
    sent, stop, *_ = commands(filled(leak("198.51.100.4/32")))
    assert "198.51.100.4/32" in sent.by_platform["junos"]
    assert "198.51.100.0/28 le 32" in stop.by_platform["frr"]


def test_a_word_without_a_value_in_the_configuration_stays_in_capitals():
    sent, *_ = commands(filled(leak("198.51.100.0/28"), config(COMPANY)))
    assert sent.platform is None
    assert sent.by_platform["iosxe"] == (
        "show bgp ipv4 unicast neighbors ISP advertised-routes | include 198.51.100.0"
    )


@pytest.mark.parametrize(("family", "msee"), [("ipv4", "203.0.113.6"), ("ipv6", "2001:db8:ffff::6")])
def test_microsoft_is_the_second_host_of_the_link(family: str, msee: str):
    session, _, _, mac, ports = commands(
        filled(finding("link-down", circuit="chicago", link="secondary", family=family))
    )
    assert (session.where, session.platform) == ("edge-2, link secondary of circuit chicago", "iosxr")
    assert f" neighbors {msee} " in session.by_platform["iosxr"]
    assert (
        mac.by_platform["iosxe"]
        == {
            "ipv4": f"show ip arp {msee}",
            "ipv6": f"show ipv6 neighbors {msee}",
        }[family]
    )
    assert ports.where == "edge-2"


def test_a_circuit_is_looked_at_on_each_of_its_links():
    looked_up, other, first, second, *_ = commands(
        filled(finding("circuit-down", circuit="chicago", family="ipv4"))
    )
    assert (looked_up.where, other.where) == ("edge-1", "edge-2")
    assert "203.0.113.2" in first.by_platform["frr"]
    assert "203.0.113.6" in second.by_platform["frr"]


def test_a_feed_is_asked_for_once_though_it_carries_two_families():
    steps = filled(finding("feed-down", feed="edge-2"))
    session, log = commands(steps)
    assert session.where == "edge-2, feed edge-2"
    assert "127.0.0.1" in session.by_platform["iosxr"]
    assert log.by_platform["iosxr"] == "show logging | include BGP"
    assert "`ping -c 3 -I 127.0.0.1 127.0.0.12`" in text(steps)


def test_the_key_of_a_router_without_a_platform_is_named():
    sent, *_ = commands(filled(leak("198.51.100.0/28"), config(COMPANY)))
    assert sent.hint == (
        "Set `routers.edge-1.platform` in the configuration, and only the commands of that platform are shown."
    )
    known, *_ = commands(filled(leak("198.51.100.0/28")))
    assert known.hint == ""


def test_the_hint_for_a_feed_without_a_router_is_to_name_one_first():
    first, *_ = commands(filled(finding("feed-down", feed="outside")))
    assert first.hint == (
        "Name the router of this feed in the configuration (`feeds.outside.router: NAME`) and its platform "
        "(`routers.NAME.platform`), and only the commands of that platform are shown."
    )


def test_without_a_known_router_no_key_is_named():
    assert {each.hint for each in commands(filled(finding("feed-down", feed="gone")))} == {""}


def test_a_vrf_is_part_of_the_commands():
    in_vrf = KNOWN.replace("subnet: 203.0.113.4/30,", "vrf: WAN, subnet: 203.0.113.4/30,").replace(
        "edge-2: {router: edge-2,", "edge-2: {router: edge-2, vrf: WAN,"
    )
    session, *_ = commands(
        filled(finding("link-down", circuit="chicago", link="secondary", family="ipv4"), config(in_vrf))
    )
    assert session.by_platform["iosxr"].startswith("show bgp vrf WAN ipv4 unicast neighbors 203.0.113.6")
    assert "gobgp" not in session.by_platform


@pytest.mark.parametrize(
    ("prefixes", "families"),
    [
        (["0.0.0.0/0"], ["ipv4"]),
        (["::/0"], ["ipv6"]),
        (["0.0.0.0/1", "128.0.0.0/1", "::/0"], ["ipv4", "ipv6"]),
    ],
)
def test_prefixes_of_a_family_are_in_commands_of_that_family_only(prefixes: list[str], families: list[str]):
    steps = filled(finding("advertised-default", {"prefixes": prefixes}, circuit="chicago", link="secondary"))
    stops = [
        each.by_platform["iosxr"]
        for each in commands(steps)
        if "prefix-set ermon-stop-" in each.by_platform["iosxr"]
    ]
    stops = [text for text in stops if "no prefix-set" not in text]
    assert [("ipv4" if "address-family ipv4" in text else "ipv6") for text in stops] == families
    told = "".join(stops)
    assert all(prefix in told for prefix in prefixes)
    assert " le " not in told, "what is inside a default route is everything"
    assert "FAMILY" not in told


def test_a_mirror_is_compared_with_what_it_mirrors():
    canary = {"prefixes": ["198.51.100.128/27"]}
    to_isp = commands(filled(finding("canary-missing", canary, feed="isp-a", uplink="isp-a")))
    assert [each.where for each in to_isp[:2]] == ["edge-1, feed isp-a", "edge-1, uplink isp-a"]
    assert "203.0.113.129" in to_isp[1].by_platform["frr"]
    table = commands(filled(finding("canary-missing", canary, feed="edge-2")))
    assert {each.where for each in table} == {"edge-2, feed edge-2", "edge-2"}, "which mirrors nobody"


def test_a_finding_about_a_geo_is_looked_into_on_its_circuits():
    asymmetry = finding(
        "geo-asymmetry",
        {"prefixes": ["198.51.100.64/28"]},
        geo="us",
        peering="microsoft",
        family="ipv4",
    )
    assert {each.where for each in commands(filled(asymmetry))} >= {"edge-1", "edge-2"}


def test_a_command_of_this_machine_for_several_routers_becomes_several():
    steps = filled(finding("circuit-hidden", circuit="chicago"))
    assert "`ermon render router edge-1` and `ermon render router edge-2`" in text(steps)


def test_the_port_is_the_one_that_is_configured():
    settings = KNOWN.replace("collector: {", "collector: {port: 1790, ")
    steps = filled(finding("exabgp-down", process="edges"), config(settings))
    assert "`ss -ltnp sport = :1790`" in text(steps)


@pytest.mark.parametrize("labels", [{}, {"region": "emea"}])
def test_a_finding_about_ermon_itself_is_looked_into_on_all_routers(labels: dict[str, str]):
    places = {
        each.where for each in commands(filled(finding("storage-failed", {"problem": "full"}, **labels)))
    }
    assert places >= {"edge-1", "edge-2"}


@pytest.mark.parametrize(
    ("check", "evidence", "labels", "asn"),
    [
        (
            "prefix-hijacked",
            {"origins": ["13335"], "as_paths": ["64520 3356 13335"]},
            {"family": "ipv4"},
            "13335",
        ),
        (
            "origin-unexpected",
            {"prefixes": ["192.0.2.0/26"], "as_paths": ["12076 64999"]},
            {"circuit": "chicago", "link": "primary"},
            "64999",
        ),
        (
            "advertised-path",
            {"prefixes": ["198.51.100.0/28"], "as_paths": ["64500 65001 65001"]},
            {"circuit": "chicago", "link": "primary"},
            "65001",
        ),
    ],
)
def test_the_asn_is_the_one_that_the_evidence_points_to(
    check: str, evidence: dict[str, Any], labels: dict[str, str], asn: str
):
    steps = filled(finding(check, evidence, **labels))
    assert asn in text(steps) + repr(commands(steps))
    assert not re.search(r"\bASN\b", "\n".join(commands_of(steps)))


def test_a_service_has_its_community():
    steps = filled(
        finding("service-missing", circuit="chicago", link="primary", ms_service="exchange-online")
    )
    assert "(12076, 5010) ~ bgp_community" in commands(steps)[0].by_platform["bird"]


@pytest.mark.parametrize("check", CATALOGUE)
def test_names_that_are_no_longer_in_the_configuration_break_nothing(check: str):
    labels = dict.fromkeys(CATALOGUE[check].labels, "gone")
    hostile = {"prefixes": ["$(reboot)", "<img src=x onerror=alert(1)>", 7], "other": None}
    for found in (finding(check, hostile, **labels), finding(check, {"prefixes": "x"}, **labels)):
        steps = filled(found)
        assert steps
        assert "reboot" not in repr(steps)
        assert "onerror" not in repr(steps)


def test_the_arguments_of_ermons_commands_are_quoted():
    odd = finding("prefix-count-low", circuit="a; reboot", link="primary", family="ipv4")
    assert "--circuit 'a; reboot'" in text(filled(odd))


@pytest.mark.parametrize(("family", "msee"), [("ipv4", "203.0.113.2"), ("ipv6", "2001:db8:ffff::2")])
def test_the_session_of_a_link_that_the_own_bird_has_shut_down_is_enabled(family: str, msee: str):
    session, enable, undo, *_ = commands(
        filled(finding("link-down", circuit="chicago", link="primary", family=family))
    )
    assert {(each.where, each.platform) for each in (session, enable, undo)} == {
        ("edge-1, link primary of circuit chicago", "bird")
    }
    assert f'"{msee}"' in enable.by_platform["bird"]
    assert enable.by_platform["bird"].endswith("birdc \"enable '$P'\"; done")
    assert undo.by_platform["bird"].endswith("birdc \"disable '$P'\"; done")


def test_a_circuit_that_is_shut_down_on_the_own_side_is_enabled_on_each_of_its_routers():
    found = commands(filled(finding("circuit-down", circuit="chicago", family="ipv4")))
    enable = [each for each in found if "no neighbor" in each.by_platform["frr"]]
    for msee, each in zip(("203.0.113.2", "203.0.113.6"), enable, strict=True):
        assert msee in each.by_platform["frr"]


@pytest.mark.parametrize(("family", "msee"), [("ipv4", "203.0.113.2"), ("ipv6", "2001:db8:ffff::2")])
def test_questions_about_a_session_that_the_router_reports_are_about_its_neighbor(family: str, msee: str):
    """Not about ermon, which is no neighbor of the router there."""
    feed = f"edge-1/chicago/primary/{family}"
    *_, learned, policy = commands(filled(finding("feed-overflow", feed=feed), company(REPORTING).config))
    assert (learned.where, learned.platform) == (f"edge-1, {feed}", "frr")
    assert f"neighbors {msee} routes" in learned.by_platform["frr"]
    assert msee in policy.by_platform["frr"]


def test_a_session_with_microsoft_is_never_reset_to_get_lost_messages_again():
    found = finding("feed-lost-messages", feed="edge-1/chicago/primary/ipv4")
    assert commands(filled(found, company(REPORTING).config)) == []
    assert commands(filled(finding("feed-lost-messages", feed="edge-1"), company(REPORTING).config)) != []


def test_microsoft_s_end_is_where_the_configuration_says_that_the_router_s_session_goes():
    peers = "routers: {edge-1: {bmp: {peers: {chicago/primary: {ipv4: 203.0.113.1}}}}}"
    found = finding("bmp-session-missing", circuit="chicago", link="primary", family="ipv4")
    [session] = commands(filled(found, company(REPORTING, peers).config))
    assert "203.0.113.1" in session.by_platform["frr"]
