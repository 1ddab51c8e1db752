from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.core.coverage import ExpectedCoverage, ExpectedPrefixes
from ermon.core.rib import AdjRibIn
from ermon.model.inventory import ExpectationPeriods, ExpectedPrefix
from ermon.model.prefixes import Prefix, parse_prefix
from tests.model.test_prefixes import naively_covers, small_prefixes
from tests.networks import prefixes, routes

# Coverage ----------------------------------------------------------------------------------------------


def announce(table: AdjRibIn, coverage: ExpectedCoverage, text: str) -> list[bool]:
    changed = []
    for route in routes(text):
        table.announce(route)
        changed.append(coverage.touched({route.prefix}))
    return changed


def test_everything_is_missing_from_an_empty_table() -> None:
    expected = prefixes("192.0.2.0/26 2001:db8:200::/48")
    assert ExpectedCoverage(ExpectedPrefixes(expected), AdjRibIn()).uncovered == set(expected)


@pytest.mark.parametrize(
    ("expected", "whole", "halves"),
    [
        ("192.0.2.0/26", "192.0.2.0/24", "192.0.2.0/27 192.0.2.32/27"),
        ("2001:db8:200::/48", "2001:db8:200::/40", "2001:db8:200::/49 2001:db8:200:8000::/49"),
    ],
)
def test_a_prefix_is_covered_by_a_larger_one_or_by_its_halves(expected: str, whole: str, halves: str) -> None:
    table = AdjRibIn()
    coverage = ExpectedCoverage(ExpectedPrefixes(prefixes(expected)), table)
    assert announce(table, coverage, halves) == [False, True]
    assert coverage.uncovered == set()
    assert announce(table, coverage, whole) == [False]
    for half in prefixes(halves):
        table.withdraw((half, None))
        assert not coverage.touched({half})
    table.withdraw((parse_prefix(whole), None))
    assert coverage.touched({parse_prefix(whole)})
    assert coverage.uncovered == set(prefixes(expected))


@pytest.mark.parametrize(
    ("expected", "default"), [("192.0.2.0/26", "0.0.0.0/0"), ("2001:db8:200::/48", "::/0")]
)
def test_a_default_route_covers_no_expected_prefix(expected: str, default: str) -> None:
    table = AdjRibIn()
    coverage = ExpectedCoverage(ExpectedPrefixes(prefixes(expected)), table)
    assert announce(table, coverage, default) == [False]
    assert coverage.uncovered == set(prefixes(expected))


def test_coverage_that_begins_beside_a_full_table_knows_it() -> None:
    table = AdjRibIn()
    table.announce(routes("192.0.2.0/24")[0])
    assert ExpectedCoverage(
        ExpectedPrefixes(prefixes("192.0.2.0/26 198.51.100.0/24")), table
    ).uncovered == set(prefixes("198.51.100.0/24"))


@given(
    st.lists(small_prefixes(), max_size=4), st.lists(st.tuples(st.booleans(), small_prefixes()), max_size=20)
)
def test_coverage_is_the_same_as_from_scratch(
    expected: list[Prefix], steps: list[tuple[bool, Prefix]]
) -> None:
    table = AdjRibIn()
    coverage = ExpectedCoverage(ExpectedPrefixes(expected), table)
    for announced, prefix in steps:
        before = set(coverage.uncovered)
        if announced:
            table.announce(routes(str(prefix))[0])
        else:
            table.withdraw((prefix, None))
        changed = coverage.touched({prefix})
        held = [*table.prefixes("ipv4"), *table.prefixes("ipv6")]
        assert coverage.uncovered == {each for each in expected if not naively_covers(held, each)}
        assert changed == (before != coverage.uncovered)


# Dates -------------------------------------------------------------------------------------------------

V4, V6 = parse_prefix("192.0.2.0/26"), parse_prefix("2001:db8:200::/48")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_prefix_without_dates_is_always_expected() -> None:
    calendar = ExpectationPeriods([ExpectedPrefix(V6)])
    assert calendar.expects(V6, at("1999-01-01T00:00:00"))
    assert list(calendar.changes()) == []
    assert not calendar.expects(V4, at("1999-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-01T23:59:59.999999", False),
        ("2026-03-02T00:00:00", True),
        ("2026-03-03T23:59:59.999999", True),
        ("2026-03-04T00:00:00", False),
    ],
)
def test_dates_are_utc_from_is_included_and_until_is_not(time: str, expected: bool) -> None:
    calendar = ExpectationPeriods([ExpectedPrefix(V4, date(2026, 3, 2), date(2026, 3, 4))])
    assert calendar.expects(V4, at(time)) is expected
    assert sorted(calendar.changes()) == [at("2026-03-02T00:00:00"), at("2026-03-04T00:00:00")]


def test_a_prefix_may_be_expected_twice() -> None:
    calendar = ExpectationPeriods(
        [ExpectedPrefix(V6, None, date(2026, 3, 2)), ExpectedPrefix(V6, date(2026, 3, 9))]
    )
    assert calendar.expects(V6, at("2026-03-01T12:00:00"))
    assert not calendar.expects(V6, at("2026-03-05T12:00:00"))
    assert calendar.expects(V6, at("2026-03-09T12:00:00"))
