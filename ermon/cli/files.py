"""The commands that work on files alone: check, test and render."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ermon.cli.exits import DEFAULT_LISTEN_ADDRESS, FINE, USAGE, WRONG, Commands, add_feeds_match
from ermon.cli.routers import add_render_router
from ermon.cli.units import add_render_systemd
from ermon.cli.web import add_web_config, external_url, load_configs


def add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Validates a configuration, and the web's if one is named, and says what the network that it "
        "describes lacks. "
        "Exit 0 clean, 1 findings, 2 invalid.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    add_web_config(parser)
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from ermon.config.lints import lint
    from ermon.config.load import ConfigError

    try:
        loaded, web = load_configs(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    for warning in (*loaded.warnings, *web.warnings):
        print(f"{warning} (warning)")
    found = lint(loaded, time.time())
    for finding in found:
        print(finding)
    return WRONG if found else FINE


def add_test(commands: Commands) -> None:
    parser = commands.add_parser(
        "test",
        help="run policy tests written in YAML",
        description="Runs scenarios: a configuration, what happens on the feeds, and what must be raised, cleared "
        "and not raised when. Exit 0 all passed, 1 one failed, 2 a file is invalid.",
    )
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="FILE", help="a scenario file, or a folder of them"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show what was raised and cleared in each"
    )
    parser.set_defaults(command=_test)


def _test(options: argparse.Namespace) -> int:
    from ermon.scenario import run_scenarios

    return run_scenarios(options.paths, verbose=options.verbose, out=sys.stdout, err=sys.stderr)


def add_render(commands: Commands) -> None:
    parser = commands.add_parser(
        "render",
        help="print what ermon writes for others",
        description="Prints what ermon writes for others.",
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    exabgp = what.add_parser(
        "exabgp",
        help="the ExaBGP configuration",
        description="Prints the configuration that ermon gives to its ExaBGP processes, without secrets.",
    )
    exabgp.add_argument("config_file", type=Path, metavar="CONFIG")
    add_feeds_match(exabgp)
    exabgp.add_argument("--process", metavar="NAME", help="only that of this process (default: all of them)")
    exabgp.set_defaults(command=_render_exabgp)
    add_render_systemd(what)
    add_render_router(what)
    rules = what.add_parser(
        "rules",
        help="the Prometheus rules",
        description="Prints a rule file for Prometheus: whether ermon works, and an alert for each check. With a "
        "configuration, with its severities and without the checks that it switches off.",
    )
    rules.add_argument("config_file", type=Path, nargs="?", metavar="CONFIG")
    rules.add_argument(
        "--web.external-url",
        dest="external_url",
        type=external_url,
        metavar="URL",
        help="under which people reach ermon: for the links in alerts (default: %(default)s)",
        default=f"http://{DEFAULT_LISTEN_ADDRESS}",
    )
    which = rules.add_mutually_exclusive_group()
    for rule_set, text in (
        ("self", "only whether ermon works"),
        ("findings", "only an alert for each check: not where ermon pushes its findings to an Alertmanager"),
        ("regions", "what only the ermons of all regions together tell"),
    ):
        which.add_argument(f"--{rule_set}", dest="rule_set", action="store_const", const=rule_set, help=text)
    rules.set_defaults(command=_render_rules)


def _render_exabgp(options: argparse.Namespace) -> int:
    from ermon.checks.sharding import NoFeedError
    from ermon.config.load import ConfigError, load_config
    from ermon.exabgp.configure import render

    try:
        config = load_config(options.config_file).only_feeds(options.feeds_match).config
    except (ConfigError, NoFeedError) as error:
        print(error, file=sys.stderr)
        return USAGE
    if options.process is not None and options.process not in config.processes:
        known = ", ".join(config.processes)
        print(f"ermon: there is no process {options.process!r}: there are {known}", file=sys.stderr)
        return USAGE
    for process in config.processes:
        if options.process in {None, process}:
            print(f"# ExaBGP process {process}\n")
            print(render(config, process, f"{sys.executable} -m ermon.exabgp.relay", None))
    return FINE


def _render_rules(options: argparse.Namespace) -> int:
    from ermon.config.load import ConfigError, load_config
    from ermon.rules import RuleSet, render

    try:
        config = load_config(options.config_file).config if options.config_file is not None else None
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    wanted = (RuleSet.SELF, RuleSet.FINDINGS) if options.rule_set is None else (RuleSet(options.rule_set),)
    print(render(wanted, config, options.external_url), end="")
    return FINE
