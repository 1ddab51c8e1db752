"""One line: all is well, something is wrong, or ermon cannot see. The status page judges alike."""

from __future__ import annotations

from typing import NamedTuple

from ermon.terminal.picture import Picture
from ermon.terminal.words import SEVERITIES, plural

MAX_NAMES = 5
"""Feeds that the line names; all of them stand below."""


class Headline(NamedTuple):
    kind: str
    """``well``, ``wrong`` or ``blind``."""
    text: str
    """Begins with a shape, for whoever does not see the colour."""


def headline(picture: Picture) -> Headline:
    raised, blind = picture.raised(), picture.blind_feeds()
    feeds = plural(len(picture.status.feeds), "feed")
    sight = f"ermon cannot see everything: {len(blind)} of {feeds} {'is' if len(blind) == 1 else 'are'} down or not in sync"
    if any(finding.severity != "info" for finding in raised):
        counts = {name: sum(finding.severity == name for finding in raised) for name in SEVERITIES}
        unnamed = len(raised) - sum(counts.values())
        told = [f"{count} {name}" for name, count in counts.items() if count]
        told += [f"{unnamed} of another severity"] if unnamed else []
        return Headline("wrong", f"▲ Something is wrong: {', '.join(told)}{f'; {sight}' if blind else ''}.")
    if blind:
        names = ", ".join(blind[:MAX_NAMES]) + (" and more" if len(blind) > MAX_NAMES else "")
        return Headline("blind", f"◆ {sight[0].upper()}{sight[1:]}: {names}.")
    notes = f" ({len(raised)} for information)" if raised else ""
    return Headline("well", f"● All is well{notes}.")
