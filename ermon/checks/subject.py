"""What a check is made of: a subject, what its verdict depends on, and the pure question itself.

Nothing here knows how the answers are kept up to date: a ``judge`` looks at ``Facts`` and answers, the
same whether they were kept incrementally by the monitor or collected from scratch by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, Protocol

from ermon.checks.attribution import Attribution
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import ExpectationPeriods, Feed, Link, LinkKey, Severity
from ermon.model.prefixes import Family, Prefix
from ermon.model.routes import Route, RouteKey

Labels = tuple[tuple[str, str], ...]


class RouteSet(NamedTuple):
    """A named selection of a feed's routes of one family, such as those inside a pool."""

    kind: str
    family: Family
    name: str = ""
    link: LinkKey | None = None


PREPENDED = "prepended"
"""The kind of the sets that hold the paths of a link that Microsoft has marked as being drained."""

MICROSOFT = "microsoft"
"""The kind of the sets that hold what counts as a Microsoft route outside the edge tables. It depends on
what the links bring at the moment, so ``Network`` fills it, and no ``Classifier`` names it.
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


def seen_topic(family: Family) -> Topic:
    """The first edge table of a family has got in sync, or the last one is no longer."""
    return Topic("seen", (family,))


def difference_topic(kind: str, circuit: str, family: Family) -> Topic:
    """The prefixes that are not on all links of a circuit have changed."""
    return Topic(kind, (circuit, family))


def drain_topic(link: LinkKey) -> Topic:
    """What the link's paths say of a drain has changed."""
    return Topic("drain", (link,))


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


def link_labels(link: Link) -> Labels:
    return (("circuit", link.circuit), ("link", link.name))


def feed_labels(feed: Feed) -> Labels:
    """The feed, and the uplink that it mirrors."""
    uplink = (("uplink", feed.uplink),) if feed.uplink is not None else ()
    return (("feed", feed.name), *uplink)


class Facts(Protocol):
    """What is known of the network at one moment."""

    @property
    def now(self) -> float: ...

    def up(self, feed: str) -> bool:
        """Return whether the feed's session is established."""
        ...

    def in_sync(self, feed: str, family: Family) -> bool:
        """Return whether the feed's routes of this family are known to be complete."""
        ...

    def all_paths(self, feed: str, family: Family) -> bool:
        """Return whether the session carries all paths (ADD-PATH), so that it can prove absence."""
        ...

    def received_any(self, feed: str, family: Family) -> bool:
        """Return whether the session has brought a route of this family, held or not."""
        ...

    def end_of_rib(self, feed: str) -> bool | None:
        """Return whether End-of-RIB has come in every family; ``None``: too early to tell, or not seen
        because the session began before we looked.
        """
        ...

    def down_reason(self, feed: str) -> str:
        """Return why the session ended; empty where there was none."""
        ...

    def loss(self, feed: str) -> str | None:
        """Return why messages were lost, until the feed has been in sync in a new session since."""
        ...

    def overflowed(self, feed: str) -> bool: ...

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        """Return the canary prefixes that the feed does not show; ``None``: not to be judged yet."""
        ...

    def process_up(self, process: str) -> bool | None:
        """Return whether an ExaBGP process runs and answers; ``None``: nothing heard of it yet."""
        ...

    def source_problem(self, source: str) -> str | None:
        """Return why a published list cannot be used, empty where it can; ``None``: not tried yet."""
        ...

    def storage_problem(self) -> str | None:
        """Return why nothing can be kept over a restart; ``None``: it can, or nothing is to be kept."""
        ...

    def matching(self, feed: str, route_set: RouteSet) -> Mapping[RouteKey, Route]:
        """Return the feed's routes that are in the set."""
        ...

    def feeds_showing(self, route_set: RouteSet) -> Collection[str]:
        """Return the feeds that have a route in the set."""
        ...

    def seen(self, family: Family) -> bool:
        """Return whether any edge table is in sync in this family."""
        ...

    def link_state(self, link: LinkKey, family: Family) -> LinkState: ...

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds that prove presence and absence on the link: in sync, of the link's own
        router, with all paths.
        """
        ...

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the feeds whose routes count for the link: those that decide, and only while there is
        none, every other edge table in sync that shows a route of the link.
        """
        ...

    def prefix_count(self, link: LinkKey, family: Family) -> int:
        """Count the prefixes that the link brings, on the feeds whose routes count for it."""
        ...

    def expectations(self, circuit: str) -> ExpectationPeriods:
        """Return what the circuit is expected to bring at present, published lists included, and when."""
        ...

    def uncovered(self, feed: str, link: LinkKey) -> Collection[Prefix]:
        """Return the expected prefixes that the link's routes on this feed do not cover."""
        ...

    def covers(self, feed: str, prefix: Prefix) -> bool:
        """Return whether the feed's routes cover all of ``prefix``, a default route aside."""
        ...

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to what contains it, a default route included."""
        ...

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        """Return the feed's routes to ``prefix`` or to what is inside it."""
        ...

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that are on one link of the circuit that is up and not on another."""
        ...

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that one mirror in sync of a link of the circuit shows and another does not,
        links that are down aside.
        """
        ...

    def draining(self, link: LinkKey) -> bool:
        """Return whether the link counts as draining."""
        ...

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link has changed between up and down too often of late."""
        ...

    def feed_flaps(self, feed: str) -> bool:
        """Return whether the session was lost too often of late."""
        ...

    def churning(self, link: LinkKey) -> Collection[str]:
        """Return the feeds on which the link's routes change too often."""
        ...

    def usual_count(self, link: LinkKey, family: Family) -> float | None:
        """Return the median of the link's prefix count while it was right; ``None``: nothing learnt yet."""
        ...

    def learn_count(self, link: LinkKey, family: Family, count: int | None) -> None:
        """Learn that ``count`` is right from now on, or with ``None`` that nothing is to be learnt."""
        ...


def link_down(facts: Facts, link: Link, family: Family) -> bool:
    """Return whether the link is proven down for routes of a family.

    A family that the link has uses that family's state; for any other, the link is down when all its
    families are.
    """
    families = (family,) if family in link.families else link.families
    return bool(families) and all(facts.link_state(link.key, f) is LinkState.DOWN for f in families)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that a violation is real: rendered, sorted and cut only when somebody asks."""

    routes: Collection[Route] = ()
    prefixes: Collection[Prefix] = ()
    feeds: Collection[str] = ()
    routers: Collection[str] = ()
    details: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    """A function where working them out costs as much as there are routes."""


class Verdict(NamedTuple):
    status: Status
    evidence: Evidence | None = None
    is_cause: bool = True
    """While violated, it keeps quiet what the catalogue says that it causes."""

    @property
    def suppresses(self) -> bool:
        return self.status is Status.VIOLATED and self.is_cause


OK = Verdict(Status.OK)
UNKNOWN = Verdict(Status.UNKNOWN)


def violated(evidence: Evidence) -> Verdict:
    return Verdict(Status.VIOLATED, evidence)


class RouteGroup(Collection[Route]):
    """Several selections of routes seen as one, without a copy: a leak of a whole table grows route by
    route, and is judged each time.
    """

    def __init__(self, parts: Iterable[Mapping[RouteKey, Route]]) -> None:
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Route]:
        return chain.from_iterable(part.values() for part in self._parts)

    def __contains__(self, route: object) -> bool:
        return any(route == found for found in self)


def present(evidence: Evidence, *, complete: bool) -> Verdict:
    """Judge routes that must not be there: violated at once, ok only when the view is complete."""
    if evidence.routes:
        return violated(evidence)
    return OK if complete else UNKNOWN


def on_feed(
    feed: Feed,
    *,
    routes: Collection[Route] = (),
    prefixes: Collection[Prefix] = (),
    details: Mapping[str, Any] | None = None,
) -> Evidence:
    """Return evidence that was seen on one feed."""
    routers = (feed.router,) if feed.router is not None else ()
    return Evidence(routes, prefixes, (feed.name,), routers, details or {})


@dataclass(frozen=True, slots=True)
class Subject:
    """What one verdict is about."""

    check: str
    labels: Labels
    topics: frozenset[Topic]
    judge: Callable[[Facts], Verdict]
    severity: Severity | None = None
    """Where it depends on the policy instead of the check."""
    learn: Callable[[Facts, Verdict], None] | None = None
    """Called after each verdict, for checks that learn what is right."""
    feeds: tuple[str, ...] = ()
    """The feeds whose ExaBGP process, when it is down, is the cause."""


Classifier = Callable[[Route, Attribution], Iterable[RouteSet]]
"""Names the sets that a route of a feed belongs to, from the route and (on an edge table) the link
that brought it, and from nothing that changes with time.
"""
