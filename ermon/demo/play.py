"""Plays the story, and holds what ermon says against what it should say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from ermon.checks.catalogue import CATALOGUE
from ermon.demo.company import Company
from ermon.demo.daemon import Daemon, Told
from ermon.demo.screen import Latency, Row, Screen
from ermon.demo.story import Expected, Step
from ermon.model.inventory import Config

PATIENCE_SECONDS = 15.0
"""After so long, and the check's own timer, what should have come is missing."""


class UnexpectedError(Exception):
    """ermon did not say what it should have said, or said more: one line for each."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Player:
    """Plays one step after the other. What comes out differently is an ``UnexpectedError``."""

    def __init__(self, config: Config, company: Company, daemon: Daemon, screen: Screen) -> None:
        self.rows: list[Row] = []
        """The findings so far."""
        self._config = config
        self._company = company
        self._daemon = daemon
        self._screen = screen

    async def converge(self) -> None:
        """Bring all sessions up; nothing may be raised."""
        since = time.monotonic()
        self._company.connect_all()
        feeds = self._daemon.feeds
        try:
            await self._daemon.wait_until(lambda: not self._behind(), PATIENCE_SECONDS)
        except TimeoutError:
            raise UnexpectedError([f"not in sync: feed {name}" for name in self._behind()]) from None
        routes = sum(sum(feed.routes.values()) for feed in feeds.values())
        text = f"{len(feeds)} BGP sessions are in sync, with {routes} routes, IPv4 and IPv6"
        self._screen.fact(text, time.monotonic() - since)
        await self._see(dict.fromkeys(self._daemon.links, "up"), since)
        self._match([])
        self._screen.fact("nothing is raised")

    async def play(self, step: Step) -> None:
        """Change something, and wait for what must come of it."""
        since = time.monotonic()
        step.act(self._company)
        if step.links:
            await self._see(step.links, since)
        await self._hear(list(step.findings), since)
        if step.remark:
            self._screen.fact(step.remark)

    async def end(self) -> None:
        """Make sure that nothing is left."""
        self._match([])
        if raised := await self._daemon.raised():
            raise UnexpectedError([f"still raised: {finding.summary}" for finding in raised])

    async def _see(self, links: Mapping[str, str], since: float) -> None:
        """Wait until these links are in these states, in all their families."""
        try:
            await self._daemon.wait_until(
                lambda: all(self._link_state(name) == {state} for name, state in links.items()),
                PATIENCE_SECONDS,
            )
        except TimeoutError:
            raise UnexpectedError(
                f"link {name} should be {state} and is {' and '.join(sorted(self._link_state(name)))}"
                for name, state in links.items()
                if self._link_state(name) != {state}
            ) from None
        states = ", ".join(f"link {name} is {state}" for name, state in links.items())
        self._screen.fact(states, time.monotonic() - since)

    async def _hear(self, waiting: list[Expected], since: float) -> None:
        """Wait until all that is expected has been said."""
        deadline = since + PATIENCE_SECONDS + max(self._timer(expected) for expected in waiting)
        while waiting:
            try:
                await self._daemon.wait_until(self._daemon.has_told, deadline - time.monotonic())
            except TimeoutError:
                raise UnexpectedError(_missing(waiting)) from None
            for expected, told in self._match(waiting):
                self._enter(expected, told, since)

    def _match(self, waiting: list[Expected]) -> list[tuple[Expected, Told]]:
        """Take what ermon has said, and what was expected of it from ``waiting``; nothing else may come."""
        matched = []
        while self._daemon.has_told():
            told = self._daemon.take_told()
            finding = told.finding
            said = Expected(finding.state, finding.check, finding.labels)
            if said not in waiting:
                surplus = f"not expected, and came: {said}: {finding.summary} {finding.evidence}"
                raise UnexpectedError([surplus, *_missing(waiting)])
            expected = waiting.pop(waiting.index(said))
            named = tuple(finding.evidence.get("prefixes", ()))
            if finding.state == "raised" and named != expected.prefixes:
                raise UnexpectedError([f"{said} names {named} and not {expected.prefixes}"])
            matched.append((expected, told))
        return matched

    def _enter(self, expected: Expected, told: Told, since: float) -> None:
        subject = " ".join(expected.labels.values())
        latency = Latency(told.at - since, self._timer(expected))
        finding = told.finding
        if finding.state == "raised":
            self.rows.append(Row(finding.severity, finding.check, subject, latency))
        else:
            row = next(r for r in reversed(self.rows) if (r.check, r.subject) == (finding.check, subject))
            row.cleared = latency
        self._screen.finding(finding, latency.total)

    def _behind(self) -> list[str]:
        return [name for name, feed in self._daemon.feeds.items() if feed.blind]

    def _link_state(self, name: str) -> set[str]:
        return set(self._daemon.links[name].state.values())

    def _timer(self, expected: Expected) -> float:
        """Return how long the check waits on purpose, in seconds."""
        check = CATALOGUE[expected.check]
        raised = expected.state == "raised"
        return check.raised_after(self._config) if raised else check.cleared_after(self._config)


def _missing(waiting: Iterable[Expected]) -> list[str]:
    return [f"expected, and has not come: {expected}" for expected in waiting]
