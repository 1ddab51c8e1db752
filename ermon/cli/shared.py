"""Shared by the commands: exit codes, errors that end a command, flags and their types."""

from __future__ import annotations

import argparse
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from ermon.model.text import LONGEST_SECONDS, parse_duration, printable

FINE, WRONG, USAGE, UNREACHABLE, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"

_SIZES = {"MiB": 1024**2, "GiB": 1024**3}
_SMALLEST, _LARGEST = 16 * 1024**2, 1024**4

PLATFORMS = (
    *("iosxe", "iosxr", "nxos", "junos", "eos", "frr", "bird", "vyos"),
    *("gobgp", "openbgpd", "panos", "fortios"),
)
"""The keys of ``routers.PLATFORMS`` and ``commands.PLATFORMS``, repeated so that `--help` imports neither package."""

# Errors that end a command -------------------------------------------------------------------------------


class RefusedError(Exception):
    """The command cannot do what it was asked to; the text says why, and what would be right."""


def _about_files() -> tuple[type[Exception], ...]:
    """Return the classes of errors whose text begins with the name of a file."""
    from ermon.checks.sharding import NoFeedError
    from ermon.config.yaml import ConfigError
    from ermon.recording.files import UnreadableError

    return ConfigError, NoFeedError, UnreadableError


def _about_usage() -> tuple[type[Exception], ...]:
    from ermon.client.target import UsageError
    from ermon.routers import RouterError

    return RefusedError, UsageError, RouterError


def _about_others() -> tuple[type[Exception], ...]:
    from ermon.client.target import UnreachableError

    return (UnreachableError,)


def run_command(options: argparse.Namespace) -> int:
    """Run the command of a command line, and return its exit code.

    All errors that a command raises for its user are caught here. `except` evaluates the classes only after an
    error, so they are imported only then, and no command waits for the libraries of another.
    """
    try:
        return int(options.command(options))
    except _about_files() as error:
        print(error, file=sys.stderr)
        return USAGE
    except _about_usage() as error:
        print(f"ermon: {printable(str(error))}", file=sys.stderr)
        return USAGE
    except _about_others() as error:
        print(f"ermon: {printable(str(error))}", file=sys.stderr)
        return UNREACHABLE


# Flags ---------------------------------------------------------------------------------------------------


def add_config_file(parser: argparse.ArgumentParser, text: str, default: Path | None = None) -> None:
    """Add ``--config.file``, which is required if there is no default."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        required=default is None,
        default=default,
        help=text if default is None else f"{text} (default: %(default)s)",
    )


MAX_REGION_CHARACTERS = 64
"""Of a name that is a label of metrics and alerts."""


def add_instance(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which part of the network this ermon watches, as ``instance_of`` reads them."""
    add_feeds_match(parser)
    parser.add_argument(
        "--region",
        type=_region,
        metavar="NAME",
        help="the name of this ermon's region: the label region of findings about ermon itself (exabgp-down, bmp-down, "
        "sight-lost, storage-failed), so that those of two regions are two alerts",
    )


def add_feeds_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--feeds.match",
        dest="feeds_match",
        action="append",
        default=[],
        metavar="GLOB",
        help="use only the feeds whose names match, such as 'edge-us-*', and judge only what they show; for one ermon in "
        "each region, all with the same configuration; may be repeated (default: all feeds)",
    )


def _region(text: str) -> str:
    if not text.isprintable() or not text.strip() or len(text) > MAX_REGION_CHARACTERS:
        raise argparse.ArgumentTypeError(
            f"a name of 1 to {MAX_REGION_CHARACTERS} printable characters, such as us"
        )
    return text


def instance_of(options: argparse.Namespace) -> Instance:
    """Return the instance that the flags of ``add_instance`` or ``add_feeds_match`` describe."""
    from ermon.checks.sharding import Instance

    return Instance(tuple(options.feeds_match), getattr(options, "region", None) or "")


def duration(text: str) -> float:
    """Parse a duration such as ``90m`` into seconds, as the configuration does."""
    seconds = parse_duration(text)
    if seconds and seconds <= LONGEST_SECONDS:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a duration of up to 3650d, such as 90m, 2h or 90d")


def byte_size(text: str) -> int:
    """Parse a size such as ``512MiB`` into bytes."""
    found = re.fullmatch(r"([0-9]{1,7})(MiB|GiB)", text)
    size = int(found[1]) * _SIZES[found[2]] if found else 0
    if _SMALLEST <= size <= _LARGEST:
        return size
    raise argparse.ArgumentTypeError(f"{text!r} is not a size from 16MiB to 1024GiB, such as 512MiB or 2GiB")


if TYPE_CHECKING:
    from ermon.checks.sharding import Instance
    from ermon.client.target import Target
    from ermon.config.load import LoadedConfig
    from ermon.httpd.shell import WebConfig

# The flags about ermon's web: the address on which the daemon serves, and at which other commands connect


_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # to be recognized, not listened on


def add_web(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``ermon run``."""
    parser.add_argument(
        "--web.listen-address",
        dest="listen",
        type=listen_address,
        action="append",
        metavar="HOST:PORT",
        help=f"address of the status page, the API and the metrics; may be repeated "
        f"(default {DEFAULT_LISTEN_ADDRESS})",
    )
    add_web_config(parser)
    parser.add_argument(
        "--web.external-url",
        dest="external_url",
        type=external_url,
        metavar="URL",
        help="the URL under which people reach ermon, for the links in alerts (default: the first listen address)",
    )
    parser.add_argument(
        "--web.allowed-host",
        dest="allowed_hosts",
        type=host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="another host name that clients use for ermon over plain HTTP, besides the machine's own and that of the "
        "external URL; may be repeated",
    )
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="also allow changes (reload, maintenance windows, accept) over TCP, with a password or a verified client "
        "certificate; the control socket always allows them",
    )


def add_web_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        metavar="FILE",
        help="TLS, users, headers and rate limit of the web server, in the format of Prometheus' exporter-toolkit; it and "
        "its certificates are read again when they change",
    )


def listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:10179 or [::1]:10179")
    return host.removeprefix("[").removesuffix("]"), int(port)


def external_url(text: str) -> str:
    # Prometheus would read braces as a template, because it expands templates in annotations.
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or set(text) & set(" {}?#@"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as https://ermon.example.net")
    return text.rstrip("/")


def host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a host name such as ermon.example.net, without scheme and port"
        )
    return text


def web_options(options: argparse.Namespace, *, tls: bool) -> dict[str, Any]:
    """Return the values of the web flags as the fields of ``Options``."""
    listen = tuple(options.listen or [listen_address(DEFAULT_LISTEN_ADDRESS)])
    host, port = listen[0]
    name = socket.gethostname() if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
    return {
        "listen": listen,
        "lifecycle": options.lifecycle,
        "external_url": options.external_url or f"{'https' if tls else 'http'}://{name}:{port}",
        "allowed_hosts": tuple(options.allowed_hosts),
        "web_config_file": options.web_config_file,
    }


def load_configs(options: argparse.Namespace) -> tuple[LoadedConfig, WebConfig]:
    """Read both files that the flags name; raises ``ConfigError`` with every mistake in either of them."""
    from ermon.config.load import ConfigError, load_config
    from ermon.httpd.config import load_web_config
    from ermon.httpd.shell import WebConfig

    loaded, web, problems = None, WebConfig(), []
    try:
        loaded = load_config(options.config_file)
    except ConfigError as error:
        problems += error.problems
    try:
        web = web if options.web_config_file is None else load_web_config(options.web_config_file)
    except ConfigError as error:
        problems += error.problems
    if loaded is None or problems:
        raise ConfigError(problems)
    return loaded, web


def add_target(parser: argparse.ArgumentParser, *, optional: str = "") -> None:
    """Add the flags of a command that asks a daemon; ``optional`` describes what the command does only with ``--url``."""
    parser.add_argument(
        "--url",
        help=optional
        or "URL of the daemon (default: the control socket of this machine or, if there is none, "
        f"http://{DEFAULT_LISTEN_ADDRESS})",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="FILE",
        help="the control socket of a daemon on this machine (default /run/ermon/control.sock; DIR/control.sock of one that runs "
        "with --runtime.path=DIR); it needs no password, only permission to open it",
    )
    parser.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="CA certificates for an https daemon (default: the CAs that this machine trusts)",
    )
    parser.add_argument("--username", metavar="USER", help="user name, if the daemon requires one")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="a file that contains only the user's password",
    )
    parser.add_argument(
        "--cert-file",
        type=Path,
        metavar="FILE",
        help="client certificate (mutual TLS), if the daemon requires one",
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="key of the client certificate")


def target_of(options: argparse.Namespace) -> Target:
    """Return the daemon that the flags name; raises ``client.UsageError`` and ``client.UnreachableError``."""
    from ermon.client.target import make_target

    return make_target(
        options.url,
        socket=options.socket,
        ca_file=options.ca_file,
        username=options.username,
        password_file=options.password_file,
        cert_file=options.cert_file,
        key_file=options.key_file,
    )
