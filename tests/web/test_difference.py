"""Prefixes that one link of a circuit receives and another does not; the page and the check `link-asymmetry` agree."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.checks.sharding import only_feeds
from ermon.model.prefixes import parse_prefix
from ermon.web import routes
from ermon.web.app import make_app
from tests.checks.company import PLANT, V4, V6, Company, Space, company
from tests.web.site import Client, Site

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
NOTHING = {"prefixes": [], "total": 0, "complete": True}
NOTHING_KNOWN = {"prefixes": [], "total": 0, "complete": False}


async def ask(client: Client, space: Space, circuit: str = "chicago") -> dict[str, Any]:
    """Return the differences between the links, which must be those of the check."""
    found: dict[str, Any] = await client.data(f"/api/v1/circuits/{circuit}/difference")
    return dict(found[space.family])


@BOTH_FAMILIES
async def test_equal_links_do_not_differ(client: Client, space: Space):
    assert await ask(client, space) == {"primary": NOTHING, "secondary": NOTHING}


@BOTH_FAMILIES
async def test_a_prefix_is_shown_at_the_link_that_receives_it(client: Client, site: Site, space: Space):
    site.net.microsoft_sends("chicago-primary", space.extra)
    site.net.microsoft_withdraws("chicago-primary", space.sharepoint)
    assert await ask(client, space) == {
        "primary": {"prefixes": [space.extra], "total": 1, "complete": True},
        "secondary": {"prefixes": [space.sharepoint], "total": 1, "complete": True},
    }
    site.net.assert_raised_after(60, "link-asymmetry", circuit="chicago", family=space.family)
    assert await ask(client, space, "dallas") == {"primary": NOTHING, "secondary": NOTHING}


@BOTH_FAMILIES
async def test_the_first_prefixes_are_shown_and_all_are_counted(
    client: Client, site: Site, space: Space, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(routes, "LOOKED_AT_ONCE", 7)
    many = [str(parse_prefix(prefix)) for prefix in space.many(50)]
    site.net.microsoft_sends("chicago-primary", *reversed(many))
    assert await ask(client, space) == {
        "primary": {"prefixes": many[:20], "total": 50, "complete": True},
        "secondary": NOTHING,
    }


@BOTH_FAMILIES
async def test_a_link_that_is_down_is_not_compared(client: Client, site: Site, space: Space):
    site.net.lose("chicago-secondary", space.family)
    assert await ask(client, space) == {"primary": NOTHING_KNOWN, "secondary": NOTHING}
    assert site.net.status("link-asymmetry", circuit="chicago", family=space.family) == "ok"


@BOTH_FAMILIES
async def test_an_unseen_link_proves_nothing(client: Client, site: Site, space: Space):
    site.net.microsoft_sends("chicago-primary", space.extra).down("edge-2")
    assert await ask(client, space) == {"primary": NOTHING_KNOWN, "secondary": NOTHING_KNOWN}
    assert site.net.status("link-asymmetry", circuit="chicago", family=space.family) == "unknown"


@BOTH_FAMILIES
async def test_a_feed_of_best_paths_proves_presence_and_not_absence(space: Space):
    net = company("feeds: {edge-2: {add_path: false}}").converge()
    net.microsoft_sends("chicago-primary", space.extra)
    net.microsoft_withdraws("chicago-primary", space.sharepoint)
    async with TestClient(TestServer(make_app(Site(net).tell().context()))) as http:
        assert await ask(Client(http), space) == {
            "primary": NOTHING_KNOWN,
            "secondary": {"prefixes": [space.sharepoint], "total": 1, "complete": False},
        }


async def test_only_families_that_are_compared_are_shown():
    net = company(PLANT, "circuits: {plant: {links: {secondary: {subnet6: null}}}}").converge()
    async with TestClient(TestServer(make_app(Site(net).tell().context()))) as http:
        found = await Client(http).data("/api/v1/circuits/plant/difference")
        assert found == {"ipv4": {"primary": NOTHING, "secondary": NOTHING}}


async def test_a_circuit_that_another_instance_watches_is_not_compared_here():
    config = only_feeds(company().config, ["edge-1", "edge-2", "edge-3", "chicago-*", "dallas-primary"])
    async with TestClient(TestServer(make_app(Site(Company(config).converge()).tell().context()))) as http:
        assert await Client(http).data("/api/v1/circuits/dallas/difference") == {}
        assert await ask(Client(http), V4) == {"primary": NOTHING, "secondary": NOTHING}


async def test_a_wrong_request_for_a_difference_is_explained(client: Client):
    assert await client.error("/api/v1/circuits/berlin/difference") == (
        404,
        "there is no circuit 'berlin'; there are chicago, dallas",
    )
    assert await client.error("/api/v1/circuits/chicago/difference?family=ipv4") == (
        400,
        "unknown parameter 'family'; this path takes none",
    )
