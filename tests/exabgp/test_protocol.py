"""What BGP requires of a session is true for both kinds of output: raw UPDATEs, and ExaBGP's JSON."""

import asyncio
import contextlib
import json
import os
import signal
import struct
from itertools import cycle, islice

import pytest

from ermon.exabgp import raw
from ermon.exabgp.raw import RawState
from ermon.model.events import Alive, MessagesLost, ProcessDown, ProcessUp, RefreshBegan, Update
from tests import bgp
from tests.exabgp.dialects import announced, announcing, listening, session
from tests.exabgp.test_process import EDGE_1, EDGE_2, EDGE_6, eventually
from tests.exabgp.test_raw import OVERLONG, PREFIX, PREFIX6

pytestmark = pytest.mark.slow


def notifications(speaker):
    """Codes and subcodes of the NOTIFICATIONs that ExaBGP has sent."""
    return [tuple(body[:2]) for kind, body in speaker.received if kind == bgp.NOTIFICATION]


async def end_of(speaker):
    await asyncio.to_thread(speaker.ended.wait, bgp.PATIENCE)
    assert speaker.ended.is_set()


# What is negotiated ------------------------------------------------------------------------------------


def two_octets():
    """A route of a router with two-octet ASNs, behind one with four-octet ASNs (RFC 6793)."""
    path = bgp.attribute(0x40, 2, bytes([2, 2]) + struct.pack("!HH", 64500, bgp.AS_TRANS))
    as4_path = bgp.attribute(0xC0, 17, bytes([2, 1]) + struct.pack("!I", 4_200_000_000))
    known = bgp.attribute(0x40, 1, b"\0") + path + bgp.attribute(0x40, 3, bytes([192, 0, 2, 1])) + as4_path
    return bgp.update_message(attributes=known, nlri=bgp.encode_nlri(PREFIX))


async def test_updates_are_read_by_the_negotiated_capabilities_of_their_session(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1, EDGE_2, EDGE_6) as ermon:
        assert ermon.exabgp.raw is dialect
        ermon.exabgp.answer("lost")
        async with (
            session(ermon, EDGE_1, port) as plain,
            session(ermon, EDGE_2, port, four_octet=False) as old,
            session(ermon, EDGE_6, port) as paths,
        ):
            plain.announce(PREFIX, next_hop="192.0.2.1", as_path=(65011, 4_200_000_000))
            plain.end_of_rib()
            old.send(two_octets())
            for path_id in (7, 8):
                paths.announce(PREFIX, next_hop="192.0.2.1", as_path=(12076,), path_id=path_id)
                paths.announce(PREFIX6, next_hop="2001:db8::1", as_path=(12076,), path_id=path_id)
            paths.withdraw(PREFIX6, path_id=7)
            paths.end_of_rib()
            await eventually(lambda: len(ermon.told(EDGE_1)) >= 3 and len(ermon.told(EDGE_6)) >= 8)
            await eventually(lambda: len(ermon.told(EDGE_2)) >= 2)
            assert "not understood" not in ermon.exabgp.log_path.read_text()
    assert ermon.told(EDGE_1)[:3] == ["up", f"+{PREFIX}", "end of ipv4"]
    assert asns(ermon, EDGE_1) == [(65011, 4_200_000_000)]
    assert asns(ermon, EDGE_2) == [(64500, 4_200_000_000)]
    families = ["end of ipv4", "end of ipv6"]
    assert ermon.told(EDGE_6)[:8] == ["up", *(f"+{PREFIX}", f"+{PREFIX6}") * 2, f"-{PREFIX6}", *families]
    path_ids = [route.path_id for event in ermon.of(EDGE_6, Update) for route in event.announced]
    assert path_ids == [7, 7, 8, 8]
    said = {
        line["neighbor"]["address"]["peer"]: (
            line["neighbor"]["raw"]["asn4"],
            line["neighbor"]["raw"]["add-path"],
        )
        for line in map(json.loads, ermon.lines)
        if line["type"] == "raw"
    }
    both = ["ipv4 unicast", "ipv6 unicast"]
    in_frames = {EDGE_1.peer: (True, []), EDGE_2.peer: (False, []), EDGE_6.peer: (True, both)}
    assert said == (in_frames if dialect is RawState.ON else {})


def asns(ermon, feed):
    (route,) = ermon.of(feed, Update)[0].announced
    return [segment.asns for segment in route.attributes.as_path]


async def test_an_extended_message_arrives_completely(port, runtime, dialect):
    prefixes = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(15_001)]
    message = bgp.announcement(*prefixes, next_hop="192.0.2.1", as_path=(400_000,))
    assert len(message) == 60_047
    async with (
        listening(port, runtime, EDGE_1) as ermon,
        session(ermon, EDGE_1, port, extended_messages=True) as speaker,
    ):
        speaker.send(message)
        await eventually(lambda: len(ermon.told(EDGE_1)) > len(prefixes))
        assert ermon.told(EDGE_1) == ["up", *(f"+{prefix}" for prefix in prefixes)]
        (update,) = ermon.of(EDGE_1, Update)
        assert {segment.asns for route in update.announced for segment in route.attributes.as_path} == {
            (400_000,)
        }


# Order and ends ----------------------------------------------------------------------------------------


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


async def test_everything_before_a_notification_and_before_an_end_counts(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1, EDGE_2) as ermon:
        async with session(ermon, EDGE_1, port) as speaker:
            speaker.send(*announcing(*range(100)), bgp.notification(6, 2, b"\x04gone"))
            await eventually(lambda: ermon.is_down(EDGE_1))
        async with session(ermon, EDGE_2, port) as speaker:
            speaker.send(*announcing(*range(3000)))
            speaker.close()
            await eventually(lambda: ermon.is_down(EDGE_2))
    farewell = 'down: Cease: administrative shutdown, sent by the router: "gone"'
    assert ermon.told(EDGE_1) == ["up", *announced(*range(100)), farewell]
    lost = "down: connection lost, or closed by the router, without a NOTIFICATION"
    assert ermon.told(EDGE_2) == ["up", *announced(*range(3000)), lost]


async def test_updates_alone_keep_a_session_and_silence_ends_it(port, runtime, dialect):
    async with (
        listening(port, runtime, EDGE_1, EDGE_2, hold_time=3.0) as ermon,
        session(ermon, EDGE_1, port) as talking,
        session(ermon, EDGE_2, port) as silent,
    ):
        with silent.silent(), talking.silent():
            number = 0
            async with asyncio.timeout(bgp.PATIENCE):
                while not silent.ended.is_set():
                    talking._sock.sendall(announcing(number)[0])
                    number += 1
                    await asyncio.sleep(0.5)
        await eventually(lambda: ermon.is_down(EDGE_2) and len(ermon.told(EDGE_1)) > number)
        assert notifications(silent) == [(4, 0)]
        assert notifications(talking) == []
        assert talking.is_up
    assert ermon.told(EDGE_2) == ["up", "down: hold timer expired, sent by ermon"]
    assert ermon.told(EDGE_1)[: number + 1] == ["up", *announced(*range(number))]


async def test_nothing_is_missing_over_an_end_and_a_stop(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        for round_ in range(2):
            async with session(ermon, EDGE_1, port) as speaker:
                speaker.send(*announcing(*range(round_, 200)))
                await eventually(lambda: ermon.told(EDGE_1)[-1] == announced(199)[0])
            await eventually(lambda: ermon.is_down(EDGE_1))
    assert ermon.of(EDGE_1, MessagesLost) == []
    assert len([event for event in ermon.events if isinstance(event, ProcessUp)]) == 1


# What is malformed -------------------------------------------------------------------------------------

WITHOUT = "ended by ermon without a NOTIFICATION"


@pytest.mark.parametrize(
    ("malformed", "reason", "sent"),
    [
        (b"\xff" * 15 + b"\xfe" + bytes([0, 23, 2]) + bytes(4), WITHOUT, []),
        (b"\xff" * 16 + struct.pack("!HB", 18, 2), WITHOUT, []),
        (b"\xff" * 16 + struct.pack("!HB", 5000, 2), WITHOUT, []),
        (b"\xff" * 16 + struct.pack("!HB", 20, 2) + bytes(1), WITHOUT, []),
        (bgp.message(9), "message header error: bad message type, sent by ermon", [(1, 3)]),
    ],
    ids=["marker", "shorter than a header", "longer than the session allows", "short UPDATE", "type"],
)
async def test_a_malformed_header_ends_the_session_as_exabgp_does(
    port, runtime, dialect, malformed, reason, sent
):
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as speaker:
        speaker.send(*announcing(1, 2), malformed, *announcing(3))
        await eventually(lambda: ermon.is_down(EDGE_1))
        await end_of(speaker)
        assert notifications(speaker) == sent
    assert ermon.told(EDGE_1)[:3] == ["up", *announced(1, 2)]
    assert ermon.told(EDGE_1)[3].startswith(f"down: {reason}")


async def test_an_update_that_cannot_be_read_ends_the_session_each_time(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        for _ in range(2):
            async with session(ermon, EDGE_1, port) as speaker:
                speaker.send(*announcing(1), OVERLONG)
                await end_of(speaker)
                assert [code for code, _ in notifications(speaker)] == [raw.UPDATE_MESSAGE_ERROR]
            await eventually(lambda: ermon.is_down(EDGE_1))
    ended = ermon.told(EDGE_1)[2]
    assert ended.startswith("down: UPDATE message error")
    assert ended.endswith(", sent by ermon")
    assert ermon.told(EDGE_1) == ["up", *announced(1), ended] * 2


# In the middle of a stream -----------------------------------------------------------------------------

STREAM = range(500)


@contextlib.asynccontextmanager
async def streaming(ermon, feed, port):
    """A session whose router announces the routes of ``STREAM`` repeatedly, until its connection ends."""
    messages = announcing(*STREAM)
    async with session(ermon, feed, port) as speaker:

        def stream():
            with contextlib.suppress(OSError):
                while True:
                    speaker.send(*messages)

        sending = asyncio.create_task(asyncio.to_thread(stream))
        try:
            await eventually(lambda: len(ermon.told(feed)) > 1)
            yield speaker
        finally:
            speaker.close()
            await sending


def streamed(count):
    """The first announcements of a stream."""
    return list(islice(cycle(announced(*STREAM)), count))


async def test_refreshes_between_updates(port, runtime, dialect):
    began = bgp.message(bgp.ROUTE_REFRESH, bytes([0, 1, 1, 1]))  # RFC 7313 section 3
    async with listening(port, runtime, EDGE_1) as ermon, session(ermon, EDGE_1, port) as speaker:
        asked = bgp.message(bgp.ROUTE_REFRESH, bytes([0, 1, 0, 1]))
        speaker.send(*announcing(*range(50)), asked, began, *announcing(50))
        await ermon.exabgp.refresh(EDGE_1, ("ipv4",))
        await asyncio.to_thread(
            speaker.wait_for,
            lambda received: (bgp.ROUTE_REFRESH, bytes([0, 1, 0, 1])) in received,
        )
        await eventually(lambda: len(ermon.told(EDGE_1)) > 51)
        assert ermon.told(EDGE_1) == ["up", *announced(*range(51))]
        order = [type(event) for event in ermon.of(EDGE_1, Update, Alive, RefreshBegan)]
        assert order[-3:] == [Alive, RefreshBegan, Update]


async def test_a_teardown_in_a_stream_ends_it_between_two_updates(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        async with streaming(ermon, EDGE_1, port) as speaker:
            await ermon.exabgp.teardown(EDGE_1)
            await end_of(speaker)
            await eventually(lambda: ermon.is_down(EDGE_1))
            assert notifications(speaker) == [], "graceful restart was agreed (RFC 4724)"
        up, *routes, down = ermon.told(EDGE_1)
        assert up == "up"
        assert routes == streamed(len(routes))
        assert down.startswith(f"down: {WITHOUT}")


async def test_the_stream_of_one_router_delays_no_other(port, runtime, dialect):
    async with (
        listening(port, runtime, EDGE_1, EDGE_2) as ermon,
        session(ermon, EDGE_2, port) as other,
        streaming(ermon, EDGE_1, port) as speaker,
    ):
        for number in range(3):
            other.send(*announcing(number))
            await eventually(lambda number=number: len(ermon.told(EDGE_2)) > number + 1)
        assert speaker.is_up
        assert ermon.told(EDGE_2) == ["up", *announced(*range(3))]
        assert ermon.of(EDGE_1, MessagesLost) == []


async def test_a_termination_in_a_stream_is_reported_and_leaves_no_gap(port, runtime, dialect):
    async with listening(port, runtime, EDGE_1) as ermon:
        async with streaming(ermon, EDGE_1, port) as speaker:
            os.kill(ermon.exabgp.pid, signal.SIGTERM)
            await end_of(speaker)
        await eventually(lambda: ermon.ends)
        assert ermon.ends[0].startswith("ended with status 0")
        downs = [event.reason for event in ermon.events if isinstance(event, ProcessDown)]
        assert downs == ["ExaBGP shut down"]
        up, *routes = [each for each in ermon.told(EDGE_1) if not each.startswith("down")]
        assert up == "up"
        assert routes == streamed(len(routes))
