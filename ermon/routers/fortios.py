"""Fortinet FortiOS.

After "config router bgp", FortiOS CLI Reference
(https://docs.fortinet.com/document/fortigate/7.4.2/cli-reference/542620). Its ADD-PATH selects paths for all of BGP at
once and has not been tried with ermon, so the sessions carry best paths. Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.model.prefixes import Family
from ermon.routers.describe import CONNECT_RETRY_SECONDS, MAX_TTL, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Platform, about_ipv6, about_ttl, indented

_SUFFIX: Mapping[Family, str] = {"ipv4": "", "ipv6": "6"}
"""The suffix of a setting for a family."""
_LONGEST_DESCRIPTION = 63


def write(router: Router) -> Iterator[str]:
    yield "config router route-map"
    for name, action in (("ERMON-NOTHING", "deny"), ("ERMON-EVERYTHING", "permit")):
        yield from (f'    edit "{name}"', "        config rule", "            edit 1")
        yield f"                set action {action}"
        yield from ("            next", "        end", "    next")
    yield "end"
    yield "config router bgp"
    yield "    config neighbor"
    for session in router.sessions:
        yield f"        # {session.feed}: {session.about}"
        yield f'        edit "{session.neighbor}"'
        yield from indented(_neighbor(router, session), "            ")
        yield "        next"
    yield "    end"
    yield "end"


def _neighbor(router: Router, session: Session) -> Iterator[str]:
    description = f"ermon {session.feed}"[:_LONGEST_DESCRIPTION]
    yield f"set remote-as {session.neighbor_asn}"
    yield f'set description "{description}"'
    yield f'set update-source "{session.interface}"'
    yield f"set keep-alive-timer {router.keepalive_seconds}"
    yield f"set holdtime-timer {router.hold_seconds}"
    yield f"set connect-timer {CONNECT_RETRY_SECONDS}"
    yield "set advertisement-interval 1"
    if session.has_key:
        yield f'set password "{session.key}"'
    if not session.is_internal:
        yield "set ebgp-enforce-multihop enable"
        yield f"set ebgp-multihop-ttl {MULTIHOP_TTL if session.hops is None else MAX_TTL}"
    for family, suffix in _SUFFIX.items():
        if family not in session.families:
            yield f"set activate{suffix} disable"
            continue
        yield f"set activate{suffix} enable"
        yield f'set route-map-in{suffix} "ERMON-NOTHING"'
        yield f'set route-map-out{suffix} "{session.policies.get(family, "ERMON-EVERYTHING")}"'
        yield f"set maximum-prefix{suffix} 1"
        if not session.is_mirror:
            yield f"set send-community{suffix} both"
        if session.is_reflected:
            yield f"set route-reflector-client{suffix} enable"


def _notes(router: Router) -> Iterator[str]:
    yield "Source: FortiOS CLI Reference, https://docs.fortinet.com/document/fortigate/7.4.2/cli-reference/542620"
    yield "By default, next hops are unchanged over iBGP. In a cluster, paste it into the primary unit."
    if router.vrfs:
        yield "A session is in the VRF of its update-source: use a different interface for each VRF."
    yield from about_ttl(router, "ebgp-multihop-ttl 255")
    yield from about_ipv6(router)


PLATFORM = Platform(
    title="FortiOS",
    comment="#",
    notes=_notes,
    any_port=False,
    all_paths=False,
    tried_on=None,
    write=write,
    bmp=None,
)
