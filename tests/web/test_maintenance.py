import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.config.load import ConfigError, load_config
from ermon.core.maintenance_book import MaintenanceBook
from ermon.model.settings import MaintenanceWindow
from ermon.model.text import rfc3339 as text_rfc3339
from ermon.model.text import utc_text
from ermon.web import api
from ermon.web.app import make_app
from tests.checks.company import Company
from tests.web.site import ME, Client, Site

PATH = "/api/v1/maintenance"


@pytest.fixture
def site(net: Company) -> Site:
    return Site(net).tell()


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[Client]:
    async with site.controlled(tmp_path) as controlled:
        yield controlled


def rfc3339(site: Site, seconds: float) -> str:
    return datetime.fromtimestamp(site.net.now + seconds, UTC).isoformat()


async def send(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    response = await client.http.request(method, path, json=body)
    answer = await response.json()
    return response.status, answer.get("data", answer.get("error"))


def wanted(site: Site, **about: str) -> dict[str, str]:
    return {"circuit": "chicago", "to": rfc3339(site, 600), "reason": "provider works"} | about


async def test_a_window_is_added_listed_and_ended(client: Client, site: Site) -> None:
    status, added = await send(client, "POST", PATH, wanted(site, link="primary"))
    assert status == 201
    assert added["active"]
    assert (added["circuit"], added["link"], added["origin"]) == ("chicago", "primary", "run time")
    assert added["by"] == ME
    assert await client.data(PATH) == [added]
    site.net.wait(60)
    status, ended = await send(client, "DELETE", f"{PATH}/{added['id']}")
    assert status == 200
    assert not ended["active"]
    assert await client.data(PATH) == [ended]


@pytest.mark.parametrize("seconds", [0.0000004, 0.0000007, 0.0000009])
async def test_a_window_from_now_is_open_at_once_with_any_precision_of_the_clock(
    client: Client, site: Site, seconds: float
) -> None:
    site.ahead = seconds
    _, added = await send(client, "POST", PATH, wanted(site))
    _, ended = await send(client, "DELETE", f"{PATH}/{added['id']}")
    assert (added["active"], ended["active"]) == (True, False)


@pytest.mark.parametrize(
    "place",
    [{"router": "edge-1"}, {"uplink": "isp-a"}, {"feed": "isp-a"}, {"circuit": "dallas", "link": "primary"}],
)
async def test_a_window_can_be_about_every_kind_of_place(
    client: Client, site: Site, place: dict[str, str]
) -> None:
    body = {"to": rfc3339(site, 600), "reason": "provider works", **place}
    status, added = await send(client, "POST", PATH, body)
    assert status == 201
    assert {name: added[name] for name in place} == place
    assert {"circuit", "link", "feed", "router", "uplink", "segment", "group"} & added.keys() == place.keys()


async def test_a_suppressed_finding_shows_reason_and_end(client: Client, site: Site) -> None:
    site.net.lose("chicago-primary", "ipv4").wait(20)
    works = MaintenanceWindow(
        *(datetime.fromtimestamp(site.net.now + seconds, UTC) for seconds in (0, 600)),
        "provider works",
        router="edge-1",
    )
    site.net.monitor.maintain([works], site.net.now)
    because = f"maintenance until {utc_text(site.net.now + 600)}: provider works"
    [finding] = await client.data("/api/v1/findings?state=raised")
    assert (finding["check"], finding["suppressed"], finding["suppressed_because"]) == (
        "link-down",
        True,
        because,
    )
    statuses = await client.data("/api/v1/statuses")
    about = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
    [found] = [each for each in statuses if each["check"] == "link-down" and each["labels"] == about]
    assert (found["status"], found["suppressed_because"]) == ("suppressed", because)
    assert all("suppressed_because" not in each for each in statuses if each["status"] != "suppressed")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"circuit": "paris"}, "there is no circuit 'paris'"),
        ({"reason": ""}, "reason: must be one line of text of at most 300 characters, not ''"),
        ({"to": "2026-12-01T02:00:00"}, "to: '2026-12-01T02:00:00' is not a time with a zone"),
        ({"to": "tomorrow"}, "to: 'tomorrow' is not a time"),
        ({"to": 1795184918}, "the body is not a maintenance window"),
        ({"to": "9999-12-31T23:59:59-05:00"}, "to: '9999-12-31T23:59:59-05:00' is not a time"),
        ({"to": "9999-12-31T23:59:59.999999Z"}, "is not a time"),
        ({"from": "0001-01-01T00:00:00+23:00"}, "from: '0001-01-01T00:00:00+23:00' is not a time"),
        ({"until": "2026-12-01T02:00:00Z"}, "the body is not a maintenance window"),
        ({"to": "2001-12-01T02:00:00Z", "from": "2001-12-01T01:00:00Z"}, "has ended already"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(
    client: Client, site: Site, change: dict[str, Any], problem: str
) -> None:
    status, error = await send(client, "POST", PATH, wanted(site) | change)
    assert status == 400
    assert problem in error
    assert await client.data(PATH) == []


async def test_an_end_is_mandatory(client: Client) -> None:
    status, error = await send(client, "POST", PATH, {"circuit": "chicago", "reason": "works"})
    assert status == 400
    assert "to" in error


async def test_only_windows_added_at_run_time_can_be_ended(client: Client) -> None:
    status, error = await send(client, "DELETE", f"{PATH}/nothing")
    assert status == 404
    assert "'nothing'" in error


async def test_requests_over_tcp_from_this_machine_change_nothing(client: Client, site: Site) -> None:
    async with TestClient(TestServer(make_app(Site(site.net, lifecycle=True).context()))) as http:
        status, error = await send(Client(http), "POST", PATH, wanted(site))
        assert status == 403
        assert "a password or a verified client certificate" in error
        assert (await send(Client(http), "DELETE", f"{PATH}/x"))[0] == 403


async def test_nothing_is_booked_whose_answer_cannot_be_given(
    client: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(api, "rfc3339", lambda _: 1 / 0)
        status, error = await send(client, "POST", PATH, wanted(site))
        assert (status, error) == (500, "a bug in ermon; the log has the details")
    assert await client.data(PATH) == []


FILE = (Path(__file__).parents[2] / "config" / "ermon.yml").read_text()
WRONG = (
    {"to": "9999-12-31T23:59:59-05:00"},
    {"to": "tomorrow"},
    {"from": "2099-12-01T02:00:00"},
    {"from": "2099-12-02T00:00:00Z"},
    {"reason": ""},
    {"reason": "x" * 301},
    {"reason": "two\nlines"},
    {"reason": "until \u202e8102"},
    {"uplink": "isp-a"},
    {"circuit": None},
    {"circuit": None, "uplink": "isp-a", "link": "primary"},
)


@pytest.mark.parametrize("change", WRONG, ids=str)
async def test_the_api_refuses_wrong_windows_with_the_messages_of_the_file(
    client: Client, tmp_path: Path, change: dict[str, str | None]
) -> None:
    asked = {
        "circuit": "chicago",
        "from": "2099-12-01T00:00:00Z",
        "to": "2099-12-02T00:00:00Z",
        "reason": "works",
    }
    window = {key: value for key, value in {**asked, **change}.items() if value is not None}
    file = tmp_path / "ermon.yml"
    file.write_text(f"{FILE}\nmaintenance: [{json.dumps(window)}]\n")
    with pytest.raises(ConfigError) as refused:
        load_config(file)
    [problem] = [problem for problem in refused.value.problems if problem.path.startswith("maintenance")]
    key = problem.path.removeprefix("maintenance[0]").removeprefix(".") or "the window"
    status, error = await send(client, "POST", PATH, window)
    assert (status, error) == (400, f"{key}: {problem.message}")


# What is covered, and who may -------------------------------------------------------------------------


async def test_a_preview_names_what_would_be_suppressed_and_changes_nothing(
    client: Client, site: Site
) -> None:
    site.net.lose("chicago-primary", "ipv6").wait(10)
    status, covered = await send(client, "POST", f"{PATH}/preview", wanted(site))
    assert status == 200
    assert covered["places"] == [
        "circuit chicago",
        "link primary of circuit chicago",
        "link secondary of circuit chicago",
    ]
    assert {"link-down", "circuit-down", "service-missing"} <= set(covered["checks"])
    assert "pool-leak" not in covered["checks"]
    assert covered["subjects"] > len(covered["checks"])
    assert any(summary.startswith("Link primary of circuit chicago") for summary in covered["raised"])
    assert await client.data(PATH) == []
    status, one = await send(client, "POST", f"{PATH}/preview", wanted(site, link="primary"))
    assert one["places"] == ["link primary of circuit chicago"]
    assert "circuit-down" not in one["checks"]


async def test_a_preview_refuses_invalid_windows(client: Client, site: Site) -> None:
    status, error = await send(client, "POST", f"{PATH}/preview", wanted(site, circuit="nowhere"))
    assert (status, "there is no circuit 'nowhere'" in error) == (400, True)


async def test_an_open_window_is_in_the_status_with_author_subject_reason_and_end(
    client: Client, site: Site
) -> None:
    starts, ends = (datetime.fromtimestamp(site.net.now + later, UTC) for later in (0, 600))
    window = MaintenanceWindow(starts, ends, "provider works", circuit="chicago", link="primary")
    booked = MaintenanceBook().propose(window, site.net.config, site.net.now, "anna")
    site.net.monitor.maintain([booked.window], site.net.now)
    [quiet] = (await client.data("/api/v1/status"))["maintenance"]
    assert quiet == {
        "kind": "maintenance",
        "about": {"circuit": "chicago", "link": "primary"},
        "until": text_rfc3339(ends.timestamp()),
        "reason": "provider works",
        "id": booked.id,
        "by": "anna",
        "since": text_rfc3339(starts.timestamp()),
        "suppressed": [],
        "suppressed_total": 0,
        "follow": 0,
    }


async def test_a_caller_over_the_control_socket_may_make_changes(client: Client) -> None:
    caller = await client.data("/api/v1/caller")
    assert caller["may_change"]
    assert (caller["name"], caller["how"]) == (ME, "")
    assert "drain" in caller["acceptable"]


async def test_an_unknown_caller_gets_the_way_to_the_right(site: Site) -> None:
    async with site.served() as anybody:
        caller = await anybody.data("/api/v1/caller")
    assert (caller["name"], caller["may_change"]) == (None, False)
    assert "--web.enable-lifecycle" in caller["how"]
