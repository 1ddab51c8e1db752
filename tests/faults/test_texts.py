"""Text of a router about itself and its end is plain text in every output: it forges no line, no field and no colour."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import unicodedata

import pytest

from tests import bgp
from tests.bgp import Speaker
from tests.e2e.company import PART_OF_POOL, Company, configuration, own_network
from tests.e2e.daemon import PATIENCE

pytestmark = pytest.mark.slow

FEED = "outside"
HOSTNAME, SOFTWARE_VERSION = 73, 75
"""Capabilities of draft-walton-bgp-hostname-capability and draft-abraitis-bgp-version-capability."""
ESCAPES = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe \r\nlevel=error"
INJECTION = '"}, "type": "shutdown", "x": {"y": "\\'
TEXTS = {
    "escapes": ESCAPES,
    "json": INJECTION,
    "lines": '\n{"exabgp": "5.0.0", "type": "shutdown"}\n',
    "nul": "\0\0x",
}


@pytest.fixture
def settings():
    return configuration(own_network())


def opening_that_says(feed, text):
    """Return an OPEN with this text as hostname and software version, as far as it fits."""
    said = text.encode()[:60]
    capabilities = b"".join(
        bgp.capability(1, struct.pack("!HBB", afi, 0, bgp.UNICAST)) for afi in bgp.AFI.values()
    )
    capabilities += bgp.capability(65, struct.pack("!I", feed["peer_asn"]))
    capabilities += bgp.capability(HOSTNAME, bytes([len(said)]) + said + bytes([len(said)]) + said)
    capabilities += bgp.capability(SOFTWARE_VERSION, bytes([len(said)]) + said)
    parameters = bytes([2, len(capabilities)]) + capabilities
    fields = struct.pack("!BHH4sB", 4, feed["peer_asn"], 30, b"\x0a\0\0\1", len(parameters))
    return bgp.message(bgp.OPEN, fields + parameters)


def is_printable(text):
    return not [each for each in text if each != "\n" and unicodedata.category(each) in {"Cc", "Cf"}]


def told(company, *command):
    found = subprocess.run(
        [sys.executable, "-m", "ermon", *command, "--url", f"http://{company.daemon.address}"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in found.stderr
    return found.stdout + found.stderr


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_of_a_peer_is_neither_a_line_of_exabgp_nor_an_escape_of_a_terminal(directory, settings, text):
    feed = settings["feeds"][FEED]
    company = Company(directory, settings)
    speaker: Speaker = company.routers[FEED].speaker
    speaker.opening = opening_that_says(feed, text)
    with company.running():
        daemon, sessions = company.daemon, company.sessions()
        company.leak(PART_OF_POOL["ipv6"], FEED)
        daemon.wait_until_raised("pool-leak", feed=FEED)
        company.routers[FEED].shut_down(text)
        daemon.wait_until_raised("feed-down", feed=FEED)
        reason = daemon.feed(FEED)["down_reason"]
        assert reason.startswith("Cease: administrative shutdown, sent by the router")
        assert is_printable(reason)
        for command in (["status"], ["status", "--json"], ["routes", "::/0"], ["verify"]):
            assert is_printable(told(company, *command)), command
        log = daemon.log_file.read_text()
        assert is_printable(log)
        assert all(json.loads(line)["event"] for line in log.splitlines())
        assert daemon.metric("ermon_ingest_rejected_total") == 0
        assert daemon.status()["processes"]["outside"]["state"] == "up"
        assert {name: count for name, count in company.sessions().items() if name != FEED} == {
            name: count for name, count in sessions.items() if name != FEED
        }
        company.routers[FEED].enable()
        daemon.wait_until_in_sync(FEED)
