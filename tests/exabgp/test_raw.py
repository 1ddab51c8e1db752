"""Raw UPDATEs: which are passed on, when the mode is on, what a line contains, and which side waits.

``test_protocol`` tests that sessions work as with ExaBGP's own decoding.
"""

import asyncio
import base64
import json
import os
import signal
import socket
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from exabgp.protocol.family import AFI
from exabgp.reactor.network.connection import Connection
from exabgp.reactor.protocol import Protocol
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ermon.exabgp import raw
from ermon.exabgp.decode import Decoder, RejectReason
from ermon.exabgp.raw import RawState
from ermon.exabgp.reasons import CLOSED
from ermon.exabgp.runs import first_run, is_for_exabgp
from ermon.exabgp.window import MOST_OCTETS, WINDOW_DECODED_OCTETS, WINDOW_OCTETS, Window
from ermon.model.events import (
    Alive,
    EndOfRib,
    MessagesLost,
    Update,
)
from ermon.model.inventory import EDGES
from tests import bgp
from tests.exabgp.dialects import announced, listening, session
from tests.exabgp.recordings import EXTRA, T
from tests.exabgp.test_process import EDGE_1, EDGE_2, eventually
from tests.recorded.record import TWO_OCTETS, UPDATES

SMALL, LARGE = 4096, 65535
LIMIT = 2**12
PREFIX, PREFIX6 = "198.51.100.0/24", "2001:db8:1::/48"


def update(octets):
    """An UPDATE of this number of octets, of which only the header is valid."""
    return bgp.message(bgp.UPDATE, bytes(octets - 19))


# What is taken -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(23, 5000), max_size=12), st.sampled_from([2**12, 2**15]), st.data())
def test_runs_are_whole_updates_in_their_order_however_they_come(sizes, limit, data):
    sent = b"".join(map(update, sizes))
    held, runs = bytearray(), []
    while sent:
        count = data.draw(st.integers(1, len(sent)))
        held += sent[:count]
        sent = sent[count:]
        while size := first_run(held, LARGE, limit):
            runs.append(bytes(held[:size]))
            del held[:size]
        assert not is_for_exabgp(held, LARGE)
    assert b"".join(runs) == b"".join(map(update, sizes))
    assert not held
    assert all(len(run) <= limit or len(run) in sizes for run in runs)


@pytest.mark.parametrize(
    "header",
    [
        bgp.message(bgp.KEEPALIVE),
        bgp.notification(6, 2),
        bgp.message(bgp.ROUTE_REFRESH, bytes(4)),
        bgp.message(9),
        update(22),
        b"\xff" * 16 + struct.pack("!HB", 18, bgp.UPDATE),
        b"\xff" * 16 + struct.pack("!HB", SMALL + 1, bgp.UPDATE),
        b"\xff" * 15 + b"\xfe" + struct.pack("!HB", 23, bgp.UPDATE),
    ],
)
def test_all_other_messages_are_left_to_exabgp(header):
    assert is_for_exabgp(header[:19], SMALL)
    assert not is_for_exabgp(header[:18], SMALL)
    behind = update(23) + header
    assert first_run(behind, SMALL, LIMIT) == 23
    assert first_run(behind[23:], SMALL, LIMIT) == 0


def test_the_largest_message_is_that_of_the_session():
    assert first_run(update(SMALL), SMALL, LIMIT) == SMALL
    assert first_run(update(SMALL + 1), SMALL, LIMIT) == 0
    assert first_run(update(LARGE), LARGE, LIMIT) == LARGE


# Whether it is -----------------------------------------------------------------------------------------


@pytest.fixture
def untouched():
    before = Protocol.read_message, Connection._reader
    yield
    assert (Protocol.read_message, Connection._reader) == before


def test_exabgp_is_the_one_that_it_was_tested_with():
    assert raw.TESTED["5.0.15"] == (raw.digest(Protocol.read_message), raw.digest(Connection._reader))


def test_the_switch_turns_it_off(untouched):
    assert raw.install("off", WINDOW_OCTETS) is RawState.OFF


def test_another_version_of_exabgp_does_all_of_it_itself(untouched, monkeypatch):
    monkeypatch.setattr("exabgp.version.release", "5.0.16")
    assert raw.install("on", WINDOW_OCTETS) is RawState.UNTESTED


@pytest.mark.parametrize("method", [(Protocol, "read_message"), (Connection, "_reader")])
def test_an_exabgp_with_another_text_does_all_of_it_itself(method, monkeypatch):
    def other(self, *rest):
        """ExaBGP as a distribution may have patched it."""

    monkeypatch.setattr(*method, other)
    assert raw.install("on", WINDOW_OCTETS) is RawState.UNTESTED
    assert getattr(*method) is other


def test_an_exabgp_without_its_text_does_all_of_it_itself(untouched, monkeypatch):
    def unreadable(_):
        raise OSError

    monkeypatch.setattr("inspect.getsource", unreadable)
    assert raw.install("on", WINDOW_OCTETS) is RawState.UNTESTED


# What a line of it says --------------------------------------------------------------------------------

GOOD = (bgp.announcement(PREFIX, next_hop="192.0.2.1"), bgp.withdrawal(PREFIX))
OVERLONG = bgp.update_message(withdrawn=bytes([33]) + bytes(5))
"""A prefix of 33 bits, to which ExaBGP would respond with a NOTIFICATION."""
NEGOTIATED = {"session": 3, "asn4": True, "families": ["ipv4 unicast"], "add-path": []}


def frame(updates, counter=1, **other):
    said = NEGOTIATED | {"octets": len(updates), "body": base64.b64encode(updates).decode()} | other
    address = {"local": EDGE_1.local, "peer": EDGE_1.peer}
    line = {"exabgp": "5.0.0", "time": 1.0, "pid": 7, "counter": counter, "type": "raw"}
    return json.dumps(line | {"neighbor": {"address": address, "raw": said}}).encode()


@pytest.fixture
def decoder():
    decoder = Decoder({EDGE_1.name: EDGE_1})
    decoder.process_started(EDGES, 7)
    return decoder


def kinds(decoded):
    return [type(event) for event in decoded.events]


def test_an_update_that_cannot_be_read_ends_its_session(decoder):
    decoded = decoder.decode(frame(GOOD[0] + OVERLONG + GOOD[1]))
    assert kinds(decoded) == [Update]
    assert decoded.answer == "unreadable 3"
    assert decoded.rejected.reason is RejectReason.BAD_UPDATE
    assert "32" in decoded.rejected.detail


@pytest.mark.parametrize("withdrawn", [b"", bgp.encode_nlri("203.0.113.0/24")])
def test_an_update_with_a_malformed_attribute_names_it_and_one_of_its_routes(decoder, withdrawn):
    attributes = bgp.attribute(0x40, 1, b"\7") + bgp.encode_path((65011,)) + bgp.attribute(0x40, 3, bytes(4))
    broken = bgp.update_message(withdrawn, attributes, bgp.encode_nlri(PREFIX))
    decoded = decoder.decode(frame(GOOD[0] + broken + GOOD[0]))
    assert kinds(decoded) == [Update] * 3
    assert decoded.events[1].announced == ()
    (malformed,) = decoded.malformed
    assert (malformed.feed, malformed.kind, malformed.what) == (EDGE_1.name, "treat-as-withdraw", "ORIGIN 7")
    assert str(malformed.prefix) == PREFIX
    assert decoded.rejected is None


@pytest.mark.parametrize(
    "body", [GOOD[0][:-1], GOOD[0] + b"x", bgp.message(bgp.KEEPALIVE), GOOD[0] + bgp.message(bgp.KEEPALIVE)]
)
def test_data_that_is_not_a_sequence_of_whole_updates_is_a_loss(decoder, body):
    decoded = decoder.decode(frame(body))
    assert kinds(decoded)[-1] is MessagesLost
    assert decoded.rejected.reason is RejectReason.BAD_UPDATE


@pytest.mark.parametrize(
    "said", [{"body": "*"}, {"families": "ipv4 unicast"}, {"octets": -1}, {"session": None}]
)
def test_a_frame_that_makes_no_sense_is_a_loss(decoder, said):
    decoded = decoder.decode(frame(GOOD[0], **said))
    assert kinds(decoded) == [MessagesLost]
    assert decoded.rejected.reason is RejectReason.BAD_UPDATE


def test_a_line_without_its_frame_is_a_loss(decoder):
    decoded = decoder.decode(frame(GOOD[0]).replace(b'"raw":', b'"ray":'))
    assert kinds(decoded) == [MessagesLost]


def test_a_gap_in_the_counter_is_a_loss(decoder):
    decoder.decode(frame(GOOD[0]))
    assert kinds(decoder.decode(frame(GOOD[1], counter=4))) == [MessagesLost, Update]


def test_a_family_that_was_not_negotiated_is_passed_over(decoder):
    sent = (
        bgp.announcement(PREFIX6, next_hop="2001:db8::1") + bgp.withdrawal(PREFIX6) + bgp.end_of_rib("ipv6")
    )
    decoded = decoder.decode(frame(sent))
    assert kinds(decoded) == [Update, Update, Alive]
    assert [(event.announced, event.withdrawn) for event in decoded.events[:2]] == [((), ())] * 2
    both = decoder.decode(frame(sent, families=["ipv4 unicast", "ipv6 unicast", "l2vpn evpn"]))
    assert [len(event.announced) + len(event.withdrawn) for event in both.events[:2]] == [1, 1]
    assert kinds(both)[2] is EndOfRib


def test_an_answer_is_due_where_the_frame_wants_one(decoder):
    asking = {"octets": 5_000, "answer": True}
    assert decoder.decode(frame(GOOD[0])).answer is None
    assert decoder.decode(frame(GOOD[0], counter=2, **asking)).answer == "taken 3 5000"
    # Otherwise its session would wait for an answer that does not come.
    assert decoder.decode(frame(GOOD[0] + b"x", counter=3, **asking)).answer == "taken 3 5000"


TOLD_OTHERWISE = {
    "confederation-sequence-and-set",
    "confederation-sequence-only",
    "confederation-before-as-set",
}
"""Confederation segments, which ExaBGP's JSON does not mark as such."""


@pytest.mark.parametrize(
    ("label", "octets", "asn4"),
    [
        (label, octets, asn4)
        for asn4, sent in ((True, UPDATES), (False, TWO_OCTETS))
        for label, octets in sent
    ],
)
def test_raw_updates_and_exabgps_json_mean_the_same(decoder, label, octets, asn4):
    if octets[18] != bgp.UPDATE:
        assert first_run(octets, SMALL, LIMIT) == 0
        return
    decoded = decoder.decode(frame(octets, asn4=asn4, families=["ipv4 unicast", "ipv6 unicast"]))
    same = [structs.replace(event, time=T) for event in decoded.events] == EXTRA[label][0]
    assert same is (label not in TOLD_OTHERWISE)
    assert decoded.rejected is None


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([[], ["ipv4 unicast"], ["ipv6 unicast", "?"]]))
def test_any_frame_becomes_events_or_a_loss(octets, asn4, families):
    decoder = Decoder({EDGE_1.name: EDGE_1})
    for body in (octets, bgp.message(bgp.UPDATE, octets)):
        decoded = decoder.decode(frame(body, asn4=asn4, families=families))
        assert decoded.rejected is None or MessagesLost in kinds(decoded) or decoded.answer == "unreadable 3"


def test_a_line_may_say_for_how_long_more_waited(decoder):
    assert decoder.decode(frame(GOOD[0])).behind == (EDGE_1.name, 0)
    assert decoder.decode(frame(GOOD[0], counter=2, behind=70.5)).behind == (EDGE_1.name, 70.5)
    caught_up = decoder.decode(frame(b"", counter=3))
    assert (caught_up.events, caught_up.rejected, caught_up.behind) == ([], None, (EDGE_1.name, 0))


@pytest.mark.slow
async def test_an_answer_from_before_a_restart_of_exabgp_is_about_no_session_of_the_new_one(
    port, runtime, monkeypatch
):
    monkeypatch.setenv(raw.SWITCH, "on")
    named = []
    async with listening(port, runtime, EDGE_1) as ermon:
        for runs in (1, 2):
            await eventually(lambda: ermon.exabgp.up)
            ermon.events.clear()
            ermon.lines.clear()
            async with session(ermon, EDGE_1, port) as speaker:
                for number in named:
                    ermon.exabgp.answer(f"unreadable {number}")
                await ermon.exabgp.ping()
                speaker.announce(PREFIX, next_hop="192.0.2.1")
                speaker.withdraw(PREFIX)
                await eventually(lambda: f"-{PREFIX}" in ermon.told(EDGE_1))
                assert speaker.is_up
                lines = [line for line in map(json.loads, ermon.lines) if line["type"] == "raw"]
                named += {line["neighbor"]["raw"]["session"] for line in lines}
                os.kill(ermon.exabgp.pid, signal.SIGKILL)
                await eventually(lambda runs=runs: len(ermon.ends) == runs)
    assert len(set(named)) == 2


# How late it is ----------------------------------------------------------------------------------------


class Receiver:
    """ExaBGP's end of an established session, with ermon's code in it, and the router's end."""

    def __init__(self, monkeypatch, window=WINDOW_DECODED_OCTETS):
        self.now, self.lines = 1_000.0, []
        monkeypatch.setattr(
            raw, "time", SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1e9 + self.now)
        )
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.router = socket.create_connection(server.getsockname())
            # What is sent must be there at once, also before earlier octets are acknowledged.
            self.router.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            io, _ = server.accept()
        self.connection = Connection(AFI.ipv4, "192.0.2.1", "192.0.2.2")
        self.connection.io = io
        encoder = SimpleNamespace(
            _neighbor=lambda _neighbor, _direction, said: json.loads(f"{{{said}}}")["raw"],
            _header=lambda said, *_, **__: said,
        )
        processes = SimpleNamespace(
            silence=False, _encoder={"ermon": encoder}, write=lambda _, line, __: self.lines.append(line)
        )
        poller = SimpleNamespace(unregister=lambda _: None)
        reactor = SimpleNamespace(processes=processes, _poller=poller)
        self.recv_timer = SimpleNamespace(last_read=0)
        self.protocol = SimpleNamespace(
            connection=self.connection,
            neighbor=SimpleNamespace(api={"receive-update": ["ermon"]}),
            peer=SimpleNamespace(reactor=reactor, recv_timer=self.recv_timer),
        )
        negotiated = SimpleNamespace(families=[], addpath=None, asn4=True)
        self.session = raw._Session(negotiated, Window(window))

    def turn(self):
        """One turn of ExaBGP's loop."""
        read = self.session.read(self.protocol)
        self.session.write_runs(self.protocol)
        return read

    def close(self):
        self.router.close()
        self.connection.io.close()
        self.connection.io = None


@pytest.fixture
def receiver(monkeypatch):
    receiver = Receiver(monkeypatch)
    yield receiver
    receiver.close()


def test_a_session_that_is_found_empty_is_not_behind(receiver):
    for _ in range(100):
        receiver.router.send(GOOD[0])
        receiver.turn()
        receiver.now += 0.01
        assert receiver.turn() == 0
        receiver.now += 0.9
    assert len(receiver.lines) == 100
    assert all("behind" not in line for line in receiver.lines)


def test_a_session_that_is_never_found_empty_is_behind_until_it_is(receiver):
    receiver.turn()
    for _ in range(70):
        receiver.router.send(GOOD[0] * 100)  # more than is read at once
        receiver.now += 1
        receiver.turn()
        receiver.session.under_way.take(receiver.session.under_way.written, receiver.now)
    assert [line["behind"] for line in receiver.lines] == [float(n) for n in range(1, 71)]
    while receiver.turn():
        receiver.session.under_way.take(receiver.session.under_way.written, receiver.now)
    last = receiver.lines[-1]
    assert (last["body"], last["octets"]) == ("", 70 * 100 * len(GOOD[0]))
    assert "behind" not in last
    told = len(receiver.lines)
    receiver.now += 60
    receiver.turn()
    receiver.now += 0.01
    receiver.router.send(GOOD[0])
    receiver.turn()
    assert len(receiver.lines) == told + 1
    assert "behind" not in receiver.lines[-1]


def test_the_time_in_which_a_session_is_not_read_counts(receiver):
    receiver.turn()
    receiver.router.send(GOOD[0] * 1500)
    while receiver.turn():
        receiver.now += 0.001
    assert receiver.session.paused
    receiver.session.under_way.take(1, receiver.now + 70)  # ermon does not stand still, but is slow
    receiver.now += 70
    assert receiver.turn() == 0
    receiver.session.under_way.take(receiver.session.under_way.written, receiver.now)
    receiver.turn()
    assert receiver.lines[-1]["behind"] == pytest.approx(70, abs=0.2)


@pytest.mark.parametrize("end", ["close", "reset", "notification"])
def test_a_session_that_waits_for_ermon_notices_that_its_router_is_gone(receiver, end):
    receiver.router.send(GOOD[0] * 1500)
    while receiver.turn():
        pass
    assert receiver.session.paused
    if end == "reset":
        receiver.router.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if end == "notification":
        receiver.router.send(bgp.notification(6, 2))
    receiver.router.close()
    while (read := receiver.turn()) and not is_for_exabgp(receiver.session.held, SMALL):
        pass
    assert not receiver.session.paused
    assert receiver.lines[-1]["octets"] == 1500 * len(GOOD[0])
    if end == "notification":  # ExaBGP reads it, and reports what it says
        assert bytes(receiver.session.held) == bgp.notification(6, 2)
    else:
        assert read is None


# Back-pressure ----------------------------------------------------------------------------------------


def heavy(number):
    """A route of 4,000 octets, most of them an unknown attribute."""
    unknown = bgp.attribute(0xC0, 200, bytes(3900))
    known = (
        bgp.attribute(0x40, 1, b"\0")
        + bgp.encode_path((65011,))
        + bgp.attribute(0x40, 3, bytes([192, 0, 2, 1]))
    )
    nlri = bgp.encode_nlri(f"10.{number >> 8}.{number & 255}.0/24")
    return bgp.update_message(attributes=known + unknown, nlri=nlri)


HEAVY = 6000
"""More than sockets on loopback can buffer."""


def environment(pid):
    variables = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(variable.split("=", 1) for variable in variables)


def behind(ermon, feed):
    """For how long more has waited, by line."""
    neighbors = [line["neighbor"] for line in map(json.loads, ermon.lines) if line["type"] == "raw"]
    return [each["raw"].get("behind", 0) for each in neighbors if each["address"]["peer"] == feed.peer]


def keepalives(speaker):
    return sum(kind == bgp.KEEPALIVE for kind, _ in speaker.received)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["answered", "lost"])
async def test_a_session_that_ermon_is_behind_with_waits_and_is_kept_and_no_other_waits(
    port, runtime, monkeypatch, way
):
    monkeypatch.setenv(raw.SWITCH, "on")
    async with (
        listening(port, runtime, EDGE_1, EDGE_2, hold_time=3.0) as ermon,
        session(ermon, EDGE_1, port) as bulk,
        session(ermon, EDGE_2, port, hold_time=3) as other,
    ):
        assert environment(ermon.exabgp.pid)[raw.WINDOW] == str(WINDOW_DECODED_OCTETS)
        ermon.answers = False
        table = [heavy(number) for number in range(HEAVY)]
        sending = asyncio.create_task(asyncio.to_thread(bulk.send, *table))
        # Its router sends only the table: this takes longer than a hold time, in which ExaBGP sends three keepalives.
        await eventually(lambda: keepalives(bulk) > 5)
        received = len(ermon.told(EDGE_1)) - 1
        # It answers nothing, as one that stands still.
        assert MOST_OCTETS <= (received + 1) * len(table[0]) <= MOST_OCTETS + 2 * len(table[0])
        assert not sending.done()
        other.announce(PREFIX, next_hop="192.0.2.1")
        await eventually(lambda: f"+{PREFIX}" in ermon.told(EDGE_2))
        assert len(ermon.told(EDGE_1)) - 1 == received
        if way == "lost":
            ermon.unanswered.clear()
            ermon.exabgp.answer("lost")
        ermon.answers = True
        ermon.answer()
        await eventually(lambda: len(ermon.told(EDGE_1)) > HEAVY)
        await sending
        assert ermon.told(EDGE_1) == ["up", *announced(*range(HEAVY))]
        assert ermon.told(EDGE_2) == ["up", f"+{PREFIX}"]
        assert max(behind(ermon, EDGE_1)) >= 3
        await eventually(lambda: behind(ermon, EDGE_1)[-1] == 0)
        assert behind(ermon, EDGE_2) == [0]
        assert bulk.is_up
        assert other.is_up


@pytest.mark.slow
async def test_the_reset_of_a_session_that_ermon_is_behind_with_is_reported_as_that(
    port, runtime, monkeypatch
):
    monkeypatch.setenv(raw.SWITCH, "on")
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as bulk:
        ermon.answers = False
        table = [heavy(number) for number in range(MOST_OCTETS // 4000 + 60)]
        await asyncio.to_thread(bulk.send, *table)
        await eventually(lambda: (len(ermon.told(EDGE_1)) - 1) * len(table[0]) >= MOST_OCTETS)
        bulk.reset()
        await eventually(lambda: ermon.is_down(EDGE_1))
        assert ermon.told(EDGE_1)[-1] == f"down: {CLOSED}"
        async with session(ermon, EDGE_1, port) as again:
            assert again.is_up


@pytest.mark.parametrize(
    "words",
    [
        "",
        "1",
        "taken",
        "taken 1",
        "taken a 2",
        "taken 1 b",
        "taken 9999 5",
        "unreadable",
        "unreadable 9999",
        "lost 1",
    ],
)
def test_nonsense_for_an_answer_is_passed_over(words):
    raw.take_answer(f"{raw.ANSWER} {words}")
