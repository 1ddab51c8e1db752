"""MRT files that real daemons wrote, compared with bgpdump's reading: see ``tests/recorded/daemons.md``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mrt import bgpdump

RECORDED = sorted((Path(__file__).parents[1] / "recorded" / "mrt").glob("*.mrt"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_every_file_is_read_as_bgpdump_reads_it(path: Path) -> None:
    expected = path.with_name(f"{path.name}.bgpdump").read_text().splitlines()
    assert bgpdump.read(path) == bgpdump.comparable(expected)
    assert expected


def test_there_are_files_of_every_daemon_and_kind() -> None:
    names = " ".join(path.name for path in RECORDED)
    for each in ("bird", "frr", "gobgp", "openbgpd", "table-ipv4", "table-ipv6", "updates"):
        assert each in names
