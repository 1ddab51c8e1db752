"""What a check consists of: a subject, the topics of its verdict, and its judge.

Nothing here knows how facts are kept up to date. A ``judge`` looks at ``Facts`` and returns a verdict. It is the same
whether the monitor updated the facts step by step or a test collected them from scratch.
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
from ermon.model.inventory import Config, Feed, Link
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.routes import Attributes, Route, RouteKey
from ermon.model.settings import Severity

Labels = tuple[tuple[str, str], ...]


def link_labels(link: Link) -> Labels:
    return (("circuit", link.circuit), ("link", link.name))


def feed_labels(feed: Feed) -> Labels:
    """Return the labels of a feed: its name, and the uplink that it mirrors."""
    uplink = (("uplink", feed.uplink),) if feed.uplink is not None else ()
    return (("feed", feed.name), *uplink)


def region_labels(config: Config) -> Labels:
    """Return the label of a subject that is about this instance itself. Each of several instances has such a subject, and
    nothing else distinguishes them.
    """
    return (("region", config.region),) if config.region else ()


LISTED = 20
"""The most entries of a list in the evidence; the total number of prefixes is given beside it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that a violation is real. It is rendered, sorted and cut only when it is shown."""

    routes: Collection[Route] = ()
    prefixes: Collection[Prefix] = ()
    feeds: Collection[str] = ()
    routers: Collection[str] = ()
    details: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    """A function if working them out costs as much as there are routes."""


class Verdict(NamedTuple):
    """The result of a judge: a status, and what follows from it for other alarms."""

    status: Status
    evidence: Evidence | None = None
    quiets: frozenset[Family] = frozenset(FAMILIES)
    """While violated, it suppresses its effects of the catalogue in these families."""
    explains: Callable[[str], bool] | None = None
    """Returns whether it explains a finding about this feed. It explains all that it touches if this is ``None``, or if they are about
    no feed.
    """
    lasting: bool = True
    """Whether an ok ends a finding. If not, a raised finding is unknown instead."""
    severity: Severity | None = None
    """The severity of this violation, if it is another one than the check's: ``Check.worse``. A configured severity outweighs it."""

    @property
    def suppresses(self) -> frozenset[Family]:
        """The families in which it suppresses its effects now; effects without a family are suppressed if there is
        any.
        """
        return self.quiets if self.status is Status.VIOLATED else frozenset()

    def keeps_quiet(self, family: str | None) -> bool:
        """Return whether it suppresses an effect of ``family``; ``None`` is an effect without a family."""
        return bool(self.suppresses) if family is None else family in self.suppresses


OK = Verdict(Status.OK)
UNKNOWN = Verdict(Status.UNKNOWN)
NOT_YET = Verdict(Status.OK, lasting=False)
"""Nothing is wrong any more, but a raised finding does not clear yet."""


def violated(evidence: Evidence) -> Verdict:
    return Verdict(Status.VIOLATED, evidence)


class RouteGroup(Collection[Route]):
    """Several selections of routes seen as one, without a copy: a leak of a whole table grows route by route, and is
    judged at each one.
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
    """Judge routes that must not be there: one of them is a violation, and only a complete view without any is ok."""
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
    """What a subject learns while it is ok, and how a level that it calls too low becomes usual."""

    counted: tuple[Counted, ...]
    drop_percent: float
    """A level may differ from its own median by this much and is still the same level."""
    spoiled_by: tuple[str, ...] = ()
    """Checks of the same circuit; while one is violated, no level becomes usual."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of one verdict."""

    check: str
    labels: Labels
    topics: frozenset[Topic]
    judge: Callable[[Facts], Verdict]
    severity: Severity | None = None
    """The severity, if it depends on the policy instead of the check."""
    distinction: str = ""
    """Distinguishes its findings from others with the same summary."""
    raise_after: float = 0.0
    """The least seconds that its violation must last, even if ``raise_after`` of the check is less."""
    learns: Learns | None = None
    feeds: tuple[str, ...] = ()
    """The feeds whose ExaBGP process, or BMP connection, is the cause if it is down."""


def _no_sets(*_: object) -> Iterable[RouteSet]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Sorts a feed's routes into sets. Into which depends on the route and (on an edge table) the link over which it was
    learned, and on nothing that changes with time.
    """

    by_route: Callable[[Route, Attribution], Iterable[RouteSet]]
    by_attributes: Callable[[Attributes, Family, Attribution], Iterable[RouteSet]] = _no_sets
    """Returns further sets, which all routes with these attributes belong to: this is asked once for all of them."""
