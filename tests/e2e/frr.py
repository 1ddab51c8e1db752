"""FRR's bgpd as the edge router."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests import bgp
from tests.e2e.edge_router import (
    COLLECTOR6,
    EDGE,
    EDGE6,
    HOLD_SECONDS,
    POOL,
    PUBLISHED,
    EdgeRouter,
)

BGPD = Path("/usr/lib/frr/bgpd")
CONFIGURATION = f"""
frr defaults traditional
bgp route-map delay-timer 1
!
router bgp 64500
 bgp router-id 10.0.0.11
 no bgp default ipv4-unicast
 no bgp network import-check
 !
 neighbor MSEE peer-group
 neighbor MSEE update-source {EDGE}
 neighbor MSEE ebgp-multihop
 neighbor MSEE disable-connected-check
 neighbor MSEE advertisement-interval 0
 neighbor 127.0.0.21 remote-as 12076
 neighbor 127.0.0.21 peer-group MSEE
 neighbor 127.0.0.21 passive
 neighbor 127.0.0.22 remote-as 12076
 neighbor 127.0.0.22 peer-group MSEE
 neighbor 127.0.0.22 passive
 neighbor 127.0.0.2 remote-as 65010
 neighbor 127.0.0.2 peer-group MSEE
 neighbor 127.0.0.2 port 1790
 neighbor 127.0.0.2 timers 1 {HOLD_SECONDS}
 neighbor 127.0.0.2 timers connect 1
 neighbor 127.0.0.3 remote-as 65010
 neighbor 127.0.0.3 peer-group MSEE
 neighbor 127.0.0.3 port 1790
 neighbor 127.0.0.3 timers 1 {HOLD_SECONDS}
 neighbor 127.0.0.3 timers connect 1
 !
 neighbor 127.0.0.4 remote-as 65011
 neighbor 127.0.0.4 update-source {EDGE}
 neighbor 127.0.0.4 ebgp-multihop
 neighbor 127.0.0.4 disable-connected-check
 neighbor 127.0.0.4 advertisement-interval 0
 neighbor 127.0.0.4 port 1790
 neighbor 127.0.0.4 timers 1 {HOLD_SECONDS}
 neighbor 127.0.0.4 timers connect 1
 !
 neighbor {COLLECTOR6} remote-as 64500
 neighbor {COLLECTOR6} update-source {EDGE6}
 neighbor {COLLECTOR6} port 1790
 neighbor {COLLECTOR6} timers 1 {HOLD_SECONDS}
 neighbor {COLLECTOR6} timers connect 1
 !
 address-family ipv4 unicast
  network {POOL["ipv4"]}
  network {PUBLISHED["ipv4"]}
  neighbor MSEE activate
  neighbor MSEE route-map FROM-MICROSOFT in
  neighbor MSEE route-map TO-MICROSOFT out
  neighbor 127.0.0.4 activate
  neighbor 127.0.0.4 route-map NOTHING in
  neighbor 127.0.0.4 route-map TO-INTERNET out
  neighbor {COLLECTOR6} activate
  neighbor {COLLECTOR6} addpath-tx-all-paths
 exit-address-family
 address-family ipv6 unicast
  network {POOL["ipv6"]}
  network {PUBLISHED["ipv6"]}
  neighbor MSEE activate
  neighbor MSEE route-map FROM-MICROSOFT in
  neighbor MSEE route-map TO-MICROSOFT6 out
  neighbor 127.0.0.4 activate
  neighbor 127.0.0.4 route-map NOTHING in
  neighbor 127.0.0.4 route-map TO-INTERNET6 out
  neighbor {COLLECTOR6} activate
  neighbor {COLLECTOR6} addpath-tx-all-paths
 exit-address-family
!
ip prefix-list POOL seq 5 permit {POOL["ipv4"]}
ip prefix-list PUBLISHED seq 5 permit {PUBLISHED["ipv4"]}
ipv6 prefix-list POOL6 seq 5 permit {POOL["ipv6"]}
ipv6 prefix-list PUBLISHED6 seq 5 permit {PUBLISHED["ipv6"]}
route-map FROM-MICROSOFT permit 10
route-map NOTHING deny 10
route-map TO-MICROSOFT permit 10
 match ip address prefix-list POOL
route-map TO-MICROSOFT6 permit 10
 match ipv6 address prefix-list POOL6
route-map TO-INTERNET permit 10
 match ip address prefix-list PUBLISHED
route-map TO-INTERNET6 permit 10
 match ipv6 address prefix-list PUBLISHED6
"""
NEIGHBORS = {"table": COLLECTOR6, "msee-a": "127.0.0.2", "msee-b": "127.0.0.3", "isp-a": "127.0.0.4"}
PUBLISHED_LISTS = {"ipv4": "ip prefix-list PUBLISHED", "ipv6": "ipv6 prefix-list PUBLISHED6"}


class Frr(EdgeRouter):
    platform = "frr"
    policy = "TO-INTERNET"

    @staticmethod
    def require() -> None:
        bgp.require(BGPD.exists(), "FRR")

    def start(self) -> None:
        folder = self.directory / "frr"
        folder.mkdir()
        shutil.chown(folder, "frr", "frr")
        (folder / "bgpd.conf").write_text(CONFIGURATION)
        arguments = [
            *("--no_zebra", "--no_kernel", "--skip_runas"),
            *("--bgp_port", "179", "--listenon", EDGE, "--vty_port", "0", "--vty_socket", folder),
            *("--pid_file", folder / "pid", "--config_file", folder / "bgpd.conf"),
            *("--log", f"file:{folder / 'log'}"),
        ]
        self.process = subprocess.Popen([BGPD, *map(str, arguments)], stdin=subprocess.DEVNULL)

    def leak(self, family: str) -> None:
        self._configure(f"{PUBLISHED_LISTS[family]} seq 10 permit {POOL[family]}")

    def repair(self, family: str) -> None:
        self._configure(f"no {PUBLISHED_LISTS[family]} seq 10")

    def shut_down(self, feed: str, communication: str) -> None:
        self._configure("router bgp 64500", f"neighbor {NEIGHBORS[feed]} shutdown message {communication}")

    def enable(self, feed: str) -> None:
        self._configure("router bgp 64500", f"no neighbor {NEIGHBORS[feed]} shutdown")

    def programs(self) -> dict[str, str]:
        return {"vtysh": f"--vty_socket {self.directory / 'frr'} -d bgpd"}

    def stop_as_told(self, told: str) -> None:
        self.type(told.replace("TO-ISP", self.policy))

    def undo_as_told(self, told: str) -> None:
        self.type(told.replace("TO-ISP", self.policy))

    def settings(self) -> str:
        return self.type("vtysh -c 'show running-config'")

    def _configure(self, *lines: str) -> None:
        commands = [argument for line in ("configure terminal", *lines) for argument in ("-c", line)]
        socket = ["--vty_socket", str(self.directory / "frr")]
        subprocess.run(["vtysh", *socket, "-d", "bgpd", *commands], check=True, capture_output=True)
