import pytest

from ermon.config.lints import RESERVED_ASNS, lint
from ermon.config.load import load_config

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
    """The lints of the base configuration with some sections replaced: name and (line's key path, message)."""

    def run(**sections):
        file = tmp_path / "ermon.yml"
        file.write_text("\n".join(f"{key}: {value}" for key, value in (BASE | sections).items()))
        found = lint(load_config(file), NOW)
        split = [(problem.path, *problem.message.split(": ", 1)) for problem in found]
        return [(path, name, message) for path, name, message in split if name != "view-missing"]

    return run


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
            "there is one uplink only",
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
            "ExpressRoute and the internet both leave by edge-1",
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
def test_what_microsoft_or_good_practice_ask_otherwise_is_told(lints, sections, path, name, message):
    [(found_path, found_name, found_message)] = lints(**sections)
    assert (found_path, found_name) == (path, name)
    assert message in found_message


@pytest.mark.parametrize(
    "asn", sorted({first for first, *_ in RESERVED_ASNS} | {last for _, last, _ in RESERVED_ASNS})
)
def test_an_asn_that_azure_reserves_is_told(lints, asn):
    [(path, name, message)] = lints(customer=f"{{asn: {asn}}}")
    assert (path, name) == ("customer.asn", "asn-reserved")
    assert message.startswith(f"{asn} is ")


@pytest.mark.parametrize("asn", [64495, 64512, 65514, 65521, 65534, 65552])
def test_the_asns_beside_them_are_not(lints, asn):
    assert lints(customer=f"{{asn: {asn}}}") == []


def test_a_providers_asn_is_looked_at_too(lints):
    [(path, *_)] = lints(customer="{asn: 3320, provider_asns: [65515]}")
    assert path == "customer.provider_asns"


def test_in_a_lab_a_documentation_asn_is_a_note(lints):
    [(_, _, message)] = lints(customer="{asn: 64500}", policy="{public_space: [192.0.2.0/24]}")
    assert message.endswith("(public_space marks a lab: fine there)")


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
