"""A replay of a daemon's recording gives the daemon's findings."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ermon.model.events import MessagesLost, ProcessDown, ProcessUp, SourceJudged, StorageJudged
from ermon.model.inventory import EDGES, ExpectedPrefix, Source
from ermon.model.prefixes import parse_prefix
from ermon.model.source_key import SourceKey
from ermon.recording.entries import MARK, Reason
from ermon.sources.published import PublishedList
from tests.networks import window
from tests.recording.daemon import MiniatureDaemon
from tests.recording.test_replay import (
    BEGAN,
    CONNECTED,
    DOWN,
    EDGE,
    END_OF_RIB,
    MIRROR,
    ROUTES,
    SESSION,
    SHUTDOWN,
    at,
)

SOURCE = Source("m365", "list.json", 3600.0)
LISTED = replace(
    EDGE,
    circuits={
        name: replace(circuit, receive=replace(circuit.receive, sources=(SOURCE,)))
        for name, circuit in EDGE.circuits.items()
    },
)
KEY = SourceKey.of(SOURCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def eventful(daemon: MiniatureDaemon, cuts: frozenset[int], reason: Reason = Reason.FULL) -> list[float]:
    """Play events of all kinds, with a new file before those in ``cuts``; return the start times of the files."""
    steps = [
        lambda: daemon.started(EDGES, json.loads(CONNECTED)["pid"], BEGAN),
        lambda: daemon.event(ProcessUp(BEGAN, EDGES)),
        lambda: daemon.lines(*at(1, *SESSION[:3])),
        lambda: daemon.lines(*at(1.5, *SESSION[3:])),
        lambda: daemon.settle(BEGAN + 3.5),
        lambda: daemon.event(SourceJudged(BEGAN + 4, KEY.name, "HTTP 500")),
        lambda: daemon.event(StorageJudged(BEGAN + 5, "the disk is full")),
        lambda: daemon.maintain([window(-1000, 7200, feed="edge")], BEGAN + 6),
        lambda: daemon.event(MessagesLost(BEGAN + 7, "edge", 0, "ermon's relay stopped")),
        lambda: daemon.lines(b"nonsense", MARK + b'{"type":"clock"},"time":9e9}', *at(8, DOWN)),
        lambda: daemon.settle(BEGAN + 40.25),
        lambda: daemon.maintain([], BEGAN + 41),
        lambda: daemon.settle(BEGAN + 100),
        lambda: daemon.lines(*at(101, *SESSION, END_OF_RIB)),
        lambda: daemon.settle(BEGAN + 103.001),
        lambda: daemon.event(ProcessDown(BEGAN + 110, EDGES, "killed by SIGKILL")),
        lambda: daemon.settle(BEGAN + 111),
        lambda: daemon.lines(*at(112, SHUTDOWN)),
        lambda: daemon.settle(BEGAN + 300),
    ]
    begins = []
    for number, step in enumerate(steps):
        if number in cuts:
            daemon.next_file(reason)
            begins.append(daemon.monitor.now)
        step()
    daemon.stop()
    return begins


@pytest.mark.parametrize("policy", [MIRROR, LISTED], ids=["a mirror", "an edge table"])
def test_a_recording_replays_to_what_the_daemon_told(policy, folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(policy, folder, BEGAN - 1)
    eventful(daemon, frozenset())
    found, notes = daemon.replay()
    assert found == daemon.told
    assert {check for _, _, check, _ in found} >= {"feed-lost-messages", "exabgp-down", "storage-failed"}
    assert [note.split(":")[1] for note in notes if "line" in note] == [" not-json", " not-exabgp"]


@settings(
    max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    cuts=st.frozensets(st.integers(1, 18), min_size=1, max_size=5), policy=st.sampled_from([MIRROR, LISTED])
)
def test_wherever_the_files_begin_all_and_each_alone_tell_what_the_daemon_told(
    cuts, policy, tmp_path_factory
) -> None:
    daemon = MiniatureDaemon(policy, tmp_path_factory.mktemp("state"), BEGAN - 1)
    begins = [BEGAN - 1, *eventful(daemon, cuts)]
    assert daemon.replay()[0] == daemon.told
    for path, began, end in zip(daemon.files, begins, [*begins[1:], daemon.monitor.now], strict=True):
        found = [told for told in daemon.replay(path)[0] if told[0] <= end]
        assert [told for told in found if told[0] > began] == [t for t in daemon.told if began < t[0] <= end]
        assert {told for told in found if told[0] == began} <= set(daemon.told), "nothing is made up"


def test_a_published_list_is_in_force_in_every_file_after_it(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(LISTED, folder, BEGAN)
    expected = ExpectedPrefix(parse_prefix("20.1.0.0/16"), date(2020, 1, 1))
    daemon.publish(KEY, PublishedList((expected,), "7"), BEGAN + 1)
    daemon.next_file()
    daemon.lines(*at(2, *SESSION))
    daemon.settle(BEGAN + 1000)
    daemon.stop()
    unexpected = [told for told in daemon.told if told[2] == "prefix-unexpected"]
    assert unexpected
    for files in (daemon.files, daemon.files[1:]):
        assert [told for told in daemon.replay(*files)[0] if told[2] == "prefix-unexpected"] == unexpected


def test_of_a_published_list_no_url_is_recorded(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.publish(SourceKey("m365", "https://example.net/?key=s3cret"), PublishedList(()), BEGAN)
    daemon.next_file()
    daemon.stop()
    assert all(b"s3cret" not in gzip.decompress(path.read_bytes()) for path in daemon.files)


def test_after_a_reload_it_goes_on_from_what_the_new_policy_makes_of_it(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.lines(*at(1, *SESSION))
    daemon.settle(BEGAN + 4)
    daemon.monitor.reconfigure(MIRROR, BEGAN + 5)
    daemon.next_file(Reason.RELOAD)
    daemon.lines(*at(6, DOWN))
    daemon.settle(BEGAN + 100)
    daemon.stop()
    assert daemon.replay()[0] == daemon.told
    heads = [json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])["ermon"] for path in daemon.files]
    assert [(head["part"], head["reason"]) for head in heads] == [(1, "start"), (2, "reload")]
    assert len({head["recording"] for head in heads}) == 1


def test_a_recording_under_another_configuration_says_so(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.stop()
    assert daemon.replay()[1] == ["recorded with another configuration: the findings may differ"]


def test_a_recording_of_feeds_that_are_not_there_any_more_is_read_as_far_as_it_goes(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    eventful(daemon, frozenset({6}))
    found, notes = daemon.replay(policy=replace(MIRROR, feeds={}))
    assert not [told for told in found if told[2] == "pool-leak"]
    assert any("there is no feed 'edge'" in note for note in notes)


def test_files_in_between_that_are_missing_are_noticed(folder: Path) -> None:
    folder.mkdir()
    daemon = MiniatureDaemon(MIRROR, folder, BEGAN)
    daemon.settle(BEGAN + 0.5)
    daemon.next_file()
    daemon.next_file()
    daemon.lines(*at(1, *SESSION, *ROUTES))
    daemon.stop()
    first, _, last = daemon.files
    found, notes = daemon.replay(first, last)
    assert "parts 2 to 2 of the recording are missing before it" in notes
    assert found == daemon.told
