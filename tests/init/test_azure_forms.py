"""The output formats of Azure's tools for the same data, and what route filters, networks and states add to the
circuits.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ermon.init.answers import AnswerError, Answers
from ermon.init.azure import add_circuits
from ermon.init.designs import settle
from ermon.model.inventory import Peering
from tests.init.drafts import AZURE, LINKS_4, lints, raised_on_a_good_day, written


def read(*contents: Any) -> Answers:
    """Read bytes, or a value that is encoded as JSON."""
    answers = Answers()
    add_circuits(
        answers,
        [
            (f"{at}.json", each if isinstance(each, bytes) else json.dumps(each).encode())
            for at, each in enumerate(contents)
        ],
    )
    settle(answers)
    return answers


def known(name: str) -> Any:
    return json.loads((AZURE / name).read_bytes())


def rest(value: Any) -> Any:
    """Nest values as the REST API does: all but the name of a resource are in ``properties``."""
    if isinstance(value, list):
        return [rest(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {key: rest(each) for key, each in value.items()}
    outer = {key: inner.pop(key) for key in ("id", "name", "type", "sku", "location", "etag") if key in inner}
    return {**outer, "properties": inner} if {"id", "name"} <= outer.keys() else outer | inner


def pascal(value: Any) -> Any:
    """Write keys as PowerShell does."""
    if isinstance(value, list):
        return [pascal(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].upper() + key[1:]: pascal(each) for key, each in value.items()}


FORMS = {
    "az show": lambda circuit: circuit,
    "az list": lambda circuit: [circuit],
    "az rest of one": rest,
    "az rest of all": lambda circuit: {"value": [rest(circuit)], "nextLink": None},
    "PowerShell": pascal,
    "PowerShell 5.1, several": lambda circuit: {"value": [pascal(circuit)], "Count": 1},
    "UTF-16": lambda circuit: json.dumps(circuit).encode("utf-16"),
    "UTF-8 with a byte order mark": lambda circuit: json.dumps(circuit).encode("utf-8-sig"),
}


@pytest.mark.parametrize("name", ["microsoft.json", "both.json"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_says_the_same(form, name):
    assert read(form(known(name))) == read(known(name))


def test_redirected_output_of_windows_powershell_is_read(tmp_path):
    config = written(tmp_path, azure=["powershell-5.1.json"]).config
    (circuit,) = config.circuits.values()
    assert (circuit.name, circuit.peering, circuit.location) == ("er1", Peering.PRIVATE, "Chicago")
    assert [str(link.subnet) for link in circuit.links.values()] == ["172.16.0.0/30", "172.16.0.4/30"]


@pytest.mark.parametrize(
    "form", [list, lambda peerings: {"value": rest(peerings)}, pascal], ids=["list", "rest", "ps"]
)
def test_peerings_that_are_listed_apart_name_their_circuit(form):
    circuit = known("both.json")
    answers = read(form(circuit["peerings"]))
    assert {c.name: c.peering for c in answers.circuits.values()} == {
        "MyCircuit-private": Peering.PRIVATE,
        "MyCircuit": Peering.MICROSOFT,
    }
    assert answers.asn == 3320
    assert answers.circuits["MyCircuit"].location is None


def test_a_peering_beside_its_circuit_is_no_second_one():
    circuit = known("both.json")
    whole = read(circuit)
    assert read(circuit["peerings"][0], circuit).circuits.keys() == whole.circuits.keys()
    (first, second) = circuit["peerings"]
    assert read(circuit | {"peerings": [first]}, second) == whole
    assert read(second, circuit).circuits["MyCircuit"].location == "Silicon Valley"


def test_a_peering_without_its_circuit_is_refused():
    with pytest.raises(AnswerError, match=r"0.json: \$.id: does not name the circuit of the peering"):
        read(known("both.json")["peerings"][0] | {"id": "/x"})


def test_output_that_powershell_truncated_is_reported_with_the_remedy():
    with pytest.raises(
        AnswerError, match=r"peerings\[0\]: .*PowerShell has cut it off: use ConvertTo-Json -Depth 10"
    ):
        read(pascal(known("both.json")) | {"Peerings": ["Microsoft.Azure.Commands.Network.Models.PSPeering"]})


# Route filters -------------------------------------------------------------------------------------------


def route_filter(**more: Any) -> dict[str, Any]:
    rules = [{"access": "Allow", "communities": ["12076:5010", "12076:5020", "12076:51999"], "name": "rule"}]
    return {"name": "Filter", "id": "/subscriptions/0/routeFilters/Filter", "rules": rules, **more}


ON_PEERING = {
    "peerings": [{"id": "/subscriptions/0/EXPRESSROUTECIRCUITS/mycircuit/peerings/MicrosoftPeering"}]
}
SERVICES = ["exchange-online", "sharepoint-online", "12076:51999"]


@pytest.mark.parametrize(
    "form", [lambda f: [f], lambda f: {"value": [rest(f)]}, pascal], ids=["az", "rest", "ps"]
)
def test_the_services_are_those_of_the_route_filter_that_names_the_circuit(form):
    answers = read(form(route_filter(**ON_PEERING)), known("both.json"))
    assert {c.name: c.services for c in answers.circuits.values()} == {
        "MyCircuit-private": [],
        "MyCircuit": SERVICES,
    }
    assert read(known("both.json"), route_filter(**ON_PEERING)) == answers, "in any order"


@pytest.mark.parametrize("at", ["peering", "ipv6"])
def test_the_services_are_those_of_the_route_filter_that_the_peering_names(at):
    circuit = known("microsoft.json")
    peering = circuit["peerings"][0]
    (peering if at == "peering" else peering["ipv6PeeringConfig"])["routeFilter"] = {
        "id": "/0/routefilters/FILTER"
    }
    assert read(circuit, route_filter()).circuits["er-ams"].services == SERVICES


def test_an_unused_route_filter_is_left_out_and_reported():
    answers = read(known("microsoft.json"), route_filter(**ON_PEERING))
    assert answers.circuits["er-ams"].services == []
    assert answers.notes == ["Route filter Filter: left out, it belongs to no circuit that is given here."]


def test_a_rule_that_denies_adds_no_service():
    rules = [{"access": "Deny", "communities": ["12076:5010"]}]
    assert (
        read(known("both.json"), route_filter(**ON_PEERING) | {"rules": rules}).circuits["MyCircuit"].services
        == []
    )


# Virtual networks ----------------------------------------------------------------------------------------


def network(*prefixes: str) -> dict[str, Any]:
    return {"name": "vnet", "addressSpace": {"addressPrefixes": list(prefixes)}, "subnets": []}


@pytest.mark.parametrize(
    "form", [lambda n: [n], lambda n: {"value": [rest(n)]}, pascal], ids=["az", "rest", "ps"]
)
def test_virtual_networks_are_expected_on_private_peering(form, tmp_path):
    file = tmp_path / "vnets.json"
    file.write_text(json.dumps(form(network("10.64.0.0/16", "fd00:40::/48"))))
    config = written(tmp_path, azure=["both.json", str(file)]).config
    assert {name: [str(p) for p in circuit.receive.vnets] for name, circuit in config.circuits.items()} == {
        "MyCircuit-private": ["10.64.0.0/16", "fd00:40::/48"],
        "MyCircuit": [],
    }


def test_virtual_networks_without_private_peering_are_left_out_and_said():
    answers = read(known("microsoft.json"), network("10.64.0.0/16"))
    assert answers.notes == ["The virtual networks are left out: no circuit has private peering."]


# States --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "state", "said"),
    [
        ("serviceProviderProvisioningState", "NotProvisioned", "NotProvisioned of the provider's side"),
        ("serviceProviderProvisioningState", "Deprovisioning", "Deprovisioning of the provider's side"),
        ("circuitProvisioningState", "Disabled", "Disabled of the circuit (circuitProvisioningState)"),
        ("provisioningState", "Failed", "Failed of the resource (provisioningState)"),
    ],
)
def test_a_state_of_the_circuit_that_is_not_fine_is_one_note(field, state, said):
    (note,) = read(known("microsoft.json") | {field: state}).notes
    assert note.startswith(f"Circuit er-ams: Azure says {said}")


@pytest.mark.parametrize(
    "state", ["ValidationNeeded", "Configuring", "NotConfigured", "ManualValidationNeeded"]
)
def test_prefixes_that_are_not_validated_are_one_note_for_both_families(state):
    circuit = known("microsoft.json")
    peering = circuit["peerings"][0]
    for section in (peering, peering["ipv6PeeringConfig"]):
        section["microsoftPeeringConfig"]["advertisedPublicPrefixesState"] = state
    (note,) = read(circuit).notes
    assert note.startswith(f"Circuit er-ams: Azure says {state} of the advertised public prefixes, ")


def test_a_peering_that_azure_is_still_at_is_said():
    circuit = known("microsoft.json")
    circuit["peerings"][0]["provisioningState"] = "Updating"
    (note,) = read(circuit).notes
    assert note.startswith("Circuit er-ams: Azure says Updating of the peering")


@pytest.mark.parametrize("field", ["connections", "peeredConnections"])
def test_global_reach_is_said_since_own_space_comes_back_over_it(field):
    circuit = known("both.json")
    circuit["peerings"][0][field] = [{"id": "/0/connections/to-london", "addressPrefix": "192.0.2.8/29"}]
    (note, *_) = read(circuit).notes
    assert note.startswith("Circuit MyCircuit-private: Global Reach connects it with another circuit.")


def test_states_that_are_fine_are_not_spoken_of():
    assert read(known("microsoft.json")).notes == []


# AS numbers, families, places ----------------------------------------------------------------------------


def test_the_asn_that_prefixes_are_registered_to_may_originate_them(tmp_path):
    circuit = known("microsoft.json")
    circuit["peerings"][0]["microsoftPeeringConfig"]["customerASN"] = 3356
    file = tmp_path / "circuit.json"
    file.write_text(json.dumps(circuit))
    customer = written(tmp_path, azure=[str(file)]).config.customer
    assert (customer.asn, customer.origin_asns) == (3320, (3356,))


def test_ipv6_that_only_azure_knows_is_marked_and_ipv6_that_was_said_is_not(tmp_path):
    written(tmp_path, azure=["powershell-5.1.json"])
    text = (tmp_path / "ermon.yml").read_text()
    said = "# CHANGE: subnet6 is from Azure: remove it if your routers do not use IPv6 there"
    assert text.count(said) == 2
    folder = tmp_path / "said"
    folder.mkdir()
    link = "primary=edge-1,172.16.0.0/30,2001:db8:ffff::/126"
    written(folder, "--link", link, azure=["powershell-5.1.json"])
    assert (folder / "ermon.yml").read_text().count(said) == 1


def test_a_metro_circuit_has_a_link_at_each_of_its_sites(tmp_path):
    circuit = known("microsoft.json")
    circuit["serviceProviderProperties"]["peeringLocation"] = "Amsterdam Metro"
    file = tmp_path / "circuit.json"
    file.write_text(json.dumps(circuit))
    loaded = written(tmp_path, azure=[str(file)])
    (metro,) = loaded.config.circuits.values()
    assert (metro.location, metro.geo) == ("Amsterdam Metro", "europe")
    assert [link.location for link in metro.links.values()] == ["Amsterdam", "Amsterdam2"]
    assert (tmp_path / "ermon.yml").read_text().count("CHANGE: which of the two sites this link is at") == 0
    assert (tmp_path / "ermon.yml").read_text().count("which of the two sites this link is at") == 2
    assert raised_on_a_good_day(tmp_path) == ["view-missing"]


def test_a_metro_circuit_by_flags_is_at_its_sites_too(tmp_path):
    network = ("--asn", "3320", "--circuit", "zrh", "--location", "Zurich Metro", *LINKS_4)
    (metro,) = written(tmp_path, *network).config.circuits.values()
    assert (metro.geo, [link.location for link in metro.links.values()]) == ("europe", ["Zurich", "Zurich2"])


def test_no_example_takes_an_asn_of_azures(tmp_path):
    circuit = known("both.json")
    circuit["peerings"][0]["peerAsn"] = 65010
    circuit["peerings"][1]["microsoftPeeringConfig"]["customerASN"] = 65011
    file = tmp_path / "circuit.json"
    file.write_text(json.dumps(circuit))
    feeds = written(tmp_path, azure=[str(file)]).config.feeds.values()
    assert {feed.local_asn for feed in feeds} == {3320, 65012}


def test_examples_use_only_documentation_addresses(tmp_path):
    circuit = known("both.json")
    circuit["peerings"][0] |= {
        "primaryPeerAddressPrefix": "192.0.2.0/30",
        "secondaryPeerAddressPrefix": "192.0.2.4/30",
    }
    file = tmp_path / "circuit.json"
    file.write_text(json.dumps(circuit))
    loaded = written(tmp_path, "--own-prefix", "192.0.2.96/27", azure=[str(file)])
    feeds = loaded.config.feeds.values()
    assert {feed.peer for feed in feeds} == {"192.0.2.8", "192.0.2.9"}
    assert {feed.local for feed in feeds} == {"192.0.2.128", "192.0.2.129", "192.0.2.130"}
    folder = tmp_path / "all"
    folder.mkdir()
    every = written(folder, "--own-prefix", "192.0.2.0/24", azure=["both.json"]).config
    assert {feed.peer for feed in every.feeds.values()} == {"198.51.100.1", "198.51.100.2"}
    assert "router-id-taken" not in lints(loaded)
