"""UPDATEs passed on as they came, beside ExaBGP's own way: whatever a router does, both say the same of its session.

Each test of a session runs on both dialects.
"""

import asyncio
import base64
import contextlib
import json
import struct

import pytest
from exabgp.reactor.network.connection import Connection
from exabgp.reactor.protocol import Protocol
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ermon.exabgp import raw
from ermon.exabgp.channel import Lines
from ermon.exabgp.decode import Decoder, RejectReason
from ermon.exabgp.process import ExaBGP
from ermon.exabgp.raw import RawState
from ermon.exabgp.runs import ANSWER_OCTETS, FRAME_OCTETS, first_run, is_for_exabgp
from ermon.model.events import (
    Alive,
    EndOfRib,
    MessagesLost,
    ProcessUp,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.inventory import EDGES
from tests import bgp
from tests.exabgp.recordings import EXTRA, T
from tests.exabgp.test_process import EDGE_1, EDGE_2, EDGE_6, config, eventually, router
from tests.recorded.record import TWO_OCTETS, UPDATES

SMALL, LARGE = 4096, 65535
PREFIX, PREFIX6 = "198.51.100.0/24", "2001:db8:1::/48"


def update(octets):
    """An UPDATE of so many octets, of which nobody reads more than the header."""
    return bgp.message(bgp.UPDATE, bytes(octets - 19))


# What is taken -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(23, 5000), max_size=12), st.data())
def test_runs_are_whole_updates_in_their_order_however_they_come(sizes, data):
    sent = b"".join(map(update, sizes))
    held, runs = bytearray(), []
    while sent:
        count = data.draw(st.integers(1, len(sent)))
        held += sent[:count]
        sent = sent[count:]
        while size := first_run(held, LARGE):
            runs.append(bytes(held[:size]))
            del held[:size]
        assert not is_for_exabgp(held, LARGE)
    assert b"".join(runs) == b"".join(map(update, sizes))
    assert not held
    assert all(len(run) <= FRAME_OCTETS or len(run) in sizes for run in runs)


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
def test_whatever_is_no_update_is_exabgps(header):
    assert is_for_exabgp(header[:19], SMALL)
    assert not is_for_exabgp(header[:18], SMALL)
    behind = update(23) + header
    assert first_run(behind, SMALL) == 23
    assert first_run(behind[23:], SMALL) == 0


def test_the_largest_message_is_that_of_the_session():
    assert first_run(update(SMALL), SMALL) == SMALL
    assert first_run(update(SMALL + 1), SMALL) == 0
    assert first_run(update(LARGE), LARGE) == LARGE


# Whether it is -----------------------------------------------------------------------------------------


@pytest.fixture
def untouched():
    before = Protocol.read_message, Connection._reader
    yield
    assert (Protocol.read_message, Connection._reader) == before


def test_exabgp_is_the_one_that_it_was_tested_with():
    assert raw.TESTED["5.0.15"] == (raw.digest(Protocol.read_message), raw.digest(Connection._reader))


def test_the_switch_turns_it_off(untouched):
    assert raw.install("off") is RawState.OFF


def test_another_version_of_exabgp_does_all_of_it_itself(untouched, monkeypatch):
    monkeypatch.setattr("exabgp.version.release", "5.0.16")
    assert raw.install("on") is RawState.UNTESTED


@pytest.mark.parametrize("method", [(Protocol, "read_message"), (Connection, "_reader")])
def test_an_exabgp_with_another_text_does_all_of_it_itself(method, monkeypatch):
    def other(self, *rest):
        """As whoever packages it may have mended it."""

    monkeypatch.setattr(*method, other)
    assert raw.install("on") is RawState.UNTESTED
    assert getattr(*method) is other


def test_an_exabgp_without_its_text_does_all_of_it_itself(untouched, monkeypatch):
    def unreadable(_):
        raise OSError

    monkeypatch.setattr("inspect.getsource", unreadable)
    assert raw.install("on") is RawState.UNTESTED


# What a line of it says --------------------------------------------------------------------------------

GOOD = (bgp.announcement(PREFIX, next_hop="192.0.2.1"), bgp.withdrawal(PREFIX))
OVERLONG = bgp.update_message(withdrawn=bytes([33]) + bytes(5))
"""A prefix of 33 bits: ExaBGP would answer it with a NOTIFICATION."""
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


@pytest.mark.parametrize(
    "body", [GOOD[0][:-1], GOOD[0] + b"x", bgp.message(bgp.KEEPALIVE), GOOD[0] + bgp.message(bgp.KEEPALIVE)]
)
def test_what_is_no_run_of_whole_updates_is_a_loss(decoder, body):
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


def test_an_answer_is_due_each_time_that_enough_is_taken_in(decoder):
    due, octets, answers = [], 0, []
    for _ in range(12_000):
        octets += len(GOOD[0])
        decoded = decoder.decode(frame(GOOD[0], octets=octets))
        if octets // ANSWER_OCTETS > (octets - len(GOOD[0])) // ANSWER_OCTETS:
            due.append(f"taken 3 {octets}")
        if decoded.answer is not None:
            answers.append(decoded.answer)
    assert answers == due != []


TOLD_OTHERWISE = {
    "confederation-sequence-and-set",
    "confederation-sequence-only",
    "confederation-before-as-set",
}
"""ExaBGP's JSON loses that these segments are a confederation's."""


@pytest.mark.parametrize(
    ("label", "octets", "asn4"),
    [
        (label, octets, asn4)
        for asn4, sent in ((True, UPDATES), (False, TWO_OCTETS))
        for label, octets in sent
    ],
)
def test_octets_say_what_the_json_says_that_exabgp_makes_of_them(decoder, label, octets, asn4):
    if octets[18] != bgp.UPDATE:
        assert first_run(octets, SMALL) == 0
        return
    decoded = decoder.decode(frame(octets, asn4=asn4, families=["ipv4 unicast", "ipv6 unicast"]))
    same = [structs.replace(event, time=T) for event in decoded.events] == EXTRA[label][0]
    assert same is (label not in TOLD_OTHERWISE)
    assert decoded.rejected is None


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([[], ["ipv4 unicast"], ["ipv6 unicast", "?"]]))
def test_whatever_a_frame_holds_is_events_or_a_loss(octets, asn4, families):
    decoder = Decoder({EDGE_1.name: EDGE_1})
    for body in (octets, bgp.message(bgp.UPDATE, octets)):
        decoded = decoder.decode(frame(body, asn4=asn4, families=families))
        assert decoded.rejected is None or MessagesLost in kinds(decoded) or decoded.answer == "unreadable 3"


# Sessions ----------------------------------------------------------------------------------------------


class Ermon:
    """Takes in what ExaBGP says as the daemon does."""

    def __init__(self, exabgp, feeds):
        self.exabgp = exabgp
        self.decoder = Decoder(feeds)
        self.events = []
        self.answers = True
        self.unanswered = []

    async def read(self):
        async for message in self.exabgp.messages():
            for line in message.lines if isinstance(message, Lines) else ():
                decoded = self.decoder.decode(line)
                self.events += decoded.events
                if (decoded.answer or "").startswith("unreadable"):
                    self.exabgp.answer(decoded.answer)
                elif decoded.answer is not None:
                    self.unanswered.append(decoded.answer)
            if self.answers:
                self.answer()

    def answer(self):
        for answer in self.unanswered:
            self.exabgp.answer(answer)
        self.unanswered.clear()

    def of(self, feed, *kinds):
        return [
            event
            for event in self.events
            if getattr(event, "feed", None) == feed.name and isinstance(event, kinds or object)
        ]

    def told(self, feed):
        """What of routes and sessions is told, without times; keepalives in a row are one."""
        told = []
        for event in self.of(feed, Update, EndOfRib, SessionUp, SessionDown, MessagesLost):
            match event:
                case Update(announced=announced, withdrawn=withdrawn):
                    told += [f"+{route.prefix}" for route in announced] + [f"-{key[0]}" for key in withdrawn]
                case EndOfRib(family=family):
                    told.append(f"end of {family}")
                case SessionUp():
                    told.append("up")
                case SessionDown(reason=reason):
                    told.append(f"down: {reason}")
                case MessagesLost(reason=reason):
                    told.append(f"lost: {reason}")
        return told


@contextlib.asynccontextmanager
async def listening(port, runtime, *feeds, hold_time=30.0):
    used = config(port, *feeds, hold_time=hold_time)
    async with ExaBGP(EDGES, used, {}, runtime) as exabgp:
        ermon = Ermon(exabgp, used.feeds)
        reader = asyncio.create_task(ermon.read())
        await eventually(lambda: exabgp.up)
        yield ermon
    await reader


@contextlib.asynccontextmanager
async def session(ermon, feed, port, **settings):
    with router(feed, port, **settings) as speaker:
        await eventually(lambda: "up" in ermon.told(feed))
        yield speaker


def announcing(*numbers):
    return [
        bgp.announcement(f"10.{n >> 8}.{n & 255}.0/24", next_hop="192.0.2.1", as_path=(65011,))
        for n in numbers
    ]


def announced(*numbers):
    return [f"+10.{n >> 8}.{n & 255}.0/24" for n in numbers]


slow = pytest.mark.slow


@slow
async def test_routes_of_both_families_with_and_without_path_identifiers(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1, EDGE_6) as ermon:
        assert ermon.exabgp.raw is dialect
        ermon.exabgp.answer("lost")
        async with session(ermon, EDGE_1, port) as plain, session(ermon, EDGE_6, port) as paths:
            plain.announce(PREFIX, next_hop="192.0.2.1", as_path=(65011, 4_200_000_000))
            plain.end_of_rib()
            for path_id in (7, 8):
                paths.announce(PREFIX, next_hop="192.0.2.1", as_path=(12076,), path_id=path_id)
                paths.announce(PREFIX6, next_hop="2001:db8::1", as_path=(12076,), path_id=path_id)
            paths.withdraw(PREFIX6, path_id=7)
            paths.end_of_rib()
            await eventually(lambda: len(ermon.told(EDGE_1)) >= 3 and len(ermon.told(EDGE_6)) >= 8)
            assert "not understood" not in ermon.exabgp.log_path.read_text()
    assert ermon.told(EDGE_1)[:3] == ["up", f"+{PREFIX}", "end of ipv4"]
    (route,) = ermon.of(EDGE_1, Update)[0].announced
    assert [segment.asns for segment in route.attributes.as_path] == [(65011, 4_200_000_000)]
    families = ["end of ipv4", "end of ipv6"]
    assert ermon.told(EDGE_6)[:8] == ["up", *(f"+{PREFIX}", f"+{PREFIX6}") * 2, f"-{PREFIX6}", *families]
    path_ids = [route.path_id for event in ermon.of(EDGE_6, Update) for route in event.announced]
    assert path_ids == [7, 7, 8, 8]


@slow
async def test_octet_by_octet_and_all_at_once_in_one_order_with_keepalives(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as speaker:
        keepalive = bgp.message(bgp.KEEPALIVE)
        one, *rest = announcing(*range(10))
        for octet in one + keepalive + rest[0]:
            speaker.send(bytes([octet]))
        speaker.send(*rest[1:6], keepalive, *rest[6:])
        await eventually(lambda: len(ermon.told(EDGE_1)) > 10)
        assert ermon.told(EDGE_1) == ["up", *announced(*range(10))]
        order = [type(event) for event in ermon.of(EDGE_1, Update, Alive)]
        # one comes before the session is up
        assert order == [Alive, Update, Alive, *[Update] * 6, Alive, *[Update] * 3]


@slow
async def test_everything_before_a_notification_and_before_an_end_counts(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1, EDGE_2) as ermon:
        async with session(ermon, EDGE_1, port) as speaker:
            speaker.send(*announcing(*range(100)), bgp.notification(6, 2, b"\x04gone"))
            await eventually(lambda: "down" in ermon.told(EDGE_1)[-1])
        async with session(ermon, EDGE_2, port) as speaker:
            speaker.send(*announcing(*range(3000)))
            speaker.close()
            await eventually(lambda: "down" in ermon.told(EDGE_2)[-1])
    farewell = 'down: Cease: administrative shutdown, sent by the router: "gone"'
    assert ermon.told(EDGE_1) == ["up", *announced(*range(100)), farewell]
    lost = "down: connection lost, or closed by the router, without a NOTIFICATION"
    assert ermon.told(EDGE_2) == ["up", *announced(*range(3000)), lost]


@slow
@pytest.mark.parametrize(
    ("malformed", "reason"),
    [
        (b"\xff" * 15 + b"\xfe" + bytes([0, 23, 2]) + bytes(4), "ended by ermon without a NOTIFICATION"),
        (b"\xff" * 16 + struct.pack("!HB", 18, 2), "ended by ermon without a NOTIFICATION"),
        (b"\xff" * 16 + struct.pack("!HB", 5000, 2), "ended by ermon without a NOTIFICATION"),
        (b"\xff" * 16 + struct.pack("!HB", 20, 2) + bytes(1), "ended by ermon without a NOTIFICATION"),
        (bgp.message(9), "message header error: bad message type, sent by ermon"),
    ],
    ids=["marker", "shorter than a header", "longer than the session allows", "short UPDATE", "type"],
)
async def test_a_malformed_header_ends_the_session_in_exabgps_own_way(
    port, runtime, dialect, malformed, reason
):
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as speaker:
        speaker.send(*announcing(1, 2), malformed, *announcing(3))
        await eventually(lambda: "down" in ermon.told(EDGE_1)[-1])
    assert ermon.told(EDGE_1)[:3] == ["up", *announced(1, 2)]
    assert ermon.told(EDGE_1)[3].startswith(f"down: {reason}")


@slow
async def test_an_update_that_cannot_be_read_ends_the_session_each_time(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        for _ in range(2):
            async with session(ermon, EDGE_1, port) as speaker:
                speaker.send(*announcing(1), OVERLONG)
                await asyncio.to_thread(speaker.ended.wait, bgp.PATIENCE)
                assert speaker.received[-1][0] == bgp.NOTIFICATION
                assert speaker.received[-1][1][0] == raw.UPDATE_MESSAGE_ERROR
            await eventually(lambda: "down" in ermon.told(EDGE_1)[-1])
    ended = ermon.told(EDGE_1)[2]
    assert ended.startswith("down: UPDATE message error")
    assert ended.endswith(", sent by ermon")
    assert ermon.told(EDGE_1) == ["up", *announced(1), ended] * 2


@slow
async def test_updates_alone_keep_a_session_and_silence_ends_it(port, runtime, dialect):
    async with (
        listening(port, runtime, EDGE_1, EDGE_2, hold_time=3.0) as ermon,
        session(ermon, EDGE_1, port) as talking,
        session(ermon, EDGE_2, port) as silent,
    ):
        with silent.silent(), talking.silent():
            number = 0
            async with asyncio.timeout(bgp.PATIENCE):
                while "down" not in ermon.told(EDGE_2)[-1]:
                    talking._sock.sendall(announcing(number)[0])
                    number += 1
                    await asyncio.sleep(0.5)
        await eventually(lambda: len(ermon.told(EDGE_1)) > number)
    assert ermon.told(EDGE_2)[1] == "down: hold timer expired, sent by ermon"
    assert ermon.told(EDGE_1)[: number + 1] == ["up", *announced(*range(number))]


@slow
async def test_refreshes_and_teardowns_between_updates(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as speaker:
        speaker.send(
            *announcing(*range(50)), bgp.message(bgp.ROUTE_REFRESH, bytes([0, 1, 0, 1])), *announcing(50)
        )
        await ermon.exabgp.refresh(EDGE_1, ("ipv4",))
        await asyncio.to_thread(
            speaker.wait_for, lambda received: bgp.ROUTE_REFRESH in [kind for kind, _ in received]
        )
        await eventually(lambda: len(ermon.told(EDGE_1)) > 51)
        assert ermon.told(EDGE_1) == ["up", *announced(*range(51))]
        await ermon.exabgp.teardown(EDGE_1)
        await asyncio.to_thread(speaker.ended.wait, bgp.PATIENCE)
        await eventually(lambda: "down" in ermon.told(EDGE_1)[-1])


@slow
async def test_an_extended_message_comes_whole(port, runtime, dialect):
    prefixes = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(14_000)]
    async with (
        listening(port, runtime, EDGE_1) as ermon,
        session(ermon, EDGE_1, port, extended_messages=True) as speaker,
    ):
        speaker.announce(*prefixes, next_hop="192.0.2.1", as_path=(65011,))
        await eventually(lambda: len(ermon.told(EDGE_1)) > len(prefixes))
        assert ermon.told(EDGE_1) == ["up", *(f"+{prefix}" for prefix in prefixes)]


@slow
async def test_nothing_is_missing_over_an_end_and_a_stop(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        for round_ in range(2):
            async with session(ermon, EDGE_1, port) as speaker:
                speaker.send(*announcing(*range(round_, 200)))
                await eventually(lambda: ermon.told(EDGE_1)[-1] == announced(199)[0])
            await eventually(lambda: "down" in ermon.told(EDGE_1)[-1])
    assert ermon.of(EDGE_1, MessagesLost) == []
    assert len([event for event in ermon.events if isinstance(event, ProcessUp)]) == 1


# Back-pressure ----------------------------------------------------------------------------------------


def heavy(number):
    """A route of 4,000 octets, most of them an attribute that nobody knows."""
    unknown = bgp.attribute(0xC0, 200, bytes(3900))
    known = (
        bgp.attribute(0x40, 1, b"\0")
        + bgp.encode_path((65011,))
        + bgp.attribute(0x40, 3, bytes([192, 0, 2, 1]))
    )
    nlri = bgp.encode_nlri(f"10.{number >> 8}.{number & 255}.0/24")
    return bgp.update_message(attributes=known + unknown, nlri=nlri)


HEAVY = 6000
"""More than what sockets on loopback hold by themselves."""


def keepalives(speaker):
    return sum(kind == bgp.KEEPALIVE for kind, _ in speaker.received)


@slow
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
        ermon.answers = False
        table = [heavy(number) for number in range(HEAVY)]
        sending = asyncio.create_task(asyncio.to_thread(bulk.send, *table))
        # Its router sends nothing but the table: more than a hold time passes, of which ExaBGP sends thirds.
        await eventually(lambda: keepalives(bulk) > 5)
        received = len(ermon.told(EDGE_1)) - 1
        most = raw.UNANSWERED_OCTETS + raw.READ_OCTETS
        assert raw.UNANSWERED_OCTETS <= received * len(table[0]) + len(table[0]) <= most + len(table[0])
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
        assert bulk.is_up
        assert other.is_up


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
