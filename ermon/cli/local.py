"""The commands that need no running daemon: init, check and test work on files; demo, checks and explain show how ermon
works.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermon.cli.shared import (
    FINE,
    PLATFORMS,
    USAGE,
    WRONG,
    Commands,
    RefusedError,
    add_instance,
    add_target,
    add_web_config,
    instance_of,
    load_configs,
    target_of,
)
from ermon.init import FLAGS

if TYPE_CHECKING:
    from ermon.model.inventory import Config


# A first configuration -----------------------------------------------------------------------------------


def add_init(commands: Commands) -> None:
    parser = commands.add_parser(
        "init",
        help="write a first configuration",
        description="Writes a first configuration with comments, from flags and from Azure's description of your circuits. If "
        "standard input is a terminal, it asks for the rest. Anything left open gets a placeholder marked CHANGE.",
        epilog="example: az network express-route show -g GROUP -n CIRCUIT -o json | ermon init --azure -",
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="ermon.yml",
        metavar="FILE",
        help="- for standard output (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing FILE")
    parser.add_argument(
        "--azure",
        action="append",
        default=[],
        metavar="FILE",
        help="output of `az network express-route show -o json`, or of list, `peering list`, `az rest` or PowerShell's "
        "ConvertTo-Json -Depth 10; also of `az network route-filter list` (services) and `az network vnet list` (address "
        "space behind private peering); - for standard input; may be repeated",
    )
    for flag in FLAGS:
        parser.add_argument(
            flag.name, dest="given", action=_InOrder, default=[], metavar=flag.metavar, help=flag.help
        )
    parser.set_defaults(command=_init)


class _InOrder(argparse.Action):
    """Stores flags with their values in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        namespace.given = [*namespace.given, (self.option_strings[0], values)]


def _init(options: argparse.Namespace) -> int:
    from ermon.init.run import STANDARD, Console, InitError, init

    terminal = Console() if STANDARD not in options.azure and sys.stdin.isatty() else None
    try:
        said = init(options.file, options.given, options.azure, replace=options.force, terminal=terminal)
    except InitError as error:
        for line in str(error).splitlines():
            print(f"ermon: {line}", file=sys.stderr)
        return USAGE
    print(*said, sep="\n", file=sys.stderr if options.file == STANDARD else sys.stdout)
    return FINE


# Checks and tests of a configuration ---------------------------------------------------------------------


def add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Validates a configuration (and the web configuration, if --web.config.file names one), and reports design "
        "weaknesses such as a single router, overlapping pools or missing views. Exit codes: 0 nothing to do; 1 an error or "
        "a warning that policy.accept does not list; 2 invalid. `ermon explain LINT` explains one of them.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    add_web_config(parser)
    add_instance(parser)
    add_target(
        parser,
        optional="address of a running daemon: also show what this file would raise and clear there, with the routes that "
        "the daemon holds",
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="also check this machine: whether it can listen on the addresses of the feeds",
    )
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from ermon.config.lints import lint

    loaded, web = load_configs(options)
    instance = instance_of(options)
    for warning in (*web.warnings, *instance.mistakes(loaded.of(instance).config)):
        print(warning)
    found = lint(loaded, time.time(), options.config_file.parent, here=options.here)
    for finding in found:
        print(finding)
    asked = options.url is not None or options.socket is not None
    needs_somebody = asked and _previewed(options, loaded.config)
    return WRONG if any(each.counts for each in found) or needs_somebody else FINE


def _previewed(options: argparse.Namespace, config: Config) -> bool:
    """Show what a running daemon would raise and clear with this file; return whether an engineer must act on it."""
    from ermon.sources.reading import load_local
    from ermon.verify.preview import preview, write

    lists, _ = load_local(config, options.config_file.parent)
    found = preview(target_of(options), config, lists)
    write(found, sys.stdout)
    return found.wrong


def add_test(commands: Commands) -> None:
    parser = commands.add_parser(
        "test",
        help="run policy tests written in YAML",
        description="Runs scenarios. A scenario has a configuration, events on the feeds, and the findings that they must and "
        "must not raise and clear. Exit codes: 0 all passed; 1 one failed; 2 a file is invalid.",
    )
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="FILE", help="a scenario file, or a folder of scenario files"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show the findings raised and cleared in each scenario"
    )
    parser.set_defaults(command=_test)


def _test(options: argparse.Namespace) -> int:
    from ermon.scenario import run_scenarios

    return run_scenarios(options.paths, verbose=options.verbose, out=sys.stdout, err=sys.stderr)


# What ermon does: shown and explained ---------------------------------------------------------------


def add_demo(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="run a whole network on loopback and catch a NAT pool leak",
        description="Runs a small company's network on loopback, with real BGP speakers as edge routers and a real ermon. Shows "
        "how ermon reports a leak, a lost link and a lost circuit. Needs no root and no file.",
    )
    parser.add_argument("--hold", action="store_true", help="keep the network up for a browser until Ctrl-C")
    parser.add_argument("--omit-leak", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(command=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ermon.demo import run_demo

    return run_demo(hold=options.hold, omit_leak=options.omit_leak)


def add_checks(commands: Commands) -> None:
    parser = commands.add_parser("checks", help="list the checks", description="Lists all checks.")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.set_defaults(command=_checks)


def _checks(options: argparse.Namespace) -> int:
    from ermon.checks.catalogue import CATALOGUE
    from ermon.checks.check import Section
    from ermon.checks.explain import markdown_table
    from ermon.checks.guide import guide

    if options.markdown:
        print(markdown_table())
        return FINE
    width = max(map(len, CATALOGUE))
    for section in Section:
        print(f"\n{section}")
        for check in CATALOGUE.values():
            if check.section is section:
                note = " (off by default)" if check.off_by_default else ""
                print(f"  {check.name:<{width}}  {check.severity:<10}{guide(check.name).title}{note}")
    print("\nermon explain CHECK says what a check means and what to do.")
    return FINE


_FINDING_ID = re.compile(r"[0-9a-f]{16}")
"""The form of a finding's id; no check has such a name."""


def add_explain(commands: Commands) -> None:
    parser = commands.add_parser(
        "explain",
        help="explain a check or a finding, and what to do",
        description="Explains a check: what it means, what it needs, what to do when it is raised, and where the rule comes from. "
        "With the ID of a finding, it asks a running daemon and fills in the commands. Exit codes with an ID: 0 the finding "
        "is over; 1 it is raised; 3 no daemon answers or knows it.",
    )
    parser.add_argument(
        "check",
        metavar="CHECK",
        help="a check that `ermon checks` lists, a lint that `ermon check` prints, or the ID of a finding",
    )
    parser.add_argument("--json", action="store_true", help="for a finding: print the API's answer")
    parser.add_argument(
        "--platform",
        choices=PLATFORMS,
        help="for a check: show the router commands of this platform (default: iosxe); for a finding, the daemon knows the "
        "platform of each router",
    )
    add_target(parser)
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    if _FINDING_ID.fullmatch(options.check):
        if options.platform:
            raise RefusedError(
                "--platform is for a check; for a finding, set routers.NAME.platform in the configuration"
            )
        return _explain_finding(options)
    import difflib

    from ermon.checks.catalogue import CATALOGUE
    from ermon.checks.explain import explain
    from ermon.checks.guide import WRITTEN_FOR
    from ermon.config import lint_catalogue

    if options.check in lint_catalogue.LINTS and options.check not in CATALOGUE:
        print(lint_catalogue.explain(lint_catalogue.LINTS[options.check]))
        return FINE
    if options.check not in CATALOGUE:
        near = difflib.get_close_matches(options.check, [*CATALOGUE, *lint_catalogue.LINTS], n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise RefusedError(f"there is no check {options.check!r}.{hint} `ermon checks` lists them.")
    print(explain(CATALOGUE[options.check], options.platform or WRITTEN_FOR))
    return FINE


def _explain_finding(options: argparse.Namespace) -> int:
    import asyncio

    from ermon.terminal.finding import show_finding

    asking = show_finding(target_of(options), options.check, sys.stdout, json=options.json)
    return FINE if asyncio.run(asking) else WRONG
