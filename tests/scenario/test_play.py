"""The clock of a scenario: when it stops, and when expectations are checked."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.files import read, unmet

LOST = "- converge: all\n- {at: 10s, withdraw: all, circuit: plant, link: primary"


def test_a_scenario_ends_when_nothing_is_on_its_way(tmp_path: Path):
    assert read(tmp_path, LOST + "}").play().ended == 20
    assert read(tmp_path, "- converge: all").play().ended == 2


def test_a_scenario_runs_as_long_as_something_is_expected(tmp_path: Path):
    steps = LOST + ", expect: {status: {check: circuit-down, circuit: plant, is: ok, after: 1h}}}"
    assert read(tmp_path, steps).play().ended == 3610


def test_until_ends_it_before_a_finding_is_raised(tmp_path: Path):
    record = read(tmp_path, LOST + "}", more="    until: 19s").play()
    assert (record.ended, record.reported) == (19, [])


def test_a_transition_belongs_to_the_step_before_it(tmp_path: Path):
    steps = LOST + "}\n- {at: 20s, announce: 198.51.100.0/28, feed: isp-a}"
    told = read(tmp_path, steps).play().reported
    # A timer that is due fires before the step of the same instant.
    assert [(each.time, each.step, each.transition.finding.check) for each in told] == [
        (20, 1, "link-down"),
        (20, 1, "link-down"),
        (20, 2, "pool-leak"),
    ]


def test_a_status_is_checked_before_the_next_step_of_the_same_instant(tmp_path: Path):
    ok = "{check: link-down, circuit: plant, link: primary, is: ok}"
    steps = (
        LOST
        + ", expect: {status: {check: link-down, circuit: plant, link: primary, is: violated, after: 5s}}}"
    )
    steps += f"\n- {{at: 15s, announce: usual, circuit: plant, link: primary, expect: {{status: {ok}}}}}"
    assert unmet(read(tmp_path, steps)) == []


def test_a_status_is_checked_before_later_steps(tmp_path: Path):
    steps = "- {converge: all, expect: {status: {check: feed-down, feed: isp-a, is: violated, after: 20s}}}\n"
    steps += "- {at: 10s, down: isp-a}\n- {at: 30s, converge: isp-a}"
    assert unmet(read(tmp_path, steps)) == []


def test_the_same_scenario_plays_the_same_twice(tmp_path: Path):
    scenario = read(tmp_path, LOST + "}")
    assert scenario.play().reported == scenario.play().reported


def test_a_maintenance_window_is_a_matter_of_the_date(tmp_path: Path):
    window = "{circuit: plant, from: 2026-12-01T02:00:00Z, to: 2026-12-01T04:00:00Z, reason: works}"
    more = f"    changes: {{maintenance: [{window}]}}\n    start: "
    assert read(tmp_path, LOST + "}", more=more + "2026-12-01T02:30:00Z").play().reported == []
    assert len(read(tmp_path, LOST + "}", more=more + "2026-12-02T02:30:00Z").play().reported) == 2
