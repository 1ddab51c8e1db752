"""The rows about what ermon sees with: its feeds, and itself."""

from __future__ import annotations

from parts.panels import BAD, GOOD, UP_OR_DOWN, WARN, Query, Row, lines, numbers, rows, states
from parts.queries import (
    SESSION,
    SESSION_LEGEND,
    SUBJECT,
    answers,
    detection,
    most,
    new,
    of,
    per_second,
)

IS_UP = {"0": ("down", BAD), "1": ("up", GOOD)}
IS_SO = {"0": ("no", BAD), "1": ("yes", GOOD)}


def feeds() -> Row:
    age = f"time() - ({most('feed', 'ermon_feed_last_message_timestamp_seconds')} > 0)"
    return Row(
        "Feeds",
        (
            states(
                (12, 9),
                "Sessions",
                "Whether the feed's BGP session is established, with any of the ermons.",
                Query(most("feed", "ermon_feed_up"), "{{feed}}"),
                IS_UP,
            ),
            states(
                (12, 9),
                "In sync",
                "Whether the feed is in sync. Until then a missing route proves nothing.",
                Query(most("feed, family", "ermon_feed_in_sync"), "{{feed}} {{family}}"),
                IS_SO,
            ),
            lines(
                (12, 8),
                "Routes held",
                "Routes that ermon holds of each feed; of full tables only those that the policy needs.",
                Query(most("feed, family", "ermon_feed_routes"), "{{feed}} {{family}}"),
            ),
            lines(
                (12, 8),
                "Updates",
                "BGP UPDATE messages received from each feed.",
                Query(f"max by (feed) ({per_second('ermon_feed_updates_total')})", "{{feed}}"),
                unit="ops",
            ),
            lines(
                (12, 8),
                "Age of the last message",
                "Time since the last message from each feed.",
                Query(age, "{{feed}}"),
                unit="s",
            ),
            lines(
                (12, 8),
                "Session changes and lost messages",
                "How often each session came up and went down, how many of its messages are known to be lost, and how "
                "many of its UPDATEs had a malformed attribute.",
                Query(f"max by (feed, to) ({new('ermon_feed_transitions_total')})", "{{feed}} {{to}}"),
                Query(f"max by (feed) ({new('ermon_feed_lost_messages_total')})", "{{feed}} lost"),
                Query(
                    f"max by (feed, kind) ({new('ermon_feed_malformed_updates_total')})", "{{feed}} {{kind}}"
                ),
                bars=True,
            ),
            states(
                (12, 8),
                "Sessions that routers report",
                "The routers' own sessions with Microsoft and with providers, as they report them over BMP: unknown while a "
                "router reports nothing, and for a family that a provider does not carry.",
                Query(answers(SESSION, "ermon_session_state", "down", "up"), SESSION_LEGEND),
                UP_OR_DOWN,
            ),
            lines(
                (12, 8),
                "Why sessions ended",
                "How often each of these sessions ended, and for what kind of reason; ermon's status page has the words.",
                Query(
                    f"max by ({SESSION}, reason) ({new('ermon_session_downs_total')}) > 0",
                    f"{SESSION_LEGEND} {{{{reason}}}}",
                ),
                bars=True,
                none="no session ended, if routers report them",
            ),
            lines(
                (12, 8),
                "Unknown checks",
                "The number of subjects with an unknown status. Unknown neither raises nor clears.",
                Query(f"sum by (check) (min by ({SUBJECT}) ({of('ermon_check_unknown')})) > 0", "{{check}}"),
                none="every check can be judged, if ermon answers",
            ),
            lines(
                (12, 8),
                "Age of published lists",
                "Time since ermon last confirmed that its lists are the published ones.",
                Query(most("source", "ermon_source_age_seconds"), "{{source}}"),
                unit="s",
                none="no circuit uses a published list, or no data",
            ),
        ),
        collapsed=True,
    )


def ermon_itself() -> Row:
    return Row(
        "ermon itself",
        (
            states(
                (8, 6),
                "Answers",
                "Whether each ermon answers Prometheus.",
                Query(of("up"), "{{instance}}"),
                IS_UP,
            ),
            states(
                (8, 6),
                "ExaBGP",
                "Whether each ExaBGP process runs and answers.",
                Query(most("instance, process", "ermon_exabgp_up"), "{{instance}} {{process}}"),
                IS_UP,
            ),
            states(
                (8, 6),
                "Configuration",
                "Whether the last attempt to load the configuration succeeded; if not, the previous one is in force.",
                Query(most("instance", "ermon_config_last_reload_successful"), "{{instance}}"),
                {"0": ("refused", BAD), "1": ("loaded", GOOD)},
            ),
            lines(
                (12, 8),
                "Ingest lag",
                "Age of the newest message from ExaBGP when it was processed, and for how long a feed's router has always had "
                "more waiting.",
                Query(most("instance", "ermon_ingest_lag_seconds"), "{{instance}}"),
                Query(most("instance, feed", "ermon_feed_behind_seconds"), "{{instance}} {{feed}} waiting"),
                unit="s",
                limits=((0, GOOD), (1, WARN), (10, BAD)),
            ),
            numbers(
                (12, 8),
                "Detection time",
                "Time from a message's arrival at ExaBGP to the detected violation, handed to the senders, raise_after "
                "not counted, over the time range shown.",
                *(Query(detection(quantile), f"{quantile:.0%} within") for quantile in (0.5, 0.9, 0.99)),
                unit="s",
                steps=((0, GOOD), (1, WARN), (10, BAD)),
                none="no violation in this time, or no data",
            ),
            lines(
                (12, 8),
                "Lines from ExaBGP",
                "Lines read from ExaBGP.",
                Query(f"sum by (instance) ({per_second('ermon_ingest_lines_total')})", "{{instance}}"),
                unit="ops",
            ),
            lines(
                (12, 8),
                "Rejected and dropped lines",
                "Lines that could not be decoded, by reason, and those that a relay dropped: both should be none.",
                Query(
                    f"sum by (instance, reason) ({new('ermon_ingest_rejected_total')})",
                    "{{instance}} {{reason}}",
                ),
                Query(
                    f"sum by (instance, process) ({new('ermon_relay_dropped_lines_total')})",
                    "{{instance}} {{process}} dropped",
                ),
                bars=True,
            ),
            lines(
                (12, 8),
                "Notifications",
                "Notifications that each receiver accepted, and those that failed.",
                Query(
                    f"sum by (instance, receiver) ({new('ermon_notifications_total')})",
                    "{{instance}} {{receiver}}",
                ),
                Query(
                    f"sum by (instance, receiver) ({new('ermon_notification_failures_total')})",
                    "{{instance}} {{receiver}} failed",
                ),
                bars=True,
                none="no receiver is configured, or no data",
            ),
            lines(
                (12, 8),
                "Restarts of ExaBGP",
                "Starts of each ExaBGP process after its first.",
                Query(
                    f"sum by (instance, process) ({new('ermon_exabgp_restarts_total')})",
                    "{{instance}} {{process}}",
                ),
                bars=True,
            ),
            lines(
                (8, 8),
                "Processor",
                "Processor time of ermon, without ExaBGP; 100 % is one core.",
                Query(per_second("process_cpu_seconds_total"), "{{instance}}"),
                unit="percentunit",
            ),
            lines(
                (8, 8),
                "Memory",
                "Resident memory of ermon, without ExaBGP.",
                Query(of("process_resident_memory_bytes"), "{{instance}}"),
                unit="bytes",
            ),
            lines(
                (8, 8),
                "File descriptors",
                "Open file descriptors, as a share of what the process may open.",
                Query(f"{of('process_open_fds')} / {of('process_max_fds')}", "{{instance}}"),
                unit="percentunit",
                limits=((0, GOOD), (0.8, BAD)),
            ),
            rows(
                (16, 6),
                "Versions",
                "Versions and hosts.",
                Query(most("instance, version, exabgp_version, python_version", "ermon_build_info"), ""),
                ("instance", "version", "exabgp_version", "python_version"),
            ),
            numbers(
                (8, 6),
                "Configuration loaded",
                "How long ago each ermon last loaded its configuration.",
                Query(
                    f"time() - {most('instance', 'ermon_config_last_reload_success_timestamp_seconds')}",
                    "{{instance}}",
                ),
                unit="s",
            ),
        ),
        collapsed=True,
    )
