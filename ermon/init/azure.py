"""Turns Azure's data into circuits, links, services, and what Azure knows of pools and virtual networks.

Source for the meaning of states: Microsoft, "ExpressRoute workflows for circuit provisioning and circuit states" and
"Create and modify peering" (learn.microsoft.com/azure/expressroute/expressroute-workflows and …/howto-routing-cli).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import AddrFormatError, IPNetwork

from ermon.azure.documents import AzureCircuit, AzurePeering, Ipv6, MicrosoftConfig, RouteFilter, name_in
from ermon.init.answers import AnswerError, Answers, CircuitAnswers, PoolAnswers, free_name
from ermon.init.azure_files import Found, read
from ermon.model.communities import slug_of
from ermon.model.inventory import Peering
from ermon.model.prefixes import Prefix
from ermon.model.text import printable

MAX_BYTES = 16 * 1024 * 1024
"""Far more than all circuits of a subscription need."""

_PEERINGS = {"AzurePrivatePeering": Peering.PRIVATE, "MicrosoftPeering": Peering.MICROSOFT}


class _Network:
    """Collects the circuits as answers, and what can be decided only when all of them are known."""

    def __init__(self, answers: Answers, found: Found) -> None:
        self.answers = answers
        self.found = found
        self.asns: dict[str, int] = {}
        self.customer_asns: dict[str, int] = {}
        self.advertised: dict[Prefix, list[str]] = {}

    def add(self, where: str, circuit: AzureCircuit) -> None:
        _note_states(self.answers, circuit)
        for at, peering in enumerate(circuit.peerings):
            kind = _PEERINGS.get(peering.peering_type)
            title = f"Circuit {_shown(circuit.name)}, {_shown(peering.peering_type)}"
            if kind is None:
                note = f"{title}: left out, ermon watches Microsoft peering and private peering."
                self.answers.notes.append(note)
            elif peering.state == "Disabled":
                self.answers.notes.append(f"{title}: left out, it is disabled in Azure.")
            else:
                self._peering(f"{where}.peerings[{at}]", circuit, peering, kind)

    def _peering(self, where: str, circuit: AzureCircuit, peering: AzurePeering, kind: Peering) -> None:
        suffix = "-private" if kind is Peering.PRIVATE and _has_both(circuit) else ""
        name = free_name(circuit.name[:50] + suffix, self.answers.circuits)
        entry = CircuitAnswers(name, peering=kind, ports=circuit.name)
        provider = circuit.service_provider_properties
        if provider is not None and provider.peering_location:
            entry.location = provider.peering_location
        entry.premium = circuit.sku is not None and (circuit.sku.tier or "").lower() == "premium"
        _set_subnets(entry, where, peering)
        self.answers.circuits[name] = entry
        if peering.peer_asn:
            self.asns[name] = _unsigned(peering.peer_asn)
        if peering.provisioning_state not in {None, "Succeeded"}:
            self.answers.notes.append(
                f"Circuit {name}: Azure says {_shown(peering.provisioning_state or '')} of the peering "
                "(provisioningState): its settings may not be in force."
            )
        if peering.connections or peering.peered_connections:
            self.answers.notes.append(
                f"Circuit {name}: Global Reach connects it with another circuit. Your own space comes back over it: "
                "list it in receive.own_prefixes, or prefix-unexpected is raised."
            )
        if kind is Peering.MICROSOFT:
            self._microsoft(where, entry, circuit, peering)

    def _microsoft(
        self, where: str, entry: CircuitAnswers, circuit: AzureCircuit, peering: AzurePeering
    ) -> None:
        ipv6 = peering.ipv6_peering_config
        configs = [("microsoftPeeringConfig", peering.microsoft_peering_config)]
        if ipv6 is not None and ipv6.state != "Disabled":
            configs.append(("ipv6PeeringConfig.microsoftPeeringConfig", ipv6.microsoft_peering_config))
        states: dict[str, None] = {}
        for key, config in configs:
            if config is not None:
                self._prefixes(f"{where}.{key}.advertisedPublicPrefixes", entry.name, config)
                states[config.advertised_public_prefixes_state or "Configured"] = None
                if config.customer_asn:
                    self.customer_asns[entry.name] = _unsigned(config.customer_asn)
        self.answers.notes += [
            f"Circuit {entry.name}: Azure says {_shown(state)} of the advertised public prefixes, {_PREFIX_STATES.get(state, _NOT_VALID)}"
            for state in states
            if state != "Configured"
        ]
        filters = [each for _, each in self.found.filters if _is_of(each, circuit.name, peering)]
        entry.services = list(dict.fromkeys(service for each in filters for service in _services(each)))

    def _prefixes(self, where: str, name: str, config: MicrosoftConfig) -> None:
        for at, text in enumerate(config.advertised_public_prefixes or ()):
            if text:
                named = self.advertised.setdefault(_prefix(f"{where}[{at}]", text), [])
                named.extend([name] if name not in named else [])


def add_circuits(answers: Answers, files: Iterable[tuple[str, bytes]]) -> None:
    """Add the content of files, given as name and content; ``AnswerError`` names file and field."""
    found = Found()
    for file, content in files:
        read(found, file, content)
    network = _Network(answers, found)
    for where, circuit in found.circuits:
        network.add(where, circuit)
    if not answers.circuits:
        raise AnswerError("\n".join([*answers.notes, "--azure: there is no circuit with an enabled peering"]))
    answers.peer_asns = network.asns
    answers.customer_asns = network.customer_asns
    _propose_pools(answers, network.advertised)
    _add_networks(answers, found)
    answers.notes += [
        f"Route filter {_shown(each.name)}: left out, it belongs to no circuit that is given here."
        for _, each in found.filters
        if not any(_is_of(each, c.name, p) for _, c in found.circuits for p in c.peerings)
    ]


# States ------------------------------------------------------------------------------------------------

_PROVIDER_STATES = {
    "NotProvisioned": "the provider has not started: give it the service key. Until then no link comes up.",
    "Provisioning": "the provider is provisioning it. Until that is done, no link comes up.",
    "Deprovisioning": "the provider is deprovisioning the circuit: its links will be lost.",
}
_PREFIX_STATES = {
    "ValidationNeeded": "and until Microsoft has validated them the session does not come up: open a support request "
    "with a proof of ownership.",
    "Configuring": "which Microsoft is still validating: the session does not come up before.",
    "NotConfigured": "so there are none: add them in Azure, or Microsoft accepts none of your routes.",
}
_NOT_VALID = "and Microsoft does not accept prefixes that are not validated: check in Azure."


def _note_states(answers: Answers, circuit: AzureCircuit) -> None:
    title = f"Circuit {_shown(circuit.name)}: Azure says"
    provider = circuit.service_provider_provisioning_state
    if provider not in {None, "Provisioned"}:
        meaning = _PROVIDER_STATES.get(provider or "", "check in Azure: its links may not come up.")
        answers.notes.append(
            f"{title} {_shown(provider or '')} of the provider's side (serviceProviderProvisioningState): {meaning}"
        )
    own = circuit.circuit_provisioning_state
    if own not in {None, "Enabled"}:
        answers.notes.append(
            f"{title} {_shown(own or '')} of the circuit (circuitProvisioningState): it carries nothing until it is Enabled."
        )
    if circuit.provisioning_state not in {None, "Succeeded"}:
        answers.notes.append(
            f"{title} {_shown(circuit.provisioning_state or '')} of the resource (provisioningState): its settings "
            "may not be in force."
        )


# Subnets and prefixes ----------------------------------------------------------------------------------


def _has_both(circuit: AzureCircuit) -> bool:
    enabled = {each.peering_type for each in circuit.peerings if each.state != "Disabled"}
    return enabled >= _PEERINGS.keys()


def _set_subnets(entry: CircuitAnswers, where: str, peering: AzurePeering) -> None:
    ipv6 = peering.ipv6_peering_config
    sections: list[tuple[str, AzurePeering | Ipv6]] = [(where, peering)]
    if ipv6 is not None and ipv6.state != "Disabled":
        sections.append((f"{where}.ipv6PeeringConfig", ipv6))
    for place, section in sections:
        for link, text in (
            ("primary", section.primary_peer_address_prefix),
            ("secondary", section.secondary_peer_address_prefix),
        ):
            if text:
                entry.links[link].set_subnet(_prefix(f"{place}.{link}PeerAddressPrefix", text))
    for end in entry.links.values():
        end.subnet6_proposed = end.subnet is not None and end.subnet6 is not None


def _prefix(where: str, text: str) -> Prefix:
    """Read a prefix; Azure accepts bits after the length, which are cleared here."""
    length = text.strip().rpartition("/")[2]
    try:
        network = IPNetwork(text.strip()).cidr if length.isascii() and length.isdigit() else None
    except (AddrFormatError, ValueError):
        network = None
    if network is None or "/" not in text or not network.prefixlen:
        raise AnswerError(f"{where}: {text[:80]!r} is not a prefix such as 203.0.113.0/30")
    return Prefix(network.version, network.first, network.prefixlen)


def _add_networks(answers: Answers, found: Found) -> None:
    """Give every private peering all virtual networks: these lists do not say which of them it is connected to."""
    spaces = [
        _prefix(f"{where}.addressSpace.addressPrefixes[{at}]", text)
        for where, network in found.networks
        for at, text in enumerate(network.address_space.address_prefixes)
    ]
    private = [each for each in answers.circuits.values() if each.peering is Peering.PRIVATE]
    for circuit in private:
        circuit.vnets = list(dict.fromkeys(spaces))
        circuit.vnets_proposed = bool(spaces) and len(private) > 1
    if spaces and not private:
        answers.notes.append("The virtual networks are left out: no circuit has private peering.")


# AS numbers --------------------------------------------------------------------------------------------


def _unsigned(asn: int) -> int:
    """Read 32 bits, which some versions of the API show as a signed number."""
    return asn % 2**32


def _propose_pools(answers: Answers, advertised: dict[Prefix, list[str]]) -> None:
    """Make one pool for each circuit, and one for the prefixes that several circuits advertise."""
    groups: dict[tuple[str, ...], list[Prefix]] = {}
    for prefix, circuits in advertised.items():
        groups.setdefault(tuple(circuits), []).append(prefix)
    for names, found in groups.items():
        wanted = "shared" if len(names) > 1 else f"{names[0][:50]}-outbound"
        name = free_name(wanted, answers.pools)
        answers.pools[name] = PoolAnswers(list(names), found, proposed=True)


# Route filters -----------------------------------------------------------------------------------------


def _is_of(route_filter: RouteFilter, circuit: str, peering: AzurePeering) -> bool:
    """Return whether the filter applies to the peering: either may name the other."""
    ipv6 = peering.ipv6_peering_config
    named = [peering.route_filter, ipv6.route_filter if ipv6 is not None else None]
    filters = {(name_in(each.id, "routeFilters") or "").lower() for each in named if each is not None}
    circuits = {
        (name_in(each.id, "expressRouteCircuits") or "").lower() for each in route_filter.peerings or ()
    }
    if peering.peering_type != "MicrosoftPeering":
        return False
    return route_filter.name.lower() in filters or circuit.lower() in circuits


def _services(route_filter: RouteFilter) -> Iterator[str]:
    """Return the services that the filter lets through: by name if they have one, else by community."""
    for rule in route_filter.rules:
        if (rule.access or "Allow").lower() == "allow":
            for text in rule.communities or ():
                high, _, low = text.partition(":")
                if high.isdigit() and low.isdigit() and len(text) < 12:
                    yield slug_of((int(high), int(low))) or text


def _shown(text: str) -> str:
    """Return a text from outside as it may be printed."""
    return printable(text[:80])
