"""The command line of `ermon render azure-role`."""

from __future__ import annotations

import json
from pathlib import Path

from ermon import cli

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network"


def test_the_role_can_be_assigned_where_the_circuits_are(tmp_path, capsys):
    file = tmp_path / "ermon.yml"
    file.write_text(REFERENCE.read_text().replace("    # azure: {resource_id", "    azure: {resource_id"))
    assert cli.run(["render", "azure-role", f"--config.file={file}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["Name"], found["AssignableScopes"]) == ("ermon", [GROUP])
    assert "Microsoft.Network/expressRouteCircuits/read" in found["Actions"]


def test_without_a_circuit_in_azure_there_is_no_role(capsys):
    assert cli.run(["render", "azure-role", f"--config.file={REFERENCE}"]) == 2
    assert "no circuit has azure" in capsys.readouterr().err
