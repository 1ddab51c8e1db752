"""What the configuration alone shows about the network, before any route has come.

Each lint is about a rule of Microsoft's or good practice that the inventory breaks, or about a mistake that no schema
finds. A network may be meant to be like that: ``policy.accept`` says why. ``ermon check`` prints the lints with their
places in the file, and the daemon logs them when it starts. ``lint_catalogue`` has their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ermon.checks.attribution import AS_TRANS
from ermon.config.lint_catalogue import LINTS, Weight
from ermon.config.lint_files import lint_files, lint_machine
from ermon.config.lint_mistakes import MISTAKES, Lint, Rule
from ermon.config.lint_watching import WATCHING, exceptions_over, maintenance_over
from ermon.config.load import LoadedConfig
from ermon.config.yaml import Problem
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Config, InternetUse, Link, Peering, Pool, apart
from ermon.model.prefixes import Prefix, PrefixIndex, not_public_space
from ermon.model.routes import PRIVATE_ASNS
from ermon.model.settings import AcceptedLint

T = TypeVar("T")

LINK_SUBNET_LENGTHS = {4: (30, 31), 6: (126, 127)}
"""By IP version: Microsoft uses /30 and /126 ("ExpressRoute routing requirements"); a provider may use longer ones."""

RESERVED_ASNS = (
    (8074, 8075, "Microsoft's own"),
    (MICROSOFT_ASN, MICROSOFT_ASN, "Microsoft's own"),
    (AS_TRANS, AS_TRANS, "reserved by IANA (AS_TRANS, RFC 6793)"),
    (64496, 64511, "reserved for documentation (RFC 5398), and refused by Microsoft"),
    (65515, 65520, "used by Azure itself"),
    (65535, 65551, "reserved by IANA (RFC 7300, RFC 5398)"),
)
"""ASNs that Azure does not accept from a customer: first, last, and why (Microsoft, "ExpressRoute routing
requirements" and "About BGP with VPN Gateway").
"""


@dataclass(frozen=True, slots=True)
class Linted:
    """A lint with its place in the file."""

    problem: Problem
    """Its message begins with the weight and the name: ``warning: pool-shared: ...``."""
    name: str
    weight: Weight
    accepted: str | None = None
    """The reason for which it is accepted (``policy.accept``); ``None`` if it is not."""

    @property
    def counts(self) -> bool:
        """Whether there is something to do about it."""
        return self.weight is not Weight.NOTE and self.accepted is None

    def __str__(self) -> str:
        return str(self.problem)


def lint(loaded: LoadedConfig, now: float, folder: Path | None = None, *, here: bool = False) -> list[Linted]:
    """Return the lints in the order of the file, each with its place in the file.

    ``now``, in seconds since the epoch, decides which windows and exceptions are over. ``folder`` is that of the
    configuration: with it, the files that the configuration names are read or looked for. With ``here``, the addresses
    of this machine are checked.
    """
    found = list(lint_inventory(loaded.config, now))
    if folder is not None:
        found += lint_files(loaded.config, folder)
    if here:
        found += lint_machine(loaded.config)
    accepted = loaded.config.policy.accept
    linted = [_linted(loaded.positions.problem(each.path, each.message), each, accepted) for each in found]
    linted += [
        _linted(caution, Lint("no-effect", (), caution.message), accepted) for caution in loaded.warnings
    ]
    return sorted(linted, key=lambda each: (each.problem.line, each.problem.column, each.problem.message))


def _linted(problem: Problem, found: Lint, accepted: Iterable[AcceptedLint]) -> Linted:
    weight = found.weight or LINTS[found.name].weight
    reasons = (each.reason for each in accepted if each.lint == found.name and _is_at(problem.path, each.at))
    reason = next(reasons, None)
    end = "" if reason is None else f" (accepted: {reason})"
    shown = weight if reason is None else Weight.NOTE
    message = f"{shown}: {found.name}: {problem.message}{end}"
    return Linted(replace(problem, message=message), found.name, weight, reason)


def _is_at(path: str, place: str) -> bool:
    """Return whether a path is a place of the file or in it: ``circuits.ams.links`` is at ``circuits.ams``."""
    return path == place or path.startswith((f"{place}.", f"{place}["))


def lint_inventory(config: Config, now: float) -> Iterator[Lint]:
    """Yield every lint about the configuration alone."""
    for rule in (*_RULES, *MISTAKES, *WATCHING):
        yield from rule(config)
    yield from maintenance_over(config, now)
    yield from exceptions_over(config, now)


# Pools -------------------------------------------------------------------------------------------------


def _pools_overlap(config: Config) -> Iterator[Lint]:
    """Each circuit needs pools of its own, and so does the internet (Microsoft, "Implementing ExpressRoute")."""
    pools = list(config.pools.values())
    for first, second, shared in _overlapping(pools, [pool.prefixes for pool in pools]):
        yield Lint(
            "pools-overlap",
            ("nat_pools", second.name, "prefixes"),
            f"{shared[1]} overlaps {shared[0]} of pool {first.name}: return traffic could belong to either",
        )
    for pool in config.pools.values():
        if reserved := _first_overlap(config.internet_only, pool.prefixes):
            yield Lint(
                "pools-overlap",
                ("nat_pools", pool.name, "prefixes"),
                f"{reserved[1]} overlaps internet_only {reserved[0]}, which must never be advertised to Microsoft",
            )


def _overlapping(
    items: Sequence[T], prefixes: Sequence[Sequence[Prefix]]
) -> Iterator[tuple[T, T, tuple[Prefix, Prefix]]]:
    """Yield the pairs of items that share an address, and their first prefixes that do. It does not compare every pair:
    there may be a thousand circuits.
    """
    index: PrefixIndex[list[int]] = PrefixIndex()
    for number, own in enumerate(prefixes):
        for prefix in own:
            index[prefix] = [*(index.get(prefix) or ()), number]
    pairs: set[tuple[int, int]] = set()
    for number, own in enumerate(prefixes):
        for prefix in own:
            for _, others in index.covering(prefix):
                pairs.update((min(number, other), max(number, other)) for other in others if other != number)
    for first, second in sorted(pairs):
        if shared := _first_overlap(prefixes[first], prefixes[second]):
            yield items[first], items[second], shared


def _first_overlap(first: Iterable[Prefix], second: Iterable[Prefix]) -> tuple[Prefix, Prefix] | None:
    second = tuple(second)
    return next(((a, b) for a in first for b in second if a.overlaps(b)), None)


def _pool_shared(config: Config) -> Iterator[Lint]:
    for pool in config.pools.values():
        if pool.use == "outbound" and len(pool.circuits) > 1:
            yield Lint(
                "pool-shared",
                ("nat_pools", pool.name, "circuits"),
                f"an outbound pool on {len(pool.circuits)} circuits: return traffic may arrive over the other one, and a "
                "stateful device there does not know its sessions; give each circuit its own pool",
            )


def _pool_not_public(config: Config) -> Iterator[Lint]:
    not_public = not_public_space(config.policy.public_space)
    for pool in config.pools.values():
        for prefix in pool.prefixes:
            if not_public.overlaps(prefix):
                yield Lint(
                    "pool-not-public",
                    ("nat_pools", pool.name, "prefixes"),
                    f"{prefix} is not public: Microsoft refuses it on Microsoft peering",
                )


def _inbound_one_circuit(config: Config) -> Iterator[Lint]:
    for pool in config.pools.values():
        if pool.use == "inbound" and len(pool.circuits) == 1:
            yield Lint(
                "inbound-one-circuit",
                ("nat_pools", pool.name),
                f"Microsoft cannot reach it when circuit {pool.circuits[0]} fails; advertise it on a second one",
            )


# Circuits and links ------------------------------------------------------------------------------------


def _link_subnet(config: Config) -> Iterator[Lint]:
    not_public = not_public_space(config.policy.public_space)
    for link in config.links:
        microsoft = config.circuits[link.circuit].peering is Peering.MICROSOFT
        for key, subnet in (("subnet", link.subnet), ("subnet6", link.subnet6)):
            if subnet is None:
                continue
            path = ("circuits", link.circuit, "links", link.name, key)
            if subnet.length not in LINK_SUBNET_LENGTHS[subnet.version]:
                right = "a /30" if subnet.version == 4 else "a /126"
                yield Lint("link-subnet", path, f"{subnet} is a /{subnet.length}; a link has {right}")
            if microsoft and not_public.overlaps(subnet):
                yield Lint("link-subnet", path, f"{subnet} is not public, as Microsoft peering requires")
    links = list(config.links)
    for first, second, shared in _overlapping(links, [link.subnets for link in links]):
        key = "subnet" if shared[1].version == 4 else "subnet6"
        yield Lint(
            "link-subnet",
            ("circuits", second.circuit, "links", second.name, key),
            f"{shared[1]} overlaps {shared[0]} of {first.circuit} {first.name}: a next hop there fits both links",
        )


def _links_on_one_router(config: Config) -> Iterator[Lint]:
    for circuit in config.circuits.values():
        routers = {link.router for link in circuit.links.values()}
        if len(circuit.links) > 1 and len(routers) == 1:
            yield Lint(
                "links-on-one-router",
                ("circuits", circuit.name, "links"),
                f"both end on {routers.pop()}: if it fails, the whole circuit is down",
            )


def _geo_one_location(config: Config) -> Iterator[Lint]:
    """Two circuits should be in different peering locations (Microsoft, "Designing for disaster recovery")."""
    groups: dict[tuple[str, Peering, str | None], list[Circuit]] = {}
    for circuit in config.circuits.values():
        groups.setdefault((circuit.geo, circuit.peering, circuit.group), []).append(circuit)
    for (geo, peering, group), circuits in groups.items():
        about = f"{peering} peering in geo {geo}" + ("" if group is None else f" (group {group})")
        path = ("circuits", circuits[0].name)
        if apart(circuits):
            continue
        if len({circuit.locations for circuit in circuits}) > 1:
            named = ", ".join(sorted({location for c in circuits for location in c.locations}))
            yield Lint("metro", path, f"{about} is in one metro only ({named}): they fail together")
            continue
        names = {circuit.name for circuit in circuits}
        failover = [pool.name for pool in config.pools.values() if _falls_back(pool, names)]
        backup = (
            f"; the internet as the only backup (pool {', '.join(failover)}) is discouraged"
            if failover
            else ""
        )
        yield Lint(
            "geo-one-location",
            path,
            f"{about} is at one location only: if it fails, all of it is down{backup}",
        )


def _falls_back(pool: Pool, circuits: set[str]) -> bool:
    return pool.internet is InternetUse.FAILOVER and not circuits.isdisjoint(pool.circuits)


def _uplinks_not_redundant(config: Config) -> Iterator[Lint]:
    routers = {uplink.router for uplink in config.uplinks.values()}
    if len(config.uplinks) == 1:
        yield Lint("uplinks-not-redundant", ("uplinks",), "there is only one uplink")
    elif config.uplinks and len(routers) == 1:
        yield Lint("uplinks-not-redundant", ("uplinks",), f"all uplinks are on {routers.pop()}")
    edges = {link.router for link in config.links}
    for uplink in config.uplinks.values():
        if uplink.router in edges:
            yield Lint(
                "uplinks-not-redundant",
                ("uplinks", uplink.name, "router"),
                f"ExpressRoute and the internet share router {uplink.router}: they fail together",
            )


# Other sections ----------------------------------------------------------------------------------------


def _segment_unwatched(config: Config) -> Iterator[Lint]:
    forbidden = [s for s in config.segments.values() if s.expressroute == "forbidden"]
    if config.internet_only and not forbidden:
        yield Lint(
            "segment-unwatched",
            ("internet_only",),
            "servers published there must not see ExpressRoute routes, or their return traffic takes the wrong path, "
            "unless inbound traffic is source-NATed; declare their segment with expressroute: forbidden",
        )


def _asn_reserved(config: Config) -> Iterator[Lint]:
    lab = bool(config.policy.public_space)
    asns = [(("customer", "asn"), config.customer.asn)]
    asns += [(("customer", "provider_asns"), asn) for asn in config.customer.provider_asns]
    for path, asn in asns:
        for first, last, why in RESERVED_ASNS:
            if first <= asn <= last:
                note = lab and asn != MICROSOFT_ASN
                text = f"{asn} is {why}{' (public_space marks a lab: fine there)' if note else ''}"
                yield Lint("asn-reserved", path, text, Weight.NOTE if note else None)


def _asn_unregistered(config: Config) -> Iterator[Lint]:
    """A registry cannot name a private ASN: then Microsoft asks for the one that the pools are registered to."""
    named = config.customer.registered_asns
    if config.ownership.sources and all(any(asn in private for private in PRIVATE_ASNS) for asn in named):
        text = f"{config.customer.asn} is private, so no registry can name it; add origin_asns: Microsoft's customerASN"
        yield Lint("asn-unregistered", ("customer", "asn"), text)


def _one_link(config: Config) -> Iterator[Lint]:
    for circuit in config.circuits.values():
        if len(circuit.links) == 1:
            path = ("circuits", circuit.name, "links")
            only = next(iter(circuit.links))
            yield Lint("one-link", path, f"{only} is the only link: no redundancy, and no SLA")


def _links_behind_provider(config: Config) -> Iterator[Lint]:
    if config.customer.provider_asns:
        asns = ", ".join(map(str, config.customer.provider_asns))
        text = f"behind {asns}, the provider is responsible for redundancy at Microsoft's edge, and ermon cannot see it"
        yield Lint("links-behind-provider", ("customer", "provider_asns"), text)


def _pool_is_link_subnet(config: Config) -> Iterator[Lint]:
    index: PrefixIndex[Link] = PrefixIndex()
    for link in config.links:
        for subnet in link.subnets:
            index[subnet] = link
    for pool in config.pools.values():
        for prefix in pool.prefixes:
            for subnet, link in index.covering(prefix):
                text = f"{prefix} is inside {subnet} of {link.circuit} {link.name}"
                yield Lint("pool-is-link-subnet", ("nat_pools", pool.name, "prefixes"), text)


_RULES: Sequence[Rule] = (
    _pools_overlap,
    _pool_shared,
    _pool_not_public,
    _pool_is_link_subnet,
    _link_subnet,
    _links_on_one_router,
    _one_link,
    _links_behind_provider,
    _geo_one_location,
    _uplinks_not_redundant,
    _inbound_one_circuit,
    _segment_unwatched,
    _asn_reserved,
    _asn_unregistered,
)
