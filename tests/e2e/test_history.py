"""The history on the page, with a store of several days, and after a restart and a kill."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from ermon.api.status import Shown
from ermon.core.runs import KeptRun, RunLog
from ermon.core.timeline import KeptTimeline, KeptTrack
from ermon.model.findings import Finding, Transition, TransitionState
from ermon.model.settings import Severity
from ermon.storage.adapters import keep_runs
from ermon.storage.database import packed
from ermon.storage.store import Store
from tests.e2e.browser import Scheme, Visit, chromium, visiting
from tests.e2e.company import POOL, Company, configuration, own_network
from tests.e2e.daemon import PATIENCE

DAY = 86_400.0
HOUR = 3600.0
TODAY = time.time() // DAY * DAY
YESTERDAY = TODAY - DAY
BEFORE = 5
"""Days before yesterday that the store covers."""


def name_of(midnight: float) -> str:
    return datetime.fromtimestamp(midnight, UTC).strftime("%Y-%m-%d")


def finding(name: str, check: str, since: float, until: float, **labels: str) -> Transition:
    found = Finding(
        id=name,
        check=check,
        labels=labels,
        severity=Severity.CRITICAL,
        summary=f"{check} was raised",
        evidence={},
        since=since,
        raised_at=since,
        ended_at=until,
        cleared_at=until,
    )
    return Transition(until, TransitionState.CLEARED, found)


def hour(number: int) -> KeptTimeline:
    """Return an hour in which the primary link was up, except for half of the fourth hour."""
    began = number * HOUR
    states = [(began, Shown.UP)]
    if began == YESTERDAY + 3 * HOUR:
        states += [(began + 600, Shown.DOWN), (began + 2400, Shown.UP)]
    times = [began + 300.0 * n for n in range(12)]
    tracks = [
        KeptTrack((("chicago", "primary"), family), states, [40 + n for n in range(12)], None)
        for family in ("ipv4", "ipv6")
    ]
    return KeptTimeline(began + HOUR, times, tracks)


async def live(folder: Path) -> None:
    """Write the store of an ermon that has run for days: stopped in the morning of yesterday, and killed in the
    evening.
    """
    store = await Store.open(folder, 90 * DAY)
    leak = {"pool": "chi-outbound", "family": "ipv6", "feed": "edge-1-isp-a", "uplink": "isp-a"}
    link = {"circuit": "chicago", "link": "primary", "family": "ipv6"}
    await store.save(
        [
            finding("leak", "pool-leak", YESTERDAY + 3 * HOUR, YESTERDAY + 3 * HOUR + 600, **leak),
            finding("long", "link-down", YESTERDAY - 2 * DAY, YESTERDAY + 5 * HOUR, **link),
            finding("old", "link-down", YESTERDAY - 3 * DAY, YESTERDAY - 2.5 * DAY, **link),
        ]
    )
    first = int(YESTERDAY // HOUR)
    for number in (first - 24 * BEFORE, *range(first - 24, first + 8), *range(first + 11, first + 20)):
        store.keep_hours({number: packed(hour(number))})
        await store.held_from()
    runs = [
        KeptRun(YESTERDAY - BEFORE * DAY, YESTERDAY + 8 * HOUR, stopped=True),
        KeptRun(YESTERDAY + 11 * HOUR, YESTERDAY + 20 * HOUR),
    ]
    keep_runs(store, RunLog(runs))
    await store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run an ermon that continues with that store."""
    with tempfile.TemporaryDirectory(prefix="ermon-") as directory:
        state = Path(directory) / "state"
        with ThreadPoolExecutor(1) as other:  # Playwright's loop runs in this thread
            other.submit(lambda: asyncio.run(live(state))).result()
        company = Company(Path(directory), configuration(own_network()), f"--storage.path={state}")
        with company.running():
            company.wait_until_well()
            yield f"http://{company.daemon.address}/"


def told(visit: Visit, name: str) -> str:
    """The text of the band with this name."""
    return visit("#bands .band", has_text=name).first.locator(".told").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_day_has_its_links_its_findings_and_when_ermon_was_not_running(
    browser: Browser, url: str, scheme: Scheme
):
    with visiting(browser, f"{url}#history={name_of(YESTERDAY)}", scheme=scheme, zone="UTC") as visit:
        began = datetime.fromtimestamp(YESTERDAY, UTC)
        expect(visit("#history-title")).to_have_text(f"History: {began.day} {began:%B %Y}")
        expect(visit("#history")).to_be_in_viewport()
        expect(visit("#history-span")).to_contain_text(re.compile("From .*00:00:00 UTC to .*00:00:00 UTC"))
        gaps = visit("#history-gaps li")
        expect(gaps).to_have_count(2)
        expect(gaps.first).to_contain_text("ermon was not running for 3 h, from")
        expect(gaps.first).to_contain_text("08:00:00 UTC")
        expect(gaps.first).to_contain_text("11:00:00 UTC. It was stopped.")
        expect(gaps.last).to_contain_text("20:00:00 UTC to")
        expect(gaps.last).to_contain_text(
            "It was not stopped: it crashed, was killed, or its machine lost power."
        )
        assert told(visit, "ermon itself") == "◆ not running 7 h"
        expect(visit(".scale span")).to_have_text(["00:00", "06:00", "12:00", "18:00", "00:00"])
        for family in ("IPv4", "IPv6"):
            assert told(visit, f"chicago primary {family}") == "▲ down 30 min, ◆ not running 7 h"
        hatched = visit("#bands .band", has_text="chicago primary IPv6").locator(".block.away")
        expect(hatched).to_have_count(2)
        expect(hatched.first).to_have_attribute(
            "title", re.compile("◆ ermon not running from .*08:00:00 UTC")
        )
        rows = visit("#bands .band", has=visit.page.locator("a"))
        expect(rows).to_have_count(2)
        expect(rows.first.locator("a")).to_have_text("link-down chicago primary IPv6")
        expect(rows.last.locator("a")).to_have_text("pool-leak chi-outbound IPv6 edge-1-isp-a isp-a")
        expect(rows.last.locator(".told")).to_contain_text("lasted 10 min")
        expect(visit("#chart canvas")).to_be_visible()
        expect(visit("#chart")).to_have_accessible_name(
            re.compile(rf"on {began.day} {began:%B %Y}; at last: primary")
        )
        assert visit.barriers() == []

        rows.last.locator("a").click()
        expect(visit("#also + ul li, section[aria-labelledby=also] li")).to_contain_text(
            "link-down was raised"
        )
        visit.page.get_by_role("link", name=f"History of {name_of(YESTERDAY)}").click()
        expect(visit("#history-title")).to_have_text(f"History: {began.day} {began:%B %Y}")


def test_keys_lead_from_day_to_day_and_back_to_now(browser: Browser, url: str):
    with visiting(browser, url, zone="UTC") as visit:
        title, keys = visit("#history-title"), visit.page.keyboard
        expect(title).to_have_text("History: last 24 hours")
        before = visit.page.get_by_role("button", name="The day before")
        after = visit.page.get_by_role("button", name="The day after")
        now = visit.page.get_by_role("button", name="The last 24 hours")
        expect(after).to_have_attribute("aria-disabled", "true")
        before.focus()
        keys.press("Enter")
        expect(title).not_to_have_text("History: last 24 hours")
        assert urlsplit(visit.page.url).fragment == f"history={name_of(YESTERDAY)}"
        expect(visit.page.get_by_label("Day", exact=True)).to_have_value(name_of(YESTERDAY))
        for _ in range(BEFORE):
            keys.press("Enter")
        assert urlsplit(visit.page.url).fragment == f"history={name_of(YESTERDAY - BEFORE * DAY)}"
        expect(before).to_have_attribute("aria-disabled", "true")
        keys.press("Enter")
        assert urlsplit(visit.page.url).fragment == f"history={name_of(YESTERDAY - BEFORE * DAY)}"
        expect(before).to_be_focused()
        visit.page.get_by_label("Day", exact=True).fill(name_of(YESTERDAY))
        expect(visit("#bands .band", has_text="pool-leak")).to_be_visible()
        after.press("Enter")
        expect(visit("#bands .scale")).to_contain_text("now")
        expect(after).to_have_attribute("aria-disabled", "true")
        now.press("Enter")
        expect(title).to_have_text("History: last 24 hours")
        visit.page.go_back()
        expect(title).not_to_have_text("History: last 24 hours")


def test_a_day_without_data_or_an_invalid_day_says_so(browser: Browser, url: str):
    with visiting(browser, f"{url}#history=2020-02-29", zone="UTC") as visit:
        gaps = visit("#history-gaps li")
        expect(gaps).to_contain_text("No data is stored for this time. The store goes back to")
        since = datetime.fromtimestamp(YESTERDAY - BEFORE * DAY, UTC)
        expect(gaps).to_contain_text(f"{since.day} {since:%b}")
        expect(visit("#bands")).to_contain_text("No findings")
        expect(visit("#bands")).to_contain_text("No link states are stored for this time")
        assert told(visit, "ermon itself") == "◆ no data 1 d"
        problem = visit("#history-problem")
        for day, said in (
            ("2026-02-30", "2026-02-30 is not a date: write one such as #history=20"),
            ("1969-12-31", "1969-12-31 is not a date"),
            ("%3Cb%3E", "<b> is not a date"),
            ("%", "% is not a date"),
            ("9998-01-01", "9998-01-01 is in the future."),
        ):
            visit.page.goto(f"{url}#history={day}")
            expect(problem).to_contain_text(said)
        visit.page.goto(f"{url}#history={name_of(YESTERDAY)}")
        expect(problem).to_be_hidden()


def test_a_day_begins_and_ends_at_local_midnight_also_with_daylight_saving_time(browser: Browser, url: str):
    days = {"2026-10-25": 25, "2026-03-29": 23, name_of(YESTERDAY): 24}
    for day, hours in days.items():
        with visiting(browser, f"{url}#history={day}", zone="Europe/Berlin") as visit:
            expect(visit("#history")).to_have_attribute("data-complete", "true")
            [asked] = [each for each in visit.requests if "api/v1/timeline" in each]
            values = parse_qs(urlsplit(asked).query)
            start, end = float(values["from"][0]), float(values["to"][0])
            assert (end - start) / HOUR == hours
            text = visit("#history-span").inner_text()
            assert re.search(r"00:00:00 UTC\+[12] \(.*2[23]:00:00 UTC\)", text), text


def test_a_step_of_the_clock_is_shown(browser: Browser, url: str):
    def set_back(route: Route) -> None:
        answer = route.fetch().json()
        step = {
            "time": answer["data"]["from"] + HOUR,
            "seconds": -HOUR,
            "suspended": 0,
            "text": "clock set back by 1 h 0 min",
        }
        asleep = {**step, "seconds": HOUR, "suspended": HOUR, "text": "machine suspended for 1 h 0 min"}
        answer["data"]["clock_steps"] = [step, asleep]
        route.fulfill(body=json.dumps(answer), content_type="application/json")

    with visiting(browser, url, zone="UTC") as visit:
        visit.page.route("**/api/v1/timeline*", set_back)
        visit.page.get_by_role("button", name="The day before").click()
        expect(visit("#history-gaps")).to_contain_text("On ermon's machine: clock set back by 1 h 0 min, to")
        expect(visit("#history-gaps")).not_to_contain_text("suspended")
        expect(visit("#bands .block.step")).to_have_count(2)


def test_a_phone_is_wide_enough_for_a_day(browser: Browser, url: str):
    with visiting(browser, f"{url}#history={name_of(YESTERDAY)}", width=375, height=700) as visit:
        expect(visit("#bands .band", has_text="pool-leak")).to_be_visible()
        assert visit.overflow() <= 0
        wide = visit.page.evaluate(
            "[...document.querySelectorAll('#history *')].filter((each) => !each.closest('.visually-hidden, #chart')"
            " && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 80))"
        )
        assert wide == []


def test_a_restart_and_a_kill_are_distinguished(tmp_path: Path, browser: Browser):
    with tempfile.TemporaryDirectory(prefix="ermon-") as directory:
        settings = configuration(own_network())
        company = Company(Path(directory), settings, f"--storage.path={tmp_path / 'state'}")
        with company.running():
            daemon = company.daemon
            daemon.wait_until_in_sync(*settings["feeds"])
            company.leak(POOL["ipv6"])
            leak = daemon.wait_until_raised("pool-leak")
            begun = time.time()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.process is not None
            assert daemon.process.wait(PATIENCE) == 0
            daemon.start()
            daemon.wait_until_in_sync(*settings["feeds"])
            killed = time.time()
            daemon.end(signal.SIGKILL)
            daemon.start()
            daemon.wait_until_in_sync(*settings["feeds"])

            found = daemon.api(f"timeline?from={begun - 600}")
            before, stopped, died = found["not_running"]
            assert [each["why"] for each in (before, stopped, died)] == ["not-held", "stopped", "died"]
            assert found["held_from"] == before["to"]
            assert before["to"] < begun <= stopped["from"] < stopped["to"] < died["to"]
            assert killed - 60 <= died["from"] <= killed <= died["to"]
            assert [each["id"] for each in found["findings"] if each["check"] == "pool-leak"] == [leak["id"]]
            [link] = [
                each
                for each in found["links"]
                if (each["link"], each["family"]) == ("primary", "ipv6") and each["circuit"] == "chicago"
            ]
            states = [state for _, state in link["states"]]
            # The killed ermon may not have stored its last state, which lasted for less than a second.
            assert (states[:3], states[-2:]) == (["unknown", "up", "unknown"], ["unknown", "up"])
            with visiting(browser, f"http://{daemon.address}/") as visit:
                gaps = visit("#history-gaps")
                for text in ("No data is stored for the beginning.", "It was stopped.", "It was not stopped"):
                    expect(gaps).to_contain_text(text)


def test_without_a_store_the_page_says_that_nothing_is_stored(browser: Browser):
    with tempfile.TemporaryDirectory(prefix="ermon-") as directory:
        company = Company(Path(directory), configuration(own_network()))
        with company.running(), visiting(browser, f"http://{company.daemon.address}/") as visit:
            expect(visit("#history-gaps")).to_contain_text(
                "ermon stores nothing, because it runs without --storage.path."
            )
