"""What RIPE's route collectors hear of the company's prefixes, and how many of their peers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import pytest

from tests.checks.company import SPACES, Company, Space, company

RIS = """
feeds:
  ris: {view: internet, source: ris-live, min_peers: 2, families: [ipv4, ipv6], canary: [198.51.100.128/27, "2001:db8:100:80::/64"]}
"""
PEERS = tuple(range(64_700, 64_710))
"""The ASNs of ten peers."""


class Heard(Company):
    """The company, and the peers of RIPE's collectors."""

    def hear(self, *prefixes: str, peers: Iterable[int] = PEERS, behind: str = "64510 64500") -> Self:
        for peer in peers:
            self.announce("ris", *prefixes, via=None, path=f"{peer} {behind}", path_id=peer)
        return self

    def forget(self, *prefixes: str, peers: Iterable[int]) -> Self:
        """The next state does not have the routes of these peers any more."""
        for peer in peers:
            self.withdraw("ris", *prefixes, path_id=peer)
        return self


@pytest.fixture
def net() -> Heard:
    """The company with all feeds in sync, and its published space heard."""
    found = Heard(company(RIS).config)
    for space in SPACES.values():
        found.up("ris").hear(space.internet_only) if space.family == "ipv4" else found.hear(
            space.internet_only
        )
    others = [name for name in found.config.feeds if name != "ris"]
    found.up(*others)
    for name in ("isp-a", "outside"):
        found.announce(name, *(space.internet_only for space in SPACES.values()), path="64500")
    return found.get_in_sync(*found.config.feeds)


@pytest.fixture(params=["ipv4", "ipv6"])
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]


def _leak(space: Space) -> dict[str, str]:
    return {"pool": "chi", "family": space.family, "feed": "ris"}


def test_a_pool_that_one_peer_hears_is_no_leak_and_two_peers_of_two_asns_are_one(net: Heard, space: Space):
    net.hear(space.pool, peers=PEERS[:1])
    net.announce("ris", space.pool, via=None, path=f"{PEERS[0]} 64510 64500", path_id=99)
    assert net.status("pool-leak", **_leak(space)) == "ok"
    net.hear(space.pool, peers=PEERS[1:2])
    finding = net.assert_raised_after(0, "pool-leak", **_leak(space))
    assert {key: finding.evidence[key] for key in ("peers", "peers_at_most", "upstreams")} == {
        "peers": 2,
        "peers_at_most": 2,
        "upstreams": ["64510 (2 peers)"],
    }


def test_a_leak_is_cleared_when_too_few_peers_are_left(net: Heard, space: Space):
    net.hear(space.pool, peers=PEERS[:2])
    net.assert_raised_after(0, "pool-leak", **_leak(space))
    net.forget(space.pool, peers=PEERS[:1])
    net.assert_cleared_after(60, "pool-leak", **_leak(space))


def test_the_upstreams_of_a_leak_are_named_with_the_most_peers_first(net: Heard, space: Space):
    net.hear(space.pool, peers=PEERS[:3], behind="64999 64511 64500 64500").hear(space.pool, peers=PEERS[3:4])
    finding = net.finding("pool-leak", **_leak(space)) or net.assert_raised_after(
        0, "pool-leak", **_leak(space)
    )
    net.wait(1)
    assert finding is not None
    assert (net.finding("pool-leak", **_leak(space)) or finding).evidence["upstreams"] == [
        "64511 (3 peers)",
        "64510 (1 peer)",
    ]


def test_a_route_that_is_stuck_at_fewer_than_half_of_its_peers_is_no_leak(net: Heard, space: Space):
    net.hear(space.pool)
    net.assert_raised_after(0, "pool-leak", **_leak(space))
    net.forget(space.pool, peers=PEERS[:5])
    assert net.status("pool-leak", **_leak(space)) == "violated", "half of them still have it"
    net.forget(space.pool, peers=PEERS[5:6])
    net.assert_cleared_after(60, "pool-leak", **_leak(space))


def test_a_stuck_route_that_more_peers_hear_again_is_a_leak_again(net: Heard, space: Space):
    net.hear(space.pool).forget(space.pool, peers=PEERS[:7]).wait(100)
    assert net.status("pool-leak", **_leak(space)) == "ok"
    net.hear(space.pool, peers=PEERS[:1])
    assert net.status("pool-leak", **_leak(space)) == "ok", "one more peer is noise"
    net.hear(space.pool, peers=PEERS[1:2])
    finding = net.assert_raised_after(0, "pool-leak", **_leak(space))
    assert (finding.evidence["peers"], finding.evidence["peers_at_most"]) == (5, 5)


def test_a_route_is_not_stuck_while_a_mirror_exports_it_or_proves_nothing(net: Heard, space: Space):
    net.announce("isp-a", space.pool, path="64500").hear(space.pool).forget(space.pool, peers=PEERS[:7])
    assert net.status("pool-leak", **_leak(space)) == "violated"
    net.down("isp-a")
    assert net.status("pool-leak", **_leak(space)) == "violated"
    net.reconnect("isp-a")
    assert net.status("pool-leak", **_leak(space)) == "ok"


def test_a_stuck_route_stays_one_over_a_new_session_and_a_restart(net: Heard, space: Space):
    net.hear(space.pool).forget(space.pool, peers=PEERS[:7]).wait(100)
    net.down("ris").up("ris").hear(space.internet_only).hear(space.pool, peers=PEERS[7:])
    assert net.status("pool-leak", **_leak(space)) == "unknown"
    net.get_in_sync("ris")
    assert net.status("pool-leak", **_leak(space)) == "ok"
    net.restart()
    net.up("isp-a").get_in_sync("isp-a")
    net.up("ris").hear(*(each.internet_only for each in SPACES.values())).hear(space.pool, peers=PEERS[7:])
    net.get_in_sync("ris")
    assert net.status("pool-leak", **_leak(space)) == "ok"


def test_too_few_peers_are_forgotten_so_that_the_next_leak_counts_from_its_beginning(
    net: Heard, space: Space
):
    net.hear(space.pool).forget(space.pool, peers=PEERS[:9]).wait(100)
    net.hear(space.pool, peers=PEERS[:1])
    finding = net.assert_raised_after(0, "pool-leak", **_leak(space))
    assert finding.evidence["peers_at_most"] == 2


def test_a_covering_route_a_hijack_and_an_unmonitored_export_name_their_peers(net: Heard, space: Space):
    net.hear(space.both_pools, peers=PEERS[:2])
    covered = net.assert_raised_after(0, "pool-covered", **_leak(space))
    assert covered.evidence["peers"] == 2
    unmonitored = net.assert_raised_after(60, "mirror-disagrees", feed="ris")
    assert unmonitored.evidence["upstreams"] == ["64510 (2 peers)"]
    net.hear(space.own_other, peers=PEERS[:1], behind="64508 64505")
    assert net.status("prefix-hijacked", family=space.family) == "ok"
    net.hear(space.own_other, peers=PEERS[1:3], behind="64509 64505")
    hijack = net.assert_raised_after(30, "prefix-hijacked", family=space.family)
    assert hijack.evidence["origins"] == ["64505"]
    assert hijack.evidence["upstreams"] == ["64509 (2 peers)", "64508 (1 peer)"]


def test_a_stuck_hijack_is_over_although_mirrors_never_exported_it(net: Heard, space: Space):
    net.hear(space.own_other, behind="64508 64505")
    net.assert_raised_after(30, "prefix-hijacked", family=space.family)
    net.forget(space.own_other, peers=PEERS[:6])
    net.assert_cleared_after(60, "prefix-hijacked", family=space.family)


def test_a_canary_that_too_few_peers_hear_is_missing(net: Heard, space: Space):
    net.forget(space.internet_only, peers=PEERS[1:])
    assert net.status("pool-leak", **_leak(space)) == "unknown"
    net.assert_raised_after(30, "canary-missing", feed="ris")


def test_a_feed_that_is_down_says_so_and_is_never_ok(net: Heard, space: Space):
    net.down("ris", reason="RIS Live has passed no message on for 180 s")
    assert net.status("pool-leak", **_leak(space)) == "unknown"
    finding = net.assert_raised_after(30, "feed-down", feed="ris")
    assert finding.evidence["reason"] == "RIS Live has passed no message on for 180 s"
    assert finding.evidence["source"] == "wss://ris-live.ripe.net/v1/ws/"


def test_it_is_no_exabgp_process():
    config = company(RIS).config
    assert "ris" not in config.processes
    assert "ris" not in config.exabgp_feeds
    assert company(RIS).subjects("exabgp-down") == [{"process": "edges"}, {"process": "outside"}]
