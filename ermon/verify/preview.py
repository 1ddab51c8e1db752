"""``ermon check --url``: what another configuration would raise and clear with the routes of a running daemon.

The daemon's routes and memory are replayed with the new configuration, as a recording of one moment. Then virtual time
passes until no timer is running. So a change can be judged before it is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from ermon.api.answers import FindingDoc, finding_doc
from ermon.api.status import StatusDoc
from ermon.client.http import Client
from ermon.client.target import Target
from ermon.exabgp.decode import Rejected, RejectReason
from ermon.model.inventory import Config
from ermon.model.settings import Severity
from ermon.model.source_key import SourceKey
from ermon.model.text import printable
from ermon.recording.replay import Playback, Replay
from ermon.sources.published import PublishedList


@dataclass(frozen=True, slots=True)
class Preview:
    """The findings that the new configuration would raise and clear."""

    daemon: str
    raised: tuple[FindingDoc, ...]
    cleared: tuple[FindingDoc, ...]
    new_feeds: tuple[str, ...]
    """Feeds that the daemon does not have. Their routes are unknown, so the preview says nothing about them."""
    unread: int
    """Number of lines of feeds that this file does not have, or has at other addresses."""

    @property
    def wrong(self) -> bool:
        """Whether a finding of severity warning or critical would be raised."""
        return any(each.severity != Severity.INFO for each in self.raised)


class Asked(NamedTuple):
    """The answers of a daemon."""

    daemon: str
    status: StatusDoc
    raised: Sequence[FindingDoc]
    lines: Sequence[bytes]
    """A recording of the daemon's present state."""


def preview(target: Target, config: Config, lists: Mapping[SourceKey, PublishedList]) -> Preview:
    """Ask a daemon for its state and judge it by ``config``; ``lists`` are the published lists in local files, for those
    that the daemon does not have.
    """
    return judge(asyncio.run(_ask(target)), config, lists)


async def _ask(target: Target) -> Asked:
    async with Client(target) as client:
        raised = await client.get("findings", list[FindingDoc], state="raised")
        return Asked(client.name, await client.get("status", StatusDoc), raised, await client.recording())


def judge(asked: Asked, config: Config, lists: Mapping[SourceKey, PublishedList]) -> Preview:
    """Replay the state through the core with another configuration, until no timer is running."""
    unread = 0

    def reject(_: int, rejected: Rejected) -> None:
        nonlocal unread
        unread += rejected.reason is RejectReason.UNKNOWN_FEED

    new = tuple(sorted(config.feeds.keys() - asked.status.feeds.keys()))
    replay = Replay(Playback(config, reject, lists=lists))
    for _ in replay.transitions(asked.lines):
        pass
    now = {_about(doc): doc for doc in map(finding_doc, replay.findings())}
    before = {_about(doc): doc for doc in asked.raised}
    return Preview(
        asked.daemon,
        tuple(now[key] for key in now.keys() - before.keys() if now[key].labels.get("feed") not in new),
        tuple(before[key] for key in before.keys() - now.keys()),
        new,
        unread,
    )


def _about(finding: FindingDoc) -> str:
    return f"{finding.check} {sorted(finding.labels.items())}"


def write(found: Preview, out: TextIO) -> None:
    """Write the preview as text."""
    out.write(f"with what {printable(found.daemon)} holds:\n")
    out.writelines(
        f"  would be raised: {each.severity}: {printable(each.summary)} ({each.check})\n"
        for each in sorted(found.raised, key=_about)
    )
    out.writelines(
        f"  would be cleared: {printable(each.summary)} ({each.check})\n"
        for each in sorted(found.cleared, key=_about)
    )
    if not found.raised and not found.cleared:
        out.write("  nothing would be raised or cleared\n")
    if found.new_feeds:
        out.write(f"  not judged: {', '.join(found.new_feeds)}, which that ermon does not have\n")
    if found.unread:
        out.write("  not judged: routes of feeds that this file does not have, or has at other addresses\n")
