"""The expressions of the dashboard, in PromQL.

Each is right for one ermon, for a high-availability pair of them (which must not count twice) and for one in
each region: it takes the maximum over those that watch the same. One that sees nothing hides nothing of what
another sees.
"""

from __future__ import annotations

from ermon.checks.check import SUBJECT_LABELS

OF_CIRCUIT = 'circuit=~"$circuit"'
OF_CIRCUIT_OR_NONE = 'circuit=~"${circuit}|"'
"""What has no circuit, such as a leak to the internet, is never hidden by the choice of one."""

SUBJECT = ", ".join(("check", *SUBJECT_LABELS))
SUBJECT_LEGEND = " ".join(f"{{{{{label}}}}}" for label in ("check", *SUBJECT_LABELS))
PLACE = "circuit, link, feed"
"""What a maintenance window can be about."""
WITH_ERMON = 'feed!~".+/.+"'
"""The feeds that are sessions with ermon. The others are the routers' own, which are down without being out of sight."""
SESSION = "router, circuit, link, uplink, family"
SESSION_LEGEND = "{{router}} {{circuit}} {{link}} {{uplink}} {{family}}"
LINK, LINK_LEGEND = "circuit, link, family", "{{circuit}} {{link}} {{family}}"


def of(metric: str, *matchers: str) -> str:
    """Select a metric of the ermons that are looked at."""
    every = ('job=~"$job"', 'instance=~"$instance"', *matchers)
    return f"{metric}{{{', '.join(every)}}}"


def most(by: str, metric: str, *matchers: str) -> str:
    return f"max by ({by}) ({of(metric, *matchers)})"


def answers(by: str, metric: str, first: str, second: str, *matchers: str) -> str:
    """Make one number of a series per state: 3 where any ermon says ``first``, else 2 where any says
    ``second``, else 1 for unknown.
    """
    numbers = {first: 3, second: 2, "unknown": 1}
    series = [of(metric, *matchers, f'state="{state}"') + f" * {number}" for state, number in numbers.items()]
    return f"max by ({by}) ({' or '.join(series)})"


def per_second(metric: str, *matchers: str) -> str:
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def new(metric: str, *matchers: str) -> str:
    return f"increase({of(metric, *matchers)}[$__rate_interval])"


def detection(quantile: float) -> str:
    """Return the quantile over the whole time range, since violations are rare; nothing when there was none."""
    buckets = f"increase({of('ermon_detection_seconds_bucket')}[$__range])"
    return f"histogram_quantile({quantile:g}, sum by (le) ({buckets})) >= 0"


RAISED = of("ermon_finding_raised", OF_CIRCUIT_OR_NONE)
RAISED_BY_SUBJECT = f"max by ({SUBJECT}) ({RAISED})"
RAISED_WITH_SEVERITY = (
    f"max by ({SUBJECT}, severity) ({RAISED}"
    f" * on (job, instance, check) group_left (severity) {of('ermon_check_info')})"
)
RAISED_IN_STEP = f"max by ({SUBJECT}) (max_over_time({RAISED}[$__interval]) or {RAISED})"
"""Shows what was raised for less than a step, too; the second half fills steps without a scrape."""

_UP, _DOWN = 'state="up"', 'state="down"'
CIRCUIT_STATE = (
    f"clamp_max(1 + {most('circuit, family', 'ermon_link_state', OF_CIRCUIT, _UP)}"
    f" + 2 * min by (circuit, family) ({most(LINK, 'ermon_link_state', OF_CIRCUIT, _DOWN)}), 3)"
)
"""Up when any link is, down when all are, unknown otherwise; in the numbers of ``answers``."""
