"""BIRD 2, GoBGP and OpenBGPD, on Linux or OpenBSD.

After "BIRD 2.0 User's Guide" (https://bird.network.cz/?get_doc&f=bird.html&v=20), "CLI command syntax" of GoBGP
(https://github.com/osrg/gobgp/blob/master/docs/sources/cli-command-syntax.md), bgpctl(8) and bgpd.conf(5)
(https://man.openbsd.org/bgpctl, https://man.openbsd.org/bgpd.conf). ``tests/e2e/test_edge_router.py`` runs these
commands on BIRD; ``tests/commands/test_on_daemons.py`` checks that GoBGP and OpenBGPD accept them.
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

_KERNEL = Dialect(vrf=("", " vrf {vrf}"))
_LINUX: Commands = {
    "lookup": _KERNEL("ip route get {address}{vrf}"),
    "arp": anywhere("ip neighbor show {neighbor}"),
    "ports": anywhere("ip -statistics link show"),
}

# BIRD has names for protocols and not for neighbors, and several protocols may have one neighbor: the command is run
# for each. A name with a hyphen, such as ermon-edge-1, has to be quoted.
_PROTOCOLS = (
    "$(birdc show protocols all | awk '/^[^ ]/ {{p = $1}} "
    '$1 == "Neighbor" && $2 == "address:" && $3 == "{neighbor}" {{n++; print p}} '
    'END {{if (!n) print "BIRD has no protocol with the neighbor {neighbor}" > "/dev/stderr"}}\')'
)
_CONFIGURE = (
    "# then in a shell (a protocol that was disabled by hand comes up again):",
    "birdc configure",
)
"""In every reconfiguration, even a soft one, BIRD 2 enables protocols that its file does not disable."""


def _of_each(command: str) -> str:
    return f"for P in {_PROTOCOLS}; do {command}; done"


def bird() -> Commands:
    # A session in a VRF is a protocol too, and is found in the same way. The names of a VRF's tables are not known
    # here.
    def asked(text: str, then: str = "") -> Command:
        return anywhere(_of_each(f'birdc "{text}"{then}'))

    inside, with_asn = "net ~ [ {prefix}+ ]", "bgp_path ~ [= * {asn} * =]"
    return {
        **_LINUX,
        "session": asked("show protocols all '$P'"),
        "capabilities": asked("show protocols all '$P'", " | sed -n '/capabilities/,/Session/p'"),
        "counters": asked("show protocols all '$P'", " | grep -A 6 'Route change stats'"),
        "neighbors": anywhere("birdc show protocols all | grep -E ' BGP |Neighbor address|Routes:'"),
        "advertised": asked(f"show route export '$P' where {inside}"),
        "advertised-all": asked("show route export '$P'"),
        "advertised-asn": asked(f"show route export '$P' where {with_asn}"),
        "received": anywhere(
            lines(
                _of_each(f"birdc \"show route protocol '$P' where {inside}\""),
                "# what the import filter refused, where 'import keep filtered' is on:",
                _of_each(f"birdc \"show route filtered protocol '$P' where {inside}\""),
            )
        ),
        "learned": asked(f"show route protocol '$P' where {inside}"),
        "learned-all": asked("show route protocol '$P'"),
        "routes": outside(f"birdc 'show route where {inside} all'"),
        "inside": outside(f"birdc 'show route where {inside}'"),
        "community": outside("birdc 'show route where ({pair}) ~ bgp_community'"),
        "with-asn": outside(f"birdc 'show route where {with_asn}'"),
        "policy": asked("show protocols all '$P'", " | grep -E ' filter:'"),
        "originates": outside("birdc 'show route where source != RTS_BGP'"),
        "bfd": anywhere("birdc show bfd sessions"),
        "load": anywhere("ps -C bird -o pid,pcpu,etime,args"),
        "log": anywhere("journalctl -u bird --since -1h"),
        "soft-out": asked("reload out '$P'"),
        "soft-in": asked("reload in '$P'"),
        "reset": asked("restart '$P'"),
        "shut": asked("disable '$P'"),
        "enable": asked("enable '$P'"),
        **_in_file("stop", "exports to", "* if net ~ [ {prefix}[+++] ] then reject;"),
        **_in_file("stop-asn", "exports to", f"if {with_asn} then reject;"),
        **_in_file("refuse", "imports from", "* if net ~ [ {prefix}[+++] ] then reject;"),
        "anchor": outside(
            lines(
                "# in bird.conf, and let the export filter to Microsoft accept it:",
                "protocol static ermon_anchor_{family} {{",
                "  {family};",
                "*   route {prefix} blackhole;",
                "}}",
                *_CONFIGURE,
            )
        ),
        "undo-anchor": outside(lines("# take ermon_anchor_{family} out of bird.conf,", *_CONFIGURE)),
    }


def _in_file(kind: str, way: str, rule: str) -> Commands:
    """Return a rule of a filter in BIRD's file."""
    return {
        kind: anywhere(
            lines(
                f"# in bird.conf, first in the filter that {way} {{neighbor}}:",
                rule,
                *_CONFIGURE,
            )
        ),
        f"undo-{kind}": anywhere(
            lines(f"# take the line out of the filter that {way} {{neighbor}},", *_CONFIGURE)
        ),
    }


def gobgp() -> Commands:
    sent, received = (
        "gobgp neighbor {neighbor} adj-out -a {family}",
        "gobgp neighbor {neighbor} adj-in -a {family}",
    )
    table = "gobgp global rib -a {family}"
    return {
        **_LINUX,
        "session": outside("gobgp neighbor {neighbor}"),
        "capabilities": outside("gobgp neighbor {neighbor} | sed -n '/capabilities/,/Message/p'"),
        "counters": outside("gobgp neighbor {neighbor} | grep -A 8 'Message statistics'"),
        "neighbors": outside("gobgp neighbor"),
        "advertised": outside(f"{sent} | grep -F '{{prefix}}'"),
        "advertised-all": outside(sent),
        "advertised-asn": outside(f"{sent} | grep -w {{asn}}"),
        "received": outside(f"{received} | grep -F '{{prefix}}'"),
        "learned": outside(f"{received} | grep -F '{{prefix}}'"),
        "learned-all": outside(received),
        "routes": outside("gobgp global rib {prefix} -a {family}"),
        "inside": outside("gobgp global rib {prefix} longer-prefixes -a {family}"),
        "community": outside(f"{table} | grep -F '{{community}}'"),
        "with-asn": outside(f"{table} | grep -w {{asn}}"),
        "policy": outside("gobgp global policy"),
        "originates": outside(f"{table} | grep -E ' (0[.]0[.]0[.]0|::) '"),
        "load": outside("ps -C gobgpd -o pid,pcpu,etime,args"),
        "log": outside("journalctl -u gobgpd --since -1h"),
        "soft-out": outside("gobgp neighbor {neighbor} softresetout -a {family}"),
        "soft-in": outside("gobgp neighbor {neighbor} softresetin -a {family}"),
        "reset": outside("gobgp neighbor {neighbor} reset"),
        "shut": outside("gobgp neighbor {neighbor} disable"),
        "enable": outside("gobgp neighbor {neighbor} enable"),
        **_rules_of_gobgp(),
        "anchor": outside("* gobgp global rib add {prefix} -a {family}"),
        "undo-anchor": outside("* gobgp global rib del {prefix} -a {family}"),
    }


def _rules_of_gobgp() -> Commands:
    prefix = "prefix add {name} {prefix} {length}..[+{bits}|{length}+]"
    return {
        **_rule_of_gobgp("stop", STOP, "export", f"* gobgp policy {prefix}", "prefix"),
        **_rule_of_gobgp(
            "stop-asn", STOP_ASN, "export", "gobgp policy as-path add {name} _{asn}_", "as-path"
        ),
        **_rule_of_gobgp("refuse", REFUSE, "import", f"* gobgp policy {prefix}", "prefix"),
    }


def _rule_of_gobgp(kind: str, name: str, way: str, made: str, what: str) -> Commands:
    """Return a policy before all others; the other policies, and the default, stay.

    GoBGP 3.10 does not withdraw in a soft reset what its policy now refuses: the session has to be restarted.
    """
    applied = (
        f"gobgp global policy {way} set {name} $(gobgp global policy {way} | awk "
        '\'$1 == "Name" {{sub(/:$/, "", $2); n = n " " $2}} $1 == "Default:" {{d = tolower($2)}} '
        'END {{print n, "default", d}}\')'
    )
    again = (
        "gobgp neighbor {neighbor} softresetin -a {family}"
        if way == "import"
        else "gobgp neighbor {neighbor} reset  # a soft reset withdraws nothing"
    )
    return {
        kind: outside(
            lines(
                made.replace("{name}", name),
                f"gobgp policy neighbor add {name} {{neighbor}}/{{neighbor_bits}}",
                f"gobgp policy statement {name} add condition {what} {name}",
                f"gobgp policy statement {name} add condition neighbor {name}",
                f"gobgp policy statement {name} add action reject",
                f"gobgp policy add {name} {name}",
                applied,
                again,
            )
        ),
        f"undo-{kind}": outside(
            lines(
                f"gobgp global policy {way} del {name}",
                f"gobgp policy del {name}",
                f"gobgp policy statement del {name}",
                f"gobgp policy {what} del {name}",
                f"gobgp policy neighbor del {name}",
                f"gobgp neighbor {{neighbor}} softreset{'in' if way == 'import' else 'out'} -a {{family}}",
            )
        ),
    }


def openbgpd() -> Commands:
    return {
        "session": outside("bgpctl show neighbor {neighbor}"),
        "capabilities": outside("bgpctl show neighbor {neighbor} | grep -A 12 capabilities"),
        "counters": outside("bgpctl show neighbor {neighbor} | grep -A 8 'Message statistics'"),
        "neighbors": outside("bgpctl show summary"),
        "advertised": outside("bgpctl show rib out neighbor {neighbor} {prefix}"),
        "advertised-all": outside("bgpctl show rib out neighbor {neighbor}"),
        "advertised-asn": outside("bgpctl show rib out neighbor {neighbor} as {asn}"),
        "received": outside("bgpctl show rib in neighbor {neighbor} {prefix}"),
        "learned": outside("bgpctl show rib neighbor {neighbor} {prefix}"),
        "learned-all": outside("bgpctl show rib neighbor {neighbor}"),
        "routes": outside("bgpctl show rib detail {prefix}"),
        "inside": outside("bgpctl show rib {prefix} or-longer"),
        "community": outside("bgpctl show rib community {community}"),
        "with-asn": outside("bgpctl show rib as {asn}"),
        "lookup": outside("bgpctl show fib {address}"),
        "policy": outside("bgpd -nv | grep -E '^(allow|deny|match)'"),
        "originates": outside("bgpctl network show"),
        "arp": outside("arp -n {neighbor}", "ndp -n {neighbor}"),
        "ports": outside("netstat -in"),
        "load": outside("ps -axo pcpu,etime,command | grep '[b]gpd'"),
        "log": outside("grep bgpd /var/log/daemon"),
        "soft-out": outside("bgpctl reload  # sends what the policy changes"),
        "soft-in": outside("bgpctl neighbor {neighbor} refresh"),
        "reset": outside("bgpctl neighbor {neighbor} clear"),
        "shut": outside("bgpctl neighbor {neighbor} down"),
        "enable": outside("bgpctl neighbor {neighbor} up"),
        **_in_bgpd_conf("stop", "to", "* deny to {neighbor} prefix {prefix}[+ or-longer+]"),
        **_in_bgpd_conf("stop-asn", "to", "deny to {neighbor} AS {asn}"),
        **_in_bgpd_conf("refuse", "from", "* deny from {neighbor} prefix {prefix}[+ or-longer+]"),
        "anchor": outside("* bgpctl network add {prefix}"),
        "undo-anchor": outside("* bgpctl network delete {prefix}"),
    }


def _in_bgpd_conf(kind: str, way: str, rule: str) -> Commands:
    """Return a rule in OpenBGPD's file; the last rule that matches decides."""
    return {
        kind: outside(lines("# last in bgpd.conf:", rule, "# then in a shell:", "bgpctl reload")),
        f"undo-{kind}": outside(
            f"# take 'deny {way} {{neighbor}}' out of bgpd.conf, then in a shell:\nbgpctl reload"
        ),
    }
