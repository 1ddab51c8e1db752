"""Scenario files for the tests of their reader, about the company of ``tests/scenarios``."""

from __future__ import annotations

from pathlib import Path

from ermon.config.load import ConfigError, load_config
from ermon.scenario.load import Scenario, load_scenarios

COMPANY = Path(__file__).parents[1] / "scenarios" / "networks" / "company.yml"
CONFIG = load_config(COMPANY).config
START = 1_767_225_600.0
"""2026-01-01T00:00:00Z, the default start of a scenario."""


def write(folder: Path, steps: str, *, more: str = "", head: str = "") -> Path:
    """Write a file with one scenario of these steps; ``more`` is added to the scenario, ``head`` to the file."""
    file = folder / "policy.yml"
    lines = [f"config: {COMPANY}", *head.splitlines(), "scenarios:", "  - name: it works", *more.splitlines()]
    lines += ["    steps:", *(f"      {line}" for line in steps.strip().splitlines())]
    file.write_text("\n".join(lines) + "\n")
    return file


def read(folder: Path, steps: str, *, more: str = "", head: str = "") -> Scenario:
    return load_scenarios(write(folder, steps, more=more, head=head))[0]


def errors(file: Path) -> list[str]:
    """Return the mistakes in a file, without its name."""
    try:
        load_scenarios(file)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{file}:") for problem in error.problems]
    return []


def unmet(scenario: Scenario) -> list[str]:
    """Return the expectations that are not met, without their places."""
    return [failure.message for failure in scenario.failures(scenario.play())]
