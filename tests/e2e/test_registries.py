"""VRPs as a validator serves them, in a running daemon: from StayRTR to a finding, and over a restart."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bgp import free_port, require
from tests.e2e.company import Company, configuration, own_network

ABOUT_US = {"pool": "chi-outbound", "family": "ipv4"}


def vrps(asn: int) -> str:
    """Return a list of VRPs as rpki-client writes it."""
    roa = {"asn": asn, "prefix": "198.51.100.0/24", "maxLength": 28, "ta": "trial", "expires": 4000000000}
    return json.dumps({"metadata": {"buildtime": "2026-11-30T06:10:00Z"}, "roas": [roa]})


@contextlib.contextmanager
def stayrtr(file: Path, port: int) -> Iterator[None]:
    """Serve a list by StayRTR (Debian's package), in the form that it gives to others."""
    process = subprocess.Popen(
        [
            *(
                "stayrtr",
                "-cache",
                str(file),
                "-checktime=false",
                "-bind",
                f"127.0.0.1:{free_port('127.0.0.1')}",
            ),
            *("-metrics.addr", f"127.0.0.1:{port}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_roa_of_another_as_is_a_finding_that_outlives_the_validator_and_a_restart(directory: Path) -> None:
    require(shutil.which("stayrtr") is not None, "StayRTR")
    port, file = free_port("127.0.0.1"), directory / "vrps.json"
    settings = configuration(own_network())
    settings["ownership"] = {"vrps": [{"from": f"http://127.0.0.1:{port}/rpki.json", "refresh": "1s"}]}
    label = f"vrps:127.0.0.1:{port}/rpki.json"
    company = Company(directory, settings, f"--storage.path={directory / 'state'}")
    file.write_text(vrps(64999))
    with company.started():
        daemon = company.daemon
        with stayrtr(file, port):
            finding = daemon.wait_until_raised("pool-roa", **ABOUT_US)
            assert finding["evidence"]["vrps"] == ["198.51.100.0/24 AS64999, up to /28"]
            assert daemon.metric("ermon_source_age_seconds", source=label) >= 0
            ownership = daemon.status()["pools"]["chi-outbound"]["ownership"]["ipv4"]
            assert ownership["vrps"] == ["198.51.100.0/24 AS64999, up to /28"]
            assert ownership["read_at"].endswith("Z")
        daemon.wait_until(
            lambda: daemon.findings("pool-roa", **ABOUT_US)[0]["stale"], "the list counts no more"
        )
        daemon.end(signal.SIGTERM)
        daemon.start()
        assert [one["id"] for one in daemon.findings("pool-roa", **ABOUT_US)] == [finding["id"]]
        file.write_text(vrps(64500))
        with stayrtr(file, port):
            daemon.wait_until_cleared("pool-roa")


def test_a_file_is_read_when_ermon_is_reloaded(directory: Path) -> None:
    settings = configuration(own_network())
    settings["ownership"] = {"vrps": [{"from": "vrps.json"}], "route_objects": [{"from": "irr.txt"}]}
    (directory / "irr.txt").write_text("route: 198.51.100.0/24\norigin: AS64999\nsource: RADB\n")
    (directory / "vrps.json").write_text(vrps(64999))
    with Company(directory, settings).started() as company:
        daemon = company.daemon
        daemon.wait_until_raised("pool-roa", **ABOUT_US)
        finding = daemon.wait_until_raised("pool-unregistered", **ABOUT_US)
        assert finding["evidence"]["route_objects"] == ["198.51.100.0/24 AS64999 (RADB)"]
        replacement = directory / "vrps.json.new"
        replacement.write_text(vrps(64500))
        replacement.replace(directory / "vrps.json")
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_until_cleared("pool-roa")
        daemon.wait_until_cleared("pool-unregistered", **ABOUT_US)  # a ROA is a registration too
