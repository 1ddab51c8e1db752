"""`ermon run` when it, its children or its files are damaged, stopped or killed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import bgp
from tests.bgp import SessionRefusedError, Speaker
from tests.e2e.company import (
    EDGES,
    EXCHANGE,
    MSEE,
    OURS,
    PART_OF_POOL,
    PUBLISHED,
    Company,
    bring,
    configuration,
    own_network,
)
from tests.e2e.daemon import BOTH_DIALECTS, PATIENCE, STOP_SECONDS, Daemon, eventually
from tests.e2e.netns import namespace

MANY_UPDATES = int(os.environ.get("ERMON_MANY_UPDATES", "5000"))
"""UPDATEs that a router sends while ermon is stopped: more than one turn of an ExaBGP process."""
REFUSAL_SECONDS = 1.0
"""A wrongly signed connection gets no answer at all; it counts as refused after this time."""
FAMILIES = pytest.mark.parametrize("family", ["ipv4", "ipv6"])


@pytest.fixture
def settings() -> dict:
    """The company's configuration, on addresses of this test."""
    return configuration(own_network())


@pytest.fixture
def company(directory, settings) -> Iterator[Company]:
    """The company on a good day."""
    with Company(directory, settings).running() as company:
        yield company


# ermon itself stands still ---------------------------------------------------------------------------


@BOTH_DIALECTS
def test_nothing_is_lost_while_ermon_is_stopped(directory, settings):
    settings["collector"]["hold_time"] = "3s"
    settings["checks"]["link-down"]["raise_after"] = "3s"
    with Company(directory, settings).running() as company, company.daemon.listen() as story:
        daemon, sessions = company.daemon, company.sessions()
        updates = daemon.feed("edge-2-msee")["updates"]
        lose_link(company, "edge-1")
        daemon.wait_until(
            lambda: set(daemon.link("chicago", "primary")["state"].values()) == {"down"}, "the loss is seen"
        )
        with daemon.stopped():  # the loss would be raised soon, and is repaired before
            mend_link(company, "edge-1")
            company.leak(PART_OF_POOL["ipv4"])
            change_often(company, "edge-2-msee", MANY_UPDATES)
            company.repair(PART_OF_POOL["ipv4"])
            company.leak(PART_OF_POOL["ipv6"])
            lose_link(company, "edge-2")
            kept_alive = wait_for_keepalives(company, 0)
            wait_for_keepalives(company, kept_alive + 5)
            mend_link(company, "edge-2")
            wait_for_keepalives(company, kept_alive + 9)  # three hold times
        for check, labels in (
            ("pool-leak", {"family": "ipv4"}),
            ("link-down", {"family": "ipv4", "link": "secondary"}),
            ("link-down", {"family": "ipv6", "link": "secondary"}),
        ):
            daemon.wait_until(
                lambda check=check, labels=labels: story.told("cleared", check, **labels),
                f"what came and went is told: {check} {labels}",
            )
        daemon.wait_until_raised("pool-leak", family="ipv6")
        daemon.wait_until(
            lambda: daemon.feed("edge-2-msee")["updates"] == updates + MANY_UPDATES, "every update is there"
        )
        assert story.checks_raised() == {"pool-leak", "link-down"}
        assert not story.told("raised", "link-down", link="primary"), "it was mended in time"
        assert company.sessions() == sessions, "no session ended"
        assert daemon.metric("ermon_feed_lost_messages_total") == 0
        assert daemon.metric("ermon_exabgp_restarts_total") == 0


def wait_for_keepalives(company: Company, count: int) -> int:
    """Wait until every router has received this number of keepalives from ExaBGP, which sends one a second; return the
    number.
    """

    def fewest() -> int:
        return min(router.keepalives() for router in company.routers.values())

    eventually(lambda: fewest() >= count, "ExaBGP keeps every session alive")
    return fewest()


def lose_link(company: Company, feed: str) -> None:
    company.routers[feed].withdraw(*EXCHANGE.values(), path_id=1)


def mend_link(company: Company, feed: str) -> None:
    for family, msee in MSEE[feed].items():
        bring(company.routers[feed], msee, EXCHANGE[family])


def change_often(company: Company, feed: str, times: int) -> None:
    """Announce one prefix repeatedly, each time with another path."""
    for number in range(times):
        company.routers[feed].announce(PUBLISHED["ipv4"], next_hop=OURS["ipv4"], as_path=[64500], med=number)


# Its children die ------------------------------------------------------------------------------------


@BOTH_DIALECTS
@FAMILIES
def test_killed_exabgp_is_reported_and_restarted_and_the_leak_is_found_again(company, family):
    daemon, sessions = company.daemon, company.sessions()
    company.leak(PART_OF_POOL[family])
    leak = daemon.wait_until_raised("pool-leak", family=family)
    with daemon.listen() as story:
        os.kill(daemon.exabgp_pid("edges"), signal.SIGKILL)
        daemon.wait_until(
            lambda: story.told("raised", "exabgp-down", process="edges"), "exabgp-down is raised"
        )
        company.wait_for_new_sessions(sessions, *EDGES)
        daemon.wait_until(lambda: story.told("cleared", "exabgp-down", process="edges"), "it is cleared")
        daemon.wait_until_in_sync(*EDGES)
        daemon.wait_until(lambda: not daemon.findings("pool-leak")[0]["stale"], "the leak is seen again")
        assert daemon.findings("pool-leak")[0]["id"] == leak["id"], "it is the leak that was raised before"
        assert story.checks_raised() <= {"exabgp-down", "feed-down"}, "nothing is said about the network"
        assert company.routers["outside"].sessions == sessions["outside"], "the other process lives on"
        assert daemon.metric("ermon_exabgp_restarts_total", process="edges") == 1


@BOTH_DIALECTS
def test_leak_that_arrives_while_the_relay_is_dead_is_raised_though_nothing_follows(company):
    daemon, sessions = company.daemon, company.sessions()
    relay = daemon.relay_pid("edges")
    with daemon.listen() as story:
        os.kill(relay, signal.SIGSTOP)
        with Path(f"/proc/{relay}/fd/0").open("rb") as pipe:
            before = unread(pipe.fileno())
            company.leak(PART_OF_POOL["ipv6"])
            eventually(
                lambda: unread(pipe.fileno()) > before + 100, "ExaBGP has written what nobody will read"
            )
            os.kill(relay, signal.SIGKILL)
        daemon.wait_until(lambda: story.told("raised", "pool-leak", family="ipv6"), "the leak is found")
        for feed in EDGES:
            daemon.wait_until(
                lambda feed=feed: story.told("raised", "feed-lost-messages", feed=feed),
                "the loss is told of each of its feeds",
            )
        assert not story.told("raised", "feed-lost-messages", feed="outside")
        company.wait_for_new_sessions(sessions, *EDGES)
        daemon.wait_until_cleared("feed-lost-messages")
        assert story.checks_raised() <= {"pool-leak", "feed-lost-messages", "feed-down"}
        assert company.routers["outside"].sessions == sessions["outside"]
        assert daemon.metric("ermon_exabgp_restarts_total") == 0


def unread(pipe: int) -> int:
    """Return the number of bytes that wait in a pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


@BOTH_DIALECTS
def test_killed_ermon_leaves_nothing_behind_and_starts_again_on_the_same_files(company):
    daemon, sessions = company.daemon, company.sessions()
    company.leak(PART_OF_POOL["ipv4"])
    daemon.wait_until_raised("pool-leak", family="ipv4")
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.wait_until_raised("pool-leak", family="ipv4")
    company.wait_for_new_sessions(sessions, *company.routers)
    daemon.wait_until_in_sync(*company.routers)
    assert {f["check"] for f in daemon.api("findings?state=raised")} == {"pool-leak"}


# More than the relay can hold ------------------------------------------------------------------------


@BOTH_DIALECTS
def test_leak_that_the_relay_had_to_drop_is_found(directory, settings):
    flood = 5000  # more than sockets can buffer, also of raw UPDATEs
    limit = "--relay.buffer-limit=65536"
    with Company(directory, settings, limit).running() as company, company.daemon.listen() as story:
        daemon, sessions = company.daemon, company.sessions()
        with daemon.stopped():
            change_often(company, "edge-1-isp-a", flood)
            company.leak(PART_OF_POOL["ipv6"])
            change_often(company, "edge-1-isp-a", flood)
            eventually(
                lambda: unread_by_exabgp(company.routers["edge-1-isp-a"]) == 0, "ExaBGP has read it all"
            )
        daemon.wait_until(lambda: story.told("raised", "pool-leak", family="ipv6"), "the leak is found")
        for feed in EDGES:
            daemon.wait_until(
                lambda feed=feed: story.told("raised", "feed-lost-messages", feed=feed),
                "nobody can tell whose messages were dropped",
            )
        assert daemon.metric("ermon_relay_dropped_lines_total", process="edges") > 0
        company.wait_for_new_sessions(sessions, *EDGES)
        daemon.wait_until_cleared("feed-lost-messages")
        assert story.checks_raised() <= {"pool-leak", "feed-lost-messages", "feed-down"}
        assert company.routers["outside"].sessions == sessions["outside"]


def unread_by_exabgp(router) -> int:
    """Return the bytes of a router's session that ExaBGP has not read: in the router's socket and in ExaBGP's."""
    speaker = router.speaker
    local, remote = speaker._sock.getsockname(), speaker._sock.getpeername()
    waiting = 0
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        ends, queues = line.split()[1:3], line.split()[4].split(":")
        here, there = (tcp_end(end) for end in ends)
        if {here, there} == {local, remote}:
            waiting += int(queues[1 if here == remote else 0], 16)
    return waiting


def tcp_end(text: str) -> tuple[str, int]:
    """Parse an address of /proc/net/tcp: ``0100007F:06FE``, in this machine's byte order."""
    address, port = text.split(":")
    return socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)


# Reload ----------------------------------------------------------------------------------------------


def reload_by_signal(daemon: Daemon) -> None:
    before = len(daemon.logged("configuration reloaded"))
    daemon.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: len(daemon.logged("configuration reloaded")) > before, "ermon reloads")


def reload_by_request(daemon: Daemon) -> None:
    answer = daemon.request("POST", "/-/reload")
    assert answer.status == 200, answer.text


RELOADS = pytest.mark.parametrize("reload", [reload_by_signal, reload_by_request], ids=["SIGHUP", "POST"])


@BOTH_DIALECTS
@RELOADS
def test_reload_keeps_the_sessions_of_feeds_that_did_not_change(company, reload):
    daemon, settings, sessions = company.daemon, company.settings, company.sessions()
    feeds = settings["feeds"]
    before = daemon.status()["feeds"]
    settings["uplinks"]["isp-b"] = {"router": "edge-2", "asn": 64511}
    feeds["edge-2-isp-b"] = feeds["edge-1-isp-a"] | {
        "router": "edge-2",
        "uplink": "isp-b",
        "peer": feeds["edge-2"]["peer"],
    }
    feeds["edge-1-isp-a"]["local_asn"] = 65013
    del feeds["edge-2-msee"]
    daemon.configure(settings)
    reload(daemon)
    company.wait_for_new_sessions(sessions, "edge-1-isp-a")
    with company.router("edge-2-isp-b"):
        daemon.wait_until_in_sync("edge-1-isp-a", "edge-2-isp-b")
        after = daemon.status()["feeds"]
    assert set(after) == set(feeds)
    for unchanged in ("edge-1", "edge-2", "edge-1-msee", "outside"):
        assert company.routers[unchanged].sessions == sessions[unchanged]
        for fact in ("since", "updates", "in_sync", "routes", "lost_messages"):
            assert after[unchanged][fact] == before[unchanged][fact]
    assert company.routers["edge-2-msee"].sessions == sessions["edge-2-msee"]
    assert not company.routers["edge-2-msee"].speaker.is_up
    assert 'feed="edge-2-msee"' not in daemon.get("/metrics").text
    assert daemon.metric("ermon_exabgp_restarts_total") == 0
    assert daemon.metric("ermon_config_last_reload_successful") == 1


@BOTH_DIALECTS
@RELOADS
def test_reload_of_the_policy_alone_judges_again_and_affects_no_session(company, reload):
    daemon, sessions = company.daemon, company.sessions()
    files = {path: path.stat() for path in daemon.runtime.glob("*/exabgp.conf")}
    company.settings["nat_pools"]["published"] = {"circuit": "chicago", "prefixes": [PUBLISHED["ipv6"]]}
    daemon.configure(company.settings)
    reload(daemon)
    daemon.wait_until_raised("pool-leak", pool="published", family="ipv6", feed="edge-1-isp-a")
    del company.settings["nat_pools"]["published"]
    daemon.configure(company.settings)
    reload(daemon)
    daemon.wait_until_cleared("pool-leak")
    assert company.sessions() == sessions
    assert {path: path.stat() for path in daemon.runtime.glob("*/exabgp.conf")} == files, (
        "ExaBGP was left alone"
    )


def test_invalid_configuration_changes_nothing_and_all_its_errors_are_reported(company):
    daemon, sessions = company.daemon, company.sessions()
    before = daemon.status()
    company.settings["nat_pools"]["chi-outbound"]["circuit"] = "chicgo"
    company.settings["collector"]["hold_time"] = "1s"
    daemon.configure(company.settings)
    answer = daemon.request("POST", "/-/reload")
    assert answer.status == 400
    for place in ("nat_pools.chi-outbound.circuit: ", "collector.hold_time: "):
        assert any(
            line.startswith(f"{daemon.config_file}:") and place in line for line in answer.text.splitlines()
        )
    daemon.send_signal(signal.SIGHUP)
    daemon.wait_until(
        lambda: len(daemon.logged("reload refused")) == 2 * len(answer.text.splitlines()),
        "the log says so too",
    )
    assert [line["problem"] for line in daemon.logged("reload refused")] == 2 * answer.text.splitlines()
    assert daemon.metric("ermon_config_last_reload_successful") == 0
    after = daemon.status()
    for kept in ("circuits", "pools", "processes"):
        assert after[kept] == before[kept]
    assert company.sessions() == sessions


@BOTH_DIALECTS
def test_reload_that_adds_a_listening_address_costs_no_other_session(company):
    daemon, sessions = company.daemon, company.sessions()
    feed = company.settings["feeds"]["edge-2-msee"]
    feed["local"] = feed["local"].rpartition(".")[0] + ".3"
    daemon.configure(company.settings)
    reload_by_request(daemon)
    with company.router("edge-2-msee"):
        daemon.wait_until_in_sync(*EDGES)
    others = sessions.keys() - {"edge-2-msee"}
    assert {name: company.sessions()[name] for name in others} == {name: sessions[name] for name in others}
    assert not daemon.logged("restarting exabgp")


# Who may speak ---------------------------------------------------------------------------------------


def test_without_the_right_key_there_is_no_session_on_any_address(directory, settings):
    bgp.require(bgp.supports_md5(), "TCP MD5 signatures")
    del settings["feeds"]["outside"]
    settings["feeds"]["edge-1-msee"] |= {"peer": "2001:db8:fe::11", "local": "2001:db8:fe::2"}
    for feed in settings["feeds"].values():
        feed["md5_password_file"] = f"{feed['router']}.key"
    keys = {"edge-1": "the first key", "edge-2": "the second key"}
    for router, key in keys.items():
        (directory / f"{router}.key").write_text(f"{key}\n")
    with namespace("2001:db8:fe::2/128", "2001:db8:fe::11/128"):
        company = Company(directory, settings)
        for name, router in company.routers.items():
            router.speaker.password = keys[settings["feeds"][name]["router"]]
        with company.running():
            assert_only_the_key_opens(company, None)
            assert_only_the_key_opens(company, "another key")
            assert "the first key" not in company.daemon.log_file.read_text()
            sessions = company.sessions()
            settings["feeds"]["edge-1-isp-a"]["local_asn"] = 65013
            company.daemon.configure(settings)
            reload_by_request(company.daemon)
            company.wait_for_new_sessions(sessions, "edge-1-isp-a")
            assert_only_the_key_opens(company, "another key")
            assert_only_the_key_opens(company, None)


def assert_only_the_key_opens(company: Company, password: str | None) -> None:
    """Try a key, or none, on every address of the daemon, as each of its routers."""

    def opens(feed: dict) -> bool:
        port = company.settings["collector"]["port"]
        intruder = Speaker(feed["peer"], feed["local"], port, asn=feed["peer_asn"], password=password)
        with contextlib.closing(intruder), contextlib.suppress(OSError, SessionRefusedError):
            intruder.attempt(REFUSAL_SECONDS)
            return True
        return False

    feeds = company.settings["feeds"]
    with concurrent.futures.ThreadPoolExecutor(len(feeds)) as pool:
        assert dict(zip(feeds, pool.map(opens, feeds.values()), strict=True)) == dict.fromkeys(feeds, False)


# Start and stop --------------------------------------------------------------------------------------


def test_termination_does_not_wait_for_clients_of_the_event_stream(company):
    daemon = company.daemon
    with daemon.listen() as story:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.process.wait(STOP_SECONDS) == 0
        daemon.wait_until_nothing_is_left()
        assert story.ended.wait(PATIENCE)


def test_taken_web_port_is_an_error_that_names_it(directory, settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with Daemon(directory, settings, f"--web.listen-address={address}") as daemon:
            assert daemon.launch().wait(PATIENCE) == 3
            assert f"ermon: --web.listen-address={address}: cannot listen there: " in daemon.log_end()


def test_bgp_port_in_use_is_reported_and_used_when_it_becomes_free(directory, settings):
    port = settings["collector"]["port"]
    company = Company(directory, settings)
    daemon, there = company.daemon, company.routers["edge-1-isp-a"]
    problem = (
        f"cannot listen on {settings['feeds']['edge-1']['local']}:{port}: "
        f"another program listens there; `ss -ltnp 'sport = :{port}'` says what"
    )
    with daemon, contextlib.ExitStack() as routers:
        with socket.create_server((settings["feeds"]["edge-1"]["local"], port)):
            daemon.start()  # ready, because ermon can listen for other feeds
            routers.enter_context(there)
            daemon.wait_until_in_sync("edge-1-isp-a")
            for feed in ("edge-1", "edge-2"):
                daemon.wait_until(
                    lambda feed=feed: (
                        daemon.wait_until_raised("feed-down", feed=feed)["evidence"].get("reason") == problem
                    ),
                    f"it is said of {feed}, whose port it is",
                )
            assert [line["reason"] for line in daemon.logged("cannot listen on address")] == [problem]
            assert not daemon.findings("exabgp-down")
        for name in ("edge-1", "edge-2"):
            routers.enter_context(company.routers[name])
        daemon.wait_until_in_sync("edge-1", "edge-2")
        assert there.sessions == 1
        assert daemon.metric("ermon_exabgp_restarts_total") == 0
