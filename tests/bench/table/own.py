"""ermon as a receiver, in both of its dialects, and the ExaBGP that it runs without ermon."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ermon.exabgp.raw import SWITCH
from ermon.model.prefixes import Family
from tests.bench.children import bare_exabgp, ermon
from tests.bench.policy import REFERENCE, TABLE_FEED, port_is, write
from tests.bench.table.receivers import Receiver
from tests.bgp import PATIENCE


class _WithPolicy(Receiver):
    """Takes the table on a view of the internet, and judges it by the reference configuration."""

    def __init__(self, folder: Path, families: tuple[Family, ...]) -> None:
        super().__init__(folder, families)
        replaced = port_is(self.port) | {
            # In sync as soon as everything is taken in, and not when nothing has come for two seconds.
            r"^(  settle:) \S+": r"\1 0s",
            rf"^(  {TABLE_FEED}: {{)": rf"\1families: [{', '.join(families)}], ",
        }
        self.configuration = write(REFERENCE, folder, replaced)

    @classmethod
    def missing(cls) -> str | None:
        return None


class Ermon(_WithPolicy):
    """``ermon run``, which gets UPDATEs from ExaBGP as routers sent them."""

    name = "ermon"
    poll_seconds = 0.05  # ermon's answer is about everything, and takes some milliseconds
    raw: ClassVar = "on"

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        with ermon(self.configuration, self.folder, variables={SWITCH: self.raw}) as (pid, self._web):
            yield pid

    def has_all(self, routes: int, updates: int) -> bool:
        """Return whether every UPDATE is judged, and the feed in sync: it does not hold the routes that nobody asks about."""
        del routes
        feed = self.status()
        return feed["updates"] >= updates and all(feed["in_sync"].values())

    def status(self) -> dict[str, Any]:
        """Return what ermon says of the feed."""
        with urllib.request.urlopen(f"http://{self._web}/api/v1/status", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]["feeds"][TABLE_FEED]


class ErmonOnJson(Ermon):
    """The same, and ExaBGP decodes UPDATEs, as another version of it does that ermon was not tested with."""

    name = "ermon, JSON"
    raw = "off"


class BareExaBgp(_WithPolicy):
    """ExaBGP as ermon configures it, decoding, with a helper that forgets what it is given."""

    name, poll_seconds = "bare ExaBGP", None

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        with bare_exabgp(self.configuration, TABLE_FEED, self.folder) as pid:
            yield pid
