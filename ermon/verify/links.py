"""The state of the links, as it is."""

from __future__ import annotations

from collections.abc import Iterator

from ermon.checks.redundancy import LINK_DOWN
from ermon.verify.circuit import FAMILY_NAMES, CircuitFacts
from ermon.verify.report import Outcome, Proof


def sessions(facts: CircuitFacts) -> Iterator[Proof]:
    yield from facts.elsewhere("edge-table")
    for name, link in facts.links.items():
        for family, state in link.state.items():
            labels = {"circuit": facts.name, "link": name, "family": family}
            subject = f"{FAMILY_NAMES[family]} on link {name} ({link.router})"
            details = {
                "routers": [link.router],
                "routes": link.routes[family],
                "since": link.since[family],
                "feeds": list(link.decided_by[family]),
            } | facts.finding_details(LINK_DOWN.name, labels)
            match state:
                case "up":
                    yield Proof(Outcome.PASS, f"{subject} is up", labels=labels, details=details)
                case "down":
                    yield Proof(Outcome.FAIL, f"{subject} is down", labels=labels, details=details)
                case _:
                    text = f"whether {subject} is up cannot be told"
                    yield Proof(Outcome.UNKNOWN, text, labels=labels, details=details)
