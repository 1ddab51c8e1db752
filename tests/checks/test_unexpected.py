"""Routes that must not be received: prefixes that Microsoft must never send, prefixes that are not listed, or too
many.
"""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from ermon.sources.published import with_published
from tests.checks.company import PLANT, SPACES, TEAMS, Company, Space, company

PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
BEST_PATHS = "feeds: {edge-1: {add_path: false}}"
"""The router of Chicago's primary link shows its best paths only."""
VNETS = ", ".join(f"'{space.vnet}'" for space in SPACES.values())

TO_PLANT = {"circuit": "plant", "link": "primary"}


def plant(receive: str = "") -> Company:
    """The company with its private peering, converged; ``receive`` is what that is to receive."""
    changes = f"circuits: {{plant: {{receive: {{{receive}}}}}}}"
    return company(PLANT, changes).converge()


def azure_sends(net: Company, *prefixes: str, path: str = "12076 65515") -> Company:
    return net.microsoft_sends("plant-primary", *prefixes, communities="", path=path)


# prefix-unexpected -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["default", "private", "shared", "documentation", "own", "own_other", "pool", "pool_part"]
)
def test_forbidden_routes_from_microsoft_are_raised_at_once(net: Company, space: Space, what: str):
    prefix = getattr(space, what)
    net.microsoft_sends("chicago-primary", prefix)
    finding = net.assert_raised_after(0, "prefix-unexpected", **PRIMARY)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [prefix]
    assert net.raised() == ["prefix-unexpected chicago primary"]
    net.wait(5).microsoft_withdraws("chicago-primary", prefix)
    net.assert_cleared_after(60, "prefix-unexpected", **PRIMARY)


def test_other_public_space_is_not_unexpected(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra, communities=TEAMS)
    assert net.status("prefix-unexpected", **PRIMARY) == "ok"


def test_an_unexpected_prefix_is_raised_before_end_of_rib_and_ok_only_in_sync(space: Space):
    net = company().up("edge-1", "edge-2")
    assert net.status("prefix-unexpected", **PRIMARY) == "unknown"
    net.microsoft_sends("chicago-primary", space.default)
    net.assert_raised_after(0, "prefix-unexpected", **PRIMARY)
    net.microsoft_withdraws("chicago-primary", space.default)
    assert net.status("prefix-unexpected", **PRIMARY) == "unknown"
    assert net.get_in_sync("edge-1").status("prefix-unexpected", **PRIMARY) == "ok"


def test_a_violation_that_lasts_for_one_message_is_raised(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default).microsoft_withdraws(
        "chicago-primary", space.default
    )
    net.wait(1000)
    assert net.told() == [
        "2.0 raised prefix-unexpected chicago primary",
        "62.0 cleared prefix-unexpected chicago primary",
    ]


def test_an_unexpected_prefix_counts_on_every_feed_that_shows_it(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default, feed="edge-2")
    net.assert_raised_after(0, "prefix-unexpected", **PRIMARY)


def test_best_paths_show_an_unexpected_prefix(space: Space):
    net = company(BEST_PATHS).converge()
    assert net.status("prefix-unexpected", **PRIMARY) == "unknown"  # it may be hidden behind a better path
    net.microsoft_sends("chicago-primary", space.default)
    net.assert_raised_after(0, "prefix-unexpected", **PRIMARY)


def test_our_own_default_route_is_not_microsofts(net: Company, space: Space):
    net.announce("edge-1", space.default, path="64510")
    net.announce("edge-1", space.own, path="")
    assert net.wait(100).raised() == []


def test_our_own_space_may_come_back_on_purpose(space: Space):
    brought = f"circuits: {{chicago: {{receive: {{own_prefixes: ['{space.own_other}']}}}}}}"
    net = company(brought).converge().microsoft_sends("chicago-primary", space.own_other)
    assert net.status("prefix-unexpected", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.own)
    assert net.status("prefix-unexpected", **PRIMARY) == "violated", "more of it than that"


@pytest.mark.parametrize("what", ["default", "own", "own_other", "pool"])
def test_forbidden_routes_from_azure_are_raised_at_once(space: Space, what: str):
    prefix = getattr(space, what)
    net = azure_sends(plant(), prefix)
    finding = net.assert_raised_after(0, "prefix-unexpected", **TO_PLANT)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [prefix]
    net.wait(5).microsoft_withdraws("plant-primary", prefix)
    net.assert_cleared_after(60, "prefix-unexpected", **TO_PLANT)


def test_private_space_is_what_private_peering_is_for(space: Space):
    assert azure_sends(plant(), space.private).status("prefix-unexpected", **TO_PLANT) == "ok"


def test_a_default_route_may_be_allowed_on_private_peering(space: Space):
    net = azure_sends(plant("allow_default: true, vnets: [10.0.0.0/8, 'fd00::/8']"), space.default)
    assert net.status("prefix-unexpected", **TO_PLANT) == "ok"
    assert net.status("prefix-unlisted", **TO_PLANT) == "ok"


def test_a_site_in_azures_space_is_no_mistake_where_the_virtual_networks_say_so(space: Space):
    net = azure_sends(plant(f"vnets: ['{space.own}', {VNETS}]"), space.own_other)
    assert net.status("prefix-unexpected", **TO_PLANT) == "ok"
    assert net.status("prefix-unlisted", **TO_PLANT) == "ok"


# prefix-unlisted -------------------------------------------------------------------------------------

LISTED = "circuits: {chicago: {receive: {only_listed: true, services: ['12076:5020']}}}"


def test_a_route_that_nothing_lists_is_noticed_after_half_a_minute(space: Space):
    net = company(LISTED).converge()
    assert net.status("prefix-unlisted", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.exchange_part, communities=TEAMS)  # inside a listed prefix
    assert net.status("prefix-unlisted", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.extra, communities=TEAMS)
    finding = net.assert_raised_after(30, "prefix-unlisted", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.extra]
    assert net.raised("prefix-unexpected") == []
    net.wait(5).microsoft_withdraws("chicago-primary", space.extra)
    net.assert_cleared_after(60, "prefix-unlisted", **PRIMARY)


@pytest.mark.parametrize("what", ["default", "private", "own", "pool"])
def test_an_unexpected_prefix_is_not_also_unlisted(space: Space, what: str):
    net = company(LISTED).converge().microsoft_sends("chicago-primary", getattr(space, what))
    assert net.status("prefix-unexpected", **PRIMARY) == "violated"
    assert net.wait(100).status("prefix-unlisted", **PRIMARY) == "ok"


def test_without_a_list_nothing_is_unlisted(net: Company):
    assert net.subjects("prefix-unlisted") == []


def test_a_route_outside_the_virtual_networks_is_unlisted(space: Space):
    net = azure_sends(plant(f"vnets: [{VNETS}], prefixes: ['{space.shared}']"), space.shared)
    assert net.status("prefix-unlisted", **TO_PLANT) == "ok"
    azure_sends(net, space.extra)
    assert net.assert_raised_after(30, "prefix-unlisted", **TO_PLANT).evidence["prefixes"] == [space.extra]


def test_the_community_of_its_region_makes_no_route_listed_beside_the_virtual_networks(space: Space):
    """Every route from a region has it, so that no virtual network there would ever be unlisted."""
    region = "12076:50004"
    net = plant(f"vnets: [{VNETS}], services: ['{region}']")
    net.microsoft_sends("plant-primary", space.extra, communities=region, path="12076 65515")
    net.assert_raised_after(30, "prefix-unlisted", **TO_PLANT)
    net = plant(f"only_listed: true, prefixes: [{VNETS}], services: ['{region}']")
    net.microsoft_sends("plant-primary", space.extra, communities=region, path="12076 65515")
    assert net.status("prefix-unlisted", **TO_PLANT) == "ok"


def test_a_list_that_has_not_been_read_is_unknown(space: Space):
    unread = "sources: [{kind: m365, from: 'https://lists.example.net/m365.json'}]"
    net = company(f"circuits: {{chicago: {{receive: {{only_listed: true, {unread}}}}}}}")
    net = Company(with_published(net.config, {})).converge()
    net.microsoft_sends("chicago-primary", space.extra, communities=TEAMS)
    assert net.status("prefix-unlisted", **PRIMARY) == "unknown"


def test_an_unlisted_prefix_is_ok_only_in_sync(space: Space):
    net = company(LISTED).up("edge-1", "edge-2")
    assert net.status("prefix-unlisted", **PRIMARY) == "unknown"
    net.microsoft_sends("chicago-primary", space.extra, communities=TEAMS)
    assert net.status("prefix-unlisted", **PRIMARY) == "violated"
    net.microsoft_withdraws("chicago-primary", space.extra).get_in_sync("edge-1")
    assert net.status("prefix-unlisted", **PRIMARY) == "ok"


# received-limit-near, received-limit-reached ---------------------------------------------------------


def limited(space: Space) -> tuple[dict[str, str], int]:
    return {**TO_PLANT, "family": space.family}, {"ipv4": 1000, "ipv6": 100}[space.family]


def test_eighty_percent_of_what_a_gateway_takes_are_near_its_limit(space: Space):
    labels, limit = limited(space)
    net = azure_sends(plant(), *space.many(limit * 80 // 100 - 2))
    assert net.status("received-limit-near", **labels) == "ok"
    azure_sends(net, space.extra, path="12076")
    finding = net.assert_raised_after(0, "received-limit-near", **labels)
    assert finding.severity is Severity.INFO
    assert (finding.evidence["received"], finding.evidence["limit"]) == (limit * 80 // 100, limit)
    net.wait(5).microsoft_withdraws("plant-primary", space.extra)
    net.assert_cleared_after(60, "received-limit-near", **labels)


def test_ninety_five_percent_reach_it(space: Space):
    labels, limit = limited(space)
    net = azure_sends(plant(), *space.many(limit * 95 // 100 - 2))
    assert net.status("received-limit-reached", **labels) == "ok"
    azure_sends(net, space.extra)
    finding = net.assert_raised_after(0, "received-limit-reached", **labels)
    assert finding.severity is Severity.WARNING
    assert net.status("received-limit-near", **labels) == "suppressed"
    net.wait(5).microsoft_withdraws("plant-primary", space.extra)
    net.assert_cleared_after(60, "received-limit-reached", **labels)


def test_several_gateways_take_more(space: Space):
    labels, limit = limited(space)
    net = azure_sends(plant("gateways: 2"), *space.many(limit))
    assert net.status("received-limit-near", **labels) == "ok"


def test_routes_from_elsewhere_are_not_a_virtual_networks(space: Space):
    labels, limit = limited(space)
    net = azure_sends(plant(), *space.many(limit), path="12076 12076 64900")
    assert net.status("received-limit-near", **labels) == "ok"


def test_the_limit_is_of_private_peering_and_unknown_out_of_sync(space: Space):
    labels, limit = limited(space)
    assert company().subjects("received-limit-near") == []
    net = company(PLANT).up("edge-5")
    assert net.status("received-limit-near", **labels) == "unknown"
    azure_sends(net, *space.many(limit))
    assert net.status("received-limit-near", **labels) == "suppressed"
