"""Whether ermon itself works. These rules are needed with pushed alerts too: an ermon that is dead pushes nothing."""

from __future__ import annotations

from typing import Any

from ermon.checks.check import runbook_url
from ermon.checks.sight import EXABGP_DOWN
from ermon.model.settings import Severity
from ermon.rules.alerts import alert
from ermon.rules.findings import HELD

_JOB = 'job=~"ermon(-.+)?"'
"""The scrape jobs whose targets are instances of ermon: one job, or one for each region."""


def group(external_url: str) -> dict[str, Any]:
    """Return the group of these rules."""
    url = external_url.rstrip("/")
    rules = [*_ermon_runs(), *_nothing_ends_again_and_again(url), *_ermon_keeps_up(), *_somebody_is_told(url)]
    return {"name": "ermon-self", "rules": rules}


def _ermon_runs() -> list[dict[str, Any]]:
    return [
        alert(
            "ErmonDown",
            Severity.CRITICAL,
            # A target that has vanished counts as down. If another target of its job is up, it was replaced.
            f"max by (job) (\n  up{{{_JOB}}} or 0 * last_over_time(up{{{_JOB}}}[1h])\n) == 0\n"
            f"or\nabsent(last_over_time(up{{{_JOB}}}[1h]))",
            "No ermon of a scrape job can be scraped.",
            "No ermon monitors the circuits of {{ with $labels.job }}job {{ . }}{{ else }}any job{{ end }}. "
            "On its host: systemctl status ermon, journalctl -u ermon --since -15min.",
            wait="1m",
        ),
        alert(
            "ErmonInstanceDown",
            Severity.WARNING,
            f"up{{{_JOB}}} == 0\nand on (job)\nmax by (job) (up{{{_JOB}}}) == 1",
            "One of several ermons cannot be scraped.",
            "{{ $labels.instance }} is down, and only another ermon of job {{ $labels.job }} is left. "
            "On its host: systemctl status ermon, journalctl -u ermon --since -15min.",
            wait="5m",
        ),
    ]


def _nothing_ends_again_and_again(url: str) -> list[dict[str, Any]]:
    return [
        alert(
            "ErmonExabgpNotRunning",
            # Not critical: the check exabgp-down is, and names the same process seconds after its end.
            Severity.WARNING,
            f"last_over_time(ermon_exabgp_up[{HELD}]) == 0",
            "An ExaBGP process is not running.",
            "Process {{ $labels.process }} of {{ $labels.instance }} has not answered for two minutes: ermon cannot "
            f"see its feeds. See {url}/",
            wait="2m",
            annotations={"runbook_url": runbook_url(url, EXABGP_DOWN.name)},
        ),
        alert(
            "ErmonExabgpRestarting",
            Severity.WARNING,
            "increase(ermon_exabgp_restarts_total[30m]) > 2",
            "An ExaBGP process ends repeatedly.",
            "Process {{ $labels.process }} of {{ $labels.instance }} was restarted "
            '{{ $value | printf "%.0f" }} times in half an hour, and each time its routers send everything '
            "again. The log has the reason: journalctl -u ermon --since -30min.",
            annotations={"runbook_url": runbook_url(url, EXABGP_DOWN.name)},
        ),
        alert(
            "ErmonRestarting",
            Severity.WARNING,
            f"changes(process_start_time_seconds{{{_JOB}}}[30m]) > 2",
            "ermon ends repeatedly.",
            "{{ $labels.instance }} was restarted {{ $value }} times in half an hour, and sees nothing until its routers have sent everything again. The log has the reason: journalctl -u ermon "
            "--since -30min.",
        ),
    ]


def _ermon_keeps_up() -> list[dict[str, Any]]:
    return [
        alert(
            "ErmonReloadFailed",
            Severity.WARNING,
            f"last_over_time(ermon_config_last_reload_successful[{HELD}]) == 0",
            "The configuration could not be reloaded.",
            "{{ $labels.instance }} keeps its previous configuration. ermon check ermon.yml shows the errors in the new one.",
            wait="5m",
        ),
        alert(
            "ErmonFallingBehind",
            Severity.WARNING,
            # A full table may take ermon a minute. The lag is that of the newest message that ExaBGP has read. A router
            # whose UPDATEs ermon cannot process in time waits before ExaBGP reads them, which only the second one shows.
            "min_over_time(ermon_ingest_lag_seconds[2m]) > 5\n"
            f"or\nlast_over_time(ermon_feed_behind_seconds[{HELD}]) > 120",
            "ermon is behind the network.",
            "{{ $labels.instance }} has "
            "{{ with $labels.feed }}not caught up with the UPDATEs of feed {{ . }} for {{ $value | humanizeDuration }}"
            "{{ else }}processed messages at least {{ $value | humanizeDuration }} late for two minutes{{ end }}"
            ", so its findings are late. Either its host is overloaded, or a feed sends too much: see ermon_feed_updates_total and churn-high.",
        ),
    ]


def _somebody_is_told(url: str) -> list[dict[str, Any]]:
    return [
        alert(
            "ErmonNotificationsFailing",
            Severity.WARNING,
            "increase(ermon_notification_failures_total[15m]) > 0\n"
            "unless\n"
            "increase(ermon_notifications_total[15m]) > 0",
            "A receiver accepts no notifications.",
            "{{ $labels.receiver }} has accepted nothing from {{ $labels.instance }} for a quarter of an hour. The log has its answers: journalctl -u ermon --since -15min.",
            wait="2m",
        ),
        alert(
            "ErmonCannotNotify",
            Severity.CRITICAL,
            "sum by (job) (increase(ermon_notification_failures_total[15m])) > 0\n"
            "unless\n"
            "sum by (job) (increase(ermon_notifications_total[15m])) > 0",
            "ermon reaches no receiver.",
            "No receiver has accepted a notification from job {{ $labels.job }} for a quarter of an hour. "
            f"The findings are on {url}/",
            wait="2m",
        ),
        alert(
            "ErmonWatchdog",
            None,
            "vector(1)",
            "Alerts arrive.",
            "Always fires. Send it to a dead man's switch, which alerts when it stops: then Prometheus, Alertmanager or the path from there is broken.",
            labels={
                "sender": "prometheus"
            },  # the push has a watchdog of its own: neither hides that the other stops
        ),
    ]
