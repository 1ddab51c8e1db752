"""The commands that explain ermon: demo, checks and explain."""

from __future__ import annotations

import argparse

from ermon.cli.shared import FINE, Commands, RefusedError


def add_demo(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="a whole network on loopback, and a NAT pool leak caught",
        description="Runs a small company on loopback: real BGP speakers as its edge routers, a real ermon, and "
        "a story of a leak, a lost link and a lost circuit. Needs no root and no file.",
    )
    parser.add_argument("--hold", action="store_true", help="keep it up for a browser until Ctrl-C")
    parser.add_argument("--omit-leak", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(command=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ermon.demo import run_demo

    return run_demo(hold=options.hold, omit_leak=options.omit_leak)


def add_checks(commands: Commands) -> None:
    parser = commands.add_parser(
        "checks", help="list the checks", description="Lists everything that ermon can find."
    )
    parser.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    parser.set_defaults(command=_checks)


def _checks(options: argparse.Namespace) -> int:
    from ermon.checks.catalogue import CATALOGUE
    from ermon.checks.check import Section
    from ermon.checks.explain import markdown_table
    from ermon.checks.guide import guide

    if options.markdown:
        print(markdown_table())
        return FINE
    for section in Section:
        print(f"\n{section}")
        for check in CATALOGUE.values():
            if check.section is section:
                note = " (off unless switched on)" if check.off_by_default else ""
                print(f"  {check.name:<26}{check.severity:<10}{guide(check.name).title}{note}")
    print("\nermon explain CHECK tells what a check means and what to do.")
    return FINE


def add_explain(commands: Commands) -> None:
    parser = commands.add_parser(
        "explain",
        help="what a check means, and what to do",
        description="Explains a check: what it means, what it needs, what to do when it is raised, and where the "
        "rule comes from.",
    )
    parser.add_argument("check", metavar="CHECK", help="a name of `ermon checks`")
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    import difflib

    from ermon.checks.catalogue import CATALOGUE
    from ermon.checks.explain import explain

    if options.check not in CATALOGUE:
        near = difflib.get_close_matches(options.check, CATALOGUE, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise RefusedError(f"there is no check {options.check!r}.{hint} `ermon checks` lists them.")
    print(explain(CATALOGUE[options.check]))
    return FINE
