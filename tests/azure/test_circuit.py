"""What ermon reads of a circuit, in every form that Azure's tools print, and what it refuses."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.azure.circuit import NoSuchCircuitError, find_circuit, read_circuits, reading_of
from ermon.azure.role import ACTIONS, role
from ermon.demo.azure import as_az_prints, circuit_document
from ermon.model.azure import AzurePeering, AzureReading
from ermon.model.inventory import Config, Peering
from ermon.scenario.azure_circuit import usual
from ermon.sources.published import SourceError
from tests.checks.company import PLANT, company

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er-chicago"


def asked() -> Config:
    azure = f"{{resource_id: {ID}, from: azure.json, vlan: 100, route_filter: office}}"
    plain = f"{{resource_id: {ID}, from: azure.json}}"
    return company(
        f"circuits: {{chicago: {{azure: {azure}}}}}", PLANT, f"circuits: {{plant: {{azure: {plain}}}}}"
    ).config


CONFIG = asked()
CHICAGO = CONFIG.circuits["chicago"]


def document() -> dict[str, Any]:
    return circuit_document(CONFIG, CHICAGO)


def read(data: Any, kind: Peering = Peering.MICROSOFT) -> AzureReading:
    return reading_of(find_circuit(read_circuits(json.dumps(data).encode()), ID.upper()), kind)


def powershell(data: Any) -> Any:
    """The same with capital initials."""
    if isinstance(data, list):
        return [powershell(each) for each in data]
    if isinstance(data, dict):
        return {key[:1].upper() + key[1:]: powershell(value) for key, value in data.items()}
    return data


@pytest.mark.parametrize(
    "form",
    [
        document(),
        [document()],
        {"value": [document()], "nextLink": None},
        as_az_prints(document()),
        [as_az_prints(document())],
        powershell(as_az_prints(document())),
    ],
    ids=["ARM", "ARM in a list", "ARM in value", "az show", "az list", "PowerShell"],
)
def test_every_form_says_the_same(form: Any):
    assert read(form) == usual(CONFIG, CHICAGO)


def test_private_peering_lists_no_prefixes():
    plant = CONFIG.circuits["plant"]
    found = read(circuit_document(CONFIG, plant), Peering.PRIVATE)
    assert (found.peering, found.prefixes, found.ipv4.primary) == (True, (), "172.16.0.0/30")


def test_the_other_peering_is_missing():
    assert read(document(), Peering.PRIVATE) == AzureReading(
        circuit_state="Enabled", provider_state="Provisioned", location="Chicago"
    )


def test_numbers_bits_and_odd_prefixes_are_read_leniently():
    data = as_az_prints(document())
    peering = data["peerings"][0]
    peering |= {"peerASN": -1000, "primaryPeerAddressPrefix": "203.0.113.1/30", "vlanId": None}
    peering["microsoftPeeringConfig"] |= {
        "advertisedPublicPrefixes": ["198.51.100.7/28", "TestPublicPrefix", ""],
        "customerASN": 64999,
        "advertisedPublicPrefixInfo": [
            {"prefix": "198.51.100.0/28", "validationState": "ValidationFailed"},
            {"prefix": "198.51.100.16/28", "validationState": "Configured"},
        ],
    }
    found = read(data)
    assert (found.peer_asn, found.vlan) == (2**32 - 1000, None)
    assert found.ipv4 == AzurePeering(
        state="Enabled",
        primary="203.0.113.0/30",
        secondary="203.0.113.4/30",
        route_filter="office",
        prefixes=("198.51.100.0/28",),
        prefix_state="Configured",
        not_validated=(("198.51.100.0/28", "ValidationFailed"),),
        customer_asn=64999,
    )


def test_a_circuit_on_a_port_of_expressroute_direct():
    data = as_az_prints(document())
    del data["serviceProviderProperties"]
    data["expressRoutePort"] = {"id": "/subscriptions/s/…/expressRoutePorts/p"}
    found = read(data)
    assert (found.direct, found.location) == (True, "")


def test_a_circuit_that_is_not_in_the_document_is_named():
    other = document() | {"id": ID + "-2", "name": "er-other\x1b[2J"}
    with pytest.raises(NoSuchCircuitError, match="ER-CHICAGO") as caught:
        read([other])
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"name": 1, "peerings": []}', b'{"error": {"code": "x"}}', b"<html>"]
)
def test_what_is_no_circuit_is_refused(content: bytes):
    with pytest.raises(SourceError):
        read_circuits(content)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(as_az_prints(document())["peerings"][0])), _JSON)
def test_no_field_of_a_peering_can_do_more_than_be_refused(key: str, value: Any):
    data = as_az_prints(document())
    data["peerings"][0][key] = value
    with contextlib.suppress(SourceError):
        assert isinstance(read(data), AzureReading)


def test_the_role_has_the_least_rights():
    found = json.loads(role([ID, ID.replace("/g/", "/G/"), ID.replace("/g/", "/other/")]))
    assert found["Actions"] == list(ACTIONS)
    assert not any("write" in action or "delete" in action or "*" in action for action in ACTIONS)
    assert found["AssignableScopes"] == [
        "/subscriptions/s/resourceGroups/G",
        "/subscriptions/s/resourceGroups/other",
    ]
