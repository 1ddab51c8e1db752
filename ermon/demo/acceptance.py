"""The acceptance test at the end of the demo: the real ``ermon verify`` tests the circuit, and walks Microsoft's test procedure."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from ermon.demo import launch
from ermon.demo.child import Child

VERIFY_SECONDS = 30.0
"""How long the test may take: a second, unless the machine is very busy."""


class ProcedureStep(msgspec.Struct, frozen=True):
    """A step of Microsoft's procedure, as ``ermon verify --json`` prints it."""

    number: int
    title: str
    status: str | None
    """``None``: another tool shows it."""
    text: str
    eyes: tuple[str, ...] = ()


class _Step(msgspec.Struct, frozen=True):
    title: str
    status: str
    summary: str


class _Circuit(msgspec.Struct, frozen=True):
    steps: tuple[_Step, ...]
    procedure: tuple[ProcedureStep, ...]


class _Report(msgspec.Struct, frozen=True):
    circuits: tuple[_Circuit, ...]


class Accepted(msgspec.Struct, frozen=True):
    """The result of the test of a circuit."""

    problems: tuple[str, ...]
    """What did not pass: one line for each step."""
    procedure: tuple[ProcedureStep, ...]


async def verify(url: str, directory: Path) -> Accepted:
    """Run ``ermon verify`` for an ermon at a URL; ``DemoError`` when it prints no report. ``directory`` is for its output."""
    output = directory / "verify.json"
    command = (sys.executable, "-P", launch.__file__, str(os.getpid()), "verify", "--url", url, "--json")
    child = Child("ermon verify", command, output, {})
    async with child:
        await child.wait(VERIFY_SECONDS)
    try:
        report = msgspec.json.decode(output.read_bytes(), type=_Report)
    except msgspec.DecodeError as error:
        raise child.failure("prints no report") from error
    circuit = report.circuits[0]
    tested = [(step.title, step.status, step.summary) for step in circuit.steps]
    walked = [
        (f"step {step.number}, {step.title}", step.status or "pass", step.text) for step in circuit.procedure
    ]
    problems = [
        f"{title}: {status}: {text}" for title, status, text in (*tested, *walked) if status != "pass"
    ]
    return Accepted(tuple(problems), circuit.procedure)
