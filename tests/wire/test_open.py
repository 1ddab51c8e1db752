"""OPENs written out in octets; the expected content is that of the named section of an RFC."""

from __future__ import annotations

import pytest

from ermon.bgp.open import Direction, Open, codec_between, read_open
from ermon.bgp.unreadable import Unreadable
from ermon.bgp.update import Codec
from ermon.model.prefixes import Family, parse_address
from tests.bgp import open_message

SEND, RECEIVE = Direction.SEND, Direction.RECEIVE
FIXED = "04 fbf4 005a c0000201"
"""BGP-4, AS 64500, 90 s, 192.0.2.1"""


def read(octets: str) -> Open:
    return read_open(bytes.fromhex(octets))


def capabilities(octets: str) -> Open:
    """Read an OPEN with these capabilities in one optional parameter (RFC 5492 section 4)."""
    size = len(bytes.fromhex(octets))
    return read(f"{FIXED} {size + 2:02x} 02 {size:02x} {octets}")


def test_an_open_without_options() -> None:
    """RFC 4271 section 4.2; RFC 4760 section 8: the family is IPv4 unicast."""
    expected = Open(64500, 90, parse_address("192.0.2.1"), frozenset({"ipv4"}))
    assert read(f"{FIXED} 00") == expected


def test_what_the_speaker_of_the_tests_says() -> None:
    octets = open_message(
        200_000,
        router_id="192.0.2.1",
        hold_time=180,
        families=("ipv4", "ipv6"),
        add_path=("ipv6",),
        extended_messages=True,
    )
    assert read_open(octets[19:]) == Open(
        asn=200_000,
        hold_time=180,
        router_id=parse_address("192.0.2.1"),
        families=frozenset({"ipv4", "ipv6"}),
        four_octet=True,
        extended_messages=True,
        add_path={"ipv6": SEND},
    )


@pytest.mark.parametrize(
    ("octets", "families"),
    [
        ("01 04 0001 00 01", {"ipv4"}),
        ("01 04 0002 00 01", {"ipv6"}),
        ("01 04 0002 ff 01", {"ipv6"}),  # a reserved octet
        ("01 04 0001 00 01 01 04 0002 00 01", {"ipv4", "ipv6"}),
        ("01 04 0001 00 80", set()),  # VPN alone: then not IPv4 unicast
        ("01 03 0002 00", set()),  # of a length that it cannot have
        ("02 00 46 00", {"ipv4"}),  # others
    ],
)
def test_families(octets: str, families: set[Family]) -> None:
    """RFC 4760 section 8."""
    assert capabilities(octets).families == families


def test_asn_of_four_octets() -> None:
    """RFC 6793 section 4.1."""
    assert capabilities("41 04 00030d40").asn == 200_000
    assert capabilities("41 04 00030d40").four_octet
    short = capabilities("41 02 0d40")
    assert (short.asn, short.four_octet) == (64500, False)


@pytest.mark.parametrize(
    ("value", "add_path"),
    [
        ("0001 01 01", {"ipv4": RECEIVE}),
        ("0001 01 02 0002 01 03", {"ipv4": SEND, "ipv6": SEND | RECEIVE}),
        ("0001 01 00 0002 01 04", {}),  # other directions are ignored
        ("0001 80 03", {}),
        ("0001 01 03 0002", {"ipv4": SEND | RECEIVE}),
        ("", {}),
    ],
)
def test_add_path(value: str, add_path: dict[Family, Direction]) -> None:
    """RFC 7911 section 4."""
    size = len(bytes.fromhex(value))
    assert capabilities(f"45 {size:02x} {value}").add_path == add_path


def test_capabilities_in_several_parameters_and_others_between() -> None:
    """RFC 5492 section 4."""
    found = read(f"{FIXED} 14 02 06 01 04 0001 00 01 01 02 beef 02 06 01 04 0002 00 01")
    assert found.families == {"ipv4", "ipv6"}


@pytest.mark.parametrize("length", ["ff", "01"])
def test_extended_optional_parameters(length: str) -> None:
    """RFC 9072 section 2: the first length is 255, and any length but 0 is accepted."""
    found = read(f"{FIXED} {length} ff 0009 02 0006 01 04 0002 00 01")
    assert found.families == {"ipv6"}
    large = "02 0102" + " c8 7f" + " 00" * 127 + " c8 7f" + " 00" * 127
    assert read(f"{FIXED} ff ff 0105 {large}").families == {"ipv4"}


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("", "an OPEN of 0 octets"),
        (FIXED, "an OPEN of 9 octets"),
        (f"03{FIXED[2:]} 00", "BGP version 3"),
        (f"{FIXED} 01", "0 octets of optional parameters that says 1"),
        (f"{FIXED} 00 02", "1 octets of optional parameters that says 0"),
        (f"{FIXED} ff ff", "ends before its optional parameters"),
        (f"{FIXED} ff ff 0003 02 0000 00", "4 octets of optional parameters that says 3"),
        (f"{FIXED} 01 02", "behind its end"),
        (f"{FIXED} 03 02 02 01", "behind its end"),
        (f"{FIXED} 05 02 03 01 02 00", "behind its end"),
        (f"{FIXED} ff ff 0004 02 0002 41", "behind its end"),
    ],
)
def test_lengths_that_contradict_each_other(octets: str, why: str) -> None:
    """RFC 4271 section 6.2."""
    with pytest.raises(Unreadable, match=why):
        read(octets)


def test_what_both_know_is_spoken() -> None:
    """RFC 6793 section 4.1; RFC 7911 section 5: one side sends and the other receives."""
    old = capabilities("45 08 0001 01 01 0002 01 01")
    new = capabilities("41 04 00030d40 45 08 0001 01 02 0002 01 01")
    assert codec_between(new, old) == Codec(four_octet=False, add_path=frozenset({"ipv4"}))
    assert codec_between(old, new) == Codec(four_octet=False)
    assert codec_between(new, new) == Codec(four_octet=True)
