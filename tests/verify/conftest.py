from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.web.app import make_app
from tests.checks.company import Company
from tests.verify.acceptance import converged
from tests.web.site import Client, Site


@pytest.fixture
def net() -> Company:
    return converged()


@pytest.fixture
async def client(net: Company) -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_app(Site(net).context()))) as http:
        yield Client(http)
