"""The steps of a scenario: their effects, their mistakes, and their texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.events import (
    AddPathNegotiated,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    StatisticsBegan,
    Update,
)
from ermon.model.prefixes import parse_address
from ermon.scenario.expectations import seconds
from tests.scenario.files import START, errors, read, write

CONVERGED = "- converge: all\n"


def events(folder: Path, steps: str, more: str = "") -> tuple[Event, ...]:
    """Return the events of the last step."""
    return read(folder, steps, more=more).acts[-1].events


def update(folder: Path, steps: str, more: str = "") -> Update:
    (event,) = events(folder, steps, more)
    assert isinstance(event, Update)
    return event


def announced(found: Update) -> list[tuple[str, str, str]]:
    """Return each route as prefix, next hop and path."""
    return [(str(r.prefix), str(r.attributes.next_hop), r.attributes.path_text) for r in found.announced]


# Times -----------------------------------------------------------------------------------------------


def test_steps_happen_one_after_the_other_at_their_times(tmp_path: Path):
    steps = "- up: edge-1\n- up: edge-2\n- {at: 5s, up: edge-3}\n- {after: 2s, up: edge-4}"
    assert [act.at for act in read(tmp_path, steps).acts] == [0, 0, 5, 7]


def test_getting_in_sync_takes_its_time(tmp_path: Path):
    acts = read(tmp_path, "- converge: all\n- {after: 1s, in_sync: edge-1}\n- down: edge-1").acts
    assert [(act.at, act.done) for act in acts] == [(0, 2), (3, 5), (5, 5)]


def test_time_only_goes_forward(tmp_path: Path):
    found = errors(write(tmp_path, CONVERGED + "- {at: 1s, down: edge-1}"))
    message = "is before the step above is done, at 2s; time only goes forward"
    assert found == [f"6:10: scenarios[0].steps[1].at: {message}"]


def test_a_step_has_one_time(tmp_path: Path):
    found = errors(write(tmp_path, "- {at: 1s, after: 1s, up: all}"))
    assert found == ["5:18: scenarios[0].steps[0].after: cannot be combined with at; keep one of them"]


# Sessions --------------------------------------------------------------------------------------------


def test_converge_starts_processes_and_sessions_and_sends_routes_and_end_of_rib(tmp_path: Path):
    found = events(tmp_path, "- converge: edge-1")
    assert [type(event) for event in found] == [ProcessUp, SessionUp, Update, EndOfRib, EndOfRib]
    assert {event.time for event in found} == {START}


def test_in_sync_starts_only_sessions_that_are_down(tmp_path: Path):
    found = events(tmp_path, "- up: edge-1\n- in_sync: [edge-1, edge-2]")
    assert [event.feed for event in found if isinstance(event, SessionUp)] == ["edge-2"]
    assert sum(isinstance(event, EndOfRib) for event in found) == 4


def test_end_of_rib_may_come_in_one_family(tmp_path: Path):
    found = events(tmp_path, "- up: edge-1\n- {end_of_rib: edge-1, family: ipv6}")
    assert found == (EndOfRib(START, "edge-1", "ipv6"),)


def test_add_path_is_negotiated_before_the_session_is_up(tmp_path: Path):
    found = events(tmp_path, "- {up: edge-1, add_path: ipv4}")
    assert found == (AddPathNegotiated(START, "edge-1", frozenset({"ipv4"})), SessionUp(START, "edge-1"))
    assert events(tmp_path, "- {up: edge-1, add_path: []}")[0] == AddPathNegotiated(
        START, "edge-1", frozenset()
    )


def test_a_session_is_lost_for_a_reason(tmp_path: Path):
    assert events(tmp_path, "- {down: isp-a, reason: maintenance}") == (
        SessionDown(START, "isp-a", "maintenance"),
    )


def test_steps_about_exabgp_and_messages(tmp_path: Path):
    assert events(tmp_path, "- exabgp_up: [edges, outside]") == (
        ProcessUp(START, "edges"),
        ProcessUp(START, "outside"),
    )
    assert events(tmp_path, "- exabgp_down: outside") == (ProcessDown(START, "outside", "exited"),)
    assert isinstance(events(tmp_path, "- up: isp-a\n- messages_lost: isp-a")[0], MessagesLost)


def test_with_exabgp_its_sessions_are_gone(tmp_path: Path):
    found = errors(write(tmp_path, CONVERGED + "- exabgp_down: edges\n- {withdraw: all, feed: isp-a}"))
    assert found == [
        "7:25: scenarios[0].steps[2].feed: isp-a is down at this point; first take it up with up, in_sync or converge"
    ]


# Routes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feed", "prefix", "next_hop", "path"),
    [
        ("edge-1", "198.51.100.0/28", "127.0.0.11", ""),
        ("chicago-primary", "198.51.100.0/28", "127.0.0.11", "64500"),
        ("isp-a", "2001:db8:100:10::/64", "::ffff:127.0.0.11", "64500"),
        ("outside", "198.51.100.0/28", "127.0.0.17", "64520 64500"),
        ("dmz", "2001:db8:100:10::/64", "::ffff:127.0.0.18", ""),
    ],
)
def test_a_route_has_what_a_router_would_give_it(
    tmp_path: Path, feed: str, prefix: str, next_hop: str, path: str
):
    found = update(tmp_path, CONVERGED + f"- {{announce: '{prefix}', feed: {feed}}}")
    assert announced(found) == [(prefix, next_hop, path)]


@pytest.mark.parametrize(
    ("prefix", "next_hop"), [("52.96.0.0/14", "203.0.113.6"), ("2603:1006::/40", "2001:db8:ffff::6")]
)
def test_a_link_determines_feed_next_hop_path_and_path_identifier(tmp_path: Path, prefix: str, next_hop: str):
    step = f"- {{announce: '{prefix}', circuit: chicago, link: secondary}}"
    found = update(tmp_path, CONVERGED + step)
    assert (found.feed, announced(found)) == ("edge-2", [(prefix, next_hop, "12076")])
    assert found.announced[0].path_id == 1


def test_a_link_is_known_by_what_the_configuration_knows_it_by(tmp_path: Path):
    links = "{primary: {match: {next_hop: 192.0.2.77}}, secondary: {match: {community: ['64500:302', '64500:1:2']}}}"
    more = f"    changes: {{circuits: {{chicago: {{links: {links}}}}}}}"
    first = update(tmp_path, CONVERGED + "- {announce: 52.96.0.0/14, circuit: chicago, link: primary}", more)
    assert announced(first)[0][1] == "192.0.2.77"
    second = update(
        tmp_path, CONVERGED + "- {announce: 52.96.0.0/14, circuit: chicago, link: secondary}", more
    )
    assert second.announced[0].attributes.large_communities == {(64500, 1, 2)}


def test_next_hop_path_communities_and_path_identifier_can_be_given(tmp_path: Path):
    said = "next_hop: 192.0.2.9, path: '64500 {8075 8068} (65001)', communities: [blackhole, '1:2:3', exchange-online], path_id: 7"
    (route,) = update(tmp_path, CONVERGED + f"- {{announce: 9.0.0.0/8, feed: edge-1, {said}}}").announced
    assert (route.path_id, route.attributes.path_text) == (7, "64500 {8075 8068} (65001)")
    assert route.attributes.next_hop == parse_address("192.0.2.9")
    assert route.attributes.communities == {(65535, 666), (12076, 5010)}
    assert route.attributes.large_communities == {(1, 2, 3)}


def test_a_route_may_lack_its_next_hop(tmp_path: Path):
    found = update(tmp_path, CONVERGED + "- {announce: 9.0.0.0/8, feed: edge-1, next_hop: none}")
    assert found.announced[0].attributes.next_hop is None


def test_many_prefixes_are_the_first_parts_of_one(tmp_path: Path):
    found = update(tmp_path, CONVERGED + "- {announce: {count: 3, of: 198.51.100.0/24}, feed: isp-a}")
    assert [p for p, _, _ in announced(found)] == ["198.51.100.0/26", "198.51.100.64/26", "198.51.100.128/26"]


def test_all_routes_of_a_link_are_withdrawn_and_no_others(tmp_path: Path):
    found = update(tmp_path, CONVERGED + "- {withdraw: all, circuit: chicago, link: primary, family: ipv6}")
    assert found.feed == "edge-1"
    assert [str(prefix) for prefix, _ in found.withdrawn] == ["2001:db8:40::/48", "2001:db8:41::/48"]


def test_every_path_of_a_prefix_is_withdrawn_unless_one_is_named(tmp_path: Path):
    paths = "".join(f"- {{announce: 9.0.0.0/8, feed: edge-1, path_id: {n}}}\n" for n in (1, 2))
    found = update(tmp_path, CONVERGED + paths + "- {withdraw: 9.0.0.0/8, feed: edge-1}")
    assert [path_id for _, path_id in found.withdrawn] == [1, 2]
    found = update(tmp_path, CONVERGED + paths + "- {withdraw: 9.0.0.0/8, feed: edge-1, path_id: 2}")
    assert [path_id for _, path_id in found.withdrawn] == [2]


def test_one_update_may_withdraw_and_announce(tmp_path: Path):
    step = "- {withdraw: 198.51.100.0/28, announce: {count: 2, of: 198.51.100.0/28}, feed: chicago-primary}"
    found = update(tmp_path, CONVERGED + step)
    assert (len(found.announced), len(found.withdrawn)) == (2, 1)


# Sessions that routers report by BMP -------------------------------------------------------------------

BMP = """changes:
  collector: {bmp: {listen: ["192.0.2.10:11019"]}}
  routers: {edge-1: {bmp: {peer: 127.0.0.11, pre_policy: true, adj_rib_out: true}}}"""
SESSION = "circuit: chicago, link: primary"
IPV4, IPV6 = "edge-1/chicago/primary/ipv4", "edge-1/chicago/primary/ipv6"


def bmp_events(folder: Path, steps: str) -> list[Event]:
    return list(read(folder, steps, head=BMP).acts[-1].events)


def test_converging_connects_the_routers_that_report_by_bmp(tmp_path: Path):
    found = bmp_events(tmp_path, f"- converge: [{IPV4}, {IPV6}]")
    assert found[:2] == [ProcessUp(START, "bmp/edge-1"), StatisticsBegan(START, "bmp/edge-1")]
    shown = [event for event in found if isinstance(event, Update)]
    assert [(event.feed, announced(event)[0]) for event in shown] == [
        (IPV4, ("192.0.2.0/26", "203.0.113.2", "12076")),
        (IPV6, ("2001:db8:40::/48", "2001:db8:ffff::2", "12076")),
    ]
    assert {route.path_id for event in shown for route in event.announced} == {None}


def test_a_session_is_reported_down_on_all_its_feeds(tmp_path: Path):
    found = bmp_events(tmp_path, f"{CONVERGED}- {{session: down, {SESSION}, family: ipv6, reason: work}}")
    feeds = [IPV6, f"{IPV6}/pre-policy", f"{IPV6}/advertised"]
    assert found == [SessionDown(START + 2, feed, "work") for feed in feeds]


def test_a_session_that_comes_up_brings_its_usual_routes(tmp_path: Path):
    steps = f"{CONVERGED}- {{session: down, {SESSION}}}\n- {{session: up, {SESSION}, family: ipv4}}"
    found = [event for event in bmp_events(tmp_path, steps) if getattr(event, "feed", "") == IPV4]
    assert [type(event) for event in found] == [SessionUp, Update, EndOfRib]
    found = bmp_events(tmp_path, f"{CONVERGED}- {{session: up, uplink: isp-a, family: ipv4}}")
    assert announced(found[1]) == [("0.0.0.0/0", "None", "64510")]


def test_a_session_may_be_missing_or_silent(tmp_path: Path):
    found = bmp_events(tmp_path, f"{CONVERGED}- {{session: missing, uplink: isp-a, family: ipv4}}")
    assert found[0] == SessionUnreported(START + 2, "edge-1/isp-a/ipv4")
    found = bmp_events(
        tmp_path, f"{CONVERGED}- {{session: silent, uplink: isp-a, family: ipv6, reason: hung}}"
    )
    assert found[0] == SessionSilent(START + 2, "edge-1/isp-a/ipv6", "hung")


def test_sessions_may_be_named_by_their_feeds(tmp_path: Path):
    found = bmp_events(tmp_path, f"{CONVERGED}- {{session: down, feed: {IPV6}, reason: work}}")
    assert found == [SessionDown(START + 2, IPV6, "work")]


def test_after_a_restart_a_router_reports_a_session_that_is_still_down(tmp_path: Path):
    steps = f"{CONVERGED}- {{session: down, feed: {IPV4}, reason: work}}\n- {{restart: ermon}}"
    found = bmp_events(tmp_path, steps)
    assert SessionDown(START + 2, IPV4, "work") in found
    assert SessionUp(START + 2, IPV4) not in found
    assert SessionUp(START + 2, IPV6) in found


def test_a_bmp_connection_ends_and_begins(tmp_path: Path):
    found = bmp_events(tmp_path, f"{CONVERGED}- {{bmp_down: edge-1, reason: hung up}}")
    assert found == [ProcessDown(START + 2, "bmp/edge-1", "hung up")]
    steps = f"{CONVERGED}- {{bmp_down: all}}\n- {{bmp_up: edge-1}}"
    assert bmp_events(tmp_path, steps) == [ProcessUp(START + 2, "bmp/edge-1")]
    assert bmp_events(tmp_path, f"{steps}\n- {{statistics: edge-1}}") == [
        StatisticsBegan(START + 2, "bmp/edge-1")
    ]


def test_routes_of_a_link_are_on_its_edge_table_and_on_its_session(tmp_path: Path):
    found = bmp_events(tmp_path, f"{CONVERGED}- {{withdraw: all, {SESSION}, family: ipv4}}")
    assert [getattr(event, "feed", "") for event in found] == ["edge-1", IPV4, f"{IPV4}/pre-policy"]
    steps = f"{CONVERGED}- {{session: down, {SESSION}}}\n- {{announce: 192.0.2.128/26, {SESSION}}}"
    assert [getattr(event, "feed", "") for event in bmp_events(tmp_path, steps)] == ["edge-1"]
    found = bmp_events(tmp_path, f"{CONVERGED}- {{announce: 192.0.2.128/26, {SESSION}, feed: {IPV4}}}")
    assert [getattr(event, "feed", "") for event in found] == [IPV4]


@pytest.mark.parametrize(
    ("steps", "place", "message"),
    [
        ("{session: down}", "session", "needs a circuit and link, an uplink, or a feed"),
        (
            f"{{session: down, {SESSION}, uplink: isp-a}}",
            "session",
            "needs a circuit and link, an uplink, or a feed",
        ),
        (
            "{session: down, circuit: plant, link: primary}",
            "link",
            "edge-5 does not report its session by BMP; add routers.edge-5.bmp: {peer: ADDRESS}",
        ),
        (
            "{session: down, feed: edge-1}",
            "feed",
            "edge-1 is not reported by BMP; its session is up or down",
        ),
        (
            f"{{session: down, uplink: isp-a, feed: {IPV4}}}",
            "feed",
            "cannot be combined with a link or an uplink, which name their feeds",
        ),
        ("{session: down, uplink: isp-x}", "uplink", "'isp-x' is not an uplink in this configuration; did"),
        (
            "{bmp_down: edge-2}",
            "bmp_down",
            "'edge-2' is not a router that reports by BMP in this configuration; did you mean edge-1?",
        ),
        (
            f"{{bmp_down: edge-1}}\n- {{session: down, {SESSION}}}",
            "session",
            "bmp/edge-1 is not connected at this point; first use bmp_up or converge",
        ),
        (
            "{bmp_down: edge-1}\n- {statistics: edge-1}",
            "statistics",
            "bmp/edge-1 is not connected at this point; first use bmp_up or converge",
        ),
    ],
)
def test_a_step_about_bmp_that_cannot_happen_is_an_error(
    tmp_path: Path, steps: str, place: str, message: str
):
    (found,) = errors(write(tmp_path, f"{CONVERGED}- {steps}", head=BMP))
    assert f".{place}: {message}" in found


def test_usual_routes_are_those_of_converge(tmp_path: Path):
    shown = events(tmp_path, "- converge: chicago-primary")[2]
    assert update(tmp_path, "- up: chicago-primary\n- {announce: usual, feed: chicago-primary}") == shown


@pytest.mark.parametrize(
    ("step", "place", "message"),
    [
        (
            "{at: 5s}",
            "",
            "does nothing and expects nothing; give one of converge, in_sync, up, end_of_rib, down, ",
        ),
        ("{up: edge-1, down: edge-2}", "down", "cannot be combined with up; make it a separate step"),
        ("{up: edge-9}", "up", "'edge-9' is not a feed in this configuration; did you mean "),
        (
            "{exabgp_up: x}",
            "exabgp_up",
            "'x' is not an ExaBGP process in this configuration; known: edges, outside",
        ),
        (
            "{down: edge-1, feed: x}",
            "feed",
            "belongs to session or announce or withdraw, which this step does not have",
        ),
        ("{announce: 9.0.0.0/8}", "feed", "is missing; name the feed that shows it, or the circuit and link"),
        (
            "{announce: 9.0.0.0/8, circuit: plant}",
            "link",
            "is missing; a link is named by circuit and link together",
        ),
        (
            "{announce: 9.0.0.0/8, circuit: plant, link: third}",
            "link",
            "'third' is not a link of plant in this configuration; known: primary, secondary",
        ),
        (
            "{announce: 9.0.0.0/8, feed: isp-a, circuit: plant, link: primary}",
            "link",
            "is for routes of an edge-table only: it names their link; isp-a is to-internet",
        ),
        ("{announce: all, feed: isp-a}", "announce", "must be prefixes, or the word usual alone"),
        (
            "{announce: [usual, 9.0.0.0/8], feed: isp-a}",
            "announce",
            "must be prefixes, or the word usual alone",
        ),
        (
            "{announce: usual, feed: isp-a, path: 1}",
            "path",
            "cannot be combined with usual, which has its own; name the prefixes instead",
        ),
        (
            "{withdraw: 9.0.0.0/8, feed: isp-a}",
            "withdraw",
            "9.0.0.0/8 is not there to withdraw; isp-a shows 198.51.100.128/27, 2001:db8:100:80::/64",
        ),
        (
            "{withdraw: all, feed: isp-a, path_id: 4}",
            "withdraw",
            "isp-a shows nothing of this at this point",
        ),
    ],
)
def test_a_step_that_cannot_happen_is_an_error(tmp_path: Path, step: str, place: str, message: str):
    (found,) = errors(write(tmp_path, f"{CONVERGED}- {step}"))
    path = f"scenarios[0].steps[1]{'.' * bool(place)}{place}: "
    assert f" {path}{message}" in found


def test_a_feed_carries_its_families_only(tmp_path: Path):
    more = "    changes: {feeds: {isp-a: {families: [ipv4]}}}"
    (found,) = errors(write(tmp_path, CONVERGED + "- {announce: '2001:db8::/32', feed: isp-a}", more=more))
    assert "announce: 2001:db8::/32: isp-a carries ipv4 only" in found


def test_a_link_that_no_feed_shows_needs_one_named(tmp_path: Path):
    more = "    changes: {feeds: {edge-1: null}}"
    step = "- {announce: 9.0.0.0/8, circuit: chicago, link: primary}"
    (found,) = errors(write(tmp_path, CONVERGED + step, more=more))
    assert "link: no feed is an edge-table of edge-1, the router of this link; name a feed" in found


def test_only_the_first_of_related_mistakes_is_reported(tmp_path: Path):
    found = errors(
        write(
            tmp_path,
            "- up: isp-z\n- {announce: 9.0.0.0/8, feed: isp-a}\n- {withdraw: 9.9.0.0/16, feed: isp-a}",
        )
    )
    assert len(found) == 1


@pytest.mark.parametrize(
    ("offset", "written"),
    [
        (0.0, "0s"),
        (12.0, "12s"),
        (12.5, "12.5s"),
        (0.25, "250ms"),
        (119.999, "119.999s"),
        (86460.0, "86460s"),
    ],
)
def test_a_time_is_written_as_a_duration(offset: float, written: str):
    assert seconds(offset) == written


@pytest.mark.parametrize(
    ("step", "written"),
    [
        ("{down: [edge-1, isp-a]}", "down edge-1, isp-a"),
        ("{end_of_rib: edge-1, family: ipv6}", "end of rib edge-1 of ipv6"),
        ("{withdraw: all, circuit: chicago, link: primary}", "withdraw all on chicago primary"),
        ("{announce: 2001:db8:100:99::/64, feed: isp-a}", "announce 2001:db8:100:99::/64 on isp-a"),
        ("{announce: {count: 20, of: 9.0.0.0/8}, feed: isp-a}", "announce 20 prefixes of 9.0.0.0/8 on isp-a"),
        (
            "{announce: [9.0.0.0/8, 9.1.0.0/16, 9.2.0.0/16, 9.3.0.0/16, 9.4.0.0/16], feed: isp-a}",
            "announce 9.0.0.0/8, 9.1.0.0/16, 9.2.0.0/16 and 2 more on isp-a",
        ),
        ("{at: 1h, expect: {not_raised: link-down}}", "(wait)"),
    ],
)
def test_a_step_has_a_short_text(tmp_path: Path, step: str, written: str):
    assert read(tmp_path, f"- converge: all\n- {step}").acts[1].text == written
