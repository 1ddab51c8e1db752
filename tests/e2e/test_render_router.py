"""The output of `ermon render router`, loaded into real routers: every feed of the reference configuration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ermon.config.load import load_config
from tests.e2e.daemon import Daemon
from tests.e2e.rendered import REFERENCE, Network, behind, rendered
from tests.e2e.site_daemons import BirdSite, FrrSite, GobgpSite, OpenBgpdSite
from tests.e2e.sites import (
    CHICAGO,
    DALLAS,
    EXCHANGE,
    INBOUND,
    INBOUND6,
    INSIDE,
    PRIVATE,
    PUBLISHED,
    PUBLISHED6,
    SHARED,
    SHAREPOINT,
    SITES,
)

LATER6 = "2001:db8:41::/48"
DAEMONS = [
    pytest.param(daemon, marks=pytest.mark.xdist_group(daemon.__name__))
    for daemon in (BirdSite, FrrSite, GobgpSite, OpenBgpdSite)
]


@pytest.fixture(scope="module", params=DAEMONS)
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    with behind({site.name: request.param for site in SITES}) as network:
        yield network


@pytest.mark.parametrize("kind", [param.values[0] for param in DAEMONS], ids=lambda kind: kind.platform)
def test_sessions_in_vrfs_are_loaded(kind, tmp_path):
    """Every command of a session in a VRF is accepted. The sessions themselves need a kernel with VRFs, and are not
    tested.
    """
    kind.require()
    settings = yaml.safe_load(REFERENCE.read_text())
    settings["circuits"]["dallas-private"]["vrf"] = "PRIVATE"
    settings["feeds"]["edge-3"]["vrf"] = "PRIVATE"
    file = tmp_path / "ermon.yml"
    file.write_text(yaml.safe_dump(settings))
    text = rendered(load_config(file).config, "edge-3", kind.platform)
    assert "PRIVATE" in text
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        Path(path).chmod(0o755)  # FRR runs as another user
        kind.check(text, Path(path))


@pytest.fixture
def ermon(network: Network) -> Daemon:
    return network.ermon


def shown(ermon: Daemon, feed: str) -> set[str]:
    """Return the prefixes that a feed has."""
    found = [
        r
        for space in ("0.0.0.0/0", "::/0")
        for r in ermon.api(f"routes?prefix={space}&match=longer&feed={feed}")["routes"]
    ]
    return {route["prefix"] for route in found}


def test_every_feed_is_up_and_in_sync_with_all_paths_where_they_are_wanted(ermon):
    feeds = ermon.status()["feeds"]
    assert len(feeds) == 14
    assert {name: feed["state"] for name, feed in feeds.items()} == dict.fromkeys(feeds, "up")
    assert all(all(feed["in_sync"].values()) for feed in feeds.values())
    for name in ("edge-1", "edge-2", "edge-3"):
        assert all(feeds[name]["all_paths"].values()), f"ADD-PATH is in force on {name}"


def test_edge_tables_show_every_microsoft_route_with_its_link(ermon):
    found = ermon.api("routes?prefix=192.0.2.0/26")["routes"]
    brought = {
        (r["feed"], r["next_hop"], r["circuit"], r["link"]) for r in found if r["attribution"] == "link"
    }
    assert brought == {
        ("edge-1", "203.0.113.2", "chicago", "primary"),
        ("edge-2", "203.0.113.6", "chicago", "secondary"),
        ("edge-3", "203.0.113.10", "dallas", "primary"),
        ("edge-3", "203.0.113.14", "dallas", "secondary"),
    }
    for circuit, family, count in (
        ("chicago", "ipv4", len(SHARED)),
        ("chicago", "ipv6", 1),
        ("dallas", "ipv4", len(SHARED)),
        ("dallas-private", "ipv4", 1),
    ):
        for link in ("primary", "secondary"):
            state = ermon.link(circuit, link)
            assert (state["state"][family], state["routes"][family]) == ("up", count), (circuit, link, family)
    services = ermon.link("chicago", "primary")["service_routes"]
    assert services["exchange-online"] == len(SHARED) + 1, "communities are sent"


def test_a_route_that_microsoft_announces_later_is_shown_with_its_link_too(network):
    """A router may begin with the right next hops, and replace them in later UPDATEs."""
    ermon, msee = network.ermon, network.speakers["edge-1"][0]

    def shown_as():
        found = ermon.api(f"routes?prefix={LATER6}&feed=edge-1")["routes"]
        return [(route["next_hop"], route["link"]) for route in found]

    for _ in range(2):
        msee.announce(
            LATER6, next_hop="2001:db8:ffff::2", as_path=[12076, 8075], communities=[EXCHANGE, SHAREPOINT]
        )
        ermon.wait_until(shown_as, "the route is shown")
        assert shown_as() == [("2001:db8:ffff::2", "primary")]
        msee.withdraw(LATER6)
        ermon.wait_until(lambda: not shown_as(), "its withdrawal is shown")


@pytest.mark.parametrize(
    ("feed", "prefixes"),
    [
        ("edge-1-msee", {CHICAGO, INBOUND, INBOUND6}),
        ("edge-2-msee", {CHICAGO, INBOUND, INBOUND6}),
        ("edge-3-msee-a", {DALLAS, INBOUND, INBOUND6}),
        ("edge-3-msee-b", {INBOUND, INBOUND6}),
        ("edge-3-priv-a", {PRIVATE}),
        ("edge-3-priv-b", {PRIVATE}),
        ("edge-1-isp-a", {PUBLISHED, PUBLISHED6}),
        ("edge-2-isp-b", {PUBLISHED, PUBLISHED6}),
    ],
)
def test_a_mirror_shows_exactly_what_the_shared_policy_allows(ermon, feed, prefixes):
    assert shown(ermon, feed) == prefixes


def test_pools_are_advertised_where_they_belong_and_not_on_the_internet(ermon):
    pools = ermon.status()["pools"]
    assert pools["chi-outbound"]["advertised"]["ipv4"]["chicago"] == {"primary": "yes", "secondary": "yes"}
    assert pools["dal-outbound"]["advertised"]["ipv4"]["dallas"] == {"primary": "yes", "secondary": "no"}
    for pool in ("chi-outbound", "dal-outbound"):
        assert set(pools[pool]["on_internet"]["ipv4"].values()) == {"no"}


def test_a_segment_over_ibgp_shows_what_its_router_has_learned_by_ibgp(ermon):
    assert shown(ermon, "campus-core") == set(SHARED)
    assert shown(ermon, "dmz-core") == {INSIDE}


def test_the_outside_shows_what_its_router_has_learned_from_the_internet(ermon):
    found = ermon.api(f"routes?prefix={PUBLISHED}&feed=outside")["routes"]
    assert [route["as_path"] for route in found] == ["64520 3356 64510 64500"]


def test_nothing_is_raised_behind_rendered_routers(ermon):
    assert ermon.api("findings?state=raised") == []
