"""The lints: their names, how much each matters, and what ``ermon explain`` says of them.

A lint is about the configuration alone. An *error* describes a network that cannot work or a check that cannot be right, a
*warning* is against a rule of Microsoft's or good practice, and a *note* is what somebody should know.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

WIDTH = 96


class Weight(StrEnum):
    """How much a lint matters; ``ermon check`` exits 1 for errors and warnings that nobody has accepted."""

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
            "An address in two pools belongs to two circuits: nobody can say which way its return traffic takes. Give each "
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
        "An ASN that Azure reserves",
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
            "A canary must always be shown, and a pool never: either the feed is never in sync, or the pool is leaked. Take a "
            "prefix that you announce to the internet on purpose."
        ),
    ),
    (
        "router-id-taken",
        "ermon's router ID is an address of a router",
        (
            "Two speakers with one BGP identifier refuse each other (RFC 4271 section 6.2). Give collector.router_id an address "
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
            "ermon adds /api/v2/alerts by itself, and alerts to the doubled path are lost. Write the URL without it, such as "
            "http://127.0.0.1:9093, as Prometheus wants it."
        ),
    ),
    (
        "community-other-peering",
        "A community of the other peering",
        (
            "Regions have one community on private peering (12076:50002 and so on) and another on Microsoft peering "
            "(12076:51004 and so on). The one that is required here can never come: take the region's other community."
        ),
    ),
)
_WARNINGS = (
    (
        "pool-shared",
        "An outbound pool on several circuits",
        (
            "Return traffic may come by the other circuit, and a stateful device there does not know its sessions. Give each "
            "circuit a pool of its own, or share the state."
        ),
    ),
    (
        "links-on-one-router",
        "Both links of a circuit end on one router",
        (
            'Its failure takes the whole circuit. End the links on two routers (Microsoft, "Designing for high '
            'availability with ExpressRoute").'
        ),
    ),
    (
        "geo-one-location",
        "A geo has one peering location only",
        (
            "When it fails, all of it fails, and the internet as the only backup is discouraged. Add a circuit in another "
            'location (Microsoft, "Designing for disaster recovery with ExpressRoute").'
        ),
    ),
    (
        "metro",
        "The circuits of a geo are in one metro only",
        (
            "Locations such as Amsterdam and Amsterdam2 are different buildings in one town: they share its power, its fibre "
            "and its weather. Add a circuit in another metro; metro on a circuit says what is guessed wrongly."
        ),
    ),
    (
        "uplinks-not-redundant",
        "The internet has a single point of failure",
        "There is one uplink, all are on one router, or an uplink leaves by a router of ExpressRoute: they fail together.",
    ),
    (
        "inbound-one-circuit",
        "An inbound pool on a single circuit",
        "Microsoft cannot reach it while that circuit is down. Advertise it on a second one.",
    ),
    (
        "segment-unwatched",
        "Published servers without a segment that forbids ExpressRoute's routes",
        (
            "Servers in internet_only space must not see Microsoft's routes, or their return traffic leaves by ExpressRoute, "
            "unless inbound traffic is source-NATed. Declare their segment with expressroute: forbidden, and a feed of it."
        ),
    ),
    (
        "maintenance-over",
        "A maintenance window or an exception that does nothing, or soon will not",
        (
            "A window or an exception that has ended, an exception that ends within seven days or matches no subject. Remove "
            "it, or give it another end. That an exception of a critical check has no end is a note."
        ),
    ),
    (
        "best-path-only",
        "A link whose own router shows best paths only",
        (
            "Its routes may be hidden behind better ones: the loss of this link alone cannot be seen, only that of the circuit. "
            "Set add_path: true on the router's edge-table feed and have it send all paths (RFC 7911)."
        ),
    ),
    (
        "two-tables-one-vrf",
        "Two edge tables of one router without a VRF",
        (
            "Both count as the router's global table, so absence needs both. Say with vrf which table each shows, or take one "
            "of the feeds away."
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
        "A community that Microsoft's list does not have",
        (
            "Nothing is wrong where Microsoft gave it a meaning that it has not published yet. Else it is a typing error, and "
            "what requires it is missing for ever."
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
        "A geo, location or metro that is spelled almost as another",
        "Circuits are compared by these names: two spellings of one place count as two. Correct the one that is wrong.",
    ),
    (
        "pool-is-link-subnet",
        "A pool inside a link subnet",
        (
            "Translating to the addresses of the link works only while those are advertised besides, which is otherwise an "
            "error. Declare the subnets in own_prefixes and advertise.prefixes, or take other addresses."
        ),
    ),
    (
        "source-unreadable",
        "A published list that cannot be read",
        (
            "The file does not exist, does not parse, is of another kind, or lacks a name that is selected. Until it can be "
            "read, nothing that it would name is expected."
        ),
    ),
    (
        "no-effect",
        "A key without an effect",
        "What it says does not do what its author may think; the text says why.",
    ),
)
_NOTES = (
    (
        "view-missing",
        "No feed shows what some checks need",
        "Those checks stay unknown. Add the feed that is named, or know what is not watched.",
    ),
    (
        "one-link",
        "A circuit with a single link",
        "There is no redundancy, and Microsoft's SLA asks for both links.",
    ),
    (
        "links-behind-provider",
        "Links behind a provider",
        (
            "With provider_asns, your sessions end at the provider: whether both of its links to Microsoft work is not visible "
            "here."
        ),
    ),
    (
        "local-not-here",
        "An address that this machine cannot listen on",
        (
            "The machine does not have it, something else listens there, or there is no right to the port: the feed never comes up, "
            "and a reload is refused. Found by trying, with `ermon check --here` only, since a configuration is often checked "
            "elsewhere."
        ),
    ),
    (
        "key-file-missing",
        "A file with a secret is not here",
        (
            "It is looked for in $CREDENTIALS_DIRECTORY, then beside the configuration; ermon does not start without it. Only "
            "whether it is there is asked, and it is not opened."
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
        f"To take one as it is, with the path that `ermon check` prints:\n  {accept}",
    ]
    return "\n\n".join(parts)
