"""Answers of the API, in every state and on every path, have exactly the keys of the published schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from ermon.api.schema import EVENTS, make_schema
from ermon.model.events import ClockStepped
from ermon.web.app import make_app
from tests.checks.company import PLANT, V4, V6, Company, company
from tests.checks.test_sharding import CHICAGO, region
from tests.story import Story
from tests.web.site import Client, Site

DRAINED = "12076 12076 12076 12076"
ACCEPTED = {"check": "prefix-count-low", "circuit": "chicago", "link": "primary", "reason": "as planned"}
WINDOW = {"circuit": "chicago", "to": "2099-01-01T00:00:00Z", "reason": "works"}


def good(*changes: str) -> Company:
    return company(*changes).process_up("edges").process_up("outside").converge()


def leak(net: Company) -> None:
    net.announce("isp-a", V4.pool, V6.pool, path="64500")


def repair(net: Company) -> None:
    net.withdraw("isp-a", V4.pool, V6.pool)


def lose_a_link(net: Company) -> None:
    net.lose("chicago-primary", "ipv4", "ipv6")


def lose_sight(net: Company) -> None:
    net.down("edge-1", "outside").lose_messages("isp-a", 3).process_down("outside")


def drain(net: Company) -> None:
    for space in (V4, V6):
        net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED)


def set_the_clock(net: Company) -> None:
    net.monitor.apply(ClockStepped(net.now, -3600.0))


Happening = Callable[[Company], object]

STATES: dict[str, tuple[Callable[[], Company], tuple[Happening, ...]]] = {
    "before anything": (company, ()),
    "a good day": (good, ()),
    "a leak that is over": (good, (leak, repair)),
    "a leak": (good, (leak,)),
    "a pool for failover": (lambda: good("nat_pools: {chi: {internet: failover}}"), (leak,)),
    "a lost link": (good, (lose_a_link,)),
    "no sight": (good, (leak, lose_sight)),
    "a drain": (good, (drain,)),
    "a clock that was set": (good, (set_the_clock,)),
    "a probe": (
        lambda: good("probes: [{service: exchange-online, target: 'mail.example.net:443'}]"),
        (),
    ),
    "private peering and a segment": (
        lambda: good(PLANT, "segments: {campus: {expressroute: forbidden}}"),
        (),
    ),
    "another ermon has the rest": (lambda: region(*CHICAGO), (leak,)),
}


Told = tuple[Site, list[tuple[str, Any]]]


def told(state: str) -> Told:
    """A site in this state, and the events that it sent on the way there. They are sent at once, because no loop runs
    yet.
    """
    make, happenings = STATES[state]
    site = Site(make()).tell()
    site.timeline.sample(site.net.monitor, site.net.now)
    with site.hub.subscribe(site.hub.last_id) as subscription:
        for happening in happenings:
            happening(site.net)
            site.tell()
            site.net.now += 75
            site.tell()
        return site, list(events(subscription.take()))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The published schema, made strict: keys that it does not name are refused."""
    closed = copy.deepcopy(dict(make_schema()))
    for described in closed["$defs"].values():
        described["additionalProperties"] = False
    return closed


Check = Callable[[Any, Any], None]


@pytest.fixture
def check(schema: dict[str, Any]) -> Check:
    def fits(value: Any, part: Any) -> None:
        Draft202012Validator({"$defs": schema["$defs"], **part}).validate(value)

    return fits


def paths_of(net: Story) -> Iterator[tuple[str, str]]:
    """Each path of the schema that can be requested, with a real address of it."""
    yield "/api/v1/status", "/api/v1/status"
    yield "/api/v1/findings", "/api/v1/findings"
    yield "/api/v1/findings", "/api/v1/findings?since=0"
    yield "/api/v1/statuses", "/api/v1/statuses"
    for prefix in ("0.0.0.0/0", "::/0"):
        yield "/api/v1/routes", f"/api/v1/routes?prefix={prefix}&match=longer"
    for query in ("0.0.0.0/0", "AS64500", "12076:5010", "edge", "pool-leak"):
        yield "/api/v1/search", f"/api/v1/search?q={query}"
    yield "/api/v1/timeline", "/api/v1/timeline"
    yield "/api/v1/timeline", "/api/v1/timeline?day=2026-11-17"
    for circuit in net.config.circuits:
        yield "/api/v1/circuits/{circuit}/difference", f"/api/v1/circuits/{circuit}/difference"
    yield "/api/v1/checks", "/api/v1/checks"
    yield "/api/v1/checks/{check}", "/api/v1/checks/pool-leak"
    yield "/api/v1/maintenance", "/api/v1/maintenance"
    yield "/api/v1/probes", "/api/v1/probes"
    yield "/api/v1/schema", "/api/v1/schema"


@pytest.fixture(params=STATES)
def site_and_events(request: pytest.FixtureRequest) -> Told:
    return told(request.param)


async def test_every_answer_and_every_event_is_as_the_schema_says(
    site_and_events: Told, schema: dict[str, Any], check: Check
):
    site, happened = site_and_events
    for kind, data in happened:
        check(data, schema["events"][kind])
    async with TestClient(TestServer(make_app(site.context()))) as http:
        for path, address in paths_of(site.net):
            answer = await (await http.get(address)).json()
            check(answer, schema["paths"][path]["GET"]["answer"])
        async with http.get("/api/v1/events") as response:
            stream = b""
            while b"event: snapshot" not in stream or not stream.endswith(b"\n\n"):
                stream += await response.content.readany()
        [(kind, data)] = events(stream.split(b"\n\n", 1)[1])
        check(data, schema["events"][kind])


def events(stream: bytes) -> Iterator[tuple[str, Any]]:
    for block in stream.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        yield fields["event"], json.loads(fields["data"])


def test_every_kind_of_event_is_sent(schema: dict[str, Any]):
    kinds = {"snapshot"} | {kind for state in STATES for kind, _ in told(state)[1]}
    assert kinds == set(schema["events"]) == set(EVENTS)


async def test_changes_and_refusals_match_the_schema(schema: dict[str, Any], check: Check, tmp_path: Path):
    windows = schema["paths"]["/api/v1/maintenance"]
    check(WINDOW, windows["POST"]["body"])
    async with Site(good()).controlled(tmp_path) as client:
        added = await (await client.http.post("/api/v1/maintenance", json=WINDOW)).json()
        check(added, windows["POST"]["answer"])
        check(await (await client.get("/api/v1/maintenance")).json(), windows["GET"]["answer"])
        path = f"/api/v1/maintenance/{added['data']['id']}"
        ended = await (await client.http.delete(path)).json()
        check(ended, schema["paths"]["/api/v1/maintenance/{id}"]["DELETE"]["answer"])
        accept = schema["paths"]["/api/v1/accept"]["POST"]
        check(ACCEPTED, accept["body"])
        refused = await client.http.post("/api/v1/accept", json=ACCEPTED)
        assert refused.status == 400
        check(await refused.json(), schema["error"])
        for wrong in ("/api/v1/nothing", "/api/v1/routes", path):
            check(await (await client.get(wrong)).json(), schema["error"])


def test_every_path_of_the_api_is_in_the_schema(schema: dict[str, Any]):
    served = {
        (route.resource.canonical, route.method)
        for route in make_app(Site(company()).context()).router.routes()
        if isinstance(route.resource, web.Resource) and route.resource.canonical.startswith("/api/")
        if route.method != "HEAD"
    }
    described = {(path, method) for path, methods in schema["paths"].items() for method in methods}
    streams = {("/api/v1/events", "GET"), ("/api/v1/recording", "GET")}
    assert served == described | streams


async def test_it_is_served_as_it_is(client: Client):
    assert await client.data("/api/v1/schema") == json.loads(msgspec.json.encode(make_schema()))


def test_it_is_a_schema_with_a_description_of_everything(schema: dict[str, Any]):
    Draft202012Validator.check_schema(schema)
    for name, described in schema["$defs"].items():
        assert described["description"], name
    since = schema["$defs"]["LinkEvent"]["properties"]["since"]["description"]
    assert since == "When the state began; ``null``: it has been unknown from the start."


def test_keys_that_are_always_written_are_required_and_others_are_not(schema: dict[str, Any]):
    link, feed = schema["$defs"]["LinkDoc"], schema["$defs"]["FeedDoc"]
    assert set(link["required"]) == set(link["properties"])
    assert feed["properties"].keys() - feed["required"] == {
        "router",
        "vrf",
        "circuit",
        "link",
        "uplink",
        "segment",
        "waiting_until",
        "by_bmp",
        "source",
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda status: status.pop("headline"), "'headline' is a required property"),
        (lambda status: status["headline"].update(kind="fine"), "'fine' is not one of"),
        (lambda status: status.update(time="now"), "'now' does not match"),
        (lambda status: status["feeds"]["isp-a"].update(mood="good"), "'mood' was unexpected"),
    ],
)
async def test_other_data_does_not_match_the_schema(
    client: Client, check: Check, change: Callable[[Any], object], problem: str
):
    status = await client.data("/api/v1/status")
    check(status, {"$ref": "#/$defs/StatusDoc"})
    change(status)
    with pytest.raises(Exception, match=problem):
        check(status, {"$ref": "#/$defs/StatusDoc"})
