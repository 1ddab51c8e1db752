"""The pages that alerts link to."""

from __future__ import annotations

import re

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import runbook_url
from ermon.checks.guide import LINK, read_guide
from ermon.web import runbooks
from tests.web.site import Client
from tests.web.test_page import Links


def words(markup: str) -> str:
    """The text of a page as one reads it."""
    text = re.sub(r"<style>.*?</style>|<title>.*?</title>|<[^>]*>", " ", markup, flags=re.DOTALL)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return " ".join(text.replace("`", " ").split())


@pytest.mark.parametrize("check", CATALOGUE)
async def test_every_check_has_its_runbook(client: Client, check: str):
    response = await client.get(runbook_url("", check))
    assert (response.status, response.content_type) == (200, "text/html")
    shown, guide = words(await response.text()), read_guide(check).plain()
    told = [guide.title, guide.meaning, guide.needs, guide.source, *guide.placeholders.values()]
    told += guide.steps
    for text in told:
        assert re.sub(r"\W", "", text) in re.sub(r"\W", "", shown)


async def test_commands_are_set_as_such(client: Client):
    page = await (await client.get("/runbooks/pool-leak")).text()
    for command in read_guide("pool-leak").commands:
        assert f"<code>{runbooks.escape(command)}</code>" in page


async def test_all_are_listed_and_lead_there(client: Client):
    page = await (await client.get("/runbooks/")).text()
    links = Links(page).found
    assert [link for link in links if link in CATALOGUE] == list(CATALOGUE)
    for link in ("pool-leak", "../"):
        assert link in links
        response = await client.get(f"/runbooks/{link}")
        assert response.status == 200


@pytest.mark.parametrize("check", CATALOGUE)
async def test_a_runbook_leads_to_those_that_it_names_and_to_the_pages_it_is_from(client: Client, check: str):
    guide = read_guide(check)
    texts = (guide.meaning, guide.needs, *guide.steps, guide.source)
    targets = [target.removesuffix(".md") for text in texts for _, target in LINK.findall(text)]
    links = Links(await (await client.get(f"/runbooks/{check}")).text()).found
    assert links == ["data:,", *targets, "./", "../"]
    for target in targets:
        if ":" not in target:
            assert (await client.get(f"/runbooks/{target}")).status == 200


@pytest.mark.parametrize("name", ["no-such-check", "%3Cscript%3E", "..%2f..%2fetc%2fpasswd", "pool-leak%00"])
async def test_an_unknown_check_is_not_found(client: Client, name: str):
    response = await client.get(f"/runbooks/{name}")
    assert (response.status, response.content_type) == (404, "text/plain")


async def test_a_runbook_may_use_its_own_style_and_nothing_else(client: Client):
    response = await client.get("/runbooks/pool-leak")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in await response.text()


def test_the_pages_suit_light_and_dark():
    assert "color-scheme: light dark" in runbooks._STYLE


def test_nothing_gets_onto_a_page_as_markup():
    assert runbooks._marked("<b> & `<i>`") == "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"
