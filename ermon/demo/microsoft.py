"""Microsoft's side of the demo's circuit: what Azure says of it, and the tables of the two edge routers at its far ends.

A stand-in for Azure on loopback answers with it. The tables are those of a circuit whose routers do what the story says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ermon.demo.azure import AzureStandIn, circuit_document
from ermon.demo.bmp import Route
from ermon.model.azure_tables import device_of
from ermon.model.inventory import Circuit, Config, Link
from ermon.model.prefixes import Address, parse_prefix

SECRET_FILE, AUTHORITY_FILE = "azure-secret", "azure-authority.pem"
"""What ermon logs in with, and whom it trusts."""

_SECRET = "good-in-the-demo-alone"  # noqa: S105  # the stand-in does not read it
_CORE_ASN = 8075
"""Microsoft's network behind its edge routers."""
_CORE: Mapping[int, str] = {4: "10.3.129.4*", 6: "fd00:3::4*"}
"""Their next hops there, with the marks of a router."""
IDLE, SHUT_DOWN = "Idle", "Idle (Admin)"
"""The words of an edge router for sessions that are down, and for those that its operator has shut down."""


@dataclass(slots=True)
class _Edge:
    """One of Microsoft's edge routers."""

    link: Link
    sent: Sequence[Route]
    """What it sends to us."""
    pools: Sequence[Route]
    """What we announce to it."""
    state: str = ""
    """Of its sessions with us; empty while they are established."""
    reaches_us: bool = True
    """Whether our end of the link answers to ARP."""
    since: float = field(default_factory=time.monotonic)

    def change(self, state: str = "", *, reaches_us: bool = True) -> None:
        self.state, self.reaches_us, self.since = state, reaches_us, time.monotonic()

    @property
    def us(self) -> dict[int, str]:
        """By IP version: our end of the link."""
        return {
            subnet.version: str(Address(subnet.version, subnet.value + 1)) for subnet in self.link.subnets
        }

    def routes(self, asn: int) -> list[dict[str, Any]]:
        sent = [(route.prefix, _CORE[_version(route)], f"{_CORE_ASN} ?") for route in self.sent]
        learned = [
            (pool.prefix, self.us[_version(pool)], f"{asn} I") for pool in self.pools if not self.state
        ]
        return [
            {"network": prefix, "nextHop": next_hop, "locPrf": "", "weight": 0, "path": path}
            for prefix, next_hop, path in (*sent, *learned)
        ]

    def summary(self, asn: int) -> list[dict[str, Any]]:
        # One prefix comes in each family while the session is established, and a word stands there otherwise.
        hours, seconds = divmod(int(time.monotonic() - self.since), 3600)
        for_so_long = f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}"
        return [
            {"neighbor": us, "v": 4, "as": asn, "upDown": for_so_long, "statePfxRcd": self.state or "1"}
            for us in self.us.values()
        ]

    def arp(self) -> list[dict[str, Any]]:
        subnet = self.link.subnet
        assert subnet is not None  # demo.yml says it
        us, microsoft = (str(Address(4, subnet.value + end)) for end in (1, 2))
        own = "00a0.c9aa.0001" if self.reaches_us else "Incomplete"
        return [
            {"age": 10, "interface": "On-Prem", "ipAddress": us, "macAddress": own},
            {"age": 0, "interface": "Microsoft", "ipAddress": microsoft, "macAddress": "00a0.c9bb.0001"},
        ]


class MicrosoftSide:
    """What Azure says while the story goes on."""

    def __init__(
        self, links: Iterable[Link], sent: Mapping[str, Sequence[Route]], pools: Sequence[Route]
    ) -> None:
        """``sent``, by link, comes from Microsoft, and ``pools`` from us."""
        self.azure = AzureStandIn()
        self.azure.polls = 0  # real tables take minutes
        self._edges = {link.name: _Edge(link, sent[link.name], pools) for link in links}

    def show(self, config: Config, circuit: Circuit) -> None:
        """Let Azure have this circuit, as the configuration says."""
        assert circuit.azure is not None  # the story says where it is
        place = circuit.azure.key
        self.azure.documents = {
            place: circuit_document(config, circuit),
            f"{place}/peerings/microsoftpeering/stats": _STATS,
        }
        for link in circuit.links.values():
            edge, device = self._edges[link.name], device_of(circuit, link)
            tables = {
                "routetables": partial(edge.routes, config.customer.asn),
                "routetablessummary": partial(edge.summary, config.customer.asn),
                "arptables": edge.arp,
            }
            for name, table in tables.items():
                self.azure.operations[f"{place}/peerings/microsoftpeering/{name}/{device}"] = partial(
                    _page, table
                )

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Listen on a free port of loopback."""
        return self.azure.listening()

    def write_files(self, directory: Path) -> None:
        """Write what ermon needs to log in at the stand-in, and to trust it."""
        (directory / SECRET_FILE).write_text(_SECRET, encoding="ascii")
        (directory / AUTHORITY_FILE).write_bytes(self.azure.certificate)

    def cut(self, link: str) -> None:
        """Let the provider lose a link: nothing answers at our end any more."""
        self._edges[link].change(IDLE, reaches_us=False)

    def shut_down(self, link: str) -> None:
        """Let Microsoft shut its sessions on a link down."""
        self._edges[link].change(SHUT_DOWN)

    def bring_up(self, link: str) -> None:
        self._edges[link].change()


_STATS = {
    "primarybytesIn": 81_000,
    "primarybytesOut": 95_000,
    "secondarybytesIn": 79_000,
    "secondarybytesOut": 93_000,
}


def _version(route: Route) -> int:
    return parse_prefix(route.prefix).version


def _page(table: Any) -> dict[str, Any]:
    return {"value": table(), "nextLink": None}
