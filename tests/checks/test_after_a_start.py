"""After a start of ermon or ExaBGP, mirrors may come before the edge tables that show whether their links are up."""

from __future__ import annotations

import pytest

from ermon.core.kept_feeds import KeptSessions
from ermon.core.monitor import Monitor
from ermon.core.snapshot import resume, take
from tests.checks.company import SPACES, Company, Space, company
from tests.story import SETTLE

SYNC_TIMEOUT = 120
LINK = {"circuit": "chicago", "link": "primary"}
BOTH_FAMILIES = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
SHOWN = pytest.mark.parametrize(
    "check",
    [
        *("advertised-default", "advertised-not-public", "advertised-link-subnet", "advertised-undeclared"),
        *("advertised-internet-only", "advertised-path", "microsoft-reflected", "pool-wrong-circuit"),
    ],
)


def labels(check: str, space: Space) -> dict[str, str]:
    return (
        {**LINK, "family": space.family} if check in {"pool-wrong-circuit", "advertised-limit-near"} else LINK
    )


def show(net: Company, check: str, space: Space) -> Company:
    """Let the mirror of Chicago's primary link show a route that the check forbids."""
    forbidden, path = {
        "advertised-default": (space.default, "64500"),
        "advertised-not-public": (space.private, "64500"),
        "advertised-link-subnet": (
            f"{space.msee['chicago-primary']}/{32 if space.family == 'ipv4' else 128}",
            "64500",
        ),
        "advertised-undeclared": (space.own_other, "64500"),
        "advertised-internet-only": (space.internet_only, "64500"),
        "advertised-path": (space.pool, "64500 64496"),
        "microsoft-reflected": (space.exchange, "64500 12076"),
        "pool-wrong-circuit": (space.dallas_pool, "64500"),
    }[check]
    pools = [each.pool for each in SPACES.values() if each.pool != forbidden]
    net.up("chicago-primary").announce("chicago-primary", *pools, path="64500")
    return net.announce("chicago-primary", forbidden, path=path).get_in_sync("chicago-primary")


def dead_link() -> Company:
    """One link is down, its pools are still in its mirror, and the routers have not connected again after a restart."""
    return company().converge().process_up().lose("chicago-primary", "ipv4", "ipv6").wait(1000)


def table_comes(net: Company, *links: str) -> Company:
    net.up("edge-1")
    for link in links:
        net.bring(link, "ipv4", "ipv6")
    return net.get_in_sync("edge-1")


@SHOWN
@BOTH_FAMILIES
def test_what_a_dead_link_would_advertise_is_not_raised_after_a_restart(check: str, space: Space) -> None:
    net = show(dead_link().restart().process_up(), check, space)
    assert net.wait(70).status(check, **labels(check, space)) == "unknown"
    table_comes(net)
    assert net.status(check, **labels(check, space)) == "ok"
    assert net.wait(100).told(check) == []


@SHOWN
@BOTH_FAMILIES
def test_what_a_live_link_advertises_is_violated_when_its_table_is_here(check: str, space: Space) -> None:
    net = show(company().converge().process_up().restart().process_up(), check, space)
    assert net.status(check, **labels(check, space)) == "unknown"
    table_comes(net, "chicago-primary")
    assert net.status(check, **labels(check, space)) == "violated"


@SHOWN
def test_it_waits_no_longer_than_the_first_dump_may_take(check: str) -> None:
    space = SPACES["ipv4"]
    net = show(dead_link().restart().process_up(), check, space)
    net.wait(SYNC_TIMEOUT - SETTLE - 0.001)
    assert net.status(check, **labels(check, space)) == "unknown"
    assert net.wait(0.001).status(check, **labels(check, space)) == "violated"


@BOTH_FAMILIES
def test_the_limits_wait_too(space: Space) -> None:
    net = dead_link().restart().process_up().up("chicago-primary")
    net.announce("chicago-primary", *space.many(165), path="64500").get_in_sync("chicago-primary")
    about = labels("advertised-limit-near", space)
    assert net.status("advertised-limit-near", **about) == "unknown"
    table_comes(net, "chicago-primary")
    assert net.status("advertised-limit-near", **about) == "violated"


@BOTH_FAMILIES
def test_two_halves_of_everything_wait_like_a_default(space: Space) -> None:
    net = dead_link().restart().process_up().up("chicago-primary")
    halves = {"ipv4": ("0.0.0.0/1", "128.0.0.0/1"), "ipv6": ("::/1", "8000::/1")}[space.family]
    net.announce("chicago-primary", *halves, path="64500").get_in_sync("chicago-primary")
    assert net.status("advertised-default", **LINK) == "unknown"
    assert table_comes(net).status("advertised-default", **LINK) == "ok"


def test_a_pool_on_the_wrong_link_waits_for_its_own_link() -> None:
    bound = company("nat_pools: {chi: {links: [secondary]}}").converge()
    bound.monitor = Monitor(bound.config, bound.now, sessions=KeptSessions())
    bound.process_up().up("edge-1", "chicago-primary").bring("chicago-primary", "ipv4", "ipv6")
    bound.announce("chicago-primary", SPACES["ipv4"].pool, path="64500").get_in_sync(
        "edge-1", "chicago-primary"
    )
    about = {"pool": "chi", "family": "ipv4", **LINK}
    assert bound.status("pool-wrong-link", **about) == "unknown", "its own link may be down"
    bound.up("edge-2").bring("chicago-secondary", "ipv4", "ipv6").get_in_sync("edge-2")
    assert bound.status("pool-wrong-link", **about) == "violated"


def test_a_link_without_an_edge_table_is_not_waited_for() -> None:
    net = company("feeds: {edge-1: null}")
    net.monitor = Monitor(net.config, net.now, sessions=KeptSessions())
    show(net, "advertised-default", SPACES["ipv4"])
    assert net.raised("advertised-default") == ["advertised-default chicago primary"]


def test_what_is_not_known_any_more_is_not_waited_for_again() -> None:
    net = show(company().converge().process_up().restart().process_up(), "advertised-default", SPACES["ipv4"])
    table_comes(net, "chicago-primary").down("edge-1")
    assert net.status("advertised-default", **LINK) == "violated"


@BOTH_FAMILIES
def test_what_a_dead_link_would_advertise_is_not_raised_when_exabgp_was_started(space: Space) -> None:
    net = dead_link().process_down().wait(1).process_up()
    show(net, "advertised-default", space)
    assert net.status("advertised-default", **LINK) == "unknown"
    assert table_comes(net).wait(100).told("advertised-default") == []


def test_a_link_that_was_up_when_exabgp_ended_is_not_waited_for() -> None:
    net = company().converge().process_up().process_down().wait(1).process_up()
    show(net, "advertised-default", SPACES["ipv6"])
    assert net.raised("advertised-default") == ["advertised-default chicago primary"]


def test_a_reload_and_a_recording_wait_on() -> None:
    net = show(dead_link().restart().process_up(), "advertised-default", SPACES["ipv4"])
    net.reconfigure(company("checks: {churn-high: {enabled: false}}").config)
    assert net.status("advertised-default", **LINK) == "unknown"
    net.monitor = resume(net.config, take(net.monitor), {})
    show(net, "advertised-default", SPACES["ipv4"])
    assert net.status("advertised-default", **LINK) == "unknown"
    net.wait(SYNC_TIMEOUT - 2 * SETTLE)
    assert net.status("advertised-default", **LINK) == "violated"


@BOTH_FAMILIES
def test_what_must_be_advertised_is_in_doubt_after_a_restart_too(space: Space) -> None:
    net = dead_link().restart().process_up().up("chicago-primary")
    net.announce("chicago-primary", space.pool, path="64500").get_in_sync("chicago-primary")
    about = {"pool": "chi", "family": space.family, **LINK}
    assert net.status("pool-not-advertised", **about) == "unknown"
