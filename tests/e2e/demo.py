"""Runs ``ermon demo`` as its users do: a process with a terminal's signals, and its children."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 120.0
"""Seconds after which a test fails whose condition has not come true, also on a slow machine."""
HELD = "Everything stays up"
"""The line that a demo with --hold prints at the end."""
BY_HAND = "The same test by hand:"
"""The line after it."""


class Demo:
    """A running ``ermon demo``, whose temporary files and processes can be distinguished from others."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = ""
        self.process = subprocess.Popen(
            (sys.executable, "-u", "-m", "ermon", "demo", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"},
            text=True,
            start_new_session=True,
        )

    def read_until(self, text: str) -> None:
        """Return when the demo has printed a line with ``text``."""
        for line in self.process.stdout or ():
            self.output += line
            if text in line:
                return
        raise AssertionError(f"the demo has ended without {text!r}:\n{self.output}")

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.output += rest
        return self.process.returncode

    def children(self) -> list[int]:
        """Return the processes that use the demo's temporary files, as all of its children do."""
        found = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if os.fsencode(self.folder) in command.read_bytes():
                    found.append(int(command.parent.name))
            except OSError:
                continue  # it has just ended
        return found

    def kill(self) -> None:
        """Kill the demo and its children, and remove its files."""
        self.process.kill()
        self.process.communicate()
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running_demo(*arguments: str) -> Iterator[Demo]:
    """Start a demo in its own folder, and remove everything at the end."""
    demo = Demo(Path(tempfile.mkdtemp(prefix="demo-")), *arguments)  # short, because it contains Unix sockets
    try:
        yield demo
    finally:
        demo.kill()
