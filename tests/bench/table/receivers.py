"""The BGP daemons that a table is sent to, each configured to keep every route and to send none."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ermon.model.prefixes import Family
from tests.bench.children import child
from tests.bgp import free_port

ROUTER, ROUTER_ASN = "127.0.0.14", 64520
"""Who sends the table: the router of the feed ``outside`` of the reference configuration."""
LOCAL, LOCAL_ASN = "127.0.0.9", 65012
"""Who takes it."""


class Receiver(ABC):
    """One daemon, from ``running`` on; files of its own are in ``folder``."""

    name: ClassVar[str]
    poll_seconds: ClassVar[float | None]
    """How often it may be asked what it has; ``None``: it cannot be asked, but closes the session once it has read all."""

    def __init__(self, folder: Path, families: tuple[Family, ...]) -> None:
        self.folder, self.families = folder, families
        self.port = free_port("127.0.0.1", LOCAL)

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return why it cannot be measured on this machine; ``None``: it can."""

    @classmethod
    def version(cls) -> str:
        """Return what it says of itself; empty where it says nothing."""
        return ""

    @contextlib.contextmanager
    @abstractmethod
    def running(self) -> Iterator[int]:
        """Run it, and yield its process id."""

    def has_all(self, routes: int, updates: int) -> bool:
        """Return whether it has so many routes, which came in so many UPDATEs."""
        raise NotImplementedError


class Program(Receiver):
    """A daemon that a package of the system brings."""

    program: ClassVar[str]

    @classmethod
    def missing(cls) -> str | None:
        return None if cls._path() else f"{cls.program} is not installed"

    @classmethod
    def _path(cls) -> str | None:
        return shutil.which(cls.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        command = [self._path() or self.program, *self.arguments()]
        with child(command, self.folder / "output", dict(os.environ)) as started:
            yield started.pid

    @abstractmethod
    def arguments(self) -> list[str]:
        """Write its files, and return its arguments: it must stay in the foreground."""

    def has_all(self, routes: int, updates: int) -> bool:
        del updates
        return self.received() >= routes

    def received(self) -> int:
        """Return how many routes it has."""
        raise NotImplementedError

    def _write(self, text: str) -> str:
        file = self.folder / "configuration"
        file.write_text(text, encoding="ascii")
        file.chmod(0o600)
        return str(file)


class Bird(Program):
    name, program, poll_seconds = "BIRD", "bird", 0.01

    @classmethod
    def version(cls) -> str:
        return said("bird", "--version").split()[-1]

    def arguments(self) -> list[str]:
        channels = " ".join(f"{family} {{ import all; export none; }};" for family in self.families)
        text = f"""
router id 10.0.0.9;
protocol device {{}}
protocol bgp sender {{
  local {LOCAL} port {self.port} as {LOCAL_ASN};
  neighbor {ROUTER} as {ROUTER_ASN};
  multihop; passive; {channels}
}}
"""
        return ["-f", "-c", self._write(text), "-s", str(self._socket), "-P", str(self.folder / "pid")]

    @property
    def _socket(self) -> Path:
        return self.folder / "control"

    def received(self) -> int:
        lines = self._ask("show protocols all sender").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.split()[:1] == ["Routes:"])

    def _ask(self, command: str) -> str:
        """Ask as birdc does: the answer ends with a line whose code begins with 0, 8 or 9."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._socket))
            answers = control.makefile("rw", encoding="ascii", errors="replace")
            answers.readline()  # its greeting
            answers.write(f"{command}\n")
            answers.flush()
            lines = []
            while (line := answers.readline()) and not (line[:1] in "089" and line[4:5] == " "):
                lines.append(line)
            return "".join(lines)


class Frr(Program):
    name, program, poll_seconds = "FRR", "/usr/lib/frr/bgpd", 0.05

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or _unless_root()

    @classmethod
    def version(cls) -> str:
        return said(cls.program, "--version").split()[2]

    def arguments(self) -> list[str]:
        shutil.chown(self.folder, "frr", "frr")
        activated = "\n".join(
            f" address-family {family} unicast\n  neighbor {ROUTER} activate\n"
            f"  neighbor {ROUTER} route-map NOTHING out\n exit-address-family"
            for family in self.families
        )
        text = f"""
frr defaults traditional
router bgp {LOCAL_ASN}
 bgp router-id 10.0.0.9
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {ROUTER} remote-as {ROUTER_ASN}
 neighbor {ROUTER} update-source {LOCAL}
 neighbor {ROUTER} ebgp-multihop 5
 neighbor {ROUTER} disable-connected-check
 neighbor {ROUTER} passive
{activated}
route-map NOTHING deny 10
"""
        return [
            *("--no_zebra", "--no_kernel", "--skip_runas", "--vty_port", "0"),
            *("--bgp_port", str(self.port), "--listenon", LOCAL, "--vty_socket", str(self.folder)),
            *("--pid_file", str(self.folder / "pid"), "--config_file", self._write(text)),
        ]

    def received(self) -> int:
        count = 0
        for family in self.families:
            shown = json.loads(self._ask(f"show bgp {family} unicast summary json"))
            count += shown["peers"][ROUTER]["pfxRcd"]
        return count

    def _ask(self, command: str) -> str:
        """Ask as vtysh does: a command ends with NUL, and an answer with three of them and a status."""
        with socket.socket(socket.AF_UNIX) as vty:
            vty.connect(str(self.folder / "bgpd.vty"))
            answer = b""
            for each in ("enable", command):
                vty.sendall(each.encode("ascii") + b"\0")
                answer = b""
                while answer[-4:-1] != b"\0\0\0":
                    part = vty.recv(1 << 16)
                    if not part:
                        raise ConnectionResetError("FRR has closed its vty")
                    answer += part
            return answer[:-4].decode("ascii")


class OpenBgpd(Program):
    name, program, poll_seconds = "OpenBGPD", "bgpctl", 0.1

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or _unless_root()

    @classmethod
    def version(cls) -> str:
        return said("bgpctl", "-V").split()[-1]

    def arguments(self) -> list[str]:
        Path("/run/openbgpd").mkdir(exist_ok=True)  # it changes its root to it
        announced = "\n".join(f"    announce {name} unicast" for name in ("IPv4", "IPv6"))
        text = f"""
AS {LOCAL_ASN}
router-id 10.0.0.9
fib-update no
socket "{self._socket}"
listen on {LOCAL} port {self.port}
neighbor {ROUTER} {{
    remote-as {ROUTER_ASN}
    local-address {LOCAL}
    multihop 5
    passive
{announced}
}}
allow from any
"""
        return ["-d", "-f", self._write(text)]

    @classmethod
    def _path(cls) -> str | None:
        """``bgpctl`` is nobody else's; its ``bgpd`` stands beside it, and FRR's has the same name."""
        found = super()._path()
        return None if found is None else str(Path(found).with_name("bgpd"))

    @property
    def _socket(self) -> Path:
        return self.folder / "control"

    def received(self) -> int:
        shown = said("bgpctl", "-s", str(self._socket), "-j", "show", "neighbor", ROUTER)
        (neighbor,) = json.loads(shown)["neighbors"]
        return int(neighbor["stats"]["prefixes"]["received"])


class GoBgp(Program):
    name, program, poll_seconds = "GoBGP", "gobgpd", 0.5

    @classmethod
    def version(cls) -> str:
        return said("gobgpd", "--version").split()[-1]

    def arguments(self) -> list[str]:
        self._api = free_port(LOCAL)
        families = "\n".join(
            f"  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n"
            f'      afi-safi-name = "{family}-unicast"'
            for family in self.families
        )
        text = f"""
[global.config]
  as = {LOCAL_ASN}
  router-id = "10.0.0.9"
  port = {self.port}
  local-address-list = ["{LOCAL}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{ROUTER}"
    peer-as = {ROUTER_ASN}
  [neighbors.transport.config]
    local-address = "{LOCAL}"
    passive-mode = true
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 5
{families}
"""
        return ["-f", self._write(text), "--api-hosts", f"{LOCAL}:{self._api}", "--pprof-disable"]

    def received(self) -> int:
        shown = said("gobgp", "-u", LOCAL, "-p", str(self._api), "-j", "neighbor", ROUTER)
        families = json.loads(shown)["afi_safis"]
        return sum(each["state"].get("received", 0) for each in families)


class Pmbgpd(Program):
    """pmacct's collector, which writes every route as JSON: to nowhere."""

    name, program, poll_seconds = "pmbgpd", "pmbgpd", None

    @classmethod
    def version(cls) -> str:
        return said("pmbgpd", "-V").split("pmbgpd ")[1].split()[0]

    def arguments(self) -> list[str]:
        text = f"""
bgp_daemon_ip: {LOCAL}
bgp_daemon_port: {self.port}
bgp_daemon_as: {LOCAL_ASN}
bgp_daemon_id: 10.0.0.9
bgp_daemon_msglog_file: /dev/null
bgp_daemon_msglog_output: json
"""
        return ["-f", self._write(text)]


def said(*command: str) -> str:
    """Run a command of a daemon's, and return all that it printed; ``CalledProcessError`` if it failed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PATH": path},
        check=True,
    ).stdout


def _unless_root() -> str | None:
    return None if os.geteuid() == 0 else "only root can run it"
