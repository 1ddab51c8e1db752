"""Expectations are accepted only if the configuration makes them possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.findings import TransitionState
from ermon.model.prefixes import parse_prefix
from ermon.model.settings import Severity
from tests.scenario.files import errors, read, write


def expecting(text: str) -> str:
    return f"- converge: all\n- {{at: 10s, down: isp-a, expect: {{{text}}}}}"


def test_a_list_of_values_is_one_expectation_for_each(tmp_path: Path):
    text = "raised: {check: link-down, link: [primary, secondary], family: [ipv4, ipv6]}"
    found = read(tmp_path, expecting(text)).expected.transitions
    assert [each.about.labels for each in found] == [
        {"link": link, "family": family} for link in ("primary", "secondary") for family in ("ipv4", "ipv6")
    ]


def test_a_check_alone_means_any_of_its_findings(tmp_path: Path):
    (found,) = read(tmp_path, expecting("raised: feed-down")).expected.transitions
    assert (found.about.check, found.about.labels, found.time, found.step) == ("feed-down", {}, None, 1)


def test_after_counts_from_the_end_of_the_step(tmp_path: Path):
    steps = "- {converge: all, expect: {raised: {check: feed-down, feed: isp-a, after: 30s}}}"
    assert read(tmp_path, steps).expected.transitions[0].time == 32


def test_severity_and_prefixes_may_be_expected(tmp_path: Path):
    text = "cleared: {check: pool-leak, severity: critical, prefixes: 198.51.100.0/28}"
    (found,) = read(tmp_path, expecting(text)).expected.transitions
    assert found.state is TransitionState.CLEARED
    assert (found.severity, found.prefixes) == (Severity.CRITICAL, (parse_prefix("198.51.100.0/28"),))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("raised: link-dwn", "raised", "'link-dwn' is not a check; did you mean link-down?"),
        ("cleared: {check: x}", "cleared.check", "'x' is not a check; known: "),
        (
            "raised: {check: link-down, circuit: boston}",
            "raised.circuit",
            "'boston' is nothing that link-down is about; known: chicago, dallas, plant",
        ),
        (
            "raised: [{check: link-down, pool: chi}]",
            "raised[0].pool",
            "is not a label of link-down; it has circuit, family, link",
        ),
        (
            "raised: {check: pool-not-advertised, pool: chi, circuit: dallas}",
            "raised",
            "there is no pool-not-advertised circuit=dallas pool=chi in this configuration, though each of its values is known",
        ),
        (
            "raised: prefix-count-low",
            "raised",
            "prefix-count-low says nothing with this configuration: it declares nothing that the check is about",
        ),
        (
            "status: {check: internet-preferred, is: ok}",
            "status.check",
            "internet-preferred says nothing with this configuration: the check is switched off",
        ),
        (
            "not_raised: {check: pool-leak, pool: xyz}",
            "not_raised.pool",
            "'xyz' is nothing that pool-leak is about; ",
        ),
        (
            "status: {check: link-down, is: up}",
            "status.is",
            "must be ok, violated, unknown or suppressed, not 'up'",
        ),
        ("raisd: link-down", "raisd", "is not a known key; did you mean raised?"),
    ],
)
def test_an_impossible_expectation_is_an_error(tmp_path: Path, text: str, place: str, message: str):
    (found,) = errors(write(tmp_path, expecting(text)))
    assert f" scenarios[0].steps[1].expect.{place}: {message}" in found


@pytest.mark.parametrize(
    "text", ["not_raised: prefix-count-low", "not_raised: {check: pool-not-advertised, circuit: plant}"]
)
def test_a_disabled_check_may_be_expected_not_to_be_raised(tmp_path: Path, text: str):
    assert errors(write(tmp_path, expecting(text))) == []
