"""Explanations of a feed that is down: an address that cannot be listened on, and unknown routers that connect."""

from __future__ import annotations

import pytest

from ermon.core.layers import Layers
from tests.checks.company import Company, company

PROBLEM = "cannot listen on 192.0.2.2:179: something else listens there"


@pytest.fixture
def net() -> Company:
    return company().converge()


def evidence_of(net: Company, feed: str = "isp-a") -> dict:
    """Return the evidence of a feed-down as it is now; empty if there is none."""
    labels = {"feed": feed, **({"uplink": feed} if feed == "isp-a" else {})}
    found = net.finding("feed-down", **labels)
    return {} if found is None else dict(found.evidence)


def local_of(net: Company, feed: str = "isp-a") -> str:
    return net.config.feeds[feed].local


def test_address_that_cannot_be_listened_on_is_the_reason_of_its_feeds_and_of_no_other(net: Company):
    net.down("isp-a", "outside").cannot_listen(local_of(net), PROBLEM).wait(30)
    assert evidence_of(net)["reason"] == PROBLEM
    assert evidence_of(net, "outside")["reason"] == "closing connection"


def test_session_outlives_an_address_that_cannot_be_listened_on_any_more(net: Company):
    net.cannot_listen(local_of(net), PROBLEM).wait(60)
    assert net.raised("feed-down") == []


def test_address_that_is_listened_on_again_explains_nothing(net: Company):
    net.down("isp-a").cannot_listen(local_of(net), PROBLEM).wait(30)
    net.cannot_listen(local_of(net), None)
    assert evidence_of(net)["reason"] == "closing connection"


def test_routers_that_no_feed_has_are_named_and_forgotten(net: Company):
    local = local_of(net)
    net.refused("198.51.100.9", at=local).down("isp-a").wait(30)
    said = (
        f"A router at 198.51.100.9 tries to connect to {local} and no feed has this pair: "
        "is update-source missing on edge-1?"
    )
    assert evidence_of(net)["refused"] == [said]
    net.wait(569)
    assert evidence_of(net)["refused"] == [said]
    net.wait(1)
    assert "refused" not in evidence_of(net)


def test_unknown_hosts_in_ipv6_are_named_too_and_only_the_last_eight(net: Company):
    local = local_of(net)
    net.down("isp-a")
    for number in range(20):
        net.refused(f"2001:db8::{number + 1:x}", at=local).wait(1)
    net.wait(30)
    assert [text.split()[3] for text in evidence_of(net)["refused"]] == sorted(
        f"2001:db8::{number + 1:x}" for number in range(12, 20)
    )


def test_unknown_hosts_change_nothing_on_a_good_day(net: Company, monkeypatch):
    changed = []
    monkeypatch.setattr(Layers, "feed_changed", lambda _, feed: changed.append(feed))
    net.refused("198.51.100.9", at=local_of(net)).wait(600)
    assert changed == []


def test_earlier_unknown_hosts_explain_a_feed_that_goes_down(net: Company):
    net.refused("198.51.100.9", at=local_of(net)).wait(60).down("isp-a").wait(30)
    (said,) = evidence_of(net)["refused"]
    assert "198.51.100.9" in said


def test_a_flood_of_unknown_hosts_is_limited(net: Company):
    for number in range(1000):
        net.refused(f"10.0.{number >> 8}.{number & 255}", at=local_of(net))
        net.refused(f"10.0.{number >> 8}.{number & 255}", at="203.0.113.77")
    listening = net.monitor.network.listening
    assert sum(map(len, listening.strangers.values())) == 8


def test_a_reload_keeps_what_explains_and_forgets_whom_it_makes_a_feed(net: Company):
    local, peer = local_of(net), net.config.feeds["isp-a"].peer
    net.cannot_listen(local, PROBLEM).refused("198.51.100.9", at=local).refused(peer, at=local)
    net.down("isp-a").reconfigure(net.config).wait(30)
    assert evidence_of(net)["reason"] == PROBLEM
    (said,) = evidence_of(net)["refused"]
    assert "198.51.100.9" in said
