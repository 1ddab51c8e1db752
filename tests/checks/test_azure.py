"""What Azure says of a circuit: its ownership, its prefixes, its states and its settings."""

from __future__ import annotations

import pytest
from msgspec import structs

from ermon.core.snapshot import resume, take
from ermon.model.azure import AzurePeering, AzureReading
from ermon.model.settings import Severity
from ermon.scenario.azure_circuit import usual
from tests.checks.company import PLANT, Company, Space, company

AZURE = "azure: {resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er, from: azure.json}"
CHICAGO, POOL = {"circuit": "chicago"}, {"pool": "chi", "circuit": "chicago"}
MINUTE = 60.0


def asked(more: str = "", *changes: str) -> Company:
    """The company, with Azure's view of Chicago."""
    return company(f"circuits: {{chicago: {{{AZURE[:-1]}{more}}}}}}}", *changes)


def good(net: Company, circuit: str = "chicago") -> AzureReading:
    return usual(net.config, net.config.circuits[circuit])


def says(net: Company, reading: AzureReading, *, times: int = 2, circuit: str = "chicago") -> None:
    for _ in range(times):
        net.wait(15 * MINUTE).azure_says(circuit, reading)


def in_family(reading: AzureReading, space: Space, **changes: object) -> AzureReading:
    peering = reading.ipv4 if space.family == "ipv4" else reading.ipv6
    assert peering is not None
    return structs.replace(reading, **{space.family: structs.replace(peering, **changes)})


def evidence(net: Company, check: str, **labels: str) -> list[str]:
    found = net.wait(0).finding(check, **labels)
    assert found is not None
    return list(found.evidence["azure"])


def test_everything_is_ok_that_azure_says_of_a_good_circuit():
    net = asked()
    net.azure_says("chicago", good(net))
    for check in ("azure-ownership", "azure-peering-disabled", "azure-provisioning", "azure-drift"):
        assert net.status(check, **CHICAGO) == "ok"
    assert net.status("azure-prefix-unlisted", **POOL) == "ok"


def test_nothing_is_known_before_azure_was_read_or_when_it_cannot_be_read():
    net = asked()
    assert net.azure_fails("chicago").status("azure-drift", **CHICAGO) == "unknown"


def test_only_circuits_with_azure_are_judged():
    net = asked()
    assert net.subjects("azure-drift") == [CHICAGO]
    assert net.subjects("azure-prefix-unlisted") == [POOL]


# azure-ownership -----------------------------------------------------------------------------------------


def test_prefixes_that_are_not_validated_are_raised_with_the_second_reading(space: Space):
    net = asked()
    bad = in_family(good(net), space, prefix_state="ValidationNeeded")
    says(net, bad, times=1)
    assert net.status("azure-ownership", **CHICAGO) == "unknown"
    net.wait(15 * MINUTE).azure_says("chicago", bad)
    finding = net.assert_raised_after(0, "azure-ownership", **CHICAGO)
    assert finding.severity is Severity.WARNING
    assert f"ValidationNeeded: {space.pool}" in finding.evidence["azure"][0]
    assert finding.evidence["read_at"] == "2026-11-18 11:36:40 UTC"
    net.wait(1).azure_says("chicago", good(net))
    net.assert_cleared_after(0, "azure-ownership", **CHICAGO)


def test_a_single_prefix_may_fail_its_validation():
    net = asked()
    peering = AzurePeering(prefixes=("198.51.100.0/28",), prefix_state="Configured")
    failed = structs.replace(peering, not_validated=(("198.51.100.0/28", "ValidationFailed"),))
    says(net, structs.replace(good(net), ipv4=failed))
    assert evidence(net, "azure-ownership", **CHICAGO) == ["198.51.100.0/28: ValidationFailed"]


def test_a_family_without_prefixes_has_nothing_to_validate(space: Space):
    net = asked()
    says(net, in_family(good(net), space, prefixes=(), prefix_state="NotConfigured"))
    assert net.status("azure-ownership", **CHICAGO) == "ok"


def test_nothing_is_known_of_ownership_that_azure_does_not_say():
    net = asked()
    quiet = structs.replace(good(net), ipv4=AzurePeering(), ipv6=None)
    says(net, quiet)
    assert net.status("azure-ownership", **CHICAGO) == "unknown"


# azure-prefix-unlisted -----------------------------------------------------------------------------------


def test_a_pool_that_is_not_listed_is_a_warning_and_critical_if_it_was(space: Space):
    net = asked()
    unlisted = in_family(good(net), space, prefixes=())
    says(net, unlisted, times=1)
    assert net.status("azure-prefix-unlisted", **POOL) == "unknown"
    net.wait(15 * MINUTE).azure_says("chicago", unlisted)
    assert net.assert_raised_after(0, "azure-prefix-unlisted", **POOL).severity is Severity.WARNING
    net.azure_says("chicago", good(net), age=-0.0).wait(1)
    says(net, good(net), times=1)
    assert net.status("azure-prefix-unlisted", **POOL) == "ok"
    says(net, unlisted)
    finding = net.finding("azure-prefix-unlisted", **POOL) if net.wait(0) else None
    assert finding is not None
    assert (finding.severity, finding.evidence["prefixes"]) == (Severity.CRITICAL, [space.pool])


def test_a_severity_of_the_configuration_stays(space: Space):
    net = asked("", "checks: {azure-prefix-unlisted: {severity: info}}")
    net.azure_says("chicago", good(net))
    says(net, in_family(good(net), space, prefixes=()))
    finding = net.wait(0).finding("azure-prefix-unlisted", **POOL)
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_a_critical_finding_is_critical_after_a_restart():
    net = asked()
    net.azure_says("chicago", good(net))
    says(net, structs.replace(good(net), ipv4=AzurePeering(state="Enabled")))
    net.restart()
    finding = net.finding("azure-prefix-unlisted", **POOL)
    assert finding is not None
    assert (finding.severity, finding.stale) == (Severity.CRITICAL, True)


def test_a_snapshot_has_what_azure_said_and_since_when_the_pools_are_named():
    net = asked()
    net.azure_says("chicago", good(net))
    says(net, structs.replace(good(net), ipv4=AzurePeering(state="Enabled")), times=1)
    net.monitor = resume(net.config, take(net.monitor), {})
    says(net, structs.replace(good(net), ipv4=AzurePeering(state="Enabled")), times=1)
    finding = net.wait(0).finding("azure-prefix-unlisted", **POOL)
    assert finding is not None
    assert finding.severity is Severity.CRITICAL


def test_a_pool_that_a_reload_adds_waits_for_two_younger_readings():
    net = asked()
    says(net, good(net))
    net.wait(1).reconfigure(
        asked(
            "", 'nat_pools: {new: {circuit: chicago, prefixes: [198.51.100.32/28, "2001:db8:100:20::/64"]}}'
        ).config
    )
    new = {"pool": "new", "circuit": "chicago"}
    assert net.status("azure-prefix-unlisted", **new) == "unknown"
    assert net.status("azure-prefix-unlisted", **POOL) == "ok"
    said = usual(asked().config, asked().config.circuits["chicago"])
    says(net, said, times=1)
    assert net.status("azure-prefix-unlisted", **new) == "unknown"
    says(net, said, times=1)
    assert net.status("azure-prefix-unlisted", **new) == "violated"


def test_another_circuit_of_azure_begins_anew():
    net = asked()
    says(net, good(net))
    other = company(f"circuits: {{chicago: {{{AZURE.replace('Circuits/er', 'Circuits/other')}}}}}")
    assert net.reconfigure(other.config).status("azure-drift", **CHICAGO) == "unknown"


# azure-peering-disabled, azure-provisioning ---------------------------------------------------------------


def test_a_disabled_peering_is_raised_at_once_and_explains_a_dead_circuit(space: Space):
    net = asked().converge()
    net.azure_says("chicago", in_family(good(net), space, state="Disabled"))
    net.assert_raised_after(0, "azure-peering-disabled", **CHICAGO)
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family).wait(5)
    down = net.finding("circuit-down", circuit="chicago", family=space.family)
    assert down is not None
    assert "Disabled (read 2026-11-18" in down.evidence["azure"][0]
    assert net.status("azure-peering-disabled", **CHICAGO) == "suppressed"


def test_a_circuit_without_the_peering_has_it_disabled():
    net = asked()
    net.azure_says("chicago", AzureReading(circuit_state="Enabled"))
    assert evidence(net, "azure-peering-disabled", **CHICAGO) == ["the circuit has no MicrosoftPeering"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"circuit_state": "Disabling"}, "circuit: Disabling"),
        ({"provider_state": "NotProvisioned"}, "service provider: NotProvisioned"),
    ],
)
def test_a_state_that_no_working_circuit_has_takes_two_readings(changes: dict[str, str], line: str):
    net = asked()
    bad = structs.replace(good(net), **changes)
    says(net, bad, times=1)
    assert net.status("azure-provisioning", **CHICAGO) == "unknown"
    says(net, bad, times=1)
    assert evidence(net, "azure-provisioning", **CHICAGO) == [line]


def test_a_circuit_of_expressroute_direct_has_no_provider():
    net = asked()
    says(net, structs.replace(good(net), provider_state="NotProvisioned", direct=True))
    assert net.status("azure-provisioning", **CHICAGO) == "ok"


# azure-drift ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"peer_asn": 64501}, "your ASN: 64501 in Azure (peerASN), 64500 in ermon.yml"),
        ({"azure_asn": 12077}, "Azure's ASN: 12077, not 12076"),
        ({"vlan": 101}, "VLAN: 101 in Azure, 100 in ermon.yml"),
        ({"location": "New York"}, "location: New York in Azure, Chicago in ermon.yml"),
        ({"ipv6": None}, "IPv6: Azure has no IPv6 on this peering, ermon.yml has subnet6"),
    ],
)
def test_a_setting_that_differs_is_raised_after_five_minutes(changes: dict[str, object], line: str):
    net = asked(", vlan: 100")
    net.azure_says("chicago", structs.replace(good(net), **changes))
    finding = net.assert_raised_after(300, "azure-drift", **CHICAGO)
    assert finding.evidence["azure"] == [line]


def test_subnets_route_filters_and_the_owner_of_prefixes_are_compared_by_family(space: Space):
    net = asked(", route_filter: Office")
    wrong = in_family(good(net), space, secondary="192.0.2.252/30", route_filter="other", customer_asn=64999)
    net.azure_says("chicago", wrong).wait(300)
    lines = evidence(net, "azure-drift", **CHICAGO)
    assert [line.partition(",")[0] for line in lines] == [
        "ASN of the prefixes",
        "subnet of secondary",
        "route filter",
    ]


def test_case_spaces_and_a_metro_are_the_same_place():
    net = asked()
    net.azure_says("chicago", structs.replace(good(net), location="CHICAGO  Metro"))
    assert net.status("azure-drift", **CHICAGO) == "ok"


def test_behind_a_layer_3_provider_its_own_subnets_and_vlan_are_in_azure(space: Space):
    net = asked(", vlan: 100", "customer: {provider_asns: [64499]}")
    provided = in_family(structs.replace(good(net), peer_asn=64499, vlan=7), space, primary="192.0.2.252/30")
    net.azure_says("chicago", provided)
    assert net.status("azure-drift", **CHICAGO) == "ok"


def test_links_that_are_named_as_in_azure_are_compared_by_name():
    net = company(f"circuits: {{plant: {{{AZURE}}}}}", PLANT)
    reading = good(net, "plant")
    swapped = structs.replace(reading.ipv4, primary=reading.ipv4.secondary, secondary=reading.ipv4.primary)
    net.azure_says("plant", structs.replace(reading, ipv4=swapped))
    assert net.status("azure-drift", circuit="plant") == "violated"
