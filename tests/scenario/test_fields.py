"""Values of a scenario file: prefixes by the hundred, AS paths, communities, next hops."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.prefixes import parse_prefix
from ermon.scenario.fields import Many
from tests.scenario.files import errors, read, write


@pytest.mark.parametrize(
    ("count", "of", "expected"),
    [
        (1, "198.51.100.0/24", ["198.51.100.0/24"]),
        (2, "2001:db8::/32", ["2001:db8::/33", "2001:db8:8000::/33"]),
        (3, "198.51.100.0/30", ["198.51.100.0/32", "198.51.100.1/32", "198.51.100.2/32"]),
    ],
)
def test_many_prefixes_are_equal_parts(count: int, of: str, expected: list[str]):
    assert [str(prefix) for prefix in Many(count, parse_prefix(of)).prefixes] == expected


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("64500", "64500"),
        ("'64500 12076 {8075 8068}'", "64500 12076 {8075 8068}"),
        ("'(65001 65002) 12076'", "(65001 65002) 12076"),
        ("''", ""),
    ],
)
def test_an_as_path_is_written_as_routers_print_it(tmp_path: Path, path: str, written: str):
    act = read(tmp_path, f"- up: edge-1\n- {{announce: 9.0.0.0/8, feed: edge-1, path: {path}}}").acts[1]
    assert act.events[0].announced[0].attributes.path_text == written


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "announce",
            "9.0.0.1/8",
            "'9.0.0.1/8' is not a prefix; host bits are set: did you mean 9.0.0.0/8?",
        ),
        ("announce", "{count: 3}", "must be a prefix, or many of them as {count: 160, of: 198.51.100.0/24}"),
        ("announce", "{count: 5, of: 9.0.0.0/30}", "9.0.0.0/30 has no 5 parts; name a shorter prefix"),
        ("announce", "{count: 0, of: 9.0.0.0/30}", "count must be a whole number, 1 to 20000, not 0"),
        (
            "path",
            "a b",
            "'a b' is not an AS path; write AS numbers with spaces between them, an AS_SET in braces: ",
        ),
        ("path", "'{8075'", "'{8075' is not an AS path; "),
        ("path", "[1, 2]", 'must be an AS path such as "64500 12076 {8075 8068}", not a list'),
        ("path", "5000000000", "'5000000000' is not an AS path; "),
        (
            "communities",
            "exchange",
            "'exchange' is not a service or region of Microsoft's; did you mean exchange-online",
        ),
        ("communities", "['1:2:3:4']", "'1:2:3:4' is not a community; "),
        ("next_hop", "edge-2", "'edge-2' is not an IP address; write one like 192.0.2.1, or none"),
        ("path_id", "-1", "must be a path identifier, 0 to 4294967295, not -1"),
        ("family", "ipv5", "must be ipv4 or ipv6, not 'ipv5'"),
        ("feed", "[3]", "must be a name, not 3"),
    ],
)
def test_an_invalid_value_is_an_error(tmp_path: Path, key: str, value: str, message: str):
    given = {"announce": "9.0.0.0/8", "feed": "edge-1", key: value}
    step = ", ".join(f"{name}: {text}" for name, text in given.items())
    (found,) = errors(write(tmp_path, f"- up: edge-1\n- {{{step}}}"))
    assert f": {message}" in found
