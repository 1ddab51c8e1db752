from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.web.app import make_app
from tests.checks.company import Company, company
from tests.web.site import Client, Site


@pytest.fixture
def net() -> Company:
    """The company on a good day: every feed in sync, nothing raised."""
    return company().process_up("edges").process_up("outside").converge()


@pytest.fixture
def site(net: Company) -> Site:
    return Site(net).tell()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_app(site.context()))) as http:
        yield Client(http)
