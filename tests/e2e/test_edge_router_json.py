"""ermon behind real routers where ExaBGP writes its JSON: the tests of ``test_edge_router`` about routes and sessions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ermon.exabgp.raw import SWITCH, RawState
from tests.e2e.edge_router import Network
from tests.e2e.test_edge_router import (  # noqa: F401  # pytest finds them here, too
    ROUTERS,
    network,
    test_every_route_is_attributed_to_its_link,
    test_leak_by_an_error_in_the_outbound_policy_is_raised_and_its_repair_clears_it,
    test_link_is_down_when_its_routes_are_withdrawn_and_up_when_they_return,
    test_reset_of_the_connections_loses_the_sessions_and_nothing_else,
    test_session_that_the_router_shuts_down_is_lost_for_the_reason_that_it_gives,
)


@pytest.fixture(scope="module", params=ROUTERS)
def running_network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """One network for all tests of a router, whose routes arrive as ExaBGP's JSON."""
    request.param.require()
    with tempfile.TemporaryDirectory(prefix="ermon-") as path:
        directory = Path(path)
        running = Network(request.param(directory), directory)
        running.daemon.environment[SWITCH] = RawState.OFF
        with running.running() as network:
            assert network.daemon.metric("ermon_exabgp_raw") == 0
            yield network
