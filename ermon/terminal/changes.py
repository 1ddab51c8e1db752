"""What has changed between two moments, in a line each: for a log, where nobody looks at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ermon.api.findings import FindingDoc
from ermon.api.status import HeadlineDoc, PoolDoc
from ermon.terminal.overview import mark_of
from ermon.terminal.picture import Picture
from ermon.terminal.words import duration, evidence, family_name, headline_line, instant, labels, mark


class Facts(NamedTuple):
    """What lines are written about, frozen at one moment."""

    headline: HeadlineDoc
    findings: dict[str, FindingDoc]
    states: dict[str, str]
    """What is in which state, each in words."""


def facts(picture: Picture) -> Facts:
    return Facts(picture.status.headline, dict(picture.findings), dict(_states(picture)))


def beginning(now: Facts) -> Iterator[str]:
    """Say how it stands when somebody begins to look."""
    yield headline_line(now.headline)
    for finding in now.findings.values():
        if finding.state == "raised":
            yield _raised(finding)


def changes(before: Facts, now: Facts) -> Iterator[str]:
    for finding in now.findings.values():
        earlier = before.findings.get(finding.id)
        if earlier is None or earlier.state != finding.state:
            yield _raised(finding) if finding.state == "raised" else _cleared(finding)
    for earlier in before.findings.values():
        if earlier.state == "raised" and earlier.id not in now.findings:
            yield f"○ gone: {earlier.check}: {earlier.summary} ({labels(earlier.labels)}); ermon knows it no longer"
    for what, state in now.states.items():
        was = before.states.get(what)
        if was is not None and was != state:
            yield f"{mark(state.partition(':')[0])} {what}: {was} → {state}"
    if now.headline.kind != before.headline.kind:
        yield headline_line(now.headline)


def _raised(finding: FindingDoc) -> str:
    proof = evidence(finding.evidence, finding.labels)
    return (
        f"{mark_of(finding)} raised: {finding.severity} {finding.check}: {finding.summary} "
        f"({labels(finding.labels)}){'; ' if proof else ''}{proof}"
    )


def _cleared(finding: FindingDoc) -> str:
    ended = finding.ended_at or finding.cleared_at or finding.since
    return (
        f"● cleared: {finding.check}: {finding.summary} ({labels(finding.labels)}), "
        f"lasted {duration(instant(ended) - instant(finding.since))}"
    )


def _states(picture: Picture) -> Iterator[tuple[str, str]]:
    status = picture.status
    for name, circuit in status.circuits.items():
        for link_name, link in circuit.links.items():
            for family, shown in link.shown.items():
                yield f"link {name} {link_name} {family_name(family)}", shown
    for name, feed in status.feeds.items():
        reason = f": {feed.down_reason}" if feed.state != "up" and feed.down_reason else ""
        yield f"feed {name}", f"{feed.state}{reason}"
    for name, pool in status.pools.items():
        yield from _pool_states(name, pool)


def _pool_states(name: str, pool: PoolDoc) -> Iterator[tuple[str, str]]:
    for family, circuits in pool.advertised.items():
        for circuit_name, links in circuits.items():
            for link_name, answer in links.items():
                yield f"pool {name} on {circuit_name} {link_name} {family_name(family)}", answer
    for family, feeds in pool.on_internet.items():
        for feed_name, answer in feeds.items():
            yield f"pool {name} on the internet at {feed_name} {family_name(family)}", answer
