"""The state of a link beyond its routes that outlives a restart: its recent prefixes, the reasons why other routes of
its router fitted no link meanwhile, and how often it was lost.

After a start every link is unknown until its router has sent its table. Until then, a Microsoft route that an IGP has
stripped of its AS path is recognized by the links' earlier prefixes, and routes that fit no link are compared with
those of before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ermon.core import link_states
from ermon.core.facts import NetworkFacts
from ermon.core.learned import LearnedPrefixes
from ermon.core.reactor import Reactor
from ermon.core.states import CeasedLink
from ermon.core.timers import LinkFlapsEnd
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix, parse_prefix


class KeptLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link in one family. A file format."""

    link: LinkKey
    family: Family
    prefixes: tuple[str, ...] = ()
    ceased: CeasedLink | None = None
    flaps: tuple[float, ...] = ()
    """When its state changed within the window of ``link-flapping``; seconds since the epoch, as below."""
    known_state: LinkState = LinkState.UNKNOWN
    """Its last known state. While that may still be down, it is in doubt whether what its mirror shows is
    advertised.
    """
    returned_at: float | None = None
    """When it last went from down to up."""
    losses: tuple[float, ...] = ()
    """When it was lost within the last day, once in each span of the clock."""


class LinkToKeep(NamedTuple):
    """The same as unchangeable values. Writing them out takes long, so it can be done on another thread."""

    link: LinkKey
    family: Family
    prefixes: frozenset[Prefix]
    ceased: CeasedLink | None
    known_state: LinkState
    returned_at: float | None
    flaps: tuple[float, ...]
    losses: tuple[float, ...]

    def written(self) -> KeptLink:
        # Sorted, so that unchanged prefixes give the same text, which is not written to the disk again.
        prefixes = tuple(map(str, sorted(self.prefixes)))
        return KeptLink(
            link=self.link,
            family=self.family,
            prefixes=prefixes,
            ceased=self.ceased,
            flaps=self.flaps,
            known_state=self.known_state,
            returned_at=self.returned_at,
            losses=self.losses,
        )


def links_to_keep(facts: NetworkFacts, learned: LearnedPrefixes) -> Iterator[LinkToKeep]:
    """Yield what is to be kept of each link, as if all links ceased to be up now."""
    for link in facts.config.links:
        for family in link.families:
            info = facts.links.get((link.key, family))
            if info is None:
                continue
            prefixes, ceased = learned.remembered(link.key, family), info.ceased
            if info.state is LinkState.UP:
                prefixes = learned.lately(link.key, family, facts.now)
                ceased = link_states.ceased(facts, link, family, len(prefixes))
            flaps, losses = (
                tuple(map(facts.wall, count.recent(facts.now))) for count in (info.flaps, info.losses)
            )
            known, returned_at = info.known_state, info.returned_at
            if returned_at is not None:
                returned_at = facts.wall(returned_at)
            if prefixes or ceased or losses or flaps or known is not LinkState.UNKNOWN:
                yield LinkToKeep(link.key, family, prefixes, ceased, known, returned_at, flaps, losses)


def restore(reactor: Reactor, links: Iterable[KeptLink]) -> None:
    """Restore what an earlier run of ermon knew of links; a link that the configuration does not name is left out."""
    for kept in links:
        info = reactor.facts.links.get((kept.link, kept.family))
        if info is None:
            continue
        info.ceased = kept.ceased
        info.known_state, info.returned_at = kept.known_state, kept.returned_at
        reactor.layers.watch_failover_grace(kept.link, kept.family)
        reactor.routes.learned.restore(kept.link, kept.family, frozenset(map(parse_prefix, kept.prefixes)))
        for time in kept.flaps:
            info.flaps.add(time)
        info.losses.restore(kept.losses, lambda time: time)
        reactor.layers.watch(LinkFlapsEnd(kept.link, kept.family), info.flaps_end())
