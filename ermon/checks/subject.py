"""What a check is made of: a subject, what its verdict depends on, and the pure question itself.

Nothing here knows how the answers are kept up to date: a ``judge`` looks at ``Facts`` and answers, the
same whether they were kept incrementally by the monitor or collected from scratch by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from ermon.checks.attribution import Attribution
from ermon.checks.facts import Facts
from ermon.checks.topics import Counted, RouteSet, Topic
from ermon.model.findings import Status
from ermon.model.inventory import Feed, Link
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.routes import Route, RouteKey
from ermon.model.settings import Severity

Labels = tuple[tuple[str, str], ...]


def link_labels(link: Link) -> Labels:
    return (("circuit", link.circuit), ("link", link.name))


def feed_labels(feed: Feed) -> Labels:
    """The feed, and the uplink that it mirrors."""
    uplink = (("uplink", feed.uplink),) if feed.uplink is not None else ()
    return (("feed", feed.name), *uplink)


LISTED = 20
"""A list of evidence ends after so many; how many prefixes there were stands beside them."""


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
    quiets: frozenset[Family] = frozenset(FAMILIES)
    """While violated, it keeps quiet what the catalogue says that it causes, in these families."""
    explains: Callable[[str], bool] | None = None
    """Whether it explains what is about a feed; ``None``: whatever it touches."""
    lasting: bool = True
    """Whether an ok ends a finding: where it does not, nobody knows yet of one that is raised."""

    @property
    def suppresses(self) -> frozenset[Family]:
        """The families in which it keeps its effects quiet at present: those without a family in any of them."""
        return self.quiets if self.status is Status.VIOLATED else frozenset()

    def keeps_quiet(self, family: str | None) -> bool:
        """Return whether it keeps an effect quiet that is about ``family``, or about none."""
        return bool(self.suppresses) if family is None else family in self.suppresses


OK = Verdict(Status.OK)
UNKNOWN = Verdict(Status.UNKNOWN)
NOT_YET = Verdict(Status.OK, lasting=False)
"""Nothing is wrong any more; and what was raised is not over yet."""


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
    details: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
) -> Evidence:
    """Return evidence that was seen on one feed."""
    routers = (feed.router,) if feed.router is not None else ()
    return Evidence(routes, prefixes, (feed.name,), routers, details or {})


@dataclass(frozen=True, slots=True)
class Learns:
    """What a subject learns while it is ok, and how a level that it calls too low becomes usual at last."""

    counted: tuple[Counted, ...]
    drop_percent: float
    """So far from its own median a level may go and is still the same level."""
    spoiled_by: tuple[str, ...] = ()
    """Checks of the same circuit: while one is violated, no level becomes usual."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What one verdict is about."""

    check: str
    labels: Labels
    topics: frozenset[Topic]
    judge: Callable[[Facts], Verdict]
    severity: Severity | None = None
    """Where it depends on the policy instead of the check."""
    distinction: str = ""
    """What distinguishes its findings from others with the same summary."""
    raise_after: float = 0.0
    """Seconds that its violation must hold at least, whatever the check says of others."""
    learns: Learns | None = None
    feeds: tuple[str, ...] = ()
    """The feeds whose ExaBGP process, when it is down, is the cause."""


Classifier = Callable[[Route, Attribution], Iterable[RouteSet]]
"""Names the sets that a route of a feed belongs to, from the route and (on an edge table) the link
that brought it, and from nothing that changes with time.
"""
