"""The names of Microsoft's BGP communities.

``data/communities.csv`` has the values that Microsoft publishes in "ExpressRoute routing requirements"
(learn.microsoft.com/azure/expressroute/expressroute-routing, page of 2026-03-12, and older versions of it for values
since withdrawn) and in "Using BGP communities in ExpressRoute"
(learn.microsoft.com/microsoft-365/enterprise/bgp-communities-in-expressroute). Microsoft's own table is incomplete: a
community without a name is normal.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from ermon.model.inventory import Service

MICROSOFT_ASN = 12076
"""Microsoft's ASN on every peering, and the first half of all of its communities."""

_COMMUNITY = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")


@cache
def _rows() -> tuple[Mapping[str, str], ...]:
    table = resources.files("ermon") / "data" / "communities.csv"
    return tuple(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


@cache
def _slugs() -> Mapping[tuple[int, int], str]:
    return {_parse(row["community"]): row["slug"] for row in _rows()}


@cache
def _by_slug() -> Mapping[str, tuple[int, int]]:
    return {slug: community for community, slug in _slugs().items()}


def slug_of(community: tuple[int, int]) -> str | None:
    """Return the name of a community, such as ``exchange-online`` for (12076, 5010); ``None`` if it has no name."""
    return _slugs().get(community)


class Named(NamedTuple):
    """A community that Microsoft has a name for."""

    community: tuple[int, int]
    slug: str
    name: str
    """As Microsoft writes it: ``Exchange Online (incl. EOP)``, ``West Europe``."""


@cache
def named() -> tuple[Named, ...]:
    """Return every community that has a name, services and regions."""
    return tuple(Named(_parse(row["community"]), row["slug"], row["name"]) for row in _rows())


@cache
def _private_peering() -> frozenset[tuple[int, int]]:
    return frozenset(_parse(row["community"]) for row in _rows() if row["kind"] == "region-private-peering")


def is_private_peering(community: tuple[int, int]) -> bool:
    """Return whether a community names a region on private peering; all others are of Microsoft peering."""
    return community in _private_peering()


def slugs() -> tuple[str, ...]:
    """Every name that ``service`` accepts, sorted."""
    return tuple(sorted(_by_slug()))


def service(name: str) -> Service:
    """Return a service or region by its slug or its community, such as ``12076:5020``.

    Its label is the slug, or the community if it has no slug. For any other text, raise ``ValueError`` with similar
    names.
    """
    if ":" in name:
        community = _parse(name)
        if community[0] != MICROSOFT_ASN:
            raise ValueError(f"{name!r} is not a community of Microsoft's; they begin with {MICROSOFT_ASN}:")
    elif name in _by_slug():
        community = _by_slug()[name]
    else:
        raise ValueError(f"{name!r} is not a service or region of Microsoft's; {_advice(name)}")
    return Service(slug_of(community) or f"{community[0]}:{community[1]}", community)


def _parse(text: str) -> tuple[int, int]:
    found = _COMMUNITY.fullmatch(text)
    if found is None or max(community := (int(found[1]), int(found[2]))) > 0xFFFF:
        raise ValueError(f"{text!r} is not a community; write two numbers up to 65535, such as 12076:5010")
    return community


def _advice(name: str) -> str:
    """Return names similar to ``name``, by spelling or because they contain it."""
    known = slugs()
    near = difflib.get_close_matches(name, known, n=3)
    near += [slug for slug in known if len(name) >= 3 and name in slug and slug not in near][: 3 - len(near)]
    if not near:
        return "write a slug such as exchange-online or region-west-europe, or a community such as 12076:5010"
    return f"did you mean {' or '.join(near)}?"
