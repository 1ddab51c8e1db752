"""Subscribed clients get every event, in order, and can resume."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from ermon.aio import slices
from ermon.model.events import ClockStepped, DrainChanged
from ermon.model.settings import MaintenanceWindow
from ermon.web.events import EventHub, Subscription, TooManyClientsError
from tests.checks.company import V4, V6, Space, company
from tests.web.site import Site

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture(autouse=True)
def endless_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make slices endless, so that a slow machine does not spread one publication over several turns of the loop."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 60.0)


def parse(stream: bytes) -> list[tuple[str, Any]]:
    """Return kind and data of each event."""
    events = []
    for block in stream.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert fields.keys() == {"id", "event", "data"}
        events.append((fields["event"], json.loads(fields["data"])))
    return events


async def heard(subscription: Subscription) -> list[tuple[str, Any]]:
    return parse(await subscription.wait(0))


# Resuming --------------------------------------------------------------------------------------------


async def test_a_newcomer_needs_a_snapshot():
    with EventHub().subscribe() as subscription:
        assert subscription.behind


async def test_a_client_that_resumes_gets_missed_events():
    hub = EventHub()
    hub.publish("link", 1)
    last = hub.last_id
    hub.publish("link", 2)
    hub.publish("link", 3)
    with hub.subscribe(last) as subscription:
        assert not subscription.behind
        assert await heard(subscription) == [("link", 2), ("link", 3)]


async def test_a_client_that_resumes_without_missed_events_gets_none():
    hub = EventHub()
    hub.publish("link", 1)
    with hub.subscribe(hub.last_id) as subscription:
        assert not subscription.behind
        assert await heard(subscription) == []


async def test_a_client_that_resumes_too_late_needs_a_snapshot():
    hub = EventHub(kept_events=2)
    hub.publish("link", 1)
    old = hub.last_id
    for number in (2, 3):
        hub.publish("link", number)
    with hub.subscribe(old) as subscription:
        assert not subscription.behind
    hub.publish("link", 4)
    with hub.subscribe(old) as subscription:
        assert subscription.behind


@pytest.mark.parametrize(
    "last_id", ["", "1", "-", "nonsense-1", "{run}-", "{run}--1", "{run}-2", "{run}-9" + "9" * 30, "{run}-²"]
)
async def test_an_id_that_was_never_given_needs_a_snapshot(last_id: str):
    hub = EventHub()
    hub.publish("link", 1)
    run = hub.last_id.partition("-")[0]
    with hub.subscribe(last_id.replace("{run}", run)) as subscription:
        assert subscription.behind


async def test_the_ids_of_an_earlier_ermon_mean_nothing_to_this_one():
    earlier, hub = EventHub(), EventHub()
    earlier.publish("link", 1)
    hub.publish("link", 1)
    with hub.subscribe(earlier.last_id) as subscription:
        assert subscription.behind


# Limits ----------------------------------------------------------------------------------------------


async def test_a_client_that_is_too_far_behind_needs_a_snapshot():
    hub = EventHub(kept_events=3)
    with hub.subscribe() as slow, hub.subscribe() as quick:
        for subscription in (slow, quick):
            subscription.caught_up()
        for number in range(4):
            hub.publish("link", number)
            await quick.wait(0)
        assert (slow.behind, quick.behind) == (True, False)
        assert await heard(slow) == []
        slow.caught_up()
        hub.publish("link", 5)
        assert await heard(slow) == [("link", 5)]


async def test_the_number_of_subscriptions_is_limited():
    hub = EventHub(max_clients=1)
    with hub.subscribe():
        with pytest.raises(TooManyClientsError), hub.subscribe():
            pass
        assert hub.clients == 1
    with hub.subscribe():
        assert hub.clients == 1


def listening(hub: EventHub, stack: ExitStack, *parties: str) -> list[Subscription]:
    return [stack.enter_context(hub.subscribe(party=party)) for party in parties]


async def test_a_client_with_fewer_streams_gets_a_place_of_the_one_with_the_most():
    hub = EventHub(max_clients=4)
    with ExitStack() as stack:
        greedy = listening(hub, stack, *["203.0.113.9"] * 4)
        listening(hub, stack, "uid 0", "2001:db8::/64")
        assert [each.ended for each in greedy] == [True, True, False, False]
        assert await greedy[0].wait(60) == b""  # at once
        assert hub.clients == 4
        with pytest.raises(TooManyClientsError):
            listening(hub, stack, "203.0.113.9")
    assert hub.clients == 0


async def test_no_client_loses_a_place_to_one_with_as_many_streams():
    hub = EventHub(max_clients=2)
    with ExitStack() as stack:
        first = listening(hub, stack, "192.0.2.1", "192.0.2.2")
        for party in ("192.0.2.3", "192.0.2.1"):
            with pytest.raises(TooManyClientsError):
                listening(hub, stack, party)
        assert not any(each.ended for each in first)


# What is told ----------------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_a_leak_is_published_with_the_pools_new_state(site: Site, space: Space):
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.announce("isp-a", space.pool, path="64500")
        site.tell()
        (kind, finding), (other, pool), (last, headline) = await heard(subscription)
        assert (kind, finding["check"], finding["state"]) == ("transition", "pool-leak", "raised")
        assert (other, pool["pool"]) == ("pool", "chi")
        assert pool["on_internet"][space.family]["isp-a"] == "yes"
        assert (last, headline["kind"]) == ("headline", "wrong")


@BOTH_FAMILIES
async def test_a_lost_link_is_published_with_the_pools_that_it_advertised(site: Site, space: Space):
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.lose("chicago-primary", space.family)
        site.tell()
        events = await heard(subscription)
        [link] = [data for kind, data in events if kind == "link"]
        assert (link["circuit"], link["link"], link["state"][space.family]) == ("chicago", "primary", "down")
        pools = {data["pool"]: data["advertised"][space.family] for kind, data in events if kind == "pool"}
        assert pools["chi"]["chicago"] == {"primary": "no", "secondary": "yes"}


@BOTH_FAMILIES
async def test_a_lost_link_is_published_with_the_state_of_its_circuit(site: Site, space: Space):
    for name, links_up, state in (("chicago-primary", 1, "up"), ("chicago-secondary", 0, "down")):
        with site.hub.subscribe(site.hub.last_id) as subscription:
            site.net.lose(name, space.family)
            site.tell()
            [link] = [data for kind, data in await heard(subscription) if kind == "link"]
            circuit = link["circuit_state"]
            assert (circuit["state"][space.family], circuit["links_up"][space.family]) == (state, links_up)
            assert circuit["overall"] == link["overall"] == link["shown"][space.family] == "down"


async def test_the_headline_is_published_last_and_only_if_it_has_changed(site: Site):
    async def told() -> list[str]:
        site.tell()
        return [data["text"] if kind == "headline" else kind for kind, data in await heard(subscription)]

    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.announce("isp-a", V4.pool, path="64500")
        assert await told() == [
            "transition",
            "pool",
            f"NAT pool chi {V4.pool} is advertised to isp-a by edge-1",
        ]
        site.net.announce("isp-a", V4.pool_part, path="64500")
        assert await told() == []
        site.net.withdraw("isp-a", V4.pool, V4.pool_part)
        assert await told() == [
            "pool",
            f"Recovering: NAT pool chi {V4.pool} is advertised to isp-a by edge-1",
        ]
        site.net.now += 60
        assert await told() == ["transition", "All is well"]
        site.net.down("edge-3")
        assert (await told())[-1] == "ermon cannot see everything: 1 of 10 feeds is down"
        site.net.announce("isp-a", V6.pool, path="64500")
        assert (await told())[-1] == f"NAT pool chi {V6.pool} is advertised to isp-a by edge-1"


@BOTH_FAMILIES
async def test_a_headline_that_changes_by_time_alone_is_published(site: Site, space: Space):
    """A violation is raised, a window begins and ends, and nothing else happens."""
    net = site.net

    async def kinds() -> list[str]:
        site.tell()
        return [data["kind"] for kind, data in await heard(subscription) if kind == "headline"]

    with site.hub.subscribe(site.hub.last_id) as subscription:
        starts, ends = (datetime.fromtimestamp(net.now + later, UTC) for later in (10, 20))
        net.monitor.maintain([MaintenanceWindow(starts, ends, "work", circuit="dallas")], net.now)
        assert await kinds() == []
        net.wait(10)
        assert await kinds() == ["maintenance"]
        net.wait(10)
        assert await kinds() == ["well"]
        net.lose("chicago-primary", space.family)
        assert await kinds() == ["noticed"]
        net.wait(10)
        assert await kinds() == ["wrong"]


async def test_a_step_of_the_clock_is_published(site: Site):
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.monitor.apply(ClockStepped(site.net.now, 28_800.0, 28_800.0))
        site.tell()
        [clock] = [data for kind, data in await heard(subscription) if kind == "clock"]
        assert clock["text"] == "machine suspended for 8 h 0 min"
        assert clock["time"] == site.net.now + 28_800


async def test_the_beginning_and_the_end_of_a_drain_are_published(site: Site):
    for path, draining in (("12076 12076 12076 12076", True), ("12076", False)):
        with site.hub.subscribe(site.hub.last_id) as subscription:
            for space in (V4, V6):
                site.net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=path)
            site.tell()
            [link] = [data for kind, data in await heard(subscription) if kind == "link"]
            assert (link["circuit"], link["link"]) == ("chicago", "primary")
            assert link["draining"] == {"ipv4": draining, "ipv6": draining}
            assert link["state"] == {"ipv4": "up", "ipv6": "up"}


async def test_the_end_of_a_drain_that_lasted_too_long_is_published(site: Site):
    for space in (V4, V6):
        site.net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    site.net.lose("chicago-primary", "ipv4", "ipv6")
    site.tell()
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.now += site.net.config.policy.max_drain
        site.tell()
        [link] = [data for kind, data in await heard(subscription) if kind == "link"]
        assert link["draining"] == {"ipv4": False, "ipv6": False}
        assert link["state"] == {"ipv4": "down", "ipv6": "down"}


async def test_drains_that_a_reload_ends_are_published(site: Site):
    for space in (V4, V6):
        site.net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    site.net.lose("chicago-primary", "ipv4", "ipv6").wait(3600)
    site.tell()
    site.net.reconfigure(company("policy: {max_drain: 30m}").config)
    told = [change for change in site.net.take_changes() if isinstance(change, DrainChanged)]
    assert told[-2:] == [
        DrainChanged(site.net.now, ("chicago", "primary"), family, draining=False)
        for family in ("ipv4", "ipv6")
    ]


async def test_a_lost_feed_is_published_once_with_its_new_state(site: Site):
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.down("isp-a")
        site.tell()
        events = await heard(subscription)
        [feed] = [data for kind, data in events if kind == "feed"]
        assert (feed["feed"], feed["state"], feed["down_reason"]) == ("isp-a", "down", "closing connection")
        assert {data["pool"] for kind, data in events if kind == "pool"} == {"chi", "dal"}


async def test_an_unchanged_pool_is_not_published_again(site: Site):
    site.net.down("isp-a")
    site.tell()
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.up("isp-a").down("isp-a")
        site.tell()
        assert "pool" not in [kind for kind, _ in await heard(subscription)]


async def test_repeated_changes_of_a_state_are_published_together(site: Site):
    site.hub = EventHub(every=30)
    site.tell()
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.down("isp-a")
        site.tell()
        assert "feed" in [kind for kind, _ in await heard(subscription)], "the first change is told at once"
        site.net.up("isp-a")
        site.tell()
        site.net.announce("isp-a", V4.pool, path="64500")
        site.tell()
        assert [kind for kind, _ in await heard(subscription)] == ["transition"], "a finding never waits"


async def test_a_large_change_is_published_in_slices(site: Site, monkeypatch: pytest.MonkeyPatch):
    site.tell()
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    with site.hub.subscribe(site.hub.last_id) as subscription:
        site.net.process_down()
        site.tell()
        kinds: list[str] = []
        while "headline" not in kinds:
            await asyncio.sleep(0)
            kinds += [kind for kind, _ in await heard(subscription)]
        assert kinds.count("feed") == sum(feed.process == "edges" for feed in site.net.config.feeds.values())


async def test_after_a_reload_every_client_needs_a_snapshot(site: Site):
    last = site.hub.last_id
    with site.hub.subscribe(last) as subscription:
        site.net.reconfigure(
            company("nat_pools: {dal: null}", "feeds: {isp-a: null}", "uplinks: null").config
        )
        site.tell()
        assert subscription.behind
    with site.hub.subscribe(last) as subscription:
        assert subscription.behind


async def test_text_of_a_peer_is_one_line_of_json():
    hub = EventHub()
    with hub.subscribe(hub.last_id) as subscription:
        hub.publish("feed", {"down_reason": "bye\n\ndata: forged\r\n\u2028"})
        assert await heard(subscription) == [("feed", {"down_reason": "bye\n\ndata: forged\r\n\u2028"})]
