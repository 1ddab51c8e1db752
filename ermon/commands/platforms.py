"""The commands of each platform, by question.

Those of FRR and BIRD are typed on the real thing by ``tests/e2e/test_edge_router.py``; those of the others are taken from
their vendors' command references. A command that is not known for sure is not here, and PAN-OS, whose commands
name a peer and not its address, has none.

In the texts stand ``{neighbor}``, ``{prefix}``, ``{network}`` (the prefix without its length), ``{community}``,
``{family}`` (ipv4 or ipv6), ``{inet}``, ``{vpn}``, ``{ip}`` and ``{six}`` (how platforms call it), ``{bits}`` (of its
addresses), ``{vrf}``, ``{policy}`` (what is applied outbound to the neighbor), ``{community_pair}`` (the community as
BIRD writes it) and ``{longer}`` (how a prefix list says that more specific prefixes are meant, too).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Command(NamedTuple):
    """One command, as far as it is known."""

    ipv4: str | None
    ipv6: str | None
    """``None``: there is none for IPv6."""
    ipv4_vrf: str | None = None
    """The command for a neighbor or a prefix in a VRF."""
    ipv6_vrf: str | None = None

    def text(self, family: str, *, in_vrf: bool) -> str | None:
        """Return the text for a family; that of IPv4 where the family is unknown and both are the same."""
        ipv4, ipv6 = (self.ipv4_vrf, self.ipv6_vrf) if in_vrf else (self.ipv4, self.ipv6)
        if family == "ipv6":
            return ipv6
        return ipv4 if family == "ipv4" or ipv4 == ipv6 else None


def _both(text: str, in_vrf: str | None = None) -> Command:
    """One text for both families."""
    return Command(text, text, in_vrf, in_vrf)


Commands = Mapping[str, Command]

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "iosxe": "Cisco IOS-XE",
        "iosxr": "Cisco IOS-XR",
        "nxos": "Cisco NX-OS",
        "junos": "Junos",
        "eos": "Arista EOS",
        "frr": "FRR",
        "bird": "BIRD",
        "vyos": "VyOS",
        "gobgp": "GoBGP",
        "openbgpd": "OpenBGPD",
        "panos": "PAN-OS",
        "fortios": "FortiOS",
    }
)
"""Each platform, the most frequent first, as people call it."""


STOP = "ermon-stop"
"""The name of the prefix list that a ``stop`` makes: nobody has one of that name for anything else."""


_STOP_OF_IOS = (
    "configure terminal",
    f"{{ip}} prefix-list {STOP} permit {{prefix}}{{longer}}",
    "route-map {policy} deny 1",
    f"match {{ip}} address prefix-list {STOP}",
    "end",
    "clear bgp {family} unicast {neighbor} soft out",
)
"""The same on IOS-XE, NX-OS and FRR."""

_CHANGES_OF_IOS: Commands = {
    "soft-out": _both("clear bgp {family} unicast {neighbor} soft out"),
    "soft-in": _both("clear bgp {family} unicast {neighbor} soft in"),
    "stop": _both("\n".join(_STOP_OF_IOS)),
}
"""The same on IOS-XE and NX-OS."""

_STOP_OF_VYOS = (
    "configure",
    f"set policy prefix-list{{six}} {STOP} rule 1 action permit",
    f"set policy prefix-list{{six}} {STOP} rule 1 prefix {{prefix}}",
    f"set policy prefix-list{{six}} {STOP} rule 1 le {{bits}}",
    "set policy route-map {policy} rule 1 action deny",
    f"set policy route-map {{policy}} rule 1 match {{ip}} address prefix-list {STOP}",
    "commit",
)


def _iosxe() -> Commands:
    return {
        **_cisco("bgp {family} unicast", "bgp {vpn} unicast vrf {vrf}", "BGP state|Last reset|Prefixes"),
        **_CHANGES_OF_IOS,
    }


def _iosxr() -> Commands:
    of, in_vrf = "bgp {family} unicast", "bgp vrf {vrf} {family} unicast"
    return {
        **_cisco(of, in_vrf, '"BGP state|Last reset"'),
        "soft-out": _both(f"clear {of} {{neighbor}} soft out", f"clear {in_vrf} {{neighbor}} soft out"),
        "soft-in": _both(f"clear {of} {{neighbor}} soft in", f"clear {in_vrf} {{neighbor}} soft in"),
    }


def _cisco(of: str, in_vrf: str, session: str) -> Commands:
    """What IOS-XE and IOS-XR show of a table, which they name in different ways; ``session`` picks the lines of a neighbor."""

    def shown(text: str) -> Command:
        return _both(f"show {of} {text}", f"show {in_vrf} {text}")

    return {
        "advertised": shown("neighbors {neighbor} advertised-routes | include {network}"),
        "session": shown(f"neighbors {{neighbor}} | include {session}"),
        "learned": shown("neighbors {neighbor} routes | include {network}"),
        "routes": shown("{prefix}"),
        "community": shown("community {community}"),
    }


def _nxos() -> Commands:
    def shown(text: str, pipe: str = "") -> Command:
        return _both(
            f"show bgp {{family}} unicast {text}{pipe}",
            f"show bgp {{family}} unicast {text} vrf {{vrf}}{pipe}",
        )

    return {
        "advertised": shown("neighbors {neighbor} advertised-routes", " | include {network}"),
        "session": shown("neighbors {neighbor}", ' | egrep "BGP state|Last reset"'),
        "learned": shown("neighbors {neighbor} routes", " | include {network}"),
        "routes": shown("{prefix}"),
        "community": shown("community {community}"),
        **_CHANGES_OF_IOS,
    }


def _junos() -> Commands:
    table = " table {vrf}.{inet}.0"
    return {
        "advertised": _both(
            "show route advertising-protocol bgp {neighbor} {prefix}",
            f"show route advertising-protocol bgp {{neighbor}}{table} {{prefix}}",
        ),
        "session": _both('show bgp neighbor {neighbor} | match "State|Last Error"'),
        "learned": _both(
            "show route receive-protocol bgp {neighbor} {prefix}",
            f"show route receive-protocol bgp {{neighbor}}{table} {{prefix}}",
        ),
        "routes": _both("show route {prefix} detail", f"show route{table} {{prefix}} detail"),
        "community": _both("show route community {community}", f"show route{table} community {{community}}"),
        "soft-out": _both("clear bgp neighbor {neighbor} soft"),
        "soft-in": _both("clear bgp neighbor {neighbor} soft-inbound"),
    }


def _eos() -> Commands:
    return {
        "advertised": Command(
            "show ip bgp neighbors {neighbor} advertised-routes | include {network}",
            None,
            "show ip bgp neighbors {neighbor} advertised-routes vrf {vrf} | include {network}",
        ),
        "session": Command(
            'show ip bgp neighbors {neighbor} | include "BGP state|Last"',
            None,
            'show ip bgp neighbors {neighbor} vrf {vrf} | include "BGP state|Last"',
        ),
        "routes": Command(
            "show ip bgp {prefix} detail",
            "show ipv6 bgp {prefix} detail",
            "show ip bgp {prefix} detail vrf {vrf}",
            "show ipv6 bgp {prefix} detail vrf {vrf}",
        ),
    }


def _frr(shell: str = "vtysh") -> Commands:
    of, in_vrf = "bgp {family} unicast", "bgp vrf {vrf} {family} unicast"

    def asked(text: str, then: str = "") -> Command:
        typed = f"{shell} -c '{text}'{then}"
        return _both(typed.replace("{of}", of), typed.replace("{of}", in_vrf))

    return {
        "advertised": asked("show {of} neighbors {neighbor} advertised-routes", " | grep -F ' {network}'"),
        "session": _both(
            f"{shell} -c 'show bgp neighbors {{neighbor}}' | grep -E 'BGP state|Last reset|accepted prefixes'",
            f"{shell} -c 'show bgp vrf {{vrf}} neighbors {{neighbor}}' | grep -E 'BGP state|Last reset|accepted prefixes'",
        ),
        "learned": asked("show {of} neighbors {neighbor} routes", " | grep -F ' {network}'"),
        "routes": asked("show {of} {prefix}"),
        "community": asked("show {of} community {community}"),
        "soft-out": asked("clear {of} {neighbor} soft out"),
        "soft-in": asked("clear {of} {neighbor} soft in"),
        "stop": _both(" ".join([shell, *(f"-c '{line}'" for line in _STOP_OF_IOS)])),
    }


def _bird() -> Commands:
    # BIRD names protocols and not neighbors: the first line finds the protocol of an address.
    protocol = (
        "P=$(birdc show protocols all | awk '/^[^ ]/ {{p=$1}} "
        '$1 == "Neighbor" && $2 == "address:" && $3 == "{neighbor}" {{print p}}\')\n'
    )
    # Sessions in a VRF are protocols, too, and found in the same way; tables of a VRF have names that nobody knows here.
    return {
        "advertised": _alike(protocol + 'birdc "show route export $P where net ~ [ {prefix}+ ]"'),
        "session": _alike(protocol + 'birdc show protocols all "$P"'),
        "learned": _alike(protocol + 'birdc "show route protocol $P where net ~ [ {prefix}+ ]"'),
        "routes": _both("birdc 'show route where net ~ [ {prefix}+ ] all'"),
        "community": _both("birdc 'show route where ({community_pair}) ~ bgp_community'"),
        "soft-out": _alike(protocol + 'birdc reload out "$P"'),
        "soft-in": _alike(protocol + 'birdc reload in "$P"'),
        "stop": _alike(
            "# in bird.conf, first in the filter that exports to {neighbor}:\n"
            "if net ~ [ {prefix}+ ] then reject;\n"
            "# then in a shell:\n"
            "birdc configure"
        ),
    }


def _gobgp() -> Commands:
    return {
        "advertised": _both("gobgp neighbor {neighbor} adj-out -a {family} | grep -F '{prefix}'"),
        "session": _both("gobgp neighbor {neighbor}"),
        "learned": _both("gobgp neighbor {neighbor} adj-in -a {family} | grep -F '{prefix}'"),
        "routes": _both("gobgp global rib {prefix} -a {family}"),
        "soft-out": _both("gobgp neighbor {neighbor} softresetout -a {family}"),
        "soft-in": _both("gobgp neighbor {neighbor} softresetin -a {family}"),
    }


def _openbgpd() -> Commands:
    return {
        "advertised": _both("bgpctl show rib out neighbor {neighbor} {prefix}"),
        "session": _both("bgpctl show neighbor {neighbor}"),
        "learned": _both("bgpctl show rib neighbor {neighbor} {prefix}"),
        "routes": _both("bgpctl show rib {prefix} detail"),
        "community": _both("bgpctl show rib community {community}"),
        "soft-in": _both("bgpctl neighbor {neighbor} refresh"),
        "stop": _both(
            "# last in bgpd.conf:\n"
            "deny to {neighbor} prefix {prefix} or-longer\n"
            "# then in a shell:\n"
            "bgpctl reload"
        ),
    }


def _fortios() -> Commands:
    return {
        "advertised": Command(
            "get router info bgp neighbors {neighbor} advertised-routes",
            "get router info6 bgp neighbors {neighbor} advertised-routes",
        ),
        "session": Command(
            "get router info bgp neighbors {neighbor}", "get router info6 bgp neighbors {neighbor}"
        ),
        "learned": Command(
            "get router info bgp neighbors {neighbor} routes",
            "get router info6 bgp neighbors {neighbor} routes",
        ),
        "routes": Command("get router info bgp network {prefix}", "get router info6 bgp network {prefix}"),
        "soft-out": Command("execute router clear bgp ip {neighbor} soft out", None),
        "soft-in": Command("execute router clear bgp ip {neighbor} soft in", None),
    }


def _alike(text: str) -> Command:
    """The same in a VRF, since the address of the neighbor says all."""
    return _both(text, text)


PLATFORMS: Mapping[str, Commands] = MappingProxyType(
    {
        "iosxe": _iosxe(),
        "iosxr": _iosxr(),
        "nxos": _nxos(),
        "junos": _junos(),
        "eos": _eos(),
        "frr": _frr(),
        "bird": _bird(),
        "vyos": {**_frr("sudo vtysh"), "stop": _both("\n".join(_STOP_OF_VYOS))},
        "gobgp": _gobgp(),
        "openbgpd": _openbgpd(),
        "panos": {},
        "fortios": _fortios(),
    }
)
"""By platform, as ``routers.*.platform`` names it, and by question."""
