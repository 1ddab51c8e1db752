"""The output of `ermon render router --bmp`, loaded into real routers: their sessions with Microsoft, as they report them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ermon.config.load import interpret, load_config
from ermon.config.yaml import read_yaml
from ermon.routers import render_bmp
from tests.e2e.daemon import Daemon
from tests.e2e.netns import namespace
from tests.e2e.rendered import REFERENCE, Network, rendered
from tests.e2e.site_daemons import FrrSite, GobgpSite
from tests.e2e.sites import NET, SHARED, SHARED6, SITES, Site, make_bridge, running, speaking

STATION = f"{NET}1"
ROUTERS: dict[str, type[FrrSite]] = {"edge-1": FrrSite, "edge-2": GobgpSite}
LINKS = {"edge-1": "chicago/primary", "edge-2": "chicago/secondary"}
"""The link whose session each router reports."""

pytestmark = pytest.mark.xdist_group("bmp-of-routers")


def _settings() -> dict[str, object]:
    """A circuit whose neighbors have one session for both families, and a table of each router."""
    chicago = {"geo": "us", "location": "Chicago", "peering": "microsoft"}
    peers = {site.name: site.neighbors[0].address for site in SITES[:2]}
    return {
        "customer": {"asn": 64500},
        "collector": {"port": 1790, "bmp": {"listen": [f"{STATION}:11019"], "stats_within": "45s"}},
        "routers": {
            site.name: {
                "bmp": {
                    "peer": site.address,
                    "pre_policy": site.name == "edge-2",  # FRR's is wrong
                    "peers": {LINKS[site.name]: dict.fromkeys(("ipv4", "ipv6"), peers[site.name])},
                }
            }
            for site in SITES[:2]
        },
        "circuits": {
            "chicago": chicago
            | {
                "links": {
                    "primary": {
                        "router": "edge-1",
                        "subnet": "203.0.113.0/30",
                        "subnet6": "2001:db8:ffff::/126",
                    },
                    "secondary": {
                        "router": "edge-2",
                        "subnet": "203.0.113.4/30",
                        "subnet6": "2001:db8:ffff::4/126",
                    },
                }
            }
        },
        "feeds": {
            site.name: {
                "router": site.name,
                "view": "edge-table",
                "peer": site.address,
                "local": STATION,
                "peer_asn": 64500,
                "add_path": True,
            }
            for site in SITES[:2]
        },
        "policy": {"public_space": ["192.0.2.0/24", "2001:db8::/32"]},
    }


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    for kind in ROUTERS.values():
        kind.require()
    sites = SITES[:2]
    with tempfile.TemporaryDirectory(prefix="ermon-") as path, namespace():
        directory = Path(path)
        directory.chmod(0o755)  # FRR runs as another user
        make_bridge(STATION, *(neighbor.address for site in sites for neighbor in site.neighbors))
        (directory / "ermon").mkdir()
        with Daemon(directory / "ermon", _settings()) as daemon:
            daemon.start()
            config = load_config(daemon.config_file).config

            def command(site: Site) -> list[str | Path]:
                kind = ROUTERS[site.name]
                folder = directory / site.name
                folder.mkdir()
                bmp = render_bmp(config, site.name, kind.platform)
                assert "REPLACE-" not in bmp
                return kind.command(site, rendered(config, site.name, kind.platform) + bmp, folder)

            first, second = sites
            with (
                running(first, 0, *command(first)),
                running(second, 1, *command(second)),
                speaking(first) as to_first,
                speaking(second) as to_second,
            ):
                yield Network(daemon, {first.name: to_first, second.name: to_second})


@pytest.fixture(params=ROUTERS)
def router(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def state(ermon: Daemon, router: str) -> dict[str, str]:
    link: dict[str, str] = ermon.link(*LINKS[router].split("/"))["state"]
    return link


def routes(ermon: Daemon, feed: str) -> set[str]:
    spaces = ("0.0.0.0/0", "::/0")
    found = [r for s in spaces for r in ermon.api(f"routes?prefix={s}&match=longer&feed={feed}")["routes"]]
    return {route["prefix"] for route in found}


def test_each_session_with_microsoft_is_reported_with_its_routes(network, router):
    ermon = network.ermon
    feeds = [f"{router}/{LINKS[router]}/{family}" for family in ("ipv4", "ipv6")]
    ermon.wait_until_in_sync(*feeds)
    ermon.wait_until(lambda: set(state(ermon, router).values()) == {"up"}, "the link is up")
    assert routes(ermon, feeds[0]) == set(SHARED)
    assert routes(ermon, feeds[1]) == {SHARED6}
    assert ermon.metric("ermon_bmp_up", router=router) == 1


def test_routes_before_the_inbound_policy_are_reported_where_that_was_asked_for(network):
    feed = f"edge-2/{LINKS['edge-2']}/ipv4/pre-policy"
    network.ermon.wait_until(lambda: routes(network.ermon, feed) == set(SHARED), "they are reported")


def test_the_end_of_a_session_is_reported_at_once_with_its_reason_and_so_is_its_return(network, router):
    ermon, msee = network.ermon, network.speakers[router][0]
    msee.shut_down("planned work")
    ermon.wait_until(lambda: set(state(ermon, router).values()) == {"down"}, "the link is down")
    assert "planned work" in json.dumps(ermon.feed(f"{router}/{LINKS[router]}/ipv4"))
    msee.enable()
    ermon.wait_until(lambda: set(state(ermon, router).values()) == {"up"}, "the link is up again")


@pytest.mark.parametrize("kind", [FrrSite, GobgpSite], ids=lambda kind: kind.platform)
def test_all_that_can_be_asked_for_is_loaded(kind, tmp_path):
    """Also of a router whose sessions are in a VRF. The sessions themselves need a kernel with VRFs, and are not tested."""
    kind.require()
    settings = yaml.safe_load(REFERENCE.read_text())
    settings["collector"]["bmp"] = {"listen": ["[2001:db8::10]:11019"]}
    settings["circuits"]["chicago"]["vrf"] = "BLUE"
    settings["routers"]["edge-2"] = {
        "bmp": {"peer": "2001:db8::202", "pre_policy": True, "adj_rib_out": True}
    }
    del settings["uplinks"]["isp-b"], settings["feeds"]["edge-2-isp-b"]
    settings["feeds"]["edge-2"]["vrf"] = "BLUE"
    file = tmp_path / "ermon.yml"
    file.write_text(yaml.safe_dump(settings))
    text = render_bmp(interpret(read_yaml(file)).config, "edge-2", kind.platform)
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        Path(path).chmod(0o755)  # FRR runs as another user
        kind.check(text, Path(path))
