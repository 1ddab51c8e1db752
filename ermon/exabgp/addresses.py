"""Tests whether this machine can listen on an address, by trying: no other way is certain."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable

from ermon.exabgp.reasons import cannot_listen


def try_to_listen(address: str, port: int) -> str | None:
    """Return the name of the error (errno(3)) that a listener on an address would get now; ``None``: no error.

    Port 0 tests only the address. The test accepts no connection, and nothing listens afterwards.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as in the listener
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, error.strerror or type(error).__name__)
    return None


TENTATIVE_SECONDS = 2.5
"""A new IPv6 address may be unusable for so long, during duplicate address detection (RFC 4862 section 5.4)."""


def problems(addresses: Iterable[str], port: int) -> dict[str, str]:
    """Return, for each address without a possible listener, the reason. Waits for IPv6 addresses that were just added."""
    errors = {address: error for address in addresses if (error := try_to_listen(address, port)) is not None}
    tried_until = time.monotonic() + TENTATIVE_SECONDS
    while any(map(_may_be_tentative, errors.items())) and time.monotonic() < tried_until:
        time.sleep(0.1)
        errors = {address: error for address in errors if (error := try_to_listen(address, port)) is not None}
    return {address: cannot_listen(address, port, error) for address, error in errors.items()}


def _may_be_tentative(found: tuple[str, str]) -> bool:
    address, error = found
    return ":" in address and error == "EADDRNOTAVAIL"
