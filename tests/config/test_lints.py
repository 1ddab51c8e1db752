import json
import os
import socket

import pytest

from ermon.config.lint_catalogue import LINTS, explain
from ermon.config.lints import RESERVED_ASNS, lint
from ermon.config.load import load_config
from tests import bgp

NOW = 1_800_000_000.0  # 2027-01-15

BASE = {
    "customer": "{asn: 3320}",
    "circuits": """
  ams:
    geo: europe
    location: Amsterdam
    peering: microsoft
    links:
      primary: {router: edge-1, subnet: 192.0.3.0/30, subnet6: 2a00::/126}
      secondary: {router: edge-2, subnet: 192.0.3.4/30, subnet6: "2a00::4/126"}
  lon:
    geo: europe
    location: London
    peering: microsoft
    links:
      primary: {router: edge-3, subnet: 192.0.3.8/30}
      secondary: {router: edge-4, subnet: 192.0.3.12/30}""",
    "nat_pools": """
  ams-out: {circuit: ams, prefixes: [192.0.4.0/28, "2a00:1::/64"]}
  lon-out: {circuit: lon, prefixes: [192.0.4.16/28]}""",
    "uplinks": """
  isp-a: {router: border-1, asn: 174}
  isp-b: {router: border-2, asn: 3356}""",
    "feeds": """
  outside: {view: internet, peer: 127.0.0.14, local: 127.0.0.9, peer_asn: 3333, local_asn: 65012}""",
}


@pytest.fixture
def lints(tmp_path):
    """Returns the lints of the base configuration with some sections replaced: key path, name and message."""

    def run(**sections):
        found = checked(tmp_path, **sections)
        return [(each.problem.path, each.name, each.problem.message.split(": ", 2)[2]) for each in found]

    return run


def checked(folder, here=False, **sections):
    """Return the lints of the base configuration with some sections replaced, without missing views."""
    file = folder / "ermon.yml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in (BASE | sections).items()))
    found = lint(load_config(file), NOW, folder, here=here)
    return [each for each in found if each.name != "view-missing"]


def test_a_sound_inventory_has_none(lints):
    assert lints() == []


@pytest.mark.parametrize(
    ("sections", "path", "name", "message"),
    [
        (
            {
                "nat_pools": "\n  a: {circuit: ams, prefixes: [192.0.4.0/24]}\n  b: {circuit: lon, prefixes: [192.0.4.16/28]}"
            },
            "nat_pools.b.prefixes",
            "pools-overlap",
            "192.0.4.16/28 overlaps 192.0.4.0/24 of pool a",
        ),
        (
            {
                "nat_pools": '\n  a: {circuit: ams, prefixes: ["2a00:1::/48"]}\n  b: {circuit: lon, prefixes: ["2a00:1::/64"]}'
            },
            "nat_pools.b.prefixes",
            "pools-overlap",
            "2a00:1::/64 overlaps 2a00:1::/48 of pool a",
        ),
        (
            {
                "internet_only": "[192.0.4.8/29]",
                "segments": "{dmz: {expressroute: forbidden}}",
            },
            "nat_pools.ams-out.prefixes",
            "pools-overlap",
            "192.0.4.0/28 overlaps internet_only 192.0.4.8/29",
        ),
        (
            {"nat_pools": "\n  both: {circuits: [ams, lon], prefixes: [192.0.4.0/28]}"},
            "nat_pools.both.circuits",
            "pool-shared",
            "an outbound pool on 2 circuits",
        ),
        (
            {"nat_pools": "\n  inside: {circuit: ams, prefixes: [10.0.0.0/28]}"},
            "nat_pools.inside.prefixes",
            "pool-not-public",
            "10.0.0.0/28 is not public",
        ),
        (
            {"nat_pools": '\n  inside: {circuit: ams, prefixes: ["fd00::/64"]}'},
            "nat_pools.inside.prefixes",
            "pool-not-public",
            "fd00::/64 is not public",
        ),
        (
            {"nat_pools": "\n  adfs: {circuit: ams, use: inbound, prefixes: [192.0.4.0/28]}"},
            "nat_pools.adfs",
            "inbound-one-circuit",
            "when circuit ams fails",
        ),
        (
            {
                "circuits": BASE["circuits"]
                .replace("192.0.3.0/30", "192.0.3.0/29")
                .replace("192.0.3.4/30", "192.0.5.4/30")
            },
            "circuits.ams.links.primary.subnet",
            "link-subnet",
            "192.0.3.0/29 is a /29; a link has a /30",
        ),
        (
            {"circuits": BASE["circuits"].replace("2a00::/126", "2a00:2::/64")},
            "circuits.ams.links.primary.subnet6",
            "link-subnet",
            "2a00:2::/64 is a /64; a link has a /126",
        ),
        (
            {"circuits": BASE["circuits"].replace("192.0.3.0/30", "172.16.0.0/30")},
            "circuits.ams.links.primary.subnet",
            "link-subnet",
            "172.16.0.0/30 is not public",
        ),
        (
            {"circuits": BASE["circuits"].replace("192.0.3.12/30", "192.0.3.4/30")},
            "circuits.lon.links.secondary.subnet",
            "link-subnet",
            "192.0.3.4/30 overlaps 192.0.3.4/30 of ams secondary",
        ),
        (
            {"circuits": BASE["circuits"].replace("edge-2", "edge-1")},
            "circuits.ams.links",
            "links-on-one-router",
            "both end on edge-1",
        ),
        (
            {"circuits": BASE["circuits"].replace("London", "Amsterdam")},
            "circuits.ams",
            "geo-one-location",
            "microsoft peering in geo europe is at one location only",
        ),
        (
            {"uplinks": "{isp-a: {router: border-1, asn: 174}}"},
            "uplinks",
            "uplinks-not-redundant",
            "there is only one uplink",
        ),
        (
            {"uplinks": BASE["uplinks"].replace("border-2", "border-1")},
            "uplinks",
            "uplinks-not-redundant",
            "all uplinks are on border-1",
        ),
        (
            {"uplinks": BASE["uplinks"].replace("border-2", "edge-1")},
            "uplinks.isp-b.router",
            "uplinks-not-redundant",
            "ExpressRoute and the internet share router edge-1",
        ),
        (
            {"internet_only": "[192.0.6.0/24]"},
            "internet_only",
            "segment-unwatched",
            "servers published there",
        ),
        (
            {
                "maintenance": "\n  - {circuit: ams, from: 2026-12-01T02:00:00Z, to: 2026-12-01T04:00:00Z, reason: works}"
            },
            "maintenance[0]",
            "maintenance-over",
            "ended at 2026-12-01T04:00:00Z",
        ),
    ],
)
def test_breaches_of_microsofts_rules_and_good_practice_are_reported(lints, sections, path, name, message):
    [(found_path, found_name, found_message)] = lints(**sections)
    assert (found_path, found_name) == (path, name)
    assert message in found_message


@pytest.mark.parametrize(
    "asn", sorted({first for first, *_ in RESERVED_ASNS} | {last for _, last, _ in RESERVED_ASNS})
)
def test_an_asn_that_azure_reserves_is_reported(lints, asn):
    [(path, name, message)] = lints(customer=f"{{asn: {asn}}}")
    assert (path, name) == ("customer.asn", "asn-reserved")
    assert message.startswith(f"{asn} is ")


@pytest.mark.parametrize("asn", [64495, 64512, 65514, 65521, 65534, 65552])
def test_asns_beside_the_reserved_ones_are_not_reported(lints, asn):
    assert lints(customer=f"{{asn: {asn}}}") == []


def test_a_providers_asn_is_looked_at_too(lints):
    found = lints(customer="{asn: 3320, provider_asns: [65515]}")
    assert [(path, name) for path, name, _ in found] == [
        ("customer.provider_asns", "asn-reserved"),
        ("customer.provider_asns", "links-behind-provider"),
    ]


def test_in_a_lab_a_documentation_asn_is_a_note(lints):
    [(_, _, message)] = lints(customer="{asn: 64500}", policy="{public_space: [192.0.2.0/24]}")
    assert message.endswith("(public_space marks a lab: fine there)")


@pytest.mark.parametrize(
    ("asn", "space", "weight"),
    [(64500, "[192.0.2.0/24]", "note"), (64500, "[]", "error"), (12076, "[192.0.2.0/24]", "error")],
)
def test_a_reserved_asn_is_an_error_but_in_a_lab(tmp_path, asn, space, weight):
    [found] = checked(tmp_path, customer=f"{{asn: {asn}}}", policy=f"{{public_space: {space}}}")
    assert (found.name, found.weight) == ("asn-reserved", weight)


def test_a_pool_that_falls_back_to_the_internet_has_no_other_backup(lints):
    [(_, _, message)] = lints(
        circuits=BASE["circuits"].replace("London", "Amsterdam"),
        nat_pools="\n  out: {circuit: ams, prefixes: [192.0.4.0/28], internet: failover}",
    )
    assert "the internet as the only backup (pool out) is discouraged" in message


def test_a_metro_circuit_is_not_two_locations(lints):
    metro = BASE["circuits"].split("  lon:")[0].replace("edge-2,", "edge-2, location: Almere,")
    pools = BASE["nat_pools"].split("\n  lon-out")[0]
    assert [name for _, name, _ in lints(circuits=metro, nat_pools=pools)] == ["geo-one-location"]


def test_maintenance_to_come_is_no_lint(lints):
    window = "\n  - {circuit: ams, from: 2027-12-01T02:00:00Z, to: 2027-12-01T04:00:00Z, reason: works}"
    assert lints(maintenance=window) == []


EDGES = """
  edge-1: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.1, peer_asn: 3320, add_path: true}
  edge-2: {router: edge-2, view: edge-table, peer: 127.0.0.12, local: 127.0.0.1, peer_asn: 3320, add_path: true}
  edge-1-msee: {router: edge-1, view: to-microsoft, circuit: ams, link: primary, peer: 127.0.0.11, local: 127.0.0.2, peer_asn: 3320, local_asn: 65010}
  outside: {view: internet, peer: 127.0.0.14, local: 127.0.0.9, peer_asn: 3333, local_asn: 65012}"""
OWN = "{asn: 3320, own_prefixes: [192.0.4.0/24, 2a00:1::/32]}"
UPLINK = "\n  isp: {router: border-1, view: to-internet, uplink: isp-a, peer: 127.0.0.15, local: 127.0.0.4, peer_asn: 3320, local_asn: 65011, families: [ipv4, ipv6], canary: ["


@pytest.mark.parametrize(
    ("sections", "path", "name", "message"),
    [
        (
            {"feeds": EDGES.replace("peer_asn: 3320, local_asn: 65010", "peer_asn: 65010, local_asn: 3320")},
            "feeds.edge-1-msee",
            "mirror-asns-swapped",
            "write peer_asn: 3320, local_asn: 65010",
        ),
        (
            {"feeds": EDGES + UPLINK + "192.0.4.0/28]}"},
            "feeds.isp.canary[0]",
            "canary-is-pool",
            "is in pool ams-out",
        ),
        (
            {"feeds": EDGES + UPLINK + "'2a00:1::/65']}"},
            "feeds.isp.canary[0]",
            "canary-is-pool",
            "2a00:1::/65 is in pool ams-out",
        ),
        (
            {"customer": OWN, "feeds": EDGES + UPLINK + "192.0.5.0/24]}"},
            "feeds.isp.canary[0]",
            "canary-not-ours",
            "192.0.5.0/24 is in none of own_prefixes",
        ),
        (
            {"circuits": BASE["circuits"] + "\n    receive: {services: ['12076:59999']}"},
            "circuits.lon.receive.services[0]",
            "community-unknown",
            "12076:59999 is not in Microsoft's list",
        ),
        (
            {"circuits": BASE["circuits"] + "\n    receive: {services: [private-region-west-europe]}"},
            "circuits.lon.receive.services[0]",
            "community-other-peering",
            "private-region-west-europe is of private peering",
        ),
        (
            {"alertmanager": "{urls: ['http://127.0.0.1:9093/am/api/v2/alerts']}"},
            "alertmanager.urls[0]",
            "alertmanager-path",
            "write http://127.0.0.1:9093/am",
        ),
        (
            {"collector": "{router_id: 127.0.0.11}", "feeds": EDGES},
            "collector.router_id",
            "router-id-taken",
            "127.0.0.11 is an address of feed edge-1's router",
        ),
        (
            {"uplinks": BASE["uplinks"].replace("174", "3320")},
            "uplinks.isp-a.asn",
            "uplink-asn-ours",
            "3320 is our own ASN",
        ),
        (
            {"customer": OWN.replace("192.0.4.0/24", "192.0.4.0/28")},
            "nat_pools.lon-out.prefixes",
            "pool-not-ours",
            "192.0.4.16/28 is in none of customer.own_prefixes",
        ),
        (
            {"circuits": BASE["circuits"].replace("London", "Lodnon").replace("Lodnon", "Londn")},
            "circuits.lon.location",
            "name-unknown",
            "'Londn' is almost a location: 'London'",
        ),
        (
            {
                "feeds": EDGES.replace(
                    "peer_asn: 3320, add_path: true}\n  edge-2", "peer_asn: 3320}\n  edge-2"
                )
            },
            "circuits.ams.links.primary",
            "best-path-only",
            "edge-1 shows only best paths of edge-1",
        ),
        (
            {
                "feeds": EDGES
                + "\n  again: {router: edge-1, view: edge-table, peer: 127.0.0.16, local: 127.0.0.1, peer_asn: 3320, add_path: true}"
            },
            "feeds.again",
            "two-tables-one-vrf",
            "edge-1 is also an edge table of edge-1",
        ),
        (
            {"nat_pools": "\n  pat: {circuit: ams, prefixes: [192.0.3.1/32]}"},
            "nat_pools.pat.prefixes",
            "pool-is-link-subnet",
            "192.0.3.1/32 is inside 192.0.3.0/30 of ams primary",
        ),
        (
            {"circuits": BASE["circuits"].replace("London", "Amsterdam2")},
            "circuits.ams",
            "metro",
            "microsoft peering in geo europe is in one metro only (Amsterdam, Amsterdam2)",
        ),
        (
            {"circuits": BASE["circuits"] + "\n    receive: {sources: [{kind: m365, from: none.json}]}"},
            "circuits.lon.receive.sources[0]",
            "source-unreadable",
            "none.json cannot be read",
        ),
        (
            {"circuits": BASE["circuits"].rsplit("\n", 1)[0]},
            "circuits.lon.links",
            "one-link",
            "primary is the only link",
        ),
        (
            {"exceptions": "\n  - {check: link-asymmetry, circuit: ams, reason: works, until: 2027-01-15}"},
            "exceptions[0]",
            "maintenance-over",
            "ended at 2027-01-15T00:00:00Z",
        ),
        (
            {"exceptions": "\n  - {check: link-asymmetry, circuit: ams, reason: works, until: 2027-01-20}"},
            "exceptions[0]",
            "maintenance-over",
            "ends soon, at 2027-01-20T00:00:00Z",
        ),
        (
            {"exceptions": "\n  - {check: link-asymmetry, circuit: paris, reason: works}"},
            "exceptions[0]",
            "maintenance-over",
            "no subject of link-asymmetry has these labels",
        ),
        (
            {"policy": "{accept: [{lint: geo-one-locaton, at: circuits.ams, reason: so it is}]}"},
            "policy.accept[0].lint",
            "no-effect",
            "'geo-one-locaton' is not a lint",
        ),
        (
            {"collector": "{settle: 30s}"},
            "collector.settle",
            "no-effect",
            "has no effect, because it is longer than settle_limit",
        ),
    ],
)
def test_mistakes_that_no_schema_finds_are_reported(lints, sections, path, name, message):
    [(found_path, found_name, found_message)] = lints(**sections)
    assert (found_path, found_name) == (path, name)
    assert message in found_message


def test_a_sound_inventory_that_is_watched_has_none(lints):
    assert lints(customer=OWN, feeds=EDGES + UPLINK + "192.0.4.192/28]}") == []


@pytest.mark.parametrize(
    "circuits",
    [
        BASE["circuits"].replace("London", "Dublin").replace("Amsterdam", "Dubai"),
        BASE["circuits"].replace("europe", "emea-north", 1).replace("geo: europe", "geo: emea-south"),
        BASE["circuits"].replace("London", "Chicago2"),
        BASE["circuits"].replace("geo: europe", "geo: north-america"),
    ],
)
def test_names_that_are_alike_and_both_right_are_fine(lints, circuits):
    assert not [found for found in lints(circuits=circuits) if found[1] == "name-unknown"]


def test_one_geo_in_two_spellings_is_reported_at_both_places(lints):
    found = lints(circuits=BASE["circuits"].replace("geo: europe", "geo: Europe", 1))
    assert [(path, name) for path, name, _ in found if name == "name-unknown"] == [
        ("circuits.ams.geo", "name-unknown"),
        ("circuits.lon.geo", "name-unknown"),
    ]


def test_an_exception_of_a_critical_check_without_an_end_is_a_note(tmp_path):
    [found] = checked(tmp_path, exceptions="\n  - {check: circuit-down, circuit: ams, reason: not built yet}")
    assert (found.name, found.weight, found.counts) == ("maintenance-over", "note", False)


def test_an_exception_with_a_distant_end_is_fine(lints):
    assert (
        lints(exceptions="\n  - {check: circuit-down, circuit: ams, reason: not built, until: 2027-06-30}")
        == []
    )


AZURE = "\n    azure: {resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er, from: azure.json}"


def azure_file(folder, *listed, at):
    """Write Azure's view of the circuit of London at this time, with these advertised public prefixes."""
    config = {"advertisedPublicPrefixes": list(listed), "advertisedPublicPrefixesState": "Configured"}
    peering = {"peeringType": "MicrosoftPeering", "state": "Enabled", "microsoftPeeringConfig": config}
    identity = AZURE.partition("resource_id: ")[2].partition(",")[0]
    file = folder / "azure.json"
    file.write_text(json.dumps([{"name": "er", "id": identity, "peerings": [peering]}]))
    os.utime(file, (at, at))


def test_azures_view_that_cannot_be_read_is_reported(lints):
    [found] = lints(circuits=BASE["circuits"] + AZURE)
    assert found[:2] == ("circuits.lon.azure.from", "azure-unreadable")


def test_a_pool_that_an_older_view_of_azure_does_not_list_is_a_note(tmp_path, lints):
    azure_file(tmp_path, "198.18.0.0/28", at=1_000_000_000)
    [found] = checked(tmp_path, circuits=BASE["circuits"] + AZURE)
    assert (found.name, found.weight, found.problem.path) == (
        "azure-older",
        "note",
        "circuits.lon.azure.from",
    )
    assert "192.0.4.16/28 of pool lon-out" in found.problem.message


@pytest.mark.parametrize(
    ("listed", "at"), [("192.0.4.0/24", 1_000_000_000), ("198.18.0.0/28", 4_000_000_000)]
)
def test_a_pool_that_is_listed_or_a_younger_view_is_fine(tmp_path, lints, listed, at):
    azure_file(tmp_path, listed, at=at)
    assert lints(circuits=BASE["circuits"] + AZURE) == []


ONE_LOCATION = BASE["circuits"].replace("London", "Amsterdam")


def test_an_accepted_lint_is_a_note_with_the_reason(tmp_path):
    [found] = checked(tmp_path, circuits=ONE_LOCATION)
    assert (found.weight, found.counts) == ("warning", True)
    at = found.problem.path
    [found] = checked(
        tmp_path,
        circuits=ONE_LOCATION,
        policy=f"{{accept: [{{lint: geo-one-location, at: {at}, reason: one site only}}]}}",
    )
    assert not found.counts
    assert str(found).endswith("(accepted: one site only)")
    assert ": circuits.ams: note: geo-one-location: " in str(found)


@pytest.mark.parametrize("at", ["circuits.ams", "circuits.ams.links", "circuits"])
def test_a_lint_is_accepted_at_its_path_and_at_a_parent_of_it(tmp_path, at):
    one_router = BASE["circuits"].replace("edge-2", "edge-1")
    before = [each for each in checked(tmp_path, circuits=one_router) if each.name == "links-on-one-router"]
    assert [each.problem.path for each in before] == ["circuits.ams.links"]
    accept = f"{{accept: [{{lint: links-on-one-router, at: {at}, reason: a small site}}]}}"
    found = checked(tmp_path, circuits=one_router, policy=accept)
    assert [each.accepted for each in found if each.name == "links-on-one-router"] == ["a small site"]


@pytest.mark.parametrize(
    "accept",
    [
        "{lint: metro, at: circuits.ams,",
        "{lint: geo-one-location, at: circuits.lon,",
        "{lint: geo-one-location, at: circuits.am,",
        "{lint: geo-one-location, at: circuits.ams.links,",
    ],
)
def test_another_lint_or_place_is_not_accepted_with_it(tmp_path, accept):
    found = checked(tmp_path, circuits=ONE_LOCATION, policy=f"{{accept: [{accept} reason: so it is}}]}}")
    assert [each.counts for each in found] == [True]


def test_a_key_that_is_not_there_is_a_note_until_it_is(tmp_path):
    feeds = BASE["feeds"].replace("local_asn: 65012", "local_asn: 65012, md5_password_file: outside.key")
    [found] = checked(tmp_path, feeds=feeds)
    assert (found.problem.path, found.name) == ("feeds.outside.md5_password_file", "key-file-missing")
    assert not found.counts
    (tmp_path / "outside.key").write_text("secret")
    (tmp_path / "outside.key").chmod(0)  # lints do not open the file
    assert checked(tmp_path, feeds=feeds) == []


@pytest.mark.parametrize(
    ("address", "is_here"),
    [("127.0.0.9", True), ("::1", True), ("192.0.2.77", False), ("2001:db8::77", False)],
)
def test_addresses_of_this_machine_are_checked_with_here(tmp_path, address, is_here):
    feeds = (
        BASE["feeds"]
        .replace("127.0.0.9", f"'{address}'")
        .replace("127.0.0.14", "2001:db8::9" if ":" in address else "127.0.0.14")
    )
    assert checked(tmp_path, feeds=feeds) == []
    collector = f"{{asn: 64500, port: {bgp.free_port('127.0.0.9', '::1')}}}"
    found = checked(tmp_path, here=True, feeds=feeds, collector=collector)
    assert [(each.problem.path, each.name, each.weight) for each in found] == (
        [] if is_here else [("feeds.outside.local", "local-not-here", "note")]
    )


def test_a_port_that_is_in_use_is_found_with_here(tmp_path):
    with socket.create_server(("127.0.0.9", 0)) as holder:
        port = holder.getsockname()[1]
        [found] = checked(tmp_path, here=True, collector=f"{{asn: 64500, port: {port}}}")
    assert (found.problem.path, found.name, found.weight) == ("feeds.outside.local", "local-not-here", "note")
    assert (
        f"`ss -ltnp 'sport = :{port}'` says what (if that is a running ermon, all is well)"
        in found.problem.message
    )


@pytest.mark.parametrize("error", ["EACCES", "EPERM"])
def test_a_port_without_permission_is_reported_once(tmp_path, monkeypatch, error):
    monkeypatch.setattr("ermon.config.lint_files.try_to_listen", lambda address, port: error)
    feeds = BASE["feeds"] + BASE["feeds"].replace("outside", "beside").replace("127.0.0.9", "127.0.0.8")
    [found] = checked(tmp_path, here=True, feeds=feeds)
    assert "CAP_NET_BIND_SERVICE" in found.problem.message


def test_every_lint_is_explained_and_has_its_weight():
    for name, kind in LINTS.items():
        text = explain(kind)
        assert text.startswith(f"{name}: {kind.title}")
        assert f"{kind.weight} of `ermon check`" in text
        assert f"lint: {name}, at: PATH" in text
    assert {name for name, kind in LINTS.items() if kind.weight == "error"} == {
        *("pools-overlap", "pool-not-public", "link-subnet", "asn-reserved", "mirror-asns-swapped"),
        *(
            "canary-is-pool",
            "router-id-taken",
            "uplink-asn-ours",
            "alertmanager-path",
            "community-other-peering",
        ),
    }
    assert {name for name, kind in LINTS.items() if kind.weight == "note"} == {
        *("view-missing", "one-link", "links-behind-provider", "local-not-here", "key-file-missing"),
        "azure-older",
    }


REPORTED = {
    "collector": '{router_id: 192.0.3.2, bmp: {listen: ["127.0.0.1:11019"]}}',
    "routers": """
  edge-1: {bmp: {peer: 127.0.0.11, adj_rib_out: true}}
  border-1: {bmp: {peer: 127.0.0.2}}""",
}


def test_sessions_that_routers_report_are_no_feeds_of_theirs(lints):
    """Their neighbors and ASNs are Microsoft's and providers', whose addresses and ASNs a file may have elsewhere."""
    mirror = "{router: border-1, view: to-internet, uplink: isp-a, peer: 127.0.0.2, local: 127.0.0.3, peer_asn: 3320, local_asn: 174}"
    assert ("feeds.border-1-isp", "mirror-asns-swapped") not in {
        each[:2] for each in lints(feeds=f"{BASE['feeds']}\n  border-1-isp: {mirror}", **REPORTED)
    }
    assert lints(**REPORTED) == []


def test_best_paths_are_enough_where_the_router_reports_the_sessions(lints):
    table = "{router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.3, peer_asn: 3320, families: [ipv4, ipv6]}"
    feeds = f"{BASE['feeds']}\n  edge-1: {table}"
    assert [each[1] for each in lints(feeds=feeds)] == ["best-path-only"]
    assert lints(feeds=feeds, **REPORTED) == []


def test_an_asn_that_no_registry_can_name_is_reported_where_registries_are_asked(tmp_path):
    (tmp_path / "vrps.json").write_text('{"roas": [{"asn": 3320, "prefix": "192.0.4.0/24"}]}')
    asked = {"ownership": "{vrps: [{from: vrps.json}]}"}
    found = checked(tmp_path, customer="{asn: 65010}", **asked)
    assert [(each.name, each.weight) for each in found] == [("asn-unregistered", "warning")]
    assert checked(tmp_path, customer="{asn: 65010, origin_asns: [3320]}", **asked) == []


def test_a_registry_s_file_that_cannot_be_read_is_reported(tmp_path):
    (found,) = checked(tmp_path, ownership="{route_objects: [{from: irr.txt}]}")
    assert (found.name, found.problem.message.rpartition(": ")[2]) == (
        "source-unreadable",
        "No such file or directory",
    )
