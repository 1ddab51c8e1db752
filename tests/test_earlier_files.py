"""Files of an earlier ermon can still be read: recordings, its store, and reports to compare with.

The files in ``recorded/earlier-ermon`` are from its first version, in which modules and classes had other names. In its
first run a pool leaked in both families and came back in IPv6, and Microsoft drained a link; in its second run the leak
ended and began again.
"""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ermon.api.answers import finding_doc
from ermon.cli import run
from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.storage.store import Store
from ermon.verify.report import load_report

EARLIER = Path(__file__).parent / "recorded" / "earlier-ermon"
RECORDINGS = sorted(EARLIER.glob("*.jsonl.gz"))
NOW = datetime(2026, 11, 30, 12, 39, tzinfo=UTC).timestamp()
"""A little after the last entry of the store."""

AGREED = {"pool-leak", "drain"}
"""Checks whose rules have not changed since: recordings must give the same transitions to the millisecond."""


def transitions(*files: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[float, str, str, str]]:
    assert run(["replay", str(EARLIER / "ermon.yml"), *map(str, files)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return told(output.out)


def told(lines: str) -> list[tuple[float, str, str, str]]:
    found = (json.loads(line) for line in io.StringIO(lines))
    return [
        (each["time"], each["state"], each["check"], str(sorted(each["labels"].items())))
        for each in found
        if each["check"] in AGREED
    ]


def test_its_recordings_replay_as_they_did(capsys):
    then = told((EARLIER / "transitions.jsonl").read_text(encoding="utf-8"))
    assert [check for _, _, check, _ in then].count("pool-leak") == 6
    assert transitions(*RECORDINGS, capsys=capsys) == then


def test_what_was_raised_when_a_recording_began_is_known_from_its_snapshot(capsys):
    first, *_ = transitions(RECORDINGS[1], capsys=capsys)
    assert first[1:3] == ("cleared", "pool-leak"), "it was raised in the recording before"


async def test_its_store_still_has_raised_and_cleared_findings_and_windows(tmp_path: Path):
    shutil.copy(EARLIER / "ermon.sqlite", tmp_path)
    store = await Store.open(tmp_path, 90 * 86400.0, clock=lambda: NOW)
    try:
        kept = store.kept
        assert (kept.unreadable, store.problem) == (0, None)
        then = json.loads((EARLIER / "findings.json").read_bytes())["data"]
        assert {(finding.id, "raised") for finding in kept.findings} | {
            (finding.id, "cleared") for finding in kept.cleared
        } == {(each["id"], each["state"]) for each in then}
        [window] = kept.windows
        assert (window.id, window.window.reason) == ("f6dfc786", "new optics")
        monitor = Monitor(load_config(EARLIER / "ermon.yml").config, NOW, findings=kept.findings)
        raised = {finding.id: finding for finding in monitor.findings()}
        for each in (each for each in then if each["state"] == "raised"):
            assert finding_doc(raised[each["id"]]).labels == each["labels"]
            assert raised[each["id"]].stale, "it is judged again when its feeds are in sync"
    finally:
        await store.close()


def test_its_report_of_an_acceptance_test_can_be_compared_with():
    report = load_report(EARLIER / "verify.json")
    assert [circuit.circuit for circuit in report.circuits] == ["chicago"]
    assert report.circuits[0].steps
