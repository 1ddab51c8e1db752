"""Addresses on which ermon cannot listen, and unknown routers: neither affects any other feed."""

from __future__ import annotations

import copy
import signal
import socket

import pytest

from tests import bgp
from tests.bgp import Speaker
from tests.e2e.company import EDGES, Company, configuration, own_network
from tests.e2e.daemon import Daemon, eventually

pytestmark = pytest.mark.slow

ABSENT = "192.0.2.77"


@pytest.fixture
def settings():
    return configuration(own_network())


def problem_of(address, port, why):
    return f"cannot listen on {address}:{port}: {why}"


def reload(daemon, said):
    """Reload, and wait until the log has one more line with the result."""
    before = len(daemon.logged(said))
    daemon.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: len(daemon.logged(said)) > before, said)
    return daemon.logged(said)[before:]


def test_reload_with_an_address_of_another_machine_is_refused_and_changes_nothing(directory, settings):
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        port = settings["collector"]["port"]
        wrong = copy.deepcopy(settings)
        wrong["feeds"]["edge-2-msee"]["local"] = ABSENT
        wrong["checks"]["feed-down"] = {"raise_after": "9s"}
        daemon.configure(wrong)
        (refused,) = reload(daemon, "reload refused")
        assert refused["problem"] == "feeds.edge-2-msee.local: " + problem_of(
            ABSENT, port, f"not an address of this machine; `ip address add {ABSENT}/32 dev DEVICE`"
        )
        assert company.sessions() == sessions
        assert daemon.metric("ermon_config_last_reload_successful") == 0
        daemon.configure(settings)
        reload(daemon, "configuration reloaded")
        assert company.sessions() == sessions
        assert daemon.api("findings?state=raised") == []


def test_reload_with_a_port_in_use_is_refused(directory, settings):
    port = settings["collector"]["port"]
    with Company(directory, settings).running() as company:
        daemon, other = company.daemon, settings["feeds"]["edge-1"]["local"].rpartition(".")[0] + ".77"
        with socket.create_server((other, port)):
            wrong = copy.deepcopy(settings)
            wrong["feeds"]["edge-2-msee"]["local"] = other
            daemon.configure(wrong)
            (refused,) = reload(daemon, "reload refused")
        why = f"another program listens there; `ss -ltnp 'sport = :{port}'` says what"
        assert refused["problem"] == f"feeds.edge-2-msee.local: {problem_of(other, port, why)}"


def test_reload_that_adds_and_removes_an_address_costs_no_session_on_another(directory, settings):
    network = settings["feeds"]["edge-1"]["local"].rpartition(".")[0]
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        more = copy.deepcopy(settings)
        feed = more["feeds"]["edge-1-isp-a"]
        more["feeds"]["edge-1-more"] = {
            **{
                key: feed[key]
                for key in ("peer", "peer_asn", "local_asn", "families", "view", "uplink", "router")
            },
            "local": f"{network}.77",
        }
        daemon.configure(more)
        reload(daemon, "configuration reloaded")
        speaker = Speaker(feed["peer"], f"{network}.77", settings["collector"]["port"], asn=64500)
        with speaker:
            daemon.wait_until(lambda: daemon.feed("edge-1-more")["state"] == "up", "the new feed is up")
            daemon.configure(settings)
            reload(daemon, "configuration reloaded")
        assert company.sessions() == sessions
        assert daemon.metric("ermon_exabgp_restarts_total") == 0
        assert not daemon.logged("BGP updates lost")


def test_start_continues_without_an_address_of_another_machine_and_says_why(directory, settings):
    settings["feeds"]["edge-2-msee"]["local"] = ABSENT
    company = Company(directory, settings)
    del company.routers["edge-2-msee"]
    with company.daemon as daemon:
        daemon.start()

        def reason():
            return daemon.wait_until_raised("feed-down", feed="edge-2-msee")["evidence"].get("reason", "")

        daemon.wait_until(
            lambda: reason().startswith(f"cannot listen on {ABSENT}:"), "the reason is evidence"
        )
        assert daemon.feed("edge-2-msee")["down_reason"] == reason()
        with company.routers["edge-1"]:
            daemon.wait_until_in_sync("edge-1")
        assert daemon.get("/-/ready").status == 200


def test_ermon_is_not_ready_without_any_listener_and_recovers_by_itself(directory, settings):
    locals_ = {feed["local"] for feed in settings["feeds"].values()}
    daemon = Daemon(directory, settings)
    held = [socket.create_server((local, settings["collector"]["port"])) for local in locals_]
    with daemon:
        daemon.launch()
        daemon.wait_for_web()
        daemon.wait_until(
            lambda: "another program listens there" in daemon.get("/-/ready").text, "ermon says why"
        )
        assert daemon.get("/-/ready").status == 503
        for sock in held:
            sock.close()
        daemon.wait_until_ready()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_router_that_connects_from_an_address_that_no_feed_has_is_named(directory, settings, family):
    network = settings["feeds"]["edge-1"]["local"].rpartition(".")[0]
    settings["collector"]["reconnect_grace"] = "1s"  # after a start, routers have this long to connect
    local, peer, stranger = f"{network}.1", f"{network}.11", f"{network}.99"
    if family == "ipv6":
        local, peer, stranger = "::1", "::2", "::1"
        settings["feeds"]["edge-1"].update(local=local, peer=peer)
    with Daemon(directory, settings) as daemon:
        daemon.start()
        assert daemon.metric("ermon_refused_connections_total", port="bgp") == 0
        for _ in range(3):
            with pytest.raises((bgp.SessionRefusedError, OSError)):
                Speaker(stranger, local, settings["collector"]["port"], asn=64500).attempt()
        daemon.wait_until(lambda: daemon.metric("ermon_refused_connections_total") == 3, "all are counted")
        said = (
            f"A router at {stranger} tries to connect to {local} and no feed has this pair: "
            "is update-source missing on edge-1?"
        )
        (line,) = daemon.logged("connection refused")
        assert line["problem"] == (said if family == "ipv6" else said.replace("edge-1?", "edge-1 or edge-2?"))
        daemon.wait_until(
            lambda: daemon.wait_until_raised("feed-down", feed="edge-1")["evidence"].get("refused") == [said],
            "it is evidence",
        )


def test_wrong_asn_is_the_reason_of_the_latest_attempt(directory, settings):
    with Company(directory, settings).running() as company:
        daemon, changed = company.daemon, copy.deepcopy(settings)
        changed["feeds"]["edge-1-isp-a"]["peer_asn"] = 64999
        daemon.configure(changed)
        reload(daemon, "configuration reloaded")
        wanted = "OPEN refused by ermon: bad peer AS (the router says 64500, the feed says 64999)"
        eventually(lambda: daemon.feed("edge-1-isp-a")["down_reason"] == wanted, wanted)
        daemon.configure(settings)
        reload(daemon, "configuration reloaded")
        daemon.wait_until_in_sync(*EDGES)


def test_address_moves_from_one_exabgp_to_another(directory, settings):
    with Company(directory, settings).running() as company:
        daemon, sessions, changed = company.daemon, company.sessions(), copy.deepcopy(settings)
        changed["feeds"]["outside"]["local"] = changed["feeds"].pop("edge-1-isp-a")["local"]
        company.routers.pop("edge-1-isp-a").speaker.close()
        daemon.configure(changed)
        reload(daemon, "configuration reloaded")
        speaker = company.routers["outside"].speaker
        speaker.target = changed["feeds"]["outside"]["local"]
        speaker.close()
        daemon.wait_until(
            lambda: daemon.feed("outside")["state"] == "up", "it is listened on by the other one"
        )
        assert {name: company.sessions()[name] for name in EDGES if name in company.routers} == {
            name: sessions[name] for name in EDGES if name in company.routers
        }
