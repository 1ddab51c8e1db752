"""Where Microsoft's routes may be seen inside the company: the checks on its segments."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import BLACKHOLE, PLANT, SPACES, Company, Space, company

DUAL = ("ipv4", "ipv6")
LINK_NAMES = ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary")
ELSEWHERE = {"ipv4": "9.9.0.0/16", "ipv6": "2a00:9::/32"}
"""Public space that no link receives and that is not the company's."""

SEGMENTS = """
segments: {dmz: {expressroute: forbidden}, campus: {expressroute: required}}
feeds:
  dmz-core: {view: segment, segment: dmz, peer: 127.0.0.18, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6]}
  campus-core: {view: segment, segment: campus, peer: 127.0.0.19, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6]}
"""
DMZ, CAMPUS = {"segment": "dmz"}, {"segment": "campus"}


@pytest.fixture
def net() -> Company:
    """The company with two segments: the campus receives the routes that it must have, the DMZ the company's own."""
    return segmented()


def segmented(*changes: str) -> Company:
    net = company(SEGMENTS, *changes).converge()
    for space in SPACES.values():
        net.announce("dmz-core", space.own_other, path="64500")
        net.announce("campus-core", space.own_other, path="64500")
        net.announce("campus-core", space.exchange, path="64500 12076 8075")
    return net


def lose_all(net: Company) -> Company:
    for link in LINK_NAMES:
        net.lose(link, *DUAL)
    return net


def empty_campus(net: Company) -> Company:
    return net.withdraw("campus-core", *(space.exchange for space in SPACES.values()))


# segment-leak ----------------------------------------------------------------------------------------


def test_segments_are_quiet_on_a_good_day(net: Company):
    assert net.wait(1000).raised() == []
    assert net.subjects("segment-leak") == [DMZ]
    assert net.subjects("segment-missing") == [CAMPUS]


def test_a_microsoft_route_where_none_may_be_is_raised_at_once(net: Company, space: Space):
    net.announce("dmz-core", ELSEWHERE[space.family], path="64500 12076 8075")
    finding = net.assert_raised_after(0, "segment-leak", **DMZ)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [ELSEWHERE[space.family]]
    net.wait(5).withdraw("dmz-core", ELSEWHERE[space.family])
    net.assert_cleared_after(60, "segment-leak", **DMZ)


def test_12076_in_an_as_set_is_microsofts(net: Company, space: Space):
    net.announce("dmz-core", ELSEWHERE[space.family], path="64500 {8075 12076}")
    assert net.status("segment-leak", **DMZ) == "violated"


@pytest.mark.parametrize("what", ["exchange", "exchange_part"])
def test_a_path_that_an_igp_has_erased_hides_nothing(net: Company, space: Space, what: str):
    net.announce("dmz-core", getattr(space, what), path="")
    assert net.status("segment-leak", **DMZ) == "violated"


CARRIERS = "customer: {provider_asns: [64499], origin_asns: [64501], wan_asns: [64505]}"


@pytest.mark.parametrize(
    "path",
    ["", "64500", "64500 64505 64501 64499", "65001 64500", "4200000000", "(3356) 64500", "{64500 65001}"],
)
def test_a_path_that_names_only_us_and_our_carriers_hides_nothing(space: Space, path: str):
    net = segmented(CARRIERS).announce("dmz-core", space.exchange_part, path=path)
    assert net.status("segment-leak", **DMZ) == "violated"


@pytest.mark.parametrize(
    "path", ["64510 3356 8075", "64500 64505", "64500 64499", "64500 {65001 3356}", "8075"]
)
def test_a_path_with_another_public_asn_is_the_internets_way(net: Company, space: Space, path: str):
    net.announce("dmz-core", space.exchange_part, path=path)
    assert net.status("segment-leak", **DMZ) == "ok"


def test_the_internets_way_is_no_substitute(net: Company):
    empty_campus(net).announce("campus-core", *(s.exchange for s in SPACES.values()), path="64510 3356 8075")
    net.assert_raised_after(60, "segment-missing", **CAMPUS)


def test_a_local_breakout_is_no_leak_and_no_substitute(space: Space):
    prefixes = [str(s.exchange) for s in SPACES.values()]
    net = segmented(f"segments: {{dmz: {{local: {prefixes}}}, campus: {{local: {prefixes}}}}}")
    net.announce("dmz-core", space.exchange_part, path="")
    assert net.status("segment-leak", **DMZ) == "ok"
    net.announce("dmz-core", space.sharepoint, path="")
    assert net.status("segment-leak", **DMZ) == "violated"
    empty_campus(net).announce("campus-core", space.exchange, path="")
    assert net.status("segment-missing", **CAMPUS) == "violated"
    net.announce("campus-core", space.exchange, path="64500 12076")  # a route over ExpressRoute after all
    assert net.status("segment-missing", **CAMPUS) == "ok"


def test_a_forbidden_route_from_microsoft_makes_no_other_route_microsofts(net: Company):
    net.microsoft_sends("chicago-primary", "0.0.0.0/1", "::/1")
    net.announce("dmz-core", "9.9.0.0/16", "2a00:9::/32", path="")
    assert net.status("segment-leak", **DMZ) == "ok"


@pytest.mark.parametrize("what", ["extra", "own_other", "pool", "internet_only"])
def test_other_prefixes_without_a_path_are_not_microsofts(net: Company, space: Space, what: str):
    net.announce("dmz-core", getattr(space, what), path="")
    assert net.wait(1000).raised() == []


def test_a_prefix_that_covers_a_links_prefix_is_not_microsofts(net: Company, space: Space):
    around = {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:40::/44"}[space.family]
    net.announce("dmz-core", around, path="64500")
    assert net.status("segment-leak", **DMZ) == "ok"


def test_a_default_route_is_never_microsofts(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default)
    net.announce("dmz-core", space.default, path="64500 12076")
    assert net.status("segment-leak", **DMZ) == "ok"


def test_our_own_space_is_not_microsofts_even_if_microsoft_sends_it(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.own)
    assert net.status("segment-leak", **DMZ) == "ok"


def test_routes_of_private_peering_are_recognized_by_their_path_only(space: Space):
    net = segmented(PLANT).announce("dmz-core", space.vnet, path="64500")
    assert net.status("segment-leak", **DMZ) == "ok"
    net.announce("dmz-core", space.vnet, path="64500 12076")
    assert net.status("segment-leak", **DMZ) == "violated"


def test_a_blackhole_inside_the_company_is_a_route_like_any_other(net: Company, space: Space):
    net.announce("dmz-core", space.exchange_part, path="64500 12076", communities=BLACKHOLE)
    assert net.status("segment-leak", **DMZ) == "violated"


def test_the_routes_of_a_dead_link_are_remembered(net: Company, space: Space):
    lose_all(net).wait(1000).announce("dmz-core", space.exchange_part, path="")
    assert net.status("segment-leak", **DMZ) == "violated"


def test_prefixes_that_an_up_link_lost_are_not_remembered(net: Company, space: Space):
    net.announce("dmz-core", space.exchange_part, path="")
    for link in LINK_NAMES:
        net.microsoft_withdraws(link, space.exchange)
    assert net.status("segment-leak", **DMZ) == "ok"


def test_prefixes_that_a_link_lost_more_than_a_minute_before_it_went_down_are_forgotten(
    net: Company, space: Space
):
    for link in LINK_NAMES:
        net.microsoft_withdraws(link, space.exchange)
    lose_all(net.wait(61)).announce("dmz-core", space.exchange_part, path="")
    assert net.status("segment-leak", **DMZ) == "ok"


def test_a_leak_into_a_segment_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("dmz-core")
    assert net.status("segment-leak", **DMZ) == "unknown"
    net.up("dmz-core").announce("dmz-core", space.exchange, path="64500 12076")
    net.assert_raised_after(0, "segment-leak", **DMZ)
    net.withdraw("dmz-core", space.exchange)
    assert net.status("segment-leak", **DMZ) == "unknown"
    net.end_of_rib("dmz-core", family="ipv4").wait(2)
    assert net.status("segment-leak", **DMZ) == "unknown"
    net.end_of_rib("dmz-core", family="ipv6").wait(2)
    assert net.status("segment-leak", **DMZ) == "ok"


# segment-missing -------------------------------------------------------------------------------------


def test_a_segment_without_microsoft_routes_is_noticed_after_a_minute(net: Company, space: Space):
    empty_campus(net)
    finding = net.assert_raised_after(60, "segment-missing", **CAMPUS)
    assert finding.severity is Severity.WARNING
    assert net.raised() == ["segment-missing campus"]
    net.wait(5).announce("campus-core", space.sharepoint, path="64500 12076")
    net.assert_cleared_after(60, "segment-missing", **CAMPUS)


def test_one_microsoft_route_is_enough(net: Company, space: Space):
    net.withdraw("campus-core", space.exchange)
    assert net.status("segment-missing", **CAMPUS) == "ok"


def test_a_route_without_its_path_is_enough(net: Company, space: Space):
    empty_campus(net).announce("campus-core", space.exchange_part, path="")
    assert net.status("segment-missing", **CAMPUS) == "ok"


@pytest.mark.parametrize("what", ["default", "own_other", "extra"])
def test_other_routes_are_not_enough(net: Company, space: Space, what: str):
    empty_campus(net).announce("campus-core", getattr(space, what), path="64500")
    assert net.status("segment-missing", **CAMPUS) == "violated"


def test_a_segment_is_judged_only_in_sync(net: Company):
    net.down("campus-core")
    assert net.status("segment-missing", **CAMPUS) == "unknown"
    net.up("campus-core").wait(60)
    assert net.status("segment-missing", **CAMPUS) == "unknown"
    net.end_of_rib("campus-core", family="ipv4").wait(2)
    assert net.status("segment-missing", **CAMPUS) == "unknown"
    net.end_of_rib("campus-core", family="ipv6").wait(2)
    assert net.status("segment-missing", **CAMPUS) == "violated"


def test_without_any_circuit_no_segment_misses_its_routes(net: Company):
    empty_campus(lose_all(net))
    assert net.status("segment-missing", **CAMPUS) == "suppressed"
    net.wait(1000).bring("dallas-secondary", *DUAL)
    assert net.status("segment-missing", **CAMPUS) == "violated"
    net.assert_raised_after(60, "segment-missing", **CAMPUS)


def test_one_circuit_left_ought_to_be_seen_in_the_segment(net: Company):
    empty_campus(net).lose("chicago-primary", *DUAL).lose("chicago-secondary", *DUAL)
    assert net.status("segment-missing", **CAMPUS) == "violated"


def test_a_circuit_that_is_not_seen_is_not_down(net: Company):
    empty_campus(lose_all(net)).down("edge-1", "edge-2")
    assert net.status("segment-missing", **CAMPUS) == "violated"


def test_a_segment_that_no_feed_shows_is_unknown():
    net = company("segments: {campus: {expressroute: required}, dmz: {expressroute: forbidden}}").converge()
    assert net.status("segment-missing", **CAMPUS) == "unknown"
    assert net.status("segment-leak", **DMZ) == "unknown"
