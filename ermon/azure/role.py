"""The custom role with the least rights that ermon needs in Azure, as ``az role definition create`` takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

NAME = "ermon"

ACTIONS = (
    "Microsoft.Network/expressRouteCircuits/read",
    "Microsoft.Network/expressRouteCircuits/peerings/read",
    "Microsoft.Network/expressRouteCircuits/stats/read",
    "Microsoft.Network/expressRouteCircuits/peerings/stats/read",
    "Microsoft.Network/expressRouteCircuits/peerings/arpTables/action",
    "Microsoft.Network/expressRouteCircuits/peerings/routeTables/action",
    "Microsoft.Network/expressRouteCircuits/peerings/routeTablesSummary/action",
)
"""Source: Microsoft, "Azure permissions for Networking" (learn.microsoft.com/azure/role-based-access-control/permissions/networking).
The actions run on Microsoft's routers and change nothing.
"""

_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)


def role(resource_ids: Iterable[str]) -> str:
    """Return the role as JSON; it can be assigned in the resource groups of these circuits."""
    found = (_GROUP.match(each) for each in resource_ids)
    scopes = {match[0].lower(): match[0] for match in found if match is not None}
    definition = {
        "Name": NAME,
        "IsCustom": True,
        "Description": "Reads ExpressRoute circuits and what Microsoft's routers hold of them, for ermon.",
        "Actions": list(ACTIONS),
        "NotActions": [],
        "AssignableScopes": sorted(scopes.values()),
    }
    return json.dumps(definition, indent=2) + "\n"
