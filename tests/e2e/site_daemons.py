"""Runs FRR, BIRD, GoBGP and OpenBGPD as the routers of ``sites``, each with its configuration from before ermon."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests import bgp
from tests.e2e.frr import BGPD
from tests.e2e.sites import Neighbor, Site

WITH_BMP = ("-M", "bmp")
"""Loads FRR's module of BMP; its option has no long form that works."""


class FrrSite:
    platform = "frr"
    tables_over_ipv6 = True
    """Move tables to IPv6 as the text for FRR advises: over IPv4, FRR replaces the next hops of IPv6 routes."""

    @staticmethod
    def leave_out(feeds: Iterable[dict[str, Any]]) -> None:
        """Remove from the settings of its feeds what this daemon cannot do."""

    @staticmethod
    def require() -> None:
        bgp.require(BGPD.exists(), "FRR")

    @staticmethod
    def check(rendered: str, folder: Path) -> None:
        """Fail if the daemon does not know a command of the rendered configuration."""
        configuration = folder / "bgpd.conf"
        configuration.write_text(rendered)
        _frr_knows("--config_file", configuration, "--pid_file", folder / "pid", "--vty_socket", folder)

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        """Write a router's configuration, and return the command that runs it."""
        shutil.chown(folder, "frr", "frr")
        configuration = folder / "bgpd.conf"
        configuration.write_text("\n".join(_frr(site)) + "\n" + rendered)
        files = ("--config_file", configuration, "--pid_file", folder / "pid", "--vty_socket", folder)
        _frr_knows(*files)
        return [
            *(BGPD, *WITH_BMP, "--no_zebra", "--no_kernel", "--skip_runas", "--listenon", site.address),
            *("--vty_port", "0", *files, "--log", f"file:{folder / 'log'}"),
        ]


def _frr_knows(*files: str | Path) -> None:
    check = subprocess.run([BGPD, *WITH_BMP, "--dryrun", *files], check=True, capture_output=True, text=True)
    wrong = [line for line in (check.stdout + check.stderr).splitlines() if "config line" in line]
    assert not wrong, "FRR knows every command"


class BirdSite(FrrSite):
    platform = "bird"
    tables_over_ipv6 = False

    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("bird") is not None, "BIRD 2")

    @staticmethod
    def check(rendered: str, folder: Path) -> None:
        for placeholder in re.findall(r"REPLACE-IPV[46]-TABLE-[A-Z-]+", rendered):
            rendered = rendered.replace(placeholder, "table4" if "IPV4" in placeholder else "table6")
        rendered = re.sub("export filter 'REPLACE.*'", "export all", rendered)
        configuration = folder / "bird.conf"
        configuration.write_text(f"router id 192.0.2.1;\nipv4 table table4;\nipv6 table table6;\n{rendered}")
        subprocess.run(["bird", "-p", "-c", configuration], check=True)

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        configuration = folder / "bird.conf"
        configuration.write_text("\n".join(_bird(site, folder)) + "\n" + rendered)
        return ["bird", "-f", "-c", configuration, "-s", folder / "ctl", "-P", folder / "pid"]


class GobgpSite(FrrSite):
    platform = "gobgp"
    tables_over_ipv6 = False

    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("gobgpd") is not None, "GoBGP 3")

    @staticmethod
    def check(rendered: str, folder: Path) -> None:
        configuration = folder / "gobgpd.toml"
        configuration.write_text(rendered)
        subprocess.run(["gobgpd", "--dry-run", "--config-file", configuration], check=True)

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        """GoBGP gets the routes that it originates at run time, from another program."""
        configuration = folder / "gobgpd.toml"
        configuration.write_text("\n".join(_gobgp(site, rendered)) + "\n" + rendered)
        added = [
            f"gobgp -u {site.address} global rib add -a {_family(prefix)} {prefix}" for prefix in site.own
        ]
        script = folder / "gobgp.sh"
        script.write_text(
            "(for try in $(seq 300); do\n"
            f"gobgp -u {site.address} global >/dev/null 2>&1 && break; sleep 0.1\n"
            f"done; {' && '.join(added) or 'true'}) &\n"
            f"exec gobgpd --config-file {configuration} --api-hosts {site.address}:50051 --pprof-disable\n"
        )
        return ["sh", script]


class OpenBgpdSite(FrrSite):
    platform = "openbgpd"
    tables_over_ipv6 = False

    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("bgpctl", path="/usr/sbin:/sbin") is not None, "OpenBGPD")

    @staticmethod
    def check(rendered: str, folder: Path) -> None:
        configuration = folder / "bgpd.conf"
        configuration.write_text(f"AS 64500\nrouter-id 192.0.2.1\n{rendered}")
        configuration.chmod(0o600)
        subprocess.run(["/usr/sbin/bgpd", "-n", "-f", configuration], check=True)

    @staticmethod
    def leave_out(feeds: Iterable[dict[str, Any]]) -> None:
        """Its build for Linux supports no MD5 keys, and no TTL security over iBGP."""
        for feed in feeds:
            feed.pop("md5_password_file", None)
            feed.pop("ttl_security", None)

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        Path("/run/openbgpd").mkdir(exist_ok=True)  # its chroot, which its service makes in production
        configuration = folder / "bgpd.conf"
        configuration.write_text("\n".join(_openbgpd(site, rendered, folder)) + "\n")
        configuration.chmod(0o600)
        return ["/usr/sbin/bgpd", "-d", "-f", configuration]


def _frr(site: Site) -> Iterator[str]:
    for name, prefixes in site.policies.items():
        for family, (version, entry) in {"ip": ("4", 10), "ipv6": ("6", 20)}.items():
            for prefix in (p for p in prefixes if (":" in p) == (version == "6")):
                yield f"{family} prefix-list {name}{version} permit {prefix}"
            yield f"route-map {name} permit {entry}"
            yield f" match {family} address prefix-list {name}{version}"
    yield "route-map RECEIVED permit 10"
    yield "route-map NOTHING deny 10"
    yield f"router bgp {site.asn}"
    yield f" bgp router-id {site.address}"
    yield " no bgp network import-check"
    for neighbor in site.neighbors:
        yield from _frr_neighbor(site, neighbor)
    for prefix in site.own:
        yield f" address-family {_family(prefix)} unicast"
        yield f"  network {prefix}"
        yield " exit-address-family"


def _frr_neighbor(site: Site, neighbor: Neighbor) -> Iterator[str]:
    to = f" neighbor {neighbor.address}"
    yield f"{to} remote-as {neighbor.asn}"
    yield f"{to} passive"
    if neighbor.asn != site.asn:
        yield f"{to} ebgp-multihop"
    for family in ("ipv4", "ipv6"):
        yield f" address-family {family} unicast"
        yield f" {to} activate"
        yield f" {to} route-map RECEIVED in"
        yield f" {to} route-map {neighbor.policy or 'NOTHING'} out"
        yield " exit-address-family"


def _bird(site: Site, folder: Path) -> Iterator[str]:
    yield f"router id {site.address};"
    yield f'log "{folder / "log"}" all;'
    yield "protocol device {}"
    yield "protocol direct { ipv4; ipv6; }"
    for family in ("ipv4", "ipv6"):
        own = " ".join(f"route {prefix} blackhole;" for prefix in site.own if _family(prefix) == family)
        yield f"protocol static {{ {family}; {own} }}"
    for name, prefixes in site.policies.items():
        tests = " || ".join(f"net = {prefix}" for prefix in prefixes)
        yield f"filter '{name}' {{ if source = RTS_STATIC && ({tests}) then accept; reject; }}"
    for neighbor in site.neighbors:
        yield f"protocol bgp {{ local {site.address} as {site.asn}; neighbor {neighbor.address} as {neighbor.asn};"
        yield "  multihop; passive;"
        filtered = f"filter '{neighbor.policy}'" if neighbor.policy else "none"
        address = next((end.partition("/")[0] for end in site.link_ends if ":" in end), "::1")
        yield f"  ipv4 {{ import all; export {filtered}; }};"
        yield f"  ipv6 {{ import all; export {filtered}; next hop address {address}; }};"
        yield "}"


def _gobgp(site: Site, rendered: str) -> Iterator[str]:
    everything = ['"ERMON-EVERYTHING"'] if "ERMON-EVERYTHING" in rendered else []
    yield "[global.config]"
    yield f'  as = {site.asn}\n  router-id = "{site.address}"\n  local-address-list = ["{site.address}"]'
    yield "[global.apply-policy.config]"
    yield '  import-policy-list = ["ERMON-NOTHING"]'
    yield f"  export-policy-list = [{', '.join([*everything, *(_quoted(name) for name in site.policies)])}]"
    yield '  default-import-policy = "accept-route"\n  default-export-policy = "reject-route"'
    for name, prefixes in site.policies.items():
        yield f"[[defined-sets.neighbor-sets]]\n  neighbor-set-name = {_quoted(name)}"
        mirrors = re.findall(rf'# Add (".*") to neighbor-info-list of the neighbor set {name}\.', rendered)
        peers = [_quoted(peer.address) for peer in site.neighbors if peer.policy == name]
        yield f"  neighbor-info-list = [{', '.join([*peers, *mirrors])}]"
        yield f"[[policy-definitions]]\n  name = {_quoted(name)}"
        for family in dict.fromkeys(map(_family, prefixes)):
            listed = ", ".join(f'{{ip-prefix = "{p}"}}' for p in prefixes if _family(p) == family)
            yield f"[[policy-definitions.statements]]\n  name = {_quoted(f'{name}-{family}')}"
            yield f"  [policy-definitions.statements.conditions.match-neighbor-set]\n    neighbor-set = {_quoted(name)}"
            yield "  [policy-definitions.statements.conditions.match-prefix-set]"
            yield f"    prefix-set = {_quoted(f'{name}-{family}')}"
            yield '  [policy-definitions.statements.actions]\n    route-disposition = "accept-route"'
            yield f"[[defined-sets.prefix-sets]]\n  prefix-set-name = {_quoted(f'{name}-{family}')}"
            yield f"  prefix-list = [{listed}]"
    for neighbor in site.neighbors:
        yield f'[[neighbors]]\n  [neighbors.config]\n    neighbor-address = "{neighbor.address}"'
        yield f"    peer-as = {neighbor.asn}\n  [neighbors.transport.config]\n    passive-mode = true"
        if neighbor.asn != site.asn:
            yield "  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 64"
        for family in ("ipv4", "ipv6"):
            yield f'  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "{family}-unicast"'


def _quoted(text: str) -> str:
    return f'"{text}"'


def _openbgpd(site: Site, rendered: str, folder: Path) -> Iterator[str]:
    yield f"AS {site.asn}\nrouter-id {site.address}\nfib-update no"
    yield f'socket "{folder / "bgpd.sock"}"\nlisten on {site.address}'
    yield from (f"network {prefix}" for prefix in site.own)
    mirror = r'# Move this neighbor into group "(.*)" { ... }:\n(neighbor [^}]*}\n)'
    mirrors = re.findall(mirror, rendered)
    rendered = re.sub(mirror, "", rendered)
    for neighbor in site.neighbors:
        lines = [f"remote-as {neighbor.asn}", "passive", "announce IPv4 unicast", "announce IPv6 unicast"]
        lines += ["multihop 64"] if neighbor.asn != site.asn else []
        inside = "\n".join([f"neighbor {neighbor.address} {{", *lines, "}"])
        inside += "\n" + "".join(block for group, block in mirrors if group == neighbor.policy)
        yield f'group "{neighbor.policy}" {{\n{inside}\n}}' if neighbor.policy else inside
        mirrors = [(group, block) for group, block in mirrors if group != neighbor.policy]
    yield from (f'group "{group}" {{\n{block}}}' for group, block in mirrors)
    yield rendered
    yield "allow from any"
    for name, prefixes in site.policies.items():
        yield f'allow to group "{name}" prefix {{ {", ".join(prefixes)} }}'


def _family(prefix: str) -> str:
    return "ipv6" if ":" in prefix else "ipv4"
