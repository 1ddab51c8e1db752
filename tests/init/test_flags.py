"""Flags: to which circuit each belongs, what overrides Azure, and mistakes, with the configuration's messages."""

from __future__ import annotations

import pytest

from ermon.cli import parser
from ermon.init import FLAGS, Flag
from ermon.init.answers import AnswerError, Answers
from ermon.init.azure import add_circuits
from ermon.init.flags import add_flags
from ermon.model.inventory import Peering
from tests.init.drafts import AZURE, flags


def answered(*arguments: str, azure: str | None = None) -> Answers:
    answers = Answers()
    if azure is not None:
        add_circuits(answers, [(azure, (AZURE / azure).read_bytes())])
    add_flags(answers, flags(*arguments))
    return answers


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_of_the_command_is_read(flag: Flag):
    options = parser().parse_args(["init", f"{flag.name}==,"])
    with pytest.raises(AnswerError, match=f"^{flag.name}: "):
        add_flags(Answers(), options.given)


def test_flags_of_a_circuit_belong_to_the_one_before_them():
    answers = answered(
        *(
            "--circuit",
            "a",
            "--location",
            "Paris",
            "--circuit",
            "b",
            "--location",
            "Berlin",
            "--peering",
            "private",
        ),
        *("--circuit", "a", "--geo", "europe"),
    )
    assert {c.name: (c.location, c.geo, c.peering) for c in answers.circuits.values()} == {
        "a": ("Paris", "europe", None),
        "b": ("Berlin", None, Peering.PRIVATE),
    }


def test_before_the_first_circuit_it_is_for_all_of_azures():
    answers = answered("--geo", "emea", "--link", "primary=r1", "--link", "secondary=r2", azure="list.json")
    assert {circuit.geo for circuit in answers.circuits.values()} == {"emea"}
    assert {link.router for c in answers.circuits.values() for link in c.links.values()} == {"r1", "r2"}


def test_a_router_keeps_the_subnets_that_azure_knows():
    link = answered("--link", "primary=r1", azure="microsoft.json").circuits["er-ams"].links["primary"]
    assert (link.router, str(link.subnet), str(link.subnet6)) == ("r1", "192.0.3.0/30", "2a00::/126")


def test_pools_that_are_named_take_the_place_of_the_proposed_one():
    answers = answered("--pool", "web=192.0.4.0/28", "--pool", "mail=192.0.4.64/28", azure="microsoft.json")
    assert list(answers.pools) == ["web", "mail"]


def test_services_are_for_microsoft_peering():
    answers = answered("--service", "exchange-online,12076:5020", azure="both.json")
    assert {c.name: c.services for c in answers.circuits.values()} == {
        "MyCircuit-private": [],
        "MyCircuit": ["exchange-online", "12076:5020"],
    }


def test_an_asn_may_have_its_letters():
    assert answered("--asn", "AS3320").asn == 3320


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--asn", "x"), "--asn: must be an AS number, 1 to 4294967295, not 'X'"),
        (("--asn", "0"), "--asn: must be an AS number, 1 to 4294967295, not 0"),
        (
            ("--location", "Paris"),
            "--location: describes a circuit, but none is named; put --circuit NAME before it",
        ),
        (("--circuit", "a b"), "--circuit: 'a b' cannot be a name; use letters"),
        (("--circuit", "a", "--peering", "public"), "--peering: must be microsoft or private, not 'public'"),
        (("--circuit", "a", "--link", "third=r"), "--link: the links of a circuit are primary and secondary"),
        (
            ("--circuit", "a", "--link", "primary"),
            "--link: must be primary=ROUTER,SUBNET[,SUBNET6], not 'primary'",
        ),
        (
            ("--circuit", "a", "--link", "primary=r,192.0.3.1/30"),
            "--link: '192.0.3.1/30' is not a prefix; host bits are set: did you mean 192.0.3.0/30?",
        ),
        (("--circuit", "a", "--service", "exchnge-online"), "did you mean exchange-online"),
        (("--circuit", "a", "--pool", "=192.0.4.0/28"), "--pool: must be NAME=PREFIX[,PREFIX]"),
        (("--circuit", "a", "--pool", "p=0.0.0.0/0"), "--pool: 0.0.0.0/0 is a default route"),
        (
            ("--circuit", "a", "--peering", "private", "--pool", "p=192.0.4.0/28"),
            "--pool: a pool belongs to one circuit with Microsoft peering",
        ),
        (("--uplink", "isp=r"), "--uplink: must be NAME=ROUTER,ASN, such as isp-a=edge-1,64510"),
        (("--router", "r=10.0.0.1,10.0.0.2"), "--router: must be NAME=ADDRESS"),
        (("--collector", "fe80::1"), "--collector: fe80::1 is link-local"),
        (("--own-prefix", ","), "--own-prefix: must be prefixes such as"),
    ],
)
def test_mistakes_are_reported_with_their_flags(arguments, message):
    with pytest.raises(AnswerError) as caught:
        answered(*arguments)
    assert message in str(caught.value)
