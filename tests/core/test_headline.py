"""The headline: whether something is wrong, something cannot be seen, a finding is on its way, or all is well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ermon.api.status import HeadlineDoc, StatusDoc
from ermon.core.headline import make_headline
from ermon.core.status import collect, network_status
from ermon.model.settings import MaintenanceWindow
from tests.checks.company import V4, V6, Company, Space, company

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def good_day(*changes: str) -> Company:
    return company(*changes).process_up("edges").process_up("outside").converge().wait(200)


@pytest.fixture
def net() -> Company:
    return good_day()


def headline(net: Company) -> HeadlineDoc:
    net.monitor.advance(net.now)
    return make_headline(net.monitor)


def status(net: Company) -> StatusDoc:
    return network_status(net.monitor, collect(net.monitor), version="1", started_at=net.start, now=net.now)


def maintain(net: Company, *, seconds: float = 3600, **about: str) -> Company:
    starts, ends = (datetime.fromtimestamp(net.now + later, UTC) for later in (0, seconds))
    window = MaintenanceWindow(starts, ends, "circuit move", **about, id="1a2b", by="anna")
    net.monitor.maintain([window], net.now)
    return net


def leak(net: Company, space: Space = V4) -> Company:
    return net.announce("isp-a", space.pool, path="64500")


# Well, and what is for information -------------------------------------------------------------------


def test_nothing_is_wrong_and_everything_is_seen(net: Company):
    assert headline(net) == HeadlineDoc(kind="well", text="All is well", about="", since=None)


def test_info_findings_are_counted_and_do_not_change_the_headline():
    net = good_day("checks: {pool-leak: {severity: info}}")
    found = headline(leak(net).wait(10))
    assert (found.kind, found.text, found.about) == ("well", "All is well", "1 finding for information.")


def test_a_missing_view_is_a_blind_spot_and_no_finding_beside_it():
    net = good_day("feeds: {chicago-primary: null}")
    found = headline(net)
    assert (found.kind, found.text) == ("well", "All is well, as far as ermon sees: 1 blind spot")
    assert found.about.startswith("No feed provides view to-microsoft of link primary of circuit chicago")
    assert "information" not in found.about
    assert len(status(net).blind_spots) == 1


@BOTH_FAMILIES
def test_a_standby_that_best_paths_do_not_show_is_a_blind_spot(space: Space):
    net = good_day("feeds: {edge-1: {add_path: false}}")
    spot = "Link primary of circuit chicago is visible by best paths only"
    assert status(net).blind_spots == (spot,)
    net.withdraw("edge-1", space.exchange, space.sharepoint).wait(300)
    assert headline(net).kind == "well"
    assert headline(net).about.startswith(spot)


# Wrong -----------------------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_the_worst_finding_is_the_text_and_the_count_comes_after_it(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    leak(net, space).wait(3)
    found = headline(net)
    assert found.kind == "wrong"
    assert found.text == f"NAT pool chi {space.pool} is advertised to isp-a by edge-1"
    assert found.about == "Raised: 1 critical, 1 warning."
    assert found.since == "2026-11-18T11:10:12.000Z"


def test_a_feed_is_not_named_beside_its_router_and_uplink():
    mirror = "{router: edge-1, view: to-internet, uplink: isp-a, peer: 127.0.0.11, local: 127.0.0.4, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}"
    net = good_day(f"feeds: {{isp-a: null, edge-1-isp-a: {mirror}}}")
    net.announce("edge-1-isp-a", V4.pool, path="64500").wait(5)
    assert headline(net).text == f"NAT pool chi {V4.pool} is advertised to isp-a by edge-1"


def test_of_equally_bad_findings_the_first_stays_the_headline(net: Company):
    leak(net).wait(5)
    before = headline(net)
    leak(net, V6).wait(5)
    assert V4.pool in headline(net).text
    assert (headline(net).text, headline(net).since) == (before.text, before.since)
    assert headline(net).about == "Raised: 2 critical."


@BOTH_FAMILIES
def test_that_a_link_is_down_is_named_before_that_it_is_flapping(net: Company, space: Space):
    for _ in range(2):
        net.lose("chicago-primary", space.family).wait(5)
        net.bring("chicago-primary", space.family).wait(5)
    assert headline(net).text.startswith("Link primary of circuit chicago is flapping")
    net.lose("chicago-primary", space.family).wait(11)
    assert headline(net).text.startswith(
        f"Link primary of circuit chicago receives no {FAMILY_NAMES[space.family]} routes"
    )
    assert checks(net) == ["link-down", "link-flapping"]


def checks(net: Company) -> list[str]:
    """Return the checks of the raised findings, in the order in which they are listed."""
    return [finding.check for finding in net.monitor.findings()]


@BOTH_FAMILIES
def test_the_list_begins_with_the_headline_then_what_recovers_then_what_is_for_information(space: Space):
    net = good_day("checks: {microsoft-leaked: {severity: info}}")
    net.announce("isp-a", space.exchange, path="64500 12076 8075").wait(3)
    leak(net, space).wait(3)
    assert checks(net) == ["pool-leak", "microsoft-leaked"]
    net.withdraw("isp-a", space.pool).lose("chicago-primary", space.family).wait(15)
    assert checks(net) == ["link-down", "pool-leak", "microsoft-leaked"], "what recovers is not the worst"
    first, *_ = net.monitor.findings()
    assert headline(net).text == first.summary
    assert [finding.rank for finding in net.monitor.findings()] == sorted(
        finding.rank for finding in net.monitor.findings()
    )


def test_of_those_that_recover_the_headline_names_the_one_that_is_listed_first(net: Company):
    net.lose("chicago-primary", "ipv4").wait(15)
    leak(net).wait(5)
    net.withdraw("isp-a", V4.pool).bring("chicago-primary", "ipv4").wait(2)
    assert headline(net).kind == "recovering"
    assert headline(net).text == f"Recovering: {net.monitor.findings()[0].summary}"
    assert checks(net) == ["pool-leak", "link-down"]


def test_the_card_of_a_router_is_in_the_place_of_its_worst_finding(net: Company):
    net.down("edge-3").down("dallas-primary").wait(40)
    leak(net).wait(3)
    [group] = status(net).groups
    worst, *_ = net.monitor.findings()
    assert (worst.check, group.text) == ("pool-leak", "edge-3: 2 of 2 feeds down")
    assert group.rank > worst.rank
    net.process_down("edges").process_down("outside").wait(200)
    [cause] = status(net).groups
    assert cause.rank < min(finding.rank for finding in net.monitor.findings()), "it explains all of them"


def test_the_headline_mentions_findings_that_may_be_over_or_are_suppressed(net: Company):
    leak(net).wait(5).down("isp-a")
    about = headline(net).about
    assert "It may be over: ermon cannot see it at present." in about
    assert "ermon cannot see everything: 1 of 10 feeds is down (edge-1: 1 of 3 feeds down)." in about
    other = good_day().lose("chicago-primary", "ipv4").wait(20)
    found = headline(maintain(other, circuit="chicago", link="primary"))
    assert found.kind == "wrong"
    assert "All raised findings are suppressed by maintenance, a drain or another finding." in found.about


def test_the_cause_is_the_headline_where_nothing_is_seen_and_its_effects_are_one_group(net: Company):
    net.process_down("edges").process_down("outside").wait(200)
    found = headline(net)
    assert found.kind == "wrong"
    assert found.text.startswith("ermon sees nothing: ExaBGP is not running")
    [group] = status(net).groups
    assert (group.text, group.severity) == (found.text, "critical")
    raised = {finding.id for finding in net.monitor.findings()}
    assert set(group.findings) == raised


def test_an_address_that_cannot_be_listened_on_is_the_cause():
    net = company(f"feeds: {{{', '.join(f'{name}: null' for name in FEEDS_BUT_ONE)}}}").process_up("edges")
    problem = "cannot listen on 127.0.0.1:179: the port is taken"
    net.cannot_listen("127.0.0.1", problem)
    assert headline(net).kind == "unseen"
    assert headline(net).text == f"ermon sees nothing: ExaBGP {problem}"
    net.wait(200)
    assert (headline(net).kind, headline(net).text) == ("wrong", f"ermon sees nothing: ExaBGP {problem}")


FEEDS_BUT_ONE = (
    *("edge-2", "edge-3", "edge-4", "chicago-primary", "chicago-secondary"),
    *("dallas-primary", "dallas-secondary", "isp-a", "outside"),
)


# Unseen ----------------------------------------------------------------------------------------------


def test_feeds_that_are_down_are_counted_and_named_by_router(net: Company):
    net.down("edge-3").down("outside")
    found = headline(net)
    assert (found.kind, found.text) == ("unseen", "ermon cannot see everything: 2 of 10 feeds are down")
    assert found.about == "outside: down; edge-3: 1 of 2 feeds down."
    assert found.since == status(net).feeds["outside"].since


def test_a_router_that_is_gone_as_a_whole_is_the_headline_and_its_findings_are_one_group(net: Company):
    net.down("edge-3").down("dallas-primary")
    found = headline(net)
    assert (found.text, found.about) == ("ermon cannot see edge-3: 2 of 2 feeds are down", "")
    leaking = headline(leak(net))
    assert leaking.about.endswith(" noticed. ermon cannot see edge-3: 2 of 2 feeds are down.")
    net.withdraw("isp-a", V4.pool).wait(60)
    [group] = status(net).groups
    assert group.text == "edge-3: 2 of 2 feeds down"
    assert len(group.findings) == 2


def test_before_routers_have_had_their_time_they_are_waited_for():
    net = good_day().restart().process_up("edges").process_up("outside")
    found = headline(net)
    assert (found.kind, found.text) == ("unseen", "ermon sees nothing: none of 10 feeds is up yet")
    assert "Waiting for routers until" in found.about
    assert found.due is not None
    assert found.due == status(net).feeds["edge-1"].waiting_until
    assert headline(net.wait(net.config.collector.reconnect_grace + 61)).kind == "wrong"


def test_checks_that_were_judged_before_and_are_unknown_now_are_in_the_headline(net: Company):
    """A route with another router's next hop hides whether the link is down, until that is raised itself."""
    net = good_day("checks: {route-unattributed: {enabled: false}, circuit-unseen: {enabled: false}}")
    for space in (V4, V6):
        net.announce(
            "edge-1",
            space.exchange,
            space.sharepoint,
            path="12076 8075",
            via="9.9.9.9" if space is V4 else "2a00:9::9",
        )
    net.wait(5)
    found = headline(net)
    assert found.kind == "unseen"
    assert found.text.startswith("ermon cannot judge")
    assert "link-down (chicago primary IPv4)" in found.about


# Noticed, recovering ---------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_violation_is_noticed_with_the_time_at_which_it_will_be_raised(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(4)
    found, [noticed] = headline(net), status(net).noticed
    assert found.kind == "noticed"
    assert found.text == f"Noticed: {noticed.summary}"
    assert noticed.check == "link-down"
    assert found.about == "Noticed at 11:10:02 UTC, raised at 11:10:12 UTC if it lasts."
    assert found.due == noticed.raises_at == "2026-11-18T11:10:12.000Z"
    assert (found.since, noticed.labels["family"]) == (noticed.since, space.family)
    assert headline(net.wait(6)).kind == "wrong"
    assert status(net).noticed == ()


@BOTH_FAMILIES
def test_a_violation_that_ended_is_recovering_until_it_is_cleared(net: Company, space: Space):
    leak(net, space).wait(10)
    net.withdraw("isp-a", space.pool).wait(20)
    found, [finding] = headline(net), net.monitor.findings()
    assert found.kind == "recovering"
    assert found.text == f"Recovering: NAT pool chi {space.pool} is advertised to isp-a by edge-1"
    assert found.about == "Gone since 11:10:12 UTC, clears at 11:11:12 UTC if it stays gone."
    assert (found.since, found.due) == (None, "2026-11-18T11:11:12.000Z")
    assert finding.ok_since is not None
    assert finding.clears_at == finding.ok_since + 60
    leak(net, space).wait(1)
    assert headline(net).kind == "wrong"
    assert net.monitor.findings()[0].ok_since is None
    net.withdraw("isp-a", space.pool).wait(60)
    assert headline(net).kind == "well"


def test_recovering_findings_are_mentioned_beside_raised_ones(net: Company):
    leak(net).wait(10)
    net.withdraw("isp-a", V4.pool).wait(5)
    leak(net, V6).wait(5)
    assert headline(net).about == "Raised: 1 critical. 1 more finding recovering."
    net.lose("dallas-primary", "ipv4").wait(1)
    assert "1 more violation noticed." in headline(net).about


@BOTH_FAMILIES
def test_recovering_findings_are_mentioned_beside_noticed_and_unseen(net: Company, space: Space):
    leak(net, space).wait(10)
    net.withdraw("isp-a", space.pool).wait(5).lose("chicago-primary", space.family).wait(4)
    found = headline(net)
    assert found.kind == "noticed"
    assert found.about.endswith("if it lasts. 1 more finding recovering.")
    found = headline(net.down("outside"))
    assert found.kind == "unseen"
    assert "1 finding recovering." in found.about


def test_a_finding_that_was_ok_and_is_unknown_now_is_not_recovering(net: Company):
    leak(net).wait(10)
    net.withdraw("isp-a", V4.pool).wait(5).down("isp-a")
    assert headline(net).kind == "wrong"
    assert net.monitor.findings()[0].ok_since is None


# Suppressed on purpose -------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_link_that_is_down_in_maintenance_is_never_well(space: Space):
    net = maintain(good_day("checks: {geo-not-redundant: {enabled: false}}"), circuit="chicago")
    for link in ("chicago-primary", "chicago-secondary"):
        net.lose(link, space.family)
    net.wait(120)
    found = headline(net)
    assert found.kind == "maintenance"
    assert found.text.startswith("In maintenance: Circuit chicago ")
    assert found.text.endswith("(until 12:10:02 UTC: circuit move)")
    assert found.about == "Maintenance by anna. 6 more violations follow from it."
    assert found.due == "2026-11-18T12:10:02.000Z"
    [quiet] = status(net).maintenance
    assert quiet.suppressed == (found.text.removeprefix("In maintenance: ").split(" (until ")[0],)
    assert (quiet.suppressed_total, quiet.follow) == (1, 6)
    assert (quiet.about, quiet.by, quiet.id) == ({"circuit": "chicago"}, "anna", "1a2b")


@BOTH_FAMILIES
def test_a_link_that_is_down_in_maintenance_is_named_before_what_follows_from_it(space: Space):
    """A missing prefix is more severe, but it is missing because the link is down."""
    net = good_day("checks: {prefix-missing: {severity: critical}}")
    maintain(net, circuit="chicago", link="primary").lose("chicago-primary", space.family).wait(120)
    down = f"Link primary of circuit chicago receives no {FAMILY_NAMES[space.family]} routes (edge-1)"
    suppressed = [a.subject.check for a in net.monitor.statuses() if a.status == "suppressed"]
    assert {"link-down", "prefix-missing"} < set(suppressed)
    found, [quiet] = headline(net), status(net).maintenance
    assert found.text == f"In maintenance: {down} (until 12:10:02 UTC: circuit move)"
    assert found.about == f"Maintenance by anna. {quiet.follow} more violations follow from it."
    assert (quiet.suppressed, quiet.follow) == ((down,), len(suppressed) - 1)


def test_a_drain_in_maintenance_is_named_before_the_silence_that_it_ends_in(net: Company):
    maintain(net, circuit="chicago", link="primary")
    net.microsoft_sends(
        "chicago-primary", V4.exchange, V4.sharepoint, path="12076 12076 12076 12076 8075"
    ).wait(5)
    net.lose("chicago-primary", "ipv4").wait(60)
    found = headline(net)
    assert found.kind == "maintenance"
    assert found.text.startswith("In maintenance: Microsoft is draining link primary of circuit chicago")
    assert found.about.startswith("Maintenance by anna. ")
    assert "receives no" not in found.about


def test_an_open_window_is_the_headline_even_if_nothing_is_wrong(net: Company):
    found = headline(maintain(net, circuit="chicago", link="primary"))
    assert found.kind == "maintenance"
    assert found.text == "In maintenance: link primary of circuit chicago (until 12:10:02 UTC: circuit move)"
    assert found.about == "Maintenance by anna. Nothing else is wrong."
    assert headline(net.wait(3600)).kind == "well"


@BOTH_FAMILIES
def test_the_end_of_a_window_lets_what_is_wrong_be_noticed(net: Company, space: Space):
    maintain(net, seconds=60, circuit="chicago", link="primary")
    net.lose("chicago-primary", space.family).wait(59)
    assert headline(net).kind == "maintenance"
    assert headline(net.wait(1)).kind == "noticed"
    assert headline(net.wait(10)).kind == "wrong"


def test_a_window_on_an_unseen_router_does_not_make_it_seen(net: Company):
    maintain(net, router="edge-3").down("edge-3").down("dallas-primary").wait(120)
    found = headline(net)
    assert (found.kind, found.text) == ("unseen", "ermon cannot see edge-3: 2 of 2 feeds are down")
    assert "In maintenance: router edge-3 (until 12:10:02 UTC: circuit move)." in found.about


@BOTH_FAMILIES
def test_an_exception_counts_while_it_keeps_something_quiet(space: Space):
    about = "check: link-down, circuit: chicago, link: primary"
    net = good_day(f"exceptions: [{{{about}, reason: cancelled}}]")
    assert headline(net).kind == "well"
    net.lose("chicago-primary", space.family).wait(20)
    found = headline(net)
    assert found.kind == "maintenance"
    assert found.text.startswith("Suppressed by an exception: Link primary of circuit chicago ")
    assert found.text.endswith("(without an end: cancelled)")
    assert found.about.startswith("It is set in the configuration.")


@BOTH_FAMILIES
def test_problems_of_a_disabled_check_are_never_well(space: Space):
    net = good_day("checks: {link-down: {enabled: false}, pool-leak: {enabled: false}}")
    assert headline(net).kind == "well"
    net.lose("dallas-primary", space.family).wait(60)
    found = headline(net)
    assert found.kind == "maintenance"
    assert found.text.startswith("Not judged: Link primary of circuit dallas ")
    assert found.text.endswith("(check link-down is switched off)")
    assert "link-down" not in {alarm.subject.check for alarm in net.monitor.statuses()}
    leak(net.bring("dallas-primary", space.family).wait(60), space)
    assert "(check pool-leak is switched off)" in headline(net).text
    assert headline(net.withdraw("isp-a", space.pool)).kind == "well"


@BOTH_FAMILIES
def test_a_drain_is_the_headline_if_nothing_is_wrong(net: Company, space: Space):
    net.microsoft_sends(
        "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076 8075"
    ).wait(1)
    found = headline(net)
    assert found.kind == "draining"
    assert (
        found.text == f"Microsoft is draining link primary of circuit chicago ({FAMILY_NAMES[space.family]})"
    )


# The order -------------------------------------------------------------------------------------------


def test_the_first_kind_that_applies_is_the_headline(net: Company):
    maintain(net, circuit="dallas").microsoft_sends(
        "dallas-secondary", V4.exchange, V4.sharepoint, path="12076 12076 12076 12076 8075"
    )
    kinds = [headline(net.wait(1)).kind]
    leak(net).wait(3)
    net.withdraw("isp-a", V4.pool)
    kinds.append(headline(net).kind)
    net.lose("chicago-primary", "ipv4").wait(1)
    kinds.append(headline(net).kind)
    net.down("outside")
    kinds.append(headline(net).kind)
    leak(net).wait(3)
    kinds.append(headline(net).kind)
    assert kinds == ["maintenance", "recovering", "noticed", "unseen", "wrong"]


def test_the_sets_of_alarms_are_those_that_a_search_through_all_alarms_finds(net: Company):
    """The headline reads few alarms; here all alarms are searched."""
    steps = [
        lambda: leak(net),
        lambda: net.wait(3),
        lambda: maintain(net, seconds=50, circuit="chicago"),
        lambda: net.lose("chicago-primary", "ipv4"),
        lambda: net.down("isp-a"),
        lambda: net.wait(60),
        lambda: net.up("isp-a"),
        lambda: net.wait(90),
    ]
    for step in steps:
        step()
        net.monitor.advance(net.now)
        alarms, standing = net.monitor.statuses(), net.monitor.standing
        serious = [alarm for alarm in alarms if alarm.severity != "info"]
        assert standing.raised.keys() == {alarm.key for alarm in alarms if alarm.raised}
        assert standing.noticed.keys() == {alarm.key for alarm in alarms if alarm.noticed_only}
        assert standing.covered.keys() == {a.key for a in serious if a.status == "suppressed"}
        assert standing.unknown.keys() == {a.key for a in serious if a.known and a.status == "unknown"}
