"""The views that the policy needs and no feed provides, and the checks that are unknown because of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Section, Tested
from ermon.checks.facts import Facts
from ermon.checks.internet import internet_feeds
from ermon.checks.mirror import mirrored
from ermon.checks.sharding import everywhere
from ermon.checks.subject import Evidence, Labels, Subject, Verdict, link_labels, violated
from ermon.model.inventory import Config, Feed, Peering, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity

VIEW_MISSING = "view-missing"

MissingView = tuple[Labels, tuple[str, ...]]
"""The labels of its subject, and the names of the checks that are unknown because of it."""


def view_missing(checks: Iterable[Check]) -> Check:
    """Return the check that reports the views which these checks need and no feed provides."""
    return Check(
        name=VIEW_MISSING,
        section=Section.SIGHT,
        severity=Severity.INFO,
        raise_after=0,
        clear_after=0,
        subjects=partial(_subjects, tuple(checks)),
        labels=("view",),
        optional_labels=("circuit", "link", "uplink", "segment"),
        summary="No feed provides view {view}[ of link {link} of circuit {circuit}][ of uplink {uplink}][ of segment {segment}]",
        needs=needs.watched_at_all,
        acceptance=Tested(AcceptanceStep.SIGHT),
    )


def _subjects(checks: tuple[Check, ...], config: Config) -> Iterator[Subject]:
    for labels, unknown in missing_views(config, checks):
        evidence = Evidence(routers=_routers(config, labels), details={"unknown_checks": list(unknown)})
        yield Subject(VIEW_MISSING, labels, frozenset(), partial(_view_missing, evidence))


def _view_missing(evidence: Evidence, facts: Facts) -> Verdict:
    del facts
    return violated(evidence)


def _routers(config: Config, labels: Labels) -> tuple[str, ...]:
    """Return the router that the feed has to come from; empty if any router may provide the view, or none is
    configured.
    """
    about = dict(labels)
    if "link" in about:
        return (config.circuits[about["circuit"]].links[about["link"]].router,)
    return (config.uplinks[about["uplink"]].router,) if "uplink" in about else ()


def missing_views(config: Config, checks: Iterable[Check]) -> Iterator[MissingView]:
    """Yield each view that the policy needs and no feed of any instance provides."""
    config, checks = everywhere(config), tuple(checks)
    yield from _of_links(config, checks)
    yield from _of_uplinks(config, checks)
    if config.pools and not config.uplinks and not any(True for _ in internet_feeds(config)):
        yield (("view", str(View.INTERNET)),), _unknown(checks, View.INTERNET)
    watched = {feed.segment for feed in config.feeds.values() if feed.view is View.SEGMENT}
    for segment in config.segments:
        if segment not in watched:
            yield (("view", str(View.SEGMENT)), ("segment", segment)), _unknown(checks, View.SEGMENT)


def _of_links(config: Config, checks: tuple[Check, ...]) -> Iterator[MissingView]:
    for link in config.links:
        peering = config.circuits[link.circuit].peering
        for view, feeds in (
            (View.EDGE_TABLE, config.eyes_of(link)),
            (View.TO_MICROSOFT, mirrored(config, link).feeds),
        ):
            if not _carried(link.families, feeds):
                labels = (("view", str(view)), *link_labels(link))
                yield labels, _unknown_on_link(checks, view, peering)


def _of_uplinks(config: Config, checks: tuple[Check, ...]) -> Iterator[MissingView]:
    mirrors = [feed for feed in config.feeds.values() if feed.view is View.TO_INTERNET]
    pool_families = {family for pool in config.pools.values() for family in pool.families}
    for uplink in config.uplinks:
        feeds = [feed for feed in mirrors if feed.uplink == uplink]
        if not feeds or not _carried(pool_families, feeds):
            labels = (("view", str(View.TO_INTERNET)), ("uplink", uplink))
            yield labels, _unknown(checks, View.TO_INTERNET)


def _carried(families: Iterable[Family], feeds: Iterable[Feed]) -> bool:
    """Return whether the feeds together carry all of these families: a family that none carries is never seen."""
    return set(families) <= {family for feed in feeds for family in feed.families}


def _unknown(checks: tuple[Check, ...], view: View) -> tuple[str, ...]:
    return tuple(check.name for check in checks if view in check.views)


def _unknown_on_link(checks: tuple[Check, ...], view: View, peering: Peering) -> tuple[str, ...]:
    """Return the checks that are unknown: first those of both peerings, then those of this one alone."""
    found = [check for check in checks if view in check.views]
    both = tuple(check.name for check in found if check.peering is None)
    return (*both, *(check.name for check in found if check.peering is peering))
