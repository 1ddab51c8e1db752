"""Runs a real Prometheus that scrapes ermons every second instead of every fifteen."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import yaml

from tests import bgp
from tests.e2e.daemon import LOG_SHOWN, PATIENCE, eventually

INTERVAL = "1s"


def require() -> None:
    """Skip a test if there is no Prometheus; in CI, fail."""
    bgp.require(shutil.which("prometheus") is not None, "Prometheus")


class Series(NamedTuple):
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """One server: it scrapes ``targets`` as the job ``ermon``, and further ``jobs``, and sends alerts to ``alertmanagers``.

    Targets and Alertmanagers are addresses, ``HOST:PORT``. ``directory`` is for all of its files, and need not exist yet.
    """

    def __init__(
        self,
        directory: Path,
        targets: Sequence[str] = (),
        rule_files: Sequence[Path] = (),
        alertmanagers: Sequence[str] = (),
        *flags: str,
        jobs: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_file = directory / "prometheus.log"
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._flags = flags
        configuration = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(file.resolve()) for file in rule_files],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
            "scrape_configs": [{"job_name": "ermon", "static_configs": [{"targets": list(targets)}]}, *jobs],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration, sort_keys=False))

    @contextlib.contextmanager
    def running(self) -> Iterator[Prometheus]:
        """Start it, wait until it answers, and stop it at the end."""
        require()
        arguments = (
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--log.format=json",
            *self._flags,
        )
        with self.log_file.open("wb") as log:
            process = self.process = subprocess.Popen(
                ["prometheus", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            eventually(lambda: self._find_address() or process.poll() is not None, "Prometheus listens")
            assert process.poll() is None, f"Prometheus has ended:\n{self.log_end()}"
            eventually(self._ready, "Prometheus is ready")
            yield self
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()

    # What it says ------------------------------------------------------------------------------------

    def query(self, expression: str) -> list[Series]:
        """Evaluate an expression now; returns an instant vector, or a scalar as one element without labels."""
        data = self.api(f"query?{urlencode({'query': expression})}")
        if data["resultType"] == "scalar":
            return [Series({}, float(data["result"][1]))]
        return [Series(found["metric"], float(found["value"][1])) for found in data["result"]]

    def alerts(self, state: str = "firing") -> list[dict[str, str]]:
        """The labels of all alerts in this state."""
        return [alert["labels"] for alert in self.api("alerts")["alerts"] if alert["state"] == state]

    def api(self, path: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}", timeout=PATIENCE) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    def log_end(self) -> str:
        return "\n".join(self.log_file.read_text().splitlines()[-LOG_SHOWN:])

    def wait_until_scraped(self, targets: int = 1) -> None:
        """Wait until this number of targets has been scraped successfully."""
        eventually(lambda: len(self.query('up{job="ermon"} == 1')) == targets, f"{targets} targets are up")

    def _find_address(self) -> bool:
        for line in self.log_file.read_text().splitlines():
            with contextlib.suppress(ValueError):  # half a line
                entry = json.loads(line)
                if entry.get("msg") == "Listening on":
                    self.url = f"http://{entry['address']}"
                    return True
        return False

    def _ready(self) -> bool:
        with contextlib.suppress(OSError), urlopen(f"{self.url}/-/ready", timeout=PATIENCE) as response:
            return bool(response.status == 200)
        return False
