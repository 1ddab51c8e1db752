"""The independent oracle: the right status of every check, computed from scratch at each moment.

It keeps the bare record of what happened, and computes everything from it. It uses ermon's model, the checks' own
``judge`` functions and the catalogue's times. The ``Facts`` that judges read, the sorting of routes, suppression,
maintenance and timers are written a second time from the contract, here and in ``oracle_facts``. It uses nothing of the
monitor: an oracle that replays through a second monitor would share its bugs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise, zip_longest
from typing import NamedTuple, assert_never

from ermon.checks.attribution import Unattributed
from ermon.checks.catalogue import CATALOGUE, subjects
from ermon.checks.facts import Amount, LinkChanges
from ermon.checks.subject import UNKNOWN, Labels, Subject, Verdict
from ermon.checks.topics import Counted
from ermon.core.passed_over import IDENTIFIED_BYTES, SINGLE_BYTES
from ermon.model.events import (
    Accepted,
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    AzureRead,
    AzureTables,
    ClockStepped,
    ConnectionsRefused,
    EndOfRib,
    Event,
    HoldTimeZero,
    ListeningJudged,
    MessagesLost,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    SourceJudged,
    StatisticsBegan,
    StorageJudged,
    Uninteresting,
    Update,
)
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config, Feed, InternetUse, Limit, Link, LinkKey, View
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.routes import ROUTE_BYTES, Route
from ermon.model.settings import CheckSettings
from tests.oracle_azure import AzureRecord
from tests.oracle_facts import (
    CHURN_SECONDS,
    Asked,
    FactsFromScratch,
    Session,
    brought_by,
    covered,
    excess_until,
    number,
    overlap,
    through_microsoft,
)
from tests.oracle_levels import Levels

SubjectKey = tuple[str, Labels]
LinkFamily = tuple[LinkKey, Family]
Marks = list[tuple[int, bool]]

REMEMBERED_SECONDS = 60.0
OVERFLOW_REASONS: Mapping[Limit, str] = {
    "max_routes": "more routes than collector.max_routes",
    "max_bytes": "routes that take more memory than collector.max_bytes",
}
FIRST_OVERFLOW_SECONDS, LONGEST_OVERFLOW_SECONDS = 300.0, 3600.0


Message = Update | Uninteresting | EndOfRib | RefreshBegan | RefreshEnded | Alive


def _families_of(event: Message) -> Iterator[tuple[str, Family]]:
    """Yield the parts of an event that concern whole families."""
    if isinstance(event, EndOfRib):
        yield "end-of-rib", event.family
    if isinstance(event, Uninteresting):
        yield from (("withdrawn", family) for family in event.withdrawn)
        yield from (("announced", family) for family in event.announced)


class Moment(NamedTuple):
    """The state of the links from ``time`` until the next moment."""

    time: float
    states: dict[LinkFamily, LinkState]
    brought: dict[LinkFamily, frozenset[Prefix]]
    marks: dict[LinkFamily, list[Marks]]
    """By each feed in sync that shows the link: how often 12076 leads each path, and whether the path has
    GRACEFUL_SHUTDOWN.
    """
    drain_rules: tuple[int, float, float]
    """How many more prepends mark a path, the share of marked paths in percent, and after how many seconds a path is
    usual.
    """
    expected: set[LinkFamily]
    """Links whose changes are expected at this time, because of maintenance or a drain."""
    right: dict[Counted, Amount]
    """The amounts of everything that is counted, where they were right."""
    low: dict[Counted, tuple[Amount, bool, float]]
    """Amounts that are too low: whether the time counts for this level to become usual, and its band in percent."""
    strays: dict[LinkFamily, frozenset[Unattributed]]
    """The reasons for which routes in the tables of each link's router match no link."""
    clock_offset: float = 0.0
    """How far the wall clock was ahead."""


class Start(NamedTuple):
    """A start of ermon, or of an ExaBGP process."""

    process: str | None
    """``None``: ermon."""
    time: float
    moments: int
    """The number of moments before it."""


class Drain(NamedTuple):
    """The usual path of a link, and since when it drains."""

    usual: int | None
    since: float | None
    learns_at: float | None
    turns: tuple[float, ...]
    """When drains began and ended."""


class Sample(NamedTuple):
    """The statuses of a moment; ``by_line``: an event caused them, and not the passing of time."""

    time: float
    by_line: bool
    statuses: dict[SubjectKey, Status]


class Oracle:
    """Takes the events of a history one by one, and computes everything again after each."""

    def __init__(self, config: Config, start: float, *, just_started: bool = False) -> None:
        """``just_started``: ermon has no memory yet; otherwise it has run for long."""
        self.config = config
        self.now = start
        self.clock_offset = 0.0
        self.sessions = {name: Session() for name in sorted(config.feeds)}
        self.processes: dict[str, bool | None] = dict.fromkeys((*config.processes, *config.connections))
        self.processes |= {name: True for name, feed in config.feeds.items() if feed.ris is not None}
        self.heard: dict[tuple[str, Prefix], list[tuple[int, bool]]] = {}
        """By feed of RIPE's and prefix: how many peers had it at each look, and whether all of them were known then."""
        self.with_statistics: set[str] = set()
        """The BMP connections on which statistics have come."""
        self.silent: set[str] = set()
        self.starts = [Start(None, start, 0)] if just_started else []
        for session in self.sessions.values():
            session.unheard = just_started
        self.process_problems: dict[str, str] = {}
        self.process_ends: dict[str, list[float]] = {}
        """When each process ended while it ran."""
        self.unlistened: dict[str, str] = {}
        """By address: why listening on it fails, empty if it works."""
        self.refusals: list[tuple[float, str, str]] = []
        """Refused connections: time, local address, and remote address that is no feed's router."""
        self.sources: dict[str, str] = {}
        self.registry_reads: list[OwnershipRead] = []
        self.azure_said: list[AzureRead] = []
        """Everything that Azure has said."""
        self.policies = [(start, config)]
        """Each configuration, and since when it is in force."""
        self.storage: str | None = None
        self.azure = AzureRecord(self)
        self.moments: list[Moment] = []
        self.samples: list[Sample] = []
        self.verdicts: dict[SubjectKey, Verdict] = {}
        self.levels = Levels(self)
        self._subjects = _subjects_of(config)
        self._drains: dict[tuple[LinkFamily, int], Drain] = {}
        self._look(by_line=False)

    def pass_time(self, now: float) -> None:
        while (deadlines := [due for due in self._deadlines() if self.now < due <= now]) != []:
            self.now = min(deadlines)
            self.levels.learn(self._subjects)
            self._look(by_line=False)
        self.now = max(self.now, now)

    def happen(self, *events: Event) -> None:
        """Take an event, or several of one instant of which only the last outcome matters. But everything that the end
        of a session affects starts again, also if the router connects again at once.
        """
        for event in events:
            self.pass_time(event.time)
            self._record(event)
            self.azure.look(FactsFromScratch(self))
            if isinstance(event, SessionDown):
                self._look(by_line=True)
        self._look(by_line=True)

    def reload(self, config: Config, now: float) -> None:
        """Change to another configuration of the same feeds and links, which may ask for more routes."""
        self.pass_time(now)
        for name, session in self.sessions.items():
            filtered = {View.EDGE_TABLE, View.INTERNET, View.FROM_INTERNET}
            if config.feeds[name].view in filtered and session.up_at is not None:
                self._reload_feed(self.config, config, name)
        self.config = config
        self.policies.append((self.now, config))
        self._subjects = _subjects_of(config)
        self.levels.forget(self._subjects)
        self.azure.look(FactsFromScratch(self))
        self._look(by_line=True)

    def _reload_feed(self, before: Config, config: Config, name: str) -> None:
        """Only routes that the policy asked about are held. For those that it asks about now, the router sends again."""
        session, feed = self.sessions[name], config.feeds[name]
        kept = {key: r for key, r in session.routes.items() if _is_held(before, before.feeds[name], r)}
        session.passed_over |= session.routes.keys() - kept.keys()
        session.routes = kept
        asked_before = tuple(_asked_about(before, before.feeds[name]))
        more = [p for p in _asked_about(config, feed) if not covered(p, asked_before)]
        everything = feed.view is View.EDGE_TABLE and bool(_recognised(config) - _recognised(before))
        for family in feed.families if more or everything else ():
            earlier = session.asked.get(family)
            if earlier is not None and self.now >= (session.asked_until(family, before) or 0.0):
                earlier = None
            session.asked[family] = Asked(
                self.now,
                len(session.log),
                (asked_before, *(earlier.kept if earlier else ())),
                everything or (earlier is not None and earlier.everything),
            )

    def refresh_of(self, source: str) -> float:
        """Return how often a source of VRPs or route objects is read, in seconds."""
        asked = self.config.ownership
        found = [("vrps", each) for each in asked.vrps] + [
            ("route-objects", each) for each in asked.route_objects
        ]
        return next(each.refresh for kind, each in found if source == f"{kind}:{each.location}")

    @property
    def statuses(self) -> dict[SubjectKey, Status]:
        return self.samples[-1].statuses

    # State that may change without an event

    def _deadlines(self) -> Iterator[float]:
        for name, session in self.sessions.items():
            yield from self._feed_deadlines(name, session)
        for link in self.config.links:
            yield from self._link_deadlines(link)
        yield from self._first_dump_deadlines()
        yield from (at + 600.0 for at, *_ in self.refusals)
        yield from self._azure_deadlines()
        for start in self.starts:
            yield start.time + self.config.collector.reconnect_grace
            yield start.time + self.config.collector.sync_timeout
        yield from self.levels.deadlines()
        yield from self.azure.deadlines()
        yield from self._registry_deadlines()
        for window in self.config.maintenance:
            for edge in (window.starts, window.ends):
                yield edge.timestamp() - self.clock_offset
        for exception in self.config.exceptions:
            if exception.until is not None:
                yield exception.until.timestamp() - self.clock_offset
        for circuit in self.config.circuits.values():
            for expected in circuit.receive.prefixes:
                for day in (expected.starts, expected.ends):
                    if day is not None:
                        yield (
                            datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() - self.clock_offset
                        )

    def _registry_deadlines(self) -> Iterator[float]:
        last = {read.source: read.reading for read in self.registry_reads}
        for source, reading in last.items():
            yield reading.taken_at + 3 * self.refresh_of(source)
            yield from (vrp.expires - self.clock_offset for vrp in reading.vrps if vrp.expires is not None)
        for read in self.registry_reads:
            yield read.reading.taken_at + self.config.policy.relearn_after

    def _azure_deadlines(self) -> Iterator[float]:
        for event in self.azure_said:
            if (source := self.config.circuits[event.circuit].azure) is not None:
                yield event.taken + 3 * source.refresh
                yield max(event.time, event.taken) + max(3600.0, 3 * source.refresh)
                yield event.taken + max(3600.0, 3 * source.refresh)

    def _first_dump_deadlines(self) -> Iterator[float]:
        for circuit in self.config.circuits.values():
            for family in circuit.families:
                if (since := self.unseen_since(circuit.name, family)) is not None:
                    yield since + self.config.collector.sync_timeout

    def _feed_deadlines(self, name: str, session: Session) -> Iterator[float]:
        if session.up_at is not None:
            yield session.up_at + self.config.collector.sync_timeout
        if session.overflowed_until is not None:
            yield session.overflowed_until
        for family in self.config.feeds[name].families:
            if (until := session.asked_until(family, self.config)) is not None:
                yield until
            if (in_sync_at := session.in_sync_at(family, self.config)) is not None:
                yield in_sync_at
        if (until := self.losses_until(name)) is not None:
            yield until
        for link in {link for _, link, _ in session.churn}:
            if (until := self.churns_until(name, link)) is not None:
                yield until

    def _link_deadlines(self, link: Link) -> Iterator[float]:
        for family in link.families:
            if (returned_at := self.returned_at(link.key, family)) is not None:
                yield returned_at + self.config.policy.failover_grace
            drain = self.drain_of(link.key, family)
            if drain.since is not None:
                yield drain.since + self.config.policy.max_drain
            if drain.learns_at is not None:
                yield drain.learns_at
            if (until := self.flaps_until(link.key, family)) is not None:
                yield until

    # The events

    def _record(self, event: Event) -> None:  # noqa: PLR0912  # one branch an event
        if isinstance(event, ProcessUp):
            self.silent.discard(event.process)
            if not self.processes[event.process]:
                self.with_statistics.discard(event.process)
                self.starts.append(Start(event.process, self.now, len(self.moments)))
            self.processes[event.process] = True
            return
        if isinstance(event, ProcessSilent):
            if self.processes[event.process] is not False:
                self.silent.add(event.process)
                self.process_problems[event.process] = event.reason
            return
        if isinstance(event, StatisticsBegan):
            self.with_statistics.add(event.process)
            return
        if isinstance(event, ProcessDown):
            self.silent.discard(event.process)
            for name, session in self.sessions.items():
                if self.config.feeds[name].process == event.process and not self.config.feeds[name].by_bmp:
                    waited_for = not self.processes[event.process] or self.in_grace(name)
                    session.torn = session.up_at is not None or (session.torn and waited_for)
                    session.unheard = session.unheard and waited_for
            if self.processes.get(event.process) and not event.wanted:
                self.process_ends.setdefault(event.process, []).append(self.now)
            self.processes[event.process] = False
            self.process_problems[event.process] = event.reason
            for name, session in self.sessions.items():
                if self.config.feeds[name].process == event.process:
                    if session.up_at is not None:
                        session.end(self.now, event.reason)
                    session.forget_report()
            return
        if isinstance(event, ListeningJudged):
            self.unlistened[event.local] = event.problem or ""
            return
        if isinstance(event, ConnectionsRefused):
            self.refusals.append((self.now, event.local, event.peer))
            return
        if isinstance(event, Accepted):
            self.levels.accept(event, self._subjects)
            return
        if isinstance(event, SourceJudged):
            self.sources[event.source] = event.problem or ""
            return
        if isinstance(event, OwnershipRead):
            self.registry_reads.append(event)
            return
        if isinstance(event, AzureRead):
            self.azure_said.append(event)
            return
        if isinstance(event, StorageJudged):
            self.storage = event.problem
            return
        if isinstance(event, ClockStepped):
            self.clock_offset = event.offset
            return
        if isinstance(event, AzureTables):
            self.azure.take(event, FactsFromScratch(self))
            return
        session = self.sessions[event.feed]
        match event:
            case SessionUp():
                if session.overflowed_until is None:
                    self._begin(event.feed, joined=False)
            case SessionDown():
                if session.up_at is not None:
                    session.end(self.now, event.reason)
                elif session.overflowed_until is None and event.reason:
                    session.down_reason = event.reason
                session.negotiated = session.offered = None
                session.no_hold = False
                feed = self.config.feeds[event.feed]
                if feed.by_bmp and self.processes[feed.process]:
                    session.said, session.shown = "down", True
            case SessionUnreported():
                session.said = session.said or "missing"
            case SessionSilent():
                session.silent = event.reason
            case RoutesUnreadable():
                session.unreadable = event.reason
            case AddPathOffered():
                session.offered = event.families
            case AddPathNegotiated():
                session.negotiated = event.families
            case HoldTimeZero():
                session.no_hold = True
            case MessagesLost():
                session.lose(event.reason)
            case Alive() if session.up_at is None and (session.offered, session.negotiated) != (None, None):
                pass  # the handshake's KEEPALIVE
            case Update() | Uninteresting() | EndOfRib() | RefreshBegan() | RefreshEnded() | Alive():
                self._record_message(session, event)
            case _:
                assert_never(event)

    def _begin(self, feed: str, *, joined: bool) -> None:
        session = self.sessions[feed]
        if FactsFromScratch(self).awaited(feed):
            session.called_at = self.now
        session.begin(self.now, joined=joined)

    def in_grace(self, feed: str) -> bool:
        """Return whether routers still have time to connect, after a start of ermon or of their process. By BMP they have it until
        something is heard of the connection.
        """
        process = self.config.feeds[feed].process
        if self.config.feeds[feed].by_bmp and self.processes[process] is not None:
            return False
        if self.processes[process] is False:
            return False
        starts = [start.time for start in self.starts if start.process in {None, process}]
        return bool(starts) and self.now < starts[-1] + self.config.collector.reconnect_grace

    def known_since(self, link: LinkKey, family: Family, start: Start) -> bool:
        states = {moment.states.get((link, family)) for moment in self.moments[start.moments :]}
        return bool(states & {LinkState.UP, LinkState.DOWN})

    def _record_message(self, session: Session, event: Message) -> None:
        session.silent, session.message_at = "", self.now
        if session.overflowed_until is not None:
            return
        if session.up_at is None:
            self._begin(event.feed, joined=True)
        session.log += [(self.now, kind, family) for kind, family in _families_of(event)]
        if isinstance(event, RefreshBegan | RefreshEnded):
            kind = "refresh begins" if isinstance(event, RefreshBegan) else "refresh ends"
            session.log.append((self.now, kind, event.family))
            self._record_refresh(session, event)
        if isinstance(event, Update):
            before, facts = dict(session.routes), FactsFromScratch(self)
            session.passed_over -= {*event.withdrawn, *((r.prefix, r.path_id) for r in event.announced)}
            for key in event.withdrawn:
                session.routes.pop(key, None)
                session.log.append((self.now, "withdrawn", key[0].family))
            feed = self.config.feeds[event.feed]
            for route in event.announced:
                session.routes[route.prefix, route.path_id] = route
                if facts.all_paths(event.feed, route.prefix.family) and not _is_held(
                    self.config, feed, route
                ):
                    session.unsure.add(route.prefix.family)
                if route.prefix.family in session.refreshes:
                    session.refreshes[route.prefix.family][1].add((route.prefix, route.path_id))
                session.log.append((self.now, "announced", route.prefix.family))
            for key in before.keys() | session.routes.keys():
                old, new = before.get(key), session.routes.get(key)
                if session.refreshing(key[0].family, self.now, self.config):
                    continue
                if old != new and facts.in_sync(event.feed, key[0].family):
                    links = {facts.brought_by(event.feed, r) for r in (old, new) if r is not None}
                    session.churn += [
                        (self.now, link, key[0].family) for link in links if isinstance(link, tuple)
                    ]
            self._limit(self.config.feeds[event.feed], session)
        if isinstance(event, Update | RefreshEnded):
            self._count_peers(event.feed)

    def _count_peers(self, feed: str) -> None:
        """Write down how many peers of RIPE's collectors have each prefix."""
        session = self.sessions[feed]
        if self.config.feeds[feed].ris is None:
            return
        known = {}
        for family in FAMILIES:
            at = (
                session.in_sync_at(family, self.config)
                if family in self.config.feeds[feed].families
                else None
            )
            known[family] = at is not None and at <= self.now and not session.unreadable
        facts = FactsFromScratch(self)
        before = {prefix for name, prefix in self.heard if name == feed}
        for prefix in before | {prefix for prefix, _ in session.routes}:
            looks = self.heard.setdefault((feed, prefix), [])
            looks.append((len(facts.asns_with(feed, prefix)), known[prefix.family]))

    def _record_refresh(self, session: Session, event: RefreshBegan | RefreshEnded) -> None:
        if isinstance(event, RefreshBegan) and event.family in self.config.feeds[event.feed].families:
            session.refreshes[event.family] = self.now, set()
        if isinstance(event, RefreshEnded) and session.refreshing(event.family, self.now, self.config):
            _, again = session.refreshes.pop(event.family)
            session.routes = {
                key: r for key, r in session.routes.items() if key[0].family != event.family or key in again
            }

    def _limit(self, feed: Feed, session: Session) -> None:
        held = [route for route in session.routes.values() if _is_held(self.config, feed, route)]
        values = {route.attributes for route in held}
        size = len(held) * ROUTE_BYTES + sum(attributes.held_bytes for attributes in values)
        size += self._passed_over_bytes(feed, session)
        amounts: dict[Limit, int] = {"max_routes": len(held), "max_bytes": size}
        for limit, amount in amounts.items():
            if session.overflowed_until is not None or amount <= getattr(self.config.collector, limit):
                continue
            doubled = session.overflow_seconds * 2 or FIRST_OVERFLOW_SECONDS
            session.overflow_seconds = min(doubled, LONGEST_OVERFLOW_SECONDS)
            session.overflowed_until, session.overflowed_by = self.now + session.overflow_seconds, limit
            session.end(self.now, OVERFLOW_REASONS[limit])

    def _passed_over_bytes(self, feed: Feed, session: Session) -> int:
        """Return the memory that is kept for routes of a table of best paths that are not held."""
        facts = FactsFromScratch(self)
        return sum(
            SINGLE_BYTES if route.path_id is None else IDENTIFIED_BYTES
            for route in session.routes.values()
            if feed.view is View.EDGE_TABLE
            and not facts.all_paths(feed.name, route.prefix.family)
            and not _is_held(self.config, feed, route)
        )

    # Statuses

    def _look(self, *, by_line: bool) -> None:
        self._by_line = by_line
        for name, session in self.sessions.items():
            synced = [session.in_sync_at(family, self.config) for family in self.config.feeds[name].families]
            if all(time is not None and time <= self.now for time in synced):
                session.loss, session.overflow_seconds = None, 0.0
            if session.overflowed_until is not None and session.overflowed_until <= self.now:
                session.overflowed_until = None
        for name in self.sessions:
            self._count_peers(name)
        facts = self.facts = FactsFromScratch(self)
        links = [(link.key, family) for link in self.config.links for family in link.families]
        states = {key: facts.link_state(*key) for key in links}
        brought = {key: facts.shown_by_any(*key) for key in links}
        marks = {key: facts.path_marks(*key) for key in links}
        rules = (
            int(number(self.config, "drain", "repeats")) - 1,
            number(self.config, "drain", "percent"),
            self.config.policy.relearn_after,
        )
        strays = {
            (link, family): frozenset(
                why for feed in facts.tables_beside(link) for why in facts.unattributed(feed, family)
            )
            for link, family in links
        }
        expected = {key for key in links if self._is_expected(*key)}
        moment = Moment(self.now, states, brought, marks, rules, expected, {}, {}, strays, self.clock_offset)
        self.moments.append(moment)
        self.verdicts, asked = {}, {}
        for subject in self._subjects:
            key = subject.check, subject.labels
            self.verdicts[key], asked[key] = subject.judge(facts), subject
            if not self.verdicts[key].lasting and self._is_raised(key):
                self.verdicts[key] = UNKNOWN
        violated = (key for key, verdict in self.verdicts.items() if verdict.status is Status.VIOLATED)
        self.causes = [(check, dict(labels)) for check, labels in violated if check in CAUSES]
        statuses = {key: self._effective(subject) for key, subject in asked.items()}
        self.samples.append(Sample(self.now, by_line, statuses))
        for key, subject in asked.items():
            self.levels.write_down(subject, statuses[key])

    def _effective(self, subject: Subject) -> Status:
        status = self.verdicts[subject.check, subject.labels].status
        if status is not Status.VIOLATED:
            return status
        if any(self._is_cause(cause, of, subject) for cause, of in self.causes):
            return Status.SUPPRESSED
        if subject.check == "circuit-unseen" and self._told_that_it_is_down(dict(subject.labels)["circuit"]):
            return Status.SUPPRESSED
        if subject.check == "segment-missing" and self._no_circuit_is_left():
            return Status.SUPPRESSED
        if subject.check == "pool-fallback" and self._no_circuit_is_left(dict(subject.labels)):
            return Status.SUPPRESSED
        if is_quiet(self.config, subject, self.now + self.clock_offset):
            return Status.SUPPRESSED
        return status

    def _is_cause(self, cause: str, of: dict[str, str], subject: Subject) -> bool:
        if cause == "sight-lost":
            return self._is_out_of_sight(subject)
        if cause == "drain" and not self._is_carried((of["circuit"], of["link"]), dict(subject.labels)):
            return False
        return is_cause(cause, of, subject, self.config)

    def _is_out_of_sight(self, subject: Subject) -> bool:
        """Return whether a subject is about a feed of a router without a table, or about a circuit with such a router."""
        labels, lost = dict(subject.labels), self.facts.routers_out_of_sight()
        if subject.check == "feed-down":
            return self.config.feeds[labels["feed"]].router in lost
        if subject.check == "circuit-unseen":
            return any(link.router in lost for link in self.config.circuits[labels["circuit"]].links.values())
        return False

    def _told_that_it_is_down(self, circuit: str) -> bool:
        """Return whether a finding reports the circuit down although its present state is unknown."""
        for key, verdict in self.verdicts.items():
            about = key[0] == "circuit-down" and dict(key[1])["circuit"] == circuit
            if about and verdict.status is Status.UNKNOWN and self._is_raised(key):
                return True
        return False

    def _is_raised(self, key: SubjectKey) -> bool:
        asked: list[tuple[float, bool, Status]] = []
        for sample in reversed(self.samples):
            if key not in sample.statuses:
                break  # the earlier policy did not ask about it
            asked.insert(0, (sample.time, sample.by_line, sample.statuses[key]))
        asked.append((self.now, self._by_line, Status.UNKNOWN))
        times = times_of(self.config, key)
        said = [state for time, state in transitions_of(asked, self.now, *times) if time <= self.now]
        return said[-1:] == ["raised"]

    def _is_carried(self, link: LinkKey, about: dict[str, str]) -> bool:
        """Return whether the link drains in the subject's family, or in any, within the allowed time, while another is
        up and does not drain.
        """
        links = self.config.circuits[link[0]].links
        return any(
            self.facts.draining(link, family)
            and not self.facts.drain_overdue(link, family)
            and about.get("family", family) == family
            and any(
                self.facts.link_state(other.key, family) is LinkState.UP
                and not self.facts.draining(other.key, family)
                for other in links.values()
                if other.key != link and family in other.families
            )
            for family in links[link[1]].families
        )

    def _no_circuit_is_left(self, of_pool: dict[str, str] | None = None) -> bool:
        """Return whether all circuits are down, or all those of a pool in its family."""
        down = [
            verdict
            for (check, labels), verdict in self.verdicts.items()
            if check == "circuit-down" and (of_pool is None or holds(dict(labels), of_pool, self.config))
        ]
        return bool(down) and all(verdict.status is Status.VIOLATED for verdict in down)

    # Time

    def _is_expected(self, link: LinkKey, family: Family) -> bool:
        """Return whether changes of a link are expected, because it drained until now, or because of maintenance."""
        since = self.drain_of(link, family).since
        if since is not None and self.now < since + self.config.policy.max_drain:
            return True
        labels = {"circuit": link[0], "link": link[1], "family": family}
        return Work(self.config, self.now + self.clock_offset).explains("link-flapping", labels)

    def drain_of(self, link: LinkKey, family: Family) -> Drain:
        """Compute the drain from everything that was seen of the link, from the beginning."""
        known = (link, family), len(self.moments)
        if known not in self._drains:
            self._drains[known] = _drain_of(
                [(m.time, m.marks[known[0]], m.drain_rules) for m in self.moments]
            )
        return self._drains[known]

    def changes_of(self, link: LinkKey, family: Family) -> LinkChanges:
        unexpected, lost = self._unexpected(link, family)
        window = number(self.config, "link-flapping", "window")
        return LinkChanges(
            sum(time + window > self.now for time in unexpected),
            sum(time + 86_400 > self.now for time in lost),
        )

    def _unexpected(self, link: LinkKey, family: Family) -> tuple[list[float], list[float]]:
        """Return the times of unexpected changes of the link, and the last loss in each span of the clock."""
        key = (link, family)
        unexpected = [(m, s) for m, s in self._link_changes(link, family) if key not in m.expected]
        lost = [(m.time, (m.time + m.clock_offset) // 600) for m, s in unexpected if s is LinkState.DOWN]
        spans = [span for _, span in lost]
        last = [time for (time, span), after in zip_longest(lost, spans[1:]) if span != after]
        return [moment.time for moment, _ in unexpected], last

    def flaps_until(self, link: LinkKey, family: Family) -> float | None:
        unexpected, lost = self._unexpected(link, family)
        often = self._excess(unexpected, "link-flapping", "changes")
        daily = excess_until(lost, number(self.config, "link-flapping", "per_day"), 86_400.0, self.now)
        return max((end for end in (often, daily) if end is not None), default=None)

    def _link_changes(self, link: LinkKey, family: Family) -> list[tuple[Moment, LinkState]]:
        """Return when the link went from up to down or back, and to which state; unknown in between is no change."""
        states = [(moment, moment.states.get((link, family))) for moment in self.moments]
        known = [(m, state) for m, state in states if state is LinkState.UP or state is LinkState.DOWN]
        return [(m, state) for (_, before), (m, state) in pairwise(known) if state is not before]

    def returned_at(self, link: LinkKey, family: Family) -> float | None:
        """Return when the link last went from down to up, directly or over unknown."""
        states = [(moment.time, moment.states.get((link, family))) for moment in self.moments]
        known = [(time, state) for time, state in states if state in {LinkState.UP, LinkState.DOWN}]
        ups = [
            t for (_, was), (t, state) in pairwise(known) if (was, state) == (LinkState.DOWN, LinkState.UP)
        ]
        return ups[-1] if ups else None

    def last_known(self, link: LinkKey, family: Family) -> LinkState:
        """Return the last state of the link before now that was known."""
        states = (moment.states.get((link, family)) for moment in reversed(self.moments))
        return next((state for state in states if state in {LinkState.UP, LinkState.DOWN}), LinkState.UNKNOWN)

    def losses_until(self, feed: str) -> float | None:
        return self._excess(self.sessions[feed].losses, "feed-flapping", "losses")

    def churn_times(self, feed: str, link: LinkKey) -> list[float]:
        settle = self.config.collector.settle_limit
        turns: dict[Family, list[float]] = {}
        for family in self.config.link(link).families:
            turns[family] = [m.time for m, _ in self._link_changes(link, family)]
            turns[family] += self.drain_of(link, family).turns
        return [
            time
            for time, changed, family in self.sessions[feed].churn
            if changed == link and not any(abs(time - turn) <= settle for turn in turns.get(family, ()))
        ]

    def churns_until(self, feed: str, link: LinkKey) -> float | None:
        limit = number(self.config, "churn-high", "per_minute")
        return excess_until(self.churn_times(feed, link), limit, CHURN_SECONDS, self.now)

    def _excess(self, times: list[float], check: str, limit: str) -> float | None:
        seconds = number(self.config, check, "window")
        return excess_until(times, number(self.config, check, limit), seconds, self.now)

    def remembered(self, link: LinkKey, family: Family) -> set[Prefix]:
        """Return what the link had in its last minute before it ceased to be up; nothing while it is up."""
        key = (link, family)
        return {
            prefix
            for moment, lasted_until, ceased_at in self._before_it_ceased(key)
            if lasted_until >= ceased_at - REMEMBERED_SECONDS
            for prefix in moment.brought[key]
        }

    def had(self, link: LinkKey, family: Family) -> tuple[int, set[Unattributed]]:
        """Return how many prefixes the link had shortly before it ceased to be up, and the reasons for which other
        routes matched no link throughout the `settle_limit` before.
        """
        key, limit = (link, family), self.config.collector.settle_limit
        all_through: set[Unattributed] | None = None
        for moment, lasted_until, ceased_at in reversed(self._before_it_ceased(key)):
            if all_through is None or lasted_until > ceased_at - limit:
                there = set(moment.strays[key])
                all_through = there if all_through is None else all_through & there
            if moment.time <= ceased_at - limit:
                return len(self.remembered(link, family)), all_through
        return len(self.remembered(link, family)), set()

    def unseen_since(self, circuit: str, family: Family) -> float | None:
        """Return when the circuit was last seen, or when the first of its tables came up; ``None``: neither has
        happened, or it is seen now.
        """
        links = [link for link in self.config.circuits[circuit].links.values() if family in link.families]
        until: float | None = None
        for moment in reversed(self.moments):
            states = {moment.states.get((link.key, family)) for link in links}
            if LinkState.UP in states or states == {LinkState.DOWN}:
                return self._last_call(links, until)
            until = moment.time
        places = {(link.router, link.vrf) for link in links}
        ups = [
            self.sessions[name].first_up_at
            for name, feed in self.config.feeds.items()
            if feed.view is View.EDGE_TABLE and (feed.router, feed.vrf) in places and family in feed.families
        ]
        eyes = {name for link in links for name in self.facts.eyes_of(link.key)}
        ups += [
            self.sessions[name].first_up_at
            for name in eyes
            if self.config.feeds[name].by_bmp and family in self.config.feeds[name].families
        ]
        return self._last_call(links, min((at for at in ups if at is not None), default=None))

    def _last_call(self, links: Collection[Link], since: float | None) -> float | None:
        """Return when a router of a circuit that is not seen last connected since then, if ermon waited for it."""
        tables = {name for link in links for name in self.facts.eyes_of(link.key)}
        calls = [at for name in tables if (at := self.sessions[name].called_at) is not None]
        return None if since is None else max([since, *calls])

    def _before_it_ceased(self, key: LinkFamily) -> list[tuple[Moment, float, float]]:
        """Return the moments until the link was last up, the end of each, and when it ceased to be up."""
        lasted = list(
            pairwise([*self.moments, Moment(self.now, {}, {}, {}, (0, 0.0, 0.0), set(), {}, {}, {})])
        )
        ups = [at for at, (moment, _) in enumerate(lasted) if moment.states.get(key) is LinkState.UP]
        if not ups:
            return []
        ceased_at = lasted[ups[-1]][1].time
        return [(moment, following.time, ceased_at) for moment, following in lasted[: ups[-1] + 1]]


def _drain_of(seen: list[tuple[float, list[Marks], tuple[int, float, float]]]) -> Drain:
    usual: int | None = None
    since: float | None = None
    other: tuple[int, float] | None = None
    """A number that is not usual, and how long it has been seen."""
    shown: list[tuple[float, int]] = []
    """The numbers of paths over time, since the last drain."""
    before, guessed = 0, False
    run = needed = learns_at = None
    turns: list[float] = []
    for at, (time, feeds, (extra, percent, relearn_after)) in enumerate(seen):
        if other is not None and run == other[0]:
            other = (other[0], other[1] + time - seen[at - 1][0])
        paths = [mark for feed in feeds for mark in feed]
        run = max((n for n, _ in paths if sum(m >= n for m, _ in paths) * 2 > len(paths)), default=None)
        learns_at = None
        if usual is None or run == usual:
            usual, other = (run, None) if run is not None else (usual, other)
        elif run is not None:
            other = other if other is not None and other[0] == run else (run, 0.0)
            needed = 600.0 if run < usual else relearn_after
            if other[1] >= needed - 1e-6:
                usual, other = run, None
            else:
                learns_at = time + needed - other[1]
        marked = [[shut or n >= (usual or 0) + extra for n, shut in feed] for feed in feeds]
        drained = sum(map(sum, marked)) / (len(paths) or 1) > percent / 100
        if since is None and drained:
            since, before = time, _most_of_late([*shown, (time, 0)])
            guessed = before == 0
            turns.append(time)
        if since is not None:
            before = max([before, *map(len, feeds)]) if guessed else before
            if not drained and max((feed.count(False) for feed in marked), default=0) > before / 2:
                since, shown = None, []
                turns.append(time)
        if since is None:
            shown.append((time, max(map(len, feeds), default=0)))
    return Drain(usual, since, learns_at, tuple(turns))


def _most_of_late(shown: list[tuple[float, int]]) -> int:
    """Return the greatest number of paths in the last minute with paths; the last entry has the present time."""
    lasted = [(until, count) for (_, count), (until, _) in pairwise(shown)]
    ended = max((until for until, count in lasted if count), default=0.0)
    return max((count for until, count in lasted if until >= ended - REMEMBERED_SECONDS), default=0)


_SUBJECTS: dict[int, tuple[Config, list[Subject]]] = {}


def _subjects_of(config: Config) -> list[Subject]:
    """Return the subjects of the configuration. They are the same for every history, so they are computed once."""
    if id(config) not in _SUBJECTS:
        _SUBJECTS[id(config)] = config, list(subjects(config))
    return _SUBJECTS[id(config)][1]


def _is_held(config: Config, feed: Feed, route: Route) -> bool:
    if feed.view is View.EDGE_TABLE and brought_by(route, feed, config) is not None:
        return True
    if feed.view in {View.INTERNET, View.FROM_INTERNET} and through_microsoft(route.attributes):
        return True
    if feed.view not in {View.EDGE_TABLE, View.INTERNET, View.FROM_INTERNET}:
        return True
    return any(overlap(route.prefix, other) for other in _asked_about(config, feed))


def _recognised(config: Config) -> set[object]:
    """Return what makes routes of edge tables Microsoft's, independently of their prefixes."""
    summed_up = [link for link in config.links if link.match_prefixes]
    return {
        *(config.customer.asn, *config.customer.provider_asns),
        *((link.vrf, link.match_next_hops, link.match_prefixes) for link in summed_up),
    }


def _asked_about(config: Config, feed: Feed) -> Iterator[Prefix]:
    yield from config.customer.own_prefixes
    yield from config.internet_only
    yield from feed.canary
    for pool in config.pools.values():
        yield from pool.prefixes
    for circuit in config.circuits.values():
        yield from (expected.prefix for expected in circuit.receive.prefixes)
    for link in config.links:
        yield from (subnet for subnet in (link.subnet, link.subnet6) if subnet)


# One cause, one page -----------------------------------------------------------------------------------

CAUSES = {
    *(
        "service-missing",
        "received-limit-reached",
        "circuit-down",
        "link-down",
        "drain",
        "advertised-limit-reached",
        "exabgp-down",
    ),
    *("pool-not-advertised", "prefix-not-advertised", "sight-lost", "bmp-down", "uplinks-down"),
}

AFTER_LINK_LOSS = {
    "prefix-missing",
    "service-missing",
    "service-count-low",
    "prefix-count-low",
    "link-asymmetry",
    "communities-missing",
    "azure-not-accepted",
    "azure-disagrees",
}


AZURE_SAYS = {
    "azure-ownership",
    "azure-prefix-unlisted",
    "azure-peering-disabled",
    "azure-provisioning",
    "azure-drift",
}


WORSE = {
    "service-missing": "service-count-low",
    "received-limit-reached": "received-limit-near",
    "advertised-limit-reached": "advertised-limit-near",
}
"""Causes that are a worse form of the same problem."""


def is_cause(cause: str, of: dict[str, str], subject: Subject, config: Config) -> bool:
    """Return whether a violation of ``cause`` with the labels ``of`` explains one of the subject."""
    labels = dict(subject.labels)

    def same(*names: str) -> bool:
        return all(of[name] == labels[name] for name in names if name in labels)

    if cause in {"bmp-down", "uplinks-down"}:
        return is_cause_by_bmp(cause, of, subject, config)
    if cause in WORSE:
        return subject.check == WORSE[cause] and same("circuit", "link", "family", "ms_service")
    match cause:
        case "circuit-down" if subject.check == "inbound-not-redundant":
            return holds(of, labels, config)
        case "circuit-down" if subject.check == "geo-asymmetry":
            return in_group(of, labels, config)
        case "circuit-down" if subject.check == "prefix-not-advertised":
            lacks = labels["family"] not in config.circuits[of["circuit"]].families
            return same("circuit") and (lacks or same("family"))
        case "pool-not-advertised" | "prefix-not-advertised":
            return lacks_explain(of, subject, config)
        case "circuit-down":
            effects = {"link-down", "internet-preferred", *AFTER_LINK_LOSS, *AZURE_SAYS}
            return subject.check in effects and same("circuit", "family")
        case "link-down":
            return subject.check in {"drain-long", *AFTER_LINK_LOSS} and same("circuit", "link", "family")
        case "drain":
            return subject.check in {"link-down", *AFTER_LINK_LOSS} and same("circuit", "link")
        case "exabgp-down" if subject.check == "feed-down":
            return config.feeds[labels["feed"]].process == of["process"]
        case "exabgp-down" if subject.check == "sight-lost":
            edges = [feed for feed in config.feeds.values() if feed.view is View.EDGE_TABLE]
            return any(feed.process == of["process"] for feed in edges)
        case "exabgp-down" if subject.check == "circuit-unseen":
            routers = {link.router for link in config.circuits[labels["circuit"]].links.values()}
            edges = [feed for feed in config.feeds.values() if feed.view is View.EDGE_TABLE]
            return any(feed.process == of["process"] for feed in edges if feed.router in routers)
    return False


def is_cause_by_bmp(cause: str, of: dict[str, str], subject: Subject, config: Config) -> bool:
    labels = dict(subject.labels)
    if cause == "bmp-down":
        return any(config.feeds[feed].process == of["process"] for feed in by_bmp(subject, config))
    if labels.get("family") != of["family"]:
        return False
    if subject.check == "uplink-down":
        return config.uplinks[labels["uplink"]].site == of.get("group")
    return subject.check == "internet-only-withdrawn"


def by_bmp(subject: Subject, config: Config) -> Iterator[str]:
    """Yield the feeds by BMP without which nothing is known of a subject, for the checks that a lost connection explains."""
    labels = dict(subject.labels)
    for name, feed in config.feeds.items():
        match subject.check:
            case "feed-lost-messages" | "feed-overflow" | "feed-empty":
                concerns = labels["feed"] == name
            case "uplink-down":
                concerns = feed.view is View.FROM_INTERNET and feed.uplink == labels["uplink"]
            case "sight-disagrees" | "received-rejected":
                own = feed.view is View.FROM_MICROSOFT or subject.check == "sight-disagrees"
                concerns = own and (feed.circuit, feed.link) == (labels["circuit"], labels["link"])
            case _:
                concerns = False
        if concerns and feed.by_bmp:
            yield name


def lacks_explain(of: dict[str, str], subject: Subject, config: Config) -> bool:
    """Return whether missing advertisements of a link or a circuit explain a violation of the subject."""
    labels = dict(subject.labels)
    if of["family"] != labels.get("family"):
        return False
    match subject.check:
        case "geo-asymmetry":
            return in_group(of, labels, config)
        case "advertised-asymmetry":
            return of["circuit"] == labels["circuit"]
        case "advertised-count-low":
            return of["circuit"] == labels["circuit"] and of.get("link", labels["link"]) == labels["link"]
        case "feed-empty":
            feed = config.feeds[labels["feed"]]
            return feed.circuit == of["circuit"] and of.get("link", feed.link) == feed.link
    return False


def in_group(of: dict[str, str], group: dict[str, str], config: Config) -> bool:
    """Return whether a circuit is in a group, and has the family, or lacks it altogether."""
    circuit = config.circuits[of["circuit"]]
    if (circuit.geo, circuit.group, circuit.peering) != (group["geo"], group["group"], group["peering"]):
        return False
    return of["family"] == group["family"] or group["family"] not in circuit.families


def holds(circuit: dict[str, str], pool: dict[str, str], config: Config) -> bool:
    """Return whether a pool needs, in its own family, a circuit that is down in a family."""
    if circuit["circuit"] not in config.pools[pool["pool"]].circuits:
        return False
    families = config.circuits[circuit["circuit"]].families
    return circuit["family"] == pool["family"] or pool["family"] not in families


OWN_SIGHT = {
    "feed-down",
    "feed-flapping",
    "feed-empty",
    "canary-missing",
    "feed-no-eor",
    "feed-no-hold",
    "feed-best-path-only",
    "feed-lost-messages",
    "feed-overflow",
}


NEVER_IN_WORK = {"geo-not-redundant", "drain-not-followed", "sight-lost", "exabgp-down"}


def is_quiet(config: Config, subject: Subject, now: float) -> bool:
    """Return whether an exception or a maintenance window covers the subject."""
    labels = dict(subject.labels)
    for exception in config.exceptions:
        over = exception.until is not None and exception.until.timestamp() <= now
        about = all(labels.get(name) == value for name, value in exception.labels.items())
        if exception.check == subject.check and about and not over:
            return True
    if subject.check in NEVER_IN_WORK:
        return False
    return Work(config, now).explains(subject.check, labels)


class Work:
    """The maintenance windows that are open at a moment."""

    def __init__(self, config: Config, now: float) -> None:
        self._config = config
        self._open = [w for w in config.maintenance if w.starts.timestamp() <= now < w.ends.timestamp()]

    def explains(self, check: str, labels: dict[str, str]) -> bool:
        config = self._config
        if check in OWN_SIGHT:
            router = config.feeds[labels["feed"]].router
            return self._on(feed=labels["feed"]) or (router is not None and self._on(router=router))
        if "circuit" in labels:
            link = labels.get("link")
            return (
                self._on_circuit(labels["circuit"])
                if link is None
                else self._on_link(labels["circuit"], link)
            )
        match check:
            case "internet-only-withdrawn":
                return all(self._on(uplink=uplink) for uplink in config.uplinks)
            case "uplinks-down":
                own_site = [n for n, u in config.uplinks.items() if u.site == labels.get("group")]
                return all(self._on(uplink=uplink) for uplink in own_site)
            case "geo-asymmetry":
                own = (labels["geo"], labels["group"], labels["peering"])
                circuits = config.circuits.values()
                group = [c.name for c in circuits if (c.geo, c.group, c.peering.value) == own]
                return self._on(group=labels["group"]) or any(map(self._on_circuit, group))
            case "segment-leak" | "segment-missing":
                return self._on(segment=labels["segment"])
            case "uplink-down":
                return self._on(uplink=labels["uplink"])
        return False

    def _on(self, **place: str) -> bool:
        return any(all(getattr(w, kind) == name for kind, name in place.items()) for w in self._open)

    def _on_link(self, circuit: str, link: str) -> bool:
        router = self._config.circuits[circuit].links[link].router
        whole = any(w.circuit == circuit and w.link is None for w in self._open)
        return whole or self._on(circuit=circuit, link=link) or self._on(router=router)

    def _on_circuit(self, circuit: str) -> bool:
        whole = any(w.circuit == circuit and w.link is None for w in self._open)
        return whole or all(self._on_link(circuit, link) for link in self._config.circuits[circuit].links)


# Timers ------------------------------------------------------------------------------------------------


def times_of(config: Config, key: SubjectKey) -> tuple[float, float]:
    """Return ``raise_after`` and ``clear_after`` of a subject in this configuration, in seconds."""
    check, labels = key[0], dict(key[1])
    failover = check == "pool-leak" and config.pools[labels["pool"]].internet is InternetUse.FAILOVER
    least = 60.0 if failover else 0.0
    said = config.checks.get(check, CheckSettings())
    raise_after, clear_after = CATALOGUE[check].raise_after, CATALOGUE[check].clear_after
    return (
        max(least, raise_after if said.raise_after is None else said.raise_after),
        clear_after if said.clear_after is None else said.clear_after,
    )


def transitions_of(
    samples: list[tuple[float, bool, Status]],
    end: float,
    raise_after: float,
    clear_after: float,
    settled: Collection[float] = (),
) -> Iterator[tuple[float, str]]:
    """Yield when a subject with these statuses is raised and cleared, until ``end``.

    A stop-watch runs while the subject is violated (or, once raised, while it is ok), stops while it is unknown, and is
    reset by anything else. A line at the instant at which the time is reached comes too late to stop it; a change that
    time itself causes does not. A subject that is ok at a time of ``settled`` is cleared at that time.
    """
    raised, elapsed = False, 0.0
    for (time, _, status), (until, by_line, _) in pairwise([*samples, (end, True, Status.UNKNOWN)]):
        if status is Status.UNKNOWN:
            continue
        if raised and status is Status.OK and time in settled:
            raised, elapsed = False, 0.0
            yield time, "cleared"
            continue
        if status is not (Status.OK if raised else Status.VIOLATED):
            elapsed = 0.0
            continue
        full_at = time + (clear_after if raised else raise_after) - elapsed
        if full_at < until or full_at == time or (full_at == until and by_line):
            raised, elapsed = not raised, 0.0
            yield full_at, "raised" if raised else "cleared"
        else:
            elapsed += until - time
