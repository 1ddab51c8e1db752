"""The result of each step of the acceptance test for a network."""

from __future__ import annotations

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import AcceptanceStep, NotTested, ReadFromState
from ermon.model.ownership import Vrp
from ermon.model.prefixes import FAMILY_NAMES
from ermon.verify.steps import STEPS
from tests.checks.company import PLANT, V4, V6, Company, Space, company
from tests.verify.acceptance import converged, put_to_the_test

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


def test_there_is_every_step_that_a_check_can_name_in_its_order():
    assert [kind.id for kind in STEPS] == list(AcceptanceStep)


@pytest.mark.whole_catalogue
def test_every_check_belongs_to_a_step_or_is_left_out_for_a_reason():
    asked = [check.name for kind in STEPS for check, _ in kind.asked]
    others = [
        name for name, check in CATALOGUE.items() if isinstance(check.acceptance, ReadFromState | NotTested)
    ]
    assert sorted([*asked, *others]) == sorted(CATALOGUE)


def test_the_first_answer_of_a_step_is_that_of_the_check_in_the_first_place():
    steady = next(kind for kind in STEPS if kind.id is AcceptanceStep.STEADY)
    assert [check.name for check, _ in steady.asked] == ["drain", "drain-both", "link-flapping", "churn-high"]


async def test_on_a_good_day_every_step_passes(net: Company):
    run = await put_to_the_test(net)
    assert (run.code, run.not_passed(), run.report["status"]) == (0, {}, "pass")
    steps = [step["id"] for step in run.circuit()["steps"]]
    asked_nobody = {"accepted", "ownership"}
    assert steps == [kind.id for kind in STEPS if kind.id not in asked_nobody], (
        "nobody asked Azure or registries"
    )
    assert all(step["evidence"] for step in run.circuit()["steps"])


async def test_a_circuit_with_private_peering_passes_without_pools():
    run = await put_to_the_test(converged(PLANT), "plant")
    steps = [step["id"] for step in run.circuit("plant")["steps"]]
    assert (run.code, run.not_passed("plant")) == (0, {})
    assert "pools" not in steps
    assert "services" not in steps


@BOTH_FAMILIES
async def test_a_link_that_is_down_fails_the_circuit(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    run = await put_to_the_test(net)
    name = FAMILY_NAMES[space.family]
    assert run.code == 1
    assert run.problems("sessions") == [f"fail {name} on link primary (edge-1) is down"]
    [proof] = [p for p in run.step("sessions")["evidence"] if p["status"] == "fail"]
    assert proof["details"]["routers"] == ["edge-1"]
    assert proof["details"]["finding"]
    assert run.problems("pools") == [
        f"fail NAT pool chi ({name}) does not reach Microsoft on link primary of chicago: the link is down"
    ]


@BOTH_FAMILIES
async def test_a_comparison_with_a_link_that_is_down_is_unknown(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    run = await put_to_the_test(net)
    for step, check in (("received-equal", "link-asymmetry"), ("advertised-equal", "advertised-asymmetry")):
        assert run.problems(step) == [
            f"unknown not tested: primary of chicago is down ({check} chicago {FAMILY_NAMES[space.family]})"
        ]


async def test_what_a_link_that_is_down_suppresses_names_it_or_the_check(net: Company):
    net.lose("chicago-primary", "ipv4").wait(10)
    run = await put_to_the_test(net)
    [missing] = [p for p in run.step("prefixes")["evidence"] if p["status"] == "fail"]
    assert missing["details"]["suppressed"] == "link-down suppresses it"


async def test_a_link_that_is_down_is_clean_of_nothing(net: Company):
    net.lose("chicago-primary", "ipv4", "ipv6").wait(10)
    run = await put_to_the_test(net)
    assert run.step("received-clean")["status"] == run.step("advertised-clean")["status"] == "unknown"


@BOTH_FAMILIES
async def test_a_link_whose_router_is_not_seen_is_unknown_and_no_failure(net: Company, space: Space):
    net.down("edge-1").wait(30)
    run = await put_to_the_test(net)
    name = FAMILY_NAMES[space.family]
    assert run.code == 1
    assert run.report["status"] == "unknown"
    assert f"unknown it is unknown whether {name} on link primary (edge-1) is up" in run.problems("sessions")


async def test_services_prefixes_and_counts_that_are_missing(net: Company):
    net.microsoft_withdraws("chicago-secondary", V4.exchange, V6.exchange).wait(60)
    run = await put_to_the_test(net)
    assert set(run.not_passed()) == {"services", "prefixes", "counts", "received-equal"}
    assert run.problems("services") == [
        "fail Link secondary of circuit chicago receives no routes of exchange-online (edge-2)"
    ]
    [missing] = [p for p in run.step("prefixes")["evidence"] if p["status"] == "fail"]
    assert missing["details"]["prefixes"] == [V4.exchange, V6.exchange]
    assert missing["details"]["routers"] == ["edge-2"]


async def test_routes_without_communities(net: Company):
    for link in ("chicago-primary", "chicago-secondary"):
        net.microsoft_sends(link, V4.exchange, V6.exchange, V4.sharepoint, V6.sharepoint, communities="")
    run = await put_to_the_test(net.wait(60))
    assert run.step("services")["status"] == "fail"
    assert [p.partition(" ")[0] for p in run.problems("services")] == ["unknown", "unknown", "fail", "fail"]


@BOTH_FAMILIES
async def test_a_prefix_on_one_link_only(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(60)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"received-equal": "fail"}


@BOTH_FAMILIES
async def test_forbidden_routes_from_microsoft_fail(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default)
    net.microsoft_sends("chicago-secondary", space.default).wait(1)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"received-clean": "fail"}


async def test_a_link_that_microsoft_drains(net: Company):
    for space in (V4, V6):
        net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    run = await put_to_the_test(net.wait(1))
    assert run.step("steady")["status"] == "fail"
    assert run.problems("steady") == [
        f"fail Microsoft is draining link primary of circuit chicago: {V4.exchange} (edge-1)"
    ]


@BOTH_FAMILIES
@pytest.mark.parametrize("forbidden", ["own_other", "private", "default", "internet_only_part", "exchange"])
async def test_forbidden_advertisements_fail(net: Company, space: Space, forbidden: str):
    for link in ("chicago-primary", "chicago-secondary"):
        net.announce(link, getattr(space, forbidden), path="64500")
    run = await put_to_the_test(net.wait(30))
    assert run.not_passed() == {"advertised-clean": "fail"}
    found = [p for p in run.step("advertised-clean")["evidence"] if p["status"] == "fail"]
    assert all(p["details"]["prefixes"] == [getattr(space, forbidden)] for p in found)
    assert {tuple(p["details"]["routers"]) for p in found} == {("edge-1",), ("edge-2",)}


@BOTH_FAMILIES
async def test_a_prefix_that_is_advertised_on_one_link_only(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part, path="64500").wait(60)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"advertised-equal": "fail"}


async def test_a_number_of_prefixes_near_the_limit(net: Company):
    many = [f"198.51.100.{n}/32" for n in range(16)] + [f"198.51.100.{n}/31" for n in range(0, 16, 2)]
    for link in ("chicago-primary", "chicago-secondary"):
        net.announce(link, *V6.many(160), path="64500").announce(link, *many, path="64500")
    run = await put_to_the_test(net.wait(1))
    assert run.step("limits")["status"] == "fail"
    [near, _] = [p for p in run.step("limits")["evidence"] if p["status"] == "fail"]
    assert (near["check"], near["details"]["advertised"], near["details"]["limit"]) == (
        "advertised-limit-near",
        161,
        200,
    )


@BOTH_FAMILIES
async def test_a_pool_on_the_internet(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(1)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"internet": "fail"}
    [leak] = [p for p in run.step("internet")["evidence"] if p["status"] == "fail"]
    assert leak["labels"] == {"pool": "chi", "family": space.family, "feed": "isp-a", "uplink": "isp-a"}
    assert leak["details"]["prefixes"] == [space.pool]
    assert leak["details"]["routers"] == ["edge-1"]


@BOTH_FAMILIES
async def test_a_leak_of_another_circuits_pool_is_not_this_circuits(net: Company, space: Space):
    net.announce("isp-a", space.dallas_pool, path="64500").wait(1)
    run = await put_to_the_test(net, None)
    assert (run.not_passed("chicago"), run.not_passed("dallas")) == ({}, {"internet": "fail"})
    assert (run.code, run.report["status"]) == (1, "fail")


@BOTH_FAMILIES
async def test_microsofts_routes_on_the_internet_are_everybodys(net: Company, space: Space):
    net.announce("isp-a", space.exchange, path="64500 12076").wait(1)
    run = await put_to_the_test(net, None)
    assert run.not_passed("chicago") == run.not_passed("dallas") == {"internet": "fail"}


@BOTH_FAMILIES
async def test_an_outside_view_that_is_not_seen_proves_no_absence(net: Company, space: Space):
    net.down("outside")
    run = await put_to_the_test(net)
    assert run.not_passed() == {"internet": "unknown", "sight": "unknown"}
    assert f"unknown cannot be judged: pool-leak chi {FAMILY_NAMES[space.family]} outside" in run.problems(
        "internet"
    )


async def test_an_uplink_without_a_mirror_proves_no_absence():
    net = converged("uplinks: {isp-b: {router: edge-2, asn: 64511}}")
    run = await put_to_the_test(net)
    assert run.not_passed() == {"internet": "unknown", "sight": "unknown"}
    assert run.problems("internet") == ["unknown no feed shows what is advertised on uplink isp-b"]


# How a check's answer counts --------------------------------------------------------------------------


async def test_a_violation_counts_before_it_is_raised(net: Company):
    net.withdraw("chicago-primary", V4.pool).wait(1)
    run = await put_to_the_test(net)
    assert run.step("pools")["status"] == "fail"
    [proof] = [p for p in run.step("pools")["evidence"] if p["status"] == "fail"]
    assert proof["details"] == {
        "routers": ["edge-1"],
        "note": "not raised yet: it must last for the check's raise_after",
    }


async def test_a_violation_that_is_over_passes_while_its_finding_is_still_raised(net: Company):
    net.announce("isp-a", V4.pool).wait(1).withdraw("isp-a", V4.pool).wait(1)
    assert net.raised("pool-leak")
    run = await put_to_the_test(net)
    assert run.code == 0
    assert any("finding" in proof.get("details", {}) for proof in run.step("internet")["evidence"])


async def test_a_finding_that_cannot_be_judged_any_more_is_unknown(net: Company):
    net.announce("isp-a", V4.pool).wait(1).down("isp-a")
    run = await put_to_the_test(net)
    assert run.step("internet")["status"] == "unknown"
    assert (
        "unknown cannot be judged: pool-leak chi IPv4 isp-a isp-a; it was violated when ermon could last judge it"
        in run.problems("internet")
    )


async def test_a_maintenance_window_explains_a_failure_and_does_not_excuse_it():
    window = "{circuit: chicago, from: 2026-11-18T00:00:00Z, to: 2026-11-19T00:00:00Z, reason: works}"
    net = converged(f"maintenance: [{window}]")
    net.withdraw("chicago-primary", V4.pool).wait(60)
    assert net.raised("pool-not-advertised") == []
    run = await put_to_the_test(net)
    assert run.step("pools")["status"] == "fail"
    [proof] = [p for p in run.step("pools")["evidence"] if p["status"] == "fail"]
    assert "maintenance until" in proof["details"]["suppressed"]


@pytest.mark.parametrize(
    ("check", "step"),
    [
        ("communities-missing", "services"),
        ("link-asymmetry", "received-equal"),
        ("advertised-not-public", "advertised-clean"),
        ("pool-wrong-circuit", "pools-elsewhere"),
        ("pool-leak", "internet"),
        ("microsoft-leaked", "internet"),
    ],
)
async def test_a_step_whose_heart_is_switched_off_is_unknown(check: str, step: str):
    run = await put_to_the_test(converged(f"checks: {{{check}: {{enabled: false}}}}"))
    assert run.not_passed() == {step: "unknown"}
    assert run.problems(step) == [
        f"unknown {check} is switched off in ermon's configuration, so it was not tested"
    ]


async def test_links_pools_and_feeds_are_judged_with_their_checks_switched_off():
    off = ", ".join(
        f"{c}: {{enabled: false}}" for c in ("link-down", "circuit-down", "pool-not-advertised", "feed-down")
    )
    net = converged(f"checks: {{{off}}}")
    assert (await put_to_the_test(net)).code == 0
    net.withdraw("chicago-secondary", V6.pool).lose("chicago-primary", "ipv4").down("isp-a").wait(60)
    run = await put_to_the_test(net)
    assert run.problems("sessions") == ["fail IPv4 on link primary (edge-1) is down"]
    assert run.problems("pools") == [
        "fail NAT pool chi (IPv4) does not reach Microsoft on link primary of chicago: the link is down",
        "fail NAT pool chi (IPv6) is not advertised on link secondary of chicago",
    ]
    assert run.step("sight")["status"] == "unknown"


async def test_checks_that_the_configuration_does_not_use_are_named(net: Company):
    run = await put_to_the_test(net, "dallas")
    not_asked = set(run.circuit("dallas")["not_asked"])
    assert {"service-missing", "prefix-missing", "prefix-count-low", "prefix-not-advertised"} <= not_asked
    assert "pool-wrong-link" not in not_asked, "no pool is bound to a link"
    assert "counts" not in [step["id"] for step in run.circuit("dallas")["steps"]]


async def test_checks_of_microsoft_peering_are_not_missing_on_a_private_circuit():
    run = await put_to_the_test(converged(PLANT), "plant")
    not_asked = set(run.circuit("plant")["not_asked"])
    assert {"prefix-missing", "prefix-count-low", "advertised-undeclared", "prefix-unlisted"} <= not_asked
    assert not {"service-missing", "pool-not-advertised", "origin-unexpected"} & not_asked


async def test_findings_that_are_no_part_of_the_test_are_named(net: Company):
    net.announce("isp-a", "192.88.99.0/24", path="64500").wait(60)
    run = await put_to_the_test(net)
    assert run.code == 0
    assert [found["check"] for found in run.report["other_findings"]] == ["internet-undeclared"]


async def test_before_anything_is_seen_nothing_passes_and_nothing_fails():
    run = await put_to_the_test(company().wait(1), None)
    assert (run.code, run.report["status"]) == (1, "unknown")
    for circuit in ("chicago", "dallas"):
        assert set(run.not_passed(circuit).values()) == {"unknown"}
        assert len(run.not_passed(circuit)) == len(run.circuit(circuit)["steps"])


async def test_with_a_single_circuit_there_is_no_other_to_ask_about():
    alone = "{circuits: {dallas: null}, nat_pools: {dal: null}}"
    gone = "{feeds: {edge-3: null, edge-4: null, dallas-primary: null, dallas-secondary: null}}"
    run = await put_to_the_test(converged(alone, gone))
    assert run.code == 0
    assert "pool-wrong-circuit" not in run.circuit()["not_asked"]


@BOTH_FAMILIES
async def test_what_registries_say_of_each_pool_is_shown_and_judged(space: Space):
    net = converged("ownership: {vrps: [{from: vrps.json}]}")
    run = await put_to_the_test(net)
    assert run.not_passed()["ownership"] == "unknown"
    net.reads_registry("vrps:vrps.json", vrps=(Vrp(space.own, 64500),))
    run = await put_to_the_test(net)
    assert run.step("ownership")["status"] == "pass"
    assert f"chi {FAMILY_NAMES[space.family]}: {space.own} AS64500" in run.step("ownership")["summary"]
    assert "no ROA, and no route object" in run.step("ownership")["summary"]  # in the other family
    net.reads_registry("vrps:vrps.json", vrps=(Vrp(space.own, 64999),))
    run = await put_to_the_test(net)
    name = FAMILY_NAMES[space.family]
    assert run.problems("ownership") == [
        f"fail The RPKI names other ASNs for NAT pool chi ({name}), not ours: {space.pool}"
    ]
