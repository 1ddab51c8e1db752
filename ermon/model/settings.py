"""The settings of checks and receivers: the policy, the checks, windows and exceptions, and the receivers.

``config`` reads these from YAML, as it reads the inventory of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from ermon.model.prefixes import Prefix
from ermon.model.routes import Community


class Severity(StrEnum):
    # The worst first.
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


RANKS = {severity: rank for rank, severity in enumerate(Severity)}
"""By severity: its rank; the worst is 0."""


@dataclass(frozen=True, slots=True)
class AcceptedLint:
    """A lint that the user has accepted (``policy.accept``)."""

    lint: str
    at: str
    """The path of the key that it is about, such as ``circuits.chicago``."""
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of the checks for all circuits; durations are seconds."""

    microsoft_asns: frozenset[int]
    public_space: tuple[Prefix, ...]
    internet_covering: Severity
    max_drain: float
    failover_grace: float
    """Seconds after a link came up in which a failover pool may still be on the internet."""
    relearn_after: float
    """Seconds after which a new steady level is usual."""
    blackhole_communities: frozenset[Community]
    """Communities that mean remote-triggered blackholing, besides 65535:666 (RFC 7999)."""
    accept: tuple[AcceptedLint, ...]


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """The settings of one check in the configuration; ``None`` and missing keys mean the catalogue's default."""

    enabled: bool | None = None
    severity: Severity | None = None
    raise_after: float | None = None
    clear_after: float | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A time in which one place is in maintenance: exactly one of these, or a circuit and one link of it."""

    starts: datetime
    ends: datetime
    reason: str
    circuit: str | None = None
    link: str | None = None
    feed: str | None = None
    router: str | None = None
    uplink: str | None = None
    segment: str | None = None
    group: str | None = None
    id: str = ""
    """The id of a window that was added while ermon runs; empty for windows of the configuration."""
    by: str = ""
    """Who added it."""


WINDOW_SCOPES = ("circuit", "feed", "router", "uplink", "segment", "group")
"""The kinds of places of a maintenance window: exactly one of these."""


@dataclass(frozen=True, slots=True)
class CheckException:
    """Subjects for which a check is switched off."""

    check: str
    labels: Mapping[str, str]
    """The labels that a subject must have; a label that is not named may have any value."""
    reason: str
    until: datetime | None = None
    """When it ends; ``None`` if it does not."""


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name and the file with the password (RFC 7617)."""

    username: str
    password_file: str


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The authorities that a client trusts, and its certificate. By default it trusts those of the system, and has
    none.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """How ermon and a receiver of findings authenticate each other. The files are named here; their contents are
    not.
    """

    basic_auth: BasicAuth | None = None
    bearer_token_file: str | None = None
    tls: ClientTls = ClientTls()


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """The Alertmanagers that findings are pushed to; ``resend`` is in seconds."""

    urls: tuple[str, ...]
    resend: float
    access: Access = Access()


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of findings as JSON."""

    url: str
    events: tuple[Literal["raised", "cleared"], ...]
    secret_file: str | None = None
    access: Access = Access()
