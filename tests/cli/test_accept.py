"""``ermon accept`` against a daemon's web."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ermon.cli import run
from tests.web.site import ME, Site
from tests.web.test_accept import lessened

ACCEPT = ("prefix-count-low", "--circuit", "chicago", "--reason", "as planned")


async def accept(site: Site, capsys: Any, *arguments: str) -> tuple[int, str, str]:
    command = ["accept", "--socket", str(site.control), *arguments]
    code = await asyncio.to_thread(run, command)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


async def test_accepted_subjects_are_printed(capsys: Any, tmp_path: Path) -> None:
    site = Site(lessened()).tell()
    with capture_logs():
        async with site.controlled(tmp_path):
            code, out, _ = await accept(site, capsys, *ACCEPT)
            assert code == 0
            assert out.splitlines() == [
                f"prefix-count-low chicago {link} ipv4: accepted by {ME}: as planned; now ok"
                for link in ("primary", "secondary")
            ]
            code, _, err = await accept(site, capsys, *ACCEPT)
            assert (code, "nothing to accept" in err) == (2, True)


@pytest.mark.parametrize("check", ["pool-leak", "no-such-check"])
def test_anything_else_is_wrong_usage(check: str, capsys: Any) -> None:
    assert run(["accept", check, "--circuit", "chicago", "--reason", "x"]) == 2
    assert "those that can: service-count-low, prefix-count-low" in capsys.readouterr().err
