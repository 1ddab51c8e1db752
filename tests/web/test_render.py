"""How values are written in JSON."""

from __future__ import annotations

import json

import msgspec

from ermon.core.status import network_status
from ermon.web.render import by_severity, network_data
from tests.checks.company import PLANT, V4, V6, company


def test_every_severity_is_counted_the_worst_first():
    assert list(by_severity([]).items()) == [("critical", 0), ("warning", 0), ("info", 0)]


def test_everything_is_plain_json():
    net = company(PLANT).converge().announce("isp-a", V4.pool, V6.pool)
    data = network_data(network_status(net.monitor))
    assert json.loads(msgspec.json.encode(data)) == json.loads(json.dumps(data))


def test_a_pool_says_where_it_is_expected_and_where_it_is():
    net = company("nat_pools: {chi: {links: [primary]}}").converge()
    pool = network_data(network_status(net.monitor))["pools"]["chi"]
    assert pool["expected_on"] == [{"circuit": "chicago", "link": "primary"}]
    for family in ("ipv4", "ipv6"):
        assert pool["advertised"][family] == {
            "chicago": {"primary": "yes", "secondary": "no"},
            "dallas": {"primary": "no", "secondary": "no"},
        }
        assert pool["on_internet"][family] == {"isp-a": "no", "outside": "no"}


def test_a_feed_is_shown_with_its_place():
    feeds = network_data(network_status(company().monitor))["feeds"]
    assert feeds["isp-a"]["uplink"] == "isp-a"
    assert (feeds["chicago-primary"]["circuit"], feeds["chicago-primary"]["link"]) == ("chicago", "primary")
    assert feeds["outside"].keys().isdisjoint({"router", "uplink", "circuit"})
