"""Only UPDATEs that no check needs are skipped, for any octets."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.bgp import interest
from ermon.bgp.interest import Interest, Unasked
from ermon.bgp.update import AttributesCache, Codec, Unreadable, read_update
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixSet, parse_prefix, supernet
from tests.bench.table import updates
from tests.bgp import (
    KEEPALIVE,
    UPDATE,
    announcement,
    attribute,
    end_of_rib,
    message,
    update_message,
    withdrawal,
)
from tests.wire.generate import CODECS, broken_bodies

MICROSOFT = 12076
OURS = PrefixSet(map(parse_prefix, ("198.51.100.0/24", "203.0.113.64/28", "2001:db8:100::/40")))
CODEC = Codec()


def passes_over(octets: bytes, asked: Interest | None = None) -> Unasked | None:
    return skips(octets, asked or Interest(OURS, MICROSOFT), CODEC)


def skips(octets: bytes, asked: Interest, codec: Codec) -> Unasked | None:
    """Ask as the reader of frames does: what stops a run is asked about alone."""
    before = update_message()  # at which no run goes on
    run = asked.pass_over_run(before + octets, len(before), codec)
    if not run.updates:
        assert run == (0, len(before), frozenset())
        return asked.pass_over(octets[19:], codec)
    assert run[:2] == (1, len(before + octets))
    return Unasked(run.announced, frozenset())


def announce(*prefixes: str, path: tuple[int, ...] = (64510, 64511)) -> bytes:
    return announcement(
        *prefixes, next_hop="2001:db8::1" if ":" in prefixes[0] else "192.0.2.1", as_path=path
    )


IPV4, IPV6, NONE = frozenset({"ipv4"}), frozenset({"ipv6"}), frozenset()


def test_routes_that_lie_elsewhere_are_passed_over() -> None:
    assert passes_over(announce("192.0.2.0/24", "10.0.0.0/8", "198.52.0.0/16")) == Unasked(IPV4, NONE)
    assert passes_over(announce("2001:db8:200::/40", "2a00::/16")) is None, "too near for what is looked at"
    assert passes_over(announce("2001:db9:200::/40", "2a00::/16")) == Unasked(IPV6, NONE)
    assert passes_over(withdrawal("192.0.2.0/24")) == Unasked(NONE, IPV4)
    assert passes_over(withdrawal("2001:db9::/48")) == Unasked(NONE, IPV6)


def test_a_run_ends_where_something_may_be_needed_or_is_no_such_update() -> None:
    asked = Interest(OURS, MICROSOFT)
    plain = [announce("192.0.2.0/24"), announce("2a00::/16"), announce("10.0.0.0/8", path=())]
    run = b"".join(plain)
    for other in (
        *(announce("198.51.100.7/32"), announce("2001:db8:1ff::/48")),
        *(announce("192.0.2.0/24", path=(MICROSOFT,)), announce("2a00::/16", path=(MICROSOFT,))),
        *(withdrawal("10.0.0.0/8"), withdrawal("2a00::/16"), end_of_rib("ipv4"), end_of_rib("ipv6")),
        *(message(KEEPALIVE), message(UPDATE, b"\0")),
        *(b"\0" + announce("192.0.2.0/24")[1:], update_message(b"\x08\x0a", nlri=b"\x08\x0b")),
    ):
        assert asked.pass_over_run(run + other + run, 0, CODEC) == (3, len(run), IPV4 | IPV6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_is_the_usual_update_of_a_table(family: Family) -> None:
    """Otherwise a table costs several times as much."""
    messages = updates(
        2_000, asn=64520, next_hop="2001:db8::1" if family == "ipv6" else "192.0.2.1", family=family
    )
    asked = Interest(PrefixSet([parse_prefix("198.51.100.0/24"), parse_prefix("3fff::/20")]), MICROSOFT)
    run = sum(asked.pass_over_run(each, 0, CODEC).updates for each in messages)
    assert run > 0.95 * len(messages)


def test_a_run_goes_past_attributes_of_any_usual_form() -> None:
    asked = Interest(OURS, MICROSOFT)
    nlri = b"\x08\x0a"
    reach = attribute(0x80, 14, b"\0\2\1\x10" + bytes(16) + b"\0\x10\x2a\0")
    for plain in (
        *(attribute(0xC0, 8, bytes(size)) for size in (0, 4, 120, 252)),
        *(attribute(0x40, 6, b""), attribute(0xE0, 99, b"\0")),
        b"\x50\2\0\6\2\1\0\0\1\0",  # some routers set Extended Length where it is not needed, too
    ):
        for attributes, routes in ((plain, nlri), (plain + reach, b""), (reach + plain, b"")):
            octets = update_message(attributes=attributes, nlri=routes)
            assert asked.pass_over_run(octets, 0, CODEC).updates == 1, attributes
    for other in (
        attribute(0x40, 99, b""),  # would be refused
        attribute(0xC0, 8, bytes(256)),
        *(attribute(0xC0, 99, bytes(3)), b"\x40\1\5\0", reach + reach),
        *(attribute(0x80, 15, b"\0\2\1"), attribute(0x80, 14, b"\0\1\1\4" + bytes(5) + nlri)),
        attribute(0x80, 14, b"\0\2\1\x11" + bytes(18) + b"\x10\x2a\0"),
    ):
        for attributes, routes in ((other, nlri), (other + reach, b""), (reach + other, b"")):
            octets = update_message(attributes=attributes, nlri=routes)
            assert asked.pass_over_run(octets, 0, CODEC) == (0, 0, NONE), attributes


def test_what_is_inside_or_covers_what_is_asked_about_is_read() -> None:
    for prefix in (
        "198.51.100.7/32",
        "198.51.0.0/16",
        "198.0.0.0/8",
        "0.0.0.0/0",
        "203.0.112.0/23",
        "192.0.0.0/4",
    ):
        assert passes_over(announce("192.0.2.0/24", prefix)) is None
        assert passes_over(withdrawal("192.0.2.0/24", prefix)) is None
    for prefix in ("2001:db8:1ff::/48", "2001:d00::/24", "2000::/3", "::/0", "2001:db8:100::1/128"):
        assert passes_over(announce("2001:db9::/48", prefix)) is None
        assert passes_over(withdrawal("2001:db9::/48", prefix)) is None


def test_microsofts_asn_anywhere_in_the_path_is_read() -> None:
    assert passes_over(announce("192.0.2.0/24", path=(64510, MICROSOFT, 8075))) is None
    assert passes_over(announce("2001:db9::/48", path=(64510, MICROSOFT))) is None


def test_end_of_rib_is_read() -> None:
    assert passes_over(end_of_rib("ipv4")) is None
    assert passes_over(end_of_rib("ipv6")) is None


def test_attributes_without_a_route_are_read_as_they_may_end_the_session() -> None:
    """RFC 7606 section 5.2: here ORIGIN is 136."""
    for gone in (b"\0\2\1\x20\x20\1\x0d\xb9", b"\0\1\2\x18\xc0\0\2"):  # IPv6, and multicast
        withdrawn = attribute(0x80, 15, gone)
        assert passes_over(update_message(attributes=withdrawn)) is not None
        malformed = update_message(attributes=withdrawn + attribute(0x40, 1, b"\x88"))
        assert passes_over(malformed) is None
        with pytest.raises(Unreadable):
            read_update(malformed[19:], CODEC, AttributesCache())


def test_what_was_held_for_its_path_is_read_until_it_is_withdrawn() -> None:
    asked = Interest(OURS, MICROSOFT)
    asked.also(parse_prefix("192.0.2.0/24"))
    for _ in range(interest._OTHERS_LEARNED_AFTER + 10):  # noticed one by one, then by the expression
        assert passes_over(withdrawal("192.0.2.0/24"), asked) is None
        assert passes_over(announce("192.0.2.0/24"), asked) is None
        assert passes_over(announce("10.2.0.0/16"), asked) is not None
    assert passes_over(announce("192.0.0.0/22"), asked) is None, "too near for what is looked at"
    assert passes_over(announce("192.0.3.0/24"), asked) is not None


def test_with_very_many_others_everything_is_read() -> None:
    asked = Interest(OURS, MICROSOFT)
    for number in range(interest.MAX_OTHERS):
        asked.also(Prefix(4, 10 << 24 | number << 8, 24))
    assert passes_over(announce("192.0.2.0/24"), asked) is not None
    asked.also(parse_prefix("172.16.0.0/12"))
    assert passes_over(announce("192.0.2.0/24"), asked) is None


def test_of_very_much_space_fewer_octets_are_looked_at() -> None:
    """An expression for all of these would take seconds to compile."""
    random = Random(1)
    space = PrefixSet(
        [
            *(supernet(Prefix(4, random.getrandbits(32), 32), 24) for _ in range(3_000)),
            *(supernet(Prefix(6, 0x2A << 120 | random.getrandbits(112), 128), 48) for _ in range(3_000)),
        ]
    )
    asked = Interest(space, MICROSOFT)
    for bits, version in ((32, 4), (128, 6)):
        inside = next(each for each in space.prefixes() if each.version == version)
        for length in range(inside.length, bits + 1):
            assert (
                passes_over(announce(str(supernet(Prefix(version, inside.value, bits), length))), asked)
                is None
            )
    assert max(len(each.pattern) for each in asked._expressions.values()) < 30_000
    assert passes_over(announce("4000::/24"), asked) is not None


def test_nothing_is_asked_about_where_there_is_no_space() -> None:
    nothing = Interest(PrefixSet(()), MICROSOFT)
    assert passes_over(announce("192.0.2.0/24"), nothing) == Unasked(IPV4, NONE)
    assert passes_over(announce("2001:db8::/32"), nothing) == Unasked(IPV6, NONE)


@st.composite
def near(draw: st.DrawFn, prefix: Prefix) -> Prefix:
    """Draw a prefix inside, around or next to another."""
    length = draw(st.integers(0, prefix.bits))
    value = prefix.value ^ draw(st.sampled_from([0, 0, 1, 1 << prefix.bits - 16, 1 << prefix.bits - 24]))
    return supernet(Prefix(prefix.version, value, prefix.bits), length)


@given(st.data(), st.integers(0, 2**32), st.sampled_from(CODECS))
@settings(deadline=None, max_examples=400)
def test_what_is_passed_over_has_nothing_that_is_asked_about(
    data: st.DataObject, seed: int, codec: Codec
) -> None:
    bodies = list(broken_bodies(Random(seed), codec, 6))
    prefixes = sorted({prefix for body in bodies for prefix in prefixes_of(body, codec)})
    around = [near(prefix) for prefix in prefixes] or [near(parse_prefix("192.0.2.0/24"))]
    space = PrefixSet(data.draw(st.lists(st.one_of(around), max_size=3)))
    others = set(data.draw(st.lists(st.sampled_from(prefixes), max_size=2))) if prefixes else set()
    asn = data.draw(st.sampled_from([MICROSOFT, 64500, 200_000]))
    asked = Interest(space, asn)
    for other in others:
        asked.also(other)
    for body in bodies:
        passed = skips(message(UPDATE, body), asked, codec)
        assert asked.pass_over_message(message(UPDATE, body), codec) == passed
        if passed is None:
            continue
        read = read_update(body, codec, AttributesCache())  # and can be
        keys = [key for key, _ in read.withdrawn] + [route.prefix for route in read.announced]
        assert not any(space.overlaps(prefix) or prefix in others for prefix in keys)
        assert not any(asn in part.asns for route in read.announced for part in route.attributes.as_path)
        assert read.end_of_rib is None
        assert passed.announced | passed.withdrawn == {prefix.family for prefix in keys}
        assert passed.announced >= {route.prefix.family for route in read.announced}


def prefixes_of(body: bytes, codec: Codec) -> set[Prefix]:
    try:
        read = read_update(body, codec, AttributesCache())
    except Unreadable:
        return set()
    return {prefix for prefix, _ in read.withdrawn} | {route.prefix for route in read.announced}


def test_most_of_what_is_elsewhere_is_passed_over() -> None:
    """Otherwise the test above would prove nothing."""
    asked = Interest(PrefixSet(map(parse_prefix, ("100.64.0.0/10", "3fff::/20"))), MICROSOFT)
    for codec in CODECS:
        bodies = list(broken_bodies(Random(1), codec, 300))
        passed = sum(skips(message(UPDATE, body), asked, codec) is not None for body in bodies)
        assert passed > len(bodies) // 10
    assert set(FAMILIES) == {"ipv4", "ipv6"}
