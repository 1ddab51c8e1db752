"""Recorded lines of ExaBGP, and the events of each, written by hand: the fixtures of the decoder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    EndOfRib,
    Event,
    HoldTimeZero,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.inventory import EDGES, View
from ermon.model.prefixes import Family, parse_address, parse_prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from tests.defaults import make_feed

RECORDED = Path(__file__).parents[1] / "recorded"

FEEDS = {
    name: make_feed(name, View.EDGE_TABLE, peer, local, peer_asn=65011, local_asn=64500)
    for name, peer, local in (
        ("edge-1", "127.0.0.11", "127.0.0.1"),
        ("edge-1-msee", "127.0.0.11", "127.0.0.2"),
        ("edge-2", "127.0.0.2", "127.0.0.1"),
        ("edge-3", "127.0.0.13", "127.0.0.1"),
        ("edge-4", "127.0.0.14", "127.0.0.1"),
        ("edge-6", "::1", "::1"),
    )
}
OUTSIDE = make_feed("outside", View.INTERNET, "127.0.0.14", "127.0.0.9", peer_asn=64520, local_asn=65012)

# The format of the tables below: without times, and the feed is edge-1 by default.

T = 0.0
FEED = "edge-1"
GAP = "gap in ExaBGP's counter"
SEQUENCE, SET = SegmentKind.SEQUENCE, SegmentKind.SET
CONFEDERATION = SegmentKind.CONFED_SEQUENCE
BOTH: frozenset[Family] = frozenset({"ipv4", "ipv6"})
NEITHER: frozenset[Family] = frozenset()

PROCESS_UP = ProcessUp(T, EDGES)
PROCESS_DOWN = ProcessDown(T, EDGES, "ExaBGP shut down")
PROCESS_REPLACED = ProcessDown(T, EDGES, "another ExaBGP process took its place")
UP = SessionUp(T, FEED)
ALIVE = Alive(T, FEED)
NO_HOLD = HoldTimeZero(T, FEED)
UNDECODED = MessagesLost(T, FEED, 1, "an UPDATE could not be decoded")


def down(reason: str) -> SessionDown:
    return SessionDown(T, FEED, reason)


def lost(count: int) -> MessagesLost:
    return MessagesLost(T, FEED, count, GAP)


def offered(families: frozenset[Family]) -> AddPathOffered:
    return AddPathOffered(T, FEED, families)


def negotiated(families: frozenset[Family]) -> AddPathNegotiated:
    return AddPathNegotiated(T, FEED, families)


def end_of_rib(family: Family) -> EndOfRib:
    return EndOfRib(T, FEED, family)


def refresh_began(family: Family) -> RefreshBegan:
    return RefreshBegan(T, FEED, family)


def refresh_ended(family: Family) -> RefreshEnded:
    return RefreshEnded(T, FEED, family)


def path(*asns: int) -> AsPath:
    return AsPath([PathSegment(SEQUENCE, asns)])


USUAL_PATH = path(65011, 64999)


def route(
    prefix: str,
    path_id: int | None = None,
    *,
    next_hop: str | None = "192.0.2.1",
    as_path: AsPath = USUAL_PATH,
    origin: str = "igp",
    **attributes: Any,
) -> Route:
    hop = None if next_hop is None else parse_address(next_hop)
    return Route(parse_prefix(prefix), path_id, Attributes(hop, as_path, origin=origin, **attributes))


def announced(*routes: Route) -> Update:
    return Update(T, FEED, announced=routes)


def withdrawn(*prefixes: str, path_id: int | None = None) -> Update:
    return Update(T, FEED, withdrawn=tuple((parse_prefix(prefix), path_id) for prefix in prefixes))


def on(feed: str, *events: Event) -> list[Event]:
    return [
        event if isinstance(event, ProcessUp | ProcessDown) else replaced_in(event, feed=feed)
        for event in events
    ]


def replaced_in(event: Event, **changes: Any) -> Event:
    return msgspec.structs.replace(event, **changes)


def microsoft(prefix: str, path_id: int | None = None, **attributes: Any) -> Route:
    return route(prefix, path_id, **{"as_path": path(65011, 12076)} | attributes)


SAMPLES: dict[str, list[list[Event]]] = {
    "session-up": [
        [PROCESS_UP],
        [],
        [],
        [],
        [],
        [offered(BOTH)],
        [negotiated(BOTH)],
        [],
        [lost(1)],
        [UP],
    ],
    "eor-ipv4": [[end_of_rib("ipv4")]],
    "eor-ipv6": [[end_of_rib("ipv6")]],
    "announce-ipv4-addpath-2prefix": [
        [
            announced(
                route("198.51.100.0/24", 7, med=50, communities=Communities({(65011, 100), (65535, 65281)})),
                route("203.0.113.0/25", 7, med=50, communities=Communities({(65011, 100), (65535, 65281)})),
            )
        ]
    ],
    "announce-ipv4-second-path": [
        [announced(route("198.51.100.0/24", 8, next_hop="192.0.2.2", as_path=path(65011, 12076)))]
    ],
    "implicit-replace-same-path-id": [
        [announced(route("198.51.100.0/24", 7, as_path=path(65011, 65011, 65011)))]
    ],
    "withdraw-ipv4-addpath": [[withdrawn("198.51.100.0/24", path_id=8)]],
    "announce+withdraw-same-update": [
        [
            Update(
                T,
                FEED,
                announced=(route("10.9.0.0/16", 1),),
                withdrawn=((parse_prefix("203.0.113.0/25"), 7),),
            )
        ]
    ],
    "announce-ipv6-mpreach": [[announced(route("2001:db8:100::/48", 3, next_hop="2001:db8::1"))]],
    "announce-ipv6-mpreach-2nh": [[announced(route("2001:db8:200::/48", 3, next_hop="2001:db8::1"))]],
    "withdraw-ipv6": [[withdrawn("2001:db8:100::/48", path_id=3)]],
    "all-communities": [
        [
            announced(
                route(
                    "10.1.0.0/16",
                    1,
                    communities=Communities({(65011, 1), (65535, 0), (65535, 666)}),
                    large_communities=LargeCommunities({(65011, 1, 2), (4200000000, 3, 4)}),
                )
            )
        ]
    ],
    "as-set+aggregator+atomic": [
        [
            announced(
                route(
                    "10.2.0.0/16",
                    1,
                    as_path=AsPath(
                        [PathSegment(SEQUENCE, (65011, 4200000001)), PathSegment(SET, (64998, 64999))]
                    ),
                )
            )
        ]
    ],
    "unknown-transitive-attr-200": [[announced(route("10.3.0.0/16", 1))]],
    "otc-attr-35": [[announced(route("10.3.1.0/24", 1))]],
    "default-route": [[announced(route("0.0.0.0/0", 1))]],
    "treat-as-withdraw:missing-nexthop": [[announced(route("10.4.0.0/16", 1, next_hop=None))]],
    "treat-as-withdraw:bad-origin-len": [[announced(route("10.5.0.0/16", 1, as_path=path(65011)))]],
    "treat-as-withdraw:bad-community-len": [[withdrawn("10.6.0.0/16", path_id=1)]],
    "treat-as-withdraw:bad-med-len": [[withdrawn("10.6.1.0/24", path_id=1)]],
    "as-path-first-as-mismatch": [[announced(route("10.7.0.0/16", 1, as_path=path(64777, 65011)))]],
    "as-path-loop-own-as": [[announced(route("10.7.1.0/24", 1, as_path=path(65011, 64500)))]],
    "aspath-empty-ebgp": [[announced(route("10.8.0.0/16", 1, as_path=AsPath()))]],
    "attribute-duplicate-community": [
        [announced(route("10.8.1.0/24", 1, communities=Communities({(1, 1)})))]
    ],
    "v4-nlri-with-v6-mpreach-ipv4-afi": [
        [down("UPDATE message error: optional attribute error, sent by ermon")]
    ],
    "v4-nlri-with-v6-mpreach-ipv4-afi:reconnect": [
        [lost(1)],
        [lost(4), offered(BOTH)],
        [negotiated(BOTH)],
        [lost(3), UP],
    ],
    "keepalive": [[ALIVE]],
    "route-refresh": [[ALIVE]],
    "peer-notification-cease-2 admin shutdown": [
        [],
        [down('Cease: administrative shutdown, sent by the router: "maintenance"')],
    ],
    "up2": [[lost(1)], [lost(4), offered(NEITHER)], [negotiated(NEITHER)], [lost(3), UP]],
    "announce-no-addpath": [[announced(route("10.11.0.0/16"))]],
    "tcp-reset": [[down("connection lost, or closed by the router, without a NOTIFICATION")]],
    "tcp-fin": [[lost(12), down("connection lost, or closed by the router, without a NOTIFICATION")]],
    "hold-timer-expiry": [[lost(12), down("hold timer expired, sent by ermon")]],
    "open-wrong-asn": [
        [lost(1)],
        [lost(4), offered(NEITHER)],
        [down("OPEN refused by ermon: bad peer AS (the router says 65099, the feed says 65011)")],
    ],
    "bad-marker": [
        [
            lost(12),
            down("ended by ermon without a NOTIFICATION: ExaBGP could not read a message from the router"),
        ]
    ],
    "bad-nlri-length-33": [[lost(12), down("UPDATE message error: invalid network field, sent by ermon")]],
    "bad-withdrawn-length": [
        [lost(12), down("UPDATE message error: malformed attribute list, sent by ermon")]
    ],
    "bad-message-type": [[lost(12), down("message header error: bad message type, sent by ermon")]],
    "hold-time-0": [
        [lost(1)],
        [lost(4), offered(NEITHER), NO_HOLD],
        [negotiated(NEITHER), NO_HOLD],
        [lost(3), UP],
    ],
    "hold-time-2": [
        [down("connection lost, or closed by the router, without a NOTIFICATION")],
        [lost(1)],
        [lost(4), offered(NEITHER)],
        [down("OPEN refused by ermon: unacceptable hold time (the router says 2 s, and 3 is the least)")],
    ],
    "up-ipv4-only": [[lost(1)], [lost(4), offered(NEITHER)], [negotiated(NEITHER)], [lost(3), UP]],
    "raw-only": [
        [PROCESS_REPLACED, PROCESS_UP],
        [],
        [ALIVE],
        [UP],
        [UNDECODED],
        [],
        [down("message header error: connection not synchronized, sent by ermon")],
    ],
    "raw-and-parsed": [
        [],
        [],
        on("edge-3", offered(BOTH)),
        on("edge-3", ALIVE),
        on("edge-3", ALIVE),
        on("edge-3", UP),
        on("edge-3", UNDECODED),
        on("edge-3", announced(route("198.51.100.0/24", 7, as_path=path(65011), local_preference=200))),
        on(
            "edge-3",
            down("ended by ermon without a NOTIFICATION: ExaBGP could not read a message from the router"),
        ),
    ],
    "parsed-updates-only": [
        [],
        on("edge-4", UP),
        on("edge-4", announced(route("198.51.100.0/24", 7, as_path=path(65011), local_preference=200))),
        on("edge-4", down("message header error: connection not synchronized, sent by ermon")),
    ],
    "shutdown": [[PROCESS_DOWN]],
}

OPENED: list[list[Event]] = [[], [offered(NEITHER)], [ALIVE], [UP]]

EXTRA: dict[str, list[list[Event]]] = {
    "up": [[PROCESS_UP], *OPENED[1:]],
    "confederation-sequence": [
        [
            announced(
                route(
                    "10.1.0.0/16",
                    as_path=AsPath(
                        [PathSegment(CONFEDERATION, (65001,)), PathSegment(SEQUENCE, (12076, 8075))]
                    ),
                )
            )
        ]
    ],
    "confederation-sequence-and-set": [
        [
            announced(
                route(
                    "2001:db8:1::/48",
                    next_hop="2001:db8::1",
                    as_path=AsPath(
                        [
                            PathSegment(CONFEDERATION, (65001, 65002)),
                            PathSegment(CONFEDERATION, (65003,)),
                            PathSegment(SEQUENCE, (12076,)),
                        ]
                    ),
                )
            )
        ]
    ],
    # These two are printed like a plain sequence, and cannot be distinguished.
    "confederation-sequence-only": [[announced(route("10.2.0.0/16", as_path=path(65001)))]],
    "confederation-before-as-set": [
        [
            announced(
                route(
                    "10.3.0.0/16",
                    as_path=AsPath([PathSegment(SEQUENCE, (65001,)), PathSegment(SET, (64998, 64999))]),
                )
            )
        ]
    ],
    "path-of-more-than-255": [
        [
            announced(
                route(
                    "10.4.0.0/16",
                    as_path=AsPath(
                        [
                            PathSegment(SEQUENCE, (65011,) * 3),
                            PathSegment(SEQUENCE, (65011,) * 254 + (12076,)),
                        ]
                    ),
                )
            )
        ]
    ],
    "well-known-communities": [
        [
            announced(
                microsoft(
                    "10.5.0.0/16",
                    communities=Communities(
                        {
                            (65535, 0),
                            (65535, 666),
                            (65535, 65281),
                            (65535, 65282),
                            (65535, 65283),
                            (65535, 65284),
                        }
                    ),
                    large_communities=LargeCommunities({(4294967295, 0, 4294967295)}),
                )
            )
        ]
    ],
    "attributes-without-routes": [[announced()]],
    "ipv4-mapped-next-hop": [[announced(microsoft("2001:db8:2::/48", next_hop="192.0.2.1"))]],
    "link-local-next-hop-only": [[announced(microsoft("2001:db8:3::/48", next_hop="fe80::1"))]],
    "two-next-hops-two-prefixes": [
        [
            announced(
                microsoft("2001:db8:4::/48", next_hop="2001:db8::1"),
                microsoft("2001:db8:5::/48", next_hop="2001:db8::1"),
            )
        ]
    ],
    "shortest-and-longest": [
        [
            announced(
                microsoft("::/0", next_hop="2001:db8::1"),
                microsoft("2001:db8::1/128", next_hop="2001:db8::1"),
                microsoft("2000::/3", next_hop="2001:db8::1"),
            )
        ]
    ],
    "largest-numbers": [
        [
            announced(
                route(
                    "10.6.0.1/32",
                    as_path=path(4294967295),
                    origin="incomplete",
                    med=4294967295,
                    local_preference=0,
                )
            )
        ]
    ],
    "hundred-prefixes": [[announced(*(microsoft(f"10.7.{n}.0/24") for n in range(100)))]],
    "withdraw-both-families": [[withdrawn("10.7.0.0/24", "10.7.1.0/24")]],
    "withdraw-ipv6": [[withdrawn("2001:db8:4::/48", "::/0")]],
    "refresh-query": [[ALIVE]],
    "refresh-begin": [[refresh_began("ipv6")]],
    "refresh-end": [[refresh_ended("ipv6")]],
    "refresh-end-ipv4": [[refresh_ended("ipv4")]],
    "closed": [[down("connection lost, or closed by the router, without a NOTIFICATION")]],
    "up-two-octet-asns": OPENED,
    "as4-path": [[announced(route("10.8.0.0/16", as_path=path(65011, 4200000001, 4200000002)))]],
    "as4-path-in-confederation": [
        [
            announced(
                route(
                    "10.9.0.0/16",
                    as_path=AsPath(
                        [
                            PathSegment(CONFEDERATION, (65001,)),
                            PathSegment(SEQUENCE, (65011, 4200000001)),
                        ]
                    ),
                )
            )
        ]
    ],
    "as-trans-alone": [[announced(route("10.10.0.0/16", as_path=path(65011, 23456)))]],
    "closed-two-octet-asns": [[down("connection lost, or closed by the router, without a NOTIFICATION")]],
    "up-over-ipv6": [on("edge-6", *events) for events in OPENED],
    "end-of-rib-over-ipv6": [on("edge-6", end_of_rib("ipv6"))],
    "closed-over-ipv6": [
        on("edge-6", down("connection lost, or closed by the router, without a NOTIFICATION"))
    ],
    "up-before-shutdown-communication": OPENED,
    "shutdown-communication": [
        [],
        [
            down(
                'Cease: administrative shutdown, sent by the router: "Wartung \N{EM DASH} back at 04:00 \N{REPLACEMENT CHARACTER}[m"'
            )
        ],
    ],
    "up-before-shutdown-communication-empty": OPENED,
    "shutdown-communication-empty": [[], [down("Cease: administrative shutdown, sent by the router")]],
    "up-before-administrative-reset-silent": OPENED,
    "administrative-reset-silent": [[], [down("Cease: administrative reset, sent by the router")]],
    "up-before-cease-with-binary-data": OPENED,
    "cease-with-binary-data": [[], [down("Cease: maximum number of prefixes reached, sent by the router")]],
    "up-add-path-send": [[], [offered(BOTH)], [ALIVE], [UP]],
    "largest-path-id": [[announced(microsoft("10.11.0.0/16", 4294967295))]],
    "smallest-path-id": [[announced(microsoft("2001:db8:6::/48", 0, next_hop="2001:db8::1"))]],
    "closed-add-path-send": [[down("connection lost, or closed by the router, without a NOTIFICATION")]],
    # Here ExaBGP was configured to print its own OPEN and KEEPALIVE too, and the negotiated values.
    "up-everything": [
        on("edge-1-msee", *events)
        for events in ([], [], [offered(BOTH)], [negotiated(BOTH)], [], [ALIVE], [UP])
    ],
    "reload": [[]],
    "end-of-rib-after-reload": [on("edge-1-msee", end_of_rib("ipv4"))],
    "closed-after-reload": [
        on("edge-1-msee", down("connection lost, or closed by the router, without a NOTIFICATION"))
    ],
    "up-in-new-process": [[PROCESS_REPLACED, PROCESS_UP], *OPENED[1:]],
    "end-of-rib-in-new-process": [[end_of_rib("ipv4")]],
    "terminated": [[], [down("ended by ermon, which stopped ExaBGP")], [PROCESS_DOWN]],
}

TWO_SPEAKERS: list[list[Event]] = [
    [PROCESS_UP],
    [UP],
    [
        announced(
            route("203.0.113.0/24", as_path=path(12076, 64500), communities=Communities({(12076, 5040)})),
        )
    ],
    [announced(route("198.51.100.0/25", as_path=path(12076, 64500)))],
    [announced(route("2001:db8::/48", as_path=path(12076), next_hop="2001:db8:ffff::1"))],
    [end_of_rib("ipv4")],
    [end_of_rib("ipv6")],
    [down("connection lost, or closed by the router, without a NOTIFICATION")],
    *[
        events
        for _ in range(5)
        for events in ([], [down("connection lost, or closed by the router, without a NOTIFICATION")])
    ],
    [PROCESS_DOWN],
]


def lines_of(recording: str) -> list[bytes]:
    return (RECORDED / f"{recording}-5.0.15.jsonl").read_bytes().splitlines()


def labels_of(recording: str) -> list[str]:
    index = (RECORDED / f"{recording}-5.0.15.md").read_text()
    return re.findall(r"^- \d+: \[(.+)\]$", index, re.MULTILINE)


def sample(label: str, number: int = 0) -> bytes:
    """Return a recorded line, by its label and its place under it."""
    for recording in ("samples", "extra"):
        found = [
            line
            for name, line in zip(labels_of(recording), lines_of(recording), strict=True)
            if name == label
        ]
        if found:
            return found[number]
    raise LookupError(label)
