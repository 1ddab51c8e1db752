"""Palo Alto Networks PAN-OS with virtual routers: commands for its configuration mode.

After "BGP", PAN-OS Networking Administrator's Guide (https://docs.paloaltonetworks.com/ngfw/networking/bgp), and the
grammar of the same commands in the tests of Batfish (https://github.com/batfish/batfish, PaloAlto_bgp.g4). The advanced
routing engine, with logical routers, has other commands. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.routers.describe import MAX_TTL, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Platform, about_ttl

IDLE_HOLD_SECONDS = 5
"""The wait after a lost session before a peer connects again; PAN-OS' own is 15 s."""
LONGEST_NAME = 31
"""The most characters of the name of a peer group, of a peer and of a rule."""


def write(router: Router) -> Iterator[str]:
    for at, session in enumerate(router.sessions, 1):
        yield f"# {session.feed}: {session.about}"
        yield from _peer(router, session, _name(session, at))
        yield from _policy(session, _name(session, at))


def _name(session: Session, at: int) -> str:
    """Return the name of a session's peer and group: that of its feed, cut and with a number if it is too long."""
    name = f"ermon-{session.feed}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]}-{at}"


def _bgp(session: Session) -> str:
    return f"set network virtual-router {session.virtual_router} protocol bgp"


def _peer(router: Router, session: Session, name: str) -> Iterator[str]:
    group = f"{_bgp(session)} peer-group {name}"
    yield f"{group} enable yes"
    if session.is_internal:
        yield f"{group} type ibgp"
    else:
        yield f"{group} type ebgp export-nexthop use-self"
    peer = f"{group} peer {name}"
    yield f"{peer} peer-address ip {session.neighbor}"
    yield f"{peer} peer-as {session.neighbor_asn}"
    yield f"{peer} local-address interface {session.interface}"
    yield f"{peer} enable-mp-bgp yes"
    yield f"{peer} address-family-identifier {session.families[-1]}"
    yield f"{peer} subsequent-address-family-identifier unicast yes"
    yield f"{peer} max-prefixes 1"
    if session.is_reflected:
        yield f"{peer} reflector-client client"
    options = f"{peer} connection-options"
    yield f"{options} keep-alive-interval {router.keepalive_seconds}"
    yield f"{options} hold-time {router.hold_seconds}"
    yield f"{options} idle-hold-time {IDLE_HOLD_SECONDS}"
    yield f"{options} min-route-adv-interval 1"
    yield f"{options} incoming-bgp-connection allow no"
    if not session.is_internal:
        yield f"{options} multihop {MULTIHOP_TTL if session.hops is None else MAX_TTL}"
    if session.has_key:
        yield f"{_bgp(session)} auth-profile {name} secret {session.key}"
        yield f"{options} authentication {name}"
    yield f"{peer} enable yes"


def _policy(session: Session, name: str) -> Iterator[str]:
    policy = f"{_bgp(session)} policy"
    yield f"{policy} import rules ERMON-NOTHING used-by {name}"
    yield f"{policy} import rules ERMON-NOTHING action deny"
    yield f"{policy} import rules ERMON-NOTHING enable yes"
    if session.is_mirror:
        for rule in dict.fromkeys(session.policies.values()):
            yield f"{policy} export rules {rule} used-by {name}"
        return
    yield f"{policy} export rules ERMON-EVERYTHING used-by {name}"
    yield f"{policy} export rules ERMON-EVERYTHING action allow"
    yield f"{policy} export rules ERMON-EVERYTHING enable yes"


def _notes(router: Router) -> Iterator[str]:
    yield "For virtual routers; logical routers of the advanced routing engine have other commands. A VRF is a virtual router."
    yield "Source: PAN-OS Networking Administrator's Guide, https://docs.paloaltonetworks.com/ngfw/networking/bgp"
    yield "By default, next hops are unchanged over iBGP (Export Next Hop: Original), and communities are sent."
    yield "Paste all of it in configuration mode, then commit. If the interface has several addresses, also name the address"
    yield "of the feed: local-address ip ADDRESS/LENGTH."
    if any(session.is_mirror for session in router.sessions):
        yield "A mirror needs each export rule of its neighbor's peer group: used-by accepts several."
    both = [session.feed for session in router.sessions if len(session.families) > 1]
    if both:
        yield f"CAUTION: {', '.join(both)}: both families. A peer names one of them; that IPv6"
        yield "carries IPv4 too is from the guide. If IPv4 routes do not arrive, use a separate feed for each family."
    yield from about_ttl(router, "connection-options multihop 255")


PLATFORM = Platform(
    title="PAN-OS",
    comment="#",
    notes=_notes,
    any_port=False,
    all_paths=False,
    tried_on=None,
    write=write,
    bmp=None,
)
