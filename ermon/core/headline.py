"""The headline: one line that says whether something is wrong, ermon cannot see, a finding is on its way, or all is
well.

All clients show this headline and make none of their own. The functions in ``_KINDS`` are called in order, and the
first that returns a headline decides. ``text`` is the fact itself; the counts and everything else are in ``about``.
Times of day are UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ermon.api.status import HeadlineDoc, HeadlineKind
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import names_in
from ermon.core.alarm import Alarm
from ermon.core.blindness import Blindness, blind_spots, look, unanswered
from ermon.core.maintenance import Suppression, changes, place_text
from ermon.core.monitor import Monitor
from ermon.core.quieted import Quieted, following, quieted
from ermon.core.standing import worst
from ermon.model.findings import Status
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.settings import MaintenanceWindow, Severity
from ermon.model.text import clock_text, plural, rfc3339

MAX_NAMES = 5
"""The most names in one list; the status has all of them."""
MAX_ROUTERS = 3


@dataclass
class Seen:
    """The data that headlines are made from; each value is worked out once, when it is needed."""

    monitor: Monitor

    @cached_property
    def raised(self) -> list[Alarm]:
        """The raised alarms that are not recovering and not of severity info, the worst first."""
        return worst(alarm for alarm in self._serious if not alarm.recovering)

    @cached_property
    def recovering(self) -> list[Alarm]:
        return worst(alarm for alarm in self._serious if alarm.recovering)

    @cached_property
    def noticed(self) -> list[Alarm]:
        return worst(a for a in self.monitor.standing.noticed.values() if a.severity is not Severity.INFO)

    @cached_property
    def blindness(self) -> Blindness:
        return look(self.monitor)

    @cached_property
    def blind_spots(self) -> list[str]:
        return blind_spots(self.monitor)

    @cached_property
    def _serious(self) -> list[Alarm]:
        return [a for a in self.monitor.standing.raised.values() if a.severity is not Severity.INFO]

    def at(self, time: float) -> str:
        """Format a time of events."""
        facts = self.monitor.network
        return clock_text(facts.wall(time), facts.calendar_now)

    def wall(self, time: float | None) -> str | None:
        return None if time is None else rfc3339(self.monitor.network.wall(time))

    @cached_property
    def quieted(self) -> list[Quieted]:
        return quieted(self.monitor)

    @property
    def blind(self) -> str:
        """A sentence on what cannot be seen, to be added to another headline; may be empty."""
        blindness = self.blindness
        if not blindness.routers:
            return ""
        return f"{blindness.text}." if blindness.one_router else f"{blindness.text} ({_routers(blindness)})."


def make_headline(monitor: Monitor) -> HeadlineDoc:
    """Return the headline of what is known now."""
    return headline_of(Seen(monitor))


def headline_of(seen: Seen) -> HeadlineDoc:
    """Return the headline of ``seen``. The cost grows with the feeds, the links and the alarms that are not ok, never
    with all alarms.
    """
    return next(headline for kind in _KINDS if (headline := kind(seen)) is not None)


def _doc(
    kind: HeadlineKind, text: str, about: Iterable[str], since: str | None = None, due: str | None = None
) -> HeadlineDoc:
    return HeadlineDoc(kind=kind, text=text, about=" ".join(filter(None, about)), since=since, due=due)


# Raised ----------------------------------------------------------------------------------------------


def _wrong(seen: Seen) -> HeadlineDoc | None:
    if not seen.raised:
        return None
    first, blindness = seen.raised[0], seen.blindness
    counts = f"Raised: {_by_severity(seen.raised)}."
    if blindness.all_down:
        # All feeds are down: every other finding either follows from that or is from before.
        before = [alarm for alarm in seen.raised if alarm.stale and not alarm.subject.feeds]
        last = f"Before that: {seen.monitor.summary(before[0])}." if before else ""
        return _doc(
            HeadlineKind.WRONG,
            blindness.text,
            [f"{_routers(blindness)}.", _waiting(seen), counts, last],
            seen.wall(first.state.since if blindness.since is None else blindness.since),
        )
    covered = all(alarm.status is Status.SUPPRESSED for alarm in seen.raised)
    about = [
        counts,
        f"{plural(len(seen.noticed), 'more violation')} noticed." if seen.noticed else "",
        _also_recovering(seen),
        "It may be over: ermon cannot see it at present." if first.stale else "",
        "All raised findings are suppressed by maintenance, a drain or another finding." if covered else "",
        seen.blind,
        _waiting(seen),
    ]
    return _doc(HeadlineKind.WRONG, _fact(seen, first), about, seen.wall(first.state.since))


def _recovering(seen: Seen) -> HeadlineDoc | None:
    if not seen.recovering:
        return None
    first = seen.recovering[0]
    ended, due = first.state.ended, first.state.due
    gone = f"Gone since {seen.at(ended)}" if ended is not None else "Gone"
    clears = f", clears at {seen.at(due)} if it stays gone." if due is not None else "."
    about = [f"{gone}{clears}", _others(seen.recovering, "recover", "recovers")]
    return _doc(HeadlineKind.RECOVERING, f"Recovering: {_fact(seen, first)}", about, due=seen.wall(due))


def _also_recovering(seen: Seen, one: str = "more finding") -> str:
    return f"{plural(len(seen.recovering), one)} recovering." if seen.recovering else ""


def _waiting(seen: Seen) -> str:
    waits = seen.blindness.awaited_until
    return f"Waiting for routers until {seen.at(waits)}." if waits is not None else ""


# Not raised ------------------------------------------------------------------------------------------


def _unseen(seen: Seen) -> HeadlineDoc | None:
    blindness = seen.blindness
    if blindness.routers:
        waits = blindness.awaited_until
        about = [
            "" if blindness.one_router else f"{_routers(blindness)}.",
            _also_recovering(seen, "finding"),
            _waiting(seen),
            _planned(seen),
        ]
        since = None if waits is not None else seen.wall(blindness.since)
        return _doc(HeadlineKind.UNSEEN, blindness.text, about, since, seen.wall(waits))
    return _unanswered(
        seen, sorted(unanswered(seen.monitor), key=lambda alarm: (_PLACES[alarm.subject.check], alarm.order))
    )


def _unanswered(seen: Seen, unknown: Sequence[Alarm]) -> HeadlineDoc | None:
    """Return the headline if all feeds are in sync and some checks that were judged before are unknown now."""
    if not unknown:
        return None
    checks = plural(len({alarm.subject.check for alarm in unknown}), "check")
    places = list(dict.fromkeys(_place(alarm) for alarm in unknown))
    names = [f"{alarm.subject.check} ({_labels(alarm)})" for alarm in unknown]
    text = f"ermon cannot judge {checks} of {_some(places, 2)}"
    about = [
        f"It could judge them before: {_some(names)}.",
        _also_recovering(seen, "finding"),
        _planned(seen),
    ]
    return _doc(HeadlineKind.UNSEEN, text, about)


_PLACES = {check: place for place, check in enumerate(CATALOGUE)}


def _place(alarm: Alarm) -> str:
    """Name the largest thing that an alarm is about."""
    names = alarm.labels
    if "link" in names:
        return f"link {names['link']} of circuit {names['circuit']}"
    kind = next(
        (kind for kind in ("circuit", "pool", "uplink", "segment", "feed", "process") if kind in names), None
    )
    return f"{kind} {names[kind]}" if kind is not None else alarm.subject.check


def _planned(seen: Seen) -> str:
    windows = [each for each in _in_force(seen) if isinstance(each, MaintenanceWindow)]
    return f"In maintenance: {_some([_window_text(seen, window) for window in windows])}." if windows else ""


def _noticed(seen: Seen) -> HeadlineDoc | None:
    if not seen.noticed:
        return None
    first = min(seen.noticed, key=lambda alarm: alarm.state.due or 0.0)
    since, due = first.state.since, first.state.due
    raised = f", raised at {seen.at(due)} if it lasts." if due is not None else "."
    about = [
        f"Noticed at {seen.at(since)}{raised}",
        _others(seen.noticed, "wait", "waits"),
        _also_recovering(seen),
    ]
    text = f"Noticed: {_fact(seen, first)}"
    return _doc(HeadlineKind.NOTICED, text, about, seen.wall(since), seen.wall(due))


def _maintenance(seen: Seen) -> HeadlineDoc | None:
    """Return the headline of windows and exceptions. A window that suppresses nothing has one too: a forgotten window
    would hide the next loss.
    """
    on_purpose = seen.quieted
    windows = [each for each in _in_force(seen) if isinstance(each, MaintenanceWindow)]
    off = worst(seen.monitor.standing.switched_off.values())
    if not on_purpose and not windows:
        return _switched_off(seen, off)
    if not on_purpose:
        text = f"In maintenance: {_some([_window_text(seen, window) for window in windows], 2)}"
        about = [_by(windows[0]), "Nothing else is wrong." if not off else ""]
        return _doc(HeadlineKind.MAINTENANCE, text, about, due=_end(windows[0]))
    first, why, _ = on_purpose[0]
    names = [seen.monitor.summary(each.cause) for each in on_purpose[1:]]
    others = f"Also suppressed: {_some(names, 2)}." if names else ""
    word = "In maintenance" if isinstance(why, MaintenanceWindow) else "Suppressed by an exception"
    text = f"{word}: {_fact(seen, first)} ({_until(seen, why)}: {why.reason})"
    about = [_by(why), others, following(on_purpose)]
    return _doc(HeadlineKind.MAINTENANCE, text, about, due=_end(why))


def _switched_off(seen: Seen, off: Sequence[Alarm]) -> HeadlineDoc | None:
    if not off:
        return None
    text = f"Not judged: {seen.monitor.summary(off[0])} (check {off[0].subject.check} is switched off)"
    return _doc(HeadlineKind.MAINTENANCE, text, [_others(off, "are", "is")])


def _draining(seen: Seen) -> HeadlineDoc | None:
    drains = {key: drain for key, drain in seen.monitor.network.drains.items() if drain.told}
    if not drains:
        return None
    links: dict[LinkKey, list[str]] = {}
    for link, family in drains:
        links.setdefault(link, []).append(FAMILY_NAMES[family])
    told = [
        f"link {name} of circuit {circuit} ({', '.join(found)})"
        for (circuit, name), found in sorted(links.items())
    ]
    since = min((drain.since for drain in drains.values() if drain.since is not None), default=None)
    about = [f"Also draining: {_some(told[1:])}." if told[1:] else ""]
    return _doc(HeadlineKind.DRAINING, f"Microsoft is draining {told[0]}", about, seen.wall(since))


def _well(seen: Seen) -> HeadlineDoc:
    spots = seen.blind_spots
    missing = {alarm.key for alarm in seen.monitor.layout.missing_views}
    infos = sum(key not in missing for key in seen.monitor.standing.raised)
    text = (
        f"All is well, as far as ermon sees: {plural(len(spots), 'blind spot')}" if spots else "All is well"
    )
    about = [
        f"{_some(spots, MAX_ROUTERS)}." if spots else "",
        f"{plural(infos, 'finding')} for information." if infos else "",
    ]
    return _doc(HeadlineKind.WELL, text, about)


_KINDS: Sequence[Callable[[Seen], HeadlineDoc | None]] = (
    _wrong,
    _unseen,
    _noticed,
    _recovering,
    _maintenance,
    _draining,
    _well,
)


# Words -----------------------------------------------------------------------------------------------


def _fact(seen: Seen, alarm: Alarm) -> str:
    """Return an alarm's summary and its place as far as the summary does not name it: `` (edge-1 to isp-a)``."""
    summary, names = seen.monitor.summary(alarm), alarm.labels
    uplink = names.get("uplink")
    if uplink and not names_in(summary, uplink):
        return f"{summary} (to {uplink})"
    places = [names.get("circuit"), names.get("link")]
    feed = seen.monitor.config.feeds.get(names.get("feed", ""))
    if feed is not None and not (uplink and feed.router and names_in(summary, feed.router)):
        places.append(feed.name)  # a feed's name says its router and its uplink, too
    missing = [place for place in places if place and not names_in(summary, place)]
    return f"{summary} ({' '.join(missing)})" if missing else summary


def _in_force(seen: Seen) -> list[Suppression]:
    return seen.monitor.coverage.in_force(seen.monitor.network.calendar_now)


def _window_text(seen: Seen, window: MaintenanceWindow) -> str:
    return f"{place_text(window)} ({_until(seen, window)}: {window.reason})"


def _until(seen: Seen, why: Suppression) -> str:
    end = max(changes(why), default=None)
    return "without an end" if end is None else f"until {clock_text(end, seen.monitor.network.calendar_now)}"


def _by(why: Suppression) -> str:
    if isinstance(why, MaintenanceWindow) and why.by:
        return f"Maintenance by {why.by}."
    return "It is set in the configuration."


def _end(why: Suppression) -> str | None:
    return rfc3339(max(changes(why), default=None))


def _routers(blindness: Blindness) -> str:
    names = [router.text for router in blindness.routers]
    rest = f"; and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{'; '.join(names[:MAX_NAMES])}{rest}"


def _by_severity(alarms: Iterable[Alarm]) -> str:
    counts = Counter(alarm.severity for alarm in alarms)
    return ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])


def _others(alarms: Sequence[Alarm], many: str, one: str) -> str:
    rest = len(alarms) - 1
    return f"{rest} more {one if rest == 1 else many}." if rest else ""


def _labels(alarm: Alarm) -> str:
    return " ".join(
        FAMILY_NAMES.get(value, value) if name == "family" else value for name, value in alarm.subject.labels
    )


def _some(names: Sequence[str], most: int = MAX_NAMES) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"
