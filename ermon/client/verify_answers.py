"""What ``ermon verify`` reads of the API's answers, typed; whatever else they hold is left alone.

Families, links, pools and feeds are keyed by their names, as ``ermon.web.render`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from ermon.model.prefixes import Family

Answer = Literal["yes", "no", "unknown"]
State = Literal["up", "down", "unknown"]


class Link(msgspec.Struct, frozen=True):
    router: str
    state: Mapping[Family, State]
    since: Mapping[Family, str | None]
    routes: Mapping[Family, int]
    decided_by: Mapping[Family, tuple[str, ...]]
    """The feeds that prove presence and absence on the link; none: absence cannot be proven."""
    service_routes: Mapping[str, int]
    advertised_prefixes: Mapping[Family, int]
    advertised_prefix_limit: Mapping[Family, int]
    watched_elsewhere: tuple[str, ...] = ()
    """The views of the link that another ermon has, where each watches its region."""

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(self.state)


class Circuit(msgspec.Struct, frozen=True):
    location: str
    peering: str
    links: Mapping[str, Link]


class ExpectedOn(msgspec.Struct, frozen=True):
    circuit: str
    link: str


class Pool(msgspec.Struct, frozen=True):
    prefixes: tuple[str, ...]
    circuits: tuple[str, ...]
    expected_on: tuple[ExpectedOn, ...]
    advertised: Mapping[Family, Mapping[str, Mapping[str, Answer]]]
    """By family, circuit and link."""
    on_internet: Mapping[Family, Mapping[str, Answer]]
    """By family and feed."""


class Feed(msgspec.Struct, frozen=True):
    view: str
    process: str
    state: Literal["up", "down"]
    down_reason: str
    in_sync: Mapping[Family, bool]
    all_paths: Mapping[Family, bool]
    loss: str | None = None
    router: str | None = None
    circuit: str | None = None
    link: str | None = None
    uplink: str | None = None


class Status(msgspec.Struct, frozen=True):
    version: str
    time: str
    circuits: Mapping[str, Circuit]
    pools: Mapping[str, Pool]
    feeds: Mapping[str, Feed]


class CheckStatus(msgspec.Struct, frozen=True):
    check: str
    labels: Mapping[str, str]
    status: Literal["ok", "violated", "unknown", "suppressed"]


class Finding(msgspec.Struct, frozen=True):
    id: str
    check: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    evidence: Mapping[str, Any]
    since: str


class Route(msgspec.Struct, frozen=True):
    prefix: str
    circuit: str | None
    link: str | None


class Routes(msgspec.Struct, frozen=True):
    routes: tuple[Route, ...]
    truncated: bool
    feeds_not_in_sync: tuple[str, ...]


T = TypeVar("T")
