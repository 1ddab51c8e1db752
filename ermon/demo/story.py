"""What happens in the demo, and what ermon must say of it: these findings, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ermon.demo.company import MORE_SPECIFIC, POOL, PRIMARY, SECONDARY, Company


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that must be raised or cleared."""

    state: str
    check: str
    labels: Mapping[str, str]
    prefixes: tuple[str, ...] = field(default=(), compare=False)
    """What the evidence must name when it is raised."""

    def __str__(self) -> str:
        return f"{self.state} {self.check} {' '.join(self.labels.values())}"


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    act: Callable[[Company], None]
    """What changes on the wire."""
    findings: tuple[Expected, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    """What ermon must say of these links."""
    remark: str = ""
    """What else is to be seen in this, once it has come out right."""


def story(*, omit_leak: bool = False) -> tuple[Step, ...]:
    """Return the steps. With ``omit_leak`` the leak is not sent, and yet expected."""
    return (*_leaks(omit_leak=omit_leak), *_losses())


def _leaks(*, omit_leak: bool) -> tuple[Step, ...]:
    leak = [("pool-leak", {"pool": "outbound", "family": "ipv4", "feed": "edge-1-isp-a", "uplink": "isp-a"})]
    outside = [("pool-leak", {"pool": "outbound", "family": "ipv6", "feed": "outside"})]
    return (
        Step(
            f"A mistake on edge-1: it announces the NAT pool {POOL.prefix} to isp-a",
            lambda company: None if omit_leak else company.announce("edge-1-isp-a", POOL),
            _raised(leak, POOL.prefix),
        ),
        Step(
            "Repaired: edge-1 withdraws it",
            lambda company: company.withdraw("edge-1-isp-a", POOL),
            _cleared(leak),
        ),
        Step(
            f"Far away, a part of the pool appears on the internet: {MORE_SPECIFIC.prefix}",
            lambda company: company.announce("outside", MORE_SPECIFIC),
            _raised(outside, MORE_SPECIFIC.prefix),
        ),
        Step(
            "It is withdrawn",
            lambda company: company.withdraw("outside", MORE_SPECIFIC),
            _cleared(outside),
        ),
    )


def _losses() -> tuple[Step, ...]:
    link = [("link-down", {"circuit": "chicago", "link": "primary", "family": f}) for f in ("ipv4", "ipv6")]
    circuit = [("circuit-down", {"circuit": "chicago", "family": f}) for f in ("ipv4", "ipv6")]
    feed = [("feed-down", {"feed": "edge-2"})]
    return (
        Step(
            "The primary link is lost: edge-1 has no route from Microsoft any more",
            lambda company: company.withdraw("edge-1", *PRIMARY),
            _raised(link),
            links={"primary": "down", "secondary": "up"},
        ),
        Step(
            "The secondary link is lost as well, and with it the circuit",
            lambda company: company.withdraw("edge-2", *SECONDARY),
            _raised(circuit),
            links={"primary": "down", "secondary": "down"},
            remark="one cause, one page: no link-down for the secondary link beside it",
        ),
        Step(
            "The secondary link comes back",
            lambda company: company.announce("edge-2", *SECONDARY),
            _cleared(circuit),
            links={"primary": "down", "secondary": "up"},
        ),
        Step(
            "The primary link comes back",
            lambda company: company.announce("edge-1", *PRIMARY),
            _cleared(link),
            links={"primary": "up", "secondary": "up"},
        ),
        Step(
            "ermon loses sight: the session over which edge-2 shows its table ends",
            lambda company: company.disconnect("edge-2"),
            _raised(feed),
            links={"primary": "up", "secondary": "unknown"},
            remark="not seen is not down: nothing is said about the link or the circuit",
        ),
        Step(
            "The session comes back",
            lambda company: company.connect("edge-2"),
            _cleared(feed),
            links={"primary": "up", "secondary": "up"},
        ),
    )


_Subjects = list[tuple[str, dict[str, str]]]


def _raised(subjects: _Subjects, *prefixes: str) -> tuple[Expected, ...]:
    return tuple(Expected("raised", check, labels, prefixes) for check, labels in subjects)


def _cleared(subjects: _Subjects) -> tuple[Expected, ...]:
    return tuple(Expected("cleared", check, labels) for check, labels in subjects)
