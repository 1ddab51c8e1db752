"""What the command of a platform is written in.

A text may have several lines. In it stand ``{neighbor}``, ``{prefix}``, ``{network}`` (the prefix without its length),
``{length}``, ``{mask}``, ``{address}``, ``{community}``, ``{pair}`` (the community as BIRD writes it), ``{asn}``,
``{our_asn}``, ``{vrf}``, ``{policy_out}`` and ``{policy_in}`` (what is applied to the neighbor), ``{about}`` (the neighbor and the family, as part
of a name), ``{rule}`` (the number of a rule before all others), and what platforms call
a family: ``{family}`` (ipv4 or ipv6), ``{inet}``, ``{vpn}``, ``{ip}``, ``{six}`` and ``{bits}`` (of its addresses).

Lines that begin with ``* `` are repeated, together, for each prefix; ``{n}`` counts. ``[+a|b+]`` is ``a`` where more
specific prefixes are meant, too, else ``b``, which may be left out. A line in which nothing is left is left out.

A comment that ends with a colon is the heading of what is pasted in another place than what is above it, such as a file:
``blocks`` cuts there, and each block has to be complete in itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

STOP, STOP_ASN, REFUSE = (f"ermon-{kind}-{{about}}" for kind in ("stop", "stop-asn", "refuse"))
"""The names of what commands make on a router: each neighbor and family has its own, so that what one undoes is not taken
from another: of a list that is gone, some routers say that everything is in it.
"""
AS_PATH_RULE = "2"
"""The number of a rule for AS paths in a route map: ``{rule}`` is 1 for prefixes of IPv4, 3 for IPv6."""
_WORD = re.compile(r"\{(\w+)\}")


class Command(NamedTuple):
    """One command, as far as it is known; ``None``: none is known for sure."""

    ipv4: str | None
    ipv6: str | None
    ipv4_vrf: str | None = None
    """The command for a neighbor or a prefix in a VRF."""
    ipv6_vrf: str | None = None

    def text(self, family: str | None, *, in_vrf: bool) -> str | None:
        """Return the text for a family; that of IPv4 where the family is unknown."""
        ipv4, ipv6 = (self.ipv4_vrf, self.ipv6_vrf) if in_vrf else (self.ipv4, self.ipv6)
        return ipv6 if family == "ipv6" else ipv4


Commands = Mapping[str, Command]
"""By kind of question."""


class Dialect:
    """How a platform says in which routing table something is."""

    def __init__(self, **words: tuple[str, str]) -> None:
        """``words``: by name, what stands for it outside of a VRF and in one."""
        self._words = words

    def __call__(self, ipv4: str, ipv6: str | None = "") -> Command:
        """Return a command; ``ipv6`` where it is another one, ``None`` where there is none."""
        texts = (ipv4, ipv4 if ipv6 == "" else ipv6)
        return Command(*(None if text is None else self._said(text, at) for at in (0, 1) for text in texts))

    def _said(self, text: str, at: int) -> str:
        return _WORD.sub(lambda found: self._words.get(found[1], (found[0],) * 2)[at], text)


def anywhere(ipv4: str, ipv6: str | None = "") -> Command:
    """Return a command that is the same in a VRF: the address of the neighbor says all, or all tables are shown."""
    return Dialect()(ipv4, ipv6)


def outside(ipv4: str, ipv6: str | None = "") -> Command:
    """Return a command that nobody knows for sure in a VRF."""
    return Command(*anywhere(ipv4, ipv6)[:2])


def lines(*texts: str) -> str:
    return "\n".join(texts)
