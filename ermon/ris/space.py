"""Which prefixes RIPE is asked about. They are all that RIPE learns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ermon.model.inventory import Config, Feed
from ermon.model.prefixes import Prefix, PrefixSet, not_public_space

RESOURCES_A_REQUEST = 20
"""RIPEstat combines the routes to several prefixes in one answer."""


def asked_prefixes(config: Config, feed: Feed) -> tuple[Prefix, ...]:
    """Return the prefixes that RIPE is asked about for a feed: your published space, your pools and the feed's canaries.

    A pool inside your aggregate is among them: that RIPEstat's state of the aggregate has the pool's routes is documented nowhere, and
    a leak must not be missed. Private space is in no table of the internet.
    """
    private = not_public_space(config.policy.public_space)
    wanted = {
        prefix
        for prefix in (*config.our_space, *config.internet_only, *feed.canary)
        if prefix.family in feed.families and not private.covers(prefix)
    }
    return tuple(sorted(wanted))


def outermost(prefixes: Collection[Prefix]) -> Iterator[Prefix]:
    """Yield the prefixes that are inside no other one: RIS Live sends the changes of more specific ones too."""
    for prefix in prefixes:
        others = PrefixSet(other for other in prefixes if other.length < prefix.length)
        if not others.covers(prefix):
            yield prefix


def requests(asked: Iterable[Prefix], heard: Iterable[Prefix]) -> tuple[tuple[Prefix, ...], ...]:
    """Return the prefixes of each request to RIPEstat: those that are asked about, and those that were heard of.

    Whether its answer for a prefix has more specific and less specific ones is documented nowhere. So they are asked for by name.
    """
    every = sorted({*asked, *heard})
    return tuple(
        tuple(every[at : at + RESOURCES_A_REQUEST]) for at in range(0, len(every), RESOURCES_A_REQUEST)
    )
