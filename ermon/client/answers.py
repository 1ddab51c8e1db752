"""What the terminal reads of the API's answers, typed. What else they hold is left alone, and what an older or
a newer daemon leaves out is empty.

Families, links, pools and feeds are keyed by their names, as ``ermon.web.render`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ermon.client.http import IS_IT_ERMON, UnreachableError

T = TypeVar("T")


class Link(msgspec.Struct, frozen=True):
    router: str = ""
    state: Mapping[str, str] = {}
    since: Mapping[str, datetime | None] = {}
    routes: Mapping[str, int] = {}
    draining: Mapping[str, bool] = {}
    services: Mapping[str, Mapping[str, int]] = {}
    """Routes by service and family."""
    service_routes: Mapping[str, int] = {}
    """The same of all families together."""
    advertised_prefixes: Mapping[str, int] = {}
    advertised_prefix_limit: Mapping[str, int] = {}
    watched_elsewhere: tuple[str, ...] = ()

    def family_state(self, family: str) -> str:
        """Return the state in one family: ``draining`` outweighs the rest, since silence is expected then."""
        return "draining" if self.draining.get(family) else self.state[family]


class Circuit(msgspec.Struct, frozen=True):
    location: str = ""
    peering: str = ""
    links: dict[str, Link] = {}


class Place(msgspec.Struct, frozen=True):
    circuit: str
    link: str


class Pool(msgspec.Struct, frozen=True):
    internet: str = ""
    prefixes: tuple[str, ...] = ()
    expected_on: tuple[Place, ...] = ()
    advertised: Mapping[str, Mapping[str, Mapping[str, str]]] = {}
    """By family, circuit and link."""
    on_internet: Mapping[str, Mapping[str, str]] = {}
    """By family and feed."""

    def by_link(self) -> Mapping[Place, Mapping[str, str]]:
        """Return the answers in each family for every link."""
        found: dict[Place, dict[str, str]] = {}
        for family, circuits in self.advertised.items():
            for circuit, links in circuits.items():
                for link, answer in links.items():
                    found.setdefault(Place(circuit, link), {})[family] = answer
        return found

    def by_view(self) -> Mapping[str, Mapping[str, str]]:
        """Return the answers in each family for every feed that shows what the internet hears."""
        found: dict[str, dict[str, str]] = {}
        for family, feeds in self.on_internet.items():
            for feed, answer in feeds.items():
                found.setdefault(feed, {})[family] = answer
        return found


class Feed(msgspec.Struct, frozen=True):
    view: str
    state: str
    router: str = ""
    circuit: str = ""
    link: str = ""
    uplink: str = ""
    segment: str = ""
    since: datetime | None = None
    down_reason: str = ""
    in_sync: Mapping[str, bool] = {}
    routes: Mapping[str, int] = {}
    lost_messages: int = 0
    loss: str | None = None
    overflowed: bool = False

    @property
    def sees(self) -> bool:
        """Whether its silence can be believed."""
        return self.state == "up" and all(self.in_sync.values())


class Process(msgspec.Struct, frozen=True):
    state: str


class Status(msgspec.Struct, frozen=True):
    version: str
    time: datetime
    circuits: dict[str, Circuit]
    pools: dict[str, Pool]
    feeds: dict[str, Feed]
    processes: Mapping[str, Process] = {}


class Finding(msgspec.Struct, frozen=True):
    id: str
    state: str
    check: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    since: datetime
    evidence: Mapping[str, Any] = {}
    ended_at: datetime | None = None
    cleared_at: datetime | None = None
    stale: bool = False
    suppressed: bool = False


class Community(msgspec.Struct, frozen=True):
    community: str
    name: str | None = None


class Route(msgspec.Struct, frozen=True):
    feed: str
    prefix: str
    path_id: int | None = None
    next_hop: str | None = None
    as_path: str = ""
    communities: tuple[Community, ...] = ()
    large_communities: tuple[str, ...] = ()
    med: int | None = None
    local_preference: int | None = None
    circuit: str | None = None
    link: str | None = None
    attribution: str | None = None


class Routes(msgspec.Struct, frozen=True):
    prefix: str
    routes: tuple[Route, ...]
    total: int = 0
    total_exact: bool = True
    truncated: bool = False
    partial_feeds: tuple[str, ...] = ()
    feeds_not_in_sync: tuple[str, ...] = ()


def read(data: object, kind: type[T], where: str) -> T:
    """Type what ``where`` has answered; anything that does not fit is an ``UnreachableError``."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreachableError(f"{where}: is no answer of ermon's API: {error}. {IS_IT_ERMON}") from None
