"""OpenBGPD: lines for bgpd.conf.

Its rules are for a neighbor or for a group. So a mirror shares a policy by being in the group of the neighbor that it
mirrors, and ``--mirror`` names that group. A second group of the same name would be another group, so the mirror's
lines have to be moved into the existing one.

The tests load it into OpenBGPD 7.7, in which every feed of the reference configuration comes up.
"""

from __future__ import annotations

from collections.abc import Iterator

from ermon.model.prefixes import FAMILIES
from ermon.routers.describe import BGP_PORT, CONNECT_RETRY_SECONDS, MULTIHOP_TTL, Router, Session
from ermon.routers.platform import Platform, about_ttl


def write(router: Router) -> Iterator[str]:
    yield f"connect-retry {CONNECT_RETRY_SECONDS}"
    for table in router.tables:
        if table.vrf is not None:
            yield f"# The following lines are for the bgpd of VRF {table.vrf}."
        for session in table.sessions:
            yield f"# {session.feed}: {session.about}"
            if session.is_mirror:
                yield f'# Move this neighbor into group "{session.groups[0]}" {{ ... }}:'
            yield from _neighbor(router, session)
        yield from _rules(table.sessions)


def _neighbor(router: Router, session: Session) -> Iterator[str]:
    yield f"neighbor {session.neighbor} {{"
    yield f'  descr "ermon {session.feed}"'
    yield f"  remote-as {session.neighbor_asn}"
    yield f"  local-address {session.source}"
    if router.port != BGP_PORT:
        yield f"  port {router.port}"
    yield f"  holdtime {router.hold_seconds}"
    if not session.is_internal:
        yield f"  multihop {session.hops or MULTIHOP_TTL}"
    if session.hops is not None and not session.is_internal:
        yield "  ttl-security yes"
    if session.has_key:
        yield f'  tcp md5sig password "{session.key}"'
    for family, name in zip(FAMILIES, ("IPv4", "IPv6"), strict=True):
        yield f"  announce {name} {'unicast' if family in session.families else 'none'}"
    if session.all_paths:
        yield "  announce add-path send all"
    yield "  announce restart yes"
    yield "  max-prefix 1"
    if session.is_reflected:
        yield "  route-reflector"
    yield "}"


def _rules(sessions: tuple[Session, ...]) -> Iterator[str]:
    yield f"deny quick from {{ {', '.join(session.neighbor for session in sessions)} }}"
    tables = [session.neighbor for session in sessions if not session.is_mirror]
    if tables:
        yield f"allow quick to {{ {', '.join(tables)} }}"


def _notes(router: Router) -> Iterator[str]:
    yield "Put it before your own rules. Communities are sent, and next hops are unchanged over iBGP. `connect-retry` is"
    yield "for all sessions of bgpd, and `announce restart` for ermon's alone: only with it OpenBGPD sends End-of-RIB."
    if any(session.is_mirror for session in router.sessions):
        yield "A mirror must be in the group of its neighbor. A second group of that name would be another group, and"
        yield "rules for the name would not match it: move the mirror's lines into the existing group."
    for session in router.sessions:
        if len(session.groups) > 1:
            yield f"CAUTION: a session is in one group, and {session.feed} has {' and '.join(session.groups)}: use a separate feed for each family."
    if router.vrfs:
        yield "One bgpd serves one routing domain: put the lines of a VRF into the file of the bgpd that runs there."
    yield from about_ttl(router, "ttl-security yes")


PLATFORM = Platform(
    title="OpenBGPD",
    comment="#",
    notes=_notes,
    any_port=True,
    all_paths=True,
    tried_on="OpenBGPD 7.7",
    write=write,
    bmp=None,
)
