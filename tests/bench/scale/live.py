"""Measures the steps of the event loop while a running daemon reloads.

The daemon is the real one, with its ExaBGP processes and without a router. The routes that a reload judges again are
measured by the job ``reload``.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.children import cpu_seconds, ended, ermon
from tests.bench.scale.network import CHANGED, CONFIG, PORT
from tests.bgp import PATIENCE, free_port

POLL_SECONDS = 0.1


def reload_live(folder: Path, limit: float) -> list[dict[str, Any]] | None:
    """Return the longest steps of the event loop during a reload, the longest first.

    Return ``None`` if the daemon and its children have used ``limit`` CPU seconds before it was over.
    """
    port = free_port("127.0.0.1", "127.2.0.1")
    live = folder / "live"
    live.mkdir(mode=0o700)
    file, log = live / CONFIG, live / "ermon.log"
    texts = [(folder / name).read_text(encoding="ascii") for name in (CONFIG, CHANGED)]
    before, after = (text.replace(f"port: {PORT}", f"port: {port}") for text in texts)
    file.write_text(before, encoding="ascii")
    with ermon(file, live, module=("tests.bench.hold", "--json")) as (pid, web):

        def until(condition: Callable[[], bool]) -> bool:
            while not condition():
                if cpu_seconds(pid) > limit:
                    return False
                if ended(pid):
                    raise RuntimeError("ermon has ended")
                time.sleep(POLL_SECONDS)
            return True

        def said(text: str) -> bool:
            return until(lambda: text in log.read_text(encoding="utf-8")) and until(lambda: _ready(web))

        def reported(count: int) -> bool:
            os.kill(pid, signal.SIGUSR2)
            return until(lambda: len(_reports(log)) == count)

        if not (said('"ermon runs"') and reported(1)):
            return None
        file.write_text(after, encoding="ascii")
        os.kill(pid, signal.SIGHUP)
        return _reports(log)[1] if said('"configuration reloaded"') and reported(2) else None


def _ready(web: str) -> bool:
    """Send a request to the daemon. When it answers, all earlier steps are over."""
    try:
        with urllib.request.urlopen(f"http://{web}/-/ready", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _reports(log: Path) -> list[list[dict[str, Any]]]:
    """Return the reports of ``tests.bench.hold`` among the lines of the log."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("[") and line.endswith("]")]
