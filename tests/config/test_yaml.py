"""Reading YAML text into plain values with positions."""

import os
from pathlib import Path

import pytest
import yaml

from ermon.config import yaml as yamlfile
from ermon.config.yaml import MAX_BYTES, ConfigError, dotted, parse_yaml, read_yaml


def values(text):
    document = parse_yaml(text, "ermon.yml")
    assert not document.problems
    return document.values


def problems(text):
    try:
        return [str(problem) for problem in parse_yaml(text, "ermon.yml").problems]
    except ConfigError as error:
        return str(error).splitlines()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64500", 64500),
        ("-1", -1),
        ("30.5", 30.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("64500:30", "64500:30"),  # a number to base 60 in YAML 1.1
        ("12076:5020", "12076:5020"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("2_000_000", "2_000_000"),
        ("1e3", "1e3"),
        ("99999999999999999999999", "99999999999999999999999"),
        ("2026-01-01", "2026-01-01"),
        ("2026-12-01T02:00:00Z", "2026-12-01T02:00:00Z"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("'64500'", "64500"),
        ('"true"', "true"),
        ("!!str 64500", "64500"),
        ("! 64500", "64500"),
        ("|\n  64500", "64500"),
    ],
)
def test_scalars_are_what_they_look_like(text, value):
    assert values(f"key: {text}") == {"key": value}
    assert type(values(f"key: {text}")["key"]) is type(value)


def test_keys_are_always_text():
    assert values("{1: a, yes: b, null: c, 2026-01-01: d}") == {
        "1": "a",
        "yes": "b",
        "null": "c",
        "2026-01-01": "d",
    }


def test_every_key_and_item_has_a_position():
    positions = parse_yaml("a:\n  b: [x, {c: d}]\n", "ermon.yml").positions
    assert positions.at(("a",)) == (1, 1)
    assert positions.at(("a", "b")) == (2, 3)
    assert positions.at(("a", "b", 0)) == (2, 7)
    assert positions.at(("a", "b", 1, "c")) == (2, 11)


def test_a_key_that_the_file_lacks_is_where_its_surroundings_are():
    positions = parse_yaml("a:\n  b: c\n", "ermon.yml").positions
    assert positions.at(("a", "b", "c", 0)) == (2, 3)
    assert positions.at(("z",)) == (1, 1)
    assert str(positions.problem(("a", "d"), "is missing")) == "ermon.yml:1:1: a.d: is missing"


def test_columns_count_characters_not_bytes():
    assert parse_yaml("{é: 1, b: 2}", "ermon.yml").positions.at(("b",)) == (1, 8)


def test_aliases_and_merge_keys_are_expanded():
    text = "base: &base {asn: 64500, port: 179}\nfeed: {<<: *base, port: 1790}\nlist: [*base, *base]\n"
    base = {"asn": 64500, "port": 179}
    assert values(text) == {"base": base, "feed": {"asn": 64500, "port": 1790}, "list": [base, base]}


def test_of_several_merged_mappings_the_first_counts_and_chains_are_followed():
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: [*b, {x: 3, z: 3}]}\n"
    assert values(text)["c"] == {"x": 1, "y": 2, "z": 3}


def test_a_merged_key_is_where_it_is_written():
    positions = parse_yaml("a: &a {x: 1}\nb:\n  <<: *a\n", "ermon.yml").positions
    assert positions.at(("b", "x")) == (1, 8)


def test_both_places_of_a_duplicate_key_are_named():
    assert problems("a: 1\nb: 2\na: 3\n") == [
        "ermon.yml:3:1: a: is given twice, first on line 1; keep one of them"
    ]


def nested(opening, levels):
    """Return a text of so many levels that is cut off there, and the same text with its end."""
    opened = "".join(map(opening, range(levels)))
    closed = "".join({"[": "]", "{": "}"}.get(char, "") for char in reversed(opened))
    return opened, opened + " " * levels + "x" + closed


NESTING = {
    "flow sequences": (lambda _: "[", "1:33"),
    "flow sequences, one a line": (lambda _: "[\n", "33:1"),
    "flow mappings": (lambda _: "{a: ", "1:129"),
    "flow mappings, one a line": (lambda _: "{a:\n", "33:1"),
    "flow mappings as keys": (lambda _: "{? ", "1:97"),
    "flow, mixed": (lambda level: ("[", "{a: ")[level % 2], "1:81"),
    "block sequences": (lambda _: "- ", "1:65"),
    "block mappings": (lambda level: " " * level + "a:\n", "33:33"),
    "block mappings as keys": (lambda _: "? ", "1:65"),
    "block, mixed": (lambda level: ("- ", "? ")[level % 2], "1:65"),
    "flow in block": (lambda level: "- " if level < 10 else "[", "1:43"),
    "behind names that are not ASCII": (lambda level: ("{é: ", "[")[level % 2], "1:81"),
}
"""By kind of level: how it opens, and where level 33 begins."""


@pytest.fixture(params=["SafeLoader", "CSafeLoader"])
def loader(request, monkeypatch):
    """The parser of PyYAML and that of libyaml, each with its own limit of nesting or without."""
    found = getattr(yaml, request.param, None)
    if found is None:
        pytest.skip("this PyYAML was built without libyaml")
    monkeypatch.setattr(yamlfile, "_Loader", found)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("levels", [33, 40, 999, 1000, 1001, 1500])
@pytest.mark.parametrize(("opening", "place"), NESTING.values(), ids=NESTING)
def test_nesting_that_is_too_deep_has_the_same_message_with_every_parser(opening, place, levels):
    for text in nested(opening, levels):
        assert problems(text) == [f"ermon.yml:{place}: (file): is nested deeper than 32 levels; flatten it"]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("opening", "place"), NESTING.values(), ids=NESTING)
def test_the_deepest_nesting_is_read(opening, place):
    _, text = nested(opening, 32)
    assert not [problem for problem in problems(text) if "a key must be a single word" not in problem]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("bracket", ["[", "{a: ", "- "])
def test_nesting_cannot_exhaust_the_stack(bracket):
    (problem,) = problems(bracket * 100_000)
    assert "is nested deeper than 32 levels" in problem


@pytest.mark.usefixtures("loader")
def test_a_syntax_error_within_the_allowed_depth_is_reported_as_such():
    (problem,) = problems("[" * 32 + "@")
    assert problem.startswith("ermon.yml:1:33: (file): is not YAML: ")


def test_nesting_by_aliases_cannot_exhaust_the_stack():
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))
    (problem,) = problems(chain)
    assert "is nested deeper than 32 levels once aliases are expanded" in problem


def test_merge_keys_cannot_explode():
    chain = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)
    )
    (problem,) = problems(chain)
    assert "has more than 200,000 values once aliases are expanded" in problem


def test_paths_with_odd_keys_stay_on_one_line():
    assert dotted(("feeds", "a\nb\x1b[31m", 0)) == r"feeds.'a\nb\x1b[31m'[0]"
    assert dotted(()) == "(file)"


def test_messages_that_quote_odd_names_stay_on_one_line():
    positions = parse_yaml("a: b", "ermon.yml").positions
    assert positions.problem(("a",), "known: x\n\x1b[31m\u2028é").message == "known: x��[31m�é"


def test_a_file_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "none.yml")
    assert str(caught.value) == (
        f"{tmp_path}/none.yml:1:1: (file): cannot be read: No such file or directory; name a readable YAML file"
    )


def test_a_directory_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_bytes_that_are_not_utf8_are_named_with_their_place(tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_bytes("a: é\nb: ".encode() + b"\xe9\n")
    with pytest.raises(ConfigError, match=r"ermon.yml:2:4: \(file\): is not UTF-8: byte 0xe9"):
        read_yaml(file)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file).values == {"a": 1}


def test_control_characters_are_a_problem():
    (problem,) = problems("a: \x00\n")
    assert problem.startswith("ermon.yml:1:1: (file): is not YAML:")


def test_a_huge_file_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        read_yaml(file)


@pytest.mark.parametrize(("kind", "said"), [("pipe", "it is a pipe"), ("device", "it is a device")])
def test_pipes_and_devices_are_refused_at_once(tmp_path, kind, said):
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "pipe" if kind == "pipe" else Path("/dev/zero")
    with pytest.raises(ConfigError, match=f"cannot be read: {said}; name a readable YAML file"):
        read_yaml(path)
