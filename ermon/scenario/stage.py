"""What a scenario has come to: which sessions are up, and what each feed has sent on it.

So a step can withdraw all that was announced, and a step that cannot happen is an error: a route on a session
that is down, or the withdrawal of what was never there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ermon.config.problems import Complaint, advice
from ermon.config.yaml import KeyPath
from ermon.model.events import Event, Update
from ermon.model.inventory import Config, Feed, Link
from ermon.model.routes import RouteKey
from ermon.scenario.fields import ALL
from ermon.scenario.good_day import Sent
from ermon.scenario.schema import StepEntry


class ScriptError(Exception):
    """A step cannot be played; ``complaint`` says why."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint)
        self.complaint = complaint


class Stage:
    """Where the steps of one scenario are played, one after the other."""

    def __init__(self, config: Config, start: float) -> None:
        self.config = config
        self.now = start
        """Seconds since the epoch."""
        self.path: KeyPath = ()
        """The step that is played, in its file."""
        self.sent: dict[str, dict[RouteKey, Sent]] = {}
        """By feed that is up: what it has announced and not withdrawn."""
        self.unsure = False
        """A step was wrong, so nobody knows what is up and what is there: that is not complained about."""

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
                    key, f"{feed.name} is down at this point; bring it up first: up, in_sync or converge"
                )
        return feeds

    def link_of(self, step: StepEntry) -> Link | None:
        if step.circuit is None and step.link is None:
            return None
        if step.circuit is None or step.link is None:
            missing = "circuit" if step.circuit is None else "link"
            raise self.error(missing, "is missing; a link is named by circuit and link together")
        circuits = self.config.circuits
        circuit = circuits[self.known(step.circuit, circuits, "circuit", "a circuit")]
        return circuit.links[self.known(step.link, circuit.links, "link", f"a link of {circuit.name}")]

    # Routes ------------------------------------------------------------------------------------------

    def update(self, feed: Feed, sent: Sequence[Sent], withdrawn: Sequence[RouteKey] = ()) -> list[Event]:
        """Note what a feed announces and withdraws; return the UPDATE, if there is anything in it."""
        held = self.sent[feed.name]
        for key in withdrawn:
            del held[key]
        held.update({each.route.key: each for each in sent})
        if not sent and not withdrawn:
            return []
        announced = tuple(each.route for each in sent)
        return [Update(self.now, feed.name, announced=announced, withdrawn=tuple(withdrawn))]
