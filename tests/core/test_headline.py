"""One line, decided once: what is wrong, what cannot be seen, or that all is well."""

from __future__ import annotations

from typing import Any

import pytest

from ermon.api.status import HeadlineDoc
from ermon.core.headline import Seen, headline_of, make_headline
from ermon.model.findings import Finding
from ermon.model.settings import Severity
from tests.checks.company import V4, V6, Company, Space, company

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
T0 = 1_795_000_000.0
"""2026-11-18T11:06:40Z."""
NOTHING = Seen(raised=(), feeds=6, blind=(), processes_down=())


def finding(
    severity: Severity = Severity.CRITICAL,
    summary: str = "NAT pool chi is advertised to the internet",
    *,
    since: float = T0,
    labels: dict[str, str] | None = None,
    routers: tuple[str, ...] = ("edge-1",),
    **marks: Any,
) -> Finding:
    about = {"pool": "chi", "feed": "edge-1-isp-a", "uplink": "isp-a"} if labels is None else labels
    evidence = {"routers": list(routers)} if routers else {}
    return Finding("f0", "pool-leak", about, severity, summary, evidence, since, since, **marks)


def of(*raised: Finding, **seen: Any) -> HeadlineDoc:
    return headline_of(NOTHING._replace(raised=raised, **seen))


def test_nothing_is_raised_and_everything_is_seen():
    assert of() == HeadlineDoc(kind="well", text="All is well", about="", since=None)


def test_what_is_for_information_is_counted_and_does_not_make_it_wrong():
    headline = of(finding(Severity.INFO), finding(Severity.INFO))
    assert (headline.kind, headline.text) == ("well", "All is well (2 for information)")


def test_what_is_wrong_is_counted_by_severity_and_the_worst_is_named_with_its_time():
    warning = finding(Severity.WARNING, "link primary of chicago is down", since=T0 + 5)
    headline = of(finding(), warning, finding(Severity.INFO))
    assert (headline.kind, headline.text) == ("wrong", "Something is wrong: 1 critical, 1 warning")
    assert headline.about == "NAT pool chi is advertised to the internet (edge-1 to isp-a)."
    assert headline.since == "2026-11-18T11:06:40.000Z"


def test_of_equally_bad_ones_the_latest_is_named_and_what_something_covers_last():
    earlier, later = finding(summary="a"), finding(summary="b", since=T0 + 1)
    assert of(earlier, later).about.startswith("b ")
    covered = finding(summary="c", since=T0 + 2, suppressed=True)
    assert of(earlier, covered).about.startswith("a ")


@pytest.mark.parametrize(
    ("labels", "routers", "summary", "where"),
    [
        ({"uplink": "isp-a"}, ("edge-1",), "it leaks", " (edge-1 to isp-a)"),
        ({"uplink": "isp-a"}, (), "it leaks", " (to isp-a)"),
        ({"uplink": "isp-a"}, ("edge-1",), "it leaks to isp-a", " (edge-1)"),
        ({"circuit": "chicago", "link": "primary"}, ("edge-1",), "it is down", " (chicago primary edge-1)"),
        ({"circuit": "chicago", "link": "primary"}, ("edge-1",), "primary of chicago is down", " (edge-1)"),
        ({"feed": "edge-1"}, ("edge-1",), "it is down", " (edge-1)"),
        ({"feed": "edge-1"}, ("edge-1",), "feed edge-1 is down", ""),
        ({}, ("a", "b", "c", "d", "e"), "it is down", " (a, b, c and 2 more)"),
    ],
)
def test_where_it_is_is_said_unless_the_summary_does(
    labels: dict[str, str], routers: tuple[str, ...], summary: str, where: str
):
    assert of(finding(summary=summary, labels=labels, routers=routers)).about == f"{summary}{where}."


def test_what_may_be_over_and_what_is_covered_is_said():
    assert of(finding(stale=True)).about.endswith("It may be over: what showed it is out of sight.")
    covered = finding(suppressed=True)
    assert "Maintenance, a drain or a larger finding covers all" in of(covered).about
    assert "Maintenance" not in of(covered, finding(Severity.WARNING)).about


def test_what_cannot_be_seen_is_counted_and_named():
    headline = of(blind=["outside"])
    assert (headline.kind, headline.since) == ("blind", None)
    assert headline.text == "Ermon cannot see everything: 1 of 6 feeds is down or not in sync"
    assert headline.about == "outside."
    many = of(blind=[f"edge-{n}" for n in range(1, 8)], feeds=9)
    assert many.text == "Ermon cannot see everything: 7 of 9 feeds are down or not in sync"
    assert many.about == "edge-1, edge-2, edge-3, edge-4, edge-5 and 2 more."
    assert "1 of 1 feed is down" in of(blind=["outside"], feeds=1).text


def test_that_exabgp_is_down_is_named_instead_of_the_feeds_that_it_takes_along():
    assert of(blind=["edge-1", "edge-2"], processes_down=["edges"]).about == "ExaBGP is down: edges."


def test_wrong_comes_before_blind_and_says_both():
    headline = of(finding(), blind=["outside"])
    assert headline.kind == "wrong"
    assert headline.text == (
        "Something is wrong: 1 critical; ermon cannot see everything: 1 of 6 feeds is down or not in sync"
    )
    assert headline.about.endswith("Down or not in sync: outside.")


@BOTH_FAMILIES
def test_a_story_from_the_first_feed_to_a_leak_and_back(space: Space):
    def kind(net: Company) -> str:
        return make_headline(net.monitor.findings(), net.monitor.network).kind

    net = company()
    assert kind(net) == "blind"
    assert kind(net.process_up("edges").process_up("outside").converge()) == "well"
    assert kind(net.announce("isp-a", space.pool, path="64500")) == "wrong"
    assert kind(net.withdraw("isp-a", space.pool).wait(59)) == "wrong"
    assert kind(net.wait(1)) == "well"
    assert kind(net.down("outside")) == "blind"


def test_a_process_that_is_down_is_known():
    net = company().process_up("edges").process_up("outside").converge().process_down("outside")
    assert make_headline([], net.monitor.network).about == "ExaBGP is down: outside."
