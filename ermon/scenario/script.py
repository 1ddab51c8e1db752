"""The steps of a scenario → events with their times, and what is wrong with them.

A script remembers what each feed has sent, so that a step can withdraw all of it, and so that a step that
cannot happen (a route on a session that is down, a withdrawal of what was never there) is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from ermon.checks.sight import source_names
from ermon.config.problems import Complaint, advice
from ermon.config.yaml import KeyPath
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.events import (
    AddPathNegotiated,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    StorageJudged,
    Update,
)
from ermon.model.inventory import Config, Feed, Link, View
from ermon.model.prefixes import Address, Prefix
from ermon.model.routes import Attributes, Route, RouteKey
from ermon.scenario.fields import ALL, USUAL, Many, RouteItem, Word
from ermon.scenario.good_day import (
    Sent,
    good_day,
    marks,
    msee,
    own_address,
    path_id,
    sequence,
    tagged,
    usual_path,
)
from ermon.scenario.schema import StepEntry, Storage, Verb
from ermon.scenario.wording import describe

VERBS: tuple[Verb, ...] = get_args(Verb)
_ON_ROUTES = ("feed", "circuit", "link", "path_id", "family")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "converge": ("add_path",),
    "in_sync": ("add_path",),
    "up": ("add_path",),
    "end_of_rib": ("family",),
    "down": ("reason",),
    "announce": (*_ON_ROUTES, "next_hop", "path", "communities"),
    "withdraw": _ON_ROUTES,
}
"""The keys that belong to a verb, beside those of every step."""
_MODIFIERS = sorted({key for keys in _TAKES.values() for key in keys})


class ScriptError(Exception):
    """A step cannot be played; ``complaint`` says why."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint)
        self.complaint = complaint


@dataclass(frozen=True, slots=True)
class Act:
    """A step as it is played; times are seconds since the scenario began."""

    path: KeyPath
    """The step in its file."""
    at: float
    done: float
    """When it is over: getting in sync takes its time, everything else none."""
    events: tuple[Event, ...]
    text: str


class Script:
    """Makes acts of the steps of one scenario, which begins at ``start`` (seconds since the epoch)."""

    def __init__(self, config: Config, start: float) -> None:
        self._config = config
        self._start = start
        self._now = start
        self._path: KeyPath = ()
        self._sent: dict[str, dict[RouteKey, Sent]] = {}
        """By feed that is up: what it has announced and not withdrawn."""
        self._unsure = False
        """A step was wrong, so nobody knows what is up and what is there: that is not complained about."""

    def acts(self, steps: Sequence[StepEntry], path: KeyPath) -> tuple[list[Act], list[Complaint]]:
        """Return what happens, and what is wrong; ``path`` is where the steps stand."""
        acts: list[Act] = []
        complaints: list[Complaint] = []
        clock = 0.0
        for number, step in enumerate(steps):
            self._path = (*path, number)
            try:
                at = self._time(step, clock)
                self._now = round(self._start + at, 6)
                act = self._act(step, at)
                clock = act.done
                acts.append(act)
            except ScriptError as error:
                self._unsure = True
                complaints.append(error.complaint)
        return acts, complaints

    def _time(self, step: StepEntry, clock: float) -> float:
        if step.at is not None and step.after is not None:
            raise self._error("after", "stands beside at; keep one of them")
        if step.at is None:
            return round(clock + (step.after or 0.0), 6)
        if step.at < clock:
            message = f"is before the step above is done, at {clock:g}s; time only goes forward"
            raise self._error("at", message)
        return step.at

    def _act(self, step: StepEntry, at: float) -> Act:
        verbs = [verb for verb in VERBS if getattr(step, verb) is not None]
        self._check_keys(step, verbs)
        events: list[Event] = []
        done = at
        if {"announce", "withdraw"} & set(verbs):
            events = list(self._update(step))
        elif verbs:
            events = list(self._STEPS[verbs[0]](self, step))
        if {"converge", "in_sync"} & set(verbs):
            collector = self._config.collector
            done = round(at + min(collector.settle, collector.settle_limit), 6)
        return Act(self._path, at, done, tuple(events), describe(step, verbs))

    def _check_keys(self, step: StepEntry, verbs: list[Verb]) -> None:
        if len(verbs) > 1 and set(verbs) != {"announce", "withdraw"}:
            raise self._error(verbs[1], f"stands beside {verbs[0]}; make it a step of its own")
        if not verbs and step.expect is None:
            raise ScriptError(
                Complaint(
                    self._path, f"does nothing and expects nothing; give one of {', '.join(VERBS)}, or expect"
                )
            )
        allowed = {key for verb in verbs for key in _TAKES.get(verb, ())}
        for key in _MODIFIERS:
            if getattr(step, key) is not None and key not in allowed:
                owners = " or ".join(verb for verb, keys in _TAKES.items() if key in keys)
                raise self._error(key, f"belongs to {owners}, which this step does not have")

    def _error(self, key: str, message: str) -> ScriptError:
        return ScriptError(Complaint((*self._path, key), message))

    # Sessions ----------------------------------------------------------------------------------------

    def _feeds(self, names: Collection[str], key: str) -> list[Feed]:
        if ALL in names:
            return list(self._config.feeds.values())
        return [self._config.feeds[self._known(name, self._config.feeds, key, "a feed")] for name in names]

    def _known(self, name: str, known: Collection[str], key: str, kind: str) -> str:
        if name not in known:
            raise self._error(key, f"{name!r} is not {kind} in this configuration; {advice(name, known)}")
        return name

    def _up_feeds(self, names: Collection[str], key: str) -> list[Feed]:
        feeds = self._feeds(names, key)
        for feed in feeds:
            if self._unsure:
                self._sent.setdefault(feed.name, {})
            elif feed.name not in self._sent:
                raise self._error(
                    key, f"{feed.name} is down at this point; bring it up first: up, in_sync or converge"
                )
        return feeds

    def _start_session(self, feed: Feed, step: StepEntry) -> Iterator[Event]:
        self._sent[feed.name] = {}
        if step.add_path is not None:
            yield AddPathNegotiated(self._now, feed.name, frozenset(step.add_path))
        yield SessionUp(self._now, feed.name)

    def _end_dump(self, feed: Feed) -> Iterator[Event]:
        for family in feed.families:
            yield EndOfRib(self._now, feed.name, family)

    def _converge(self, step: StepEntry) -> Iterator[Event]:
        feeds = self._feeds(step.converge or (), "converge")
        for process in dict.fromkeys(feed.process for feed in feeds):
            yield ProcessUp(self._now, process)
        for feed in feeds:
            yield from self._start_session(feed, step)
            yield from self._announce(feed, good_day(self._config, feed, self._now))
        # All first dumps are there before the first one ends, as if the routers were equally fast.
        for feed in feeds:
            yield from self._end_dump(feed)

    def _in_sync(self, step: StepEntry) -> Iterator[Event]:
        for feed in self._feeds(step.in_sync or (), "in_sync"):
            if feed.name not in self._sent:
                yield from self._start_session(feed, step)
            yield from self._end_dump(feed)

    def _up(self, step: StepEntry) -> Iterator[Event]:
        for feed in self._feeds(step.up or (), "up"):
            yield from self._start_session(feed, step)

    def _end_of_rib(self, step: StepEntry) -> Iterator[Event]:
        for feed in self._up_feeds(step.end_of_rib or (), "end_of_rib"):
            for family in step.family or feed.families:
                yield EndOfRib(self._now, feed.name, family)

    def _down(self, step: StepEntry) -> Iterator[Event]:
        for feed in self._feeds(step.down or (), "down"):
            self._sent.pop(feed.name, None)
            yield SessionDown(self._now, feed.name, step.reason or "closing connection")

    def _messages_lost(self, step: StepEntry) -> Iterator[Event]:
        for feed in self._up_feeds(step.messages_lost or (), "messages_lost"):
            yield MessagesLost(self._now, feed.name, 1, "messages are missing")

    def _exabgp_up(self, step: StepEntry) -> Iterator[Event]:
        for name in step.exabgp_up or ():
            self._known(name, self._config.processes, "exabgp_up", "an ExaBGP process")
            yield ProcessUp(self._now, name)

    def _exabgp_down(self, step: StepEntry) -> Iterator[Event]:
        for name in step.exabgp_down or ():
            self._known(name, self._config.processes, "exabgp_down", "an ExaBGP process")
            for feed in self._config.feeds.values():
                if feed.process == name:
                    self._sent.pop(feed.name, None)
            yield ProcessDown(self._now, name, "exited")

    def _source_rejected(self, step: StepEntry) -> Iterator[Event]:
        yield from self._judge_sources(step.source_rejected or (), "source_rejected", "it does not parse")

    def _source_accepted(self, step: StepEntry) -> Iterator[Event]:
        yield from self._judge_sources(step.source_accepted or (), "source_accepted", None)

    def _judge_sources(self, names: Iterable[str], key: str, problem: str | None) -> Iterator[Event]:
        for name in names:
            self._known(name, source_names(self._config), key, "a published list")
            yield SourceJudged(self._now, name, problem)

    def _storage(self, step: StepEntry) -> Iterator[Event]:
        yield StorageJudged(self._now, "the disk is full" if step.storage is Storage.FAILS else None)

    _STEPS: Mapping[str, Callable[[Script, StepEntry], Iterable[Event]]] = {
        "converge": _converge,
        "in_sync": _in_sync,
        "up": _up,
        "end_of_rib": _end_of_rib,
        "down": _down,
        "messages_lost": _messages_lost,
        "exabgp_up": _exabgp_up,
        "exabgp_down": _exabgp_down,
        "source_rejected": _source_rejected,
        "source_accepted": _source_accepted,
        "storage": _storage,
    }

    # Routes ------------------------------------------------------------------------------------------

    def _update(self, step: StepEntry) -> Iterator[Event]:
        link = self._link(step)
        feeds = self._feeds_of_routes(step, link)
        gone = {feed.name: self._withdrawn(step, feed, link) for feed in feeds}
        if step.withdraw is not None:
            self._refuse_missing(
                step, feeds, [sent.route.prefix for all_sent in gone.values() for sent in all_sent]
            )
        for feed in feeds:
            held = self._sent[feed.name]
            keys = tuple(sent.route.key for sent in gone[feed.name])
            for key in keys:
                del held[key]
            sent = list(self._announced(step, feed, link))
            held.update({each.route.key: each for each in sent})
            if keys or sent:
                routes = tuple(each.route for each in sent)
                yield Update(self._now, feed.name, announced=routes, withdrawn=keys)

    def _announce(self, feed: Feed, sent: Sequence[Sent]) -> Iterator[Event]:
        self._sent[feed.name].update({each.route.key: each for each in sent})
        if sent:
            yield Update(self._now, feed.name, announced=tuple(each.route for each in sent))

    def _link(self, step: StepEntry) -> Link | None:
        if step.circuit is None and step.link is None:
            return None
        if step.circuit is None or step.link is None:
            missing = "circuit" if step.circuit is None else "link"
            raise self._error(missing, "is missing; a link is named by circuit and link together")
        circuits = self._config.circuits
        circuit = circuits[self._known(step.circuit, circuits, "circuit", "a circuit")]
        return circuit.links[self._known(step.link, circuit.links, "link", f"a link of {circuit.name}")]

    def _feeds_of_routes(self, step: StepEntry, link: Link | None) -> list[Feed]:
        if step.feed is None:
            if link is None:
                raise self._error("feed", "is missing; name the feed that shows it, or the circuit and link")
            feeds = [
                feed
                for feed in self._config.feeds.values()
                if feed.view is View.EDGE_TABLE and feed.router == link.router
            ]
            if not feeds:
                message = f"no feed is an edge-table of {link.router}, the router of this link; name a feed"
                raise self._error("link", message)
            return self._up_feeds([feed.name for feed in feeds], "link")
        feeds = self._up_feeds(step.feed, "feed")
        for feed in feeds:
            if link is not None and feed.view is not View.EDGE_TABLE:
                message = f"tells which link brought a route of an edge-table; {feed.name} is {feed.view}"
                raise self._error("link", message)
        return feeds

    def _withdrawn(self, step: StepEntry, feed: Feed, link: Link | None) -> list[Sent]:
        """What of the feed's routes a step withdraws: every path, unless it names one."""
        if step.withdraw is None:
            return []
        words = self._words(step.withdraw, "withdraw", ALL)
        wanted = set(self._prefixes(step.withdraw))
        return [
            sent
            for sent in self._sent[feed.name].values()
            if (words or sent.route.prefix in wanted)
            and (link is None or sent.link == link.key)
            and (step.path_id is None or sent.route.path_id == step.path_id)
            and (step.family is None or sent.route.prefix.family in step.family)
        ]

    def _refuse_missing(self, step: StepEntry, feeds: list[Feed], found: list[Prefix]) -> None:
        if self._unsure:
            return
        names = " or ".join(feed.name for feed in feeds)
        if not found and self._words(step.withdraw or (), "withdraw", ALL):
            raise self._error("withdraw", f"{names} shows nothing of this at this point")
        for prefix in self._prefixes(step.withdraw or ()):
            if prefix not in found:
                shown = sorted(
                    {sent.route.prefix for feed in feeds for sent in self._sent[feed.name].values()}
                )
                known = ", ".join(map(str, shown[:5])) + (", …" if len(shown) > 5 else "")
                raise self._error(
                    "withdraw", f"{prefix} is not there to withdraw; {names} shows {known or 'nothing'}"
                )

    def _announced(self, step: StepEntry, feed: Feed, link: Link | None) -> Iterator[Sent]:
        if step.announce is None:
            return
        if self._words(step.announce, "announce", USUAL):
            yield from self._usual(step, feed, link)
        for prefix in self._prefixes(step.announce):
            if prefix.family not in feed.families:
                message = f"{prefix}: {feed.name} carries {' and '.join(feed.families)} only"
                raise self._error("announce", message)
            route = Route(prefix, self._path_id(step, feed, link), self._attributes(step, feed, link, prefix))
            yield Sent(route, None if link is None else link.key)

    def _usual(self, step: StepEntry, feed: Feed, link: Link | None) -> list[Sent]:
        for key in ("next_hop", "path", "communities", "path_id"):
            if getattr(step, key) is not None:
                raise self._error(key, "stands beside usual, which has its own; name the prefixes instead")
        return [
            sent
            for sent in good_day(self._config, feed, self._now)
            if (link is None or sent.link == link.key)
            and (step.family is None or sent.route.prefix.family in step.family)
        ]

    def _words(self, items: Iterable[RouteItem], key: str, wanted: str) -> bool:
        """Tell whether a word stands in place of prefixes; it must be the right one, and alone."""
        items = tuple(items)
        words = [item.text for item in items if isinstance(item, Word)]
        if words and (words != [wanted] or len(items) > 1):
            raise self._error(key, f"must be prefixes, or the word {wanted} alone")
        return bool(words)

    @staticmethod
    def _prefixes(items: Iterable[RouteItem]) -> Iterator[Prefix]:
        for item in items:
            if isinstance(item, Many):
                yield from item.prefixes
            elif isinstance(item, Prefix):
                yield item

    def _path_id(self, step: StepEntry, feed: Feed, link: Link | None) -> int | None:
        if step.path_id is not None or link is None or link.router != feed.router:
            return step.path_id
        return path_id(self._config, feed, link)

    def _attributes(self, step: StepEntry, feed: Feed, link: Link | None, prefix: Prefix) -> Attributes:
        usual = sequence(*usual_path(self._config, feed)) if link is None else sequence(MICROSOFT_ASN)
        communities = (*(step.communities or ()), *(marks(link) if link is not None else ()))
        as_path = usual if step.path is None else step.path
        return tagged(communities, self._next_hop(step, feed, link, prefix), as_path)

    @staticmethod
    def _next_hop(step: StepEntry, feed: Feed, link: Link | None, prefix: Prefix) -> Address | None:
        if isinstance(step.next_hop, Word):
            return None
        if step.next_hop is not None:
            return step.next_hop
        return own_address(feed, prefix.family) if link is None else msee(link, prefix.family)
