"""Checks of what routers report of their own sessions by BMP."""

from __future__ import annotations

import pytest

from ermon.checks.sharding import only_feeds
from ermon.model.settings import Severity
from tests.checks.company import V4, V6, Company, Space, company

BOTH = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
BMP = """
collector: {bmp: {listen: ["192.0.2.10:11019"]}}
routers: {edge-1: {bmp: {peer: 127.0.0.11}}, edge-2: {bmp: {peer: 127.0.0.12}}}
"""
WITHOUT_TABLES = "feeds: {edge-1: null, edge-2: null}"
EDGE_1 = {"process": "bmp/edge-1"}


def session(space: Space, link: str = "primary", router: str = "edge-1") -> str:
    return f"{router}/chicago/{link}/{space.family}"


def primary(space: Space) -> dict[str, str]:
    return {"circuit": "chicago", "link": "primary", "family": space.family}


# The connection ----------------------------------------------------------------------------------------


def test_a_lost_connection_is_noticed_after_half_a_minute_with_its_reason():
    net = company(BMP).converge().disconnect("edge-1")
    finding = net.assert_raised_after(30, "bmp-down", **EDGE_1)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["reason"] == "exited"
    net.connect("edge-1")
    net.assert_cleared_after(0, "bmp-down", **EDGE_1)


def test_a_router_has_time_to_connect_after_a_restart_and_is_then_missed():
    net = company(BMP).converge().restart().wait(0)
    finding = net.assert_raised_after(180, "bmp-down", **EDGE_1)
    assert finding.evidence["reason"] == "the router has not connected since ermon started"


def test_a_lost_connection_is_one_finding_and_proves_nothing():
    net = company(BMP, WITHOUT_TABLES).converge().disconnect("edge-1").wait(3600)
    assert "bmp-down bmp/edge-1" in net.raised()
    assert net.raised("link-down", "circuit-down", "bmp-no-stats", "bmp-session-missing", "feed-down") == []


def test_a_connection_without_statistics_is_noticed_after_five_minutes():
    net = company(BMP).converge().disconnect("edge-1").wait(1).connect("edge-1")
    finding = net.assert_raised_after(300, "bmp-no-stats", **EDGE_1)
    assert finding.severity is Severity.WARNING
    net.statistics("edge-1")
    net.assert_cleared_after(0, "bmp-no-stats", **EDGE_1)


def test_statistics_of_an_earlier_connection_do_not_count_and_without_one_nothing_is_known():
    net = company(BMP).converge()
    assert net.status("bmp-no-stats", **EDGE_1) == "ok"
    net.disconnect("edge-1").wait(0)
    assert net.status("bmp-no-stats", **EDGE_1) == "unknown"
    net.connect("edge-1").wait(0)
    assert net.status("bmp-no-stats", **EDGE_1) == "violated"


# The sessions ------------------------------------------------------------------------------------------


@BOTH
def test_a_session_that_the_router_never_reported_is_noticed_after_a_minute(space: Space):
    net = company(BMP).connect("edge-1").wait(10).not_reported(session(space))
    finding = net.assert_raised_after(60, "bmp-session-missing", **primary(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["neighbor"] == space.msee["chicago-primary"]
    net.up(session(space))
    net.assert_cleared_after(0, "bmp-session-missing", **primary(space))


@BOTH
def test_before_the_router_has_had_time_to_report_nothing_is_known(space: Space):
    net = company(BMP).wait(0)
    assert net.status("bmp-session-missing", **primary(space)) == "unknown"
    net.connect("edge-1").wait(9)
    assert net.status("bmp-session-missing", **primary(space)) == "unknown"


@BOTH
def test_a_session_that_is_reported_as_down_is_reported(space: Space):
    net = company(BMP).converge().down(session(space)).wait(120)
    assert net.status("bmp-session-missing", **primary(space)) == "ok"
    assert net.raised("bmp-session-missing") == []


@BOTH
def test_a_session_whose_routes_cannot_be_read_is_no_help_either(space: Space):
    net = company(BMP).converge().unreadable(session(space))
    finding = net.assert_raised_after(60, "bmp-session-missing", **primary(space))
    assert "cannot be read: ADD-PATH" in str(finding.evidence["reason"])


# The uplinks -------------------------------------------------------------------------------------------

TWO_UPLINKS = """
uplinks: {isp-b: {router: edge-2, asn: 64511}}
feeds:
  isp-b: {router: edge-2, view: to-internet, uplink: isp-b, peer: 127.0.0.12, local: 127.0.0.6, peer_asn: 64500, local_asn: 65013, families: [ipv4, ipv6]}
"""
TWO_SITES = "uplinks: {isp-a: {site: hq}, isp-b: {site: plant}}"


def uplink(space: Space, name: str = "isp-a") -> str:
    return f"{'edge-1' if name == 'isp-a' else 'edge-2'}/{name}/{space.family}"


@BOTH
def test_an_uplink_whose_session_ends_is_down_after_half_a_minute_with_the_reason(space: Space):
    net = company(BMP, TWO_UPLINKS).converge().down(uplink(space), reason="the neighbor sent Cease")
    about = {"uplink": "isp-a", "family": space.family}
    finding = net.assert_raised_after(30, "uplink-down", **about)
    assert finding.severity is Severity.WARNING
    assert "isp-a: the neighbor sent Cease (since " in str(finding.evidence["sessions"])
    assert net.raised("uplinks-down", "internet-only-withdrawn") == []
    net.up(uplink(space))
    net.assert_cleared_after(30, "uplink-down", **about)


@BOTH
def test_an_uplink_is_unknown_where_its_router_does_not_say(space: Space):
    about = {"uplink": "isp-a", "family": space.family}
    net = company(BMP, TWO_UPLINKS).wait(0)
    assert net.status("uplink-down", **about) == "unknown"
    net.connect("edge-1").wait(10).not_reported(uplink(space)).wait(0)
    assert net.status("uplink-down", **about) == "unknown"
    net.up(uplink(space)).wait(0)
    assert net.status("uplink-down", **about) == "ok"
    net.silent(uplink(space)).wait(0)
    assert net.status("uplink-down", **about) == "unknown"
    net.alive(uplink(space)).wait(0).disconnect("edge-1").wait(0)
    assert net.status("uplink-down", **about) == "unknown"


def test_an_uplink_whose_router_does_not_report_by_bmp_is_no_subject():
    assert company(TWO_UPLINKS).subjects("uplink-down") == []
    assert company(TWO_UPLINKS).subjects("uplinks-down") == []


@BOTH
def test_when_all_uplinks_are_down_that_is_the_only_page(space: Space):
    net = company(BMP, TWO_UPLINKS, "feeds: {outside: null}").converge()
    net.down(uplink(space), uplink(space, "isp-b"))
    finding = net.assert_raised_after(30, "uplinks-down", family=space.family)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["routers"] == ["edge-1", "edge-2"]
    net.wait(600)
    assert net.raised("uplink-down", "internet-only-withdrawn") == []
    assert net.status("uplink-down", uplink="isp-b", family=space.family) == "suppressed"
    assert net.status("internet-only-withdrawn", family=space.family) == "suppressed"
    net.up(uplink(space))
    net.assert_cleared_after(30, "uplinks-down", family=space.family)


@BOTH
def test_one_uplink_down_and_one_unknown_is_unknown(space: Space):
    net = company(BMP, TWO_UPLINKS).converge().down(uplink(space)).disconnect("edge-2").wait(60)
    assert net.status("uplinks-down", family=space.family) == "unknown"


@BOTH
def test_an_uplink_of_a_router_without_bmp_may_be_up(space: Space):
    net = company(BMP.replace(", edge-2: {bmp: {peer: 127.0.0.12}}", ""), TWO_UPLINKS).converge()
    net.down(uplink(space)).wait(60)
    assert net.status("uplinks-down", family=space.family) == "unknown"
    assert net.raised("uplink-down") == [f"uplink-down isp-a {space.family}"]


@BOTH
def test_a_family_that_an_uplink_never_had_does_not_count(space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net = company(BMP, TWO_UPLINKS, f"feeds: {{isp-b: {{families: [{other}]}}}}").connect("edge-1")
    net.connect("edge-2").wait(10).not_reported(uplink(space, "isp-b")).up(uplink(space)).wait(60)
    net.down(uplink(space))
    net.assert_raised_after(30, "uplinks-down", family=space.family)


@BOTH
def test_a_family_that_a_mirror_shows_counts_though_no_session_was_seen(space: Space):
    net = company(BMP, TWO_UPLINKS).connect("edge-1").connect("edge-2").wait(10)
    net.not_reported(uplink(space, "isp-b")).up(uplink(space)).wait(60).down(uplink(space)).wait(60)
    assert net.status("uplinks-down", family=space.family) == "unknown"


@BOTH
def test_each_site_is_judged_by_itself(space: Space):
    net = company(BMP, TWO_UPLINKS, TWO_SITES).converge().down(uplink(space))
    net.assert_raised_after(30, "uplinks-down", family=space.family, group="hq")
    assert net.status("uplinks-down", family=space.family, group="plant") == "ok"
    assert net.raised("uplink-down") == []


@BOTH
def test_one_sites_loss_explains_no_uplink_of_another(space: Space):
    more = "uplinks: {isp-b: {site: plant}, isp-c: {router: edge-2, asn: 64512, site: plant}}"
    net = company(BMP, TWO_UPLINKS, more).converge().down(uplink(space), uplink(space, "isp-b"))
    net.assert_raised_after(30, "uplinks-down", family=space.family)
    assert net.raised("uplink-down") == [f"uplink-down isp-b {space.family}"]


def test_uplinks_of_another_instance_may_be_up():
    """The instance that has the sessions of all uplinks of a site judges them together."""
    whole = company(BMP, TWO_UPLINKS).config
    one = Company(only_feeds(whole, ["edge-1*", "isp-a"]))
    assert one.subjects("uplinks-down") == []
    assert {each["uplink"] for each in one.subjects("uplink-down")} == {"isp-a"}
    sites = Company(only_feeds(company(BMP, TWO_UPLINKS, TWO_SITES).config, ["edge-1*", "isp-a"]))
    assert {each["group"] for each in sites.subjects("uplinks-down")} == {"hq"}


WORK = """
maintenance:
  - {uplink: isp-a, from: 2026-11-18T11:00:00Z, to: 2026-11-18T13:00:00Z, reason: work}
"""


@BOTH
def test_work_on_one_uplink_is_no_reason_for_the_loss_of_all(space: Space):
    net = company(BMP, TWO_UPLINKS, WORK).converge().down(uplink(space)).wait(60)
    assert net.status("uplink-down", uplink="isp-a", family=space.family) == "suppressed"
    net.down(uplink(space, "isp-b"))
    net.assert_raised_after(30, "uplinks-down", family=space.family)


@BOTH
def test_work_on_all_uplinks_of_a_site_covers_their_loss(space: Space):
    net = company(BMP, TWO_UPLINKS, TWO_SITES, WORK).converge().down(uplink(space)).wait(60)
    assert net.status("uplinks-down", family=space.family, group="hq") == "suppressed"


# Two ways of seeing a link -----------------------------------------------------------------------------

ADVERTISED_TOO = "routers: {edge-1: {bmp: {peer: 127.0.0.11, adj_rib_out: true}}}"
PRE_POLICY = "routers: {edge-1: {bmp: {peer: 127.0.0.11, pre_policy: true}}}"


@BOTH
def test_an_edge_table_that_lacks_what_the_session_brings_disagrees(space: Space):
    """The router's policy towards ermon filters it."""
    net = company(BMP).converge()
    assert net.status("sight-disagrees", **primary(space)) == "ok"
    net.microsoft_sends("chicago-primary", space.extra, feed=session(space), preference=None)
    finding = net.assert_raised_after(60, "sight-disagrees", **primary(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.extra]
    assert finding.evidence["missing"] == {"edge-1": [space.extra]}
    assert finding.evidence["missing_on"] == ["edge-1"]
    net.microsoft_sends("chicago-primary", space.extra)
    net.assert_cleared_after(60, "sight-disagrees", **primary(space))


@BOTH
def test_a_session_that_lacks_what_its_edge_table_shows_disagrees(space: Space):
    net = company(BMP).converge().withdraw(session(space), space.sharepoint)
    finding = net.assert_raised_after(60, "sight-disagrees", **primary(space))
    assert finding.evidence["missing"] == {session(space): [space.sharepoint]}


@BOTH
def test_routes_that_are_on_their_way_are_no_disagreement(space: Space):
    net = company(BMP).converge()
    net.microsoft_sends("chicago-primary", space.extra, feed=session(space), preference=None).wait(59)
    net.microsoft_sends("chicago-primary", space.extra).wait(120)
    assert net.raised("sight-disagrees") == []


@BOTH
def test_up_to_three_prefixes_of_a_large_table_are_no_disagreement(space: Space):
    net, many = company(BMP).converge(), space.many(398)
    for feed in (None, session(space)):
        net.microsoft_sends("chicago-primary", *many, feed=feed)
    net.wait(60)
    net.withdraw(session(space), *many[:3]).wait(120)
    assert net.raised("sight-disagrees") == []
    net.withdraw(session(space), many[3])
    net.assert_raised_after(60, "sight-disagrees", **primary(space))


@BOTH
def test_more_than_one_percent_of_a_small_table_is_a_disagreement(space: Space):
    net, many = company(BMP).converge(), space.many(198)
    for feed in (None, session(space)):
        net.microsoft_sends("chicago-primary", *many, feed=feed)
    net.wait(60).withdraw(session(space), *many[:2]).wait(120)
    assert net.raised("sight-disagrees") == []
    net.withdraw("edge-1", *many[10:20]).withdraw(session(space), *many[10:20])
    net.assert_raised_after(60, "sight-disagrees", **primary(space))


@BOTH
def test_a_session_or_a_table_that_is_not_in_sync_is_not_compared(space: Space):
    net = company(BMP).converge().withdraw(session(space), space.sharepoint).silent(session(space)).wait(120)
    assert net.status("sight-disagrees", **primary(space)) == "unknown"
    net.alive(session(space)).down("edge-1").wait(120)
    assert net.status("sight-disagrees", **primary(space)) == "unknown"
    assert net.raised("sight-disagrees") == []


@BOTH
def test_a_session_that_is_down_is_a_lost_link_and_no_disagreement(space: Space):
    net = company(BMP).converge().down(session(space))
    finding = net.assert_raised_after(10, "link-down", **primary(space))
    assert finding.evidence["routes_still_on"] == ["edge-1"]
    net.wait(120)
    assert net.status("sight-disagrees", **primary(space)) == "unknown"


@BOTH
def test_routes_that_fit_no_link_may_be_what_the_table_lacks(space: Space):
    net = company(BMP).converge()
    net.microsoft_sends("chicago-primary", space.extra, feed=session(space), preference=None)
    net.announce("edge-1", space.extra, path="12076").wait(120)
    assert net.status("sight-disagrees", **primary(space)) == "unknown"


def test_a_table_of_best_paths_is_not_compared():
    net = company(BMP, "feeds: {edge-1: {add_path: false}}")
    assert {each["link"] for each in net.subjects("sight-disagrees")} == {"secondary"}


@BOTH
def test_a_mirror_that_lacks_what_the_router_says_it_advertises_disagrees(space: Space):
    net, advertised = company(BMP, ADVERTISED_TOO).converge(), f"{session(space)}/advertised"
    assert net.status("sight-disagrees", **primary(space)) == "ok"
    net.announce(advertised, space.own_other, path="64500")
    finding = net.assert_raised_after(60, "sight-disagrees", **primary(space))
    assert finding.evidence["missing"] == {"chicago-primary": [space.own_other]}
    net.announce("chicago-primary", space.own_other, path="64500")
    net.assert_cleared_after(60, "sight-disagrees", **primary(space))


@BOTH
def test_while_the_router_is_not_connected_nothing_disagrees(space: Space):
    net = company(BMP, ADVERTISED_TOO).converge().withdraw(session(space), space.sharepoint).wait(30)
    net.disconnect("edge-1").wait(300)
    assert net.raised("sight-disagrees") == []
    assert net.status("sight-disagrees", **primary(space)) == "unknown"


@BOTH
def test_what_the_inbound_policy_rejects_is_told(space: Space):
    net, about = company(BMP, PRE_POLICY).converge(), {"circuit": "chicago", "link": "primary"}
    assert net.status("received-rejected", **about) == "ok"
    before = f"{session(space)}/pre-policy"
    net.microsoft_sends("chicago-primary", space.extra, feed=before, preference=None)
    finding = net.assert_raised_after(60, "received-rejected", **about)
    assert finding.severity is Severity.INFO
    assert finding.evidence["prefixes"] == [space.extra]
    net.microsoft_sends("chicago-primary", space.extra, feed=session(space), preference=None)
    net.assert_cleared_after(60, "received-rejected", **about)


@BOTH
def test_routes_that_are_missing_before_the_policy_say_nothing(space: Space):
    """FRR withdraws there what the policy rejects; what the policy accepts has arrived."""
    net = company(BMP, PRE_POLICY).converge()
    net.withdraw(f"{session(space)}/pre-policy", space.exchange, space.sharepoint).wait(120)
    assert net.raised("received-rejected") == []


@BOTH
def test_what_is_rejected_is_unknown_while_the_accepted_routes_are(space: Space):
    about = {"circuit": "chicago", "link": "primary"}
    net = company(BMP, PRE_POLICY).converge().silent(session(space)).wait(0)
    assert net.status("received-rejected", **about) == "unknown"
    net.alive(session(space)).down(session(space)).wait(120)
    assert net.status("received-rejected", **about) == "unknown"
    assert net.raised("received-rejected") == []


def test_without_pre_policy_nothing_is_asked_of_it():
    assert company(BMP).subjects("received-rejected") == []
