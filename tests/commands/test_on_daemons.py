"""BIRD, GoBGP and OpenBGPD accept the commands; BIRD and FRR run them in ``tests/e2e/test_edge_router.py``."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ermon.commands import UNDO, Question, command
from tests import bgp
from tests.commands.test_commands import BOTH_FAMILIES, LACKING, QUESTIONS, VALUES

BGPD, BGPCTL, GOBGPD = Path("/usr/sbin/bgpd"), Path("/usr/sbin/bgpctl"), Path("/usr/bin/gobgpd")
PATIENCE = 20.0


def of(platform: str, family: str, kind: str) -> str:
    [question] = [each for each in QUESTIONS if each.kind == kind]
    text = command(platform, question, VALUES[family], family, None)
    assert text is not None
    return text


def kinds(platform: str) -> list[str]:
    return [each.kind for each in QUESTIONS if (platform, each.kind) not in LACKING]


def run(*typed: str | Path) -> tuple[int, str]:
    done = subprocess.run(typed, capture_output=True, text=True, check=False, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


# BIRD ------------------------------------------------------------------------------------------------


@BOTH_FAMILIES
@pytest.mark.parametrize("kind", ["stop", "stop-asn", "refuse"])
def test_bird_reads_the_rules_of_a_filter(family: str, kind: str, tmp_path: Path):
    bgp.require(Path("/usr/sbin/bird").exists(), "BIRD 2")
    rules = [line for line in of("bird", family, kind).splitlines() if not line.startswith(("#", "birdc"))]
    file = tmp_path / "bird.conf"
    protocol = f"protocol static {{ {family}; }}\nprotocol device {{}}\n"
    file.write_text(f"router id 10.0.0.1;\n{protocol}filter to_isp {{ {' '.join(rules)} accept; }}\n")
    assert run("/usr/sbin/bird", "-p", "-c", file)[0] == 0


@BOTH_FAMILIES
def test_bird_reads_an_anchor(family: str, tmp_path: Path):
    bgp.require(Path("/usr/sbin/bird").exists(), "BIRD 2")
    file = tmp_path / "bird.conf"
    lines = [line for line in of("bird", family, "anchor").splitlines() if not line.startswith("birdc")]
    file.write_text("router id 10.0.0.1;\nprotocol device {}\n" + "\n".join(lines) + "\n")
    assert run("/usr/sbin/bird", "-p", "-c", file)[0] == 0


# OpenBGPD --------------------------------------------------------------------------------------------


@BOTH_FAMILIES
@pytest.mark.parametrize("kind", ["stop", "stop-asn", "refuse"])
def test_openbgpd_reads_the_rules_of_its_file(family: str, kind: str, tmp_path: Path):
    bgp.require(BGPD.exists(), "OpenBGPD")
    rules = [line for line in of("openbgpd", family, kind).splitlines() if line.startswith("deny")]
    assert rules
    file = tmp_path / "bgpd.conf"
    neighbor = f"neighbor {VALUES[family]['ISP']} {{ remote-as 64510 }}"
    file.write_text("\n".join(("AS 64500", "router-id 10.0.0.1", neighbor, *rules, "")))
    file.chmod(0o600)
    code, told = run(BGPD, "-n", "-f", file)
    assert code == 0, told


@BOTH_FAMILIES
@pytest.mark.parametrize("kind", kinds("openbgpd"))
def test_bgpctl_knows_the_command(family: str, kind: str, tmp_path: Path):
    """It parses its arguments before it looks for the daemon, which does not run here."""
    bgp.require(BGPCTL.exists(), "OpenBGPD")
    for line in of("openbgpd", family, kind).splitlines():
        if line.startswith("bgpctl"):
            typed = re.split(r" \| |  #", line)[0].split()[1:]
            code, told = run(BGPCTL, "-s", tmp_path / "socket", *typed)
            assert code != 0
            assert "connect" in told, (line, told)


# GoBGP -----------------------------------------------------------------------------------------------

SETTINGS = """
[global.config]
  as = 64500
  router-id = "10.0.0.1"
  port = -1
"""
NEIGHBOR = """
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{}"
    peer-as = 64510
  [neighbors.transport.config]
    passive-mode = true
"""
FAMILY_OF_NEIGHBOR = """
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{}-unicast"
"""
POLICY = """
[[policy-definitions]]
  name = "let-out"
  [[policy-definitions.statements]]
    name = "all"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
[global.apply-policy.config]
  {way}-policy-list = ["let-out"]
  default-{way}-policy = "reject-route"
"""


class GoBgp:
    """A daemon without any session."""

    def __init__(self, directory: Path, way: str) -> None:
        bgp.require(GOBGPD.exists(), "GoBGP")
        file = directory / "gobgpd.toml"
        families = "".join(map(FAMILY_OF_NEIGHBOR.format, ("ipv4", "ipv6")))
        neighbors = "".join(NEIGHBOR.format(values["ISP"]) + families for values in VALUES.values())
        file.write_text(SETTINGS + POLICY.format(way=way) + neighbors)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        typed = ("gobgpd", "-f", file, "--api-hosts", f"127.0.0.1:{self.port}", "--pprof-disable")
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(typed, stdout=log, stderr=log)

    def type(self, text: str) -> tuple[int, str]:
        shell = f'set -euo pipefail\ngobgp() {{ command gobgp -p {self.port} "$@"; }}\n{text}'
        return run("bash", "-c", shell)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture(params=["export", "import"], scope="module")
def gobgp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoBgp]:
    daemon = GoBgp(tmp_path_factory.mktemp("gobgp"), request.param)
    try:
        retried = "for _ in $(seq 100); do gobgp neighbor >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
        assert daemon.type(retried)[0] == 0
        yield daemon
    finally:
        daemon.stop()


@BOTH_FAMILIES
def test_gobgp_knows_the_commands(gobgp: GoBgp, family: str):
    assert gobgp.type(of("gobgp", family, "anchor"))[0] == 0
    for kind in set(kinds("gobgp")) - set(UNDO) - set(UNDO.values()):
        text = of("gobgp", family, kind)
        if text.startswith("gobgp"):
            # Without a session there is nothing to show, and grep finds nothing.
            _, told = gobgp.type(re.split(r" \| ", text)[0])
            assert not re.search("usage:|unknown command|invalid|unexpected", told, re.IGNORECASE), (
                text,
                told,
            )
    code, told = gobgp.type(of("gobgp", family, "routes"))
    assert code == 0
    assert VALUES[family]["POOL"] in told
    assert gobgp.type(of("gobgp", family, "undo-anchor"))[0] == 0


@BOTH_FAMILIES
@pytest.mark.parametrize("kind", ["stop", "stop-asn", "refuse"])
def test_gobgp_puts_a_rule_first_and_takes_it_back(gobgp: GoBgp, family: str, kind: str):
    def policies() -> str:
        return gobgp.type("gobgp global policy; gobgp policy; gobgp policy statement; gobgp policy neighbor")[
            1
        ]

    before = policies()
    code, told = gobgp.type(of("gobgp", family, kind))
    assert code == 0, told
    way = "import" if kind == "refuse" else "export"
    applied = gobgp.type(f"gobgp global policy {way}")[1]
    names = re.findall(r"^ *Name (\S+):", applied, re.MULTILINE)
    assert names[0].startswith(f"ermon-{kind}-")
    assert names[1:] == [*re.findall(r"^ *Name (let-out):", applied, re.MULTILINE)]
    assert re.search(r"Default: +\w+", applied)
    assert ("let-out" in applied) == (f"{way.capitalize()} policy:\n    Default: REJECT" in before)
    code, told = gobgp.type(of("gobgp", family, UNDO[kind]))
    assert code == 0, told
    assert policies() == before


def test_gobgp_shuts_a_neighbor_and_enables_it(gobgp: GoBgp):
    for kind in ("shut", "enable"):
        assert gobgp.type(of("gobgp", "ipv4", kind))[0] == 0
    assert Question("shut", ("ISP",)) in QUESTIONS
