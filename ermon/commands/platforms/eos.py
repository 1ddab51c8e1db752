"""Arista EOS.

After the "EOS User Manual", Border Gateway Protocol (https://www.arista.com/en/um-eos/eos-border-gateway-protocol-bgp)
and Route Maps and Prefix Lists (https://www.arista.com/en/um-eos/eos-acls-and-route-maps). Not tried on a device.
"""

from __future__ import annotations

from ermon.commands.platforms.cisco import anchored, rules_of_route_maps
from ermon.commands.platforms.command import (
    REFUSE,
    STOP,
    STOP_ASN,
    Command,
    Commands,
    Dialect,
    anywhere,
    lines,
)

_CLEAR = "clear {ip} bgp {neighbor} soft"
_SAID = Dialect(
    at_end=("", " vrf {vrf}"),
    vrf=("", " vrf {vrf}"),
    router=("", "vrf {vrf}"),
    clear_out=(f"{_CLEAR} out", f"{_CLEAR} out vrf {{vrf}}"),
    clear_in=(f"{_CLEAR} in", f"{_CLEAR} in vrf {{vrf}}"),
)


def eos() -> Commands:
    router = ("configure", "router bgp {our_asn}", "{router}")
    anchor, undo_anchor = anchored(
        ("configure", "* {ip} route{vrf} {prefix} Null0 254"),
        (*router[1:], "address-family {family}", "* network {prefix}", "end"),
    )
    return {
        "session": _of_neighbor('{at_end} | include "BGP state|Hold time|Last|reset|established"'),
        "capabilities": _of_neighbor('{at_end} | include "advertised|Additional|Graceful"'),
        "counters": _of_neighbor('{at_end} | include "Updates|Keepalives|Route Refresh"'),
        "neighbors": _SAID("show {ip} bgp summary{at_end}"),
        "advertised": _of_neighbor(" advertised-routes{at_end} | include {network}"),
        "advertised-all": _of_neighbor(" advertised-routes{at_end}"),
        "advertised-asn": _of_neighbor(" advertised-routes{at_end} | include {asn}"),
        "received": _of_neighbor(" received-routes{at_end} | include {network}"),
        "learned": _of_neighbor(" routes{at_end} | include {network}"),
        "learned-all": _of_neighbor(" routes{at_end}"),
        "routes": _SAID("show {ip} bgp {prefix} detail{at_end}"),
        "inside": _SAID("show {ip} bgp {prefix} longer-prefixes{at_end}"),
        "community": _SAID("show {ip} bgp community {community}{at_end}"),
        "with-asn": _SAID("show {ip} bgp regex _{asn}_{at_end}"),
        "lookup": _SAID("show {ip} route{vrf} {address}"),
        "policy": _of_neighbor('{at_end} | include "oute map|refix list|policy"\nshow route-map'),
        "originates": anywhere(
            "show running-config section bgp | include network|redistribute|aggregate|default"
        ),
        "arp": _SAID(
            "show ip arp{vrf} | include {neighbor}", "show ipv6 neighbors{vrf} | include {neighbor}"
        ),
        "ports": anywhere('show interfaces | include "line protocol|errors"'),
        "bfd": _SAID("show bfd peers{vrf} | include {neighbor}"),
        "load": anywhere("show processes top once | include Bgp"),
        "log": anywhere("show logging | include BGP"),
        "soft-out": _SAID("{clear_out}"),
        "soft-in": _SAID("{clear_in}"),
        "reset": _SAID("clear {ip} bgp {neighbor}{at_end}"),
        "shut": _SAID(lines(*router, "neighbor {neighbor} shutdown", "end")),
        "enable": _SAID(lines(*router, "no neighbor {neighbor} shutdown", "end")),
        **rules_of_route_maps(_SAID, STOP_ASN),
        "stop": _rule_of_prefixes("out", STOP),
        "refuse": _rule_of_prefixes("in", REFUSE),
        "undo-refuse": _SAID(
            lines(
                "configure",
                "no route-map {policy_in} deny {rule}",
                f"no {{ip}} prefix-list {REFUSE}",
                "end",
                "{clear_in}",
            )
        ),
        "anchor": _SAID(anchor),
        "undo-anchor": _SAID(undo_anchor),
    }


def _of_neighbor(then: str) -> Command:
    """The commands say ``neighbors`` for IPv4 and ``peers`` for IPv6."""
    return _SAID(f"show ip bgp neighbors {{neighbor}}{then}", f"show ipv6 bgp peers {{neighbor}}{then}")


def _rule_of_prefixes(way: str, name: str) -> Command:
    # A list of IPv6 can only be written in a mode of its own; a list of IPv4 can be written like that too.
    return _SAID(
        lines(
            "configure",
            f"{{ip}} prefix-list {name}",
            "* permit {prefix}[+ le {bits}+]",
            "exit",
            f"route-map {{policy_{way}}} deny {{rule}}",
            f"match {{ip}} address prefix-list {name}",
            "end",
            f"{{clear_{way}}}",
        )
    )
