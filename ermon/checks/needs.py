"""Which feeds a check needs: whether one of its subjects exists on an instance that has only some of the feeds.

A check names one of these functions as its ``needs``. Each gets the ``Shard`` of the instance and the subject's labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ermon.checks.sharding import Shard
from ermon.model.inventory import Feed, Link, View
from ermon.model.prefixes import Family

Labels = Mapping[str, str]


def nothing_else(shard: Shard, labels: Labels) -> bool:
    """The subject is about a feed, so it exists only where the feed is; or it is about something that every instance
    has.
    """
    del shard, labels
    return True


def link_state(shard: Shard, labels: Labels) -> bool:
    """This instance judges the link's state, in the family or in all."""
    link = shard.config.circuits[labels["circuit"]].links[labels["link"]]
    return _sees_links(shard, [link], labels)


def circuit_states(shard: Shard, labels: Labels) -> bool:
    """This instance judges the states of all links of the circuit, in the family or in all."""
    return _sees_links(shard, _links(shard, labels), labels)


def _links(shard: Shard, labels: Labels) -> list[Link]:
    return list(shard.config.circuits[labels["circuit"]].links.values())


def _sees_links(shard: Shard, links: Iterable[Link], labels: Labels) -> bool:
    asked = labels.get("family")
    return all(shard.sees_link(link, f) for link in links for f in link.families if asked in {None, f})


def every_edge_table(shard: Shard, labels: Labels) -> bool:
    """This instance has all edge tables of the circuit's routers."""
    return shard.sees_all_edges(shard.config.circuits[labels["circuit"]])


def best_paths(shard: Shard, labels: Labels) -> bool:
    """This instance judges the states of all links of the circuit, and has a feed of best paths, if there is one."""
    return circuit_states(shard, labels) and (
        any(map(_shows_best_paths, shard.config.feeds.values()))
        or not any(map(_shows_best_paths, shard.config.elsewhere.values()))
    )


def _shows_best_paths(feed: Feed) -> bool:
    return feed.view is View.EDGE_TABLE and not feed.add_path


def azure(shard: Shard, labels: Labels) -> bool:
    """This instance watches a link of the circuit, and reads Azure's view of it."""
    return shard.config.circuits[labels["circuit"]].azure is not None


def geo_states(shard: Shard, labels: Labels) -> bool:
    """This instance judges the states of all links of all circuits of the geo, group and peering."""
    circuits = [
        circuit
        for circuit in shard.config.circuits.values()
        if (circuit.geo, circuit.peering, circuit.group)
        == (labels["geo"], labels["peering"], labels.get("group"))
    ]
    return _sees_links(shard, [link for circuit in circuits for link in circuit.links.values()], {})


def link_mirror(shard: Shard, labels: Labels) -> bool:
    """This instance judges what the link advertises. The link's state is not needed: it only excuses what the mirror
    shows, and an unknown state excuses nothing.
    """
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
    """This instance judges the mirrors and the states of all links of the circuit."""
    return _sees_all_of(shard, _links(shard, labels), labels)


def group_mirrors(shard: Shard, labels: Labels) -> bool:
    """This instance judges the mirrors and the states of all links of all circuits of the group."""
    wanted = (labels["geo"], labels["group"], labels["peering"])
    circuits = (c for c in shard.config.circuits.values() if (c.geo, c.group, c.peering) == wanted)
    return _sees_all_of(shard, (link for c in circuits for link in c.links.values()), labels)


def pool_mirrors(shard: Shard, labels: Labels) -> bool:
    """This instance judges the mirrors and the states of all links that should advertise the pool."""
    pool = shard.config.pools[labels["pool"]]
    return _sees_all_of(shard, shard.config.pool_links(pool), labels)


def _sees_all_of(shard: Shard, links: Iterable[Link], labels: Labels) -> bool:
    """Proving that something is *not* advertised takes the mirrors and the states of the links."""
    links, family = list(links), _family(labels)
    mirrors = all(shard.sees_advertised(link, family) for link in links)
    return mirrors and all(shard.sees_link(link, f) for link in links for f in link.families)


def uplink_mirrors(shard: Shard, labels: Labels) -> bool:
    """This instance has the mirrors of all uplinks: only they show that a prefix leaves by an unmonitored uplink."""
    del labels
    here = {(f.uplink, family) for f in shard.config.feeds.values() for family in f.families}
    left_out = (f for f in shard.config.elsewhere.values() if f.view is View.TO_INTERNET)
    return all((feed.uplink, family) in here for feed in left_out for family in feed.families)


def site_uplinks(shard: Shard, labels: Labels) -> bool:
    """This instance has the sessions of all uplinks of the site that routers report: only they prove together that none is up."""
    own = {name for name, uplink in shard.config.uplinks.items() if uplink.site == labels.get("group")}
    elsewhere = shard.config.elsewhere.values()
    return not any(feed.view is View.FROM_INTERNET and feed.uplink in own for feed in elsewhere)


def whole_internet(shard: Shard, labels: Labels) -> bool:
    """This instance has all feeds that show the internet or what is advertised to it: only they prove together that
    something is announced nowhere.
    """
    shows_internet = {View.TO_INTERNET, View.INTERNET}
    return not any(
        feed.view in shows_internet and _family(labels) in feed.families
        for feed in shard.config.elsewhere.values()
    )


def one_segment_feed(shard: Shard, labels: Labels) -> bool:
    """This instance has a feed of the segment: any of them proves that a route is there that must not be."""
    here, elsewhere = _segment_feeds(shard, labels)
    return here > 0 or elsewhere == 0


def every_segment_feed(shard: Shard, labels: Labels) -> bool:
    """This instance has all feeds of the segment: only all of them prove that a route is not there."""
    return _segment_feeds(shard, labels)[1] == 0


def _segment_feeds(shard: Shard, labels: Labels) -> tuple[int, int]:
    """Count the feeds of a segment on this instance, and those on others."""
    config = shard.config
    here, elsewhere = (
        sum(feed.segment == labels["segment"] for feed in feeds.values())
        for feeds in (config.feeds, config.elsewhere)
    )
    return here, elsewhere


def watched_at_all(shard: Shard, labels: Labels) -> bool:
    """A missing view is reported by an instance that watches its link, uplink or segment in some other way."""
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
