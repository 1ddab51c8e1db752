"""What Azure says beside the test of a circuit: ARP, Microsoft's side of the sessions, and how old its answers are.

It is minutes old, so it stands beside what the feeds show, and never changes the outcome of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ermon.model.text import utc_text
from ermon.verify.circuit import CircuitFacts
from ermon.verify.report import Outcome


def arp(facts: CircuitFacts) -> tuple[Outcome, str] | None:
    """Return what Azure's ARP tables say of the ends of the links; ``None`` if they are not read."""
    if not facts.edges:
        return None
    problems = [f"{name}: {edge.arp}" for name, edge in facts.edges.items() if edge.arp]
    if problems:
        return Outcome.FAIL, "; ".join(problems)
    unread = [name for name, edge in facts.edges.items() if edge.arp is None]
    if unread:
        return Outcome.UNKNOWN, f"nothing recent of the ARP table of {' and '.join(unread)}"
    return Outcome.PASS, f"both ends of {' and '.join(facts.edges)} answer at layer 2"


def arp_tables(facts: CircuitFacts) -> Iterator[str]:
    if asked := _asked(facts):
        yield f"Azure's ARP tables, asked {asked}"


def readings(facts: CircuitFacts) -> Iterator[str]:
    """Yield what Azure's answer to the question of acceptance was read from, and when."""
    if facts.azure is not None and facts.azure.read_at is not None:
        read_at = _in_words(facts.azure.read_at)
        yield f"Azure's view of the circuit, read {read_at}{'' if facts.azure.current else ', too old'}"
    if asked := _asked(facts):
        yield f"Microsoft's tables of {' and '.join(facts.edges)}, asked {asked}"


def sessions(facts: CircuitFacts) -> str:
    """Return the states of the sessions by the summaries of Microsoft's tables; empty if there is none that is recent."""
    states: dict[str, list[str]] = {}
    for edge in facts.edges.values():
        for address, state in edge.sessions.items():
            states.setdefault(state, []).append(address)
    if not states:
        return ""
    said = "; ".join(f"{state} with {', '.join(addresses)}" for state, addresses in states.items())
    return f"Microsoft's side, asked {_asked(facts)}: {said}"


def _asked(facts: CircuitFacts) -> str:
    """Return when Azure was asked for the older ones of the tables; empty if nothing was read."""
    times = [edge.read_at for edge in facts.edges.values() if edge.read_at is not None]
    return _in_words(min(times)) if times else ""


def _in_words(time: str | float) -> str:
    """Return a time of the API for people; the server may be anything."""
    try:
        return utc_text(time if isinstance(time, float) else datetime.fromisoformat(time).timestamp())
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"
