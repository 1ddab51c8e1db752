"""pool-roa, pool-roa-gone, pool-unregistered: whose the pools are, in the eyes of registries."""

from __future__ import annotations

from typing import Any

import pytest

from ermon.core.snapshot import resume, take
from ermon.model.events import ClockStepped
from ermon.model.findings import Severity
from ermon.model.ownership import MAX_GONE, GoneVrp, Reading, RouteObject, Vrp
from tests.checks.company import Company, Space, company

HOUR, DAY = 3600.0, 86_400.0
REGISTRIES = """
ownership:
  vrps: [{from: vrps.json}]
  route_objects: [{from: irr.txt}]
"""
VRPS, OBJECTS = "vrps:vrps.json", "route-objects:irr.txt"


def registries(*changes: str) -> Company:
    return company(REGISTRIES, *changes).converge()


def chi(space: Space) -> dict[str, str]:
    return {"pool": "chi", "family": space.family}


def ours(prefix: str, **values: Any) -> Vrp:
    return Vrp(prefix, 64500, **values)


def theirs(prefix: str) -> Vrp:
    return Vrp(prefix, 64999)


# pool-roa --------------------------------------------------------------------------------------------


def test_a_roa_of_another_as_is_raised_at_once_with_its_asn(space: Space):
    net = registries().reads_registry(VRPS, vrps=(theirs(space.own),))
    finding = net.assert_raised_after(0, "pool-roa", **chi(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.pool]
    assert finding.evidence["vrps"] == [f"{space.own} AS64999"]
    assert finding.evidence["asns"] == [64500]


def test_it_is_cleared_by_a_roa_that_names_us_however_long_the_prefix(space: Space):
    net = registries().reads_registry(VRPS, vrps=(theirs(space.own),)).wait(HOUR)
    net.reads_registry(VRPS, vrps=(theirs(space.own), ours(space.around)))
    net.assert_cleared_after(0, "pool-roa", **chi(space))


def test_a_roa_inside_of_the_pool_or_none_at_all_is_ok(space: Space):
    net = registries().reads_registry(VRPS, vrps=(theirs(space.pool_part),))
    assert net.status("pool-roa", **chi(space)) == "ok"
    net.reads_registry(VRPS)
    assert net.status("pool-roa", **chi(space)) == "ok"
    assert not net.told("pool-roa", "pool-roa-gone")


def test_without_a_list_or_with_an_old_one_it_is_unknown_and_clears_nothing(space: Space):
    net = registries()
    assert net.status("pool-roa", **chi(space)) == "unknown"
    net.reads_registry(VRPS, age=3 * HOUR, vrps=(theirs(space.own),))
    assert net.status("pool-roa", **chi(space)) == "unknown"
    net.reads_registry(VRPS, age=HOUR, vrps=(theirs(space.own),))
    net.assert_raised_after(0, "pool-roa", **chi(space))
    net.wait(2 * HOUR - 0.001)
    assert net.status("pool-roa", **chi(space)) == "violated"
    net.wait(0.001)
    assert net.status("pool-roa", **chi(space)) == "unknown"
    finding = net.finding("pool-roa", **chi(space))
    assert finding is not None
    assert finding.stale


def test_a_list_that_was_read_for_other_space_says_nothing(space: Space):
    net = registries().reads_registry(VRPS, space=("192.0.2.0/24", "2001:db8:4000::/36"))
    assert net.status("pool-roa", **chi(space)) == "unknown"
    net.reads_registry(VRPS, space=(space.own,))
    assert net.status("pool-roa", **chi(space)) == "ok"


def test_the_asns_that_may_originate_our_space_are_ours(space: Space):
    net = registries("customer: {origin_asns: [64999]}").reads_registry(VRPS, vrps=(theirs(space.own),))
    assert net.status("pool-roa", **chi(space)) == "ok"


def test_pools_of_private_peering_alone_are_not_judged():
    links = "links: {a: {router: edge-1, subnet: 172.16.0.0/30}}"
    net = company(
        REGISTRIES,
        f"circuits: {{plant: {{geo: us, location: Chicago, peering: private, {links}}}}}",
        "nat_pools: {plant: {circuit: plant, prefixes: [198.51.100.32/28]}}",
    )
    assert {labels["pool"] for labels in net.subjects("pool-roa")} == {"chi", "dal"}


def test_without_the_key_there_are_no_such_checks():
    net = company().converge()
    for check in ("pool-roa", "pool-roa-gone", "pool-unregistered"):
        assert not net.subjects(check)


# pool-roa-gone ---------------------------------------------------------------------------------------


def test_a_roa_that_has_gone_is_raised_and_is_usual_after_a_week(space: Space):
    net = registries("ownership: {vrps: [{from: vrps.json, refresh: 5d}]}")
    net.reads_registry(VRPS, vrps=(ours(space.own),)).wait(DAY).reads_registry(VRPS)
    finding = net.assert_raised_after(0, "pool-roa-gone", **chi(space))
    assert finding.severity is Severity.INFO
    assert finding.evidence["vrps"] == [f"{space.own} AS64500: no longer in the list"]
    net.assert_cleared_after(6 * DAY, "pool-roa-gone", **chi(space))


def test_a_roa_that_ends_has_gone_in_that_moment_also_when_the_clock_is_set(space: Space):
    net = registries()
    net.reads_registry(VRPS, vrps=(ours(space.pool, expires=net.now + 600),)).wait(500)
    assert net.status("pool-roa-gone", **chi(space)) == "ok"
    net._apply([ClockStepped(net.now, 50.0)])
    net.assert_raised_after(50, "pool-roa-gone", **chi(space))


def test_neither_a_foreign_roa_that_goes_nor_one_that_is_issued_again_is_a_loss(space: Space):
    net = registries().reads_registry(VRPS, vrps=(ours(space.pool), theirs(space.pool))).wait(HOUR)
    net.reads_registry(VRPS, vrps=(ours(space.pool, max_length=128 if space.family == "ipv6" else 32),))
    assert net.status("pool-roa-gone", **chi(space)) == "ok"


def test_what_has_gone_is_known_after_a_restart_a_reload_and_from_a_snapshot(space: Space):
    net = registries().reads_registry(VRPS, vrps=(ours(space.own),)).wait(HOUR).reads_registry(VRPS)
    resumed = resume(net.config, take(net.monitor), {})
    assert [f.check for f in resumed.findings() if f.check == "pool-roa-gone"]
    net.reconfigure(net.config)
    assert net.status("pool-roa-gone", **chi(space)) == "violated"
    assert net.restart().status("pool-roa-gone", **chi(space)) == "violated"


# pool-unregistered -----------------------------------------------------------------------------------


def test_a_pool_that_no_registry_knows_is_reported_with_the_objects_of_others(space: Space):
    net = registries().reads_registry(VRPS, vrps=(theirs(space.own),))
    net.reads_registry(OBJECTS, route_objects=(RouteObject(space.own, 64999, registry="RADB"),))
    finding = net.assert_raised_after(0, "pool-unregistered", **chi(space))
    assert finding.severity is Severity.INFO
    assert finding.evidence["route_objects"] == [f"{space.own} AS64999 (RADB)"]
    net.reads_registry(OBJECTS, route_objects=(RouteObject(space.own, 64500),))
    net.assert_cleared_after(0, "pool-unregistered", **chi(space))


def test_a_roa_is_a_registration_too(space: Space):
    net = registries().reads_registry(OBJECTS)
    assert net.status("pool-unregistered", **chi(space)) == "unknown"  # there may be one
    net.reads_registry(VRPS, vrps=(ours(space.own),))
    assert net.status("pool-unregistered", **chi(space)) == "ok"


def test_objects_that_bgpq4_has_put_together_register_what_is_as_long_as_they_are(space: Space):
    length = int(space.pool.partition("/")[2])
    net = registries("ownership: {vrps: null}")
    net.reads_registry(OBJECTS, route_objects=(RouteObject(space.own, None, shortest=length + 1),))
    net.assert_raised_after(0, "pool-unregistered", **chi(space))
    net.reads_registry(OBJECTS, route_objects=(RouteObject(space.own, None, shortest=length),))
    net.assert_cleared_after(0, "pool-unregistered", **chi(space))


# Readings --------------------------------------------------------------------------------------------


def test_a_source_that_changes_all_the_time_does_not_fill_memory():
    many = tuple(ours(f"10.{number // 256}.{number % 256}.0/24") for number in range(MAX_GONE + 100))
    after = Reading(10.0).after(Reading(5.0, vrps=many, gone=(GoneVrp("192.0.2.0/24", 1, 1.0),)), 100.0)
    assert len(after.gone) == MAX_GONE
    assert {vrp.seen_at for vrp in after.gone} == {5.0}


def test_a_vrp_and_a_route_object_are_written_as_people_write_them():
    assert str(ours("198.51.100.0/24", max_length=28)) == "198.51.100.0/24 AS64500, up to /28"
    assert str(ours("198.51.100.0/24", max_length=24)) == "198.51.100.0/24 AS64500"
    assert str(RouteObject("198.51.100.0/24", None, 25)) == "198.51.100.0/24, its /25s"


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_times_of_a_reading_can_be_moved_to_another_clock(seconds: float):
    reading = Reading(5.0, gone=(GoneVrp("192.0.2.0/24", 1, 1.0),))
    moved = reading.at(lambda time: time + seconds)
    assert (moved.taken_at, moved.gone[0].seen_at) == (5.0 + seconds, 1.0 + seconds)
