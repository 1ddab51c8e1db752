from __future__ import annotations

import json

import pytest

from ermon.checks.subject import LISTED, Evidence
from ermon.core.evidence import render
from ermon.model.prefixes import Prefix, parse_prefix
from tests.networks import prefixes, routes


def numbered(base: str, count: int) -> list[Prefix]:
    first = parse_prefix(base)
    step = 1 << (first.bits - first.length)
    return [Prefix(first.version, first.value + number * step, first.length) for number in range(count)]


def test_no_evidence_is_nothing() -> None:
    assert render(Evidence()) == {}


def test_prefixes_are_sorted_and_each_is_named_once() -> None:
    shown = Evidence(
        routes("2001:db8::/32 198.51.100.0/24", path_id=1), prefixes("198.51.100.0/24 10.0.0.0/8")
    )
    rendered = render(shown)
    assert rendered["prefixes"] == ["10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32"]
    assert rendered["prefixes_total"] == 3


@pytest.mark.parametrize("base", ["198.51.100.0/28", "2001:db8::/48"])
def test_a_list_ends_after_twenty_and_says_how_many_there_were(base: str) -> None:
    many = numbered(base, 23)
    rendered = render(Evidence(prefixes=list(reversed(many))))
    assert rendered["prefixes"] == [str(prefix) for prefix in many[:20]]
    assert rendered["prefixes_total"] == 23


@pytest.mark.parametrize("base", ["198.51.100.0/28", "2001:db8::/48"])
def test_twenty_are_all_shown(base: str) -> None:
    rendered = render(Evidence(prefixes=numbered(base, LISTED)))
    assert len(rendered["prefixes"]) == rendered["prefixes_total"] == 20


def test_each_as_path_is_shown_once_as_people_write_it() -> None:
    several = (
        *routes("198.51.100.0/24", "64500 12076 {8075 8068}"),
        *routes("2001:db8::/32", "64500 12076 {8075 8068}"),
        *routes("203.0.113.0/24", "(65001) 12076"),
        *routes("192.0.2.0/24", ""),
    )
    assert render(Evidence(several))["as_paths"] == ["", "(65001) 12076", "64500 12076 {8075 8068}"]


def test_feeds_and_routers_are_sorted_and_each_is_named_once() -> None:
    rendered = render(Evidence(feeds=["edge-2", "edge-1", "edge-2"], routers=("b", "a", "a")))
    assert rendered == {"feeds": ["edge-1", "edge-2"], "routers": ["a", "b"]}


def test_the_checks_own_details_stand_beside_them() -> None:
    assert render(Evidence(routers=("edge-1",), details={"limit": 200})) == {
        "routers": ["edge-1"],
        "limit": 200,
    }


def test_evidence_is_plain_json() -> None:
    full = Evidence(routes("198.51.100.0/24"), prefixes("2001:db8::/32"), ["f"], ["r"], {"routes": 1})
    assert json.loads(json.dumps(render(full))) == render(full)
