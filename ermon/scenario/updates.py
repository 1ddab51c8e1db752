"""The routes that each feed of a scenario has sent, and the verbs ``announce`` and ``withdraw``, which change them.

So a step can withdraw everything that was announced, and an impossible step is an error: a route on a session that is
down, or the withdrawal of a route that was never announced. The two verbs may be in one step: then they are one UPDATE.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ermon.config.problems import Complaint, advice
from ermon.config.yaml import KeyPath
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.events import AzureRead, Event, RefreshBegan, RefreshEnded, Update
from ermon.model.inventory import Config, Feed, Link, View
from ermon.model.prefixes import Address, Prefix
from ermon.model.routes import Attributes, Route, RouteKey
from ermon.scenario.fields import ALL, USUAL, Many, RouteItem, Word
from ermon.scenario.good_day import (
    Sent,
    by_peers,
    good_day,
    marks,
    msee,
    own_address,
    path_id,
    sequence,
    tagged,
    usual_path,
    usual_preference,
)
from ermon.scenario.schema import StepEntry


class ScriptError(Exception):
    """A step cannot be played; ``complaint`` says why."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint)
        self.complaint = complaint


class Stage:
    """The state of a scenario while its steps are played."""

    def __init__(self, config: Config, start: float) -> None:
        self.config = config
        self.now = start
        """Seconds since the epoch."""
        self.path: KeyPath = ()
        """The place of the current step in its file."""
        self.sent: dict[str, dict[RouteKey, Sent]] = {}
        """By feed that is up: the announced routes that are not withdrawn."""
        self.connected: set[str] = set()
        """The BMP connections that are up."""
        self.reported_down: dict[str, str] = {}
        """By feed whose session a router has reported as down by BMP: why, the last time."""
        self.azure: dict[str, list[AzureRead]] = {}
        """By circuit: what Azure has said of it."""
        self.unsure = False
        """A step was wrong, so the state is unknown: no complaints about missing sessions or routes."""

    def error(self, key: str, message: str) -> ScriptError:
        return ScriptError(Complaint((*self.path, key), message))

    # Names -------------------------------------------------------------------------------------------

    def known(self, name: str, known: Collection[str], key: str, kind: str) -> str:
        if name not in known:
            raise self.error(key, f"{name!r} is not {kind} in this configuration; {advice(name, known)}")
        return name

    def feeds(self, names: Collection[str], key: str) -> list[Feed]:
        if ALL in names:
            return list(self.config.feeds.values())
        return [self.config.feeds[self.known(name, self.config.feeds, key, "a feed")] for name in names]

    def up_feeds(self, names: Collection[str], key: str) -> list[Feed]:
        """Return the feeds of these names, which must be up."""
        feeds = self.feeds(names, key)
        for feed in feeds:
            if self.unsure:
                self.sent.setdefault(feed.name, {})
            elif feed.name not in self.sent:
                raise self.error(
                    key, f"{feed.name} is down at this point; first take it up with up, in_sync or converge"
                )
        return feeds

    def link_of(self, step: StepEntry) -> Link | None:
        if step.circuit is None and step.link is None:
            return None
        if step.circuit is None or step.link is None:
            missing = "circuit" if step.circuit is None else "link"
            raise self.error(missing, "is missing; a link is named by circuit and link together")
        return self.link(step.circuit, step.link)

    def link(self, circuit: str, name: str) -> Link:
        """Return the link of this name, which the configuration must have."""
        links = self.config.circuits[self.known(circuit, self.config.circuits, "circuit", "a circuit")].links
        return links[self.known(name, links, "link", f"a link of {circuit}")]

    # Routes ------------------------------------------------------------------------------------------

    def update(self, feed: Feed, sent: Sequence[Sent], withdrawn: Sequence[RouteKey] = ()) -> list[Event]:
        """Record what a feed announces and withdraws; return the UPDATE, if it is not empty."""
        held = self.sent[feed.name]
        for key in withdrawn:
            del held[key]
        held.update({each.route.key: each for each in sent})
        if not sent and not withdrawn:
            return []
        announced = tuple(each.route for each in sent)
        return [Update(self.now, feed.name, announced=announced, withdrawn=tuple(withdrawn))]


# Announce and withdraw ------------------------------------------------------------------------------


def update(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Announce and withdraw on every feed of the step, one UPDATE each."""
    link = stage.link_of(step)
    feeds = _feeds(stage, step, link)
    gone = {feed.name: _withdrawn(stage, step, feed, link) for feed in feeds}
    if step.withdraw is not None:
        found = [sent.route.prefix for all_sent in gone.values() for sent in all_sent]
        _refuse_missing(stage, step, feeds, found)
    for feed in feeds:
        keys = [sent.route.key for sent in gone[feed.name]]
        yield from stage.update(feed, list(_announced(stage, step, feed, link)), keys)


def _feeds(stage: Stage, step: StepEntry, link: Link | None) -> list[Feed]:
    """Return the named feeds, or those that show the routes of the link: the edge tables of its router, and its session."""
    if step.feed is None:
        if link is None:
            raise stage.error("feed", "is missing; name the feed that shows it, or the circuit and link")
        tables = [feed.name for feed in stage.config.tables_of(link)]
        sessions = [feed.name for feed in sessions_of(stage.config, link) if feed.view is View.FROM_MICROSOFT]
        if not tables and not sessions:
            message = f"no feed is an edge-table of {link.router}, the router of this link; name a feed"
            raise stage.error("link", message)
        up = [name for name in sessions if name in stage.sent]
        return [
            feed
            for feed in stage.up_feeds([*tables, *(up if tables or up else sessions)], "link")
            if step.family is None or set(step.family) & set(feed.families)
        ]
    feeds = stage.up_feeds(step.feed, "feed")
    for feed in feeds:
        if link is not None and feed.view not in {View.EDGE_TABLE, View.FROM_MICROSOFT}:
            message = f"is for routes of an edge-table only: it names their link; {feed.name} is {feed.view}"
            raise stage.error("link", message)
    return feeds


def sessions_of(config: Config, link: Link) -> list[Feed]:
    """Return the feeds of a link's session with Microsoft that its router reports by BMP: received, and advertised."""
    return [feed for feed in config.feeds.values() if feed.by_bmp and feed.link_key == link.key]


# Withdrawing ---------------------------------------------------------------------------------------------


def _withdrawn(stage: Stage, step: StepEntry, feed: Feed, link: Link | None) -> list[Sent]:
    """Return the routes that a step withdraws from a feed: all paths, unless it names one."""
    if step.withdraw is None:
        return []
    everything = _is_word(stage, step.withdraw, "withdraw", ALL)
    wanted = set(_prefixes(step.withdraw))
    return [
        sent
        for sent in stage.sent[feed.name].values()
        if (everything or sent.route.prefix in wanted)
        and (step.path_id is None or sent.route.path_id == step.path_id)
        and _is_meant(sent, step, link)
    ]


def _refuse_missing(stage: Stage, step: StepEntry, feeds: list[Feed], found: list[Prefix]) -> None:
    if stage.unsure:
        return
    names = " or ".join(feed.name for feed in feeds)
    if not found and _is_word(stage, step.withdraw or (), "withdraw", ALL):
        raise stage.error("withdraw", f"{names} shows nothing of this at this point")
    for prefix in _prefixes(step.withdraw or ()):
        if prefix not in found:
            shown = sorted({sent.route.prefix for feed in feeds for sent in stage.sent[feed.name].values()})
            known = ", ".join(map(str, shown[:5])) + (", …" if len(shown) > 5 else "")
            raise stage.error(
                "withdraw", f"{prefix} is not there to withdraw; {names} shows {known or 'nothing'}"
            )


# Announcing ----------------------------------------------------------------------------------------------


def _announced(stage: Stage, step: StepEntry, feed: Feed, link: Link | None) -> Iterator[Sent]:
    if step.announce is None:
        return
    if _is_word(stage, step.announce, "announce", USUAL):
        yield from _usual(stage, step, feed, link)
    for prefix in _prefixes(step.announce):
        if prefix.family not in feed.families:
            if step.feed is None and feed.by_bmp:
                continue  # the session of the other family shows it
            message = f"{prefix}: {feed.name} carries {' and '.join(feed.families)} only"
            raise stage.error("announce", message)
        attributes = _attributes(stage, step, feed, link, prefix)
        route = Route(prefix, _path_id(stage, step, feed, link), attributes)
        for each in by_peers(feed, route) if step.path_id is None else (route,):
            yield Sent(each, None if link is None else link.key)


def _usual(stage: Stage, step: StepEntry, feed: Feed, link: Link | None) -> list[Sent]:
    for key in ("next_hop", "path", "communities", "local_preference", "path_id"):
        if getattr(step, key) is not None:
            raise stage.error(
                key, "cannot be combined with usual, which has its own; name the prefixes instead"
            )
    return [sent for sent in good_day(stage.config, feed, stage.now) if _is_meant(sent, step, link)]


def _path_id(stage: Stage, step: StepEntry, feed: Feed, link: Link | None) -> int | None:
    if step.path_id is not None or link is None or link.router != feed.router:
        return step.path_id
    return path_id(stage.config, feed, link)


def _attributes(stage: Stage, step: StepEntry, feed: Feed, link: Link | None, prefix: Prefix) -> Attributes:
    usual = sequence(*usual_path(stage.config, feed)) if link is None else sequence(MICROSOFT_ASN)
    communities = (*(step.communities or ()), *(marks(link) if link is not None else ()))
    as_path = usual if step.path is None else step.path
    return tagged(communities, _next_hop(step, feed, link, prefix), as_path, _local_preference(step, feed))


def _local_preference(step: StepEntry, feed: Feed) -> int | None:
    if isinstance(step.local_preference, Word):
        return None
    return usual_preference(feed) if step.local_preference is None else step.local_preference


def _next_hop(step: StepEntry, feed: Feed, link: Link | None, prefix: Prefix) -> Address | None:
    if isinstance(step.next_hop, Word):
        return None
    if step.next_hop is not None:
        return step.next_hop
    return own_address(feed, prefix.family) if link is None else msee(link, prefix.family)


# Sending everything again ---------------------------------------------------------------------------


def refresh(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Send everything again between the markers of RFC 7313, without the omitted routes."""
    everything = _is_word(stage, step.omit or (), "omit", ALL)
    omitted = set(_prefixes(step.omit or ()))
    for feed in stage.up_feeds(step.refresh or (), "refresh"):
        for family in step.family or feed.families:
            held = [sent for sent in stage.sent[feed.name].values() if sent.route.prefix.family == family]
            again = [sent for sent in held if not everything and sent.route.prefix not in omitted]
            yield RefreshBegan(stage.now, feed.name, family)
            yield from stage.update(feed, again)
            yield RefreshEnded(stage.now, feed.name, family)
            for sent in held:
                if sent not in again:
                    del stage.sent[feed.name][sent.route.key]


# Both ----------------------------------------------------------------------------------------------------


def _is_meant(sent: Sent, step: StepEntry, link: Link | None) -> bool:
    """Return whether a route is of the step's link and families, if the step names them."""
    return (link is None or sent.link == link.key) and (
        step.family is None or sent.route.prefix.family in step.family
    )


def _is_word(stage: Stage, items: Iterable[RouteItem], key: str, wanted: str) -> bool:
    """Return whether the only item is the word ``wanted``; any other use of a word is an error."""
    items = tuple(items)
    words = [item.text for item in items if isinstance(item, Word)]
    if words and (words != [wanted] or len(items) > 1):
        raise stage.error(key, f"must be prefixes, or the word {wanted} alone")
    return bool(words)


def _prefixes(items: Iterable[RouteItem]) -> Iterator[Prefix]:
    for item in items:
        if isinstance(item, Many):
            yield from item.prefixes
        elif isinstance(item, Prefix):
            yield item
