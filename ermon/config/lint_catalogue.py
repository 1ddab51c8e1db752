"""The lints: their names, their weights, and their texts for ``ermon explain``.

A lint is about the configuration alone. An *error* is about a network that cannot work or a check that cannot be right.
A *warning* is about a rule of Microsoft's or good practice that is broken. A *note* is for information.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

WIDTH = 96


class Weight(StrEnum):
    """How much a lint matters; ``ermon check`` exits 1 for errors and warnings that are not accepted."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Kind(NamedTuple):
    """One lint: its usual weight, and a title with a text that says what it means and what to do."""

    name: str
    weight: Weight
    title: str
    text: str


_ERRORS = (
    (
        "pools-overlap",
        "Two pools overlap, or a pool overlaps internet-only space",
        (
            "An address in two pools belongs to two circuits: it is unknown over which circuit its return traffic comes. Give each "
            'circuit, and the internet, prefixes of its own (Microsoft, "ExpressRoute NAT requirements").'
        ),
    ),
    (
        "pool-not-public",
        "A pool is not public",
        (
            "Microsoft refuses private, shared and reserved space on Microsoft peering. Translate to addresses that are yours "
            "and registered, or list lab space in policy.public_space."
        ),
    ),
    (
        "link-subnet",
        "A link subnet has the wrong size, overlaps another, or is not public on Microsoft peering",
        (
            "A link has a /30 and a /126, its first host yours and the second Microsoft's (\"ExpressRoute routing "
            'requirements"). Where two overlap, a next hop does not say which link a route was learned over.'
        ),
    ),
    (
        "asn-reserved",
        "Azure reserves an ASN",
        (
            "Azure does not accept 8074, 8075, 12076, 23456, 64496 to 64511, 65515 to 65520 and 65535 to 65551 from a customer. "
            "It is a note where policy.public_space marks a lab, except for 12076."
        ),
    ),
    (
        "mirror-asns-swapped",
        "The ASNs of a mirror are the wrong way round",
        (
            "peer_asn is the router's ASN, local_asn one that appears in no path. The wrong way round, the router's OPEN is "
            "refused (RFC 4271 section 6.2, Bad Peer AS) and the feed never comes up. Swap the two."
        ),
    ),
    (
        "canary-is-pool",
        "A canary on the internet is a pool, or inside one",
        (
            "A canary must always be there, and a pool never. Either the feed is never in sync, or the pool is "
            "leaked. Use a prefix that you announce to the internet on purpose."
        ),
    ),
    (
        "router-id-taken",
        "ermon's router ID is an address of a router",
        (
            "Two BGP speakers with the same BGP identifier refuse each other (RFC 4271 section 6.2). Give collector.router_id an address "
            "that no router has, such as ermon's own."
        ),
    ),
    (
        "uplink-asn-ours",
        "The ASN of an uplink is our own",
        "An uplink is a session with an internet provider: asn is the provider's.",
    ),
    (
        "alertmanager-path",
        "The URL of an Alertmanager has the path of its API",
        (
            "ermon adds /api/v2/alerts itself, so alerts to this URL are lost. Write the URL without the path, such "
            "as http://127.0.0.1:9093, as in the configuration of Prometheus."
        ),
    ),
    (
        "community-other-peering",
        "A community of the other peering",
        (
            "Regions have one community on private peering (12076:50002 and so on) and another on Microsoft peering "
            "(12076:51004 and so on). The community that is required here can never be received. Use the region's other community."
        ),
    ),
)
_WARNINGS = (
    (
        "pool-shared",
        "An outbound pool on several circuits",
        (
            "Return traffic may arrive over the other circuit, and a stateful device there does not know its "
            "sessions. Give each circuit its own pool, or share the state."
        ),
    ),
    (
        "links-on-one-router",
        "Both links of a circuit end on one router",
        (
            'If it fails, the whole circuit is down. End the links on two routers (Microsoft, "Designing for high '
            'availability with ExpressRoute").'
        ),
    ),
    (
        "geo-one-location",
        "A geo has one peering location only",
        (
            "If the location fails, the whole geo is cut off. The internet as the only backup is discouraged. Add a circuit in another "
            'location (Microsoft, "Designing for disaster recovery with ExpressRoute").'
        ),
    ),
    (
        "metro",
        "The circuits of a geo are in one metro only",
        (
            "Locations such as Amsterdam and Amsterdam2 are different buildings in one city, and share its power and "
            "fibre. Add a circuit in another metro. If ermon guesses a metro wrongly, set metro on the circuit."
        ),
    ),
    (
        "asn-unregistered",
        "No registry can name our ASN",
        (
            "customer.asn is private, and ownership has lists of a registry, which name public ASNs only. Microsoft then validates the "
            "pools by the circuit's customerASN: name that in customer.origin_asns."
        ),
    ),
    (
        "uplinks-not-redundant",
        "The internet has a single point of failure",
        "There is only one uplink, all uplinks are on one router, or an uplink shares a router with ExpressRoute. They fail together.",
    ),
    (
        "inbound-one-circuit",
        "An inbound pool on a single circuit",
        "Microsoft cannot reach it while that circuit is down. Advertise it on a second one.",
    ),
    (
        "segment-unwatched",
        "Published servers without a segment that forbids ExpressRoute routes",
        (
            "Servers in internet_only space must not have Microsoft's routes. Otherwise their return traffic leaves "
            "by ExpressRoute, "
            "unless inbound traffic is source-NATed. Declare their segment with expressroute: forbidden, and a feed of it."
        ),
    ),
    (
        "maintenance-over",
        "A maintenance window or an exception that is over, ends soon or matches nothing",
        (
            "A window or an exception has ended, or an exception ends within seven days or matches no subject. Remove "
            "it, or give it another end. An exception of a critical check without an end is a note."
        ),
    ),
    (
        "best-path-only",
        "A link whose own router shows best paths only",
        (
            "Better paths may hide the routes of this link. ermon cannot see the loss of this link alone, only the "
            "loss of the circuit. Set add_path: true on the router's edge-table feed and have it send all paths "
            "(RFC 7911)."
        ),
    ),
    (
        "two-tables-one-vrf",
        "Two edge tables of one router without a VRF",
        (
            "Both count as the router's global table, so ermon needs both to prove that a route is missing. Set vrf "
            "on each feed, or remove one of them."
        ),
    ),
    (
        "canary-not-ours",
        "A canary on a mirror is not ours",
        (
            "A mirror shows what the router advertises, so a canary that it must always show is one of own_prefixes, a pool or "
            "one of advertise.prefixes."
        ),
    ),
    (
        "community-unknown",
        "A community is not in Microsoft's list",
        (
            "Either Microsoft has not published its meaning yet, or it is a typing error. With a typing error, "
            "service-missing stays raised."
        ),
    ),
    (
        "pool-not-ours",
        "A pool outside own_prefixes",
        (
            "Microsoft validates the prefixes that are advertised on Microsoft peering. Add it to customer.own_prefixes, or "
            "correct the pool."
        ),
    ),
    (
        "name-unknown",
        "A geo, location or metro is spelled almost like another",
        "ermon compares circuits by these names, so two spellings of one place count as two places. Correct the wrong one.",
    ),
    (
        "pool-is-link-subnet",
        "A pool inside a link subnet",
        (
            "NAT to the link's addresses works only while the link subnet is also advertised, which is otherwise an "
            "error. Declare the subnets in own_prefixes and advertise.prefixes, or use other addresses."
        ),
    ),
    (
        "source-unreadable",
        "A published list cannot be read",
        (
            "The file does not exist, does not parse, is of another kind, or lacks a name that is selected. Until it "
            "can be read, ermon expects none of its prefixes."
        ),
    ),
    (
        "azure-unreadable",
        "Azure's view of a circuit cannot be read",
        (
            "The file does not exist, is not what `az network express-route list -o json` prints, or lacks the circuit. Until it can "
            "be read, the checks of Azure's view are unknown."
        ),
    ),
    (
        "no-effect",
        "A key without an effect",
        "The key has no effect here; the message says why.",
    ),
)
_NOTES = (
    (
        "azure-older",
        "Azure's view is older than the configuration",
        (
            "The file was written before the configuration, and does not list the prefixes of a pool. Azure may list them by now, so "
            "azure-prefix-unlisted waits for two readings that are younger."
        ),
    ),
    (
        "view-missing",
        "No feed shows what some checks need",
        "Those checks stay unknown. Add the named feed, or accept that ermon does not monitor this.",
    ),
    (
        "one-link",
        "A circuit with a single link",
        "There is no redundancy, and Microsoft's SLA requires both links.",
    ),
    (
        "links-behind-provider",
        "Links behind a provider",
        (
            "With provider_asns, your sessions end at the provider. ermon cannot see whether both of its links to "
            "Microsoft work."
        ),
    ),
    (
        "local-not-here",
        "This machine cannot listen on an address",
        (
            "The machine does not have the address, another program listens there, or ermon may not use the port. The "
            "feed never comes up, and a reload is refused. Only `ermon check --here` tests this, since a configuration "
            "is often checked on another machine."
        ),
    ),
    (
        "key-file-missing",
        "A file with a secret is not here",
        (
            "ermon looks for it in $CREDENTIALS_DIRECTORY, then beside the configuration, and does not start without "
            "it. `ermon check` tests only whether it exists, and does not open it."
        ),
    ),
)

LINTS: Mapping[str, Kind] = {
    name: Kind(name, weight, title, text)
    for weight, kinds in ((Weight.ERROR, _ERRORS), (Weight.WARNING, _WARNINGS), (Weight.NOTE, _NOTES))
    for name, title, text in kinds
}
"""Every lint by its name."""


def explain(kind: Kind) -> str:
    """Return the text of ``ermon explain`` for a lint."""
    accept = f"policy: {{accept: [{{lint: {kind.name}, at: PATH, reason: WHY}}]}}"
    parts = [
        f"{kind.name}: {kind.title}",
        f"{kind.weight} of `ermon check`, from the configuration alone",
        textwrap.fill(kind.text, WIDTH),
        f"To accept it, with the path that `ermon check` prints, or what that is in:\n  {accept}",
    ]
    return "\n\n".join(parts)
