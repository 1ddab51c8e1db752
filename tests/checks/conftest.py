from __future__ import annotations

import pytest

from tests.checks.company import V4, V6, Company, Space, company


@pytest.fixture(params=[V4, V6], ids=["ipv4", "ipv6"])
def space(request: pytest.FixtureRequest) -> Space:
    """The addresses and prefixes of the test, which runs once in each family."""
    space: Space = request.param
    return space


@pytest.fixture
def net() -> Company:
    """The company in its usual state: every feed in sync, nothing raised."""
    return company().converge()
