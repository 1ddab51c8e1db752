"""The state of circuits, links, pools, feeds and processes, read from a ``Monitor`` and judged once for all clients.

The values are those of the API (``ermon.api.status``), so that the page, the commands and the metrics show exactly what
the core decides and cannot disagree. There is one function for each entity, and the whole is put together from them.
Reading costs work in proportion to what the configuration names, never to the routes that are held. The values are
frozen, and may be encoded on another thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import nsmallest

import msgspec

from ermon.api.answers import by_severity
from ermon.api.status import (
    Answer,
    AzureDoc,
    BmpDoc,
    CircuitDoc,
    CircuitState,
    ClockStepDoc,
    FeedDoc,
    FeedOverall,
    GroupDoc,
    LinkDoc,
    NoticedDoc,
    PoolDoc,
    ProcessDoc,
    QuietDoc,
    SegmentDoc,
    SessionDoc,
    Shown,
    StatusDoc,
    UplinkDoc,
)
from ermon.checks.edge_table import SERVICE, TAGGED, brings_routes, community_text, shown
from ermon.checks.facts import link_down, link_in_doubt
from ermon.checks.mirror import MirroredLink, prefix_limit
from ermon.checks.topics import RouteSet
from ermon.core.azure import in_words
from ermon.core.blindness import groups
from ermon.core.facts import FILTERED_VIEWS, NetworkFacts
from ermon.core.headline import Seen, headline_of
from ermon.core.maintenance import Suppression, place_of
from ermon.core.monitor import Monitor
from ermon.core.pool_status import pool_status
from ermon.model.findings import LinkState
from ermon.model.inventory import Circuit, Feed, Link, LinkKey, View
from ermon.model.prefixes import Family
from ermon.model.settings import CheckException
from ermon.model.text import rfc3339

_PROCESS_STATES = {True: LinkState.UP, False: LinkState.DOWN, None: LinkState.UNKNOWN}


class Collected:
    """The status of every circuit, pool and feed.

    For a large network, collecting it takes longer than the event loop may be blocked. So it is collected step by step,
    each entity as it is at its step; clients receive later changes as events.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.config = monitor.config
        self.circuits: dict[str, CircuitDoc] = {}
        self.pools: dict[str, PoolDoc] = {}
        self.feeds: dict[str, FeedDoc] = {}
        self._monitor = monitor

    def steps(self) -> Iterator[None]:
        monitor, config = self._monitor, self.config
        for name in config.circuits:
            self.circuits[name] = circuit_status(monitor, name)
            yield
        for name in config.pools:
            self.pools[name] = pool_status(monitor, name)
            yield
        for name in config.feeds:
            self.feeds[name] = feed_status(monitor, name)
            yield


def collect(monitor: Monitor) -> Collected:
    """Collect everything at once, for callers that nothing else has to wait for."""
    collected = Collected(monitor)
    deque(collected.steps(), maxlen=0)
    return collected


def network_status(
    monitor: Monitor,
    collected: Collected,
    *,
    version: str,
    started_at: float,
    now: float,
    unconfined: Mapping[str, tuple[str, ...]] = {},
    clock_steps: tuple[ClockStepDoc, ...] = (),
) -> StatusDoc:
    """Put everything together; times are seconds since the epoch. ``unconfined`` names, by process, the protections of
    its sandbox that are missing.
    """
    config, seen = monitor.config, Seen(monitor)
    feeds = collected.feeds
    processes = {
        name: ProcessDoc(
            state=_PROCESS_STATES[monitor.network.process_up(name)],
            feeds=tuple(feed for feed, found in feeds.items() if found.process == name),
            reason=monitor.network.process_problem(name) if monitor.network.process_up(name) is False else "",
            unconfined=unconfined.get(name),
        )
        for name in config.processes
    }
    return StatusDoc(
        version=version,
        started_at=rfc3339(started_at),
        time=rfc3339(now),
        findings=by_severity(monitor.standing.raised.values()),
        circuits=collected.circuits,
        pools=collected.pools,
        feeds=feeds,
        processes=processes,
        bmp=bmp_status(monitor),
        uplinks=_uplinks(monitor),
        segments={s.name: SegmentDoc(expressroute=s.expressroute) for s in config.segments.values()},
        headline=headline_of(seen),
        groups=tuple(_groups(seen)),
        maintenance=tuple(
            _quiet(seen, each) for each in monitor.coverage.in_force(monitor.network.calendar_now)
        ),
        noticed=tuple(_noticed(monitor)),
        noticed_total=len(monitor.standing.noticed),
        blind_spots=tuple(seen.blind_spots),
        clock_steps=clock_steps,
    )


def bmp_status(monitor: Monitor) -> dict[str, BmpDoc]:
    """Return the BMP connection of each router that has one."""
    facts = monitor.network
    carried: dict[tuple[str, str], list[str]] = {}
    for name, feed in monitor.config.feeds.items():
        if feed.by_bmp and feed.router is not None:
            carried.setdefault((feed.router, feed.process), []).append(name)
    return {
        router: BmpDoc(
            state=_connection_state(facts, connection),
            since=_wall(facts, facts.connected_since(connection)),
            statistics=facts.has_statistics(connection),
            reason="" if facts.process_up(connection) else facts.process_problem(connection),
            feeds=tuple(feeds),
        )
        for (router, connection), feeds in sorted(carried.items())
    }


def _connection_state(facts: NetworkFacts, connection: str) -> LinkState:
    if facts.process_up(connection):
        return LinkState.UP
    return LinkState.UNKNOWN if facts.connection_awaited(connection) else LinkState.DOWN


def _uplinks(monitor: Monitor) -> dict[str, UplinkDoc]:
    facts = monitor.network
    sessions: dict[str, dict[Family, SessionDoc]] = {}
    for feed in monitor.config.feeds.values():
        if (
            feed.view is View.FROM_INTERNET
            and feed.uplink is not None
            and facts.own_session(feed.name).exists
        ):
            own = sessions.setdefault(feed.uplink, {})
            own.update(dict.fromkeys(feed.families, _session(facts, feed)))
    return {
        uplink.name: UplinkDoc(router=uplink.router, asn=uplink.asn, sessions=sessions.get(uplink.name, {}))
        for uplink in monitor.config.uplinks.values()
    }


def _session(facts: NetworkFacts, feed: Feed) -> SessionDoc:
    own = facts.own_session(feed.name)
    return SessionDoc(
        state=own.state,
        reason=own.reason,
        since=_wall(facts, own.since),
        neighbor=feed.peer,
        feed=feed.name,
    )


def _groups(seen: Seen) -> Iterator[GroupDoc]:
    for text, place, alarms in groups(seen.monitor, seen.blindness):
        yield GroupDoc(
            text=text,
            severity=alarms[0].severity,
            since=rfc3339(seen.monitor.network.wall(min(alarm.state.since for alarm in alarms))),
            findings=tuple(alarm.state.finding_id for alarm in alarms),
            rank=place,
        )


MAX_NOTICED = 100


def _noticed(monitor: Monitor) -> Iterator[NoticedDoc]:
    waiting = monitor.standing.noticed.values()
    for alarm in nsmallest(MAX_NOTICED, waiting, key=lambda each: (each.state.due or 0.0, each.order)):
        yield NoticedDoc(
            check=alarm.subject.check,
            severity=alarm.severity,
            labels=alarm.labels,
            summary=monitor.summary(alarm),
            since=rfc3339(monitor.network.wall(alarm.state.since)),
            raises_at=_wall(monitor.network, alarm.state.due),
        )


MAX_SUPPRESSED = 20


def _quiet(seen: Seen, suppression: Suppression) -> QuietDoc:
    under_it = [each for each in seen.quieted if each.why is suppression]
    found = _quiet_place(suppression)
    if not under_it:
        return found
    return msgspec.structs.replace(
        found,
        suppressed=tuple(seen.monitor.summary(each.cause) for each in under_it[:MAX_SUPPRESSED]),
        suppressed_total=len(under_it),
        follow=sum(each.follow for each in under_it),
    )


def _quiet_place(suppression: Suppression) -> QuietDoc:
    if isinstance(suppression, CheckException):
        until = None if suppression.until is None else suppression.until.timestamp()
        about = {"check": suppression.check, **suppression.labels}
        return QuietDoc(kind="exception", about=about, until=rfc3339(until), reason=suppression.reason)
    return QuietDoc(
        kind="maintenance",
        about=place_of(suppression),
        until=rfc3339(suppression.ends.timestamp()),
        reason=suppression.reason,
        id=suppression.id or None,
        by=suppression.by,
        since=rfc3339(suppression.starts.timestamp()),
    )


# Circuits and links ----------------------------------------------------------------------------------


def circuit_status(monitor: Monitor, name: str) -> CircuitDoc:
    circuit = monitor.config.circuits[name]
    links = {link.name: link_status(monitor, link.key) for link in circuit.links.values()}
    now = circuit_state(circuit, links)
    return CircuitDoc(
        geo=circuit.geo,
        location=circuit.location,
        peering=circuit.peering,
        state=now.state,
        links_up=now.links_up,
        links_unknown=now.links_unknown,
        shown=now.shown,
        links=links,
        overall=now.overall,
        azure=None if circuit.azure is None else _azure(monitor.network, name),
    )


def _azure(facts: NetworkFacts, circuit: str) -> AzureDoc:
    state = facts.azure_readings.states[circuit]
    if state.last is None:
        return AzureDoc(problem=state.problem)
    return AzureDoc(
        says=in_words(state.last),
        read_at=rfc3339(facts.wall(state.taken)),
        current=facts.azure(circuit) is not None,
        problem=state.problem,
    )


def circuit_state(circuit: Circuit, links: Mapping[str, LinkDoc]) -> CircuitState:
    """Return the state of a circuit, which follows from its links."""
    states = {
        family: [
            links[link.name].state.get(family) for link in circuit.links.values() if family in link.families
        ]
        for family in circuit.families
    }
    judged_here = {family: found for family, found in states.items() if None not in found}
    return CircuitState(
        state={family: _best(found) for family, found in judged_here.items()},
        links_up={family: found.count(LinkState.UP) for family, found in judged_here.items()},
        links_unknown={family: found.count(LinkState.UNKNOWN) for family, found in judged_here.items()},
        shown={
            family: worst_of(link.shown[family] for link in links.values() if family in link.shown)
            for family in judged_here
        },
        overall=worst_of(link.overall for link in links.values()),
    )


def _best(states: Collection[str | None]) -> LinkState:
    """Return the state of several links together: up if one is up, and down only if all are proven down."""
    return next((state for state in (LinkState.UP, LinkState.UNKNOWN) if state in states), LinkState.DOWN)


def worst_of(shown: Iterable[str]) -> Shown:
    """Return the state that stands for several: down first, then unknown."""
    found = set(shown)
    order = (Shown.DOWN, Shown.UNKNOWN, Shown.DRAINING, Shown.UP)
    return next((state for state in order if state in found), Shown.UNKNOWN)


def link_status(monitor: Monitor, key: LinkKey) -> LinkDoc:
    """Return what this instance knows of a link; it knows nothing of views that another instance watches."""
    facts, layout = monitor.network, monitor.layout
    circuit = monitor.config.circuits[key[0]]
    link, elsewhere, mirror = circuit.links[key[1]], layout.watched_elsewhere[key], layout.mirrors[key]
    infos = {family: facts.links[key, family] for family in layout.link_families[key]}
    mirrored = () if View.TO_MICROSOFT in elsewhere else mirror.families
    draining = {family: facts.shown_draining(key, family) for family in infos}
    services = {
        service.name: {
            family: _service_routes(facts, key, family, community_text(service.community))
            for family in link.families
        }
        for service in (() if View.EDGE_TABLE in elsewhere else circuit.receive.services)
    }
    answers = {
        name: {family: _service_answer(facts, link, family, count) for family, count in counts.items()}
        for name, counts in services.items()
    }
    shown_states = {
        family: Shown.DRAINING if draining[family] else Shown(info.state) for family, info in infos.items()
    }
    return LinkDoc(
        router=link.router,
        vrf=link.vrf,
        location=link.location,
        watched_elsewhere=elsewhere,
        state={family: info.state for family, info in infos.items()},
        since={family: _wall(facts, info.changed_at) for family, info in infos.items()},
        transitions={family: info.transitions for family, info in infos.items()},
        draining=draining,
        routes={family: facts.prefix_count(key, family) for family in infos},
        decided_by={family: info.deciders for family, info in infos.items()},
        service_routes={name: sum(counts.values()) for name, counts in services.items()},
        services=services,
        service_answers=answers,
        advertised_prefixes={family: mirror.count(facts, family) for family in mirrored},
        advertising={family: _advertising(facts, mirror, family) for family in mirrored},
        advertised_prefix_limit={family: prefix_limit(circuit, family) for family in mirrored},
        sessions={
            family: _session(facts, feed)
            for family in infos
            if (feed := monitor.config.sessions.get((key, family))) is not None
        },
        shown=shown_states,
        overall=worst_of(shown_states.values()),
    )


def _service_routes(facts: NetworkFacts, link: LinkKey, family: Family, community: str) -> int:
    """Count the link's routes with a community, on the feed that shows the most, among those that count."""
    route_set = RouteSet(SERVICE, family, community, link)
    return max((len(facts.matching(feed, route_set)) for feed in facts.witnesses(link, family)), default=0)


def _service_answer(facts: NetworkFacts, link: Link, family: Family, count: int) -> Answer:
    """Return whether a service is received. Without routes, only what the check relies on proves that it is not."""
    if count:
        return Answer.YES
    state = facts.link_state(link.key, family)
    if state is LinkState.DOWN:
        return Answer.NO
    if state is LinkState.UNKNOWN or not facts.deciders(link.key, family):
        return Answer.UNKNOWN
    without_communities = brings_routes(facts, link) and not shown(facts, link, TAGGED)
    return Answer.UNKNOWN if without_communities else Answer.NO


def _advertising(facts: NetworkFacts, mirror: MirroredLink, family: Family) -> Answer:
    """Return whether the routes of the mirror are advertised: the mirror shows them even when the link is down."""
    if link_down(facts, mirror.link, family):
        return Answer.NO
    known = mirror.in_sync(facts, family) and mirror.heard(facts, family)
    return Answer.YES if known and not link_in_doubt(facts, mirror.link, family) else Answer.UNKNOWN


# Feeds -----------------------------------------------------------------------------------------------


def feeds_status(monitor: Monitor) -> dict[str, FeedDoc]:
    return {name: feed_status(monitor, name) for name in monitor.config.feeds}


def feed_status(monitor: Monitor, name: str) -> FeedDoc:
    facts = monitor.network
    state = facts.feeds[name]
    feed, session = state.feed, state.session
    own = facts.own_session(name) if feed.by_bmp else None
    return FeedDoc(
        view=feed.view,
        router=feed.router,
        vrf=feed.vrf,
        circuit=feed.circuit,
        link=feed.link,
        uplink=feed.uplink,
        segment=feed.segment,
        peer=feed.peer,
        local=feed.local,
        by_bmp=feed.by_bmp,
        source=None if feed.ris is None else "ris-live",
        process=feed.process,
        state=own.state if own is not None else "up" if session.up else "down",
        since=_wall(facts, session.changed_at if own is None else own.since),
        down_reason=_down_reason(facts, name) if own is None else own.reason,
        waiting_until=_wall(facts, state.awaited_until) if facts.awaited(name) else None,
        in_sync={family: facts.in_sync(name, family) for family in feed.families},
        all_paths={family: session.up and facts.all_paths(name, family) for family in feed.families},
        routes={family: state.rib.count(family) for family in feed.families},
        partial=feed.view in FILTERED_VIEWS,
        last_message_at=_wall(facts, session.message_at),
        updates=session.updates,
        lost_messages=session.lost_messages,
        loss=session.loss,
        overflowed=state.overflowed_until is not None,
        blind=not facts.complete(name),
        overall=_feed_overall(facts, name),
    )


def _wall(facts: NetworkFacts, time: float | None) -> str | None:
    return rfc3339(None if time is None else facts.wall(time))


def _down_reason(facts: NetworkFacts, name: str) -> str:
    return facts.listening_problem(name) or facts.down_reason(name)


def _feed_overall(facts: NetworkFacts, name: str) -> FeedOverall:
    if facts.config.feeds[name].by_bmp:
        own = facts.own_session(name)
        if not own.exists:
            return FeedOverall.ABSENT
        if own.state is LinkState.UNKNOWN:
            return FeedOverall.UNKNOWN
    if not facts.up(name):
        return FeedOverall.DOWN
    if not facts.proves(name):
        return FeedOverall.NOT_IN_SYNC
    return FeedOverall.IMPAIRED if facts.loss(name) or facts.overflowed(name) is not None else FeedOverall.UP
