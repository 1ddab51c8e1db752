from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sources.server import ListServer, server_tls


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[ListServer]:
    server = await ListServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def tls_server() -> AsyncIterator[ListServer]:
    server = await ListServer().start(server_tls())
    yield server
    await server.stop()
