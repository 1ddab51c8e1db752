"""The daemon that a command talks to, and the credentials that it requires."""

from __future__ import annotations

import base64
import grp
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from ermon.model.text import printable

MAX_PASSWORD_BYTES = 1024
"""A larger file is not a password; ermon compares only the first 72 bytes of a password."""
DEFAULT_SOCKET = Path("/run/ermon/control.sock")
"""The control socket of a daemon that systemd or the container runs."""
DEFAULT_URL = "http://127.0.0.1:10179"
_ANY_URL = URL("http://localhost")  # for a socket, over which no name is looked up


class _ClientError(Exception):
    """Its text may quote a server, and is always one line that is safe to print."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class UsageError(_ClientError):
    """The request is wrong; the text says what would be right."""


class UnreachableError(_ClientError):
    """No ermon responds as it should; the text says at which address, what is wrong, and what to do."""


def parse_url(text: str) -> URL:
    """Parse the URL of a daemon; raises ``UsageError`` if it is none."""
    try:
        url = URL(text.rstrip("/"))
        if url.raw_user is not None or url.raw_password is not None:
            raise UsageError(
                "the URL must not contain a user or password, because others can see a command's arguments; use --username and --password-file"
            )
        usable = url.scheme in {"http", "https"} and bool(url.host) and not url.query_string
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{text!r} is not the address of a daemon; give one such as http://127.0.0.1:10179")
    return url


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon, and the credentials that it requires."""

    url: URL
    socket: Path | None = None
    """The control socket of a daemon on this machine; with it, the host of the URL has no meaning."""
    no_socket: Path | None = None
    """The default socket, if it does not exist: then the URL is a guess."""
    tls: ssl.SSLContext | None = None
    """For https; ``None``: trust the certificate authorities of this machine."""
    authorization: str | None = field(default=None, repr=False)
    """The value of the header ``Authorization``."""

    @property
    def name(self) -> str:
        """The address of the daemon, without secrets that a URL may contain."""
        return _shown(self.url) if self.socket is None else str(self.socket)


def make_target(
    url: str | None = None,
    *,
    socket: Path | None = None,
    ca_file: Path | None = None,
    username: str | None = None,
    password_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Target:
    """Return the daemon that a command line names.

    Without ``url`` and ``socket`` it is the daemon of this machine: ``DEFAULT_SOCKET``, or ``DEFAULT_URL`` if that
    socket does not exist. ``ca_file`` is the authority of the daemon's certificate. ``cert_file`` and ``key_file`` are
    the client certificate, for a daemon that requires one. All are in PEM. ``password_file`` has the password, with or
    without a line feed at its end. Raises ``UsageError`` for wrong arguments, and ``UnreachableError`` if the user may
    not open the socket.
    """
    given = (ca_file, username, password_file, cert_file, key_file)
    if socket is not None and (url is not None or any(given)):
        raise UsageError(
            "--socket is for a daemon on this machine and needs none of the other options; remove them"
        )
    missing = None
    if url is None and not any(given):
        if socket is not None or _is_there(DEFAULT_SOCKET):
            return Target(_ANY_URL, socket or DEFAULT_SOCKET)
        missing = DEFAULT_SOCKET
    address = parse_url(DEFAULT_URL if url is None else url)
    if address.scheme != "https" and (ca_file or cert_file or key_file):
        raise UsageError("--ca-file, --cert-file and --key-file need an https:// URL; --url is not one")
    tls = _tls(ca_file, cert_file, key_file)
    return Target(address, no_socket=missing, tls=tls, authorization=_authorization(username, password_file))


def _is_there(socket: Path) -> bool:
    try:
        socket.lstat()
    except PermissionError:
        raise UnreachableError(closed(socket)) from None
    except OSError:
        return False
    return True


def closed(socket: Path) -> str:
    """Return what a user who may not open the socket can do."""
    return (
        f"{socket}: permission denied: join the group {_group_of(socket)}, or use sudo; "
        f"--url {DEFAULT_URL} reads only"
    )


def _group_of(socket: Path) -> str:
    """Return the group that may open a socket, or that of its folder if only that is visible. Where that is root's group,
    which users should not join, it is ``ermon``.
    """
    for path in (socket, socket.parent):
        try:
            group = path.stat().st_gid
            return grp.getgrgid(group).gr_name if group else "ermon"
        except (OSError, KeyError):
            continue
    return "ermon"


def _tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    if ca_file is None and cert_file is None and key_file is None:
        return None
    if key_file is not None and cert_file is None:
        raise UsageError("--key-file needs --cert-file, the certificate of the key")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise UsageError(
            f"--ca-file: {ca_file} is not a PEM file with certificates: {reason(error)}"
        ) from None
    if cert_file is not None:
        try:
            context.load_cert_chain(cert_file, key_file)
        except OSError as error:
            raise UsageError(
                f"--cert-file: {cert_file} and its key cannot be used: {reason(error)}"
            ) from None
    return context


def _authorization(username: str | None, password_file: Path | None) -> str | None:
    if (username is None) is not (password_file is None):
        raise UsageError("--username and --password-file belong together; give both")
    if username is None or password_file is None:
        return None
    if ":" in username:
        raise UsageError("--username: a user name must not contain a colon (RFC 7617)")
    try:
        with password_file.open("rb") as file:
            password = file.read(MAX_PASSWORD_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--password-file: {password_file} cannot be read: {reason(error)}") from None
    if len(password) > MAX_PASSWORD_BYTES:
        raise UsageError(f"--password-file: {password_file} is larger than {MAX_PASSWORD_BYTES} bytes")
    given = username.encode() + b":" + password.rstrip(b"\r\n")
    return f"Basic {base64.b64encode(given).decode()}"


def reason(error: Exception) -> str:
    """Return what went wrong with a connection; many of aiohttp's errors have no text."""
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(error).__name__


def _shown(url: URL) -> str:
    """Return a URL as text without user name and password."""
    return str(url.with_user(None)).rstrip("/")
