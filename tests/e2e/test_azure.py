"""Azure's own view of a circuit in a running daemon, from a file that `az` writes on a schedule."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from ermon.config.load import load_config
from ermon.demo.azure import circuit_document, write_file
from ermon.model.inventory import Config
from tests.e2e.company import Company, configuration, own_network

GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits"


def test_a_circuit_that_differs_in_azure_is_a_finding_which_a_restart_keeps(directory: Path) -> None:
    settings: dict[str, Any] = configuration(own_network())
    for name, circuit in settings["circuits"].items():
        circuit["azure"] = {"resource_id": f"{GROUP}/{name}", "from": "azure.json", "vlan": 100}
    settings.setdefault("checks", {})["azure-drift"] = {"raise_after": "0s"}
    name = next(iter(settings["circuits"]))
    company = Company(directory, settings, f"--storage.path={directory / 'state'}")
    config = load_config(company.daemon.config_file).config
    write(directory, config, vlan=101)
    with company.started():
        daemon = company.daemon
        finding = daemon.wait_until_raised("azure-drift", circuit=name)
        assert finding["evidence"]["azure"] == ["VLAN: 101 in Azure, 100 in ermon.yml"]
        assert daemon.metric("ermon_azure_age_seconds", circuit=name) >= 0
        assert daemon.status()["circuits"][name]["azure"]["current"]
        (directory / "azure.json").unlink()
        daemon.end(signal.SIGTERM)
        daemon.start()
        daemon.wait_until(lambda: daemon.status()["circuits"][name]["azure"]["problem"], "the file is missed")
        assert [one["id"] for one in daemon.findings("azure-drift", circuit=name)] == [finding["id"]]
        assert daemon.metric("ermon_azure_failures_total", circuit=name, kind="file") >= 1
        write(directory, config, vlan=100)
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda: not daemon.findings("azure-drift"), "the finding is cleared")


def write(directory: Path, config: Config, vlan: int) -> None:
    documents = [circuit_document(config, circuit) for circuit in config.circuits.values()]
    documents[0]["properties"]["peerings"][0]["properties"]["vlanId"] = vlan
    write_file(directory / "azure.json", *documents)
