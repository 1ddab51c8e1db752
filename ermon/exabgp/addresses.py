"""Whether this machine can listen on an address: found by trying, as nothing else knows for certain."""

from __future__ import annotations

import errno
import socket

from ermon.exabgp.reasons import cannot_listen


def try_to_listen(address: str, port: int) -> str | None:
    """Return the name of the error (errno(3)) that a listener on an address would meet now; ``None``: there is none.

    Port 0 asks for the address alone. Nothing listens afterwards, and nobody can have connected.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listener has it
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, error.strerror or type(error).__name__)
    return None


def problem(address: str, port: int) -> str | None:
    """Say why an address cannot be listened on; ``None``: it can."""
    error = try_to_listen(address, port)
    return None if error is None else cannot_listen(address, port, error)
