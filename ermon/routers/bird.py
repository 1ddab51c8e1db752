"""BIRD 2: protocols for its configuration file.

The tests load it into BIRD 2.0.12, in which every feed of the reference configuration comes up. That release has no BMP: what
reports sessions is after the User's Guide of newer ones (https://bird.network.cz/?get_doc&v=20&f=bird-6.html), and was not tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ermon.model.prefixes import Family
from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Bmp, Platform
from ermon.routers.reporting import Reporting

LONGEST_NAME = 63
"""The most characters of a name that BIRD accepts."""
ERROR_WAIT_SECONDS = (5, 15)
"""The first and the longest wait after a lost session; with BIRD's own 60 to 300 s, ermon would be blind for that
long.
"""
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def write(router: Router) -> Iterator[str]:
    for session in router.sessions:
        yield from _protocol(router, session)


def _protocol(router: Router, session: Session) -> Iterator[str]:
    port = "" if router.port == BGP_PORT else f" port {router.port}"
    yield f"# {session.feed}: {session.about}"
    yield f"protocol bgp {_symbol(f'ermon-{session.feed}'[:LONGEST_NAME])} {{"
    yield f"  local {session.source} as {session.own_asn};"
    yield f"  neighbor {session.neighbor}{port} as {session.neighbor_asn};"
    yield f"  multihop {session.hops or MULTIHOP_TTL};"
    if session.hops is not None:
        yield "  ttl security on;"
    if session.has_key:
        yield f'  password "{session.key}";'
    yield f"  hold time {router.hold_seconds};"
    yield f"  error wait time {ERROR_WAIT_SECONDS[0]}, {ERROR_WAIT_SECONDS[1]};"
    yield f"  connect retry time {CONNECT_RETRY_SECONDS};"
    if session.vrf is not None:
        yield f'  vrf "{session.vrf}";'
    if session.is_reflected:
        yield "  rr client;"
    for family in session.families:
        yield from _channel(session, family)
    yield "}"


def _channel(session: Session, family: Family) -> Iterator[str]:
    yield f"  {family} {{"
    if session.vrf is not None:
        yield f"    table {session.table(family)};"
    yield "    import none;"
    if session.is_mirror:
        yield f"    export filter {_symbol(session.policies[family])};"
        if family == "ipv6" and session.is_over_ipv4:
            yield f"    next hop address {session.next_hop6};  # BIRD has no own IPv6 address on an IPv4 session"
    else:
        yield "    export where source = RTS_BGP;"
        yield "    next hop keep;"
    if session.all_paths:
        yield "    add paths tx;"
    yield "  };"


def _symbol(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else f"'{name}'"


def _notes(router: Router) -> Iterator[str]:
    yield "`import none` is the whole inbound policy. Communities of all kinds are sent."
    yield "Tables other than master4 and master6 need `table NAME;` in each channel."
    if router.vrfs:
        yield "`vrf` names the kernel's device of the VRF. Leave it out where routes of a VRF have a table and no device."


def write_bmp(router: Reporting) -> Iterator[str]:
    yield "protocol bmp ermon_bmp {"
    yield f"  local address {router.source};"
    yield f"  station address ip {router.station} port {router.port};"
    yield "  monitoring rib in post_policy;"
    if router.pre_policy:
        yield "  monitoring rib in pre_policy;"
    yield "}"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield "BIRD 2.14 and newer, compiled with `--with-protocols` and bmp among the protocols: Debian's 2.0.12 has no BMP. BIRD's"
    yield "documentation calls it a preliminary release that is not ready for production: consider an edge-table feed instead."
    yield "All BGP protocols are reported, in all families; ermon passes over those that it does not know."
    if router.pre_policy:
        yield "Routes before the policy need `import table on;` in each channel of a BGP protocol."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=(
        "BIRD User's Guide, BMP, https://bird.network.cz/?get_doc&v=20&f=bird-6.html, and a published configuration",
    ),
    tried_on=None,
    statistics=False,
)


PLATFORM = Platform(
    title="BIRD 2",
    comment="#",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on="BIRD 2.0.12",
    write=write,
    bmp=BMP,
)
