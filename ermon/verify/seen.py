"""The last step: whether ermon sees all that the others are judged by.

What it does not see is never a failure of the network: the step passes or is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ermon.model.prefixes import Family
from ermon.verify.circuit import FAMILY_NAMES, CircuitFacts
from ermon.verify.report import Outcome, Proof


def seen(facts: CircuitFacts) -> Iterator[Proof]:
    """Yield what is seen of each link, of the other circuits, and of the internet."""
    for name, link in facts.links.items():
        for family in link.state:
            feeds = facts.edge_feeds(link, family)
            what = f"what link {name} brings in {FAMILY_NAMES[family]}"
            yield _judge(facts, what, feeds, family, list(link.decided_by.get(family, ())), all_paths=True)
        for family in facts.mirrored_families(name):
            feeds = facts.mirrors(name, family)
            what = f"what is advertised on link {name} in {FAMILY_NAMES[family]}"
            yield _judge(facts, what, feeds, family, [f for f in feeds if facts.feeds[f].in_sync[family]])
    for name, feed in facts.feeds.items():
        if feed.view != "edge-table" and feed.circuit != facts.name:
            for family, in_sync in feed.in_sync.items():
                what = f"{_shows(facts, name)} in {FAMILY_NAMES[family]}"
                yield _judge(facts, what, [name], family, [name] if in_sync else [])


def _shows(facts: CircuitFacts, name: str) -> str:
    feed = facts.feeds[name]
    if feed.circuit is not None:
        return f"what is advertised on link {feed.link} of {feed.circuit}"
    return (
        f"what is advertised on uplink {feed.uplink}" if feed.uplink else f"what {name} hears on the internet"
    )


def _judge(
    facts: CircuitFacts,
    what: str,
    feeds: Sequence[str],
    family: Family,
    seeing: Sequence[str],
    *,
    all_paths: bool = False,
) -> Proof:
    if seeing:
        return Proof(
            Outcome.PASS, f"{what} is seen by {' and '.join(seeing)}", details={"feeds": list(seeing)}
        )
    if not feeds:
        return Proof(Outcome.UNKNOWN, f"{what} is not seen: no feed shows it")
    reasons = [f"{feed} {_blindness(facts, feed, family, all_paths=all_paths)}" for feed in feeds]
    details = {
        "blind_feeds": list(feeds),
        "routers": sorted({r for f in feeds if (r := facts.feeds[f].router)}),
    }
    return Proof(Outcome.UNKNOWN, f"{what} is not seen: {', '.join(reasons)}", details=details)


def _blindness(facts: CircuitFacts, name: str, family: Family, *, all_paths: bool) -> str:
    """Say why a feed proves nothing."""
    feed = facts.feeds[name]
    if feed.state == "down":
        return f"is down ({feed.down_reason})" if feed.down_reason else "is down"
    if feed.loss is not None:
        return f"has lost messages ({feed.loss})"
    if not feed.in_sync[family]:
        return "is not in sync yet"
    if all_paths and not feed.all_paths[family]:
        return "carries best paths only, without ADD-PATH"
    return "proves nothing"
