"""Commands that answer a question on a router, for each platform that ermon knows.

A guide asks a question, such as ``{advertised ISP PREFIX}``, and ``platforms`` has the command for it on each
platform. ``words`` takes from a finding and the configuration what is to be filled in, and ``fill`` does that.

Nothing is guessed: where no command is known for sure, on a platform, in a family or in a VRF, there is none, and
what neither the finding nor the configuration says stays a word in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ermon.commands.platforms import PLATFORMS, TITLES
from ermon.model.prefixes import Prefix, format_address, parse_prefix

__all__ = ["CAPITALS", "PLATFORMS", "TITLES", "TYPED", "VRF", "WORDS_OF", "Question", "command"]

NEIGHBORS = frozenset({"MSEE", "ISP", "ERMON", "NEIGHBOR"})
"""The words that stand for a BGP neighbor of a router."""
PREFIXES = frozenset({"PREFIX", "POOL", "CANARY"})
COMMUNITIES = frozenset({"COMMUNITY"})

WORDS_OF: Mapping[str, tuple[frozenset[str], ...]] = MappingProxyType(
    {
        "advertised": (NEIGHBORS, PREFIXES),
        "session": (NEIGHBORS,),
        "learned": (NEIGHBORS, PREFIXES),
        "routes": (PREFIXES,),
        "community": (COMMUNITIES,),
        "stop": (NEIGHBORS, PREFIXES),
        "soft-out": (NEIGHBORS,),
        "soft-in": (NEIGHBORS,),
    }
)
"""Each kind of question, and the words that may stand at each place behind it."""

TYPED = re.compile(r"`([^`]+)`")
"""A command that a text has word by word, in backticks."""
CAPITALS = re.compile(r"(?<![\w-])[A-Z]+(?:-[A-Z]+)*(?![\w-])")
"""A word in capitals in a command, to be filled in."""
VRF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,62}")
"""The name of a VRF that neither a router nor a shell can take for something else."""
_UNKNOWN_FAMILY = "FAMILY"
_NAMES_OF_FAMILY = {
    "ipv4": {"inet": "inet", "vpn": "vpnv4", "ip": "ip", "six": "", "bits": "32"},
    "ipv6": {"inet": "inet6", "vpn": "vpnv6", "ip": "ipv6", "six": "6", "bits": "128"},
}
_NAMES_OF_NO_FAMILY = {"inet": "INET", "vpn": "VPN", "ip": "IP", "six": "", "bits": "LENGTH"}


class Question(NamedTuple):
    """What is asked on a router."""

    kind: str
    """A key of ``WORDS_OF``."""
    words: tuple[str, ...]
    """The words in capitals that are filled in."""

    @property
    def neighbor(self) -> str | None:
        """The word for the neighbor that it is about."""
        return next((word for word in self.words if word in NEIGHBORS), None)


def command(
    platform: str, question: Question, values: Mapping[str, str], family: str | None, vrf: str | None
) -> str | None:
    """Return the command for a question on a platform, or ``None`` where none is known for sure.

    ``values`` holds the values of words in canonical text; a word without one stands as it is. A ``vrf`` whose name
    could be taken for something else by a router or a shell has no command.
    """
    found = PLATFORMS[platform].get(question.kind)
    if found is None or (vrf is not None and not VRF.fullmatch(vrf)):
        return None
    known = {place: values.get(word, word) for place, word in _places(question)}
    family = family or _family_of(known.get("prefix"))
    text = found.text(family or _UNKNOWN_FAMILY, in_vrf=vrf is not None)
    if text is None:
        return None
    derived = _derived(known.get("prefix"), family) | {
        "community_pair": _pair(known.get("community", "")),
        "policy": f"TO-{question.neighbor}",
    }
    return text.format_map(known | derived | {"vrf": vrf or ""})


def _places(question: Question) -> list[tuple[str, str]]:
    names = {NEIGHBORS: "neighbor", PREFIXES: "prefix", COMMUNITIES: "community"}
    return [
        (names[allowed], word) for allowed, word in zip(WORDS_OF[question.kind], question.words, strict=True)
    ]


def _derived(text: str | None, family: str | None) -> dict[str, str]:
    """Return what follows from the prefix and the family."""
    prefix = _prefix(text)
    names = _NAMES_OF_FAMILY.get(family or "", _NAMES_OF_NO_FAMILY)
    is_host = prefix is not None and prefix.length == prefix.bits
    return names | {
        "family": family or _UNKNOWN_FAMILY,
        "network": "NETWORK" if prefix is None else format_address(prefix.version, prefix.value),
        "longer": "" if is_host else f" le {names['bits']}",  # routers refuse what begins where it ends
    }


def _pair(community: str) -> str:
    """Write a community as BIRD does."""
    return community.replace(":", ", ")


def _family_of(text: str | None) -> str | None:
    prefix = _prefix(text)
    return None if prefix is None else prefix.family


def _prefix(text: str | None) -> Prefix | None:
    try:
        return None if text is None else parse_prefix(text)
    except ValueError:
        return None  # a word that nobody could fill in
