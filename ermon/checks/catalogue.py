"""The list of all checks, and the subjects that they have under a configuration.

A new check is a ``Check`` beside its judge, a line here, its guide, its tests and its scenarios:
``.github/CONTRIBUTING.md`` shows one from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ermon.checks import (
    advertised,
    advertised_counts,
    advertised_pools,
    advertised_required,
    azure,
    azure_tables,
    counts,
    drain,
    edge_table,
    internet,
    internet_pools,
    internet_space,
    mirror,
    monitored,
    out_of_sight,
    ownership,
    received,
    redundancy,
    segments,
    sight,
    sights,
    unattributed,
    unexpected,
    uplinks,
)
from ermon.checks.check import Check
from ermon.checks.sharding import Shard
from ermon.checks.subject import Classifier, Subject
from ermon.checks.views import view_missing
from ermon.model.inventory import Config, Feed, View

_NETWORK = (
    redundancy.LINK_DOWN,
    redundancy.CIRCUIT_DOWN,
    out_of_sight.CIRCUIT_UNSEEN,
    out_of_sight.CIRCUIT_HIDDEN,
    redundancy.LINK_FLAPPING,
    redundancy.GEO_NOT_REDUNDANT,
    received.COMMUNITIES_MISSING,
    received.SERVICE_MISSING,
    counts.SERVICE_COUNT_LOW,
    received.PREFIX_MISSING,
    counts.PREFIX_COUNT_LOW,
    redundancy.LINK_ASYMMETRY,
    unexpected.PREFIX_UNEXPECTED,
    unexpected.PREFIX_UNLISTED,
    unexpected.RECEIVED_LIMIT_NEAR,
    unexpected.RECEIVED_LIMIT_REACHED,
    received.ORIGIN_UNEXPECTED,
    drain.DRAIN,
    drain.DRAIN_BOTH,
    drain.DRAIN_LONG,
    drain.DRAIN_NOT_FOLLOWED,
    drain.DRAIN_WOULD_NOT_BE_FOLLOWED,
    received.INTERNET_PREFERRED,
    unattributed.ROUTE_UNATTRIBUTED,
    received.CHURN_HIGH,
    sights.RECEIVED_REJECTED,
    azure_tables.AZURE_DISAGREES,
    advertised_pools.POOL_NOT_ADVERTISED,
    azure_tables.AZURE_NOT_ACCEPTED,
    advertised_pools.POOL_WRONG_LINK,
    advertised_required.PREFIX_NOT_ADVERTISED,
    advertised_counts.ADVERTISED_COUNT_LOW,
    advertised_required.GEO_ASYMMETRY,
    advertised_pools.POOL_WRONG_CIRCUIT,
    advertised.ADVERTISED_UNDECLARED,
    advertised.ADVERTISED_NOT_PUBLIC,
    advertised.ADVERTISED_DEFAULT,
    advertised.ADVERTISED_LINK_SUBNET,
    advertised.ADVERTISED_INTERNET_ONLY,
    advertised.ADVERTISED_LIMIT_NEAR,
    advertised.ADVERTISED_LIMIT_REACHED,
    advertised.ADVERTISED_ASYMMETRY,
    advertised.ADVERTISED_PATH,
    advertised.MICROSOFT_REFLECTED,
    advertised_pools.INBOUND_NOT_REDUNDANT,
    ownership.POOL_ROA,
    ownership.POOL_ROA_GONE,
    ownership.POOL_UNREGISTERED,
    azure.AZURE_OWNERSHIP,
    azure.AZURE_PREFIX_UNLISTED,
    azure.AZURE_PEERING_DISABLED,
    azure.AZURE_PROVISIONING,
    azure.AZURE_DRIFT,
    internet_pools.POOL_LEAK,
    internet_pools.POOL_COVERED,
    internet_pools.POOL_FALLBACK,
    internet.MICROSOFT_LEAKED,
    internet.INTERNET_UNDECLARED,
    internet_space.INTERNET_ONLY_WITHDRAWN,
    uplinks.UPLINK_DOWN,
    uplinks.UPLINKS_DOWN,
    internet_space.PREFIX_HIJACKED,
    internet.MIRROR_DISAGREES,
    segments.SEGMENT_LEAK,
    segments.SEGMENT_MISSING,
)
"""Every check of the network, as the feeds show it."""

CATALOGUE: Mapping[str, Check] = {
    check.name: check
    for check in (
        *_NETWORK,
        sight.FEED_DOWN,
        sight.FEED_FLAPPING,
        sight.FEED_EMPTY,
        sight.CANARY_MISSING,
        sight.FEED_NO_EOR,
        sight.FEED_NO_HOLD,
        sight.FEED_BEST_PATH_ONLY,
        sight.FEED_LOST_MESSAGES,
        sight.FEED_OVERFLOW,
        sight.SOURCE_REJECTED,
        azure_tables.AZURE_STALE,
        sight.STORAGE_FAILED,
        view_missing(_NETWORK),
        sight.EXABGP_DOWN,
        monitored.BMP_DOWN,
        monitored.BMP_NO_STATS,
        monitored.BMP_SESSION_MISSING,
        sights.SIGHT_DISAGREES,
        out_of_sight.SIGHT_LOST,
    )
}
"""Every check by its name, in the order in which they are shown."""

SUPPRESSES: Mapping[str, tuple[str, ...]] = {
    check.name: check.suppresses for check in CATALOGUE.values() if check.suppresses
}
"""By check: the checks that its violation suppresses on the subjects that it touches."""

SUPPRESSES_WHILE_STALE: Mapping[str, tuple[str, ...]] = {
    check.name: check.suppresses_while_stale for check in CATALOGUE.values() if check.suppresses_while_stale
}
"""By check: the checks that its finding suppresses while it is raised and unknown."""

SUPPRESSES_TOGETHER: Mapping[str, tuple[str, ...]] = {
    check.name: check.suppresses_together for check in CATALOGUE.values() if check.suppresses_together
}
"""By check: the checks that it suppresses only while all of its subjects are violated."""


def subjects(config: Config) -> Iterator[Subject]:
    """Yield the subjects of all enabled checks, in the order of the catalogue."""
    yield from _subjects_of((check for check in CATALOGUE.values() if check.enabled(config)), config)


def switched_off(config: Config) -> Iterator[Subject]:
    """Yield the subjects of checks that are switched off and whose violations are shown all the same."""
    off = (check for check in CATALOGUE.values() if check.shown_when_off and not check.enabled(config))
    yield from _subjects_of(off, config)


def _subjects_of(checks: Iterable[Check], config: Config) -> Iterator[Subject]:
    shard = Shard(config)
    for check in checks:
        for subject in check.subjects(config):
            if not config.elsewhere or check.needs is None or check.needs(shard, dict(subject.labels)):
                yield subject


_CLASSIFIERS: Mapping[View, Callable[[Config], Callable[[Feed], Classifier]]] = {
    View.EDGE_TABLE: edge_table.classifiers,
    View.FROM_MICROSOFT: edge_table.classifiers,
    View.TO_MICROSOFT: mirror.classifiers,
    View.TO_INTERNET: internet.classifiers,
    View.INTERNET: internet.classifiers,
}


def classifiers(config: Config) -> dict[str, Classifier]:
    """Return, for each feed of a view that is sorted, the classifier of its routes."""
    made = {view: make(config) for view, make in _CLASSIFIERS.items()}
    return {name: made[feed.view](feed) for name, feed in config.feeds.items() if feed.view in made}
