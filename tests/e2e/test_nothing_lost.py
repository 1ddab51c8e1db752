"""Any part is killed during a leak, and its notification still arrives exactly once, by each of the three ways: pushed
to Alertmanager, posted to a webhook, and by Prometheus' rules to a second Alertmanager.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import bgp
from tests.e2e.alertmanager import Alertmanager, Inbox, shipped
from tests.e2e.company import PART_OF_POOL, Company, configuration, own_network
from tests.e2e.daemon import eventually
from tests.e2e.prometheus import Prometheus

LEAK = PART_OF_POOL["ipv4"]
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "ermon-findings.rules.yml"
RESEND_SECONDS = 5
"""An alert expires in Alertmanager after four times this interval; every killed part is back well before."""

WAYS = ("webhook", "push", "rules")

Pages = list[str]
"""The notifications of the leak, in order: ``firing`` and ``resolved``."""


class Network:
    """The company, its ermon, and all receivers of its findings."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.webhook, pushed, ruled = (stack.enter_context(Inbox()) for _ in range(3))
        self._pagers = {"push": pushed, "rules": ruled}
        self.alertmanagers = {
            way: stack.enter_context(Alertmanager(directory / way, shipped(inbox)).running())
            for way, inbox in self._pagers.items()
        }
        port = bgp.free_port("127.0.0.1")
        settings = configuration(own_network())
        settings["alertmanager"] = {
            "urls": [self.alertmanagers["push"].url],
            "resend": f"{RESEND_SECONDS}s",
        }
        settings["webhooks"] = [{"url": self.webhook.url}]
        (directory / "ermon").mkdir()
        self.storage = directory / "storage"
        self.company = Company(
            directory / "ermon",
            settings,
            f"--storage.path={self.storage}",
            f"--web.listen-address=127.0.0.1:{port}",  # Prometheus must find it again
        )
        self.daemon = self.company.daemon
        self.prometheus = Prometheus(
            directory / "prometheus",
            [f"127.0.0.1:{port}"],
            [RULES],
            [self.alertmanagers["rules"].address],
            f"--rules.alert.resend-delay={RESEND_SECONDS}s",
        )
        self._prometheus_life = stack.enter_context(contextlib.ExitStack())
        stack.enter_context(self.company.running())
        self.start_prometheus()

    # Its parts ---------------------------------------------------------------------------------------

    def start_prometheus(self) -> None:
        self._prometheus_life.enter_context(self.prometheus.running())
        self.prometheus.wait_until_scraped()

    def kill_prometheus(self) -> None:
        assert self.prometheus.process is not None
        self.prometheus.process.kill()
        self._prometheus_life.close()

    def prometheus_fires(self) -> bool:
        return any(alert["alertname"] == "ErmonPoolLeak" for alert in self.prometheus.alerts())

    def kill_ermon(self) -> None:
        self.daemon.end(signal.SIGKILL)

    def start_ermon(self) -> None:
        self.daemon.start()

    def kill_exabgp(self) -> None:
        os.kill(self.daemon.exabgp_pid(), signal.SIGKILL)

    def kill_relay(self) -> None:
        os.kill(self.daemon.relay_pid(), signal.SIGKILL)

    def kill_alertmanagers(self) -> None:
        for server in self.alertmanagers.values():
            server.kill()

    def start_alertmanagers(self) -> None:
        for server in self.alertmanagers.values():
            server.start()

    def take_disk_away(self) -> None:
        shutil.rmtree(self.storage)
        self.storage.write_text("no folder can be made here")

    def give_disk_back(self) -> None:
        self.storage.unlink()

    # What people are told ----------------------------------------------------------------------------

    def pages(self) -> dict[str, Pages]:
        """By way: the notifications of leaks so far. Posts that were repeated with the same id count once."""
        names = {"raised": "firing", "cleared": "resolved"}
        return {
            "webhook": [names[post["state"]] for post in self._posts() if post["check"] == "pool-leak"],
            **{way: inbox.notifications("pager", "ErmonPoolLeak") for way, inbox in self._pagers.items()},
        }

    def wait_until_told(self, status: str, count: int, *, ways: Iterable[str] = WAYS) -> None:
        """Wait until every receiver has this number of notifications of a leak with this status."""
        try:
            self.daemon.wait_until(
                lambda: all(self.pages()[way].count(status) >= count for way in ways),
                f"{count} times {status} by {', '.join(ways)}",
            )
        except pytest.fail.Exception as error:
            error.add_note(f"told: {self.pages()}\nthe log of ermon ends with:\n{self.daemon.log_end()}")
            raise

    def told_to_webhook(self) -> dict[str, Pages]:
        """By check and labels: the states of all findings that the webhook received, in order."""
        told: dict[str, Pages] = {}
        for post in self._posts():
            told.setdefault(f"{post['check']} {post['labels']}", []).append(post["state"])
        return told

    def _posts(self) -> list[dict[str, Any]]:
        bodies = [post.json for post in list(self.webhook.posts)]
        return list({body["delivery"]: body for body in reversed(bodies)}.values())[::-1]

    def wait_until_well(self) -> None:
        self.company.wait_until_well()
        self.daemon.wait_until(
            lambda: all(told[-1] == "cleared" for told in self.told_to_webhook().values()), "all is told"
        )


@pytest.fixture(scope="module")
def whole_network() -> Iterator[Network]:
    with tempfile.TemporaryDirectory(prefix="ermon-") as path, contextlib.ExitStack() as stack:
        yield Network(Path(path), stack)


@pytest.fixture
def network(whole_network: Network) -> Iterator[Network]:
    """Everything on a good day; at the end, no receiver may have received anything twice."""
    before = {way: len(told) for way, told in whole_network.pages().items()}
    yield whole_network
    whole_network.wait_until_well()
    told = {way: pages[before[way] :] for way, pages in whole_network.pages().items()}
    assert all(pages == ["firing", "resolved"] for pages in told.values()), told
    for finding, states in whole_network.told_to_webhook().items():
        assert states == list(itertools.islice(itertools.cycle(["raised", "cleared"]), len(states))), finding


def already_back(_: Network) -> None:
    """ermon itself has restarted it."""


KILLED: dict[str, tuple[Callable[[Network], None], Callable[[Network], None]]] = {
    "ermon": (Network.kill_ermon, Network.start_ermon),
    "ExaBGP": (Network.kill_exabgp, already_back),
    "the disk": (Network.take_disk_away, Network.give_disk_back),
}
"""The parts that a notification passes through: how each is killed, and how it comes back."""


@pytest.mark.parametrize("part", KILLED)
def test_a_part_that_is_killed_at_the_leak_and_again_at_its_repair_costs_no_page(network, part):
    kill, restore = KILLED[part]
    count = network.pages()["webhook"].count("firing") + 1
    network.company.leak(LEAK)
    kill(network)
    restore(network)
    network.wait_until_told("firing", count)
    kill(network)
    network.company.repair(LEAK)
    restore(network)
    network.wait_until_told("resolved", count)


def test_a_relay_that_is_killed_at_the_leak_costs_no_page(network):
    """After a loss of messages, ermon requests everything again at most once in five minutes: so the relay is killed
    once.
    """
    count = network.pages()["webhook"].count("firing") + 1
    network.company.leak(LEAK)
    network.kill_relay()
    network.wait_until_told("firing", count)
    network.daemon.wait_until_in_sync(*network.company.routers)
    network.company.repair(LEAK)
    network.wait_until_told("resolved", count)


def test_alertmanagers_that_are_dead_when_a_leak_is_found_page_when_they_are_back(network):
    count = network.pages()["webhook"].count("firing") + 1
    network.kill_alertmanagers()
    network.company.leak(LEAK)
    network.daemon.wait_until(
        lambda: network.daemon.logged("push to alertmanager failing"), "ermon has tried to tell"
    )
    eventually(network.prometheus_fires, "Prometheus has tried to tell")
    network.start_alertmanagers()
    network.wait_until_told("firing", count)
    network.company.repair(LEAK)
    network.wait_until_told("resolved", count)


def test_a_prometheus_that_is_killed_before_a_leak_is_scraped_and_again_while_it_lasts_pages_once(network):
    count = network.pages()["webhook"].count("firing") + 1
    network.kill_prometheus()
    network.company.leak(LEAK)
    network.daemon.wait_until_raised("pool-leak")
    network.start_prometheus()
    network.wait_until_told("firing", count)
    network.kill_prometheus()
    network.start_prometheus()
    eventually(network.prometheus_fires, "Prometheus knows of it again")
    network.company.repair(LEAK)
    network.wait_until_told("resolved", count)


def test_an_ermon_that_is_killed_before_a_webhook_has_taken_a_post_posts_it_again_when_it_is_back(network):
    count = network.pages()["webhook"].count("firing") + 1
    network.webhook.status = 503
    network.company.leak(LEAK)
    network.daemon.wait_until(
        lambda: network.daemon.logged("webhook delivery failing"), "the webhook has refused it"
    )
    network.wait_until_told("firing", count, ways=["push", "rules"])
    network.kill_ermon()
    refused = network.webhook.posts[-1].json["delivery"]
    network.webhook.status, posts_before = 200, len(network.webhook.posts)
    network.company.repair(LEAK)
    network.start_ermon()
    network.wait_until_told("resolved", count)
    posted = [post.json for post in network.webhook.posts[posts_before:]]
    leaks = [(post["state"], post["delivery"]) for post in posted if post["check"] == "pool-leak"]
    assert leaks[0] == ("raised", refused)
    assert [state for state, _ in leaks] == ["raised", "cleared"]
