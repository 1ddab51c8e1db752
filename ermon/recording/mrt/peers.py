"""Which feeds the sessions in an MRT file are.

A session of ermon is a feed by the addresses of both its ends. A session between a router and its neighbor is the feed that the
router reports by BMP, by the neighbor's address: as that feed, it says what comes from the neighbor, or what the router sends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Address, Family, parse_address
from ermon.mrt.sessions import End

_OUTBOUND = frozenset({View.TO_MICROSOFT, View.TO_INTERNET})


class Direction(NamedTuple):
    """The sender of messages, and who they are for."""

    sender: End
    receiver: End | None
    """``None``: a table does not say it."""
    is_local: bool = False
    """Whether the router that wrote the file is the sender."""

    def __str__(self) -> str:
        if self.is_local and self.receiver is not None:
            return f"to {_end(self.receiver)} from {self.sender.address}"
        return _end(self.sender) + ("" if self.receiver is None else f" to {self.receiver.address}")


def _end(end: End) -> str:
    return f"{end.address} AS {end.asn}"


class Found(NamedTuple):
    """The feeds that one direction of a session is."""

    feeds: Mapping[Family, Feed]
    shared: bool = False
    """Whether other sessions are part of the same feed."""


class Matching:
    """Finds the feeds of sessions."""

    def __init__(self, config: Config, rest: str | None = None) -> None:
        """``rest`` names the feed of what the file's peers have sent and no addresses decide about."""
        self._rest = None if rest is None else config.feeds[rest]
        own = [feed for feed in config.feeds.values() if not feed.by_bmp]
        self._by_pair = {(parse_address(feed.peer), parse_address(feed.local)): feed for feed in own}
        self._by_peer: dict[Address, list[Feed]] = {}
        for (peer, _), feed in self._by_pair.items():
            self._by_peer.setdefault(peer, []).append(feed)
        # MRT does not say on which side of its policy a router has the routes: they count as accepted.
        reported = [feed for feed in config.feeds.values() if feed.by_bmp and not feed.pre_policy]
        inbound = [feed for feed in reported if feed.view not in _OUTBOUND]
        outbound = [feed for feed in reported if feed.view in _OUTBOUND]
        own_asn = config.customer.asn
        self._inbound, self._outbound = _Neighbors(inbound, own_asn), _Neighbors(outbound, own_asn)

    def find(self, of: Direction) -> Found | None:
        """Return the feeds of messages in a direction; ``None`` if they are of none."""
        found = self.by_addresses(of)
        if found is None and self._rest is not None and not of.is_local:
            return Found(_by_family(self._rest), shared=True)
        return found

    def by_addresses(self, of: Direction) -> Found | None:
        """Return the feeds that have the addresses."""
        sender, receiver = of.sender, of.receiver
        if receiver is not None:
            feed = self._by_pair.get((sender.address, receiver.address))
        else:
            several = self._by_peer.get(sender.address, [])
            feed = several[0] if len(several) == 1 else None
        if feed is not None:
            return Found(_by_family(feed))
        found = self._inbound.find(sender, receiver)
        return self._outbound.find(receiver, sender) if found is None and receiver is not None else found

    def candidates(self, of: Direction) -> list[str]:
        """Return the names of several feeds that a table's peer may be: the file does not say which."""
        several = self._by_peer.get(of.sender.address, ())
        return sorted(feed.name for feed in several)


class _Neighbors:
    """Feeds that routers report by BMP, by the neighbor of the router."""

    def __init__(self, feeds: Iterable[Feed], own_asn: int) -> None:
        self._own_asn = own_asn
        self._by_address: dict[Address, list[Feed]] = {}
        self._by_asn: dict[int, list[Feed]] = {}
        for feed in feeds:
            if feed.peer:
                self._by_address.setdefault(parse_address(feed.peer), []).append(feed)
            else:
                self._by_asn.setdefault(feed.peer_asn, []).append(feed)

    def find(self, neighbor: End, router: End | None) -> Found | None:
        """Return the feeds of a neighbor, if they are of one router only: two VRFs or routers may have the same one.

        An ASN alone decides only if the other end is the customer's: a provider is a peer of route collectors, too.
        """
        is_ours = router is not None and router.asn == self._own_asn
        for feeds, shared in (
            (self._by_address.get(neighbor.address), False),
            (self._by_asn.get(neighbor.asn) if is_ours else None, True),
        ):
            if feeds:
                by_family = {family: feed for feed in feeds for family in feed.families}
                is_one = len(by_family) == sum(len(feed.families) for feed in feeds)
                return Found(by_family, shared) if is_one and len({f.router for f in feeds}) == 1 else None
        return None


def _by_family(feed: Feed) -> dict[Family, Feed]:
    return dict.fromkeys(feed.families, feed)
