"""``ermon verify`` as a whole: from a running daemon to an exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ermon.model.prefixes import Family
from ermon.model.settings import MaintenanceWindow
from tests.checks.company import V4, V6, Company
from tests.verify.acceptance import converged, put_to_the_test


@pytest.fixture
def net() -> Company:
    return converged()


async def test_a_circuit_in_order_is_accepted(net: Company):
    run = await put_to_the_test(net, None)
    assert (run.code, run.report["status"], run.err) == (0, "pass", "")
    assert [circuit["circuit"] for circuit in run.report["circuits"]] == ["chicago", "dallas"]


async def test_a_failure_is_not_accepted(net: Company):
    run = await put_to_the_test(net.announce("outside", V6.pool, path="64510 64500").wait(1))
    assert (run.code, run.report["status"]) == (1, "fail")


async def test_an_unknown_step_is_not_accepted_either(net: Company):
    run = await put_to_the_test(net.down("outside"))
    assert (run.code, run.report["status"]) == (1, "unknown")


async def test_one_circuit_is_not_judged_by_another(net: Company):
    net.lose("dallas-primary", "ipv4", "ipv6").wait(10)
    assert (await put_to_the_test(net, "chicago")).code == 0
    assert (await put_to_the_test(net, "dallas")).code == 1


async def test_text_and_json_agree(net: Company):
    net.withdraw("chicago-primary", V4.pool).wait(60)
    as_text = await put_to_the_test(net, as_json=False)
    as_json = await put_to_the_test(net)
    assert as_text.code == as_json.code == 1
    for step in as_json.circuit()["steps"]:
        assert (
            f"{ {'pass': '✓', 'fail': '✗', 'unknown': '?'}[step['status']] } {step['title']}" in as_text.out
        )


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_open_maintenance_is_shown_and_makes_no_step_pass(net: Company, family: Family):
    starts, ends = (datetime.fromtimestamp(net.now + later, UTC) for later in (0, 3600))
    window = MaintenanceWindow(starts, ends, "circuit move", circuit="chicago", id="1a2b", by="anna")
    net.monitor.maintain([window], net.now)
    net.lose("chicago-primary", family).wait(60)
    run = await put_to_the_test(net)
    assert (run.code, run.report["status"]) == (1, "fail")
    [quiet] = run.report["maintenance"]
    assert (quiet["about"], quiet["by"], quiet["reason"]) == ({"circuit": "chicago"}, "anna", "circuit move")
    told = (await put_to_the_test(net, as_json=False)).out
    assert "maintenance by anna, circuit chicago: circuit move (until " in told


async def test_an_earlier_report_that_cannot_be_read_is_wrong_usage(net: Company, tmp_path: Path):
    run = await put_to_the_test(net, before=tmp_path / "nothing.json")
    assert (run.code, run.out) == (2, "")
    assert run.err == f"ermon: {tmp_path / 'nothing.json'}: cannot be read: No such file or directory\n"


async def test_a_staged_roll_out_and_its_roll_back(net: Company, tmp_path: Path):
    """The second link of a circuit gets its pool, and loses it again."""
    before = tmp_path / "before.json"
    net.withdraw("chicago-secondary", V4.pool, V6.pool).wait(60)
    (await put_to_the_test(net)).save(before)
    net.announce("chicago-secondary", V4.pool, V6.pool, path="64500").wait(60)
    rolled_out = await put_to_the_test(net, before=before)
    [change] = rolled_out.report["comparison"]["circuits"]
    assert rolled_out.code == 0
    assert {step["id"]: step["change"] for step in change["steps"]} == {
        "pools": "better",
        "advertised-equal": "better",
        "sight": "better",
    }
    assert [(p["family"], p["new"]) for p in change["prefixes"]] == [("ipv4", [V4.pool]), ("ipv6", [V6.pool])]

    rolled_out.save(before)
    rolled_back = await put_to_the_test(
        net.withdraw("chicago-secondary", V4.pool, V6.pool).wait(60), before=before
    )
    assert (rolled_back.code, rolled_back.report["comparison"]["worse"]) == (1, True)
