from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import pytest

from ermon.demo.child import Child, DemoError
from ermon.demo.daemon import Daemon
from ermon.demo.run import free_port

LAST_WORDS = "import sys; sys.exit('the disk is full')"


async def test_an_ermon_that_does_not_answer_is_a_failure_with_its_last_output(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "ermon.yml", free_port(["127.0.0.1"]), tmp_path)
    daemon.child = Child("ermon", (sys.executable, "-c", LAST_WORDS), tmp_path / "ermon.log", {})
    async with daemon.child, aiohttp.ClientSession(daemon.url) as daemon._http:
        with pytest.raises(DemoError) as error:
            await daemon.raised()
    assert str(error.value) == (
        "ermon does not answer /api/v1/findings?state=raised (ended with status 1). The last lines of its log:\n"
        "  | the disk is full"
    )
