"""What the page of a real finding leaves unfilled, for each check and each platform.

The findings are those of the scenarios. A check without scenarios fails ``test_complete``, so none is forgotten.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import placeholders, read_guide
from ermon.commands import CAPITALS, PLATFORMS
from ermon.commands.fill import Step, fill
from ermon.model.findings import Finding, TransitionState
from ermon.model.inventory import Config
from ermon.model.prefixes import Address, parse_prefix
from tests.commands.test_commands import LACKING, LACKING6
from tests.scenario.test_catalogue import FOLDER, expects, scenarios_of

NOBODY_KNOWS = {"TO-MSEE", "TO-ISP", "FROM-MSEE", "PEER-GROUP", "PEER", "GROUP", "FILTER", "WHY"}
"""Names that only the router, Azure or the reader knows."""
LEFT = {
    ("circuit-down", "ADDRESS"): "what users cannot reach, where the circuit declares no prefixes",
    ("circuit-down", "CIRCUIT"): "Azure's name of the circuit",
    ("view-missing", "NAME"): "a router that no feed names, and no link",
}
"""Further words that may be left for a check, because neither the finding nor the configuration has them."""
FIXED = {"AS", "AS-MICROSOFT", "BADAUTH", "BGP", "BIRD", "BMP", "CPU", "CRC", "END", "NLRI", "P"}
"""Words in capitals that are typed as they are."""


MOST = 4
"""Findings of a check that are examined: those that differ in family and labels."""


@functools.cache
def findings(check: str) -> tuple[tuple[Config, Finding, list[Step]], ...]:
    """Return some findings of a check as its scenarios raise them, with their guides filled in."""
    found: dict[object, tuple[Config, Finding]] = {}
    for scenario in scenarios_of(FOLDER / f"{check}.yml").values():
        if len(found) >= MOST or not expects(scenario, check, TransitionState.RAISED):
            continue
        for each in scenario.play().reported:
            finding = each.transition.finding
            if finding.check == check and each.transition.state is TransitionState.RAISED:
                found.setdefault(_kind_of(finding), (known(scenario.config), finding))
    pieces = read_guide(check).plain().pieces
    return tuple((*each, fill(pieces, *each)) for each in list(found.values())[:MOST])


def _kind_of(finding: Finding) -> object:
    prefixes = finding.evidence.get("prefixes", ())
    families = {parse_prefix(prefix).family for prefix in prefixes}
    return (*finding.labels, finding.labels.get("family"), *sorted(families))


def known(config: Config) -> Config:
    """Return the configuration, in the form that fills in commands."""
    ends = (parse_prefix(text) for text in ("203.0.113.129/32", "2001:db8:ffff:1::1/128"))
    neighbors = tuple(Address(end.version, end.value) for end in ends)
    return replace(config, uplinks={n: replace(u, neighbors=neighbors) for n, u in config.uplinks.items()})


def shown(steps: list[Step], platform: str) -> Iterator[str]:
    """Return the commands for a router of a platform, and those for ermon's machine."""
    for step in steps:
        for part in step:
            yield from part.text.split("`")[1::2]
            yield from (each.by_platform.get(platform, "") for each in part.commands)


def words_of(steps: list[Step], platform: str) -> set[str]:
    return {word for text in shown(steps, platform) for word in CAPITALS.findall(text)}


@pytest.mark.parametrize("check", CATALOGUE)
def test_no_word_is_left_that_ermon_could_know(check: str):
    assert findings(check), "its scenarios raise it"
    for _, finding, steps in findings(check):
        for platform in PLATFORMS:
            words = words_of(steps, platform)
            left = (words & set(placeholders())) - NOBODY_KNOWS
            assert {(check, word) for word in left} <= set(LEFT), (platform, finding.labels)
            assert words - set(placeholders()) <= FIXED, "or README.md beside the guides explains it"


@pytest.mark.parametrize("check", CATALOGUE)
def test_each_question_has_its_command_on_each_platform(check: str):
    kinds = {question.kind for question in read_guide(check).questions}
    excused = {platform for platform, kind in (*LACKING, *LACKING6) if kind in kinds}
    for _, _, steps in findings(check):
        for each in (commands for step in steps for part in step for commands in part.commands):
            assert set(PLATFORMS) - set(each.by_platform) <= excused, each.where


@pytest.mark.parametrize("check", CATALOGUE)
def test_each_place_is_a_router_that_is_named(check: str):
    for config, finding, steps in findings(check):
        routers = {link.router for link in config.links} | {each.router for each in config.feeds.values()}
        routers |= {uplink.router for uplink in config.uplinks.values()} | {
            f.peer for f in config.feeds.values()
        }
        for each in (commands for step in steps for part in step for commands in part.commands):
            assert each.where.split(",")[0] in routers, (finding.labels, each.where)


def test_every_excused_word_is_left_somewhere():
    """An entry that no platform needs would hide words that a later change leaves."""
    left = {
        (check, word)
        for check in {check for check, _ in LEFT}
        for _, _, steps in findings(check)
        for platform in PLATFORMS
        for word in (words_of(steps, platform) & set(placeholders())) - NOBODY_KNOWS
    }
    assert left == set(LEFT)
