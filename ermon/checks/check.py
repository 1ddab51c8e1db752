"""What a check is: all that is said of it, in one place beside its judge.

Other layers interpret what a check says of itself and know none by its name; ``catalogue`` lists them all.
What a check leaves unsaid breaks nothing but itself, and ``tests/checks/test_complete.py`` names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from string import Formatter
from typing import Any, Literal

from ermon.checks.sharding import Shard
from ermon.checks.subject import Subject
from ermon.model.inventory import Config, Peering, View
from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.settings import CheckSettings, Severity


class Section(StrEnum):
    RECEIVED = "received from Microsoft"
    ADVERTISED = "advertised to Microsoft"
    INTERNET = "on the internet"
    SEGMENTS = "segments"
    SIGHT = "ermon's own sight"


SUBJECT_LABELS = (
    *("circuit", "link", "family", "pool", "feed", "uplink", "segment", "ms_service"),
    *("geo", "group", "peering", "view", "process", "source"),
)
"""Every label that a subject can have, in the order in which the series of findings show them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that one check alone understands, and that a configuration may change."""

    check: str
    """The name of the check."""
    name: str
    """The key in the configuration, under the check."""
    default: float
    """In the unit; durations are seconds."""
    unit: Literal["count", "percent", "duration"]
    description: str

    def of(self, config: Config) -> float:
        """Return the number as configured, else the default."""
        settings = config.checks.get(self.check, CheckSettings())
        return settings.parameters.get(self.name, self.default)


# Its part in the acceptance test of a circuit (``ermon verify``) -------------------------------------


class AcceptanceStep(StrEnum):
    """The steps of the acceptance test, in the order in which one would fix what fails."""

    SESSIONS = "sessions"
    STEADY = "steady"
    SERVICES = "services"
    PREFIXES = "prefixes"
    COUNTS = "counts"
    RECEIVED_EQUAL = "received-equal"
    RECEIVED_CLEAN = "received-clean"
    POOLS = "pools"
    POOLS_ELSEWHERE = "pools-elsewhere"
    ADVERTISED_CLEAN = "advertised-clean"
    ADVERTISED_EQUAL = "advertised-equal"
    LIMITS = "limits"
    INTERNET = "internet"
    SIGHT = "sight"


class Required(Enum):
    """Of which circuits a step cannot pass while the check does not answer, say since it is switched off."""

    ALWAYS = auto()
    ON_MICROSOFT_PEERING = auto()
    WITH_SEVERAL_LINKS = auto()
    """Several links carry the same family."""
    WITH_SERVICES = auto()
    """Microsoft services are expected on Microsoft peering."""
    WITH_UPLINK_MIRRORS = auto()
    WITH_POOLS_ON_INTERNET_VIEWS = auto()
    """Some feed would show a pool of the circuit on the internet."""
    WITH_BOUND_POOLS = auto()
    """A pool of the circuit is bound to some of its links."""
    WITH_OTHER_CIRCUITS = auto()
    """There are circuits on which a pool of this one must not be advertised."""


@dataclass(frozen=True, slots=True)
class Tested:
    """The step asks the check."""

    step: AcceptanceStep
    place: int = 0
    """Among the checks of the step, whose summary is that of the first which fails: 0 before 1, and those in
    the same place in the order of the catalogue.
    """
    required: Required | None = None
    """``None``: the step can pass without it."""


@dataclass(frozen=True, slots=True)
class ReadFromState:
    """The step reads from the state itself what the check asks, whether or not the check is switched on."""

    step: AcceptanceStep


@dataclass(frozen=True, slots=True)
class NotTested:
    """No part of the test; where it is raised, the report says so."""

    why: str


Acceptance = Tested | ReadFromState | NotTested


class Acceptable(Enum):
    """What ``ermon accept`` takes for right from now on."""

    LEVEL = auto()
    """The amounts that are received or advertised."""
    PATHS = auto()
    """What the paths of a link are like."""
    LIST = auto()
    """A published list that was refused."""


@dataclass(frozen=True, slots=True)
class OtherSeverity:
    """Subjects of a check whose ``label`` has another value than ``unless`` are of this severity."""

    severity: Severity
    label: str
    unless: str


# The check itself ------------------------------------------------------------------------------------

Needs = Callable[[Shard, Mapping[str, str]], bool]
"""Returns whether the subject with these labels exists on an instance: those in ``ermon.checks.needs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check; times are seconds. Its guide is ``guide/NAME.md``."""

    name: str
    section: Section
    severity: Severity
    other_severity: OtherSeverity | None = None
    raise_after: float
    """How long a violation must last without interruption before it is raised."""
    clear_after: float
    """How long the check must be ok before the finding is cleared."""
    subjects: Callable[[Config], Iterator[Subject]]
    labels: tuple[str, ...] = ()
    """The labels that each of its subjects has, and that tell it from the others."""
    optional_labels: tuple[str, ...] = ()
    """Those that only some have, or that say more of another: the uplink that a feed mirrors."""
    summary: str = ""
    """A finding in one line without a full stop: a ``str.format`` template over the labels, ``named_evidence``, and
    ``prefix``, ``routers`` and ``feeds`` of the evidence. ``[by {routers}|somewhere]`` stands for its first half where
    all that it names is known, else for the second, which may be left out. The prefix and the routers of the evidence
    are added at the end where the template names none.
    """
    named_evidence: tuple[str, ...] = ()
    """Lists of its evidence that the summary names, such as ``pools``."""
    needs: Needs | None = None
    """Which feeds must be those of an instance for a subject to exist there."""
    peering: Peering | None = None
    """The only peering whose circuits it asks about; ``None``: both."""
    views: tuple[View, ...] = ()
    """It stays unknown where one of these views is missing; ``view-missing`` says so."""
    parameters: tuple[Parameter, ...] = ()
    symptom: bool = False
    """It says how often, how much or how unlike, or what is left: where something else of its severity is raised, that
    says more of what has happened, and is named first.
    """
    off_by_default: bool = False
    """A configuration must switch it on, say since it needs a feed of its own."""
    suppresses: tuple[str, ...] = ()
    """One cause, one page: the checks that a violation keeps quiet on the subjects that it touches."""
    suppresses_together: tuple[str, ...] = ()
    """Those that it keeps quiet only while it is violated on all of its subjects."""
    suppresses_while_stale: tuple[str, ...] = ()
    """Those that a finding suppresses while it is raised and unknown, since it reports the same."""
    covered_by_maintenance: bool = True
    """Whether a maintenance window keeps it quiet."""
    shown_when_off: bool = False
    """Its violation is shown on a link or a pool, and so the network is not called well, even where the configuration
    switches it off.
    """
    acceptance: Acceptance | None = None
    acceptable: Acceptable | None = None
    """What a user may accept; ``None``: its violations cannot be accepted."""

    def severity_of(self, subject: Subject, config: Config) -> Severity:
        """Return the severity of a subject's findings: the configuration's, the policy's or the catalogue's."""
        if (decided := self.settings(config).severity or subject.severity) is not None:
            return decided
        other = self.other_severity
        if other is None or dict(subject.labels)[other.label] == other.unless:
            return self.severity
        return other.severity

    def settings(self, config: Config) -> CheckSettings:
        """Return what the configuration says of it."""
        return config.checks.get(self.name, CheckSettings())

    def enabled(self, config: Config) -> bool:
        switched = self.settings(config).enabled
        return not self.off_by_default if switched is None else switched

    def raised_after(self, config: Config) -> float:
        """Return ``raise_after`` as configured, in seconds."""
        changed = self.settings(config).raise_after
        return self.raise_after if changed is None else changed

    def cleared_after(self, config: Config) -> float:
        """Return ``clear_after`` as configured, in seconds."""
        changed = self.settings(config).clear_after
        return self.clear_after if changed is None else changed

    def summarize(self, labels: Mapping[str, str], evidence: Mapping[str, Any] | None = None) -> str:
        """Return the summary of a finding, or of a subject that nothing is found about."""
        found = evidence or {}
        prefix, routers = next(iter(found.get("prefixes", ())), ""), found.get("routers", ())
        named = {
            name: ", ".join(_spelled(name, found.get(name, ())))
            for name in (*self.named_evidence, "routers", "feeds")
        }
        optional = dict.fromkeys(self.optional_labels, "")
        values = {name: _spelled(name, (value,))[0] for name, value in labels.items()}
        words = _Named({**optional, **values, **named, "prefix": prefix})

        def choose(first: str, second: str) -> str:
            return (first if all(words[name] for name in named_in(first)) else second).format_map(words)

        text = self.write_summary(lambda template: template.format_map(words), choose)
        if prefix and not names_in(text, prefix):
            text = f"{text}: {prefix}"
        places = [name for name in routers or found.get("feeds", ()) if not names_in(text, name)]
        return f"{text} ({', '.join(places)})" if places else text

    def write_summary(self, fill: Callable[[str], str], choose: Callable[[str, str], str]) -> str:
        """Return the summary: ``fill`` writes a template, ``choose`` one of a group's two, the words with names first."""
        text, at = "", 0
        for group in _GROUP.finditer(self.summary):
            first, _, second = group[1].partition("|")
            text += fill(self.summary[at : group.start()]) + choose(first, second)
            at = group.end()
        return (text + fill(self.summary[at:])).replace("  ", " ")


_GROUP = re.compile(r"\[([^\[\]]*)\]")
"""A part of a summary that depends on what is known: ``[words with {names}|words without them]``."""


def _spelled(name: str, values: Iterable[str]) -> list[str]:
    """Return what a label or a part of the evidence names, with address families in the spelling of text."""
    return [FAMILY_NAMES.get(value, value) if name in ("family", "families") else value for value in values]


def named_in(template: str) -> list[str]:
    """Return the names that a template is filled with."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def names_in(text: str, name: str) -> bool:
    """Return whether a text names something by itself, and not only something whose name begins or ends like it."""
    return re.search(rf"(?<![\w.:/-]){re.escape(name)}(?![\w.:/-]*\w)", text) is not None


class _Named(dict[str, str]):
    """What is not there stands by its name: a summary with a mistake in it must not end ermon."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


# What others call it ---------------------------------------------------------------------------------


def alert_name(check: str) -> str:
    """Return the name of a check's alert, pushed or from a rule: ``pool-leak`` gives ``ErmonPoolLeak``."""
    return "Ermon" + "".join(word.capitalize() for word in check.split("-"))


def finding_url(external_url: str, finding_id: str) -> str:
    """Return the page of one finding on an ermon that people reach under ``external_url``."""
    return f"{external_url.rstrip('/')}/findings/{finding_id}"


def runbook_url(external_url: str, check: str) -> str:
    """Return the page of ``ermon explain CHECK`` on an ermon that people reach under ``external_url``."""
    return f"{external_url.rstrip('/')}/runbooks/{check}"
