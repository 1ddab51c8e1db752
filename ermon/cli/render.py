"""``ermon render``: generates configuration for ExaBGP, systemd, routers and Prometheus from ermon's own."""

from __future__ import annotations

import argparse
import sys
import sysconfig
from pathlib import Path
from typing import get_args

from ermon.cli.prometheus import add_probes, add_rules
from ermon.cli.shared import (
    FINE,
    PLATFORMS,
    Commands,
    RefusedError,
    add_config_file,
    add_feeds_match,
    instance_of,
)
from ermon.model.prefixes import Family


def add_render(commands: Commands) -> None:
    parser = commands.add_parser(
        "render",
        help="generate configuration for routers, systemd, ExaBGP, Prometheus and Azure",
        description="Prints generated configuration for routers, systemd, ExaBGP, Prometheus and Azure.",
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    for add in (_add_exabgp, _add_systemd, _add_router, add_rules, add_probes, _add_azure_role):
        add(what)


# Azure ---------------------------------------------------------------------------------------------------


def _add_azure_role(what: Commands) -> None:
    parser = what.add_parser(
        "azure-role",
        help="the custom role with the least rights that ermon needs in Azure",
        description="Prints the custom role with the least rights that ermon needs to read the circuits of the configuration, for "
        "`az role definition create --role-definition`.",
    )
    add_config_file(parser, "the configuration", Path("ermon.yml"))
    parser.set_defaults(command=_azure_role)


def _azure_role(options: argparse.Namespace) -> int:
    from ermon.azure.role import role
    from ermon.config.load import load_config

    config = load_config(options.config_file).config
    found = [circuit.azure.resource_id for circuit in config.circuits.values() if circuit.azure is not None]
    if not found:
        raise RefusedError("no circuit has azure: {resource_id: …}, so ermon reads nothing in Azure")
    print(role(found), end="")
    return FINE


# ExaBGP --------------------------------------------------------------------------------------------------


def _add_exabgp(what: Commands) -> None:
    exabgp = what.add_parser(
        "exabgp",
        help="the ExaBGP configuration",
        description="Prints the configuration that ermon gives to its ExaBGP processes, without secrets.",
    )
    exabgp.add_argument("config_file", type=Path, metavar="CONFIG")
    add_feeds_match(exabgp)
    exabgp.add_argument(
        "--process", metavar="NAME", help="only the configuration of this process (default: all)"
    )
    exabgp.set_defaults(command=_exabgp)


def _exabgp(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.exabgp.configure import render

    config = load_config(options.config_file).of(instance_of(options)).config
    if options.process is not None and options.process not in config.processes:
        known = ", ".join(config.processes)
        raise RefusedError(f"there is no process {options.process!r}: there are {known}")
    for process in config.processes:
        if options.process in {None, process}:
            print(f"# ExaBGP process {process}\n")
            print(render(config, process, f"{sys.executable} -m ermon.exabgp.relay", None))
    return FINE


# systemd -------------------------------------------------------------------------------------------------


def _add_systemd(what: Commands) -> None:
    parser = what.add_parser(
        "systemd",
        help="the systemd unit of ermon, its account and its folders",
        description="Prints the systemd unit for this installation of ermon, or the files that create its account and "
        "folders.",
    )
    add_config_file(
        parser,
        "the configuration; the unit passes the keys that it names to ermon",
        Path("/etc/ermon/ermon.yml"),
    )
    parser.add_argument(
        "--executable",
        type=Path,
        metavar="FILE",
        help="path of the ermon executable, for another machine (default: this installation)",
    )
    which = parser.add_mutually_exclusive_group()
    for name, text in (
        ("unit", "for /etc/systemd/system/ermon.service (default)"),
        ("sysusers", "for /etc/sysusers.d/ermon.conf: the account"),
        ("tmpfiles", "for /etc/tmpfiles.d/ermon.conf: the folders"),
    ):
        which.add_argument(f"--{name}", dest="wanted", action="store_const", const=name, help=text)
    parser.set_defaults(command=_systemd)


def _systemd(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.config.secrets import files_named_in
    from ermon.daemon.systemd import UnitError, UnitFile, render

    files = {"sysusers": UnitFile.SYSUSERS, "tmpfiles": UnitFile.TMPFILES}
    wanted = files.get(options.wanted, UnitFile.SERVICE)
    config_file = options.config_file.absolute()
    executable = options.executable or _installed()
    secret_files: list[str] = []
    if wanted is UnitFile.SERVICE and _exists(config_file):
        secret_files = files_named_in(load_config(config_file).config)
    try:
        print(render(wanted, executable, config_file, secret_files), end="")
    except UnitError as error:
        raise RefusedError(str(error)) from None
    return FINE


def _installed() -> Path:
    """Return the path of this ermon's executable, if a service can run it there."""
    from ermon.daemon.systemd import hidden

    executable = Path(sysconfig.get_path("scripts")) / "ermon"
    if not executable.is_file():
        raise RefusedError(
            f"ermon is not installed: there is no {executable}. Name another file with --executable=FILE"
        )
    if (unseen := hidden([executable, Path(sys.executable).resolve()])) is not None:
        raise RefusedError(
            f"the service cannot see {unseen}: systemd hides home and temporary folders from it. Install "
            "ermon elsewhere, for example with PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install, or with "
            "UV_TOOL_DIR=/opt/uv/tools UV_PYTHON_INSTALL_DIR=/opt/uv/python UV_TOOL_BIN_DIR=/usr/local/bin uv tool "
            "install. --executable=FILE prints the unit for another installation"
        )
    return executable


def _exists(config_file: Path) -> bool:
    """Return whether the configuration file exists, and print a message if it does not."""
    try:
        config_file.stat()
    except FileNotFoundError:
        print(
            f"ermon: {config_file} does not exist yet, so the unit names no keys",
            file=sys.stderr,
        )
        return False
    except OSError as error:
        raise RefusedError(str(error)) from None
    return True


# Routers -------------------------------------------------------------------------------------------------


def _add_router(what: Commands) -> None:
    parser = what.add_parser(
        "router",
        help="the BGP or BMP configuration to paste into a router",
        description="Prints the configuration of a router's BGP sessions to ermon, for all its feeds. A feed without `router:` "
        "counts as a router of its own. Keys are never printed: each value to replace begins with REPLACE-.",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        help="the name of the router in `router:` of its feeds, or the name of a feed without `router:`",
    )
    parser.add_argument(
        "--platform",
        choices=PLATFORMS,
        help="the platform of the router (default: routers.NAME.platform in the configuration)",
    )
    add_config_file(parser, "the configuration", Path("ermon.yml"))
    parser.add_argument(
        "--mirror",
        dest="mirrors",
        type=_mirror,
        action="append",
        default=[],
        metavar="FEED[:FAMILY]=POLICY",
        help="the outbound route map, route policy, policy statement or filter of the neighbor that the feed "
        "mirrors; :ipv4 or :ipv6 limits it to that family; may be repeated",
    )
    parser.add_argument(
        "--update-source",
        dest="update_source",
        metavar="INTERFACE",
        help="the interface with the router's address in its feeds, for platforms that need its name",
    )
    parser.add_argument(
        "--bmp",
        action="store_true",
        help="print what reports the router's own sessions to ermon by BMP (routers.NAME.bmp in the configuration), instead",
    )
    parser.set_defaults(command=_router)


def _mirror(text: str) -> tuple[tuple[str, Family | None], str]:
    """Parse a mirror and its outbound policy, such as ``edge-1-msee:ipv6=TO-MICROSOFT6``."""
    subject, _, policy = text.partition("=")
    feed, colon, given = subject.partition(":")
    family = next((family for family in get_args(Family) if family == given), None)
    if not feed or not policy or (colon and family is None):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not FEED=POLICY or FEED:FAMILY=POLICY, such as edge-1-msee=TO-MICROSOFT"
        )
    return (feed, family), policy


def _router(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.routers import render, render_bmp

    if options.bmp and options.mirrors:
        raise RefusedError("--mirror is for BGP sessions with ermon; remove it, or --bmp")
    config = load_config(options.config_file).config
    platform = options.platform or config.platforms.get(options.name)
    if platform is None:
        raise RefusedError(
            f"the platform of {options.name} is not known: give --platform or routers.{options.name}.platform, one of "
            f"{', '.join(PLATFORMS)}"
        )
    if options.bmp:
        print(render_bmp(config, options.name, platform, options.update_source), end="")
    else:
        print(render(config, options.name, platform, dict(options.mirrors), options.update_source), end="")
    return FINE
