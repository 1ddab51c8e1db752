"""What ermon takes from Azure's description of a circuit, what it ignores, and which mistakes it reports, by field."""

from __future__ import annotations

import json

import pytest

from ermon.init.answers import AnswerError, Answers, LinkAnswers
from ermon.init.azure import add_circuits
from ermon.init.designs import settle
from ermon.model.inventory import Peering
from ermon.model.prefixes import parse_prefix
from tests.init.drafts import AZURE, written


def read(*names: str) -> Answers:
    answers = Answers()
    add_circuits(answers, [(name, (AZURE / name).read_bytes()) for name in names])
    settle(answers)
    return answers


def read_changed(change, name="microsoft.json") -> Answers:
    data = json.loads((AZURE / name).read_bytes())
    change(data)
    answers = Answers()
    add_circuits(answers, [("er.json", json.dumps(data).encode())])
    settle(answers)
    return answers


def test_a_circuit_with_both_families():
    answers = read("microsoft.json")
    assert answers.asn == 3320
    (circuit,) = answers.circuits.values()
    assert (circuit.name, circuit.location, circuit.peering, circuit.premium) == (
        "er-ams",
        "Amsterdam2",
        Peering.MICROSOFT,
        True,
    )
    assert circuit.links == {
        "primary": LinkAnswers(None, parse_prefix("192.0.3.0/30"), parse_prefix("2a00::/126"), True),
        "secondary": LinkAnswers(None, parse_prefix("192.0.3.4/30"), parse_prefix("2a00::4/126"), True),
    }


def test_advertised_prefixes_are_proposed_as_a_pool():
    (pool,) = read("microsoft.json").pools.values()
    assert pool.proposed
    assert list(map(str, pool.prefixes)) == ["192.0.4.0/28", "192.0.4.64/28", "2a00:1::/64"]


def test_prefixes_of_two_circuits_are_one_pool_of_both():
    pools = read("list.json").pools
    assert {name: (pool.circuits, list(map(str, pool.prefixes))) for name, pool in pools.items()} == {
        "er-ams-outbound": (["er-ams"], ["192.0.4.0/28"]),
        "er-lon-outbound": (["er-lon"], ["192.0.4.16/28"]),
        "shared": (["er-ams", "er-lon"], ["192.0.4.32/28"]),
    }


def test_both_peerings_of_a_circuit_are_two_circuits_here():
    answers = read("both.json")
    assert [(c.name, c.peering, c.premium) for c in answers.circuits.values()] == [
        ("MyCircuit-private", Peering.PRIVATE, False),
        ("MyCircuit", Peering.MICROSOFT, False),
    ]
    assert answers.asn == 3320


def test_several_files_are_one_network():
    assert list(read("microsoft.json", "both.json").circuits) == ["er-ams", "MyCircuit-private", "MyCircuit"]


def test_missing_and_unvalidated_values_are_reported():
    assert read("list.json").notes == [
        "Circuit er-ams, AzurePrivatePeering: left out, it is disabled in Azure.",
        "Circuit er-ams, AzurePublicPeering: left out, ermon watches Microsoft peering and private peering.",
    ]
    assert "Circuit MyCircuit: Azure says ValidationNeeded" in read("both.json").notes[0]


def test_a_disabled_family_is_left_out():
    answers = read_changed(lambda data: data["peerings"][0]["ipv6PeeringConfig"].update(state="Disabled"))
    assert answers.circuits["er-ams"].links["primary"].subnet6 is None


def test_no_secret_gets_into_the_file(tmp_path):
    written(tmp_path, azure=["both.json"])
    text = (tmp_path / "ermon.yml").read_text()
    assert "11111111-2222" not in text
    assert "A1B2C3D4" not in text


def test_the_peer_asn_of_microsoft_peering_is_the_customers():
    answers = read_changed(lambda data: data["peerings"][0].update(peerAsn=65020), "both.json")
    assert answers.asn == 3320
    assert any("MyCircuit-private has the peer ASN 65020" in note for note in answers.notes)


def test_circuits_that_disagree_on_the_asn_leave_it_open():
    answers = read_changed(lambda data: data[1]["peerings"][0].update(peerASN=3356), "list.json")
    assert answers.asn is None
    assert "The circuits have different peer ASNs in Azure: 3320 (er-ams), 3356 (er-lon)" in answers.notes[-1]


def test_an_asn_that_azure_shows_signed_is_read():
    answers = read_changed(lambda data: data["peerings"][0].update(peerASN=4_200_000_000 - 2**32))
    assert answers.asn == 4_200_000_000


def test_bits_behind_the_length_are_cut_off():
    answers = read_changed(lambda data: data["peerings"][0].update(primaryPeerAddressPrefix="192.0.3.1/30"))
    assert str(answers.circuits["er-ams"].links["primary"].subnet) == "192.0.3.0/30"


def test_express_route_direct_has_no_provider_and_its_location_stays_open():
    assert (
        read_changed(lambda data: data.update(serviceProviderProperties=None)).circuits["er-ams"].location
        is None
    )


@pytest.mark.parametrize("name", ["a b", "ä", "", "x" * 80, "../../etc", "a\nb: c", "_x"])
def test_any_name_becomes_one_that_the_configuration_takes(tmp_path, name):
    data = json.loads((AZURE / "microsoft.json").read_bytes())
    data["name"] = name
    file = tmp_path / "azure.json"
    file.write_text(json.dumps(data))
    (circuit,) = written(tmp_path, azure=[str(file)]).config.circuits
    assert circuit.isascii()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("name"), "er.json: $: Object missing required field `name`"),
        (lambda d: d.update(peerings=3), "er.json: $.peerings: Expected `array`, got `int`"),
        (
            lambda d: d["peerings"][0].update(peerASN="3320"),
            "er.json: $.peerings[0].peerASN: Expected `int | null`, got `str`",
        ),
        (
            lambda d: d["peerings"][0].update(secondaryPeerAddressPrefix="192.0.3.4"),
            "er.json: $.peerings[0].secondaryPeerAddressPrefix: '192.0.3.4' is not a prefix",
        ),
        (
            lambda d: d["peerings"][0]["ipv6PeeringConfig"].update(primaryPeerAddressPrefix="2a00::/129"),
            "er.json: $.peerings[0].ipv6PeeringConfig.primaryPeerAddressPrefix: '2a00::/129' is not a prefix",
        ),
        (
            lambda d: d["peerings"][0]["microsoftPeeringConfig"].update(advertisedPublicPrefixes=["x"]),
            "er.json: $.peerings[0].microsoftPeeringConfig.advertisedPublicPrefixes[0]: 'x' is not a prefix",
        ),
        (lambda d: d.update(peerings=[]), "--azure: there is no circuit with an enabled peering"),
        (lambda d: d.pop("peerings"), "er.json: $: Object missing required field `peerings`"),
    ],
)
def test_mistakes_are_reported_with_their_fields(change, message):
    with pytest.raises(AnswerError) as caught:
        read_changed(change)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"{}x"])
def test_data_that_is_not_json_is_refused(content):
    with pytest.raises(AnswerError, match=r"er.json: is not JSON: .*az network express-route show"):
        add_circuits(Answers(), [("er.json", content)])


@pytest.mark.parametrize("content", [b"3", b"[3]", b"null", b'"x"'])
def test_other_json_is_refused(content):
    with pytest.raises(AnswerError, match=r"er.json: \$.*Expected `object`"):
        add_circuits(Answers(), [("er.json", content)])
