"""ermon beside real routers that report their own sessions by BMP: FRR's bgpd and GoBGP. No router has a session with ermon."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import bgp
from tests.bgp import PATIENCE, Speaker
from tests.e2e.daemon import Daemon, eventually
from tests.e2e.frr import BGPD
from tests.e2e.netns import namespace
from tests.e2e.router import Router

PORT = 11019
EDGE = {"primary": "203.0.113.1", "secondary": "203.0.113.5", "isp": "192.0.2.253"}
NEIGHBOR = {"primary": "203.0.113.2", "secondary": "203.0.113.6", "isp": "192.0.2.254"}
ASN = {"primary": 12076, "secondary": 12076, "isp": 64510}
RECEIVED = "198.51.100.64/26"
CONFIGURATION = f"""
customer: {{asn: 64500, own_prefixes: [198.51.100.0/28]}}
collector: {{settle: 500ms, sync_timeout: 60s, bmp: {{listen: ["127.0.0.1:{PORT}"], stats_within: 20s}}}}
routers:
  edge-1: {{bmp: {{peer: 127.0.0.1}}}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {{router: edge-1, subnet: 203.0.113.0/30}}
      secondary: {{router: edge-1, subnet: 203.0.113.4/30}}
uplinks:
  isp: {{router: edge-1, asn: 64510}}
policy:
  public_space: [192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24]
checks:
  link-down: {{raise_after: 200ms, clear_after: 500ms}}
  circuit-down: {{raise_after: 200ms, clear_after: 500ms}}
  circuit-unseen: {{raise_after: 1s}}
  bmp-down: {{raise_after: 500ms}}
  link-flapping: {{enabled: false}}
"""


class Edge(ABC):
    """The daemon that reports."""

    process: subprocess.Popen[bytes]

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @staticmethod
    @abstractmethod
    def require() -> None: ...

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def remove(self, neighbor: str) -> None:
        """Take a neighbor out of the configuration: the daemon reports nothing of it any more."""

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        self.process.wait(PATIENCE)


class Frr(Edge):
    @staticmethod
    def require() -> None:
        bgp.require(BGPD.exists(), "FRR")

    def start(self) -> None:
        folder = self.directory / "frr"
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, "frr", "frr")
        neighbors = "".join(
            f" neighbor {NEIGHBOR[name]} remote-as {ASN[name]}\n neighbor {NEIGHBOR[name]} update-source {EDGE[name]}\n"
            f" neighbor {NEIGHBOR[name]} ebgp-multihop\n neighbor {NEIGHBOR[name]} disable-connected-check\n"
            f" neighbor {NEIGHBOR[name]} passive\n"
            for name in NEIGHBOR
        )
        active = "".join(f"  neighbor {address} activate\n" for address in NEIGHBOR.values())
        (folder / "bgpd.conf").write_text(
            "frr defaults traditional\nrouter bgp 64500\n bgp router-id 203.0.113.1\n no bgp default ipv4-unicast\n"
            f" no bgp ebgp-requires-policy\n{neighbors} address-family ipv4 unicast\n{active} exit-address-family\n"
            f" bmp targets ERMON\n  bmp connect 127.0.0.1 port {PORT} min-retry 100 max-retry 200\n"
            "  bmp monitor ipv4 unicast post-policy\n  bmp stats interval 1000\n exit\n"
        )
        listen = [argument for address in EDGE.values() for argument in ("--listenon", address)]
        arguments = [
            *("--no_zebra", "--no_kernel", "--skip_runas", "-M", "bmp"),
            *("--bgp_port", "179", *listen, "--vty_port", "0", "--vty_socket", folder),
            *("--pid_file", folder / "pid", "--config_file", folder / "bgpd.conf"),
            *("--log", f"file:{folder / 'log'}"),
        ]
        self.process = subprocess.Popen([BGPD, *map(str, arguments)], stdin=subprocess.DEVNULL)

    def remove(self, neighbor: str) -> None:
        lines = ("configure terminal", "router bgp 64500", f"no neighbor {neighbor}")
        commands = [argument for line in lines for argument in ("-c", line)]
        socket = ["--vty_socket", str(self.directory / "frr")]
        subprocess.run(["vtysh", *socket, "-d", "bgpd", *commands], check=True, capture_output=True)


class GoBgp(Edge):
    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("gobgpd") is not None, "GoBGP")

    def start(self) -> None:
        timers = "hold-time = 90\nkeepalive-interval = 30"
        neighbors = "".join(
            f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{NEIGHBOR[name]}"\npeer-as = {ASN[name]}\n'
            f'[neighbors.transport.config]\nlocal-address = "{EDGE[name]}"\npassive-mode = true\n'
            f"[neighbors.timers.config]\n{timers}\n"
            "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 10\n"
            '[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "ipv4-unicast"\n'
            for name in NEIGHBOR
        )
        addresses = ", ".join(f'"{address}"' for address in EDGE.values())
        file = self.directory / "gobgp.toml"
        file.write_text(
            f'[global.config]\nas = 64500\nrouter-id = "203.0.113.1"\nport = 179\nlocal-address-list = [{addresses}]\n'
            f'[[bmp-servers]]\n[bmp-servers.config]\naddress = "127.0.0.1"\nport = {PORT}\n'
            f'route-monitoring-policy = "post-policy"\nstatistics-timeout = 15\n{neighbors}'
        )
        arguments = ["gobgpd", "-f", str(file), "--api-hosts", "127.0.0.1:50051", "--pprof-disable"]
        with (self.directory / "gobgp.log").open("ab") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def remove(self, neighbor: str) -> None:
        subprocess.run(["gobgp", "neighbor", "del", neighbor], check=True, capture_output=True)


class Network:
    """The edge router, both ends of Microsoft, the provider, and ermon."""

    def __init__(self, edge: Edge, directory: Path) -> None:
        self.edge = edge
        settings: dict[str, Any] = yaml.safe_load(CONFIGURATION)
        (directory / "ermon").mkdir()
        self.daemon = Daemon(directory / "ermon", settings, f"--storage.path={directory / 'storage'}")
        self.neighbors = {
            name: Router(Speaker(NEIGHBOR[name], EDGE[name], 179, asn=ASN[name], router_id=NEIGHBOR[name]))
            for name in NEIGHBOR
        }
        for name in ("primary", "secondary"):
            self.neighbors[name].announce(RECEIVED, next_hop=NEIGHBOR[name], as_path=[12076, 8075])

    @contextlib.contextmanager
    def running(self) -> Iterator[Network]:
        with contextlib.ExitStack() as stack:
            ends = (*EDGE.values(), *NEIGHBOR.values())
            stack.enter_context(namespace(*(f"{address}/32" for address in ends)))
            stack.enter_context(self.daemon)
            self.daemon.start()
            self.edge.start()
            stack.callback(self.edge.end)
            for neighbor in self.neighbors.values():
                stack.enter_context(neighbor)
            eventually(lambda: all(n.sessions for n in self.neighbors.values()), "the sessions come up")
            yield self

    def state(self, link: str) -> str:
        found: str = self.daemon.link("chicago", link)["state"]["ipv4"]
        return found

    def wait_for(self, link: str, state: str) -> None:
        self.daemon.wait_until(lambda: self.state(link) == state, f"{link} is {state}")


@pytest.fixture(
    params=[pytest.param(edge, marks=pytest.mark.xdist_group(edge.__name__)) for edge in (Frr, GoBgp)]
)
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    request.param.require()
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        directory = Path(path)
        directory.chmod(0o755)
        with Network(request.param(directory), directory).running() as network:
            for link in ("primary", "secondary"):
                network.wait_for(link, "up")
            yield network


def test_a_day_with_a_router_that_reports_its_sessions(network: Network) -> None:
    daemon, primary = network.daemon, network.neighbors["primary"]
    # Microsoft shuts a session down, and says why.
    primary.shut_down("planned work")
    down = daemon.wait_until_raised("link-down", link="primary")
    (said,) = down["evidence"]["sessions"]
    assert said.startswith(
        'primary: the neighbor sent Cease: administrative shutdown: "planned work" (since '
    )
    assert network.state("secondary") == "up"
    primary.enable()
    network.wait_for("primary", "up")
    # A neighbor that is removed from the configuration is not reported as down: its statistics cease.
    network.edge.remove(NEIGHBOR["secondary"])
    network.wait_for("secondary", "unknown")
    assert not daemon.findings("link-down", link="secondary")
    # The router's BGP process dies, and comes back.
    network.edge.end()
    gone = daemon.wait_until_raised("bmp-down")
    assert gone["evidence"]["reason"].startswith("the router closed the connection, or it was lost")
    daemon.wait_until_raised("circuit-unseen")
    network.edge.start()
    network.wait_for("primary", "up")
    daemon.wait_until_cleared("bmp-down")
    daemon.wait_until_cleared("circuit-unseen")


def test_what_is_sent_while_ermon_stands_still_is_not_lost(network: Network) -> None:
    daemon, primary = network.daemon, network.neighbors["primary"]
    with daemon.stopped():
        primary.shut_down("planned work")
        primary.enable()
        before = primary.sessions
        eventually(lambda: primary.sessions > before, "the session comes up again")
        network.neighbors["secondary"].shut_down("more work")
    network.wait_for("secondary", "down")
    network.wait_for("primary", "up")
    assert not daemon.findings("bmp-down")


def test_a_restart_of_ermon_finds_the_sessions_as_they_are(network: Network) -> None:
    daemon = network.daemon
    network.neighbors["primary"].shut_down("planned work")
    network.wait_for("primary", "down")
    daemon.end(signal.SIGTERM)
    daemon.start()
    network.wait_for("secondary", "up")
    network.wait_for("primary", "down")
