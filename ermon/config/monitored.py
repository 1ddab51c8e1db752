"""The sessions that a router reports by BMP: which of them are feeds, and what must hold for them.

A feed is made of a link's session with Microsoft, or of an uplink's sessions, for each family. Nobody has to write it down: the
neighbor of a link is the second host of its subnet (Microsoft, "ExpressRoute routing requirements": the first is the customer's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ermon.config.circuits import LinkEntry
from ermon.config.problems import Complaint, advice
from ermon.config.schema import BmpPeerEntry, Draft, RouterBmpSection
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Feed, Link, Uplink, View
from ermon.model.prefixes import FAMILIES, Address, Family

_NO_PEER = BmpPeerEntry()


def monitored_feeds(
    router: str, bmp: RouterBmpSection, circuits: Mapping[str, Circuit], uplinks: Mapping[str, Uplink]
) -> Iterator[Feed]:
    """Yield the feeds that one router's BMP connection carries."""
    for circuit in circuits.values():
        for link in circuit.links.values():
            if link.router == router:
                yield from _link_feeds(link, bmp)
    for uplink in uplinks.values():
        if uplink.router == router:
            yield from _uplink_feeds(uplink, bmp)


def _link_feeds(link: Link, bmp: RouterBmpSection) -> Iterator[Feed]:
    for family in link.families:
        name = f"{link.router}/{link.circuit}/{link.name}/{family}"
        peer = bmp.peers.get(f"{link.circuit}/{link.name}", _NO_PEER)
        session = Feed(
            name=name,
            view=View.FROM_MICROSOFT,
            peer=str(neighbor_of(link, family, peer)),
            local="",
            peer_asn=MICROSOFT_ASN,
            local_asn=0,
            families=(family,),
            add_path=True,  # the router has one path of this neighbor for each prefix, so these are all
            router=link.router,
            vrf=link.vrf,
            circuit=link.circuit,
            link=link.name,
            by_bmp=True,
            distinguisher=peer.rd,
        )
        yield session
        if bmp.pre_policy:
            yield replace(session, name=f"{name}/pre-policy", pre_policy=True)
        if bmp.adj_rib_out:
            yield replace(session, name=f"{name}/advertised", view=View.TO_MICROSOFT, add_path=False)


def neighbor_of(link: Link | LinkEntry, family: Family, peer: BmpPeerEntry) -> Address:
    """Return Microsoft's address on a link that has the family: as given, or the second host of the link's subnet, a /30 or /126.

    In a /31 or /127 (RFC 3021, RFC 6164), it is the second of the two addresses.
    """
    given, subnet = (peer.ipv4, link.subnet) if family == "ipv4" else (peer.ipv6, link.subnet6)
    if given is not None:
        return given
    assert subnet is not None
    return Address(subnet.version, subnet.value + (1 if subnet.bits - subnet.length == 1 else 2))


def _uplink_feeds(uplink: Uplink, bmp: RouterBmpSection) -> Iterator[Feed]:
    for family in FAMILIES:
        name = f"{uplink.router}/{uplink.name}/{family}"
        session = Feed(
            name=name,
            view=View.FROM_INTERNET,
            peer=_neighbor(uplink, family),
            local="",
            peer_asn=uplink.asn,
            local_asn=0,
            families=(family,),
            router=uplink.router,
            uplink=uplink.name,
            by_bmp=True,
        )
        yield session
        if bmp.adj_rib_out:
            yield replace(session, name=f"{name}/advertised", view=View.TO_INTERNET)


def _neighbor(uplink: Uplink, family: Family) -> str:
    """Return the address of the session that carries a family; empty: any session with the uplink's ASN.

    A provider with one address carries both families over it.
    """
    version = 4 if family == "ipv4" else 6
    own = [address for address in uplink.neighbors if address.version == version]
    return str(next(iter(own or uplink.neighbors), ""))


def complaints_about_bmp(draft: Draft) -> Iterator[Complaint]:
    connecting: dict[Address, str] = {}
    for name, router in draft.routers.items():
        if router.bmp is None:
            continue
        path = ("routers", name, "bmp")
        if draft.collector.bmp is None:
            message = "needs ermon to take BMP connections; add collector.bmp: {listen: [ADDRESS:PORT]}"
            yield Complaint(path, message)
        first = connecting.setdefault(router.bmp.peer, name)
        if first != name:
            message = (
                f"{router.bmp.peer} is also the peer of {first}; each router needs an address of its own"
            )
            yield Complaint((*path, "peer"), message)
        yield from _peers(name, router.bmp, draft)


def _peers(router: str, bmp: RouterBmpSection, draft: Draft) -> Iterator[Complaint]:
    """Hold the sessions of a router against each other: each must be told from the others."""
    path = ("routers", router, "bmp", "peers")
    own = {
        f"{circuit}/{name}": link
        for circuit, entry in draft.circuits.items()
        for name, link in entry.links.items()
        if link.router == router
    }
    for key in bmp.peers:
        if key not in own:
            yield Complaint((*path, key), f"{key!r} is not a link of {router}; {advice(key, own)}")
    seen: dict[Address, list[tuple[str, bytes | None]]] = {}
    for key, link in own.items():
        peer = bmp.peers.get(key, _NO_PEER)
        for family in _families(link):
            others = seen.setdefault(neighbor_of(link, family, peer), [])
            twin = next((name for name, rd in others if rd is None or peer.rd is None or rd == peer.rd), None)
            if twin is not None:
                message = (
                    f"{twin} and {key} have the same neighbor {neighbor_of(link, family, peer)}; give each the route "
                    "distinguisher of its VRF: peers: {CIRCUIT/LINK: {rd: '64500:7'}}"
                )
                yield Complaint((*path, key) if key in bmp.peers else path[:-1], message)
            others.append((key, peer.rd))


def _families(link: LinkEntry) -> Iterator[Family]:
    if link.subnet is not None:
        yield "ipv4"
    if link.subnet6 is not None:
        yield "ipv6"


def cautions_about_bmp(draft: Draft) -> Iterator[Complaint]:
    if draft.collector.bmp is not None and not any(router.bmp for router in draft.routers.values()):
        yield Complaint(
            ("collector", "bmp"), "has no effect: no router has bmp; add routers.NAME.bmp: {peer: ADDRESS}"
        )
