"""Which findings a maintenance window keeps quiet.

A window on a link covers the checks whose subject has that link, one on a circuit covers its links too,
one on a feed covers ermon's sight of that feed: never what the feed shows, such as a leak.
"""

from __future__ import annotations

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Section
from ermon.checks.subject import Subject
from ermon.model.inventory import MaintenanceWindow


def active(window: MaintenanceWindow, now: float) -> bool:
    return window.starts.timestamp() <= now < window.ends.timestamp()


def covers(window: MaintenanceWindow, subject: Subject) -> bool:
    """Return whether ``window`` is about ``subject``."""
    check = CATALOGUE[subject.check]
    if not check.covered_by_maintenance:
        return False
    labels = dict(subject.labels)
    if window.feed is not None:
        return check.section is Section.SIGHT and labels.get("feed") == window.feed
    if labels.get("circuit") != window.circuit:
        return False
    return window.link is None or labels.get("link") == window.link
