from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ermon.api.answers import FindingDoc
from ermon.config.load import load_config
from ermon.demo.daemon import Reported
from ermon.demo.run import CONFIGURATION
from ermon.demo.screen import Screen
from ermon.demo.story import Expected, Player, Step, UnexpectedError
from tests.demo.findings import leak

LEAK = {"pool": "outbound", "family": "ipv4", "feed": "edge-1-isp-a", "uplink": "isp-a"}
LEAK6 = {"pool": "outbound", "family": "ipv6", "feed": "outside"}


class Ermon:
    """A stand-in for the daemon's API: sends given answers, and then nothing more."""

    def __init__(self, *told: Reported, links: dict[str, str] | None = None) -> None:
        self.links = {name: SimpleNamespace(state={"ipv4": state}) for name, state in (links or {}).items()}
        self.feeds: dict[str, Any] = {}
        self.still_raised: list[FindingDoc] = []
        self._told = deque(told)

    def has_reported(self) -> bool:
        return bool(self._told)

    def take_reported(self) -> Reported:
        return self._told.popleft()

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        if not condition():
            raise TimeoutError

    async def raised(self) -> list[FindingDoc]:
        return self.still_raised


def told(state: str, labels: dict[str, str], at: float = 0.0) -> Reported:
    return Reported(at, leak(state, labels, "it leaks"))


def step(*expected: Expected, links: dict[str, str] | None = None) -> Step:
    return Step("something happens", lambda company: None, expected, links or {})


def player(ermon: Ermon) -> Player:
    company: Any = None
    daemon: Any = ermon
    settings: Any = SimpleNamespace(config=load_config(CONFIGURATION).config)
    return Player(settings, company, daemon, Screen(io.StringIO()))


@pytest.mark.parametrize("labels", [LEAK, LEAK6])
async def test_an_expected_finding_is_entered(labels: dict[str, str]) -> None:
    playing = player(Ermon(told("raised", labels)))

    await playing.play(step(Expected("raised", "pool-leak", labels)))

    assert [(row.check, row.subject) for row in playing.rows] == [("pool-leak", " ".join(labels.values()))]


async def test_a_finding_that_does_not_come_is_named() -> None:
    playing = player(Ermon(told("raised", LEAK)))
    both = (Expected("raised", "pool-leak", LEAK), Expected("raised", "pool-leak", LEAK6))

    with pytest.raises(UnexpectedError) as error:
        await playing.play(step(*both))

    assert error.value.lines == ("expected, but missing: raised pool-leak outbound ipv6 outside",)


async def test_an_unexpected_finding_is_named_beside_the_missing_one() -> None:
    playing = player(Ermon(told("raised", LEAK6)))

    with pytest.raises(UnexpectedError) as error:
        await playing.play(step(Expected("raised", "pool-leak", LEAK)))

    assert error.value.lines == (
        "unexpected: raised pool-leak outbound ipv6 outside: it leaks {}",
        "expected, but missing: raised pool-leak outbound ipv4 edge-1-isp-a isp-a",
    )


async def test_a_finding_that_names_another_prefix_is_wrong() -> None:
    playing = player(Ermon(told("raised", LEAK6)))

    with pytest.raises(UnexpectedError, match=r"outside names \(\) and not \('2001:db8:100:1::/72',\)"):
        await playing.play(step(Expected("raised", "pool-leak", LEAK6, ("2001:db8:100:1::/72",))))


async def test_a_finding_that_is_cleared_is_not_one_that_is_raised() -> None:
    playing = player(Ermon(told("cleared", LEAK)))

    with pytest.raises(UnexpectedError):
        await playing.play(step(Expected("raised", "pool-leak", LEAK)))


async def test_a_link_in_another_state_is_named_with_both() -> None:
    playing = player(Ermon(told("raised", LEAK), links={"primary": "up", "secondary": "down"}))

    with pytest.raises(UnexpectedError, match=r"^link secondary should be unknown and is down$"):
        await playing.play(
            step(Expected("raised", "pool-leak", LEAK), links={"primary": "up", "secondary": "unknown"})
        )


async def test_findings_that_are_raised_at_the_end_are_named() -> None:
    ermon = Ermon()
    ermon.still_raised = [leak("raised", LEAK, "NAT pool outbound leaks")]

    with pytest.raises(UnexpectedError, match=r"^still raised: NAT pool outbound leaks$"):
        await player(ermon).end()


async def test_a_transition_after_the_last_step_is_a_failure() -> None:
    with pytest.raises(UnexpectedError, match="unexpected: cleared pool-leak"):
        await player(Ermon(told("cleared", LEAK))).end()


async def test_feeds_that_do_not_get_in_sync_are_named() -> None:
    ermon = Ermon()
    ermon.feeds = {
        "edge-1": SimpleNamespace(blind=False),
        "edge-2": SimpleNamespace(blind=True),
    }
    playing = player(ermon)
    playing._company = NoCompany()

    with pytest.raises(UnexpectedError, match=r"^not in sync: feed edge-2$"):
        await playing.converge()


class NoCompany:
    def connect_all(self) -> None:
        pass
