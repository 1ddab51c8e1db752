"""The tables of Microsoft's edge routers in the daemon."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ermon.azure.table_files import TablesRead
from ermon.core.monitor import Outcome
from ermon.daemon.azure_tables import EdgeTables, asking
from ermon.model.events import AzureTables
from ermon.model.findings import TransitionState
from ermon.model.inventory import Circuit
from tests.networks import REPORTED

LINK = ("chicago", "primary")


class Driver:
    """Notes the events; its clocks differ by a day."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(now=lambda: 1_000_000.0)
        self.events: list[Any] = []

    def wall(self) -> float:
        return 1_086_400.0

    def take_in(self, event: Any) -> None:
        self.events.append(event)


async def nothing(circuit: Circuit, device: str) -> TablesRead:
    raise AssertionError((circuit, device))


def tables(driver: Driver) -> EdgeTables:
    return EdgeTables(REPORTED, Path(), nothing, driver=driver)  # type: ignore[arg-type]


def test_what_is_read_has_the_time_of_events_whatever_the_wall_clock_says():
    driver = Driver()
    tables(driver)._taken(LINK, TablesRead(asked=1_086_300.0, neighbors=()))
    assert driver.events == [AzureTables(1_000_000.0, LINK, 999_900.0, neighbors=())]


def test_a_problem_is_an_event_once_and_so_is_its_end():
    driver = Driver()
    edge = tables(driver)
    for _ in range(3):
        edge._taken(LINK, TablesRead(problems=["HTTP 503", "no such file"]))
    assert [event.problem for event in driver.events] == ["HTTP 503; no such file"]
    edge._taken(LINK, TablesRead(asked=1_086_400.0, arp=()))
    edge._taken(LINK, TablesRead(asked=1_086_400.0, arp=()))
    assert [event.problem for event in driver.events] == ["HTTP 503; no such file", "", ""]


def test_a_finding_on_a_circuit_is_a_question_to_azure_unless_azure_is_its_reason():
    edge, asked = tables(Driver()), []
    edge.out_of_turn = asked.append  # type: ignore[method-assign,assignment]
    for state, check, labels in (
        (TransitionState.RAISED, "link-down", {"circuit": "chicago", "link": "primary"}),
        (TransitionState.CLEARED, "link-down", {"circuit": "dallas"}),
        (TransitionState.RAISED, "azure-not-accepted", {"circuit": "dallas"}),
        (TransitionState.RAISED, "feed-down", {"feed": "edge-1"}),
    ):
        finding: Any = SimpleNamespace(check=check, labels=labels)
        transition: Any = SimpleNamespace(state=state, finding=finding)
        asking(lambda: edge)(Outcome(transitions=[transition]))
    assert asked == ["chicago"]
