"""ExaBGP's processes, and the time that routers get to connect again after one was started.

The end of a process ends all of its sessions. Routers notice that at different times, and wait before they connect
again. Until that time has passed, a missing session proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ermon.checks.topics import process_topic
from ermon.core.facts import NetworkFacts
from ermon.core.layers import Layers
from ermon.core.states import Awaited, FeedState, ProcessState
from ermon.core.timers import ProcessSettles, ReconnectOverdue
from ermon.model.events import ProcessDown, ProcessSilent, ProcessUp, SessionDown
from ermon.model.findings import LinkState
from ermon.model.inventory import Feed


class Processes:
    """Applies the events of processes to ``facts``; ``lose`` applies the end of a session."""

    def __init__(self, facts: NetworkFacts, layers: Layers, lose: Callable[[SessionDown], None]) -> None:
        self._facts = facts
        self._layers = layers
        self._lose = lose

    def apply(self, event: ProcessUp | ProcessSilent | ProcessDown) -> None:
        state = self._facts.processes.get(event.process)
        if state is None:
            return
        match event:
            case ProcessUp():
                self._up(event.process, state)
            case ProcessSilent():
                # Its sessions may still be up, and the routes that came over them are as true as before.
                if state.up is not False:
                    state.silent, state.problem = True, event.reason
            case ProcessDown():
                self._down(event, state)
        self._facts.pending.topics.add(process_topic(event.process))

    def _up(self, process: str, state: ProcessState) -> None:
        state.silent = False
        if state.up:
            return
        state.up = True
        if state.is_connection:
            state.connected_at, state.has_statistics = self._facts.now, False
        for feed in self._feeds_of(process):
            # Over BMP a router reports all its sessions at once: there is nothing to wait for.
            self.await_router(feed, Awaited.NO if feed.feed.by_bmp else feed.awaited)
            self._await_links(feed.feed)
            self._layers.feed_changed(feed.feed.name)

    def statistics_began(self, process: str) -> None:
        """Know that a router sends statistics over BMP, so that a session without them is no longer believed."""
        if (state := self._facts.processes.get(process)) is not None:
            state.has_statistics = True
            self._facts.pending.topics.add(process_topic(process))

    def _down(self, event: ProcessDown, state: ProcessState) -> None:
        if state.up and not event.wanted:
            state.runs.ended(self._facts.now)
            self._layers.watch(ProcessSettles(event.process), state.runs.restless_until)
        state.up, state.silent, state.problem = False, False, event.reason
        for feed in self._feeds_of(event.process):
            if feed.session.up and not feed.feed.by_bmp:
                feed.awaited = Awaited.BACK
            feed.awaited_until = None
            self._layers.timers.cancel(ReconnectOverdue(feed.feed.name))
            if feed.awaited is not Awaited.NO:
                self._layers.awaited_changed(feed)
            if feed.session.up or not feed.feed.by_bmp:
                reason = event.reason if feed.session.up else ""  # a failed attempt has its own reason
                self._lose(SessionDown(event.time, feed.feed.name, reason))
            feed.session.forget_report()
            self._layers.feed_changed(feed.feed.name)

    def _feeds_of(self, process: str) -> Iterator[FeedState]:
        return (state for state in self._facts.feeds.values() if state.feed.process == process)

    def _await_links(self, feed: Feed) -> None:
        """Wait for the links that were down: their mirrors may come before the edge table that shows that they are
        down.
        """
        for key in self._facts.links_beside(feed):
            if self._facts.last_known_state(*key) is LinkState.DOWN:
                self._layers.await_state(*key)

    # Routers -----------------------------------------------------------------------------------------

    def await_router(self, state: FeedState, awaited: Awaited) -> None:
        """Give a router time to connect, from now on. With ``Awaited.NO`` it has had its time."""
        until = round(self._facts.now + self._facts.config.collector.reconnect_grace, 6)
        if awaited is Awaited.NO or until <= self._facts.now:
            self.await_no_longer(state)
            return
        state.awaited, state.awaited_until = awaited, None
        if self._facts.processes[state.feed.process].up is not False:
            state.awaited_until = until
            self._layers.timers.set(ReconnectOverdue(state.feed.name), until)
        self._layers.awaited_changed(state)

    def overdue(self, state: FeedState) -> None:
        """Note that a router has had its time. If ExaBGP has not reported yet, the time starts once more when it
        does.
        """
        if self._facts.processes[state.feed.process].up or state.feed.by_bmp:
            self.await_no_longer(state)
        else:
            state.awaited_until = None
            self._layers.awaited_changed(state)

    def await_no_longer(self, state: FeedState) -> None:
        """Note that a router has connected, or is no longer waited for."""
        if state.awaited is not Awaited.NO:
            state.awaited, state.awaited_until = Awaited.NO, None
            self._layers.timers.cancel(ReconnectOverdue(state.feed.name))
            self._layers.awaited_changed(state)

    def take_over(self, state: FeedState, before: FeedState) -> None:
        """Wait as long as under an earlier configuration."""
        state.awaited, state.awaited_until = before.awaited, before.awaited_until
        if before.awaited_until is not None:
            self._layers.timers.set(ReconnectOverdue(state.feed.name), before.awaited_until)
        self._layers.awaited_changed(state)
