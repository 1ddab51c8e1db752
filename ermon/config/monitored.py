"""The sessions that a router reports by BMP: which of them are feeds, and what must hold for them.

A feed is made of a link's session with Microsoft, or of an uplink's sessions, for each family. Nobody has to write it down: the
neighbor of a link is the second host of its subnet (Microsoft, "ExpressRoute routing requirements": the first is the customer's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ermon.config.circuits import LinkEntry
from ermon.config.problems import Complaint, advice
from ermon.config.schema import BmpPeerEntry, Draft, RouterBmpSection
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Feed, Link, Uplink, View
from ermon.model.prefixes import FAMILIES, Address, Family, parse_address

_NO_PEER = BmpPeerEntry()
WITHOUT_BMP = frozenset({"fortios", "openbgpd", "panos"})
"""Platforms that have no BMP by their documentation."""

_PRE_POLICY, _ADVERTISED = "pre-policy", "advertised"
"""What a session's name is followed by, for the feeds besides what the router accepts from the neighbor."""


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
        name = _link_session(link.router, link.circuit, link.name, family)
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
            yield replace(session, name=f"{name}/{_PRE_POLICY}", pre_policy=True)
        if bmp.adj_rib_out:
            yield replace(session, name=f"{name}/{_ADVERTISED}", view=View.TO_MICROSOFT, add_path=False)


def _link_session(router: str, circuit: str, link: str, family: str) -> str:
    return f"{router}/{circuit}/{link}/{family}"


def _uplink_session(router: str, uplink: str, family: str) -> str:
    return f"{router}/{uplink}/{family}"


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
        name = _uplink_session(uplink.router, uplink.name, family)
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
            yield replace(session, name=f"{name}/{_ADVERTISED}", view=View.TO_INTERNET)


def _neighbor(uplink: Uplink, family: Family) -> str:
    """Return the address of the session that carries a family; empty: any session with the uplink's ASN.

    A provider with one address carries both families over it.
    """
    version = 4 if family == "ipv4" else 6
    own = [address for address in uplink.neighbors if address.version == version]
    return str(next(iter(own or uplink.neighbors), ""))


def names_of_sessions(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the feeds that routers report by BMP, from the plain values: those of entries with mistakes, too."""
    for router, entry in _entries(data, "routers"):
        if "bmp" not in entry:
            continue
        bmp = entry["bmp"] if isinstance(entry["bmp"], dict) else {}
        for circuit, own in _entries(data, "circuits"):
            for link, values in _entries(own, "links"):
                if values.get("router") == router:
                    families = [f for f, key in _SUBNETS.items() if values.get(key) is not None]
                    sessions = (_link_session(router, circuit, link, family) for family in families)
                    yield from _with_others(sessions, bmp, _PRE_POLICY, _ADVERTISED)
        for uplink, values in _entries(data, "uplinks"):
            if values.get("router") == router:
                sessions = (_uplink_session(router, uplink, family) for family in FAMILIES)
                yield from _with_others(sessions, bmp, _ADVERTISED)


def _with_others(sessions: Iterator[str], bmp: Mapping[str, Any], *others: str) -> Iterator[str]:
    asked = {_PRE_POLICY: "pre_policy", _ADVERTISED: "adj_rib_out"}
    for session in sessions:
        yield session
        yield from (f"{session}/{other}" for other in others if bmp.get(asked[other]) is True)


def _entries(data: Mapping[str, Any], section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = data.get(section)
    for name, entry in found.items() if isinstance(found, dict) else ():
        if isinstance(entry, dict):
            yield name, entry


def unheard(data: Mapping[str, Any]) -> Iterator[Complaint]:
    """Yield the routers whose BMP connections nothing in the file takes, from the plain values."""
    collector = data.get("collector", {})
    if isinstance(collector, dict) and "bmp" not in collector:
        for name, entry in _entries(data, "routers"):
            if "bmp" in entry:
                message = "needs ermon to take BMP connections; add collector.bmp: {listen: [ADDRESS:PORT]}"
                yield Complaint(("routers", name, "bmp"), message)


def complaints_about_bmp(draft: Draft) -> Iterator[Complaint]:
    connecting: dict[Address, str] = {}
    for name, router in draft.routers.items():
        if router.bmp is None:
            continue
        path = ("routers", name, "bmp")
        first = connecting.setdefault(router.bmp.peer, name)
        if first != name:
            message = (
                f"{router.bmp.peer} is also the peer of {first}; each router needs an address of its own"
            )
            yield Complaint((*path, "peer"), message)
        yield from _peers(name, router.bmp, draft)
        yield from _uplinks(name, draft)


def _peers(router: str, bmp: RouterBmpSection, draft: Draft) -> Iterator[Complaint]:
    """Compare the links of a router: the session of each must differ from the others'."""
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
            neighbor = neighbor_of(link, family, peer)
            others = seen.setdefault(neighbor, [])
            twin = next(
                (n for n, rd in others if n != key and (None in {rd, peer.rd} or rd == peer.rd)), None
            )
            if twin is not None:
                message = (
                    f"{twin} and {key} have the same neighbor {neighbor}; give each the route "
                    "distinguisher of its VRF: peers: {CIRCUIT/LINK: {rd: '64500:7'}}"
                )
                yield Complaint((*path, key) if key in bmp.peers else path[:-1], message)
            others.append((key, peer.rd))


def _uplinks(router: str, draft: Draft) -> Iterator[Complaint]:
    """Compare the uplinks of a router: the sessions of each must differ from the others'."""
    seen: dict[Address | int, str] = {}
    for name, uplink in draft.uplinks.items():
        if uplink.router != router:
            continue
        for key in uplink.neighbor or (uplink.asn,):
            first = seen.setdefault(key, name)
            if first == name:
                continue
            if uplink.neighbor:
                message = f"{key} is also the neighbor of {first}; an uplink has a neighbor of its own"
                yield Complaint(("uplinks", name, "neighbor"), message)
            else:
                message = (
                    f"{first} has the same ASN {key} on {router}, so {router}'s sessions by BMP cannot be distinguished; give "
                    "both a neighbor"
                )
                yield Complaint(("uplinks", name, "asn"), message)


_SUBNETS: Mapping[Family, str] = {"ipv4": "subnet", "ipv6": "subnet6"}
"""The key of a link that gives it a family."""


def _families(link: LinkEntry) -> Iterator[Family]:
    return (family for family, key in _SUBNETS.items() if getattr(link, key) is not None)


def cautions_about_bmp(draft: Draft) -> Iterator[Complaint]:
    reporting = [name for name, router in draft.routers.items() if router.bmp is not None]
    if draft.collector.bmp is not None and not reporting:
        yield Complaint(
            ("collector", "bmp"), "has no effect: no router has bmp; add routers.NAME.bmp: {peer: ADDRESS}"
        )
    ends = {link.router for circuit in draft.circuits.values() for link in circuit.links.values()}
    ends |= {uplink.router for uplink in draft.uplinks.values()}
    for name in reporting:
        if name not in ends:
            message = f"has no effect: no link and no uplink has {name} as its router, so it has no session to report"
            yield Complaint(("routers", name, "bmp"), message)
        if draft.routers[name].platform in WITHOUT_BMP:
            message = "has no effect: the router's platform has no BMP by its documentation; give it an edge-table feed"
            yield Complaint(("routers", name, "bmp"), message)
        yield from _other_family(name, draft)
        yield from _idle_addresses(name, draft)


def _other_family(router: str, draft: Draft) -> Iterator[Complaint]:
    bmp, listening = draft.routers[router].bmp, draft.collector.bmp
    if bmp is None or listening is None:
        return
    versions = {parse_address(address).version for address, _ in listening.listen}
    if bmp.peer.version not in versions:
        message = f"{bmp.peer} can never connect: collector.bmp.listen has no address of its family; add one"
        yield Complaint(("routers", router, "bmp", "peer"), message)


def _idle_addresses(router: str, draft: Draft) -> Iterator[Complaint]:
    """Yield the neighbors' addresses in families that their links do not have."""
    bmp = draft.routers[router].bmp
    for key, peer in (bmp.peers if bmp is not None else {}).items():
        circuit, _, name = key.partition("/")
        link = draft.circuits[circuit].links.get(name) if circuit in draft.circuits else None
        for family, subnet in _SUBNETS.items():
            if link is not None and getattr(peer, family) is not None and getattr(link, subnet) is None:
                path = ("routers", router, "bmp", "peers", key, family)
                yield Complaint(path, f"has no effect: the link has no {subnet}")
