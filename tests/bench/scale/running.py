"""ermon without its processes and sockets: what it does with a configuration, with lines, and with changes.

All that the benchmark asks of ermon's inside is asked here and in ``tests/web/site.py``.
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
"""After the last route, a feed is in sync: ``collector.settle``, and a little more."""


def load(file: Path) -> Config:
    return load_config(file).config


def converged(network: Network, folder: Path) -> Running:
    """Start on the configuration in the folder, with the garbage collector of the daemon, and take all in."""
    running = Running(load(folder / CONFIG))
    running.tidy()
    return running.converge(network)


class Running:
    """An ermon that has started with a configuration. Its clock moves only when it is told to."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.start = self.now = START
        self.monitor = Monitor(config, self.now)
        self.decoder = Decoder(config.feeds)
        self.hub = EventHub(kept_events=1_000_000, every=0)  # nobody falls behind here

    def tidy(self) -> None:
        """Look for garbage as seldom as the daemon does."""
        gc.set_threshold(GARBAGE_THRESHOLD)
        gc.freeze()

    def take(self, *lines: bytes) -> Outcome:
        """Take in lines of one moment that have come together."""
        for line in lines:
            decoded = self.decoder.decode(line)
            if decoded.rejected is not None:
                raise ValueError(decoded.rejected)
            for event in decoded.events:
                self.monitor.apply(event)
        return self.monitor.advance(self.now)

    def decode(self, line: bytes) -> None:
        """Read a line, and make nothing of it."""
        self.decoder.decode(line)

    def wait(self, seconds: float) -> Outcome:
        self.now += seconds
        return self.monitor.advance(self.now)

    def converge(self, network: Network) -> Self:
        """Let every feed come up and send what it sends on a good day, and wait until all are in sync."""
        for feed in network.sessions:
            self.dump(network, feed)
        self.wait(IN_SYNC_SECONDS)
        return self

    def come_up(self, network: Network, feed: str) -> list[Outcome]:
        """Let one feed come up until it is in sync; return what came of it, step by step."""
        return [*self.dump(network, feed), self.wait(IN_SYNC_SECONDS)]

    def dump(self, network: Network, feed: str) -> list[Outcome]:
        session = network.sessions[feed]
        return [
            self.take(*session.up(self.now)),
            *(self.take(session.update(self.now, update)) for update in network.dump(feed)),
            self.take(*session.ends_of_rib(self.now)),
        ]

    def reconfigure(self, config: Config) -> Iterator[None]:
        """Go over to another policy: what follows from it first, which needs nobody to wait, then step by step."""
        self.config = config
        parts = Parts(config, self.now)
        yield
        yield from self.monitor.go_over(parts, self.now)
        self.decoder.set_feeds(config.feeds)

    def publish(self, outcome: Outcome) -> None:
        """Tell the pages that are open."""
        self.hub.publish_outcome(self.monitor, outcome)

    def site(self) -> Site:
        """Its web."""
        return Site(self, hub=self.hub)  # a Story in all that a site asks of it

    # Reading -----------------------------------------------------------------------------------------

    def subjects(self) -> int:
        """How many things are judged."""
        return sum(1 for _ in self.monitor.statuses())

    def links_up(self) -> Iterable[bool]:
        """Whether each link is up, in each of its families."""
        return [info.state is LinkState.UP for info in self.monitor.network.links.values()]

    def raised(self) -> list[str]:
        return [f"{finding.check} {dict(finding.labels)}" for finding in self.monitor.findings()]

    def held(self) -> dict[str, set[Route]]:
        """The routes that are held, by feed."""
        return {name: set(feed.rib.routes()) for name, feed in self.monitor.network.feeds.items()}
