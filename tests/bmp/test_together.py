"""UPDATEs that are judged together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ermon.bmp.together import together
from ermon.model.events import Event, SessionDown, Uninteresting, Update
from ermon.model.prefixes import Prefix
from ermon.model.routes import Attributes, Route, RouteKey

FEEDS = ("one", "other")
KEYS: tuple[RouteKey, ...] = tuple((Prefix(4, host << 8, 24), None) for host in range(4))
IPV4 = frozenset({"ipv4"})


def announced(host: int, feed: str = "one") -> Update:
    return Update(1.0, feed, (Route(KEYS[host][0], None, Attributes()),))


def withdrawn(host: int, feed: str = "one") -> Update:
    return Update(1.0, feed, (), (KEYS[host],))


def test_updates_without_a_route_in_common_are_one() -> None:
    first, second = announced(0), withdrawn(1)
    assert list(together([first, second])) == [Update(1.0, "one", first.announced, second.withdrawn, 2)]


def test_a_route_that_changes_twice_changes_twice() -> None:
    said = [withdrawn(0), announced(0), withdrawn(0)]
    assert list(together(said)) == said


def test_feeds_are_not_mixed() -> None:
    said = [announced(0), announced(0, "other")]
    assert list(together(said)) == said


def test_what_is_no_update_stays_in_its_place() -> None:
    down = SessionDown(1.0, "one", "")
    assert list(together([announced(0), down, announced(1)])) == [announced(0), down, announced(1)]


def test_updates_that_nobody_asks_about_are_counted_together() -> None:
    said = [
        Uninteresting(1.0, "one", 1, IPV4, frozenset()),
        Uninteresting(1.0, "one", 2, frozenset(), IPV4),
    ]
    assert list(together(said)) == [Uninteresting(1.0, "one", 3, IPV4, IPV4)]


@given(
    st.lists(
        st.one_of(
            st.builds(announced, st.integers(0, 3), st.sampled_from(FEEDS)),
            st.builds(withdrawn, st.integers(0, 3), st.sampled_from(FEEDS)),
            st.builds(SessionDown, st.just(1.0), st.sampled_from(FEEDS), st.just("")),
        )
    )
)
def test_each_route_goes_through_the_same_states(said: list[Event]) -> None:
    def history(events: list[Event], feed: str, key: RouteKey) -> list[object]:
        """Return what happens to a route."""
        found: list[object] = []
        for event in events:
            if isinstance(event, SessionDown) and event.feed == feed:
                found.append("down")
            elif isinstance(event, Update) and event.feed == feed:
                found += ["announced"] * (key in [route.key for route in event.announced])
                found += ["withdrawn"] * (key in event.withdrawn)
        return found

    after = list(together(said))
    for feed in FEEDS:
        for key in KEYS:
            assert history(after, feed, key) == history(said, feed, key)
    assert sum(each.updates for each in after if isinstance(each, Update)) == sum(
        isinstance(each, Update) for each in said
    )
