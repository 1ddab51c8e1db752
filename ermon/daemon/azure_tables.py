"""The tables of Microsoft's edge routers in the daemon: what is read of them becomes events, and findings are questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from ermon.azure.table_files import TablesRead
from ermon.azure.table_keeper import AskDevice, TableKeeper
from ermon.core.monitor import Outcome
from ermon.daemon.driver import Driver, Listener
from ermon.model.events import AzureTables
from ermon.model.findings import TransitionState
from ermon.model.inventory import Config, LinkKey

OWN_CHECKS = "azure-"
"""Findings of these checks come from what Azure said; they are no reason to ask it again."""


class EdgeTables:
    """Keeps the tables of a configuration's circuits up to date. Nothing is read before ``run``.

    Folders are named relative to ``base``; ``ask`` asks Azure Resource Manager.
    """

    def __init__(self, config: Config, base: Path, ask: AskDevice, *, driver: Driver) -> None:
        self._driver = driver
        self._problems: dict[LinkKey, str] = {}
        """By link: the last reported problem."""
        self._log = structlog.get_logger()
        self._keeper = TableKeeper(base, ask, self._taken)
        self._keeper.reconfigure(config.circuits.values())

    async def run(self) -> None:
        await self._keeper.run()

    def reconfigure(self, config: Config) -> None:
        self._keeper.reconfigure(config.circuits.values())

    def out_of_turn(self, circuit: str) -> float | None:
        return self._keeper.out_of_turn(circuit)

    def reading(self, circuit: str) -> bool:
        return self._keeper.reading(circuit)

    def _taken(self, link: LinkKey, found: TablesRead) -> None:
        problem = "; ".join(found.problems)
        if self._problems.get(link, "") != problem:
            self._log_problem(link, problem)
            self._problems[link] = problem
        elif found.asked is None:
            return  # the same problem again
        now = self._driver.clock.now()
        age = 0.0 if found.asked is None else max(0.0, self._driver.wall() - found.asked)
        self._driver.take_in(
            AzureTables(
                now,
                link,
                round(now - age, 6),
                routes=found.routes,
                partial=found.partial,
                neighbors=found.neighbors,
                arp=found.arp,
                traffic=found.traffic,
                problem=problem,
            )
        )

    def _log_problem(self, link: LinkKey, problem: str) -> None:
        about = {"circuit": link[0], "link": link[1]}
        if problem:
            self._log.warning("Microsoft's tables cannot be read", **about, problem=problem)
        else:
            self._log.info("Microsoft's tables are read again", **about)


def asking(tables: Callable[[], EdgeTables]) -> Listener:
    """Read the tables of a circuit out of turn after a finding on it: they say what Microsoft sees."""

    def ask(outcome: Outcome) -> None:
        for transition in outcome.transitions:
            finding = transition.finding
            circuit = finding.labels.get("circuit")
            raised = transition.state is TransitionState.RAISED and not finding.check.startswith(OWN_CHECKS)
            if circuit is not None and raised:
                tables().out_of_turn(circuit)

    return ask
