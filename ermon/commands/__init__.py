"""Commands that answer a question on a router, for each platform that ermon knows.

A guide has questions, such as ``{advertised ISP PREFIX}``, and ``platforms`` has the command for each question and
platform. ``fill`` takes the values of the words from a finding and the configuration.

Nothing is guessed. If no command is known for certain on a platform, in a family or in a VRF, there is none. A word
whose value is in neither the finding nor the configuration stays in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from ermon.commands.platforms import PLATFORMS, TITLES
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.prefixes import Prefix, format_address, parse_prefix

__all__ = [
    "CAPITALS",
    "OF_ANY_FAMILY",
    "PLATFORMS",
    "PREFIXES",
    "TITLES",
    "TYPED",
    "UNDO",
    "WORDS_OF",
    "Question",
    "command",
]

NEIGHBORS = frozenset({"MSEE", "ISP", "ERMON", "NEIGHBOR"})
"""The words that stand for a BGP neighbor of a router."""
PREFIXES = frozenset({"PREFIX", "POOL", "CANARY"})
"""The words that stand for prefixes."""
ADDRESSES = frozenset({"ADDRESS"})
COMMUNITIES = frozenset({"COMMUNITY"})
ASNS = frozenset({"ASN", "MICROSOFT"})

_N, _NP, _NA = (NEIGHBORS,), (NEIGHBORS, PREFIXES), (NEIGHBORS, ASNS)

WORDS_OF: Mapping[str, tuple[frozenset[str], ...]] = MappingProxyType(
    {
        # The session with a neighbor: its state and why it last ended; what both ends agreed on; how much came over it.
        "session": _N,
        "capabilities": _N,
        "counters": _N,
        "policy": _N,  # the policies that are applied to it, and their contents
        "neighbors": (),  # all of them
        # Its routes: as sent; as received, before the inbound policy; as accepted.
        "advertised": _NP,
        "advertised-all": _N,
        "advertised-asn": _NA,  # with an ASN in the path
        "received": _NP,
        "learned": _NP,
        "learned-all": _N,
        # The router's table: routes for a prefix; routes inside it; routes with a community; routes with an ASN in the
        # path.
        "routes": (PREFIXES,),
        "inside": (PREFIXES,),
        "community": (COMMUNITIES,),
        "with-asn": (ASNS,),
        "lookup": (ADDRESSES,),  # where packets go
        "originates": (),  # the routes that the router itself originates
        # Below BGP.
        "arp": _N,
        "bfd": _N,
        "ports": (),
        "load": (),
        "log": (),
        # Changes, each with the question that takes it back.
        "stop": _NP,  # stop advertising this
        "undo-stop": _N,
        "stop-asn": _NA,
        "undo-stop-asn": _N,
        "refuse": _NP,  # stop accepting this
        "undo-refuse": _N,
        "anchor": (PREFIXES,),  # a route to nowhere, so that the prefix can be advertised
        "undo-anchor": (PREFIXES,),
        "shut": _N,
        "enable": _N,
        "soft-out": _N,
        "soft-in": _N,
        "reset": _N,
    }
)
"""Each kind of question, and the words that are allowed in each place after it."""

UNDO: Mapping[str, str] = MappingProxyType(
    {
        "stop": "undo-stop",
        "stop-asn": "undo-stop-asn",
        "refuse": "undo-refuse",
        "anchor": "undo-anchor",
        "shut": "enable",
    }
)
"""The questions whose commands change a router, and for each the question that takes the change back."""

OF_ANY_FAMILY = frozenset(
    {"session", "capabilities", "counters", "policy", "originates", "arp", "bfd", "ports", "load", "log"}
    | {"shut", "enable", "reset"}
)
"""Questions that are asked once for a neighbor or a router, even if it carries two families."""

TYPED = re.compile(r"`([^`]+)`")
"""A command in backticks, which a text has word for word."""
CAPITALS = re.compile(r"(?<![\w-])[A-Z]+(?:-[A-Z]+)*(?![\w-])")
"""A word in capitals in a command, to be filled in."""
_VRF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,62}")
"""The name of a VRF that neither a router nor a shell can misread."""
_LONGER = re.compile(r"\[\+(.*?)(?:\|(.*?))?\+\]")
_REPEATED = "* "
_LONGEST_NAME = 13
"""The most characters of a neighbor's address in a name: PAN-OS allows names of 31 characters."""
_UNKNOWN_FAMILY = "FAMILY"
_NAMES_OF_FAMILY = {
    "ipv4": {"inet": "inet", "vpn": "vpnv4", "ip": "ip", "six": "", "bits": "32"},
    "ipv6": {"inet": "inet6", "vpn": "vpnv6", "ip": "ipv6", "six": "6", "bits": "128"},
}
_NAMES_OF_NO_FAMILY = {"inet": "INET", "vpn": "VPN", "ip": "IP", "six": "", "bits": "LENGTH"}


class Question(NamedTuple):
    """A question to a router."""

    kind: str
    """A key of ``WORDS_OF``."""
    words: tuple[str, ...]
    """The words in capitals that are filled in."""

    @property
    def neighbor(self) -> str | None:
        """The word for the neighbor that the question is about."""
        return next((word for word in self.words if word in NEIGHBORS), None)

    @property
    def prefix(self) -> str | None:
        """The word for the prefix that the question is about, or for an address inside it."""
        return next((word for word in self.words if word in PREFIXES | ADDRESSES), None)


def command(
    platform: str, question: Question, values: Mapping[str, str], family: str | None, vrf: str | None
) -> str | None:
    """Return the command for a question on a platform, or ``None`` if none is known for certain.

    ``values`` has the values of words in canonical text, several prefixes separated by blanks. A word without a value
    stays as it is. There is no command for a ``vrf`` whose name a router or a shell could misread.
    """
    found = PLATFORMS[platform].get(question.kind)
    if found is None or (vrf is not None and not _VRF.fullmatch(vrf)):
        return None
    known = {place: values.get(word, word) for place, word in _places(question)}
    every = known.get("prefix", "").split() or [""]
    family = family or _family_of(every[0])
    text = found.text(family, in_vrf=vrf is not None)
    if text is None:
        return None
    known |= {"vrf": vrf or "", "our_asn": values.get("OUR-ASN", "OUR-ASN")} | _of_neighbor(
        question, known, family
    )
    written = _written(text, [known | _of_prefix(each, family, question) for each in every])
    return "\n".join(line for line in written if line.strip())


def _places(question: Question) -> Iterator[tuple[str, str]]:
    names = {
        NEIGHBORS: "neighbor",
        PREFIXES: "prefix",
        ADDRESSES: "address",
        COMMUNITIES: "community",
        ASNS: "asn",
    }
    for allowed, word in zip(WORDS_OF[question.kind], question.words, strict=True):
        yield names[allowed], str(MICROSOFT_ASN) if word == "MICROSOFT" else word


def _written(text: str, every: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a text; lines for each prefix are repeated."""
    for repeated, lines in groupby(text.split("\n"), key=lambda line: line.startswith(_REPEATED)):
        template = "\n".join(line.removeprefix(_REPEATED) if repeated else line for line in lines)
        last = len(every) - 1
        for at, words in enumerate(every if repeated else every[:1]):
            counted = words | {"n": str(at + 1), "comma": "" if at == last else ","}
            yield from _chosen(template, longer=words["longer"] != "").format_map(counted).split("\n")


def _chosen(template: str, *, longer: bool) -> str:
    return _LONGER.sub(lambda found: found[1] if longer else found[2] or "", template)


def _of_neighbor(question: Question, known: Mapping[str, str], family: str | None) -> dict[str, str]:
    neighbor = known.get("neighbor", "")
    named = re.sub(r"\W", "-", neighbor)[-_LONGEST_NAME:].strip("-")
    return {
        "policy_out": f"TO-{question.neighbor}",
        "policy_in": f"FROM-{question.neighbor}",
        "neighbor_bits": "128" if ":" in neighbor else "32",
        "neighbor_name": named,
        "about": named if (":" in neighbor) == (family == "ipv6") else f"{named}-{family}",
        "rule": "3" if family == "ipv6" else "1",
        "pair": known.get("community", "").replace(":", ", "),
    }


def _of_prefix(text: str, family: str | None, question: Question) -> dict[str, str]:
    """Return the values that follow from a prefix and the family. Only for a pool, prefixes inside it are meant too:
    inside a default route is everything.
    """
    prefix = _prefix(text)
    names = _NAMES_OF_FAMILY.get(family or "", _NAMES_OF_NO_FAMILY)
    longer = question.prefix == "POOL" and (prefix is None or prefix.length < prefix.bits)
    return names | {
        "prefix": text,
        "family": family or _UNKNOWN_FAMILY,
        "network": "NETWORK" if prefix is None else format_address(prefix.version, prefix.value),
        "mask": "MASK" if prefix is None else mask(prefix),
        "length": "LENGTH" if prefix is None else str(prefix.length),
        "longer": "longer" if longer else "",
    }


def mask(prefix: Prefix) -> str:
    """Return the length of a prefix as a mask, such as 255.255.255.240."""
    return format_address(prefix.version, (1 << prefix.bits) - (1 << (prefix.bits - prefix.length)))


def _family_of(text: str) -> str | None:
    prefix = _prefix(text)
    return None if prefix is None else prefix.family


def _prefix(text: str) -> Prefix | None:
    try:
        return parse_prefix(text)
    except ValueError:
        return None  # a word that could not be filled in
