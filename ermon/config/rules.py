"""The rules between the values of a configuration: names that must exist, keys that belong together.

``unknown_names`` reads the plain values, so that it finds every wrong name even if its entry has other mistakes. The
other rules read the entries whose shape is right; those about feeds are in ``feeds``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ermon.checks.catalogue import CATALOGUE
from ermon.config.azure_rules import cautions_about_azure, complaints_about_azure
from ermon.config.circuits import CircuitEntry, LinkEntry, ReceiveSection, SourceEntry
from ermon.config.feeds import cautions_about_feeds, complaints_about_feeds
from ermon.config.monitored import cautions_about_bmp, complaints_about_bmp, names_of_sessions, unheard
from ermon.config.ownership import cautions_about_ownership, complaints_about_ownership
from ermon.config.problems import Complaint, advice
from ermon.config.receivers import cautions_about_receivers, complaints_about_receivers
from ermon.config.schema import CollectorSection, Draft, ExceptionEntry, MaintenanceEntry, PoolEntry
from ermon.config.yaml import KeyPath
from ermon.model.communities import MICROSOFT_ASN, is_private_peering
from ermon.model.inventory import Peering
from ermon.model.settings import WINDOW_SCOPES
from ermon.model.source_key import SERVICE_AREAS
from ermon.model.windows import window_problems


def unknown_names(data: Mapping[str, Any]) -> Iterator[Complaint]:
    """Yield the names that refer to nothing in this file."""
    path: KeyPath
    circuits = _declared(data, "circuits")
    for pool, entry in _entries(data, "nat_pools"):
        path = ("nat_pools", pool)
        yield from _unless_known((*path, "circuit"), entry.get("circuit"), "a circuit", circuits)
        named = entry.get("circuits")
        for at, name in enumerate(named if isinstance(named, list) else ()):
            yield from _unless_known((*path, "circuits", at), name, "a circuit", circuits)
    declared = dict(_entries(data, "circuits"))
    routers, uplinks, segments = _routers(data), _declared(data, "uplinks"), _declared(data, "segments")
    for feed, entry in _entries(data, "feeds"):
        path = ("feeds", feed)
        yield from _unless_known((*path, "router"), entry.get("router"), "a router", routers)
        yield from _unless_known((*path, "uplink"), entry.get("uplink"), "an uplink", uplinks)
        yield from _unless_known((*path, "segment"), entry.get("segment"), "a segment", segments)
        yield from _unknown_link(circuits, declared, path, entry)
    yield from _without_feeds(data)
    yield from unheard(data)
    groups = (
        None
        if circuits is None
        else {text for _, c in declared.items() if isinstance(text := c.get("group"), str)}
    )
    windows = data.get("maintenance")
    for at, entry in enumerate(windows if isinstance(windows, list) else ()):
        if isinstance(entry, dict):
            path = ("maintenance", at)
            yield from _unless_known((*path, "feed"), entry.get("feed"), "a feed", _feeds(data))
            yield from _unless_known((*path, "router"), entry.get("router"), "a router", routers)
            yield from _unless_known((*path, "uplink"), entry.get("uplink"), "an uplink", uplinks)
            yield from _unless_known((*path, "segment"), entry.get("segment"), "a segment", segments)
            yield from _unless_known((*path, "group"), entry.get("group"), "a group of circuits", groups)
            yield from _unknown_link(circuits, declared, path, entry)


def _without_feeds(data: Mapping[str, Any]) -> Iterator[Complaint]:
    """The file must have a feed of its own, or a session that a router reports by BMP."""
    if data.get("feeds", {}) != {} or any(names_of_sessions(data)):
        return
    if _declared(data, "circuits") is None and any("bmp" in entry for _, entry in _entries(data, "routers")):
        return  # the links of that router are not known
    missing = "must not be empty; add at least one" if "feeds" in data else f"is missing; add it: {_FEEDS}"
    yield Complaint(("feeds",), f"{missing}, or bmp under a router with links")


_FEEDS = "BGP sessions from routers to ermon, by name"


def _unknown_link(
    circuits: Collection[str] | None,
    declared: Mapping[str, Mapping[str, Any]],
    path: tuple[str | int, ...],
    entry: Mapping[str, Any],
) -> Iterator[Complaint]:
    """``declared``: the circuits that are mappings, by name."""
    circuit = entry.get("circuit")
    yield from _unless_known((*path, "circuit"), circuit, "a circuit", circuits)
    if isinstance(circuit, str) and circuit in declared:
        links = _declared(declared[circuit], "links")
        yield from _unless_known((*path, "link"), entry.get("link"), f"a link of {circuit}", links)


def _unless_known(
    path: tuple[str | int, ...], name: object, kind: str, known: Collection[str] | None
) -> Iterator[Complaint]:
    if isinstance(name, str) and known is not None and name not in known:
        yield Complaint(path, f"{name!r} is not {kind} in this file; {advice(name, known)}")


def _entries(data: Mapping[str, Any], section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = data.get(section)
    for name, entry in found.items() if isinstance(found, dict) else ():
        if isinstance(entry, dict):
            yield name, entry


def _declared(data: Mapping[str, Any], section: str) -> Collection[str] | None:
    """Return the names that a section declares; ``None`` if the section is invalid, or is required and missing."""
    found = data.get(section, None if section in {"circuits", "links"} else {})
    return found.keys() if isinstance(found, dict) else None


def _feeds(data: Mapping[str, Any]) -> Collection[str] | None:
    """Return the names of all feeds, also of those that routers report by BMP."""
    listed = _declared(data, "feeds")
    return None if listed is None else {*listed, *names_of_sessions(data)}


def _routers(data: Mapping[str, Any]) -> Collection[str] | None:
    """Return the names of routers. They are declared by the optional section ``routers``, by links and by uplinks."""
    listed = _declared(data, "routers")
    if listed is None or _declared(data, "circuits") is None:
        return None
    links = chain.from_iterable(_entries(circuit, "links") for _, circuit in _entries(data, "circuits"))
    ends = (entry.get("router") for _, entry in chain(links, _entries(data, "uplinks")))
    return {*listed, *(router for router in ends if isinstance(router, str))}


def complaints(draft: Draft) -> Iterator[Complaint]:
    """Yield what is wrong with the valid entries when they are compared with each other."""
    for name, circuit in draft.circuits.items():
        yield from _circuit(name, circuit)
    for name, pool in draft.nat_pools.items():
        yield from _pool(name, pool, draft.circuits)
    yield from complaints_about_feeds(draft)
    yield from complaints_about_bmp(draft)
    yield from complaints_about_azure(draft.azure, draft.circuits)
    yield from complaints_about_ownership(draft.ownership)
    yield from complaints_about_receivers(draft.alertmanager, draft.webhooks)
    if MICROSOFT_ASN not in draft.policy.microsoft_asns:
        yield Complaint(
            ("policy", "microsoft_asns"),
            f"must contain {MICROSOFT_ASN}, the first ASN of all of Microsoft's paths",
        )
    for at, window in enumerate(draft.maintenance):
        if window is not None:
            yield from _maintenance(at, window)
    for at, exception in enumerate(draft.exceptions):
        if exception is not None:
            yield from _exception(("exceptions", at), exception)
    for at, probe in enumerate(draft.probes):
        if probe is not None and is_private_peering(probe.service.community):
            yield Complaint(
                ("probes", at, "service"),
                f"{probe.service.name} is a region on private peering; probes are for services of Microsoft peering",
            )


def _circuit(name: str, circuit: CircuitEntry) -> Iterator[Complaint]:
    path = ("circuits", name)
    if circuit.peering is Peering.MICROSOFT:
        yield from _only_on_private_peering(path, circuit)
    yield from _receive((*path, "receive"), circuit.receive)
    for at, prefix in enumerate(circuit.advertise.required):
        if prefix.is_default and not circuit.advertise.allow_default:
            yield Complaint(
                (*path, "advertise", "required", at),
                "a default route is advertised-default unless allow_default is true; add it, on private "
                "peering, or remove the route",
            )
    for key, link in circuit.links.items():
        yield from _link((*path, "links", key), link)


def _only_on_private_peering(path: KeyPath, circuit: CircuitEntry) -> Iterator[Complaint]:
    if circuit.advertise.allow_default:
        yield Complaint(
            (*path, "advertise", "allow_default"),
            "is for private peering only: Microsoft refuses a default route on Microsoft peering; remove it",
        )
    if circuit.receive.allow_default:
        yield Complaint(
            (*path, "receive", "allow_default"),
            "is for private peering only: Microsoft never sends a default route on Microsoft peering; remove it",
        )
    for key in ("vnets", "gateways"):
        if key in circuit.receive.model_fields_set and getattr(circuit.receive, key):
            yield Complaint(
                (*path, "receive", key), "is for private peering only: virtual networks are there; remove it"
            )


def _receive(path: KeyPath, receive: ReceiveSection) -> Iterator[Complaint]:
    if receive.only_listed and not (receive.services or receive.prefixes or receive.sources):
        yield Complaint(
            (*path, "only_listed"),
            "would make every route unlisted; list services, prefixes or sources, or remove it",
        )
    seen: set[str] = set()
    for at, service in enumerate(receive.services):
        if service.name.name in seen:
            yield Complaint((*path, "services", at), f"lists {service.name.name} twice; remove one of them")
        seen.add(service.name.name)
    for at, source in enumerate(receive.sources):
        yield from _published((*path, "sources", at, "select"), source)
    for at, expected in enumerate(receive.prefixes):
        if expected.starts and expected.ends and expected.ends <= expected.starts:
            yield Complaint((*path, "prefixes", at, "until"), "must be later than from")


def _published(path: KeyPath, source: SourceEntry) -> Iterator[Complaint]:
    if source.kind == "service-tags" and not source.select:
        yield Complaint(path, "is missing; name the tags that are expected, such as [Storage.WestEurope]")
    unknown = [name for name in source.select if source.kind == "m365" and name not in SERVICE_AREAS]
    if unknown:
        areas = ", ".join(sorted(SERVICE_AREAS))
        yield Complaint(path, f"{unknown[0]!r} is not a service area of Microsoft 365; the areas are {areas}")


def _link(path: KeyPath, link: LinkEntry) -> Iterator[Complaint]:
    if link.match is not None and not (link.match.next_hop or link.match.community):
        yield Complaint((*path, "match"), "must not be empty; give next_hop or community")
    elif link.match is not None and link.match.prefixes and not link.match.next_hop:
        yield Complaint(
            (*path, "match", "prefixes"), "needs the next hop of the routes inside them; add next_hop"
        )
    if not (link.subnet or link.subnet6):
        yield Complaint(
            path,
            "its families are unknown, so nothing would be judged; give subnet (IPv4), "
            "subnet6 (IPv6) or both, also beside match",
        )


def _pool(name: str, pool: PoolEntry, circuits: Mapping[str, CircuitEntry]) -> Iterator[Complaint]:
    path = ("nat_pools", name)
    if pool.circuit is None and pool.circuits is None:
        yield Complaint(path, "names no circuit; give circuit: NAME, or circuits: [NAME, NAME]")
    if pool.circuit is not None and pool.circuits is not None:
        yield Complaint((*path, "circuit"), "cannot be combined with circuits; keep one of them")
    own = {key: circuits[key].links for key in pool_circuits(pool) if key in circuits}
    if pool.links is not None and len(own) == len(pool_circuits(pool)):
        yield from _pool_links((*path, "links"), pool.links, own)


def _pool_links(
    path: KeyPath, named: Sequence[str], own: Mapping[str, Mapping[str, LinkEntry]]
) -> Iterator[Complaint]:
    """Compare the links that a pool names with those of its circuits."""
    known = {key for links in own.values() for key in links}
    for at, link in enumerate(named):
        if link not in known:
            message = f"{link!r} is not a link of {' or '.join(own)}; {advice(link, known)}"
            yield Complaint((*path, at), message)
    for circuit, links in own.items():
        if len(own) > 1 and not any(link in links for link in named):
            yield Complaint(path, f"names no link of {circuit}; add one, or take {circuit} out of circuits")


def pool_circuits(pool: PoolEntry) -> tuple[str, ...]:
    return pool.circuits or ((pool.circuit,) if pool.circuit is not None else ())


def _maintenance(at: int, window: MaintenanceEntry) -> Iterator[Complaint]:
    path = ("maintenance", at)
    named = {scope: getattr(window, scope) for scope in (*WINDOW_SCOPES, "link")}
    for key, problem in window_problems(window.starts, window.ends, named):
        yield Complaint((*path, key) if key else path, problem)


def _exception(path: KeyPath, exception: ExceptionEntry) -> Iterator[Complaint]:
    check = CATALOGUE.get(exception.check)
    if check is None:
        yield Complaint(
            (*path, "check"), f"{exception.check!r} is not a check; {advice(exception.check, CATALOGUE)}"
        )
        return
    labels = (*check.labels, *check.optional_labels)
    for label in exception.labels:
        if label not in labels:
            known = ", ".join(labels) or "none"
            yield Complaint((*path, label), f"is not a label of {check.name}; it has {known}")


def cautions(draft: Draft) -> Iterator[Complaint]:
    """Yield what is allowed but does not do what its author may think."""
    yield from _unused_routers(draft)
    yield from _collector(draft.collector)
    for name, circuit in draft.circuits.items():
        path = ("circuits", name, "receive")
        if circuit.receive.services and circuit.peering is Peering.PRIVATE:
            yield Complaint(
                (*path, "services"), "has no effect: services are checked on Microsoft peering only"
            )
        for family, key in (("ipv4", "subnet"), ("ipv6", "subnet6")):
            least = getattr(circuit.receive.minimum, family)
            if least and not any(getattr(link, key) for link in circuit.links.values()):
                yield Complaint((*path, "minimum", family), f"has no effect: no link of {name} has a {key}")
    for name, pool in draft.nat_pools.items():
        for key in pool_circuits(pool):
            if key in draft.circuits and draft.circuits[key].peering is Peering.PRIVATE:
                yield Complaint(
                    ("nat_pools", name),
                    f"{key} is a private peering; pools are checked on Microsoft peering only",
                )
    yield from _probes(draft)
    yield from cautions_about_feeds(draft)
    yield from cautions_about_bmp(draft)
    yield from cautions_about_azure(draft.azure, draft.circuits)
    yield from cautions_about_ownership(draft.ownership, draft.nat_pools)
    yield from cautions_about_receivers(draft.alertmanager, draft.webhooks)


def _probes(draft: Draft) -> Iterator[Complaint]:
    circuits = [c for c in draft.circuits.values() if c.peering is Peering.MICROSOFT]
    required = {service.name.name for circuit in circuits for service in circuit.receive.services}
    for at, probe in enumerate(draft.probes):
        if probe is None:
            continue
        if not circuits:
            yield Complaint(
                ("probes", at), "has no effect: probes are for Microsoft peering, and no circuit has it"
            )
        elif probe.service.name not in required:
            yield Complaint(
                ("probes", at, "service"),
                f"has no alert: no circuit requires {probe.service.name}, so ermon does not count its routes; add it to "
                "receive.services",
            )


def _collector(collector: CollectorSection) -> Iterator[Complaint]:
    if collector.settle > collector.settle_limit:
        yield Complaint(
            ("collector", "settle"), "has no effect, because it is longer than settle_limit; make it shorter"
        )


def _unused_routers(draft: Draft) -> Iterator[Complaint]:
    used = {link.router for circuit in draft.circuits.values() for link in circuit.links.values()}
    used |= {uplink.router for uplink in draft.uplinks.values()}
    used |= {feed.router for feed in draft.feeds.values() if feed.router is not None}
    for name in draft.routers:
        if name not in used:
            yield Complaint(
                ("routers", name), f"is not used; no link, uplink or feed names it, {advice(name, used)}"
            )
