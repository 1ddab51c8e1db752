"""The language in which the commands of platforms are written here.

A text may have several lines. It may contain ``{neighbor}``, ``{prefix}``, ``{network}`` (the prefix without its
length), ``{length}``, ``{mask}``, ``{address}``, ``{community}``, ``{pair}`` (the community as BIRD writes it),
``{asn}``, ``{our_asn}``, ``{vrf}``, ``{policy_out}`` and ``{policy_in}`` (the policies that are applied to the
neighbor), ``{about}`` (the neighbor and the family, as part of a name), ``{rule}`` (the number of a rule before all
others), and the platforms' names of a family: ``{family}`` (ipv4 or ipv6), ``{inet}``, ``{vpn}``, ``{ip}``, ``{six}``
and ``{bits}`` (of its addresses).

Lines that begin with ``* `` are repeated, together, for each prefix; ``{n}`` counts. ``[+a|b+]`` is ``a`` if more
specific prefixes are meant too, else ``b``, which may be left out. A line in which nothing is left is left out.

A comment that ends with a colon is the heading of lines for another place, such as a file: ``blocks`` divides the text
there, and each block has to be complete in itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

STOP, STOP_ASN, REFUSE = (f"ermon-{kind}-{{about}}" for kind in ("stop", "stop-asn", "refuse"))
"""The names of what commands create on a router. Each neighbor and family has its own, so that undoing one does not
affect another: if a list is gone, some routers take every prefix to be in it.
"""
AS_PATH_RULE = "2"
"""The number of a rule for AS paths in a route map; ``{rule}`` is 1 for prefixes of IPv4, 3 for IPv6."""
_WORD = re.compile(r"\{(\w+)\}")


class Command(NamedTuple):
    """One command in its forms; ``None`` for a form that is not known for certain."""

    ipv4: str | None
    ipv6: str | None
    ipv4_vrf: str | None = None
    """The command for a neighbor or a prefix in a VRF."""
    ipv6_vrf: str | None = None

    def text(self, family: str | None, *, in_vrf: bool) -> str | None:
        """Return the text for a family; if the family is unknown, that of IPv4."""
        ipv4, ipv6 = (self.ipv4_vrf, self.ipv6_vrf) if in_vrf else (self.ipv4, self.ipv6)
        return ipv6 if family == "ipv6" else ipv4


Commands = Mapping[str, Command]
"""By kind of question."""


class Dialect:
    """How a platform writes in which routing table something is."""

    def __init__(self, **words: tuple[str, str]) -> None:
        """``words``: by name, the text outside a VRF and the text in one."""
        self._words = words

    def __call__(self, ipv4: str, ipv6: str | None = "") -> Command:
        """Return a command; ``ipv6`` if it is another one for IPv6, ``None`` if there is none."""
        texts = (ipv4, ipv4 if ipv6 == "" else ipv6)
        return Command(*(None if text is None else self._said(text, at) for at in (0, 1) for text in texts))

    def _said(self, text: str, at: int) -> str:
        return _WORD.sub(lambda found: self._words.get(found[1], (found[0],) * 2)[at], text)


def anywhere(ipv4: str, ipv6: str | None = "") -> Command:
    """Return a command that is the same in a VRF, because the neighbor's address is enough, or because it shows all
    tables.
    """
    return Dialect()(ipv4, ipv6)


def outside(ipv4: str, ipv6: str | None = "") -> Command:
    """Return a command whose form in a VRF is not known for certain."""
    return Command(*anywhere(ipv4, ipv6)[:2])


def lines(*texts: str) -> str:
    return "\n".join(texts)
