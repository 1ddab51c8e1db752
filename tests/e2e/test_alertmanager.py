"""Notifications: from `ermon run` through a real Alertmanager, and to webhooks directly."""

from __future__ import annotations

import hashlib
import hmac
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import alertmanager
from tests.e2e.alertmanager import Alertmanager, Inbox, shipped
from tests.e2e.company import EXCHANGE, MSEE, PART_OF_POOL, Company, bring, configuration, own_network
from tests.e2e.daemon import PATIENCE, STOP_SECONDS, Daemon, eventually
from tests.sources.server import CERTIFICATE


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def settings() -> dict[str, Any]:
    """The company's configuration, on addresses of this test."""
    return configuration(own_network())


def pushed_to(settings: dict[str, Any], server: Alertmanager) -> None:
    settings["alertmanager"] = {"urls": [server.url], "resend": "1s"}


# Through Alertmanager --------------------------------------------------------------------------------


def test_a_leak_that_two_ermons_see_is_one_page_again_after_alertmanager_lost_its_memory_and_one_end(
    directory, tmp_path, settings, inbox
):
    other_settings = configuration(own_network())
    (directory / "other").mkdir()
    with Alertmanager(tmp_path, shipped(inbox)).running() as server:
        for each in (settings, other_settings):
            pushed_to(each, server)
        one, other = Company(directory, settings), Company(directory / "other", other_settings)
        with one.running(), other.running():
            both, leak = (one, other), PART_OF_POOL["ipv6"]
            for company in both:
                company.leak(leak)
            eventually(lambda: inbox.alerts("ErmonPoolLeak"), "the page arrives")
            wait_for_resends(one, other)
            assert inbox.notifications("pager", "ErmonPoolLeak") == ["firing"]
            (page,) = inbox.alerts("ErmonPoolLeak")
            assert page["labels"] == {
                "alertname": "ErmonPoolLeak",
                "severity": "critical",
                "pool": "chi-outbound",
                "family": "ipv6",
                "feed": "edge-1-isp-a",
                "uplink": "isp-a",
            }
            assert leak in page["annotations"]["description"]
            assert page["annotations"]["runbook_url"].endswith("/runbooks/pool-leak")

            server.kill()
            for company in both:
                wait_until_logged(company.daemon, "push to alertmanager failing")
            server.start()
            eventually(lambda: len(inbox.alerts("ErmonPoolLeak")) == 2, "the page arrives again")
            for company in both:
                wait_until_logged(company.daemon, "push to alertmanager recovered")

            for company in both:
                company.repair(leak)
            eventually(lambda: inbox.alerts("ErmonPoolLeak", "resolved"), "its end is told")
            wait_for_resends(one, other)
            assert inbox.notifications("pager", "ErmonPoolLeak") == ["firing", "firing", "resolved"]
            assert inbox.notifications("switch-ermon", "ErmonWatchdog"), "the dead man's switch is fed"


def wait_for_resends(*companies: Company) -> None:
    """Wait until each has sent everything again."""
    name = "ermon_notifications_total"
    before = [company.daemon.metric(name) for company in companies]
    for company, count in zip(companies, before, strict=True):
        company.daemon.wait_until(
            lambda company=company, count=count: company.daemon.metric(name) >= count + 3, "all is sent again"
        )


def wait_until_logged(daemon: Daemon, event: str) -> None:
    daemon.wait_until(lambda: daemon.logged(event), f"the log says: {event}")


def test_the_loss_of_a_circuit_inhibits_the_alert_of_its_link(directory, tmp_path, settings, inbox):
    for check in ("link-down", "circuit-down"):
        settings["checks"][check]["raise_after"] = "500ms"
    with Alertmanager(tmp_path, shipped(inbox)).running() as server:
        pushed_to(settings, server)
        with Company(directory, settings).running() as company:
            lose_link(company, "edge-1")
            link = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
            eventually(lambda: inbox.alerts("ErmonLinkDown", **link), "the link's ticket arrives")
            assert inbox.notifications("tickets", "ErmonLinkDown")
            assert not server.alerts("ErmonLinkDown", **link)[0]["status"]["inhibitedBy"]
            lose_link(company, "edge-2")
            eventually(lambda: inbox.notifications("pager", "ErmonCircuitDown"), "the circuit's page arrives")
            eventually(
                lambda: server.alerts("ErmonLinkDown", **link)[0]["status"]["inhibitedBy"],
                "the link is still down, and quiet",
            )
            assert not inbox.alerts("ErmonLinkDown", circuit="chicago", link="secondary")
            for feed in ("edge-1", "edge-2"):
                mend_link(company, feed)
            eventually(
                lambda: inbox.alerts("ErmonCircuitDown", "resolved", circuit="chicago"), "its end is told"
            )


def lose_link(company: Company, feed: str) -> None:
    company.routers[feed].withdraw(*EXCHANGE.values(), path_id=1)


def mend_link(company: Company, feed: str) -> None:
    for family, msee in MSEE[feed].items():
        bring(company.routers[feed], msee, EXCHANGE[family])


def test_alertmanager_may_require_a_password_and_have_a_certificate_of_a_private_authority(
    directory, tmp_path, settings, inbox
):
    web = f"""
tls_server_config: {{cert_file: {CERTIFICATE}, key_file: {CERTIFICATE}}}
basic_auth_users: {{{alertmanager.USER}: {alertmanager.PASSWORD_HASH}}}
"""
    (directory / "ca.pem").write_text(CERTIFICATE.read_text())
    password = directory / "alertmanager.password"
    password.write_text("wrong")
    with Alertmanager(tmp_path, shipped(inbox), web).running() as server:
        pushed_to(settings, server)
        settings["collector"]["reconnect_grace"] = "0s"  # what was missed is sent at once
        settings["alertmanager"] |= {
            "basic_auth": {"username": alertmanager.USER, "password_file": password.name},
            "tls": {"ca_file": "ca.pem"},
        }
        with Daemon(directory, settings) as daemon:
            daemon.start()
            wait_until_logged(daemon, "push to alertmanager failing")
            assert "answered 401" in daemon.logged("push to alertmanager failing")[0]["problem"]
            password.write_text(alertmanager.PASSWORD)
            daemon.send_signal(signal.SIGHUP)
            daemon.wait_until(lambda: server.alerts("ErmonWatchdog"), "its new password is right")
            daemon.wait_until(lambda: server.alerts("ErmonFeedDown", feed="edge-1"), "and findings arrive")
            assert alertmanager.PASSWORD not in daemon.log_file.read_text()


# To webhooks -----------------------------------------------------------------------------------------


def test_a_webhook_that_was_down_then_ill_then_slow_has_everything_in_the_end(directory, settings, inbox):
    inbox.close()
    key = b"the key of the hook"
    (directory / "hook.key").write_bytes(key + b"\n")
    (directory / "hook.token").write_text("t0ken\n")
    settings["webhooks"] = [
        {"url": f"{inbox.url}/ermon", "secret_file": "hook.key", "bearer_token_file": "hook.token"}
    ]
    with Company(directory, settings).running() as company:
        daemon = company.daemon
        company.leak(PART_OF_POOL["ipv4"])
        daemon.wait_until(
            lambda: daemon.metric("ermon_notification_failures_total") >= 1, "nobody is there to tell"
        )
        inbox.status = 500
        inbox.listen()
        daemon.wait_until(lambda: inbox.posts, "it is tried again")
        inbox.delay_seconds, inbox.status = 0.3, 200
        company.repair(PART_OF_POOL["ipv4"])

        def told() -> list[str]:
            return [post.json["state"] for post in inbox.posts if post.json["check"] == "pool-leak"]

        daemon.wait_until(lambda: "cleared" in told(), "all is told")
        wait_until_logged(daemon, "webhook delivery recovered")
        leak = [post for post in inbox.posts if post.json["check"] == "pool-leak"]
        assert told() == ["raised"] * (len(leak) - 1) + ["cleared"]
        assert len({post.headers["X-Ermon-Delivery"] for post in leak}) == 2, "a repetition is known as one"
        for post in leak:
            assert post.headers["Authorization"] == "Bearer t0ken"
            assert post.json["delivery"] == post.headers["X-Ermon-Delivery"]
            signature = hmac.new(key, post.body, hashlib.sha256).hexdigest()
            assert post.headers["X-Ermon-Signature-256"] == f"sha256={signature}"
        assert leak[0].json["evidence"]["prefixes"] == [PART_OF_POOL["ipv4"]]


def test_deliveries_that_wait_when_ermon_is_killed_are_sent_afterwards(directory, settings, inbox):
    inbox.close()
    settings["webhooks"] = [{"url": inbox.url}]
    settings["collector"]["reconnect_grace"] = "0s"
    down = {"feed": "edge-1"}
    with Daemon(directory, settings, f"--storage.path={directory / 'storage'}") as daemon:
        daemon.start()
        before = daemon.wait_until_raised("feed-down", **down)
        daemon.wait_until(
            lambda: daemon.metric("ermon_notification_failures_total") >= 1, "nobody is there to tell"
        )
        daemon.end(signal.SIGKILL)
        inbox.listen()
        daemon.start()

        def told() -> list[dict[str, Any]]:
            posts = [post.json for post in inbox.posts]
            return [post for post in posts if (post["check"], post["labels"]) == ("feed-down", down)]

        daemon.wait_until(told, "the finding of the ermon before is told")
        assert (told()[0]["state"], told()[0]["id"]) == ("raised", before["id"])


def test_receivers_that_never_answer_do_not_hold_up_the_end(directory, settings, inbox):
    inbox.delay_seconds = PATIENCE
    settings["alertmanager"] = {"urls": [f"{inbox.url}/am"]}
    settings["webhooks"] = [{"url": f"{inbox.url}/hook"}]
    settings["collector"]["reconnect_grace"] = "0s"  # what was missed is sent at once
    with Daemon(directory, settings) as daemon:
        daemon.start()
        daemon.wait_until(
            lambda: {post.path for post in inbox.posts} == {"/am/api/v2/alerts", "/hook"}, "both are told"
        )
        daemon.send_signal(signal.SIGTERM)
        assert daemon.process is not None
        assert daemon.process.wait(STOP_SECONDS) == 0


# Secrets that are not there --------------------------------------------------------------------------


def test_without_its_secrets_ermon_does_not_start_and_a_reload_is_refused(directory, settings):
    with Daemon(directory, settings) as daemon:
        daemon.launch()
        daemon.wait_for_web()
        settings["webhooks"] = [{"url": "https://hooks.example.net/", "secret_file": "hook.key"}]
        daemon.configure(settings)
        answer = daemon.request("POST", "/-/reload")
        problem = f"{daemon.config_file}: webhooks[0].secret_file: there is no file hook.key in {directory}"
        assert (answer.status, answer.text.startswith(problem)) == (400, True)
    started = subprocess.run(
        [sys.executable, "-m", "ermon", "run", f"--config.file={daemon.config_file}"],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert started.returncode == 3
    assert problem in started.stderr.decode()
