"""The headline of the status page in a real browser, in every kind; and changes made from the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, expect

from ermon.model.settings import MaintenanceWindow
from tests.checks.company import V4, V6, Company, company
from tests.e2e.browser import Scheme, Visit, chromium, visiting
from tests.e2e.watched import Watched
from tests.httpd.test_access import USERS

BOB = ("bob", "b")
LEAK = f"NAT pool chi {V4.pool} is advertised to isp-a by edge-1"


def good_day() -> Company:
    return company().process_up("edges").process_up("outside").converge().wait(200)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def watched() -> Iterator[Watched]:
    with Watched(good_day()).served() as watched:
        yield watched


@pytest.fixture
def visit(browser: Browser, watched: Watched) -> Iterator[Visit]:
    with visiting(browser, watched.url) as visit:
        says(visit, "well", "All is well", "●")
        yield visit


def says(visit: Visit, kind: str, text: str, shape: str) -> None:
    """The headline, its kind, its shape, and the title of the tab."""
    expect(visit.headline).to_have_class(f"headline {kind}")
    expect(visit.headline.locator("[role=status] p").first).to_contain_text(text)
    expect(visit.headline.locator(".shape")).to_have_text(shape)
    assert visit.headline_is_shown()
    expect(visit.page).to_have_title(re.compile(rf"^{shape} {re.escape(text)}"))


def tone(text: Locator) -> str:
    """The colour in which a text is shown."""
    found: str = text.evaluate("(each) => getComputedStyle(each).color")
    return found


def maintain(net: Company, **about: str) -> None:
    starts, ends = (datetime.fromtimestamp(net.now + later, UTC) for later in (0, 3600))
    net.monitor.maintain([MaintenanceWindow(starts, ends, "circuit move", **about, by="anna")], net.now)


def test_a_problem_is_the_headline_and_changes_over_recovering_to_well(watched: Watched, visit: Visit):
    watched.act(lambda net: net.announce("isp-a", V4.pool, path="64500").wait(3))
    says(visit, "wrong", LEAK, "▲")
    expect(visit.headline).to_contain_text("Raised: 1 critical.")
    watched.act(lambda net: net.withdraw("isp-a", V4.pool).wait(1))
    says(visit, "recovering", f"Recovering: {LEAK}", "○")
    finding = visit.finding(LEAK)
    expect(finding).to_contain_text("Gone since")
    severity = finding.locator(".severity")
    expect(severity).to_have_text("○ recovering (critical)")
    assert tone(severity) == tone(visit(".legend .recovering")), "one colour for one state"
    band = visit("#bands .band", has_text="pool-leak")
    expect(band).to_contain_text("○ recovering (critical)")
    expect(band.locator("a")).to_have_text("pool-leak chi IPv4 isp-a")
    expect(visit("main")).not_to_contain_text(re.compile("▲(?! down)"))
    expect(finding).to_contain_text("if it stays gone")
    expect(finding).to_have_class(re.compile("recovering"))
    expect(finding.locator("time.age")).to_have_count(0)
    watched.act(lambda net: net.wait(60))
    says(visit, "well", "All is well", "●")


def test_a_recovering_finding_has_the_same_mark_in_the_drawing_and_on_its_page(
    watched: Watched, visit: Visit
):
    watched.act(lambda net: net.announce("isp-a", V4.pool, path="64500").wait(3))
    drawn = visit(".drawing g.uplink", has_text="isp-a")
    expect(drawn).to_contain_text("▲ pool-leak")
    [leak] = [each for each in watched.net.monitor.findings() if each.check == "pool-leak"]
    watched.act(lambda net: net.withdraw("isp-a", V4.pool).wait(1))
    expect(drawn).to_contain_text("○ pool-leak recovering")
    expect(drawn).not_to_contain_text("▲")
    expect(visit(".legend")).to_contain_text("○ recovering: gone, and not cleared yet")
    assert not visit.barriers()

    visit.page.goto(f"{watched.url}/findings/{leak.id}")
    what = visit("#finding article").first
    expect(what.locator("h2")).to_contain_text(f"○ recovering (critical) {LEAK}")
    expect(what).to_contain_text(re.compile("Gone since .* UTC; clears at .* UTC if it stays gone"))
    expect(visit.page).to_have_title(re.compile("^○ "))
    course = visit("section", has_text="Course")
    expect(course).to_contain_text("It was gone. It may return.")
    expect(course).to_contain_text("It will be cleared if it stays gone.")
    assert not visit.barriers()


def test_a_noticed_violation_shows_when_it_will_be_raised(watched: Watched, visit: Visit):
    watched.act(lambda net: net.lose("chicago-primary", "ipv6").wait(4))
    says(visit, "noticed", "Noticed: Link primary of circuit chicago", "▲")
    expect(visit.headline).to_contain_text(re.compile(r"raised in \d+ s"))
    expect(visit("#noticed")).to_contain_text("▲ warning Link primary of circuit chicago")
    watched.act(lambda net: net.wait(6))
    says(visit, "wrong", "Link primary of circuit chicago", "▲")
    expect(visit("#noticed")).to_be_hidden()


def test_where_nothing_is_seen_the_cause_is_the_line_and_its_effects_are_one_card(
    watched: Watched, visit: Visit
):
    watched.act(lambda net: net.down("edge-3").down("dallas-primary"))
    says(visit, "unseen", "ermon cannot see edge-3: 2 of 2 feeds are down", "◆")
    watched.act(lambda net: net.wait(40))
    expect(visit("#raised article")).to_have_count(1)
    expect(visit("#raised article")).to_contain_text("edge-3: 2 of 2 feeds down")
    watched.act(lambda net: net.process_down("edges").process_down("outside").wait(200))
    says(visit, "wrong", "ermon sees nothing: ExaBGP is not running", "▲")
    expect(visit("#raised article")).to_have_count(1)
    expect(visit("#raised article")).to_contain_text("ermon sees nothing")
    visit("#raised summary").first.click()
    expect(visit("#raised li").first).to_be_visible()


def test_the_findings_stand_in_the_order_of_the_api_and_begin_with_the_headline(
    watched: Watched, visit: Visit
):
    watched.act(lambda net: net.announce("isp-a", V4.pool, path="64500").wait(3))
    watched.act(lambda net: net.announce("isp-a", V6.pool, path="64500").wait(3))
    watched.act(lambda net: net.withdraw("isp-a", V4.pool).lose("chicago-primary", "ipv4").wait(15))
    listed = visit("#raised article h3")
    expect(listed).to_have_count(3)
    for place, words in enumerate((V6.pool, "Link primary of circuit chicago", V4.pool)):
        expect(listed.nth(place)).to_contain_text(words)
    summaries = [finding.summary for finding in watched.net.monitor.findings()]
    assert [
        text.partition(") ")[2] or text.split(" ", 2)[2] for text in listed.all_inner_texts()
    ] == summaries
    expect(visit.headline).to_contain_text(summaries[0])


def test_maintenance_shows_what_it_suppresses_and_its_author(watched: Watched, visit: Visit):
    expect(visit("#maintenance")).to_be_hidden()
    watched.act(lambda net: maintain(net, circuit="chicago", link="primary"))
    says(visit, "maintenance", "In maintenance: link primary of circuit chicago", "▼")
    blue = tone(visit(".legend .maintained"))
    assert {tone(visit(place)) for place in (".headline .shape", "#maintenance .quieted strong")} == {blue}
    assert tone(visit(".legend .draining")) != blue
    watched.act(lambda net: net.lose("chicago-primary", "ipv4", "ipv6").wait(60))
    says(visit, "maintenance", "In maintenance: Link primary of circuit chicago", "▼")
    expect(visit(".drawing g.link", has_text="in maintenance")).to_have_count(1)
    expect(visit(".drawing g.link.down")).to_contain_text("▼ in maintenance")
    row = visit("#maintenance .quieted")
    expect(row).to_contain_text("▼ Maintenance: link primary of circuit chicago · circuit move · by anna")
    expect(row).to_contain_text(re.compile(r"ends in \d+ "))
    expect(row.locator("li").first).to_contain_text(
        "▲ Suppressed: Link primary of circuit chicago receives no"
    )
    expect(row.locator("li").last).to_contain_text("more violations follow from these")
    expect(row).not_to_contain_text("exchange-online")
    expect(row.get_by_role("button")).to_have_count(0)


def test_a_drain_is_not_called_well(watched: Watched, visit: Visit):
    path = "12076 12076 12076 12076 8075"
    watched.act(
        lambda net: net.microsoft_sends("chicago-primary", V6.exchange, V6.sharepoint, path=path).wait(1)
    )
    says(visit, "draining", "Microsoft is draining link primary of circuit chicago (IPv6)", "▼")
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme)
        assert visit.barriers() == []


def test_a_user_without_rights_sees_how_to_get_them_and_no_buttons(visit: Visit):
    expect(visit("#changes")).to_contain_text("--web.enable-lifecycle")
    expect(visit("#changes form")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_user_with_rights_adds_a_window_after_its_preview_and_ends_it(browser: Browser, scheme: Scheme):
    with (
        Watched(good_day(), users=USERS).served() as watched,
        visiting(browser, watched.url, scheme=scheme, user=BOB) as visit,
    ):
        form = visit("#changes form")
        expect(form).to_be_visible()
        expect(visit("#changes")).to_contain_text("Your changes are recorded as bob.")
        form.get_by_label("Affected").select_option(label="link primary of circuit chicago")
        form.get_by_label("Why").fill("new optics")
        form.get_by_role("button").click()
        dialog = visit.page.get_by_role("dialog")
        expect(dialog).to_contain_text("No new findings will be raised for link primary of circuit chicago")
        expect(dialog).to_contain_text(re.compile(r"by these \d+ checks: .*link-down"))
        expect(dialog).not_to_contain_text("subject")
        expect(dialog).to_contain_text("Why: new optics")
        expect(dialog).to_contain_text(
            re.compile(r"It begins when you confirm and ends 1 hour later, at .* UTC")
        )
        expect(dialog).to_contain_text("link-down")
        assert visit.barriers() == []
        assert watched.book.windows() == ()
        dialog.get_by_role("button", name="Begin maintenance").click()
        says(visit, "maintenance", "In maintenance: link primary of circuit chicago", "▼")
        [booked] = watched.book.windows()
        assert (booked.by, booked.window.reason, booked.window.link) == ("bob", "new optics", "primary")
        row = visit("#maintenance .quieted")
        expect(row).to_contain_text("by bob")
        row.get_by_role("button", name="End it now").click()
        expect(dialog).to_contain_text("Violations of link primary of circuit chicago will then be raised")
        dialog.get_by_role("button", name="End it now").click()
        says(visit, "well", "All is well", "●")
        expect(visit("#maintenance")).to_be_hidden()


def test_a_user_with_rights_accepts_a_new_level_with_a_reason(browser: Browser):
    with Watched(good_day(), users=USERS).served() as watched:
        path = "12076 12076 12076 12076 8075"
        watched.act(
            lambda net: net.microsoft_sends(
                "chicago-primary", V4.exchange, V4.sharepoint, V6.exchange, V6.sharepoint, path=path
            ).wait(1)
        )
        with visiting(browser, watched.url, user=BOB) as visit:
            visit("#raised").get_by_role("button", name="Accept as the new normal").click()
            dialog = visit.page.get_by_role("dialog")
            expect(dialog).to_contain_text("Accept drain as the new normal?")
            dialog.get_by_label("Why").fill("as agreed with the provider")
            dialog.get_by_role("button", name="Accept", exact=True).click()
            says(visit, "well", "All is well", "●")


def test_a_confirmation_begins_at_its_top_on_a_phone_and_a_keyboard_is_enough(browser: Browser):
    with (
        Watched(good_day(), users=USERS).served() as watched,
        visiting(browser, watched.url, width=375, height=640, user=BOB) as visit,
    ):
        form = visit("#changes form")
        form.get_by_label("Why").fill("new optics")
        form.get_by_role("button").click()
        expect(visit("#confirm-title")).to_be_in_viewport()
        assert visit.overflow() == 0
        visit.page.keyboard.press("Tab")
        expect(visit.page.get_by_role("button", name="Cancel")).to_be_focused()
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        says(visit, "maintenance", "In maintenance: circuit chicago", "▼")


def test_the_list_of_pools_on_a_phone_names_the_links_on_which_nothing_is_proven(
    browser: Browser, watched: Watched
):
    with visiting(browser, watched.url, width=375) as visit:
        exits = visit('[id="pool/chi"] li')
        expect(exits.filter(has_text="dallas primary")).to_have_count(0)
        watched.act(lambda net: net.down("dallas-primary"))
        visit.come_back()
        expect(exits.filter(has_text="dallas primary")).to_contain_text("◆ unknown")
        assert visit.overflow() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_parts_are_accessible(browser: Browser, watched: Watched, scheme: Scheme):
    with visiting(browser, watched.url, scheme=scheme, width=390) as visit:
        watched.act(lambda net: maintain(net, circuit="dallas"))
        expect(visit("#maintenance")).to_be_visible()
        assert (visit.barriers(), visit.overflow()) == ([], 0)
        watched.act(lambda net: net.announce("isp-a", V4.pool, path="64500").wait(3))
        watched.act(lambda net: net.withdraw("isp-a", V4.pool).wait(1))
        expect(visit.finding(LEAK)).to_contain_text("Gone since")
        assert (visit.barriers(), visit.overflow()) == ([], 0)
        watched.act(lambda net: net.lose("chicago-primary", "ipv4").wait(4))
        expect(visit("#noticed")).to_be_visible()
        assert (visit.barriers(), visit.overflow()) == ([], 0)
        watched.act(lambda net: net.wait(100))
        expect(visit.headline).to_have_class("headline wrong")
        assert (visit.barriers(), visit.overflow()) == ([], 0)
        assert red(visit) >= 30
        watched.act(lambda net: net.bring("chicago-primary", "ipv4").wait(400).down("edge-1"))
        expect(visit.headline).to_have_class("headline unseen")
        assert (visit.barriers(), visit.overflow()) == ([], 0)


def red(visit: Visit) -> int:
    """How much redder the background of the headline is than green or blue."""
    shown: str = visit.headline.evaluate("(each) => getComputedStyle(each).backgroundColor")
    ground = [int(part) for part in re.findall(r"\d+", shown)[:3]]
    return ground[0] - max(ground[1:])


# Search, and what it leads to ------------------------------------------------------------------------


LEADS_TO = [
    ("dallas", "dallas", "details#circuit\\/dallas"),
    ("203.0.113.9", "primary of circuit dallas", ".drawing #link\\/dallas\\/primary"),
    ("AS64510", "isp-a", ".drawing #uplink\\/isp-a"),
    ("edge-2", "edge-2", ".drawing #router\\/edge-2"),
    (V4.pool, "chi", "#pools #pool\\/chi"),
    ("outside", "outside", "#feeds tr#feed\\/outside"),
]


def test_a_result_leads_to_its_place(visit: Visit):
    visit("#feed-filter").fill("nothing of the kind")
    visit("#feed-filter").blur()
    for query, link, leads_to in LEADS_TO:
        visit.search(query)
        visit("#search .places a", has_text=re.compile(f"^{link}$")).first.click()
        expect(visit(leads_to)).to_be_in_viewport()


def test_a_search_by_service_shows_routes_and_an_unknown_name_similar_ones(visit: Visit):
    visit.search("Exchange Online")
    expect(visit("#search table")).to_contain_text("exchange-online (12076:5010)")
    expect(visit("#search .places")).to_contain_text("required on circuit chicago")
    assert visit.barriers() == []
    visit.search("pool chi")
    visit("#search .places a", has_text=V6.pool).click()
    expect(visit("header input")).to_have_value(V6.pool)
    expect(visit("#search table")).to_contain_text("chicago-primary")
    visit.search("exchage")
    expect(visit("#search [role=status]")).to_have_text(
        "▲ 'exchage' is not a prefix, address, ASN, community or name. Did you mean Exchange Online?"
    )
    expect(visit("#search table")).to_have_count(0)
    visit.page.get_by_role("button", name="Close").click()
    expect(visit("#search")).to_be_hidden()
    visit.complaints.clear()  # the browser reports an answer that is an error


def test_a_search_has_an_address_and_finds_findings(browser: Browser, watched: Watched):
    watched.act(lambda net: net.announce("isp-a", V6.pool, path="64500").wait(3))
    [leak] = watched.net.monitor.findings()
    with visiting(browser, f"{watched.url}/?q=pool-leak", width=375) as visit:
        expect(visit("header input")).to_have_value("pool-leak")
        expect(visit("#search .places")).to_contain_text(f"critical, raised: {leak.summary}")
        expect(visit("#search .places a", has_text=leak.id)).to_have_attribute("href", f"findings/{leak.id}")
        assert (visit.overflow(), visit.cut_off()) == (0, [])
        visit.search("edge-3")
        visit("#search .places a", has_text=re.compile("^edge-3$")).first.click()
        expect(visit("#network li", has_text="on edge-3")).to_be_in_viewport()


def test_times_stand_here_and_in_utc(browser: Browser, watched: Watched):
    watched.act(
        lambda net: net.announce("isp-a", V4.pool, path="64500").lose("chicago-primary", "ipv4").wait(30)
    )
    here, utc = r"(\d+ \w+ )?\d\d:\d\d:\d\d UTC\+5:30", r"(\d+ \w+ )?\d\d:\d\d:\d\d UTC"
    both = re.compile(rf"{here} \({utc}\)")
    with visiting(browser, watched.url, zone="Asia/Kolkata") as visit:
        for part in (".headline .when", "#raised .facts", "#feeds tbody tr", "#circuits table", "#about"):
            expect(visit(part).first).to_contain_text(both)
        expect(visit(".drawing g.link.down")).to_contain_text(re.compile(f"{here}.*{utc}"))
