"""Cisco IOS-XE, IOS-XR and NX-OS.

After "Cisco IOS IP Routing: BGP Command Reference"
(https://www.cisco.com/c/en/us/td/docs/ios-xml/ios/iproute_bgp/command/irg-cr-book.html); the routing command reference
of IOS-XR with "Routing Policy Language Commands"
(https://www.cisco.com/c/en/us/td/docs/iosxr/ncs5500/routing/b-ncs5500-routing-cli-reference.html); and the "Unicast
Routing Configuration Guide" of NX-OS
(https://www.cisco.com/c/en/us/td/docs/switches/datacenter/nexus9000/sw/10x/unicast/configuration-guide.html). Not tried
on a device.
"""

from __future__ import annotations

from ermon.commands.platforms.command import (
    AS_PATH_RULE,
    REFUSE,
    STOP,
    STOP_ASN,
    Command,
    Commands,
    Dialect,
    anywhere,
    lines,
    outside,
)

AS_PATH_LIST = "499"
"""IOS-XE numbers its AS path lists from 1 to 500, and configurations begin with the low numbers. All neighbors share
this list, so it is never removed.
"""
_CLEAR = "clear bgp {family} unicast {neighbor}"


def iosxe() -> Commands:
    # No soft clear in a VRF is known for certain; BGP Dynamic Update Peer-Groups make it unnecessary.
    in_vrf = "! IOS-XE sends what a policy changes by itself within a minute"
    said = Dialect(
        of=("bgp {family} unicast", "bgp {vpn} unicast vrf {vrf}"),
        vrf=("", " vrf {vrf}"),
        at_end=("", ""),
        router=("address-family {family}", "address-family {family} vrf {vrf}"),
        session=("", "address-family {family} vrf {vrf}"),
        clear_out=(f"{_CLEAR} soft out", in_vrf),
    )
    router = ("router bgp {our_asn}", "{router}")
    anchor, undo_anchor = anchored(
        ("configure terminal", "* ip route{vrf} {network} {mask} Null0 254"),
        (*router, "* network {network} mask {mask}", "end"),
    )
    anchor6, undo_anchor6 = anchored(
        ("configure terminal", "* ipv6 route{vrf} {prefix} Null0 254"), (*router, "* network {prefix}", "end")
    )
    return {
        **_tables(said),
        "session": said(
            "show {of} neighbors {neighbor}"
            " | include BGP state|hold time|Connections established|Last reset|due to|Prefixes"
        ),
        "capabilities": said("show {of} neighbors {neighbor} | include advertised|Additional|Graceful"),
        "counters": said("show {of} neighbors {neighbor} | include Updates|Route Refresh|Keepalives"),
        "policy": said("show {of} neighbors {neighbor} policy\nshow route-map"),
        "originates": anywhere(
            "show running-config"
            " | include redistribute|default-originate|default-information|aggregate-address|^ *network"
        ),
        "lookup": said("show {ip} route{vrf} {address}"),
        "arp": said("show ip arp{vrf} {neighbor}", "show ipv6 neighbors{vrf} {neighbor}"),
        "ports": anywhere("show interfaces | include line protocol|errors|drops"),
        "bfd": anywhere("show bfd neighbors details"),
        "load": anywhere("show processes cpu sorted 1min | include BGP|CPU utilization"),
        "log": anywhere("show logging | include BGP-|BADAUTH"),
        **_sessions(said),
        **rules_of_route_maps(said, AS_PATH_LIST),
        "anchor": said(anchor, anchor6),
        "undo-anchor": said(undo_anchor, undo_anchor6),
    }


def nxos() -> Commands:
    said = Dialect(
        of=("bgp {family} unicast", "bgp {family} unicast"),
        at_end=("", " vrf {vrf}"),
        context=("", "vrf context {vrf}"),
        router=("", "vrf {vrf}"),
        session=("", "vrf {vrf}"),
        clear_out=(f"{_CLEAR} soft out", ""),
    )
    neighbor = "show bgp {family} unicast neighbors {neighbor}{at_end}"
    anchor, undo_anchor = anchored(
        ("configure terminal", "{context}", "* {ip} route {prefix} Null0 254"),
        (
            "exit",
            "router bgp {our_asn}",
            "{router}",
            "address-family {family} unicast",
            "* network {prefix}",
            "end",
        ),
    )
    return {
        **_tables(said),
        "session": said(
            f'{neighbor} | egrep "BGP state|hold time|Last reset|Connections established|due to"'
        ),
        "capabilities": said(f'{neighbor} | egrep "advertised|Additional|Graceful"'),
        "counters": said(f'{neighbor} | egrep "Updates|Route Refresh|Keepalives"'),
        "policy": said(f'{neighbor} | egrep "policy|route-map|prefix-list|filter"\nshow route-map'),
        "originates": anywhere('show running-config bgp | egrep "network|redistribute|aggregate|default"'),
        "lookup": said("show {ip} route {address}{at_end}"),
        "arp": said("show ip arp {neighbor}{at_end}", "show ipv6 neighbor {neighbor}{at_end}"),
        "ports": anywhere('show interface | egrep "is up|is down|error|CRC"'),
        "bfd": anywhere("show bfd neighbors details"),
        "load": anywhere("show processes cpu sort | include bgp"),
        "log": anywhere("show logging logfile | include BGP"),
        **_sessions(said),
        # The form of clear in a VRF is not known for certain.
        **{kind: Command(*each[:2]) for kind, each in rules_of_route_maps(said, STOP_ASN).items()},
        "anchor": said(anchor),
        "undo-anchor": said(undo_anchor),
    }


def iosxr() -> Commands:
    of = ("bgp {family} unicast", "bgp vrf {vrf} {family} unicast")
    said = Dialect(
        of=of,
        vrf=("", " vrf {vrf}"),
        at_end=("", ""),
        router=("", "vrf {vrf}"),
    )
    neighbor = "show {of} neighbors {neighbor}"
    router = ("router bgp {our_asn}", "{router}")
    anchor, undo_anchor = anchored(
        ("configure", "router static", "{router}", "address-family {family} unicast", "* {prefix} Null0 254"),
        ("root", *router, "address-family {family} unicast", "* network {prefix}", "commit", "end"),
    )
    return {
        **_tables(said),
        "received": said(f"{neighbor} received routes | include {{network}}"),
        "session": said(
            f'{neighbor} | include "BGP state|hold time|Last reset|Connections established|due to|accepted"'
        ),
        "capabilities": said(f'{neighbor} | include "advertised|Additional|Graceful"'),
        "counters": said(f'{neighbor} | include "messages|Updates"'),
        "policy": said(
            "show running-config router bgp {our_asn}{vrf} neighbor {neighbor}\nshow rpl route-policy"
        ),
        "originates": anywhere(
            'show running-config router bgp {our_asn} | include "network|redistribute|aggregate|default"'
        ),
        "lookup": said("show route{vrf} {family} {address}"),
        "arp": said("show arp{vrf} {neighbor}", "show ipv6 neighbors{vrf} | include {neighbor}"),
        "ports": anywhere('show interfaces | include "line protocol|input errors|output errors"'),
        "bfd": anywhere("show bfd all session | include {neighbor}"),
        "load": anywhere("show processes cpu | include bgp"),
        "log": anywhere("show logging | include BGP"),
        "soft-out": said("clear {of} {neighbor} soft out"),
        "soft-in": said("clear {of} {neighbor} soft in"),
        "reset": said("clear {of} {neighbor}"),
        "shut": said(lines("configure", *router, "neighbor {neighbor}", "shutdown", "commit", "end")),
        "enable": said(lines("configure", *router, "neighbor {neighbor}", "no shutdown", "commit", "end")),
        # A route policy that is entered replaces the earlier one of its name. So the policy in force is applied from
        # inside another one: see "apply" and "drop" in the reference. A changed policy takes effect at once, without a
        # clear.
        "stop": said(_prefixes_of_iosxr("out", STOP)),
        "undo-stop": said(_undone_of_iosxr("out", STOP, f"no prefix-set {STOP}")),
        "refuse": said(_prefixes_of_iosxr("in", REFUSE)),
        "undo-refuse": said(_undone_of_iosxr("in", REFUSE, f"no prefix-set {REFUSE}")),
        "stop-asn": said(
            lines("configure", *_policy_of_iosxr("out", STOP_ASN, "as-path passes-through '{asn}'"))
        ),
        "undo-stop-asn": said(_undone_of_iosxr("out", STOP_ASN)),
        "anchor": said(anchor),
        "undo-anchor": said(undo_anchor),
    }


def _tables(said: Dialect) -> Commands:
    """Return the commands that show tables, which are alike on all three."""
    neighbor = "show {of} neighbors {neighbor}"
    return {
        "neighbors": said("show {of} summary{at_end}"),
        "advertised": said(f"{neighbor} advertised-routes{{at_end}} | include {{network}}"),
        "advertised-all": said(f"{neighbor} advertised-routes{{at_end}}"),
        "advertised-asn": said(f"{neighbor} advertised-routes{{at_end}} | include {{asn}}"),
        "received": said(f"{neighbor} received-routes{{at_end}} | include {{network}}"),
        "learned": said(f"{neighbor} routes{{at_end}} | include {{network}}"),
        "learned-all": said(f"{neighbor} routes{{at_end}}"),
        "routes": said("show {of} {prefix}{at_end}"),
        "inside": said("show {of} {prefix} longer-prefixes{at_end}"),
        "community": said("show {of} community {community}{at_end}"),
        "with-asn": said("show {of} regexp _{asn}_{at_end}"),
    }


def _sessions(said: Dialect) -> Commands:
    """Return the commands that change a session and its routes, which are alike on IOS-XE and NX-OS."""
    router = ("configure terminal", "router bgp {our_asn}", "{session}")
    soft_in = f"{_CLEAR} soft in"
    return {
        "soft-out": outside(f"{_CLEAR} soft out"),
        "soft-in": outside(soft_in),
        "reset": outside(_CLEAR),
        "refuse": outside(_rule_of_prefixes("in", REFUSE, soft_in)),
        "undo-refuse": outside(_undone("in", "{rule}", f"{{ip}} prefix-list {REFUSE}", soft_in)),
        "shut": said(lines(*router, "neighbor {neighbor} shutdown", "end")),
        "enable": said(lines(*router, "no neighbor {neighbor} shutdown", "end")),
    }


def rules_of_route_maps(said: Dialect, as_path_list: str) -> Commands:
    """Return rules before all others in the outbound route map of a neighbor. ``said`` has ``{clear_out}``."""
    as_paths = f"ip as-path access-list {as_path_list}"
    made = "" if as_path_list == AS_PATH_LIST else as_paths
    return {
        "stop": said(_rule_of_prefixes("out", STOP, "{clear_out}")),
        "undo-stop": said(_undone("out", "{rule}", f"{{ip}} prefix-list {STOP}", "{clear_out}")),
        "stop-asn": said(
            lines(
                "configure terminal",
                f"{as_paths} permit _{{asn}}_",
                f"route-map {{policy_out}} deny {AS_PATH_RULE}",
                f"match as-path {as_path_list}",
                "end",
                "{clear_out}",
            )
        ),
        "undo-stop-asn": said(_undone("out", AS_PATH_RULE, made, "{clear_out}")),
    }


def _rule_of_prefixes(way: str, name: str, clear: str) -> str:
    return lines(
        "configure terminal",
        f"* {{ip}} prefix-list {name} permit {{prefix}}[+ le {{bits}}+]",
        f"route-map {{policy_{way}}} deny {{rule}}",
        f"match {{ip}} address prefix-list {name}",
        "end",
        clear,
    )


def _undone(way: str, number: str, made: str, clear: str) -> str:
    return lines(
        "configure terminal",
        f"no route-map {{policy_{way}}} deny {number}",
        f"no {made}" if made else "",
        "end",
        clear,
    )


def anchored(static: tuple[str, ...], network: tuple[str, ...]) -> tuple[str, str]:
    """Return the lines that give a prefix a route to nowhere and a ``network`` statement, and those that take both
    back: each line with the prefix, preceded by ``no``.
    """
    both = (*static, *network)
    undone = (line.replace("* ", "* no ", 1) if line.startswith("* ") else line for line in both)
    return lines(*both), lines(*undone)


def _prefixes_of_iosxr(way: str, name: str) -> str:
    return lines(
        "configure",
        f"prefix-set {name}",
        "* {prefix}[+ le {bits}+]{comma}",
        "end-set",
        *_policy_of_iosxr(way, name, f"destination in {name}"),
    )


def _policy_of_iosxr(way: str, name: str, condition: str) -> tuple[str, ...]:
    return (
        f"route-policy {name}",
        f"if {condition} then",
        "drop",
        "endif",
        f"apply {{policy_{way}}}",
        "end-policy",
        *_applied_of_iosxr(name, way),
        "commit",
        "end",
    )


def _applied_of_iosxr(policy: str, way: str) -> tuple[str, ...]:
    return (
        "router bgp {our_asn}",
        "{router}",
        "neighbor {neighbor}",
        "address-family {family} unicast",
        f"route-policy {policy} {way}",
        "root",
    )


def _undone_of_iosxr(way: str, name: str, *made: str) -> str:
    applied = _applied_of_iosxr(f"{{policy_{way}}}", way)
    return lines("configure", *applied, f"no route-policy {name}", *made, "commit", "end")
