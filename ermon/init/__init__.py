"""``ermon init``: a first configuration from flags, from Azure's own description of the circuits, and from questions.

``answers`` holds what is known so far, ``azure``, ``flags`` and ``questions`` add to it, ``plan`` decides what
nobody needs to be asked (which feeds, which addresses), and ``write`` puts it into a file with comments.

The flags stand here, and not with what reads them: `ermon --help` must not wait for the libraries of that.
"""

from __future__ import annotations

from typing import NamedTuple


class Flag(NamedTuple):
    """A flag that says something of the network; ``flags`` has a method of its name."""

    name: str
    metavar: str
    help: str


FLAGS = (
    Flag("--asn", "ASN", "your AS number, as Microsoft sees it"),
    Flag("--circuit", "NAME", "a circuit with one of its peerings; what describes a circuit comes behind it"),
    Flag("--peering", "PEERING", "of the circuit: microsoft (default) or private"),
    Flag("--location", "LOCATION", "of the circuit: its peering location, such as Chicago"),
    Flag(
        "--geo", "GEO", "of the circuit: its geopolitical region (default: by Microsoft's list of locations)"
    ),
    Flag(
        "--link", "LINK=ROUTER[,SUBNET[,SUBNET6]]", "of the circuit: primary or secondary, router and subnets"
    ),
    Flag("--service", "SERVICE", "of the circuit: what it must bring, such as exchange-online or 12076:5020"),
    Flag("--pool", "NAME=PREFIX[,PREFIX]", "of the circuit: a NAT pool that it advertises"),
    Flag("--own-prefix", "PREFIX", "address space that is yours, wherever it is announced"),
    Flag("--uplink", "NAME=ROUTER,ASN", "an exit to the internet: your router, and the provider's ASN"),
    Flag("--router", "NAME=ADDRESS", "the address that a router connects to ermon from"),
    Flag(
        "--collector", "ADDRESS", "the first of this machine's addresses for ermon; it takes the next few too"
    ),
)
