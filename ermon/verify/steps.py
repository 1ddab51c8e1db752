"""The steps of the acceptance test of a circuit, in the order in which an engineer would repair failures.

Most steps read the daemon's own checks, so that the test cannot contradict the alerts. Each check names its step. The
state of the links, pools and feeds is read directly (``evidence``), whether or not a check is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import assert_never

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import AcceptanceStep, Check, Required, Tested
from ermon.verify import evidence
from ermon.verify.circuit import OTHER_INSTANCE, CircuitFacts
from ermon.verify.procedure import walk
from ermon.verify.report import CircuitReport, Outcome, Proof, Step, worst


def _nothing(_: CircuitFacts) -> Iterator[Proof]:
    return iter(())


@dataclass(frozen=True, slots=True)
class StepKind:
    id: AcceptanceStep
    title: str
    passed: Callable[[CircuitFacts], str]
    """The text of a pass: numbers and names."""
    states: Callable[[CircuitFacts], Iterator[Proof]] = _nothing
    """What the step reads from the state itself."""
    needs_link: bool = False
    """Whether an ``ok`` about a link that is down does not count, because the step is about a link that is up."""
    blames_network: bool = True
    """Whether a failure is one of the network, and not of what ermon can see."""

    @property
    def asked(self) -> tuple[tuple[Check, Tested], ...]:
        """The checks that the step reads, and their part in it."""
        found = [
            (check, check.acceptance)
            for check in CATALOGUE.values()
            if isinstance(check.acceptance, Tested) and check.acceptance.step is self.id
        ]
        return tuple(sorted(found, key=lambda asked: asked[1].place))

    def counts(self, proof: Proof) -> bool:
        """Return whether a proof counts for the step. An unknown about a feed alone does not: it matters only if no other
        feed shows the same, and then ``states`` reports it.
        """
        return self.blames_network or proof.status is not Outcome.UNKNOWN or "feed" not in proof.labels


def judge(facts: CircuitFacts) -> CircuitReport:
    """Test a circuit."""
    steps = tuple(step for kind in STEPS if (step := _step(kind, facts)) is not None)
    not_asked = [
        check.name
        for kind in STEPS
        if kind.blames_network
        for check, part in kind.asked
        if not facts.answers(check.name) and not _must_answer(part, facts) and _may_answer(check, part, facts)
    ]
    return CircuitReport(
        circuit=facts.name,
        peering=facts.circuit.peering,
        location=facts.circuit.location,
        status=worst(step.status for step in steps),
        steps=steps,
        not_asked=tuple(not_asked),
        links=facts.prefixes,
        blinded_by=facts.blinded_by,
        procedure=walk(facts, steps),
    )


def _step(kind: StepKind, facts: CircuitFacts) -> Step | None:
    """Judge one step; return ``None`` if nothing in the configuration concerns it."""
    proofs = list(kind.states(facts))
    for check, part in kind.asked:
        if facts.answers(check.name):
            proofs += filter(kind.counts, facts.proofs(check.name, needs_link=kind.needs_link))
        elif _must_answer(part, facts):
            why = "switched off in ermon's configuration, so it was not tested"
            text = f"{check.name} is {OTHER_INSTANCE if facts.is_split else why}"
            proofs.append(Proof(Outcome.UNKNOWN, text, check.name))
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


# Which checks must be present ------------------------------------------------------------------------


def _must_answer(part: Tested, facts: CircuitFacts) -> bool:
    """Return whether the step needs this check, so that it can be missing only because it was switched off."""
    match part.required:
        case None:
            return False
        case Required.ALWAYS:
            return True
        case Required.ON_MICROSOFT_PEERING:
            return facts.is_microsoft
        case Required.WITH_SEVERAL_LINKS:
            links = facts.links.values()
            return any(sum(family in link.state for link in links) > 1 for family in facts.families)
        case Required.WITH_SERVICES:
            return facts.is_microsoft and any(link.service_routes for link in facts.links.values())
        case Required.WITH_UPLINK_MIRRORS:
            return any(feed.view == "to-internet" for feed in facts.feeds.values())
        case Required.WITH_POOLS_ON_INTERNET_VIEWS:
            return any(feeds for pool in facts.pools.values() for feeds in pool.on_internet.values())
        case Required.WITH_BOUND_POOLS:
            return facts.has_bound_pools
        case Required.WITH_OTHER_CIRCUITS:
            return bool(facts.other_circuits)
        case _:
            assert_never(part.required)


def _may_answer(check: Check, part: Tested, facts: CircuitFacts) -> bool:
    """Return whether another configuration of the same circuits could use this check."""
    if part.required is Required.WITH_OTHER_CIRCUITS and not facts.other_circuits:
        return False
    if part.required is Required.WITH_BOUND_POOLS and not facts.has_bound_pools:
        return False
    return check.peering is None or check.peering == facts.circuit.peering


# The table ------------------------------------------------------------------------------------------

STEPS: tuple[StepKind, ...] = (
    StepKind(
        AcceptanceStep.SESSIONS,
        "Every link is up",
        passed=evidence.links_up,
        states=evidence.sessions,
    ),
    StepKind(
        AcceptanceStep.STEADY,
        "No link drains, flaps or churns",
        passed=lambda _: "steady",
    ),
    StepKind(
        AcceptanceStep.SERVICES,
        "Required services arrive, with communities",
        passed=evidence.services,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.PREFIXES,
        "Every expected prefix is received",
        passed=evidence.received,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.COUNTS,
        "No link receives too few prefixes",
        passed=evidence.received,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.RECEIVED_EQUAL,
        "The links receive the same prefixes",
        passed=evidence.received,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.RECEIVED_CLEAN,
        "No unexpected prefixes received",
        passed=lambda _: "no default route, no private space, no own space",
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.POOLS,
        "Every NAT pool is advertised on its links",
        passed=evidence.pools,
        states=evidence.pools_advertised,
    ),
    StepKind(
        AcceptanceStep.ACCEPTED,
        "Microsoft holds the pools on both links",
        passed=evidence.pools,
    ),
    StepKind(
        AcceptanceStep.OWNERSHIP,
        "Registries name our ASN for the NAT pools",
        passed=evidence.ownership,
    ),
    StepKind(
        AcceptanceStep.POOLS_ELSEWHERE,
        "No NAT pool is advertised elsewhere",
        passed=evidence.not_on_other_circuits,
        states=evidence.pools_elsewhere,
    ),
    StepKind(
        AcceptanceStep.ADVERTISED_CLEAN,
        "Nothing else is advertised",
        passed=evidence.advertised,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.ADVERTISED_EQUAL,
        "The links advertise the same prefixes",
        passed=evidence.advertised,
        needs_link=True,
    ),
    StepKind(
        AcceptanceStep.LIMITS,
        "Well below Microsoft's prefix limits",
        passed=evidence.limits,
    ),
    StepKind(
        AcceptanceStep.INTERNET,
        "Nothing leaks to the internet",
        passed=evidence.internet_views,
        states=evidence.pools_on_internet,
    ),
    StepKind(
        AcceptanceStep.SIGHT,
        "ermon can see all of this",
        passed=lambda facts: f"{len(facts.feeds)} feeds, up and in sync",
        states=evidence.seen,
        blames_network=False,
    ),
)
