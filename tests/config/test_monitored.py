"""The sessions that routers report by BMP: which feeds they are, and what has no effect."""

from __future__ import annotations

import pytest

from ermon.bmp.messages import Rib, SessionKey
from ermon.bmp.sessions import monitored
from ermon.checks.sharding import NoFeedError, only_feeds
from ermon.config.load import ConfigError, load_config
from ermon.config.monitored import names_of_sessions
from ermon.config.yaml import read_yaml
from ermon.model.inventory import BmpListening, BmpRouter, View
from ermon.model.prefixes import parse_address

NETWORK = """\
customer: {asn: 64500}
collector: {bmp: {listen: ["192.0.2.10:11019"]}}
routers:
  edge-1: {addresses: [192.0.2.201], bmp: {peer: 192.0.2.201}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    vrf: MICROSOFT
    links:
      primary: {router: edge-1, subnet: 203.0.113.0/30, subnet6: "2001:db8:ffff::/126"}
      secondary: {router: edge-2, subnet: 203.0.113.4/30}
  dallas:
    geo: us
    location: Dallas
    peering: microsoft
    links:
      primary: {router: edge-1, subnet6: "2001:db8:ffff::8/126"}
      secondary: {router: edge-2, subnet: 203.0.113.12/30}
uplinks:
  isp-a: {router: edge-1, asn: 64510}
  isp-b: {router: edge-2, asn: 64511}
"""
ALL = NETWORK.replace(
    "bmp: {peer: 192.0.2.201}", "bmp: {peer: 192.0.2.201, pre_policy: true, adj_rib_out: true}"
)


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        file = tmp_path / "ermon.yml"
        file.write_text(text, encoding="utf-8")
        return load_config(file)

    return load_text


def with_bmp(settings):
    return NETWORK.replace("bmp: {peer: 192.0.2.201}", f"bmp: {{peer: 192.0.2.201, {settings}}}")


def test_each_family_of_each_link_of_the_router_is_a_feed_and_so_is_each_of_an_uplink(load):
    config = load(NETWORK).config
    assert [(feed.name, feed.view, feed.peer) for feed in config.feeds.values()] == [
        ("edge-1/chicago/primary/ipv4", View.FROM_MICROSOFT, "203.0.113.2"),
        ("edge-1/chicago/primary/ipv6", View.FROM_MICROSOFT, "2001:db8:ffff::2"),
        ("edge-1/dallas/primary/ipv6", View.FROM_MICROSOFT, "2001:db8:ffff::a"),
        ("edge-1/isp-a/ipv4", View.FROM_INTERNET, ""),
        ("edge-1/isp-a/ipv6", View.FROM_INTERNET, ""),
    ]
    first, *_, last = config.feeds.values()
    assert (first.router, first.vrf, first.link_key, first.peer_asn) == (
        "edge-1",
        "MICROSOFT",
        ("chicago", "primary"),
        12076,
    )
    assert (first.families, first.add_path, first.by_bmp, first.process) == (
        ("ipv4",),
        True,
        True,
        "bmp/edge-1",
    )
    assert (last.router, last.uplink, last.peer_asn, last.families) == ("edge-1", "isp-a", 64510, ("ipv6",))
    assert config.connections == ("bmp/edge-1",)
    assert (config.processes, dict(config.exabgp_feeds)) == ((), {})


@pytest.mark.parametrize(
    ("subnet", "neighbor"),
    [
        ("203.0.113.0/30", "203.0.113.2"),
        ("203.0.113.0/31", "203.0.113.1"),
        ("203.0.113.0/29", "203.0.113.2"),
        ("2001:db8:ffff::/126", "2001:db8:ffff::2"),
        ("2001:db8:ffff::/127", "2001:db8:ffff::1"),
        ("2001:db8:ffff::/64", "2001:db8:ffff::2"),
    ],
)
def test_microsofts_end_of_a_link_is_the_second_host_of_its_subnet(load, subnet, neighbor):
    key, family = ("subnet6", "ipv6") if ":" in subnet else ("subnet", "ipv4")
    text = NETWORK.replace("subnet: 203.0.113.0/30, ", "") if key == "subnet6" else NETWORK
    text = text.replace('subnet6: "2001:db8:ffff::/126"', f'{key}: "{subnet}"')
    text = text.replace("subnet: 203.0.113.0/30, ", "")
    assert load(text).config.feeds[f"edge-1/chicago/primary/{family}"].peer == neighbor


def test_another_neighbor_and_its_vrf_may_be_named(load):
    peers = 'peers: {chicago/primary: {ipv4: 203.0.113.1, ipv6: "2001:DB8:ffff::0:1", rd: "64500:7"}}'
    feeds = load(with_bmp(peers)).config.feeds
    assert feeds["edge-1/chicago/primary/ipv4"].peer == "203.0.113.1"
    assert feeds["edge-1/chicago/primary/ipv6"].peer == "2001:db8:ffff::1"
    for family in ("ipv4", "ipv6"):
        assert feeds[f"edge-1/chicago/primary/{family}"].distinguisher == bytes.fromhex("0000fbf400000007")
    assert feeds["edge-1/dallas/primary/ipv6"].distinguisher is None


def test_one_session_may_carry_both_families(load):
    config = load(with_bmp("peers: {chicago/primary: {ipv6: 203.0.113.2}}")).config
    assert monitored(config, "edge-1").by_address[parse_address("203.0.113.2")] == {
        (Rib.IN_POST, family): f"edge-1/chicago/primary/{family}" for family in ("ipv4", "ipv6")
    }


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        ("64500:7", "0000fbf400000007"),
        ("65535:4294967295", "0000ffffffffffff"),
        ("192.0.2.1:7", "0001c00002010007"),
        ("4200000000:7", "0002fa56ea000007"),
        ("0:0", "0000000000000000"),
        ("0x0000fbf400000007", "0000fbf400000007"),
    ],
)
def test_a_route_distinguisher_is_written_in_each_form_of_rfc_4364(load, written, octets):
    feeds = load(with_bmp(f'peers: {{chicago/primary: {{rd: "{written}"}}}}')).config.feeds
    assert feeds["edge-1/chicago/primary/ipv4"].distinguisher == bytes.fromhex(octets)


def test_one_neighbor_in_two_vrfs_is_two_sessions(load):
    text = NETWORK.replace("203.0.113.12/30", "203.0.113.0/30").replace("edge-2, subnet", "edge-1, subnet")
    text = text.replace(
        "bmp: {peer: 192.0.2.201}",
        'bmp: {peer: 192.0.2.201, peers: {chicago/primary: {rd: "64500:7"}, dallas/secondary: {rd: "64500:8"}}}',
    )
    sessions = monitored(load(text).config, "edge-1").by_session
    neighbor = parse_address("203.0.113.2")
    for rd, name in (("0000fbf400000007", "chicago/primary"), ("0000fbf400000008", "dallas/secondary")):
        key = SessionKey(neighbor, bytes.fromhex(rd))
        assert sessions[key] == {(Rib.IN_POST, "ipv4"): f"edge-1/{name}/ipv4"}


def test_an_uplink_is_found_by_its_neighbors_or_else_by_its_asn(load):
    def uplink(settings):
        text = NETWORK.replace(
            "isp-a: {router: edge-1, asn: 64510}", f"isp-a: {{router: edge-1, asn: 64510{settings}}}"
        )
        config = load(text).config
        assert config.uplinks["isp-a"].asn == 64510
        return [config.feeds[f"edge-1/isp-a/{family}"].peer for family in ("ipv4", "ipv6")]

    assert uplink("") == ["", ""]
    assert uplink(", neighbor: 192.0.2.254") == ["192.0.2.254", "192.0.2.254"], "it carries both families"
    assert uplink(", neighbor: '2001:db8::254'") == ["2001:db8::254", "2001:db8::254"]
    assert uplink(", neighbor: ['2001:db8::254', 192.0.2.254], site: hq") == ["192.0.2.254", "2001:db8::254"]
    by_asn = monitored(load(NETWORK).config, "edge-1").by_asn
    assert by_asn == {64510: {(Rib.IN_POST, f): f"edge-1/isp-a/{f}" for f in ("ipv4", "ipv6")}}


def test_what_a_router_receives_before_its_policy_and_what_it_advertises_are_feeds_where_it_reports_them(
    load,
):
    feeds = load(ALL).config.feeds
    assert list(feeds)[:3] == [
        "edge-1/chicago/primary/ipv4",
        "edge-1/chicago/primary/ipv4/pre-policy",
        "edge-1/chicago/primary/ipv4/advertised",
    ]
    before = feeds["edge-1/chicago/primary/ipv4/pre-policy"]
    assert (before.view, before.pre_policy, before.shows_links) == (View.FROM_MICROSOFT, True, False)
    advertised = feeds["edge-1/chicago/primary/ipv6/advertised"]
    assert (advertised.view, advertised.peer, advertised.add_path) == (
        View.TO_MICROSOFT,
        "2001:db8:ffff::2",
        False,
    )
    assert feeds["edge-1/isp-a/ipv4/advertised"].view is View.TO_INTERNET
    assert "edge-1/isp-a/ipv4/pre-policy" not in feeds


def test_the_connection_has_its_settings(load):
    text = with_bmp("md5_password_file: edge-1.bmp.key, ttl_security: 1, pre_policy: true")
    text = text.replace('"192.0.2.10:11019"', '"192.0.2.10:11019", "[2001:DB8::0:10]:1790"')
    config = load(text.replace("]}}\nrouters", "], stats_within: 90s, max_message: 2MiB}}\nrouters")).config
    assert config.collector.bmp == BmpListening(
        (("192.0.2.10", 11019), ("2001:db8::10", 1790)), 90.0, 2 * 1024**2
    )
    assert config.bmp == {
        "edge-1": BmpRouter("edge-1", parse_address("192.0.2.201"), "edge-1.bmp.key", 1, pre_policy=True)
    }
    assert load(NETWORK).config.collector.bmp == BmpListening((("192.0.2.10", 11019),), 180.0, 1024**2)


def test_sessions_can_be_named_where_feeds_are(load):
    names = (
        "edge-1/chicago/primary/ipv6",
        "edge-1/isp-a/ipv4/advertised",
        "edge-1/dallas/primary/ipv6/pre-policy",
    )
    windows = "".join(
        f"  - {{feed: {name}, from: 2026-12-01T02:00:00Z, to: 2026-12-01T04:00:00Z, reason: works}}\n"
        for name in names
    )
    exception = "exceptions: [{check: feed-empty, feed: edge-1/isp-a/ipv6, reason: IPv4 only}]\n"
    loaded = load(f"{ALL}maintenance:\n{windows}{exception}")
    assert tuple(window.feed for window in loaded.config.maintenance) == names
    assert loaded.config.exceptions[0].labels == {"feed": "edge-1/isp-a/ipv6"}
    assert loaded.warnings == ()


def test_an_instance_can_have_some_of_the_sessions(load):
    config = load(ALL).config
    some = only_feeds(config, ["edge-1/chicago/*"])
    assert {name.split("/")[1] for name in some.feeds} == {"chicago"}
    assert set(some.feeds) | set(some.elsewhere) == set(config.feeds)
    assert list(only_feeds(config, ["edge-1/isp-a/ipv6"]).feeds) == ["edge-1/isp-a/ipv6"]


def test_a_router_reports_only_to_the_instances_that_have_one_of_its_sessions(load):
    two = NETWORK.replace("circuits:\n", "  edge-2: {bmp: {peer: 192.0.2.202}}\ncircuits:\n", 1)
    config = load(two).config
    assert list(config.bmp) == ["edge-1", "edge-2"]
    assert list(only_feeds(config, ["edge-1/chicago/*"]).bmp) == ["edge-1"]
    assert list(only_feeds(config, ["*/chicago/*"]).bmp) == ["edge-1", "edge-2"]


def test_a_part_of_the_sessions_must_exist(load):
    config = load(ALL).config
    with pytest.raises(NoFeedError, match="there are edge-1/chicago/primary/ipv4, "):
        only_feeds(config, ["edge-1"])


@pytest.mark.parametrize("text", [NETWORK, ALL])
def test_the_names_are_the_same_whether_read_from_plain_values_or_from_the_model(load, tmp_path, text):
    config = load(text).config
    assert list(names_of_sessions(read_yaml(tmp_path / "ermon.yml").values)) == list(config.feeds)


def test_a_mistake_in_a_circuit_makes_none_of_its_sessions_unknown(load):
    window = "maintenance: [{feed: edge-1/chicago/primary/ipv4, from: 2026-12-01T02:00:00Z, to: 2026-12-01T04:00:00Z, reason: x}]\n"
    text = NETWORK.replace(
        "location: Chicago\n    peering: microsoft", "location: Chicago\n    peering: public"
    )
    with pytest.raises(ConfigError) as caught:
        load(text + window)
    (problem,) = caught.value.problems
    assert problem.path == "circuits.chicago.peering"


@pytest.mark.parametrize("broken", ["bmp: {peer: edge-1}", "bmp: true", "bmp: {pear: 192.0.2.201}"])
def test_a_mistake_in_bmp_does_not_make_the_file_one_without_feeds(load, broken):
    with pytest.raises(ConfigError) as caught:
        load(NETWORK.replace("bmp: {peer: 192.0.2.201}", broken))
    assert all(problem.path.startswith("routers.edge-1.bmp") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("bmp: {peer: 192.0.2.201}", "platform: frr", "collector.bmp", "no router has bmp"),
        (
            "circuits:",
            "  core: {bmp: {peer: 192.0.2.9}}\ncircuits:",
            "routers.core.bmp",
            "no session to report",
        ),
        (
            "bmp: {peer",
            "platform: panos, bmp: {peer",
            "routers.edge-1.bmp",
            "has no BMP by its documentation",
        ),
        ("peer: 192.0.2.201", "peer: '2001:db8::201'", "routers.edge-1.bmp.peer", "can never connect"),
        (
            "peer: 192.0.2.201",
            "peer: 192.0.2.201, peers: {dallas/primary: {ipv4: 203.0.113.10}}",
            "routers.edge-1.bmp.peers.'dallas/primary'.ipv4",
            "the link has no subnet",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(load, old, new, path, said):
    text = NETWORK.replace(old, new, 1)
    router = "core" if "core:" in text else "edge-1"
    feed = f"{{router: {router}, view: edge-table, peer: 192.0.2.9, local: 192.0.2.10, peer_asn: 64500}}"
    (warning,) = load(f"{text}feeds: {{table: {feed}}}\n").warnings
    assert (warning.path, said in warning.message) == (path, True)


def test_a_file_without_feeds_says_what_would_be_one(load):
    with pytest.raises(ConfigError) as caught:
        load(NETWORK.replace("bmp: {peer: 192.0.2.201}", "platform: frr"))
    (problem,) = caught.value.problems
    assert problem.path == "feeds"
    assert problem.message.endswith("or bmp under a router with links")
