"""VyOS 1.4 and newer: commands for its configuration mode.

After "BGP" (https://github.com/vyos/vyos-documentation, docs/configuration/protocols/bgp.rst), which docs.vyos.io
shows, and, for ``addpath-tx-all``, ``port`` and the timers of a neighbor, the interface definitions and smoke tests of
VyOS itself (https://github.com/vyos/vyos-1x), as for BMP. VyOS runs FRR. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Bmp, Platform, about_ipv6_of_frr
from ermon.routers.reporting import LONGEST_RETRY_SECONDS, SHORTEST_RETRY_SECONDS, Reporting

SHORTEST_TIMER = 4
"""Seconds; VyOS accepts no shorter timer."""


def write(router: Router) -> Iterator[str]:
    yield "set policy route-map ERMON-NOTHING rule 10 action deny"
    yield "set policy route-map ERMON-EVERYTHING rule 10 action permit"
    for session in router.sessions:
        yield from _session(router, session)


def _session(router: Router, session: Session) -> Iterator[str]:
    yield f"# {session.feed}: {session.about}"
    within = f"vrf name {session.vrf} " if session.vrf is not None else ""
    to = f"set {within}protocols bgp neighbor {session.neighbor}"
    yield f"{to} remote-as {session.neighbor_asn}"
    yield f"{to} description 'ermon {session.feed}'"
    yield f"{to} update-source {session.source}"
    if router.port != BGP_PORT:
        yield f"{to} port {router.port}"
    yield f"{to} timers keepalive {max(SHORTEST_TIMER, router.keepalive_seconds)}"
    yield f"{to} timers holdtime {max(SHORTEST_TIMER, router.hold_seconds)}"
    yield f"{to} timers connect {CONNECT_RETRY_SECONDS}"
    yield f"{to} advertisement-interval 0"
    if session.has_key:
        yield f"{to} password '{session.key}'"
    if session.hops is not None:
        yield f"{to} ttl-security hops {session.hops}"
    elif not session.is_internal:
        yield f"{to} ebgp-multihop {MULTIHOP_TTL}"
    for family in session.families:
        in_family = f"{to} address-family {family}-unicast"
        yield f"{in_family} route-map import ERMON-NOTHING"
        yield f"{in_family} route-map export {session.policies.get(family, 'ERMON-EVERYTHING')}"
        yield f"{in_family} maximum-prefix 1"
        if session.all_paths:
            yield f"{in_family} addpath-tx-all"
        if session.is_reflected:
            yield f"{in_family} route-reflector-client"


def _notes(router: Router) -> Iterator[str]:
    yield "For VyOS 1.4 or newer. By default, VyOS sends communities, and keeps next hops over iBGP."
    yield "Paste all of it in configuration mode, then commit."
    yield from about_ipv6_of_frr(router)


def write_bmp(router: Reporting) -> Iterator[str]:
    first = router.vrfs[0]
    within = f"vrf name {first} " if first is not None else ""
    target = f"set {within}protocols bgp bmp target ERMON"
    yield "set system frr bmp"
    yield f"{target} address {router.station}"
    yield f"{target} port {router.port}"
    yield f"{target} min-retry {SHORTEST_RETRY_SECONDS * 1000}"
    yield f"{target} max-retry {LONGEST_RETRY_SECONDS * 1000}"
    for family in router.families:
        yield f"{target} monitor {family}-unicast post-policy"
        if router.pre_policy:
            yield f"{target} monitor {family}-unicast pre-policy"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "For VyOS 1.5 or newer. First commit `set system frr bmp`, restart BGP (`restart bgp`; its sessions end), then commit the"
    yield "rest: with bgpd not yet restarted, VyOS refuses it. All sessions of the table are reported; ermon passes over those that it"
    yield f"does not know. It connects from the address that its routing gives: {router.source} must be that one."
    if router.pre_policy:
        yield "CAUTION: FRR up to 10.7, which VyOS runs, reports a route that its inbound policy rejects as withdrawn: without"
        yield "pre_policy: true, ermon does not rely on it."
    if len(router.vrfs) > 1:
        tables = ", ".join(vrf or "the global one" for vrf in router.vrfs)
        yield f"CAUTION: the sessions are in several tables ({tables}), each of which would connect by itself, and ermon takes one"
        yield "connection of a router. Only the first is reported; keep edge tables for the others."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        "VyOS' documentation (system frr bmp) and interface definitions (bgp/protocol-common-config.xml.i),",
        "https://github.com/vyos/vyos-1x",
    ),
    tried_on=None,
    statistics=False,
)


PLATFORM = Platform(
    title="VyOS",
    comment="#",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
