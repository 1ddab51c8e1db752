"""``ermon render systemd``: a way in without scripts."""

from __future__ import annotations

import argparse
import sys
import sysconfig
from pathlib import Path

from ermon.cli.exits import FINE, USAGE, Commands


def add_render_systemd(what: Commands) -> None:
    parser = what.add_parser(
        "systemd",
        help="what makes ermon a service of systemd",
        description="Prints the unit for this installation of ermon, or what makes its account and its folders.",
    )
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        default=Path("/etc/ermon/ermon.yml"),
        help="the configuration; the keys that it names are passed on (default: %(default)s)",
    )
    parser.add_argument(
        "--executable",
        type=Path,
        metavar="FILE",
        help="where ermon is, for another machine (default: this one)",
    )
    which = parser.add_mutually_exclusive_group()
    for name, text in (
        ("unit", "for /etc/systemd/system/ermon.service (default)"),
        ("sysusers", "for /etc/sysusers.d/ermon.conf: the account"),
        ("tmpfiles", "for /etc/tmpfiles.d/ermon.conf: the folders"),
    ):
        which.add_argument(f"--{name}", dest="wanted", action="store_const", const=name, help=text)
    parser.set_defaults(command=_render_systemd)


def _render_systemd(options: argparse.Namespace) -> int:
    from ermon.config.load import ConfigError, load_config
    from ermon.config.secrets import files_named_in
    from ermon.daemon.systemd_files import UnitError, UnitFile, hidden, render

    files = {"sysusers": UnitFile.SYSUSERS, "tmpfiles": UnitFile.TMPFILES}
    wanted = files.get(options.wanted, UnitFile.SERVICE)
    config_file = options.config_file.absolute()
    executable = options.executable or Path(sysconfig.get_path("scripts")) / "ermon"
    if options.executable is None:
        if not executable.is_file():
            return _refuse(
                f"ermon is not installed: there is no {executable}. --executable=FILE names another"
            )
        if (unseen := hidden([executable, Path(sys.executable).resolve()])) is not None:
            return _refuse(
                f"the service does not see {unseen}, since home and temporary folders are hidden from it: install "
                "ermon elsewhere, such as with PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install, or with "
                "UV_TOOL_DIR=/opt/uv/tools UV_PYTHON_INSTALL_DIR=/opt/uv/python UV_TOOL_BIN_DIR=/usr/local/bin uv tool "
                "install. --executable=FILE prints the unit for another place"
            )
    try:
        secret_files: list[str] = []
        if wanted is UnitFile.SERVICE and _exists(config_file):
            secret_files = files_named_in(load_config(config_file).config)
        print(render(wanted, executable, config_file, secret_files), end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    except (UnitError, OSError) as error:
        return _refuse(str(error))
    return FINE


def _exists(config_file: Path) -> bool:
    """Tell whether there is a configuration yet, and say so where there is none."""
    try:
        config_file.stat()
    except FileNotFoundError:
        print(
            f"ermon: {config_file} is not there yet: the keys that it will name are not known",
            file=sys.stderr,
        )
        return False
    return True


def _refuse(problem: str) -> int:
    print(f"ermon: {problem}", file=sys.stderr)
    return USAGE
