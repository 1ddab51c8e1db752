"""The counts of events outside the core."""

from __future__ import annotations

import time

import pytest
from prometheus_client import generate_latest

from ermon.bgp.attributes import RepairKind
from ermon.exabgp.decode import RejectReason
from ermon.exabgp.raw import RawState
from ermon.metrics.process import Telemetry, receiver_name
from ermon.model.inventory import EDGES
from tests.checks.company import company

HOOKED = """
alertmanager: {urls: ["http://127.0.0.1:9093", "http://[::1]:9094"]}
webhooks: [{url: "https://hooks.example.net/secret/token"}]
"""


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(company().config)


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def test_everything_starts_at_zero(telemetry: Telemetry):
    assert value(telemetry, "ermon_ingest_lines_total") == 0
    assert value(telemetry, "ermon_findings_raised_total", check="pool-leak") == 0
    assert value(telemetry, "ermon_ingest_rejected_total", reason="bad-update") == 0
    assert value(telemetry, "ermon_exabgp_up", process=EDGES) == 0
    assert value(telemetry, "ermon_exabgp_restarts_total", process="outside") == 0
    assert value(telemetry, "ermon_detection_seconds_count") == 0


def test_events_are_counted(telemetry: Telemetry):
    telemetry.line()
    telemetry.line()
    telemetry.rejected(RejectReason.BAD_UPDATE)
    telemetry.raised("pool-leak")
    telemetry.detected(0.004)
    assert value(telemetry, "ermon_ingest_lines_total") == 2
    assert value(telemetry, "ermon_ingest_rejected_total", reason="bad-update") == 1
    assert value(telemetry, "ermon_findings_raised_total", check="pool-leak") == 1
    assert value(telemetry, "ermon_detection_seconds_bucket", le="0.005") == 1
    assert value(telemetry, "ermon_detection_seconds_bucket", le="0.0025") == 0


def test_a_clock_that_was_set_back_makes_no_negative_times(telemetry: Telemetry):
    telemetry.message(time.time() + 3600)
    telemetry.detected(-3600)
    assert value(telemetry, "ermon_ingest_lag_seconds") == 0
    assert value(telemetry, "ermon_detection_seconds_sum") == 0


def test_the_lag_is_the_age_of_the_message(telemetry: Telemetry):
    telemetry.message(time.time() - 3600)
    assert value(telemetry, "ermon_ingest_lag_seconds") >= 3600


def test_how_long_the_router_of_a_feed_has_had_more_waiting(telemetry: Telemetry):
    def behind(feed: str) -> float | None:
        return value(telemetry, "ermon_feed_behind_seconds", feed=feed)

    assert behind("outside") == 0
    telemetry.behind("outside", 70.5)
    assert behind("outside") == 70.5
    telemetry.reconfigure(company("feeds: {outside: null}").config)
    telemetry.behind("outside", 71.0)  # read after a reload has removed the feed
    assert behind("outside") is None


def test_counters_continue_when_a_process_starts_at_zero(telemetry: Telemetry):
    telemetry.process(EDGES, up=True, restarts=2, dropped=10)
    telemetry.process(EDGES, up=False, restarts=3, dropped=10)
    telemetry.process(EDGES, up=True, restarts=1, dropped=4)
    assert value(telemetry, "ermon_exabgp_up", process=EDGES) == 1
    assert value(telemetry, "ermon_exabgp_restarts_total", process=EDGES) == 4
    assert value(telemetry, "ermon_relay_dropped_lines_total", process=EDGES) == 14


def test_missing_confinement_is_shown_by_part(telemetry: Telemetry):
    def confined(part: str) -> float | None:
        return value(telemetry, "ermon_exabgp_confined", process=EDGES, part=part)

    assert [confined(part) for part in ("files", "ports", "signals", "calls")] == [0, 0, 0, 0]
    assert telemetry.unconfined == {}
    telemetry.confined(EDGES, ("signals",))
    assert [confined(part) for part in ("files", "ports", "signals", "calls")] == [1, 1, 0, 1]
    assert telemetry.unconfined == {EDGES: ("signals",)}
    telemetry.confined(EDGES, None)
    assert [confined(part) for part in ("files", "ports", "signals", "calls")] == [0, 0, 0, 0]
    assert telemetry.unconfined == {}


def test_whether_an_exabgp_sends_raw_updates(telemetry: Telemetry):
    told = []
    for state in (None, RawState.ON, RawState.OFF, RawState.ON, RawState.UNTESTED):
        telemetry.raw(EDGES, state)
        told.append(value(telemetry, "ermon_exabgp_raw", process=EDGES))
    assert told == [0, 1, 0, 1, 0]
    assert value(telemetry, "ermon_exabgp_raw", process="outside") == 0


def test_malformed_updates_are_counted_for_the_feeds_of_the_configuration(telemetry: Telemetry):
    def malformed(feed: str, kind: str) -> float | None:
        return value(telemetry, "ermon_feed_malformed_updates_total", feed=feed, kind=kind)

    assert [malformed("outside", kind) for kind in ("treat-as-withdraw", "attribute-discard")] == [0, 0]
    telemetry.malformed("outside", RepairKind.TREAT_AS_WITHDRAW)
    telemetry.malformed("outside", RepairKind.ATTRIBUTE_DISCARD)
    telemetry.malformed("outside", RepairKind.ATTRIBUTE_DISCARD)
    assert [malformed("outside", kind) for kind in ("treat-as-withdraw", "attribute-discard")] == [1, 2]
    telemetry.reconfigure(company("feeds: {outside: null}").config)
    telemetry.malformed("outside", RepairKind.TREAT_AS_WITHDRAW)  # read after a reload has removed the feed
    assert malformed("outside", "treat-as-withdraw") is None


def test_a_refused_reload_leaves_the_time_of_the_last_good_one(telemetry: Telemetry):
    loaded = value(telemetry, "ermon_config_last_reload_success_timestamp_seconds")
    assert value(telemetry, "ermon_config_last_reload_successful") == 1
    telemetry.reloaded(successful=False)
    assert value(telemetry, "ermon_config_last_reload_successful") == 0
    assert value(telemetry, "ermon_config_last_reload_success_timestamp_seconds") == loaded
    telemetry.reloaded(successful=True)
    assert value(telemetry, "ermon_config_last_reload_successful") == 1
    assert value(telemetry, "ermon_config_last_reload_success_timestamp_seconds") >= loaded


def test_a_reload_keeps_counts_of_remaining_receivers_and_drops_others(telemetry: Telemetry):
    telemetry.process(EDGES, up=True, restarts=1)
    telemetry.process("outside", up=True, restarts=1)
    telemetry.reconfigure(company("feeds: {outside: null}").config)
    assert value(telemetry, "ermon_exabgp_restarts_total", process=EDGES) == 1
    assert value(telemetry, "ermon_exabgp_restarts_total", process="outside") is None
    telemetry.reconfigure(company().config)
    assert value(telemetry, "ermon_exabgp_restarts_total", process="outside") == 0


def test_receivers_are_named_without_their_secrets():
    telemetry = Telemetry(company(HOOKED).config)
    telemetry.notified("[::1]:9094")
    telemetry.notification_failed("hooks.example.net")
    assert value(telemetry, "ermon_notifications_total", receiver="[::1]:9094") == 1
    assert value(telemetry, "ermon_notifications_total", receiver="127.0.0.1:9093") == 0
    assert value(telemetry, "ermon_notification_failures_total", receiver="hooks.example.net") == 1
    assert b"token" not in generate_latest(telemetry.registry)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:9093", "127.0.0.1:9093"),
        ("https://user:password@alerts.example.net/api", "alerts.example.net"),
        ("https://[2001:db8::1]:9093/path?token=secret", "[2001:db8::1]:9093"),
    ],
)
def test_a_receiver_is_its_host_and_port(url: str, name: str):
    assert receiver_name(url) == name
