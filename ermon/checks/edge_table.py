"""The sets that the routes of an edge table are sorted into, and what the checks on it have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from ermon.checks.attribution import Attribution, Unattributed, microsoft_path
from ermon.checks.facts import Facts
from ermon.checks.subject import (
    Classifier,
    Evidence,
    RouteGroup,
    Subject,
    Verdict,
    link_labels,
    present,
)
from ermon.checks.topics import (
    PREPENDED,
    SHUT,
    STALE,
    RouteSet,
    Topic,
    link_topic,
    routes_topic,
    table_topic,
)
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Config, Feed, Link, LinkKey, Peering
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixSet, not_public_space
from ermon.model.routes import GRACEFUL_SHUTDOWN, LLGR_STALE, Attributes, Route

SERVICE = "service"
TAGGED = "tagged"
UNEXPECTED = "unexpected"
UNLISTED = "unlisted"
VNET = "vnet"
"""Routes of virtual networks: only a gateway and Microsoft's routers are in their paths."""
FOREIGN_ORIGIN = "foreign-origin"
UNATTRIBUTED = "unattributed"
BEST_PATH = "best-path"
"""On a feed of best paths: the routes that packets to an expected prefix may follow."""
NOT_MICROSOFT = "not-microsoft"
"""Those of ``BEST_PATH`` that do not lead to Microsoft."""


# Sorting an edge table -------------------------------------------------------------------------------


def classifiers(config: Config) -> Callable[[Feed], Classifier]:
    """Return the function that makes the classifier of an edge table. Routes are sorted by link, and by what the checks
    look for.
    """
    of_link, of_attributes = _link_sets(config), _attribute_sets(config)
    expected = PrefixSet(
        expected.prefix for circuit in config.circuits.values() for expected in circuit.receive.prefixes
    )

    def common(attributes: Attributes, family: Family, attribution: Attribution) -> Iterator[RouteSet]:
        if isinstance(attribution, Unattributed):
            yield RouteSet(UNATTRIBUTED, family)
        elif isinstance(attribution, tuple):
            yield from of_attributes(attributes, family, attribution)

    def all_paths(route: Route, attribution: Attribution) -> tuple[RouteSet, ...]:
        return of_link(route, attribution) if isinstance(attribution, tuple) else ()

    def best_paths(route: Route, attribution: Attribution) -> tuple[RouteSet, ...]:
        found = all_paths(route, attribution)
        if not expected.overlaps(route.prefix):
            return found
        family = route.prefix.family
        elsewhere = (RouteSet(NOT_MICROSOFT, family),) if attribution is None else ()
        return (RouteSet(BEST_PATH, family), *elsewhere, *found)

    with_all_paths, with_best_paths = Classifier(all_paths, common), Classifier(best_paths, common)
    return lambda feed: with_all_paths if feed.add_path else with_best_paths


def _link_sets(config: Config) -> Callable[[Route, LinkKey], tuple[RouteSet, ...]]:
    """Return what sorts a link's routes by their prefixes."""
    ours = PrefixSet(config.our_space)
    not_public = not_public_space(config.policy.public_space)
    unexpected = {
        circuit.name: _unexpected(circuit, ours, not_public) for circuit in config.circuits.values()
    }
    unlisted = {circuit.name: _unlisted(circuit) for circuit in config.circuits.values()}

    def route_sets(route: Route, link: LinkKey) -> tuple[RouteSet, ...]:
        circuit = link[0]
        if unexpected[circuit](route.prefix):
            return (RouteSet(UNEXPECTED, route.prefix.family, link=link),)
        if unlisted[circuit](route):
            return (RouteSet(UNLISTED, route.prefix.family, link=link),)
        return ()

    return route_sets


def _attribute_sets(config: Config) -> Callable[[Attributes, Family, LinkKey], Iterator[RouteSet]]:
    """Return what sorts a link's routes by their path attributes."""
    our_asns = frozenset({config.customer.asn, *config.customer.provider_asns})
    wanted = {
        circuit.name: {service.community for service in circuit.receive.services}
        for circuit in config.circuits.values()
    }
    private = {circuit.name for circuit in config.circuits.values() if circuit.peering is Peering.PRIVATE}

    def route_sets(attributes: Attributes, family: Family, link: LinkKey) -> Iterator[RouteSet]:
        communities = attributes.communities
        for community in communities & wanted[link[0]]:
            yield RouteSet(SERVICE, family, community_text(community), link)
        for kind in _marks(communities):
            yield RouteSet(kind, family, link=link)
        path = microsoft_path(attributes, our_asns) or ()
        if link[0] in private and path and GATEWAY_PATH.issuperset(path):
            yield RouteSet(VNET, family, link=link)
        if not config.policy.microsoft_asns.issuperset(path):
            yield RouteSet(FOREIGN_ORIGIN, family, link=link)
        run = head_run(path)
        if GRACEFUL_SHUTDOWN in communities:
            yield RouteSet(SHUT, family, str(run), link)
        elif run != 1:
            yield RouteSet(PREPENDED, family, str(run), link)

    return route_sets


def _marks(communities: Collection[tuple[int, int]]) -> Iterator[str]:
    """Yield the kinds of sets that a route belongs to by its communities alone."""
    if LLGR_STALE in communities:
        yield STALE
    if any(high == MICROSOFT_ASN for high, _ in communities):
        yield TAGGED


def head_run(path: Sequence[int]) -> int:
    """Return how often 12076 is repeated at the head of a path."""
    return next((at for at, asn in enumerate(path) if asn != MICROSOFT_ASN), len(path))


def community_text(community: tuple[int, int]) -> str:
    return f"{community[0]}:{community[1]}"


def microsoft_circuits(config: Config) -> Iterator[Circuit]:
    return (circuit for circuit in config.circuits.values() if circuit.peering is Peering.MICROSOFT)


GATEWAY_ASN = 65515
"""The ASN of Azure's virtual network gateways (Microsoft, "ExpressRoute routing requirements")."""
GATEWAY_PATH = frozenset({MICROSOFT_ASN, GATEWAY_ASN})


def _unexpected(circuit: Circuit, ours: PrefixSet, not_public: PrefixSet) -> Callable[[Prefix], bool]:
    """Return a test for prefixes that Microsoft must never send: own space, unless the circuit lists it as received; a
    default route, unless the circuit allows it; and on Microsoft peering, which carries public service prefixes only,
    prefixes that are not public (Microsoft, "ExpressRoute routing requirements").
    """
    receive, public_only = circuit.receive, circuit.peering is Peering.MICROSOFT
    on_purpose = PrefixSet((*receive.own_prefixes, *receive.vnets))

    def unexpected(prefix: Prefix) -> bool:
        if prefix.is_default:
            return public_only or not receive.allow_default
        if ours.covers(prefix) and not on_purpose.covers(prefix):
            return True
        return public_only and not_public.overlaps(prefix)

    return unexpected


def judges_lists(circuit: Circuit) -> bool:
    """Return whether the configuration lists everything that the circuit may receive."""
    return circuit.receive.only_listed or bool(circuit.receive.vnets)


def _unlisted(circuit: Circuit) -> Callable[[Route], bool]:
    """Return a test for routes that are not listed, if the circuit lists everything that it may receive.

    On private peering the communities name regions, and every route from a region has one: beside ``vnets`` they list
    nothing.
    """
    receive = circuit.receive
    listed = PrefixSet(
        (*(expected.prefix for expected in receive.prefixes), *receive.own_prefixes, *receive.vnets)
    )
    services = set() if receive.vnets else {service.community for service in receive.services}
    judged = judges_lists(circuit) and receive.lists_known

    def unlisted(route: Route) -> bool:
        prefix = route.prefix
        if not judged or prefix.is_default or listed.covers(prefix):
            return False
        return not services & route.attributes.communities

    return unlisted


# What the judges read, and their topics --------------------------------------------------------------


def link_routes(facts: Facts, link: Link, kind: str) -> RouteGroup:
    """Return the routes of a set that any edge table shows on the link."""
    sets = [RouteSet(kind, family, link=link.key) for family in FAMILIES]
    return RouteGroup(
        facts.matching(feed, route_set) for route_set in sets for feed in facts.feeds_showing(route_set)
    )


def link_topics(links: Iterable[Link]) -> set[Topic]:
    return {link_topic(link.key, family) for link in links for family in link.families}


def set_topics(link: Link, kind: str, name: str = "") -> set[Topic]:
    return {routes_topic("", RouteSet(kind, family, name, link.key)) for family in FAMILIES}


def table_topics(link: Link) -> set[Topic]:
    return {table_topic(link.key, family) for family in link.families}


def decided(facts: Facts, link: Link) -> bool:
    """Return whether the absence of a route on the link can be proven in all its families."""
    return all(facts.deciders(link.key, family) for family in link.families)


def shown(facts: Facts, link: Link, kind: str, name: str = "") -> bool:
    """Return whether a feed that counts for the link has a route in the set."""
    return any(
        facts.matching(feed, RouteSet(kind, family, name, link.key))
        for family in link.families
        for feed in facts.witnesses(link.key, family)
    )


def brings_routes(facts: Facts, link: Link) -> bool:
    return any(facts.prefix_count(link.key, family) for family in link.families)


def forbidden_on_links(circuit: Circuit, check: str, kind: str) -> Iterator[Subject]:
    for link in circuit.links.values():
        topics = link_topics((link,)) | set_topics(link, kind)
        judge = partial(forbidden_on_link, link, kind)
        yield Subject(check, link_labels(link), frozenset(topics), judge)


def forbidden_on_link(link: Link, kind: str, facts: Facts) -> Verdict:
    """Any feed that shows such a route proves it; only a feed that decides on the link proves that there is none."""
    routes = link_routes(facts, link, kind)
    return present(Evidence(routes=routes, routers=(link.router,)), complete=decided(facts, link))
