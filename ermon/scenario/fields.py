"""The scalar types of a scenario file in addition to those of the configuration: routes, paths, names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, Strict, WithJsonSchema

from ermon.config.fields import CommunityText, parse_any_prefix, show
from ermon.model import communities
from ermon.model.prefixes import Address, Family, Prefix, parse_address
from ermon.model.routes import BLACKHOLE, AsPath, Community, PathSegment, SegmentKind

ALL, USUAL, NONE = "all", "usual", "none"
"""Special words: all feeds or routes; the routes of a good day; none."""

MAX_GENERATED = 20_000
"""More prefixes than any limit of Microsoft, and few enough to be fast."""

WELL_KNOWN = {
    "no-export": "65535:65281",  # RFC 1997
    "no-advertise": "65535:65282",
    "blackhole": f"{BLACKHOLE[0]}:{BLACKHOLE[1]}",
}

_BRACKETS = {"": SegmentKind.SEQUENCE, "{": SegmentKind.SET, "(": SegmentKind.CONFED_SEQUENCE}
_SEGMENT = re.compile(r"\{([\d ]+)\}|\(([\d ]+)\)|([\d ]+)")


@dataclass(frozen=True, slots=True)
class Word:
    """One of the words above, in place of prefixes."""

    text: str


@dataclass(frozen=True, slots=True)
class Many:
    """The first ``count`` equal parts of a prefix."""

    count: int
    of: Prefix

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        length = self.of.length + (self.count - 1).bit_length()
        step = 1 << (self.of.bits - length)
        return tuple(
            Prefix(self.of.version, self.of.value + number * step, length) for number in range(self.count)
        )


RouteItem = Prefix | Many | Word


def one_or_many(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _parse_route(value: object) -> RouteItem:
    if isinstance(value, str) and value in {ALL, USUAL}:
        return Word(value)
    if isinstance(value, dict):
        return _parse_many(value)
    return parse_any_prefix(value)


def _parse_many(value: dict[Any, Any]) -> Many:
    if set(value) != {"count", "of"}:
        raise ValueError("must be a prefix, or many of them as {count: 160, of: 198.51.100.0/24}")
    count, whole = value["count"], parse_any_prefix(value["of"])
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_GENERATED:
        raise ValueError(f"count must be a whole number, 1 to {MAX_GENERATED}, not {show(count)}")
    if whole.length + (count - 1).bit_length() > whole.bits:
        raise ValueError(f"{whole} has no {count} parts; name a shorter prefix")
    return Many(count, whole)


def _parse_path(value: object) -> AsPath:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(f'must be an AS path such as "64500 12076 {{8075 8068}}", not {show(value)}')  # noqa: TRY004
    found, end = [], 0
    for match in _SEGMENT.finditer(text):
        if text[end : match.start()].strip():
            break
        end = match.end()
        asns = tuple(map(int, (match[1] or match[2] or match[3]).split()))
        if asns:
            bracket = match[0][0] if match[0][0] in _BRACKETS else ""
            found.append(PathSegment(_BRACKETS[bracket], asns))
    if text[end:].strip() or any(not 0 < asn < 2**32 for segment in found for asn in segment.asns):
        raise ValueError(
            f"{show(text)} is not an AS path; write AS numbers with spaces between them, an AS_SET in braces: "
            '"64500 12076 {8075 8068}"'
        )
    return AsPath(found)


def _named_community(value: object) -> object:
    if not isinstance(value, str) or (":" in value and value not in WELL_KNOWN):
        return value
    if value in WELL_KNOWN:
        return WELL_KNOWN[value]
    return str(Community(communities.service(value).community))


def _parse_next_hop(value: object) -> Address | Word:
    if value == NONE:
        return Word(NONE)
    try:
        return parse_address(value if isinstance(value, str) else "")
    except ValueError:
        message = f"{show(value)} is not an IP address; write one like 192.0.2.1, or none"
        raise ValueError(message) from None


def _parse_local_preference(value: object) -> int | Word:
    if value == NONE:
        return Word(NONE)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ValueError(f"must be a LOCAL_PREF, 0 to {2**32 - 1}, or none, not {show(value)}")
    return value


def _parse_path_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ValueError(f"must be a path identifier, 0 to {2**32 - 1}, not {show(value)}")
    return value


def _parse_origin(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ValueError(f"must be an AS number, 0 to {2**32 - 1}, not {show(value)}")
    return value


_NAME_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
_ROUTE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"},
            {"enum": [ALL, USUAL]},
            {
                "type": "object",
                "required": ["count", "of"],
                "properties": {"count": {"type": "integer", "minimum": 1}, "of": {"type": "string"}},
                "additionalProperties": False,
            },
        ]
    }
)


def _parse_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a name, not {show(value)}")
    return value


T = TypeVar("T")
Listed = Annotated[tuple[T, ...], Strict(strict=False), Field(min_length=1)]
"""A list that may contain duplicates."""

NameText = Annotated[str, PlainValidator(_parse_name), _NAME_SCHEMA]
Names = Annotated[
    Listed[NameText], BeforeValidator(one_or_many, json_schema_input_type=NameText | Listed[NameText])
]
RouteText = Annotated[RouteItem, PlainValidator(_parse_route), _ROUTE_SCHEMA]
Routes = Annotated[
    Listed[RouteText], BeforeValidator(one_or_many, json_schema_input_type=RouteText | Listed[RouteText])
]
AnyPrefix = Annotated[
    Prefix,
    PlainValidator(parse_any_prefix),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"}),
]
AnyPrefixes = Annotated[
    Listed[AnyPrefix], BeforeValidator(one_or_many, json_schema_input_type=AnyPrefix | Listed[AnyPrefix])
]
PathText = Annotated[
    AsPath,
    PlainValidator(_parse_path),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9(){} ]*$"}, {"type": "integer"}]}),
]
OriginAsn = Annotated[
    int,
    PlainValidator(_parse_origin),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**32 - 1}),
]
PathIdentifier = Annotated[
    int,
    PlainValidator(_parse_path_id),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**32 - 1}),
]
LocalPreference = Annotated[
    int | Word,
    PlainValidator(_parse_local_preference),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**32 - 1}, {"enum": [NONE]}]}),
]
NextHop = Annotated[
    Address | Word,
    PlainValidator(_parse_next_hop),
    WithJsonSchema({"type": "string", "pattern": f"^([0-9A-Fa-f.:]+|{NONE})$"}),
]
RouteCommunity = Annotated[
    CommunityText,
    BeforeValidator(_named_community),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*WELL_KNOWN, *communities.slugs()]},
                {"type": "string", "pattern": "^[0-9]+:[0-9]+(:[0-9]+)?$"},
            ]
        }
    ),
]
RouteCommunities = Annotated[
    tuple[RouteCommunity, ...],
    Strict(strict=False),
    BeforeValidator(
        one_or_many,
        json_schema_input_type=RouteCommunity | Annotated[tuple[RouteCommunity, ...], Strict(strict=False)],
    ),
]
Families = Annotated[
    tuple[Literal["ipv4", "ipv6"], ...],
    Strict(strict=False),
    BeforeValidator(
        one_or_many,
        json_schema_input_type=Family | Annotated[tuple[Family, ...], Strict(strict=False)],
    ),
]
