"""The commands of each platform, by kind of question.

Tests run those of FRR, BIRD, GoBGP and OpenBGPD on the real software. Those of the others follow the documents that
each module names, and have not been tried on a device yet. A command whose form is not known for certain is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ermon.commands.platforms.cisco import iosxe, iosxr, nxos
from ermon.commands.platforms.command import Command, Commands
from ermon.commands.platforms.daemons import bird, gobgp, openbgpd
from ermon.commands.platforms.eos import eos
from ermon.commands.platforms.firewalls import fortios, panos
from ermon.commands.platforms.frr import frr, vyos
from ermon.commands.platforms.junos import junos

__all__ = ["PLATFORMS", "TITLES", "Command", "Commands"]

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "iosxe": "Cisco IOS-XE",
        "iosxr": "Cisco IOS-XR",
        "nxos": "Cisco NX-OS",
        "junos": "Junos",
        "eos": "Arista EOS",
        "frr": "FRR",
        "bird": "BIRD",
        "vyos": "VyOS",
        "gobgp": "GoBGP",
        "openbgpd": "OpenBGPD",
        "panos": "PAN-OS",
        "fortios": "FortiOS",
    }
)
"""The name of each platform as people write it, the most frequent first."""

PLATFORMS: Mapping[str, Commands] = MappingProxyType(
    {
        "iosxe": iosxe(),
        "iosxr": iosxr(),
        "nxos": nxos(),
        "junos": junos(),
        "eos": eos(),
        "frr": frr(),
        "bird": bird(),
        "vyos": vyos(),
        "gobgp": gobgp(),
        "openbgpd": openbgpd(),
        "panos": panos(),
        "fortios": fortios(),
    }
)
"""By platform, as ``routers.*.platform`` names it, and by kind of question."""
