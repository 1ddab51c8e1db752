"""The rows about the network: what is wrong, circuits and links, pools, prefixes."""

from __future__ import annotations

from ermon.checks.check import SUBJECT_LABELS
from parts.panels import (
    ANY,
    BAD,
    GOOD,
    INFO,
    NEUTRAL,
    NOTHING_IS_GOOD,
    NOTHING_IS_USUAL,
    UNKNOWN,
    UP_OR_DOWN,
    WARN,
    WIDTH,
    Column,
    Query,
    Row,
    lines,
    numbers,
    rows,
    states,
)
from parts.queries import (
    CIRCUIT_STATE,
    LINK,
    LINK_LEGEND,
    OF_CIRCUIT,
    PLACE,
    RAISED_IN_STEP,
    RAISED_WITH_SEVERITY,
    SUBJECT,
    SUBJECT_LEGEND,
    WITH_ERMON,
    answers,
    most,
    new,
    of,
)

STATUS_PAGE = "${status_page:raw}"
ADVERTISED = {"1": ("unknown", UNKNOWN), "2": ("no", INFO), "3": ("yes", NEUTRAL)}
ON_INTERNET = {"1": ("unknown", UNKNOWN), "2": ("no", GOOD), "3": ("yes", BAD)}
SEVERITIES = {"critical": ("critical", BAD), "warning": ("warning", WARN), "info": ("info", INFO)}


def wrong_now() -> Row:
    return Row(
        "What is wrong now",
        (
            numbers(
                (8, 5),
                "Raised findings by severity",
                "Raised findings by severity, including those that are not about a circuit.",
                Query(f"sum by (severity) ({RAISED_WITH_SEVERITY})", "{{severity}}"),
                steps=NOTHING_IS_GOOD,
                own_steps={"warning": NOTHING_IS_USUAL, "info": ((0, GOOD), (1, INFO))},
            ),
            numbers(
                (16, 5),
                "Can ermon see?",
                "When all of these are 0 and no finding is raised, nothing is wrong. Feeds and tables that are "
                "down for every ermon; checks that none of them can judge; violations kept quiet by a "
                "larger one, a drain or maintenance; circuits, links and feeds in maintenance; ExaBGP processes "
                "that are down; routers that do not report their sessions over BMP; ermons that do not answer "
                "Prometheus.",
                Query(f"sum(1 - {most('feed', 'ermon_feed_up', WITH_ERMON)})", "feeds down"),
                Query(
                    f"sum(1 - {most('feed, family', 'ermon_feed_in_sync', WITH_ERMON)})", "tables not in sync"
                ),
                Query(f"sum(min by ({SUBJECT}) ({of('ermon_check_unknown')}))", "checks unknown"),
                Query(f"sum({most(SUBJECT, 'ermon_check_suppressed')})", "suppressed"),
                Query(f"sum({most(PLACE, 'ermon_maintenance_active')})", "in maintenance"),
                Query(f"sum(1 - {of('ermon_exabgp_up')})", "ExaBGP down"),
                Query(f"sum(1 - {most('router', 'ermon_bmp_up')})", "BMP down"),
                Query(f"sum(1 - {of('up')})", "ermon down"),
                steps=NOTHING_IS_GOOD,
                own_steps={
                    "tables not in sync": NOTHING_IS_USUAL,
                    "checks unknown": NOTHING_IS_USUAL,
                    "suppressed": NOTHING_IS_USUAL,
                    "in maintenance": ((0, GOOD), (1, INFO)),
                },
            ),
            rows(
                (WIDTH, 8),
                "Raised findings",
                "Every finding that is raised at present. The name of the check leads to what it means "
                "and what to do; the evidence is on ermon's status page.",
                Query(f"{RAISED_WITH_SEVERITY} == 1", ""),
                ("severity", "check", *SUBJECT_LABELS),
                Column("severity", words=SEVERITIES),
                Column(
                    "check",
                    link=("What it means, and what to do", f"{STATUS_PAGE}/runbooks/${{__value.raw}}"),
                ),
                none="nothing is raised, if ermon can see",
            ),
            states(
                (WIDTH, 8),
                "Findings over time",
                "When each finding was raised: after the check's raise_after, and through its clear_after.",
                Query(f"{RAISED_IN_STEP} == 1", SUBJECT_LEGEND),
                {"1": ("raised", BAD)},
                none="nothing was raised, if ermon could see",
            ),
            states(
                (WIDTH, 6),
                "Maintenance over time",
                "When a maintenance window was open for each circuit and link: what began then was not raised.",
                Query(most(PLACE, "ermon_maintenance_active", OF_CIRCUIT, 'feed=""'), "{{circuit}} {{link}}"),
                {"0": ("no", NEUTRAL), "1": ("in maintenance", INFO)},
            ),
        ),
    )


def circuits() -> Row:
    return Row(
        "Circuits and links",
        (
            numbers(
                (8, 7),
                "Links up",
                "Links of each circuit that receive routes. With one link, redundancy and SLA are lost; with none, the circuit is down. A link that ermon cannot see does not count as up.",
                Query(
                    most("circuit, family", "ermon_circuit_links_up", OF_CIRCUIT),
                    "{{circuit}} {{family}}",
                ),
                steps=((0, BAD), (1, WARN), (2, GOOD)),
            ),
            states(
                (16, 7),
                "Circuits",
                "Up when any link of the circuit is up, down when every link is proven down.",
                Query(CIRCUIT_STATE, "{{circuit}} {{family}}"),
                UP_OR_DOWN,
            ),
            states(
                (16, 8),
                "Links",
                "Up when Microsoft's routes arrive over the link, down when their absence is proven, unknown when "
                "ermon cannot see the link's router.",
                Query(answers(LINK, "ermon_link_state", "down", "up", OF_CIRCUIT), LINK_LEGEND),
                UP_OR_DOWN,
            ),
            lines(
                (8, 8),
                "Link state changes",
                "How often each link went up or down; more than a few in ten minutes is flapping.",
                Query(f"max by ({LINK}) ({new('ermon_link_transitions_total', OF_CIRCUIT)})", LINK_LEGEND),
                bars=True,
            ),
        ),
    )


def pools() -> Row:
    return Row(
        "NAT pools",
        (
            states(
                (12, 9),
                "Pools advertised to Microsoft",
                "Whether the whole pool is advertised to Microsoft on the link. It must on the pool's own links, and must not "
                "on another circuit's: pool-not-advertised and pool-wrong-circuit judge that.",
                Query(
                    answers("pool, family, circuit, link", "ermon_pool_advertised", "yes", "no", OF_CIRCUIT),
                    "{{pool}} {{family}} on {{circuit}} {{link}}",
                ),
                ADVERTISED,
                none="no pools, or no data",
            ),
            states(
                (12, 9),
                "Pools on the internet",
                "Whether a feed shows the pool, or a part of it, to or from the internet: then return traffic bypasses the firewall that knows the session.",
                Query(
                    answers("pool, family, feed", "ermon_pool_on_internet", "yes", "no"),
                    "{{pool}} {{family}} on {{feed}}",
                ),
                ON_INTERNET,
                none="no pools, or no feed that shows the internet",
            ),
            numbers(
                (WIDTH, 4),
                "Addresses of the pools",
                "Addresses in each pool: divide the firewall's session count by it.",
                Query(most("pool", "ermon_pool_addresses"), "{{pool}}"),
                steps=ANY,
            ),
        ),
    )


def prefixes() -> Row:
    advertised = most(LINK, "ermon_link_advertised_prefixes", OF_CIRCUIT)
    limit = most(LINK, "ermon_link_advertised_prefix_limit", OF_CIRCUIT)
    return Row(
        "Prefixes",
        (
            lines(
                (12, 8),
                "Prefixes received",
                "Prefixes received on each link. Both links of a circuit should receive the same.",
                Query(most(LINK, "ermon_link_routes", OF_CIRCUIT), LINK_LEGEND),
            ),
            lines(
                (12, 8),
                "Routes of required services",
                "Routes with the community of each required service.",
                Query(
                    most("circuit, link, ms_service", "ermon_link_service_routes", OF_CIRCUIT),
                    "{{circuit}} {{link}} {{ms_service}}",
                ),
                none="no circuit declares receive.services, or no data",
            ),
            lines(
                (12, 8),
                "Prefixes advertised",
                "Prefixes advertised to Microsoft on each link.",
                Query(advertised, LINK_LEGEND),
            ),
            lines(
                (12, 8),
                "Share of the limit",
                "Prefixes advertised, as a share of the number at which Microsoft drops the session. Findings are "
                "raised at 80 % and at 95 %.",
                Query(f"{advertised} / {limit}", LINK_LEGEND),
                unit="percentunit",
                limits=((0, GOOD), (0.8, WARN), (0.95, BAD)),
            ),
        ),
    )
