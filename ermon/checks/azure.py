"""Checks of Azure's own view of a circuit: whether Microsoft has accepted what you advertise, and whether its settings are yours.

The view is minutes old and decides nothing about a link. What one reading says may be a change in progress, so most checks want
the same from two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested, Worse
from ermon.checks.facts import AzureSight, Facts
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, violated
from ermon.checks.topics import azure_topic
from ermon.model.azure import AzurePeering, AzureReading
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Config, Customer, Peering, Pool
from ermon.model.prefixes import FAMILY_NAMES, Family, Prefix, PrefixSet, parse_prefix
from ermon.model.settings import Severity

AFTER_CIRCUIT_LOSS = (
    "azure-ownership",
    "azure-prefix-unlisted",
    "azure-peering-disabled",
    "azure-provisioning",
    "azure-drift",
)
"""The checks here that a circuit which is down suppresses; what Azure says is in its evidence."""

_PEERINGS = {Peering.MICROSOFT: "MicrosoftPeering", Peering.PRIVATE: "AzurePrivatePeering"}

Problems = Callable[[AzureReading], list[str] | None]
"""Returns what is wrong in a reading, line by line; ``None`` if it does not say."""


def _circuits(config: Config, peering: Peering | None = None) -> Iterator[Circuit]:
    for circuit in config.circuits.values():
        if circuit.azure is not None and peering in {None, circuit.peering}:
            yield circuit


def _subject(check: str, circuit: Circuit, judge: Callable[[Facts], Verdict]) -> Subject:
    return Subject(check, (("circuit", circuit.name),), frozenset({azure_topic(circuit.name)}), judge)


def _judge(circuit: Circuit, problems: Problems, twice: bool, facts: Facts) -> Verdict:
    """Judge what is wrong in the last reading; with ``twice``, something must be wrong in the one before, too."""
    seen = facts.azure(circuit.name)
    found = None if seen is None else problems(seen.reading)
    if seen is None or found is None:
        return UNKNOWN
    if not found:
        return OK
    if twice and (seen.before is None or not problems(seen.before)):
        return UNKNOWN  # one reading may have caught a change in progress
    return violated(Evidence(details=partial(_read, circuit, facts, {"azure": found})))


def _read(circuit: Circuit, facts: Facts, details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add when it was read, by the clock as it is when the evidence is shown."""
    seen = facts.azure(circuit.name)
    return details if seen is None else {**details, "read_at": seen.when}


def _peerings(circuit: Circuit, reading: AzureReading) -> Iterator[tuple[Family, AzurePeering]]:
    """Yield the families of a peering that the circuit has, and Azure too."""
    if not reading.peering:
        return
    if "ipv4" in circuit.families:
        yield "ipv4", reading.ipv4
    if "ipv6" in circuit.families and reading.ipv6 is not None:
        yield "ipv6", reading.ipv6


# Ownership ---------------------------------------------------------------------------------------------


def azure_ownership(config: Config) -> Iterator[Subject]:
    for circuit in _circuits(config, Peering.MICROSOFT):
        yield _subject(
            "azure-ownership", circuit, partial(_judge, circuit, partial(_not_owned, circuit), True)
        )


def _not_owned(circuit: Circuit, reading: AzureReading) -> list[str] | None:
    """A family without prefixes has nothing to validate, and its state is NotConfigured."""
    found: list[str] = []
    said = False
    for family, peering in _peerings(circuit, reading):
        if not peering.prefix_state or (peering.prefix_state == "NotConfigured" and not peering.prefixes):
            continue
        said = True
        if peering.prefix_state != "Configured":
            listed = f": {', '.join(peering.prefixes)}" if peering.prefixes else ""
            found.append(f"{FAMILY_NAMES[family]}: {peering.prefix_state}{listed}")
        found += [f"{prefix}: {state}" for prefix, state in peering.not_validated]
    return found if said else None


AZURE_OWNERSHIP = Check(
    name="azure-ownership",
    section=Section.AZURE,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_ownership,
    labels=("circuit",),
    summary="Microsoft has not validated the prefixes that circuit {circuit} advertises",
    needs=needs.azure,
    peering=Peering.MICROSOFT,
    acceptance=Tested(AcceptanceStep.ACCEPTED),
)


# Pools that are not listed -------------------------------------------------------------------------------


def azure_prefix_unlisted(config: Config) -> Iterator[Subject]:
    for circuit in _circuits(config, Peering.MICROSOFT):
        for pool in config.pools.values():
            if circuit.name in pool.circuits and set(pool.families) & set(circuit.families):
                labels = (("pool", pool.name), ("circuit", circuit.name))
                judge = partial(_prefix_unlisted, pool, circuit)
                yield Subject("azure-prefix-unlisted", labels, frozenset({azure_topic(circuit.name)}), judge)


def _prefix_unlisted(pool: Pool, circuit: Circuit, facts: Facts) -> Verdict:
    """A reading from before the configuration named the pool cannot know it: you may change both at the same time."""
    seen = facts.azure(circuit.name)
    if seen is None:
        return UNKNOWN
    wanted = [prefix for prefix in pool.prefixes if prefix.family in circuit.families]
    missing = _uncovered(wanted, seen.reading)
    if not missing:
        return OK
    named = max(facts.named_since(circuit.name, prefix) for prefix in missing)
    if seen.before is None or seen.before_taken < named or not _uncovered(missing, seen.before):
        return UNKNOWN
    listed_before = all(seen.listed.covers(prefix) for prefix in missing)
    details = {"listed": list(seen.reading.prefixes), "listed_before": listed_before}
    verdict = violated(Evidence(prefixes=missing, details=partial(_read, circuit, facts, details)))
    return verdict._replace(severity=Severity.CRITICAL if listed_before else None)


def _uncovered(wanted: Iterable[Prefix], reading: AzureReading) -> list[Prefix]:
    listed = PrefixSet(map(parse_prefix, reading.prefixes))
    return [prefix for prefix in wanted if not listed.covers(prefix)]


AZURE_PREFIX_UNLISTED = Check(
    name="azure-prefix-unlisted",
    section=Section.AZURE,
    severity=Severity.WARNING,
    worse=Worse(Severity.CRITICAL, "for a pool that was listed before"),
    raise_after=0,
    clear_after=0,
    subjects=azure_prefix_unlisted,
    labels=("pool", "circuit"),
    summary="NAT pool {pool} is not among the advertised public prefixes of circuit {circuit} in Azure",
    needs=needs.azure,
    peering=Peering.MICROSOFT,
    acceptance=Tested(AcceptanceStep.ACCEPTED),
)


# Whether the circuit is in service -----------------------------------------------------------------------


def azure_peering_disabled(config: Config) -> Iterator[Subject]:
    for circuit in _circuits(config):
        judge = partial(_judge, circuit, partial(_disabled, circuit), False)
        yield _subject("azure-peering-disabled", circuit, judge)


def _disabled(circuit: Circuit, reading: AzureReading) -> list[str]:
    name = _PEERINGS[circuit.peering]
    if not reading.peering:
        return [f"the circuit has no {name}"]
    return [
        f"{name}, {FAMILY_NAMES[family]}: Disabled"
        for family, peering in _peerings(circuit, reading)
        if peering.state == "Disabled"
    ]


AZURE_PEERING_DISABLED = Check(
    name="azure-peering-disabled",
    section=Section.AZURE,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_peering_disabled,
    labels=("circuit",),
    summary="The peering of circuit {circuit} is disabled in Azure",
    needs=needs.azure,
    acceptance=NotTested("the test finds that its links are down"),
)


def azure_provisioning(config: Config) -> Iterator[Subject]:
    for circuit in _circuits(config):
        yield _subject("azure-provisioning", circuit, partial(_judge, circuit, _not_provisioned, True))


def _not_provisioned(reading: AzureReading) -> list[str] | None:
    """Nobody provisions a circuit on a port of ExpressRoute Direct but you, so it needs no provider's state."""
    if not reading.circuit_state:
        return None
    found = []
    if reading.circuit_state != "Enabled":
        found.append(f"circuit: {reading.circuit_state}")
    if reading.provider_state not in {"", "Provisioned"} and not reading.direct:
        found.append(f"service provider: {reading.provider_state}")
    return found


AZURE_PROVISIONING = Check(
    name="azure-provisioning",
    section=Section.AZURE,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_provisioning,
    labels=("circuit",),
    summary="Circuit {circuit} is not provisioned in Azure as a working circuit is",
    needs=needs.azure,
    acceptance=NotTested("the test finds that its links are down"),
)


# Differences from the configuration ----------------------------------------------------------------------


def azure_drift(config: Config) -> Iterator[Subject]:
    for circuit in _circuits(config):
        judge = partial(_judge, circuit, partial(_drift, config.customer, circuit), False)
        yield _subject("azure-drift", circuit, judge)


def _drift(customer: Customer, circuit: Circuit, reading: AzureReading) -> list[str] | None:
    if not reading.peering:
        return None  # there is nothing to compare: azure-peering-disabled
    found = [*_other_asns(customer, circuit, reading), *_other_location(circuit, reading)]
    # A layer-3 provider's own router is at this end of the peering: its subnets and its VLAN are not those of your links.
    if reading.peer_asn not in customer.provider_asns:
        for family, peering in _peerings(circuit, reading):
            found += _other_subnets(circuit, family, peering)
        vlan = None if circuit.azure is None else circuit.azure.vlan
        if vlan is not None and reading.vlan not in {None, vlan}:
            found.append(f"VLAN: {reading.vlan} in Azure, {vlan} in ermon.yml")
    if "ipv6" in circuit.families and reading.ipv6 is None:
        found.append("IPv6: Azure has no IPv6 on this peering, ermon.yml has subnet6")
    return found + _other_filters(circuit, reading)


def _other_asns(customer: Customer, circuit: Circuit, reading: AzureReading) -> Iterator[str]:
    if reading.azure_asn not in {None, MICROSOFT_ASN}:
        yield f"Azure's ASN: {reading.azure_asn}, not {MICROSOFT_ASN}"
    if reading.peer_asn is not None and reading.peer_asn not in {customer.asn, *customer.provider_asns}:
        yield f"your ASN: {reading.peer_asn} in Azure (peerASN), {customer.asn} in ermon.yml"
    for family, peering in _peerings(circuit, reading):
        own = {customer.asn, *customer.origin_asns}
        if peering.customer_asn is not None and peering.customer_asn not in own:
            yield (
                f"ASN of the prefixes, {FAMILY_NAMES[family]}: {peering.customer_asn} in Azure (customerASN), "
                f"{', '.join(map(str, sorted(own)))} in ermon.yml"
            )


def _other_location(circuit: Circuit, reading: AzureReading) -> Iterator[str]:
    """Azure has one location for a circuit; that of a Metro circuit is not the place of each link."""
    if not reading.location:
        return
    known = {circuit.location, *circuit.locations}
    same = {_spelled(place) for place in known}
    if _spelled(reading.location) in same or _spelled(reading.location) in {f"{each}metro" for each in same}:
        return
    yield f"location: {reading.location} in Azure, {', '.join(sorted(known))} in ermon.yml"


def _spelled(place: str) -> str:
    return "".join(place.casefold().split())


def _other_subnets(circuit: Circuit, family: Family, peering: AzurePeering) -> Iterator[str]:
    """Links that are named primary and secondary are compared by name, all others as a set."""
    azure = {"primary": peering.primary, "secondary": peering.secondary}
    subnets = {
        name: subnet
        for name, link in circuit.links.items()
        if (subnet := link.subnet if family == "ipv4" else link.subnet6) is not None
    }
    for name, subnet in subnets.items():
        if name in azure:
            theirs = azure[name]
        else:
            theirs = (
                str(subnet) if str(subnet) in azure.values() else " and ".join(filter(None, azure.values()))
            )
        if theirs and theirs != str(subnet):
            yield f"subnet of {name}, {FAMILY_NAMES[family]}: {theirs} in Azure, {subnet} in ermon.yml"


def _other_filters(circuit: Circuit, reading: AzureReading) -> list[str]:
    wanted = None if circuit.azure is None else circuit.azure.route_filter
    if wanted is None:
        return []
    return [
        f"route filter, {FAMILY_NAMES[family]}: {peering.route_filter or 'none'} in Azure, {wanted} in ermon.yml"
        for family, peering in _peerings(circuit, reading)
        if peering.route_filter.casefold() != wanted.casefold()
    ]


AZURE_DRIFT = Check(
    name="azure-drift",
    section=Section.AZURE,
    severity=Severity.WARNING,
    raise_after=300,
    clear_after=0,
    subjects=azure_drift,
    labels=("circuit",),
    summary="Azure's settings of circuit {circuit} are not those of the configuration",
    needs=needs.azure,
    acceptance=NotTested("what follows from the settings is tested, not the settings"),
)


# Evidence for other checks -------------------------------------------------------------------------------


def said(circuit: Circuit, facts: Facts) -> dict[str, list[str]]:
    """Return what Azure says that explains why a circuit is down, as a detail of evidence; empty if there is nothing."""
    seen: AzureSight | None = None if circuit.azure is None else facts.azure(circuit.name)
    if seen is None:
        return {}
    found = [*_disabled(circuit, seen.reading), *(_not_provisioned(seen.reading) or ())]
    return {"azure": [f"{line} (read {seen.when})" for line in found]} if found else {}
