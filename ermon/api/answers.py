"""The data of every path of the API but ``/api/v1/status``: findings, routes, search, checks, windows, events, history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from ermon.api.status import (
    CircuitState,
    ClockStepDoc,
    FeedDoc,
    LinkDoc,
    PoolDoc,
    SeverityWord,
    Shown,
    ShownWord,
    StateWord,
    StatusDoc,
    Time,
    words,
)
from ermon.model.findings import Finding, Status, TransitionState
from ermon.model.prefixes import Family
from ermon.model.settings import Severity
from ermon.model.text import rfc3339

_SUBSTANCE = ("check", "severity", "labels", "summary", "evidence")


class FindingDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A violation that has lasted for its check's ``raise_after``, and its course."""

    id: str
    """The same in every ermon that saw the violation begin, and after a restart."""
    state: Annotated[str, words(TransitionState)]
    check: str
    severity: SeverityWord
    labels: Mapping[str, str]
    """Its subject: exactly the labels of the check's subject."""
    summary: str
    evidence: Mapping[str, Any]
    """What proves it, by name; a list is cut after 20, and ``prefixes_total`` counts all of ``prefixes``."""
    since: Time
    """When the violation began."""
    raised_at: Time
    ended_at: Time | None
    """When the violation ended; it was cleared ``clear_after`` later."""
    cleared_at: Time | None
    stale: bool
    """Raised, and unknown at present: it may be over."""
    suppressed: bool
    """A maintenance window, an exception, a drain or another finding suppresses it."""
    suppressed_because: str | None = None
    """The window or the exception, with its end and its reason, or the check whose violation suppresses it."""
    ok_since: Time | None = None
    """While it is recovering: since when the violation is gone. It is raised until it stays so for ``clear_after``."""
    clears_at: Time | None = None
    """While it is recovering: when it will be cleared unless the violation returns."""
    rank: int = 0
    """Its place in a list of raised findings: the lower, the more it matters. Those of one rank are listed in the order of
    ``raised_at``. It changes while the finding is raised: what is suppressed or recovering comes later.
    """


class SubjectDoc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The status of a check for one subject: an element of ``/api/v1/statuses``, and a line of ``--statuses``."""

    check: str
    labels: Mapping[str, str]
    status: Annotated[str, words(Status)]
    suppressed_because: str | None = None
    """Of what is suppressed, on a daemon: as of a finding."""


def finding_doc(finding: Finding) -> FindingDoc:
    return FindingDoc(
        id=finding.id,
        state=TransitionState.RAISED if finding.cleared_at is None else TransitionState.CLEARED,
        check=finding.check,
        severity=finding.severity,
        labels=finding.labels,
        summary=finding.summary,
        evidence=finding.evidence,
        since=rfc3339(finding.since),
        raised_at=rfc3339(finding.raised_at),
        ended_at=rfc3339(finding.ended_at),
        cleared_at=rfc3339(finding.cleared_at),
        stale=finding.stale,
        suppressed=finding.suppressed,
        suppressed_because=finding.suppressed_because,
        ok_since=rfc3339(finding.ok_since),
        clears_at=rfc3339(finding.clears_at),
        rank=finding.rank,
    )


def substance(finding: FindingDoc) -> dict[str, Any]:
    """Return the content of a finding without times and flags. ``ermon replay`` and webhooks add their own times."""
    return {name: getattr(finding, name) for name in _SUBSTANCE}


class HasSeverity(Protocol):
    """A finding, or a violation that may become one."""

    @property
    def severity(self) -> Severity: ...


def by_severity(raised: Iterable[HasSeverity]) -> Mapping[str, int]:
    """Count findings by severity, the worst severity first, also severities that no finding has."""
    counts = Counter(finding.severity for finding in raised)
    return {severity.value: counts[severity] for severity in Severity}


T = TypeVar("T")


class Success(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """The envelope of every successful answer."""

    status: Literal["success"]
    data: T
    warnings: tuple[str, ...] = ()
    """What may be missing in the data, and why."""


class Failure(msgspec.Struct, frozen=True):
    """The envelope of every error."""

    status: Literal["error"]
    error: str
    """What is wrong, and what would be right."""


# One finding ---------------------------------------------------------------------------------------------


class BlockDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What is pasted at once, in one place."""

    heading: str
    """Where it belongs, such as a file, or what it is for; empty for a router's command line or a shell."""
    lines: tuple[str, ...]
    """Each is one line of text: a client takes a line break inside a text for an attempt to forge one."""


class CommandsDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The commands for one question of a guide in one place."""

    where: str
    """The router, and the link, uplink or feed there; empty if neither the finding nor the configuration names it."""
    platform: str | None
    """The router's platform in the configuration."""
    commands: Mapping[str, tuple[BlockDoc, ...]]
    """By platform, filled in, in the order in which it is pasted; platforms without a confirmed command are left out."""
    hint: str = ""
    """How to name the platform in the configuration, with keys in backticks; empty if it is named there, or if the
    router is not known.
    """


class PartDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a step, and the commands behind it."""

    text: str
    """With commands in backticks."""
    commands: tuple[CommandsDoc, ...] = ()


class OneFindingDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, raised or past, with what to do about it."""

    finding: FindingDoc
    title: str
    """Of its check."""
    meaning: str
    steps: tuple[tuple[PartDoc, ...], ...]
    """What to do, filled in from the finding and the configuration as it is now."""
    placeholders: Mapping[str, str]
    """The words in capitals that are left in the commands, and their meaning."""
    platforms: Mapping[str, str]
    """The names of the platforms."""
    also: tuple[FindingDoc, ...]
    """Other findings of that time."""
    silences: tuple[str, ...]
    """Links that open a silence with its labels, one for each configured Alertmanager."""
    unknown: tuple[str, ...]
    """What ermon no longer knows, in sentences."""


# Routes ----------------------------------------------------------------------------------------------


class CommunityDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A standard community (RFC 1997)."""

    community: str
    """``12076:5010``."""
    name: str | None
    """What Microsoft calls it; most communities have no name."""


class RouteDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One route as a feed has sent it (RFC 4271 section 4.3)."""

    feed: str
    prefix: str
    path_id: int | None
    """Of ADD-PATH (RFC 7911)."""
    next_hop: str | None
    as_path: str
    """``64500 12076 {8075 8068}``: braces are an AS_SET, parentheses a confederation's sequence."""
    communities: tuple[CommunityDoc, ...]
    large_communities: tuple[str, ...]
    med: int | None
    local_preference: int | None
    origin: str | None
    """``igp``, ``egp`` or ``incomplete``."""
    circuit: str | None
    """The link that it was learned over, where ``attribution`` is ``link``."""
    link: str | None
    attribution: Annotated[
        str | None,
        Meta(extra_json_schema={"enum": ["link", "unattributed", "internal-copy", "not-microsoft", None]}),
    ]
    """What a route of an edge table is, or of a session with Microsoft that its router reports; ``null`` in every other
    view."""


class RoutesDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The routes held for a prefix: the prefix itself, more specific or covering ones."""

    prefix: str
    match: Annotated[str, Meta(extra_json_schema={"enum": ["exact", "longer", "covering"]})]
    routes: tuple[RouteDoc, ...]
    total: int
    """How many were found."""
    total_exact: bool
    """Otherwise there are more than ``total``."""
    truncated: bool
    """Only the first of them are in ``routes``."""
    partial_feeds: tuple[str, ...]
    """ermon keeps only the routes of these that the policy needs: a missing route proves nothing."""
    feeds_not_in_sync: tuple[str, ...]
    """These may not have sent everything: a missing route proves nothing."""
    feeds_without: tuple[str, ...]
    """These have no such route; with too many routes to count, not all of them are named."""


# Search --------------------------------------------------------------------------------------------------


class FoundPlaceDoc(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has a name or an address, and fits the query."""

    kind: Annotated[
        str,
        Meta(
            extra_json_schema={
                "enum": [
                    "circuit", "link", "pool", "feed", "router", "uplink", "segment", "service", "check", "finding"
                ]
            }
        ),
    ]  # fmt: skip
    name: str
    """As people call it: ``primary of circuit chicago`` for a link."""
    text: str
    """What it is, in a line."""
    state: (
        Annotated[str, Meta(extra_json_schema={"enum": [*(word.value for word in Shown), "recovering"]})]
        | None
    )
    """How it is; of a finding ``down`` while it is raised, ``recovering``, and ``up`` when it is cleared; ``null`` where it
    has no state.
    """
    href: str | None
    """Its link, from the status page: ``#pool/chi`` on the page itself, or another page; ``null``: nowhere."""


class WithoutDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A feed on which a prefix is not held, and why."""

    feed: str
    reason: Annotated[
        str, Meta(extra_json_schema={"enum": ["absent", "covered", "not-in-sync", "not-kept", "other-family", "elsewhere"]})
    ]  # fmt: skip
    """Only ``absent`` and ``covered`` prove that the router does not have this prefix."""
    text: str
    """The same in words."""


class FoundRoutesDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The routes that fit a query in one way."""

    match: Annotated[
        str, Meta(extra_json_schema={"enum": ["exact", "covering", "longer", "as-path", "community"]})
    ]
    """``as-path``: the ASN is in the AS path. The routes to a prefix itself are in ``exact`` alone."""
    title: str
    routes: tuple[RouteDoc, ...]
    total: int
    """How many were found."""
    total_exact: bool
    """Otherwise there are more than ``total``."""
    truncated: bool
    """Only the first of them are in ``routes``."""


class SearchDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a query: places in the network, checks, findings, and routes."""

    query: str
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["prefix", "asn", "community", "name"]})]
    """How the query was understood."""
    title: str
    """What was searched for, in words."""
    places: tuple[FoundPlaceDoc, ...]
    """The best first."""
    places_total: int
    """How many were found; ``places`` has the first of them."""
    routes: tuple[FoundRoutesDoc, ...]
    """Of a name: the routes with the communities of the services that it names."""
    without: tuple[WithoutDoc, ...]
    """Of a prefix: the feeds on which it is not held, and why."""
    notes: tuple[str, ...]
    """What may be missing in the answer, in sentences."""


class LinkDifferenceDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The prefixes that are received on a link, and proven not to be on another link of its circuit."""

    prefixes: tuple[str, ...]
    """The first of them."""
    total: int
    complete: bool
    """These are all: every link is up and shows all paths."""


# The history -----------------------------------------------------------------------------------------


class LinkHistoryDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One link and family; times are seconds since the epoch."""

    circuit: str
    link: str
    family: Family
    states: tuple[tuple[float, ShownWord], ...]
    """Each state with the time when it began, the first at ``from``."""
    merged_until: float | None
    """Until when the changes were too many to store: they are one unknown period."""
    prefixes: tuple[int | None, ...]
    """How many prefixes were received on the link at each of ``times``; ``null``: unknown."""
    sessions: tuple[tuple[float, StateWord, str], ...] = ()
    """What the router has reported by BMP of its session with Microsoft: when, the state since then, and why (perhaps
    empty)."""


AwayWhy = Literal["stopped", "died", "suspended", "not-held"]


class AwayDoc(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """A period in which ermon was not running, as a whole; times are seconds since the epoch."""

    start: float
    end: float
    why: AwayWhy
    """``stopped``: it was stopped. ``died``: it or its machine crashed. ``suspended``: its
    machine was. ``not-held``: nothing is stored for that time.
    """


class TimelineDoc(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """The history between two times; times are seconds since the epoch."""

    start: float
    end: float
    """Never later than now."""
    times: tuple[float, ...]
    """When the prefixes were counted, five minutes apart."""
    links: tuple[LinkHistoryDoc, ...]
    """Those with stored states."""
    findings: tuple[FindingDoc, ...]
    """Those that were raised at some time in it, those that began before too: those that still are, the latest first, then
    those cleared last.
    """
    truncated: bool
    """There are more findings than are shown."""
    not_running: tuple[AwayDoc, ...]
    clock_steps: tuple[ClockStepDoc, ...]
    stored: bool
    """Whether ermon keeps a store. Without one it knows only what it has seen since it was started."""
    held_from: float
    """The earliest time for which anything is stored."""


# Checks ----------------------------------------------------------------------------------------------


class CheckDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the catalogue."""

    check: str
    title: str
    severity: SeverityWord
    """As the configuration has it."""
    section: str


class CheckGuideDoc(CheckDoc, frozen=True, kw_only=True):
    """The same, with its guide; commands are in backticks."""

    meaning: str
    needs: str
    action: tuple[str, ...]
    """What to do, step by step."""
    placeholders: Mapping[str, str]
    """The words in capitals in the commands, and their meaning."""
    source: str


# Maintenance -----------------------------------------------------------------------------------------


RequestedTime = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""Read by ``model.text.parse_timestamp``, as times in the configuration are, which also says what is wrong with one."""


class WindowRequest(msgspec.Struct, forbid_unknown_fields=True, rename={"starts": "from", "ends": "to"}):
    """The body of a request for a window; times are RFC 3339 with a zone, ``from`` is now unless said."""

    ends: RequestedTime
    reason: str
    starts: RequestedTime | None = None
    circuit: str | None = None
    link: str | None = None
    feed: str | None = None
    router: str | None = None
    uplink: str | None = None
    segment: str | None = None
    group: str | None = None


class WindowDoc(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"starts": "from", "ends": "to"}
):
    """A maintenance window: about a circuit or one of its links, a feed, a router with its links and feeds, an uplink, a
    segment or a group; what does not apply is left out.
    """

    id: str | None
    """``null``: of the configuration."""
    origin: Annotated[str, Meta(extra_json_schema={"enum": ["configuration", "run time"]})]
    circuit: str | None = None
    link: str | None = None
    feed: str | None = None
    router: str | None = None
    uplink: str | None = None
    segment: str | None = None
    group: str | None = None
    starts: Time
    ends: Time
    reason: str
    by: str = ""
    """Who added it at run time: an account of ermon's machine, a user, or the name on a certificate."""
    active: bool
    """It is open now."""


class CoveredDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What a window would suppress; the request adds no window."""

    window: WindowDoc
    places: tuple[str, ...]
    """In words: ``circuit chicago``, ``link primary of circuit chicago``."""
    checks: tuple[str, ...]
    """Checks that would raise nothing new there."""
    subjects: int
    """How many subjects of these checks."""
    raised: tuple[str, ...]
    """The summaries of findings raised there: they stay raised, marked as suppressed."""


class ProbeGroupDoc(msgspec.Struct, frozen=True, kw_only=True):
    """Targets for blackbox_exporter, in the format of Prometheus' HTTP service discovery: those of one service in one group of
    circuits.
    """

    targets: tuple[str, ...]
    """Hosts with TCP ports."""
    labels: Mapping[str, str]
    """``ms_service``, ``geo`` and, if it has a name, ``group``: the labels of ermon's own series."""


class AzureRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Whose tables Azure is asked for out of turn."""

    circuit: str | None = None
    """``null``: every circuit whose tables are read."""


class AzureLinkDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of Microsoft's edge router at the far end of a link."""

    read_at: float | None
    """When Azure was asked for the route table that was read last: seconds since the epoch; ``null``: none was read."""
    problem: str
    """Why the last attempt failed; empty if it did not."""
    said: Mapping[Family, str]
    """By family: what the edge router says of its session and of ARP, in words; empty: nothing that is recent."""
    sessions: Mapping[str, str]
    """By our address: the state of the session, ``up`` or the edge router's word for another one; only what is recent."""
    arp: str | None
    """What is wrong by the ARP table, and who can mend it; empty: our end of the link answers; ``null``: nothing that is
    recent."""
    bytes_in: int | None
    """Octets that came from the link, counted by the edge router; ``null``: not read."""
    bytes_out: int | None
    """Octets that went over the link."""


class AzureTablesDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of Microsoft's edge routers for one circuit."""

    circuit: str
    reading: bool
    """Whether they are being read now."""
    seconds: float | None
    """Of a request: in how many seconds they will be read; 0: now. ``null``: they were not requested."""
    links: Mapping[str, AzureLinkDoc]


class CallerDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The caller."""

    name: str | None
    """A user, the name on a certificate or an account of ermon's machine; ``null``: not proven."""
    may_change: bool
    """Whether they may add and end maintenance windows, and accept a new normal."""
    how: str
    """How to get the right, if they may not."""
    acceptable: tuple[str, ...]
    """The checks whose findings can be accepted."""


class AcceptRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to accept from now on: the subjects of a check on a circuit, or a published list."""

    check: str
    reason: str
    circuit: str | None = None
    link: str | None = None
    """``null``: every link."""
    service: str | None = None
    """By name or community; ``null``: every service."""
    source: str | None = None
    """The label of the findings about a published list."""


class AcceptedDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A subject whose present state was accepted."""

    check: str
    labels: Mapping[str, str]
    by: str
    """Who accepted it: an account of ermon's machine, a user, or the name on a certificate."""
    because: str
    """The reason in the history."""
    status: Annotated[str, words(Status)]
    """The present status of the check: below a configured minimum it stays violated."""


# Events ----------------------------------------------------------------------------------------------


class SnapshotEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment: the first event, and the first after more was missed than is kept."""

    status: StatusDoc
    findings: tuple[FindingDoc, ...]


class LinkEvent(LinkDoc, frozen=True, kw_only=True):
    """A link and its circuit, as they are now."""

    circuit: str
    link: str
    circuit_state: CircuitState


class FeedEvent(FeedDoc, frozen=True, kw_only=True, omit_defaults=True):
    """A feed, as it is now."""

    feed: str


class PoolEvent(PoolDoc, frozen=True, kw_only=True):
    """A pool, as it is now."""

    pool: str
