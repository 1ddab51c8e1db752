"""A network of any number of circuits: its configuration, and what its routers send.

Each circuit has two links, each on its own router, and a NAT pool. Each router sends its edge table and mirrors its
link. Some routers also mirror an uplink, and some sessions show the internet from outside. Everything is in both
families. Microsoft's routes come five to an UPDATE: three that every circuit has, and two of the circuit's region,
which the policy expects. On a good day every link is up, and nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ermon.model.prefixes import FAMILIES, Family
from tests.bench.scale.lines import Announced, Session

CONFIG, CHANGED = "ermon.yml", "changed.yml"
"""The file of the configuration, and the file with another policy for the same routes."""

MOST_CIRCUITS = 4096
"""Limited by the address space for pools and links."""

CUSTOMER_ASN, MICROSOFT_ASN, OUTSIDE_ASN = 64512, 12076, 64700
COMMUNITIES = ((12076, 5010), (12076, 5020), (12076, 51004))
"""Two services, which the policy requires, and a region."""

PORT = 1790

REGIONS = 5
"""Geopolitical regions, independent of the number of circuits."""

UPLINKS, OUTSIDE = 2, 1
"""Mirrors of uplinks and views from outside. Every pool is searched in each of them."""

COMMON: dict[Family, list[str]] = {
    "ipv4": ["13.107.6.0/24", "13.107.18.0/24", "13.107.64.0/24"],
    "ipv6": ["2603:1006::/40", "2603:1016::/40", "2603:1026::/40"],
}
"""What every circuit receives from Microsoft."""

_HEAD = """\
customer:
  asn: {asn}
  own_prefixes: [198.18.0.0/16, 2001:db8:1000::/36]
collector:
  port: {port}
policy:
  public_space: [198.18.0.0/15, 2001:db8::/32]
checks:
  pool-leak: {{clear_after: 0s}}
  link-down: {{raise_after: {raise_after}s}}
"""

_CIRCUIT = """\
  {name}:
    geo: region-{region}
    location: Site {number}
    peering: microsoft
    links:
      primary: {{router: {routers[0]}, subnet: {subnets[0]}, subnet6: "{subnets6[0]}"}}
      secondary: {{router: {routers[1]}, subnet: {subnets[1]}, subnet6: "{subnets6[1]}"}}
    receive:
      services: [exchange-online, sharepoint-online]
      minimum: {{ipv4: {minimum}, ipv6: {minimum}}}
      prefixes: [{expected}]
"""


@dataclass(frozen=True)
class Link:
    """The link number ``number`` of the network; its router has the same number."""

    number: int

    @property
    def circuit(self) -> str:
        return f"circuit-{self.number // 2:04}"

    @property
    def name(self) -> str:
        return ("primary", "secondary")[self.number % 2]

    @property
    def router(self) -> str:
        return f"edge-{self.number:04}"

    @property
    def mirror(self) -> str:
        """The feed that mirrors the link; the feed of the router's table has the router's name."""
        return f"msee-{self.number:04}"

    @property
    def subnet(self) -> str:
        at = 4 * self.number
        return f"198.19.{at // 256}.{at % 256}/30"

    @property
    def subnet6(self) -> str:
        return f"2001:db8:f000:{self.number:x}::/126"

    @property
    def peer(self) -> str:
        """The router's address."""
        return f"127.1.{self.number // 250}.{self.number % 250 + 1}"

    def msee(self, family: Family) -> str:
        """Microsoft's end of the link."""
        if family == "ipv6":
            return f"2001:db8:f000:{self.number:x}::2"
        at = 4 * self.number + 2
        return f"198.19.{at // 256}.{at % 256}"

    def own_end(self, family: Family) -> str:
        return f"::ffff:{self.peer}" if family == "ipv6" else self.peer

    def brings(self, family: Family, *, med: int | None = None) -> Announced:
        """The UPDATE with everything that Microsoft sends on the link in a family."""
        prefixes = [*COMMON[family], *regional(self.number // 2, family)]
        path = (MICROSOFT_ASN, 8075)
        return Announced(family, prefixes, self.msee(family), path, COMMUNITIES, med, path_id=1)


def regional(circuit: int, family: Family) -> list[str]:
    """What only the circuit of that number receives from Microsoft, as the policy expects."""
    if family == "ipv4":
        return [f"20.{n // 256}.{n % 256}.0/24" for n in (2 * circuit, 2 * circuit + 1)]
    return [f"2603:1040:{n:x}::/48" for n in (2 * circuit, 2 * circuit + 1)]


def pool_prefix(circuit: int, family: Family) -> str:
    """The prefix of a circuit's pool in a family."""
    if family == "ipv6":
        return f"2001:db8:{0x1000 + circuit:x}::/48"
    return f"198.18.{circuit // 16}.{circuit % 16 * 16}/28"


def pool_name(circuit: int) -> str:
    return f"pool-{circuit:04}"


@dataclass(frozen=True)
class Network:
    """A network of ``circuits`` circuits, with uplinks on ``uplinks`` of its routers, which mirror them."""

    circuits: int
    uplinks: int = UPLINKS
    outside: int = OUTSIDE

    def __post_init__(self) -> None:
        if not 1 <= self.circuits <= MOST_CIRCUITS:
            raise ValueError(f"{self.circuits} circuits: there is room for 1 to {MOST_CIRCUITS}")
        if not 1 <= self.uplinks <= 2 * self.circuits:
            raise ValueError(f"{self.uplinks} uplinks on the routers of {self.circuits} circuits")

    @cached_property
    def links(self) -> list[Link]:
        return [Link(number) for number in range(2 * self.circuits)]

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """The sessions by feed."""
        found: dict[str, Session] = {}
        for link in self.links:
            found[link.router] = Session("127.2.0.1", link.peer, add_path=True)
            found[link.mirror] = Session("127.2.0.2", link.peer)
        for number, feed in enumerate(self.uplink_feeds):
            found[feed] = Session("127.2.0.3", self.links[number].peer)
        for number, feed in enumerate(self.outside_feeds):
            found[feed] = Session(f"127.2.1.{number + 1}", f"127.3.0.{number + 1}", pid=200 + number)
        return found

    @property
    def uplink_feeds(self) -> list[str]:
        """The mirror of the uplink of each of the first routers."""
        return [f"isp-{number:04}" for number in range(self.uplinks)]

    @property
    def outside_feeds(self) -> list[str]:
        return [f"outside-{number}" for number in range(self.outside)]

    # What is configured ------------------------------------------------------------------------------

    def write(self, folder: Path) -> None:
        """Write both configurations."""
        (folder / CONFIG).write_text(self.text(), encoding="ascii")
        (folder / CHANGED).write_text(self.text(changed=True), encoding="ascii")

    def text(self, *, changed: bool = False) -> str:
        """The configuration; with ``changed`` another policy for the same routes."""
        parts = [_HEAD.format(asn=CUSTOMER_ASN, port=PORT, raise_after=20 if changed else 10), "circuits:\n"]
        parts += [self._circuit(number, changed=changed) for number in range(self.circuits)]
        parts += ["nat_pools:\n", *map(self._pool, range(self.circuits))]
        if self.uplinks:
            parts += ["uplinks:\n"]
            for number, uplink in enumerate(self.uplink_feeds):
                asn = 4_200_000_000 + number
                parts.append(f"  {uplink}: {{router: {self.links[number].router}, asn: {asn}}}\n")
        parts += ["feeds:\n", *self._feeds()]
        return "".join(parts)

    def _circuit(self, number: int, *, changed: bool) -> str:
        links = [self.links[2 * number], self.links[2 * number + 1]]
        expected = [prefix for family in FAMILIES for prefix in regional(number, family)]
        return _CIRCUIT.format(
            name=links[0].circuit,
            region=number % min(REGIONS, max(1, self.circuits // 2)),
            number=number,
            routers=[link.router for link in links],
            subnets=[link.subnet for link in links],
            subnets6=[link.subnet6 for link in links],
            minimum=3 if changed else 4,
            expected=", ".join(f'"{prefix}"' for prefix in expected),
        )

    def _pool(self, circuit: int) -> str:
        prefixes = ", ".join(f'"{pool_prefix(circuit, family)}"' for family in FAMILIES)
        return f"  {pool_name(circuit)}: {{circuit: circuit-{circuit:04}, prefixes: [{prefixes}]}}\n"

    def _feeds(self) -> Iterator[str]:
        for link in self.links:
            yield self._feed(link.router, f"router: {link.router}, view: edge-table, add_path: true")
            end = f"circuit: {link.circuit}, link: {link.name}, local_asn: 65010"
            yield self._feed(link.mirror, f"router: {link.router}, view: to-microsoft, {end}")
        for number, feed in enumerate(self.uplink_feeds):
            end = f"router: {self.links[number].router}, uplink: {feed}, local_asn: 65011"
            yield self._feed(feed, f"view: to-internet, {end}")
        for feed in self.outside_feeds:
            yield self._feed(feed, "view: internet, local_asn: 65012", OUTSIDE_ASN)

    def _feed(self, name: str, settings: str, asn: int = CUSTOMER_ASN) -> str:
        session = self.sessions[name]
        addresses = f"peer: {session.peer}, local: {session.local}, peer_asn: {asn}"
        return f"  {name}: {{{settings}, {addresses}, families: [ipv4, ipv6]}}\n"

    # What the routers send ---------------------------------------------------------------------------

    def dump(self, feed: str) -> Iterator[Announced]:
        """The UPDATEs of a feed's initial table on a good day."""
        kind, _, number = feed.partition("-")
        for family in FAMILIES:
            if kind == "edge":
                yield self.links[int(number)].brings(family)
            elif kind == "msee":
                link = self.links[int(number)]
                prefixes = [pool_prefix(link.number // 2, family)]
                yield Announced(family, prefixes, link.own_end(family), (CUSTOMER_ASN,))
            else:
                yield self.shown_to_the_internet(feed, family, [published(family)])

    def shown_to_the_internet(self, feed: str, family: Family, prefixes: list[str]) -> Announced:
        """An UPDATE with prefixes of the company, on a mirror of an uplink or a view from outside."""
        peer = self.sessions[feed].peer
        path = (CUSTOMER_ASN,) if feed.startswith("isp-") else (OUTSIDE_ASN, CUSTOMER_ASN)
        return Announced(family, prefixes, f"::ffff:{peer}" if family == "ipv6" else peer, path)

    def leak(self, number: int) -> tuple[Session, Announced]:
        """The leak of a pool on the mirror of an uplink, another pool and uplink for each number."""
        feed, family = self.uplink_feeds[number % self.uplinks], FAMILIES[number % 2]
        leaked = [pool_prefix(number % self.circuits, family)]
        return self.sessions[feed], self.shown_to_the_internet(feed, family, leaked)

    def foreign(self, feed: str, number: int, count: int = 7) -> Announced:
        """An UPDATE of routes that the policy does not ask about, others for each number."""
        prefixes = [
            f"45.{n // 256 % 256}.{n % 256}.0/24" for n in range(count * number, count * number + count)
        ]
        path = (OUTSIDE_ASN, 64701, 64702 + number % 500)
        add_path = 1 if self.sessions[feed].add_path else None
        return Announced("ipv4", prefixes, self.sessions[feed].peer, path, path_id=add_path)


def published(family: Family) -> str:
    """What the company announces to the internet: its own space that is in no pool."""
    return "2001:db8:1fff::/48" if family == "ipv6" else "198.18.255.0/24"
