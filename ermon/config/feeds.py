"""The rules between feeds: the keys of each view, eBGP and iBGP, and which feeds may share an address.

The last follow from ExaBGP: it distinguishes sessions by their address pair, applies TTL security to a whole listening
address and an MD5 key to a whole peer, and two of its processes cannot listen on one address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from ermon.config.circuits import LinkEntry
from ermon.config.problems import Complaint
from ermon.config.schema import Draft, FeedEntry, SessionEntry, UplinkEntry
from ermon.model.inventory import EDGES, View
from ermon.model.prefixes import Address

MIRRORS = frozenset({View.TO_MICROSOFT, View.TO_INTERNET})

_REQUIRED: Mapping[View, tuple[str, ...]] = {
    View.EDGE_TABLE: ("router",),
    View.TO_MICROSOFT: ("router", "circuit", "link"),
    View.TO_INTERNET: ("router", "uplink"),
    View.INTERNET: (),
    View.SEGMENT: ("segment",),
}
_PLACES = ("router", "circuit", "link", "uplink", "segment")


def complaints_about_feeds(draft: Draft) -> Iterator[Complaint]:
    sessions = _sessions(draft)
    for name, feed in draft.feeds.items():
        yield from _keys_of_its_source(name, feed)
        if feed.source is not None or name in sessions:
            yield from _keys_of_its_view(name, feed)
            yield from _router_of_its_mirror(name, feed, draft)
            yield from _canaries_of_its_families(name, feed)
    for name, session in sessions.items():
        yield from _internal_or_external(name, session, draft)
        yield from _own_settings(name, session)
    yield from _sharing(sessions)


_OF_A_SESSION = ("peer", "local", "peer_asn")
_NOT_WITH_A_SOURCE = (*_OF_A_SESSION, "local_asn", "router", "md5_password_file", "ttl_security")
_OF_A_SOURCE = ("min_peers", "url", "state_url")


def _sessions(draft: Draft) -> dict[str, SessionEntry]:
    """Return the feeds that are sessions and have what each session has."""
    return {
        name: cast("SessionEntry", feed)
        for name, feed in draft.feeds.items()
        if feed.source is None and all(getattr(feed, key) is not None for key in _OF_A_SESSION)
    }


def _keys_of_its_source(name: str, feed: FeedEntry) -> Iterator[Complaint]:
    path = ("feeds", name)
    if feed.source is None:
        for key in _OF_A_SESSION:
            if getattr(feed, key) is None:
                words = (FeedEntry.model_fields[key].description or "").partition(". ")[0]
                yield Complaint((*path, key), f"is missing; add it: {words[:1].lower()}{words[1:]}")
        for key in _OF_A_SOURCE:
            if getattr(feed, key) is not None:
                yield Complaint((*path, key), "is only for a feed with source: ris-live; remove it")
        return
    if feed.view is not View.INTERNET:
        message = (
            f"{feed.source} shows the internet, and this feed has the view {feed.view}; make it internet"
        )
        yield Complaint((*path, "source"), message)
        return
    for key in _NOT_WITH_A_SOURCE:
        if getattr(feed, key) is not None:
            yield Complaint(
                (*path, key), f"is not allowed with source {feed.source}: it is no session; remove it"
            )
    if not feed.canary:
        message = (
            "is missing; with a source it is required, because an outage of RIPE's looks like silence: name a prefix "
            "that is always announced, your own aggregate or an anchor prefix of RIS"
        )
        yield Complaint((*path, "canary"), message)


def _canaries_of_its_families(name: str, feed: FeedEntry) -> Iterator[Complaint]:
    if feed.source is not None and "families" not in feed.model_fields_set:
        return  # its families are those of its canaries
    for at, prefix in enumerate(feed.canary):
        if prefix.family not in feed.families:
            message = (
                f"{prefix} can never be received: families lacks {prefix.family}; add it or remove the canary"
            )
            yield Complaint(("feeds", name, "canary", at), message)


def _keys_of_its_view(name: str, feed: FeedEntry) -> Iterator[Complaint]:
    required = _REQUIRED[feed.view]
    for key in _PLACES:
        given = getattr(feed, key) is not None
        if key in required and not given:
            yield Complaint(
                ("feeds", name, key),
                f"is missing; a feed with the view {feed.view} needs {_listed(required)}",
            )
        elif given and key not in required and key != "router":
            names = f"names only {_listed(required)}" if required else "needs none"
            yield Complaint(
                ("feeds", name, key), f"is not allowed here; a feed with the view {feed.view} {names}"
            )


def _listed(keys: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))


def _router_of_its_mirror(name: str, feed: FeedEntry, draft: Draft) -> Iterator[Complaint]:
    """A mirror shows what one router sends, so it must come from the router at this end of the link or uplink that it
    mirrors.
    """
    end: LinkEntry | UplinkEntry | None = None
    if feed.view is View.TO_MICROSOFT and feed.circuit in draft.circuits:
        end = draft.circuits[feed.circuit].links.get(feed.link or "")
    elif feed.view is View.TO_INTERNET:
        end = draft.uplinks.get(feed.uplink or "")
    if end is not None and feed.router is not None and end.router != feed.router:
        what = f"link {feed.link} of {feed.circuit}" if feed.link else f"uplink {feed.uplink}"
        message = (
            f"{feed.router} is not the router of {what}; that is {end.router}, and only it can mirror it"
        )
        yield Complaint(("feeds", name, "router"), message)


def _internal_or_external(name: str, feed: SessionEntry, draft: Draft) -> Iterator[Complaint]:
    ours = feed.local_asn or draft.collector.asn or (draft.customer.asn if draft.customer else None)
    if ours is None:
        return
    path = ("feeds", name, "local_asn")
    given = f"{ours}" if feed.local_asn else f"{ours} (the collector's, by default)"
    if feed.view in MIRRORS and ours == feed.peer_asn:
        yield Complaint(
            path,
            f"{given} equals peer_asn, and over iBGP a mirror is wrong: split horizon hides iBGP-learned pools, "
            "NO_EXPORT is not applied, private ASNs are not removed; give an ASN that appears in no path",
        )
    if feed.view is View.EDGE_TABLE and ours != feed.peer_asn:
        yield Complaint(
            path,
            f"{given} differs from peer_asn {feed.peer_asn}, but an edge-table must be iBGP: over eBGP the next "
            f"hop changes, and ermon needs it to find the link of a route; make it {feed.peer_asn}",
        )


def _own_settings(name: str, feed: SessionEntry) -> Iterator[Complaint]:
    path = ("feeds", name)
    if feed.peer.version != feed.local.version:
        message = f"{feed.local} and peer {feed.peer} are of different families; give both in one family"
        yield Complaint((*path, "local"), message)
    elif feed.peer == feed.local:
        yield Complaint(
            (*path, "local"), f"{feed.local} is also the peer's address; give ermon's own address"
        )
    if feed.vrf is not None and feed.view is not View.EDGE_TABLE:
        message = (
            "is for edge tables only: a mirror belongs to its link, and other feeds have no routing table"
        )
        yield Complaint((*path, "vrf"), f"{message}; remove it")
    if feed.add_path and feed.view in MIRRORS:
        message = (
            "has no effect on a mirror: a router sends one path to the neighbor that it mirrors; remove it"
        )
        yield Complaint((*path, "add_path"), message)
    if feed.view is View.INTERNET and name == EDGES:
        message = f"{EDGES!r} is the ExaBGP process of all other feeds; give this feed another name"
        yield Complaint(path, message)


def _sharing(feeds: Mapping[str, SessionEntry]) -> Iterator[Complaint]:
    """Compare each feed with the first one on its address pair, on its local address and on its peer."""
    pairs: dict[tuple[Address, Address], str] = {}
    locals_: dict[Address, str] = {}
    peers: dict[Address, str] = {}
    for name, feed in feeds.items():
        twin = pairs.setdefault((feed.peer, feed.local), name)
        if twin != name:
            message = f"feed {twin} has the same peer {feed.peer} and local {feed.local}; give each feed its own local"
            yield Complaint(("feeds", name, "local"), message)
            continue
        first = locals_.setdefault(feed.local, name)
        if first != name:
            yield from _sharing_local(name, feed, first, feeds[first])
        # An internet feed has its own ExaBGP process, so it shares its peer's key with no other feed.
        first = name if feed.view is View.INTERNET else peers.setdefault(feed.peer, name)
        if feed.md5_password_file != feeds[first].md5_password_file:
            yield Complaint(
                ("feeds", name, "md5_password_file"),
                f"is {_or_none(feed.md5_password_file)} here and {_or_none(feeds[first].md5_password_file)} in "
                f"{first}, a feed of the same peer {feed.peer}; ExaBGP allows one key per peer: make them equal",
            )


def _sharing_local(name: str, feed: SessionEntry, first: str, other: SessionEntry) -> Iterator[Complaint]:
    if View.INTERNET in {feed.view, other.view}:
        yield Complaint(
            ("feeds", name, "local"),
            f"{feed.local} is shared with {first}, but a feed with the view internet has an ExaBGP process of "
            "its own, and two processes cannot listen on one address; give it a local of its own",
        )
    elif feed.ttl_security != other.ttl_security:
        yield Complaint(
            ("feeds", name, "ttl_security"),
            f"is {_or_none(feed.ttl_security)} here and {_or_none(other.ttl_security)} in {first}, on the same "
            f"local {feed.local}; ExaBGP applies it to the whole address: make them equal, or give another local",
        )


def _or_none(value: object) -> str:
    return "none" if value is None else str(value)


def cautions_about_feeds(draft: Draft) -> Iterator[Complaint]:
    for name, feed in draft.feeds.items():
        if feed.add_path and feed.view in {View.INTERNET, View.SEGMENT}:
            message = (
                f"has no effect on what is checked in the view {feed.view}; one path per prefix is enough"
            )
            yield Complaint(("feeds", name, "add_path"), message)
