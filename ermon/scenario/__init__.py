"""Policy tests: scenarios written in YAML, played to the core without real time.

A scenario names a configuration, what the routers send and when, and which findings must be raised, cleared and not
raised. ``run_scenarios`` is the command ``ermon test``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TextIO

from ermon.config.load import ConfigError
from ermon.scenario.expectations import seconds, transition_text
from ermon.scenario.load import Scenario, find_files, load_scenarios
from ermon.scenario.play import Failure, Record

__all__ = ["run_scenarios"]


FINE, WRONG, INVALID = 0, 1, 2


def run_scenarios(paths: Sequence[Path], *, verbose: bool, out: TextIO, err: TextIO) -> int:
    """Play the scenarios of files and folders; print one line for each to ``out``, errors to ``err``.

    ``verbose`` prints the timeline of every scenario, otherwise only those of failed ones. Return 0 if all have passed,
    1 if one has failed, 2 if a file is invalid: then nothing is played.
    """
    scenarios = _load(paths, err)
    if scenarios is None:
        return INVALID
    failed = 0
    for file, of_file in groupby(scenarios, key=lambda each: each.file):
        print(file, file=out)
        for scenario in of_file:
            record = scenario.play()
            found = scenario.failures(record)
            failed += bool(found)
            for note in scenario.notes:
                print(f"{file}: {note}", file=err)
            print(f"  {'FAIL' if found else 'ok  '}  {scenario.name}", file=out)
            for line in report(scenario, record, found) if found or verbose else ():
                print(f"        {line}", file=out)
    print(f"\n{len(scenarios) - failed} passed, {failed} failed", file=out)
    return WRONG if failed else FINE


def _load(paths: Sequence[Path], err: TextIO) -> list[Scenario] | None:
    scenarios: list[Scenario] = []
    invalid = False
    for file in dict.fromkeys(find_files(paths)):
        try:
            scenarios += load_scenarios(file)
        except ConfigError as error:
            invalid = True
            print(error, file=err)
    if not scenarios and not invalid:
        print(f"ermon: there are no scenarios in {', '.join(map(str, paths))}", file=err)
        return None
    return None if invalid else scenarios


def report(scenario: Scenario, record: Record, found: Sequence[Failure]) -> list[str]:
    """Return the failed expectations, and the timeline of events and findings."""
    lines = [str(scenario.problem(failure)) for failure in found]
    line = [(act.at, number, 0, act.text) for number, act in enumerate(scenario.acts)]
    line += [(each.time, each.step, 1, f"  {transition_text(each.transition)}") for each in record.reported]
    line.append((record.ended, len(scenario.acts), 2, "(the end)"))
    lines += [f"{seconds(time):>10}  {text}" for time, _, _, text in sorted(line, key=lambda each: each[:3])]
    return lines
