"""What the steps of the acceptance test read from the state itself, and the texts of a step that passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ermon.api.status import Answer, LinkDoc
from ermon.checks.advertised_pools import POOL_NOT_ADVERTISED
from ermon.checks.redundancy import LINK_DOWN
from ermon.checks.views import VIEW_MISSING
from ermon.model.findings import LinkState
from ermon.model.prefixes import FAMILY_NAMES, Family
from ermon.model.text import plural
from ermon.verify.circuit import CircuitFacts
from ermon.verify.report import Outcome, Proof

# The links ------------------------------------------------------------------------------------------


def sessions(facts: CircuitFacts) -> Iterator[Proof]:
    yield from facts.of_other_instances("edge-table")
    for name, link in facts.links.items():
        for family, state in link.state.items():
            labels = {"circuit": facts.name, "link": name, "family": family}
            subject = f"{FAMILY_NAMES[family]} on link {name} ({link.router})"
            details = {
                "routers": [link.router],
                **({} if state == LinkState.UNKNOWN else {"routes": link.routes[family]}),
                "since": link.since[family],
                "feeds": list(link.decided_by[family]),
            } | facts.finding_details(LINK_DOWN.name, labels)
            session = link.sessions.get(family)
            because = f": {session.reason}" if session is not None and session.reason else ""
            match state:
                case "up":
                    yield Proof(Outcome.PASS, f"{subject} is up", labels=labels, details=details)
                case "down":
                    yield Proof(Outcome.FAIL, f"{subject} is down{because}", labels=labels, details=details)
                case _:
                    text = f"it is unknown whether {subject} is up{because}"
                    yield Proof(Outcome.UNKNOWN, text, labels=labels, details=details)


# The NAT pools: where they are seen, and where they must not be -------------------------------------


def pools_advertised(facts: CircuitFacts) -> Iterator[Proof]:
    """Yield whether each link advertises its pools. The check reads only the mirror, but a link that is down advertises
    nothing. If the check is switched off, the state decides alone.
    """
    checked = facts.answers(POOL_NOT_ADVERTISED.name)
    if facts.pools:
        yield from facts.of_other_instances("to-microsoft")
    for pool, family, link, answer in _on_links(facts):
        if not _expected(facts, pool, link):
            continue
        where = f"link {link} of {facts.name}"
        if facts.is_down(link, (family,)):
            text = f"{_named(pool, family)} does not reach Microsoft on {where}: the link is down"
            yield _proof(facts, Outcome.FAIL, text, pool, family, link)
        elif not checked:
            named = _named(pool, family)
            outcome, text = {
                "yes": (Outcome.PASS, f"{named} is advertised on {where}"),
                "no": (Outcome.FAIL, f"{named} is not advertised on {where}"),
            }.get(answer, (Outcome.UNKNOWN, f"it is unknown whether {named} is advertised on {where}"))
            yield _proof(facts, outcome, text, pool, family, link)


def pools_elsewhere(facts: CircuitFacts) -> Iterator[Proof]:
    """Yield an unknown for each link that is down, because it was not tested what it would advertise."""
    for pool, family, link, _ in _on_links(facts):
        if not _expected(facts, pool, link) and facts.is_down(link, (family,)):
            text = f"not tested: {link} of {facts.name} is down ({_named(pool, family)})"
            yield _proof(facts, Outcome.UNKNOWN, text, pool, family, link)


def pools_on_internet(facts: CircuitFacts) -> Iterator[Proof]:
    """Yield an unknown for everything that no feed could show. The checks judge what the feeds do show."""
    for proof in facts.proofs(VIEW_MISSING):
        if "uplink" in proof.labels:
            text = f"no feed shows what is advertised on uplink {proof.labels['uplink']}"
            yield Proof(Outcome.UNKNOWN, text, labels=proof.labels)
    for name, pool in facts.pools.items():
        for family, feeds in pool.on_internet.items():
            if not feeds and facts.is_microsoft:
                text = f"no feed shows whether {_named(name, family)} is on the internet"
                yield Proof(Outcome.UNKNOWN, text, labels={"pool": name, "family": family})


def _on_links(facts: CircuitFacts) -> Iterator[tuple[str, Family, str, str]]:
    """Yield each pool, family and link of the circuit, and whether the pool is advertised there."""
    for name, pool in facts.pools.items():
        for family, circuits in pool.advertised.items():
            for link, answer in circuits.get(facts.name, {}).items():
                yield name, family, link, answer


def _named(pool: str, family: Family) -> str:
    return f"NAT pool {pool} ({FAMILY_NAMES[family]})"


def _proof(facts: CircuitFacts, outcome: Outcome, text: str, pool: str, family: Family, link: str) -> Proof:
    labels = {"pool": pool, "family": family, "circuit": facts.name, "link": link}
    return Proof(outcome, text, labels=labels, details={"routers": [facts.links[link].router]})


def _expected(facts: CircuitFacts, pool: str, link: str) -> bool:
    return any((on.circuit, on.link) == (facts.name, link) for on in facts.pools[pool].expected_on)


# The feeds that the other steps depend on -----------------------------------------------------------


def seen(facts: CircuitFacts) -> Iterator[Proof]:
    """Yield what ermon can see of each link, of the other circuits, and of the internet.

    Something that ermon cannot see is no failure of the network, so the step passes or is unknown.
    """
    for name, link in facts.links.items():
        for family in link.state:
            feeds = facts.edge_feeds(link, family)
            what = f"the {FAMILY_NAMES[family]} routes received on link {name}"
            yield _sight(facts, what, feeds, family, list(link.decided_by.get(family, ())), all_paths=True)
        for family in facts.mirrored_families(name):
            feeds = facts.mirrors(name, family)
            what = f"the {FAMILY_NAMES[family]} routes advertised on link {name}"
            yield _sight(facts, what, feeds, family, [f for f in feeds if facts.feeds[f].in_sync[family]])
    for name, feed in facts.feeds.items():
        if feed.view != "edge-table" and feed.circuit != facts.name:
            for family, in_sync in feed.in_sync.items():
                what = f"the {FAMILY_NAMES[family]} routes {_shows(facts, name)}"
                yield _sight(facts, what, [name], family, [name] if in_sync else [])


def _shows(facts: CircuitFacts, name: str) -> str:
    feed = facts.feeds[name]
    if feed.circuit is not None:
        return f"advertised on link {feed.link} of {feed.circuit}"
    return f"advertised on uplink {feed.uplink}" if feed.uplink else f"that {name} shows on the internet"


def _sight(
    facts: CircuitFacts,
    what: str,
    feeds: Sequence[str],
    family: Family,
    seeing: Sequence[str],
    *,
    all_paths: bool = False,
) -> Proof:
    if seeing:
        return Proof(
            Outcome.PASS, f"ermon sees {what} on {' and '.join(seeing)}", details={"feeds": list(seeing)}
        )
    if not feeds:
        return Proof(Outcome.UNKNOWN, f"ermon cannot see {what}: no feed shows them")
    reasons = [f"{feed} {_blindness(facts, feed, family, all_paths=all_paths)}" for feed in feeds]
    details = {
        "blind_feeds": list(feeds),
        "routers": sorted({r for f in feeds if (r := facts.feeds[f].router)}),
    }
    return Proof(Outcome.UNKNOWN, f"ermon cannot see {what}: {', '.join(reasons)}", details=details)


def _blindness(facts: CircuitFacts, name: str, family: Family, *, all_paths: bool) -> str:
    """Return in words why a feed proves nothing."""
    feed = facts.feeds[name]
    if feed.state != "up":
        return f"is {feed.state} ({feed.down_reason})" if feed.down_reason else f"is {feed.state}"
    if feed.loss is not None:
        return f"has lost BGP updates ({feed.loss})"
    if not feed.in_sync[family]:
        return "is not in sync yet"
    if all_paths and not feed.all_paths[family]:
        return "carries best paths only, without ADD-PATH"
    return "does not prove it"


# The texts of a step that passes: numbers and names -------------------------------------------------

UNKNOWN = "an unknown number of"
"""Shown instead of a number that nothing proves, because a 0 would claim that there is nothing."""


def _per_link(facts: CircuitFacts, describe: Callable[[str], str]) -> str:
    texts = {name: describe(name) for name in facts.links}
    if len(texts) > 1 and len(set(texts.values())) == 1:
        return f"{next(iter(texts.values()))} on each link"
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _prefixes(counts: Mapping[Family, str]) -> str:
    told = " and ".join(f"{count} {FAMILY_NAMES[family]}" for family, count in counts.items())
    return f"{told} {'prefix' if list(counts.values()) == ['1'] else 'prefixes'}"


def _received(link: LinkDoc) -> dict[Family, str]:
    return {
        family: UNKNOWN if link.state[family] == LinkState.UNKNOWN else str(count)
        for family, count in link.routes.items()
    }


def _advertised(link: LinkDoc) -> dict[Family, str]:
    """Return the number of advertised prefixes in words. A link that is down advertises none, although its mirror may
    show some.
    """
    said: dict[str | None, str] = {Answer.NO: "0", Answer.UNKNOWN: UNKNOWN}
    return {
        family: said.get(link.advertising.get(family), str(count))
        for family, count in link.advertised_prefixes.items()
    }


def links_up(facts: CircuitFacts) -> str:
    families = " and ".join(FAMILY_NAMES[family] for family in facts.families)
    return f"{' and '.join(facts.links)}, {families}"


def services(facts: CircuitFacts) -> str:
    def describe(name: str) -> str:
        link = facts.links[name]
        found = ", ".join(
            f"{service} in {UNKNOWN} routes"
            if routes == 0 and Answer.UNKNOWN in link.service_answers.get(service, {}).values()
            else f"{service} in {plural(routes, 'route')}"
            for service, routes in link.service_routes.items()
        )
        return found or "communities sent"

    return _per_link(facts, describe)


def received(facts: CircuitFacts) -> str:
    return _per_link(facts, lambda name: _prefixes(_received(facts.links[name])))


def advertised(facts: CircuitFacts) -> str:
    return _per_link(facts, lambda name: _prefixes(_advertised(facts.links[name])))


def limits(facts: CircuitFacts) -> str:
    def describe(name: str) -> str:
        link = facts.links[name]
        limits = link.advertised_prefix_limit
        shown = _advertised(link).items()
        return " and ".join(
            f"{UNKNOWN if number == UNKNOWN else f'{number} of'} {limits[family]} {FAMILY_NAMES[family]}"
            for family, number in shown
        )

    return _per_link(facts, describe)


def pools(facts: CircuitFacts) -> str:
    return ", ".join(facts.pools)


def ownership(facts: CircuitFacts) -> str:
    """Name for each pool the VRPs and route objects that cover it."""
    texts = []
    for pool, found in facts.pools.items():
        for family, said in found.ownership.items():
            registered = "; ".join((*said.vrps, *said.route_objects)) or "no ROA, and no route object"
            texts.append(f"{pool} {FAMILY_NAMES[family]}: {registered}")
    return ", ".join(texts)


def not_on_other_circuits(facts: CircuitFacts) -> str:
    others = facts.other_circuits
    return f"not on {', '.join(others)}" if others else "there is no other circuit"


def internet_views(facts: CircuitFacts) -> str:
    views = [name for name, feed in facts.feeds.items() if feed.view in {"to-internet", "internet"}]
    return f"as seen on {', '.join(views)}"
