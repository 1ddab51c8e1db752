"""What the guide says of one check, and the words in capitals that its commands use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COMMAND = re.compile(r"`([^`]+)`")
_CAPITALS = re.compile(r"\b[A-Z]+(?:-[A-Z]+)*\b")
_NUMBER = re.compile(r"[0-9]+\. ")

PLACEHOLDERS: Mapping[str, str] = {
    "FAMILY": "ipv4 or ipv6, as the finding says; in a VRF on IOS-XE, write 'vpnv4 unicast vrf NAME' for 'FAMILY unicast'",
    "MSEE": "address of Microsoft's router on the link: the second host of the link's subnet",
    "ISP": "address of the internet provider's router, the neighbor behind the uplink",
    "ERMON": "ermon's address on the feed: 'local' in the configuration",
    "ROUTER": "the router's address on the feed: 'peer' in the configuration",
    "NEIGHBOR": "address of an internal BGP neighbor",
    "PREFIX": "the prefix that the evidence names",
    "ADDRESS": "an address inside the prefix that the evidence names",
    "NETWORK": "the prefix as an address without its length",
    "MASK": "the length of the prefix as a mask, such as 255.255.255.240",
    "POOL": "the pool's prefix in the configuration; without 'le' where it is a single address",
    "CANARY": "the feed's canary prefix that the evidence names",
    "COMMUNITY": "the community of the service, such as 12076:5010",
    "ASN": "the AS number that the evidence names",
    "OUR-ASN": "our own AS number: 'customer.asn' in the configuration",
    "INTERFACE": "the router's interface towards Microsoft",
    "PEER-GROUP": "the peer group of the neighbor that the feed mirrors",
    "TO-MSEE": "the route map that is applied outbound to Microsoft",
    "TO-ISP": "the route map that is applied outbound to the internet provider",
    "FROM-MSEE": "the route map that is applied inbound from Microsoft",
    "GROUP": "the Azure resource group of the circuit",
    "CIRCUIT": "the name of the circuit in Azure",
    "FILTER": "the name of the circuit's route filter in Azure",
}
"""What stands for what in the commands: every word in capitals that is to be replaced when typing."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What an engineer wants to know of a check when it has woken them."""

    title: str
    """What is wrong, in one clause."""
    meaning: str
    """What is the case when the check is raised, and why that matters."""
    needs: str
    """The feeds and the configuration it is judged from, and when it is unknown."""
    action: str
    """Numbered steps, one a line; commands to type stand in backticks, IOS-XE unless said otherwise."""
    source: str
    """Where the rule comes from: a page, an RFC, or ermon's own reasoning."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of ``action``, without their numbers."""
        return tuple(_NUMBER.sub("", step, count=1) for step in self.action.splitlines())

    @property
    def commands(self) -> tuple[str, ...]:
        """The command lines in ``action``."""
        return tuple(_COMMAND.findall(self.action))

    @property
    def placeholders(self) -> dict[str, str]:
        """What the words in capitals in ``commands`` stand for, in the order of ``PLACEHOLDERS``."""
        used = {word for command in self.commands for word in _CAPITALS.findall(command)}
        return {word: meaning for word, meaning in PLACEHOLDERS.items() if word in used}


def steps(*sentences: str) -> str:
    """Number the steps of an action, one a line."""
    return "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1))
