"""A pool that RIPE's route collectors hear on the internet, from RIS Live to the page, over a restart, and in a replay."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bgp import PATIENCE
from tests.e2e.daemon import Daemon
from tests.ris.ripe import PEERS, Ripe, announcement, state_route

POOL, OWN = "198.51.100.0/28", "198.51.100.0/24"
CONFIGURATION = """
customer: {{asn: 64500, own_prefixes: [198.51.100.0/24]}}
collector: {{settle: 100ms}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {{router: edge-1, subnet: 203.0.113.0/30}}
      secondary: {{router: edge-1, subnet: 203.0.113.4/30}}
nat_pools: {{chi: {{circuit: chicago, prefixes: [198.51.100.0/28]}}}}
policy: {{public_space: [198.51.100.0/24, 203.0.113.0/24]}}
checks: {{pool-leak: {{clear_after: 100ms}}}}
feeds:
  ris: {{view: internet, source: ris-live, canary: [198.51.100.0/24], {settings}}}
"""


class Server:
    """RIPE on a thread of its own."""

    def __init__(self) -> None:
        self.ripe = Ripe(routes=[state_route(peer, OWN) for peer in PEERS[:3]])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._serving = self.ripe.serving()

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def __enter__(self) -> Ripe:
        self._thread.start()
        self.do(self._serving.__aenter__())
        return self.ripe

    def __exit__(self, *_: object) -> None:
        self.do(self._serving.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with made:
        yield made


def test_a_leak_that_ripe_hears_is_raised_outlives_a_restart_and_ends_with_a_state(
    tmp_path: Path, server: Server
) -> None:
    ripe, recordings = server.ripe, tmp_path / "recordings"
    flags = (f"--storage.path={tmp_path / 'state'}", f"--record.path={recordings}")
    configuration = yaml.safe_load(CONFIGURATION.format(settings=ripe.settings))
    with Daemon(tmp_path, configuration, *flags) as ermon:
        ermon.start()
        ermon.wait_until(lambda: ermon.feed("ris")["in_sync"] == {"ipv4": True}, "the feed is in sync")
        assert ermon.metric("ermon_ris_up", feed="ris") == 1
        server.do(ripe.say(announcement(PEERS[0], POOL), announcement(PEERS[1], POOL)))
        ermon.wait_until(lambda: ermon.findings("pool-leak", feed="ris"), "the leak is raised")
        [leak] = ermon.findings("pool-leak", feed="ris")
        assert (leak["evidence"]["peers"], leak["evidence"]["upstreams"]) == (2, ["64510 (2 peers)"])
        shown = _ermon("status", "--all", f"--socket={ermon.runtime}/control.sock", ok=(0, 1, 4))
        assert "ris" in shown
        ermon.end(signal.SIGTERM)
        ermon.start()
        ermon.wait_until(lambda: not ermon.findings("pool-leak"), "a state without it has come")
    told = [
        json.loads(line) for line in _ermon("replay", "ermon.yml", str(recordings), cwd=tmp_path).splitlines()
    ]
    leaks = [(each["state"], each["evidence"]["peers"]) for each in told if each["check"] == "pool-leak"]
    assert leaks[0] == ("raised", 2)


def _ermon(*arguments: str, cwd: Path | None = None, ok: tuple[int, ...] = (0,)) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "ermon", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode in ok, ran.stderr
    return ran.stdout
