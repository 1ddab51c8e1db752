"""Steps in words, and times as the file writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.scenario.wording import seconds
from tests.scenario.files import read


@pytest.mark.parametrize(
    ("offset", "written"),
    [
        (0.0, "0s"),
        (12.0, "12s"),
        (12.5, "12.5s"),
        (0.25, "250ms"),
        (119.999, "119.999s"),
        (86460.0, "86460s"),
    ],
)
def test_a_time_is_written_as_a_duration(offset: float, written: str):
    assert seconds(offset) == written


@pytest.mark.parametrize(
    ("step", "written"),
    [
        ("{down: [edge-1, isp-a]}", "down edge-1, isp-a"),
        ("{end_of_rib: edge-1, family: ipv6}", "end of rib edge-1 of ipv6"),
        ("{withdraw: all, circuit: chicago, link: primary}", "withdraw all on chicago primary"),
        ("{announce: 2001:db8:100:99::/64, feed: isp-a}", "announce 2001:db8:100:99::/64 on isp-a"),
        ("{announce: {count: 20, of: 9.0.0.0/8}, feed: isp-a}", "announce 20 prefixes of 9.0.0.0/8 on isp-a"),
        (
            "{announce: [9.0.0.0/8, 9.1.0.0/16, 9.2.0.0/16, 9.3.0.0/16, 9.4.0.0/16], feed: isp-a}",
            "announce 9.0.0.0/8, 9.1.0.0/16, 9.2.0.0/16 and 2 more on isp-a",
        ),
        ("{at: 1h, expect: {not_raised: link-down}}", "(wait)"),
    ],
)
def test_a_step_is_told_in_a_few_words(tmp_path: Path, step: str, written: str):
    assert read(tmp_path, f"- converge: all\n- {step}").acts[1].text == written
