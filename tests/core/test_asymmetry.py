"""The links of a circuit compared prefix by prefix, while routes come and go on both sides."""

from __future__ import annotations

import pytest

from ermon.model.prefixes import Family
from tests.networks import SMALL, START
from tests.story import Story

PREFIXES: dict[Family, tuple[str, str]] = {
    "ipv4": ("20.1.0.0/16", "20.2.0.0/16"),
    "ipv6": ("2a01:111::/48", "2a01:111:1::/48"),
}
MSEES = {
    "edge-1": {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"},
    "edge-2": {"ipv4": "203.0.113.6", "ipv6": "2001:db8:ffff::6"},
}
EDGES, MIRRORS = ("edge-1", "edge-2"), ("edge-1-msee", "edge-2-msee")


@pytest.fixture(params=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


def network(family: Family) -> Story:
    """Both links receive and advertise the same prefix."""
    net = Story(SMALL, start=START).up(*SMALL.feeds)
    for edge, mirror in zip(EDGES, MIRRORS, strict=True):
        net.announce(edge, PREFIXES[family][0], via=MSEES[edge][family], path="12076")
        net.announce(mirror, PREFIXES[family][0], path="64500")
    return net.get_in_sync(*SMALL.feeds)


def received(net: Story, family: Family) -> list[str]:
    net.wait(0)
    return sorted(map(str, net.monitor.network.one_sided("chicago", family)))


def advertised(net: Story, family: Family) -> list[str]:
    net.wait(0)
    return sorted(map(str, net.monitor.network.advertised_one_sided("chicago", family)))


def test_equal_sides_do_not_differ(family: Family):
    net = network(family)
    assert received(net, family) == advertised(net, family) == []


def test_a_prefix_on_one_side_differs_until_it_is_on_both_or_none(family: Family):
    net, more = network(family), PREFIXES[family][1]
    net.announce("edge-1", more, via=MSEES["edge-1"][family], path="12076").announce("edge-2-msee", more)
    assert received(net, family) == advertised(net, family) == [more]
    net.announce("edge-2", more, via=MSEES["edge-2"][family], path="12076").withdraw("edge-2-msee", more)
    assert received(net, family) == advertised(net, family) == []


def test_a_side_that_is_not_in_sync_proves_nothing(family: Family):
    net, more = network(family), PREFIXES[family][1]
    net.announce("edge-1", more, via=MSEES["edge-1"][family], path="12076").announce("edge-1-msee", more)
    net.down("edge-2", "edge-2-msee")
    assert received(net, family) == advertised(net, family) == []
    net.up("edge-2", "edge-2-msee")
    net.announce("edge-2", PREFIXES[family][0], via=MSEES["edge-2"][family], path="12076")
    net.announce("edge-2-msee", PREFIXES[family][0])
    assert received(net, family) == advertised(net, family) == []
    net.get_in_sync("edge-2", "edge-2-msee")
    assert received(net, family) == advertised(net, family) == [more]


def test_a_link_that_is_down_is_no_side(family: Family):
    net, more = network(family), PREFIXES[family][1]
    net.announce("edge-2", more, via=MSEES["edge-2"][family], path="12076").announce("edge-2-msee", more)
    net.withdraw("edge-1", PREFIXES[family][0])
    assert received(net, family) == advertised(net, family) == []
    net.announce("edge-1", PREFIXES[family][0], via=MSEES["edge-1"][family], path="12076")
    assert received(net, family) == advertised(net, family) == [more]


def test_the_mirror_of_a_link_that_is_not_seen_is_compared(family: Family):
    net, more = network(family), PREFIXES[family][1]
    net.announce("edge-1-msee", more).down("edge-1")
    assert advertised(net, family) == [more]
    assert received(net, family) == []


def test_a_change_of_attributes_is_no_difference(family: Family):
    net, same = network(family), PREFIXES[family][0]
    net.announce("edge-1", same, via=MSEES["edge-1"][family], path="12076 8075", communities="12076:5010")
    net.announce("edge-1-msee", same, path="64500 64500")
    assert received(net, family) == advertised(net, family) == []


def test_a_reload_compares_again(family: Family):
    net, more = network(family), PREFIXES[family][1]
    net.announce("edge-1-msee", more).wait(5).reconfigure(SMALL)
    assert advertised(net, family) == [more]
