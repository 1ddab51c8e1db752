"""BGP messages of routers and unknown hosts, right or wrong, cost no other session, and hide no leak."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
from pathlib import Path

import pytest

from tests import bgp
from tests.bgp import (
    UNICAST,
    announcement,
    attribute,
    encode_nlri,
    encode_path,
    message,
    update_message,
    withdrawal,
)
from tests.e2e.company import (
    EDGES,
    EXCHANGE,
    MSEE,
    OURS,
    PART_OF_POOL,
    POOL,
    Company,
    configuration,
    own_network,
)
from tests.e2e.daemon import BOTH_DIALECTS, eventually

pytestmark = pytest.mark.slow

MIRROR = "edge-1-isp-a"
OTHERS = [name for name in (*EDGES, "outside") if name != MIRROR]


@pytest.fixture
def settings():
    return configuration(own_network())


# A legal NLRI with bits set behind its length (RFC 4271 section 4.3) ---------------------------------------


def with_bits(encoded: bytes, prefix: str, bits: int) -> bytes:
    """Set host bits of a prefix, in a message that contains it."""
    plain = encode_nlri(prefix)
    assert encoded.count(plain) == 1
    return encoded.replace(plain, plain[:-1] + bytes([plain[-1] | bits]))


@pytest.mark.parametrize("prefix", [POOL["ipv4"], "2001:db8:100:10::/65"])
def test_nlri_with_host_bits_is_the_leak_that_it_is_and_costs_no_session(directory, settings, prefix):
    with Company(directory, settings).running() as company:
        before, speaker = company.sessions(), company.routers[MIRROR].speaker
        next_hop = OURS["ipv6" if ":" in prefix else "ipv4"]
        leak = announcement(prefix, next_hop=next_hop, as_path=[64500])
        speaker.send(with_bits(leak, prefix, 0x0F))
        finding = company.daemon.wait_until_raised("pool-leak", feed=MIRROR)
        assert finding["evidence"]["prefixes"] == [prefix]
        speaker.send(with_bits(withdrawal(prefix), prefix, 0x03))
        company.daemon.wait_until_cleared("pool-leak", feed=MIRROR)
        assert company.sessions() == before
        assert company.daemon.metric("ermon_ingest_rejected_total") == 0
        assert company.daemon.metric("ermon_feed_lost_messages_total") == 0


@BOTH_DIALECTS
def test_nlri_with_host_bits_is_masked_beside_its_path_identifier(directory, settings):
    prefix = EXCHANGE["ipv4"]
    with Company(directory, settings).running() as company:
        sent = announcement(
            prefix, next_hop=MSEE["edge-1"]["ipv4"], as_path=[12076], path_id=2, local_preference=100
        )
        company.routers["edge-1"].speaker.send(with_bits(sent, prefix, 0x3F))

        def paths() -> set[int]:
            found = company.daemon.api(f"routes?prefix={prefix}&feed=edge-1&match=exact")["routes"]
            return {route["path_id"] for route in found}

        company.daemon.wait_until(lambda: paths() == {1, 2}, "both paths of one prefix")
        company.routers["edge-1"].speaker.send(with_bits(withdrawal(prefix, path_id=2), prefix, 0x15))
        company.daemon.wait_until(lambda: paths() == {1}, "one of them is withdrawn")


# Malformed messages ------------------------------------------------------------------------------------

NEXT_HOP = attribute(0x40, 3, b"\xcb\0\x71\x01")
ORIGIN = attribute(0x40, 1, b"\0")
NLRI = encode_nlri("198.51.100.160/27")
MALFORMED = {
    "marker": b"\0" * 16 + struct.pack("!HB", 19, bgp.KEEPALIVE),
    "too short": b"\xff" * 16 + struct.pack("!HB", 18, bgp.UPDATE),
    "too long": b"\xff" * 16 + struct.pack("!HB", 65535, bgp.UPDATE) + bytes(5000),
    "unknown type": message(9, b"what?"),
    "keepalive with a body": message(bgp.KEEPALIVE, b"\0"),
    "refresh of three octets": message(bgp.ROUTE_REFRESH, b"\0\1\0"),
    "notification of one octet": message(bgp.NOTIFICATION, b"\6"),
    "withdrawn beyond the end": message(bgp.UPDATE, b"\xff\xff" + bytes(4)),
    "attributes beyond the end": message(bgp.UPDATE, b"\0\0\xff\xff" + bytes(4)),
    "nothing in an update": message(bgp.UPDATE, b"\0"),
    "origin": update_message(
        attributes=attribute(0x40, 1, b"\7") + encode_path([64500]) + NEXT_HOP, nlri=NLRI
    ),
    "no next hop": update_message(attributes=ORIGIN + encode_path([64500]), nlri=NLRI),
    "no path": update_message(attributes=ORIGIN + NEXT_HOP, nlri=NLRI),
    "path cut off": update_message(attributes=ORIGIN + attribute(0x40, 2, b"\2\7\0\0") + NEXT_HOP, nlri=NLRI),
    "twice the same": update_message(attributes=ORIGIN * 2 + encode_path([64500]) + NEXT_HOP, nlri=NLRI),
    "length of a prefix": update_message(
        attributes=ORIGIN + encode_path([64500]) + NEXT_HOP, nlri=b"\x21" + bytes(5)
    ),
    "prefix cut off": update_message(attributes=ORIGIN + encode_path([64500]) + NEXT_HOP, nlri=b"\x20\xc6"),
    "communities": update_message(
        attributes=ORIGIN + encode_path([64500]) + NEXT_HOP + attribute(0xC0, 8, b"\0\1\2"), nlri=NLRI
    ),
    "next hop of three octets": update_message(
        attributes=ORIGIN
        + encode_path([64500])
        + attribute(0x80, 14, struct.pack("!HBB", 2, UNICAST, 3) + bytes(9))
    ),
    "unknown well-known": update_message(attributes=attribute(0x40, 99, b"?") + ORIGIN + NEXT_HOP, nlri=NLRI),
}


@BOTH_DIALECTS
def test_malformed_messages_of_every_kind_cost_no_other_session_and_hide_no_leak(directory, settings):
    settings["checks"]["feed-flapping"] = {"enabled": False}
    with Company(directory, settings).running() as company:
        daemon, router = company.daemon, company.routers[MIRROR]
        before, exabgp = company.sessions(), daemon.exabgp_pid()
        for kind, sent in MALFORMED.items():
            sessions = router.sessions
            with contextlib.suppress(OSError):
                router.speaker.send(sent)
                # Either the session ends, or it works as before.
                router.speaker.announce(PART_OF_POOL["ipv4"], next_hop=OURS["ipv4"], as_path=[64500])
            eventually(
                lambda seen=sessions: router.sessions > seen or daemon.findings("pool-leak", feed=MIRROR),
                f"a new session, or the leak, after {kind}",
            )
            with contextlib.suppress(OSError):
                router.speaker.withdraw(PART_OF_POOL["ipv4"])
            daemon.wait_until_in_sync(MIRROR)
            daemon.wait_until_cleared("pool-leak")
        after = company.sessions()
        assert {name: after[name] for name in OTHERS} == {name: before[name] for name in OTHERS}
        assert daemon.exabgp_pid() == exabgp
        malformed = daemon.metric("ermon_feed_malformed_updates_total", feed=MIRROR)
        assert bool(malformed) is bool(daemon.metric("ermon_exabgp_raw", process="edges"))
        company.leak(PART_OF_POOL["ipv6"])
        daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")


OPENS = {
    "http": b"GET / HTTP/1.1\r\nHost: ermon\r\n\r\n",
    "zeros": bytes(4096),
    "version 3": message(bgp.OPEN, b"\3" + bytes(9)),
    "cut off": message(bgp.OPEN, b"\4\xfb\xf4\0\x1e"),
    "parameters beyond the end": message(bgp.OPEN, struct.pack("!BHH4sB", 4, 64500, 30, b"\1\2\3\4", 255)),
    "capability beyond the end": message(
        bgp.OPEN, struct.pack("!BHH4sB", 4, 64500, 30, b"\1\2\3\4", 4) + b"\2\2\x41\xff"
    ),
    "hold time of a second": message(bgp.OPEN, struct.pack("!BHH4sB", 4, 64500, 1, b"\1\2\3\4", 0)),
    "no identifier": message(bgp.OPEN, struct.pack("!BHH4sB", 4, 64500, 30, bytes(4), 0)),
    "another asn": message(bgp.OPEN, struct.pack("!BHH4sB", 4, 666, 30, b"\1\2\3\4", 0)),
    "nothing": b"",
}


def test_malformed_opens_cost_no_session(directory, settings):
    feed = settings["feeds"][MIRROR]
    with Company(directory, settings).running() as company:
        before, exabgp = company.sessions(), company.daemon.exabgp_pid()
        for sent in OPENS.values():
            with socket.create_connection(
                (feed["local"], settings["collector"]["port"]),
                timeout=bgp.PATIENCE,
                source_address=(feed["peer"], 0),
            ) as stranger:
                stranger.sendall(sent)
        company.leak(PART_OF_POOL["ipv4"])
        company.daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv4")
        company.repair(PART_OF_POOL["ipv4"])
        company.wait_until_well()
        after = company.sessions()
        assert {name: after[name] for name in OTHERS} == {name: before[name] for name in OTHERS}
        assert company.daemon.exabgp_pid() == exabgp


# Floods of routes, and memory ----------------------------------------------------------------------------

MANY_TAGS = [(64500, number, 1) for number in range(320)]
"""About as many large communities as an UPDATE of 4,096 octets can have. It could have three times as many of other
kinds, for which ExaBGP takes three times as long.
"""
ROUTES = 230


def memory(pid: int, kind: str) -> int:
    """Return what /proc says of a process' memory, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_flood_of_routes_with_hundreds_of_communities_is_an_overflow_of_one_feed(directory, settings, family):
    """With RLIMIT_AS: held routes are limited by bytes, and ermon continues within its memory."""
    settings["collector"]["max_bytes"] = "1MiB"
    with Company(directory, settings).running() as company:
        daemon, before = company.daemon, company.sessions()
        room = memory(daemon.pid, "VmSize") + 100 * 2**20
        resource.prlimit(daemon.pid, resource.RLIMIT_AS, (room, room))
        for number in range(ROUTES):
            prefix = (
                f"20.{number >> 8}.{number & 255}.0/24"
                if family == "ipv4"
                else f"2001:db8:f{number:03x}::/48"
            )
            flood = announcement(
                prefix, next_hop=OURS[family], as_path=[64500], large_communities=[*MANY_TAGS, (1, 1, number)]
            )
            with contextlib.suppress(OSError):  # ended in the middle of the flood
                company.routers[MIRROR].speaker.send(flood)
        finding = daemon.wait_until_raised("feed-overflow", feed=MIRROR)
        assert finding["evidence"]["max_bytes"] == 2**20
        assert "collector.max_bytes" in daemon.feed(MIRROR)["down_reason"]
        assert sum(daemon.feed(MIRROR)["routes"].values()) == 0
        company.leak(PART_OF_POOL[family], "outside")
        daemon.wait_until_raised("pool-leak", feed="outside", family=family)
        after = company.sessions()
        assert {name: after[name] for name in OTHERS} == {name: before[name] for name in OTHERS}
