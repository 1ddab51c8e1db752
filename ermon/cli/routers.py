"""``ermon render router``: what to paste into a router."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from ermon.cli.exits import FINE, USAGE, Commands
from ermon.model.prefixes import Family

PLATFORMS = ("iosxe", "iosxr", "nxos", "junos", "eos", "frr", "bird", "vyos")


def add_render_router(what: Commands) -> None:
    parser = what.add_parser(
        "router",
        help="what to paste into a router",
        description="Prints the sessions of a router with ermon, for all its feeds, in the language of the router. "
        "A feed that names no router stands for its own. Keys are never printed: whatever is to be replaced "
        "begins with REPLACE-.",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        help="the router, as `router:` of its feeds names it, or the name of a feed without",
    )
    parser.add_argument("--platform", required=True, choices=PLATFORMS, help="what the router is")
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        default=Path("ermon.yml"),
        help="the configuration (default: %(default)s)",
    )
    parser.add_argument(
        "--mirror",
        dest="mirrors",
        type=_mirror,
        action="append",
        default=[],
        metavar="FEED[:FAMILY]=POLICY",
        help="the outbound route map, route policy, policy statement or filter of the neighbor that the feed "
        "mirrors; may be repeated, and :ipv4 or :ipv6 makes it that family's",
    )
    parser.add_argument(
        "--update-source",
        dest="update_source",
        metavar="INTERFACE",
        help="the interface that has the router's address in its feeds, where the platform wants its name",
    )
    parser.set_defaults(command=_render_router)


def _mirror(text: str) -> tuple[tuple[str, Family | None], str]:
    """Read ``edge-1-msee:ipv6=TO-MICROSOFT6``."""
    subject, _, policy = text.partition("=")
    feed, colon, given = subject.partition(":")
    family = next((family for family in get_args(Family) if family == given), None)
    if not feed or not policy or (colon and family is None):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not FEED=POLICY or FEED:FAMILY=POLICY, such as edge-1-msee=TO-MICROSOFT"
        )
    return (feed, family), policy


def _render_router(options: argparse.Namespace) -> int:
    from ermon.config.load import ConfigError, load_config
    from ermon.routers import RouterError, render

    try:
        config = load_config(options.config_file).config
        print(
            render(config, options.name, options.platform, dict(options.mirrors), options.update_source),
            end="",
        )
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    except RouterError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return USAGE
    return FINE
