"""The shape and the rules of what ``ermon.yml`` says of registries: where ermon reads whose the address space is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import Field

from ermon.config.fields import PositiveDuration, Several, SourceLocation
from ermon.config.problems import Complaint
from ermon.config.shape import Section
from ermon.model.ownership import ROUTE_OBJECTS, VRPS, Ownership, OwnershipSource
from ermon.model.source_key import is_url

VRPS_REFRESH_SECONDS = 3600.0
"""Validators run every few minutes to every hour, and ROAs change in days."""
ROUTE_OBJECTS_REFRESH_SECONDS = 86_400.0
"""Registries ask for few queries, and route objects change in weeks."""


class VrpsEntry(Section):
    """A list of VRPs: JSON of rpki-client, routinator or StayRTR."""

    location: SourceLocation = Field(alias="from")
    """A file, relative to this one, or an https URL (http of this machine too, such as routinator's)."""
    refresh: PositiveDuration = VRPS_REFRESH_SECONDS
    """How often it is read, and the file written. It counts for three times as long."""


class RouteObjectsEntry(Section):
    """Route objects of a registry: JSON of bgpq4 -j, or RPSL."""

    location: SourceLocation = Field(alias="from")
    """A file, relative to this one."""
    refresh: PositiveDuration = ROUTE_OBJECTS_REFRESH_SECONDS
    """How often it is read, and the file written. It counts for three times as long."""


class OwnershipSection(Section):
    """Registries that say whose your address space is."""

    vrps: Several[VrpsEntry] = ()
    """Lists of VRPs, for pool-roa and pool-roa-gone; of several, one is enough."""
    route_objects: Several[RouteObjectsEntry] = ()
    """Files with route objects, for pool-unregistered."""


def build_ownership(section: OwnershipSection) -> Ownership:
    return Ownership(
        tuple(OwnershipSource(VRPS, entry.location, entry.refresh) for entry in section.vrps),
        tuple(OwnershipSource(ROUTE_OBJECTS, each.location, each.refresh) for each in section.route_objects),
    )


def complaints_about_ownership(section: OwnershipSection) -> Iterator[Complaint]:
    of_keys: tuple[tuple[str, tuple[VrpsEntry | RouteObjectsEntry, ...]], ...] = (
        ("vrps", section.vrps),
        ("route_objects", section.route_objects),
    )
    for key, entries in of_keys:
        count = Counter(entry.location for entry in entries)
        for at, entry in enumerate(entries):
            path = ("ownership", key, at)
            if key == "route_objects" and is_url(entry.location):
                yield Complaint(
                    (*path, "from"), "must be a file; have a cron job write what bgpq4 or whois prints"
                )
            if count[entry.location] > 1:
                yield Complaint((*path, "from"), "is there twice; remove one")


def cautions_about_ownership(section: OwnershipSection, pools: object) -> Iterator[Complaint]:
    if (section.vrps or section.route_objects) and not pools:
        yield Complaint(("ownership",), "is not used; there are no nat_pools")
