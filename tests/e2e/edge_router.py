"""A real BGP daemon as the edge router of a small network, and the tests that ermon must pass behind it.

Everything runs in one network namespace. ``edge-1`` is the daemon under test. It has both links of the circuit, so that
it learns one prefix over two paths; Microsoft's end of each link is a bare speaker. It has four sessions with ermon:
its table (iBGP, ADD-PATH, next hops unchanged), a mirror of each link and one of the uplink (eBGP, with the outbound
policy of the mirrored neighbour).
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import bgp
from tests.bgp import Speaker
from tests.e2e.daemon import PATIENCE, Daemon, eventually
from tests.e2e.netns import namespace
from tests.e2e.router import Router

EDGE, EDGE6 = "127.0.0.11", "2001:db8:fe::11"
COLLECTOR6 = "2001:db8:fe::1"
"""ermon's address for the session with the table: over an IPv4 session FRR writes IPv4-mapped next hops into IPv6
routes.
"""
HOLD_SECONDS = 3
CONFIGURATION = f"""
customer: {{asn: 64500, own_prefixes: [198.51.100.0/24, "2001:db8:100::/40"]}}
collector: {{asn: 64500, port: 1790, hold_time: {HOLD_SECONDS}s, settle: 500ms, sync_timeout: 60s}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {{router: edge-1, subnet: 203.0.113.0/30, subnet6: "2001:db8:ffff::/126"}}
      secondary: {{router: edge-1, subnet: 203.0.113.4/30, subnet6: "2001:db8:ffff::4/126"}}
    receive:
      services: [exchange-online]
nat_pools:
  chi-outbound: {{circuit: chicago, prefixes: [198.51.100.0/28, "2001:db8:100:10::/64"]}}
uplinks:
  isp-a: {{router: edge-1, asn: 64510, neighbor: 127.0.0.4}}
policy:
  public_space: [192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32"]
feeds:
  table: {{router: edge-1, view: edge-table, peer: "{EDGE6}", local: "{COLLECTOR6}", peer_asn: 64500, families: [ipv4, ipv6], add_path: true}}
  msee-a: {{router: edge-1, view: to-microsoft, circuit: chicago, link: primary, peer: {EDGE}, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}}
  msee-b: {{router: edge-1, view: to-microsoft, circuit: chicago, link: secondary, peer: {EDGE}, local: 127.0.0.3, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}}
  isp-a: {{router: edge-1, view: to-internet, uplink: isp-a, peer: {EDGE}, local: 127.0.0.4, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}}
checks:
  link-down: {{raise_after: 1s, clear_after: 500ms}}
  circuit-down: {{raise_after: 1s, clear_after: 500ms}}
  service-missing: {{raise_after: 1s, clear_after: 500ms}}
  pool-not-advertised: {{raise_after: 1s, clear_after: 500ms}}
  link-asymmetry: {{raise_after: 1h}}
  pool-leak: {{clear_after: 500ms}}
  feed-down: {{raise_after: 200ms}}
  # The tests of a router lose links and sessions on purpose, more often in ten minutes than these checks allow.
  link-flapping: {{enabled: false}}
  feed-flapping: {{enabled: false}}
"""
FEEDS = ("table", "msee-a", "msee-b", "isp-a")
LINK_ENDS = ("203.0.113.1/30", "203.0.113.5/30", "2001:db8:ffff::1/126", "2001:db8:ffff::5/126")
"""The edge router's ends of the links, so that next hops on them can be resolved."""
PRIMARY_MSEE = {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"}
SECONDARY_MSEE = {"ipv4": "203.0.113.6", "ipv6": "2001:db8:ffff::6"}
"""Microsoft's ends of the links, which are the next hops."""
SHARED = {"ipv4": "192.0.2.0/26", "ipv6": "2001:db8:40::/48"}
"""What Microsoft sends on both links."""
ONLY_SECONDARY = {"ipv4": "192.0.2.64/26", "ipv6": "2001:db8:41::/48"}
POOL = {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:100:10::/64"}
PUBLISHED = {"ipv4": "198.51.100.128/27", "ipv6": "2001:db8:100:80::/64"}
"""What the edge router announces to the internet on a good day."""
EXCHANGE_ONLINE, REGION = (12076, 5010), (12076, 51004)


class EdgeRouter(ABC):
    """The daemon under test; ``start`` runs it in the foreground, ``stop`` ends it."""

    process: subprocess.Popen[bytes]
    platform: str
    """ermon's name of its platform."""
    policy: str
    """The name of the outbound policy to the internet in IPv4."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @staticmethod
    @abstractmethod
    def require() -> None:
        """Skip the test if this daemon is not installed; in CI, fail."""

    @abstractmethod
    def start(self) -> None:
        """Start with the right configuration."""

    @abstractmethod
    def leak(self, family: str) -> None:
        """Leak the pool of a family to the internet, by an error in the outbound policy."""

    @abstractmethod
    def repair(self, family: str) -> None: ...

    @abstractmethod
    def shut_down(self, feed: str, communication: str) -> None:
        """Shut a session with ermon down, as an administrator does, with a reason (RFC 9003)."""

    @abstractmethod
    def enable(self, feed: str) -> None: ...

    @abstractmethod
    def programs(self) -> dict[str, str]:
        """The programs that commands call, as shell functions that reach only this daemon."""

    @abstractmethod
    def stop_as_told(self, told: str) -> None:
        """Run the command that ermon shows for ``stop``."""

    @abstractmethod
    def undo_as_told(self, told: str) -> None: ...

    @abstractmethod
    def settings(self) -> str:
        """Return what a change changes: the configuration, or the state of the protocols."""

    def type(self, command: str) -> str:
        """Run a command that ermon shows, and return its output."""
        functions = "\n".join(
            f'{name}() {{ command {name} {how} "$@"; }}' for name, how in self.programs().items()
        )
        typed = ["bash", "-euo", "pipefail", "-c", f"{functions}\n{command}"]
        done = subprocess.run(typed, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(PATIENCE)


class Network:
    """The edge router, both ends of Microsoft and ermon."""

    def __init__(self, edge: EdgeRouter, directory: Path) -> None:
        self.edge = edge
        self.settings: dict[str, Any] = yaml.safe_load(CONFIGURATION)
        self.settings["routers"] = {"edge-1": {"platform": edge.platform}}
        (directory / "ermon").mkdir()
        self.daemon = Daemon(directory / "ermon", self.settings)
        self.primary = _msee("127.0.0.21")
        self.secondary = _msee("127.0.0.22")
        for family, prefix in SHARED.items():
            _send(self.primary, prefix, PRIMARY_MSEE[family])
            _send(self.secondary, prefix, SECONDARY_MSEE[family])
            self.send_on_secondary(family)

    def send_on_secondary(self, family: str) -> None:
        """Announce from Microsoft on the secondary link what it does not send on the other."""
        _send(self.secondary, ONLY_SECONDARY[family], SECONDARY_MSEE[family])

    def withdraw_from_secondary(self, family: str) -> None:
        self.secondary.withdraw(ONLY_SECONDARY[family])

    @contextlib.contextmanager
    def running(self) -> Iterator[Network]:
        """Start everything, wait until every feed is in sync, and stop everything at the end."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(namespace(*LINK_ENDS, f"{EDGE6}/128", f"{COLLECTOR6}/128"))
            stack.callback(self.edge.stop)
            self.edge.start()
            stack.enter_context(self.primary)
            stack.enter_context(self.secondary)
            eventually(lambda: self.primary.sessions and self.secondary.sessions, "the links come up")
            stack.enter_context(self.daemon)
            self.daemon.start()
            self.wait_until_well()
            yield self

    def wait_until_well(self) -> None:
        """Wait until ermon has seen everything and nothing is raised."""
        self.daemon.wait_until_in_sync(*FEEDS)
        self.daemon.wait_until(lambda: not self.daemon.api("findings?state=raised"), "nothing is raised")

    def lose_sessions_by_reset(self) -> None:
        """Destroy ermon's ends of all its sessions: TCP resets them (ss(8), --kill)."""
        kill = ["ss", "--kill", "--tcp", "sport", "=", ":1790"]
        destroyed = subprocess.run(kill, check=True, capture_output=True, text=True).stdout
        bgp.require("ESTAB" in destroyed, "kernel that destroys sockets (INET_DIAG_DESTROY)")


def _msee(address: str) -> Router:
    return Router(Speaker(address, EDGE, 179, asn=12076, router_id=address, families=("ipv4", "ipv6")))


def _send(msee: Router, prefix: str, next_hop: str) -> None:
    msee.announce(prefix, next_hop=next_hop, as_path=[12076, 8075], communities=[EXCHANGE_ONLINE, REGION])
