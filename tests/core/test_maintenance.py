from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ermon.checks.catalogue import subjects
from ermon.checks.subject import Subject
from ermon.core.maintenance import Coverage, active
from ermon.model.settings import CheckException, MaintenanceWindow
from tests.networks import START, TWO_CIRCUITS, window

ALL = list(subjects(TWO_CIRCUITS))

ON_LINK = window(0, 60, circuit="chicago", link="primary")
ON_CIRCUIT = window(0, 60, circuit="chicago")
ON_FEED = window(0, 60, feed="isp-a")


def covers(window: MaintenanceWindow, one: Subject) -> bool:
    return quiet((window,), one)


def quiet(windows: tuple[MaintenanceWindow, ...], one: Subject, seconds: float = 0) -> bool:
    """Return whether these windows suppress a subject, so many seconds after the beginning."""
    cover = Coverage(replace(TWO_CIRCUITS, exceptions=()), windows).of(one)
    return cover is not None and cover.active(START + seconds) is not None


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
def test_a_window_on_a_link_covers_the_checks_of_the_link_as_a_whole(check: str) -> None:
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


def test_a_window_on_one_feed_does_not_cover_another() -> None:
    assert not covers(ON_FEED, subject("feed-down", feed="outside"))


@pytest.mark.parametrize("check", ["pool-leak", "pool-covered", "pool-fallback", "microsoft-leaked"])
def test_a_leak_seen_on_a_feed_is_never_covered_by_a_window_on_the_feed(check: str) -> None:
    assert not covers(ON_FEED, subject(check, feed="isp-a"))


def test_routes_that_fit_no_link_are_not_ermons_own_sight() -> None:
    assert not covers(window(0, 60, feed="edge-1"), subject("route-unattributed", feed="edge-1"))


def test_the_redundancy_of_a_geo_is_never_covered() -> None:
    geo = subject("geo-not-redundant", geo="us")
    assert not any(covers(one, geo) for one in (ON_LINK, ON_CIRCUIT, ON_FEED))


# Routers, uplinks, segments, groups ------------------------------------------------------------------


ON_ROUTER = window(0, 60, router="edge-1")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_window_on_a_router_covers_its_links_and_its_feeds(family: str) -> None:
    assert quiet((ON_ROUTER,), subject("link-down", circuit="chicago", link="primary", family=family))
    assert not quiet((ON_ROUTER,), subject("link-down", circuit="chicago", link="secondary", family=family))
    for feed in ("edge-1", "edge-1-msee", "isp-a"):
        assert quiet((ON_ROUTER,), subject("feed-down", feed=feed))
    assert not quiet((ON_ROUTER,), subject("feed-down", feed="edge-2"))


@pytest.mark.parametrize("check", ["pool-leak", "microsoft-leaked", "internet-undeclared", "exabgp-down"])
def test_a_window_on_a_router_or_uplink_covers_no_leak_and_no_process(check: str) -> None:
    on_uplink = window(0, 60, uplink="isp-a")
    for one in (each for each in ALL if each.check == check):
        assert not quiet((ON_ROUTER, on_uplink), one)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_windows_on_all_links_at_once_cover_the_checks_of_the_whole_circuit(family: str) -> None:
    down = subject("circuit-down", circuit="chicago", family=family)
    primary = window(0, 60, circuit="chicago", link="primary")
    secondary = window(30, 90, circuit="chicago", link="secondary")
    assert [quiet((primary, secondary), down, at) for at in (0, 29, 30, 59, 60, 89)] == [
        *(False, False, True, True, False, False)
    ]
    assert quiet((ON_ROUTER, window(0, 60, router="edge-2")), down)
    assert quiet((ON_ROUTER, secondary), down, 45)
    assert not quiet((ON_ROUTER, primary), down)


def test_a_window_on_the_only_router_of_a_circuit_covers_the_circuit() -> None:
    on_router = window(0, 60, router="edge-3")
    assert quiet((on_router,), subject("circuit-unseen", circuit="dallas"))
    assert not quiet((on_router,), subject("circuit-unseen", circuit="chicago"))


def test_a_window_on_a_segment_covers_the_checks_of_the_segment() -> None:
    on_segment = window(0, 60, segment="dmz")
    assert quiet((on_segment,), subject("segment-leak", segment="dmz"))
    assert not quiet((on_segment,), subject("segment-missing", segment="campus"))
    assert not quiet((on_segment,), subject("feed-down", feed="dmz"))


def test_of_several_windows_the_one_that_ends_first_is_shown() -> None:
    windows = (window(0, 90, router="edge-1"), window(0, 60, router="edge-2"))
    cover = Coverage(TWO_CIRCUITS, windows).of(subject("circuit-unseen", circuit="chicago"))
    assert cover is not None
    assert cover.active(START) == windows[1]


def test_circuits_links_and_feeds_in_maintenance_are_known_with_its_end() -> None:
    windows = (ON_ROUTER, window(0, 90, circuit="chicago", link="secondary"), window(0, 30, feed="isp-a"))
    coverage = Coverage(TWO_CIRCUITS, windows)
    assert coverage.open_until(START) == {
        ("chicago", "", ""): START + 60,
        ("chicago", "primary", ""): START + 60,
        ("chicago", "secondary", ""): START + 90,
        ("", "", "edge-1"): START + 60,
        ("", "", "edge-1-msee"): START + 60,
        ("", "", "isp-a"): START + 60,
    }
    assert coverage.open_until(START + 60) == {("chicago", "secondary", ""): START + 90}
    assert Coverage(TWO_CIRCUITS, ()).open_until(START) == {}


# Exceptions ------------------------------------------------------------------------------------------


def excepted(one: Subject, at: float, until: float | None = None, **labels: str) -> bool:
    ends = None if until is None else datetime.fromtimestamp(START + until, UTC)
    exception = CheckException(one.check, labels, "by design", ends)
    cover = Coverage(replace(TWO_CIRCUITS, exceptions=(exception,)), ()).of(one)
    return cover is not None and cover.active(START + at) == exception


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_an_exception_is_about_the_subjects_of_its_check_with_its_labels(family: str) -> None:
    leak = subject("pool-leak", pool="chi", family=family, feed="isp-a")
    assert excepted(leak, 0)
    assert excepted(leak, 0, pool="chi", uplink="isp-a")
    assert not excepted(leak, 0, pool="dal")
    assert not excepted(leak, 0, pool="chi", feed="outside")


@pytest.mark.parametrize("check", ["geo-not-redundant", "exabgp-down", "storage-failed"])
def test_an_exception_covers_also_what_no_window_covers(check: str) -> None:
    assert excepted(subject(check), 0)


def test_an_exception_ends_at_its_date() -> None:
    leak = subject("pool-leak", pool="chi", feed="isp-a")
    assert [excepted(leak, at, until=60) for at in (-1000, 59.75, 60)] == [True, True, False]


def test_another_check_of_the_same_subject_is_not_suppressed() -> None:
    exception = CheckException("pool-covered", {"pool": "chi"}, "by design")
    coverage = Coverage(replace(TWO_CIRCUITS, exceptions=(exception,)), ())
    assert coverage.of(subject("pool-leak", pool="chi", feed="isp-a")) is None
