"""BIRD 2 as the edge router."""

from __future__ import annotations

import shutil
import subprocess

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

NOBODY = "127.0.0.99"
CONFIGURATION = f"""
router id 10.0.0.11;
log "FOLDER/bird.log" all;
protocol device {{}}
protocol direct {{ ipv4; ipv6; }}
protocol static {{ ipv4; route {POOL["ipv4"]} blackhole; route {PUBLISHED["ipv4"]} blackhole; }}
protocol static {{ ipv6; route {POOL["ipv6"]} blackhole; route {PUBLISHED["ipv6"]} blackhole; }}

filter pool4 {{ if source = RTS_STATIC && net ~ [ {POOL["ipv4"]} ] then accept; reject; }}
filter pool6 {{ if source = RTS_STATIC && net ~ [ {POOL["ipv6"]} ] then accept; reject; }}
filter published4 {{ if source = RTS_STATIC && net ~ [ INTERNET4 ] then accept; reject; }}
filter published6 {{ if source = RTS_STATIC && net ~ [ INTERNET6 ] then accept; reject; }}

template bgp microsoft {{
  local {EDGE} as 64500; multihop; passive;
  ipv4 {{ import all; export filter pool4; }};
  ipv6 {{ import all; export filter pool6; next hop address 2001:db8:ffff::1; }};
}}
protocol bgp 'msee-primary' from microsoft {{ neighbor 127.0.0.21 as 12076; }}
protocol bgp from microsoft {{ neighbor 127.0.0.22 as 12076; }}

template bgp ermon {{
  multihop; graceful restart on;
  hold time {HOLD_SECONDS}; connect delay time 1; connect retry time 1; error wait time 1, 2;
}}
protocol bgp 'ermon-edge-1' from ermon {{
  local {EDGE6} as 64500; neighbor {COLLECTOR6} port 1790 as 64500;
  ipv4 {{ import none; export where source = RTS_BGP; add paths tx; next hop keep; }};
  ipv6 {{ import none; export where source = RTS_BGP; add paths tx; next hop keep; }};
}}
# Two protocols with one neighbor, who never calls.
template bgp nobody {{ neighbor {NOBODY} as 65012; multihop; passive; ipv4 {{ import none; export none; }}; }}
protocol bgp 'nobody-1' from nobody {{ local {EDGE} as 64500; }}
protocol bgp 'nobody-2' from nobody {{ local 127.0.0.12 as 64500; }}
template bgp to_microsoft from ermon {{
  local {EDGE} as 64500;
  ipv4 {{ import none; export filter pool4; }};
  ipv6 {{ import none; export filter pool6; next hop address 2001:db8:ffff::1; }};
}}
protocol bgp 'ermon-edge-1-msee-a' from to_microsoft {{ neighbor 127.0.0.2 port 1790 as 65010; }}
protocol bgp msee_b from to_microsoft {{ neighbor 127.0.0.3 port 1790 as 65010; }}
protocol bgp 'ermon-edge-1-isp-a' from ermon {{
  local {EDGE} as 64500; neighbor 127.0.0.4 port 1790 as 65011;
  ipv4 {{ import none; export filter published4; }};
  ipv6 {{ import none; export filter published6; next hop address 2001:db8:ffff::1; }};
}}
"""
PROTOCOLS = {
    "table": "ermon-edge-1",
    "msee-a": "ermon-edge-1-msee-a",
    "msee-b": "msee_b",
    "isp-a": "ermon-edge-1-isp-a",
}


class Bird(EdgeRouter):
    platform = "bird"
    policy = "published4"

    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("bird") is not None, "BIRD 2")

    def start(self) -> None:
        self.leaks: set[str] = set()
        self._configure()
        files = ("-c", str(self.directory / "bird.conf"), "-s", str(self.directory / "bird.ctl"))
        self.process = subprocess.Popen(["bird", "-f", *files], stdin=subprocess.DEVNULL)

    def leak(self, family: str) -> None:
        self.leaks.add(family)
        self._configure()
        self._control("configure")

    def repair(self, family: str) -> None:
        self.leaks.remove(family)
        self._configure()
        self._control("configure")

    def shut_down(self, feed: str, communication: str) -> None:
        self._control(f"disable '{PROTOCOLS[feed]}' \"{communication}\"")

    def enable(self, feed: str) -> None:
        self._control(f"enable '{PROTOCOLS[feed]}'")

    def programs(self) -> dict[str, str]:
        return {"birdc": f"-s {self.directory / 'bird.ctl'}"}

    def stop_as_told(self, told: str) -> None:
        line, command = (line for line in told.splitlines() if not line.startswith("#"))
        file = self.directory / "bird.conf"
        first = f"filter {self.policy} {{ "
        assert first in file.read_text()
        file.write_text(file.read_text().replace(first, f"{first}{line} "))
        self.type(command)

    def undo_as_told(self, told: str) -> None:
        self._configure()
        self.type(told.splitlines()[-1])

    def settings(self) -> str:
        """Return which sessions are shut; the state of the others may change."""
        shown = self.type("birdc show protocols").splitlines()
        return "\n".join(sorted(line.split()[0] for line in shown if " BGP " in line and " down " in line))

    def _configure(self) -> None:
        text = CONFIGURATION.replace("FOLDER", str(self.directory))
        for family, name in (("ipv4", "INTERNET4"), ("ipv6", "INTERNET6")):
            let_out = [PUBLISHED[family], *([POOL[family]] if family in self.leaks else [])]
            text = text.replace(name, ", ".join(let_out))
        (self.directory / "bird.conf").write_text(text)

    def _control(self, command: str) -> None:
        socket = str(self.directory / "bird.ctl")
        subprocess.run(["birdc", "-s", socket, *command.split(" ", 2)], check=True, capture_output=True)
