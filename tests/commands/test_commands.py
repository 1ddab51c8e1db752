"""The commands of each platform: each is complete, or missing for a known reason."""

from __future__ import annotations

import re

import pytest

from ermon.commands import OF_ANY_FAMILY, PLATFORMS, TITLES, UNDO, WORDS_OF, Question, command
from ermon.routers import PLATFORMS as RENDERED

VALUES = {
    "ipv4": {
        "ISP": "203.0.113.1",
        "POOL": "198.51.100.0/28",
        "ADDRESS": "198.51.100.1",
        "COMMUNITY": "12076:5010",
        "ASN": "65001",
        "OUR-ASN": "64500",
    },
    "ipv6": {
        "ISP": "2001:db8:1::1",
        "POOL": "2001:db8:100:10::/64",
        "ADDRESS": "2001:db8:100:10::1",
        "COMMUNITY": "12076:5010",
        "ASN": "65001",
        "OUR-ASN": "64500",
    },
}
QUESTIONS = [
    Question(kind, tuple(next(word for word in VALUES["ipv4"] if word in allowed) for allowed in words))
    for kind, words in WORDS_OF.items()
]
ADVERTISED = Question("advertised", ("ISP", "POOL"))
BOTH_FAMILIES = pytest.mark.parametrize("family", ["ipv4", "ipv6"])

LACKING = {
    ("gobgp", "bfd"): "GoBGP has no BFD",
    ("openbgpd", "bfd"): "nor has OpenBGPD",
    ("panos", "received"): "PAN-OS shows what it accepted",
    ("panos", "inside"): "its tables are searched for text",
    ("panos", "community"): "the same",
    ("panos", "with-asn"): "the same",
    ("panos", "stop-asn"): "its match of AS paths is not known for sure",
    ("panos", "undo-stop-asn"): "the same",
    ("panos", "anchor"): "a redistribution profile is wanted besides the route",
    ("panos", "undo-anchor"): "the same",
    ("panos", "soft-out"): "it knows a refresh of what it receives alone",
}
"""The questions for which a platform has no command, with the reason."""
LACKING6 = {("panos", "arp"), ("fortios", "soft-out"), ("fortios", "soft-in")}
"""The questions for which a platform has no command in IPv6."""


def test_the_platforms_are_those_that_ermon_renders_routers_for():
    assert set(PLATFORMS) == set(TITLES) == set(RENDERED)


@pytest.mark.parametrize("platform", PLATFORMS)
@BOTH_FAMILIES
def test_each_platform_has_a_command_for_all_but_a_few_questions(platform: str, family: str):
    lacking = {
        (platform, question.kind)
        for question in QUESTIONS
        if command(platform, question, VALUES[family], family, None) is None
    }
    expected = set(LACKING) | (LACKING6 if family == "ipv6" else set())
    assert lacking == {each for each in expected if each[0] == platform}
    assert set(PLATFORMS[platform]) <= set(WORDS_OF)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("vrf", [None, "INTERNET"])
@BOTH_FAMILIES
def test_a_command_is_filled_in_whole(platform: str, family: str, vrf: str | None):
    for question in QUESTIONS:
        text = command(platform, question, VALUES[family], family, vrf)
        if text is None:
            continue
        assert not re.search(
            r"\{(?!print|p=|sub|d =|n =|\n)[\w-]+\}|\[[+*]|[+*]\] |^\* ", text, re.MULTILINE
        ), text
        left = r"\b(ISP|POOL|FAMILY|NETWORK|MASK|COMMUNITY|ASN|ADDRESS|INET|LENGTH|VPN|IP)\b"
        assert not re.search(left, text.replace("TO-ISP", "").replace("FROM-ISP", "")), text
        assert all(line.strip() for line in text.splitlines())


@pytest.mark.parametrize("platform", sorted(set(PLATFORMS) - {"panos"}))
def test_a_command_about_a_neighbor_names_it(platform: str):
    """Except where a policy has its own name, or a command shows everything."""
    named = {
        "policy",
        "bfd",
        "stop",
        "stop-asn",
        "refuse",
        "undo-stop",
        "undo-stop-asn",
        "undo-refuse",
        "soft-out",
    }
    for question in QUESTIONS:
        text = command(platform, question, VALUES["ipv4"], "ipv4", None)
        if question.neighbor is not None and question.kind not in named:
            assert text is not None
            assert VALUES["ipv4"]["ISP"] in text


@pytest.mark.parametrize("platform", ["iosxe", "iosxr", "nxos", "junos", "eos", "frr"])
def test_a_command_about_a_table_names_the_vrf(platform: str):
    for kind in ("advertised", "learned", "routes", "inside", "community", "with-asn", "lookup", "neighbors"):
        [question] = [each for each in QUESTIONS if each.kind == kind]
        text = command(platform, question, VALUES["ipv4"], "ipv4", "INTERNET")
        assert text is not None
        assert "INTERNET" in text


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("vrf", [None, "INTERNET"])
@BOTH_FAMILIES
def test_every_change_of_a_router_can_be_undone(platform: str, family: str, vrf: str | None):
    by_kind = {question.kind: question for question in QUESTIONS}
    for kind, back in UNDO.items():
        there = [command(platform, by_kind[each], VALUES[family], family, vrf) for each in (kind, back)]
        assert (there[0] is None) == (there[1] is None), (kind, there)


def test_every_question_has_a_command_on_the_platform_that_guides_are_written_for():
    for question in QUESTIONS:
        assert command("iosxe", question, {}, None, None) is not None
    assert set(WORDS_OF) > OF_ANY_FAMILY


@pytest.mark.parametrize(
    ("platform", "family", "vrf", "expected"),
    [
        (
            "iosxe",
            "ipv4",
            None,
            "show bgp ipv4 unicast neighbors 203.0.113.1 advertised-routes | include 198.51.100.0",
        ),
        (
            "iosxe",
            "ipv6",
            "WAN",
            "show bgp vpnv6 unicast vrf WAN neighbors 2001:db8:1::1 advertised-routes | include 2001:db8:100:10::",
        ),
        ("junos", "ipv4", None, "show route advertising-protocol bgp 203.0.113.1 198.51.100.0/28"),
        (
            "junos",
            "ipv6",
            "WAN",
            "show route advertising-protocol bgp 2001:db8:1::1 table WAN.inet6.0 2001:db8:100:10::/64",
        ),
        (
            "vyos",
            "ipv4",
            None,
            "sudo vtysh -c 'show bgp ipv4 unicast neighbors 203.0.113.1 advertised-routes' | grep -F ' 198.51.100.0'",
        ),
        (
            "eos",
            "ipv6",
            None,
            "show ipv6 bgp peers 2001:db8:1::1 advertised-routes | include 2001:db8:100:10::",
        ),
        ("gobgp", "ipv4", "WAN", None),
        ("panos", "ipv4", None, "show routing protocol bgp rib-out | match 198.51.100.0"),
    ],
)
def test_the_command_for_routes_advertised_to_a_neighbor(
    platform: str, family: str, vrf: str | None, expected: str | None
):
    assert command(platform, ADVERTISED, VALUES[family], family, vrf) == expected


@pytest.mark.parametrize("vrf", ["a; reload", "$(reboot)", "a b", "x'y", "", "\n"])
def test_a_vrf_that_a_shell_could_misread_has_no_command(vrf: str):
    assert {command(name, ADVERTISED, VALUES["ipv4"], "ipv4", vrf) for name in PLATFORMS} == {None}


# Changes ---------------------------------------------------------------------------------------------


def stopped(platform: str, word: str, prefixes: str) -> str:
    values = {"ISP": "203.0.113.1", word: prefixes, "OUR-ASN": "64500"}
    text = command(platform, Question("stop", ("ISP", word)), values, None, None)
    assert text is not None
    return text


@pytest.mark.parametrize("platform", sorted(set(PLATFORMS) - {"bird", "openbgpd"}))
def test_each_neighbor_has_lists_of_its_own(platform: str):
    """Some routers treat a missing list as one that matches everything, so undoing a change for one neighbor must not
    remove the list of another.
    """
    made = [
        set(re.findall(r"ermon-stop-[\w-]+", text or ""))
        for isp, family in (("203.0.113.1", "ipv4"), ("203.0.113.5", "ipv4"), ("203.0.113.1", "ipv6"))
        for text in [command(platform, Question("undo-stop", ("ISP",)), {"ISP": isp}, family, None)]
    ]
    assert all(made)
    assert set.intersection(*made) == set()
    assert all(len(name) <= 31 for names in made for name in names)


@pytest.mark.parametrize("platform", ["iosxe", "nxos", "eos", "frr", "vyos"])
def test_a_rule_of_one_family_leaves_the_rule_of_the_other(platform: str):
    """In one rule of a route map, both families would have to match."""
    texts = [
        command(platform, Question("stop", ("ISP", "POOL")), VALUES[family], family, None)
        for family in VALUES
    ]
    rules = [re.findall(r"(?:deny|TO-ISP rule) (\d)", text or "")[0] for text in texts]
    assert len(set(rules)) == 2


def test_a_single_address_has_no_longer_prefixes():
    assert "permit 198.51.100.1/32\n" in stopped("iosxe", "POOL", "198.51.100.1/32")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_prefixes_are_stopped_at_once(platform: str):
    text = stopped(platform, "PREFIX", "198.51.100.0/28 203.0.112.0/23")
    assert "198.51.100.0" in text
    assert "203.0.112.0" in text


@pytest.mark.parametrize(
    ("platform", "exact", "longer"),
    [
        ("iosxe", "permit 198.51.100.0/28\n", "permit 198.51.100.0/28 le 32\n"),
        ("iosxr", "\n198.51.100.0/28\n", "\n198.51.100.0/28 le 32\n"),
        ("nxos", "permit 198.51.100.0/28\n", "permit 198.51.100.0/28 le 32\n"),
        ("junos", "route-filter 198.51.100.0/28 exact\n", "route-filter 198.51.100.0/28 orlonger\n"),
        ("eos", "\npermit 198.51.100.0/28\n", "\npermit 198.51.100.0/28 le 32\n"),
        ("frr", "permit 198.51.100.0/28'", "permit 198.51.100.0/28 le 32'"),
        ("bird", "[ 198.51.100.0/28 ]", "[ 198.51.100.0/28+ ]"),
        ("vyos", "prefix 198.51.100.0/28\nset policy route-map", "rule 1 le 32\n"),
        ("gobgp", "198.51.100.0/28 28..28\n", "198.51.100.0/28 28..32\n"),
        ("openbgpd", "prefix 198.51.100.0/28\n", "prefix 198.51.100.0/28 or-longer\n"),
        ("panos", "198.51.100.0/28 exact yes\n", "198.51.100.0/28 exact no\n"),
        ("fortios", "set prefix 198.51.100.0 255.255.255.240\nunset ge\nunset le\n", "\nset le 32\n"),
    ],
)
def test_a_pool_is_stopped_with_what_is_inside_and_a_prefix_alone(platform: str, exact: str, longer: str):
    """Stopping a default route, or half of the address space, must not stop everything inside it."""
    pool, alone = (stopped(platform, word, "198.51.100.0/28") for word in ("POOL", "PREFIX"))
    assert longer in pool
    assert exact in alone
    assert exact not in pool
