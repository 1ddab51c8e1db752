"""One feed's session: established or not, in sync or not, and which messages were lost.

A feed and family are in sync when their routes are known to be complete: after End-of-RIB (RFC 4724) and a quiet time,
or after a long time without it. Only then does the absence of a route prove anything.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ermon.model.events import DownCause
from ermon.model.inventory import Collector, Feed
from ermon.model.prefixes import Family


class FamilySync(msgspec.Struct):
    """How far the first dump of one family is."""

    end_of_rib_at: float | None = None
    updated_at: float | None = None
    complete: bool = False
    """The dump has ended; stays true until the session ends or messages are lost."""
    end_of_rib_seen: bool = False
    """End-of-RIB has come in this session, possibly for an earlier dump."""
    asked_again: bool = False
    """Only in earlier recordings: the router was asked to send everything again; now in ``ermon.core.asked``."""
    marked: bool = False
    """Only in earlier recordings: the router marks the beginning and the end of that."""
    received: bool = False
    """At least one route was announced in this session, held or not."""

    def deadline(self, dump_since: float, collector: Collector) -> float:
        """Return when the family is in sync if nothing more happens."""
        if self.end_of_rib_at is None:
            return dump_since + collector.sync_timeout
        quiet_since = max(self.end_of_rib_at, self.updated_at or self.end_of_rib_at)
        return min(quiet_since + collector.settle, self.end_of_rib_at + collector.settle_limit)


class Session(msgspec.Struct, omit_defaults=True):
    """The state of one feed's session; times are seconds since the epoch.

    Recordings contain it as it is, so its fields are a file format.
    """

    up_since: float | None = None
    dump_since: float = 0.0
    """When the router began to send its table."""
    joined: bool = False
    """ermon began to listen in the middle of the session: End-of-RIB may be the end of half a dump."""
    damaged: bool = False
    """Messages of this session were lost: it can never be in sync again."""
    loss: str | None = None
    """Why messages were lost; stays until a new session is in sync."""
    negotiated: frozenset[Family] | None = None
    offered: frozenset[Family] | None = None
    no_hold: bool = False
    """The peer's OPEN has hold time 0, so a dead session looks like one in which the peer has nothing to
    send.
    """
    shown: bool = False
    """By BMP: the router has reported the session at some time."""
    said_down: bool = False
    """By BMP: the router has reported on its present connection that the session is down."""
    unreported: bool = False
    """By BMP: the router does not report the session on its present connection."""
    silent: str = ""
    """By BMP: why it is unknown whether the session is still up; empty if it is known."""
    unreadable: str = ""
    """By BMP: why the routes of this session are unknown; empty if they are known."""
    known_up: bool | None = None
    """By BMP: the last state that the router has reported."""
    changes: int = 0
    """By BMP: how often that has changed between up and down."""
    causes: dict[DownCause, int] = {}
    """By BMP: how often the session went down, by why."""
    families: dict[Family, FamilySync] = {}
    down_reason: str = ""
    """Why the latest session, or attempt at one, ended."""
    changed_at: float | None = None
    message_at: float | None = None
    ups: int = 0
    downs: int = 0
    updates: int = 0
    lost_messages: int = 0

    @classmethod
    def of(cls, families: Iterable[Family]) -> Session:
        """Return a session that has never been up."""
        return cls(families={family: FamilySync() for family in families})

    def copy(self) -> Session:
        """Return a copy that does not change when this session does."""
        families = {family: msgspec.structs.replace(sync) for family, sync in self.families.items()}
        return msgspec.structs.replace(self, families=families, causes=dict(self.causes))

    def set_families(self, families: Iterable[Family]) -> None:
        """Change to the families of another configuration; the state of those in both stays."""
        self.families = {family: self.families.get(family, FamilySync()) for family in families}

    @property
    def up(self) -> bool:
        return self.up_since is not None

    @property
    def opening(self) -> bool:
        """An OPEN has come, and the session is not up yet: its first KEEPALIVE is part of the handshake."""
        return not self.up and (self.offered is not None or self.negotiated is not None)

    def start(self, now: float, *, joined: bool) -> None:
        self.up_since = self.dump_since = self.changed_at = now
        self.joined = joined
        self.ups += 1
        self.down_reason = ""
        self.shown = True
        self.forget_report()
        self._report(up=True)
        if not joined:
            self.damaged = False
        self._reset_families()

    def stop(self, now: float, reason: str) -> None:
        self.up_since = None
        self.changed_at = now
        self.joined = False
        self.downs += 1
        self.down_reason = reason
        self.forget_open()
        self.forget_report()
        self._reset_families()

    def fail(self, reason: str) -> None:
        """Note why a connection failed: it is the latest reason why there is no session."""
        self.down_reason = reason or self.down_reason
        self.forget_open()

    def forget_open(self) -> None:
        """Forget what the peer's OPEN said: its session is over, or never came up."""
        self.negotiated = self.offered = None
        self.no_hold = False

    def report_down(self, cause: DownCause) -> None:
        """Believe a router that reports its own session as down."""
        self.said_down = self.shown = True
        self.unreported = False
        self._report(up=False, cause=cause)

    def report_nothing(self) -> None:
        """Note that a router does not report the session on its present connection."""
        self.unreported = True
        if self.shown:
            self._report(up=False)

    def _report(self, *, up: bool, cause: DownCause = DownCause.OTHER) -> None:
        """Count a change of the state that the router reports. What happened while it reported nothing is seen as one change."""
        if self.known_up is not None and self.known_up is not up:
            self.changes += 1
            if not up:
                self.causes[cause] = self.causes.get(cause, 0) + 1
        self.known_up = up

    def forget_report(self) -> None:
        """Forget what the router has reported of the session on its BMP connection."""
        self.said_down = self.unreported = False
        self.silent = self.unreadable = ""

    def lose(self, count: int, reason: str) -> None:
        self.damaged = True
        self.loss = reason
        self.lost_messages += count
        for sync in self.families.values():
            sync.complete = False

    def all_paths(self, feed: Feed, family: Family) -> bool:
        """Return whether ADD-PATH is in use: as negotiated, else as the peer's OPEN offers, else as configured (RFC
        7911 section 4).
        """
        if self.negotiated is not None:
            return family in self.negotiated
        if self.offered is not None:
            return feed.add_path and family in self.offered
        return feed.add_path and family in feed.families

    def sync_deadline(self, family: Family, collector: Collector) -> float | None:
        """Return when the family will be in sync; ``None`` if it is, or cannot be in this session."""
        sync = self.families[family]
        if self.up_since is None or self.damaged or self.unreadable or sync.complete:
            return None
        return sync.deadline(self.dump_since, collector)

    def in_first_dump(self, family: Family, now: float, collector: Collector) -> bool:
        """Return whether the router may still be sending its first dump of this session."""
        sync, ends = self.families.get(family), self.timeout_at(collector)
        if sync is None or sync.complete or self.damaged or ends is None:
            return False
        return now < ends

    def timeout_at(self, collector: Collector) -> float | None:
        """Return from when on End-of-RIB is no longer waited for; ``None`` if the session is not up."""
        return round(self.dump_since + collector.sync_timeout, 6) if self.up else None

    def _reset_families(self) -> None:
        self.families = {family: FamilySync() for family in self.families}
