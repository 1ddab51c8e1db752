from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ermon.notify import alertmanager, webhooks
from tests.notify.receiver import Receiver


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without the delay of a second."""
    for module in (alertmanager, webhooks):
        monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.01)
        monkeypatch.setattr(module, "LONGEST_RETRY_SECONDS", 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = await Receiver().start()
    yield receiver
    await receiver.stop()
