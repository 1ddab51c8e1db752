"""FRR, and VyOS, which is FRR with its own configuration.

After "FRR User Guide", BGP (https://docs.frrouting.org/en/latest/bgp.html), and "VyOS User Guide", BGP and Policy
(https://docs.vyos.io/en/latest/configuration/protocols/bgp.html,
https://docs.vyos.io/en/latest/configuration/policy/index.html). ``tests/e2e/test_edge_router.py`` runs these commands
on FRR itself.
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
)

_SAID = Dialect(
    of=("bgp {family} unicast", "bgp vrf {vrf} {family} unicast"),
    neighbors=("bgp neighbors", "bgp vrf {vrf} neighbors"),
    vrf=("", " vrf {vrf}"),
    protocols=("", "vrf name {vrf} "),
)


def frr(shell: str = "vtysh") -> Commands:
    """Return the commands; ``shell`` is the program that takes FRR's commands."""

    def shown(text: str, then: str = "") -> Command:
        return _SAID(f"{shell} -c 'show {text}'{then}")

    def of_neighbor(pattern: str) -> Command:
        return shown("{neighbors} {neighbor}", f" | grep -E '{pattern}'")

    def configured(*texts: str) -> Command:
        return _SAID(_typed(shell, "configure terminal", *texts))

    neighbor = "{of} neighbors {neighbor}"
    router = "router bgp {our_asn}{vrf}"
    network = (router, "address-family {family} unicast")
    return {
        "session": of_neighbor(
            "BGP state|hold time|Connections established|Last reset|due to|accepted prefixes"
        ),
        "capabilities": of_neighbor("advertised|Additional|AddPath|Graceful"),
        "counters": of_neighbor("Updates|Route Refresh|Keepalives"),
        "neighbors": shown("{of} summary"),
        "advertised": shown(f"{neighbor} advertised-routes", " | grep -F ' {network}'"),
        "advertised-all": shown(f"{neighbor} advertised-routes"),
        # FRR puts the path of a long prefix on a line of its own.
        "advertised-asn": shown(f"{neighbor} advertised-routes", " | grep -w -B 1 {asn}"),
        "received": shown(f"{neighbor} received-routes", " | grep -F ' {network}'"),
        "learned": shown(f"{neighbor} routes", " | grep -F ' {network}'"),
        "learned-all": shown(f"{neighbor} routes"),
        "routes": shown("{of} {prefix}"),
        "inside": shown("{of} {prefix} longer-prefixes"),
        "community": shown("{of} community {community}"),
        "with-asn": shown("{of} regexp _{asn}_"),
        "lookup": shown("{ip} route{vrf} {address}"),
        "policy": _SAID(
            lines(
                f"{shell} -c 'show {{neighbors}} {{neighbor}}' | grep -E 'oute map|refix list|ilter list'",
                f"{shell} -c 'show route-map'",
            )
        ),
        "originates": shown(
            "running-config", " | grep -E '^ +(network|redistribute|aggregate-address) |default-originate'"
        ),
        "arp": anywhere("ip neighbor show {neighbor}"),
        "ports": anywhere("ip -statistics link show"),
        "bfd": shown("bfd{vrf} peer {neighbor}"),
        "load": anywhere("ps -C bgpd -o pid,pcpu,etime,args"),
        "log": anywhere("journalctl -u frr --since -1h | grep -i bgp"),
        "soft-out": _SAID(f"{shell} -c 'clear {{of}} {{neighbor}} soft out'"),
        "soft-in": _SAID(f"{shell} -c 'clear {{of}} {{neighbor}} soft in'"),
        "reset": _SAID(f"{shell} -c 'clear {{of}} {{neighbor}}'"),
        "shut": configured(router, "neighbor {neighbor} shutdown"),
        "enable": configured(router, "no neighbor {neighbor} shutdown"),
        **_rules(shell),
        "anchor": configured("* {ip} route {prefix} Null0 254{vrf}", *network, "* network {prefix}", "end"),
        "undo-anchor": configured(
            "* no {ip} route {prefix} Null0 254{vrf}", *network, "* no network {prefix}", "end"
        ),
    }


def _rules(shell: str) -> Commands:
    """Return rules before all others in the route map that is applied to a neighbor."""

    def changed(way: str, *texts: str) -> Command:
        clear = f"clear {{of}} {{neighbor}} soft {way}"
        return _SAID(_typed(shell, "configure terminal", *texts, "end", clear))

    def made(way: str, name: str) -> Command:
        return changed(
            way,
            f"* {{ip}} prefix-list {name} permit {{prefix}}[+ le {{bits}}+]",
            f"route-map {{policy_{way}}} deny {{rule}}",
            f"match {{ip}} address prefix-list {name}",
        )

    def undone(way: str, number: str, what: str) -> Command:
        return changed(way, f"no route-map {{policy_{way}}} deny {number}", f"no {what}")

    as_paths = f"bgp as-path access-list {STOP_ASN}"
    return {
        "stop": made("out", STOP),
        "undo-stop": undone("out", "{rule}", f"{{ip}} prefix-list {STOP}"),
        "refuse": made("in", REFUSE),
        "undo-refuse": undone("in", "{rule}", f"{{ip}} prefix-list {REFUSE}"),
        "stop-asn": changed(
            "out",
            f"{as_paths} permit _{{asn}}_",
            f"route-map {{policy_out}} deny {AS_PATH_RULE}",
            f"match as-path {STOP_ASN}",
        ),
        "undo-stop-asn": undone("out", AS_PATH_RULE, as_paths),
    }


def _typed(shell: str, *texts: str) -> str:
    """Return several commands of FRR as one command of the shell, each on a line of its own; the last is not
    repeated.
    """
    first, *others = texts
    typed = [f"{shell} -c '{first}'"]
    for text in others:
        repeated = text.startswith("* ")
        typed.append(f"{'* ' if repeated else ''}  -c '{text.removeprefix('* ')}'")
    return " \\\n".join(typed)


def vyos() -> Commands:
    """Return FRR's commands for what is shown, and VyOS' own for changes: VyOS overwrites changes that are made in
    FRR.
    """
    bgp = "{protocols}protocols bgp"
    return {
        **frr("sudo vtysh"),
        "originates": anywhere(
            "show configuration commands | grep -E 'bgp.*(network|redistribute|aggregate|default)'"
        ),
        "shut": _committed(f"set {bgp} neighbor {{neighbor}} shutdown"),
        "enable": _committed(f"delete {bgp} neighbor {{neighbor}} shutdown"),
        **_filtered_by_vyos("stop", STOP, "out"),
        **_filtered_by_vyos("refuse", REFUSE, "in"),
        "stop-asn": _committed(
            f"set policy as-path-list {STOP_ASN} rule 1 action permit",
            f"set policy as-path-list {STOP_ASN} rule 1 regex _{{asn}}_",
            *_rule_of_vyos("out", AS_PATH_RULE, f"as-path {STOP_ASN}"),
        ),
        "undo-stop-asn": _committed(
            f"delete policy route-map {{policy_out}} rule {AS_PATH_RULE}",
            f"delete policy as-path-list {STOP_ASN}",
        ),
        "anchor": _committed(
            "* set {protocols}protocols static route{six} {prefix} blackhole distance 254",
            f"* set {bgp} address-family {{family}}-unicast network {{prefix}}",
        ),
        "undo-anchor": _committed(
            "* delete {protocols}protocols static route{six} {prefix}",
            f"* delete {bgp} address-family {{family}}-unicast network {{prefix}}",
        ),
    }


def _committed(*texts: str) -> Command:
    return _SAID(lines("configure", *texts, "commit", "exit"))


def _filtered_by_vyos(kind: str, name: str, way: str) -> Commands:
    entry = f"set policy prefix-list{{six}} {name} rule {{n}}"
    return {
        kind: _committed(
            f"* {entry} action permit",
            f"* {entry} prefix {{prefix}}",
            f"* [+{entry} le {{bits}}+]",
            *_rule_of_vyos(way, "{rule}", f"{{ip}} address prefix-list {name}"),
        ),
        f"undo-{kind}": _committed(
            f"delete policy route-map {{policy_{way}}} rule {{rule}}",
            f"delete policy prefix-list{{six}} {name}",
        ),
    }


def _rule_of_vyos(way: str, number: str, match: str) -> tuple[str, ...]:
    rule = f"set policy route-map {{policy_{way}}} rule {number}"
    return (f"{rule} action deny", f"{rule} match {match}")
