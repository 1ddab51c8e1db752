"""The output of the ExaBGPs of `ermon run`, raw UPDATEs or JSON: ermon reports which it is, and finds the leak with
both.
"""

from __future__ import annotations

import pytest

from ermon.exabgp.raw import SWITCH
from tests.e2e.company import PART_OF_POOL, Company, configuration, own_network

ANOTHER_VERSION = "import exabgp.version; exabgp.version.release = '5.0.99'"
ANOTHER_TEXT = """
from exabgp.reactor.protocol import Protocol
as_it_was = Protocol.read_message
def read_message(self):
    yield from as_it_was(self)
Protocol.read_message = read_message
"""


@pytest.mark.parametrize(
    ("switch", "patch", "is_raw", "is_told"),
    [
        (None, "", True, False),
        ("off", "", False, False),
        (None, ANOTHER_VERSION, False, True),
        (None, ANOTHER_TEXT, False, True),
    ],
    ids=["by default", "off", "another version", "another text"],
)
def test_updates_are_raw_unless_that_is_impossible_or_disabled(
    directory, monkeypatch, switch, patch, is_raw, is_told
):
    monkeypatch.delenv(SWITCH, raising=False)
    company = Company(directory, configuration(own_network()))
    (directory / "sitecustomize.py").write_text(patch)
    company.daemon.environment |= {"PYTHONPATH": str(directory)} | ({SWITCH: switch} if switch else {})
    with company.running():
        daemon = company.daemon
        for process in ("edges", "outside"):
            assert daemon.metric("ermon_exabgp_raw", process=process) == is_raw
            assert [line["raw"] for line in daemon.logged("exabgp started", process=process)] == [is_raw]
            assert bool(daemon.logged("exabgp decodes UPDATEs itself", process=process)) is is_told
        for family, prefix in PART_OF_POOL.items():
            company.leak(prefix)
            daemon.wait_until_raised("pool-leak", family=family)
