"""The output of `ermon status` for an engineer on call, and for scripts."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import unused_port
from rich.console import Console

from ermon.model.azure import AzureReading
from ermon.model.events import SessionDown
from ermon.model.ownership import RouteObject, Vrp
from ermon.model.settings import MaintenanceWindow
from ermon.terminal.display import Cropped, headline_line, make_console
from ermon.terminal.overview import overview
from tests.checks.company import V4, V6, Company, Space, company
from tests.terminal.looking import Seen, look, look_at, picture_of, snapshot_of

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]all is well[/red]\r\n● All is well. \u202e:boom:"


def drawn(snapshot: dict[str, Any], *, width: int = 80, everything: bool = False) -> Seen:
    out = io.StringIO()
    console = make_console(out)
    console.width = width
    for part in overview(picture_of(snapshot), width, everything=everything):
        console.print(part)
    return Seen(0, out.getvalue(), "")


# The first line, and the exit code -------------------------------------------------------------------


async def test_a_good_day_is_0(net: Company):
    seen = await look(net, "status")
    assert (seen.code, seen.lines[0], seen.err) == (0, "● All is well.", "")
    assert seen.section("Findings") == "● Nothing is raised."


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Kolkata", "since 16:37:42 UTC+5:30 (11:07:42 UTC)"),
        ("America/New_York", "since 06:07:42 UTC-5 (11:07:42 UTC)"),
        ("Pacific/Kiritimati", "since 01:07:42 UTC+14 (11:07:42 UTC)"),
    ],
)
async def test_times_are_shown_in_the_local_zone_and_in_utc(
    net: Company, clock_of: Callable[[str], None], zone: str, told: str
):
    clock_of(zone)
    assert told in (await look(net.announce("isp-a", V4.pool, path="64500").wait(75), "status")).section(
        "Findings"
    )


@pytest.mark.parametrize(
    ("zone", "columns", "told"),
    [
        ("UTC", 100, "Since Prefixes Advertised primary edge-1 IPv4 ● up 1 min 11:06:42 UTC 2"),
        ("Asia/Kolkata", 110, "For Prefixes Advertised"),
        ("Asia/Kolkata", 125, "● up 1 min 16:36:42 UTC+5:30 (11:06:42 UTC) 2"),
    ],
)
async def test_links_have_the_time_of_their_state_in_both_zones_where_there_is_room(
    net: Company,
    clock_of: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    columns: int,
    told: str,
):
    clock_of(zone)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert told in (await look(net, "status")).section("Circuits")


@BOTH_FAMILIES
async def test_a_leak_exits_with_1_and_shows_place_time_and_steps(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(75)
    seen = await look(net, "status")
    assert (seen.code, seen.lines[0]) == (1, f"▲ NAT pool chi {space.pool} is advertised to isp-a by edge-1.")
    assert seen.lines[1] == "Raised: 1 critical."
    finding = seen.section("Findings")
    family = {"ipv4": "IPv4", "ipv6": "IPv6"}[space.family]
    assert finding.startswith(f"▲ critical NAT pool chi {space.pool} is advertised to isp-a by edge-1")
    assert "for 1 min 15 s, since 11:07:42 UTC" in finding
    assert f"pool chi, {family}, feed isp-a" in finding
    assert f"prefixes {space.pool}; AS paths 64500" in finding
    [leak] = (await look(net, "status", "--json")).data["findings"]
    assert finding.endswith(f"ermon explain {leak['id']}")
    assert "\nWhat to do\n" in (await look(net, "explain", leak["id"])).out
    assert f"▲ isp-a {family}" in seen.section("NAT pools")


async def test_windows_and_exceptions_show_reason_and_end(net: Company):
    begins, ends = (datetime.fromtimestamp(net.now + seconds, UTC) for seconds in (0, 3600))
    net.monitor.maintain(
        [
            MaintenanceWindow(
                begins, ends, "new optics", circuit="chicago", link="primary", id="1a2b", by="anna"
            )
        ],
        net.now,
    )
    seen = await look(net, "status")
    assert seen.code == 4
    assert seen.first.startswith("▼ In maintenance: link primary of circuit chicago (until 12:07:42 UTC")
    told = seen.section("Maintenance and exceptions")
    assert told.startswith("▼ maintenance by anna, circuit chicago, link primary: new optics (until 12:07:42")
    assert told.endswith("UTC, ends in 59 min 59 s; ermon maintenance end 1a2b)")
    after = await look(net.wait(3600), "status")
    assert after.code == 0
    assert "Maintenance" not in after.out


@BOTH_FAMILIES
async def test_a_finding_that_outlasts_its_maintenance_has_the_same_age_everywhere(
    net: Company, space: Space
):
    begins, ends = (datetime.fromtimestamp(net.now + seconds, UTC) for seconds in (0, 20))
    window = MaintenanceWindow(begins, ends, "new optics", circuit="chicago", link="primary")
    net.monitor.maintain([window], net.now)
    net.wait(6).lose("chicago-primary", space.family)
    noticed = await look(net.wait(19), "status")
    assert " for 19 s, raised in" in noticed.section("Noticed")
    assert "down 19 s" in noticed.section("Circuits")
    raised = await look(net.wait(21), "status")
    assert raised.section("Findings").startswith("▲ warning Link primary")
    assert "for 40 s, since" in raised.section("Findings")
    assert "down 40 s" in raised.section("Circuits")


@BOTH_FAMILIES
async def test_a_dead_circuit_in_maintenance_is_not_well(space: Space):
    """It raises nothing, because the window suppresses it; but traffic that needs the circuit does not flow."""
    net = company("checks: {geo-not-redundant: {enabled: false}}").process_up("edges").process_up("outside")
    net.converge().wait(60)
    begins, ends = (datetime.fromtimestamp(net.now + seconds, UTC) for seconds in (0, 3600))
    net.monitor.maintain([MaintenanceWindow(begins, ends, "circuit move", circuit="chicago")], net.now)
    for link in ("chicago-primary", "chicago-secondary"):
        net.lose(link, space.family)
    seen = await look(net.wait(120), "status")
    assert seen.code == 4
    assert "well" not in seen.first
    assert seen.first.startswith("▼ In maintenance: Circuit chicago ")
    told = seen.section("Maintenance and exceptions")
    assert "▲ suppressed: Circuit chicago " in told
    assert "6 more violations follow from it" in told
    assert "Link primary" not in told
    assert "down" in seen.section("Circuits")


async def test_a_router_is_not_waited_for_since_before_ermon_was_started(net: Company):
    net.wait(700).restart().process_up("edges").process_up("outside")
    feeds = (await look(net.wait(3), "status")).section("Feeds")
    assert "◆ waiting for the" in feeds
    assert " min" not in feeds
    assert " min" in (await look(net.converge().wait(180), "status")).section("Feeds")


async def test_unseen_without_findings_exits_with_4_and_is_the_headline(net: Company):
    seen = await look(net.down("outside"), "status")
    assert seen.code == 4
    assert seen.first == "◆ ermon cannot see everything: 1 of 10 feeds is down. outside: down."


@BOTH_FAMILIES
async def test_a_noticed_violation_exits_with_4_and_shows_when_it_will_be_raised(net: Company, space: Space):
    seen = await look(net.lose("chicago-primary", space.family).wait(4), "status")
    assert (seen.code, seen.lines[0][:19]) == (4, "▲ Noticed: Link pri")
    assert "raised at 11:07:52 UTC if it lasts." in seen.first
    assert re.search(r"▲ warning Link primary .* for 4 s, raised in [56] s", seen.section("Noticed"))


@BOTH_FAMILIES
async def test_a_recovering_finding_exits_with_1_and_shows_since_when_it_is_gone(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(30)
    seen = await look(net.withdraw("isp-a", space.pool).wait(10), "status")
    assert (seen.code, seen.lines[0][:21]) == (1, "○ Recovering: NAT poo")
    assert seen.section("Findings").startswith("○ recovering (critical) NAT pool")
    assert "▲" not in seen.section("Findings")
    course = "gone since 11:08:12 UTC, clears at 11:09:12 UTC; it lasted 30 s"
    assert course in seen.section("Findings")
    assert (await look(net.wait(60), "status")).code == 0


@BOTH_FAMILIES
async def test_the_list_has_the_order_of_the_api_and_begins_with_the_headline(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(5)
    net.withdraw("isp-a", space.pool).lose("chicago-primary", space.family).wait(5)
    net.down("edge-3").down("dallas-primary").wait(40)
    listed, asked = await look(net, "status"), await look(net, "status", "--json")
    down, leaked, feeds = (
        listed.section("Findings").index(words)
        for words in (
            "▲ warning Link primary",
            "○ recovering (critical) NAT",
            "▲ warning edge-3: 2 of 2 feeds down",
        )
    )
    assert down < feeds < leaked
    assert listed.lines[0].startswith("▲ Link primary of circuit chicago")
    every = await look(net, "status", "--all")
    ids = re.findall(r"ermon explain (\w+)", every.out)
    assert ids == [each["id"] for each in asked.data["findings"] if each["state"] == "raised"]


@pytest.mark.parametrize("command", [("status",), ("routes", V4.exchange)])
async def test_in_a_pipe_no_line_is_filled_up_with_spaces(net: Company, command: tuple[str, ...]):
    seen = await look(net.announce("isp-a", V4.pool, path="64500").wait(5), *command)
    assert seen.lines
    assert [line for line in seen.lines if line != line.rstrip()] == []


async def test_scripts_get_the_same_with_json(net: Company):
    seen = await look(net.down("outside"), "status", "--json")
    assert (seen.code, seen.data["status"]["headline"]["kind"]) == (4, "unseen")


async def test_the_feeds_of_a_router_that_is_gone_are_one_finding(net: Company):
    net.down("edge-3").down("dallas-primary").wait(40)
    findings = (await look(net, "status")).section("Findings")
    assert findings.startswith(
        "▲ warning edge-3: 2 of 2 feeds down for 40 s, since 11:07:42 UTC: 2 feed-down"
    )
    assert "Feed edge-3 is down" not in findings
    assert "Feed edge-3 is down" in (await look(net, "status", "--all")).section("Findings")


async def test_a_finding_for_information_does_not_count(net: Company):
    net.microsoft_sends(
        "chicago-primary",
        V4.exchange,
        V4.sharepoint,
        V6.exchange,
        V6.sharepoint,
        path="12076 12076 12076 12076 8075",
    )
    seen = await look(net.wait(1), "status")
    assert seen.code == 4
    assert seen.lines[0] == "▼ Microsoft is draining link primary of circuit chicago (IPv4, IPv6)."
    assert "○ info" in seen.section("Findings")


def test_problems_and_blind_feeds_are_both_shown(net: Company):
    net.announce("isp-a", V4.pool, path="64500").down("outside").wait(1)
    headline = picture_of(snapshot_of(net)).status.headline
    assert headline.kind == "wrong"
    assert headline_line(headline) == (
        f"▲ NAT pool chi {V4.pool} is advertised to isp-a by edge-1. Raised: 1 critical. 1 more violation noticed. "
        "ermon cannot see everything: 1 of 10 feeds is down (outside: down)."
    )


def test_unknown_states_are_shown_as_bad(net: Company):
    snapshot = snapshot_of(net.announce("isp-a", V4.pool, path="64500").wait(1))
    snapshot["status"]["headline"] = {
        "kind": "apocalypse",
        "text": "The end is near",
        "about": "All of it.",
        "since": None,
    }
    snapshot["findings"][0]["severity"] = "apocalyptic"
    seen = drawn(snapshot)
    assert seen.lines[0] == "◆ The end is near."
    assert seen.lines[1] == "All of it."
    assert seen.section("Findings").startswith("▲ apocalyptic NAT pool chi")


async def test_an_unreachable_daemon_exits_with_3():
    seen = await look_at(f"http://127.0.0.1:{unused_port()}", "status")
    assert (seen.code, seen.out) == (3, "")
    assert "cannot be reached" in seen.err


@pytest.mark.parametrize("command", [["status"], ["routes", "192.0.2.0/26"]])
async def test_an_address_that_is_none_is_2(command: list[str]):
    assert (await look_at("ermon", *command)).code == 2


# Circuits, pools, feeds ------------------------------------------------------------------------------


async def test_a_link_is_shown_in_each_family(net: Company):
    net.withdraw("edge-1", V6.exchange, V6.sharepoint).wait(125)
    seen = await look(net, "status")
    rows = [line for line in seen.lines if re.search(r"IPv[46]  +[●▲]", line)]
    assert [row.split() for row in rows[:2]] == [
        ["primary", "edge-1", "IPv4", "●", "up", "3", "min", "5", "s", "2", "1", "of", "200"],
        ["IPv6", "▲", "down", "2", "min", "5", "s", "0", "none", "(1", "when", "up)"],
    ]
    assert "▲ missing on chicago" in seen.section("NAT pools")
    assert "primary IPv6" in seen.section("NAT pools")


def test_problems_come_first(net: Company):
    net.withdraw("edge-3", V4.exchange, V4.sharepoint).down("outside").wait(1)
    seen = drawn(snapshot_of(net))
    assert seen.section("Circuits").startswith("▲ dallas")
    assert seen.section("NAT pools").split("internet ", 1)[1].startswith("dal ")
    assert seen.section("Feeds").split("Shows ", 1)[1].startswith("outside ▲ down: closing")
    assert seen.section("Feeds").endswith("isp-a ● up, in sync 1 min 3 s 2 to-internet isp-a")
    assert "None" not in seen.out


def test_a_missing_required_service_is_highlighted(net: Company):
    snapshot = snapshot_of(net)
    link = snapshot["status"]["circuits"]["chicago"]["links"]["primary"]
    link |= {"service_routes": {"teams": 2, "exchange": 0}, "services": {}}
    assert "primary receives ▲ no exchange, teams (2 routes)" in drawn(snapshot).section("Circuits")


@BOTH_FAMILIES
def test_unproven_values_are_unknown_and_neither_0_nor_no(net: Company, space: Space):
    seen = drawn(snapshot_of(net.down("edge-1")), width=120)
    family = {"ipv4": "IPv4", "ipv6": "IPv6"}[space.family]
    told = seen.section("Circuits")
    assert f"◆ {family} up, 1 of 2 links; 1 unknown" in told
    assert "primary receives exchange-online ◆ unknown" in told
    assert "no exchange-online" not in told
    [row] = [each for each in seen.lines if f"{family}    ◆ unknown" in each]
    assert row.count("◆ unknown") == 2, "the state and the number of prefixes"
    assert re.search(r"edge-1 ▲ down: closing connection .* unknown edge-table", seen.section("Feeds"))


@BOTH_FAMILIES
def test_one_family_of_a_service_may_be_unknown(net: Company, space: Space):
    net.end_of_rib("edge-1").down("edge-1").up("edge-1").bring("chicago-primary", "ipv4", "ipv6")
    net.end_of_rib("edge-1", family=space.family).wait(3)
    counts = {"ipv4": "IPv4 1, IPv6 unknown", "ipv6": "IPv4 unknown, IPv6 1"}[space.family]
    assert f"primary receives exchange-online ({counts})" in drawn(snapshot_of(net)).section("Circuits")


@BOTH_FAMILIES
def test_nothing_is_advertised_over_a_link_that_is_down(net: Company, space: Space):
    told = drawn(snapshot_of(net.lose("chicago-primary", space.family)), width=120).section("Circuits")
    family = {"ipv4": "IPv4", "ipv6": "IPv6"}[space.family]
    assert f"▲ {family} up, 1 of 2 links" in told
    assert re.search(rf"{family} ▲ down .* 0 none \(1 when up\)", told)


def test_a_pool_is_on_no_other_link_only_where_their_mirrors_prove_it(net: Company):
    def pools() -> str:
        return drawn(snapshot_of(net), width=160).section("NAT pools")

    assert "chi ● chicago primary ○ none ○ no" in pools()
    net.down("dallas-primary")
    assert "chi ● chicago primary ◆ 1 unknown ○ no" in pools()


def test_where_there_is_no_other_link_none_is_missing_there(net: Company):
    snapshot = snapshot_of(net)
    del snapshot["status"]["circuits"]["dallas"], snapshot["status"]["pools"]["dal"]
    assert "chi ● chicago primary no others ○ no" in drawn(snapshot).section("NAT pools")


def test_services_by_family_and_draining_are_shown_if_the_daemon_sends_them(net: Company):
    snapshot = snapshot_of(net)
    link = snapshot["status"]["circuits"]["chicago"]["links"]["primary"]
    link |= {
        "shown": {"ipv4": "draining", "ipv6": "up"},
        "services": {"exchange-online": {"ipv4": 2, "ipv6": 1}},
    }
    seen = drawn(snapshot).section("Circuits")
    assert "IPv4 ▼ draining" in seen
    assert "IPv6 ● up" in seen
    assert "exchange-online (IPv4 2, IPv6 1)" in seen


def test_a_newer_daemon_may_say_more_and_an_older_one_less(net: Company):
    snapshot = snapshot_of(net)
    snapshot["status"]["moon"] = "full"
    link = snapshot["status"]["circuits"]["chicago"]["links"]["primary"]
    link["shown"]["ipv4"] = "resting"
    for name in ("service_routes", "draining", "services", "watched_elsewhere", "location"):
        link.pop(name, None)
    assert "IPv4 ◆ resting" in drawn(snapshot).section("Circuits")


def test_of_many_only_those_with_a_problem_are_shown(net: Company):
    snapshot = snapshot_of(net)
    status = snapshot["status"]
    feed, circuit, pool = status["feeds"]["outside"], status["circuits"]["dallas"], status["pools"]["dal"]
    status["feeds"] = {f"feed-{n}": feed for n in range(199)} | {
        "broken": feed | {"state": "down", "overall": "down"}
    }
    status["circuits"] = {f"circuit-{n}": circuit for n in range(50)}
    status["pools"] = {f"pool-{n}": pool for n in range(40)}
    seen = drawn(snapshot)
    assert "broken" in seen.section("Feeds")
    assert "● 199 feeds more up and in sync; --all shows them" in seen.section("Feeds")
    assert seen.section("Circuits") == "● 50 circuits more with every link up; --all shows them"
    assert seen.section("NAT pools").startswith("● 40 pools more")
    complete = drawn(snapshot, everything=True)
    assert all(f"{kind}-39" in complete.out for kind in ("feed", "circuit", "pool"))
    assert "--all" not in complete.out


async def test_recently_cleared_findings_are_at_the_end(net: Company):
    net.announce("isp-a", V4.pool, path="64500").wait(30).withdraw("isp-a", V4.pool).wait(61)
    seen = await look(net, "status")
    assert seen.code == 0
    assert re.search(r"pool-leak NAT pool chi .* lasted 30 s", seen.section("Cleared lately"))


def test_the_steps_of_the_clock_are_shown_the_latest_first(net: Company):
    snapshot = snapshot_of(net)
    assert "Clock of ermon" not in drawn(snapshot).out
    snapshot["status"]["clock_steps"] = [
        {"time": net.now - ago, "text": text, "seconds": 0.0, "suspended": 0.0}
        for ago, text in ((60, "machine suspended for 8 h 0 min"), (30, "clock set back by 1 h 0 min"))
    ]
    shown = drawn(snapshot).section("Clock of ermon's machine, last 24 hours")
    assert re.search("UTC clock set back by 1 h 0 min .* UTC machine suspended for 8 h 0 min", shown)


# The terminal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 44, 80, 140])
def test_no_line_is_wider_than_the_terminal_and_no_state_is_lost(net: Company, width: int):
    net.announce("isp-a", V4.pool, path="64500").down("edge-2").wait(90)
    seen = drawn(snapshot_of(net), width=width)
    assert max(map(len, seen.lines)) <= width
    assert all(shape in seen.section("Circuits") for shape in "●◆")


async def test_text_of_a_peer_is_shown_without_control_characters(net: Company):
    net.monitor.apply(SessionDown(net.now, "outside", HOSTILE))
    seen = await look(net.wait(40), "status")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", seen.out)
    told = seen.section("Feeds").replace(" ", "")
    assert "[red]alliswell[/red]" in told
    assert ":boom:" in told
    assert seen.lines[0].startswith("▲ Feed outside is down")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(net: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    picture = picture_of(snapshot_of(net))

    def written(stream: io.StringIO) -> str:
        make_console(stream).print(*overview(picture, 80))
        return stream.getvalue()

    plain, colourful = written(io.StringIO()), written(Terminal())
    assert "\x1b" not in plain
    assert "\x1b[1;32m● All is well." in colourful
    monkeypatch.setenv("NO_COLOR", "1")
    assert written(Terminal()) == plain


def test_a_terminal_without_the_shapes_gets_others(net: Company):
    net.withdraw("edge-1", V4.exchange, V4.sharepoint).wait(1)
    snapshot = snapshot_of(net)
    snapshot["status"]["circuits"]["chicago"]["location"] = "Zürich"
    raw = io.BytesIO()
    console: Console = make_console(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    console.print(*overview(picture_of(snapshot), 80))
    out = raw.getvalue().decode("ascii")
    assert out.startswith("! Noticed: Link primary")
    assert "! down" in out
    assert "Z?rich" in out


def test_a_watch_shows_as_much_as_fits_on_the_terminal(net: Company):
    out = io.StringIO()
    console = make_console(out)
    console.height = 10
    console.print(Cropped(*overview(picture_of(snapshot_of(net)), 80)), height=10)
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "● All is well."
    assert lines[-1] == "… more below: `ermon status` without --watch shows it"


# Scripts ---------------------------------------------------------------------------------------------


async def test_json_is_the_answer_of_the_api(net: Company):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    seen = await look(net, "status", "--json")
    assert seen.code == 1
    told, wanted = seen.data, snapshot_of(net)
    assert told.keys() == {"status", "findings"}
    assert told["findings"] == wanted["findings"]
    assert told["status"]["circuits"] == wanted["status"]["circuits"]


@BOTH_FAMILIES
async def test_what_registries_say_of_a_pool_is_shown_below_its_prefixes(space: Space):
    net = company("ownership: {vrps: [{from: vrps.json}], route_objects: [{from: irr.txt}]}").converge()
    net.reads_registry("vrps:vrps.json", vrps=(Vrp(space.own, 64500),))
    net.reads_registry("route-objects:irr.txt", route_objects=(RouteObject(space.own, 64999),))
    pools = (await look(net, "status")).section("NAT pools")
    assert f"ROA {space.own} AS64500" in pools
    assert f"route {space.own} AS64999" in pools


async def test_what_azure_said_too_long_ago_is_unknown():
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er"
    net = company(
        f"circuits: {{chicago: {{azure: {{resource_id: {resource}, from: azure.json}}}}}}"
    ).converge()
    net.azure_says("chicago", AzureReading(circuit_state="Enabled")).wait(900)
    arguments = ("status", "--all")
    assert "Azure, 15 min ago: circuit Enabled" in (await look(net, *arguments)).out
    net.wait(1800)
    assert "Azure: unknown; 45 min ago, which is too old to count" in (await look(net, *arguments)).out
