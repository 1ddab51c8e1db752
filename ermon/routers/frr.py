"""FRR 8.4 and newer: bgpd's configuration, or lines for vtysh.

The tests load it into FRR 8.4.4, in which every feed of the reference configuration comes up. What reports sessions by BMP is
after FRR's documentation (https://docs.frrouting.org/en/latest/bmp.html), and was loaded into the same release.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import SHUT_DOWN, Bmp, Platform, about_ipv6_of_frr
from ermon.routers.reporting import (
    LONGEST_RETRY_SECONDS,
    SHORTEST_RETRY_SECONDS,
    Reporting,
)


def write(router: Router) -> Iterator[str]:
    yield "route-map ERMON-NOTHING deny 10"
    yield "route-map ERMON-EVERYTHING permit 10"
    yield "!"
    for table in router.tables:
        yield f"router bgp {router.asn}" + (f" vrf {table.vrf}" if table.vrf is not None else "")
        for session in table.sessions:
            yield from _session(router, session)
        for session in table.sessions:
            yield f" no neighbor {session.neighbor} shutdown"
        yield "!"


def _session(router: Router, session: Session) -> Iterator[str]:
    yield f" ! {session.feed}: {session.about}"
    to = f" neighbor {session.neighbor}"
    yield f"{to} remote-as {session.neighbor_asn}"
    yield f"{to} shutdown"
    yield f"{to} description ermon {session.feed}"
    yield f"{to} update-source {session.source}"
    if router.port != BGP_PORT:
        yield f"{to} port {router.port}"
    yield f"{to} timers {router.keepalive_seconds} {router.hold_seconds}"
    yield f"{to} timers connect {CONNECT_RETRY_SECONDS}"
    yield f"{to} advertisement-interval 0"
    if session.has_key:
        yield f"{to} password {session.key}"
    if session.hops is not None:
        yield f"{to} ttl-security hops {session.hops}"
    elif not session.is_internal:
        yield f"{to} ebgp-multihop {MULTIHOP_TTL}"
    yield from _families(session)


def _families(session: Session) -> Iterator[str]:
    to = f"  neighbor {session.neighbor}"
    if "ipv4" not in session.families:
        yield from (" address-family ipv4 unicast", f"  no neighbor {session.neighbor} activate")
        yield " exit-address-family"
    for family in session.families:
        yield f" address-family {family} unicast"
        yield f"{to} activate"
        yield f"{to} route-map ERMON-NOTHING in"
        yield f"{to} route-map {session.policies.get(family, 'ERMON-EVERYTHING')} out"
        yield f"{to} maximum-prefix 1"
        if session.all_paths:
            yield f"{to} addpath-tx-all-paths"
        if session.is_reflected:
            yield f"{to} route-reflector-client"
        yield " exit-address-family"


def _notes(router: Router) -> Iterator[str]:
    yield "By default, FRR sends all communities, and keeps next hops over iBGP."
    yield SHUT_DOWN
    yield from about_ipv6_of_frr(router)


def write_bmp(router: Reporting) -> Iterator[str]:
    """One table connects, and reports the others besides its own: ermon takes one connection of a router."""
    first, *others = router.vrfs
    yield f"router bgp {router.asn}" + (f" vrf {first}" if first is not None else "")
    yield " bmp targets ERMON"
    retry = f"min-retry {SHORTEST_RETRY_SECONDS * 1000} max-retry {LONGEST_RETRY_SECONDS * 1000}"
    yield f"  bmp connect {router.station} port {router.port} {retry}"
    yield f"  bmp stats interval {router.statistics_seconds * 1000}"
    for family in router.families:
        yield f"  bmp monitor {family} unicast post-policy"
        if router.pre_policy:
            yield f"  bmp monitor {family} unicast pre-policy"
    yield from (f"  bmp import-vrf-view {vrf}" for vrf in others)
    yield " exit"
    yield "!"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "bgpd must run with its module: add `-M bmp` to bgpd_options in /etc/frr/daemons, and restart FRR (sessions end)."
    yield f"It connects from the address that its routing gives: {router.source} must be that one."
    yield "All sessions are reported; ermon passes over those that it does not know."
    if router.pre_policy:
        yield "CAUTION: FRR up to 10.7 reports a route that its inbound policy rejects as withdrawn: without pre_policy: true,"
        yield "ermon does not rely on it."
    if len(router.vrfs) > 1:
        yield "CAUTION: FRR 8.4 has no `import-vrf-view`, and each of its tables connects by itself, but ermon takes one connection"
        yield "of a router. Use a newer release."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=("FRR's documentation, https://docs.frrouting.org/en/latest/bmp.html",),
    tried_on="FRR 8.4.4",
)


PLATFORM = Platform(
    title="FRR",
    comment="!",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on="FRR 8.4.4",
    write=write,
    bmp=BMP,
)
