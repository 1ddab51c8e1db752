"""The page that people open first."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from ermon.inventory import Severity
from ermon.model import Finding
from ermon.state import current_feeds
from ermon.web import page
from tests.checks.company import V4
from tests.web.site import Client, Site


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


async def line(client: Client) -> str:
    """The one line that says how things are, without its markup."""
    _, text = await client.text("/")
    [found] = re.findall(r'<p class="state.*?</p>', text)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split()[1:])


async def test_all_is_well(client: Client):
    assert await line(client) == "All is well."


async def test_a_finding_is_something_wrong(client: Client, site: Site):
    site.net.announce("isp-a", V4.pool, V4.dallas_pool)
    assert await line(client) == "Something is wrong: 2 critical."


async def test_a_feed_that_is_lost_is_told_before_any_finding_is_raised(client: Client, site: Site):
    site.net.down("isp-a")
    assert await line(client) == "Ermon cannot see everything: 1 of 10 feeds are down or not in sync."


async def test_both_are_told_together(client: Client, site: Site):
    site.net.announce("isp-a", V4.pool).down("edge-1", "outside")
    assert await line(client) == (
        "Something is wrong: 1 critical; ermon cannot see everything: 2 of 10 feeds are down or not in sync."
    )


def test_a_note_is_nothing_wrong(site: Site):
    note = Finding(
        id="1",
        check="view-missing",
        labels={},
        severity=Severity.INFO,
        summary="",
        evidence={},
        since=0,
        raised_at=0,
    )
    found = page.overall([note], current_feeds(site.net.monitor))
    assert (found.kind, found.text) == ("well", "All is well (1 for information).")


async def test_every_link_leads_somewhere_on_this_host(client: Client):
    _, text = await client.text("/")
    for link in Links(text).found:
        if link == "data:,":
            continue  # an icon that is none
        assert link.startswith("/")
        response = await client.get(link)
        assert response.status == 200, link
        response.close()


async def test_the_page_may_use_its_own_style_and_nothing_else(client: Client):
    response = await client.get("/")
    policy = response.headers["Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", await response.text(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_page_suits_light_and_dark():
    assert "color-scheme: light dark" in page._STYLE


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>'])
def test_nothing_gets_onto_the_page_as_markup(text: str):
    shown = page._page(page.Line("wrong", "!", text), version=text)
    assert text not in shown
    assert "&lt;" in shown
