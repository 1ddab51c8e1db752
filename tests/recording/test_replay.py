"""The findings of a replay, and recordings that differ from ermon's own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ermon.exabgp.decode import Rejected, RejectReason
from ermon.model.inventory import Config, Feed, Uplink, View
from ermon.recording.replay import Playback, Replay, to_line
from tests import bgp
from tests.defaults import make_pool
from tests.networks import BOTH, circuit, config, link, prefixes, window
from tests.recording.daemon import MiniatureDaemon

RECORDING = Path(__file__).parents[1] / "recorded" / "two-speakers-5.0.15.jsonl"
RECORDED = RECORDING.read_bytes().splitlines()
CONNECTED, UP, *ROUTES = RECORDED[:5]
END_OF_RIB, END_OF_RIB_6, DOWN = RECORDED[5:8]
SHUTDOWN = RECORDED[-1]
BEGAN = json.loads(CONNECTED)["time"]


def policy(view: View, **settings: Any) -> Config:
    """A configuration with one feed, to which the recording belongs: an edge table, or the mirror of an uplink."""
    about = {"uplink": "isp-a"} if view is View.TO_INTERNET else {}
    feed = Feed("edge", view, "127.0.0.2", "127.0.0.1", 64500, 64500, BOTH, router="edge-1", **about)
    chicago = circuit(
        "chicago",
        "Chicago",
        link("chicago", "primary", "edge-1", "Chicago", "192.0.2.0/30", "2001:db8:ffff::/126"),
    )
    pools = (make_pool("chi", ("chicago",), prefixes("198.51.100.0/25 2001:db8::/48")),)
    return config((chicago,), (feed,), pools, **settings)


EDGE = policy(View.EDGE_TABLE)
MIRROR = policy(View.TO_INTERNET, uplinks={"isp-a": Uplink("isp-a", "edge-1", 64510)})


def at(seconds: float, *lines: bytes) -> list[bytes]:
    """Return the lines with times so many seconds after the beginning of the recording."""
    return [json.dumps(json.loads(line) | {"time": BEGAN + seconds}).encode() for line in lines]


def counted(*parts: list[bytes]) -> list[bytes]:
    """Join the parts into one recording without a gap in its counter."""
    lines = [json.loads(line) for part in parts for line in part]
    return [json.dumps(line | {"counter": number}).encode() for number, line in enumerate(lines, 1)]


def no_rejection(number: int, rejected: Rejected) -> None:
    pytest.fail(f"line {number} was rejected: {rejected}")


def replay(policy_: Config, lines: Iterable[bytes], until: float | None = None) -> list[dict[str, Any]]:
    return list(Replay(Playback(policy_, no_rejection)).transitions(lines, until))


def told(transitions: Iterable[dict[str, Any]], *checks: str) -> list[tuple[float, str, str, str]]:
    return [
        (t["offset"], t["state"], t["check"], t["labels"].get("family", ""))
        for t in transitions
        if not checks or t["check"] in checks
    ]


SESSION = [CONNECTED, UP, *ROUTES, END_OF_RIB, END_OF_RIB_6]


def test_a_recording_replays_to_what_was_raised_and_cleared() -> None:
    assert told(replay(MIRROR, RECORDED), "pool-leak", "microsoft-leaked", "feed-down", "exabgp-down") == [
        (0.007, "raised", "microsoft-leaked", ""),
        (0.008, "raised", "pool-leak", "ipv4"),
        (0.008, "raised", "pool-leak", "ipv6"),
        (26.869, "raised", "exabgp-down", ""),
    ]


def test_a_transition_is_printed_as_the_contract_says() -> None:
    (leak,) = (
        t for t in replay(MIRROR, RECORDED) if t["check"] == "pool-leak" and t["labels"]["family"] == "ipv6"
    )
    assert leak == {
        "offset": 0.008,
        "time": round(json.loads(ROUTES[2])["time"], 3),
        "state": "raised",
        "check": "pool-leak",
        "severity": "critical",
        "labels": {"pool": "chi", "family": "ipv6", "feed": "edge", "uplink": "isp-a"},
        "summary": "NAT pool chi 2001:db8::/48 is advertised to isp-a by edge-1",
        "evidence": leak["evidence"],
    }
    assert leak["evidence"]["prefixes"] == ["2001:db8::/48"]
    assert leak["evidence"]["prefixes_total"] == 1
    assert leak["evidence"]["as_paths"] == ["12076"]
    assert leak["evidence"]["routers"] == ["edge-1"]


def test_a_cleared_finding_says_how_long_it_lasted() -> None:
    again = counted(at(0, *SESSION), at(10, DOWN), at(20, CONNECTED, UP, END_OF_RIB, END_OF_RIB_6))
    cleared = [t for t in replay(MIRROR, again) if t["state"] == "cleared" and t["check"] == "pool-leak"]
    assert [(t["offset"], t["duration_seconds"]) for t in cleared] == [(82.0, 22.0), (82.0, 22.0)]


@pytest.mark.parametrize(("prefix", "family"), [("198.51.100.0/25", "ipv4"), ("2001:db8::/48", "ipv6")])
@pytest.mark.parametrize("before", [[], ROUTES], ids=["alone", "behind JSON of an earlier ermon"])
def test_updates_replay_as_they_came(prefix: str, family: str, before: list[bytes]) -> None:
    """``ROUTES`` leak both families."""
    next_hop = {"ipv4": "192.0.2.1", "ipv6": "2001:db8:ffff::1"}[family]
    leak = as_they_came(bgp.announcement(prefix, next_hop=next_hop, as_path=(64500,)))
    repair = as_they_came(bgp.withdrawal(prefix))
    session = [CONNECTED, UP, END_OF_RIB, END_OF_RIB_6]
    transitions = replay(MIRROR, counted(at(0, *session), at(5, *before), at(10, leak), at(20, repair)))
    assert [each for each in told(transitions, "pool-leak") if each[3] == family] == [
        (5.0 if before else 10.0, "raised", "pool-leak", family),
        (80.0, "cleared", "pool-leak", family),
    ]


def as_they_came(*updates: bytes) -> bytes:
    """The line in which ExaBGP passes them on."""
    line = json.loads(UP)
    families = [f"{family} unicast" for family in BOTH]
    said = {
        "session": 1,
        "octets": len(b"".join(updates)),
        "asn4": True,
        "families": families,
        "add-path": [],
    }
    said["body"] = b64encode(b"".join(updates)).decode()
    neighbor = {"address": line["neighbor"]["address"], "raw": said}
    return json.dumps(line | {"type": "raw", "neighbor": neighbor}).encode()


# When it ends ------------------------------------------------------------------------------------------


def test_it_goes_on_until_no_timer_is_running() -> None:
    transitions = replay(MIRROR, counted(at(0, *SESSION), at(10, DOWN)))
    assert told(transitions, "feed-down") == [(40.0, "raised", "feed-down", "")]


def test_a_recording_without_end_of_rib_goes_on_until_sync_timeout() -> None:
    transitions = replay(MIRROR, at(0, CONNECTED, UP, *ROUTES))
    assert told(transitions, "feed-no-eor") == [(120.0, "raised", "feed-no-eor", "")]


def test_paused_timers_and_maintenance_do_not_keep_it_going() -> None:
    far = policy(View.EDGE_TABLE, maintenance=(window(10**6, 10**9, circuit="chicago"),))
    run = Replay(Playback(far, no_rejection))
    assert [t["check"] for t in run.transitions(counted(at(0, *SESSION)))].count("link-down") == 0
    assert run._monitor is not None
    assert run._monitor.now < BEGAN + 1000


@pytest.mark.parametrize(("until", "raised"), [(39.999, False), (40, True), (1000, True)])
def test_with_until_the_clock_runs_exactly_to_it(until: float, raised: bool) -> None:
    run = Replay(Playback(MIRROR, no_rejection))
    transitions = list(run.transitions(counted(at(0, *SESSION), at(10, DOWN)), until))
    assert bool(told(transitions, "feed-down")) is raised
    assert run._monitor is not None
    assert run._monitor.now == round(BEGAN + until, 6)


def test_lines_after_until_are_not_taken_in() -> None:
    lines = counted(at(0, CONNECTED, UP), at(5, *ROUTES))
    assert told(replay(MIRROR, lines, until=4.999), "pool-leak") == []
    assert len(told(replay(MIRROR, lines, until=5), "pool-leak")) == 2


def test_timers_before_the_first_line_of_a_feed_count_from_the_first_line_on() -> None:
    """A feed that never came up is down, as in the daemon."""
    assert told(replay(MIRROR, at(0, CONNECTED)), "feed-down") == [(30.0, "raised", "feed-down", "")]


# Time --------------------------------------------------------------------------------------------------


def test_at_one_instant_timers_fire_before_the_line_that_arrives() -> None:
    lines = counted(at(0, *SESSION), at(10, DOWN), at(40, CONNECTED, UP))
    assert told(replay(MIRROR, lines), "feed-down") == [
        (40.0, "raised", "feed-down", ""),
        (40.0, "cleared", "feed-down", ""),
    ]


def test_a_time_that_goes_backwards_counts_as_no_time_passing() -> None:
    straight = counted(at(0, CONNECTED, UP), at(5, *ROUTES), at(5, DOWN))
    bent = counted(at(0, CONNECTED, UP), at(5, *ROUTES), at(-1000, DOWN))
    assert told(replay(MIRROR, bent)) == told(replay(MIRROR, straight))


def test_transitions_of_one_instant_are_ordered_by_check_and_labels_whichever_line_brought_them() -> None:
    lines = counted(at(0, CONNECTED, UP), at(5, *reversed(ROUTES)))
    assert told(replay(MIRROR, lines, until=5)) == [
        (0.0, "raised", "view-missing", ""),
        (0.0, "raised", "view-missing", ""),
        (5.0, "raised", "microsoft-leaked", ""),
        (5.0, "raised", "pool-leak", "ipv4"),
        (5.0, "raised", "pool-leak", "ipv6"),
    ]


def test_offsets_and_times_are_rounded_to_milliseconds() -> None:
    lines = counted(at(0, CONNECTED, UP), at(5.00049, *ROUTES))
    (leak, _) = (t for t in replay(MIRROR, lines) if t["check"] == "pool-leak")
    assert leak["offset"] == 5.0
    assert leak["time"] == round(BEGAN + 5.00049, 3)


# What a recording may begin and end with ---------------------------------------------------------------


def test_a_recording_that_begins_inside_a_session_is_in_sync_after_sync_timeout() -> None:
    run = Replay(Playback(EDGE, no_rejection))
    list(run.transitions(counted(at(0, *ROUTES[:2], END_OF_RIB, END_OF_RIB_6)), until=119.999))
    assert status(run, "link-down", family="ipv4") == "unknown"
    assert status(run, "link-down", family="ipv6") == "unknown"
    assert status(run, "feed-no-eor") == "unknown"
    run = Replay(Playback(EDGE, no_rejection))
    list(run.transitions(counted(at(0, *ROUTES[:2], END_OF_RIB, END_OF_RIB_6)), until=120))
    assert status(run, "feed-down") == "ok"
    assert status(run, "link-down", family="ipv4") == "ok"
    # Best paths are always of some link: without an IPv6 route, the only link is down.
    assert status(run, "circuit-down", family="ipv6") == "violated"
    assert status(run, "link-down", family="ipv6") == "suppressed"


def test_a_shutdown_line_puts_the_process_and_its_feeds_down() -> None:
    run = Replay(Playback(MIRROR, no_rejection))
    transitions = list(run.transitions([*SESSION, SHUTDOWN]))
    assert told(transitions, "exabgp-down", "feed-down") == [(26.869, "raised", "exabgp-down", "")]
    assert status(run, "feed-down") == "suppressed"


def status(run: Replay, check: str, **labels: str) -> str:
    (found,) = (
        s["status"] for s in run.statuses() if s["check"] == check and labels.items() <= s["labels"].items()
    )
    return str(found)


# Lines that cannot be read -----------------------------------------------------------------------------


def test_what_the_listener_tells_is_evidence_in_a_replay_too() -> None:
    """Lines of ExaBGP's process report addresses on which it cannot listen, and unexpected routers."""
    refused = {"connections": [{"local": "127.0.0.1", "peer": "127.0.0.9", "count": 3}], "more": 2}
    listening = {"port": 179, "addresses": {"127.0.0.1": "EADDRINUSE"}}
    lines = at(0, *SESSION) + at(1, DOWN)
    for kind, what in (("refused", refused), ("listening", listening)):
        line = {"exabgp": "5.0.0", "time": BEGAN + 2, "pid": 1, "type": kind, kind: what}
        lines.append(json.dumps(line).encode())
    (raised,) = (t for t in replay(EDGE, lines) if t["check"] == "feed-down")
    assert raised["offset"] == 31.0, "no timer of theirs keeps the replay going"
    assert raised["evidence"]["reason"].startswith(
        "cannot listen on 127.0.0.1:179: another program listens there"
    )
    assert raised["evidence"]["refused"] == [
        "A router at 127.0.0.9 tries to connect to 127.0.0.1 and no feed has this pair: is update-source missing on edge-1?"
    ]


def test_a_line_that_cannot_be_decoded_is_reported_with_its_number_and_skipped() -> None:
    rejected: list[tuple[int, RejectReason]] = []
    run = Replay(Playback(MIRROR, lambda number, why: rejected.append((number, why.reason))))
    lines = [b"", b"nonsense", *SESSION[:3], b"  ", b'{"exabgp": "5.0.0"}', *SESSION[3:]]
    transitions = list(run.transitions(lines))
    assert rejected == [(2, RejectReason.NOT_JSON), (7, RejectReason.NOT_EXABGP)]
    assert len(told(transitions, "pool-leak")) == 2
    assert run.decoded_anything


@pytest.mark.parametrize("lines", [[], [b"", b"\n"], [b"nonsense"]])
def test_a_recording_of_which_nothing_could_be_decoded_says_nothing(lines: list[bytes]) -> None:
    run = Replay(Playback(MIRROR, lambda _, __: None))
    assert list(run.transitions(lines)) == []
    assert list(run.statuses()) == []
    assert not run.decoded_anything


# Statuses ----------------------------------------------------------------------------------------------


def test_statuses_name_every_subject_once_ordered_by_check_and_labels() -> None:
    run = Replay(Playback(MIRROR, no_rejection))
    list(run.transitions(RECORDED))
    statuses = list(run.statuses())
    keys = [(s["check"], sorted(s["labels"].items())) for s in statuses]
    assert keys == sorted(keys)
    assert len({json.dumps(key) for key in keys}) == len(keys)
    assert {s["status"] for s in statuses} <= {"ok", "violated", "unknown", "suppressed"}
    assert all(set(s) == {"check", "labels", "status"} for s in statuses)


# Byte for byte -----------------------------------------------------------------------------------------

PRINTED = """
import tests.recording.test_replay as t
for transition in t.replay(t.MIRROR, t.RECORDED):
    print(t.to_line(transition))
"""


def test_the_same_input_gives_the_same_output_byte_for_byte() -> None:
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PRINTED],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    assert outputs.pop().decode().splitlines() == [to_line(t) for t in replay(MIRROR, RECORDED)]


def test_samples_of_everything_that_exabgp_prints_are_replayed_to_the_end() -> None:
    """Lines of unknown feeds are rejected; the replay continues."""
    rejected: list[RejectReason] = []
    run = Replay(Playback(MIRROR, lambda _, why: rejected.append(why.reason)))
    samples = RECORDING.with_name("samples-5.0.15.jsonl").read_bytes().splitlines()
    list(run.transitions(samples))
    assert set(rejected) <= {RejectReason.UNKNOWN_FEED, RejectReason.NOT_JSON, RejectReason.NOT_EXABGP}


def test_no_line_after_the_end_counts_even_if_its_time_jumps_back() -> None:
    lines = counted(at(0, *SESSION), at(100, END_OF_RIB), at(5, DOWN))
    run = Replay(Playback(MIRROR, no_rejection))
    list(run.transitions(lines, until=10))
    assert status(run, "feed-down") == "ok"


def entry(type_: str, seconds: float = 0, **values: object) -> bytes:
    return json.dumps(
        {"ermon": {"type": type_, **values}, "time": BEGAN + seconds}, separators=(",", ":")
    ).encode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"ermon":', "Input data was truncated"),
        (b'{"ermon":{"type":"event","kind":"x","values":{"a":' + b"[" * 100_000, "nested too deeply"),
        (entry("tomorrow"), "Invalid value 'tomorrow'"),
        (entry("clock", 1e12), "Expected `float` <= 253402300799.0"),
        (entry("event", kind="Update", values={"time": 1.0, "feed": "edge"}), "there is no event 'Update'"),
        (entry("event", kind="ProcessUp", values={}), "missing required field `time`"),
        (
            entry("event", kind="MessagesLost", values={"time": 1.0, "feed": "x", "count": 1, "reason": ""}),
            "there is no feed 'x'",
        ),
        (entry("state", snapshot={"now": BEGAN}, decoder={"pids": []}), "Expected `object`, got `array`"),
    ],
)
def test_an_entry_that_makes_no_sense_is_skipped(line: bytes, why: str) -> None:
    rejected: list[tuple[int, Rejected]] = []
    run = Replay(Playback(MIRROR, lambda number, which: rejected.append((number, which))))
    lines = [*at(0, *SESSION)]
    assert list(run.transitions([lines[0], line, *lines[1:]])) == replay(MIRROR, lines)
    ((number, which),) = rejected
    assert number == 2
    assert why in which.detail
    assert len(which.detail) + len(which.line) < 1000


def test_plain_lines_of_exabgp_may_follow_upon_a_recording(tmp_path: Path) -> None:
    daemon = MiniatureDaemon(MIRROR, tmp_path, BEGAN)
    daemon.lines(*at(1, CONNECTED))
    daemon.stop()
    lines = gzip.decompress(daemon.files[0].read_bytes()).splitlines()
    found = replay(MIRROR, [*lines, *at(2, *SESSION[1:])])
    assert [t["time"] for t in found if t["check"] == "pool-leak"] == [round(BEGAN + 2, 3)] * 2


def test_a_snapshot_reads_as_lines_of_exabgp_without_the_entries(tmp_path: Path) -> None:
    """Another tool, or an ermon without these entries, reads the sessions and routes too."""
    daemon = MiniatureDaemon(MIRROR, tmp_path, BEGAN)
    daemon.lines(*at(1, *SESSION))
    daemon.settle(BEGAN + 10)
    daemon.next_file()
    daemon.stop()
    lines = gzip.decompress(daemon.files[1].read_bytes()).splitlines()
    found = replay(MIRROR, [line for line in lines if not line.startswith(b'{"ermon"')])
    raised = [(t["time"], t["labels"]["family"]) for t in found if t["check"] == "pool-leak"]
    assert raised == [(round(BEGAN + 10, 3), "ipv4"), (round(BEGAN + 10, 3), "ipv6")]
