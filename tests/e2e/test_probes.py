"""Debian's blackbox_exporter probes what ermon names, with the shipped files, and Prometheus joins both."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ermon import cli, rules
from ermon.rules import RuleSet
from tests import bgp
from tests.e2e.company import Company, configuration, own_network
from tests.e2e.daemon import PATIENCE, eventually
from tests.e2e.prometheus import INTERVAL, Prometheus

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
LABELS = {"ms_service": "exchange-online", "geo": "us"}
UNREACHABLE = {"alertname": "ErmonServiceUnreachable", "severity": "critical", **LABELS}


@contextlib.contextmanager
def blackbox(address: str) -> Iterator[None]:
    """Run blackbox_exporter with the shipped modules."""
    bgp.require(shutil.which("prometheus-blackbox-exporter") is not None, "blackbox_exporter")
    arguments = (f"--config.file={SHIPPED / 'blackbox.yml'}", f"--web.listen-address={address}")
    process = subprocess.Popen(["prometheus-blackbox-exporter", *arguments], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextlib.contextmanager
def service(port: int = 0) -> Iterator[int]:
    """A host of the service: the kernel accepts its connections."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener.getsockname()[1]


def job(ermon: str, exporter: str) -> dict[str, Any]:
    """The shipped scrape job, with these addresses and quick."""
    text = (SHIPPED / "probes.yml").read_text()
    for shipped, own in (("http://127.0.0.1:10179", ermon), ("127.0.0.1:9115", exporter)):
        assert shipped in text
        text = text.replace(shipped, own)
    [found] = yaml.safe_load(text)["scrape_configs"]
    found["http_sd_configs"][0]["refresh_interval"] = INTERVAL
    return {**found, "scrape_interval": INTERVAL}


def test_a_service_that_does_not_answer_although_its_routes_are_there_is_an_alert(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exporter = f"127.0.0.1:{bgp.free_port('127.0.0.1')}"
    settings = configuration(own_network())
    with contextlib.ExitStack() as stack:
        with service() as port:
            settings["probes"] = [{"service": "exchange-online", "target": f"localhost:{port}"}]
            company = stack.enter_context(Company(directory, settings).running())
            url = f"http://{company.daemon.address}"
            assert cli.run(["render", "probes", f"--url={url}"]) == 0
            named = json.loads(capsys.readouterr().out)
            assert named == [{"targets": [f"localhost:{port}"], "labels": LABELS}]
            stack.enter_context(blackbox(exporter))
            file = directory / "probes.rules.yml"
            file.write_text(rules.render([RuleSet.PROBES]).replace("for: 5m", f"for: {INTERVAL}"))
            ermon = company.daemon.address
            server = Prometheus(directory / "prometheus", [ermon], [file], jobs=[job(url, exporter)])
            stack.enter_context(server.running())
            succeeds = (
                f'probe_success{{instance="localhost:{port}", ms_service="exchange-online", geo="us"}} == 1'
            )
            eventually(lambda: server.query(succeeds), "the probe succeeds")
            eventually(lambda: server.query("group:ermon_service_routes:max > 0"), "the routes are there")
            assert server.alerts() == []
        eventually(lambda: server.alerts() == [UNREACHABLE], "the service does not answer")
        with service(port):
            eventually(lambda: server.alerts() == [], "the service answers again")
