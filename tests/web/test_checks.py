"""What the page tells of a check: the words of `ermon explain`, and the severity that is in force."""

from __future__ import annotations

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import read_guide
from tests.checks.company import company
from tests.web.site import Client, Site


async def test_all_checks_are_listed_in_the_order_of_the_catalogue(client: Client):
    found = await client.data("/api/v1/checks")
    assert [each["check"] for each in found] == list(CATALOGUE)
    assert found[0] == {
        "check": "link-down",
        "title": read_guide("link-down").title,
        "severity": "warning",
        "section": CATALOGUE["link-down"].section,
    }


@pytest.mark.parametrize("check", CATALOGUE)
async def test_a_check_says_what_it_means_and_what_to_do(client: Client, check: str):
    guide, found = read_guide(check).plain(), await client.data(f"/api/v1/checks/{check}")
    assert {name: found[name] for name in ("title", "meaning", "needs", "placeholders", "source")} == {
        "title": guide.title,
        "meaning": guide.meaning,
        "needs": guide.needs,
        "placeholders": guide.placeholders,
        "source": guide.source,
    }
    assert tuple(found["action"]) == guide.steps


async def test_severities_are_those_of_the_running_configuration(client: Client, site: Site):
    async def severity(check: str) -> str:
        listed = {each["check"]: each["severity"] for each in await client.data("/api/v1/checks")}
        found = (await client.data(f"/api/v1/checks/{check}"))["severity"]
        assert found == listed[check]
        return str(found)

    assert (await severity("drain"), await severity("pool-covered")) == ("info", "warning")
    changed = company("checks: {drain: {severity: critical}}", "policy: {internet_covering: critical}")
    site.net.reconfigure(changed.config)
    assert (await severity("drain"), await severity("pool-covered")) == ("critical", "critical")


async def test_a_wrong_question_about_checks_says_what_is_wrong(client: Client):
    assert await client.error("/api/v1/checks/link-up") == (
        404,
        "there is no check 'link-up'; /api/v1/checks lists all",
    )
    assert await client.error("/api/v1/checks/drain?circuit=chicago") == (
        400,
        "unknown parameter 'circuit'; this path takes none",
    )
