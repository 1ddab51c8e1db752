"""The status page in a real browser, over a real ermon and real BGP sessions."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Locator, expect

from tests.bench import page as bench
from tests.checks.company import V4
from tests.checks.company import company as demo_company
from tests.e2e.browser import Scheme, Visit, chromium, visiting
from tests.e2e.company import EXCHANGE, MSEE, POOL, Company, bring, configuration, own_network
from tests.e2e.pictures import (
    HEIGHT,
    MAX_BYTES,
    SCHEMES,
    WIDTH,
    demo_with_a_leak,
    looking_at_the_leak,
    picture,
)
from tests.story import Story, config

HOSTILE = "<img src=x onerror=alert(1)>"
CIRCUITS = 6
"""More circuits than are open at first, with so many pools that there are more findings than are shown at once."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    """One ermon for all tests: each test leaves it as it was."""
    with tempfile.TemporaryDirectory(prefix="ermon-") as directory:
        company = Company(Path(directory), configuration(own_network()))
        with company.running():
            yield company


@pytest.fixture
def url(company: Company) -> str:
    company.wait_until_well()
    return f"http://{company.daemon.address}/"


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    """A visit to the page of a network that is well."""
    with visiting(browser, url) as visit:
        expect(visit.headline).to_contain_text("All is well")
        yield visit


def drawn(visit: Visit, kind: str, name: str) -> Locator:
    """A link, an uplink, a router … in the drawing."""
    return visit(f".drawing g.{kind}", has_text=name)


# A good day ------------------------------------------------------------------------------------------


def test_everything_is_there_on_a_good_day(visit: Visit):
    expect(visit.connection).to_have_text("● Live")
    expect(visit.page).to_have_title("● All is well - ermon")
    expect(visit("#findings")).to_contain_text("Nothing is raised.")
    assert "unsafe" not in visit.headers["content-security-policy"]

    picture = visit("#network .drawing")
    expect(picture).to_have_count(1)
    for name in ("Microsoft", "Internet", "edge-1", "edge-2"):
        expect(picture).to_contain_text(name)
    for link in ("primary", "secondary"):
        expect(drawn(visit, "link", link)).to_have_class("link up")
        expect(drawn(visit, "link", link)).to_contain_text("pool chi-outbound")
    expect(drawn(visit, "circuit", "chicago")).to_contain_text("Chicago, us")
    expect(drawn(visit, "uplink", "isp-a AS64510")).to_contain_text("no pool announced")
    expect(drawn(visit, "view", "seen from outside")).to_contain_text("no pool heard")
    expect(picture.get_by_role("img")).to_have_accessible_name(
        re.compile("Link primary of chicago on edge-1: IPv4, IPv6 up; pool chi-outbound yes")
    )

    expect(visit("#circuits summary")).to_contain_text("● IPv4 up, 2 of 2 links")
    expect(visit.row("Links of circuit chicago", "of exchange-online").get_by_role("cell")).to_have_text(
        ["1"] * 4
    )
    for family in ("IPv4", "IPv6"):
        expect(visit(".difference")).to_contain_text(f"{family}: every link receives the same prefixes.")
    answers = ["198.51.100.0/28, 2001:db8:100:10::/64", "● yes", "● yes", "○ no", "○ no"]
    matrix = visit.row("NAT pools by link and by view of the internet", "chi-outbound")
    expect(matrix.get_by_role("cell")).to_have_text(answers)
    for feed in ("edge-1", "edge-2-msee", "outside"):
        expect(visit.row("Feeds", feed)).to_contain_text("● up● yes")

    expect(visit("#history")).to_have_attribute("data-complete", "true")
    expect(visit.page.get_by_role("list", name="Link states").locator(".band")).to_have_count(4)
    expect(visit("#chart canvas")).to_be_visible()
    expect(visit("#chart")).to_have_accessible_name(re.compile("now: primary IPv4 1, primary IPv6 1"))


def test_the_day_has_24_hours(visit: Visit):
    since = visit.row("Feeds", "outside").get_by_role("cell").nth(2)
    expect(since).to_have_text(re.compile(r"^(\d+ \w+ )?([01]\d|2[0-3]):[0-5]\d:[0-5]\d UTC$"))
    expect(visit("main")).not_to_contain_text(re.compile(r"\d [AP]M\b"))


def test_feeds_can_be_picked(visit: Visit):
    visit.page.get_by_label("Show feeds with").fill("msee")
    expect(visit("#feeds tbody th")).to_have_text(["edge-1-msee", "edge-2-msee"])


# Search ----------------------------------------------------------------------------------------------


def test_a_search_shows_the_link_the_path_and_the_communities_by_name(visit: Visit):
    visit.search(EXCHANGE["ipv6"])
    expect(visit("#search")).to_contain_text(f"To {EXCHANGE['ipv6']}: 2 routes")
    row = visit.row(f"To {EXCHANGE['ipv6']}", "edge-2")
    for text in ("chicago secondary", "12076 8075", "exchange-online (12076:5010)"):
        expect(row).to_contain_text(text)


def test_a_search_finds_covering_and_more_specific_routes(visit: Visit):
    visit.search("192.0.2.5")
    expect(visit.row("Covering 192.0.2.5/32 (less specific)", "edge-1")).to_contain_text("192.0.2.0/26")
    expect(visit("#search")).to_contain_text("○ edge-1-msee, edge-2-msee, edge-1-isp-a: no route")
    visit.search("198.51.100.0/24")
    for feed in ("edge-1-msee", "edge-1-isp-a"):
        expect(visit.row("Inside 198.51.100.0/24 (more specific)", feed)).to_be_visible()


# Live ------------------------------------------------------------------------------------------------


def test_a_leak_appears_and_disappears_live(company: Company, visit: Visit):
    visit.live_on_events()
    company.leak(POOL["ipv4"])
    finding = visit.finding(f"NAT pool chi-outbound {POOL['ipv4']} is advertised to isp-a by edge-1")
    expect(finding).to_contain_text("198.51.100.0/28")
    expect(visit.headline).to_contain_text("Raised: 1 critical.")
    expect(visit.headline).to_contain_text("to isp-a by edge-1")
    expect(visit.page).to_have_title(re.compile("▲ NAT pool chi-outbound .* - ermon"))
    expect(finding.locator("time.age")).to_have_text(re.compile(r"^([2-9]|\d\d) s$"))
    expect(visit.headline.locator("time.age")).to_have_text(re.compile(r"^\d+ s$"))
    sent = finding.locator(".guide li").first
    expect(sent.locator(".asked > .command code")).to_contain_text('$3 == "203.0.113.129"')
    expect(sent).to_contain_text("show bgp ipv4 unicast neighbors 203.0.113.129 advertised-routes")
    expect(finding.get_by_role("link", name="The whole runbook")).to_have_attribute(
        "href", "runbooks/pool-leak"
    )
    uplink = drawn(visit, "uplink", "isp-a")
    expect(uplink).to_have_class("uplink down")
    for text in ("▲ pool chi-outbound", "▲ pool-leak"):
        expect(uplink).to_contain_text(text)
    matrix = visit.row("NAT pools by link and by view of the internet", "chi-outbound")
    expect(matrix).to_contain_text("▲ leaked")
    expect(visit("#bands .band", has_text="pool-leak chi-outbound IPv4")).to_be_visible()

    company.repair(POOL["ipv4"])
    expect(visit.headline).to_contain_text("All is well")
    expect(finding).to_have_count(0)
    expect(uplink).to_have_class("uplink clean")
    expect(visit("#cleared summary")).to_contain_text("cleared lately")
    visit("#cleared summary").click()
    expect(visit("#cleared li").first).to_contain_text("critical, lasted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_finding_has_a_page_with_commands_to_copy_and_keeps_it_when_it_is_over(
    company: Company, browser: Browser, url: str, scheme: Scheme
):
    company.leak(POOL["ipv6"])
    leak = company.daemon.wait_until_raised("pool-leak", family="ipv6")
    with visiting(browser, f"{url}findings/{leak['id']}", scheme=scheme) as visit:
        what = f"NAT pool chi-outbound {POOL['ipv6']} is advertised to isp-a by edge-1"
        expect(visit("h2#what")).to_contain_text(what)
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        stop = visit("ol.plan > li").nth(1)
        expect(stop).to_contain_text(f"if net ~ [ {POOL['ipv6']}+ ] then reject;")
        for where, typed in (
            ("in bird[.]conf, first in the filter", f"if net ~ [ {POOL['ipv6']}+ ] then reject;"),
            ("then in a shell", "birdc configure"),
        ):
            stop.get_by_role(
                "button", name=re.compile(rf"Copy the command for edge-1, uplink isp-a, {where}")
            ).click()
            visit.page.wait_for_function(
                "async (wanted) => (await navigator.clipboard.readText()) === wanted", arg=typed
            )
        expect(stop.locator("details pre").first).to_be_hidden()
        stop.get_by_text("Other platforms").first.click()
        ios = stop.locator(".command", has_text=re.compile("ipv6 prefix-list ermon-stop-.* permit")).first
        ios.get_by_role("button", name="Copy the command for Cisco IOS-XE, edge-1, uplink isp-a").click()
        expect(ios.get_by_role("status")).to_have_text("Copied")
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert re.fullmatch(
            rf"ipv6 prefix-list ermon-stop-\S+ permit {POOL['ipv6']} le 128", copied.splitlines()[1]
        )
        assert not visit.barriers()
        assert visit.overflow() <= 0

        company.repair(POOL["ipv6"])
        expect(visit("h2#what")).to_contain_text("cleared (critical)", timeout=20_000)
        expect(visit("section", has_text="Course")).to_contain_text("It was cleared.")
        expect(stop.locator("details pre").first).to_be_visible()
        assert not visit.barriers()
        expect(visit("#finding")).to_contain_text("The routes of that time are not kept.")
        visit.page.get_by_role("navigation").get_by_role("link", name="Status").click()
        expect(visit.headline).to_contain_text("All is well")


def test_a_command_is_copied_where_the_browser_keeps_the_clipboard_from_pages(
    company: Company, browser: Browser, url: str
):
    """This is the case over plain HTTP from another machine."""
    company.leak(POOL["ipv4"])
    leak = company.daemon.wait_until_raised("pool-leak", family="ipv4")
    with visiting(browser, f"{url}findings/{leak['id']}", width=390, height=800) as visit:
        visit.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        command = visit("ol.plan .command").first
        command.get_by_role("button").click()
        expect(command.get_by_role("status")).to_have_text(re.compile("Copied|Selected"))
        assert "birdc" in visit.page.evaluate("getSelection().toString()")
        assert visit.overflow() <= 0
    company.repair(POOL["ipv4"])


def test_a_link_goes_down_and_comes_back_live(company: Company, visit: Visit):
    visit.live_on_events()
    edge = company.routers["edge-1"]
    edge.withdraw(EXCHANGE["ipv4"], EXCHANGE["ipv6"], path_id=1)
    link = drawn(visit, "link", "primary")
    expect(link).to_have_class("link down")
    for text in ("IPv4, IPv6 down", "since ", "▲ link-down"):
        expect(link).to_contain_text(text)
    expect(visit("#circuits summary")).to_contain_text("▲ IPv4 up, 1 of 2 links")
    advertised = visit.row("Links of circuit chicago", "Prefixes advertised")
    expect(advertised).to_contain_text("none while the link is down (1 would be)")
    expect(visit.headline).to_contain_text("Raised: 2 warning.")
    expect(visit("#bands .block.down").first).to_be_attached()

    for family in ("ipv4", "ipv6"):
        bring(edge, MSEE["edge-1"][family], EXCHANGE[family])
    expect(link).to_have_class("link up")
    expect(visit.headline).to_contain_text("All is well")


def test_unproven_values_are_unknown_and_neither_0_nor_no(browser: Browser):
    net = demo_company().converge().wait(60).down("edge-1").withdraw("chicago-secondary", V4.pool)
    with bench.serving(net) as url, visiting(browser, url) as visit:
        chicago = visit("#circuits details", has_text="chicago")
        for family in ("IPv4", "IPv6"):
            expect(chicago.locator("summary")).to_contain_text(f"◆ {family} up, 1 of 2 links; 1 unknown")
            expect(chicago.locator(".difference")).to_contain_text(f"{family}: it is unknown what primary")
        expect(chicago.locator(".difference")).not_to_contain_text("the same prefixes")
        for fact, known in (("Prefixes received", "2"), ("of exchange-online", "1")):
            cells = visit.row("Links of circuit chicago", fact).get_by_role("cell")
            expect(cells).to_have_text(["◆ unknown", "◆ unknown", known, known])
        expect(visit.row("Feeds", "edge-1")).to_contain_text("◆ unknown")
        expect(drawn(visit, "link", "secondary").first).to_contain_text("▲ missing: pool chi")


def test_a_prefix_that_only_one_link_receives_is_named(company: Company, visit: Visit):
    daemon = company.daemon
    bring(company.routers["edge-1"], MSEE["edge-1"]["ipv4"], "192.0.2.64/26")
    daemon.wait_until(lambda: routes(company) == 2, "ermon has the prefix")
    visit.come_back()
    expect(visit(".difference")).to_contain_text("IPv4, only on primary (1): 192.0.2.64/26")
    company.routers["edge-1"].withdraw("192.0.2.64/26", path_id=1)
    daemon.wait_until(lambda: routes(company) == 1, "ermon has it no more")
    visit.come_back()
    expect(visit(".difference")).to_contain_text("IPv4: every link receives the same prefixes.")


def routes(company: Company) -> int:
    found: int = company.daemon.link("chicago", "primary")["routes"]["ipv4"]
    return found


def test_blind_feeds_are_shown_and_foreign_text_is_no_markup(company: Company, visit: Visit):
    router = company.routers["outside"]
    router.shut_down(HOSTILE)
    expect(visit.headline).to_contain_text("ermon cannot see everything: 1 of 6 feeds is down")
    row = visit.row("Feeds", "outside")
    expect(row).to_contain_text("▲ down")
    expect(row).to_contain_text(HOSTILE)
    expect(visit("#feeds tbody th").first).to_have_text("outside")
    expect(visit("img")).to_have_count(0)
    expect(drawn(visit, "view", "outside")).to_contain_text("cannot be seen")
    router.enable()
    expect(visit.headline).to_contain_text("All is well")


def test_the_page_reports_that_ermon_does_not_respond_and_recovers_by_itself(
    company: Company, browser: Browser, url: str
):
    daemon = company.daemon
    with visiting(browser, url) as visit:
        expect(visit("#history")).to_have_attribute("data-complete", "true")
        assert daemon.process is not None
        daemon.process.kill()
        daemon.process.wait()
        expect(visit.connection).to_contain_text("▲ Connection to ermon lost")
        expect(visit.connection).to_contain_text(re.compile(r"This picture is [1-9]\d* s old"))
        expect(visit.headline).to_contain_text("No connection to ermon: the present state is unknown")
        expect(visit.headline).to_contain_text(
            re.compile(r"What is below is old: the state at \d\d:\d\d:\d\d UTC")
        )
        expect(visit.headline).not_to_contain_text("All is well")
        assert visit.headline_is_shown()
        expect(visit.headline).to_be_in_viewport()
        for part in ("Findings", "Network", "Circuits", "NAT pools", "Feeds"):
            old = visit.page.get_by_role(
                "heading", name=re.compile(rf"^{part} \(old: as of \d\d:\d\d:\d\d UTC\)$")
            )
            expect(old).to_be_visible()
        assert visit.barriers() == []
        flags = daemon.flags
        daemon.flags = (*flags, f"--web.listen-address={daemon.address}")
        daemon.start()
        daemon.flags = flags
        expect(visit.connection).to_have_text("● Live")
        expect(visit.headline).to_contain_text("All is well")
        expect(visit.page.get_by_role("heading", name=re.compile("old"))).to_have_count(0)
        company.leak(POOL["ipv6"])
        expect(visit.finding("NAT pool chi-outbound")).to_be_visible()
        company.repair(POOL["ipv6"])
        visit.complaints[:] = [text for text in visit.complaints if "Failed to load resource" not in text]


# For everybody ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaking(browser: Browser) -> Iterator[str]:
    """The demo's network while its NAT pool leaks."""
    with demo_with_a_leak() as url:
        yield url


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_picture_shows_the_leak(browser: Browser, leaking: str, scheme: Scheme, tmp_path: Path):
    with looking_at_the_leak(browser, leaking, scheme) as visit:
        for text in ("NAT pool outbound 198.51.100.0/28 is advertised to isp-a by edge-1", "since"):
            expect(visit.headline).to_contain_text(text)
        for part in (visit.finding("NAT pool outbound"), drawn(visit, "uplink", "isp-a"), visit(".headline")):
            expect(part).to_be_in_viewport()
        visit.page.screenshot(path=tmp_path / "page.png")
    assert size_of(tmp_path / "page.png") == size_of(picture(scheme)) == (WIDTH, HEIGHT)
    assert picture(scheme).stat().st_size < MAX_BYTES


def size_of(png: Path) -> tuple[int, int]:
    """Width and height, as the header has them (RFC 2083 section 4.1.1)."""
    header = png.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_accessible(browser: Browser, leaking: str, scheme: Scheme):
    with visiting(browser, leaking, scheme=scheme, height=4000) as visit:
        expect(visit("#history")).to_have_attribute("data-complete", "true")
        visit.search("198.51.100.0/24")
        expect(visit("#search table").first).to_be_visible()
        assert visit.barriers() == []


def test_on_a_phone_nothing_is_cut_off(browser: Browser, leaking: str):
    with visiting(browser, leaking, width=375, height=780) as visit:
        expect(visit.headline).to_be_in_viewport()
        expect(visit("#chart canvas")).to_be_visible()
        visit("#raised summary").click()
        expect(visit("#raised .guide li").first).to_be_visible()
        for width in (375, 360):
            visit.page.set_viewport_size({"width": width, "height": 780})
            assert visit.overflow() == 0
            assert visit.cut_off() == []
        visit.page.get_by_label("Search for a prefix").fill("198.51.100.0/24")
        visit.page.get_by_label("Search for a prefix").press("Enter")
        expect(visit("#search .stacked li", has_text="198.51.100.0/28 on").first).to_be_visible()
        assert (visit.overflow(), visit.cut_off()) == (0, [])
        leak = visit("#pools li", has_text="to isp-a")
        expect(leak).to_contain_text("▲ leaked")
        expect(visit("#network")).to_contain_text("▲ isp-a AS")
        expect(visit("table:not(.u-legend)")).to_have_count(0)
        visit.page.set_viewport_size({"width": 1280, "height": 900})
        expect(visit("#network .drawing")).to_have_count(1)
        expect(visit.table("Feeds")).to_be_visible()


def test_a_keyboard_is_enough(browser: Browser, leaking: str):
    with visiting(browser, leaking, width=500) as visit:
        keyboard = visit.page.keyboard
        keyboard.press("Tab")
        expect(visit(".skip")).to_be_focused()
        keyboard.press("Enter")
        keyboard.press("Tab")
        expect(visit("#raised article a").first).to_be_focused()
        keyboard.press("Tab")
        expect(visit("#raised summary")).to_be_focused()
        keyboard.press("Enter")
        expect(visit("#raised .guide li").first).to_be_visible()


def test_many_circuits_and_findings_stay_readable(browser: Browser):
    net = bench.leak_everything(bench.converge(Story(config(yaml.safe_dump(bench.large(CIRCUITS))))))
    raised = len(net.monitor.findings())
    with bench.serving(net) as url, visiting(browser, url) as visit:
        expect(visit("#raised article")).to_have_count(20)
        expect(visit("#raised .guide a").first).to_be_visible()  # it moves the button
        visit.page.get_by_role("button", name=f"Show all {raised} findings").press("Enter")
        expect(visit("#raised article")).to_have_count(raised)
        expect(visit("#network .drawing.dense")).to_have_count(CIRCUITS + 2)
        expect(visit("#network").get_by_role("group", name="Routers without a circuit")).to_contain_text(
            "isp-8"
        )
        expect(visit("#network").get_by_role("group", name="Views of the internet")).to_contain_text(
            "outside"
        )

        expect(visit("#history")).to_have_attribute("data-complete", "true")
        assert visit.asked_for("/api/v1/circuits/") == [], "what is closed is not asked for"
        visit("#circuits summary").last.press("Enter")
        expect(visit(".difference", has_text="the same prefixes")).to_have_count(1)
        assert len(visit.asked_for("/api/v1/circuits/")) == 1
