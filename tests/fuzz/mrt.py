"""Fuzzed MRT files: whatever is in them, they are read as far as possible, and the monitor takes in what they say."""

from __future__ import annotations

import bz2
import gzip
import struct
from pathlib import Path
from random import Random

from ermon.mrt import records
from ermon.recording.entries import Connected, Reported, write_entry
from ermon.recording.files import UnreadableError
from ermon.recording.mrt.export import MrtExport, Selection
from ermon.recording.mrt.files import MrtFiles
from ermon.recording.mrt.peers import Matching
from ermon.recording.mrt.replay import MrtPlayback, Skipped
from ermon.recording.mrt.report import MrtReport, half_tables, peers_without_feed
from ermon.recording.replay import Replay
from tests.fuzz.documents import printable, written
from tests.fuzz.lines import CONFIG
from tests.fuzz.lines import RECORDED as LINES
from tests.fuzz.mutate import break_bytes
from tests.networks import REPORTED

REPORTS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "recorded/bmp").glob("*.bmp"))]
RECORDED = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "recorded/mrt").glob("*.mrt"))]


def mrt(random: Random) -> None:
    """Files of real daemons, broken in their records and in their octets, and compressed."""
    config = random.choice((CONFIG, REPORTED))
    rest = random.choice((None, next(iter(config.feeds))))
    content = broken(random)
    said: list[str] = []
    matching, report = Matching(config, rest), MrtReport(said.append)
    playback = MrtPlayback(config, matching, report.skipped)
    with written(content, "file.mrt") as path:
        replay = Replay(playback)
        try:
            files = MrtFiles([path, path], said.append, max_decompressed=100_000)
            list(replay.transitions(files, 300.0))
        except UnreadableError as error:
            said.append(str(error).replace(str(path), ""))
    report.close()
    said += peers_without_feed(playback.without_feed(), matching)
    said += half_tables(playback)
    assert len(said) < 200
    for text in said:
        printable(text)
        assert len(text) < 1_000
    list(replay.statuses() if replay.decoded_anything else ())


def broken(random: Random) -> bytes:
    cut = [bytes_of(record) for record in records.cut([b"".join(random.sample(RECORDED, 2))])]
    parts = [part if random.random() < 0.9 else break_record(random, part) for part in cut]
    if random.random() < 0.3:
        random.shuffle(parts)
    content = b"".join(parts)
    if random.random() < 0.5:
        content = break_bytes(random, content, RECORDED)
    pack = random.choice((bytes, gzip.compress, bz2.compress))
    packed = pack(content)
    return break_bytes(random, packed) if random.random() < 0.2 else packed


def bytes_of(record: records.Record) -> bytes:
    """A record as octets, without its microseconds."""
    kind = 16 if record.kind == 17 else record.kind
    return struct.pack("!IHHI", int(record.time), kind, record.subtype, len(record.body)) + record.body


def break_record(random: Random, octets: bytes) -> bytes:
    """Break a record in its body or its kind, and keep its length right."""
    seconds, kind, subtype, _ = struct.unpack_from("!IHHI", octets)
    body = octets[12:]
    if random.random() < 0.3:
        subtype = random.randrange(14)
    else:
        body = break_bytes(random, body, RECORDED)
    return struct.pack("!IHHI", seconds, kind, subtype, len(body)) + body


def mrt_export(random: Random) -> None:
    """Recordings of lines and of BMP, broken: each record that is written of them can be read, and ermon's tables are the same."""
    lines = [*random.choices(LINES, k=random.randrange(1, 30)), *reported(random)]
    lines = [break_bytes(random, line) if random.random() < 0.1 else line for line in lines]
    config = random.choice((CONFIG, REPORTED))
    run = MrtExport(config, Selection(frozenset(config.feeds), random.choice((None, 0.0, 1e9))), printable)
    skipped: list[Skipped] = []
    playback = MrtPlayback(config, Matching(config), skipped.append)
    list(playback.steps([records.cut(run.records(lines))]))
    assert skipped == []
    for text in run.left_out:
        printable(text)


def reported(random: Random) -> list[bytes]:
    octets = random.choice(REPORTS)
    octets = break_bytes(random, octets) if random.random() < 0.7 else octets
    lines = [write_entry(Connected("edge-1"), 1.0)]
    while octets:
        size = random.choice((50, 400, 8_192))
        lines.append(write_entry(Reported("edge-1", octets[:size]), float(len(lines))))
        octets = octets[size:]
    return lines
