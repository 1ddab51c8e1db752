"""The report as text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ermon.verify.report import CircuitReport, Outcome, Proof, Report, Step
from ermon.verify.text import WIDTH, Sheet
from tests.checks.company import V4, V6, Company
from tests.verify.acceptance import put_to_the_test

GOOD_DAY = """
chicago  microsoft peering, Chicago                                          2026-11-18 11:07:42 UTC
────────────────────────────────────────────────────────────────────────────────────────────────────
  ✓ Every link is up                            primary and secondary, IPv4 and IPv6
  ✓ No link drains, flaps or churns             steady
  ✓ Required services arrive, with communities  exchange-online in 2 routes on each link
  ✓ Every expected prefix is received           2 IPv4 and 2 IPv6 prefixes on each link
  ✓ No link receives too few prefixes           2 IPv4 and 2 IPv6 prefixes on each link
  ✓ The links receive the same prefixes         2 IPv4 and 2 IPv6 prefixes on each link
  ✓ No unexpected prefixes received             no default route, no private space, no own space
  ✓ Every NAT pool is advertised on its links   chi
  ✓ No NAT pool is advertised elsewhere         not on dallas
  ✓ Nothing else is advertised                  1 IPv4 and 1 IPv6 prefixes on each link
  ✓ The links advertise the same prefixes       1 IPv4 and 1 IPv6 prefixes on each link
  ✓ Well below Microsoft's prefix limits        1 of 200 IPv4 and 1 of 200 IPv6 on each link
  ✓ Nothing leaks to the internet               as seen on isp-a, outside
  ✓ ermon can see all of this                   8 feeds, up and in sync
  Not configured, so not tested: internet-preferred, service-count-low, advertised-count-low,
    prefix-unlisted, prefix-not-advertised, azure-not-accepted, azure-ownership,
    azure-prefix-unlisted, pool-roa, pool-unregistered.

  Microsoft's test procedure
  · 1 The provider's router answers             not in BGP. Ping the other end of each link from
                                                edge-1 and edge-2. With circuits.NAME.azure, Azure's
                                                ARP tables show whether both ends of the link answer
                                                at layer 2
  ✓ 2 Microsoft 365's routes are received       exchange-online in 2 routes on each link; 2 IPv4 and
                                                2 IPv6 prefixes on each link (seen by edge-1,
                                                edge-2)
  · 3 NAT operates                              not in BGP. The firewall counts its translations:
                                                ermon render rules --nat-sessions joins its
                                                exporter's count with ermon_pool_addresses of chi
  ✓ 4 The NAT pools' routes are advertised      chi (seen by chicago-primary, chicago-secondary)
  · 5 ExpressRoute has accepted them            not read. Add azure to circuits.chicago: Azure then
                                                says which prefixes Microsoft has accepted
  ✓ 6 The NAT range is advertised nowhere else  not on dallas; as seen on isp-a, outside (seen by
                                                dallas-primary, dallas-secondary, isp-a, outside)
  ✓ 7 Both BGP sessions run                     primary and secondary, IPv4 and IPv6 (seen by
                                                edge-1, edge-2)
  · 8 A host reaches Microsoft                  not in BGP. Run ping, traceroute and tcpping from a
                                                host behind the pool; ermon render probes gives
                                                blackbox_exporter the same targets, and its rule
                                                says where the routes are there and the probe fails

Accepted: all 14 steps pass.
"""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def report(*proofs: Proof, **changes: object) -> Report:
    status = min((proof.status for proof in proofs), default=Outcome.PASS)
    step = Step("internet", "Nothing leaks to the internet", status, "as seen on isp-a", proofs)
    circuit = CircuitReport("chicago", "microsoft", "Chicago", status, (step,), (), {})
    made = Report(version="1", time="2026-11-18T11:07:42.000Z", url="", status=status, circuits=(circuit,))
    return msgspec.structs.replace(made, **changes)


def printed(shown: Report, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    Sheet(stream).write(shown)
    return stream.getvalue()


async def test_a_good_day(net: Company):
    assert (await put_to_the_test(net, as_json=False)).out == GOOD_DAY


async def test_a_leak_names_pool_prefix_path_feed_and_router(net: Company):
    net.announce("isp-a", V6.pool, path="64500").wait(1)
    out = (await put_to_the_test(net, as_json=False)).out
    assert "✗ Nothing leaks to the internet               1 fail, 12 pass\n" in out
    assert f"      ✗ NAT pool chi {V6.pool} is advertised to isp-a by edge-1\n" in out
    told = " ".join(out.split())
    assert (
        "pool-leak chi IPv6 isp-a · 2001:db8:100:10::/64 · AS path 64500 · next hop 2001:db8:fe::254 · "
        "seen on isp-a · router edge-1 · since 2026-11-18 11:07:42 UTC" in told
    )
    assert out.endswith("\nNot accepted: 1 of 14 steps fail.\n")


async def test_an_unknown_step_is_not_accepted(net: Company):
    out = (await put_to_the_test(net.down("outside"), as_json=False)).out
    assert "? Nothing leaks to the internet" in out
    assert out.endswith("\nNot accepted: 2 of 14 steps are unknown.\n")


async def test_no_line_is_wider_than_the_page(net: Company, tmp_path: Path):
    before = tmp_path / "before.json"
    (await put_to_the_test(net, None)).save(before)
    net.announce("isp-a", V4.pool, *V6.many(30), path="64500").down("outside", "edge-3")
    net.lose("chicago-primary", "ipv6").announce("chicago-secondary", *V4.many(100), path="64500").wait(70)
    out = (await put_to_the_test(net, None, as_json=False, before=before)).out
    assert max(map(len, out.splitlines())) <= WIDTH
    assert "Also raised, but no part of this test" in out


async def test_changes_are_shown_by_step_and_by_prefix(net: Company, tmp_path: Path):
    before = tmp_path / "before.json"
    (await put_to_the_test(net)).save(before)
    net.announce("isp-a", V4.pool, path="64500").lose("chicago-primary", "ipv6").wait(10)
    out = (await put_to_the_test(net, as_json=False, before=before)).out
    told = out[out.index("\nSince 2026-11-18 11:07:42 UTC\n") :]
    assert "    worse     Nothing leaks to the internet               pass → fail\n" in told
    assert f"              + NAT pool chi {V4.pool} is advertised to isp-a by edge-1\n" in told
    assert "    IPv6 prefixes received on primary: 2 gone, 0 new\n" in told
    assert "              - 2001:db8:40::/48, 2001:db8:41::/48\n" in told
    assert told.endswith(
        "\nNot accepted: 5 of 14 steps fail, 2 are unknown, worse than at 2026-11-18 11:07:42 UTC.\n"
    )


async def test_no_changes_are_reported_as_such(net: Company, tmp_path: Path):
    before = tmp_path / "before.json"
    (await put_to_the_test(net)).save(before)
    out = (await put_to_the_test(net, as_json=False, before=before)).out
    assert "\nSince 2026-11-18 11:07:42 UTC\n  chicago: nothing has changed\n" in out


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    failed = report(Proof(Outcome.FAIL, "NAT pool chi is advertised to the internet"))
    assert "\033" not in printed(failed)
    coloured = printed(failed, Terminal())
    assert "\033[31m" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == printed(failed)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in printed(failed, Terminal())


def test_a_terminal_without_unicode_gets_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Sheet(stream).write(report(Proof(Outcome.FAIL, "über", details={"feeds": ["isp-a"], "x": 1})))
    stream.flush()
    assert "x ?ber\n        seen on isp-a ; x: 1\n" in stream.buffer.getvalue().decode("ascii")


def test_text_of_a_peer_cannot_control_the_terminal():
    hostile = "\x1b]0;owned\x07 \x9b2J \u202e"
    shown = printed(report(Proof(Outcome.UNKNOWN, hostile, details={"reason": hostile})))
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_long_lists_are_cut_and_say_how_long_they_are():
    many = Proof(Outcome.FAIL, "too much", details={"prefixes": V4.many(20), "prefixes_total": 3000})
    told = " ".join(printed(report(many)).split())
    assert "9.0.11.0/24 and 2988 more" in told
    proofs = [Proof(Outcome.FAIL, f"problem {n}") for n in range(25)]
    assert "and 15 more; --json has all of them" in printed(report(*proofs))


async def test_exabgp_that_does_not_run_is_the_one_answer_to_all_steps(net: Company):
    net.process_down().process_down("outside").wait(6)
    run = await put_to_the_test(net, as_json=False)
    assert run.code == 1
    head, _, rest = run.out.partition("─\n")
    assert head
    assert rest.startswith("  Nothing can be judged: ExaBGP does not run (exited).\n\n")
    assert "cannot be judged" not in run.out
    as_json = await put_to_the_test(net)
    assert as_json.circuit()["blinded_by"] == "Nothing can be judged: ExaBGP does not run (exited)"


async def test_that_no_session_is_up_is_the_one_answer_to_all_steps(net: Company):
    for feed in net.monitor.config.feeds:
        net.down(feed)
    out = " ".join((await put_to_the_test(net.wait(40), as_json=False)).out.split())
    assert "Nothing can be judged: none of 8 feeds is up (closing connection)." in out
    assert "cannot be judged:" not in out
    assert "of 14 steps are unknown" in out


async def test_after_a_start_verify_says_that_the_routers_are_waited_for(net: Company):
    net.wait(700).restart().process_up("edges").process_up("outside")
    assert "none of 8 feeds is up (ermon waits for the routers)" in " ".join(
        (await put_to_the_test(net.wait(3), as_json=False)).out.split()
    )


async def test_the_feeds_of_another_exabgp_are_still_judged(net: Company):
    net.process_down().wait(6)
    out = (await put_to_the_test(net, as_json=False)).out
    assert "Nothing can be judged" not in out
    assert "? ermon can see all of this" in out


def test_times_stand_here_and_in_utc_each_with_its_zone(clock_of: Callable[[str], None]):
    clock_of("Asia/Kolkata")
    leaked = Proof(Outcome.FAIL, "A pool leaks", "pool-leak", {}, {"since": "2026-11-18T11:07:42.000Z"})
    told = printed(report(leaked))
    here = "2026-11-18 16:37:42 UTC+5:30 (2026-11-18 11:07:42 UTC)"
    assert f"since {here}" in " ".join(told.split())
    assert told.splitlines()[1].endswith(here)


def test_text_that_is_not_a_time_is_unchanged(clock_of: Callable[[str], None]):
    clock_of("America/New_York")
    for words in ("yesterday", "0001-01-01T00:00:00Z"):
        assert words in printed(report(time=words))
