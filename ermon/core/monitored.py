"""What a router reports of one of its own sessions over BMP (RFC 7854), in one word and with the reason."""

from __future__ import annotations

from typing import NamedTuple

from ermon.core.states import FeedState, ProcessState
from ermon.model.findings import LinkState
from ermon.model.inventory import View


class OwnSession(NamedTuple):
    """A session of a router with Microsoft or a provider."""

    state: LinkState
    """Unknown unless the router reports now whether the session is up."""
    reason: str
    """Why it is not up, or not seen, or what is wrong although it is up; empty if there is nothing to say."""
    since: float | None
    """When the session last came up or went down, or was lost from sight, as a time of events; without statistics, when the last ones
    came; ``None``: never.
    """
    exists: bool = True
    """The router has reported it at some time, or may do so yet."""


def own_session(state: FeedState, connection: ProcessState) -> OwnSession:
    """Return what is known of the session that a feed by BMP is made of."""
    session, since = state.session, state.session.changed_at
    if connection.up is not True:
        return OwnSession(LinkState.UNKNOWN, "the router is not connected by BMP", since)
    if session.silent:
        return OwnSession(LinkState.UNKNOWN, session.silent, session.message_at)
    if session.up:
        return OwnSession(LinkState.UP, _although_up(state), since)
    if session.said_down:
        return OwnSession(LinkState.DOWN, session.down_reason, since)
    if session.unreported and session.shown:
        return OwnSession(LinkState.DOWN, "the router no longer reports it", since)
    if session.unreported:
        return OwnSession(LinkState.UNKNOWN, "the router reports no such session", None, exists=False)
    return OwnSession(LinkState.UNKNOWN, "the router has not reported it yet", since)


def _although_up(state: FeedState) -> str:
    """Return what is wrong with a session that is up."""
    if state.session.unreadable:
        return f"its routes cannot be read: {state.session.unreadable}"
    families = state.session.families
    in_sync = bool(families) and all(sync.complete for sync in families.values())
    without = state.feed.view is View.FROM_MICROSOFT and not any(map(state.rib.count, families))
    return "established, but no route" if in_sync and without else ""
