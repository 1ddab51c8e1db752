"""What verdicts depend on: named sets of routes, and topics that change."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family


class RouteSet(NamedTuple):
    """A named selection of a feed's routes of one family, such as those inside a pool."""

    kind: str
    family: Family
    name: str = ""
    link: LinkKey | None = None


CountedKind = Literal["received", "service", "vnets", "advertised"]
"""The routes of a link, or of them one service or the virtual networks; what its mirrors show."""


class Counted(NamedTuple):
    """What is counted in routes and in addresses, and has a usual level."""

    kind: CountedKind
    link: LinkKey
    family: Family
    service: str = ""
    """The community of the service, such as ``12076:5010``."""


STALE = "stale"
"""The kind of the sets that hold the routes of a link that its router keeps for a neighbor that is gone."""

PREPENDED = "prepended"
"""The kind of the sets that hold the paths of a link by how often 12076 stands in a row at their head, which is the set's
name. Those where it stands once, as nearly all do, are in none.
"""
SHUT = "graceful-shutdown"
"""The kind of the same sets for paths that carry GRACEFUL_SHUTDOWN (RFC 8326), however often 12076 stands there."""

MICROSOFT = "microsoft"
"""The kind of the sets that hold what counts as a Microsoft route outside the edge tables. It depends on
the present routes of the links, so ``Network`` fills it, and no ``Classifier`` names it.
"""


class Topic(NamedTuple):
    """Something a verdict depends on; when it changes, the verdicts that name it are asked for again."""

    kind: str
    key: tuple[Any, ...]


def feed_topic(feed: str) -> Topic:
    """The feed's session, its being in sync, or what it can prove has changed."""
    return Topic("feed", (feed,))


def content_topic(feed: str) -> Topic:
    """The feed has got its first route of a family, or has lost the last one."""
    return Topic("content", (feed,))


def routes_topic(feed: str, route_set: RouteSet) -> Topic:
    """The routes of a set have changed: on this feed, or on any where the set is of a link.

    A link's routes are seen on the feeds of few routers, so that its verdicts depend on the link alone: a topic
    for every link and every feed would cost the square of the network.
    """
    return Topic("routes", (feed if route_set.link is None else "", route_set))


def table_topic(link: LinkKey, family: Family) -> Topic:
    """The link's routes have changed, on whichever edge table."""
    return Topic("table", (link, family))


def link_topic(link: LinkKey, family: Family) -> Topic:
    """The link's state, or the feeds that decide on it, have changed."""
    return Topic("link", (link, family))


def missing_topic(link: LinkKey) -> Topic:
    """The expected prefixes that the link's routes on an edge table do not cover have changed."""
    return Topic("missing", (link,))


def up_circuits_topic(vrf: str | None, family: Family) -> Topic:
    """None, one or several circuits of the VRF are up where it was another number of them, or other ones."""
    return Topic("up-circuits", (vrf, family))


def first_dump_topic(circuit: str) -> Topic:
    """The first dumps of the circuit's feeds are waited for no longer."""
    return Topic("first-dump", (circuit,))


def router_topic(router: str) -> Topic:
    """The last edge table of the router went out of sight, or the first one came back."""
    return Topic("router", (router,))


OUT_OF_SIGHT = Topic("out-of-sight", ())
"""More or fewer routers are out of sight."""


def seen_topic(family: Family) -> Topic:
    """The first edge table of a family has got in sync, or the last one is no longer."""
    return Topic("seen", (family,))


def difference_topic(kind: str, circuit: str, family: Family) -> Topic:
    """The prefixes that are not on all links of a circuit have changed."""
    return Topic(kind, (circuit, family))


GroupKey = tuple[str, str, str]
"""Circuits that back each other up: their geo, the group that they name, and their peering."""


def failover_topic(group: GroupKey, family: Family) -> Topic:
    """The prefixes that only one circuit of a group advertises have changed."""
    return Topic("failover", (group, family))


def drain_topic(link: LinkKey) -> Topic:
    """What the link's paths say of a drain has changed."""
    return Topic("drain", (link,))


def preference_topic(circuit: str, family: Family) -> Topic:
    """Which links of the circuit the routers prefer has changed."""
    return Topic("preference", (circuit, family))


def churn_topic(link: LinkKey) -> Topic:
    return Topic("churn", (link,))


EXPECTATIONS = Topic("expectations", ())
"""A prefix has begun or ceased to be expected."""


def source_topic(source: str) -> Topic:
    return Topic("source", (source,))


STORAGE = Topic("storage", ())
"""Whether what must outlive ermon can be written has changed."""


def process_topic(process: str) -> Topic:
    return Topic("process", (process,))
