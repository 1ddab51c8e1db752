"""Which feeds a check needs: whether one of its subjects exists on an instance that takes only some of them.

A check names one of these as its ``needs``. Each gets what the instance can judge, and the subject's labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ermon.checks.sharding import Shard
from ermon.model.inventory import Feed, Link, View
from ermon.model.prefixes import Family

Labels = Mapping[str, str]


def nothing_else(shard: Shard, labels: Labels) -> bool:
    """About a feed, and so only where the feed is; or about what every instance has for itself."""
    del shard, labels
    return True


def link_state(shard: Shard, labels: Labels) -> bool:
    """The link's state is judged here, in the family or in all."""
    link = shard.config.circuits[labels["circuit"]].links[labels["link"]]
    return _sees_links(shard, [link], labels)


def circuit_states(shard: Shard, labels: Labels) -> bool:
    """The states of all links of the circuit are judged here, in the family or in all."""
    return _sees_links(shard, _links(shard, labels), labels)


def _links(shard: Shard, labels: Labels) -> list[Link]:
    return list(shard.config.circuits[labels["circuit"]].links.values())


def _sees_links(shard: Shard, links: Iterable[Link], labels: Labels) -> bool:
    asked = labels.get("family")
    return all(shard.sees_link(link, f) for link in links for f in link.families if asked in {None, f})


def every_edge_table(shard: Shard, labels: Labels) -> bool:
    """All edge tables of the circuit's routers are here."""
    return shard.sees_all_edges(shard.config.circuits[labels["circuit"]])


def best_paths(shard: Shard, labels: Labels) -> bool:
    """The states of all its links are, and a feed that shows what the routers choose is here."""
    return circuit_states(shard, labels) and (
        any(map(_shows_best_paths, shard.config.feeds.values()))
        or not any(map(_shows_best_paths, shard.config.elsewhere.values()))
    )


def _shows_best_paths(feed: Feed) -> bool:
    return feed.view is View.EDGE_TABLE and not feed.add_path


def geo_states(shard: Shard, labels: Labels) -> bool:
    """The states of all links of all circuits of the geo, group and peering are judged here."""
    circuits = [
        circuit
        for circuit in shard.config.circuits.values()
        if (circuit.geo, circuit.peering, circuit.group)
        == (labels["geo"], labels["peering"], labels.get("group"))
    ]
    return _sees_links(shard, [link for circuit in circuits for link in circuit.links.values()], {})


def link_mirror(shard: Shard, labels: Labels) -> bool:
    """The link's state only excuses what the mirror shows: where nobody knows it, nothing is excused."""
    link = shard.config.circuits[labels["circuit"]].links[labels["link"]]
    return shard.sees_advertised(link, _family(labels))


def _family(labels: Labels) -> Family | None:
    match labels.get("family"):
        case "ipv4":
            return "ipv4"
        case "ipv6":
            return "ipv6"
        case _:
            return None


def circuit_mirrors(shard: Shard, labels: Labels) -> bool:
    """The mirrors and the states of all links of the circuit are judged here."""
    return _sees_all_of(shard, _links(shard, labels), labels)


def group_mirrors(shard: Shard, labels: Labels) -> bool:
    """The mirrors and the states of all links of all circuits of the group are judged here."""
    wanted = (labels["geo"], labels["group"], labels["peering"])
    circuits = (c for c in shard.config.circuits.values() if (c.geo, c.group, c.peering) == wanted)
    return _sees_all_of(shard, (link for c in circuits for link in c.links.values()), labels)


def pool_mirrors(shard: Shard, labels: Labels) -> bool:
    """The mirrors and the states of all links that the pool belongs on are judged here."""
    pool = shard.config.pools[labels["pool"]]
    return _sees_all_of(shard, shard.config.pool_links(pool), labels)


def _sees_all_of(shard: Shard, links: Iterable[Link], labels: Labels) -> bool:
    """The mirrors and the links' states prove whether something is *not* advertised."""
    links, family = list(links), _family(labels)
    mirrors = all(shard.sees_advertised(link, family) for link in links)
    return mirrors and all(shard.sees_link(link, f) for link in links for f in link.families)


def uplink_mirrors(shard: Shard, labels: Labels) -> bool:
    """A prefix that no mirror exports leaves by an unmonitored uplink, so every mirror is needed."""
    del labels
    here = {(f.uplink, family) for f in shard.config.feeds.values() for family in f.families}
    left_out = (f for f in shard.config.elsewhere.values() if f.view is View.TO_INTERNET)
    return all((feed.uplink, family) in here for feed in left_out for family in feed.families)


def whole_internet(shard: Shard, labels: Labels) -> bool:
    """Only all feeds of the internet or to it prove together that something is announced nowhere."""
    shows_internet = {View.TO_INTERNET, View.INTERNET}
    return not any(
        feed.view in shows_internet and _family(labels) in feed.families
        for feed in shard.config.elsewhere.values()
    )


def one_segment_feed(shard: Shard, labels: Labels) -> bool:
    """A route that must not be there is proven by any feed of the segment."""
    here, elsewhere = _segment_feeds(shard, labels)
    return here > 0 or elsewhere == 0


def every_segment_feed(shard: Shard, labels: Labels) -> bool:
    """That no feed of the segment has a route, only all of them together prove."""
    return _segment_feeds(shard, labels)[1] == 0


def _segment_feeds(shard: Shard, labels: Labels) -> tuple[int, int]:
    """Count the feeds of a segment that are here, and those elsewhere."""
    config = shard.config
    here, elsewhere = (
        sum(feed.segment == labels["segment"] for feed in feeds.values())
        for feeds in (config.feeds, config.elsewhere)
    )
    return here, elsewhere


def watched_at_all(shard: Shard, labels: Labels) -> bool:
    """A view that nobody provides is reported where its link, uplink or segment is watched at all."""
    if "link" in labels:
        link = shard.config.circuits[labels["circuit"]].links[labels["link"]]
        edge = labels["view"] == View.EDGE_TABLE
        return any(
            shard.sees_link(link, f) if edge else shard.sees_advertised(link, f) for f in link.families
        )
    if "uplink" in labels:
        here, elsewhere = (
            any(feed.view is View.TO_INTERNET and feed.uplink == labels["uplink"] for feed in feeds.values())
            for feeds in (shard.config.feeds, shard.config.elsewhere)
        )
        return here or not elsewhere
    return True
