"""What a step says when it passes: numbers and names, not praise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ermon.model.prefixes import Family
from ermon.verify.circuit import FAMILY_NAMES, CircuitFacts


def _per_link(facts: CircuitFacts, tell: Callable[[str], str]) -> str:
    told = {name: tell(name) for name in facts.links}
    if len(told) > 1 and len(set(told.values())) == 1:
        return f"{next(iter(told.values()))} on each link"
    return "; ".join(f"{name}: {text}" for name, text in told.items())


def _counted(numbers: Mapping[Family, int]) -> str:
    return " and ".join(f"{number} {FAMILY_NAMES[family]}" for family, number in numbers.items())


def links_up(facts: CircuitFacts) -> str:
    families = " and ".join(FAMILY_NAMES[family] for family in facts.families)
    return f"{' and '.join(facts.links)}, {families}"


def services(facts: CircuitFacts) -> str:
    def told(name: str) -> str:
        services = facts.links[name].service_routes.items()
        return (
            ", ".join(f"{service} in {routes} routes" for service, routes in services) or "communities sent"
        )

    return _per_link(facts, told)


def received(facts: CircuitFacts) -> str:
    return _per_link(facts, lambda name: f"{_counted(facts.links[name].routes)} prefixes")


def advertised(facts: CircuitFacts) -> str:
    return _per_link(facts, lambda name: f"{_counted(facts.links[name].advertised_prefixes)} prefixes")


def limits(facts: CircuitFacts) -> str:
    def told(name: str) -> str:
        link = facts.links[name]
        limits = link.advertised_prefix_limit
        shown = link.advertised_prefixes.items()
        return " and ".join(f"{n} of {limits[family]} {FAMILY_NAMES[family]}" for family, n in shown)

    return _per_link(facts, told)


def pools(facts: CircuitFacts) -> str:
    return ", ".join(facts.pools)


def elsewhere(facts: CircuitFacts) -> str:
    others = facts.other_circuits
    return f"not on {', '.join(others)}" if others else "nor any other circuit's here"


def internet_views(facts: CircuitFacts) -> str:
    views = [name for name, feed in facts.feeds.items() if feed.view in {"to-internet", "internet"}]
    return f"as seen on {', '.join(views)}"
