"""``/api/v1/status``: everything that is configured, its state, and how to show it.

A value for each family is an object with the families as keys. A link has no key for a family that another ermon
monitors.

The core alone decides whether something is well, wrong or unseen. ``headline``, ``overall`` and ``shown`` have its
decision, and the page and the terminal only print them. ``overall`` sums up the values beside it in one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ermon.model.findings import LinkState
from ermon.model.inventory import InternetUse, Peering, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity

Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
        extra_json_schema={"format": "date-time"},
    ),
]
"""A moment as ``2026-11-20T23:48:38.078Z`` (RFC 3339), in UTC, in milliseconds."""


def words(known: type[StrEnum]) -> Meta:
    """Describe a word of a known set: the schema lists the set, and clients accept any other word too."""
    return Meta(extra_json_schema={"enum": [word.value for word in known]})


class Answer(StrEnum):
    """Whether ermon sees something in a place. ``no`` means that its absence is proven, ``unknown`` that nothing is."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Shown(StrEnum):
    """How to show a link or a circuit. A link that drains is ``draining`` with or without routes, because the end of a
    drain may withdraw them all.
    """

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    DRAINING = "draining"


class PoolPlace(StrEnum):
    """The state of a pool in one place: on a link or on the internet. One wrong family makes it wrong."""

    ADVERTISED = "advertised"
    """Seen on a link that must advertise it."""
    MISSING = "missing"
    """Wrong: not seen on such a link."""
    UNEXPECTED = "unexpected"
    """Wrong: seen in a place where it must not be."""
    FAILOVER = "failover"
    """Seen on the internet, which is allowed because the pool's ``internet`` is ``failover``."""
    UNKNOWN = "unknown"
    """ermon sees nothing wrong, and cannot see the pool in some family."""


class PoolOverall(StrEnum):
    """A pool in all its places."""

    PLANNED = "planned"
    """It is in every place where it must be, and in no other."""
    WRONG = "wrong"
    """It is missing or unexpected somewhere."""
    UNKNOWN = "unknown"


class FeedOverall(StrEnum):
    """A feed's session and what it can prove, the best first."""

    UP = "up"
    """It is up and in sync: its silence proves absence. A session that its router reports by BMP may still be in its first dump, of
    which routers often do not report the end.
    """
    IMPAIRED = "impaired"
    """In sync, but messages were lost, or it has sent more routes than ermon accepts."""
    NOT_IN_SYNC = "not-in-sync"
    """It is up, and in some family not known to have sent everything."""
    DOWN = "down"
    UNKNOWN = "unknown"
    """Of a session that its router reports by BMP: it may be up or down."""
    ABSENT = "absent"
    """The same: the router reports that there is no such session. Of an uplink, this is no fault."""


class HeadlineKind(StrEnum):
    """The kinds of headline, by priority: the first that applies is the headline."""

    WRONG = "wrong"
    """A finding of severity critical or warning is raised, and still violated."""
    UNSEEN = "unseen"
    """Feeds are down or not in sync, or something that ermon could judge before is unknown now."""
    NOTICED = "noticed"
    """Something is wrong, and will be raised if it lasts."""
    RECOVERING = "recovering"
    """What is raised is no longer violated, and will be cleared if that lasts."""
    MAINTENANCE = "maintenance"
    """A maintenance window is open, or something is wrong that an exception or a disabled check keeps quiet."""
    DRAINING = "draining"
    """Microsoft drains a link."""
    WELL = "well"
    """ermon sees nothing wrong. What it can never see is listed as blind spots."""


StateWord = Annotated[str, words(LinkState)]
AnswerWord = Annotated[str, words(Answer)]
ShownWord = Annotated[str, words(Shown)]
PlaceWord = Annotated[str, words(PoolPlace)]
SeverityWord = Annotated[str, words(Severity)]
PeeringWord = Annotated[str, words(Peering)]
ViewWord = Annotated[str, words(View)]


class HeadlineDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the network in one line."""

    kind: Annotated[str, words(HeadlineKind)]
    text: str
    """The fact itself, for a phone, a log or the title of a tab; without a full stop."""
    about: str
    """More, in sentences: the number of findings, times, what ermon cannot see; may be empty."""
    since: Time | None
    """Since when it lasts; ``null`` if unknown or if nothing lasts."""
    due: Time | None = None
    """When it will be raised or cleared, when the maintenance ends, or until when ermon waits for routers; ``null``
    if nothing is due.
    """


class SessionDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A router's own session with Microsoft or a provider, as the router reports it by BMP."""

    state: StateWord
    reason: str
    """Why it is down or unknown, perhaps in the words of the other end; or ``established, but no route``. Empty: nothing to
    say."""
    since: Time | None
    """When it came up or went down, or ermon lost sight of it; ``null``: never."""
    neighbor: str
    """The other end's address; empty: any neighbor with the ASN of the uplink."""
    feed: str
    """The feed that is made of it."""


class LinkDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One link of a circuit, as far as this ermon monitors it."""

    router: str
    vrf: str | None = None
    """Its VRF on the router; ``null``: the global table."""
    location: str = ""
    watched_elsewhere: tuple[ViewWord, ...] = ()
    """The views that another ermon has (``--feeds.match``), and this one cannot judge."""
    state: Mapping[Family, StateWord]
    since: Mapping[Family, Time | None]
    """When the state began; ``null``: it has been unknown from the start."""
    transitions: Mapping[Family, int]
    """Changes between up and down."""
    draining: Mapping[Family, bool] = {}
    """Whether Microsoft drains the link; false after ``max_drain``."""
    routes: Mapping[Family, int]
    """Prefixes that are received on the link."""
    decided_by: Mapping[Family, tuple[str, ...]]
    """The feeds that prove presence and absence on the link; none: absence cannot be proven."""
    service_routes: Mapping[str, int] = {}
    """By required service: the routes with its community, of both families together."""
    services: Mapping[str, Mapping[Family, int]] = {}
    """The same by service and family."""
    service_answers: Mapping[str, Mapping[Family, AnswerWord]] = {}
    """By service and family, whether the link receives it; the number 0 beside ``unknown`` proves nothing."""
    advertised_prefixes: Mapping[Family, int]
    """Prefixes that the mirror shows; families that no mirror shows count 0. ``advertising`` says what that means."""
    advertising: Mapping[Family, AnswerWord] = {}
    """Whether ``advertised_prefixes`` are advertised: ``no`` while the link is down, when they only would be;
    ``unknown`` while the mirror is not in sync, or the link was down and may still be."""
    advertised_prefix_limit: Mapping[Family, int]
    """Prefixes at which Microsoft drops the session."""
    sessions: Mapping[Family, SessionDoc] = {}
    """The router's own sessions with Microsoft, where it reports them by BMP."""
    shown: Mapping[Family, ShownWord]
    """The state to show for each family."""
    overall: ShownWord
    """The worst of them: down, then unknown, then draining; unknown where there is none."""


class CircuitState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a circuit, from its links."""

    state: Mapping[Family, StateWord]
    """Up with one link up, down with all of them proven down; only families of which every link is monitored here."""
    links_up: Mapping[Family, int]
    links_unknown: Mapping[Family, int] = {}
    """Links that may be up or down."""
    shown: Mapping[Family, ShownWord] = {}
    """The worst of its links in each family: the sign to show beside ``state``."""
    overall: ShownWord
    """The worst of its links."""


class AzureDoc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Azure's own view of a circuit."""

    says: str = ""
    """What the last reading says of the circuit and its peering, in a few words; empty if there is none yet."""
    read_at: Time | None = None
    """When Azure said so."""
    current: bool = False
    """Whether that is young enough for the checks: no older than three intervals."""
    problem: str = ""
    """Why the latest attempt to read it failed."""


class CircuitDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One circuit. ``state``, ``links_up``, ``links_unknown``, ``shown`` and ``overall`` are those of ``CircuitState``."""

    geo: str
    location: str
    peering: PeeringWord
    state: Mapping[Family, StateWord]
    links_up: Mapping[Family, int]
    links_unknown: Mapping[Family, int] = {}
    shown: Mapping[Family, ShownWord] = {}
    links: Mapping[str, LinkDoc]
    overall: ShownWord
    azure: AzureDoc | None = None
    """``null`` if the configuration does not say where Azure's view is read."""


class PlaceDoc(msgspec.Struct, frozen=True, kw_only=True):
    """Names a link."""

    circuit: str
    link: str


class OwnershipDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What registries say of the pool's address space in one family."""

    read_at: str | None
    """When the newest list that counts was written or fetched (RFC 3339, UTC); ``None``: no list counts, so nothing is known."""
    vrps: tuple[str, ...]
    """The VRPs that cover the pool, such as ``198.51.100.0/24 AS64500, up to /28``."""
    route_objects: tuple[str, ...]
    """The route objects that cover the pool."""


class PoolDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One NAT pool, and where it is visible."""

    use: Literal["outbound", "inbound"]
    internet: Annotated[str, words(InternetUse)]
    """What is allowed of it on the internet."""
    prefixes: tuple[str, ...]
    circuits: tuple[str, ...]
    """The circuits that it belongs to."""
    expected_on: tuple[PlaceDoc, ...]
    """The links that must advertise it."""
    advertised: Mapping[Family, Mapping[str, Mapping[str, AnswerWord]]]
    """By family, circuit and link: whether the link's mirror shows all of the pool, and the link is not known to be
    down. The links are those of the pool's own circuits, and every other one that advertises it."""
    on_internet: Mapping[Family, Mapping[str, AnswerWord]]
    """By family and feed of the internet or to it: whether the pool or a part of it is there."""
    on_links: Mapping[str, Mapping[str, PlaceWord]]
    """By circuit and link: the state of the pool there, in all families together. Places where it is absent, and
    should be, are left out."""
    on_feeds: Mapping[str, PlaceWord]
    """The same by feed of the internet or to it."""
    overall: Annotated[str, words(PoolOverall)]
    ownership: Mapping[Family, OwnershipDoc] = {}
    """By family: what registries say of it; empty if none is asked."""


class FeedDoc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One feed: a BGP session from a router to ermon, or one of the router's own that it reports by BMP. Keys that do not apply
    are left out.
    """

    view: ViewWord
    router: str | None = None
    vrf: str | None = None
    """Of an edge table: the VRF that it shows; left out: the global table."""
    circuit: str | None = None
    """Of a mirror: the link that it mirrors."""
    link: str | None = None
    uplink: str | None = None
    """Of a mirror: the uplink that it mirrors."""
    segment: str | None = None
    peer: str
    """The router's address; by BMP: its neighbor's, empty for any neighbor with the ASN of the uplink."""
    local: str
    """ermon's address; by BMP: empty."""
    by_bmp: bool = False
    """The session is the router's own, with Microsoft or a provider, and the router reports it by BMP."""
    source: str | None = None
    """``ris-live``: it is no session, but what RIPE's route collectors receive; ``peer`` and ``local`` are empty."""
    process: str
    """The ExaBGP process that carries it; by BMP: ``bmp/`` and the router; with a source: the feed itself."""
    state: Annotated[str, Meta(extra_json_schema={"enum": ["up", "down", "unknown"]})]
    """Unknown only by BMP: the router does not report whether the session is up."""
    since: Time | None
    """When it came up or went down; ``null``: it never has."""
    down_reason: str
    """Why the session ended or is not seen, perhaps in the peer's own words; empty if unknown."""
    waiting_until: Time | None = None
    """Until when ermon waits for the router after a start of ExaBGP; left out: it does not wait."""
    in_sync: Mapping[Family, bool]
    """Whether the routes are known to be complete."""
    all_paths: Mapping[Family, bool]
    """Whether ADD-PATH is in force, so that the absence of one link's path is proven."""
    routes: Mapping[Family, int]
    """The number of routes, counting every path of a prefix."""
    partial: bool
    """ermon keeps only the routes that the policy needs."""
    last_message_at: Time | None
    updates: int
    """UPDATEs received since ermon was started."""
    lost_messages: int
    """Messages known to be lost since then."""
    loss: str | None
    """Why messages were lost, until a new session is in sync."""
    overflowed: bool
    """It has sent more than ``collector.max_routes`` or ``max_bytes`` allows, and stays down for a while."""
    blind: bool
    """It cannot prove that a route is missing: it is down, or not in sync in every family."""
    overall: Annotated[str, words(FeedOverall)]


class ProcessDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One ExaBGP process."""

    state: StateWord
    """Unknown: it has not reported yet."""
    feeds: tuple[str, ...]
    reason: str = ""
    """Why it is not running; empty while it is, or if unknown."""
    unconfined: tuple[str, ...] | None = None
    """Its access that this machine's kernel does not confine (``files``, ``ports``, ``signals``, ``calls``), as the
    metric ``ermon_exabgp_confined`` says; ``null``: it has not run yet."""


class BmpDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The BMP connection of a router, over which it reports its own sessions."""

    state: StateWord
    """Unknown: the router still has time to connect after a start of ermon."""
    since: Time | None
    """When the router connected; ``null``: it is not connected."""
    statistics: bool
    """Whether statistics come over it. Without them, ermon would not notice a removed session or a router that hangs."""
    reason: str
    """Why it is not connected; empty while it is."""
    feeds: tuple[str, ...]


class UplinkDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One uplink to the internet."""

    router: str
    asn: int
    """Of the provider."""
    sessions: Mapping[Family, SessionDoc] = {}
    """The router's own sessions with the provider, where it reports them by BMP; of families that it carries."""


class SegmentDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One internal segment."""

    expressroute: Literal["forbidden", "required"]
    """Whether it must or must not have Microsoft's routes."""


class QuietDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance window or an exception in force, which suppresses findings."""

    kind: Literal["maintenance", "exception"]
    about: Mapping[str, str]
    """The place of a window, such as ``{"router": "edge-1"}``; the check of an exception, and its labels."""
    until: Time | None
    """``null``: it has no end."""
    reason: str
    id: str | None = None
    """Of a window that was added while ermon runs, to end it by; ``null``: it is in the configuration."""
    by: str = ""
    """Who added it; empty: it is in the configuration, or unknown."""
    since: Time | None = None
    """When the window began; ``null``: an exception."""
    suppressed: tuple[str, ...] = ()
    """What is wrong and suppressed by it: summaries, the worst first, at most 20. What follows from one of these is not
    among them.
    """
    suppressed_total: int = 0
    """How many there are."""
    follow: int = 0
    """How many more violations follow from them: services are missing on a link that is down."""


class NoticedDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A violation that has not yet lasted for its check's ``raise_after``."""

    check: str
    severity: SeverityWord
    labels: Mapping[str, str]
    summary: str
    since: Time
    """When it began."""
    raises_at: Time | None
    """When it will be raised if it lasts."""


class GroupDoc(msgspec.Struct, frozen=True, kw_only=True):
    """Raised findings with one cause, shown as one."""

    text: str
    """The cause."""
    severity: SeverityWord
    """Of the worst of them."""
    since: Time
    """When the first of them began."""
    findings: tuple[str, ...]
    """Their ids, the worst first."""
    rank: int = 0
    """Its place in a list of raised findings, as that of one: with others of its rank, by the ``raised_at`` of its first.
    """


class ClockStepDoc(msgspec.Struct, frozen=True, kw_only=True):
    """The clock of ermon's machine was set, or the machine was suspended. No timer has moved, only dates."""

    time: float
    """To which time, in seconds since the epoch."""
    seconds: float
    """By how much; negative: back."""
    suspended: float
    """How many of these seconds the machine was suspended for."""
    text: str
    """``clock set back by 1 h 0 min``, ``machine suspended for 8 h 0 min``."""


class StatusDoc(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is configured, by its configured name, with its state."""

    version: str
    """Of ermon."""
    started_at: Time
    time: Time
    """ermon's own clock."""
    findings: Mapping[SeverityWord, int]
    """The number of raised findings, by severity."""
    circuits: Mapping[str, CircuitDoc]
    pools: Mapping[str, PoolDoc]
    feeds: Mapping[str, FeedDoc]
    processes: Mapping[str, ProcessDoc]
    bmp: Mapping[str, BmpDoc] = {}
    """By router that reports its sessions: its BMP connection."""
    uplinks: Mapping[str, UplinkDoc]
    segments: Mapping[str, SegmentDoc]
    headline: HeadlineDoc
    groups: tuple[GroupDoc, ...] = ()
    """The raised findings that belong together, such as those of a router of which no feed is up."""
    maintenance: tuple[QuietDoc, ...] = ()
    """The windows and exceptions in force, the first to end first."""
    noticed: tuple[NoticedDoc, ...] = ()
    """Violations that will be raised if they last, the first to be raised first: 100 at most."""
    noticed_total: int = 0
    """The number of all of them."""
    blind_spots: tuple[str, ...] = ()
    """What ermon can never see: views that no feed provides, and links that are visible by best paths only."""
    clock_steps: tuple[ClockStepDoc, ...] = ()
    """Steps of the machine's clock in the last 24 hours, the earliest first."""
