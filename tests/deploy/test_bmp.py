"""The page about BMP is right: its configurations load, its commands are those that ermon prints, its table has every platform."""

import re
from pathlib import Path

import pytest

from ermon.config.load import load_config
from ermon.routers import PLATFORMS, render_bmp

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "deploy" / "BMP.md").read_text()
CONFIGURATIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
NETWORK = """\
customer: {asn: 64500}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {router: edge-1, subnet: 203.0.113.0/30}
      secondary: {router: edge-1, subnet: 203.0.113.4/30}
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        file = tmp_path / "ermon.yml"
        file.write_text(text)
        return load_config(file)

    return load_text


def test_the_lines_for_the_configuration_are_enough(load):
    loaded = load(NETWORK + CONFIGURATIONS[0])
    assert "edge-1/chicago/primary/ipv4" in loaded.config.feeds
    assert loaded.warnings == ()


def test_a_neighbor_and_a_vrf_are_written_like_this(load):
    collector = CONFIGURATIONS[0].partition("routers:")[0]
    feed = load(NETWORK + collector + CONFIGURATIONS[1]).config.feeds["edge-1/chicago/primary/ipv4"]
    assert (feed.peer, feed.distinguisher) == ("203.0.113.1", bytes.fromhex("0000fbf400000007"))


def test_the_commands_are_those_that_are_printed(load):
    (shown,) = re.findall(r"```text\n(router bgp.*?)```", PAGE, re.DOTALL)
    assert shown in render_bmp(load(NETWORK + CONFIGURATIONS[0]).config, "edge-1", "frr")


def test_the_table_has_every_platform_where_it_belongs():
    names = {"iosxe": "IOS-XE", "iosxr": "IOS-XR", "nxos": "NX-OS", "eos": "EOS", "junos": "Junos"}
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    for key, platform in PLATFORMS.items():
        (row,) = (
            row for row in rows if re.search(rf"^\|[^|]*\b{names.get(key, platform.title.split()[0])}\b", row)
        )
        assert ("nothing: no BMP" in row) == (platform.bmp is None)
        if platform.bmp is not None:
            assert ("before the inbound policy only" in row) == (not platform.bmp.post_policy)
            assert ("tests" in row) == (platform.bmp.tried_on is not None)
