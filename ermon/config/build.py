"""Turns a file of the right shape into the values that all other code takes: names filled in, defaults resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ermon.config.azure import REFRESH_SECONDS, AzureSection, CircuitAzureSection
from ermon.config.circuits import AdvertiseSection, CircuitEntry, LinkEntry, ReceiveSection, ServiceEntry
from ermon.config.monitored import monitored_feeds
from ermon.config.ownership import build_ownership
from ermon.config.receivers import AccessKeys
from ermon.config.rules import pool_circuits
from ermon.config.schema import (
    CheckEntry,
    ExceptionEntry,
    FeedEntry,
    File,
    MaintenanceEntry,
    PoolEntry,
    RouterBmpSection,
)
from ermon.model.azure import AzureAccess, AzureCircuit
from ermon.model.inventory import (
    Advertise,
    BmpListening,
    BmpRouter,
    Circuit,
    Collector,
    Config,
    Customer,
    ExpectedPrefix,
    Feed,
    Link,
    Peering,
    Pool,
    Probe,
    Receive,
    RisLive,
    Segment,
    Service,
    Source,
    Uplink,
)
from ermon.model.prefixes import FAMILIES
from ermon.model.settings import (
    AcceptedLint,
    Access,
    Alertmanager,
    BasicAuth,
    CheckException,
    CheckSettings,
    ClientTls,
    MaintenanceWindow,
    Policy,
    Severity,
    Webhook,
)

MIN_PEERS = 2
RIS_LIVE_URL = "wss://ris-live.ripe.net/v1/ws/"
RIPESTAT_URL = "https://stat.ripe.net/data/bgp-state/data.json"


def build(file: File) -> Config:
    """Turn a file that has no errors into a ``Config``."""
    collector = _collector(file)
    circuits = {name: _circuit(name, entry, file.azure) for name, entry in file.circuits.items()}
    uplinks = {
        name: Uplink(name, entry.router, entry.asn, entry.neighbor, entry.site)
        for name, entry in file.uplinks.items()
    }
    feeds = {name: _feed(name, entry, collector.asn) for name, entry in file.feeds.items()}
    for name, router in file.routers.items():
        if router.bmp is not None:
            feeds |= {feed.name: feed for feed in monitored_feeds(name, router.bmp, circuits, uplinks)}
    return Config(
        customer=Customer(**dict(file.customer)),
        collector=collector,
        circuits=circuits,
        feeds=feeds,
        routers={name: frozenset(entry.addresses) for name, entry in file.routers.items()},
        platforms={name: entry.platform for name, entry in file.routers.items() if entry.platform},
        bmp={name: _bmp_router(name, entry.bmp) for name, entry in file.routers.items() if entry.bmp},
        azure=None if file.azure is None else _azure_access(file.azure),
        ownership=build_ownership(file.ownership),
        pools={name: _pool(name, entry) for name, entry in file.nat_pools.items()},
        internet_only=file.internet_only,
        uplinks=uplinks,
        segments={name: Segment(name, **dict(entry)) for name, entry in file.segments.items()},
        policy=_policy(file),
        checks={name: _check(entry) for name, entry in file.checks if entry is not None},
        maintenance=tuple(_window(entry) for entry in file.maintenance),
        exceptions=tuple(_exception(entry) for entry in file.exceptions),
        alertmanager=Alertmanager(
            file.alertmanager.urls, file.alertmanager.resend, _access(file.alertmanager)
        ),
        webhooks=tuple(
            Webhook(entry.url, entry.events, entry.secret_file, _access(entry)) for entry in file.webhooks
        ),
        probes=tuple(Probe(entry.service, entry.target) for entry in file.probes),
    )


def _collector(file: File) -> Collector:
    settings = dict(file.collector)
    settings["asn"] = file.collector.asn or file.customer.asn
    bmp = file.collector.bmp
    settings["bmp"] = None if bmp is None else BmpListening(**dict(bmp))
    return Collector(**settings)


def _bmp_router(name: str, entry: RouterBmpSection) -> BmpRouter:
    settings = dict(entry)
    del settings["peers"]  # are in the feeds
    return BmpRouter(name, **settings)


def _policy(file: File) -> Policy:
    return Policy(
        microsoft_asns=frozenset(file.policy.microsoft_asns),
        public_space=file.policy.public_space,
        internet_covering=Severity(file.policy.internet_covering),
        max_drain=file.policy.max_drain,
        failover_grace=file.policy.failover_grace,
        relearn_after=file.policy.relearn_after,
        blackhole_communities=frozenset(file.policy.blackhole_communities),
        accept=tuple(AcceptedLint(**dict(entry)) for entry in file.policy.accept),
    )


def _azure_access(section: AzureSection) -> AzureAccess:
    return AzureAccess(
        login=section.login,
        tenant=section.tenant,
        client_id=section.client_id,
        client_secret_file=section.client_secret_file,
        certificate_file=section.certificate_file,
        management=section.hosts.management,
        authority=section.hosts.login,
        ca_file=section.ca_file,
    )


def _azure_circuit(section: CircuitAzureSection, access: AzureSection | None) -> AzureCircuit:
    refresh = REFRESH_SECONDS if access is None else access.refresh
    return AzureCircuit(
        resource_id=section.resource_id,
        location=section.location,
        refresh=section.refresh or refresh,
        vlan=section.vlan,
        route_filter=section.route_filter,
        tables=section.tables,
    )


def _circuit(name: str, entry: CircuitEntry, access: AzureSection | None) -> Circuit:
    return Circuit(
        name=name,
        geo=entry.geo,
        location=entry.location,
        peering=entry.peering,
        links={key: _link(name, key, link, entry) for key, link in entry.links.items()},
        premium=entry.premium,
        receive=_receive(entry.receive, entry.peering),
        advertise=_advertise(entry.advertise, entry.peering),
        group=entry.group,
        metro=entry.metro,
        azure=None if entry.azure is None else _azure_circuit(entry.azure, access),
    )


def _link(circuit: str, name: str, entry: LinkEntry, own: CircuitEntry) -> Link:
    match = entry.match
    return Link(
        circuit=circuit,
        name=name,
        router=entry.router,
        location=entry.location or own.location,
        subnet=entry.subnet,
        subnet6=entry.subnet6,
        match_next_hops=frozenset((match and match.next_hop) or ()),
        match_communities=frozenset((match and match.community) or ()),
        match_prefixes=(match and match.prefixes) or (),
        vrf=entry.vrf or own.vrf,
    )


def _receive(section: ReceiveSection, peering: Peering) -> Receive:
    least = {family: getattr(section.minimum, family) for family in FAMILIES}
    return Receive(
        services=tuple(_service(entry) for entry in section.services),
        minimum={family: count for family, count in least.items() if count is not None},
        drop_percent=section.drop_percent,
        prefixes=tuple(ExpectedPrefix(**dict(entry)) for entry in section.prefixes),
        sources=tuple(Source(**dict(entry)) for entry in section.sources),
        only_listed=section.only_listed,
        own_prefixes=section.own_prefixes,
        allow_default=section.allow_default,
        vnets=section.vnets,
        gateways=section.gateways if peering is Peering.PRIVATE else None,
    )


def _service(entry: ServiceEntry) -> Service:
    return replace(entry.name, minimum=entry.minimum, drop_percent=entry.drop_percent)


def _advertise(section: AdvertiseSection, peering: Peering) -> Advertise:
    allowed = section.prefixes
    # Both `any` and a missing key are None there. The default of a missing key depends on the peering.
    if "prefixes" not in section.model_fields_set:
        allowed = None if peering is Peering.PRIVATE else ()
    return Advertise(allowed, section.allow_default, section.required, section.drop_percent)


def _pool(name: str, entry: PoolEntry) -> Pool:
    return Pool(name, pool_circuits(entry), entry.prefixes, entry.links, entry.use, entry.internet)


def _feed(name: str, entry: FeedEntry, collector_asn: int) -> Feed:
    settings = dict(entry)
    ris = _ris_live(settings)
    if ris is None:
        settings["peer"], settings["local"] = str(entry.peer), str(entry.local)
        settings["local_asn"] = entry.local_asn or collector_asn
        return Feed(name=name, **settings)
    if "families" not in entry.model_fields_set:
        settings["families"] = tuple(f for f in FAMILIES if any(p.family == f for p in entry.canary))
    return Feed(name=name, ris=ris, **settings | {"peer": "", "local": "", "peer_asn": 0, "local_asn": 0})


def _ris_live(settings: dict[str, Any]) -> RisLive | None:
    """Take what is about the source of a feed out of its settings."""
    source, peers, url, state = (settings.pop(key) for key in ("source", "min_peers", "url", "state_url"))
    if source is None:
        return None
    return RisLive(peers or MIN_PEERS, url or RIS_LIVE_URL, state or RIPESTAT_URL)


def _check(entry: CheckEntry) -> CheckSettings:
    own = {key: value for key, value in entry if key not in CheckEntry.model_fields and value is not None}
    common = {key: getattr(entry, key) for key in CheckEntry.model_fields}
    return CheckSettings(**common, parameters=own)


def _access(entry: AccessKeys) -> Access:
    basic = entry.basic_auth
    return Access(
        basic_auth=None if basic is None else BasicAuth(**dict(basic)),
        bearer_token_file=entry.bearer_token_file,
        tls=ClientTls(**dict(entry.tls)),
    )


def _exception(entry: ExceptionEntry) -> CheckException:
    return CheckException(entry.check, entry.labels, entry.reason, entry.until)


def _window(entry: MaintenanceEntry) -> MaintenanceWindow:
    return MaintenanceWindow(**dict(entry))
