"""Route objects in files: JSON of bgpq4, and RPSL."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.ownership import RouteObject
from ermon.model.prefixes import parse_prefix
from ermon.sources import route_objects
from ermon.sources.published import SourceError
from ermon.sources.route_objects import read_route_objects

RECORDED = Path(__file__).parents[1] / "recorded" / "registries"
SPACE = tuple(map(parse_prefix, ("198.51.100.0/28", "192.0.2.0/28", "2001:db8:100::/48")))

RPSL = b"""\
% This is a registry.

route:          198.51.100.0/24
descr:          An office
                in two lines
+
origin:         AS64500  # ours
mnt-by:         MAINT-EXAMPLE
source:         RIPE

person:         Somebody
source:         RIPE

ROUTE6: 2001:DB8:100::/40
Origin: as64999
source: RADB

route: 198.51.100.7/24
origin: AS64500

route: 203.0.113.0/24
origin: AS64500
"""


def problem(document: bytes) -> str:
    with pytest.raises(SourceError) as error:
        read_route_objects([document], SPACE)
    return str(error.value)


def test_the_objects_of_a_list_of_bgpq4_belong_to_the_as_that_it_is_named_after():
    reading = read_route_objects([(RECORDED / "bgpq4-1.9.json").read_bytes()], SPACE, 5.0)
    assert (reading.total, reading.taken_at) == (2, 5.0)
    assert reading.route_objects == (
        RouteObject("192.0.2.0/24", 3333, 25),
        RouteObject("198.51.100.0/24", 3333),
    )
    unnamed = read_route_objects([(RECORDED / "bgpq4-1.9-unnamed.json").read_bytes()], SPACE)
    assert {each.asn for each in unnamed.route_objects} == {None}


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_rpsl_is_read_in_whatever_pieces_it_comes(size: int):
    reading = read_route_objects((RPSL[at : at + size] for at in range(0, len(RPSL), size)), SPACE)
    assert reading.total == 3  # an object with a mistake registers nothing
    assert reading.route_objects == (
        RouteObject("198.51.100.0/24", 64500, registry="RIPE"),
        RouteObject("2001:db8:100::/40", 64999, registry="RADB"),
    )


def test_the_name_of_a_registry_can_be_shown_anywhere():
    found = read_route_objects(
        [b"route: 198.51.100.0/24\norigin: AS1\nsource: \x1b[31m\n"], SPACE
    ).route_objects
    assert [each.registry for each in found] == ["\ufffd[31m"]


@pytest.mark.parametrize(
    "document",
    [
        b'{ "NN": [\n] }\n',
        b"%  No entries found for the selected source(s).\n",
        b"%ERROR:101: no entries found\n",
    ],
)
def test_an_answer_without_objects_says_that_there_is_none(document: bytes):
    assert read_route_objects([document], SPACE).route_objects == ()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "has no route object"),
        (b" \n" * 100_000, "has no route object"),
        (b"person: somebody\n", "has no route object"),
        (b"<html>404</html>", "has no route object"),
        (b"{", "is not JSON"),
        (b'{"NN": [{"prefix": "x"}]}', "'x' is not a prefix"),
        (b'{"NN": [{"prefix": "192.0.2.0/24", "greater-equal": 8}]}', "greater-equal 8 does not fit"),
        (b'{"NN": 5}', "is not in the documented shape"),
        (b"route: " + b"1" * 100_000, "has a line of more than"),
    ],
)
def test_what_has_no_route_objects_is_refused_with_the_reason(document: bytes, words: str):
    assert words in problem(document)


def test_a_file_is_limited_in_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(route_objects, "MAX_BYTES", 50)
    assert "is larger than 50 bytes" in problem(RPSL)
    monkeypatch.setattr(route_objects, "MAX_HELD", 0)
    monkeypatch.setattr(route_objects, "MAX_BYTES", 5000)
    assert "has more than 0 route objects" in problem(RPSL)
