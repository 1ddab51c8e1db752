"""The complete configuration at work: how its circuits, pools and feeds are judged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ermon.config.load import load_config
from tests.checks.company import EXCHANGE, SHAREPOINT
from tests.story import START, Story

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"

DALLAS_PRIMARY = {"circuit": "dallas", "link": "primary"}
DALLAS_SECONDARY = {"circuit": "dallas", "link": "secondary"}
ISP_A = {"feed": "edge-1-isp-a", "uplink": "isp-a"}
CANARY = "198.51.100.128/27"
"""The prefix that the mirror of the first uplink must always show."""

MSEE = {"dallas-primary": "203.0.113.10", "private-primary": "172.16.0.2", "private-secondary": "172.16.0.6"}


def reference(start: float = START) -> Story:
    return Story(load_config(REFERENCE).config, start=start)


def dallas(net: Story) -> Story:
    """Bring Dallas up: both links are on one router, and the second is recognized by a community."""
    net.up("edge-3").announce(
        "edge-3", "192.0.2.0/26", via=MSEE["dallas-primary"], path="12076", communities=EXCHANGE, path_id=1
    )
    both = f"{EXCHANGE} 64500:302"
    net.announce("edge-3", "192.0.2.0/26", via="203.0.113.14", path="12076", communities=both, path_id=2)
    return net.get_in_sync("edge-3")


def test_every_view_that_the_policy_needs_is_provided():
    assert reference().raised() == []


def test_the_links_of_dallas_are_distinguished_on_one_router():
    net = dallas(reference())
    assert net.status("link-down", **DALLAS_PRIMARY, family="ipv4") == "ok"
    net.withdraw("edge-3", "192.0.2.0/26", path_id=2)
    assert net.status("link-down", **DALLAS_PRIMARY, family="ipv4") == "ok"
    assert net.status("link-down", **DALLAS_SECONDARY, family="ipv4") == "violated"


def test_the_community_outweighs_the_subnet_of_the_other_link():
    net = dallas(reference()).withdraw("edge-3", "192.0.2.0/26", path_id=2)
    both = f"{EXCHANGE} 64500:302"
    net.announce(
        "edge-3", "192.0.2.0/26", via=MSEE["dallas-primary"], path="12076", communities=both, path_id=1
    )
    assert net.status("link-down", **DALLAS_PRIMARY, family="ipv4") == "violated"
    assert net.status("link-down", **DALLAS_SECONDARY, family="ipv4") == "ok"


def test_dallas_has_ipv4_and_its_mirrors_have_both_families():
    net = reference()
    assert {s["family"] for s in net.subjects("link-down") if s["circuit"] == "dallas"} == {"ipv4"}
    inbound = {"pool": "adfs-inbound", "family": "ipv6", **DALLAS_PRIMARY}
    net.up("edge-3-msee-a").announce("edge-3-msee-a", "2001:db8:100:1::/64", path="64500")
    net.get_in_sync("edge-3-msee-a")
    assert net.status("pool-not-advertised", **inbound) == "ok"
    net.withdraw("edge-3-msee-a", "2001:db8:100:1::/64")
    net.assert_raised_after(30, "pool-not-advertised", **inbound)


def test_the_inbound_pool_may_be_covered_by_the_aggregate_and_the_others_may_not():
    net = reference().up("edge-1-isp-a").announce("edge-1-isp-a", CANARY, "198.51.100.0/24", path="64500")
    assert net.raised() == [
        "pool-covered chi-outbound ipv4 edge-1-isp-a isp-a",
        "pool-covered dal-outbound ipv4 edge-1-isp-a isp-a",
    ]


def test_the_outbound_pool_of_dallas_is_expected_on_one_link_only():
    assert [
        s["link"] for s in reference().subjects("pool-not-advertised") if s["pool"] == "dal-outbound"
    ] == ["primary"]


def test_both_circuits_advertise_the_inbound_pool_and_no_other_of_each_others():
    net = reference().up("edge-3-msee-a").announce("edge-3-msee-a", "198.51.100.64/28", path="64500")
    assert net.raised() == []
    net.announce("edge-3-msee-a", "198.51.100.0/28", path="64500")
    assert net.raised() == ["pool-wrong-circuit dallas primary ipv4"]


def test_a_mirror_without_its_canary_proves_nothing():
    net = reference().up("edge-1-isp-a").announce("edge-1-isp-a", "198.51.100.192/28")
    net.get_in_sync("edge-1-isp-a")
    leak = {"pool": "chi-outbound", "family": "ipv4", **ISP_A}
    assert net.status("pool-leak", **leak) == "unknown"
    net.announce("edge-1-isp-a", CANARY)
    assert net.status("pool-leak", **leak) == "ok"


def test_a_default_route_is_allowed_on_private_peering_and_the_limit_is_that_of_premium():
    net = reference().up("edge-3-priv-a").announce("edge-3-priv-a", "0.0.0.0/0", path="64500")
    assert net.raised() == []
    net.announce("edge-3-priv-a", *(f"10.{n >> 8}.{n & 255}.0/24" for n in range(7999)), path="64500")
    assert net.raised() == ["advertised-limit-near dallas-private primary ipv4"]


def test_the_private_circuit_is_metro_and_no_second_circuit():
    assert reference().subjects("geo-not-redundant") == [{"geo": "us", "peering": "microsoft"}]


def test_routes_of_private_peering_need_no_community():
    net = reference().up("edge-3")
    for link in ("private-primary", "private-secondary"):
        net.announce("edge-3", "10.20.0.0/16", via=MSEE[link], path="12076", path_id=len(link))
    net.get_in_sync("edge-3")
    for link in ("primary", "secondary"):
        assert net.status("link-down", circuit="dallas-private", link=link, family="ipv4") == "ok"


def test_a_prefix_is_expected_for_ten_years():
    """Nine of them have passed at the beginning."""
    expected = {"circuit": "chicago", "link": "primary"}
    net = reference(datetime(2035, 12, 31, 23, 50, tzinfo=UTC).timestamp()).up("edge-1")
    for prefix, community in (("192.0.2.0/26", EXCHANGE), ("192.0.2.128/26", SHAREPOINT)):
        net.announce("edge-1", prefix, via="203.0.113.2", path="12076", communities=community)
    net.announce("edge-1", "2001:db8:40::/48", via="2001:db8:ffff::2", path="12076", communities=EXCHANGE)
    net.get_in_sync("edge-1")
    finding = net.assert_raised_after(60, "prefix-missing", **expected)
    assert finding.evidence["prefixes"] == ["192.0.2.64/26"]
    net.wait(600 - net.clock)
    net.assert_cleared_after(60, "prefix-missing", **expected)


@pytest.mark.parametrize(
    ("link", "raised"),
    [("primary", ["link-down dallas primary ipv4"]), ("secondary", [])],
)
def test_the_maintenance_of_dallas_covers_one_link_of_it(link: str, raised: list[str]):
    net = dallas(reference(datetime(2026, 12, 1, 2, 30, tzinfo=UTC).timestamp()))
    net.withdraw("edge-3", "192.0.2.0/26", path_id=1 if link == "primary" else 2).wait(10)
    assert net.raised("link-down") == raised
