"""The network of config/ermon.reference.yml: six routers, their routes, and their neighbors.

Each router is a daemon in its own network namespace, behind a bridge, and gets only what ``ermon render router`` prints
about ermon. The bridge has the addresses of ermon and of bare speakers: Microsoft's ends of the links, a provider, an
internal neighbor.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bgp import Speaker
from tests.e2e.daemon import PATIENCE, eventually
from tests.e2e.router import Router

NET = "10.9.0."
"""Replaces 127.0.0. in the reference configuration, because loopback addresses do not leave a namespace."""
NET6 = "2001:db8:fe::"
BRIDGE = "ermon-bridge"
BRIDGE_MAC = "02:00:00:00:00:01"
"""A fixed address: otherwise a bridge takes the lowest address of its ports, which changes when a router joins."""
SHARED = ("192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/26", "192.0.2.192/27")
"""What Microsoft sends on each link."""
SHARED6 = "2001:db8:40::/48"
CHICAGO, DALLAS, INBOUND = "198.51.100.0/28", "198.51.100.16/28", "198.51.100.64/28"
INBOUND6 = "2001:db8:100:1::/64"
PUBLISHED, PUBLISHED6 = "198.51.100.128/27", "2001:db8:100:80::/64"
PRIVATE = "10.64.0.0/12"
INSIDE = "10.80.0.0/16"
EXCHANGE, SHAREPOINT, PREFERRED = (12076, 5010), (12076, 5020), (64500, 302)


@dataclass(frozen=True)
class Neighbor:
    """A bare speaker that sends routes to a router, and the routes that the router may send to it."""

    address: str
    asn: int
    routes: Mapping[str, str] = field(default_factory=dict)
    """Next hops by prefix."""
    as_path: tuple[int, ...] = ()
    communities: tuple[tuple[int, int], ...] = ()
    policy: str | None = None


@dataclass(frozen=True)
class Site:
    """A router before it was configured for ermon."""

    name: str
    address: str
    asn: int
    neighbors: tuple[Neighbor, ...]
    own: tuple[str, ...] = ()
    """The prefixes that it originates."""
    policies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The prefixes that each outbound policy allows."""
    link_ends: tuple[str, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=dict)
    """The policy that each mirror shares."""

    @property
    def address6(self) -> str:
        return f"{NET6}{self.address.rpartition('.')[2]}"


def _msee(number: int, host: str, policy: str, host6: str | None = None, *more: tuple[int, int]) -> Neighbor:
    routes = dict.fromkeys(SHARED, host) | ({SHARED6: host6} if host6 else {})
    return Neighbor(f"{NET}{number}", 12076, routes, (12076, 8075), (EXCHANGE, SHAREPOINT, *more), policy)


def _edge(number: int, uplink: str, msee: Neighbor, *link_ends: str) -> Site:
    return Site(
        name=f"edge-{number}",
        address=f"{NET}{10 + number}",
        asn=64500,
        neighbors=(msee,),
        own=(CHICAGO, INBOUND, INBOUND6, PUBLISHED, PUBLISHED6),
        policies={"TO-MICROSOFT": (CHICAGO, INBOUND, INBOUND6), "TO-INTERNET": (PUBLISHED, PUBLISHED6)},
        link_ends=link_ends,
        mirrors={f"edge-{number}-msee": "TO-MICROSOFT", f"edge-{number}-{uplink}": "TO-INTERNET"},
    )


SITES = (
    _edge(
        1,
        "isp-a",
        _msee(21, "203.0.113.2", "TO-MICROSOFT", "2001:db8:ffff::2"),
        "203.0.113.1/30",
        "2001:db8:ffff::1/126",
    ),
    _edge(
        2,
        "isp-b",
        _msee(22, "203.0.113.6", "TO-MICROSOFT", "2001:db8:ffff::6"),
        "203.0.113.5/30",
        "2001:db8:ffff::5/126",
    ),
    Site(
        name="edge-3",
        address=f"{NET}13",
        asn=64500,
        neighbors=(
            _msee(23, "203.0.113.10", "TO-MICROSOFT-A"),
            _msee(24, "203.0.113.14", "TO-MICROSOFT-B", None, PREFERRED),
            Neighbor(f"{NET}25", 12076, {"10.65.0.0/16": "172.16.0.2"}, (12076,), (), "TO-PRIVATE"),
            Neighbor(f"{NET}26", 12076, {"10.65.0.0/16": "172.16.0.6"}, (12076,), (), "TO-PRIVATE"),
        ),
        own=(DALLAS, INBOUND, INBOUND6, PRIVATE),
        policies={
            "TO-MICROSOFT-A": (DALLAS, INBOUND, INBOUND6),
            "TO-MICROSOFT-B": (INBOUND, INBOUND6),
            "TO-PRIVATE": (PRIVATE,),
        },
        link_ends=(
            "203.0.113.9/30",
            "203.0.113.13/30",
            "172.16.0.1/30",
            "172.16.0.5/30",
            "2001:db8:fe::3/128",
        ),
        mirrors={
            "edge-3-msee-a": "TO-MICROSOFT-A",
            "edge-3-msee-b": "TO-MICROSOFT-B",
            "edge-3-priv-a": "TO-PRIVATE",
            "edge-3-priv-b": "TO-PRIVATE",
        },
    ),
    Site(
        name="outside",
        address=f"{NET}14",
        asn=64520,
        neighbors=(Neighbor(f"{NET}27", 3356, {PUBLISHED: f"{NET}27"}, (3356, 64510, 64500)),),
    ),
    Site(
        name="dmz-core",
        address=f"{NET}15",
        asn=64500,
        neighbors=(Neighbor(f"{NET}28", 64500, {INSIDE: f"{NET}28"}),),
    ),
    Site(
        name="campus-core",
        address=f"{NET}16",
        asn=64500,
        neighbors=(
            Neighbor(f"{NET}29", 64500, dict.fromkeys(SHARED, f"{NET}29"), (12076, 8075), (EXCHANGE,)),
        ),
    ),
)


@contextlib.contextmanager
def speaking(site: Site) -> Iterator[list[Router]]:
    """Connect the neighbors of a router, with their routes."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_router(site, neighbor)) for neighbor in site.neighbors]


def _router(site: Site, neighbor: Neighbor) -> Router:
    speaker = Speaker(
        neighbor.address,
        site.address,
        179,
        asn=neighbor.asn,
        router_id=neighbor.address,
        families=("ipv4", "ipv6"),
    )
    router = Router(speaker)
    for prefix, next_hop in neighbor.routes.items():
        router.announce(
            prefix,
            next_hop=next_hop,
            as_path=neighbor.as_path,
            communities=neighbor.communities,
            local_preference=100 if neighbor.asn == site.asn else None,
        )
    return router


def make_bridge(*addresses: str) -> None:
    """Make the bridge between all routers, in the present namespace."""
    _ip("link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
    _ip("link", "set", BRIDGE, "up")
    for address in addresses:
        _ip("address", "add", *_on_the_bridge(address), "dev", BRIDGE)


@contextlib.contextmanager
def running(site: Site, number: int, *command: str | Path) -> Iterator[None]:
    """Run a daemon in its own namespace that is connected to the bridge; the namespace ends with the daemon."""
    daemon = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *map(str, command)],
        stdin=subprocess.PIPE,
    )
    try:
        theirs = Path(f"/proc/{daemon.pid}/ns/net")
        ours = Path("/proc/thread-self/ns/net").readlink()
        eventually(lambda: theirs.readlink() != ours, f"{site.name} has a namespace of its own")
        _ip("link", "add", f"to-{number}", "type", "veth", "peer", "name", "eth0", "netns", str(daemon.pid))
        _ip("link", "set", f"to-{number}", "master", BRIDGE, "up")
        inside = ("nsenter", f"--net={theirs}", "ip")
        own = [("eth0", _on_the_bridge(address)) for address in (site.address, site.address6)]
        for device, address in (*(("lo", [end]) for end in site.link_ends), *own):
            subprocess.run([*inside, "link", "set", device, "up"], check=True)
            subprocess.run([*inside, "address", "add", *address, "dev", device], check=True)
        assert daemon.stdin is not None
        daemon.stdin.write(b"go\n")
        daemon.stdin.close()
        yield
        assert daemon.poll() is None, f"{site.name} has ended"
    finally:
        daemon.kill()
        daemon.wait(PATIENCE)


def _on_the_bridge(address: str) -> list[str]:
    return [f"{address}/64", "nodad"] if ":" in address else [f"{address}/24"]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
