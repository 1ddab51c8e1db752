"""Runs ermon without its processes and sockets: with a configuration, with lines, and with changes.

The benchmark uses ermon's internals only here and in ``tests/web/site.py``.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from ermon.config.load import load_config
from ermon.core.monitor import Monitor, Outcome, Parts
from ermon.daemon.build import GARBAGE_THRESHOLD
from ermon.exabgp.decode import Decoder
from ermon.model.findings import LinkState
from ermon.model.inventory import Config
from ermon.model.routes import Route
from ermon.web.events import EventHub
from tests.bench.scale.network import CONFIG, Network
from tests.web.site import Site

START = 1_795_000_000.0
IN_SYNC_SECONDS = 3.0
"""The time after the last route until a feed is in sync: ``collector.settle``, and a little more."""


def load(file: Path) -> Config:
    return load_config(file).config


def converged(network: Network, folder: Path) -> Running:
    """Start on the configuration in the folder, with the daemon's settings of the garbage collector, and bring all
    feeds in sync.
    """
    running = Running(load(folder / CONFIG))
    running.tidy()
    return running.converge(network)


class Running:
    """An ermon that has started with a configuration. Only its methods move its clock."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.start = self.now = START
        self.monitor = Monitor(config, self.now)
        self.decoder = Decoder(config.feeds)
        self.hub = EventHub(kept_events=1_000_000, every=0)  # no process is behind here

    def tidy(self) -> None:
        """Set the garbage collector as the daemon does."""
        gc.set_threshold(GARBAGE_THRESHOLD)
        gc.freeze()

    def take(self, *lines: bytes) -> Outcome:
        """Apply lines of one moment as a batch."""
        for line in lines:
            decoded = self.decoder.decode(line)
            if decoded.rejected is not None:
                raise ValueError(decoded.rejected)
            for event in decoded.events:
                self.monitor.apply(event)
        return self.monitor.advance(self.now)

    def decode(self, line: bytes) -> None:
        """Decode a line and discard the events."""
        self.decoder.decode(line)

    def wait(self, seconds: float) -> Outcome:
        self.now += seconds
        return self.monitor.advance(self.now)

    def converge(self, network: Network) -> Self:
        """Bring every feed up with its routes of a good day, and wait until all are in sync."""
        for feed in network.sessions:
            self.dump(network, feed)
        self.wait(IN_SYNC_SECONDS)
        return self

    def come_up(self, network: Network, feed: str) -> list[Outcome]:
        """Bring one feed up until it is in sync; yield the outcome of each step."""
        return [*self.dump(network, feed), self.wait(IN_SYNC_SECONDS)]

    def dump(self, network: Network, feed: str) -> list[Outcome]:
        session = network.sessions[feed]
        return [
            self.take(*session.up(self.now)),
            *(self.take(session.update(self.now, update)) for update in network.dump(feed)),
            self.take(*session.ends_of_rib(self.now)),
        ]

    def reconfigure(self, config: Config) -> Iterator[None]:
        """Change to another policy: first make the plan, which blocks nothing, then change step by step."""
        self.config = config
        parts = Parts(config, self.now)
        yield
        yield from self.monitor.go_over(parts, self.now)
        self.decoder.set_feeds(config.feeds)

    def publish(self, outcome: Outcome) -> None:
        """Publish changes to the open pages."""
        self.hub.publish_outcome(self.monitor, outcome)

    def site(self) -> Site:
        """The web of this ermon."""
        return Site(self, hub=self.hub)  # offers everything of a Story that a site uses

    # Reading -----------------------------------------------------------------------------------------

    def subjects(self) -> int:
        """The number of subjects."""
        return sum(1 for _ in self.monitor.statuses())

    def links_up(self) -> Iterable[bool]:
        """Whether each link is up, in each of its families."""
        return [info.state is LinkState.UP for info in self.monitor.network.links.values()]

    def raised(self) -> list[str]:
        return [f"{finding.check} {dict(finding.labels)}" for finding in self.monitor.findings()]

    def held(self) -> dict[str, set[Route]]:
        """The held routes by feed."""
        return {name: set(feed.rib.routes()) for name, feed in self.monitor.network.feeds.items()}
