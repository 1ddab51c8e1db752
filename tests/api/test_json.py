"""The JSON of values."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ermon.api.answers import by_severity
from tests.checks.company import PLANT, V4, V6, company
from tests.story import Story
from tests.web.site import status_of


def written(net: Story) -> Any:
    return json.loads(msgspec.json.encode(status_of(net)))


def test_every_severity_is_counted_the_worst_first():
    assert list(by_severity([]).items()) == [("critical", 0), ("warning", 0), ("info", 0)]


def test_everything_is_plain_json():
    net = company(PLANT).converge().announce("isp-a", V4.pool, V6.pool)
    assert written(net) == json.loads(json.dumps(msgspec.to_builtins(status_of(net))))


def test_a_pool_says_where_it_is_expected_and_where_it_is():
    pool = written(company("nat_pools: {chi: {links: [primary]}}").converge())["pools"]["chi"]
    assert pool["expected_on"] == [{"circuit": "chicago", "link": "primary"}]
    for family in ("ipv4", "ipv6"):
        assert pool["advertised"][family] == {
            "chicago": {"primary": "yes", "secondary": "no"},
        }
        assert pool["on_internet"][family] == {"isp-a": "no", "outside": "no"}


def test_a_feed_is_shown_with_its_place():
    feeds = written(company())["feeds"]
    assert feeds["isp-a"]["uplink"] == "isp-a"
    assert (feeds["chicago-primary"]["circuit"], feeds["chicago-primary"]["link"]) == ("chicago", "primary")
    assert feeds["outside"].keys().isdisjoint({"router", "uplink", "circuit"})
