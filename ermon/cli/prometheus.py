"""``ermon render rules`` and ``ermon render probes``: what Prometheus loads and what it probes."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ermon.cli.shared import (
    DEFAULT_LISTEN_ADDRESS,
    FINE,
    UNREACHABLE,
    Commands,
    RefusedError,
    add_feeds_match,
    add_target,
    external_url,
    instance_of,
    target_of,
)

if TYPE_CHECKING:
    from ermon.api.answers import ProbeGroupDoc
    from ermon.checks.sharding import Instance
    from ermon.model.inventory import Config
    from ermon.rules.nat import NatSessions

# Rules ---------------------------------------------------------------------------------------------------


def add_rules(what: Commands) -> None:
    rules = what.add_parser(
        "rules",
        help="the Prometheus rules",
        description="Prints a rule file for Prometheus, with alerts on ermon itself and an alert for each check. With a "
        "configuration, it uses its severities and omits the checks that it switches off.",
    )
    rules.add_argument("config_file", type=Path, nargs="?", metavar="CONFIG")
    rules.add_argument(
        "--web.external-url",
        dest="external_url",
        type=external_url,
        metavar="URL",
        help="the URL under which people reach ermon, for the links in alerts (default: %(default)s)",
        default=f"http://{DEFAULT_LISTEN_ADDRESS}",
    )
    which = rules.add_mutually_exclusive_group()
    for rule_set, text in (
        ("self", "only the alerts on ermon itself"),
        (
            "findings",
            "only one alert for each check; do not load them if ermon pushes its findings to an Alertmanager",
        ),
        ("regions", "only the alerts that need the ermons of all regions together"),
        ("probes", "only the alerts on probes of blackbox_exporter whose routes are there"),
        ("nat", "only the alerts on the ports of NAT pools, which need --nat-sessions"),
    ):
        which.add_argument(f"--{rule_set}", dest="rule_set", action="store_const", const=rule_set, help=text)
    _add_nat(rules)
    rules.set_defaults(command=_rules)


def _add_nat(rules: argparse.ArgumentParser) -> None:
    nat = rules.add_argument_group(
        "NAT pools",
        "Alerts when 70 % (warning) or 90 % (critical) of the ports of a NAT pool are in use. deploy/PROBES.md has queries for "
        "firewalls.",
    )
    nat.add_argument(
        "--nat-sessions",
        dest="nat_sessions",
        metavar="QUERY",
        help="also print these alerts: a PromQL query for the number of sessions, whose series have a label that identifies the "
        "pool; series of one pool are added up",
    )
    nat.add_argument(
        "--nat-label",
        dest="nat_label",
        metavar="LABEL",
        help="the label that identifies the pool (default: pool)",
    )
    nat.add_argument(
        "--nat-pool",
        dest="nat_pools",
        type=_nat_pool,
        action="append",
        default=[],
        metavar="VALUE=POOL",
        help="a value of that label, and the name of its pool in ermon.yml; needed where they differ; may be repeated",
    )
    nat.add_argument(
        "--nat-ports",
        dest="nat_ports",
        type=_nat_ports,
        metavar="PORTS",
        help="how many ports NAT uses of each address (default: 64512)",
    )


def _nat_pool(text: str) -> tuple[str, str]:
    # Names of pools have no "=", and a firewall's may have.
    value, equals, pool = text.rpartition("=")
    if not equals or not value or not pool:
        raise argparse.ArgumentTypeError(f"{text!r} is not VALUE=POOL, such as NAT-M365=chi-outbound")
    return value, pool


def _nat_ports(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of ports, such as 64512")
    return int(text)


def _rules(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.rules import RuleSet, render

    config = load_config(options.config_file).config if options.config_file is not None else None
    nat = _nat(options, config)
    if options.rule_set == "nat":
        if nat is None:
            raise RefusedError(
                "--nat needs --nat-sessions=QUERY: it depends on the firewall how its sessions are counted"
            )
        wanted: tuple[RuleSet, ...] = ()
    else:
        usual = (RuleSet.SELF, RuleSet.FINDINGS, RuleSet.PROBES)
        wanted = usual if options.rule_set is None else (RuleSet(options.rule_set),)
    print(render(wanted, config, options.external_url, nat), end="")
    return FINE


def _nat(options: argparse.Namespace, config: Config | None) -> NatSessions | None:
    from ermon.rules.nat import LABEL, PORTS_PER_ADDRESS, NatSessions, QueryError

    if options.nat_sessions is None:
        if options.nat_label or options.nat_pools or options.nat_ports:
            raise RefusedError("--nat-label, --nat-pool and --nat-ports need --nat-sessions=QUERY")
        return None
    unknown = [pool for _, pool in options.nat_pools if config is not None and pool not in config.pools]
    if unknown and config is not None:
        raise RefusedError(
            f"--nat-pool: there is no NAT pool {unknown[0]!r}: there are {', '.join(config.pools) or 'none'}"
        )
    try:
        return NatSessions(
            options.nat_sessions,
            options.nat_label or LABEL,
            dict(options.nat_pools),
            options.nat_ports or PORTS_PER_ADDRESS,
        )
    except QueryError as error:
        raise RefusedError(f"--nat-sessions: {error}") from None


# Probes --------------------------------------------------------------------------------------------------


def add_probes(what: Commands) -> None:
    parser = what.add_parser(
        "probes",
        help="the targets of probes, for blackbox_exporter",
        description="Prints targets for blackbox_exporter, in the format of Prometheus' HTTP and file service discovery: the hosts "
        "and TCP ports that the Microsoft 365 lists of the circuits name, and those under `probes` in the configuration. They are "
        "those of a running daemon (/api/v1/probes), or, with CONFIG, those of a configuration and of the lists that are "
        "files. Exit codes: 0 all targets; 2 invalid; 3 a list is a URL or cannot be read, so its targets are missing.",
    )
    parser.add_argument("config_file", type=Path, nargs="?", metavar="CONFIG")
    add_feeds_match(parser)
    add_target(parser)
    parser.set_defaults(command=_probes)


def _probes(options: argparse.Namespace) -> int:
    if options.config_file is not None and (options.url is not None or options.socket is not None):
        raise RefusedError("CONFIG and a daemon are two sources of targets; give one of them")
    if options.config_file is None and options.feeds_match:
        raise RefusedError("--feeds.match needs CONFIG; a daemon has its own")
    code = FINE
    if options.config_file is None:
        groups = asyncio.run(_asked_for_probes(options))
    else:
        groups, code = _probes_of(options.config_file, instance_of(options))
    print(
        json.dumps(
            [{"targets": list(each.targets), "labels": dict(each.labels)} for each in groups], indent=2
        )
    )
    return code


async def _asked_for_probes(options: argparse.Namespace) -> list[ProbeGroupDoc]:
    from ermon.api.answers import ProbeGroupDoc
    from ermon.client.http import Client

    async with Client(target_of(options)) as client:
        return await client.bare("probes", list[ProbeGroupDoc])


def _probes_of(config_file: Path, instance: Instance) -> tuple[list[ProbeGroupDoc], int]:
    """Return the targets of a configuration and of its lists that are files, and the exit code."""
    from ermon.api.answers import ProbeGroupDoc
    from ermon.config.load import load_config
    from ermon.core.probes import probe_groups, unread
    from ermon.model.source_key import SourceKey, is_url
    from ermon.sources.published import with_published
    from ermon.sources.reading import load_local

    config = load_config(config_file).of(instance).config
    lists, problems = load_local(config, config_file.parent)
    config = with_published(config, lists)
    missing = unread(config)
    for source in missing:
        if is_url(source.location):
            problems.append(
                f"source {SourceKey.of(source).name}: is a URL, which this command does not fetch; a running ermon does: "
                "leave CONFIG out, or give its --url"
            )
    for problem in problems:
        print(f"ermon: {problem}", file=sys.stderr)
    groups = [
        ProbeGroupDoc(targets=each.targets, labels=each.labels)
        for each in probe_groups(config, datetime.now(UTC).date())
    ]
    return groups, UNREACHABLE if missing else FINE
