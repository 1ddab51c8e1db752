from __future__ import annotations

import pytest

from ermon.core.rib import AdjRibIn, RouteChange
from ermon.model.prefixes import parse_prefix
from ermon.model.routes import Route
from tests.networks import routes

V4, V6 = "198.51.100.0/24", "2001:db8:100::/40"
BOTH_FAMILIES = pytest.mark.parametrize("prefix", [V4, V6])


def route(prefix: str, as_path: str = "12076", path_id: int | None = None) -> Route:
    return routes(prefix, as_path, path_id=path_id)[0]


def rib_of(*held: Route) -> AdjRibIn:
    rib = AdjRibIn()
    for each in held:
        rib.announce(each)
    return rib


@BOTH_FAMILIES
def test_an_announcement_is_a_change_from_nothing(prefix: str) -> None:
    new = route(prefix)
    assert AdjRibIn().announce(new) == RouteChange(new.key, None, new)


@BOTH_FAMILIES
def test_another_announcement_of_the_same_nlri_replaces_the_route(prefix: str) -> None:
    old, new = route(prefix, "12076"), route(prefix, "12076 8075")
    rib = rib_of(old)
    assert rib.announce(new) == RouteChange(new.key, old, new)
    assert list(rib.routes()) == [new]


@BOTH_FAMILIES
def test_an_announcement_that_changes_nothing_is_no_change(prefix: str) -> None:
    rib = rib_of(route(prefix))
    assert rib.announce(route(prefix)) is None
    assert len(rib) == 1


@BOTH_FAMILIES
def test_paths_with_other_identifiers_stand_beside_each_other(prefix: str) -> None:
    first, second, none = route(prefix, path_id=1), route(prefix, path_id=2), route(prefix)
    rib = rib_of(first, second, none)
    assert list(rib.paths(parse_prefix(prefix))) == [first, second, none]
    assert rib.withdraw(first.key) == RouteChange(first.key, first, None)
    assert rib.get(second.key) == second
    assert rib.get(first.key) is None


def test_identifier_zero_is_an_identifier() -> None:
    assert len(rib_of(route(V4, path_id=0), route(V4))) == 2


@BOTH_FAMILIES
def test_withdrawing_what_is_not_held_changes_nothing(prefix: str) -> None:
    assert AdjRibIn().withdraw((parse_prefix(prefix), None)) is None
    assert rib_of(route(prefix, path_id=1)).withdraw((parse_prefix(prefix), 2)) is None


def test_paths_and_prefixes_are_counted_by_family() -> None:
    rib = rib_of(route(V4, path_id=1), route(V4, path_id=2), route("10.0.0.0/8"), route(V6))
    assert (rib.count("ipv4"), rib.prefix_count("ipv4")) == (3, 2)
    assert (rib.count("ipv6"), rib.prefix_count("ipv6")) == (1, 1)
    assert len(rib) == 4
    rib.withdraw((parse_prefix(V4), 1))
    assert (rib.count("ipv4"), rib.prefix_count("ipv4")) == (2, 2)
    rib.withdraw((parse_prefix(V4), 2))
    assert (rib.count("ipv4"), rib.prefix_count("ipv4")) == (1, 1)
    assert list(rib.prefixes("ipv4")) == [parse_prefix("10.0.0.0/8")]
    assert parse_prefix(V4) not in rib


def test_a_flush_drops_every_route_and_names_it() -> None:
    held = [route(V4, path_id=1), route(V4, path_id=2), route(V6)]
    rib = rib_of(*held)
    assert rib.flush() == [RouteChange(each.key, each, None) for each in held]
    assert len(rib) == rib.prefix_count("ipv4") == rib.count("ipv6") == 0
    assert rib.flush() == []


@pytest.mark.parametrize(
    ("default", "covering", "inside", "asked"),
    [
        ("0.0.0.0/0", "198.51.0.0/16", "198.51.100.0/28", V4),
        ("::/0", "2001:db8::/32", "2001:db8:100:1::/64", V6),
    ],
)
def test_routes_are_found_by_what_they_cover(default: str, covering: str, inside: str, asked: str) -> None:
    rib = rib_of(*(route(text) for text in (default, covering, inside, asked)))
    prefix = parse_prefix(asked)
    assert {str(r.prefix) for r in rib.covering(prefix)} == {default, covering, asked}
    assert {str(r.prefix) for r in rib.inside(prefix)} == {asked, inside}


@pytest.mark.parametrize(
    ("held", "asked", "covered"),
    [
        (V4, V4, True),
        ("198.51.100.0/25 198.51.100.128/25", V4, True),
        ("198.51.100.0/25", V4, False),
        ("0.0.0.0/0", V4, False),
        ("2001:db8:100::/41 2001:db8:180::/41", V6, True),
        ("2001:db8:100::/41", V6, False),
        ("::/0", V6, False),
    ],
)
def test_coverage_is_of_address_space_and_a_default_covers_nothing(
    held: str, asked: str, covered: bool
) -> None:
    assert rib_of(*routes(held)).covers(parse_prefix(asked)) is covered
