"""What Azure says of a circuit in a scenario: on a good day the same as the configuration, and what a step says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from ermon.model.azure import AzurePeering, AzureReading
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.events import AzureRead, Event
from ermon.model.inventory import Circuit, Config, Peering
from ermon.model.prefixes import Family, Prefix
from ermon.scenario.fields import USUAL
from ermon.scenario.schema import AzureEntry, AzurePeeringState, StepEntry
from ermon.scenario.updates import Stage

_ENABLED, _CONFIGURED = "Enabled", "Configured"


def azure(stage: Stage, step: StepEntry) -> Iterator[Event]:
    """Read what Azure says of the circuits that a step names, or of all."""
    entry = step.azure
    assert entry is not None
    for circuit in _circuits(stage, step):
        event = _read(stage, circuit, entry)
        stage.azure.setdefault(circuit.name, []).append(event)
        yield event


def azure_again(stage: Stage) -> Iterator[Event]:
    """Return what ermon knows of Azure after a restart: the last two readings, and what earlier ones listed."""
    for events in stage.azure.values():
        good = [event for event in events if event.reading is not None]
        listed = tuple(prefix for event in good[:-2] if event.reading for prefix in event.reading.prefixes)
        for event in good[-2:]:
            yield structs.replace(event, time=stage.now, listed=listed)


def _circuits(stage: Stage, step: StepEntry) -> list[Circuit]:
    read = {name: each for name, each in stage.config.circuits.items() if each.azure is not None}
    if step.circuit is None:
        return list(read.values())
    return [read[stage.known(step.circuit, read, "circuit", "a circuit with azure")]]


def _read(stage: Stage, circuit: Circuit, entry: str | AzureEntry) -> AzureRead:
    if isinstance(entry, str):
        if entry != USUAL:
            return AzureRead(stage.now, circuit.name, problem="Azure cannot be reached")
        entry = AzureEntry()
    taken = round(stage.now - entry.age, 6)
    return AzureRead(stage.now, circuit.name, taken, said(usual(stage.config, circuit), entry))


def usual(config: Config, circuit: Circuit) -> AzureReading:
    """Return a reading in which Azure says what the configuration does: all pools of the circuit are listed."""
    source = circuit.azure
    return AzureReading(
        circuit_state=_ENABLED,
        provider_state="Provisioned",
        location=circuit.location,
        peering=True,
        azure_asn=MICROSOFT_ASN,
        peer_asn=config.customer.asn,
        vlan=None if source is None else source.vlan,
        ipv4=_peering(config, circuit, "ipv4"),
        ipv6=_peering(config, circuit, "ipv6") if "ipv6" in circuit.families else None,
    )


def _peering(config: Config, circuit: Circuit, family: Family) -> AzurePeering:
    public = circuit.peering is Peering.MICROSOFT
    ends = [*circuit.links.values(), None, None][:2]
    subnets = [
        "" if link is None else _text(link.subnet if family == "ipv4" else link.subnet6) for link in ends
    ]
    pools = [pool for pool in config.pools.values() if circuit.name in pool.circuits] if public else []
    route_filter = None if circuit.azure is None else circuit.azure.route_filter
    return AzurePeering(
        state=_ENABLED,
        primary=subnets[0],
        secondary=subnets[1],
        route_filter=route_filter or "",
        prefixes=tuple(str(prefix) for pool in pools for prefix in pool.prefixes_of(family)),
        prefix_state=_CONFIGURED if public else "NotConfigured",
    )


def _text(subnet: Prefix | None) -> str:
    return "" if subnet is None else str(subnet)


def said(reading: AzureReading, entry: AzureEntry) -> AzureReading:
    """Return the reading with what a step says otherwise."""
    missing = entry.peering is AzurePeeringState.MISSING
    return structs.replace(
        reading,
        circuit_state=entry.circuit_state or reading.circuit_state,
        provider_state=entry.provider_state or reading.provider_state,
        location=entry.location or reading.location,
        peering=not missing,
        peer_asn=entry.peer_asn or reading.peer_asn,
        vlan=entry.vlan or reading.vlan,
        ipv4=AzurePeering() if missing else _family(reading.ipv4, entry, "ipv4"),
        ipv6=None if missing or reading.ipv6 is None else _family(reading.ipv6, entry, "ipv6"),
    )


def _family(peering: AzurePeering, entry: AzureEntry, family: Family) -> AzurePeering:
    if entry.family is not None and family not in entry.family:
        return peering
    own = [each for each in (entry.primary, entry.secondary) if each is not None and each.family == family]
    listed = peering.prefixes
    if entry.prefixes is not None:
        listed = tuple(str(prefix) for prefix in entry.prefixes if prefix.family == family)
    return structs.replace(
        peering,
        state="Disabled" if entry.peering is AzurePeeringState.DISABLED else peering.state,
        primary=str(entry.primary) if entry.primary in own else peering.primary,
        secondary=str(entry.secondary) if entry.secondary in own else peering.secondary,
        route_filter=entry.route_filter or peering.route_filter,
        prefixes=listed,
        prefix_state=entry.prefix_state or peering.prefix_state,
        customer_asn=entry.customer_asn or peering.customer_asn,
    )
