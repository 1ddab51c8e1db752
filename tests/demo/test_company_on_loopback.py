from __future__ import annotations

import pytest

from ermon.bmp.messages import Kind, write_message
from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import monitored
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.views import missing_views
from ermon.config.load import load_config
from ermon.demo.bmp import Reporter
from ermon.demo.company import MORE_SPECIFIC, POOL, POOL6, SECONDARY, TABLES, Announcement
from ermon.demo.run import CONFIGURATION
from ermon.model.events import DownCause, EndOfRib, SessionDown, SessionUp, Update
from ermon.model.inventory import View
from ermon.model.prefixes import PrefixSet, parse_address, parse_prefix

LOADED = load_config(CONFIGURATION)
CONFIG = LOADED.config


def test_the_configuration_needs_no_view_that_it_lacks() -> None:
    assert LOADED.warnings == ()
    assert not list(missing_views(CONFIG, CATALOGUE.values()))


def test_every_feed_has_a_table_in_both_families() -> None:
    assert TABLES.keys() == CONFIG.exabgp_feeds.keys()
    for table in TABLES.values():
        assert {parse_prefix(route.prefix).family for route in table} == {"ipv4", "ipv6"}


def test_no_route_on_the_internet_overlaps_the_pool_at_first() -> None:
    pool = CONFIG.pools["outbound"]
    for feed in CONFIG.feeds.values():
        if feed.view in {View.TO_INTERNET, View.INTERNET}:
            for route in TABLES[feed.name]:
                assert not any(parse_prefix(route.prefix).overlaps(member) for member in pool.prefixes)


def test_the_pool_is_what_the_routers_announce_to_microsoft() -> None:
    announced = {parse_prefix(route.prefix) for route in (POOL, POOL6)}
    assert announced == set(CONFIG.pools["outbound"].prefixes)
    for feed in CONFIG.feeds.values():
        if feed.view is View.TO_MICROSOFT:
            assert TABLES[feed.name] == (POOL, POOL6)


def test_the_route_outside_is_a_part_of_the_pool() -> None:
    pool = PrefixSet(CONFIG.pools["outbound"].prefixes)
    heard = parse_prefix(MORE_SPECIFIC.prefix)
    assert pool.covers(heard)
    assert heard not in CONFIG.pools["outbound"].prefixes


def test_everything_is_on_loopback_and_no_port_needs_root() -> None:
    bmp = CONFIG.collector.bmp
    assert bmp is not None
    assert all(port >= 1024 for port in (CONFIG.collector.port, *(port for _, port in bmp.listen)))
    addresses = {address for feed in CONFIG.exabgp_feeds.values() for address in (feed.local, feed.peer)}
    addresses |= {address for address, _ in bmp.listen} | {str(router.peer) for router in CONFIG.bmp.values()}
    for address in addresses:
        assert parse_prefix("127.0.0.0/8").contains(parse_address(address).prefix)


def test_the_router_that_reports_its_sessions_sends_what_is_read_as_that() -> None:
    """From the octets of its messages to events, for both families."""
    reporter = Reporter(CONFIG, CONFIG.bmp["edge-2"], SECONDARY)
    sent: list[bytes] = []
    reporter._send = sent.append  # type: ignore[method-assign]
    stream = RouterStream("bmp/edge-2", monitored(CONFIG, "edge-2"))
    stream.take(write_message(Kind.INITIATION, b""), 1.0)
    reporter.bring_up()
    reporter.shut_down("planned work")
    taken = stream.take(b"".join(sent), 2.0)
    assert (taken.rejected, taken.ended) == ([], None)
    for family in ("ipv4", "ipv6"):
        name = f"edge-2/chicago/secondary/{family}"
        said = [event for event in taken.events if getattr(event, "feed", None) == name]
        brought = [route for event in said if isinstance(event, Update) for route in event.announced]
        expected = {parse_prefix(route.prefix) for route in SECONDARY}
        assert {route.prefix for route in brought} == {p for p in expected if p.family == family}
        assert said[0] == SessionUp(2.0, name)
        assert EndOfRib(2.0, name, family) in said
        reason = 'the neighbor sent Cease: administrative shutdown: "planned work"'
        assert said[-1] == SessionDown(2.0, name, reason, DownCause.ADMIN_SHUTDOWN)


@pytest.mark.parametrize(
    ("announcement", "path_id", "text"),
    [
        (
            Announcement("192.0.2.0/26", "203.0.113.2", (12076,), ("12076:5010",)),
            True,
            "192.0.2.0/26 next-hop 203.0.113.2 as-path [ 12076 ] community [ 12076:5010 ] path-information 0.0.0.1",
        ),
        (
            Announcement("2001:db8:40::/48", "2001:db8:ffff::2"),
            False,
            "2001:db8:40::/48 next-hop 2001:db8:ffff::2",
        ),
    ],
)
def test_an_announcement_reads_as_exabgp_wants_it(
    announcement: Announcement, path_id: bool, text: str
) -> None:
    assert announcement.text(path_id=path_id) == text
