"""Cisco IOS-XR.

The names of commands are after "BGP Commands on Cisco IOS XR Software", Release 3.7
(https://www.cisco.com/en/US/docs/ios_xr_sw/iosxr_r3.7/routing/command/reference/rr37bgp.html). ADD-PATH is newer, and
is after Cisco's own collection for Ansible, cisco.iosxr (iosxr_bgp_global), and published configurations. What reports
sessions is after Cisco's model of the router (https://netascode.cisco.com/docs/data_models/iosxr/device/bmp_server) and the
configurations in the documentation of Akvorado (https://github.com/akvorado/akvorado). Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.model.prefixes import Family
from ermon.routers.describe import MAX_TTL, MULTIHOP_TTL, Router, Session, Table
from ermon.routers.platform import (
    CALLS_AGAIN,
    Bmp,
    Platform,
    about_ipv6,
    about_selection,
    about_ttl,
    indented,
)
from ermon.routers.reporting import Neighbor, Reporting


def write(router: Router) -> Iterator[str]:
    for name, action in (("ERMON-NOTHING", "drop"), ("ERMON-EVERYTHING", "pass")):
        yield from (f"route-policy {name}", f"  {action}", "end-policy", "!")
    if router.families_with_all_paths:
        yield from ("route-policy ERMON-ALL-PATHS", "  set path-selection all advertise", "end-policy", "!")
    yield f"router bgp {router.asn}"
    for table in router.tables:
        if table.vrf is None:
            yield from _table(router, table)
        else:
            yield f" vrf {table.vrf}"
            yield from indented(_table(router, table), " ")
            yield " !"
    yield "!"


def _table(router: Router, table: Table) -> Iterator[str]:
    for family in table.families_with_all_paths:
        yield f" address-family {family} unicast"
        yield "  additional-paths selection route-policy ERMON-ALL-PATHS"
        yield " !"
    for session in table.sessions:
        yield from _session(router, session)


def _session(router: Router, session: Session) -> Iterator[str]:
    yield f" ! {session.feed}: {session.about}"
    yield f" neighbor {session.neighbor}"
    yield f"  remote-as {session.neighbor_asn}"
    yield f"  description ermon {session.feed}"
    yield f"  update-source {session.interface}"
    yield f"  timers {router.keepalive_seconds} {router.hold_seconds}"
    if session.has_key:
        yield f"  password clear {session.key}"
    if not session.is_internal:
        yield f"  ebgp-multihop {MULTIHOP_TTL if session.hops is None else MAX_TTL}"
    yield "  advertisement-interval 0"
    if session.all_paths:
        yield "  capability additional-paths send"
    for family in session.families:
        yield from _family(session, family)
    yield " !"


def _family(session: Session, family: Family) -> Iterator[str]:
    yield f"  address-family {family} unicast"
    yield "   route-policy ERMON-NOTHING in"
    if not session.is_internal:
        yield f"   route-policy {session.policies.get(family, 'ERMON-EVERYTHING')} out"
        if not session.is_mirror:
            yield "   send-community-ebgp"
    yield "   maximum-prefix 1"
    if session.is_reflected:
        yield "   route-reflector-client"
    yield "  !"


def _notes(router: Router) -> Iterator[str]:
    yield "By default, next hops are unchanged over iBGP and communities are sent."
    yield "Paste all of it in configuration mode, then commit."
    yield from about_selection(router)
    yield from CALLS_AGAIN
    yield from about_ttl(router, "ebgp-multihop 255")
    yield from about_ipv6(router)


INITIAL_DELAY_SECONDS = 5
SHORTEST_FLAPPING_SECONDS = 60
"""The shortest wait that IOS-XR takes before it connects again to a server that has just been lost."""


def write_bmp(router: Reporting) -> Iterator[str]:
    yield "bmp server 1"
    yield f" host {router.station} port {router.port}"
    yield " description ermon"
    yield f" update-source {router.interface}"
    yield f" initial-delay {INITIAL_DELAY_SECONDS}"
    yield f" flapping-delay {SHORTEST_FLAPPING_SECONDS}"
    yield f" stats-reporting-period {router.statistics_seconds}"
    yield "!"
    yield "bmp server all"
    yield " route-monitoring policy post inbound"
    if router.pre_policy:
        yield " route-monitoring policy pre inbound"
    yield " !"
    yield "!"
    yield f"router bgp {router.asn}"
    for vrf in router.vrfs:
        neighbors = _reported(router.of_table(vrf))
        if vrf is None:
            yield from neighbors
        else:
            yield f" vrf {vrf}"
            yield from indented(neighbors, " ")
            yield " !"
    yield "!"


def _reported(neighbors: Iterable[Neighbor]) -> Iterator[str]:
    for neighbor in neighbors:
        yield f" ! {neighbor.about}"
        yield f" neighbor {neighbor.address}"
        yield "  bmp-activate server 1"
        yield " !"


def _bmp_notes(router: Reporting) -> Iterator[str]:  # noqa: ARG001  # as for every platform
    yield "If BMP server 1 exists already, take another number, here and behind each neighbor. Paste all of it in configuration"
    yield "mode, then commit. CAUTION: `bmp server all` is for every BMP server of the router."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        "Cisco's model of IOS-XR, https://netascode.cisco.com/docs/data_models/iosxr/device/bmp_server, and published",
        "configurations (https://github.com/akvorado/akvorado, documentation of router configuration)",
    ),
    tried_on=None,
)


PLATFORM = Platform(
    title="Cisco IOS-XR",
    comment="!",
    notes=_notes,
    any_port=False,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
