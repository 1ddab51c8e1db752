"""The story of the demo, played step by step: ermon must report these findings, and no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ermon.api.answers import SubjectDoc
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import AcceptanceStep, Tested
from ermon.demo.acceptance import verify
from ermon.demo.company import MORE_SPECIFIC, POOL, PRIMARY, SECONDARY, Company
from ermon.demo.daemon import Daemon, Reported
from ermon.demo.screen import Latency, Row, Screen
from ermon.demo.settings import CIRCUIT, Settings


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that must be raised or cleared."""

    state: str
    check: str
    labels: Mapping[str, str]
    prefixes: tuple[str, ...] = field(default=(), compare=False)
    """The text that the evidence must contain when it is raised."""
    reason: str = field(default="", compare=False)
    """What a router must have reported of a session when it is raised."""

    def __str__(self) -> str:
        return f"{self.state} {self.check} {' '.join(self.labels.values())}"


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    act: Callable[[Company], None]
    """The change of the routers' announcements or sessions."""
    findings: tuple[Expected, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    """The states that ermon must report for these links."""
    remark: str = ""
    """A remark to print after the expected result."""
    ask_azure: str = ""
    """Tell ermon where the circuit is in Azure: what Microsoft's side must then be by the evidence of what is raised."""


def story(*, omit_leak: bool = False) -> tuple[Step, ...]:
    """Return the steps. With ``omit_leak`` the leak is expected but not sent."""
    return (*_leaks(omit_leak=omit_leak), *_losses())


def _leaks(*, omit_leak: bool) -> tuple[Step, ...]:
    leak = [("pool-leak", {"pool": "outbound", "family": "ipv4", "feed": "edge-1-isp-a", "uplink": "isp-a"})]
    outside = [("pool-leak", {"pool": "outbound", "family": "ipv6", "feed": "outside"})]
    return (
        Step(
            f"A mistake on edge-1: it announces the NAT pool {POOL.prefix} to isp-a",
            lambda company: None if omit_leak else company.announce("edge-1-isp-a", POOL),
            _raised(leak, POOL.prefix),
        ),
        Step(
            "Repaired: edge-1 withdraws it",
            lambda company: company.withdraw("edge-1-isp-a", POOL),
            _cleared(leak),
        ),
        Step(
            f"A part of the pool appears on the internet, through another provider: {MORE_SPECIFIC.prefix}",
            lambda company: company.announce("outside", MORE_SPECIFIC),
            _raised(outside, MORE_SPECIFIC.prefix),
        ),
        Step(
            "It is withdrawn",
            lambda company: company.withdraw("outside", MORE_SPECIFIC),
            _cleared(outside),
        ),
    )


def _losses() -> tuple[Step, ...]:
    link = [("link-down", {"circuit": "chicago", "link": "primary", "family": f}) for f in ("ipv4", "ipv6")]
    circuit = [("circuit-down", {"circuit": "chicago", "family": f}) for f in ("ipv4", "ipv6")]
    feed = [("feed-down", {"feed": "edge-1"})]
    return (
        Step(
            "The primary link is lost: edge-1 has no route from Microsoft any more",
            _cut_primary,
            _raised(link),
            links={"primary": "down", "secondary": "up"},
        ),
        Step(
            "ermon.yml gets the circuit's identifier in Azure, and ermon asks what Microsoft sees",
            lambda _: None,
            (),
            ask_azure="ARP incomplete: call the provider",
        ),
        Step(
            f'The secondary link is lost too, and with it the circuit: Microsoft says "{PLANNED}"',
            _shut_down_by_microsoft,
            _raised(circuit, reason=PLANNED),
            links={"primary": "down", "secondary": "down"},
            remark="one cause, one page: no link-down for the secondary link",
        ),
        Step(
            "The secondary link comes back",
            _bring_up_by_microsoft,
            _cleared(circuit),
            links={"primary": "down", "secondary": "up"},
        ),
        Step(
            "The primary link comes back",
            _mend_primary,
            _cleared(link),
            links={"primary": "up", "secondary": "up"},
        ),
        Step(
            "ermon cannot see edge-1: the session with its table ends",
            lambda company: company.disconnect("edge-1"),
            _raised(feed),
            links={"primary": "unknown", "secondary": "up"},
            remark="unknown is not down: no finding for the link or the circuit",
        ),
        Step(
            "The session comes back",
            lambda company: company.connect("edge-1"),
            _cleared(feed),
            links={"primary": "up", "secondary": "up"},
        ),
    )


PLANNED = "planned work"
TEST = "ermon.yml gets the VLAN and the route filter to compare, and ermon verify tests the circuit"
COMPARED = ", vlan: 100, route_filter: office"
"""What is added to the circuit's settings then."""


def _cut_primary(company: Company) -> None:
    company.microsoft.cut("primary")
    company.withdraw("edge-1", *PRIMARY)


def _mend_primary(company: Company) -> None:
    company.microsoft.bring_up("primary")
    company.announce("edge-1", *PRIMARY)


def _shut_down_by_microsoft(company: Company) -> None:
    company.microsoft.shut_down("secondary")
    company.shut_down_by_microsoft("edge-2", PLANNED)
    company.withdraw("edge-2", *SECONDARY)


def _bring_up_by_microsoft(company: Company) -> None:
    company.microsoft.bring_up("secondary")
    company.announce("edge-2", *SECONDARY)
    company.bring_up_by_microsoft("edge-2")


_Subjects = list[tuple[str, dict[str, str]]]


def _raised(subjects: _Subjects, *prefixes: str, reason: str = "") -> tuple[Expected, ...]:
    return tuple(Expected("raised", check, labels, prefixes, reason) for check, labels in subjects)


def _cleared(subjects: _Subjects) -> tuple[Expected, ...]:
    return tuple(Expected("cleared", check, labels) for check, labels in subjects)


# Playing it, and comparing it with ermon's reports -----------------------------------------------------


ACCEPTANCE = tuple(
    check.name
    for check in CATALOGUE.values()
    if isinstance(check.acceptance, Tested) and check.acceptance.step is AcceptanceStep.ACCEPTED
)
"""The checks that say whether Microsoft has accepted the pools."""
PATIENCE_SECONDS = 15.0
"""A report counts as missing after so long, in addition to the check's own timer."""


class UnexpectedError(Exception):
    """ermon's reports differ from the expected ones: one line for each difference."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Player:
    """Plays the steps in order. A different result is an ``UnexpectedError``."""

    def __init__(self, settings: Settings, company: Company, daemon: Daemon, screen: Screen) -> None:
        self.rows: list[Row] = []
        """The findings so far."""
        self._settings = settings
        self._config = settings.config
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
        own = len(self._config.exabgp_feeds)
        text = (
            f"{own} BGP sessions are in sync, edge-2 reports {len(feeds) - own} of its own; {routes} routes"
        )
        self._screen.fact(text, time.monotonic() - since)
        await self._see(dict.fromkeys(self._daemon.links, "up"), since)
        self._match([])
        self._screen.fact("nothing is raised")

    async def play(self, step: Step) -> None:
        """Make the step's change, and wait for the expected result."""
        since = time.monotonic()
        step.act(self._company)
        if step.links:
            await self._see(step.links, since)
        if step.findings:
            await self._hear(list(step.findings), since)
        if step.ask_azure:
            await self._ask_azure(step.ask_azure, since)
        if step.remark:
            self._screen.fact(step.remark)

    async def end(self) -> None:
        """Check that no finding is left."""
        self._match([])
        if raised := await self._daemon.raised():
            raise UnexpectedError([f"still raised: {finding.summary}" for finding in raised])

    async def test(self, compared: str) -> None:
        """Say what Azure must say, and walk Microsoft's test procedure with ``ermon verify``: the circuit must pass."""
        since = time.monotonic()
        self._reload(compared)
        waiting = ACCEPTANCE

        async def is_accepted() -> bool:
            nonlocal waiting
            statuses = await self._daemon.statuses()
            waiting = tuple(check for check in ACCEPTANCE if _outcomes(check, statuses) != {"ok"})
            return not waiting

        try:
            await self._daemon.poll(is_accepted, PATIENCE_SECONDS)
        except TimeoutError:
            raise UnexpectedError(f"not ok: {check}" for check in waiting) from None
        self._screen.fact("Azure says that Microsoft has accepted the NAT pool", time.monotonic() - since)
        tested = await verify(self._daemon.url, self._settings.file.parent)
        if tested.problems:
            raise UnexpectedError(tested.problems)
        self._screen.fact("Every step of ermon verify passes. It also walks Microsoft's own test procedure:")
        self._screen.procedure(tested.procedure)

    def _reload(self, compared: str = "") -> None:
        microsoft = self._company.microsoft
        config = self._settings.add_azure(microsoft.azure.host, compared)
        microsoft.show(config, config.circuits[CIRCUIT])
        self._daemon.reload()

    async def _ask_azure(self, wanted: str, since: float) -> None:
        """Wait until Microsoft's side is in the evidence of what is raised."""
        self._reload()
        sides: tuple[str, ...] = ()

        async def is_explained() -> bool:
            nonlocal sides
            said = [each.evidence.get("microsofts_side", ()) for each in await self._daemon.raised()]
            sides = tuple(side for sides in said for side in sides)
            return all(said) and all(wanted in side for side in sides)

        try:
            await self._daemon.poll(is_explained, PATIENCE_SECONDS)
        except TimeoutError:
            raise UnexpectedError([f"Microsoft's side should be {wanted!r}, and is {sides}"]) from None
        text = "Microsoft's edge router, by its tables in Azure, which the findings now show:"
        self._screen.learned(text, sides, time.monotonic() - since)

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
        """Wait until all expected findings have been reported."""
        deadline = since + PATIENCE_SECONDS + max(self._timer(expected) for expected in waiting)
        while waiting:
            try:
                await self._daemon.wait_until(self._daemon.has_reported, deadline - time.monotonic())
            except TimeoutError:
                raise UnexpectedError(_missing(waiting)) from None
            for expected, reported in self._match(waiting):
                self._enter(expected, reported, since)

    def _match(self, waiting: list[Expected]) -> list[tuple[Expected, Reported]]:
        """Take ermon's reports, and remove the expected ones from ``waiting``; no other report may come."""
        matched = []
        while self._daemon.has_reported():
            reported = self._daemon.take_reported()
            finding = reported.finding
            said = Expected(finding.state, finding.check, finding.labels)
            if said not in waiting:
                surplus = f"unexpected: {said}: {finding.summary} {finding.evidence}"
                raise UnexpectedError([surplus, *_missing(waiting)])
            expected = waiting.pop(waiting.index(said))
            named = tuple(finding.evidence.get("prefixes", ()))
            if finding.state == "raised" and named != expected.prefixes:
                raise UnexpectedError([f"{said} names {named} and not {expected.prefixes}"])
            sessions = "; ".join(finding.evidence.get("sessions", ()))
            if finding.state == "raised" and expected.reason not in sessions:
                raise UnexpectedError([f"{said} says of the sessions {sessions!r} and not {expected.reason}"])
            matched.append((expected, reported))
        return matched

    def _enter(self, expected: Expected, reported: Reported, since: float) -> None:
        subject = " ".join(expected.labels.values())
        latency = Latency(reported.at - since, self._timer(expected))
        finding = reported.finding
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
        """Return the check's own timer, in seconds."""
        check = CATALOGUE[expected.check]
        raised = expected.state == "raised"
        return check.raised_after(self._config) if raised else check.cleared_after(self._config)


def _outcomes(check: str, statuses: Iterable[SubjectDoc]) -> set[str]:
    return {each.status for each in statuses if each.check == check}


def _missing(waiting: Iterable[Expected]) -> list[str]:
    return [f"expected, but missing: {expected}" for expected in waiting]
