"""What is known of a link beyond its routes, and outlives a restart: what it brought lately, and what kept other routes of
its router from any link meanwhile.

After a start every link is unknown until its router has sent its table. Until then a Microsoft route that an IGP has
stripped of its path is told by what the links brought before, and what cannot be assigned by what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ermon.core import link_states
from ermon.core.facts import NetworkFacts
from ermon.core.learned import LearnedPrefixes
from ermon.core.states import CeasedLink
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix, parse_prefix


class KeptLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link in one family. A file format."""

    link: LinkKey
    family: Family
    prefixes: tuple[str, ...] = ()
    ceased: CeasedLink | None = None


class LinkToKeep(NamedTuple):
    """The same as values that nothing changes any more: to write them out takes its time, and can be done on a thread."""

    link: LinkKey
    family: Family
    prefixes: frozenset[Prefix]
    ceased: CeasedLink | None

    def written(self) -> KeptLink:
        return KeptLink(self.link, self.family, tuple(map(str, self.prefixes)), self.ceased)


def links_to_keep(facts: NetworkFacts, learned: LearnedPrefixes) -> Iterator[LinkToKeep]:
    """Yield what is to be kept of each link, as if all of them ceased to be up now."""
    for link in facts.config.links:
        for family in link.families:
            info = facts.links.get((link.key, family))
            if info is None:
                continue
            if info.state is LinkState.UP:
                prefixes = learned.lately(link.key, family, facts.now)
                yield LinkToKeep(
                    link.key, family, prefixes, link_states.ceased(facts, link, family, len(prefixes))
                )
            elif (prefixes := learned.remembered(link.key, family)) or info.ceased is not None:
                yield LinkToKeep(link.key, family, prefixes, info.ceased)


def restore(facts: NetworkFacts, learned: LearnedPrefixes, links: Iterable[KeptLink]) -> None:
    """Know of links what an earlier ermon knew; one that the configuration does not name is left out."""
    for kept in links:
        info = facts.links.get((kept.link, kept.family))
        if info is not None:
            info.ceased = kept.ceased
            learned.restore(kept.link, kept.family, frozenset(map(parse_prefix, kept.prefixes)))
