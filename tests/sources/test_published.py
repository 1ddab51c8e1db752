from datetime import date

import pytest

from ermon.model.inventory import ExpectedPrefix
from ermon.model.prefixes import parse_prefix
from ermon.sources import published
from ermon.sources.published import (
    PublishedList,
    SourceError,
    published_list,
    read_json,
    read_prefixes,
    refusal,
)


def listed(*prefixes: str) -> PublishedList:
    return published_list(ExpectedPrefix(parse_prefix(prefix)) for prefix in prefixes)


# In order --------------------------------------------------------------------------------------------


def test_a_list_is_sorted_without_duplicates():
    result = listed("2001:db8::/32", "192.0.2.0/24", "192.0.2.0/25", "192.0.2.0/24")
    assert [str(item.prefix) for item in result.prefixes] == ["192.0.2.0/24", "192.0.2.0/25", "2001:db8::/32"]


@pytest.mark.parametrize("text", ["192.0.2.0/24", "2001:db8::/32"])
def test_periods_of_one_prefix_stay_apart(text):
    prefix = parse_prefix(text)
    since, always = ExpectedPrefix(prefix, starts=date(2031, 5, 1)), ExpectedPrefix(prefix)
    assert published_list([since, always, since]).prefixes == (always, since)


def test_an_implausible_list_is_refused(monkeypatch):
    monkeypatch.setattr(published, "MAX_PREFIXES", 2)
    assert len(listed("192.0.2.0/25", "192.0.2.128/25").prefixes) == 2
    with pytest.raises(SourceError, match="has 3 prefixes; 2 is the maximum"):
        listed("192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32")


# Which list is suspect -------------------------------------------------------------------------------


def test_an_empty_list_is_refused_even_as_the_first():
    assert refusal(listed(), None) == "is empty"
    assert refusal(listed("192.0.2.0/24"), None) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["192.0.2.0/24"], ["192.0.2.0/25"]),  # exactly half
        (["2001:db8::/32"], ["2001:db8::/33"]),
        (["192.0.2.0/25", "192.0.2.128/25"], ["192.0.2.0/24"]),  # put together
        (["2001:db8::/33", "2001:db8:8000::/33"], ["2001:db8::/32"]),
        (["192.0.2.0/24"], ["192.0.2.0/24", "2001:db8::/32"]),
        (["192.0.2.0/24"], ["198.51.100.0/24"]),  # another one
        (["192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/25"], ["192.0.2.0/24"]),  # summed up
        (["2001:db8::/40"], ["2001:db8::/64", "2001:db8:1::/48", "2001:db8:2::/47"]),  # refined
    ],
)
def test_a_list_may_change(old, new):
    assert refusal(listed(*new), listed(*old)) is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (["192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/25"], ["192.0.2.0/26"], "lost 67 % of its ipv4"),
        (
            ["2001:db8::/34", "2001:db8:4000::/34", "2001:db8:8000::/33"],
            ["2001:db8::/34"],
            "lost 67 % of its ipv6",
        ),
        (["192.0.2.0/24", "2001:db8::/32"], ["2001:db8::/32"], "lost 100 % of its ipv4"),
        (["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.0/24"], "lost 100 % of its ipv6"),
    ],
)
def test_a_list_of_which_more_than_half_is_gone_is_refused(old, new, problem):
    assert problem in refusal(listed(*new), listed(*old))


def test_repetitions_count_for_nothing():
    """Otherwise a list with each prefix three times could never lose the repetitions."""
    old = listed("192.0.2.0/25", "192.0.2.0/26", "192.0.2.64/26")
    assert refusal(listed("192.0.2.0/25", "192.0.2.0/26"), old) is None
    dated = published_list(
        ExpectedPrefix(parse_prefix("192.0.2.0/24"), starts=day)
        for day in (None, date(2031, 5, 1), date(2031, 6, 1))
    )
    assert refusal(listed("192.0.2.0/24"), dated) is None


# Reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_powershell_s_encodings_are_read(encoding):
    assert read_json('{"a": ["ä"]}'.encode(encoding)) == {"a": ["ä"]}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[1, 2",
        b"<html></html>",
        b"\xff\xfe\x00",
        b"\xff",
        b'"\xff"',
        b"[" * 100_000,
        b"NaN",
        b"[1] [2]",
    ],
)
def test_data_that_is_not_json_is_refused(document):
    with pytest.raises(SourceError, match=r"^is not JSON: "):
        read_json(document)


def test_another_structure_is_refused_with_its_place():
    with pytest.raises(
        SourceError, match=r"^is not in the documented shape: Expected `str`, got `int` - at `\$\[1\]`"
    ):
        read_json(b'["a", 1]', list[str])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("192.0.2.1/24", "'192.0.2.1/24' is not a prefix: host bits are set"),
        ("2001:db8::1/32", "'2001:db8::1/32' is not a prefix: host bits are set"),
        ("192.0.2.0", "'192.0.2.0' is not a prefix: its length is not 0 to 32"),
        ("192.0.2.0/33", "'192.0.2.0/33' is not a prefix: its length is not 0 to 32"),
        ("2001:db8::/129", "'2001:db8::/129' is not a prefix: its length is not 0 to 128"),
        ("example.net/24", "'example.net/24' is not a prefix"),
        ("", "'' is not a prefix: its length is not 0 to 32"),
        ("1" * 1_000_000, f"'{'1' * 59}…' is not a prefix"),
        ("0.0.0.0/0", "'0.0.0.0/0' is a default route, which cannot be an expected prefix"),
        ("::/0", "'::/0' is a default route, which cannot be an expected prefix"),
    ],
)
def test_an_invalid_prefix_is_named_with_its_place(text, problem):
    with pytest.raises(SourceError) as error:
        read_prefixes(["192.0.2.0/24", text], "service tag Storage")
    assert str(error.value) == f"service tag Storage: {problem}"


def test_addresses_that_are_not_public_are_prefixes_like_others():
    texts = ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "fd00::/8"]
    assert sorted(map(str, read_prefixes(texts, ""))) == sorted(texts)
