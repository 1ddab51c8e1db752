"""Values of the inventory as a configuration makes them that has only the required keys."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ermon.config.receivers import AlertmanagerSection, WebhookEntry
from ermon.config.schema import CollectorSection, FeedEntry, PolicySection, PoolEntry
from ermon.model.inventory import Collector, Config, Customer, Feed, Pool, View
from ermon.model.prefixes import Prefix
from ermon.model.settings import Alertmanager, Policy, Severity, Webhook


def _default(model: type[BaseModel], key: str) -> Any:
    return model.model_fields[key].default


def make_collector(asn: int = 64500, **said: Any) -> Collector:
    return Collector(**{**dict(CollectorSection()), "asn": asn, **said})


def make_policy(**said: Any) -> Policy:
    left_out = PolicySection()
    values = {
        "microsoft_asns": frozenset(left_out.microsoft_asns),
        "public_space": left_out.public_space,
        "internet_covering": Severity(left_out.internet_covering),
        "max_drain": left_out.max_drain,
        "failover_grace": left_out.failover_grace,
        "relearn_after": left_out.relearn_after,
        "blackhole_communities": frozenset(left_out.blackhole_communities),
        "accept": left_out.accept,
    }
    return Policy(**{**values, **said})


def make_alertmanager(*urls: str, **said: Any) -> Alertmanager:
    return Alertmanager(urls, **{"resend": AlertmanagerSection().resend, **said})


def make_webhook(url: str, events: Any = None, **said: Any) -> Webhook:
    return Webhook(url, events or _default(WebhookEntry, "events"), **said)


def make_pool(
    name: str,
    circuits: tuple[str, ...],
    prefixes: tuple[Prefix, ...],
    links: tuple[str, ...] | None = None,
    **said: Any,
) -> Pool:
    values = {key: _default(PoolEntry, key) for key in ("use", "internet")}
    return Pool(name, circuits, prefixes, links, **{**values, **said})


def make_feed(name: str, view: View, peer: str, local: str, **said: Any) -> Feed:
    """Return a feed with ASN 64500 on both sides, unless other ASNs are given."""
    values = {"peer_asn": 64500, "local_asn": 64500, "families": _default(FeedEntry, "families")}
    return Feed(name, view, peer, local, **{**values, **said})


def make_config(*feeds: Feed, **said: Any) -> Config:
    """Return the configuration of a customer with ASN 64500, with these feeds and further fields."""
    values: dict[str, Any] = {
        "customer": Customer(64500),
        "collector": make_collector(),
        "circuits": {},
        "policy": make_policy(),
        "alertmanager": make_alertmanager(),
    }
    return Config(feeds={feed.name: feed for feed in feeds}, **{**values, **said})
