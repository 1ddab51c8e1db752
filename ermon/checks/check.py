"""The description of a check: everything about it is in one place, beside its judge.

Other layers read these descriptions and know no check by its name; ``catalogue`` lists them all. An incomplete
description harms no other check, and ``tests/checks/test_complete.py`` names what is missing.
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
    """The sections of the catalogue."""

    RECEIVED = "received from Microsoft"
    ADVERTISED = "advertised to Microsoft"
    AZURE = "Azure's own view"
    INTERNET = "on the internet"
    SEGMENTS = "segments"
    SIGHT = "ermon's own sight"


SUBJECT_LABELS = (
    *("circuit", "link", "family", "pool", "feed", "uplink", "segment", "ms_service"),
    *("geo", "group", "peering", "view", "process", "source", "region"),
)
"""Every label that a subject can have, in the order in which the series of findings show them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that belongs to one check, and that a configuration may change."""

    check: str
    """The name of the check."""
    name: str
    """The key in the configuration, under the check."""
    default: float
    """In the parameter's unit; durations are seconds."""
    unit: Literal["count", "percent", "duration"]
    description: str

    def of(self, config: Config) -> float:
        """Return the number as configured, else the default."""
        settings = config.checks.get(self.check, CheckSettings())
        return settings.parameters.get(self.name, self.default)


# The check's part in the acceptance test of a circuit (``ermon verify``) -----------------------------


class AcceptanceStep(StrEnum):
    """The steps of the acceptance test, in the order in which to mend what fails."""

    SESSIONS = "sessions"
    STEADY = "steady"
    SERVICES = "services"
    PREFIXES = "prefixes"
    COUNTS = "counts"
    RECEIVED_EQUAL = "received-equal"
    RECEIVED_CLEAN = "received-clean"
    POOLS = "pools"
    ACCEPTED = "accepted"
    OWNERSHIP = "ownership"
    POOLS_ELSEWHERE = "pools-elsewhere"
    ADVERTISED_CLEAN = "advertised-clean"
    ADVERTISED_EQUAL = "advertised-equal"
    LIMITS = "limits"
    INTERNET = "internet"
    SIGHT = "sight"


class Required(Enum):
    """For which circuits a step cannot pass without a verdict of the check, for example because it is switched off."""

    ALWAYS = auto()
    ON_MICROSOFT_PEERING = auto()
    WITH_SEVERAL_LINKS = auto()
    """Several links carry the same family."""
    WITH_SERVICES = auto()
    """Microsoft services are expected on Microsoft peering."""
    WITH_UPLINK_MIRRORS = auto()
    WITH_POOLS_ON_INTERNET_VIEWS = auto()
    """Some feed would show a pool of the circuit if it were on the internet."""
    WITH_BOUND_POOLS = auto()
    """A pool of the circuit is bound to some of its links."""
    WITH_OTHER_CIRCUITS = auto()
    """There are circuits on which a pool of this one must not be advertised."""


@dataclass(frozen=True, slots=True)
class Tested:
    """The step uses the verdicts of the check."""

    step: AcceptanceStep
    place: int = 0
    """The rank among the checks of the step: the step's summary is that of the first check that fails, 0 before 1.
    Checks of the same rank are in the order of the catalogue.
    """
    required: Required | None = None
    """``None`` if the step can pass without the check."""


@dataclass(frozen=True, slots=True)
class ReadFromState:
    """The step reads from the state what the check judges, even if the check is switched off."""

    step: AcceptanceStep


@dataclass(frozen=True, slots=True)
class NotTested:
    """The check is no part of the test. If it is raised, the report mentions it."""

    why: str


Acceptance = Tested | ReadFromState | NotTested


class Acceptable(Enum):
    """What ``ermon accept`` takes for right from now on."""

    LEVEL = auto()
    """The present amounts of routes that are received or advertised."""
    PATHS = auto()
    """The present AS paths of a link."""
    LIST = auto()
    """A published list that was refused."""


@dataclass(frozen=True, slots=True)
class Worse:
    """Another severity, for those violations of a check whose verdict says so."""

    severity: Severity
    when: str
    """For which violations, in words: ``for a pool that was listed before``."""


@dataclass(frozen=True, slots=True)
class OtherSeverity:
    """Another severity for those subjects of a check whose ``label`` does not have the value ``unless``."""

    severity: Severity
    label: str
    unless: str


# The check itself ------------------------------------------------------------------------------------

Needs = Callable[[Shard, Mapping[str, str]], bool]
"""Returns whether the subject with these labels exists on an instance; the functions are in ``ermon.checks.needs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check; times are seconds. Its guide is ``guide/NAME.md``."""

    name: str
    section: Section
    severity: Severity
    other_severity: OtherSeverity | None = None
    worse: Worse | None = None
    """The severity of some of its violations, by their verdicts."""
    raise_after: float
    """How long a violation must last without interruption before it is raised."""
    clear_after: float
    """How long the check must be ok before the finding is cleared."""
    subjects: Callable[[Config], Iterator[Subject]]
    labels: tuple[str, ...] = ()
    """The labels that each of its subjects has, and that distinguish the subjects."""
    optional_labels: tuple[str, ...] = ()
    """Labels that only some subjects have, or that add to another label: the uplink that a feed mirrors."""
    summary: str = ""
    """A finding in one line without a full stop: a ``str.format`` template over the labels, ``named_evidence``, and
    ``prefix``, ``routers`` and ``feeds`` of the evidence. ``[by {routers}|somewhere]`` becomes its first half if all
    values that it names are known, else its second half, which may be left out. The prefix and the routers of the
    evidence (or its feeds, if it has no routers) are added at the end unless the text names them already.
    """
    named_evidence: tuple[str, ...] = ()
    """Lists of its evidence that the summary names, such as ``pools``."""
    needs: Needs | None = None
    """Returns which feeds an instance must have for a subject to exist there."""
    peering: Peering | None = None
    """The only peering whose circuits it judges; ``None`` for both."""
    views: tuple[View, ...] = ()
    """The check is unknown if one of these views is missing; ``view-missing`` reports that."""
    parameters: tuple[Parameter, ...] = ()
    symptom: bool = False
    """The check is about a symptom: how often, how much, how different, or what is left. If another finding of its
    severity is raised, that one says more about what has happened and is named first.
    """
    off_by_default: bool = False
    """The check is off unless the configuration switches it on, for example because it needs a feed of its own."""
    suppresses: tuple[str, ...] = ()
    """The checks that its violation suppresses on the subjects that it touches, so that one cause is one page."""
    suppresses_together: tuple[str, ...] = ()
    """The checks that it suppresses only while all of its subjects are violated."""
    suppresses_while_stale: tuple[str, ...] = ()
    """The checks that its finding suppresses while it is raised and unknown, because it reports the same."""
    covered_by_maintenance: bool = True
    """Whether a maintenance window suppresses it."""
    shown_when_off: bool = False
    """Its violation is shown on a link or a pool even if the configuration switches the check off. Then the headline
    does not say that all is well.
    """
    acceptance: Acceptance | None = None
    acceptable: Acceptable | None = None
    """What a user may accept; ``None`` if its violations cannot be accepted."""

    def severity_of(self, subject: Subject, config: Config) -> Severity:
        """Return the severity of a subject's findings: from the configuration, the subject or the catalogue."""
        if (decided := self.settings(config).severity or subject.severity) is not None:
            return decided
        other = self.other_severity
        if other is None or dict(subject.labels)[other.label] == other.unless:
            return self.severity
        return other.severity

    def settings(self, config: Config) -> CheckSettings:
        """Return the settings of the check in the configuration."""
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
        """Return the summary of a finding, or of a subject without one."""
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
        """Return the summary. ``fill`` fills in a template; ``choose`` gets both halves of a group, the one with names
        first, and returns one.
        """
        text, at = "", 0
        for group in _GROUP.finditer(self.summary):
            first, _, second = group[1].partition("|")
            text += fill(self.summary[at : group.start()]) + choose(first, second)
            at = group.end()
        return (text + fill(self.summary[at:])).replace("  ", " ")


_GROUP = re.compile(r"\[([^\[\]]*)\]")
"""A part of a summary that depends on what is known: ``[words with {names}|words without them]``."""


def _spelled(name: str, values: Iterable[str]) -> list[str]:
    """Return the values of a label or of a part of the evidence; address families are spelled as in text."""
    return [FAMILY_NAMES.get(value, value) if name in ("family", "families") else value for value in values]


def named_in(template: str) -> list[str]:
    """Return the names of the fields in a template."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def names_in(text: str, name: str) -> bool:
    """Return whether a text has a name as a whole, and not only as a part of a longer name."""
    return re.search(rf"(?<![\w.:/-]){re.escape(name)}(?![\w.:/-]*\w)", text) is not None


class _Named(dict[str, str]):
    """Leaves a field without a value as its name: a mistake in a summary must not end ermon."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


# Its names in other systems --------------------------------------------------------------------------


def alert_name(check: str) -> str:
    """Return the name of a check's alert, for pushed alerts and rules: ``pool-leak`` gives ``ErmonPoolLeak``."""
    return "Ermon" + "".join(word.capitalize() for word in check.split("-"))


def finding_url(external_url: str, finding_id: str) -> str:
    """Return the URL of the page of one finding, below ``external_url``."""
    return f"{external_url.rstrip('/')}/findings/{finding_id}"


def runbook_url(external_url: str, check: str) -> str:
    """Return the URL of the page with ``ermon explain CHECK``, below ``external_url``."""
    return f"{external_url.rstrip('/')}/runbooks/{check}"
