import errno
import io
import json
import logging
import os
import sys

import pytest
import structlog

from ermon.daemon import logs


def test_json_is_one_object_a_line_with_names_and_keys(capsys):
    logs.configure("info", "json")
    structlog.get_logger().warning(
        "finding raised", check="pool-leak", evidence={"prefixes": ["192.0.2.0/28"]}
    )
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "finding raised"
    assert line["level"] == "warning"
    assert line["evidence"] == {"prefixes": ["192.0.2.0/28"]}


def test_without_a_terminal_json_is_the_default(capsys):
    logs.configure("info", None)
    structlog.get_logger().info("hello")
    assert json.loads(capsys.readouterr().err)["event"] == "hello"


def test_console_is_for_people(capsys):
    logs.configure("info", "console")
    structlog.get_logger().info("hello", feed="edge-1")
    assert "feed=edge-1" in capsys.readouterr().err


def test_messages_below_the_level_are_not_logged(capsys):
    logs.configure("warning", "json")
    structlog.get_logger().info("hello")
    assert capsys.readouterr().err == ""


def test_messages_of_libraries_are_logged(capsys):
    logs.configure("info", "json")
    logging.getLogger("aiohttp.server").error("broken %s", "pipe")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["logger"], line["level"]) == ("broken pipe", "aiohttp.server", "error")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch, log_format):
    full = FullDisk()
    monkeypatch.setattr(sys, "stderr", full)
    logs.configure("info", log_format)
    structlog.get_logger().error("finding raised", check="pool-leak")
    logging.getLogger("aiohttp.server").error("nor does a library's")
    assert full.refused == 2


class FullDisk(io.StringIO):
    refused = 0

    def write(self, _: str) -> int:
        self.refused += 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_text_from_a_peer_cannot_make_a_line_of_its_own(capsys):
    logs.configure("info", "json")
    structlog.get_logger().info("session down", reason='bye\n{"event": "finding cleared"}')
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def journal(monkeypatch, capfd):
    """Make standard error the journal; returns a function that gives what was written."""
    stream = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stream.st_dev}:{stream.st_ino}")
    return lambda: capfd.readouterr().err


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_the_journal_gets_the_priority_before_the_line(journal, level, priority):
    logs.configure("debug", "json")
    getattr(structlog.get_logger(), level)("hello", feed="edge-1")
    line = journal()
    assert line.startswith(f"<{priority}>")
    assert json.loads(line[3:])["feed"] == "edge-1"


def test_every_line_of_an_error_has_the_priority_in_the_journal(journal):
    logs.configure("info", "console")
    structlog.get_logger().error("hello", exc_info=ValueError("broken"))
    lines = journal().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("<3>") for line in lines)


def test_a_file_beside_the_journal_gets_no_priorities(monkeypatch, capfd):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    logs.configure("info", "json")
    structlog.get_logger().info("hello")
    assert capfd.readouterr().err.startswith("{")
