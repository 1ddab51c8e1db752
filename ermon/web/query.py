"""Parses a search query: a prefix, an address, an ASN, a community or a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ermon.model.prefixes import Prefix, parse_address, parse_prefix, supernet
from ermon.model.routes import Community
from ermon.model.text import quoted

MAX_CHARACTERS = 100

_ASN = re.compile(
    r"(?:asn?)?\s*(?:(?P<plain>[0-9]{1,10})|(?P<high>[0-9]{1,5})\.(?P<low>[0-9]{1,5}))", re.IGNORECASE
)
"""``64500``, ``AS64500``, and ``1.10`` (asdot, RFC 5396)."""

_COMMUNITY = re.compile(r"[0-9]+(:[0-9]+){1,2}")
_MAX_ASN = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class PrefixQuery:
    """A query for a prefix; an address counts as its host prefix."""

    text: str
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class AsnQuery:
    text: str
    asn: int


@dataclass(frozen=True, slots=True)
class CommunityQuery:
    text: str
    community: Community


@dataclass(frozen=True, slots=True)
class NameQuery:
    text: str


Query = PrefixQuery | AsnQuery | CommunityQuery | NameQuery


def parse_query(text: str) -> Query:
    """Parse a query. Raises ``ValueError``, which says what would be right, if it is empty, too long, or nearly a prefix."""
    text = " ".join(text.split())
    if not text:
        raise ValueError(
            "search for a prefix such as 198.51.100.0/28, an address, an ASN, a community or a name"
        )
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a query has at most {MAX_CHARACTERS} characters")
    if (prefix := _prefix(text)) is not None:
        return PrefixQuery(text, prefix)
    if found := _COMMUNITY.fullmatch(text):
        return CommunityQuery(text, _community(found[0]))
    if (asn := _asn(text)) is not None:
        return AsnQuery(text, asn)
    return NameQuery(text)


def _prefix(text: str) -> Prefix | None:
    """Parse a prefix or an address; ``None`` for text that is not meant as either. Raises ``ValueError`` for one with a
    mistake.
    """
    address, slash, length = text.partition("/")
    try:
        host = parse_address(address).prefix
    except ValueError:
        return None
    if not slash:
        return host
    if not (length.isascii() and length.isdigit() and len(length) < 4 and int(length) <= host.bits):
        raise ValueError(f"{quoted(text)} is not a prefix: its length must be 0 to {host.bits}")
    if (network := supernet(host, int(length))) != Prefix(host.version, host.value, int(length)):
        raise ValueError(f"{quoted(text)} has host bits set: did you mean {network}?")
    return parse_prefix(text)


def _community(text: str) -> Community:
    values = tuple(map(int, text.split(":")))
    most = 0xFFFF if len(values) == 2 else 0xFFFF_FFFF
    if max(values) > most:
        raise ValueError(f"{quoted(text)} is not a community: its numbers go to {most}")
    return Community(values)


def _asn(text: str) -> int | None:
    found = _ASN.fullmatch(text)
    if found is None:
        return None
    if found["plain"] is not None:
        asn = int(found["plain"])
    else:
        high, low = int(found["high"]), int(found["low"])
        if max(high, low) > 0xFFFF:
            return None
        asn = (high << 16) + low
    if asn > _MAX_ASN:
        raise ValueError(f"{quoted(text)} is no ASN: they go to {_MAX_ASN}")
    return asn
