"""In which geopolitical region a peering location is.

The table is Microsoft's "Azure regions to ExpressRoute locations within a geopolitical region"
(learn.microsoft.com/azure/expressroute/expressroute-locations-providers, page of 2024-04-05), of the public
cloud. Several sites of one city differ in a number at the end only. It is a proposal: ``geo`` says which
circuits back each other up, and only their owner knows that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LOCATIONS: Mapping[str, tuple[str, ...]] = {
    "asia": ("Bangkok", "Hong Kong", "Jakarta", "Kuala Lumpur", "Singapore", "Taipei"),
    "australia-government": ("Canberra",),
    "europe": (
        *(
            "Amsterdam",
            "Berlin",
            "Copenhagen",
            "Dublin",
            "Frankfurt",
            "Geneva",
            "London",
            "Madrid",
            "Marseille",
        ),
        *("Milan", "Munich", "Newport(Wales)", "Oslo", "Paris", "Stavanger", "Stockholm", "Warsaw", "Zurich"),
    ),
    "india": ("Chennai", "Mumbai", "Pune"),
    "israel": ("Tel Aviv",),
    "japan": ("Osaka", "Tokyo"),
    "north-america": (
        *("Atlanta", "Chicago", "Dallas", "Denver", "Las Vegas", "Los Angeles", "Miami", "Minneapolis"),
        *("Montreal", "New York", "Phoenix", "Quebec City", "Queretaro(Mexico)", "Quincy", "San Antonio"),
        *("Seattle", "Silicon Valley", "Toronto", "Vancouver", "Washington DC"),
    ),
    "oceania": ("Auckland", "Melbourne", "Perth", "Sydney"),
    "qatar": ("Doha",),
    "south-africa": ("Cape Town", "Johannesburg"),
    "south-america": ("Campinas", "Rio de Janeiro", "Sao Paulo", "Santiago"),
    "south-korea": ("Busan", "Seoul"),
    "uae": ("Abu Dhabi", "Dubai"),
}

_GEO = {location.lower(): geo for geo, locations in _LOCATIONS.items() for location in locations}


def geo_of(location: str) -> str | None:
    """Name the geopolitical region of a peering location, ``None`` where the table does not know it."""
    return _GEO.get(re.sub(r" ?\d+$", "", location.strip().lower()))
