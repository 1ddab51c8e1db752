"""The identity of a published list, and its name."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ermon.model.inventory import Source
from ermon.model.ownership import OwnershipSource

SERVICE_AREAS = ("Common", "Exchange", "SharePoint", "Skype")

_DIGEST_CHARACTERS = 8
"""Enough to distinguish the few sources of one configuration."""

_LONGEST_SELECTION = 80
"""The longest selection, in characters, that a name shows in full; of a longer one it has a digest."""


class SourceKey(NamedTuple):
    """A published list, or the part of it that is used; or a source of VRPs or route objects. Circuits that use the same
    list share it.
    """

    kind: str
    location: str
    """A path, or a complete URL; logs and labels show ``name`` instead, because a URL may have access keys."""
    select: tuple[str, ...] = ()
    """Sorted."""

    @classmethod
    def of(cls, source: Source | OwnershipSource) -> SourceKey:
        select = source.select if isinstance(source, Source) else ()
        return cls(source.kind, source.location, tuple(sorted(select)))

    @property
    def name(self) -> str:
        """The label ``source``, such as ``m365:endpoints.office.com/endpoints/Worldwide[Exchange,Skype]``.

        It depends on the source alone, so that no other source changes it. The query of a URL, where access keys are,
        is replaced by a digest.
        """
        return f"{self.kind}:{shown(self.location)}{_shown_selection(self.select)}"


def is_url(location: str) -> bool:
    """Return whether a location is a URL to fetch; otherwise it is a file to read (a path, or a ``file:`` URL)."""
    return urlsplit(location).scheme in {"http", "https"}


def shown(location: str) -> str:
    """Return a location in a form for logs and labels: host and path of a URL, or the file as it was written."""
    if not is_url(location):
        return location.removeprefix("file://").removeprefix("file:")
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    query = f"?{_digest(parts.query)}" if parts.query else ""
    return f"{host}{parts.path}{query}"


def _shown_selection(select: tuple[str, ...]) -> str:
    if not select:
        return ""
    text = ",".join(select)
    if len(text) > _LONGEST_SELECTION or any(re.search(r"[\[\],]", item) for item in select):
        text = f"{len(select)} parts {_digest(*select)}"
    return f"[{text}]"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:_DIGEST_CHARACTERS]
