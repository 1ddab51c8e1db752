"""Checks of what the tables of Microsoft's edge routers say."""

from __future__ import annotations

import pytest

from ermon.model.azure import AzureReading
from ermon.model.settings import Severity
from tests.checks.company import V4, V6, Company, Space, company

CIRCUIT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er-chicago"
TABLES = f"circuits: {{chicago: {{azure: {{resource_id: {CIRCUIT}, from: azure.json, tables: tables, refresh: 15m}}}}}}"
MINUTE, REFRESH = 60.0, 900.0
OURS = {
    ("primary", "ipv4"): "203.0.113.1",
    ("secondary", "ipv4"): "203.0.113.5",
    ("primary", "ipv6"): "2001:db8:ffff::1",
    ("secondary", "ipv6"): "2001:db8:ffff::5",
}
Rows = list[tuple[str, str, str]]


@pytest.fixture
def net() -> Company:
    return company(TABLES).converge().wait(MINUTE)


def ours(space: Space, *prefixes: str, link: str = "primary") -> Rows:
    """Rows of routes that the edge router has learned from us."""
    return [(prefix, OURS[link, space.family], "64500 I") for prefix in prefixes]


def theirs(space: Space, *prefixes: str) -> Rows:
    """Rows of Microsoft's own routes."""
    next_hop = "10.3.129.4*" if space.family == "ipv4" else "fd00:3::4*"
    return [(prefix, next_hop, "8075 ?") for prefix in prefixes]


def usual(space: Space) -> Rows:
    return theirs(space, space.exchange, space.sharepoint)


def everything(space: Space, link: str = "primary") -> Rows:
    return [*usual(space), *ours(space, space.pool, link=link)]


def pool(space: Space, link: str = "primary") -> dict[str, str]:
    return {"pool": "chi", "family": space.family, "circuit": "chicago", "link": link}


PRIMARY = {"circuit": "chicago", "link": "primary"}


def read(
    net: Company, rows: Rows, *, link: str = "primary", wait: float = REFRESH, partial: bool = False
) -> None:
    net.microsoft_says("chicago", link, rows, partial=partial).wait(wait)


# azure-not-accepted ----------------------------------------------------------------------------------------


def test_a_pool_that_two_readings_lack_is_not_accepted(net: Company, space: Space):
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"
    read(net, usual(space))
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"  # one reading is not enough
    net.microsoft_says("chicago", "primary", usual(space))
    finding = net.assert_raised_after(0, "azure-not-accepted", **pool(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.pool]
    assert finding.evidence["routers"] == ["edge-1"]
    net.wait(REFRESH).microsoft_says("chicago", "primary", everything(space))
    net.assert_cleared_after(0, "azure-not-accepted", **pool(space))


def test_a_pool_is_accepted_by_one_reading_also_as_two_halves(net: Company, space: Space):
    read(net, [*usual(space), *ours(space, *space.pool_halves)])
    assert net.status("azure-not-accepted", **pool(space)) == "ok"
    read(net, [*usual(space), *ours(space, space.pool_halves[0])], wait=REFRESH)
    read(net, [*usual(space), *ours(space, space.pool_halves[0])], wait=0)
    assert net.raised("azure-not-accepted") == [f"azure-not-accepted chi {space.family} chicago primary"]


def test_a_covering_route_holds_a_pool_and_a_default_route_does_not(net: Company, space: Space):
    read(net, [*usual(space), *ours(space, space.own)])
    assert net.status("azure-not-accepted", **pool(space)) == "ok"
    for _ in range(2):
        read(net, [*usual(space), *ours(space, space.default)])
    assert net.status("azure-not-accepted", **pool(space)) == "violated"


def test_a_route_over_the_other_link_neither_holds_the_pool_nor_lacks_it(net: Company, space: Space):
    for _ in range(3):
        read(net, [*usual(space), *ours(space, space.pool, link="secondary")])
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"
    assert net.told("azure-not-accepted") == []


def test_a_reading_before_the_last_change_of_the_mirror_does_not_count(net: Company, space: Space):
    read(net, usual(space), wait=REFRESH - 3)
    net.announce("chicago-primary", space.pool, path="64500 64500")
    net.wait(3)
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"
    read(net, usual(space))  # asked before the change
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"
    read(net, usual(space))
    assert net.told("azure-not-accepted") == []
    read(net, usual(space), wait=0)
    assert net.status("azure-not-accepted", **pool(space)) == "violated"


def test_a_table_that_is_partial_or_says_nothing_of_the_family_proves_no_absence(net: Company, space: Space):
    other = V6 if space is V4 else V4
    for rows, partial in ((usual(space), True), (usual(other), False), ([], False)):
        for _ in range(3):
            read(net, rows, partial=partial)
        assert net.status("azure-not-accepted", **pool(space)) == "unknown"


def test_a_table_that_is_empty_lacks_the_pool_if_the_summary_has_a_neighbor_of_the_family(
    net: Company, space: Space
):
    summary = [(OURS["primary", space.family], "8w4d", "0")]
    for _ in range(2):
        net.microsoft_says("chicago", "primary", [], neighbors=summary).wait(REFRESH)
    finding = net.finding("azure-not-accepted", **pool(space))
    assert finding is not None
    [said] = finding.evidence["microsofts_side"]
    assert said.startswith(f"primary: session with {summary[0][0]} up, 0 prefixes received for 8w4d (asked ")


def test_a_reading_that_is_too_old_proves_nothing(net: Company, space: Space):
    for _ in range(2):
        read(net, usual(space))
    assert net.status("azure-not-accepted", **pool(space)) == "violated"
    net.wait(2 * REFRESH - 5 - 0.001)
    assert net.status("azure-not-accepted", **pool(space)) == "violated"
    net.wait(0.001)
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"
    found = net.finding("azure-not-accepted", **pool(space))
    assert found is not None
    assert found.stale


def test_link_down_and_a_drain_suppress_it_and_readings_from_before_do_not_count(net: Company, space: Space):
    for _ in range(2):
        read(net, usual(space))
    net.lose("chicago-primary", "ipv4", "ipv6").wait(1)
    assert net.status("azure-not-accepted", **pool(space)) == "suppressed"
    read(net, everything(space))
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"  # the link has changed since
    net.bring("chicago-primary", "ipv4", "ipv6").wait(60)
    read(net, everything(space))
    assert net.status("azure-not-accepted", **pool(space)) == "ok"


def test_a_drain_suppresses_it(net: Company, space: Space):
    drained = "12076 12076 12076 12076"
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=drained).wait(MINUTE)
    for _ in range(2):
        read(net, usual(space))
    assert net.status("azure-not-accepted", **pool(space)) == "suppressed"
    assert net.told("azure-not-accepted") == []


def test_what_the_mirror_does_not_show_is_not_missed(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool).wait(1)
    for _ in range(2):
        read(net, usual(space))
    assert net.status("azure-not-accepted", **pool(space)) == "ok"
    net.down("chicago-primary")
    assert net.status("azure-not-accepted", **pool(space)) == "unknown"


def test_it_exists_only_where_tables_are_read(net: Company):
    assert {labels["circuit"] for labels in net.subjects("azure-not-accepted")} == {"chicago"}
    assert company().subjects("azure-not-accepted") == []


# azure-disagrees ---------------------------------------------------------------------------------------------


def test_a_prefix_that_microsoft_sends_and_no_feed_shows_in_two_readings(net: Company, space: Space):
    rows = [*everything(space), *theirs(space, space.extra)]
    assert net.status("azure-disagrees", **PRIMARY) == "unknown"
    read(net, rows)
    assert net.status("azure-disagrees", **PRIMARY) == "ok"
    net.microsoft_says("chicago", "primary", rows)
    finding = net.assert_raised_after(0, "azure-disagrees", **PRIMARY)
    assert finding.evidence["only_at_microsoft"] == [space.extra]
    assert finding.evidence["rows"] == [" ".join(theirs(space, space.extra)[0])]
    net.wait(1).microsoft_sends("chicago-primary", space.extra)
    net.assert_cleared_after(0, "azure-disagrees", **PRIMARY)


def test_a_prefix_of_the_link_that_microsofts_table_lacks_in_two_readings(net: Company, space: Space):
    rows = [*theirs(space, space.exchange), *ours(space, space.pool)]
    read(net, rows)
    read(net, rows, wait=1)
    finding = net.finding("azure-disagrees", **PRIMARY)
    assert finding is not None
    assert finding.evidence["only_on_router"] == [space.sharepoint]
    net.microsoft_withdraws("chicago-primary", space.sharepoint)
    net.assert_cleared_after(0, "azure-disagrees", **PRIMARY)


def test_different_prefixes_in_two_readings_are_no_finding(net: Company, space: Space):
    for prefix in (space.extra, space.private, space.extra):
        read(net, [*everything(space), *theirs(space, prefix)])
    assert net.told("azure-disagrees") == []


def test_routes_that_microsoft_learned_from_us_and_default_routes_are_not_compared(
    net: Company, space: Space
):
    learned = ours(space, space.own_other, space.default, space.extra)
    for _ in range(3):
        read(net, [*everything(space), *learned, *theirs(space, space.default, space.dallas_pool)])
    assert net.status("azure-disagrees", **PRIMARY) == "ok"


def test_a_table_without_any_route_of_the_link_is_not_compared(net: Company, space: Space):
    for _ in range(3):
        read(net, [*ours(space, space.pool), *theirs(space, space.extra)])
    assert net.status("azure-disagrees", **PRIMARY) == "unknown"


def test_a_link_that_is_down_is_not_compared_and_one_that_came_up_is_with_later_readings(
    net: Company, space: Space
):
    rows = [*everything(space), *theirs(space, space.extra)]
    net.lose("chicago-primary", space.family).wait(MINUTE)
    for _ in range(2):
        read(net, rows)
    assert net.status("azure-disagrees", **PRIMARY) == "unknown"
    net.bring("chicago-primary", space.family)
    read(net, rows)  # asked before the link came up
    read(net, rows)
    assert net.told("azure-disagrees") == []
    read(net, rows, wait=0)
    assert net.status("azure-disagrees", **PRIMARY) == "violated"


def test_readings_that_overlap_count_once(net: Company, space: Space):
    rows = [*everything(space), *theirs(space, space.extra)]
    net.microsoft_says("chicago", "primary", rows)
    net.wait(2).microsoft_says("chicago", "primary", rows, asked=3)
    assert net.status("azure-disagrees", **PRIMARY) == "ok"
    net.wait(10).microsoft_says("chicago", "primary", rows, asked=3)
    assert net.status("azure-disagrees", **PRIMARY) == "violated"


# azure-stale -------------------------------------------------------------------------------------------------

SOURCE = {"source": "azure-tables chicago/primary"}


def test_tables_that_cannot_be_read_for_an_hour_are_stale(net: Company):
    assert net.status("azure-stale", **SOURCE) == "unknown"
    net.wait(7200)
    assert net.status("azure-stale", **SOURCE) == "unknown"  # nothing tries to read them, as in a replay
    net.microsoft_says("chicago", "primary", problem="HTTP 403")
    finding = net.assert_raised_after(3600, "azure-stale", **SOURCE)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["problem"] == "last read: never; HTTP 403"
    net.wait(5).microsoft_says("chicago", "primary", neighbors=[], problem="no routes")
    assert net.status("azure-stale", **SOURCE) == "violated"  # only the route table shows what is missing
    net.microsoft_says("chicago", "primary", [])
    net.assert_cleared_after(0, "azure-stale", **SOURCE)
    net.assert_raised_after(3595, "azure-stale", **SOURCE)


def test_three_intervals_that_are_longer_than_an_hour_are_waited_for():
    net = company(TABLES.replace("15m", "30m")).converge()
    net.microsoft_says("chicago", "primary", [])
    net.assert_raised_after(5400, "azure-stale", **SOURCE)


def test_tables_that_were_old_when_ermon_was_started_get_the_same_time(net: Company):
    net.microsoft_says("chicago", "primary", [], asked=7200)
    assert net.status("azure-stale", **SOURCE) == "ok"
    net.assert_raised_after(3600, "azure-stale", **SOURCE)


def test_azures_view_of_a_circuit_is_a_source_of_its_own(net: Company):
    source = {"source": "azure-circuit chicago"}
    assert net.status("azure-stale", **source) == "unknown"
    net.azure_fails("chicago")
    finding = net.assert_raised_after(3600, "azure-stale", **source)
    assert str(finding.evidence["problem"]).startswith("last read: never; ")
    net.azure_says("chicago", AzureReading())
    net.assert_cleared_after(0, "azure-stale", **source)
    net.wait(60).azure_says("chicago", AzureReading(circuit_state="Enabled"), age=30)
    net.assert_raised_after(3570, "azure-stale", **source)


# Evidence in link-down ---------------------------------------------------------------------------------------


def down(space: Space) -> dict[str, str]:
    return {"circuit": "chicago", "link": "primary", "family": space.family}


def test_microsofts_side_is_evidence_of_a_link_that_is_down(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    before = net.finding("link-down", **down(space))
    assert before is not None
    assert "microsofts_side" not in before.evidence
    net.wait(300).microsoft_says(
        "chicago",
        "primary",
        neighbors=[(OURS["primary", space.family], "00:05:08", "Idle"), ("10.0.0.9", "8w4d", "12")],
        arp=[("On-Prem", "Incomplete"), ("Microsoft", "aaaa.bbbb.cccc")],
    )
    found = net.finding("link-down", **down(space))
    assert found is not None
    [said] = found.evidence["microsofts_side"]
    neighbor = OURS["primary", space.family]
    assert said.startswith(f"primary: session with {neighbor} Idle since 2026-11-18 11:07:")
    assert "UTC; ARP incomplete: call the provider (asked 2026-11-18 11:" in said


def test_microsofts_side_never_decides_on_a_link(net: Company, space: Space):
    net.microsoft_says(
        "chicago", "primary", [], neighbors=[(OURS["primary", space.family], "never", "Idle")], arp=[]
    )
    net.wait(2 * REFRESH)
    assert net.status("link-down", **down(space)) == "ok"
    net.lose("chicago-primary", space.family).wait(10)
    net.microsoft_says("chicago", "primary", neighbors=[(OURS["primary", space.family], "8w4d", "200")])
    assert net.status("link-down", **down(space)) == "violated"
    net.wait(3 * REFRESH)
    found = net.finding("link-down", **down(space))
    assert found is not None
    assert "microsofts_side" not in found.evidence  # too old


# Restarts, reloads, BMP --------------------------------------------------------------------------------------


def test_a_reload_keeps_the_readings_and_a_new_pool_is_judged_by_later_ones(space: Space):
    net = company(TABLES).converge().wait(MINUTE)
    extra = V4.own_other if space is V4 else V6.own_other
    net.announce("chicago-primary", extra, path="64500").wait(MINUTE)
    read(net, usual(space))
    wider = company(TABLES, f'nat_pools: {{more: {{circuit: chicago, prefixes: ["{extra}"]}}}}').config
    net.reconfigure(wider)
    more = pool(space) | {"pool": "more"}
    assert net.status("azure-not-accepted", **more) == "unknown"
    net.wait(MINUTE)
    read(net, usual(space), wait=0)
    assert net.status("azure-not-accepted", **pool(space)) == "violated"
    assert net.status("azure-not-accepted", **more) == "unknown"
    net.wait(REFRESH)
    read(net, usual(space), wait=0)
    assert net.status("azure-not-accepted", **more) == "violated"


def test_what_the_router_receives_and_rejects_is_seen():
    bmp = """
    collector: {bmp: {listen: ["192.0.2.10:11019"]}}
    routers: {edge-1: {bmp: {peer: 127.0.0.11, pre_policy: true}}}
    """
    net = company(TABLES, bmp).converge().wait(MINUTE)
    rows = [*everything(V4), *theirs(V4, V4.extra)]
    [before] = [feed for feed in net.config.feeds if "pre" in feed and "ipv4" in feed and "primary" in feed]
    net.announce(before, V4.extra, via=V4.msee["chicago-primary"], path="12076")
    for _ in range(2):
        read(net, rows)
    assert net.status("azure-disagrees", **PRIMARY) == "ok"
