from __future__ import annotations

import pytest

from ermon.core.session import FamilySync, Session
from ermon.model.inventory import Feed
from ermon.model.prefixes import Family
from tests.defaults import make_collector
from tests.networks import BOTH, EDGE, feed

TIMES = make_collector(asn=64500, settle=2.0, settle_limit=10.0, sync_timeout=120.0)
ALL_PATHS = feed("edge-1", EDGE, *BOTH, router="edge-1", add_path=True)
BEST_PATHS = feed("edge-1", EDGE, *BOTH, router="edge-1")
V4, V6, EITHER, NEITHER = (frozenset(f) for f in (("ipv4",), ("ipv6",), BOTH, ()))


def session_up(one: Feed = ALL_PATHS, *, at: float = 0.0, joined: bool = False) -> Session:
    session = Session.of(one.families)
    session.start(at, joined=joined)
    return session


# When a family is in sync ------------------------------------------------------------------------------


def test_without_end_of_rib_a_family_is_in_sync_a_long_time_after_the_session_came_up() -> None:
    assert session_up(at=5.0).sync_deadline("ipv4", TIMES) == 125.0


def test_a_family_is_in_sync_when_it_has_been_quiet_after_end_of_rib() -> None:
    sync = FamilySync(end_of_rib_at=7.0)
    assert sync.deadline(0.0, TIMES) == 9.0
    sync.updated_at = 8.5
    assert sync.deadline(0.0, TIMES) == 10.5


def test_continuing_updates_delay_being_in_sync_up_to_a_limit() -> None:
    assert FamilySync(end_of_rib_at=7.0, updated_at=16.9).deadline(0.0, TIMES) == 17.0


def test_updates_before_end_of_rib_do_not_count() -> None:
    assert FamilySync(end_of_rib_at=7.0, updated_at=6.0).deadline(0.0, TIMES) == 9.0


def test_a_late_end_of_rib_counts_from_when_it_came() -> None:
    assert FamilySync(end_of_rib_at=119.0).deadline(0.0, TIMES) == 121.0


def test_quiet_is_per_family() -> None:
    session = session_up()
    session.families["ipv4"].end_of_rib_at = 3.0
    assert session.sync_deadline("ipv4", TIMES) == 5.0
    assert session.sync_deadline("ipv6", TIMES) == 120.0


def test_a_session_that_is_down_or_in_sync_waits_for_nothing() -> None:
    assert Session.of(ALL_PATHS.families).sync_deadline("ipv4", TIMES) is None
    session = session_up()
    session.families["ipv4"].complete = True
    assert session.sync_deadline("ipv4", TIMES) is None
    assert Session.of(ALL_PATHS.families).timeout_at(TIMES) is None
    assert session.timeout_at(TIMES) == 120.0


# Losses ------------------------------------------------------------------------------------------------


def test_a_session_that_lost_messages_is_never_in_sync_again() -> None:
    session = session_up()
    session.families["ipv4"].complete = True
    session.lose(3, "a gap")
    assert session.sync_deadline("ipv4", TIMES) is None
    assert not session.families["ipv4"].complete
    assert (session.loss, session.lost_messages) == ("a gap", 3)


def test_the_next_session_can_be_in_sync_while_the_loss_is_still_known() -> None:
    session = session_up()
    session.lose(1, "a gap")
    session.stop(10.0, "closing connection")
    session.start(20.0, joined=False)
    assert session.sync_deadline("ipv4", TIMES) == 140.0
    assert session.loss == "a gap"


def test_messages_lost_while_down_may_be_the_beginning_of_a_later_session() -> None:
    session = Session.of(ALL_PATHS.families)
    session.lose(1, "a gap")
    session.start(20.0, joined=True)
    assert session.sync_deadline("ipv4", TIMES) is None


# Sessions ----------------------------------------------------------------------------------------------


def test_every_up_starts_an_empty_session() -> None:
    session = session_up()
    session.families["ipv4"].complete = True
    session.start(30.0, joined=False)
    assert session.sync_deadline("ipv4", TIMES) == 150.0
    assert (session.ups, session.downs) == (2, 0)


def test_a_session_remembers_why_the_last_one_ended() -> None:
    session = session_up()
    session.stop(10.0, "notification received (6,2)")
    assert (session.up, session.down_reason, session.changed_at) == (
        False,
        "notification received (6,2)",
        10.0,
    )
    session.start(20.0, joined=False)
    assert (session.up, session.down_reason, session.changed_at) == (True, "", 20.0)


# ADD-PATH ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "negotiated", "offered", "in_force"),
    [
        # configured, and no OPEN received
        (ALL_PATHS, None, None, EITHER),
        (BEST_PATHS, None, None, NEITHER),
        # the peer's OPEN
        (ALL_PATHS, None, V6, V6),
        (ALL_PATHS, None, NEITHER, NEITHER),
        (BEST_PATHS, None, EITHER, NEITHER),
        # what was negotiated outweighs both, per family
        (ALL_PATHS, V4, EITHER, V4),
        (ALL_PATHS, NEITHER, EITHER, NEITHER),
        (BEST_PATHS, V6, NEITHER, V6),
    ],
)
def test_add_path_is_as_negotiated_else_as_offered_else_as_configured(
    one: Feed,
    negotiated: frozenset[Family] | None,
    offered: frozenset[Family] | None,
    in_force: frozenset[Family],
) -> None:
    session = session_up(one)
    session.negotiated, session.offered = negotiated, offered
    assert {family for family in BOTH if session.all_paths(one, family)} == in_force


def test_negotiated_capabilities_end_with_the_session_and_not_with_its_up() -> None:
    session = Session.of(ALL_PATHS.families)
    session.negotiated = V4
    session.start(1.0, joined=False)
    assert not session.all_paths(ALL_PATHS, "ipv6")
    session.stop(2.0, "closing connection")
    assert session.all_paths(ALL_PATHS, "ipv6")
