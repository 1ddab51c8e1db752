"""ermon's reading of MRT in the words of bgpdump (``bgpdump -m``), Debian's independent reader."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from ermon.bgp.attributes import AttributesCache
from ermon.bgp.header import UPDATE
from ermon.bgp.unreadable import Unreadable
from ermon.bgp.update import Codec, read_update
from ermon.model.prefixes import FAMILIES
from ermon.model.routes import Route
from ermon.mrt import tables
from ermon.mrt.records import Kind, Record
from ermon.mrt.sessions import End, Message, StateChange, read_session_record
from ermon.recording.mrt.files import MrtFiles
from tests.bgp import require


def dumped(path: Path) -> list[str]:
    """Run bgpdump on a file; every line but those that say that it is running is a failure."""
    require(shutil.which("bgpdump") is not None, "bgpdump")
    done = subprocess.run(
        ["bgpdump", "-m", "-v", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def comparable(lines: Iterable[str]) -> list[str]:
    """Return the lines of bgpdump without the spellings of its own, and without what ermon does not read: sorted, since it
    prints withdrawals first.
    """
    return sorted(map(_comparable, lines))


def _comparable(line: str) -> str:
    parts = line.split("|")
    if parts[2] not in {"A", "B", "W"}:
        return line
    parts[5] = str(ip_network(parts[5]))
    if parts[2] == "W":
        return "|".join(parts)
    at = 7 if parts[0].endswith("_AP") else 6
    parts[at] = parts[at].replace(",", " ")
    if parts[at + 2] != "None":
        parts[at + 2] = _address(parts[at + 2])
    if parts[2] == "B" and parts[at + 2] == "255.255.255.255":
        parts[at + 2] = "None"
    parts[at + 5] = " ".join(sorted(parts[at + 5].split()))
    return "|".join(parts[: at + 6])  # behind it: whether it was aggregated, and where


def _address(text: str) -> str:
    address = ip_address(text)
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


def read(path: Path) -> list[str]:
    """Return the content of a file in bgpdump's words, and nothing of what cannot be read."""
    found: list[str] = []
    for records in MrtFiles([path], found.append):
        peers: tuple[End, ...] = ()
        cache = AttributesCache()
        for record in records:
            if record.kind == Kind.TABLE_DUMP_V2 and record.subtype == tables.PEER_INDEX_TABLE:
                peers = tables.read_peers(record.body)
            elif record.kind == Kind.TABLE_DUMP_V2:
                rib = tables.read_rib(record.subtype, record.body, len(peers), cache)
                assert not rib.malformed
                found += (
                    _line("TABLE_DUMP2", record, "B", peers[peer], route) for peer, route in rib.entries
                )
            else:
                try:
                    found += _session(record, cache)
                except Unreadable as error:
                    assert "AFI" in str(error), "FRR writes a session without addresses when it ends"  # noqa: PT017
    return comparable(found)


def _session(record: Record, cache: AttributesCache) -> Iterator[str]:
    kind = "BGP4MP_ET" if record.kind == Kind.BGP4MP_ET else "BGP4MP"
    said = read_session_record(record.subtype, record.body)
    if isinstance(said, StateChange):
        yield _join(kind, _time(record), "STATE", *said.peer, said.old, said.new)
    elif said.kind == UPDATE:
        yield from _update(kind, record, said, cache)


def _update(kind: str, record: Record, said: Message, cache: AttributesCache) -> Iterator[str]:
    codec = Codec(said.four_octet, frozenset(FAMILIES if said.add_path else ()))
    update = read_update(said.body, codec, cache)
    assert update.repaired is None
    # bgpdump knows messages that were sent by their ends or by their kind, and no others by both.
    peer = said.receiver if said.is_local and not said.add_path else said.sender
    kind += "_AP" if said.add_path else "_LOCAL" if said.is_local else ""
    for prefix, path_id in update.withdrawn:
        yield _join(kind, _time(record), "W", *peer, prefix, *(() if path_id is None else (path_id,)))
    for route in update.announced:
        yield _line(kind, record, "A", peer, route)


def _line(kind: str, record: Record, letter: str, peer: End, route: Route) -> str:
    said = route.attributes
    communities = " ".join(sorted(f"{first}:{second}" for first, second in said.communities))
    numbers = said.local_preference or 0, said.med or 0
    where = (route.prefix, *(() if route.path_id is None else (route.path_id,)))
    about = (
        said.path_text,
        (said.origin or "incomplete").upper(),
        said.next_hop,
        *numbers,
        communities,
    )
    return _join(kind, _time(record), letter, *peer, *where, *about)


def _time(record: Record) -> str:
    return f"{record.time:.6f}" if record.kind == Kind.BGP4MP_ET else str(int(record.time))


def _join(*parts: object) -> str:
    return "|".join(map(str, parts))
