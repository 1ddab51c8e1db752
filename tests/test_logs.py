import json
import logging

import pytest
import structlog

from ermon import logs


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


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


def test_what_is_below_the_level_is_not_logged(capsys):
    logs.configure("warning", "json")
    structlog.get_logger().info("hello")
    assert capsys.readouterr().err == ""


def test_what_libraries_log_is_not_lost(capsys):
    logs.configure("info", "json")
    logging.getLogger("aiohttp.server").error("broken %s", "pipe")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["logger"], line["level"]) == ("broken pipe", "aiohttp.server", "error")


def test_text_from_a_peer_cannot_make_a_line_of_its_own(capsys):
    logs.configure("info", "json")
    structlog.get_logger().info("session down", reason='bye\n{"event": "finding cleared"}')
    assert len(capsys.readouterr().err.splitlines()) == 1
