"""Published lists for the tests.

Microsoft's real lists are not reproduced: these are invented, in documentation address space (RFC 5737, RFC 3849), in
the formats that Microsoft documents.
"""

from __future__ import annotations

import json
from typing import Any

from ermon.model.inventory import ExpectedPrefix
from ermon.sources.published import PublishedList

VERSION = "2031040100"

ENDPOINTS: list[dict[str, Any]] = [
    {
        "id": 901,
        "serviceArea": "Exchange",
        "serviceAreaDisplayName": "Exchange Online",
        "urls": ["mail.example.net"],
        "ips": ["192.0.2.0/25", "198.51.100.64/26", "2001:db8:10::/48"],
        "tcpPorts": "80,443",
        "expressRoute": True,
        "category": "Optimize",
        "required": True,
    },
    {
        "id": 902,
        "serviceArea": "Common",
        "serviceAreaDisplayName": "Microsoft 365 Common",
        "urls": ["*.cdn.example.net"],
        "tcpPorts": "443",
        "expressRoute": False,
        "category": "Default",
        "required": False,
        "notes": "optional content delivery",
    },
    {
        "id": 903,
        "serviceArea": "Skype",
        "serviceAreaDisplayName": "Skype for Business Online and Microsoft Teams",
        "ips": ["198.51.100.0/26", "2001:db8:20::/48"],
        "udpPorts": "3478",
        "expressRoute": True,
        "category": "Optimize",
        "required": True,
    },
    {
        "id": 904,
        "serviceArea": "Common",
        "serviceAreaDisplayName": "Microsoft 365 Common",
        "ips": ["203.0.113.128/25", "2001:db8:30::/48"],
        "tcpPorts": "443",
        "expressRoute": False,
        "category": "Allow",
        "required": True,
    },
]

CHANGES: list[dict[str, Any]] = [
    {
        "id": 7001,
        "endpointSetId": 901,
        "disposition": "Change",
        "impact": "AddedIp",
        "version": VERSION,
        "add": {"effectiveDate": "20310501", "ips": ["198.51.100.64/26"]},
    }
]

SERVICE_TAGS_FILE: dict[str, Any] = {
    "changeNumber": 63,
    "cloud": "Public",
    "values": [
        {
            "name": "Storage",
            "id": "Storage",
            "properties": {
                "changeNumber": 7,
                "region": "",
                "regionId": 0,
                "platform": "Azure",
                "systemService": "AzureStorage",
                "addressPrefixes": ["192.0.2.0/25", "192.0.2.128/26", "2001:db8:40::/47"],
                "networkFeatures": ["API", "NSG"],
            },
        },
        {
            "name": "Storage.WestEurope",
            "id": "Storage.WestEurope",
            "properties": {
                "changeNumber": 2,
                "region": "westeurope",
                "regionId": 18,
                "platform": "Azure",
                "systemService": "AzureStorage",
                "addressPrefixes": ["192.0.2.128/26", "2001:db8:41::/48"],
                "networkFeatures": ["API", "NSG"],
            },
        },
        {
            "name": "AzureActiveDirectory",
            "id": "AzureActiveDirectory",
            "properties": {
                "changeNumber": 5,
                "region": "",
                "regionId": 0,
                "platform": "Azure",
                "systemService": "AzureAD",
                "addressPrefixes": ["203.0.113.0/26"],
                "networkFeatures": ["API", "NSG"],
            },
        },
    ],
}

SERVICE_TAGS_REST: dict[str, Any] = {
    "name": "public",
    "id": "/subscriptions/subId/providers/Microsoft.Network/serviceTags/public",
    "type": "Microsoft.Network/serviceTags",
    "changeNumber": "63",
    "cloud": "Public",
    "values": [
        {
            "name": tag["name"],
            "id": tag["id"],
            "properties": {
                "changeNumber": str(tag["properties"]["changeNumber"]),
                "region": tag["properties"]["region"],
                "systemService": tag["properties"]["systemService"],
                "addressPrefixes": tag["properties"]["addressPrefixes"],
            },
        }
        for tag in SERVICE_TAGS_FILE["values"]
    ],
}

COMMUNITIES: dict[str, list[dict[str, Any]]] = {
    "Exchange": [
        {
            "serviceSupportedRegion": "Global",
            "communityName": "Exchange",
            "communityValue": "12076:5010",
            "communityPrefixes": ["192.0.2.0/25", "192.0.2.0/26"],
            "isAuthorizedToUse": False,
            "serviceGroup": "O365",
        },
        {
            "serviceSupportedRegion": "Global",
            "communityName": "Exchange IPv6",
            "communityValue": "12076:5010",
            "communityPrefixes": ["2001:db8:10::/48"],
            "isAuthorizedToUse": False,
            "serviceGroup": "O365",
        },
    ],
    "AzureWestEurope": [
        {
            "serviceSupportedRegion": "Global",
            "communityName": "Azure West Europe",
            "communityValue": "12076:51002",
            "communityPrefixes": ["198.51.100.0/24"],
            "isAuthorizedToUse": True,
            "serviceGroup": "Azure",
        }
    ],
    "AzureSIPTrunking": [
        {
            "serviceSupportedRegion": "Global",
            "communityName": "Azure SIP Trunking IPv6",
            "communityValue": "12076:5250",
            "communityPrefixes": [],
            "isAuthorizedToUse": True,
            "serviceGroup": "AzureSIPTrunking",
        }
    ],
}

_RESOURCE = "/subscriptions/subid/providers/Microsoft.Network/bgpServiceCommunities"

COMMUNITIES_REST: dict[str, Any] = {
    "value": [
        {
            "id": f"{_RESOURCE}/{name}",
            "name": name,
            "type": "Microsoft.Network/bgpServiceCommunities",
            "properties": {"serviceName": name, "bgpCommunities": found},
        }
        for name, found in COMMUNITIES.items()
    ]
}
"""The answer of Azure's REST API."""

COMMUNITIES_CLI: list[dict[str, Any]] = [
    {
        "bgpCommunities": found,
        "id": f"{_RESOURCE}/{name}",
        "name": name,
        "resourceGroup": "",
        "serviceName": name,
        "type": "Microsoft.Network/bgpServiceCommunities",
    }
    for name, found in COMMUNITIES.items()
]
"""What ``az network route-filter rule list-service-communities`` prints."""

COMMUNITIES_POWERSHELL: list[dict[str, Any]] = [
    {
        "Name": name,
        "Id": f"{_RESOURCE}/{name}",
        "Type": "Microsoft.Network/bgpServiceCommunities",
        "BgpCommunities": [
            {key[0].upper() + key[1:]: value for key, value in item.items()} for item in found
        ],
    }
    for name, found in COMMUNITIES.items()
]
"""What ``Get-AzBgpServiceCommunity | ConvertTo-Json -Depth 5`` prints."""


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def m365_document(endpoints: object = ENDPOINTS, changes: object = CHANGES, version: str = VERSION) -> bytes:
    """The three answers of Microsoft 365's web service in one document."""
    return encode(
        {
            "version": {"instance": "Worldwide", "latest": version},
            "endpoints": endpoints,
            "changes": changes,
        }
    )


def tags_document(*prefixes: str, name: str = "Storage", change_number: int = 1) -> bytes:
    """The file of service tags with one tag."""
    properties = {"changeNumber": change_number, "region": "", "addressPrefixes": prefixes}
    tag = {"name": name, "id": name, "properties": properties}
    return encode({"changeNumber": change_number, "cloud": "Public", "values": [tag]})


def texts(published: PublishedList) -> list[str]:
    """Return a list as text: the prefixes, with their periods if they have one."""
    return [_text(item) for item in published.prefixes]


def _text(item: ExpectedPrefix) -> str:
    starts = f" from {item.starts}" if item.starts else ""
    return f"{item.prefix}{starts}" + (f" until {item.ends}" if item.ends else "")
