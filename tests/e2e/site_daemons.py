"""FRR and BIRD as the routers of ``sites``: the configuration that each had before it heard of ermon."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests import bgp
from tests.e2e.frr import BGPD
from tests.e2e.sites import Neighbor, Site


class FrrSite:
    platform = "frr"
    tables_over_ipv6 = True
    """As what is rendered for FRR asks for: over IPv4, it replaces the next hops of IPv6 routes."""

    @staticmethod
    def require() -> None:
        bgp.require(BGPD.exists(), "FRR")

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        """Write a router's configuration, and return what runs it."""
        shutil.chown(folder, "frr", "frr")
        configuration = folder / "bgpd.conf"
        configuration.write_text("\n".join(_frr(site)) + "\n" + rendered)
        files = ("--config_file", configuration, "--pid_file", folder / "pid", "--vty_socket", folder)
        check = subprocess.run([BGPD, "--dryrun", *files], check=True, capture_output=True, text=True)
        wrong = [line for line in (check.stdout + check.stderr).splitlines() if "config line" in line]
        assert not wrong, "FRR knows every command"
        return [
            *(BGPD, "--no_zebra", "--no_kernel", "--skip_runas", "--listenon", site.address),
            *("--vty_port", "0", *files, "--log", f"file:{folder / 'log'}"),
        ]


class BirdSite:
    platform = "bird"
    tables_over_ipv6 = False

    @staticmethod
    def require() -> None:
        bgp.require(shutil.which("bird") is not None, "BIRD 2")

    @staticmethod
    def command(site: Site, rendered: str, folder: Path) -> list[str | Path]:
        configuration = folder / "bird.conf"
        configuration.write_text("\n".join(_bird(site, folder)) + "\n" + rendered)
        return ["bird", "-f", "-c", configuration, "-s", folder / "ctl", "-P", folder / "pid"]


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


def _family(prefix: str) -> str:
    return "ipv6" if ":" in prefix else "ipv4"
