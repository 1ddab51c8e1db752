from collections.abc import Iterator
from pathlib import Path

import pytest

from ermon.bgp.update import AttributesCache, Codec, read_update
from ermon.model.prefixes import FAMILIES, Family, Prefix
from tests.bench.table import MAX_MESSAGE, updates
from tests.bench.table.__main__ import RECEIVERS, main
from tests.bench.table.measure import Table, measure
from tests.bench.table.receivers import Bird, Pmbgpd
from tests.bgp import require

FEW = Table(300, 100)
NEXT_HOPS: dict[Family, str] = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}


def table(prefixes: int, family: Family) -> list[bytes]:
    return updates(prefixes, asn=64520, next_hop=NEXT_HOPS[family], family=family)


def prefixes(update: bytes, family: Family) -> Iterator[Prefix]:
    read = read_update(update[19:], Codec(), AttributesCache())
    assert not read.withdrawn
    assert read.repaired is None
    for route in read.announced:
        assert route.prefix.family == family
        assert str(route.attributes.next_hop) == NEXT_HOPS[family]
        yield route.prefix


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_has_as_many_different_prefixes_as_asked_for(family: Family) -> None:
    found = [prefix for update in table(5_000, family) for prefix in prefixes(update, family)]
    assert len(found) == len(set(found)) == 5_000
    assert min(prefix.length for prefix in found) < (16 if family == "ipv4" else 32)


def test_the_table_is_the_same_each_time() -> None:
    assert table(5_000, "ipv4") == table(5_000, "ipv4")


@pytest.mark.parametrize("family", FAMILIES)
def test_no_update_is_longer_than_a_message_may_be(family: Family) -> None:
    assert max(map(len, table(50_000, family))) <= MAX_MESSAGE


# What is measured ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", RECEIVERS)
def test_each_side_reads_a_table(name: str, tmp_path: Path) -> None:
    why = RECEIVERS[name].missing()
    require(why is None, f"{name}: {why}")
    tmp_path.chmod(0o700)
    run = measure(RECEIVERS[name], FEW, tmp_path)
    assert run.seconds > 0
    assert sum(run.memory.values()) > 1
    assert run.cpu.keys() == run.memory.keys()


@pytest.mark.slow
def test_figures_are_printed_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    require(Bird.missing() is None, "BIRD 2")
    main(["--tables=200+100", "--daemons=bird,ermon", "--rounds=1", "--flaps=1", "--idle=0.1"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
    assert [row.partition(" in ")[0] for row in rows] == [
        *("200 IPv4 and 100 IPv6 routes", "BIRD", "ermon"),
        *("flaps of 200 IPv4 and 100 IPv6 routes", "0", "1"),
        *("idle for 0.1 s, with a session up", "ermon", "ermon, JSON"),
    ]


def test_one_that_is_missing_is_skipped_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pmbgpd, "program", "no-such-daemon")
    main(["--tables=10", "--daemons=pmbgpd", "--flaps=0", "--idle=0"])
    assert "pmbgpd is skipped: no-such-daemon is not installed." in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["--daemons=birds", "--tables=many", "--tables=0"])
def test_impossible_measurements_are_refused(argument: str) -> None:
    with pytest.raises(SystemExit):
        main([argument])
