"""``ermon test``: its output and its exit code."""

from __future__ import annotations

import io
from pathlib import Path

from ermon.scenario import run_scenarios
from tests.scenario.files import write

LEAK = "- converge: all\n- {at: 10s, announce: 198.51.100.0/28, feed: isp-a, expect: {raised: {check: pool-leak, after: 0s}}}"


def run(*paths: Path, verbose: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run_scenarios(paths, verbose=verbose, out=out, err=err)
    return code, out.getvalue(), err.getvalue()


def test_a_scenario_that_passes_is_a_line(tmp_path: Path):
    file = write(tmp_path, LEAK)
    assert run(file) == (0, f"{file}\n  ok    it works\n\n1 passed, 0 failed\n", "")


def test_the_timeline_of_a_passed_scenario_is_printed_with_verbose(tmp_path: Path):
    _, out, _ = run(write(tmp_path, LEAK), verbose=True)
    assert "0s  converge all" in out
    assert "10s  announce 198.51.100.0/28 on isp-a" in out
    assert "10s    raised pool-leak pool=chi family=ipv4 feed=isp-a uplink=isp-a (critical)" in out


def test_a_failed_scenario_shows_place_expectation_and_result(tmp_path: Path):
    file = write(tmp_path, LEAK.replace("0s}}", "5s}}"))
    code, out, _ = run(file)
    assert code == 1
    assert out.splitlines()[1] == "  FAIL  it works"
    assert f"{file}:6:" in out
    assert "scenarios[0].steps[1].expect.raised: expected pool-leak to be raised at 15s; it was at 10s" in out
    assert "10s  announce 198.51.100.0/28 on isp-a" in out
    assert out.endswith("\n0 passed, 1 failed\n")


def test_an_invalid_file_is_reported_and_nothing_is_run(tmp_path: Path):
    good = write(tmp_path, LEAK)
    bad = tmp_path / "bad.yml"
    bad.write_text("scenarios: []")
    code, out, err = run(good, bad)
    assert (code, out) == (2, "")
    assert err.startswith(f"{bad}:1:1: config: is missing")


def test_a_missing_file_is_reported(tmp_path: Path):
    code, _, err = run(tmp_path / "gone.yml")
    assert code == 2
    assert "gone.yml:1:1: (file): cannot be read: No such file or directory" in err


def test_a_folder_without_scenarios_is_reported(tmp_path: Path):
    assert run(tmp_path) == (2, "", f"ermon: there are no scenarios in {tmp_path}\n")


def test_a_file_that_is_named_twice_is_played_once(tmp_path: Path):
    file = write(tmp_path, LEAK)
    assert run(file, tmp_path)[1].endswith("\n1 passed, 0 failed\n")


LISTED = """
config:
  customer: {asn: 64500}
  circuits:
    a:
      {geo: us, location: Chicago, peering: microsoft, links: {primary: {router: r1, subnet: 203.0.113.0/30}}, receive: {only_listed: true, sources: [{kind: m365, from: m365.json}]}}
  feeds: {r1: {router: r1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.1, peer_asn: 64500, add_path: true}}
  policy: {public_space: [192.0.2.0/24, 203.0.113.0/24]}
ignore: [view-missing, communities-missing]
scenarios:
  - name: what is listed is expected, and what is not is unlisted
    steps:
      - converge: all
      - {at: 1m, announce: 192.0.2.128/26, circuit: a, link: primary, expect: {raised: {check: prefix-unlisted, after: 30s}}}
      - {at: 5m, withdraw: 192.0.2.0/26, circuit: a, link: primary, expect: {raised: {check: prefix-missing, after: 60s}}}
"""


def test_published_lists_that_are_files_are_read_beside_the_configuration(tmp_path: Path):
    file = tmp_path / "test.yml"
    file.write_text(LISTED)
    (tmp_path / "m365.json").write_text(
        '[{"id": 1, "serviceArea": "Exchange", "expressRoute": true, "ips": ["192.0.2.0/26"], "category": "Optimize", "required": true}]'
    )
    assert run(file)[0] == 0, run(file)


def test_an_unreadable_published_list_is_reported_and_expects_nothing(tmp_path: Path):
    file = tmp_path / "test.yml"
    file.write_text(LISTED[: LISTED.index("      - {at: 5m")])
    code, out, err = run(file)
    assert (code, "source m365:m365.json" in err) == (1, True)
    assert "expected prefix-unlisted to be raised" in out
