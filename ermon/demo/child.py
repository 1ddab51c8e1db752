"""A child process of the demo, and the end of its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STOP_SECONDS = 5.0
"""How long a child has to end after SIGTERM."""

LAST_LINES = 10
"""The number of log lines to show when a child ended by itself."""


_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "PYTHONHOME")
"""The only variables of the environment that a child gets: no settings for another ermon or ExaBGP."""


class DemoError(Exception):
    """A part of the demo cannot run; the text says which part and why."""


class Child:
    """A process that runs inside ``async with``; its output goes to the file ``log``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        settings: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        """``settings`` are environment variables; the child inherits the open ``descriptors``."""
        self.name = name
        self._command = command
        self._log = log
        self._descriptors = descriptors
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._environment = inherited | dict(settings)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=self._descriptors,
                process_group=0,  # Ctrl-C in a terminal goes to the demo only, which then stops its children
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self.process.terminate, self.process.kill):
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    end()
                await self.wait(STOP_SECONDS)

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, f"{self.name} was not started"  # a bug
        return self._process

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def wait(self, seconds: float) -> None:
        """Return when the process has ended, or after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), seconds)

    def failure(self, what: str) -> DemoError:
        """Return an error that says ``what`` happened to this process, with the end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        said = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        status = "" if self.running else f" (ended with status {self.process.returncode})"
        return DemoError(f"{self.name} {what}{status}. The last lines of its log:\n{said}")


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Return when these tasks have ended, with or without an error."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
