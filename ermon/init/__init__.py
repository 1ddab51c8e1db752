"""``ermon init``: a first configuration from flags, from Azure's own description of the circuits, and from questions.

``answers`` stores the answers, ``azure``, ``flags`` and ``questions`` add to them, ``designs`` derives answers from the
design of the edge, ``plan`` decides what the user need not be asked (feeds and addresses), and ``write`` writes it all
into a file with comments.

The flags are defined here, apart from their readers, so that `ermon --help` does not import the readers' libraries.
"""

from __future__ import annotations

from typing import NamedTuple


class Flag(NamedTuple):
    """A flag that describes the network; ``flags`` has a method of the same name."""

    name: str
    metavar: str
    help: str


FLAGS = (
    Flag("--asn", "ASN", "your AS number, as Microsoft sees it"),
    Flag(
        "--circuit",
        "NAME",
        "a circuit with one of its peerings; the flags that describe the circuit follow it",
    ),
    Flag("--peering", "PEERING", "of the circuit: microsoft (default) or private"),
    Flag("--location", "LOCATION", "of the circuit: its peering location, such as Chicago"),
    Flag(
        "--geo", "GEO", "of the circuit: its geopolitical region (default: by Microsoft's list of locations)"
    ),
    Flag(
        "--link", "LINK=ROUTER[,SUBNET[,SUBNET6]]", "of the circuit: primary or secondary, router and subnets"
    ),
    Flag(
        "--design",
        "DESIGN[,DESIGN]",
        "of your edge: two-routers (default), one-router, vrfs, firewall (a cluster, best paths only), provider (layer 3)",
    ),
    Flag("--provider", "ASN[,ASN]", "AS numbers of a layer-3 provider, between yours and 12076"),
    Flag(
        "--provider-address",
        "LINK=ADDRESS",
        "of the circuit: the provider's router that a link's routes come from",
    ),
    Flag("--vrf", "NAME", "of the circuit: the VRF of its links on your routers"),
    Flag("--vnet", "PREFIX", "of the circuit: address space of a virtual network behind private peering"),
    Flag(
        "--best-path", "ROUTER", "a router that sends best paths only, such as a firewall or an SD-WAN edge"
    ),
    Flag(
        "--bmp",
        "ROUTER[,ROUTER]",
        "a router that reports its sessions with Microsoft and providers itself, by BMP (RFC 7854)",
    ),
    Flag("--vrps", "FILE", "VRPs, in which ermon looks the NAT pools up: JSON of rpki-client or routinator"),
    Flag("--service", "SERVICE", "of the circuit: a required service, such as exchange-online or 12076:5020"),
    Flag("--pool", "NAME=PREFIX[,PREFIX]", "of the circuit: a NAT pool that it advertises"),
    Flag("--own-prefix", "PREFIX", "your address space, wherever it is announced"),
    Flag("--uplink", "NAME=ROUTER,ASN", "an internet uplink: your router, and the provider's ASN"),
    Flag(
        "--router", "NAME[/VRF]=ADDRESS", "the address from which a router connects to ermon, or from a VRF"
    ),
    Flag(
        "--collector",
        "ADDRESS",
        "the first of this machine's addresses for ermon; it also uses the next ones",
    ),
)
