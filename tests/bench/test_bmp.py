"""The benchmark of BMP measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import Monitored
from ermon.model.events import EndOfRib, SessionUp, Uninteresting, Update
from tests.bench.bmp import PROVIDER, stream
from tests.bench.bmp.__main__ import main
from tests.bench.bmp.measure import measure
from tests.bench.bmp.receivers import Ermon, ErmonOnLink, Pmbmpd, Receiver
from tests.bgp import require
from tests.bmp.test_router import feeds
from tests.e2e.test_bmp import Frr


def test_the_stream_has_as_many_routes_as_asked_for() -> None:
    of = RouterStream("bmp/edge-1", Monitored(by_asn={PROVIDER.asn: feeds("isp", "ipv4")}))
    taken = of.take(b"".join(stream(300, 30, PROVIDER)), 1.0)
    updates = [event for event in taken.events if isinstance(event, Update)]
    assert sum(update.updates for update in updates) == 300
    routes = {route.prefix: route.attributes for update in updates for route in update.announced}
    assert len(routes) == 300
    assert 20 < len(set(routes.values())) <= 30
    assert {type(event) for event in taken.events} >= {SessionUp, EndOfRib}
    assert not any(isinstance(event, Uninteresting) for event in taken.events)
    assert (taken.rejected, taken.malformed, taken.ended) == ([], [], None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Pmbmpd, Ermon, ErmonOnLink])
def test_each_side_reads_a_stream(kind: type[Receiver], tmp_path: Path) -> None:
    why = kind.missing()
    require(why is None, f"{kind.name}: {why}")
    tmp_path.chmod(0o700)
    run = measure(kind, 200, 20, tmp_path)
    assert run.seconds > 0
    assert run.memory > 1


@pytest.mark.slow
@pytest.mark.xdist_group("Frr")
def test_figures_are_printed_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    Frr.require()
    main(["--rounds=1", "--routes=100", "--sets=10", "--losses=2"])
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[-9:] == [
        "| from Peer Down to the webhook, besides",
        "| nothing else",
        "| a table of 100, 5 MB/s",
        "| the same as fast as ermon reads it",
        "| from BIRD's `disable` to the webhook, besides",
        "| nothing else",
        "| nothing else, from FRR's Peer Down",
        "| a table of 100",
        "| a table of 100, from FRR's Peer Down",
    ]
    assert {"| ermon, an uplink's table", "| ermon, a link's table"} <= set(rows)
