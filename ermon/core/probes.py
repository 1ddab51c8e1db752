"""The targets of probes: TCP ports of the services that circuits are for, so that blackbox_exporter can test what routes
do not show, such as NAT and firewalls.

A target is an endpoint that a published list names, or one that the configuration names. ermon never derives one, for
example from a prefix. A probe takes the path that routing gives it, and its address cannot choose a link. So there is one
set of targets for each service and group of circuits, and none for a link.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ermon.checks.sharding import Shard
from ermon.model.inventory import Circuit, Config, Peering, Source

_Group = tuple[str, str | None]
"""The geo and the group of circuits."""


@dataclass(frozen=True, slots=True)
class ProbeGroup:
    """The targets of one service in one group of circuits."""

    service: str
    geo: str
    group: str | None
    targets: tuple[str, ...]
    """Hosts with ports, sorted."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels that its series share with ermon's: ``ms_service`` with ``ermon_link_service_routes``, ``geo`` and
        ``group`` with ``ermon_circuit_links``. There is no ``group`` if it is not named: an empty label is none.
        """
        named = {} if self.group is None else {"group": self.group}
        return {"ms_service": self.service, "geo": self.geo, **named}


def probe_groups(config: Config, day: date) -> list[ProbeGroup]:
    """Return the targets that are in use on ``day`` (UTC), sorted by service and group, of the circuits that this
    instance judges. ``config`` has the published lists; see ``unread``.
    """
    targets: dict[tuple[str, _Group], set[str]] = {}
    here = list(_probed(config))
    for circuit in here:
        for endpoint in circuit.receive.endpoints:
            if endpoint.in_use(day):
                targets.setdefault((endpoint.service, _group(circuit)), set()).add(endpoint.target)
    for probe in config.probes:
        requiring = _groups_that_require(probe.service.name, config)
        for group in dict.fromkeys(map(_group, here)):
            if not requiring or group in requiring:
                targets.setdefault((probe.service.name, group), set()).add(probe.target)
    return [
        ProbeGroup(service, geo, group, tuple(sorted(found)))
        for (service, (geo, group)), found in sorted(targets.items(), key=lambda item: _order(*item[0]))
    ]


def unread(config: Config) -> list[Source]:
    """Return the published lists with targets that have not been read yet: which targets they name is unknown."""
    sources = (source for circuit in _probed(config) for source in circuit.receive.unread)
    return list(dict.fromkeys(source for source in sources if source.kind == "m365"))


def _probed(config: Config) -> Iterator[Circuit]:
    shard = Shard(config)
    for circuit in config.circuits.values():
        if circuit.peering is Peering.MICROSOFT and any(
            shard.sees_link(link, family) for link in circuit.links.values() for family in link.families
        ):
            yield circuit


def _groups_that_require(service: str, config: Config) -> set[_Group]:
    """Return the groups of the circuits that require a service, also of those that another instance judges."""
    return {
        _group(circuit)
        for circuit in config.circuits.values()
        if circuit.peering is Peering.MICROSOFT
        and any(service == required.name for required in circuit.receive.services)
    }


def _group(circuit: Circuit) -> _Group:
    return (circuit.geo, circuit.group)


def _order(service: str, group: _Group) -> tuple[str, str, str]:
    geo, name = group
    return (service, geo, name or "")
