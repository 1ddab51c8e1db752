"""Where the NAT pools of a circuit are seen, and where they must not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.checks.advertised_pools import POOL_NOT_ADVERTISED
from ermon.checks.views import VIEW_MISSING
from ermon.model.prefixes import Family, PrefixSet, parse_prefix
from ermon.verify.circuit import FAMILY_NAMES, CircuitFacts
from ermon.verify.report import Outcome, Proof


def pools_advertised(facts: CircuitFacts) -> Iterator[Proof]:
    """What a link that is down advertises nobody hears, and the check asks the mirror alone; where the
    check is switched off, the state answers.
    """
    checked = facts.answers(POOL_NOT_ADVERTISED.name)
    if facts.pools:
        yield from facts.elsewhere("to-microsoft")
    for pool, family, link, answer in _on_links(facts):
        if not _expected(facts, pool, link):
            continue
        where = f"link {link} of {facts.name}"
        if facts.is_down(link, (family,)):
            text = f"{_named(pool, family)} is not heard on {where}: the link is down"
            yield _proof(facts, Outcome.FAIL, text, pool, family, link)
        elif not checked:
            named = _named(pool, family)
            outcome, text = {
                "yes": (Outcome.PASS, f"{named} is advertised on {where}"),
                "no": (Outcome.FAIL, f"{named} is not advertised on {where}"),
            }.get(answer, (Outcome.UNKNOWN, f"not known: {named} is advertised on {where}"))
            yield _proof(facts, outcome, text, pool, family, link)


def pools_elsewhere(facts: CircuitFacts) -> Iterator[Proof]:
    """A pool that is bound to one link, on another link of the same circuit: no check asks that."""
    for pool, family, link, _ in _on_links(facts):
        if _expected(facts, pool, link):
            continue
        where = f"link {link} of {facts.name}, which is not one of its own"
        known = facts.prefixes[link].advertised[family]
        if facts.is_down(link, (family,)):
            text = f"not tested: {link} of {facts.name} is down ({_named(pool, family)})"
            yield _proof(facts, Outcome.UNKNOWN, text, pool, family, link)
        elif found := _stray(facts, pool, link, known.prefixes):
            text = f"{_named(pool, family)} is advertised on {where}"
            yield _proof(facts, Outcome.FAIL, text, pool, family, link, found)
        elif known.complete:
            text = f"{_named(pool, family)} is not advertised on {where}"
            yield _proof(facts, Outcome.PASS, text, pool, family, link)
        else:
            text = f"not known: {_named(pool, family)} is not advertised on {where}"
            yield _proof(facts, Outcome.UNKNOWN, text, pool, family, link)


def pools_on_internet(facts: CircuitFacts) -> Iterator[Proof]:
    """Name what no feed could show; what the feeds do show, the checks judge."""
    for proof in facts.proofs(VIEW_MISSING):
        if "uplink" in proof.labels:
            text = f"no feed shows what is advertised on uplink {proof.labels['uplink']}"
            yield Proof(Outcome.UNKNOWN, text, labels=proof.labels)
    for name, pool in facts.pools.items():
        for family, feeds in pool.on_internet.items():
            if not feeds and facts.is_microsoft:
                text = f"no feed shows what the internet hears of {_named(name, family)}"
                yield Proof(Outcome.UNKNOWN, text, labels={"pool": name, "family": family})


def _on_links(facts: CircuitFacts) -> Iterator[tuple[str, Family, str, str]]:
    """Yield each pool, family and link of the circuit, and whether the pool is advertised there."""
    for name, pool in facts.pools.items():
        for family, circuits in pool.advertised.items():
            for link, answer in circuits.get(facts.name, {}).items():
                yield name, family, link, answer


def _named(pool: str, family: Family) -> str:
    return f"NAT pool {pool} ({FAMILY_NAMES[family]})"


def _proof(
    facts: CircuitFacts,
    outcome: Outcome,
    text: str,
    pool: str,
    family: Family,
    link: str,
    prefixes: Iterable[str] = (),
) -> Proof:
    labels = {"pool": pool, "family": family, "circuit": facts.name, "link": link}
    shown = list(prefixes)
    seen = {"prefixes": shown[:20], "prefixes_total": len(shown)} if shown else {}
    return Proof(outcome, text, labels=labels, details={**seen, "routers": [facts.links[link].router]})


def _expected(facts: CircuitFacts, pool: str, link: str) -> bool:
    return any((on.circuit, on.link) == (facts.name, link) for on in facts.pools[pool].expected_on)


def _stray(facts: CircuitFacts, name: str, link: str, advertised: Iterable[str]) -> list[str]:
    """Return the prefixes equal to the pool's or inside it, those of a pool that belongs there aside.

    A shorter route is not one: it is how a link stands in for another.
    """
    space = PrefixSet(map(parse_prefix, facts.pools[name].prefixes))
    rightful = PrefixSet(
        parse_prefix(prefix)
        for other, pool in facts.pools.items()
        if _expected(facts, other, link)
        for prefix in pool.prefixes
    )
    prefixes = [(text, parse_prefix(text)) for text in advertised]
    return [text for text, prefix in prefixes if space.covers(prefix) and not rightful.covers(prefix)]
