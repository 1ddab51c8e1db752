"""Suppression on purpose: maintenance windows, and the exceptions of the configuration.

A window is about a place: a link, a circuit with its links, a router with its links and feeds, a feed, an uplink, a
segment or a group. A subject is suppressed while a window on its place is open. A check of a whole circuit needs a
window on the circuit, or on all of its links at once. A window on a feed suppresses findings about whether ermon sees
that feed, and never findings about the routes that the feed shows, such as a leak. An exception is about one check, and
suppresses the subjects with its labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Section
from ermon.checks.subject import Subject
from ermon.model.inventory import Circuit, Config
from ermon.model.settings import WINDOW_SCOPES, CheckException, MaintenanceWindow
from ermon.model.text import utc_text

Place = tuple[str, ...]
"""``("link", "chicago", "primary")``, ``("circuit", "chicago")``, ``("feed", "edge-1")`` and so on."""

Suppression = MaintenanceWindow | CheckException

_GROUPWIDE = "geo-asymmetry"
"""A check of all circuits of a group; work on one of them explains it."""
_OF_ALL_UPLINKS, _OF_A_SITE = "internet-only-withdrawn", "uplinks-down"
"""Checks of all uplinks together, and of all those of a site."""


def active(suppression: Suppression, now: float) -> bool:
    """Return whether a window is open, or an exception in force; ``now`` is the calendar time in seconds since the
    epoch.
    """
    if isinstance(suppression, CheckException):
        return suppression.until is None or now < suppression.until.timestamp()
    return suppression.starts.timestamp() <= now < suppression.ends.timestamp()


def changes(suppression: Suppression) -> Iterator[float]:
    """Yield when it begins and ends, in seconds since the epoch."""
    if isinstance(suppression, MaintenanceWindow):
        yield suppression.starts.timestamp()
        yield suppression.ends.timestamp()
    elif suppression.until is not None:
        yield suppression.until.timestamp()


def describe(suppression: Suppression) -> str:
    """Say why something is suppressed, and until when."""
    if isinstance(suppression, MaintenanceWindow):
        return f"maintenance until {utc_text(suppression.ends.timestamp())}: {suppression.reason}"
    until = "" if suppression.until is None else f" until {utc_text(suppression.until.timestamp())}"
    return f"exception{until}: {suppression.reason}"


def place_of(window: MaintenanceWindow) -> dict[str, str]:
    """Return the place of a window, such as ``{"circuit": "chicago", "link": "primary"}``."""
    places = {name: getattr(window, name) for name in (*WINDOW_SCOPES, "link")}
    return {name: place for name, place in places.items() if place is not None}


def place_text(window: MaintenanceWindow) -> str:
    """Name the place of a window: ``link primary of circuit chicago``."""
    if window.link is not None:
        return f"link {window.link} of circuit {window.circuit}"
    return ", ".join(f"{name} {place}" for name, place in place_of(window).items())


class Cover(NamedTuple):
    """The suppressions that may cover one subject. It is covered while each group of one alternative has an active
    member.
    """

    alternatives: Sequence[Sequence[Sequence[Suppression]]]

    def active(self, now: float) -> Suppression | None:
        """Return what suppresses the subject now; if several do so only together, the one that ends first."""
        for groups in self.alternatives:
            found = [next((each for each in group if active(each, now)), None) for group in groups]
            open_ = [each for each in found if each is not None]
            if len(open_) == len(groups):
                return min(open_, key=lambda each: max(changes(each), default=float("inf")))
        return None


class Coverage:
    """What these windows and the exceptions of the configuration suppress."""

    def __init__(self, config: Config, windows: Iterable[MaintenanceWindow]) -> None:
        self._config = config
        self._at: dict[Place, list[Suppression]] = {}
        self._windows = tuple(windows)
        for window in self._windows:
            for place in _places(config, window):
                self._at.setdefault(place, []).append(window)
        self._exceptions: dict[str, list[CheckException]] = {}
        for exception in config.exceptions:
            self._exceptions.setdefault(exception.check, []).append(exception)

    def in_force(self, now: float) -> list[Suppression]:
        """Return the windows that are open and the exceptions in force, the first to end first."""
        every: tuple[Suppression, ...] = (*self._windows, *self._config.exceptions)
        found = [each for each in every if active(each, now)]
        return sorted(found, key=lambda each: max(changes(each), default=float("inf")))

    @property
    def checks(self) -> Iterable[str]:
        """The checks with subjects that may be suppressed without having one of the ``labels``."""
        yield from self._exceptions
        if any(place[0] == "uplink" for place in self._at):
            yield from (_OF_ALL_UPLINKS, _OF_A_SITE)
        yield _GROUPWIDE

    @property
    def labels(self) -> Iterable[tuple[str, str]]:
        """The labels of subjects that may be suppressed: each of them has one of these, or belongs to one of the
        ``checks``.
        """
        return {("circuit" if kind == "link" else kind, name) for kind, name, *_ in self._at}

    def of(self, subject: Subject) -> Cover | None:
        """Return what may suppress a subject; ``None`` if nothing ever does."""
        labels = dict(subject.labels)
        alternatives: list[Sequence[Sequence[Suppression]]] = [
            ((exception,),)
            for exception in self._exceptions.get(subject.check, ())
            if exception.labels.items() <= labels.items()
        ]
        if CATALOGUE[subject.check].covered_by_maintenance:
            alternatives += self._by_windows(subject.check, labels)
        alternatives = [groups for groups in alternatives if groups and all(groups)]
        return Cover(alternatives) if alternatives else None

    def _by_windows(self, check: str, labels: Mapping[str, str]) -> Iterator[Sequence[Sequence[Suppression]]]:
        config, sight = self._config, CATALOGUE[check].section is Section.SIGHT
        if sight and "feed" in labels:
            yield (self.at("feed", labels["feed"]),)
        elif "link" in labels:
            yield (self.at("link", labels["circuit"], labels["link"]),)
        elif "circuit" in labels:
            yield from self.circuit(labels["circuit"])
        elif check == _OF_ALL_UPLINKS:
            yield [self.at("uplink", uplink) for uplink in config.uplinks]
        elif check == _OF_A_SITE:
            site = labels.get("group")
            yield [self.at("uplink", name) for name, uplink in config.uplinks.items() if uplink.site == site]
        else:
            own = [name for name in CATALOGUE[check].labels if name in {"uplink", "segment", "group"}]
            own += [name for name in ("router",) if sight and name in labels]
            for name in own:
                yield (self.at(name, labels[name]),)
            if check == _GROUPWIDE:
                for circuit in config.circuits.values():
                    if _is_in(circuit, labels):
                        yield from self.circuit(circuit.name)

    def at(self, *place: str) -> Sequence[Suppression]:
        """Return the windows on a place, open or not."""
        return self._at.get(place, ())

    def open_until(self, now: float) -> dict[tuple[str, str, str], float]:
        """Return the circuits, links and feeds that are covered now, as (circuit, link, feed), and until when: the
        latest end of the windows that cover them, in seconds since the epoch.
        """
        places: list[tuple[Place, tuple[str, str, str]]] = [
            (("circuit", name), (name, "", "")) for name in self._config.circuits
        ]
        places += [(("link", *link.key), (*link.key, "")) for link in self._config.links]
        places += [(("feed", feed), ("", "", feed)) for feed in self._config.feeds]
        found: dict[tuple[str, str, str], float] = {}
        for place, labels in places if self._at else ():
            alternatives = self.circuit(labels[0]) if place[0] == "circuit" else ((self.at(*place),),)
            ends = [_latest_end(groups, now) for groups in alternatives]
            if latest := max(filter(None, ends), default=None):
                found[labels] = latest
        return found

    def circuit(self, name: str) -> Iterator[Sequence[Sequence[Suppression]]]:
        """Yield the alternatives in which a whole circuit is covered."""
        yield (self.at("circuit", name),)
        links = self._config.circuits[name].links if name in self._config.circuits else {}
        yield [self.at("link", name, link) for link in links]


def _latest_end(groups: Sequence[Sequence[Suppression]], now: float) -> float | None:
    """Return when the first of the groups ceases to have an active member; ``None`` if one of them has none now."""
    ends = [max((max(changes(e)) for e in group if active(e, now)), default=None) for group in groups]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None


def _places(config: Config, window: MaintenanceWindow) -> Iterator[Place]:
    if window.circuit is not None:
        if window.link is not None:
            yield ("link", window.circuit, window.link)
            return
        yield ("circuit", window.circuit)
        circuit = config.circuits.get(window.circuit)
        yield from (("link", window.circuit, link) for link in (circuit.links if circuit is not None else ()))
    if window.router is not None:
        yield ("router", window.router)
        yield from (("link", *link.key) for link in config.links if link.router == window.router)
        yield from (("feed", feed.name) for feed in config.feeds.values() if feed.router == window.router)
    for kind in ("feed", "uplink", "segment", "group"):
        if (name := getattr(window, kind)) is not None:
            yield (kind, name)


def places_in_words(config: Config, window: MaintenanceWindow) -> Iterator[str]:
    """Name every place that a window covers: ``circuit chicago``, ``link primary of circuit chicago``."""
    for kind, name, *more in _places(config, window):
        yield f"link {more[0]} of circuit {name}" if kind == "link" else f"{kind} {name}"


def _is_in(circuit: Circuit, labels: Mapping[str, str]) -> bool:
    """Return whether a circuit is one of the group that these labels name."""
    own = {"geo": circuit.geo, "group": circuit.group, "peering": circuit.peering.value}
    return all(own[name] == value for name, value in labels.items() if name in own)
