"""Firewalls that speak BGP: Fortinet FortiOS, and Palo Alto Networks PAN-OS with virtual routers.

After "FortiOS CLI Reference", router bgp, and "How to control BGP route advertisement with prefix-list"
(https://docs.fortinet.com/document/fortigate/6.0.0/cli-reference/722994/router-bgp,
https://community.fortinet.com/t5/FortiGate/Technical-Tip-How-to-control-BGP-route-advertisement-with-prefix/ta-p/192930);
and after "PAN-OS CLI Quick Start" (https://docs.paloaltonetworks.com/pan-os/11-0/pan-os-cli-quick-start) and published
configurations. PAN-OS has names for its peers, which are not known here. Not tried on a device.
"""

from __future__ import annotations

from ermon.commands.platforms.command import (
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


def fortios() -> Commands:
    neighbor, neighbor6 = (
        "get router info bgp neighbors {neighbor}",
        "get router info6 bgp neighbors {neighbor}",
    )

    def of_neighbor(then: str = "") -> Command:
        return outside(f"{neighbor}{then}", f"{neighbor6}{then}")

    def shown(text: str) -> Command:
        return outside(f"get router info {text}", f"get router info6 {text}")

    return {
        "session": of_neighbor(),
        "capabilities": of_neighbor(),
        "counters": of_neighbor(),
        "neighbors": shown("bgp summary"),
        "advertised": of_neighbor(" advertised-routes | grep {network}"),
        "advertised-all": of_neighbor(" advertised-routes"),
        "advertised-asn": of_neighbor(" advertised-routes | grep {asn}"),
        "received": of_neighbor(" received-routes | grep {network}"),
        "learned": of_neighbor(" routes | grep {network}"),
        "learned-all": of_neighbor(" routes"),
        "routes": shown("bgp network {prefix}"),
        "inside": shown("bgp network-longer-prefixes {prefix}"),
        "community": shown("bgp community {community}"),
        "with-asn": shown("bgp regexp _{asn}_"),
        "lookup": outside(
            "get router info routing-table details {address}", "get router info6 routing-table"
        ),
        "policy": outside(
            "show router bgp | grep -f {neighbor}\nshow router route-map\nshow router prefix-list{six}"
        ),
        "originates": outside("show router bgp"),
        "arp": outside(
            "get system arp | grep {neighbor}", "diagnose ipv6 neighbor-cache list | grep {neighbor}"
        ),
        "ports": anywhere("get system interface physical"),
        "bfd": shown("bfd neighbor"),
        "load": anywhere("get system performance status"),
        "log": anywhere(
            "execute log filter category event\nexecute log filter field subtype router\nexecute log display"
        ),
        "soft-out": outside("execute router clear bgp ip {neighbor} soft out", None),
        "soft-in": outside("execute router clear bgp ip {neighbor} soft in", None),
        "reset": outside(
            "execute router clear bgp ip {neighbor}", "execute router clear bgp ipv6 {neighbor}"
        ),
        "shut": outside(_of_fortios("set shutdown enable")),
        "enable": outside(_of_fortios("set shutdown disable")),
        # A prefix list beside the route map, because the first number among the rules of the route map may be in use.
        **_filtered_by_fortios("stop", STOP, "out"),
        **_filtered_by_fortios("refuse", REFUSE, "in"),
        "stop-asn": _as_paths_of_fortios(),
        "undo-stop-asn": _undone_by_fortios("aspath-list", STOP_ASN, "filter-list-out", "out"),
        "anchor": outside(_anchor_of_fortios("", "{network} {mask}"), _anchor_of_fortios("6", "{prefix}")),
        "undo-anchor": outside(_undo_anchor_of_fortios(""), _undo_anchor_of_fortios("6")),
    }


def _of_fortios(*settings: str) -> str:
    return lines("config router bgp", "config neighbor", 'edit "{neighbor}"', *settings, "next", "end", "end")


def _filtered_by_fortios(kind: str, name: str, way: str) -> Commands:
    def text(six: str, prefix: str) -> str:
        setting = f"prefix-list-{way}{six}"
        return lines(
            f"# where the neighbor has a {setting} already, write the denies first in that one instead",
            *_list_of_fortios(
                f"prefix-list{six}",
                name,
                denied=(
                    "* edit {n}",
                    "* set action deny",
                    f"* set prefix{six} {prefix}",
                    "* unset ge",
                    "* [+set le {bits}|unset le+]",
                    "* next",
                ),
                others=(f"set prefix{six} any", "unset ge", "unset le"),
            ),
            _of_fortios(f'set {setting} "{name}"'),
            *_cleared_by_fortios(six, way),
        )

    return {
        kind: outside(text("", "{network} {mask}"), text("6", "{prefix}")),
        f"undo-{kind}": _undone_by_fortios("prefix-list", name, f"prefix-list-{way}", way),
    }


def _list_of_fortios(
    table: str, name: str, *, denied: tuple[str, ...], others: tuple[str, ...]
) -> tuple[str, ...]:
    """Return a list that denies something and permits the rest."""
    rest = ("edit 100", "set action permit", *others, "next")
    return (f"config router {table}", f'edit "{name}"', "config rule", *denied, *rest, "end", "next", "end")


def _cleared_by_fortios(six: str, way: str) -> tuple[str, ...]:
    """No soft clear of an IPv6 neighbor is documented."""
    return (
        ("execute router clear bgp ipv6 {neighbor}",)
        if six
        else (f"execute router clear bgp ip {{neighbor}} soft {way}",)
    )


def _undone_by_fortios(kind: str, name: str, setting: str, way: str) -> Command:
    def text(six: str) -> str:
        table = kind if kind == "aspath-list" else f"{kind}{six}"
        return lines(
            _of_fortios(f"unset {setting}{six}"),
            f"config router {table}",
            f'delete "{name}"',
            "end",
            *_cleared_by_fortios(six, way),
        )

    return outside(text(""), text("6"))


def _as_paths_of_fortios() -> Command:
    def text(six: str) -> str:
        return lines(
            f"# where the neighbor has a filter-list-out{six} already, write the deny first in that one instead",
            *_list_of_fortios(
                "aspath-list",
                STOP_ASN,
                denied=("edit 1", "set action deny", 'set regexp "_{asn}_"', "next"),
                others=('set regexp ".*"',),
            ),
            _of_fortios(f'set filter-list-out{six} "{STOP_ASN}"'),
            *_cleared_by_fortios(six, "out"),
        )

    return outside(text(""), text("6"))


_ENTRY = "1999{n}"
"""The number of the entries of an anchor: FortiOS numbers routes and networks."""


def _anchor_of_fortios(six: str, prefix: str) -> str:
    return lines(
        f"config router static{six}",
        f"* edit {_ENTRY}",
        f"* set dst {prefix}",
        "* set blackhole enable",
        "* set distance 254",
        "* next",
        "end",
        "config router bgp",
        f"config network{six}",
        f"* edit {_ENTRY}",
        f"* set prefix{six} {prefix}",
        "* next",
        "end",
        "end",
    )


def _undo_anchor_of_fortios(six: str) -> str:
    return lines(
        f"config router static{six}",
        f"* delete {_ENTRY}",
        "end",
        "config router bgp",
        f"config network{six}",
        f"* delete {_ENTRY}",
        "end",
        "end",
    )


def panos() -> Commands:
    said = Dialect(router=("default", "{vrf}"))

    def committed(*texts: str) -> Command:
        return said(lines("configure", *texts, "commit", "exit"))

    bgp = "network virtual-router {router} protocol bgp"
    rule = f"{bgp} policy"
    peer = f"{bgp} peer-group PEER-GROUP peer PEER enable"
    return {
        "session": anywhere("show routing protocol bgp peer"),
        "capabilities": anywhere("show routing protocol bgp peer"),
        "counters": anywhere("show routing protocol bgp peer"),
        "neighbors": anywhere("show routing protocol bgp summary"),
        "advertised": anywhere("show routing protocol bgp rib-out | match {network}"),
        "advertised-all": anywhere("show routing protocol bgp rib-out"),
        "advertised-asn": anywhere("show routing protocol bgp rib-out-detail peer PEER | match {asn}"),
        "learned": anywhere("show routing protocol bgp loc-rib | match {network}"),
        "learned-all": anywhere("show routing protocol bgp loc-rib"),
        "routes": anywhere("show routing protocol bgp loc-rib | match {network}"),
        "lookup": said("test routing fib-lookup virtual-router {router} ip {address}"),
        "policy": said(lines("configure", f"show {rule}", "exit")),
        "originates": said(lines("configure", f"show {bgp} redist-rules", "exit")),
        "arp": anywhere("show arp all | match {neighbor}", None),
        "ports": anywhere("show interface all"),
        "bfd": anywhere("show routing bfd summary"),
        "load": anywhere("show system resources"),
        "log": anywhere("show log system subtype equal routing"),
        "soft-in": said("test routing bgp virtual-router {router} refresh peer PEER"),
        "reset": said("test routing bgp virtual-router {router} restart peer PEER"),
        "shut": committed(f"set {peer} no"),
        "enable": committed(f"set {peer} yes"),
        "stop": committed(*_rule_of_panos(f"{rule} export rules {STOP}")),
        "undo-stop": committed(f"delete {rule} export rules {STOP}"),
        "refuse": committed(*_rule_of_panos(f"{rule} import rules {REFUSE}")),
        "undo-refuse": committed(f"delete {rule} import rules {REFUSE}"),
    }


def _rule_of_panos(rule: str) -> tuple[str, ...]:
    return (
        f"* set {rule} match address-prefix {{prefix}} exact [+no|yes+]",
        f"set {rule} used-by PEER-GROUP",
        f"set {rule} action deny",
        f"set {rule} enable yes",
        f"move {rule} top",
    )
