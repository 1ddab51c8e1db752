"""Fuzzed files of users, Microsoft and ermon: each is read, or refused with the intended error."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random

from ermon.config.lints import lint
from ermon.config.load import ConfigError, load_config
from ermon.core.monitor import Monitor
from ermon.httpd.config import load_web_config
from ermon.init.answers import AnswerError, Answers
from ermon.init.azure import add_circuits
from ermon.model.ownership import ROUTE_OBJECTS, VRPS, OwnershipSource
from ermon.model.prefixes import parse_prefix
from ermon.recording.files import RecordedLines, UnreadableError
from ermon.recording.replay import Playback, Replay
from ermon.scenario import run_scenarios
from ermon.sources import reading
from ermon.sources.ownership import read
from ermon.sources.published import SourceError
from tests.fuzz.lines import CONFIG, RECORDED, START
from tests.fuzz.mutate import break_bytes, break_json
from tests.sources import lists as published

TESTS = Path(__file__).parents[1]
MOST_SCENARIOS_BYTES = 6_000
"""Longer scenarios take seconds to run."""


@cache
def texts(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(TESTS.glob(pattern))]


@contextmanager
def written(content: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def configuration(random: Random) -> None:
    corpus = [
        *texts(
            "../config/ermon.reference.yml", "config/bad/*.yml", "scenarios/networks/*.yml", "designs/*.yml"
        )
    ]
    with written(break_bytes(random, random.choice(corpus), corpus), "ermon.yml") as path:
        try:
            loaded = load_config(path)
        except ConfigError as error:
            printable(str(error))
            return
        Monitor(loaded.config, START).advance(START + 1)
        printable("".join(map(str, lint(loaded, START))))


def scenario(random: Random) -> None:
    corpus = [text for text in texts("scenarios/*.yml") if len(text) < MOST_SCENARIOS_BYTES]
    networks = texts("scenarios/networks/company.yml")
    with written(break_bytes(random, random.choice(corpus), corpus), "scenario.yml") as path:
        (path.parent / "networks").mkdir()
        (path.parent / "networks" / "company.yml").write_bytes(networks[0])
        said = io.StringIO()
        assert run_scenarios([path], verbose=False, out=io.StringIO(), err=said) in {0, 1, 2}
        printable(said.getvalue())


def web_config(random: Random) -> None:
    corpus = texts("httpd/bad_config/*.yml")
    with written(break_bytes(random, random.choice(corpus), corpus), "web.yml") as path:
        try:
            load_web_config(path)
        except ConfigError as error:
            printable(str(error))


LISTS: dict[str, list[object]] = {
    "m365": [published.ENDPOINTS],
    "service-tags": [published.SERVICE_TAGS_FILE, published.SERVICE_TAGS_REST],
    "bgp-communities": [
        published.COMMUNITIES_REST,
        published.COMMUNITIES_CLI,
        published.COMMUNITIES_POWERSHELL,
    ],
}
SELECTIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("Exchange",),
    ("12076:5010",),
    ("exchange-online",),
    ("AzureCloud", "x" * 300),
)


def published_lists(random: Random) -> None:
    kind = random.choice(list(LISTS))
    document = break_json(random, json.dumps(random.choice(LISTS[kind])).encode())
    try:
        if reading.next_page(kind, document) is not None:
            reading.join_pages(kind, [document, document])
        reading.parse(kind, document, random.choice(SELECTIONS))
    except SourceError as error:
        printable(str(error))


def registries(random: Random) -> None:
    """Lists of VRPs and of route objects, compressed or not: read as far as they overlap the space, or refused."""
    corpus = [content for content in texts("recorded/registries/*.json") if content.startswith(b"{")]
    document = random.choice(corpus)
    document = (
        break_json(random, document, corpus) if random.random() < 0.5 else break_bytes(random, document)
    )
    if random.random() < 0.3:
        document = gzip.compress(document, 1)
        document = break_bytes(random, document) if random.random() < 0.5 else document
    size = random.choice((1, 100, 100_000))
    pieces = [document[at : at + size] for at in range(0, len(document), size)]
    source = OwnershipSource(random.choice((VRPS, ROUTE_OBJECTS)), "list", 3600.0)
    space = [parse_prefix("198.51.100.0/24"), parse_prefix("2001:db8::/32")]
    try:
        found = read(source, pieces, space, 0.0)
    except SourceError as error:
        printable(str(error))
    else:
        printable(" ".join(map(str, (*found.vrps, *found.route_objects))))


def azure_files(random: Random) -> None:
    corpus = texts("init/azure/*.json")
    files = [("a.json", break_json(random, random.choice(corpus), corpus)), ("b.json", random.choice(corpus))]
    if random.random() < 0.2:
        files = [(name, content.decode("utf-8", "replace").encode("utf-16")) for name, content in files]
    try:
        add_circuits(Answers(), files[: random.randrange(1, 3)])
    except AnswerError as error:
        printable(str(error))


def recording(random: Random) -> None:
    """A recording: readable parts are replayed; the rest is refused or truncated, and reported."""
    lines = random.choices(RECORDED, k=random.randrange(1, 30)) + texts("recorded/earlier-ermon/*.jsonl")[:1]
    content = break_bytes(random, b"\n".join(lines))
    packed = random.random() < 0.5
    if packed:
        content = gzip.compress(content, 1)
        content = break_bytes(random, content) if random.random() < 0.5 else content
    with written(content, "events.jsonl") as path:
        replay = Replay(Playback(CONFIG, lambda *_: None))
        try:
            for each in replay.transitions(RecordedLines([path], lambda _: None), 300.0):
                json.dumps(each)
        except UnreadableError as error:
            printable(str(error))
        list(replay.statuses() if replay.decoded_anything else ())


def printable(text: str) -> None:
    """Check that foreign text in an error message cannot control a terminal."""
    assert text.replace("\n", "").isprintable(), repr(text)


TARGETS: Iterable[Callable[[Random], None]] = (
    configuration,
    scenario,
    web_config,
    published_lists,
    registries,
    azure_files,
    recording,
)
