"""Cisco IOS-XE.

ADD-PATH is after "BGP Additional Paths", IP Routing: BGP Configuration Guide
(https://www.cisco.com/c/en/us/td/docs/ios-xml/ios/iproute_bgp/configuration/xe-16-7/irg-xe-16-7-book/bgp-additional-paths.html),
in the commands for one neighbor of its examples, which do not affect other neighbors' sessions. The rest is common to
IOS and was only compared with published configurations. What reports sessions is after "BGP Monitoring Protocol" in the same
guide, for Cisco IOS XE 16, which names no choice of a policy. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.model.prefixes import FAMILIES, Family
from ermon.routers.describe import MULTIHOP_TTL, Router, Session, Table
from ermon.routers.platform import CALLS_AGAIN, SHUT_DOWN, Bmp, Platform, about_ipv6, about_ttl, indented
from ermon.routers.reporting import Reporting

_FAMILIES: Mapping[Family, str] = {"ipv4": "ipv4", "ipv6": "ipv6 unicast"}


def write(router: Router) -> Iterator[str]:
    yield "route-map ERMON-NOTHING deny 10"
    yield "!"
    yield f"router bgp {router.asn}"
    for table in router.tables:
        yield from _global_table(router, table) if table.vrf is None else _vrf(router, table)
    yield "!"


def _global_table(router: Router, table: Table) -> Iterator[str]:
    for session in table.sessions:
        yield f" ! {session.feed}: {session.about}"
        yield from _session(router, session)
        if "ipv4" not in session.families:
            yield from (" address-family ipv4", f"  no neighbor {session.neighbor} activate")
            yield " exit-address-family"
        for family in session.families:
            yield f" address-family {_FAMILIES[family]}"
            yield from _family(session, family)
            yield " exit-address-family"
    for family in table.families_with_all_paths:
        yield f" address-family {_FAMILIES[family]}"
        yield "  bgp additional-paths select all"
        yield " exit-address-family"
    for session in table.sessions:
        yield f" no neighbor {session.neighbor} shutdown"


def _vrf(router: Router, table: Table) -> Iterator[str]:
    """In a VRF, a neighbor is configured within each of its address families, and only there."""
    for family in FAMILIES:
        sessions = [session for session in table.sessions if family in session.families]
        if not sessions:
            continue
        yield f" address-family {family} vrf {table.vrf}"
        if family in table.families_with_all_paths:
            yield "  bgp additional-paths select all"
        for session in sessions:
            yield f"  ! {session.feed}: {session.about}"
            yield from indented(_session(router, session), " ")
            yield from _family(session, family)
        for session in sessions:
            yield f"  no neighbor {session.neighbor} shutdown"
        yield " exit-address-family"


def _session(router: Router, session: Session) -> Iterator[str]:
    to = f" neighbor {session.neighbor}"
    yield f"{to} remote-as {session.neighbor_asn}"
    yield f"{to} shutdown"
    yield f"{to} description ermon {session.feed}"
    yield f"{to} update-source {session.interface}"
    yield f"{to} timers {router.keepalive_seconds} {router.hold_seconds}"
    if session.has_key:
        yield f"{to} password {session.key}"
    if not session.is_internal:
        hops = session.hops
        yield f"{to} ebgp-multihop {MULTIHOP_TTL}" if hops is None else f"{to} ttl-security hops {hops}"


def _family(session: Session, family: Family) -> Iterator[str]:
    to = f"  neighbor {session.neighbor}"
    yield f"{to} activate"
    yield f"{to} route-map ERMON-NOTHING in"
    if session.is_mirror:
        yield f"{to} route-map {session.policies[family]} out"
    else:
        yield f"{to} send-community both"
    yield f"{to} maximum-prefix 1"
    yield f"{to} advertisement-interval 0"
    if session.all_paths:
        yield from (f"{to} additional-paths send", f"{to} advertise additional-paths all")
    if session.is_reflected:
        yield f"{to} route-reflector-client"


def _notes(router: Router) -> Iterator[str]:
    yield "By default, next hops are unchanged over iBGP. Standard communities are sent; how to send large"
    yield "ones depends on the release."
    yield SHUT_DOWN
    if router.vrfs:
        yield "CAUTION: whether additional paths are sent in a VRF depends on the release. Where they are not, feed-best-path-only"
        yield "is raised: set add_path: false. If a VRF refuses IPv6 on an IPv4 neighbor, use a separate feed for IPv6."
    yield from CALLS_AGAIN
    yield from about_ttl(router, "ttl-security")
    yield from about_ipv6(router)


FAILURE_RETRY_SECONDS = 30
"""The wait before a connection that failed is tried again."""


def write_bmp(router: Reporting) -> Iterator[str]:
    yield f"router bgp {router.asn}"
    yield " bmp server 1"
    yield f"  address {router.station} port-number {router.port}"
    yield "  description ermon"
    yield f"  failure-retry-delay {FAILURE_RETRY_SECONDS}"
    yield f"  stats-reporting-period {router.statistics_seconds}"
    yield f"  update-source {router.interface}"
    yield "  activate"
    yield " exit-bmp-server-mode"
    for neighbor in router.neighbors:
        yield f" ! {neighbor.about}"
        yield f" neighbor {neighbor.address} bmp-activate server 1"
    yield "!"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "If BMP server 1 exists already, take another number, here and behind each neighbor."
    yield "When the connection comes up, the router asks each of these neighbors for a route refresh, one after the other."
    if router.vrfs != (None,):
        yield "CAUTION: `neighbor ... bmp-activate` is documented for neighbors of the global table. If the router refuses it, type"
        yield "it in `address-family ipv4 vrf` of the neighbor; ermon raises bmp-session-missing for a session that is not reported."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=('"BGP Monitoring Protocol", IP Routing: BGP Configuration Guide, Cisco IOS XE 16',),
    tried_on=None,
    post_policy=False,
)


PLATFORM = Platform(
    title="Cisco IOS-XE",
    comment="!",
    notes=_notes,
    any_port=False,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
