"""Checks of what must not be received: prefixes that Microsoft must never send, prefixes that are not listed, or too
many.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Parameter, Required, Section, Tested
from ermon.checks.edge_table import (
    UNEXPECTED,
    UNLISTED,
    VNET,
    forbidden_on_link,
    forbidden_on_links,
    judges_lists,
    link_routes,
    link_topics,
    set_topics,
)
from ermon.checks.facts import Facts
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import EXPECTATIONS, Counted, RouteSet, link_topic, routes_topic
from ermon.model.inventory import Config, Link, Peering, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity


def prefix_unexpected(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        yield from forbidden_on_links(circuit, "prefix-unexpected", UNEXPECTED)


PREFIX_UNEXPECTED = Check(
    name="prefix-unexpected",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=prefix_unexpected,
    labels=("circuit", "link"),
    summary="Microsoft sends an unexpected prefix on link {link} of circuit {circuit}",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.RECEIVED_CLEAN, required=Required.ALWAYS),
)


def prefix_unlisted(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        if not judges_lists(circuit):
            continue
        for link in circuit.links.values():
            topics = link_topics((link,)) | set_topics(link, UNLISTED) | {EXPECTATIONS}
            judge = partial(_prefix_unlisted, link)
            yield Subject("prefix-unlisted", link_labels(link), frozenset(topics), judge)


def _prefix_unlisted(link: Link, facts: Facts) -> Verdict:
    if not link_routes(facts, link, UNLISTED) and not facts.expectations(link.circuit).complete:
        return UNKNOWN  # a published list has not been read yet
    return forbidden_on_link(link, UNLISTED, facts)


PREFIX_UNLISTED = Check(
    name="prefix-unlisted",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=60,
    subjects=prefix_unlisted,
    labels=("circuit", "link"),
    summary="Microsoft sends an unlisted prefix on link {link} of circuit {circuit}",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.RECEIVED_CLEAN),
)


# How many prefixes a virtual network gateway takes ---------------------------------------------------

GATEWAY_LIMITS: dict[Family, int] = {"ipv4": 1_000, "ipv6": 100}
"""The number of prefixes of virtual networks beyond which Azure drops the connection of a gateway (Microsoft,
"ExpressRoute FAQ").
"""

NEAR_PERCENT = Parameter(
    "received-limit-near", "percent", 80.0, "percent", "Share of Azure's prefix limit, in percent."
)
REACHED_PERCENT = Parameter(
    "received-limit-reached", "percent", 95.0, "percent", "Share of Azure's prefix limit, in percent."
)


def _limit(config: Config, share: Parameter) -> Iterator[Subject]:
    percent = share.of(config)
    for circuit in config.circuits.values():
        if circuit.peering is not Peering.PRIVATE:
            continue
        for link in circuit.links.values():
            for family in link.families:
                limit = GATEWAY_LIMITS[family] * (circuit.receive.gateways or 1)
                route_set = RouteSet(VNET, family, link=link.key)
                topics = frozenset({link_topic(link.key, family), routes_topic("", route_set)})
                judge = partial(_limit_exceeded, link, family, limit, percent)
                yield Subject(share.check, (*link_labels(link), ("family", family)), topics, judge)


def _limit_exceeded(link: Link, family: Family, limit: int, percent: float, facts: Facts) -> Verdict:
    received = int(facts.amount(Counted("vnets", link.key, family)).routes)
    if received * 100 >= limit * percent:
        return violated(Evidence(routers=(link.router,), details={"received": received, "limit": limit}))
    return OK if facts.deciders(link.key, family) else UNKNOWN


def received_limit_near(config: Config) -> Iterator[Subject]:
    yield from _limit(config, NEAR_PERCENT)


RECEIVED_LIMIT_NEAR = Check(
    name="received-limit-near",
    section=Section.RECEIVED,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=60,
    subjects=received_limit_near,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} receives 80 % of the {family} prefixes that gateways accept",
    needs=needs.link_state,
    peering=Peering.PRIVATE,
    views=(View.EDGE_TABLE,),
    parameters=(NEAR_PERCENT,),
    acceptance=Tested(AcceptanceStep.LIMITS),
)


def received_limit_reached(config: Config) -> Iterator[Subject]:
    yield from _limit(config, REACHED_PERCENT)


RECEIVED_LIMIT_REACHED = Check(
    name="received-limit-reached",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=received_limit_reached,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} receives 95 % of the {family} prefixes that gateways accept",
    needs=needs.link_state,
    peering=Peering.PRIVATE,
    views=(View.EDGE_TABLE,),
    parameters=(REACHED_PERCENT,),
    suppresses=("received-limit-near",),
    acceptance=Tested(AcceptanceStep.LIMITS),
)
