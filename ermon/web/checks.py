"""``/api/v1/checks``: what ermon can find, and what to do about it, in the words of ``ermon explain``."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ermon.api.answers import CheckDoc, CheckGuideDoc
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check
from ermon.checks.guide import guide
from ermon.model.inventory import Config
from ermon.rules.alert import severity
from ermon.web.answers import answer, parameters, success
from ermon.web.context import CONTEXT


async def checks(request: web.Request) -> web.Response:
    """Every check in the order of the catalogue, with the severity that the configuration gives it."""
    parameters(request)
    config = request.app[CONTEXT].monitor().config
    return answer(success([CheckDoc(**_heading(config, check)) for check in CATALOGUE.values()]))


async def check(request: web.Request) -> web.Response:
    """What one check means, what it needs, and what to do."""
    parameters(request)
    name, config = request.match_info["check"], request.app[CONTEXT].monitor().config
    if name not in CATALOGUE:
        raise web.HTTPNotFound(text=f"there is no check {name!r}; /api/v1/checks lists all")
    found = guide(name).plain()
    return answer(
        success(
            CheckGuideDoc(
                **_heading(config, CATALOGUE[name]),
                meaning=found.meaning,
                needs=found.needs,
                action=found.steps,
                placeholders=found.placeholders,
                source=found.source,
            )
        )
    )


def _heading(config: Config, check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "title": guide(check.name).title,
        "severity": severity(config, check),
        "section": check.section,
    }
