"""The report as a record."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from ermon.verify import report as reports
from ermon.verify.report import Outcome, Report, ReportError, load_report, to_json, worst
from tests.checks.company import V4, V6, Company
from tests.verify.acceptance import put_to_the_test


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
    ]
    assert (report["schema"], report["time"]) == ("ermon-verify/1", "2026-11-18T11:07:42.000Z")
    [circuit] = report["circuits"]
    assert list(circuit) == ["circuit", "peering", "location", "status", "steps", "not_asked", "links"]
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
        (b"[]", "is no report of `ermon verify --json`: Expected `object`, got `array`"),
        (b"{}", "is no report of `ermon verify --json`: Object missing required field `version`"),
        (b"Accepted", "is no report of `ermon verify --json`: JSON is malformed"),
        (b"\xff", "is no report of `ermon verify --json`"),
        (b"[" * 100_000, "is no report of `ermon verify --json`"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, words: str):
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
