"""The steps of the acceptance test of a circuit, in the order in which one would fix what fails.

Most steps ask the daemon's own checks, so that the test can never disagree with what pages people. The
state of the links, of the pools and of the feeds is read as it is, whether or not a check is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ermon.verify import figures
from ermon.verify.circuit import WATCHED_ELSEWHERE, CircuitFacts
from ermon.verify.links import sessions
from ermon.verify.pools import pools_advertised, pools_elsewhere, pools_on_internet
from ermon.verify.report import CircuitReport, Outcome, Proof, Step, worst
from ermon.verify.seen import seen


def _nothing(_: CircuitFacts) -> Iterator[Proof]:
    return iter(())


@dataclass(frozen=True, slots=True)
class StepKind:
    id: str
    title: str
    passed: Callable[[CircuitFacts], str]
    """What to say when it passes: numbers, not praise."""
    checks: tuple[str, ...] = ()
    states: Callable[[CircuitFacts], Iterator[Proof]] = _nothing
    """What is read from the state itself."""
    instead_of: tuple[str, ...] = ()
    """Checks that ask what ``states`` answers."""
    needs_link: bool = False
    """Nothing can be said of a link that is down."""
    blames_network: bool = True
    """Whether what is wrong here is wrong with the network, and not with ermon's sight."""

    def counts(self, proof: Proof) -> bool:
        """Tell whether a check's answer matters: a feed that cannot be judged matters only where no other
        shows the same, and that ``states`` tells.
        """
        return self.blames_network or proof.status is not Outcome.UNKNOWN or "feed" not in proof.labels


def judge(facts: CircuitFacts) -> CircuitReport:
    """Put a circuit to the test."""
    steps = tuple(step for kind in STEPS if (step := _step(kind, facts)) is not None)
    asked = [check for kind in STEPS if kind.blames_network for check in kind.checks]
    not_asked = [
        c for c in asked if not facts.answers(c) and not _must_answer(c, facts) and _may_answer(c, facts)
    ]
    return CircuitReport(
        circuit=facts.name,
        peering=facts.circuit.peering,
        location=facts.circuit.location,
        status=worst(step.status for step in steps),
        steps=steps,
        not_asked=tuple(dict.fromkeys(not_asked)),
        links=facts.prefixes,
    )


def _step(kind: StepKind, facts: CircuitFacts) -> Step | None:
    """Take one step; ``None`` where the configuration leaves nothing to ask."""
    proofs = list(kind.states(facts))
    for check in kind.checks:
        if facts.answers(check):
            proofs += filter(kind.counts, facts.proofs(check, needs_link=kind.needs_link))
        elif _must_answer(check, facts):
            why = "switched off in ermon's configuration: nobody has looked"
            text = f"{check} is {WATCHED_ELSEWHERE if facts.is_split else why}"
            proofs.append(Proof(Outcome.UNKNOWN, text, check))
    if not proofs:
        return None
    if not kind.blames_network:
        proofs = [_blind(proof) for proof in proofs]
    status = worst(proof.status for proof in proofs)
    open_proofs = [proof for proof in proofs if proof.status is status]
    summary = kind.passed(facts) if status is Outcome.PASS else _first(open_proofs)
    return Step(kind.id, kind.title, status, summary, tuple(proofs))


def _blind(proof: Proof) -> Proof:
    if proof.status is not Outcome.FAIL:
        return proof
    return Proof(Outcome.UNKNOWN, proof.text, proof.check, proof.labels, proof.details)


def _first(proofs: list[Proof]) -> str:
    more = f" (and {len(proofs) - 1} more)" if len(proofs) > 1 else ""
    return proofs[0].text + more


# Which checks there have to be -----------------------------------------------------------------------

_ON_MICROSOFT_PEERING = frozenset(
    {
        "communities-missing",
        "prefix-unexpected",
        "advertised-not-public",
        "advertised-default",
        "advertised-internet-only",
    }
)
_ONLY_ON_MICROSOFT_PEERING = _ON_MICROSOFT_PEERING - {"advertised-default"} | {
    "service-missing",
    "internet-preferred",
    "advertised-link-subnet",
    "advertised-path",
    "pool-wrong-circuit",
    "pool-leak",
    "pool-covered",
    "pool-fallback",
}


def _must_answer(check: str, facts: CircuitFacts) -> bool:
    """Tell whether a check can only be missing because somebody switched it off, and the step would be
    hollow without it.
    """
    match check:
        case "microsoft-reflected":
            return True
        case "link-asymmetry":
            links = facts.links.values()
            return any(sum(family in link.state for link in links) > 1 for family in facts.families)
        case "service-missing":
            return facts.is_microsoft and any(link.service_routes for link in facts.links.values())
        case "microsoft-leaked":
            return any(feed.view == "to-internet" for feed in facts.feeds.values())
        case "pool-leak":
            return any(feeds for pool in facts.pools.values() for feeds in pool.on_internet.values())
        case "pool-wrong-circuit":
            return bool(facts.other_circuits)
        case _:
            return facts.is_microsoft and check in _ON_MICROSOFT_PEERING


def _may_answer(check: str, facts: CircuitFacts) -> bool:
    """Tell whether another configuration of the same circuits could ask this check."""
    if check == "pool-wrong-circuit" and not facts.other_circuits:
        return False
    return facts.is_microsoft or check not in _ONLY_ON_MICROSOFT_PEERING


# The table ------------------------------------------------------------------------------------------

STEPS: tuple[StepKind, ...] = (
    StepKind(
        "sessions",
        "Every link is up",
        passed=figures.links_up,
        states=sessions,
        instead_of=("link-down", "circuit-down"),
    ),
    StepKind(
        "steady",
        "No link drains, flaps or churns",
        passed=lambda _: "steady",
        checks=("drain", "drain-both", "link-flapping", "churn-high"),
    ),
    StepKind(
        "services",
        "Services and their communities come",
        passed=figures.services,
        checks=("service-missing", "communities-missing"),
        needs_link=True,
    ),
    StepKind(
        "prefixes",
        "Every expected prefix comes",
        passed=figures.received,
        checks=("prefix-missing", "internet-preferred"),
        needs_link=True,
    ),
    StepKind(
        "counts",
        "No link brings too few prefixes",
        passed=figures.received,
        checks=("prefix-count-low",),
        needs_link=True,
    ),
    StepKind(
        "received-equal",
        "The links bring the same",
        passed=figures.received,
        checks=("link-asymmetry",),
        needs_link=True,
    ),
    StepKind(
        "received-clean",
        "Nothing comes that must not",
        passed=lambda _: "no default, nothing private, none of ours",
        checks=("prefix-unexpected", "origin-unexpected"),
        needs_link=True,
    ),
    StepKind(
        "pools",
        "Every NAT pool is advertised on its links",
        passed=figures.pools,
        checks=("pool-not-advertised",),
        states=pools_advertised,
    ),
    StepKind(
        "pools-elsewhere",
        "No NAT pool is advertised elsewhere",
        passed=figures.elsewhere,
        checks=("pool-wrong-circuit",),
        states=pools_elsewhere,
    ),
    StepKind(
        "advertised-clean",
        "Nothing else is advertised",
        passed=figures.advertised,
        checks=(
            "advertised-undeclared",
            "advertised-not-public",
            "advertised-default",
            "advertised-internet-only",
            "advertised-link-subnet",
            "microsoft-reflected",
            "advertised-path",
        ),
        needs_link=True,
    ),
    StepKind(
        "advertised-equal",
        "The links advertise the same",
        passed=figures.advertised,
        checks=("advertised-asymmetry",),
        needs_link=True,
    ),
    StepKind(
        "limits",
        "Microsoft's prefix limits are far",
        passed=figures.limits,
        checks=("advertised-limit-near", "advertised-limit-reached"),
    ),
    StepKind(
        "internet",
        "Nothing of it is on the internet",
        passed=figures.internet_views,
        checks=("pool-leak", "pool-covered", "pool-fallback", "microsoft-leaked"),
        states=pools_on_internet,
    ),
    StepKind(
        "sight",
        "ermon sees all of this",
        passed=lambda facts: f"{len(facts.feeds)} feeds, up and in sync",
        checks=(
            "circuit-unseen",
            "route-unattributed",
            "view-missing",
            "feed-empty",
            "canary-missing",
            "feed-lost-messages",
            "feed-overflow",
            "exabgp-down",
        ),
        states=seen,
        instead_of=("feed-down", "feed-best-path-only"),
        blames_network=False,
    ),
)

NOT_TESTED: Mapping[str, str] = {
    "geo-not-redundant": "about several circuits: one that fails must not fail the others",
    "inbound-not-redundant": "about several circuits",
    "internet-undeclared": "about the uplinks as a whole",
    "mirror-disagrees": "about the uplinks as a whole",
    "segment-leak": "about the networks behind the circuits",
    "segment-missing": "about the networks behind the circuits",
    "feed-flapping": "about the past of a feed; the present is tested",
    "feed-no-eor": "the feed is in sync all the same, only later",
    "source-rejected": "the list that is in force is tested",
    "storage-failed": "the watching goes on",
}
"""The checks of the catalogue that are no part of the test of a circuit, and why; where one of them is
raised, the report says so.
"""
