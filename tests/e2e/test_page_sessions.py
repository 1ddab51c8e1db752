"""The status page in a real browser: what routers report of their own sessions by BMP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from ermon.model.events import SessionDown
from tests.bench import page as bench
from tests.core.test_monitored_sessions import ALONE, MSEE, RECEIVED, connected, session
from tests.core.test_own_sessions import PLANNED, UPLINK
from tests.e2e.browser import Scheme, chromium, visiting
from tests.story import Story


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def net() -> Story:
    """Microsoft has shut a session down, and edge-2 does not report; the provider of edge-1 carries no IPv6."""
    net = connected().statistics("edge-1").statistics("edge-2")
    for name, feed in ALONE.feeds.items():
        if name != UPLINK["ipv6"]:
            net.up(name).announce(name, RECEIVED[feed.families[0]], via=MSEE, path=str(feed.peer_asn))
    return (
        net.wait(10).not_reported(UPLINK["ipv6"]).down(session("ipv4"), reason=PLANNED).disconnect("edge-2")
    )


def test_each_router_has_its_connection_and_its_sessions(browser: Browser, net: Story) -> None:
    with bench.serving(net) as url, visiting(browser, url) as visit:
        feeds = visit.table("Feeds")
        expect(feeds.locator("tr.router")).to_have_text(
            ["edge-1 ● connected by BMP since 1 Mar 12:00:00 UTC", "edge-2 ▲ not connected by BMP: exited"]
        )
        down = visit.row("Feeds", "chicago primary IPv4")
        for text in ("▲ down", PLANNED, "IPv4 0"):
            expect(down).to_contain_text(text)
        expect(visit.row("Feeds", "chicago primary IPv6")).to_contain_text("● up○ the router does not say")
        expect(visit.row("Feeds", "isp-a IPv6")).to_contain_text("○ not reported")
        expect(visit.row("Feeds", "chicago secondary IPv4")).to_contain_text("◆ unknown")


def test_the_card_of_a_circuit_says_why_a_session_ended(browser: Browser, net: Story) -> None:
    with bench.serving(net) as url, visiting(browser, url) as visit:
        cells = visit.row("Links of circuit chicago", "Session").get_by_role("cell")
        expect(cells).to_have_text(
            [
                f"▲ down since 1 Mar 12:00:10 UTC: {PLANNED}",
                "● up",
                *["◆ unknown since 1 Mar 12:00:10 UTC: the router is not connected by BMP"] * 2,
            ]
        )
        expect(visit(".drawing g.uplink", has_text="isp-a")).to_contain_text("IPv4 up")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sessions_are_accessible(browser: Browser, net: Story, scheme: Scheme) -> None:
    with bench.serving(net) as url, visiting(browser, url, scheme=scheme, height=4000) as visit:
        expect(visit("#feeds tr.router").first).to_be_visible()
        assert visit.barriers() == []


def test_on_a_phone_no_session_is_cut_off(browser: Browser, net: Story) -> None:
    with bench.serving(net) as url, visiting(browser, url, width=375, height=780) as visit:
        expect(visit("#feeds li.router").first).to_contain_text("● connected by BMP")
        expect(visit("#circuits")).to_contain_text(PLANNED)
        assert (visit.overflow(), visit.cut_off()) == (0, [])


def test_the_history_of_a_link_says_why_its_session_last_ended(browser: Browser, net: Story) -> None:
    net.monitor.apply(SessionDown(net.now, session("ipv6"), "the neighbor sent hold timer expired"))
    with bench.serving(net) as url, visiting(browser, url) as visit:
        band = visit("#bands .band", has_text="chicago primary IPv6")
        expect(band).to_contain_text("session last down at")
        expect(band).to_contain_text("the neighbor sent hold timer expired")
        expect(visit("#bands .band", has_text="chicago secondary IPv6")).not_to_contain_text(
            "session last down"
        )
