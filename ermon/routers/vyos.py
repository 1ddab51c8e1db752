"""VyOS 1.4 and newer: commands for its configuration mode.

After "BGP" (https://github.com/vyos/vyos-documentation, docs/configuration/protocols/bgp.rst), which docs.vyos.io
shows, and, for ``addpath-tx-all``, ``port`` and the timers of a neighbor, the interface definitions and smoke tests of
VyOS itself (https://github.com/vyos/vyos-1x). VyOS runs FRR. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Platform, about_ipv6_of_frr

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


PLATFORM = Platform(
    title="VyOS",
    comment="#",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on=None,
    write=write,
)
