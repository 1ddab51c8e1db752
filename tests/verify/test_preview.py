"""``ermon check --url``: another configuration is judged with the state of a running daemon."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
import yaml

from ermon.api.answers import FindingDoc, finding_doc
from ermon.cli import run
from ermon.exabgp.decode import DecoderMemory
from ermon.model.inventory import EDGES
from ermon.recording.entries import Held
from ermon.verify.preview import Asked, Preview, judge, write
from tests.checks.company import COMPANY, PLANT, V4, V6, Company, Space, company
from tests.verify.acceptance import converged
from tests.web.site import Site, status_of

BOTH = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


def previewed(net: Company, *changes: str) -> Preview:
    held = Held.by(net.monitor, DecoderMemory(pids={EDGES: 1, "outside": 2}), {})
    raised = [finding_doc(finding) for finding in net.monitor.findings()]
    asked = Asked("ermon", status_of(net), raised, list(held.recording()))
    return judge(asked, company(*changes).config, {})


def checks(findings: tuple[FindingDoc, ...]) -> list[str]:
    return sorted({each.check for each in findings})


def test_with_the_same_file_nothing_would_change(net: Company):
    found = previewed(net)
    assert (found.raised, found.cleared, found.new_feeds, found.unread) == ((), (), (), 0)
    assert not found.wrong


@BOTH
def test_a_pool_that_is_on_the_internet_already_would_be_a_leak(net: Company, space: Space):
    net.announce("isp-a", space.own_other, path="64500").wait(120)
    found = previewed(net, f"nat_pools: {{new: {{circuit: chicago, prefixes: ['{space.own_other}']}}}}")
    assert "pool-leak" in checks(found.raised)
    assert found.wrong


@BOTH
def test_a_finding_that_the_file_allows_would_be_cleared(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(120)
    found = previewed(net, "checks: {pool-leak: {enabled: false}}")
    assert "pool-leak" in checks(found.cleared)
    assert found.raised == ()


def test_a_check_that_waits_is_waited_for(net: Company):
    found = previewed(net, "circuits: {dallas: {receive: {prefixes: [192.0.2.192/26]}}}")
    assert checks(found.raised) == ["prefix-missing"]


def test_feeds_that_the_daemon_does_not_have_are_left_out(net: Company):
    found = previewed(net, PLANT)
    assert found.new_feeds == ("edge-5", "edge-6", "plant-primary", "plant-secondary")
    assert "feed-down" not in checks(found.raised)


def test_routes_of_a_feed_at_another_address_are_not_judged(net: Company):
    found = previewed(net, "feeds: {outside: {peer: 127.0.0.99}}")
    assert found.unread > 0
    out = io.StringIO()
    write(found, out)
    assert (
        "not judged: routes of feeds that this file does not have, or has at other addresses"
        in out.getvalue()
    )


async def test_the_command_exits_with_1_if_a_warning_or_critical_finding_would_be_raised(
    tmp_path: Path, capsys
):
    net = converged()
    net.announce("isp-a", V4.own_other, path="64500").wait(120)
    file = tmp_path / "ermon.yml"
    changed = yaml.safe_load(COMPANY)
    file.write_text(json.dumps(changed), encoding="utf-8")
    async with Site(net).listens() as url:
        code = await asyncio.to_thread(run, ["check", str(file), "--url", url])
        assert "nothing would be raised or cleared" in capsys.readouterr().out
        assert code == 1, "the inventory has findings of its own"
        changed["nat_pools"]["new"] = {"circuit": "chicago", "prefixes": [V4.own_other]}
        file.write_text(json.dumps(changed), encoding="utf-8")
        code = await asyncio.to_thread(run, ["check", str(file), "--url", url])
    said = capsys.readouterr().out
    assert f"with what {url} holds:" in said
    assert "would be raised: critical: NAT pool new" in said
    assert code == 1


async def test_a_daemon_that_is_not_there_is_unreachable(tmp_path: Path, capsys):
    file = tmp_path / "ermon.yml"
    file.write_text(COMPANY, encoding="utf-8")
    async with Site(converged()).listens() as url:
        pass
    assert await asyncio.to_thread(run, ["check", str(file), "--url", url]) == 3
    assert "cannot be reached" in capsys.readouterr().err
