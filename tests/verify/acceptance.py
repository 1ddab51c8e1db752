"""Runs ``ermon verify`` against a real web application on a story's monitor, and reads its report."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp.test_utils import TestServer

from ermon.cli import run
from ermon.web.app import make_app
from tests.checks.company import Company, company
from tests.story import Story
from tests.web.site import Site


@dataclass(frozen=True)
class Run:
    """The output of a command."""

    code: int
    out: str
    err: str

    def save(self, file: Path) -> Self:
        file.write_text(self.out)
        return self

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.out)

    def circuit(self, name: str = "chicago") -> dict[str, Any]:
        return next(c for c in self.report["circuits"] if c["circuit"] == name)

    def step(self, step: str, circuit: str = "chicago") -> dict[str, Any]:
        return next(found for found in self.circuit(circuit)["steps"] if found["id"] == step)

    def not_passed(self, circuit: str = "chicago") -> dict[str, str]:
        """By id: the steps that do not pass, and their texts."""
        steps = self.circuit(circuit)["steps"]
        return {step["id"]: step["status"] for step in steps if step["status"] != "pass"}

    def problems(self, step: str, circuit: str = "chicago") -> list[str]:
        """What fails or is unknown in a step, as ``fail pool-leak: …``."""
        return [
            f"{proof['status']} {proof['text']}"
            for proof in self.step(step, circuit)["evidence"]
            if proof["status"] != "pass"
        ]


def converged(*changes: str) -> Company:
    """The company after a minute of a good day."""
    net = company(*changes)
    for process in net.config.processes:
        net.process_up(process)
    return net.converge().wait(60)


async def ask(
    url: str, circuit: str | None = "chicago", *, as_json: bool = True, before: Path | None = None
) -> Run:
    """Run the command as a separate process would: on another thread, with its own event loop."""
    arguments = ["verify", "--url", url]
    arguments += [] if circuit is None else ["--circuit", circuit]
    arguments += ["--json"] if as_json else []
    arguments += [] if before is None else ["--before", str(before)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = await asyncio.to_thread(run, arguments)
    return Run(code, out.getvalue(), err.getvalue())


async def put_to_the_test(
    net: Story, circuit: str | None = "chicago", *, as_json: bool = True, before: Path | None = None
) -> Run:
    async with TestServer(make_app(Site(net).context())) as server:
        return await ask(str(server.make_url("/")), circuit, as_json=as_json, before=before)
