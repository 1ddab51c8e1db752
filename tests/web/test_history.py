"""The history over the API: the last 24 hours, any day and any span, and times without data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.api.status import Shown
from ermon.core.runs import KeptRun, RunLog
from ermon.core.timeline import KeptTimeline, KeptTrack, hour_of
from ermon.model.events import StorageJudged
from ermon.model.text import rfc3339
from ermon.web import history
from ermon.web.app import make_app
from tests.checks.company import V4, V6, Space
from tests.web.site import Client, KeptPast, Site, past_finding

PATH = "/api/v1/timeline"
DAY = 86_400.0
BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture
def past(site: Site) -> KeptPast:
    """An empty store."""
    site.past = found = KeptPast()
    return found


@pytest.fixture
async def asked(site: Site, past: KeptPast) -> AsyncIterator[Client]:
    """An ermon that is 60 days old, with that store."""
    site.runs = RunLog([KeptRun(site.net.start - 60 * DAY, site.net.start)])
    async with TestClient(TestServer(make_app(site.context()))) as http:
        yield Client(http)


def hour(number: int, *states: tuple[float, Shown], family: str = "ipv6", prefixes: int = 4) -> KeptTimeline:
    """Return an hour of one link; times count from its beginning."""
    began = number * 3600.0
    found = [(began + seconds, state) for seconds, state in states]
    track = KeptTrack((("chicago", "old"), family), found, [prefixes], None)
    return KeptTimeline(began + 3600.0, [began + 300.0], [track])


# The last 24 hours -----------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_the_last_24_hours_of_a_link(client: Client, site: Site, space: Space):
    site.net.wait(58).lose("chicago-primary", space.family)
    site.tell()
    site.net.wait(300)
    now = site.net.now
    found = await client.data(PATH)
    assert (found["from"], found["to"], found["times"]) == (now - DAY, now, [now])
    [primary] = [
        each
        for each in found["links"]
        if (each["circuit"], each["link"], each["family"]) == ("chicago", "primary", space.family)
    ]
    assert primary["states"] == [[now - DAY, "unknown"], [now - 358, "up"], [now - 300, "down"]]
    assert (primary["prefixes"], primary["merged_until"]) == ([0], None)
    assert len(found["links"]) == 8
    assert [finding["check"] for finding in found["findings"]] == ["link-down"]


async def test_the_findings_of_the_last_24_hours(asked: Client, site: Site, past: KeptPast):
    now = site.net.now
    past.findings = [past_finding(at) for at in (now - 100, now - DAY + 2, now - DAY)]
    site.net.announce("isp-a", V4.pool).wait(1).announce("isp-a", V6.pool)
    found = (await asked.data(PATH))["findings"]
    raised = [f["labels"]["family"] for f in found if f["state"] == "raised"]
    assert raised == ["ipv6", "ipv4"], "the latest first"
    cleared = [f["id"] for f in found[len(raised) :]]
    assert cleared == [f"at {now - 100}", f"at {now - DAY + 2}"], "a second has passed"


async def test_it_reports_that_findings_are_left_out(asked: Client, site: Site, past: KeptPast):
    now = site.net.now
    past.findings = [past_finding(now - seconds) for seconds in (100, 200, 300)]
    site.net.announce("isp-a", V4.pool)
    answer = await (await asked.http.get(PATH, params={"limit": "3"})).json()
    shown = [f"{f['check']} {f['cleared_at']}" for f in answer["data"]["findings"]]
    assert shown == ["pool-leak None", *(f"link-down {rfc3339(now - seconds)}" for seconds in (100, 200))]
    assert answer["data"]["truncated"]
    assert answer["warnings"] == ["only 3 findings are shown"]
    whole = await (await asked.http.get(PATH, params={"limit": "4"})).json()
    assert (len(whole["data"]["findings"]), whole["data"]["truncated"]) == (4, False)
    assert "warnings" not in whole


async def test_without_a_store_it_says_so_and_gives_the_earliest_time(client: Client, site: Site):
    site.net.wait(300)
    found = await client.data(PATH)
    assert (found["stored"], found["held_from"]) == (False, site.net.start)
    [before] = found["not_running"]
    assert before == {"from": found["from"], "to": site.net.start, "why": "not-held"}


async def test_a_failing_store_is_reported(asked: Client, site: Site):
    site.net.monitor.apply(StorageJudged(site.net.now, "the disk is full"))
    answer = await (await asked.http.get(PATH)).json()
    assert answer["warnings"] == ["cleared findings may be missing: the disk is full"]
    assert answer["data"]["stored"]


# Any span --------------------------------------------------------------------------------------------


async def test_a_day_of_the_store_has_its_links_its_findings_and_when_ermon_ran(asked: Client, site: Site):
    midnight = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    first = hour_of(midnight)
    site.past = KeptPast(
        [
            past_finding(midnight + 100, since=midnight - 3 * DAY),
            past_finding(midnight + 500, since=midnight + 450),
            past_finding(midnight - 1),
            past_finding(midnight + 3 * DAY, since=midnight + DAY + 1),
        ],
        {
            first - 1: hour(first - 1, (0, Shown.DOWN)),
            first: hour(first, (0, Shown.UP), (1800, Shown.DOWN)),
            first + 1: hour(first + 1, (0, Shown.DOWN), (60, Shown.UP), prefixes=7),
            first + 5: hour(first + 5, (0, Shown.UP)),
        },
    )
    site.runs = RunLog(
        [
            KeptRun(midnight - 9 * DAY, midnight + 7200, stopped=True),
            KeptRun(midnight + 18_000, midnight + 86_390),
            KeptRun(midnight + DAY + 10, site.net.start),
        ]
    )
    async with TestClient(TestServer(make_app(site.context()))) as http:
        client = Client(http)
        found = await client.data(PATH, day="2026-11-01")
        span = await client.data(PATH, **{"from": str(midnight), "to": rfc3339(midnight + DAY)})
    assert found == span
    assert (found["from"], found["to"]) == (midnight, midnight + DAY)
    [link] = found["links"]
    assert (link["circuit"], link["link"], link["family"]) == ("chicago", "old", "ipv6")
    states = [(at - midnight, state) for at, state in link["states"]]
    assert states == [
        (0, "up"),
        (1800, "down"),
        (3660, "up"),
        (7200, "unknown"),
        (18_000, "up"),
        (21_900, "unknown"),
    ], "five minutes after the last hour that was written nobody vouches for it"
    assert found["times"] == [midnight + 300, midnight + 3900, midnight + 18_300]
    assert link["prefixes"] == [4, 7, 4]
    assert [each["id"] for each in found["findings"]] == [f"at {midnight + 500}", f"at {midnight + 100}"]
    assert found["not_running"] == [
        {"from": midnight + 7200, "to": midnight + 18_000, "why": "stopped"},
        {"from": midnight + 86_390, "to": midnight + DAY + 10, "why": "died"},
    ]
    assert (found["held_from"], found["stored"], found["truncated"]) == (midnight - 1, True, False)


async def test_a_raised_finding_is_on_every_day_since_it_began(asked: Client, site: Site):
    site.net.announce("isp-a", V6.pool).wait(3 * DAY)
    now = site.net.now
    for start, expected in ((now - 2 * DAY, ["pool-leak"]), (site.net.start - DAY, [])):
        found = await asked.data(PATH, **{"from": str(start), "to": str(start + 3600)})
        assert [each["check"] for each in found["findings"]] == expected


async def test_a_span_that_reaches_into_memory_has_both(asked: Client, site: Site, past: KeptPast):
    site.net.wait(58).lose("chicago-primary", "ipv6")
    site.tell()
    site.net.wait(300)
    now = site.net.now
    old = hour_of(now - 2 * DAY)
    past.links[old] = hour(old, (0, Shown.UP))
    found = await asked.data(PATH, **{"from": str(now - 2.5 * DAY)}, to=str(now))
    links = {(each["link"], each["family"]): each for each in found["links"] if each["circuit"] == "chicago"}
    assert found["times"] == [old * 3600.0 + 300, now]
    assert links["old", "ipv6"]["prefixes"] == [4, None]
    assert links["primary", "ipv6"]["prefixes"] == [None, 0]
    assert links["primary", "ipv6"]["states"][-1] == [now - 300, "down"]
    assert [state for _, state in links["old", "ipv6"]["states"]] == ["unknown", "up", "unknown"]


async def test_a_clock_that_was_set_is_part_of_the_answer(asked: Client, site: Site):
    now = site.net.now
    site.runs = RunLog([KeptRun(now - 3 * DAY, now - 7200)])
    site.runs.clock_stepped(now - 3600, now - 7200)
    async with TestClient(TestServer(make_app(site.context()))) as http:
        found = await Client(http).data(PATH)
        status = await Client(http).data("/api/v1/status")
    assert (
        status["clock_steps"]
        == found["clock_steps"]
        == [{"time": now - 7200, "seconds": -3600, "suspended": 0, "text": "clock set back by 1 h 0 min"}]
    )
    assert found["not_running"] == []


async def test_one_bound_means_24_hours_and_none_is_later_than_now(asked: Client, site: Site):
    now = site.net.now
    spans = [
        ({"from": str(now - 3 * DAY)}, (now - 3 * DAY, now - 2 * DAY)),
        ({"to": str(now - 3 * DAY)}, (now - 4 * DAY, now - 3 * DAY)),
        ({"from": str(now - 3600)}, (now - 3600, now)),
        ({"from": str(now - 3600), "to": str(now + 9 * 3600)}, (now - 3600, now)),
        ({"to": str(now + DAY)}, (now - DAY, now)),
        ({"day": rfc3339(now)[:10]}, (now - now % DAY, now)),
        ({"day": "1970-01-01"}, (0, DAY)),
        ({"from": "0", "to": "7200.5"}, (0, 7200.5)),
        ({"to": "7200"}, (0, 7200)),
    ]
    for values, expected in spans:
        found = await asked.data(PATH, **values)
        assert (found["from"], found["to"]) == expected, values


@pytest.mark.parametrize("hours", [23, 25])
async def test_a_day_with_a_change_of_daylight_saving_time_has_its_real_hours(
    asked: Client, site: Site, hours: int
):
    start = site.net.now - 5 * DAY
    found = await asked.data(PATH, **{"from": str(start), "to": str(start + hours * 3600)})
    assert found["to"] - found["from"] == hours * 3600


async def test_stored_history_begins_with_the_first_run_or_the_oldest_remaining_data(
    asked: Client, site: Site, past: KeptPast
):
    async def held_from() -> float:
        found: float = (await asked.data(PATH))["held_from"]
        return found

    first = site.runs.first()
    assert first is not None
    assert await held_from() == first, "nothing has happened yet"
    past.links[hour_of(first)] = hour(hour_of(first))
    assert await held_from() == first, "to the second"
    del past.links[hour_of(first)]
    past.links[hour_of(first) + 240] = hour(hour_of(first) + 240)
    assert await held_from() == (hour_of(first) + 241) * 3600, "what came before has made room"
    past.findings = [past_finding(first - 7 * DAY)]
    assert await held_from() == first - 7 * DAY, "a version that wrote no runs"


async def test_a_day_without_data_gives_the_earliest_time(asked: Client, site: Site):
    held_from = site.net.start - 60 * DAY
    found = await asked.data(PATH, day="2020-02-29")
    assert (found["links"], found["findings"], found["times"]) == ([], [], [])
    assert found["held_from"] == held_from
    assert [each["why"] for each in found["not_running"]] == ["not-held"]
    assert [found["not_running"][0]["from"], found["not_running"][0]["to"]] == [found["from"], held_from]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"day": "2026-02-30"}, "parameter 'day': '2026-02-30' is not a date; write one such as 2026-11-29"),
        ({"day": "0000-01-01"}, "parameter 'day': '0000-01-01' is not a date"),
        ({"day": "12026-01-01"}, "parameter 'day': '12026-01-01' is not a date"),
        ({"day": "1969-12-31"}, "parameter 'day': '1969-12-31' is not a date; write one such as 2026-11-29, from 1970 on"),
        ({"day": "20261129"}, "parameter 'day'"),
        ({"day": "yesterday"}, "parameter 'day'"),
        ({"day": "٢٠٢٦-11-29"}, "parameter 'day'"),
        ({"day": "9999-12-31"}, "parameter 'day': '9999-12-31' is in the future: ermon's clock says 2026-11-"),
        ({"day": "2026-11-01", "from": "0"}, "parameter 'day' is a whole day; give it, or 'from' and 'to', not both"),
        ({"from": "2026-02-30T00:00:00Z"}, "parameter 'from': '2026-02-30T00:00:00Z' is not a time with a zone"),
        ({"from": "2026-11-01"}, "parameter 'from': '2026-11-01' is not a time with a zone"),
        ({"from": "-1"}, "parameter 'from': '-1' is before 1970 or after 9999"),
        ({"to": "999999999999"}, "parameter 'to': '999999999999' is before 1970 or after 9999"),
        ({"to": "nan"}, "parameter 'to': 'nan' is not a time"),
        ({"from": "9999-01-01T00:00:00Z"}, "parameter 'from': '9999-01-01T00:00:00Z' is in the future"),
        ({"from": "100", "to": "100"}, "parameter 'to' is '100', and must be later than 'from'"),
        ({"from": "200", "to": "100"}, "parameter 'to' is '100', and must be later than 'from'"),
        (
            {"from": "2016-11-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
            "parameter 'to': the range is 3,652.0 days long, and 7 are allowed; ask for the rest in another request",
        ),
        ({"limit": "0"}, "parameter 'limit' is '0', and must be a whole number from 1 to 2000"),
        ({"limit": "2001"}, "parameter 'limit' is '2001'"),
        ({"limit": "1e3"}, "parameter 'limit' is '1e3'"),
        ({"hours": "48"}, "unknown parameter 'hours'; this path takes from and to and day and limit"),
    ],
)  # fmt: skip
async def test_a_span_that_cannot_be_names_its_parameter(client: Client, values: dict[str, str], said: str):
    status, words = await client.error(PATH, **values)
    assert status == 400
    assert words.startswith(said)


async def test_the_longest_span_is_a_week(asked: Client, site: Site):
    start = site.net.now - 30 * DAY
    week = {"from": str(start), "to": str(start + history.MAX_DAYS * DAY)}
    assert (await asked.data(PATH, **week))["to"] == start + 7 * DAY
    status, _ = await asked.error(PATH, **{**week, "to": str(start + history.MAX_DAYS * DAY + 1)})
    assert status == 400
