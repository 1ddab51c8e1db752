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
"""A larger file is no password; ermon looks at the first 72 bytes of one."""
DEFAULT_SOCKET = Path("/run/ermon/control.sock")
"""Where a daemon that systemd or the container runs listens."""
DEFAULT_URL = "http://127.0.0.1:10179"
_ANY_URL = URL("http://localhost")  # over a socket: no name is looked up


class _ClientError(Exception):
    """Whatever a server said, the text is one line that can be shown anywhere."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class UsageError(_ClientError):
    """The question is wrong; says what would be right."""


class UnreachableError(_ClientError):
    """No ermon answers as one should; says which address, what is wrong, and what to do."""


def parse_url(text: str) -> URL:
    """Read the address of a daemon; anything else is a ``UsageError``."""
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
    """That of a daemon on this machine; the URL's host means nothing then."""
    no_socket: Path | None = None
    """Where there is none: the URL is a guess."""
    tls: ssl.SSLContext | None = None
    """For https; ``None``: with the authorities that this machine trusts."""
    authorization: str | None = field(default=None, repr=False)
    """The header that says who asks."""

    @property
    def name(self) -> str:
        """Where it is, without what that may hold of a secret."""
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
    """Read what a command line says of a daemon; raises ``UsageError``, and ``UnreachableError`` at a closed door.

    Where it says nothing, that is the daemon of this machine: its ``DEFAULT_SOCKET``, or where there is none what
    listens at ``DEFAULT_URL``. ``ca_file``: the authority of its certificate. ``cert_file`` and ``key_file``: our own certificate, for a
    daemon that wants one. All are in PEM. ``password_file`` holds the password, and perhaps a line feed.
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
    """Say how somebody gets in who may not open a socket."""
    return (
        f"{socket}: permission denied: join the group {_group_of(socket)}, or use sudo; "
        f"--url {DEFAULT_URL} reads only"
    )


def _group_of(socket: Path) -> str:
    """Return the group that may open a socket, as far as that can be seen from outside; root's is for nobody to join."""
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
    """Say what went wrong with a connection; many of aiohttp's errors have no text at all."""
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(error).__name__


def _shown(url: URL) -> str:
    """Write an address without what it may hold of a secret."""
    return str(url.with_user(None)).rstrip("/")
