"""Juniper Junos OS: commands for its configuration mode.

After the CLI Reference, group (Protocols BGP)
(https://www.juniper.net/documentation/us/en/software/junos/cli-reference/topics/ref/statement/group-edit-protocols-bgp.html),
add-path
(https://www.juniper.net/documentation/us/en/software/junos/cli-reference/topics/ref/statement/add-path-edit-protocols-bgp.html)
and multihop
(https://juniper.net/documentation/en_US/junos12.3/topics/reference/configuration-statement/multihop-edit-protocols-bgp.html).
What reports sessions is after station and route-monitoring (Routing Options BMP)
(https://juniper.net/documentation/en_US/junos13.2/topics/reference/configuration-statement/station-edit-routing-options-bmp.html).
Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.model.prefixes import Family
from ermon.routers.describe import MAX_TTL, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import CALLS_AGAIN, Bmp, Platform, about_ipv6, about_ttl
from ermon.routers.reporting import Reporting

MOST_PATHS = 20
"""The paths of one prefix that every Junos since 14.1 can send."""
_FAMILIES: Mapping[Family, str] = {"ipv4": "inet", "ipv6": "inet6"}


def write(router: Router) -> Iterator[str]:
    yield "set policy-options policy-statement ERMON-NOTHING then reject"
    for session in router.sessions:
        yield from _group(router, session)


def _group(router: Router, session: Session) -> Iterator[str]:
    yield f"# {session.feed}: {session.about}"
    within = f"routing-instances {session.vrf} " if session.vrf is not None else ""
    group = f"set {within}protocols bgp group ERMON-{session.feed}"
    yield f"{group} type {'internal' if session.is_internal else 'external'}"
    yield f"{group} local-address {session.source}"
    yield f"{group} hold-time {router.hold_seconds}"
    yield f"{group} import ERMON-NOTHING"
    if not session.is_internal:
        yield f"{group} multihop ttl {MULTIHOP_TTL if session.hops is None else MAX_TTL}"
    if session.is_reflected:
        yield f"{group} cluster {session.cluster}"
    for family in session.families:
        in_family = f"{group} family {_FAMILIES[family]} unicast"
        yield f"{in_family} prefix-limit maximum 1 teardown 100"
        if session.all_paths:
            yield f"{in_family} add-path send path-count {MOST_PATHS}"
    for policy in dict.fromkeys(session.policies.values()):
        yield f"{group} export {policy}"
    neighbor = f"{group} neighbor {session.neighbor}"
    yield f'{neighbor} description "ermon {session.feed}"'
    if not session.is_internal:
        yield f"{neighbor} peer-as {session.neighbor_asn}"
    if session.has_key:
        yield f'{neighbor} authentication-key "{session.key}"'


def _notes(router: Router) -> Iterator[str]:
    yield "By default, communities are sent, and next hops are unchanged over iBGP."
    yield "Paste all of it in configuration mode, then commit."
    if router.families_with_all_paths:
        yield f"At most {MOST_PATHS} paths of a prefix are sent; an MX can send 64 from 18.4R1 on."
    if any(session.is_mirror for session in router.sessions):
        yield "A mirror needs every export policy of its neighbor, in the same order."
    yield from CALLS_AGAIN
    yield from about_ttl(router, "multihop ttl 255")
    yield from about_ipv6(router)


def write_bmp(router: Reporting) -> Iterator[str]:
    station = "set routing-options bmp station ERMON"
    yield f"{station} connection-mode active"
    yield f"{station} station-address {router.station}"
    yield f"{station} station-port {router.port}"
    yield f"{station} local-address {router.source}"
    if router.has_key:
        yield f"{station} authentication-algorithm md5"
        yield f'{station} authentication-key "{router.key}"'
    yield f"{station} monitor enable"
    yield f"{station} route-monitoring post-policy"
    if router.pre_policy:
        yield f"{station} route-monitoring pre-policy"
    yield f"{station} statistics-timeout {router.statistics_seconds}"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "Junos 13.3 or newer. Paste all of it in configuration mode, then commit. All sessions are reported, in all families;"
    yield "ermon passes over those that it does not know."
    if router.vrfs != (None,):
        yield "CAUTION: that sessions of routing instances are reported is not in these pages; ermon raises bmp-session-missing for"
        yield "a session that is not."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        "Junos OS, station and route-monitoring (Routing Options BMP),",
        "https://juniper.net/documentation/en_US/junos13.2/topics/reference/configuration-statement/station-edit-routing-options-bmp.html",
    ),
    tried_on=None,
    keys=True,
)


PLATFORM = Platform(
    title="Juniper Junos",
    comment="#",
    notes=_notes,
    any_port=False,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
