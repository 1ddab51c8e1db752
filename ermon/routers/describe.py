"""What a router needs to know on any platform: its sessions with ermon, from the configuration.

A session's *policy* is what the router applies to the routes that it sends there. A mirror shares the policy of the
neighbor that it mirrors. Only the router's owner knows its name; until it is given, the output has a placeholder. Every
placeholder is in capitals, begins with ``REPLACE-`` and is no valid name of anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ermon.checks.sharding import everywhere
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import FAMILIES, FAMILY_NAMES, Address, Family, parse_address

Mirrors = Mapping[tuple[str, Family | None], str]
"""Names of policies by feed and family; ``None`` stands for every family that has none of its own."""

MIRRORS = (View.TO_MICROSOFT, View.TO_INTERNET)
BGP_PORT = 179
CONNECT_RETRY_SECONDS = 10
"""How often a router tries to connect. ermon never connects itself, and with the usual 120 s it would be blind for that
long after a restart.
"""
MULTIHOP_TTL = 64
"""The TTL of an eBGP session's packets: ermon is seldom on a link of the router."""
MAX_TTL = 255
"""The TTL that a peer with TTL security expects packets to begin with (RFC 5082 section 3)."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9._:/-]{0,62}")


class RouterError(ValueError):
    """The configuration cannot be written; the text says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session with ermon, as the router sees it: ermon is the neighbor."""

    feed: str
    view: View
    about: str
    """What it shows, in words."""
    neighbor: str
    """ermon's address."""
    neighbor_asn: int
    source: str
    """The router's own address."""
    own_asn: int
    families: tuple[Family, ...]
    all_paths: bool
    policies: Mapping[Family, str]
    """The policies of a mirror; empty for other sessions, over which everything may be sent."""
    has_key: bool
    hops: int | None
    """ermon accepts packets from at most this many hops away, ``None`` for any number."""
    next_hop6: str
    """An IPv6 address of the router, for routes that it originates and sends over IPv4."""
    interface: str
    """The interface with ``source``, for routers that need its name."""
    vrf: str | None
    """The VRF of the session; ``None`` for the global table."""

    @property
    def is_mirror(self) -> bool:
        return self.view in MIRRORS

    @property
    def groups(self) -> tuple[str, ...]:
        """The policies of a mirror, for routers on which one policy is for both families: those with a name, else
        one.
        """
        policies = tuple(dict.fromkeys(self.policies.values()))
        return tuple(policy for policy in policies if not policy.startswith(_MARK)) or policies[:1]

    @property
    def is_internal(self) -> bool:
        return self.own_asn == self.neighbor_asn

    @property
    def is_reflected(self) -> bool:
        """Whether it also shows what the router has learned by iBGP.

        An edge table shows what this router itself has learned. The table of a segment is everything that its router
        has, and over iBGP only a route reflector sends all of that (RFC 4456).
        """
        return self.is_internal and self.view in {View.SEGMENT, View.INTERNET}

    @property
    def is_over_ipv4(self) -> bool:
        return parse_address(self.source).version == 4

    @property
    def key(self) -> str:
        return placeholder(f"MD5-KEY-OF-{self.feed}")

    @property
    def virtual_router(self) -> str:
        """The name of the table, for routers on which the global table has a name too."""
        return self.vrf if self.vrf is not None else placeholder("VIRTUAL-ROUTER")

    def table(self, family: Family) -> str:
        """The table of a VRF in a family, for routers that name it separately from the VRF."""
        return placeholder(f"{family}-TABLE-OF-{self.vrf}")

    @property
    def cluster(self) -> str:
        """A cluster identifier (RFC 4456 section 7), for routers that need one with their clients."""
        return self.source if self.is_over_ipv4 else placeholder("CLUSTER-ID")


@dataclass(frozen=True, slots=True)
class Table:
    """A routing table of the router, with the sessions in it."""

    vrf: str | None
    sessions: tuple[Session, ...]

    @property
    def families_with_all_paths(self) -> tuple[Family, ...]:
        return tuple(f for f in FAMILIES if any(s.all_paths and f in s.families for s in self.sessions))


@dataclass(frozen=True, slots=True)
class Router:
    """A router with its sessions, as far as its configuration for ermon needs them."""

    name: str
    asn: int
    port: int
    hold_seconds: int
    sessions: tuple[Session, ...]

    @property
    def keepalive_seconds(self) -> int:
        """A third of the hold time (RFC 4271 section 4.4)."""
        return max(1, self.hold_seconds // 3)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The global table first, if any session is in it, then the VRFs in the order of their sessions."""
        vrfs = sorted(dict.fromkeys(s.vrf for s in self.sessions), key=lambda vrf: vrf is not None)
        return tuple(Table(vrf, tuple(s for s in self.sessions if s.vrf == vrf)) for vrf in vrfs)

    @property
    def vrfs(self) -> tuple[str, ...]:
        return tuple(table.vrf for table in self.tables if table.vrf is not None)

    @property
    def families_with_all_paths(self) -> tuple[Family, ...]:
        return tuple(f for f in FAMILIES if any(f in table.families_with_all_paths for table in self.tables))

    @property
    def ipv6_tables_over_ipv4(self) -> tuple[Session, ...]:
        """Edge tables whose IPv6 next hops, which identify the link, are sent over an IPv4 session."""
        return tuple(
            session
            for session in self.sessions
            if session.view is View.EDGE_TABLE and "ipv6" in session.families and session.is_over_ipv4
        )

    def placeholders(self) -> Mapping[str, str]:
        """The placeholders that may be in the output, and what to replace them by."""
        found = {}
        for session in self.sessions:
            for family, policy in session.policies.items():
                found[policy] = (
                    f"the outbound {FAMILY_NAMES[family]} policy of the neighbor that {session.feed} mirrors: "
                    f"--mirror {session.feed}=NAME, or --mirror {session.feed}:{family}=NAME"
                )
            found[session.key] = f"the MD5 key of {session.feed}, the same as in ermon's md5_password_file"
            found[session.interface] = f"the interface that has {session.source}: --update-source=INTERFACE"
            found[session.next_hop6] = "an IPv6 address of this router"
            found[session.virtual_router] = "the virtual router of the session, such as default"
            for family in session.families:
                found[session.table(family)] = f"the {FAMILY_NAMES[family]} table of VRF {session.vrf}"
            found[session.cluster] = "an identifier in the form of an IPv4 address, such as the router's own"
        return only_placeholders(found)


def names(config: Config) -> tuple[str, ...]:
    """Return the routers that have feeds; a feed without a router counts as a router with its name."""
    return tuple(dict.fromkeys(_router_of(feed) for feed in everywhere(config).exabgp_feeds.values()))


def describe(config: Config, name: str, mirrors: Mirrors, update_source: str | None = None) -> Router:
    """Return a router with all of its sessions; raise ``RouterError`` for an unknown router, mirror or name."""
    check_interface(update_source)
    feeds = [feed for feed in everywhere(config).exabgp_feeds.values() if _router_of(feed) == name]
    if not feeds:
        raise RouterError(_no_such_router(config, name))
    asns = {feed.peer_asn: feed.name for feed in feeds}
    if len(asns) > 1:
        said = " and ".join(f"{asn} (feed {feed})" for asn, feed in asns.items())
        raise RouterError(f"router {name} has several ASNs, {said}: make peer_asn equal, or render by hand")
    _check_vrfs(config, feeds)
    _check_mirrors(name, feeds, mirrors)
    return Router(
        name=name,
        asn=feeds[0].peer_asn,
        port=config.collector.port,
        hold_seconds=int(config.collector.hold_time),
        sessions=tuple(_session(config, feed, mirrors, update_source) for feed in feeds),
    )


def check_interface(name: str | None) -> None:
    """Raise ``RouterError`` for a name that no interface has, and that could be a command."""
    if name is not None and not _INTERFACE.fullmatch(name):
        raise RouterError(f"--update-source={name!r}: not the name of an interface, such as Loopback0")


def _router_of(feed: Feed) -> str:
    return feed.router if feed.router is not None else feed.name


def _no_such_router(config: Config, name: str) -> str:
    if name in config.bmp:
        return f"router {name!r} has no BGP session with ermon, it reports its own sessions: print that with --bmp"
    known = f"there are {', '.join(names(config))}"
    feed = everywhere(config).exabgp_feeds.get(name)
    if feed is not None:
        return f"{name!r} is a feed of router {feed.router}, and sessions are printed for the whole router; {known}"
    return f"there is no router {name!r} with a feed; {known}"


def _check_mirrors(name: str, feeds: list[Feed], mirrors: Mirrors) -> None:
    known = {feed.name: feed for feed in feeds if feed.view in MIRRORS}
    listed = f"there are {', '.join(known)}" if known else "there are none"
    for (feed, family), policy in mirrors.items():
        if feed not in known:
            raise RouterError(f"--mirror {feed}: no mirror of router {name}; {listed}")
        if family is not None and family not in known[feed].families:
            raise RouterError(f"--mirror {feed}:{family}: the feed does not carry {family}")
        if not _NAME.fullmatch(policy):
            raise RouterError(
                f"--mirror {feed}={policy!r}: not the name of a policy: letters, digits and . _ : - are allowed"
            )


def _check_vrfs(config: Config, feeds: list[Feed]) -> None:
    for feed in feeds:
        check_vrf(f"feed {feed.name}", vrf_of(config, feed))


def check_vrf(of: str, vrf: str | None) -> None:
    """Raise ``RouterError`` for a name that could be more than a name in the router's language."""
    if vrf is not None and not _NAME.fullmatch(vrf):
        raise RouterError(
            f"the VRF of {of}, {vrf!r}, cannot be used: letters, digits and . _ : - are allowed"
        )


def vrf_of(config: Config, feed: Feed) -> str | None:
    """A mirror of a link is in the link's table, so that it shares the neighbor's policy and routes."""
    if feed.link_key is not None:
        circuit, link = feed.link_key
        return config.circuits[circuit].links[link].vrf
    return feed.vrf


def _session(config: Config, feed: Feed, mirrors: Mirrors, update_source: str | None) -> Session:
    return Session(
        feed=feed.name,
        view=feed.view,
        about=_about(config, feed),
        neighbor=feed.local,
        neighbor_asn=feed.local_asn,
        source=feed.peer,
        own_asn=feed.peer_asn,
        families=feed.families,
        all_paths=feed.add_path,
        policies={f: _policy(feed, f, mirrors) for f in feed.families} if feed.view in MIRRORS else {},
        has_key=feed.md5_password_file is not None,
        hops=feed.ttl_security,
        next_hop6=_next_hop6(config, feed),
        interface=update_source or placeholder(f"INTERFACE-WITH-{feed.peer}"),
        vrf=vrf_of(config, feed),
    )


def _about(config: Config, feed: Feed) -> str:
    match feed.view:
        case View.EDGE_TABLE:
            paths = "all paths" if feed.add_path else "the best path of each prefix"
            return f"the routes that this router itself has learned, {paths}"
        case View.TO_MICROSOFT:
            return f"a mirror of the neighbor at Microsoft's end of link {feed.link} of {feed.circuit}"
        case View.TO_INTERNET:
            assert feed.uplink is not None
            return f"a mirror of the neighbor of uplink {feed.uplink}, AS {config.uplinks[feed.uplink].asn}"
        case View.INTERNET:
            return "a full table"
        case View.SEGMENT:
            return f"the table of segment {feed.segment}"
        case View.FROM_MICROSOFT | View.FROM_INTERNET:
            raise ValueError(f"{feed.name} is no session with ermon")


def _policy(feed: Feed, family: Family, mirrors: Mirrors) -> str:
    fallback = mirrors.get((feed.name, None), placeholder(f"{family}-POLICY-OF-{feed.name}"))
    return mirrors.get((feed.name, family), fallback)


def _next_hop6(config: Config, feed: Feed) -> str:
    """Return the router's end of the feed's own link, else of any link of its router: the first host of the subnet."""
    links = sorted(
        (link for link in config.links if link.router == feed.router and link.subnet6 is not None),
        key=lambda link: link.key != feed.link_key,
    )
    for link in links:
        assert link.subnet6 is not None
        return str(Address(6, link.subnet6.value + (link.subnet6.length < 127)))
    return placeholder(f"IPV6-ADDRESS-OF-{_router_of(feed)}")


_MARK = "REPLACE-"


def placeholder(text: str) -> str:
    """Return a word in capitals that stands for what only the router's owner knows."""
    return _MARK + text.upper()


def only_placeholders(found: Mapping[str, str]) -> Mapping[str, str]:
    """Return the entries whose key is a placeholder, and not what a configuration or an option says."""
    return {word: what for word, what in found.items() if word.startswith(_MARK)}
