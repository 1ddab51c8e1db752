"""Whether ermon sees all that a circuit is judged by."""

from __future__ import annotations

from tests.checks.company import V4, V6, Company
from tests.verify.acceptance import converged, put_to_the_test

SECOND_EDGE = """
feeds:
  edge-1-best: {router: edge-1, view: edge-table, peer: 127.0.0.31, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6]}
"""


async def test_an_edge_table_that_is_down_says_why(net: Company):
    run = await put_to_the_test(net.down("edge-1"))
    assert run.problems("sight")[:2] == [
        "unknown what link primary brings in IPv4 is not seen: edge-1 is down (closing connection)",
        "unknown what link primary brings in IPv6 is not seen: edge-1 is down (closing connection)",
    ]


async def test_a_feed_that_is_not_in_sync_yet(net: Company):
    run = await put_to_the_test(net.down("chicago-primary").up("chicago-primary"))
    assert (
        "unknown what is advertised on link primary in IPv6 is not seen: chicago-primary is not in sync yet"
        in run.problems("sight")
    )


async def test_a_feed_that_has_lost_messages(net: Company):
    run = await put_to_the_test(net.lose_messages("isp-a"))
    assert any("isp-a has lost messages (a gap in" in problem for problem in run.problems("sight"))


async def test_best_paths_alone_prove_no_absence():
    run = await put_to_the_test(converged("feeds: {edge-1: {add_path: false}}"))
    assert (
        "unknown what link primary brings in IPv4 is not seen: "
        "edge-1 carries best paths only, without ADD-PATH" in run.problems("sight")
    )


async def test_a_link_without_a_mirror():
    run = await put_to_the_test(converged("feeds: {chicago-primary: null}"))
    assert "unknown what is advertised on link primary in IPv4 is not seen: no feed shows it" in run.problems(
        "sight"
    )
    assert "unknown The policy needs a view to-microsoft that no feed provides" in run.problems("sight")


async def test_one_feed_that_proves_the_fact_is_enough():
    net = converged(SECOND_EDGE).down("edge-1-best").wait(60)
    assert (await put_to_the_test(net)).code == 0


async def test_a_mirror_that_shows_nothing_is_not_believed(net: Company):
    net.down("isp-a").reconnect("isp-a").wait(60)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"sight": "unknown"}
    assert "unknown Feed isp-a is up without a single ipv4 route" in run.problems("sight")


async def test_routes_that_fit_no_link_are_not_seen_to_be_any(net: Company):
    net.announce("edge-1", V4.extra, V6.extra, path="12076").wait(60)
    run = await put_to_the_test(net)
    assert run.problems("sight") == ["unknown Feed edge-1 shows Microsoft routes that fit no link"]


async def test_a_process_that_is_down(net: Company):
    net.process_down("outside").wait(10)
    run = await put_to_the_test(net)
    assert run.report["status"] == "unknown"
    assert "unknown ExaBGP process outside is not running or does not answer" in run.problems("sight")
