from __future__ import annotations

import pytest

from ermon.checks.catalogue import subjects
from ermon.checks.subject import Subject
from ermon.core.maintenance import active, covers
from tests.networks import START, TWO_CIRCUITS, window

ALL = list(subjects(TWO_CIRCUITS))

ON_LINK = window(0, 60, circuit="chicago", link="primary")
ON_CIRCUIT = window(0, 60, circuit="chicago")
ON_FEED = window(0, 60, feed="isp-a")


def subject(check: str, **labels: str) -> Subject:
    found = [one for one in ALL if one.check == check and labels.items() <= dict(one.labels).items()]
    assert found, f"{check} has no subject {labels}"
    return found[0]


@pytest.mark.parametrize(
    ("seconds", "is_active"), [(-0.25, False), (0.0, True), (59.75, True), (60.0, False)]
)
def test_a_window_has_its_beginning_and_not_its_end(seconds: float, is_active: bool) -> None:
    assert active(ON_LINK, START + seconds) is is_active


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize(
    "check", ["link-down", "prefix-count-low", "pool-not-advertised", "advertised-limit-near"]
)
def test_a_window_on_a_link_covers_the_checks_whose_subject_has_that_link(check: str, family: str) -> None:
    assert covers(ON_LINK, subject(check, circuit="chicago", link="primary", family=family))
    assert not covers(ON_LINK, subject(check, circuit="chicago", link="secondary", family=family))


@pytest.mark.parametrize(
    "check", ["service-missing", "prefix-missing", "prefix-unexpected", "communities-missing"]
)
def test_and_those_of_the_link_as_a_whole(check: str) -> None:
    assert covers(ON_LINK, subject(check, circuit="chicago", link="primary"))
    assert not covers(ON_LINK, subject(check, circuit="dallas", link="primary"))


@pytest.mark.parametrize("check", ["circuit-down", "circuit-unseen", "link-asymmetry"])
def test_checks_of_a_whole_circuit_need_a_window_on_the_circuit(check: str) -> None:
    assert not covers(ON_LINK, subject(check, circuit="chicago"))
    assert covers(ON_CIRCUIT, subject(check, circuit="chicago"))
    assert not covers(ON_CIRCUIT, subject(check, circuit="dallas"))


@pytest.mark.parametrize("check", ["link-down", "pool-not-advertised", "service-missing"])
def test_a_window_on_a_circuit_covers_its_links(check: str) -> None:
    for link in ("primary", "secondary"):
        assert covers(ON_CIRCUIT, subject(check, circuit="chicago", link=link))


@pytest.mark.parametrize(
    "check", ["feed-down", "feed-empty", "feed-no-eor", "feed-lost-messages", "canary-missing"]
)
def test_a_feeds_own_checks_need_a_window_on_the_feed(check: str) -> None:
    assert covers(ON_FEED, subject(check, feed="isp-a"))
    assert not covers(ON_CIRCUIT, subject(check, feed="isp-a"))


def test_a_window_on_one_feed_says_nothing_of_another() -> None:
    assert not covers(ON_FEED, subject("feed-down", feed="outside"))


@pytest.mark.parametrize("check", ["pool-leak", "pool-covered", "pool-fallback", "microsoft-leaked"])
def test_a_leak_seen_on_a_feed_is_never_covered_by_a_window_on_the_feed(check: str) -> None:
    assert not covers(ON_FEED, subject(check, feed="isp-a"))


def test_routes_that_fit_no_link_are_not_ermons_own_sight() -> None:
    assert not covers(window(0, 60, feed="edge-1"), subject("route-unattributed", feed="edge-1"))


def test_the_redundancy_of_a_geo_is_never_covered() -> None:
    geo = subject("geo-not-redundant", geo="us")
    assert not any(covers(one, geo) for one in (ON_LINK, ON_CIRCUIT, ON_FEED))
