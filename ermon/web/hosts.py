"""The names under which ermon may be asked for: a guard against DNS rebinding.

A page of another site can have its own name point to ermon's address, and a browser then lets it read what
ermon answers, even on loopback. It cannot choose the Host header, though: that holds the page's own name.
With TLS the browser sees that the certificate is not for that name; and a password that was given to ermon
is sent to ermon's name only. So this is for plain HTTP without users.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable

from yarl import URL

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/?#@\s]+)(?::[0-9]{1,5})?")


class Hosts:
    """The names that are ermon's. An address is always: nobody can have it point elsewhere."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {"localhost", *map(_plain, names)}

    def add_own(self) -> None:
        """Add this machine's names. DNS may take its time to say them, and nobody waits for it."""
        self._names.add(_plain(socket.gethostname()))
        # No executor's thread: ermon would wait for it when it stops.
        threading.Thread(target=lambda: self._names.add(_plain(socket.getfqdn())), daemon=True).start()

    def hold(self, header: str) -> bool:
        """Tell whether a Host header, with or without a port, is an address or one of the names."""
        found = _HOST.fullmatch(header.strip())
        if found is None:
            return False
        name = found[1].removeprefix("[").removesuffix("]")
        return _is_address(name) or _plain(name) in self._names


def hosts_of(external_url: str, listen: Iterable[tuple[str, int]], allowed: Iterable[str]) -> Hosts:
    """Return the names that the command line gives, and this machine's own."""
    hosts = Hosts([URL(external_url).host or "", *(host for host, _ in listen), *allowed])
    hosts.add_own()
    return hosts


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
