from __future__ import annotations

import pytest

from ermon.core.learned import LearnedPrefixes
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix, parse_prefix

LINK, OTHER = ("chicago", "primary"), ("chicago", "secondary")

PREFIXES = pytest.mark.parametrize(
    ("family", "prefix", "inside"),
    [("ipv4", "192.0.2.0/26", "192.0.2.16/28"), ("ipv6", "2001:db8:200::/48", "2001:db8:200:1::/64")],
)


def p(text: str) -> Prefix:
    return parse_prefix(text)


def appeared(brought: LearnedPrefixes, link: LinkKey, prefix: Prefix) -> None:
    brought.appeared(link, prefix.family, [prefix])


@PREFIXES
def test_a_prefix_equal_to_or_inside_a_learned_one_is_learned(
    family: Family, prefix: str, inside: str
) -> None:
    brought = LearnedPrefixes()
    appeared(brought, LINK, p(prefix))
    assert p(prefix) in brought
    assert p(inside) in brought
    assert p(inside.replace("16/28", "0/24").replace(":1::/64", "::/40")) not in brought


@pytest.mark.parametrize("default", ["0.0.0.0/0", "::/0"])
def test_a_default_route_is_no_microsoft_prefix(default: str) -> None:
    brought = LearnedPrefixes()
    appeared(brought, LINK, p(default))
    assert p("192.0.2.0/26") not in brought
    assert p("2001:db8::/32") not in brought
    brought.vanished(LINK, p(default), 1.0)


@PREFIXES
def test_a_prefix_is_learned_until_the_last_feed_and_link_has_lost_it(
    family: Family, prefix: str, inside: str
) -> None:
    brought = LearnedPrefixes()
    for link in (LINK, LINK, OTHER):
        appeared(brought, link, p(prefix))
    brought.vanished(LINK, p(prefix), 1.0)
    brought.vanished(OTHER, p(prefix), 1.0)
    assert p(inside) in brought
    brought.vanished(LINK, p(prefix), 2.0)
    assert p(inside) not in brought


@PREFIXES
def test_the_prefixes_of_a_dead_link_are_remembered_until_it_is_up_again(
    family: Family, prefix: str, inside: str
) -> None:
    brought = LearnedPrefixes()
    appeared(brought, LINK, p(prefix))
    brought.vanished(LINK, p(prefix), 10.0)
    brought.ceased_to_be_up(LINK, family, 10.0)
    assert p(inside) in brought
    assert brought.remembered(LINK, family) == {p(prefix)}
    brought.came_up(LINK, family)
    assert p(inside) not in brought
    assert brought.remembered(LINK, family) == frozenset()


@PREFIXES
@pytest.mark.parametrize(("died_at", "remembered"), [(70.0, True), (70.25, False)])
def test_only_the_last_minute_before_is_remembered(
    family: Family, prefix: str, inside: str, died_at: float, remembered: bool
) -> None:
    brought = LearnedPrefixes()
    appeared(brought, LINK, p(prefix))
    brought.vanished(LINK, p(prefix), 10.0)
    brought.ceased_to_be_up(LINK, family, died_at)
    assert (p(inside) in brought) is remembered


def test_a_prefix_that_went_and_came_again_is_remembered_once() -> None:
    brought, prefix = LearnedPrefixes(), p("192.0.2.0/26")
    appeared(brought, LINK, prefix)
    brought.vanished(LINK, prefix, 10.0)
    appeared(brought, LINK, prefix)
    brought.ceased_to_be_up(LINK, "ipv4", 11.0)
    brought.vanished(LINK, prefix, 11.0)
    brought.came_up(LINK, "ipv4")
    assert prefix not in brought
    assert list(brought) == []


def test_each_family_of_a_link_is_remembered_for_itself() -> None:
    brought = LearnedPrefixes()
    appeared(brought, LINK, p("192.0.2.0/26"))
    appeared(brought, LINK, p("2001:db8:200::/48"))
    brought.ceased_to_be_up(LINK, "ipv6", 5.0)
    assert brought.remembered(LINK, "ipv4") == frozenset()
    assert brought.remembered(LINK, "ipv6") == {p("2001:db8:200::/48")}


def test_only_beginnings_and_ends_are_changes() -> None:
    brought, prefix = LearnedPrefixes(), p("192.0.2.0/26")
    appeared(brought, LINK, prefix)
    appeared(brought, OTHER, prefix)
    assert brought.changed == {prefix}
    brought.changed.clear()
    brought.vanished(OTHER, prefix, 1.0)
    brought.ceased_to_be_up(OTHER, "ipv4", 1.0)
    assert brought.changed == set()


def test_remembered_prefixes_can_be_handed_on() -> None:
    brought = LearnedPrefixes()
    brought.restore(LINK, "ipv4", frozenset({p("192.0.2.0/26")}))
    assert p("192.0.2.16/28") in brought
    brought.came_up(LINK, "ipv4")
    assert p("192.0.2.16/28") not in brought


def test_recently_vanished_prefixes_can_be_handed_on() -> None:
    before, after = LearnedPrefixes(), LearnedPrefixes()
    appeared(before, LINK, p("192.0.2.0/26"))
    before.vanished(LINK, p("192.0.2.0/26"), 5.0)
    assert before.lately_gone(LINK, "ipv4", 65.1) == {}
    after.restore_gone(LINK, "ipv4", before.lately_gone(LINK, "ipv4", 65.0))
    after.ceased_to_be_up(LINK, "ipv4", 65.0)
    assert after.remembered(LINK, "ipv4") == {p("192.0.2.0/26")}
