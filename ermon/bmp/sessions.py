"""Which sessions of a router are which feeds of a configuration."""

from __future__ import annotations

from ermon.bmp.messages import Rib, SessionKey
from ermon.bmp.router import Monitored
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Address, Family, parse_address


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
