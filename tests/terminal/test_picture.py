"""A picture that takes every event shows the same as one from a new snapshot."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ermon.api.status import FeedDoc
from ermon.client.http import Parser
from ermon.client.target import UnreachableError
from ermon.model.events import ClockStepped
from ermon.terminal import picture as pictures
from ermon.terminal.display import instant
from ermon.terminal.picture import Picture
from ermon.terminal.status import beginning, changes, facts
from ermon.web.events import EventHub
from tests.checks.company import V4, V6, Company, Space
from tests.terminal.looking import picture_of, snapshot_of

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


class Follower:
    """A picture of a story that takes every published event."""

    def __init__(self, net: Company) -> None:
        self.net = net
        self.hub = EventHub(every=0)
        self.hub.publish_outcome(net.monitor, net.monitor.advance(net.now))
        self.picture = picture_of(snapshot_of(net))

    def settle(self) -> list[str]:
        """Take the events so far, and return what has changed."""
        with self.hub.subscribe(self.hub.last_id) as subscription:
            before = facts(self.picture)
            self.hub.publish_outcome(self.net.monitor, self.net.monitor.advance(self.net.now))
            for event in Parser().feed(b"".join(subscription._events)):
                self.picture.take(event.kind, json.loads(event.data))
            return list(changes(before, facts(self.picture)))


@pytest.fixture
def follower(net: Company) -> Follower:
    return Follower(net)


def without_counts(picture: Picture) -> dict[str, FeedDoc]:
    """Return the feeds without the counts that change with every message and have no event."""
    return {
        name: msgspec.structs.replace(feed, routes={}, updates=0, last_message_at=None)
        for name, feed in picture.status.feeds.items()
    }


@BOTH_FAMILIES
def test_events_lead_to_the_same_picture_as_a_snapshot(follower: Follower, space: Space):
    net = follower.net
    net.announce("isp-a", space.pool, path="64500").down("edge-3")
    follower.settle()
    anew = picture_of(snapshot_of(net))
    assert follower.picture.findings == anew.findings
    assert follower.picture.status.circuits == anew.status.circuits
    assert follower.picture.status.pools == anew.status.pools
    assert follower.picture.status.headline == anew.status.headline
    assert without_counts(follower.picture) == without_counts(anew)


def test_a_leak_and_its_end_are_lines_of_a_log(follower: Follower):
    net = follower.net
    net.announce("isp-a", V4.pool, path="64500")
    raised = follower.settle()
    assert raised[0] == (
        f"▲ raised: critical pool-leak: NAT pool chi {V4.pool} is advertised to isp-a by edge-1 "
        f"(pool chi, IPv4, feed isp-a, uplink isp-a); prefixes {V4.pool}; AS paths 64500; "
        "next hops 192.0.2.254; routers edge-1"
    )
    assert "● pool chi on the internet at isp-a IPv4: no → yes" in raised
    fact = f"NAT pool chi {V4.pool} is advertised to isp-a by edge-1"
    assert raised[-1] == f"▲ {fact}. Raised: 1 critical."
    net.withdraw("isp-a", V4.pool)
    follower.settle()
    net.now += 60
    cleared = follower.settle()
    assert cleared[0].startswith(
        f"● cleared: pool-leak: NAT pool chi {V4.pool} is advertised to isp-a by edge-1 (pool chi, "
    )
    assert cleared[-1] == "● All is well."


def test_links_change_with_a_lost_feed(follower: Follower):
    follower.net.down("edge-1")
    told = follower.settle()
    assert "▲ feed edge-1: up → down: closing connection" in told
    assert "◆ link chicago primary IPv6: up → unknown" in told
    assert any(line.startswith("◆ ermon cannot see everything") for line in told)


def test_a_step_of_the_clock_is_a_line(follower: Follower):
    follower.net.monitor.apply(ClockStepped(follower.net.now, -3600.0))
    assert follower.settle() == ["○ clock set back by 1 h 0 min"]
    assert follower.settle() == []


def test_nothing_new_is_no_line(follower: Follower):
    assert follower.settle() == []


def test_the_first_lines_report_the_present_state(net: Company):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    lines = list(beginning(facts(picture_of(snapshot_of(net)))))
    fact = f"NAT pool chi {V4.pool} is advertised to isp-a by edge-1"
    assert lines[0] == f"▲ {fact}. Raised: 1 critical."
    assert lines[1].startswith("▲ raised: critical pool-leak")


def test_a_finding_that_a_restart_has_forgotten_is_gone(net: Company):
    well = facts(picture_of(snapshot_of(net)))
    wrong = facts(picture_of(snapshot_of(net.announce("isp-a", V4.pool, path="64500").wait(1))))
    assert next(changes(wrong, well)).startswith("○ gone: pool-leak")


def test_cleared_findings_do_not_gather_for_weeks(follower: Follower, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "MAX_CLEARED", 2)
    for _ in range(4):
        follower.net.announce("isp-a", V4.pool, path="64500")
        follower.settle()
        follower.net.withdraw("isp-a", V4.pool)
        follower.settle()
        follower.net.now += 61
        follower.settle()
    assert len(follower.picture.cleared()) == 2


def test_the_worst_finding_is_first_then_the_oldest(net: Company):
    net.down("edge-1").wait(40).announce("isp-a", V4.pool, path="64500").wait(40).announce(
        "isp-a", V6.pool, path="64500"
    )
    raised = picture_of(snapshot_of(net.wait(1))).raised()
    assert [finding.severity for finding in raised] == ["critical", "critical", "warning"]
    assert raised[0].since < raised[1].since


def test_its_clock_follows_the_daemon(net: Company):
    seconds = 100.0
    picture = Picture("there", clock=lambda: seconds)
    picture.take("snapshot", snapshot_of(net))
    seconds = 130.0
    assert (picture.now() - instant(picture.status.time)).total_seconds() == 30


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("snapshot", None),
        ("snapshot", {"status": {}, "findings": []}),
        ("snapshot", {"status": None}),
        ("transition", {"id": "x"}),
        ("link", []),
        ("link", {"circuit": "chicago", "link": "primary", "routes": 3}),
        ("feed", {"feed": "edge-1", "state": "up"}),
        ("pool", {"pool": "chi", "advertised": {"ipv4": "yes"}}),
    ],
)
def test_invalid_data_is_refused(net: Company, kind: str, data: Any):
    picture = picture_of(snapshot_of(net))
    with pytest.raises(UnreachableError, match="is not an answer of ermon's API"):
        picture.take(kind, data)


def test_unknown_kinds_and_places_are_ignored(net: Company):
    picture = picture_of(snapshot_of(net))
    before = facts(picture)
    for kind, data in (
        ("moon", {"phase": "full"}),
        ("link", {"circuit": "elsewhere", "link": "primary"}),
        ("feed", {"feed": "elsewhere"}),
    ):
        picture.take(kind, data)
    assert facts(picture) == before
