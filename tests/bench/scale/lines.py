"""Sessions as lines of ExaBGP 5's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ermon.model.prefixes import FAMILIES, Family


@dataclass(frozen=True, slots=True)
class Announced:
    """An UPDATE that announces prefixes which share their attributes."""

    family: Family
    prefixes: Sequence[str]
    next_hop: str
    as_path: tuple[int, ...]
    communities: tuple[tuple[int, int], ...] = ()
    med: int | None = None
    path_id: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One feed's session. Times are seconds since the epoch."""

    local: str
    peer: str
    add_path: bool = False
    pid: int = 100
    """The pid of its ExaBGP process."""

    def up(self, time: float) -> list[bytes]:
        """The session comes up."""
        if not self.add_path:
            return [self._line(time, "state", state="up")]
        offered = {f"{family}/unicast": "send/receive" for family in FAMILIES}
        receive = [f"{family} unicast" for family in FAMILIES]
        return [
            self._line(time, "open", open={"capabilities": {"69": offered}}),
            self._line(time, "negotiated", negotiated={"add_path": {"send": [], "receive": receive}}),
            self._line(time, "state", state="up"),
        ]

    def down(self, time: float) -> bytes:
        return self._line(time, "state", state="down", reason="peer reset, message (closing connection)")

    def update(self, time: float, update: Announced) -> bytes:
        path = {"0": {"element": "as-sequence", "value": update.as_path}} if update.as_path else {}
        attributes: dict[str, Any] = {"origin": "igp", "as-path": path}
        if update.med is not None:
            attributes["med"] = update.med
        if update.communities:
            attributes["community"] = update.communities
        nlris = list(_nlris(update.prefixes, update.path_id))
        announce = {f"{update.family} unicast": {update.next_hop: nlris}}
        return self._message(time, {"update": {"attribute": attributes, "announce": announce}})

    def withdrawal(self, time: float, update: Announced) -> bytes:
        """The withdrawal of the prefixes of ``update``."""
        nlris = list(_nlris(update.prefixes, update.path_id))
        return self._message(time, {"update": {"withdraw": {f"{update.family} unicast": nlris}}})

    def ends_of_rib(self, time: float) -> list[bytes]:
        """End-of-RIB in every family."""
        return [self._message(time, {"eor": {"afi": family, "safi": "unicast"}}) for family in FAMILIES]

    def _message(self, time: float, message: dict[str, Any]) -> bytes:
        return self._line(time, "update", direction="receive", message=message)

    def _line(self, time: float, kind: str, **said: Any) -> bytes:
        neighbor = {"address": {"local": self.local, "peer": self.peer}, **said}
        head = {"exabgp": "5.0.0", "time": time, "host": "bench", "pid": self.pid, "ppid": 1, "type": kind}
        return json.dumps({**head, "neighbor": neighbor}).encode()


def _nlris(prefixes: Iterable[str], path_id: int | None) -> Iterator[dict[str, str]]:
    for prefix in prefixes:
        identifier = {} if path_id is None else {"path-information": f"0.0.0.{path_id}"}
        yield {"nlri": prefix, **identifier}
