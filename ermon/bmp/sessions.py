"""Which sessions of a router are which feeds of a configuration."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ermon.bmp.messages import Rib, SessionKey
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Address, Family, parse_address

Feeds = Mapping[tuple[Rib, Family], str]
"""The feeds that are made of one session, by what they are made of."""


class Monitored(msgspec.Struct, frozen=True):
    """Which sessions of a router are feeds."""

    by_session: Mapping[SessionKey, Feeds] = {}
    by_address: Mapping[Address, Feeds] = {}
    """Of sessions that are not among ``by_session``: by the neighbor's address, in whichever VRF."""
    by_asn: Mapping[int, Feeds] = {}
    """Of all others: by the neighbor's ASN. One feed may be made of several of them."""

    def feeds_of(self, key: SessionKey, asn: int) -> Feeds:
        found = self.by_session.get(key)
        if found is None:
            found = self.by_address.get(key.peer)
        return self.by_asn.get(asn, {}) if found is None else found

    def names(self) -> frozenset[str]:
        """Return the names of all feeds."""
        every = (*self.by_session.values(), *self.by_address.values(), *self.by_asn.values())
        return frozenset(name for feeds in every for name in feeds.values())

    def shared(self) -> frozenset[str]:
        """Return the names of the feeds that several sessions may be part of."""
        seen: set[str] = set()
        shared = {name for feeds in self.by_asn.values() for name in feeds.values()}
        for feeds in (*self.by_session.values(), *self.by_address.values()):
            shared |= seen.intersection(feeds.values())
            seen.update(feeds.values())
        return frozenset(shared)


def monitored(config: Config, router: str) -> Monitored:
    """Return the sessions of a router that are feeds."""
    by_session: dict[SessionKey, dict[tuple[Rib, Family], str]] = {}
    by_address: dict[Address, dict[tuple[Rib, Family], str]] = {}
    by_asn: dict[int, dict[tuple[Rib, Family], str]] = {}
    for feed in config.feeds.values():
        if not feed.by_bmp or feed.router != router:
            continue
        if not feed.peer:
            feeds = by_asn.setdefault(feed.peer_asn, {})
        elif feed.distinguisher is None:
            feeds = by_address.setdefault(parse_address(feed.peer), {})
        else:
            key = SessionKey(parse_address(feed.peer), feed.distinguisher)
            feeds = by_session.setdefault(key, {})
        feeds.update({(_rib(feed), family): feed.name for family in feed.families})
    return Monitored(by_session, by_address, by_asn)


def _rib(feed: Feed) -> Rib:
    if feed.view in {View.TO_MICROSOFT, View.TO_INTERNET}:
        return Rib.OUT_POST
    return Rib.IN_PRE if feed.pre_policy else Rib.IN_POST
