"""``ermon init``: the first configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ermon.cli.exits import FINE, USAGE, Commands

FLAGS = (
    ("--asn", "ASN", "your AS number, as Microsoft sees it"),
    ("--circuit", "NAME", "a circuit with one of its peerings; what describes a circuit comes behind it"),
    ("--peering", "PEERING", "of the circuit: microsoft (default) or private"),
    ("--location", "LOCATION", "of the circuit: its peering location, such as Chicago"),
    ("--geo", "GEO", "of the circuit: its geopolitical region (default: by Microsoft's list of locations)"),
    ("--link", "LINK=ROUTER[,SUBNET[,SUBNET6]]", "of the circuit: primary or secondary, router and subnets"),
    ("--service", "SERVICE", "of the circuit: what it must bring, such as exchange-online or 12076:5020"),
    ("--pool", "NAME=PREFIX[,PREFIX]", "of the circuit: a NAT pool that it advertises"),
    ("--own-prefix", "PREFIX", "address space that is yours, wherever it is announced"),
    ("--uplink", "NAME=ROUTER,ASN", "an exit to the internet: your router, and the provider's ASN"),
    ("--router", "NAME=ADDRESS", "the address that a router connects to ermon from"),
    ("--collector", "ADDRESS", "the first of this machine's addresses for ermon; it takes the next few too"),
)


def add_init(commands: Commands) -> None:
    parser = commands.add_parser(
        "init",
        help="write a first configuration",
        description="Writes a first configuration with comments: from flags, from what Azure knows of your circuits, "
        "and from your answers to what is missing, if standard input is a terminal. What nobody said is proposed, and "
        "marked CHANGE.",
        epilog="example: az network express-route show -g GROUP -n CIRCUIT -o json | ermon init --azure -",
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="ermon.yml",
        metavar="FILE",
        help="- for standard output (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument(
        "--azure",
        action="append",
        default=[],
        metavar="FILE",
        help="what `az network express-route show -o json`, or list, prints; - for standard input; may be repeated",
    )
    for name, metavar, text in FLAGS:
        parser.add_argument(name, dest="given", action=_InOrder, default=[], metavar=metavar, help=text)
    parser.set_defaults(command=_init)


class _InOrder(argparse.Action):
    """Keeps flags with their values in the order in which they were given."""

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
