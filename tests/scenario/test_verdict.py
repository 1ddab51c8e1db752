"""The comparison of transitions with expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.files import read, unmet

CONVERGED = "- converge: all\n"
LEAK = "pool-leak pool=chi family=ipv4 feed=isp-a uplink=isp-a"


def leaking(expect: str) -> str:
    return CONVERGED + f"- {{at: 10s, announce: 198.51.100.0/28, feed: isp-a, expect: {{{expect}}}}}"


def test_an_expected_transition_is_met(tmp_path: Path):
    assert unmet(read(tmp_path, leaking("raised: {check: pool-leak, after: 0s}"))) == []


def test_an_unexpected_transition_is_a_failure(tmp_path: Path):
    assert unmet(read(tmp_path, leaking("not_raised: link-down"))) == [
        f"not expected: raised {LEAK} (critical) at 10s: NAT pool chi 198.51.100.0/28 is advertised to isp-a by edge-1"
    ]


def test_ignored_checks_may_be_raised_and_cleared(tmp_path: Path):
    steps = leaking("not_raised: link-down") + "\n- {at: 20s, withdraw: 198.51.100.0/28, feed: isp-a}"
    assert unmet(read(tmp_path, steps, more="    ignore: pool-leak")) == []
    assert unmet(read(tmp_path, steps, head="ignore: [pool-leak]")) == []
    assert len(unmet(read(tmp_path, steps))) == 2  # raised, and cleared


def test_a_finding_that_only_informs_may_come_unexpected(tmp_path: Path):
    steps = "- converge: all\n- {at: 1m, down: edge-1}\n- {after: 1s, up: edge-1}\n- {announce: usual, feed: edge-1}"
    assert unmet(read(tmp_path, steps)) == []  # feed-no-eor


def test_a_forbidden_finding_is_a_failure_even_with_severity_info(tmp_path: Path):
    steps = "- converge: all\n- {at: 1m, down: edge-1}\n- {after: 1s, up: edge-1}\n"
    steps += "- {announce: usual, feed: edge-1, expect: {not_raised: feed-no-eor}}"
    assert unmet(read(tmp_path, steps)) == ["expected feed-no-eor not to be raised; it was at 181s"]


def test_a_finding_is_forbidden_only_until_the_next_step(tmp_path: Path):
    steps = CONVERGED + "- {at: 5s, announce: 198.51.100.5/32, feed: isp-a, communities: blackhole, "
    steps += "expect: {not_raised: pool-leak}}\n- {announce: 198.51.100.0/28, feed: isp-a, expect: {raised: pool-leak}}"
    assert unmet(read(tmp_path, steps)) == []


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        (
            "raised: {check: pool-leak, pool: chi, after: 5s}",
            "expected pool-leak pool=chi to be raised at 15s; it was at 10s",
        ),
        (
            "raised: [pool-leak, {check: link-down, family: ipv6}]",
            "expected link-down family=ipv6 to be raised in this step; it was not before the end, at 10s",
        ),
        (
            "raised: {check: pool-leak, severity: warning}",
            "expected pool-leak to be raised as warning; it was critical",
        ),
        (
            "raised: {check: pool-leak, prefixes: [198.51.100.3/32, 198.51.100.0/28]}",
            "expected pool-leak to be raised with 198.51.100.3/32; its evidence names 198.51.100.0/28",
        ),
        (
            "raised: pool-leak, status: {check: pool-leak, pool: chi, feed: isp-a, family: ipv4, is: ok}",
            f"expected {LEAK} to be ok at 10s; it was violated",
        ),
    ],
)
def test_an_unmet_expectation_shows_what_was_expected_and_what_happened(
    tmp_path: Path, expect: str, message: str
):
    assert message in unmet(read(tmp_path, leaking(expect)))


def test_every_subject_that_a_status_means_must_have_it(tmp_path: Path):
    expect = "raised: pool-leak, status: {check: pool-leak, family: ipv4, is: violated}"
    assert len(unmet(read(tmp_path, leaking(expect)))) == 5  # three pools on two feeds, of which one leaks
