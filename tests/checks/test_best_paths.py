"""Routers that send their best paths only: together they prove that all links are down."""

from __future__ import annotations

from tests.checks.company import EXCHANGE, SPACES, Company, Space, company
from tests.story import SOMEWHERE

CHICAGO, DALLAS = {"circuit": "chicago"}, {"circuit": "dallas"}
PRIMARY = {"circuit": "chicago", "link": "primary"}
LINKS = ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary")

BEST_PATHS = "feeds: {edge-1: {add_path: false}, edge-2: {add_path: false}, edge-3: {add_path: false}, edge-4: {add_path: false}}"
IN_A_VRF = """
circuits: {dallas: {vrf: DALLAS}}
feeds: {edge-3: {vrf: DALLAS}, edge-4: {vrf: DALLAS}}
"""


def lose(net: Company, space: Space, *links: str) -> Company:
    for link in links or LINKS:
        net.lose(link, space.family)
    return net


def of_circuit(net: Company, space: Space, circuit: dict[str, str]) -> str:
    return net.status("circuit-down", **circuit, family=space.family)


def test_when_no_router_has_a_route_of_microsofts_every_circuit_is_down(space: Space):
    net = lose(company(BEST_PATHS).converge(), space)
    finding = net.assert_raised_after(5, "circuit-down", **CHICAGO, family=space.family)
    assert finding.evidence["routers"] == ["edge-1", "edge-2"]
    assert of_circuit(net, space, DALLAS) == "violated"
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    assert of_circuit(net, SPACES[other], CHICAGO) == "ok"


def test_it_is_over_when_a_route_is_back(space: Space):
    net = lose(company(BEST_PATHS).converge(), space).wait(60)
    net.bring("chicago-primary", space.family)
    net.assert_cleared_after(30, "circuit-down", **CHICAGO, family=space.family)
    assert of_circuit(net, space, DALLAS) == "unknown"


def test_a_route_that_any_router_has_leaves_the_others_unknown(space: Space):
    net = lose(company(BEST_PATHS).converge(), space, *LINKS[:3])
    assert of_circuit(net.wait(600), space, CHICAGO) == "unknown"
    assert net.raised("link-down", "circuit-down") == []


def test_an_internal_copy_is_a_route_of_microsofts(space: Space):
    addresses = "routers: {edge-4: {addresses: [192.0.2.204, '2001:db8:fe::204']}}"
    net = company(BEST_PATHS, addresses).converge()
    copy = {"ipv4": "192.0.2.204", "ipv6": "2001:db8:fe::204"}
    net.announce("edge-1", space.extra, via=copy, path="12076")
    assert of_circuit(lose(net, space), space, CHICAGO) == "unknown"
    net.withdraw("edge-1", space.extra)
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_every_router_must_be_seen(space: Space):
    net = lose(company(BEST_PATHS).converge(), space).wait(60).down("edge-4")
    assert of_circuit(net, space, CHICAGO) == "unknown"
    assert net.finding("circuit-down", **CHICAGO, family=space.family) is not None  # stale, not cleared
    net.reconnect("edge-4")
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_a_route_of_the_internet_to_the_same_prefix_may_hide_microsofts(space: Space):
    """Another path won, so that it is unknown whether Microsoft's is still there."""
    net = lose(company(BEST_PATHS).converge(), space)
    net.announce("edge-2", space.exchange, path="64510 8075")
    assert of_circuit(net, space, CHICAGO) == "unknown"
    net.withdraw("edge-2", space.exchange)
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_a_route_that_no_check_asks_about_is_known_when_it_may_hide_a_links_route(space: Space):
    (prefix,) = space.many(1)
    net = company(BEST_PATHS).converge().announce("edge-2", prefix, path="64510 8075")
    net.microsoft_sends("chicago-primary", prefix)
    lose(net, space).microsoft_withdraws("chicago-primary", prefix)
    assert of_circuit(net, space, CHICAGO) == "unknown"
    net.withdraw("edge-2", prefix)
    assert of_circuit(net, space, CHICAGO) == "violated"


def hidden(space: Space, *prefixes: str) -> Company:
    """Lose every link, while the internet has a route that one of them had and that no check asks about."""
    net = company(BEST_PATHS).converge().announce("edge-2", *prefixes, path="64510 8075")
    net.microsoft_sends("chicago-primary", *prefixes)
    return lose(net, space).microsoft_withdraws("chicago-primary", *prefixes)


def test_routes_that_are_not_sent_again_hide_nothing_any_more(space: Space):
    one, other = space.many(2)
    net = hidden(space, one, other).refresh_begins("edge-2")
    net.announce("edge-2", one, path="64510 8075").refresh_ends("edge-2")
    assert of_circuit(net, space, CHICAGO) == "unknown", "one was sent again"
    net.refresh_begins("edge-2").refresh_begins("edge-2")
    assert of_circuit(net, space, CHICAGO) == "unknown"
    assert of_circuit(net.refresh_ends("edge-2"), space, CHICAGO) == "violated"


def test_routes_of_a_forgotten_refresh_still_hide_links(space: Space):
    net = hidden(space, *space.many(1)).refresh_begins("edge-2").wait(120).refresh_ends("edge-2")
    assert of_circuit(net, space, CHICAGO) == "unknown"
    net.withdraw("edge-2", *space.many(1))
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_a_route_of_the_internet_to_another_prefix_hides_nothing(space: Space):
    net = lose(company(BEST_PATHS).converge(), space)
    net.announce("edge-2", space.extra, space.exchange_part, path="64510 8075")
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_a_route_on_a_table_with_all_paths_may_be_the_best_path_of_another_router(space: Space):
    """Over iBGP that router has it too, and does not send it on to ermon: it is no route reflector."""
    net = lose(company(BEST_PATHS, "feeds: {edge-2: {add_path: true}}").converge(), space)
    assert of_circuit(net, space, DALLAS) == "violated"
    net.announce("edge-2", space.exchange, path="64510 8075")
    assert of_circuit(net, space, DALLAS) == "unknown"
    net.withdraw("edge-2", space.exchange)
    assert of_circuit(net, space, DALLAS) == "violated"
    net.announce("edge-2", *space.many(1), path="64510 8075")
    assert of_circuit(net, space, DALLAS) == "unknown", "what is not held is not noted where all paths come"


def test_where_all_tables_have_all_paths_none_hides_anything(space: Space):
    net = lose(company().converge(), space)
    net.announce("edge-2", space.exchange, *space.many(1), path="64510 8075")
    assert of_circuit(net, space, CHICAGO) == of_circuit(net, space, DALLAS) == "violated"


def test_a_reload_forgets_nothing_of_it(space: Space):
    (prefix,) = space.many(1)
    net = company(BEST_PATHS).converge().announce("edge-2", prefix, path="64510 8075")
    net.microsoft_sends("chicago-primary", prefix)
    net.reconfigure(company(BEST_PATHS, "policy: {max_drain: 2h}").config)
    lose(net, space).microsoft_withdraws("chicago-primary", prefix)
    assert of_circuit(net, space, CHICAGO) == "unknown"


def test_a_vrf_is_decided_by_its_own_tables(space: Space):
    net = company(BEST_PATHS, IN_A_VRF).converge()
    lose(net, space, "chicago-primary", "chicago-secondary")
    assert of_circuit(net, space, CHICAGO) == "violated"
    assert of_circuit(net, space, DALLAS) == "ok"
    net.announce("edge-3", space.exchange, via=SOMEWHERE, path="12076", communities=EXCHANGE)
    assert of_circuit(net, space, CHICAGO) == "violated"


def test_one_router_with_best_paths_proves_its_circuit_down(space: Space):
    one = """
circuits: {dallas: null, chicago: {links: {secondary: {router: edge-1}}}}
feeds: {edge-1: {add_path: false}, edge-2: null, edge-3: null, edge-4: null, chicago-secondary: {router: edge-1}, dallas-primary: null, dallas-secondary: null}
nat_pools: {dal: null}
"""
    net = company(one).up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange).get_in_sync("edge-1")
    assert of_circuit(net, space, CHICAGO) == "ok"
    assert net.status("link-down", circuit="chicago", link="secondary", family=space.family) == "unknown"
    net.withdraw("edge-1", space.exchange)
    net.assert_raised_after(5, "circuit-down", **CHICAGO, family=space.family)
