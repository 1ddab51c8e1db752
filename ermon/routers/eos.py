"""Arista EOS.

After Arista's own collections for Ansible, arista.eos (eos_bgp_global) and arista.avd
(https://github.com/aristanetworks/avd), whose tests contain the commands, and published configurations. What reports sessions
is after what Azure Operator Nexus configures on EOS (Microsoft's documentation of BMP there), the documentation of Akvorado
(https://github.com/akvorado/akvorado) and the tests of https://github.com/openconfig/featureprofiles. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.routers.describe import BGP_PORT, MULTIHOP_TTL, Router, Session, Table
from ermon.routers.platform import CALLS_AGAIN, SHUT_DOWN, Bmp, Platform, about_ipv6, indented
from ermon.routers.reporting import Reporting


def write(router: Router) -> Iterator[str]:
    yield "route-map ERMON-NOTHING deny 10"
    yield "!"
    yield f"router bgp {router.asn}"
    for table in router.tables:
        if table.vrf is None:
            yield from _table(router, table)
        else:
            yield f"   vrf {table.vrf}"
            yield from indented(_table(router, table), "   ")
            yield "      exit"
    yield "!"


def _table(router: Router, table: Table) -> Iterator[str]:
    for session in table.sessions:
        yield from _session(router, session)
    for session in table.sessions:
        yield f"   no neighbor {session.neighbor} shutdown"


def _session(router: Router, session: Session) -> Iterator[str]:
    yield f"   ! {session.feed}: {session.about}"
    to = f"   neighbor {session.neighbor}"
    yield f"{to} remote-as {session.neighbor_asn}"
    yield f"{to} shutdown"
    yield f"{to} description ermon {session.feed}"
    yield f"{to} update-source {session.interface}"
    yield f"{to} timers {router.keepalive_seconds} {router.hold_seconds}"
    yield f"{to} out-delay 0"
    if router.port != BGP_PORT:
        yield f"{to} transport remote-port {router.port}"
    if session.has_key:
        yield f"{to} password {session.key}"
    if session.hops is not None:
        yield f"{to} ttl maximum-hops {session.hops}"
    elif not session.is_internal:
        yield f"{to} ebgp-multihop {MULTIHOP_TTL}"
    if not session.is_mirror:
        yield f"{to} send-community standard large"
    if session.is_reflected:
        yield f"{to} route-reflector-client"
    yield f"{to} maximum-routes 1"
    yield from _families(session)


def _families(session: Session) -> Iterator[str]:
    to = f"      neighbor {session.neighbor}"
    if "ipv4" not in session.families:
        yield from ("   address-family ipv4", f"      no neighbor {session.neighbor} activate", "      exit")
    for family in session.families:
        yield f"   address-family {family}"
        yield f"{to} activate"
        yield f"{to} route-map ERMON-NOTHING in"
        if session.is_mirror:
            yield f"{to} route-map {session.policies[family]} out"
        if session.all_paths:
            yield f"{to} additional-paths send any"
        yield "      exit"


def _notes(router: Router) -> Iterator[str]:
    yield "By default, next hops are unchanged over iBGP."
    yield SHUT_DOWN
    yield from CALLS_AGAIN
    yield from about_ipv6(router)


def write_bmp(router: Reporting) -> Iterator[str]:
    yield f"router bgp {router.asn}"
    yield "   bgp monitoring"
    for family in router.families:
        yield f"   monitoring received routes address-family {family} unicast"
    yield "   monitoring station ERMON"
    yield f"      update-source {router.interface}"
    yield "      statistics"
    yield f"      connection address {router.station}"
    yield f"      connection mode active port {router.port}"
    yield "      export-policy received routes post-policy"
    for neighbor in router.of_table(None):
        yield f"   ! {neighbor.about}"
        yield f"   neighbor {neighbor.address} monitoring"
    for vrf in router.vrfs:
        if vrf is not None:
            yield f"   vrf {vrf}"
            for neighbor in router.of_table(vrf):
                yield f"      ! {neighbor.about}"
                yield f"      neighbor {neighbor.address} monitoring"
            yield "      exit"
    yield "!"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "The published configurations differ in which of `bgp monitoring` and `neighbor ... monitoring` they have; both are here."
    yield "How often `statistics` are sent could not be confirmed: more often than collector.bmp.stats_within, or ermon takes the"
    yield "sessions for unknown."
    if router.vrfs != (None,):
        yield "CAUTION: neighbors of a VRF are after the syntax of the global table; ermon raises bmp-session-missing for a session"
        yield "that is not reported."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        'what Azure Operator Nexus configures on EOS (Microsoft, "Configure BGP Monitoring Protocol"), and the configurations in',
        "https://github.com/akvorado/akvorado and https://github.com/openconfig/featureprofiles",
    ),
    tried_on=None,
    pre_policy=False,
)


PLATFORM = Platform(
    title="Arista EOS",
    comment="!",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
