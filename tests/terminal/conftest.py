from __future__ import annotations

import pytest

from tests.checks.company import Company, company


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def net() -> Company:
    """The company after a minute of a good day."""
    return company().process_up("edges").process_up("outside").converge().wait(60)
