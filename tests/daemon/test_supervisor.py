"""How the supervisor processes ExaBGP's lines."""

import json
import struct
from base64 import b64encode
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from ermon.config.load import load_config
from ermon.daemon.malformed import LOGGED_EVERY_SECONDS
from ermon.daemon.supervisor import (
    MAX_STRANGERS_LOGGED,
    STRANGERS_LOGGED_EVERY_SECONDS,
    FeedSupervisor,
)
from ermon.exabgp.channel import RelayLost, Started, Unreadable
from ermon.exabgp.raw import RawState
from ermon.model.events import EndOfRib
from tests import bgp
from tests.bgp import end_of_rib
from tests.daemon.intake import make_intake
from tests.daemon.test_systemd import REFERENCE


class Time:
    def __init__(self):
        self.now = 1_000.0


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def supervisor(tmp_path, time):
    config = load_config(REFERENCE).config
    events = []
    supervisor = FeedSupervisor(
        config,
        {},
        make_intake(config, lambda: time.now, apply=events.append),
        runtime=tmp_path,
        buffer_limit=2**20,
    )
    supervisor.events = events
    return supervisor


def where(supervisor):
    """Return an address with a listener, and the process that listens."""
    feed = next(iter(supervisor._config.feeds.values()))
    supervisor._decoder.process_started(feed.process, 7)
    return feed.local, feed.process


def refused(time, local, *peers):
    connections = [{"local": local, "peer": peer, "count": 1} for peer in peers]
    line = {"exabgp": "5.0.0", "time": time.now, "pid": 7, "type": "refused"}
    return json.dumps(line | {"refused": {"connections": connections}}).encode()


@pytest.mark.parametrize("network", ["2001:db8:bad::", "192.0.2."])
def test_connections_from_ever_new_addresses_do_not_fill_the_log(supervisor, time, network):
    local, process = where(supervisor)
    number = 0
    with capture_logs() as logged:
        for _ in range(int(STRANGERS_LOGGED_EVERY_SECONDS) - 1):
            time.now += 1.0
            for line in (refused(time, local, f"{network}{number + each}") for each in range(4)):
                supervisor._take_line(process, line)
            number += 4
    peers = [line["peer"] for line in logged if line["event"] == "connection refused"]
    assert len(peers) == MAX_STRANGERS_LOGGED
    assert len(supervisor.events) == number  # all are counted and judged


def test_an_unknown_host_that_connects_repeatedly_is_logged_at_a_limited_rate(supervisor, time):
    local, process = where(supervisor)
    with capture_logs() as logged:
        for _ in range(130):
            time.now += 1.0
            supervisor._take_line(process, refused(time, local, "192.0.2.1", "2001:db8::1"))
    peers = [line["peer"] for line in logged if line["event"] == "connection refused"]
    assert peers == ["192.0.2.1", "2001:db8::1"] * 3


def listening(time, **addresses):
    what = {"port": 179, "addresses": addresses}
    line = {"exabgp": "5.0.0", "time": time.now, "pid": 7, "type": "listening", "listening": what}
    return json.dumps(line).encode()


def test_ready_as_long_as_one_feed_can_be_listened_for(supervisor, time):
    feeds = supervisor._config.feeds.values()
    supervisor._processes = dict.fromkeys(supervisor._config.processes, SimpleNamespace(up=True))
    for process in supervisor._config.processes:
        supervisor._decoder.process_started(process, 7)
        locals_ = {feed.local for feed in feeds if feed.process == process}
        assert supervisor.ready() == (True, "ready")
        supervisor._take_line(process, listening(time, **dict.fromkeys(locals_, "EADDRINUSE")))
    ready, reason = supervisor.ready()
    assert not ready
    assert [line.partition(": cannot listen on ")[0] for line in reason.splitlines()] == [
        f"feeds.{feed.name}.local" for feed in feeds
    ]
    first = next(iter(feeds))
    supervisor._decoder.process_started(first.process, 7)
    supervisor._take_line(first.process, listening(time, **{first.local: ""}))
    assert supervisor.ready() == (True, "ready")


def test_an_address_is_logged_when_listening_fails_and_when_it_works_again(supervisor, time):
    local, process = where(supervisor)
    with capture_logs() as logged:
        for error in ("EADDRNOTAVAIL", "EADDRNOTAVAIL", "", ""):
            supervisor._take_line(process, listening(time, **{local: error}))
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("cannot listen on address", "error"),
        ("listening on address", "info"),
    ]


def test_a_forged_line_of_the_relay_is_counted_and_logged_at_a_limited_rate(supervisor):
    process = SimpleNamespace(name="edges", up=True, restarts=0, relay_dropped=0)
    with capture_logs() as logged:
        for _ in range(50):
            supervisor._take_control(process, Unreadable(b"\0dropped -5"))
    (line,) = logged
    assert (line["event"], line["reason"], line["line"]) == (
        "line rejected",
        "bad-control",
        "\\x00dropped -5",
    )
    assert supervisor.events == []
    values = {
        sample.labels["reason"]: sample.value
        for family in supervisor._intake.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "ermon_ingest_rejected_total"
    }
    assert values["bad-control"] == 50


# UPDATEs as they came ----------------------------------------------------------------------------------


class Process:
    """An ExaBGP that stores the commands that it receives."""

    up, restarts, relay_dropped, missing_of_box = True, 0, 0, ()

    def __init__(self, name, raw):
        self.name, self.raw, self.told = name, raw, []

    def answer(self, what):
        self.told.append(what)


def raw_line(time, feed, *updates, **other):
    families = [f"{family} unicast" for family in feed.families]
    said = {"session": 3, "octets": 4096, "answer": True, "asn4": True, "families": families, "add-path": []}
    said |= {"body": b64encode(b"".join(updates)).decode(), **other}
    line = {"exabgp": "5.0.0", "time": time.now, "pid": 7, "type": "raw"}
    address = {"local": feed.local, "peer": feed.peer}
    return json.dumps(line | {"neighbor": {"address": address, "raw": said}}).encode()


@pytest.mark.parametrize("state", [*RawState, None])
def test_an_untested_exabgp_is_logged(supervisor, state):
    process = Process("edges", state)
    with capture_logs() as logged:
        supervisor._take_control(process, Started(7))
    assert [line["raw"] for line in logged if line["event"] == "exabgp started"] == [state is RawState.ON]
    untested = [line for line in logged if line["event"] == "exabgp decodes UPDATEs itself"]
    assert [line["log_level"] for line in untested] == ["warning"] * (state is RawState.UNTESTED)
    assert supervisor._intake.telemetry.registry.get_sample_value(
        "ermon_exabgp_raw", {"process": "edges"}
    ) == (state is RawState.ON)


def test_exabgp_is_informed_of_processed_and_lost_updates(supervisor, time):
    local, name = where(supervisor)
    feed = next(feed for feed in supervisor._config.feeds.values() if feed.local == local)
    supervisor._processes[name] = process = Process(name, RawState.ON)
    frame = raw_line(time, feed, end_of_rib("ipv4"))
    supervisor._take_line(name, frame)
    assert [type(event) for event in supervisor.events] == [EndOfRib]
    assert process.told == ["taken 3 4096"]
    with capture_logs():
        supervisor._take_control(process, RelayLost())
    assert process.told == ["taken 3 4096", "lost"]
    del supervisor._processes[name]  # as a reload that stops the process while its lines are read
    supervisor._take_line(name, frame)
    assert process.told == ["taken 3 4096", "lost"]


def state_line(time, feed, state):
    line = {"exabgp": "5.0.0", "time": time.now, "pid": 7, "type": "state"}
    neighbor = {"address": {"local": feed.local, "peer": feed.peer}, "state": state}
    return json.dumps(line | {"neighbor": neighbor}).encode()


SHUTDOWN = json.dumps(
    {"exabgp": "5.0.0", "time": 1_000.0, "pid": 7, "type": "notification", "notification": "shutdown"}
).encode()


@pytest.mark.parametrize("end", ["caught up", "down", "up", "shutdown"])
def test_a_feed_whose_router_waits_is_behind_until_ermon_has_caught_up_or_the_session_ends(
    supervisor, time, end
):
    local, name = where(supervisor)
    feed = next(feed for feed in supervisor._config.feeds.values() if feed.local == local)

    def behind():
        labels = {"feed": feed.name}
        return supervisor._intake.telemetry.registry.get_sample_value("ermon_feed_behind_seconds", labels)

    supervisor._take_line(name, raw_line(time, feed, end_of_rib("ipv4"), behind=70.2))
    assert behind() == 70.2
    events = len(supervisor.events)
    match end:
        case "caught up":
            supervisor._take_line(name, raw_line(time, feed))
            assert len(supervisor.events) == events
        case "shutdown":
            supervisor._take_line(name, SHUTDOWN)
        case state:
            with capture_logs():
                supervisor._take_line(name, state_line(time, feed, state))
    assert behind() == 0


def malformed(prefix, *attributes):
    """A route with these additional attributes, one of which is malformed."""
    known = bgp.attribute(0x40, 1, b"\0") + bgp.encode_path([64500])
    nlri = bgp.encode_nlri(prefix)
    if ":" in prefix:
        reach = struct.pack("!HBB", 2, 1, 16) + bytes(16) + b"\0" + nlri
        return bgp.update_message(attributes=bgp.attribute(0x80, 14, reach) + known + b"".join(attributes))
    return bgp.update_message(
        attributes=known + bgp.attribute(0x40, 3, bytes(4)) + b"".join(attributes), nlri=nlri
    )


COMMUNITIES_OF_3_OCTETS, AGGREGATOR_OF_1_OCTET = (
    bgp.attribute(0xC0, 8, b"?" * 3),
    bgp.attribute(0xC0, 7, b"?"),
)


@pytest.mark.parametrize("prefix", ["192.0.2.0/26", "2001:db8:40::/48"])
def test_malformed_updates_are_all_counted_and_logged_once_in_a_while_for_each_kind(supervisor, time, prefix):
    _, name = where(supervisor)
    feed = next(feed for feed in supervisor._config.feeds.values() if len(feed.families) == 2)
    withdrawn = bgp.withdrawal("198.51.100.0/24")
    treated = malformed(prefix, COMMUNITIES_OF_3_OCTETS)
    discarded = malformed(prefix, AGGREGATOR_OF_1_OCTET)
    with capture_logs() as logged:
        for _ in range(4):
            supervisor._take_line(name, raw_line(time, feed, withdrawn, treated, treated, discarded))
            time.now += LOGGED_EVERY_SECONDS / 2
    assert [(line["event"], line["log_level"], line["feed"], line["prefix"]) for line in logged] == [
        ("malformed update", "warning", feed.name, prefix)
    ] * 4
    assert [line["problem"] for line in logged] == [
        "malformed path attribute: COMMUNITIES of 3 octets",
        "malformed path attribute: AGGREGATOR of 1 octets",
    ] * 2
    assert "withdrawn" in logged[0]["effect"]
    assert "ignores the attribute" in logged[1]["effect"]
    assert all(line["remedy"] for line in logged)
    counted = {
        sample.labels["kind"]: sample.value
        for family in supervisor._intake.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "ermon_feed_malformed_updates_total" and sample.labels["feed"] == feed.name
    }
    assert counted == {"treat-as-withdraw": 8, "attribute-discard": 4}
