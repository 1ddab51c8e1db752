"""The one table of everything that ermon can find.

A new check is a function that yields its subjects, a row here, its tests and its guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ermon.checks import advertised, internet, mirror, received, redundancy, segments, sight
from ermon.checks.sharding import Shard
from ermon.checks.subject import Classifier, Subject
from ermon.model.inventory import Config, Feed, Severity, View

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


class Section(StrEnum):
    RECEIVED = "received from Microsoft"
    ADVERTISED = "advertised to Microsoft"
    INTERNET = "on the internet"
    SEGMENTS = "segments"
    SIGHT = "ermon's own sight"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the catalogue; times are seconds."""

    name: str
    section: Section
    severity: Severity
    raise_after: float
    clear_after: float
    subjects: Callable[[Config], Iterator[Subject]]


_Row = tuple[str, Severity, float, float, Callable[[Config], Iterator[Subject]]]


def _rows(section: Section, *rows: _Row) -> list[Check]:
    return [Check(row[0], section, row[1], row[2], row[3], row[4]) for row in rows]


CATALOGUE: Mapping[str, Check] = {
    check.name: check
    for check in (
        *_rows(
            Section.RECEIVED,
            ("link-down", WARNING, 10, 30, redundancy.link_down),
            ("circuit-down", CRITICAL, 5, 30, redundancy.circuit_down),
            ("circuit-unseen", CRITICAL, 60, 0, redundancy.circuit_unseen),
            ("link-flapping", WARNING, 0, 300, redundancy.link_flapping),
            ("geo-not-redundant", WARNING, 60, 60, redundancy.geo_not_redundant),
            ("communities-missing", WARNING, 30, 60, received.communities_missing),
            ("service-missing", CRITICAL, 30, 30, received.service_missing),
            ("prefix-missing", WARNING, 60, 60, received.prefix_missing),
            ("prefix-count-low", WARNING, 60, 60, received.prefix_count_low),
            ("link-asymmetry", WARNING, 60, 60, redundancy.link_asymmetry),
            ("prefix-unexpected", CRITICAL, 0, 60, received.prefix_unexpected),
            ("origin-unexpected", WARNING, 10, 60, received.origin_unexpected),
            ("drain", INFO, 0, 60, redundancy.drain),
            ("drain-both", CRITICAL, 0, 60, redundancy.drain_both),
            ("internet-preferred", WARNING, 60, 60, received.internet_preferred),
            ("route-unattributed", WARNING, 60, 60, received.route_unattributed),
            ("churn-high", WARNING, 60, 300, received.churn_high),
        ),
        *_rows(
            Section.ADVERTISED,
            ("pool-not-advertised", CRITICAL, 30, 30, advertised.pool_not_advertised),
            ("pool-wrong-circuit", CRITICAL, 0, 60, advertised.pool_wrong_circuit),
            ("advertised-undeclared", WARNING, 30, 60, advertised.advertised_undeclared),
            ("advertised-not-public", CRITICAL, 0, 60, advertised.advertised_not_public),
            ("advertised-default", CRITICAL, 0, 60, advertised.advertised_default),
            ("advertised-link-subnet", CRITICAL, 0, 60, advertised.advertised_link_subnet),
            ("advertised-internet-only", CRITICAL, 0, 60, advertised.advertised_internet_only),
            ("advertised-limit-near", WARNING, 0, 60, advertised.advertised_limit_near),
            ("advertised-limit-reached", CRITICAL, 0, 60, advertised.advertised_limit_reached),
            ("advertised-asymmetry", WARNING, 60, 60, advertised.advertised_asymmetry),
            ("advertised-path", WARNING, 30, 60, advertised.advertised_path),
            ("microsoft-reflected", CRITICAL, 0, 60, advertised.microsoft_reflected),
            ("inbound-not-redundant", WARNING, 60, 60, advertised.inbound_not_redundant),
        ),
        *_rows(
            Section.INTERNET,
            ("pool-leak", CRITICAL, 0, 60, internet.pool_leak),
            ("pool-covered", WARNING, 0, 60, internet.pool_covered),
            ("pool-fallback", CRITICAL, 30, 60, internet.pool_fallback),
            ("microsoft-leaked", CRITICAL, 0, 60, internet.microsoft_leaked),
            ("internet-undeclared", WARNING, 30, 60, internet.internet_undeclared),
            ("mirror-disagrees", WARNING, 60, 60, internet.mirror_disagrees),
        ),
        *_rows(
            Section.SEGMENTS,
            ("segment-leak", CRITICAL, 0, 60, segments.segment_leak),
            ("segment-missing", WARNING, 60, 60, segments.segment_missing),
        ),
        *_rows(
            Section.SIGHT,
            ("feed-down", WARNING, 30, 0, sight.feed_down),
            ("feed-flapping", WARNING, 0, 300, sight.feed_flapping),
            ("feed-empty", WARNING, 60, 0, sight.feed_empty),
            ("canary-missing", WARNING, 30, 0, sight.canary_missing),
            ("feed-no-eor", INFO, 0, 0, sight.feed_no_eor),
            ("feed-best-path-only", WARNING, 0, 0, sight.feed_best_path_only),
            ("feed-lost-messages", WARNING, 0, 60, sight.feed_lost_messages),
            ("feed-overflow", CRITICAL, 0, 300, sight.feed_overflow),
            ("source-rejected", WARNING, 0, 0, sight.source_rejected),
            ("storage-failed", WARNING, 0, 0, sight.storage_failed),
            ("view-missing", INFO, 0, 0, sight.view_missing),
            ("exabgp-down", CRITICAL, 5, 0, sight.exabgp_down),
        ),
    )
}

OFF_BY_DEFAULT = frozenset({"internet-preferred"})
"""Checks that a configuration must switch on, since they need a feed of their own."""

_AFTER_LINK_LOSS = (
    "prefix-missing",
    "service-missing",
    "prefix-count-low",
    "link-asymmetry",
    "communities-missing",
)

SUPPRESSES: Mapping[str, tuple[str, ...]] = {
    "circuit-down": ("link-down", "internet-preferred", *_AFTER_LINK_LOSS),
    "link-down": _AFTER_LINK_LOSS,
    "drain": ("link-down", *_AFTER_LINK_LOSS),
    "advertised-limit-reached": ("advertised-limit-near",),
    "exabgp-down": ("feed-down", "circuit-unseen"),
}
"""One cause, one page: what a violation keeps from being reported, on the subjects that it touches."""


SUPPRESSES_TOGETHER: Mapping[str, tuple[str, ...]] = {"circuit-down": ("segment-missing",)}
"""What is kept quiet only when the cause is violated on all of its subjects."""


def enabled(config: Config, check: Check) -> bool:
    settings = config.checks.get(check.name)
    if settings is None or settings.enabled is None:
        return check.name not in OFF_BY_DEFAULT
    return settings.enabled


def subjects(config: Config) -> Iterator[Subject]:
    """Yield everything that this configuration asks about, in the order of the catalogue."""
    region = Shard(config)
    for check in CATALOGUE.values():
        if enabled(config, check):
            for subject in check.subjects(config):
                if region.asks(subject.check, dict(subject.labels)):
                    yield subject


_CLASSIFIERS: Mapping[View, Callable[[Config], Callable[[Feed], Classifier]]] = {
    View.EDGE_TABLE: received.classifiers,
    View.TO_MICROSOFT: mirror.classifiers,
    View.TO_INTERNET: internet.classifiers,
    View.INTERNET: internet.classifiers,
}


def classifiers(config: Config) -> dict[str, Classifier]:
    """Return, for each feed whose view is sorted, how its routes are."""
    made = {view: make(config) for view, make in _CLASSIFIERS.items()}
    return {name: made[feed.view](feed) for name, feed in config.feeds.items() if feed.view in made}
