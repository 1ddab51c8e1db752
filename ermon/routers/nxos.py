"""Cisco NX-OS.

After Cisco's own collection for Ansible, cisco.nxos (nxos_bgp_neighbor_address_family, nxos_bgp_address_family and
nxos_route_maps, https://docs.ansible.com/ansible/latest/collections/cisco/nxos/), and published configurations. What reports
sessions is after nxos_bgp_global there, and "Configuring a BMP Server"
(https://developer.cisco.com/docs/nx-os-n3k-n9k-api-ref-7-x/configuring-a-bmp-server). Not tried on a device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.routers.describe import MAX_TTL, MULTIHOP_TTL, Router, Session, Table
from ermon.routers.platform import SHUT_DOWN, Bmp, Platform, about_ipv6, about_selection, about_ttl, indented
from ermon.routers.reporting import Neighbor, Reporting


def write(router: Router) -> Iterator[str]:
    yield "route-map ERMON-NOTHING deny 10"
    if router.families_with_all_paths:
        yield "route-map ERMON-ALL-PATHS permit 10"
        yield "  set path-selection all advertise"
    yield f"router bgp {router.asn}"
    for table in router.tables:
        if table.vrf is None:
            yield from _table(router, table)
        else:
            yield f"  vrf {table.vrf}"
            yield from indented(_table(router, table), "  ")


def _table(router: Router, table: Table) -> Iterator[str]:
    for family in table.families_with_all_paths:
        yield f"  address-family {family} unicast"
        yield "    additional-paths selection route-map ERMON-ALL-PATHS"
    for session in table.sessions:
        yield from _session(router, session)
    for session in table.sessions:
        yield f"  neighbor {session.neighbor}"
        yield "    no shutdown"


def _session(router: Router, session: Session) -> Iterator[str]:
    yield f"  ! {session.feed}: {session.about}"
    yield f"  neighbor {session.neighbor}"
    yield "    shutdown"
    yield f"    remote-as {session.neighbor_asn}"
    yield f"    description ermon {session.feed}"
    yield f"    update-source {session.interface}"
    yield f"    timers {router.keepalive_seconds} {router.hold_seconds}"
    if session.has_key:
        yield f"    password {session.key}"
    if not session.is_internal:
        yield f"    ebgp-multihop {MULTIHOP_TTL if session.hops is None else MAX_TTL}"
    for family in session.families:
        yield f"    address-family {family} unicast"
        yield "      route-map ERMON-NOTHING in"
        if session.is_mirror:
            yield f"      route-map {session.policies[family]} out"
        else:
            yield "      send-community"
        yield "      maximum-prefix 1"
        if session.all_paths:
            yield "      capability additional-paths send"
        if session.is_reflected:
            yield "      route-reflector-client"


def _notes(router: Router) -> Iterator[str]:
    yield "By default, next hops are unchanged over iBGP. Standard communities are sent; a command for large"
    yield "ones could not be confirmed. Nor could an advertisement interval of 0, so it is not set."
    yield "After a restart of ermon it reconnects within 60 s. `reconnect-interval 10`, in `router bgp` or in the VRF, makes that"
    yield "10 s, but for all sessions there, so it is not included."
    yield SHUT_DOWN
    yield from about_selection(router)
    yield from about_ttl(router, "ebgp-multihop 255")
    yield from about_ipv6(router)


def write_bmp(router: Reporting) -> Iterator[str]:
    yield f"router bgp {router.asn}"
    yield "  bmp-server 1"
    yield f"    address {router.station} port-number {router.port}"
    for vrf in router.vrfs:
        neighbors = _reported(router.of_table(vrf))
        if vrf is None:
            yield from neighbors
        else:
            yield f"  vrf {vrf}"
            yield from indented(neighbors, "  ")


def _reported(neighbors: Iterable[Neighbor]) -> Iterator[str]:
    for neighbor in neighbors:
        yield f"  ! {neighbor.about}"
        yield f"  neighbor {neighbor.address}"
        yield "    bmp-activate-server 1"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "If BMP server 1 exists already, take another number, here and below each neighbor."
    yield f"It connects from the address that its routing gives: {router.source} must be that one."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        '"Configuring a BMP Server", Cisco Nexus 3000 and 9000 Series NX-API REST SDK, developer.cisco.com, and Cisco\'s',
        "collection for Ansible, cisco.nxos (nxos_bgp_global)",
    ),
    tried_on=None,
    post_policy=False,
    statistics=False,
)


PLATFORM = Platform(
    title="Cisco NX-OS",
    comment="!",
    notes=_notes,
    any_port=False,
    all_paths=True,
    tried_on=None,
    write=write,
    bmp=BMP,
)
