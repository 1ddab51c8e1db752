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
"""What is counted: the routes of a link, of one service on it or of the virtual networks on it; or those of its
mirrors.
"""


class Counted(NamedTuple):
    """Something that is counted in routes and in addresses, and has a usual level."""

    kind: CountedKind
    link: LinkKey
    family: Family
    service: str = ""
    """The community of the service, such as ``12076:5010``."""


STALE = "stale"
"""The kind of sets with the routes of a link that its router keeps for a lost neighbor."""

PREPENDED = "prepended"
"""The kind of sets with the paths of a link by how often 12076 is repeated at their head; that number is the set's
name. Paths with one 12076, as nearly all are, are in no set.
"""
SHUT = "graceful-shutdown"
"""The kind of the same sets for paths with GRACEFUL_SHUTDOWN (RFC 8326), whatever the number of 12076."""

MICROSOFT = "microsoft"
"""The kind of sets with the routes outside the edge tables that count as Microsoft's. They depend on the present routes
of the links, so ``RouteIndex`` fills these sets, and no ``Classifier`` returns them.
"""


class Topic(NamedTuple):
    """Something that a verdict depends on. When it changes, the verdicts that name it are judged again."""

    kind: str
    key: tuple[Any, ...]


def feed_topic(feed: str) -> Topic:
    """The feed's session, whether it is in sync, or what it can prove has changed."""
    return Topic("feed", (feed,))


def content_topic(feed: str) -> Topic:
    """The feed has received its first route of a family, or has lost the last one."""
    return Topic("content", (feed,))


def routes_topic(feed: str, route_set: RouteSet) -> Topic:
    """The routes of a set have changed: on this feed, or on any feed if the set belongs to a link.

    A link's routes are seen on the feeds of few routers, so its verdicts depend on the link alone: a topic for every
    pair of link and feed would cost the square of the network.
    """
    return Topic("routes", (feed if route_set.link is None else "", route_set))


def table_topic(link: LinkKey, family: Family) -> Topic:
    """The link's routes have changed, on any edge table."""
    return Topic("table", (link, family))


def link_topic(link: LinkKey, family: Family) -> Topic:
    """The link's state, or the feeds that decide on it, have changed."""
    return Topic("link", (link, family))


def missing_topic(link: LinkKey) -> Topic:
    """The expected prefixes that the link's routes on an edge table do not cover have changed."""
    return Topic("missing", (link,))


def up_circuits_topic(vrf: str | None, family: Family) -> Topic:
    """The circuits that are up in the VRF have changed between none, one and several, or the only one is another
    one.
    """
    return Topic("up-circuits", (vrf, family))


def first_dump_topic(circuit: str) -> Topic:
    """The first dumps of the circuit's feeds are no longer waited for."""
    return Topic("first-dump", (circuit,))


def router_topic(router: str) -> Topic:
    """The last edge table of the router went down, or the first one came back."""
    return Topic("router", (router,))


OUT_OF_SIGHT = Topic("out-of-sight", ())
"""The routers out of sight have changed."""


def seen_topic(family: Family) -> Topic:
    """The first edge table of a family is in sync, or the last one no longer is."""
    return Topic("seen", (family,))


def difference_topic(kind: str, circuit: str, family: Family) -> Topic:
    """The prefixes that are not on all links of a circuit have changed."""
    return Topic(kind, (circuit, family))


def sight_topic(kind: str, link: LinkKey, family: Family) -> Topic:
    """The prefixes have changed that only one of two ways of seeing a link shows."""
    return Topic("sight", (kind, link, family))


GroupKey = tuple[str, str, str]
"""Circuits that back each other up: their geo, their group and their peering."""


def failover_topic(group: GroupKey, family: Family) -> Topic:
    """The prefixes have changed that only one circuit of a group advertises."""
    return Topic("failover", (group, family))


def drain_topic(link: LinkKey) -> Topic:
    """The marks of a drain on the link's paths have changed."""
    return Topic("drain", (link,))


def preference_topic(circuit: str, family: Family) -> Topic:
    """The routers' preference among the links of the circuit has changed."""
    return Topic("preference", (circuit, family))


def churn_topic(link: LinkKey) -> Topic:
    return Topic("churn", (link,))


EXPECTATIONS = Topic("expectations", ())
"""A prefix has begun or ceased to be expected."""


def source_topic(source: str) -> Topic:
    return Topic("source", (source,))


def azure_tables_topic(link: LinkKey) -> Topic:
    """What is known of the tables of Microsoft's edge router at the far end of a link has changed, or is too old now."""
    return Topic("azure-tables", (link,))


def ownership_topic(source: str) -> Topic:
    """A source of VRPs or route objects was read again, or what it said no longer counts."""
    return Topic("ownership", (source,))


def azure_topic(circuit: str) -> Topic:
    """Azure's own view of a circuit was read, could not be read, or has become too old."""
    return Topic("azure", (circuit,))


STORAGE = Topic("storage", ())
"""Whether the state of ermon can be written has changed."""


def process_topic(process: str) -> Topic:
    return Topic("process", (process,))
