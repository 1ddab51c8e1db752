"""Findings as alerts, and when they must be sent to an Alertmanager."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ermon.model.findings import Finding
from ermon.model.settings import Severity
from ermon.notify import alerts
from ermon.notify.alerts import MAX_DESCRIPTION_CHARACTERS, RESOLVED_KEPT_SECONDS, Ledger
from tests.networks import START

URL = "https://ermon.example.net"
NEXT_STEP = "What to do, on ermon's host: ermon explain id-of-pool-leak"


def finding(check: str = "pool-leak", **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "id": f"id-of-{check}",
        "check": check,
        "labels": {"pool": "chi", "family": "ipv4", "feed": "isp-a"},
        "severity": Severity.CRITICAL,
        "summary": "NAT pool chi is advertised to the internet",
        "evidence": {"prefixes": ["198.51.100.0/28"], "prefixes_total": 1},
        "since": START,
        "raised_at": START + 5,
    }
    return Finding(**(values | changes))


def cleared(of: Finding, at: float) -> Finding:
    return finding(of.check, id=of.id, labels=of.labels, severity=of.severity, ended_at=at - 1, cleared_at=at)


# One alert -------------------------------------------------------------------------------------------


def test_an_alert_has_the_labels_of_its_finding_its_name_and_its_severity():
    labels = {"pool": "chi", "family": "ipv4", "feed": "isp-a", "uplink": ""}
    assert alerts.alert(finding(labels=labels), START + 240, URL) == {
        "labels": {
            "alertname": "ErmonPoolLeak",
            "severity": "critical",
            "pool": "chi",
            "family": "ipv4",
            "feed": "isp-a",
        },
        "annotations": {
            "summary": "NAT pool chi is advertised to the internet",
            "description": "Since 2026-03-01 12:00:00 UTC. Prefixes: 198.51.100.0/28. "
            "What to do, on ermon's host: ermon explain id-of-pool-leak",
            "runbook_url": "https://ermon.example.net/runbooks/pool-leak",
        },
        "startsAt": "2026-03-01T12:00:05.000Z",
        "endsAt": "2026-03-01T12:04:00.000Z",
        "generatorURL": f"{URL}/findings/id-of-pool-leak",
    }


def test_an_alert_never_ends_before_it_starts_though_the_clock_was_set_back():
    alert = alerts.alert(finding(), START - 3600, URL)
    assert alert["endsAt"] == alert["startsAt"]


def test_the_watchdog_belongs_to_no_check_and_has_no_severity():
    watchdog = alerts.watchdog(START, START + 240, URL)
    assert watchdog["labels"] == {"alertname": "ErmonWatchdog", "severity": "none"}
    assert watchdog["endsAt"] == "2026-03-01T12:04:00.000Z"


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({"prefixes": ["2001:db8::/64", "2001:db8:1::/64"], "prefixes_total": 57},
         "Prefixes: 2001:db8::/64, 2001:db8:1::/64 and 55 more."),
        ({"as_paths": ["64500 12076", "64500 64510"], "next_hops": ["2001:db8::1"], "routers": ["edge-1"]},
         "AS paths: 64500 12076, 64500 64510. Next hops: 2001:db8::1. Routers: edge-1."),
        ({"circuits": {"chicago": "down", "dallas": "unknown"}}, "Circuits: chicago down, dallas unknown."),
        ({"advertised_on": [{"circuit": "dallas", "link": "primary"}]},
         "Advertised on: circuit dallas, link primary."),
        ({"reason": "Cease\r\n<b>\x07bye"}, "Reason: Cease��<b>�bye."),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_description_has_the_evidence_in_words(evidence: dict[str, Any], text: str):
    since = "Since 2026-03-01 12:00:00 UTC."
    told = alerts.description(finding(evidence=evidence))
    assert told.removesuffix(f" {NEXT_STEP}") == f"{since} {text}".strip()


def test_the_description_has_the_end_and_says_that_it_is_stale():
    assert "Until 2026-03-01 12:01:39 UTC." in alerts.description(cleared(finding(), START + 100))
    assert "ermon cannot see it at present" in alerts.description(finding(stale=True))
    assert "maintenance" in alerts.description(finding(suppressed=True))


def test_the_description_is_cut_where_a_peer_sends_endless_paths():
    long = finding(evidence={"as_paths": [" ".join(["64500"] * 1000)]})
    told = alerts.description(long)
    assert len(told) == MAX_DESCRIPTION_CHARACTERS
    assert told.endswith(f"… {NEXT_STEP}"), "where to read more is not what is cut"


# What is due -----------------------------------------------------------------------------------------


def due(
    ledger: Ledger, raised: Iterable[Finding], over: Iterable[Finding] = (), now: float = START, **how: bool
):
    """Return what must be sent, as check and whether it is raised; the Alertmanager accepts it."""
    entries = ledger.due(raised, over, now, everything=how.get("everything", False))
    ledger.sent(entries)
    return [(entry.finding.check, entry.ended_at is None) for entry in entries]


def test_sent_alerts_are_sent_again_only_with_everything():
    ledger = Ledger()
    assert due(ledger, [finding()]) == [("pool-leak", True)]
    assert due(ledger, [finding()]) == []
    assert due(ledger, [finding(), finding("link-down")]) == [("link-down", True)]
    assert len(due(ledger, [finding(), finding("link-down")], everything=True)) == 2


def test_stale_and_suppressed_findings_stay_raised():
    ledger = Ledger()
    due(ledger, [finding()])
    assert due(ledger, [finding(stale=True, suppressed=True)], everything=True) == [("pool-leak", True)]


def test_a_cleared_finding_is_resolved_at_once_and_sent_again_for_five_minutes():
    ledger = Ledger()
    due(ledger, [finding()])
    over = [cleared(finding(), START + 10)]
    entries = ledger.due([], over, START + 10, everything=False)
    assert [(entry.finding.check, entry.ended_at) for entry in entries] == [("pool-leak", START + 10)]
    ledger.sent(entries)
    assert due(ledger, [], over, START + 11) == []
    last = START + 10 + RESOLVED_KEPT_SECONDS
    assert due(ledger, [], over, last, everything=True) == [("pool-leak", False)]
    assert due(ledger, [], over, last + 1, everything=True) == []


def test_a_finding_that_was_cleared_before_it_was_sent_is_resolved_too():
    assert due(Ledger(), [], [cleared(finding(), START - 60)]) == [("pool-leak", False)]


def test_a_finding_that_is_raised_again_is_not_resolved():
    ledger = Ledger()
    over = [cleared(finding(), START + 10)]
    due(ledger, [], over, START + 10)
    again = finding(id="another", since=START + 20, raised_at=START + 20)
    assert due(ledger, [again], over, START + 20) == [("pool-leak", True)]
    assert due(ledger, [again], over, START + 30, everything=True) == [("pool-leak", True)]


def test_the_newest_of_several_clearings_counts():
    over = [cleared(finding(), START + 20), cleared(finding(), START + 10)]
    (entry,) = Ledger().due([], over, START + 20, everything=False)
    assert entry.ended_at == START + 20


def test_another_severity_is_another_alert_and_the_old_one_is_resolved():
    ledger = Ledger()
    due(ledger, [finding()])
    milder = finding(severity=Severity.WARNING)
    entries = ledger.due([milder], [], START + 60, everything=False)
    assert [(dict(e.identity)["severity"], e.ended_at) for e in entries] == [
        ("warning", None),
        ("critical", START + 60),
    ]


def test_more_than_the_monitor_remembers_is_resolved():
    ledger = Ledger()
    many = [finding(labels={"pool": f"pool-{number}"}) for number in range(2000)]
    due(ledger, many)
    assert due(ledger, [], [cleared(many[0], START + 1)], START + 1) == [("pool-leak", False)] * 2000


def test_a_clock_that_was_set_back_resolves_nothing_in_the_future():
    (entry,) = Ledger().due([], [cleared(finding(), START + 3600)], START, everything=False)
    assert entry.ended_at == START


def test_causes_come_before_their_effects_and_urgent_alerts_before_the_rest():
    names = ["pool-leak", "churn-high", "prefix-missing", "feed-down", "link-down", "segment-missing",
             "exabgp-down", "circuit-down"]  # fmt: skip
    urgent = {"pool-leak", "circuit-down", "exabgp-down"}
    raised = [
        finding(name, severity=Severity.CRITICAL if name in urgent else Severity.WARNING) for name in names
    ]
    over = [cleared(finding("link-asymmetry"), START)]
    order = [check for check, _ in due(Ledger(), raised, over)]
    assert order == [
        "circuit-down", "exabgp-down", "link-down", "segment-missing", "feed-down", "prefix-missing",
        "pool-leak", "churn-high", "link-asymmetry",
    ]  # fmt: skip
