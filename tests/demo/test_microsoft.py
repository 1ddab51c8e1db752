"""The demo's stand-in for Azure: ermon reads from it what the story says."""

from __future__ import annotations

import json
from pathlib import Path

from ermon.azure.circuit import find_circuit, read_circuits, reading_of
from ermon.azure.client import ArmClient
from ermon.azure.table_arm import ask_device
from ermon.azure.table_files import TablesRead
from ermon.config.load import load_config
from ermon.config.secrets import read_secrets
from ermon.demo.company import POOL, POOL6, PRIMARY
from ermon.demo.run import CONFIGURATION, far_end
from ermon.demo.settings import CIRCUIT, Settings
from ermon.demo.story import COMPARED
from ermon.model.azure_tables import arp_problem

OUR_POOLS = {POOL.prefix, POOL6.prefix}


def from_us(tables: TablesRead) -> set[str]:
    return {route.network for route in tables.routes or () if 64500 in route.asns}


def states(tables: TablesRead) -> dict[str, str]:
    return {neighbor.address: neighbor.state for neighbor in tables.neighbors or ()}


async def test_ermon_logs_in_and_reads_what_the_routers_do(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "ermon.yml", CONFIGURATION.read_text(encoding="utf-8"))
    microsoft = far_end()
    async with microsoft.listening():
        microsoft.write_files(tmp_path)
        config = settings.add_azure(microsoft.azure.host, COMPARED)
        assert load_config(settings.file).warnings == ()
        circuit = config.circuits[CIRCUIT]
        microsoft.show(config, circuit)
        secrets = read_secrets(config, settings.file)
        assert config.azure is not None
        assert circuit.azure is not None
        client = ArmClient(config.azure, secrets.azure, secrets.azure_tls)

        document = json.dumps(await client.get(circuit.azure.resource_id)).encode()
        found = find_circuit(read_circuits(document), circuit.azure.resource_id)
        reading = reading_of(found, circuit.peering)
        assert set(reading.prefixes) == OUR_POOLS
        assert (reading.vlan, reading.ipv4.route_filter) == (circuit.azure.vlan, circuit.azure.route_filter)

        good = await ask_device(client, circuit, "primary")
        assert good.problems == []
        assert from_us(good) == OUR_POOLS
        assert {route.prefix for route in PRIMARY} == {r.network for r in good.routes or ()} - OUR_POOLS
        assert states(good) == {"203.0.113.1": "1", "2001:db8:ffff::1": "1"}
        assert arp_problem(good.arp or ()) == ""
        assert good.traffic is not None

        microsoft.cut("primary")
        microsoft.shut_down("secondary")
        cut = await ask_device(client, circuit, "primary")
        shut = await ask_device(client, circuit, "secondary")
        assert from_us(cut) == from_us(shut) == set()
        assert set(states(cut).values()) == {"Idle"}
        assert states(shut) == {"203.0.113.5": "Idle (Admin)", "2001:db8:ffff::5": "Idle (Admin)"}
        assert "call the provider" in arp_problem(cut.arp or ())
        assert arp_problem(shut.arp or ()) == ""

        microsoft.bring_up("primary")
        assert from_us(await ask_device(client, circuit, "primary")) == OUR_POOLS
