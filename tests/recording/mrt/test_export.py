"""A recording as MRT: bgpdump reads every file as ermon does, and a replay of it comes to the same routes and findings."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ermon.bgp.update import Codec
from ermon.core.monitor import Monitor
from ermon.exabgp.updates import FeedEncoder
from ermon.model.events import ProcessDown, RefreshBegan, RefreshEnded
from ermon.model.inventory import Config, Feed, bmp_connection
from ermon.model.prefixes import Family
from ermon.mrt.records import cut
from ermon.mrt.sessions import Message, StateChange, read_session_record
from ermon.recording.entries import Connected, End, Happened, Head, Reason, Reported, write_entry
from ermon.recording.files import RecordedLines
from ermon.recording.mrt.export import MrtExport, Selection
from ermon.recording.mrt.files import MrtFiles, write_mrt
from ermon.recording.mrt.peers import Matching
from ermon.recording.mrt.replay import MrtPlayback
from ermon.recording.replay import Begun, Playback, Replay
from tests import bgp
from tests.bmp import router
from tests.mrt import bgpdump
from tests.networks import REPORTED, SMALL
from tests.recording.daemon import MiniatureDaemon
from tests.wire.generate import CODECS, broken_bodies
from tests.wire.test_differential import name

T0 = 1_796_000_000.0
NETWORK = replace(
    SMALL,
    feeds={
        name: replace(one, local=f"127.0.0.{at}") for at, (name, one) in enumerate(SMALL.feeds.items(), 11)
    },
)
BOTH: tuple[Family, Family] = ("ipv4", "ipv6")
POOL, POOL_6 = "198.51.100.0/28", "2001:db8:100:1::/64"
EXCHANGE, EXCHANGE_6 = "192.0.2.0/26", "2001:db8:200::/48"
RECORDED = Path(__file__).parents[2] / "recorded"


class Session:
    """What ExaBGP writes of a feed's session."""

    def __init__(self, feed: Feed, *, add_path: Iterable[Family] = (), four_octet: bool = True) -> None:
        self.feed = feed
        self.add_path = frozenset(add_path)
        self.four_octet = four_octet

    def _encoder(self, at: float) -> FeedEncoder:
        return FeedEncoder(self.feed, 7, T0 + at)

    def up(self, at: float) -> list[bytes]:
        encoder = self._encoder(at)
        return [encoder.offered(self.add_path), encoder.negotiated(self.add_path), encoder.up()]

    def down(self, at: float) -> list[bytes]:
        return [self._encoder(at)._line("state", state="down", reason="peer reset")]

    def raw(self, at: float, *updates: bytes) -> bytes:
        """UPDATEs as they came."""
        said = {
            "session": 1,
            "octets": 0,
            "asn4": self.four_octet,
            "families": [f"{family} unicast" for family in BOTH],
            "add-path": [f"{family} unicast" for family in sorted(self.add_path)],
            "body": b64encode(b"".join(updates)).decode(),
        }
        address = {"local": self.feed.local, "peer": self.feed.peer}
        line = {"exabgp": "5.0.0", "time": T0 + at, "pid": 7, "type": "raw"}
        return json.dumps(line | {"neighbor": {"address": address, "raw": said}}).encode()

    def parsed(self, at: float, routes: Iterable[Any]) -> list[bytes]:
        """UPDATEs as ExaBGP's JSON."""
        return list(self._encoder(at).updates(routes))


def export(
    config: Config, lines: Iterable[bytes], tmp_path: Path, *feeds: str, **times: float
) -> tuple[Path, MrtExport, list[str]]:
    notes: list[str] = []
    run = MrtExport(config, Selection(frozenset(feeds or config.feeds), **times), notes.append)
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.mrt"
    assert write_mrt(path, run.records(lines))
    assert bgpdump.read(path) == bgpdump.comparable(bgpdump.dumped(path))
    return path, run, notes


def said(path: Path) -> Iterator[tuple[float, Message | StateChange]]:
    for record in cut([path.read_bytes()]):
        yield record.time, read_session_record(record.subtype, record.body)


def told(replay: Replay[Any], pieces: Iterable[Any]) -> list[tuple[float, str, str, str]]:
    found = replay.transitions(pieces)
    return [(t["time"], t["state"], t["check"], json.dumps(t["labels"], sort_keys=True)) for t in found]


def from_mrt(config: Config, path: Path, rest: str | None = None) -> list[tuple[float, str, str, str]]:
    playback = MrtPlayback(config, Matching(config, rest), lambda each: pytest.fail(str(each)))
    return told(Replay(playback), MrtFiles([path], pytest.fail))


def from_lines(config: Config, lines: Iterable[bytes]) -> list[tuple[float, str, str, str]]:
    return told(Replay(Playback(config, lambda *each: pytest.fail(str(each)))), lines)


def about_routers(findings: Iterable[tuple[float, str, str, str]]) -> list[tuple[float, str, str, str]]:
    """Without what begins with the first line or record, and what MRT does not say."""
    return [
        each
        for each in findings
        if each[2] not in {"view-missing", "circuit-unseen", "feed-down", "bmp-down", "bmp-no-stats"}
    ]


def routes(config: Config, steps: Iterable[Any]) -> dict[str, set[Any]]:
    """The routes at the end, by feed."""
    monitor: Monitor | None = None
    for step in steps:
        if isinstance(step, Begun):
            monitor = step.monitor
            continue
        monitor = monitor or Monitor(config, step.time)
        if not type(step).__module__.startswith("ermon.recording"):
            monitor.apply(step)
    assert monitor is not None
    return {name: set(feed.rib.routes()) for name, feed in monitor.network.feeds.items()}


def assert_same(config: Config, lines: list[bytes], path: Path) -> list[tuple[float, str, str, str]]:
    """The file has the same routes and findings as the recording."""
    playback = MrtPlayback(config, Matching(config), lambda each: pytest.fail(str(each)))
    found = routes(config, playback.steps(MrtFiles([path], pytest.fail)))
    assert found == routes(config, Playback(config, lambda *each: pytest.fail(str(each))).steps(lines))
    findings = from_mrt(config, path)
    assert about_routers(findings) == about_routers(from_lines(config, lines))
    return findings


def announced(prefix: str, next_hop: str, *path: int, path_id: int | None = None, **others: Any) -> bytes:
    return bgp.announcement(prefix, next_hop=next_hop, as_path=path, path_id=path_id, **others)


def a_day() -> list[bytes]:
    """Both links come up, Microsoft's routes come over them; the pool leaks and the leak is repaired; a link is lost."""
    edge = Session(NETWORK.feeds["edge-1"], add_path=BOTH)
    edge_2 = Session(NETWORK.feeds["edge-2"], add_path=("ipv4",))
    isp, msee = Session(NETWORK.feeds["isp-a"]), Session(NETWORK.feeds["edge-1-msee"])
    ends = [bgp.end_of_rib(family) for family in BOTH]
    community = [(12076, 5010)]
    return [
        *edge.up(0),
        *edge_2.up(0.25),
        *isp.up(0.5),
        *msee.up(0.5),
        edge.raw(
            1,
            announced(EXCHANGE, "203.0.113.2", 12076, 8075, path_id=1, communities=community),
            announced(EXCHANGE_6, "2001:db8:ffff::2", 12076, path_id=2, large_communities=[(1, 2, 3)], med=5),
            *ends,
        ),
        edge_2.raw(
            1.000001,
            announced(EXCHANGE, "203.0.113.6", 12076, 8075, path_id=1, local_preference=200),
            announced(EXCHANGE_6, "2001:db8:ffff::6", 12076),
            *ends,
        ),
        msee.raw(
            1.5, announced(POOL, "203.0.113.1", 64500), announced(POOL_6, "2001:db8:ffff::1", 64500), *ends
        ),
        isp.raw(2, *ends),
        isp.raw(60, announced(POOL, "192.0.2.1", 64500), announced(POOL_6, "2001:db8::1", 64500)),
        isp.raw(90, bgp.withdrawal(POOL), bgp.withdrawal(POOL_6)),
        edge.raw(120, bgp.withdrawal(EXCHANGE, path_id=1)),
        *isp.down(300),
    ]


def test_a_day_is_the_same_from_mrt(tmp_path: Path) -> None:
    path, run, notes = export(NETWORK, a_day(), tmp_path)
    findings = assert_same(NETWORK, a_day(), path)
    assert {"pool-leak", "link-down", "feed-down"} <= {check for _, _, check, _ in findings}
    assert (run.rejected, run.left_out, notes) == (0, {}, [])


def test_peers_with_ipv6_addresses(tmp_path: Path) -> None:
    feeds = {
        name: replace(one, peer=f"2001:db8:f::{at}", local="2001:db8:f::ffff")
        for at, (name, one) in enumerate(NETWORK.feeds.items(), 1)
    }
    network = replace(NETWORK, feeds=feeds)
    edge, isp = Session(feeds["edge-1"], add_path=BOTH), Session(feeds["isp-a"])
    leak = isp.raw(2, announced(POOL, "192.0.2.1", 64500), announced(POOL_6, "2001:db8::1", 64500))
    route = edge.raw(1, announced(EXCHANGE_6, "2001:db8:ffff::2", 12076, path_id=2))
    lines = [*edge.up(0), *isp.up(0), route, leak, *isp.down(5)]
    path, _, _ = export(network, lines, tmp_path)
    findings = assert_same(network, lines, path)
    assert [each[1] for each in findings if each[2] == "pool-leak"][:2] == ["raised", "raised"]


def test_octets_are_those_of_the_router(tmp_path: Path) -> None:
    """Extended communities, for example, which ermon does not read."""
    feed = NETWORK.feeds["isp-a"]
    octets = announced(POOL, "192.0.2.1", 64500)
    extended = bgp.attribute(0xC0, 16, bytes(8))
    size = int.from_bytes(octets[21:23], "big")
    odd = bgp.update_message(attributes=octets[23 : 23 + size] + extended, nlri=octets[23 + size :])
    path, _, _ = export(NETWORK, [*Session(feed).up(0), Session(feed).raw(1, odd)], tmp_path)
    assert odd in path.read_bytes()


def test_asns_of_two_octets_stay_so(tmp_path: Path) -> None:
    feed = NETWORK.feeds["isp-a"]
    session = Session(feed, four_octet=False)
    path_of_two = bgp.attribute(0x40, 2, b"\2\1\xfb\xf4")
    attributes = bgp.attribute(0x40, 1, b"\0") + path_of_two + bgp.attribute(0x40, 3, b"\xc0\0\2\1")
    lines = [
        *session.up(0),
        session.raw(1, bgp.update_message(attributes=attributes, nlri=bgp.encode_nlri(POOL))),
    ]
    path, _, _ = export(NETWORK, lines, tmp_path)
    assert [each.four_octet for _, each in said(path) if isinstance(each, Message)] == [True, False]
    assert_same(NETWORK, lines, path)


def test_json_is_encoded_again(tmp_path: Path) -> None:
    feed = NETWORK.feeds["edge-1"]
    day = a_day()
    parsed = [line for line in day if b'"raw"' not in line]
    raw = [line for line in day if b'"raw"' in line]
    held = routes(NETWORK, Playback(NETWORK, lambda *_: None).steps([*parsed[:-1], *raw[:3]]))
    session = Session(feed, add_path=BOTH)
    lines = [
        *session.up(0),
        *session.parsed(1, sorted(held["edge-1"], key=str)),
        session._encoder(2).end_of_rib("ipv4"),
        session._encoder(2).end_of_rib("ipv6"),
    ]
    path, _, _ = export(NETWORK, lines, tmp_path)
    assert len(held["edge-1"]) == 2
    assert_same(NETWORK, lines, path)


def test_an_update_of_two_families_of_which_one_has_path_identifiers_is_two(tmp_path: Path) -> None:
    session = Session(NETWORK.feeds["edge-1"], add_path=("ipv4",))
    one, two = announced(POOL, "192.0.2.1", 64500, path_id=3), announced(POOL_6, "2001:db8::1", 64500)
    attributes = two[23:]  # MP_REACH_NLRI, ORIGIN, AS_PATH
    next_hop = bgp.attribute(0x40, 3, b"\xc0\0\2\1")
    both = bgp.update_message(attributes=attributes + next_hop, nlri=bgp.encode_nlri(POOL, 3))
    assert one
    lines = [*session.up(0), session.raw(1, both)]
    path, _, _ = export(NETWORK, lines, tmp_path)
    updates = [each for _, each in said(path) if isinstance(each, Message) and each.kind == bgp.UPDATE]
    assert sorted(each.add_path for each in updates) == [False, True]
    assert_same(NETWORK, lines, path)


def test_a_malformed_update_is_written_as_it_was_treated(tmp_path: Path) -> None:
    """bgpdump need not survive what ermon does."""
    session = Session(NETWORK.feeds["isp-a"])
    good = announced(POOL, "192.0.2.1", 64500)
    attributes = (
        bgp.attribute(0x40, 1, b"\0\0") + bgp.encode_path((64500,)) + bgp.attribute(0x40, 3, b"\xc0\0\2\1")
    )
    bad = bgp.update_message(attributes=attributes, nlri=bgp.encode_nlri(POOL))
    lines = [*session.up(0), session.raw(1, good), session.raw(2, bad)]
    path, _, _ = export(NETWORK, lines, tmp_path)
    assert bad not in path.read_bytes()
    assert_same(NETWORK, lines, path)


def test_an_update_that_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    session = Session(NETWORK.feeds["isp-a"])
    bad = bgp.message(bgp.UPDATE, b"\xff\xff\0\0")
    path, run, _ = export(NETWORK, [*session.up(0), session.raw(1, bad)], tmp_path)
    assert bad not in path.read_bytes()
    assert run.left_out == {"an UPDATE that cannot be read (Withdrawn Routes Length is too large)": 1}
    assert run.rejected == 1


def test_the_end_of_a_process_ends_its_sessions(tmp_path: Path) -> None:
    session = Session(NETWORK.feeds["isp-a"])
    down = write_entry(Happened.of(ProcessDown(T0 + 5, "edges", "killed")), T0 + 5)
    path, _, _ = export(NETWORK, [*session.up(0), down], tmp_path)
    assert [(time - T0, each.new) for time, each in said(path) if isinstance(each, StateChange)] == [
        (0, 6),
        (5, 1),
    ]


def test_a_refresh_withdraws_what_did_not_come_again(tmp_path: Path) -> None:
    session = Session(NETWORK.feeds["isp-a"])
    began, ended = (
        write_entry(Happened.of(kind(T0 + 2, "isp-a", "ipv4")), T0 + 2)
        for kind in (RefreshBegan, RefreshEnded)
    )
    again = session.raw(2, announced(POOL, "192.0.2.1", 64500))
    both = session.raw(
        1, announced(POOL, "192.0.2.1", 64500), announced("198.51.100.16/28", "192.0.2.1", 64500)
    )
    lines = [*session.up(0), both, began, again, ended]
    path, _, _ = export(NETWORK, lines, tmp_path)
    assert "W|" in " ".join(bgpdump.read(path))
    playback = MrtPlayback(NETWORK, Matching(NETWORK), lambda _: None)
    found = routes(NETWORK, playback.steps(MrtFiles([path], pytest.fail)))
    assert {str(route.prefix) for route in found["isp-a"]} == {POOL}


@pytest.mark.parametrize("codec", CODECS, ids=name)
def test_bgpdump_reads_what_is_written_of_any_update(codec: Codec, tmp_path: Path) -> None:
    """A router may pass on anything: bgpdump warns about some of it, and aborts at some."""
    session = Session(NETWORK.feeds["edge-1"], add_path=codec.add_path, four_octet=codec.four_octet)
    bodies = broken_bodies(Random(CODECS.index(codec)), codec, 150)
    updates = [session.raw(at, bgp.message(bgp.UPDATE, body)) for at, body in enumerate(bodies, 1)]
    path, run, _ = export(NETWORK, [*session.up(0), *updates], tmp_path)
    assert len(bgpdump.read(path)) > 50
    assert run.left_out


# Which part of a recording -------------------------------------------------------------------------------


def test_only_the_feeds_that_are_asked_for(tmp_path: Path) -> None:
    path, _, _ = export(NETWORK, a_day(), tmp_path, "isp-a")
    locals_ = {each.receiver.address for _, each in said(path) if isinstance(each, Message)}
    assert [str(address) for address in locals_] == [NETWORK.feeds["isp-a"].local]


def test_from_a_time_on_with_what_the_feeds_have_until_then(tmp_path: Path) -> None:
    path, _, _ = export(NETWORK, a_day(), tmp_path, since=T0 + 61)
    times = [time - T0 for time, _ in said(path)]
    assert min(times) == 61
    whole, _, _ = export(NETWORK, a_day(), tmp_path)
    found = [
        routes(
            NETWORK,
            MrtPlayback(NETWORK, Matching(NETWORK), lambda _: None).steps(MrtFiles([each], pytest.fail)),
        )
        for each in (path, whole)
    ]
    assert found[0] == found[1]
    states = [each.new for time, each in said(path) if isinstance(each, StateChange)]
    assert states == [6] * 4 + [1]


def test_until_a_time(tmp_path: Path) -> None:
    path, _, _ = export(NETWORK, a_day(), tmp_path, until=T0 + 60)
    assert max(time for time, _ in said(path)) == T0 + 60
    assert min(time for time, _ in said(path)) == T0


def test_what_is_not_in_the_recording_is_no_file(tmp_path: Path) -> None:
    for times in ({"since": T0 + 9_999}, {"until": T0 - 1}):
        run = MrtExport(NETWORK, Selection(frozenset(NETWORK.feeds), **times), pytest.fail)
        assert list(run.records(a_day())) == []


# Files of the daemon -------------------------------------------------------------------------------------


def test_snapshots_between_files_say_nothing_new_and_others_only_what_changed(tmp_path: Path) -> None:
    daemon = MiniatureDaemon(NETWORK, tmp_path / "daemon", T0)
    day = a_day()
    daemon.lines(*day[:14])
    daemon.next_file()
    daemon.lines(*day[14:-2])
    daemon.next_file(Reason.RELOAD)
    daemon.lines(*day[-2:])
    daemon.stop()
    every, _, notes = export(NETWORK, RecordedLines(daemon.files, pytest.fail), tmp_path)
    plain, _, _ = export(NETWORK, day, tmp_path)
    assert notes == []
    steady = [line for line in bgpdump.read(every) if "STATE" in line or "|W|" in line]
    assert steady == [line for line in bgpdump.read(plain) if "STATE" in line or "|W|" in line]
    findings = [(time, state, check, labels) for time, state, check, labels in from_mrt(NETWORK, every)]
    assert findings == from_mrt(NETWORK, plain)
    last, _, _ = export(NETWORK, RecordedLines(daemon.files[-1:], pytest.fail), tmp_path)
    found = routes(
        NETWORK, MrtPlayback(NETWORK, Matching(NETWORK), lambda _: None).steps(MrtFiles([last], pytest.fail))
    )
    assert found["edge-2"]
    assert found == routes(
        NETWORK, Playback(NETWORK, lambda *_: None).steps(RecordedLines(daemon.files[-1:], pytest.fail))
    )


# BMP -----------------------------------------------------------------------------------------------------

ACCEPTED = replace(REPORTED, feeds={name: one for name, one in REPORTED.feeds.items() if not one.pre_policy})


def reported(octets: bytes, of: str = "edge-1", pieces: int = 500) -> list[bytes]:
    """A BMP connection in a recording, with a second between its pieces."""
    lines = [write_entry(Connected(of), T0)]
    for number, at in enumerate(range(0, len(octets), pieces), 1):
        lines.append(write_entry(Reported(of, octets[at : at + pieces]), T0 + number))
    return lines


@pytest.mark.parametrize("name", ["frr-8.4.4-day", "gobgp-3.10.0-day", "gobgp-3.10.0-dump-and-mirror"])
def test_what_routers_report_is_the_same_from_mrt(name: str, tmp_path: Path) -> None:
    """All but what MRT does not say: how a session ended that sent no NOTIFICATION."""
    lines = reported((RECORDED / "bmp" / f"{name}.bmp").read_bytes())
    path, run, notes = export(ACCEPTED, lines, tmp_path)
    assert (run.rejected, notes) == (0, [])
    playback = MrtPlayback(ACCEPTED, Matching(ACCEPTED), lambda each: pytest.fail(str(each)))
    found = routes(ACCEPTED, playback.steps(MrtFiles([path], pytest.fail)))
    expected = routes(ACCEPTED, Playback(ACCEPTED, lambda *_: None).steps(lines))
    assert found == expected
    assert any(expected.values()) or "mirror" not in name
    findings = about_routers(from_lines(ACCEPTED, lines))
    assert about_routers(from_mrt(ACCEPTED, path)) == findings
    assert findings


def test_before_and_after_a_policy_are_not_told_apart_so_only_one_is_written(tmp_path: Path) -> None:
    lines = reported((RECORDED / "bmp" / "frr-8.4.4-day.bmp").read_bytes())
    _, _, notes = export(REPORTED, lines, tmp_path)
    name = "edge-1/chicago/primary/ipv4"
    assert (
        f"{name}/pre-policy is left out: MRT cannot tell it from {name}; --feed {name}/pre-policy exports it alone"
        in notes
    )
    alone, _, notes = export(REPORTED, lines, tmp_path, f"{name}/pre-policy")
    assert notes == []
    assert any("10.9.0.0/16" in line for line in bgpdump.read(alone)), "which the policy rejects"


def test_what_a_router_sends_its_neighbor_is_local(tmp_path: Path) -> None:
    header = router.peer_header(flags=router.POST_POLICY | router.ADJ_RIB_OUT)
    octets = (
        router.initiation()
        + router.peer_up()
        + router.route_monitoring(announced(POOL, "203.0.113.1", 64500), header)
    )
    path, _, _ = export(REPORTED, reported(octets), tmp_path)
    (update,) = [each for _, each in said(path) if isinstance(each, Message) and each.kind == bgp.UPDATE]
    assert update.is_local
    assert str(update.sender.address) == "203.0.113.1"
    assert_same(ACCEPTED, reported(octets), path)


def test_the_end_of_a_session_with_its_notification(tmp_path: Path) -> None:
    for reason, is_local in ((1, True), (3, False)):
        shutdown = bgp.notification(6, 2, b"\4work")
        octets = router.initiation() + router.peer_up() + router.peer_down(reason, shutdown)
        path, _, _ = export(REPORTED, reported(octets), tmp_path)
        (sent,) = [
            each for _, each in said(path) if isinstance(each, Message) and each.kind == bgp.NOTIFICATION
        ]
        assert sent.is_local is is_local
        downs = {
            text
            for _, steps in [
                (
                    0,
                    MrtPlayback(ACCEPTED, Matching(ACCEPTED), lambda _: None).steps(
                        MrtFiles([path], pytest.fail)
                    ),
                )
            ]
            for step in steps
            if (text := getattr(step, "reason", ""))
        }
        who = "the router" if is_local else "the neighbor"
        assert downs == {f'{who} sent Cease: administrative shutdown: "work"'}


def test_a_lost_bmp_connection_ends_no_session(tmp_path: Path) -> None:
    lines = reported(router.initiation() + router.peer_up())
    down = ProcessDown(T0 + 5, bmp_connection("edge-1"), "closed")
    path, _, _ = export(REPORTED, [*lines, write_entry(Happened.of(down), T0 + 5)], tmp_path)
    assert [each.new for _, each in said(path) if isinstance(each, StateChange)] == [6]


def test_broken_lines_are_counted_and_cost_no_other(tmp_path: Path) -> None:
    day = a_day()
    broken = [*day[:5], b"nonsense", b'{"ermon":{"type":"nothing"}}', b"", *day[5:]]
    path, run, _ = export(NETWORK, broken, tmp_path)
    assert run.rejected == 2
    assert_same(NETWORK, day, path)


def test_a_head_without_a_state_has_nothing(tmp_path: Path) -> None:
    head, end = Head("0", "x", 1, Reason.START), End()
    run = MrtExport(NETWORK, Selection(frozenset(NETWORK.feeds)), pytest.fail)
    assert list(run.records([write_entry(head, T0), *a_day(), write_entry(end, T0)])) == []
