"""One feed's session: established or not, in sync or not, and what was lost.

A feed and family are in sync when their routes are known to be complete: after End-of-RIB (RFC 4724)
and a quiet time, or after a long time without it. Only then can absence be believed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ermon.model.inventory import Collector, Feed
from ermon.model.prefixes import Family


class FamilySync(msgspec.Struct):
    """How far the first dump of one family is."""

    end_of_rib_at: float | None = None
    updated_at: float | None = None
    complete: bool = False
    """The dump has ended; stays so until the session, or messages, are lost."""
    end_of_rib_seen: bool = False
    """End-of-RIB has come in this session, be it for an earlier dump."""
    asked_again: bool = False
    """Of earlier recordings: the router was asked to send everything again; see ``ermon.core.asked`` of now."""
    marked: bool = False
    """Of earlier recordings: it marks where it begins and ends to do so."""
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

    It is its own memory: recordings hold it as it is, so its fields are a file format.
    """

    up_since: float | None = None
    dump_since: float = 0.0
    """When the router began to send what it has."""
    joined: bool = False
    """We began to listen inside the session: its End-of-RIB may be the end of half a dump."""
    damaged: bool = False
    """Messages of this session were lost: it can never be in sync again."""
    loss: str | None = None
    """Why messages were lost; stands until a new session is in sync."""
    negotiated: frozenset[Family] | None = None
    offered: frozenset[Family] | None = None
    no_hold: bool = False
    """The peer's OPEN says hold time 0: a session that is long dead looks as one that has nothing to say."""
    families: dict[Family, FamilySync] = {}
    down_reason: str = ""
    """Why the latest session, or attempt at one, came to its end."""
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
        """Return the session as it is now: it may change, and this stays."""
        families = {family: msgspec.structs.replace(sync) for family, sync in self.families.items()}
        return msgspec.structs.replace(self, families=families)

    def set_families(self, families: Iterable[Family]) -> None:
        """Go over to the families of another configuration; what is known of those in both stays."""
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
        self._reset_families()

    def fail(self, reason: str) -> None:
        """A connection came to nothing: that is the latest that is known of why there is no session."""
        self.down_reason = reason or self.down_reason
        self.forget_open()

    def forget_open(self) -> None:
        """Forget what the peer's OPEN said: the session that it was for is over, or never came up."""
        self.negotiated = self.offered = None
        self.no_hold = False

    def lose(self, count: int, reason: str) -> None:
        self.damaged = True
        self.loss = reason
        self.lost_messages += count
        for sync in self.families.values():
            sync.complete = False

    def all_paths(self, feed: Feed, family: Family) -> bool:
        """Return whether ADD-PATH is in force: as negotiated, else as the peer's OPEN offers, else as
        configured (RFC 7911 section 4).
        """
        if self.negotiated is not None:
            return family in self.negotiated
        if self.offered is not None:
            return feed.add_path and family in self.offered
        return feed.add_path and family in feed.families

    def sync_deadline(self, family: Family, collector: Collector) -> float | None:
        """Return when the family will be in sync, ``None`` if it is, or cannot be in this session."""
        sync = self.families[family]
        if self.up_since is None or self.damaged or sync.complete:
            return None
        return sync.deadline(self.dump_since, collector)

    def in_first_dump(self, family: Family, now: float, collector: Collector) -> bool:
        """Return whether the router may still send what it has, for the first time in this session."""
        sync, ends = self.families.get(family), self.timeout_at(collector)
        if sync is None or sync.complete or self.damaged or ends is None:
            return False
        return now < ends

    def timeout_at(self, collector: Collector) -> float | None:
        """Return from when on End-of-RIB is not waited for, ``None`` while the session is not up."""
        return round(self.dump_since + collector.sync_timeout, 6) if self.up else None

    def _reset_families(self) -> None:
        self.families = {family: FamilySync() for family in self.families}
