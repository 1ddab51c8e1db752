"""Juniper Junos OS.

After "CLI Reference" and "Routing Policies, Firewall Filters, and Traffic Policers User Guide"
(https://www.juniper.net/documentation/us/en/software/junos/cli-reference/index.html,
https://www.juniper.net/documentation/us/en/software/junos/routing-policy/index.html). Not tried on a device.
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
)

_SAID = Dialect(
    table=("", " table {vrf}.{inet}.0"),
    instance=("", " instance {vrf}"),
    of=("", "routing-instances {vrf} "),
)
_NEIGHBOR = "{of}protocols bgp group PEER-GROUP neighbor {neighbor}"


def junos() -> Commands:
    sent = "show route advertising-protocol bgp {neighbor}{table}"
    received = "show route receive-protocol bgp {neighbor}{table}"
    return {
        "session": _SAID(
            'show bgp neighbor {neighbor}{instance} | match "State|Holdtime|Last Error|Error:|prefixes"'
        ),
        "capabilities": _SAID(
            'show bgp neighbor {neighbor}{instance} | match "NLRI|Restart|AddPath|addpath|refresh|capab"'
        ),
        "counters": _SAID('show bgp neighbor {neighbor}{instance} | match "Input messages|Output messages"'),
        "neighbors": _SAID("show bgp summary{instance}"),
        "advertised": _SAID(f"{sent} {{prefix}}"),
        "advertised-all": _SAID(sent),
        "advertised-asn": _SAID(f"{sent} | match {{asn}}"),
        "received": _SAID(f"{received} {{prefix}} all"),
        "learned": _SAID(f"{received} {{prefix}}"),
        "learned-all": _SAID(received),
        "routes": _SAID("show route{table} {prefix} detail"),
        "inside": _SAID("show route{table} {prefix}"),
        "community": _SAID("show route{table} community {community}"),
        "with-asn": _SAID('show route{table} aspath-regex ".* {asn} .*"'),
        "lookup": _SAID("show route{table} {address}"),
        "policy": _SAID(
            lines(
                'show bgp neighbor {neighbor}{instance} | match "Group|Export|Import"',
                "show configuration policy-options",
            )
        ),
        "originates": _SAID(
            'show configuration {of}routing-options | display set | match "static|aggregate|generate"'
        ),
        "arp": anywhere("show arp no-resolve | match {neighbor}", "show ipv6 neighbors | match {neighbor}"),
        "ports": anywhere('show interfaces extensive | match "Physical interface|errors|drops"'),
        "bfd": anywhere("show bfd session address {neighbor} detail"),
        "load": anywhere("show system processes extensive | match rpd"),
        "log": anywhere('show log messages | match "bgp|BGP"'),
        "soft-out": _SAID("clear bgp neighbor {neighbor} soft{instance}"),
        "soft-in": _SAID("clear bgp neighbor {neighbor} soft-inbound{instance}"),
        "reset": _SAID("clear bgp neighbor {neighbor}{instance}"),
        "shut": _configured(f"deactivate {_NEIGHBOR}"),
        "enable": _configured(f"activate {_NEIGHBOR}"),
        **_changes(),
    }


def _configured(*texts: str) -> Command:
    return _SAID(lines("configure", *texts, "commit and-quit"))


# A neighbor has one chain for both families, so it needs one policy with a term for each.
_STOP, _STOP_ASN, _REFUSE = (name.replace("{about}", "{neighbor_name}") for name in (STOP, STOP_ASN, REFUSE))


def _changes() -> Commands:
    prefixes = "from route-filter {prefix} [+orlonger|exact+]"
    return {
        **_before_others("stop", _STOP, "export", f"* {{set}} {prefixes}"),
        **_before_others("refuse", _REFUSE, "import", f"* {{set}} {prefixes}"),
        **_before_others(
            "stop-asn",
            _STOP_ASN,
            "export",
            f'set policy-options as-path {_STOP_ASN} ".* {{asn}} .*"',
            f"{{set}} from as-path {_STOP_ASN}",
            undo=(f"delete policy-options as-path {_STOP_ASN}",),
        ),
        "anchor": _anchor("set", " discard", " preference 254"),
        "undo-anchor": _anchor("delete", ""),
    }


def _before_others(kind: str, name: str, way: str, *rules: str, undo: tuple[str, ...] = ()) -> Commands:
    """Return a policy that rejects before the others that are applied to the neighbor.

    The whole chain is written at the neighbor: a policy there replaces those of its group, and the first that rejects
    ends the chain ("How a Routing Policy Chain Is Evaluated").
    """
    policy = "{policy_out}" if way == "export" else "{policy_in}"
    statement = f"policy-options policy-statement {name}"
    done = [rule.replace("{set}", f"set {statement} term {{family}}") for rule in rules]
    return {
        kind: _configured(
            *done,
            f"set {statement} term {{family}} then reject",
            f"delete {_NEIGHBOR} {way}",
            f"set {_NEIGHBOR} {way} [ {name} {policy} ]",
        ),
        f"undo-{kind}": _configured(f"delete {_NEIGHBOR} {way} {name}", f"delete {statement}", *undo),
    }


def _anchor(verb: str, *what: str) -> Command:
    def at(table: str) -> str:
        return lines(
            "configure",
            *(f"* {verb} {{of}}routing-options {table}static route {{prefix}}{each}" for each in what),
            "commit and-quit",
        )

    outside, inside = at("rib inet6.0 "), at("rib {vrf}.inet6.0 ")
    ipv4 = _SAID(at(""))
    return Command(ipv4.ipv4, _SAID(outside).ipv4, ipv4.ipv4_vrf, _SAID(inside).ipv4_vrf)
