"""The one line that says how the network is: something is wrong, ermon cannot see, or all is well.

It is made from what is raised and from the feeds that prove nothing; nobody else decides it. The kinds are asked in
their order, and the first that applies is the headline: another kind is another function in ``_KINDS``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ermon.api.status import HeadlineDoc, HeadlineKind
from ermon.checks.check import names_in
from ermon.core.facts import NetworkFacts
from ermon.model.findings import Finding
from ermon.model.settings import Severity
from ermon.model.text import rfc3339

MAX_NAMES = 5
"""Names in one list; all of them stand in the status."""
MAX_ROUTERS = 3

_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Seen(NamedTuple):
    """What the headline is made from."""

    raised: Sequence[Finding]
    """The oldest first."""
    feeds: int
    """How many there are."""
    blind: Sequence[str]
    """Those whose silence proves nothing."""
    processes_down: Sequence[str]
    waiting_until: float | None = None
    """Until when routers are given time to call again, since ExaBGP was started; by the wall clock."""

    @property
    def serious(self) -> list[Finding]:
        """What is raised and not for information only."""
        return [finding for finding in self.raised if finding.severity is not Severity.INFO]

    @property
    def blindness(self) -> str:
        count = len(self.blind)
        are = "is" if count == 1 else "are"
        return (
            f"ermon cannot see everything: {count} of {_plural(self.feeds, 'feed')} {are} down or not in sync"
        )


def make_headline(raised: Sequence[Finding], facts: NetworkFacts) -> HeadlineDoc:
    """Return the headline of what is known now; ``raised`` is as ``Monitor.findings`` returns it."""
    down = [name for name in facts.processes if facts.process_up(name) is False]
    return headline_of(Seen(raised, len(facts.config.feeds), blind_feeds(facts), down, _waiting_until(facts)))


def _waiting_until(facts: NetworkFacts) -> float | None:
    ends = (state.awaited_until for name, state in facts.feeds.items() if facts.awaited(name))
    last = max((end for end in ends if end is not None), default=None)
    return None if last is None else facts.wall(last)


def blind_feeds(facts: NetworkFacts) -> list[str]:
    """Return the feeds whose silence proves nothing."""
    return [name for name in facts.config.feeds if not facts.complete(name)]


def headline_of(seen: Seen) -> HeadlineDoc:
    return next(headline for kind in _KINDS if (headline := kind(seen)) is not None)


def _wrong(seen: Seen) -> HeadlineDoc | None:
    serious = seen.serious
    if not serious:
        return None
    counts = Counter(finding.severity for finding in serious)
    text = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    # The worst first, what something covers behind the rest, then the latest.
    worst = min(reversed(serious), key=lambda f: (_RANKS[f.severity], f.suppressed, -f.raised_at))
    about = [f"{worst.summary}{_where(worst)}."]
    if worst.stale:
        about.append("It may be over: what showed it is out of sight.")
    if all(finding.suppressed for finding in serious):
        about.append("Maintenance, a drain or a larger finding covers all that is raised.")
    if seen.blind:
        about.append(f"Down or not in sync: {_some(seen.blind)}.")
    return HeadlineDoc(
        kind=HeadlineKind.WRONG,
        text=f"Something is wrong: {text}{f'; {seen.blindness}' if seen.blind else ''}",
        about=" ".join(about),
        since=rfc3339(worst.since),
    )


def _blind(seen: Seen) -> HeadlineDoc | None:
    if not seen.blind:
        return None
    down = (
        f"ExaBGP is down: {_some(seen.processes_down)}." if seen.processes_down else f"{_some(seen.blind)}."
    )
    if seen.waiting_until is not None:
        until = datetime.fromtimestamp(seen.waiting_until, UTC)
        down = f"Waiting for routers until {until:%H:%M:%S} UTC: {down}"
    text = f"{seen.blindness[0].upper()}{seen.blindness[1:]}"
    return HeadlineDoc(kind=HeadlineKind.BLIND, text=text, about=down, since=None)


def _well(seen: Seen) -> HeadlineDoc:
    notes = f" ({len(seen.raised)} for information)" if seen.raised else ""
    return HeadlineDoc(kind=HeadlineKind.WELL, text=f"All is well{notes}", about="", since=None)


_KINDS: Sequence[Callable[[Seen], HeadlineDoc | None]] = (_wrong, _blind, _well)


def _where(finding: Finding) -> str:
    """Say where it is, as far as the summary does not: `` (edge-1 to isp-a)``."""
    names, summary = finding.labels, finding.summary
    unnamed = [router for router in finding.evidence.get("routers", ()) if not names_in(summary, router)]
    routers = _some(unnamed, MAX_ROUTERS)
    uplink = names.get("uplink")
    if uplink and uplink not in summary:
        return f" ({routers} to {uplink})" if routers else f" (to {uplink})"
    places = (names.get("circuit"), names.get("link"), names.get("feed"), routers)
    missing = dict.fromkeys(place for place in places if place and place not in summary)
    return f" ({' '.join(missing)})" if missing else ""


def _some(names: Sequence[str], most: int = MAX_NAMES) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
