"""``ermon verify --azure``: the daemon reads Microsoft's tables first; its login stays with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from ermon.client.target import Target, UsageError
from ermon.verify import ask as asking
from ermon.verify.ask import ask_azure
from tests.checks.test_azure_tables import TABLES
from tests.verify.acceptance import converged
from tests.web.site import Site


class Tables:
    """Reads in three looks, if it may."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.looks = 0

    def out_of_turn(self, circuit: str) -> float | None:
        return self.seconds

    def reading(self, circuit: str) -> bool:
        self.looks += 1
        return self.looks <= 3


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_LOOK_SECONDS", 0.0)


async def ask(folder: Path, tables: Tables, circuit: str | None) -> list[str]:
    net = converged(TABLES)
    net.microsoft_says("chicago", "secondary", problem="HTTP 403")
    said: list[str] = []
    site = Site(net, azure=tables)
    async with site.controlled(folder):
        assert site.control is not None
        try:
            await ask_azure(Target(URL("http://localhost"), site.control), circuit, said.append)
        except UsageError as error:
            said.append(str(error))
    return said


async def test_it_waits_until_the_tables_are_read_and_says_what_could_not_be(tmp_path: Path):
    tables = Tables()
    assert await ask(tmp_path, tables, "chicago") == [
        "asking Azure for the tables of chicago; it takes minutes",
        "chicago secondary: HTTP 403",
    ]
    assert tables.looks == 4


async def test_it_does_not_wait_for_what_may_not_be_asked_yet(tmp_path: Path):
    [said] = await ask(tmp_path, Tables(123.4), None)
    assert said == "Azure was asked for the tables of chicago lately, and is asked again in 123 s"


async def test_a_circuit_without_tables_is_wrong_usage(tmp_path: Path):
    [refused] = await ask(tmp_path, Tables(), "dallas")
    assert "there is no circuit 'dallas' whose azure says from: arm" in refused
