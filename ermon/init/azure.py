"""``az network express-route show -o json`` → circuits, links and what Azure knows of pools.

Names and types of the fields are those of Microsoft's REST specification (expressRouteCircuit.json) as the
Azure CLI prints them: without ``properties``, and with ``peerASN`` written ``peerAsn`` by its older releases
(both are in learn.microsoft.com/azure/expressroute/howto-routing-cli, page of 2023-09-15). Only what a configuration needs is read: the service key and the MD5 key stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from netaddr import AddrFormatError, IPNetwork

from ermon.init.answers import AnswerError, Answers, CircuitAnswers, PoolAnswers, free_name
from ermon.model.inventory import Peering
from ermon.model.prefixes import Prefix
from ermon.model.text import printable

MAX_BYTES = 16 * 1024 * 1024
"""Far more than all the circuits of a subscription."""

_COMMAND = "az network express-route show --resource-group GROUP --name CIRCUIT -o json"
_PEERINGS = {"AzurePrivatePeering": Peering.PRIVATE, "MicrosoftPeering": Peering.MICROSOFT}


class _MicrosoftConfig(msgspec.Struct, rename="camel"):
    advertised_public_prefixes: list[str] | None = None
    advertised_public_prefixes_state: str | None = None


class _Ipv6(msgspec.Struct, rename="camel"):
    primary_peer_address_prefix: str | None = None
    secondary_peer_address_prefix: str | None = None
    microsoft_peering_config: _MicrosoftConfig | None = None
    state: str | None = None


class _Peering(msgspec.Struct, rename="camel"):
    peering_type: str
    state: str | None = None
    peer_asn: int | None = msgspec.field(default=None, name="peerASN")
    peer_asn_before: int | None = msgspec.field(default=None, name="peerAsn")
    primary_peer_address_prefix: str | None = None
    secondary_peer_address_prefix: str | None = None
    microsoft_peering_config: _MicrosoftConfig | None = None
    ipv6_peering_config: _Ipv6 | None = None


class _Provider(msgspec.Struct, rename="camel"):
    peering_location: str | None = None


class _Sku(msgspec.Struct):
    tier: str | None = None


class _Circuit(msgspec.Struct, rename="camel"):
    name: str
    peerings: list[_Peering]
    sku: _Sku | None = None
    service_provider_properties: _Provider | None = None


class _Found(msgspec.Struct):
    """What the peerings tell beside the circuits themselves."""

    asns: dict[str, int]
    advertised: dict[Prefix, list[str]]


def add_circuits(answers: Answers, files: Iterable[tuple[str, bytes]]) -> None:
    """Add the circuits of files, given as name and contents; ``AnswerError`` names file and field."""
    found = _Found({}, {})
    for file, content in files:
        for where, circuit in _read(file, content):
            for at, peering in enumerate(circuit.peerings):
                _add(answers, found, f"{where}.peerings[{at}]", circuit, peering)
    if not answers.circuits:
        raise AnswerError("\n".join([*answers.notes, "--azure: there is no circuit with an enabled peering"]))
    _settle_asn(answers, found.asns)
    _propose_pools(answers, found.advertised)


def _read(file: str, content: bytes) -> Iterator[tuple[str, _Circuit]]:
    try:
        data = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise AnswerError(f"{file}: is not JSON: {error}; give what `{_COMMAND}` prints") from None
    several = isinstance(data, list)
    for at, value in enumerate(data if several else [data]):
        where = f"{file}: $[{at}]" if several else f"{file}: $"
        if isinstance(value, dict) and "peerings" not in value and "properties" in value:
            raise AnswerError(f"{where}: is the form of the REST API; give what `{_COMMAND}` prints")
        try:
            yield where, msgspec.convert(value, _Circuit)
        except msgspec.ValidationError as error:
            problem, _, path = str(error).partition(" - at `$")
            place = f"{where}{path.rstrip('`')}"
            raise AnswerError(f"{place}: {problem}; give what `{_COMMAND}` prints") from None


def _add(answers: Answers, found: _Found, where: str, circuit: _Circuit, peering: _Peering) -> None:
    kind = _PEERINGS.get(peering.peering_type)
    title = f"Circuit {_shown(circuit.name)}, {_shown(peering.peering_type)}"
    if kind is None:
        answers.notes.append(f"{title}: left out, ermon watches Microsoft peering and private peering.")
        return
    if peering.state == "Disabled":
        answers.notes.append(f"{title}: left out, it is disabled in Azure.")
        return
    suffix = "-private" if kind is Peering.PRIVATE and _has_both(circuit) else ""
    name = free_name(circuit.name[:50] + suffix, answers.circuits)
    entry = CircuitAnswers(name, peering=kind, ports=circuit.name)
    provider = circuit.service_provider_properties
    if provider is not None and provider.peering_location:
        entry.location = provider.peering_location
    entry.premium = circuit.sku is not None and (circuit.sku.tier or "").lower() == "premium"
    _set_subnets(entry, where, peering)
    answers.circuits[name] = entry
    asn = peering.peer_asn or peering.peer_asn_before
    if asn:
        # 32 bits that some versions of the API show signed
        found.asns[name] = asn % 2**32
    if kind is Peering.MICROSOFT:
        _note_prefixes(answers, found, where, name, peering)


def _has_both(circuit: _Circuit) -> bool:
    enabled = {each.peering_type for each in circuit.peerings if each.state != "Disabled"}
    return enabled >= _PEERINGS.keys()


def _set_subnets(entry: CircuitAnswers, where: str, peering: _Peering) -> None:
    ipv6 = peering.ipv6_peering_config
    sections: list[tuple[str, _Peering | _Ipv6]] = [(where, peering)]
    if ipv6 is not None and ipv6.state != "Disabled":
        sections.append((f"{where}.ipv6PeeringConfig", ipv6))
    for place, section in sections:
        for link, text in (
            ("primary", section.primary_peer_address_prefix),
            ("secondary", section.secondary_peer_address_prefix),
        ):
            if text:
                entry.links[link].set_subnet(_prefix(f"{place}.{link}PeerAddressPrefix", text))


def _note_prefixes(answers: Answers, found: _Found, where: str, name: str, peering: _Peering) -> None:
    ipv6 = peering.ipv6_peering_config
    configs = [("microsoftPeeringConfig", peering.microsoft_peering_config)]
    if ipv6 is not None:
        configs.append(("ipv6PeeringConfig.microsoftPeeringConfig", ipv6.microsoft_peering_config))
    for key, config in configs:
        if config is None:
            continue
        for at, text in enumerate(config.advertised_public_prefixes or ()):
            if text:
                prefix = _prefix(f"{where}.{key}.advertisedPublicPrefixes[{at}]", text)
                named = found.advertised.setdefault(prefix, [])
                named.extend([name] if name not in named else [])
        if config.advertised_public_prefixes_state == "ValidationNeeded":
            answers.notes.append(
                f"Circuit {name}: Azure says ValidationNeeded of the advertised public prefixes, and until Microsoft "
                "has validated them the session does not come up: open a support request with a proof of ownership."
            )


def _prefix(where: str, text: str) -> Prefix:
    """Read a prefix; bits behind its length, which Azure lets pass, are cut off."""
    length = text.strip().rpartition("/")[2]
    try:
        network = IPNetwork(text.strip()).cidr if length.isascii() and length.isdigit() else None
    except (AddrFormatError, ValueError):
        network = None
    if network is None or "/" not in text or not network.prefixlen:
        raise AnswerError(f"{where}: {text[:80]!r} is not a prefix such as 203.0.113.0/30")
    return Prefix(network.version, network.first, network.prefixlen)


def _settle_asn(answers: Answers, asns: dict[str, int]) -> None:
    """Take the peer ASN, where the circuits agree on it: Microsoft peering before private peering."""
    public = {asns[each.name] for each in answers.microsoft if each.name in asns}
    candidates = public or set(asns.values())
    if len(candidates) == 1:
        (answers.asn,) = candidates
    elif candidates:
        listed = ", ".join(f"{asn} ({name})" for name, asn in asns.items())
        answers.notes.append(
            f"The circuits have different peer ASNs in Azure: {listed}; --asn says which is yours."
        )
    for name, asn in asns.items():
        if answers.asn is not None and asn != answers.asn:
            answers.notes.append(
                f"Circuit {name} has the peer ASN {asn} in Azure, not {answers.asn}: where a router puts it into AS "
                "paths (local-as), add it to customer.provider_asns."
            )


def _propose_pools(answers: Answers, advertised: dict[Prefix, list[str]]) -> None:
    """One pool for each circuit, and one for what several circuits advertise."""
    groups: dict[tuple[str, ...], list[Prefix]] = {}
    for prefix, circuits in advertised.items():
        groups.setdefault(tuple(circuits), []).append(prefix)
    for names, found in groups.items():
        wanted = "shared" if len(names) > 1 else f"{names[0][:50]}-outbound"
        name = free_name(wanted, answers.pools)
        answers.pools[name] = PoolAnswers(list(names), found, proposed=True)


def _shown(text: str) -> str:
    """What may be printed of a foreign text."""
    return printable(text[:80])
