"""ermon behind real routers: BIRD 2 and FRR's bgpd."""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ermon.commands import UNDO, WORDS_OF, Question, command
from tests.e2e.bird import NOBODY, Bird
from tests.e2e.daemon import Daemon, EventStream, eventually
from tests.e2e.edge_router import COLLECTOR6, FEEDS, POOL, SHARED, Network
from tests.e2e.frr import Frr

ROUTERS = [pytest.param(router, marks=pytest.mark.xdist_group(router.__name__)) for router in (Bird, Frr)]
FAMILIES = pytest.mark.parametrize("family", ["ipv4", "ipv6"])


@pytest.fixture(scope="module", params=ROUTERS)
def running_network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """One network for all tests of a router, because real routers take seconds to converge."""
    request.param.require()
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        directory = Path(path)
        with Network(request.param(directory), directory).running() as network:
            yield network


@pytest.fixture
def network(running_network: Network) -> Network:
    """The network on a good day."""
    running_network.wait_until_well()
    return running_network


def test_every_route_is_attributed_to_its_link(network):
    daemon = network.daemon
    for feed in FEEDS:
        assert all(daemon.feed(feed)["in_sync"].values())
    assert all(daemon.feed("table")["all_paths"].values()), "ADD-PATH is in force"
    for link, count in (("primary", 1), ("secondary", 2)):
        found = daemon.link("chicago", link)
        assert found["state"] == {"ipv4": "up", "ipv6": "up"}
        assert found["routes"] == {"ipv4": count, "ipv6": count}
        assert found["service_routes"] == {"exchange-online": 2 * count}, "communities are sent"
        assert found["advertised_prefixes"] == {"ipv4": 1, "ipv6": 1}
    pool = daemon.status()["pools"]["chi-outbound"]
    for family in ("ipv4", "ipv6"):
        assert pool["advertised"][family] == {"chicago": {"primary": "yes", "secondary": "yes"}}
        assert pool["on_internet"][family] == {"isp-a": "no"}


def test_link_is_down_when_its_routes_are_withdrawn_and_up_when_they_return(network):
    daemon = network.daemon
    with daemon.listen() as story:
        network.withdraw_from_secondary("ipv6")
        daemon.wait_until(
            lambda: daemon.link("chicago", "secondary")["routes"] == {"ipv4": 2, "ipv6": 1},
            "the withdrawal arrives",
        )
        network.primary.shut_down("MSEE maintenance")
        for family in ("ipv4", "ipv6"):
            daemon.wait_until_raised("link-down", circuit="chicago", link="primary", family=family)
        assert daemon.link("chicago", "primary")["state"] == {"ipv4": "down", "ipv6": "down"}
        assert daemon.link("chicago", "secondary")["state"] == {"ipv4": "up", "ipv6": "up"}
        network.primary.enable()
        network.send_on_secondary("ipv6")
        daemon.wait_until_cleared("link-down")
        assert story.checks_raised() == {"link-down"}
        assert not story.told("raised", "link-down", link="secondary")


@FAMILIES
def test_leak_by_an_error_in_the_outbound_policy_is_raised_and_its_repair_clears_it(network, family):
    daemon = network.daemon
    with daemon.listen() as story:
        network.edge.leak(family)
        leak = daemon.wait_until_raised("pool-leak", family=family)
        assert leak["labels"] == {
            "pool": "chi-outbound",
            "family": family,
            "feed": "isp-a",
            "uplink": "isp-a",
        }
        assert (leak["evidence"]["prefixes"], leak["evidence"]["routers"]) == ([POOL[family]], ["edge-1"])
        network.edge.repair(family)
        daemon.wait_until_cleared("pool-leak")
        assert story.checks_raised() == {"pool-leak"}


def test_a_leak_is_found_and_stopped_with_the_commands_that_ermon_shows(network):
    daemon, edge = network.daemon, network.edge
    edge.leak("ipv4")
    leak = daemon.wait_until_raised("pool-leak", family="ipv4")
    steps = daemon.api(f"findings/{leak['id']}")["steps"]
    asked = [each for step in steps for part in step for each in part["commands"]]
    assert {(each["where"], each["platform"]) for each in asked} == {("edge-1, uplink isp-a", edge.platform)}
    sent, stop, undo, policy = (pasted(each["commands"][edge.platform]) for each in asked)
    assert POOL["ipv4"] in edge.type(sent)
    assert edge.policy in edge.type(policy)
    edge.stop_as_told(stop)
    daemon.wait_until_cleared("pool-leak")
    past = daemon.api(f"findings/{leak['id']}")
    assert past["finding"]["state"] == "cleared"
    edge.undo_as_told(undo)
    daemon.wait_until_raised("pool-leak", family="ipv4")
    edge.repair("ipv4")
    daemon.wait_until_cleared("pool-leak")


@FAMILIES
@pytest.mark.parametrize(
    ("kind", "word", "shown"),
    [
        ("session", None, "stablished"),
        ("capabilities", None, "dvertised|Neighbor capabilities"),
        ("counters", None, "Updates|Import updates"),
        ("policy", None, "TO-MICROSOFT|pool[46]"),
        ("neighbors", None, "127.0.0.21"),
        ("advertised", "POOL", "{pool}"),
        ("advertised-all", None, "{pool}"),
        ("learned", "PREFIX", "{shared}"),
        ("learned-all", None, "{shared}"),
        ("routes", "PREFIX", "{shared}"),
        ("inside", "PREFIX", "{shared}"),
        ("community", "COMMUNITY", "{shared}"),
        ("with-asn", "MICROSOFT", "{shared}"),
        ("originates", None, "{pool}"),
        ("soft-out", None, ""),
        ("soft-in", None, ""),
    ],
)
def test_a_question_is_answered_by_its_command(network, family, kind, word, shown):
    """The primary link's neighbor stands for all, because each question is about one neighbor, or about routes."""
    neighbor = ("MSEE",) if any("MSEE" in words for words in WORDS_OF[kind]) else ()
    text = asked(network, family, kind, *neighbor, *([word] if word else []))
    answer = network.edge.type(text)
    assert re.search(shown.format(pool=POOL[family], shared=SHARED[family]), answer), answer
    assert "nknown command" not in answer


@FAMILIES
def test_routes_of_microsoft_are_found_among_those_that_are_sent(network, family):
    text = asked(network, family, "advertised-asn", "ERMON", "MICROSOFT")
    assert SHARED[family] in network.edge.type(text)


@FAMILIES
def test_routes_before_the_policy_can_be_requested_although_they_are_not_kept(network, family):
    """FRR keeps them with soft-reconfiguration inbound, BIRD the filtered ones with 'import keep filtered'."""
    answer = network.edge.type(asked(network, family, "received", "MSEE", "PREFIX").split(" | grep")[0])
    assert re.search(f"{SHARED[family]}|Inbound soft reconfiguration not enabled", answer)


@FAMILIES
@pytest.mark.parametrize(
    ("running_network", "kind"),
    [
        pytest.param(*change, marks=pytest.mark.xdist_group(change[0].__name__))
        for change in ((Bird, "shut"), (Frr, "stop"), (Frr, "stop-asn"), (Frr, "refuse"), (Frr, "shut"))
    ],
    indirect=["running_network"],
)
def test_a_change_takes_effect_and_undoing_it_restores_everything(network, family, kind):
    """Tests in tests/commands let BIRD read rules in its file. The session that is shut here is one with ermon: the
    router connects again.
    """
    edge = network.edge
    words = {"stop": ("POOL",), "stop-asn": ("MICROSOFT",), "refuse": ("PREFIX",)}.get(kind, ())
    names = {
        "TO-MSEE": {"ipv4": "TO-MICROSOFT", "ipv6": "TO-MICROSOFT6"}[family],
        "FROM-MSEE": "FROM-MICROSOFT",
    }
    neighbor = "ERMON" if kind == "shut" else "MSEE"
    changed, undone = (
        asked(network, family, kind, neighbor, *words),
        asked(network, family, UNDO[kind], neighbor),
    )
    for word, name in names.items():
        changed, undone = changed.replace(word, name), undone.replace(word, name)
    before = edge.settings()
    edge.type(changed)
    assert edge.settings() != before
    edge.type(undone)
    eventually(lambda: edge.settings() == before, "it is as it was")


@pytest.mark.parametrize("running_network", ROUTERS[:1], indirect=True)
def test_a_command_reaches_each_protocol_of_a_neighbor_and_reports_if_there_is_none(network):
    """Only BIRD has protocols, several for a neighbor."""
    edge = network.edge
    before = edge.settings()
    edge.type(asked(network, "ipv4", "shut", "ISP"))
    assert {"nobody-1", "nobody-2"} <= set(edge.settings().splitlines())
    edge.type(asked(network, "ipv4", "enable", "ISP"))
    assert edge.settings() == before
    nobody_has_it = asked(network, "ipv4", "shut", "NEIGHBOR")
    assert edge.type(f"{{ {nobody_has_it}; }} 2>&1") == "BIRD has no protocol with the neighbor NEIGHBOR\n"


def pasted(blocks: list[dict[str, Any]]) -> str:
    """The blocks of a command below each other, with their headings as comments."""
    return "\n".join(
        line
        for each in blocks
        for line in (*([f"# {each['heading']}:"] * bool(each["heading"])), *each["lines"])
    )


def asked(network: Network, family: str, kind: str, *words: str) -> str:
    values = {
        "MSEE": "127.0.0.21",
        "ERMON": COLLECTOR6,
        "ISP": NOBODY,
        "POOL": POOL[family],
        "PREFIX": SHARED[family],
        "COMMUNITY": "12076:5010",
        "OUR-ASN": "64500",
    }
    text = command(network.edge.platform, Question(kind, words), values, family, None)
    assert text is not None
    return text


def test_session_that_the_router_shuts_down_is_lost_for_the_reason_that_it_gives(network):
    with loss_of_sessions(network, "table", "isp-a") as told:
        for feed in ("table", "isp-a"):
            network.edge.shut_down(feed, "planned work")
        for feed in ("table", "isp-a"):
            assert "planned work" in told(feed)
        assert nothing_is_known(network)
        for feed in ("table", "isp-a"):
            network.edge.enable(feed)


def test_reset_of_the_connections_loses_the_sessions_and_nothing_else(network):
    with loss_of_sessions(network, *FEEDS) as told:
        network.lose_sessions_by_reset()
        for feed in FEEDS:
            assert told(feed) == "connection lost, or closed by the router, without a NOTIFICATION"


def test_silence_of_the_router_loses_the_sessions_when_their_hold_time_is_over(network):
    with loss_of_sessions(network, *FEEDS) as told:
        network.edge.process.send_signal(signal.SIGSTOP)
        for feed in FEEDS:
            assert told(feed) == "hold timer expired, sent by ermon"
        assert nothing_is_known(network)
        network.edge.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def loss_of_sessions(network: Network, *feeds: str) -> Iterator[Callable[[str], str]]:
    """Lose sessions while a leak is being raised, and check that ermon reports what it cannot see, and nothing else.

    Yields a function that waits until the loss of a feed is raised, and returns the reason. At the end of the block the
    router can reach ermon again, and everything must be as before.
    """
    daemon = network.daemon
    network.edge.leak("ipv6")
    leak = daemon.wait_until_raised("pool-leak", family="ipv6")
    with daemon.listen() as story:
        yield lambda feed: _reason(daemon, story, feed)
        told_down = [data for kind, data in story.events if kind == "feed" and data["state"] == "down"]
        assert {data["feed"] for data in told_down} == set(feeds)
        assert all(data["routes"] == {"ipv4": 0, "ipv6": 0} for data in told_down), "their routes are gone"
        assert any(
            kind == "link" and data["state"] == {"ipv4": "unknown", "ipv6": "unknown"}
            for kind, data in story.events
        )
        daemon.wait_until_in_sync(*FEEDS)
        for feed in feeds:
            daemon.wait_until(
                lambda feed=feed: story.told("cleared", "feed-down", feed=feed), f"{feed} is seen again"
            )
        daemon.wait_until(lambda: not daemon.findings("pool-leak")[0]["stale"], "the leak is seen again")
        assert daemon.findings("pool-leak")[0]["id"] == leak["id"]
        for link in ("primary", "secondary"):
            assert daemon.link("chicago", link)["state"] == {"ipv4": "up", "ipv6": "up"}
        assert {(t.state, t.check) for t in story.transitions} == {
            ("raised", "feed-down"),
            ("cleared", "feed-down"),
        }, "nothing is said about the network"
        network.edge.repair("ipv6")
        daemon.wait_until_cleared("pool-leak")


def nothing_is_known(network: Network) -> bool:
    """Return whether ermon reports the links and what the uplink receives as unknown."""
    status = network.daemon.status()
    links = status["circuits"]["chicago"]["links"].values()
    on_internet = status["pools"]["chi-outbound"]["on_internet"].values()
    return (
        all(set(link["state"].values()) == {"unknown"} for link in links)
        and all(answer == {"isp-a": "unknown"} for answer in on_internet)
        and network.daemon.findings("pool-leak")[0]["stale"]
    )


def _reason(daemon: Daemon, story: EventStream, feed: str) -> str:
    daemon.wait_until(lambda: story.told("raised", "feed-down", feed=feed), f"the loss of {feed} is told")
    reason: str = story.told("raised", "feed-down", feed=feed)[0].evidence["reason"]
    return reason
