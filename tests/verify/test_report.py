"""The report as JSON, and the comparison of two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ermon.verify import report as reports
from ermon.verify.report import Outcome, Report, ReportError, load_report, to_json, worst
from tests.checks.company import PLANT, V4, V6, Company, Space
from tests.story import Story
from tests.verify.acceptance import Run, converged, put_to_the_test


async def test_the_schema_of_a_report(net: Company):
    report = (await put_to_the_test(net)).report
    assert list(report) == [
        "schema",
        "version",
        "time",
        "url",
        "status",
        "circuits",
        "other_findings",
        "comparison",
        "maintenance",
    ]
    assert (report["schema"], report["time"]) == ("ermon-verify/1", "2026-11-18T11:07:42.000Z")
    [circuit] = report["circuits"]
    assert list(circuit) == [
        "circuit",
        "peering",
        "location",
        "status",
        "steps",
        "not_asked",
        "links",
        "blinded_by",
        "procedure",
    ]
    for step in circuit["steps"]:
        assert list(step) == ["id", "title", "status", "summary", "evidence"]
        assert all({"status", "text"} <= proof.keys() for proof in step["evidence"])


async def test_a_report_holds_the_prefixes_of_each_link(net: Company):
    links = (await put_to_the_test(net)).circuit()["links"]
    assert links["secondary"] == {
        "router": "edge-2",
        "received": {
            "ipv4": {"complete": True, "prefixes": [V4.exchange, V4.sharepoint]},
            "ipv6": {"complete": True, "prefixes": [V6.exchange, V6.sharepoint]},
        },
        "advertised": {
            "ipv4": {"complete": True, "prefixes": [V4.pool]},
            "ipv6": {"complete": True, "prefixes": [V6.pool]},
        },
    }


async def test_prefixes_that_may_not_be_all_say_so(net: Company):
    links = (await put_to_the_test(net.down("edge-1", "chicago-primary"))).circuit()["links"]
    assert links["primary"]["received"]["ipv6"] == {"complete": False, "prefixes": []}
    assert links["primary"]["advertised"]["ipv4"] == {"complete": False, "prefixes": []}


async def test_a_report_is_read_as_it_was_written(net: Company, tmp_path: Path):
    file = tmp_path / "before.json"
    (await put_to_the_test(net, None)).save(file)
    assert to_json(load_report(file)) == file.read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; did its own shell redirection truncate it?"),
        (b"[]", "is not a report of `ermon verify --json`: Expected `object`, got `array`"),
        (b"{}", "is not a report of `ermon verify --json`: Object missing required field `version`"),
        (b"Accepted", "is not a report of `ermon verify --json`: JSON is malformed"),
        (b"\xff", "is not a report of `ermon verify --json`"),
        (b"[" * 100_000, "is not a report of `ermon verify --json`"),
    ],
)
def test_an_invalid_report_is_refused(tmp_path: Path, content: bytes, words: str):
    file = tmp_path / "before.json"
    file.write_bytes(content)
    with pytest.raises(ReportError) as error:
        load_report(file)
    assert str(error.value).startswith(f"{file}: {words}")


def test_a_report_of_another_schema(tmp_path: Path):
    report = Report(version="1", time="", url="", status=Outcome.PASS, circuits=())
    file = tmp_path / "before.json"
    file.write_text(to_json(report).replace("ermon-verify/1", "ermon-verify/9"))
    with pytest.raises(ReportError, match="ermon-verify/9"):
        load_report(file)


def test_a_file_that_is_not_there_or_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ReportError, match="cannot be read: No such file"):
        load_report(tmp_path / "nothing.json")
    with pytest.raises(ReportError, match="cannot be read: Is a directory"):
        load_report(tmp_path)
    monkeypatch.setattr(reports, "MAX_REPORT_BYTES", 10)
    (tmp_path / "long.json").write_text(" " * 9 + "[1]")
    with pytest.raises(ReportError, match="is longer than 10 bytes"):
        load_report(tmp_path / "long.json")


def test_unknown_is_never_as_good_as_a_pass():
    assert worst([Outcome.PASS, Outcome.UNKNOWN]) is Outcome.UNKNOWN
    assert worst([Outcome.UNKNOWN, Outcome.FAIL, Outcome.PASS]) is Outcome.FAIL
    assert worst([]) is Outcome.UNKNOWN


def test_a_report_is_ascii():
    report = Report(version="1", time="", url="http://münchen", status=Outcome.PASS, circuits=())
    assert to_json(report).isascii()
    assert json.loads(to_json(report)) == json.loads(msgspec.json.encode(report))


BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "before.json"


async def remember(net: Story, file: Path, circuit: str | None = "chicago") -> Run:
    return (await put_to_the_test(net, circuit)).save(file)


def changes(run: Run) -> dict[str, tuple[str, str | None, str | None]]:
    [circuit] = run.report["comparison"]["circuits"]
    return {step["id"]: (step["change"], step["before"], step["after"]) for step in circuit["steps"]}


def prefix_changes(run: Run) -> list[dict[str, Any]]:
    [circuit] = run.report["comparison"]["circuits"]
    return circuit["prefixes"]


async def test_equal_reports_have_no_changes(net: Company, file: Path):
    await remember(net, file)
    run = await put_to_the_test(net.wait(3600), before=file)
    assert run.code == 0
    assert run.report["comparison"] == {
        "before": "2026-11-18T11:07:42.000Z",
        "worse": False,
        "circuits": [{"circuit": "chicago", "change": "same", "steps": [], "prefixes": []}],
    }


@BOTH_FAMILIES
async def test_a_step_that_got_worse(net: Company, file: Path, space: Space):
    await remember(net, file)
    net.announce("isp-a", space.pool, path="64500").wait(1)
    run = await put_to_the_test(net, before=file)
    assert (run.code, run.report["comparison"]["worse"]) == (1, True)
    assert changes(run) == {"internet": ("worse", "pass", "fail")}
    [step] = run.report["comparison"]["circuits"][0]["steps"]
    assert (step["solved"], step["added"]) == (
        [],
        [f"NAT pool chi {space.pool} is advertised to isp-a by edge-1"],
    )


async def test_a_step_that_got_better(net: Company, file: Path):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    await remember(net, file)
    run = await put_to_the_test(net.withdraw("isp-a", V4.pool).wait(60), before=file)
    assert (run.code, run.report["comparison"]["worse"]) == (0, False)
    assert changes(run) == {"internet": ("better", "fail", "pass")}


async def test_a_step_that_failed_before_fails_without_being_worse(net: Company, file: Path):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    await remember(net, file)
    run = await put_to_the_test(net.wait(60), before=file)
    assert (run.code, run.report["comparison"]["worse"], changes(run)) == (1, False, {})


async def test_one_fault_for_another(net: Company, file: Path):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    await remember(net, file)
    net.announce("isp-a", V6.pool, path="64500").wait(1)
    assert changes(await put_to_the_test(net, before=file)) == {"internet": ("worse", "fail", "fail")}
    net.withdraw("isp-a", V4.pool).wait(60)
    run = await put_to_the_test(net, before=file)
    assert changes(run) == {"internet": ("different", "fail", "fail")}
    await remember(net, file)
    net.announce("isp-a", V4.pool, path="64500").wait(1).withdraw("isp-a", V6.pool, V4.pool).wait(60)
    assert changes(await put_to_the_test(net, before=file)) == {"internet": ("better", "fail", "pass")}


async def test_to_lose_sight_is_worse(net: Company, file: Path):
    await remember(net, file)
    run = await put_to_the_test(net.down("outside"), before=file)
    assert changes(run)["internet"] == ("worse", "pass", "unknown")
    assert run.code == 1


async def test_a_missing_step_is_worse(net: Company, file: Path):
    await remember(net, file)
    lax = "circuits: {chicago: {receive: null}}"
    run = await put_to_the_test(converged(lax), before=file)
    assert run.not_passed() == {}
    assert changes(run) == {"prefixes": ("gone", "pass", None), "counts": ("gone", "pass", None)}
    assert run.code == 1


async def test_a_step_that_is_new_counts_for_itself(net: Company, file: Path):
    await remember(converged("circuits: {chicago: {receive: null}}"), file)
    run = await put_to_the_test(net, before=file)
    assert changes(run) == {"prefixes": ("new", None, "pass"), "counts": ("new", None, "pass")}
    assert run.code == 0


@BOTH_FAMILIES
async def test_prefixes_that_came_and_went(net: Company, file: Path, space: Space):
    await remember(net, file)
    for link in ("chicago-primary", "chicago-secondary"):
        net.microsoft_sends(link, space.extra).microsoft_withdraws(link, space.sharepoint)
        net.withdraw(link, space.pool).announce(link, *space.pool_halves, path="64500")
    run = await put_to_the_test(net.wait(60), before=file)
    assert (run.code, changes(run)) == (0, {})
    received, advertised = prefix_changes(run)[:2]
    assert received == {
        "link": "primary",
        "direction": "received",
        "family": space.family,
        "complete": True,
        "gone": [space.sharepoint],
        "new": [space.extra],
    }
    assert (advertised["direction"], advertised["gone"], advertised["new"]) == (
        "advertised",
        [space.pool],
        list(space.pool_halves),
    )


async def test_unseen_prefixes_only_seem_to_be_gone(net: Company, file: Path):
    await remember(net, file)
    run = await put_to_the_test(net.down("edge-2"), before=file)
    assert [(c["link"], c["complete"]) for c in prefix_changes(run)] == [("secondary", False)] * 2


async def test_circuits_that_came_and_went(net: Company, file: Path):
    await remember(net, file, None)
    run = await put_to_the_test(converged(PLANT), None, before=file)
    found = {c["circuit"]: c["change"] for c in run.report["comparison"]["circuits"]}
    assert (run.code, found) == (0, {"chicago": "same", "dallas": "same", "plant": "new"})
    run.save(file)
    run = await put_to_the_test(net, None, before=file)
    found = {c["circuit"]: c["change"] for c in run.report["comparison"]["circuits"]}
    assert (run.code, found) == (1, {"chicago": "same", "dallas": "same", "plant": "gone"})


async def test_one_circuit_is_compared_with_itself_alone(net: Company, file: Path):
    await remember(net, file, None)
    run = await put_to_the_test(net, "chicago", before=file)
    assert [c["circuit"] for c in run.report["comparison"]["circuits"]] == ["chicago"]


async def test_an_earlier_report_without_the_circuit_is_refused(net: Company, file: Path):
    await remember(net, file, "chicago")
    run = await put_to_the_test(net, "dallas", before=file)
    assert (run.code, run.err) == (2, f"ermon: {file}: says nothing of circuit 'dallas', only of chicago\n")


async def test_a_report_with_a_comparison_can_be_compared_again(net: Company, file: Path):
    await remember(net, file)
    (await put_to_the_test(net, before=file)).save(file)
    assert (await put_to_the_test(net, before=file)).code == 0
