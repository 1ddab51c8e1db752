"""The commands of each platform, whatever is asked: complete, or not there at all."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from ermon.commands import PLATFORMS, TITLES, WORDS_OF, Question, command
from ermon.routers import PLATFORMS as RENDERED

VALUES = {
    "ipv4": {"ISP": "203.0.113.1", "POOL": "198.51.100.0/28", "COMMUNITY": "12076:5010"},
    "ipv6": {"ISP": "2001:db8:1::1", "POOL": "2001:db8:100:10::/64", "COMMUNITY": "12076:5010"},
}
QUESTIONS = [
    Question(kind, tuple(next(w for w in ("ISP", "POOL", "COMMUNITY") if w in allowed) for allowed in words))
    for kind, words in WORDS_OF.items()
]
ADVERTISED = Question("advertised", ("ISP", "POOL"))


def test_the_platforms_are_those_that_ermon_renders_routers_for():
    assert set(PLATFORMS) == set(TITLES) == set(RENDERED)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("vrf", [None, "INTERNET"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_command_is_filled_in_whole(platform: str, family: str, vrf: str | None):
    for question in QUESTIONS:
        text = command(platform, question, VALUES[family], family, vrf)
        if text is None:
            continue
        assert not re.search(r"\{(?!print|p=)\w+\}", text), text
        assert not re.search(
            r"\b(ISP|POOL|FAMILY|NETWORK|COMMUNITY|INET|LENGTH)\b", text.replace("TO-ISP", "")
        )
        if question.neighbor is not None and question.kind != "stop":  # which goes by the name of a policy
            assert VALUES[family]["ISP"] in text
        if vrf is not None and platform != "bird":
            assert "INTERNET" in text


def test_every_question_has_a_command_on_the_platform_that_guides_are_written_for():
    for question in QUESTIONS:
        assert command("iosxe", question, {}, None, None) is not None


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
        ("eos", "ipv6", None, None),
        ("gobgp", "ipv4", "WAN", None),
        ("panos", "ipv4", None, None),
    ],
)
def test_what_is_advertised_to_a_neighbor(platform: str, family: str, vrf: str | None, expected: str | None):
    assert command(platform, ADVERTISED, VALUES[family], family, vrf) == expected


@pytest.mark.parametrize("vrf", ["a; reload", "$(reboot)", "a b", "x'y", "", "\n"])
def test_a_vrf_that_a_shell_could_misread_has_no_command(vrf: str):
    assert {command(name, ADVERTISED, VALUES["ipv4"], "ipv4", vrf) for name in PLATFORMS} == {None}


def test_a_single_address_has_no_longer_prefixes():
    stop = Question("stop", ("ISP", "PREFIX"))
    text = command("iosxe", stop, {"ISP": "203.0.113.1", "PREFIX": "198.51.100.1/32"}, "ipv4", None)
    assert text is not None
    assert "permit 198.51.100.1/32\n" in text


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_openbgpd_reads_what_is_to_be_written_into_its_file(family: str, tmp_path):
    """It is not installed everywhere; FRR and BIRD are asked for real in tests/e2e."""
    bgpd = shutil.which("bgpd", path="/usr/sbin:/usr/local/sbin")
    if bgpd is None:
        pytest.skip("OpenBGPD is not installed")
    text = command("openbgpd", Question("stop", ("ISP", "POOL")), VALUES[family], family, None)
    assert text is not None
    [line] = [line for line in text.splitlines() if line.startswith("deny")]
    file = tmp_path / "bgpd.conf"
    neighbor = VALUES[family]["ISP"]
    file.write_text(f"AS 64500\nrouter-id 10.0.0.1\nneighbor {neighbor} {{ remote-as 64510 }}\n{line}\n")
    file.chmod(0o600)
    tried = subprocess.run([bgpd, "-n", "-f", file], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
