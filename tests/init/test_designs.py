"""The designs that `ermon init` offers: each file loads, has no problem for `ermon check`, and raises nothing on a good
day.
"""

from __future__ import annotations

from collections import Counter

import pytest

from ermon.config.lint_catalogue import Weight
from ermon.config.lints import lint
from ermon.config.load import LoadedConfig
from ermon.init.answers import Answers
from ermon.init.designs import settle
from ermon.init.flags import add_flags
from ermon.init.run import InitError
from ermon.model.inventory import View
from tests.init.drafts import (
    AMSTERDAM,
    EXITS,
    LINKS,
    NOW,
    flags,
    raised_on_a_good_day,
    written,
)
from tests.init.test_questions import DESIGNS_TOLD, Person, ask

POOL = ("--pool", "out=192.0.4.0/28,2a00:1::/64", *EXITS, "--own-prefix", "2a00:1::/32")
AZURE = ("microsoft.json", "both.json", "list.json")

DESIGNS = {
    "one router": ("--design", "one-router"),
    "two routers": ("--design", "two-routers"),
    "both peerings in VRFs": ("--design", "vrfs"),
    "firewall cluster": ("--design", "firewall"),
    "layer-3 provider": ("--design", "provider", "--provider", "3356", "--asn", "64600"),
    "everything at once": ("--design", "vrfs,firewall,provider", "--provider", "3356", "--asn", "64600"),
}


def errors(loaded: LoadedConfig) -> list[str]:
    return [str(each) for each in lint(loaded, NOW) if each.weight is Weight.ERROR]


@pytest.mark.parametrize("file", AZURE)
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_every_design_of_azures_circuits_is_right_and_quiet_on_a_good_day(tmp_path, design, file):
    loaded = written(tmp_path, *design, azure=[file])
    assert loaded.warnings == ()
    assert errors(loaded) == []
    assert set(raised_on_a_good_day(tmp_path)) <= {"view-missing"}, "nobody said the exits"


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_every_design_of_circuits_by_flags_is_right_and_quiet_on_a_good_day(tmp_path, design):
    second = "edge-2" if {"one-router", "firewall"}.isdisjoint(design[1].split(",")) else "edge-1"
    links = (
        *("--link", "primary=edge-1,192.0.3.0/30,2a00::/126"),
        *("--link", f"secondary={second},192.0.3.4/30,2a00::4/126"),
    )
    private = (
        *("--circuit", "ams-private", "--location", "Amsterdam", "--peering", "private"),
        *("--link", "primary=edge-1,172.16.0.0/30,fd00::/126"),
        *("--link", f"secondary={second},172.16.0.4/30,fd00::4/126"),
    )
    loaded = written(tmp_path, *AMSTERDAM, *design, *links, *POOL, *private)
    assert loaded.warnings == ()
    assert errors(loaded) == []
    assert raised_on_a_good_day(tmp_path) == []


def routers(config) -> dict[str, list[str]]:
    return {
        name: [link.router for link in circuit.links.values()] for name, circuit in config.circuits.items()
    }


def tables(config) -> dict[str, tuple[str | None, str | None, bool]]:
    return {
        name: (feed.router, feed.vrf, feed.add_path)
        for name, feed in config.feeds.items()
        if feed.view is View.EDGE_TABLE
    }


def test_one_router_ends_both_links(tmp_path):
    config = written(tmp_path, "--design", "one-router", azure=["list.json"]).config
    assert routers(config) == {"er-ams": ["edge-1", "edge-1"], "er-lon": ["edge-2", "edge-2"]}


def test_in_vrfs_each_table_of_a_router_is_a_feed_with_addresses_of_its_own(tmp_path):
    config = written(tmp_path, "--design", "vrfs", azure=["both.json"]).config
    assert {name: circuit.links["primary"].vrf for name, circuit in config.circuits.items()} == {
        "MyCircuit-private": "PRIVATE",
        "MyCircuit": "MICROSOFT",
    }
    assert tables(config) == {
        "edge-1-PRIVATE": ("edge-1", "PRIVATE", True),
        "edge-2-PRIVATE": ("edge-2", "PRIVATE", True),
        "edge-1-MICROSOFT": ("edge-1", "MICROSOFT", True),
        "edge-2-MICROSOFT": ("edge-2", "MICROSOFT", True),
    }
    assert {str(address) for address in config.routers["edge-1"]} == {"192.0.2.1", "192.0.2.3"}
    peers = {(feed.router, feed.peer) for feed in config.feeds.values()}
    assert len(peers) == 4, "a router calls from another address out of each VRF"
    pairs = Counter((feed.peer, feed.local) for feed in config.feeds.values())
    assert set(pairs.values()) == {1}


def test_a_mirror_comes_from_the_vrf_of_its_link(tmp_path):
    config = written(tmp_path, "--design", "vrfs", azure=["both.json"]).config
    assert config.feeds["MyCircuit-primary"].peer == config.feeds["edge-1-MICROSOFT"].peer
    assert config.feeds["MyCircuit-private-primary"].peer == config.feeds["edge-1-PRIVATE"].peer


def test_the_vrf_and_the_address_in_it_can_be_said(tmp_path):
    config = written(
        tmp_path,
        *("--circuit", "MyCircuit", "--vrf", "BLUE", "--router", "edge-1/BLUE=10.0.0.1"),
        azure=["both.json"],
    ).config
    assert config.feeds["edge-1-BLUE"].peer == "10.0.0.1"
    assert config.feeds["edge-1"].vrf is None


def test_a_firewall_cluster_is_one_router_that_sends_best_paths(tmp_path):
    config = written(tmp_path, "--design", "firewall", azure=["list.json"]).config
    assert routers(config) == {"er-ams": ["firewall-1"] * 2, "er-lon": ["firewall-2"] * 2}
    assert tables(config) == {
        "firewall-1": ("firewall-1", None, False),
        "firewall-2": ("firewall-2", None, False),
    }


def test_two_firewalls_that_are_no_cluster_end_a_link_each(tmp_path):
    config = written(tmp_path, "--design", "firewall,two-routers", azure=["microsoft.json"]).config
    assert routers(config) == {"er-ams": ["firewall-1", "firewall-2"]}
    assert not any(all_paths for _, _, all_paths in tables(config).values())


def test_only_the_router_that_was_named_sends_best_paths(tmp_path):
    config = written(tmp_path, "--best-path", "edge-2", azure=["microsoft.json"]).config
    assert {name: all_paths for name, (_, _, all_paths) in tables(config).items()} == {
        "edge-1": True,
        "edge-2": False,
    }


def test_behind_a_provider_azures_peer_asn_is_the_providers_and_its_routers_tell_the_links(tmp_path):
    config = written(tmp_path, "--design", "provider", "--asn", "64600", azure=["microsoft.json"]).config
    assert (config.customer.asn, config.customer.provider_asns) == (64600, (3320,))
    links = config.circuits["er-ams"].links
    assert {len(link.match_next_hops) for link in links.values()} == {2}, "one for each family"
    assert not links["primary"].match_next_hops & links["secondary"].match_next_hops
    text = (tmp_path / "ermon.yml").read_text()
    assert text.count("the address of the provider's router, the next hop of its routes") == 2


def test_the_providers_router_can_be_said_and_is_not_marked_then(tmp_path):
    arguments = (
        "--provider-address",
        "primary=10.1.0.2,2a00:9::2",
        "--provider-address",
        "secondary=10.1.0.6,2a00:9::6",
    )
    config = written(
        tmp_path, "--provider", "3320", "--asn", "64600", *arguments, azure=["microsoft.json"]
    ).config
    found = {
        name: sorted(map(str, link.match_next_hops)) for name, link in config.circuits["er-ams"].links.items()
    }
    assert found == {"primary": ["10.1.0.2", "2a00:9::2"], "secondary": ["10.1.0.6", "2a00:9::6"]}
    assert "the address of the provider's router" not in (tmp_path / "ermon.yml").read_text()


def test_behind_a_provider_ours_is_the_asn_that_the_prefixes_are_registered_to():
    answers = Answers(peer_asns={"a": 3320, "b": 3320}, customer_asns={"a": 64600})
    add_flags(answers, flags("--design", "provider"))
    settle(answers)
    assert (answers.asn, answers.provider_asns) == (64600, [3320])


def test_what_nobody_knows_behind_a_provider_is_missing(tmp_path):
    with pytest.raises(InitError, match="--provider ASN: the provider's AS number"):
        written(tmp_path, *AMSTERDAM, "--design", "provider", *LINKS)
    with pytest.raises(InitError, match="--asn ASN: your AS number"):
        written(tmp_path, "--design", "provider", azure=["microsoft.json"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--design", "mesh"),
            "--design: 'mesh' is not a design; the designs are two-routers, one-router, vrfs, firewall, provider",
        ),
        (("--provider", "x"), "--provider: must be an AS number"),
        (("--circuit", "a", "--vrf", "a b"), "--vrf: 'a b' cannot be the name of a VRF"),
        (
            ("--circuit", "a", "--provider-address", "third=10.0.0.1"),
            "--provider-address: the links of a circuit are",
        ),
        (("--circuit", "a", "--vnet", "10.64.0.1/16"), "--vnet: '10.64.0.1/16' is not a prefix"),
        (("--best-path", "a b"), "--best-path: 'a b' cannot be a name"),
        (("--router", "edge-1/a b=10.0.0.1"), "--router: 'a b' cannot be the name of a VRF"),
    ],
)
def test_mistakes_are_reported_with_their_flags(tmp_path, arguments, message):
    with pytest.raises(InitError) as caught:
        written(tmp_path, *arguments)
    assert message in str(caught.value)


def test_a_design_has_its_questions(tmp_path):
    person = Person(
        [
            ("Design of your edge", "vrfs, firewall, provider"),
            ("AS numbers of the provider", ""),
            ("Your AS number", "64600"),
            ("Geopolitical region of MyCircuit-private", ""),
            ("Your router at the end of the primary link of MyCircuit-private", ""),
            ("Address of the provider's router of the primary link of MyCircuit-private", "10.1.0.2"),
            ("Your router at the end of the secondary link of MyCircuit-private", ""),
            ("Address of the provider's router of the secondary link of MyCircuit-private", "10.1.0.6"),
            ("Geopolitical region of MyCircuit:", ""),
            ("Your router at the end of the primary link of MyCircuit", ""),
            ("Address of the provider's router of the primary link of MyCircuit", "10.2.0.2"),
            ("Your router at the end of the secondary link of MyCircuit", ""),
            ("Address of the provider's router of the secondary link of MyCircuit", "10.2.0.6"),
            ("Services required on MyCircuit", ""),
            ("VRF of the links of MyCircuit-private on your routers", ""),
            ("VRF of the links of MyCircuit on your routers", "BLUE"),
            ("Do you want ermon to watch an internet uplink", "no"),
            ("File with VRPs", ""),
            ("First address of this machine", "10.0.0.20"),
            ("Address from which firewall-1 connects, in VRF PRIVATE", "10.0.0.1"),
            ("Address from which firewall-1 connects, in VRF BLUE", "10.0.0.2"),
        ]
    )
    ask(tmp_path, person, azure=("both.json",))
    assert person.is_done
    assert person.told == DESIGNS_TOLD
    assert (tmp_path / "ermon.yml").read_text().count("# CHANGE") == 1, "the pool that Azure only advertises"
    assert raised_on_a_good_day(tmp_path) == ["view-missing"]
