"""A router's BMP stream with a large table, and who reads it: see README.md in the folder above."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.bench.table import attributes, networks, update
from tests.bgp import end_of_rib, open_message
from tests.bmp import router


class Neighbor(NamedTuple):
    """Whose session it is that has the table."""

    name: str
    address: str
    asn: int


MICROSOFT = Neighbor("link", "203.0.113.2", router.MICROSOFT)
PROVIDER = Neighbor("uplink", "192.0.2.254", 64510)


def stream(routes: int, sets: int, neighbor: Neighbor) -> Iterator[bytes]:
    """Yield the messages of a connection whose one session has so many IPv4 routes, with so many sets of attributes.

    As FRR and GoBGP do, it reports each route by itself, before and after the inbound policy. In the end it says that this
    was all, and how many routes there are.
    """
    random = Random(1)
    chosen = [attributes(random, neighbor.asn) for _ in range(sets)]
    before, after = (
        router.peer_header(neighbor.address, asn=neighbor.asn, flags=flags)
        for flags in (0, router.POST_POLICY)
    )
    theirs = open_message(neighbor.asn, router_id="192.0.2.1", families=("ipv4", "ipv6"))
    yield router.initiation() + router.peer_up(before, received=theirs)
    for network in networks(routes, "ipv4", random):
        said = update(random.choice(chosen), neighbor.address, "ipv4", network)
        yield router.route_monitoring(said, before) + router.route_monitoring(said, after)
    for header in (before, after):
        yield router.route_monitoring(end_of_rib("ipv4"), header)
    yield router.statistics((7, struct.pack("!Q", routes)), header=before)
