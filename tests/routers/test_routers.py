"""The configuration of routers on every platform: for the reference configuration's routers, and for unusual ones.

The files in ``golden`` are the output for the reference configuration. After an intended change, ``ERMON_WRITE_GOLDEN=1
pytest tests/routers`` writes them again; read them before they are committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from ermon.config.load import interpret, load_config
from ermon.config.yaml import read_yaml
from ermon.model.inventory import View
from ermon.routers import PLATFORMS, RouterError, names, render
from ermon.routers.describe import describe

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
GOLDEN = Path(__file__).parent / "golden"
CONFIG = load_config(REFERENCE).config
ROUTERS = ("edge-1", "edge-2", "edge-3", "outside", "dmz-core", "campus-core")
MIRRORS = {("edge-1-msee", None): "TO-MICROSOFT", ("edge-1-isp-a", "ipv6"): "TO-ISP-A6"}
every_platform = pytest.mark.parametrize("platform", PLATFORMS)
NOTHING_IN = {
    "iosxe": r"neighbor {} route-map ERMON-NOTHING in$",
    "iosxr": r"neighbor {}\n(?:  .*\n)*?   route-policy ERMON-NOTHING in$",
    "nxos": r"neighbor {}\n(?:    .*\n)*?      route-map ERMON-NOTHING in$",
    "junos": r"group (\S+) import ERMON-NOTHING$(?=[\s\S]*group \1 neighbor {} )",
    "eos": r"neighbor {} route-map ERMON-NOTHING in$",
    "frr": r"neighbor {} route-map ERMON-NOTHING in$",
    "bird": r"neighbor {} .*\n(?:  .*\n)*?    import none;$",
    "vyos": r"neighbor {} address-family ipv4-unicast route-map import ERMON-NOTHING$",
    "gobgp": r'neighbor-set-name = "ERMON"\n  neighbor-info-list = \[.*"{}"',
    "openbgpd": r"^deny quick from {{.* {}[, ]",
    "panos": r"peer (\S+) peer-address ip {}$(?=[\s\S]*import rules ERMON-NOTHING used-by \1$)",
    "fortios": r'edit "{}"\n(?: +set .*\n)*? +set route-map-in6? "ERMON-NOTHING"$',
}


def mirrors_of(router):
    return {key: name for key, name in MIRRORS.items() if CONFIG.feeds[key[0]].router == router}


def commands(text):
    """Return the lines that the router reads, and the steps by hand if it reads no more."""
    return "\n".join(line for line in text.splitlines() if not re.match(r"\s*[!#](?! (?:Add|Move) )", line))


def in_vrfs(settings):
    """Private peering in its own VRF, and Microsoft peering in the global table."""
    settings["circuits"]["dallas-private"]["vrf"] = "PRIVATE"
    settings["feeds"]["edge-3-private"] = {
        "router": "edge-3",
        "vrf": "PRIVATE",
        "view": "edge-table",
        "add_path": True,
        "peer": "127.0.0.17",
        "local": "127.0.0.8",
        "peer_asn": 64500,
        "families": ["ipv4", "ipv6"],
    }


def configured(tmp_path, change):
    """Return the reference configuration with a change."""
    settings = yaml.safe_load(REFERENCE.read_text())
    change(settings)
    file = tmp_path / "ermon.yml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    return interpret(read_yaml(file)).config


@every_platform
@pytest.mark.parametrize("router", ROUTERS)
def test_the_reference_configuration_is_rendered_as_it_was_read_and_approved(platform, router):
    text = render(CONFIG, router, platform, mirrors_of(router))
    file = GOLDEN / f"{router}.{platform}"
    if os.environ.get("ERMON_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@every_platform
def test_a_session_lies_in_the_vrf_of_its_edge_table_or_of_its_link(platform, tmp_path):
    text = render(configured(tmp_path, in_vrfs), "edge-3", platform, {})
    file = GOLDEN / f"edge-3-in-vrfs.{platform}"
    if os.environ.get("ERMON_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()
    assert "Sessions are in VRF PRIVATE" in text


@every_platform
def test_without_a_vrf_the_output_mentions_none(platform):
    assert not re.search(r"\bvrf\b|routing-instances", commands(render(CONFIG, "edge-3", platform, {})))


def test_the_global_table_and_each_vrf_hold_their_own_sessions(tmp_path):
    tables = describe(configured(tmp_path, in_vrfs), "edge-3", {}).tables
    assert {table.vrf: [session.feed for session in table.sessions] for table in tables} == {
        None: ["edge-3", "edge-3-msee-a", "edge-3-msee-b"],
        "PRIVATE": ["edge-3-priv-a", "edge-3-priv-b", "edge-3-private"],
    }


def test_the_vrf_of_a_link_goes_before_that_of_its_circuit(tmp_path):
    def change(settings):
        in_vrfs(settings)
        settings["circuits"]["dallas-private"]["links"]["secondary"]["vrf"] = "OTHER"

    assert describe(configured(tmp_path, change), "edge-3", {}).vrfs == ("PRIVATE", "OTHER")


def test_a_vrf_whose_name_would_be_a_command_is_refused(tmp_path):
    def change(settings):
        settings["circuits"]["chicago"]["vrf"] = "BLUE shutdown"

    with pytest.raises(RouterError, match="the VRF of feed edge-1-msee, 'BLUE shutdown', cannot be used"):
        render(configured(tmp_path, change), "edge-1", "frr", {})


@every_platform
def test_the_output_of_a_platform_that_was_not_tried_says_so(platform):
    assert ("not tested on a device" in render(CONFIG, "edge-1", platform, {})) == (
        platform not in {"frr", "bird", "gobgp", "openbgpd"}
    )


@every_platform
def test_a_platform_that_sends_best_paths_says_so_and_what_to_change(platform):
    text = render(CONFIG, "edge-1", platform, {})
    assert ("This configuration sends best paths only" in text) == (platform in {"panos", "fortios"})
    assert ("set add_path: false on edge-1," in text) == (platform in {"panos", "fortios"})
    assert "set add_path: false" not in render(CONFIG, "outside", platform, {})


CALLS_AGAIN = {
    "frr": "timers connect 10",
    "vyos": "timers connect 10",
    "bird": "connect retry time 10;",
    "gobgp": "connect-retry = 5",  # waits up to twice as long, at random
    "openbgpd": "connect-retry 10",
    "fortios": "connect-timer 10",
    "panos": "idle-hold-time 5",
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_router_with_a_connect_timer_connects_again_within_seconds(platform):
    """ermon never connects itself: a router that waits for two minutes leaves it blind for that long after a
    restart.
    """
    text = render(CONFIG, "edge-1", platform, {})
    if platform in CALLS_AGAIN:
        assert any(line.endswith(CALLS_AGAIN[platform]) for line in commands(text).splitlines())
    else:
        assert ("`reconnect-interval 10`" if platform == "nxos" else "ermon never connects.") in text
    assert ("error wait time 5, 15;" in text) == (platform == "bird")


def test_no_golden_file_is_left_over():
    described = (*ROUTERS, "edge-3-in-vrfs")
    assert {file.name for file in GOLDEN.iterdir()} == {f"{r}.{p}" for r in described for p in PLATFORMS}


def test_every_feed_belongs_to_one_router():
    assert names(CONFIG) == ROUTERS
    feeds = [session.feed for router in ROUTERS for session in describe(CONFIG, router, {}).sessions]
    assert sorted(feeds) == sorted(CONFIG.feeds)


@every_platform
@pytest.mark.parametrize("feed", CONFIG.feeds.values(), ids=lambda feed: feed.name)
def test_every_feed_is_there_with_its_addresses_and_takes_nothing_in(platform, feed):
    text = commands(render(CONFIG, feed.router or feed.name, platform, {}))
    assert re.search(rf'(neighbor|neighbor-address =|peer-address ip|edit) "?{re.escape(feed.local)}\b', text)
    assert re.search(rf"\b{re.escape(feed.peer)}\b", text)
    assert re.search(NOTHING_IN[platform].format(re.escape(feed.local)), text, re.MULTILINE)


@every_platform
def test_a_key_is_never_printed_and_nor_is_its_file(platform):
    text = render(CONFIG, "campus-core", platform, {})
    assert "REPLACE-MD5-KEY-OF-CAMPUS-CORE" in commands(text)
    assert "campus-core.key" not in text


@every_platform
def test_a_mirror_shares_the_policy_that_was_named(platform):
    text = commands(render(CONFIG, "edge-1", platform, mirrors_of("edge-1")))
    assert re.search(r"\bTO-MICROSOFT\b", text)
    assert re.search(r"\bTO-ISP-A6\b", text), "each family may have its own"
    one_for_both_families = platform in {"gobgp", "openbgpd"}
    assert ("REPLACE-IPV4-POLICY-OF-EDGE-1-ISP-A" in text) != one_for_both_families
    assert "POLICY-OF-EDGE-1-MSEE" not in text


@every_platform
@pytest.mark.parametrize("router", ROUTERS)
def test_every_placeholder_is_listed_at_the_top(platform, router):
    text = render(CONFIG, router, platform, {})
    wanted = set(re.findall(r"REPLACE-[A-Z0-9.:-]*[A-Z0-9]", commands(text)))
    listed = set(re.findall(r"^[!#]   (REPLACE-\S+)$", text, re.MULTILINE))
    assert wanted == listed


@pytest.mark.parametrize("platform", ["iosxe", "iosxr", "nxos", "eos"])
def test_a_platform_that_wants_an_interface_is_given_it(platform):
    assert "update-source REPLACE-INTERFACE-WITH-127.0.0.11" in render(CONFIG, "edge-1", platform, {})
    assert "update-source Loopback0" in render(CONFIG, "edge-1", platform, {}, "Loopback0")


def test_a_firewall_is_given_its_interface():
    assert 'set update-source "loop0"' in render(CONFIG, "edge-1", "fortios", {}, "loop0")
    assert "local-address interface loopback.1\n" in render(CONFIG, "edge-1", "panos", {}, "loopback.1")


def test_a_mirror_whose_families_have_policies_of_their_own_is_warned_of_where_one_is_for_both():
    mirrors = {("edge-1-msee", "ipv4"): "MSEE4", ("edge-1-msee", "ipv6"): "MSEE6"}
    said = "edge-1-msee has MSEE4 and MSEE6: use a separate feed for each family"
    assert said in render(CONFIG, "edge-1", "openbgpd", mirrors)
    both = commands(render(CONFIG, "edge-1", "gobgp", mirrors))
    assert "the neighbor set MSEE4" in both
    assert "the neighbor set MSEE6" in both


def test_no_name_is_longer_than_pan_os_takes(tmp_path):
    def change(settings):
        for at, name in enumerate(
            [name for name, feed in settings["feeds"].items() if feed.get("router") == "edge-1"]
        ):
            settings["feeds"]["a-very-long-name-for-a-feed-of-edge-1-" + str(at)] = settings["feeds"].pop(
                name
            )

    text = commands(render(configured(tmp_path, change), "edge-1", "panos", {}))
    names = set(re.findall(r"peer-group (\S+)", text))
    assert len(names) == 3
    assert all(len(name) <= 31 for name in names)


@every_platform
def test_another_port_is_asked_for_or_warned_of(platform, tmp_path):
    text = render(CONFIG, "outside", platform, {})
    assert "1790" in (commands(text) if PLATFORMS[platform].any_port else text)
    config = configured(tmp_path, lambda settings: settings["collector"].update(port=179))
    assert "179" not in render(config, "outside", platform, {})


def test_only_what_its_router_learned_itself_is_on_an_edge_table_and_all_of_it_on_a_segment():
    reflected = [
        session.feed
        for router in ROUTERS
        for session in describe(CONFIG, router, {}).sessions
        if session.is_reflected
    ]
    assert reflected == ["dmz-core", "campus-core"]


@every_platform
def test_ipv6_alone_and_over_ipv6_is_rendered(platform, tmp_path):
    def change(settings):
        settings["feeds"]["edge-1"] |= {"peer": "2001:db8::11", "local": "2001:db8::1", "families": ["ipv6"]}

    config = configured(tmp_path, change)
    text = commands(render(config, "edge-1", platform, {}))
    session = describe(config, "edge-1", {}).sessions[0]
    assert (session.view, session.families) == (View.EDGE_TABLE, ("ipv6",))
    assert "2001:db8::1" in text
    if platform in {"iosxe", "eos", "frr"}:
        assert "no neighbor 2001:db8::1 activate" in text, "IPv4 is on by default"


@every_platform
def test_ttl_security_over_ebgp_sends_the_highest_ttl(platform, tmp_path):
    def change(settings):
        settings["feeds"]["outside"]["ttl_security"] = 3

    text = commands(render(configured(tmp_path, change), "outside", platform, {}))
    assert re.search(
        r"ttl-security hops 3$|ttl maximum-hops 3$|multihop(-ttl| ttl)? 255$|multihop 3;\n  ttl security on;"
        r"|ttl-min = 253$|multihop 3\n  ttl-security yes$",
        text,
        re.MULTILINE,
    )


@pytest.mark.parametrize("platform", ["frr", "vyos"])
def test_ipv6_of_an_edge_table_over_ipv4_is_warned_of_where_the_router_replaces_next_hops(platform, tmp_path):
    def change(settings):
        settings["feeds"]["edge-1"] |= {"peer": "2001:db8::11", "local": "2001:db8::1"}

    warning = "CAUTION: edge-1 carries IPv6 over IPv4"
    assert warning in render(CONFIG, "edge-1", platform, {})
    assert warning not in render(CONFIG, "edge-3", platform, {}), "no IPv6 on its edge table"
    assert warning not in render(configured(tmp_path, change), "edge-1", platform, {})


def test_the_next_hop_of_a_mirror_is_our_end_of_its_link():
    sessions = {session.feed: session.next_hop6 for session in describe(CONFIG, "edge-2", {}).sessions}
    assert sessions["edge-2-msee"] == "2001:db8:ffff::5"
    assert describe(CONFIG, "edge-3", {}).sessions[1].next_hop6 == "REPLACE-IPV6-ADDRESS-OF-EDGE-3"


@pytest.mark.parametrize(
    ("router", "mirrors", "source", "said"),
    [
        (
            "edge-9",
            {},
            None,
            "there is no router 'edge-9' with a feed; there are edge-1, edge-2, edge-3, outside",
        ),
        ("edge-1-msee", {}, None, "'edge-1-msee' is a feed of router edge-1"),
        (
            "edge-1",
            {("edge-2-msee", None): "X"},
            None,
            "no mirror of router edge-1; there are edge-1-msee, edge-1-isp-a",
        ),
        ("edge-1", {("edge-1", None): "X"}, None, "no mirror of router edge-1"),
        ("dmz-core", {("edge-1-msee", None): "X"}, None, "there are none"),
        ("edge-3", {("edge-3-priv-a", "ipv6"): "X"}, None, "the feed does not carry ipv6"),
        ("edge-1", {("edge-1-msee", None): "X\nno router bgp 64500"}, None, "not the name of a policy"),
        ("edge-1", {("edge-1-msee", None): "X; }"}, None, "not the name of a policy"),
        ("edge-1", {}, "Loopback0\nreload", "not the name of an interface"),
    ],
)
def test_unknown_routers_and_mirrors_and_invalid_names_are_refused(router, mirrors, source, said):
    with pytest.raises(RouterError, match=re.escape(said)):
        render(CONFIG, router, "frr", mirrors, source)


def test_a_router_of_two_asns_is_refused(tmp_path):
    def change(settings):
        settings["feeds"]["edge-1-msee"]["peer_asn"] = 64599

    with pytest.raises(RouterError, match=r"several ASNs, 64500 \(feed edge-1-isp-a\) and 64599"):
        render(configured(tmp_path, change), "edge-1", "frr", {})


@pytest.mark.parametrize("platform", ["frr", "bird"])
def test_the_longest_name_of_a_feed_is_no_longer_than_a_platform_takes(platform, tmp_path):
    name = "x" * 63

    def change(settings):
        settings["feeds"][name] = settings["feeds"].pop("outside")

    text = render(configured(tmp_path, change), name, platform, {})
    assert all(len(symbol) <= 63 for symbol in re.findall(r"protocol bgp '(.*)'", text))
    assert name[:50] in text
