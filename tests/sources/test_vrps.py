"""Lists of VRPs: every shape in which validators write them, in whatever pieces they arrive."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ermon.aio.threads import in_thread
from ermon.model.ownership import Vrp
from ermon.model.prefixes import parse_prefix
from ermon.sources import vrps
from ermon.sources.published import SourceError
from ermon.sources.vrps import read_asn, read_vrps

RECORDED = Path(__file__).parents[1] / "recorded" / "registries"
SPACE = tuple(map(parse_prefix, ("198.51.100.0/28", "2001:db8:100::/40")))


def text(*roas: dict[str, Any], **around: Any) -> bytes:
    return json.dumps({"metadata": {"buildtime": "2026-11-30T06:10:00Z"}, "roas": roas, **around}).encode()


def roa(prefix: str, asn: int | str = "AS64500", **more: Any) -> dict[str, Any]:
    return {"asn": asn, "prefix": prefix, "maxLength": int(prefix.partition("/")[2]), "ta": "ripe", **more}


def cut(document: bytes, size: int) -> Iterator[bytes]:
    return (document[at : at + size] for at in range(0, len(document), size))


def problem(document: bytes) -> str:
    with pytest.raises(SourceError) as error:
        read_vrps([document], SPACE)
    return str(error.value)


@pytest.mark.parametrize("file", ["vrps.json", "stayrtr-0.5.1.json"])
def test_only_what_overlaps_the_own_space_is_held(file: str):
    reading = read_vrps([(RECORDED / file).read_bytes()], SPACE, 5.0)
    assert (reading.total, reading.taken_at, reading.made) == (3, 5.0, "2026-11-30T06:10:00Z")
    assert reading.vrps == (
        Vrp("198.51.100.0/24", 64500, 28, 4000000000.0),
        Vrp("2001:db8:100::/48", 64500, 64, 4000000000.0),
    )


def test_rpki_client_that_has_fetched_nothing_ends_well_and_its_list_is_refused():
    assert "has no VRP at all" in problem((RECORDED / "rpki-client-8.2-empty.json").read_bytes())


def test_an_asn_is_text_or_a_number_and_the_rest_may_be_missing():
    roas = [{"asn": asn, "prefix": "198.51.100.0/24"} for asn in ("AS64500", "as64501", "64502", 64503, 0)]
    assert [vrp.asn for vrp in read_vrps([text(*roas)], SPACE).vrps] == [0, 64500, 64501, 64502, 64503]


@pytest.mark.parametrize(
    "asn", ["AS", "AS-1", "ASx", "4294967296", "\N{FULLWIDTH DIGIT SIX}", "", "AS64500 "]
)
def test_what_is_no_asn_is_refused(asn: str):
    with pytest.raises(ValueError, match="is not an ASN"):
        read_asn(asn)


@pytest.mark.parametrize("size", [1, 7, 65_536, 10**9])
def test_a_list_is_the_same_in_whatever_pieces_it_comes(size: int):
    document = text(roa("198.51.0.0/16", ta="}, {"), roa("192.0.2.0/24"), roa("2001:DB8:0100::/48", ta='"]é'))
    reading = read_vrps(cut(document, size), SPACE)
    assert (reading.total, [vrp.prefix for vrp in reading.vrps]) == (
        3,
        ["198.51.0.0/16", "2001:db8:100::/48"],
    )


def test_random_lists_are_read_as_json_reads_them():
    chance = random.Random(7)
    for _ in range(60):
        roas = [_any_roa(chance, number) for number in range(chance.choice((1, 3, 400)))]
        more = {"aspas": [{"customer": 1, "providers": [{"a": 1}]}] * chance.choice((0, 2000))}
        document = json.dumps(
            {"metadata": {"roas": 5, "generatedTime": "now"}, "roas": roas, **more},
            indent=chance.choice((None, 2)),
            ensure_ascii=chance.random() < 0.5,
        ).encode()
        reading = read_vrps(cut(document, chance.choice((1000, 65_536, 10**9))), SPACE)
        own = {
            (r["prefix"], int(str(r["asn"]).removeprefix("AS"))) for r in roas if r["prefix"] in OVERLAPPING
        }
        assert ({vrp.key for vrp in reading.vrps}, reading.total, reading.made) == (own, len(roas), "now")
        for end in (len(document) // 3, len(document) - 1):
            with pytest.raises(SourceError):
                read_vrps(cut(document[:end], 65_536), SPACE)


OVERLAPPING = ("198.51.100.0/24", "198.51.100.0/29", "2001:db8::/32", "2001:db8:100:1::/64")


def _any_roa(chance: random.Random, number: int) -> dict[str, Any]:
    found = roa(
        chance.choice((*OVERLAPPING, "10.0.0.0/8", "2a00::/12")), chance.choice((number, f"AS{number}"))
    )
    found["ta"] = chance.choice(("ripe", "}, {", '"],', "é" * 9, '\\"}]'))
    if chance.random() < 0.3:  # jsonext of routinator
        found["source"] = [{"type": "roa", "validity": {"a": [{"b": "},"}]}}, {"c": "}, {"}]
    return found


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"[]", "is not JSON"),
        (b'{"values": []}', "it has no list roas"),
        (b'{"a": {"roas": []}}', "it has no list roas"),
        (text(), "has no VRP at all"),
        (text({"asn": 1}), "is not in the documented shape"),
        (text({"asn": 1.5, "prefix": "198.51.100.0/24"}), "is not in the documented shape"),
        (text(roa("198.51.100.1/24")), "host bits are set"),
        (text(roa("198.51.100.0/24", "x")), "is not an ASN"),
        (text({**roa("198.51.100.0/24"), "maxLength": 23}), "maxLength 23 does not fit"),
        (b'{"roas": [' + b"[" * 100_000, "is not JSON"),
        (b'{"roas": [{"prefix": "' + b"9" * 9_000_000 + b'"}]}', "is not JSON"),
    ],
)
def test_what_is_no_list_of_vrps_is_refused_with_the_reason(document: bytes, words: str):
    assert words in problem(document)


def test_a_list_is_limited_in_size_and_in_what_is_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vrps, "MAX_HELD", 2)
    assert "is all of that yours?" in problem(text(*(roa("198.51.100.0/28", asn) for asn in range(3))))
    monkeypatch.setattr(vrps, "MAX_BYTES", 100)
    assert "is larger than 100 bytes" in problem(text(*(roa("198.51.100.0/28") for _ in range(9))))


def test_an_end_before_all_time_is_the_beginning_of_time():
    [found] = read_vrps([text(roa("198.51.100.0/24", expires=-1e300))], SPACE).vrps
    assert found.expires == 0.0, "it can be shown as a date"


def test_many_lists_before_the_one_that_counts_are_not_read_again_and_again():
    assert "does not begin like" in problem(b'{"x":[' + b'{"roas":[]},' * 300_000)
    assert (
        read_vrps(
            [
                b'{"x":['
                + b'{"roas":[]},' * 10
                + b'0],"roas":['
                + json.dumps(roa("192.0.2.0/24")).encode()
                + b"]}"
            ],
            SPACE,
        ).total
        == 1
    )


def test_an_end_in_the_far_future_is_none():
    reading = read_vrps([text(roa("198.51.100.0/28", expires=1e300))], SPACE)
    assert reading.vrps[0].expires is None


async def test_a_list_of_the_internet_does_not_hold_the_event_loop():
    """The measure is how long the loop waits beyond what it waits while another thread only computes."""
    number = 100_000
    line = b'\t\t{ "asn": 13335, "prefix": "1.0.%d.0/24", "maxLength": 24, "ta": "apnic", "expires": 1796100000 },\n'
    lines = [line % (each % 256) for each in range(number)]
    document = [b'{"metadata": {}, "roas": [\n', *lines, b'{"asn": 1, "prefix": "198.51.100.0/28"}\n]}']
    pieces = [b"".join(document[at : at + 2000]) for at in range(0, len(document), 2000)]
    reading, waited = await _waits(partial(read_vrps, pieces, SPACE))
    assert (reading.total, len(reading.vrps)) == (number + 1, 1)
    _, waited_anyway = await _waits(partial(_compute, 1.0))
    assert waited < 5 * waited_anyway + 0.1


def _compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))


async def _waits(work: Any) -> tuple[Any, float]:
    """Return the result of work in a thread, and the longest time that the loop waited for it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    task = asyncio.ensure_future(in_thread(work))
    longest = 0.0
    try:
        last = time.monotonic()
        while not task.done():
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    finally:
        sys.setswitchinterval(before)
    return await task, longest


def test_every_head_of_the_own_space_is_looked_for():
    """The first bits decide for nearly all VRPs; those that are less specific than these bits are read in any case."""
    space = [parse_prefix("10.0.0.0/7"), parse_prefix("2000::/12")]
    prefixes = [
        "10.1.0.0/16",
        "11.0.0.0/8",
        "8.0.0.0/5",
        "2001:db8::/32",
        "200f::/16",
        "2000::/3",
        "12.0.0.0/8",
    ]
    found = read_vrps([text(*map(roa, prefixes))], space).vrps
    assert {vrp.prefix for vrp in found} == set(prefixes) - {"12.0.0.0/8"}
