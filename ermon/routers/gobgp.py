"""GoBGP 3: tables for its configuration file, in TOML.

GoBGP has one list of policies for all neighbors, and sets of neighbors choose among them. So a mirror shares a policy
by being in the set of the neighbor that it mirrors, and ``--mirror`` names that set.

The tests load it into GoBGP 3.10.0, in which every feed of the reference configuration comes up. What reports sessions by BMP
is after GoBGP's documentation (docs/sources/bmp.md), and was loaded into the same release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.model.prefixes import Family
from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MAX_TTL, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Bmp, Platform
from ermon.routers.reporting import Reporting

MOST_PATHS = 64
"""The most paths of one prefix that are sent."""
SHORTEST_RETRY_SECONDS = CONNECT_RETRY_SECONDS // 2
"""GoBGP waits between this time and twice as long, at random, before it connects again (``connectLoop`` in its
pkg/server/fsm.go).
"""
IDLE_HOLD_SECONDS = 5
"""The wait after a peer has ended the session, before GoBGP connects again."""
RESTART_SECONDS = 60
"""The time of graceful restart, on the sessions with ermon only: GoBGP sends End-of-RIB only with it."""


def write(router: Router) -> Iterator[str]:
    yield from _policy("ERMON-NOTHING", "ERMON", router.sessions, "reject-route")
    tables = [session for session in router.sessions if not session.is_mirror]
    if tables:
        yield from _policy("ERMON-EVERYTHING", "ERMON-TABLES", tables, "accept-route")
    for session in router.sessions:
        yield from _neighbor(router, session)


def _policy(name: str, neighbors: str, sessions: Iterable[Session], disposition: str) -> Iterator[str]:
    addresses = ", ".join(f'"{session.neighbor}"' for session in sessions)
    yield "[[defined-sets.neighbor-sets]]"
    yield f'  neighbor-set-name = "{neighbors}"'
    yield f"  neighbor-info-list = [{addresses}]"
    yield "[[policy-definitions]]"
    yield f'  name = "{name}"'
    yield "  [[policy-definitions.statements]]"
    yield f'    name = "{name}"'
    yield "    [policy-definitions.statements.conditions.match-neighbor-set]"
    yield f'      neighbor-set = "{neighbors}"'
    yield "    [policy-definitions.statements.actions]"
    yield f'      route-disposition = "{disposition}"'


def _neighbor(router: Router, session: Session) -> Iterator[str]:
    yield f"# {session.feed}: {session.about}"
    for neighbors in session.groups:
        yield f'# Add "{session.neighbor}" to neighbor-info-list of the neighbor set {neighbors}.'
    yield "[[neighbors]]"
    yield "  [neighbors.config]"
    yield f'    neighbor-address = "{session.neighbor}"'
    yield f"    peer-as = {session.neighbor_asn}"
    yield f'    description = "ermon {session.feed}"'
    if session.has_key:
        yield f'    auth-password = "{session.key}"'
    if session.vrf is not None:
        yield f'    vrf = "{session.vrf}"'
    yield "  [neighbors.transport.config]"
    yield f'    local-address = "{session.source}"'
    if router.port != BGP_PORT:
        yield f"    remote-port = {router.port}"
    yield "  [neighbors.timers.config]"
    yield f"    hold-time = {router.hold_seconds}"
    yield f"    keepalive-interval = {router.keepalive_seconds}"
    yield f"    connect-retry = {SHORTEST_RETRY_SECONDS}"
    yield f"    idle-hold-time-after-reset = {IDLE_HOLD_SECONDS}"
    yield from _ttl(session)
    yield "  [neighbors.graceful-restart.config]"
    yield "    enabled = true"
    yield f"    restart-time = {RESTART_SECONDS}"
    if session.is_reflected:
        yield "  [neighbors.route-reflector.config]"
        yield "    route-reflector-client = true"
        yield f'    route-reflector-cluster-id = "{session.cluster}"'
    for family in session.families:
        yield from _family(session, family)


def _ttl(session: Session) -> Iterator[str]:
    if session.hops is not None:
        yield "  [neighbors.ttl-security.config]"
        yield "    enabled = true"
        yield f"    ttl-min = {MAX_TTL + 1 - session.hops}"
    elif not session.is_internal:
        yield "  [neighbors.ebgp-multihop.config]"
        yield "    enabled = true"
        yield f"    multihop-ttl = {MULTIHOP_TTL}"


def _family(session: Session, family: Family) -> Iterator[str]:
    yield "  [[neighbors.afi-safis]]"
    yield "    [neighbors.afi-safis.config]"
    yield f'      afi-safi-name = "{family}-unicast"'
    yield "    [neighbors.afi-safis.mp-graceful-restart.config]"
    yield "      enabled = true"
    yield "    [neighbors.afi-safis.prefix-limit.config]"
    yield "      max-prefixes = 1"
    if session.all_paths:
        yield "    [neighbors.afi-safis.add-paths.config]"
        yield f"      send-max = {MOST_PATHS}"


def _notes(router: Router) -> Iterator[str]:
    yield "Put these before your own entries in [global.apply-policy.config]:"
    yield '  import-policy-list: "ERMON-NOTHING"'
    if any(not session.is_mirror for session in router.sessions):
        yield '  export-policy-list: "ERMON-EVERYTHING"'
    if any(session.is_mirror for session in router.sessions):
        yield "Policies of a mirror match neighbor sets: add ermon's address to each set that its policy matches."
    if any(session.all_paths for session in router.sessions):
        yield f"Of one prefix, {MOST_PATHS} paths are sent. Communities are sent, and next hops are unchanged over iBGP."
    if router.vrfs:
        yield "CAUTION: sessions in a VRF were loaded, but not tested. GoBGP may send best paths there; then feed-best-path-only is raised."


def write_bmp(router: Reporting) -> Iterator[str]:
    yield "[[bmp-servers]]"
    yield "  [bmp-servers.config]"
    yield f'    address = "{router.station}"'
    yield f"    port = {router.port}"
    yield f'    route-monitoring-policy = "{"all" if router.pre_policy else "post-policy"}"'
    yield f"    statistics-timeout = {router.statistics_seconds}"


def _bmp_notes(router: Reporting) -> Iterator[str]:
    yield f"It connects from the address that its routing gives: {router.source} must be that one."
    yield "All sessions are reported, in all families; ermon passes over those that it does not know."
    if router.pre_policy:
        yield "Before and after the policy together is `all`, which reports GoBGP's table, too; ermon passes over that."
    if router.vrfs != (None,):
        yield "CAUTION: whether sessions in a VRF are reported was not tested."


BMP = Bmp(
    write=write_bmp,
    notes=_bmp_notes,
    sources=("GoBGP's documentation, https://github.com/osrg/gobgp/blob/master/docs/sources/bmp.md",),
    tried_on="GoBGP 3.10.0",
)


PLATFORM = Platform(
    title="GoBGP 3",
    comment="#",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on="GoBGP 3.10.0",
    write=write,
    bmp=BMP,
)
