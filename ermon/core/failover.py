"""The prefixes that one circuit of a group advertises and no other circuit of it covers: they have no failover.

They are kept prefix by prefix, because the mirrors of a group may show ten thousand prefixes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.checks.advertised_required import failover_groups
from ermon.checks.facts import link_down, link_in_doubt, link_up
from ermon.checks.topics import GroupKey, failover_topic
from ermon.core.facts import NetworkFacts
from ermon.core.rib import AdjRibIn
from ermon.model.inventory import Link
from ermon.model.prefixes import Family, Prefix, PrefixSet


class Failover:
    """Keeps, for each group of circuits and family, the prefixes that are proven to have no failover."""

    def __init__(self, facts: NetworkFacts) -> None:
        self._facts = facts
        self._groups = failover_groups(facts.config)
        self._group_of = {name: key for key, names in self._groups.items() for name in names}

    def prefix_changed(self, circuit: str, prefix: Prefix) -> None:
        """Judge a prefix again that a mirror of a circuit began or ceased to show, and all prefixes that overlap it: it
        may have covered them.
        """
        key = self._group_of.get(circuit)
        if key is None:
            return
        touched = {prefix}
        for _, rib in self._mirrors(key):
            touched.update(route.prefix for route in rib.covering(prefix))
            if not prefix.is_default:
                touched.update(route.prefix for route in rib.inside(prefix))
        known = self._facts.failover_gaps.setdefault((key, prefix.family), set())
        found = {each for each in touched if self._has_none(key, each)}
        if found != touched & known:
            known -= touched
            known |= found
            self._facts.pending.topics.add(failover_topic(key, prefix.family))

    def links_changed(self, circuit: str, family: Family) -> None:
        """Judge all prefixes again: a link came or went, or a mirror can now prove more than before."""
        key = self._group_of.get(circuit)
        if key is None:
            return
        shown = {prefix for _, rib in self._mirrors(key) for prefix in rib.prefixes(family)}
        found = {prefix for prefix in shown if self._has_none(key, prefix)}
        if found != self._facts.failover_gaps.get((key, family), set()):
            self._facts.failover_gaps[key, family] = found
            self._facts.pending.topics.add(failover_topic(key, family))

    def _has_none(self, key: GroupKey, prefix: Prefix) -> bool:
        """Return whether exactly one circuit of the group advertises the prefix on an up link and all others are proven
        not to cover it.
        """
        names = self._groups[key]
        uncovered = [name for name in names if self._covers(name, prefix) is False]
        if len(uncovered) == len(names):
            # The prefix is only on mirrors that are not in sync yet, or on links that are not up.
            return False
        if len(uncovered) < len(names) - 1:
            return False
        (rest,) = (name for name in names if name not in uncovered)
        return self._advertises(rest, prefix)

    def _advertises(self, circuit: str, prefix: Prefix) -> bool:
        return any(
            prefix in rib
            for link, rib in self._mirrors_of(circuit)
            if link_up(self._facts, link, prefix.family)
        )

    def _covers(self, circuit: str, prefix: Prefix) -> bool | None:
        """Return whether the links of a circuit that are not down advertise all of the prefix; ``None`` if that is not
        known.
        """
        facts, family = self._facts, prefix.family
        ribs: list[AdjRibIn] = []
        known = True
        for link in facts.config.circuits[circuit].links.values():
            if link_down(facts, link, family):
                continue
            in_sync = [
                facts.feeds[feed.name].rib
                for feed in facts.config.mirrors.get(link.key, ())
                if facts.in_sync(feed.name, family)
            ]
            known = known and bool(in_sync) and not link_in_doubt(facts, link, family)
            ribs += in_sync if not link_in_doubt(facts, link, family) else ()
        if _cover(ribs, prefix):
            return True
        return False if known else None

    def _mirrors(self, key: GroupKey) -> Iterator[tuple[Link, AdjRibIn]]:
        for name in self._groups[key]:
            yield from self._mirrors_of(name)

    def _mirrors_of(self, circuit: str) -> Iterator[tuple[Link, AdjRibIn]]:
        for link in self._facts.config.circuits[circuit].links.values():
            for feed in self._facts.config.mirrors.get(link.key, ()):
                yield link, self._facts.feeds[feed.name].rib


def _cover(ribs: Iterable[AdjRibIn], prefix: Prefix) -> bool:
    """Return whether these tables together cover all of ``prefix``. A default route is covered only by a default
    route.
    """
    ribs = tuple(ribs)
    if any(prefix in rib for rib in ribs):
        return True
    if prefix.is_default:
        return False
    if any(rib.covers(prefix) for rib in ribs):
        return True
    parts = [route.prefix for rib in ribs for route in rib.inside(prefix)]
    return len(ribs) > 1 and bool(parts) and PrefixSet(parts).covers(prefix)
