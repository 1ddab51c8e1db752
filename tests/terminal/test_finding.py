"""One finding, with its steps filled in."""

from __future__ import annotations

import re

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ermon.commands import Question, command
from ermon.commands.blocks import blocks
from ermon.model.text import REPLACEMENT
from ermon.web.app import make_app
from tests.checks.company import V4, Company, company
from tests.terminal.looking import look, look_at
from tests.web.site import Site


async def leaking(net: Company) -> str:
    net.announce("isp-a", V4.pool, path="64500")
    seen = await look(net, "status", "--json")
    return next(found["id"] for found in seen.data["findings"] if found["check"] == "pool-leak")


async def test_a_finding_is_shown_with_the_commands_of_its_routers_platform():
    net = company("uplinks: {isp-a: {neighbor: 203.0.113.129}}", "routers: {edge-1: {platform: frr}}")
    net.process_up("edges").process_up("outside").converge()
    seen = await look(net, "explain", await leaking(net))
    assert seen.code == 1, "it is raised"
    assert seen.lines[0] == f"pool-leak: NAT pool chi {V4.pool} is advertised to isp-a by edge-1"
    assert "     [edge-1, uplink isp-a, FRR]" in seen.lines
    assert (
        "       vtysh -c 'show bgp ipv4 unicast neighbors 203.0.113.129 advertised-routes' | grep -F ' 198.51.100.0'"
    ) in seen.lines
    assert "Junos" not in seen.out


async def test_commands_of_all_platforms_are_shown_if_the_platform_is_unknown(net: Company):
    seen = await look(net, "explain", await leaking(net))
    for platform in ("Junos", "BIRD", "Cisco IOS-XR"):
        assert f"     [edge-1, uplink isp-a, {platform}]" in seen.lines
    assert "  ISP: address of the internet provider's router" in seen.out
    assert "  PEER-GROUP: " in seen.out, "of Junos and PAN-OS"
    assert "Set routers.edge-1.platform in the configuration" in seen.out


async def test_a_feed_without_a_router_has_no_platform_of_its_address(net: Company):
    net.down("outside").wait(40)
    down = next(
        f["id"] for f in (await look(net, "status", "--json")).data["findings"] if f["check"] == "feed-down"
    )
    told = " ".join((await look(net, "explain", down)).out.split())
    assert "(feeds.outside.router: NAME) and its platform (routers.NAME.platform)" in told
    assert "routers.127" not in told


@pytest.mark.parametrize("platform", ["iosxe", "bird", "openbgpd", "gobgp"])
async def test_a_command_of_several_lines_is_shown_line_by_line(platform: str):
    net = company(
        "uplinks: {isp-a: {neighbor: 203.0.113.129}}", f"routers: {{edge-1: {{platform: {platform}}}}}"
    )
    net.process_up("edges").process_up("outside").converge()
    seen = await look(net, "explain", await leaking(net))
    assert REPLACEMENT not in seen.out
    values = {"ISP": "203.0.113.129", "POOL": str(V4.pool), "OUR-ASN": "64500"}
    text = command(platform, Question("stop", ("ISP", "POOL")), values, "ipv4", None)
    assert text is not None
    lines = [line for block in blocks(text) for line in block.lines]
    assert len(lines) > 1
    assert {f"       {line}" for line in lines} <= set(seen.lines)


async def test_lines_for_a_file_are_separate_from_commands():
    net = company("uplinks: {isp-a: {neighbor: 203.0.113.129}}", "routers: {edge-1: {platform: bird}}")
    net.process_up("edges").process_up("outside").converge()
    seen = await look(net, "explain", await leaking(net))
    at = seen.lines.index("     in bird.conf, first in the filter that exports to 203.0.113.129:")
    assert seen.lines[at + 1 : at + 4] == [
        f"       if net ~ [ {V4.pool}+ ] then reject;",
        "     then in a shell (a protocol that was disabled by hand comes up again):",
        "       birdc configure",
    ]


async def test_a_server_cannot_forge_a_line_with_a_command(net: Company):
    wanted = await leaking(net)
    site = TestServer(make_app(Site(net).context()))
    async with site:
        async with aiohttp.ClientSession() as session:
            answer = await (await session.get(site.make_url(f"/api/v1/findings/{wanted}"))).json()
        [sent] = answer["data"]["steps"][0][0]["commands"]
        sent["commands"] = {
            "bird": [{"heading": "here\nforged", "lines": ["birdc\nforged", "\x1b[2Jforged"]}]
        }
    app = web.Application()

    async def forging(_: web.Request) -> web.Response:
        return web.json_response(answer)

    app.router.add_get("/{path:.*}", forging)
    async with TestServer(app) as server:
        seen = await look_at(str(server.make_url("/")), "explain", wanted)
    assert seen.out.replace("\n", "").isprintable()
    told = [line for line in seen.lines if "forged" in line]
    assert told == [
        f"     here{REPLACEMENT}forged:",
        f"       birdc{REPLACEMENT}forged",
        f"       {REPLACEMENT}[2Jforged",
    ]


async def test_a_platform_without_a_command_is_named_and_not_replaced_by_another():
    net = company("routers: {edge-1: {platform: panos}, edge-2: {platform: panos}}")
    net.process_up("edges").process_up("outside").converge()
    net.announce("isp-a", "52.96.0.0/14", path="64500 12076")
    seen = await look(net, "status", "--json")
    leaked = next(found["id"] for found in seen.data["findings"] if found["check"] == "microsoft-leaked")
    seen = await look(net, "explain", leaked)
    assert "ermon knows no command for PAN-OS here." in seen.out
    assert "Junos" not in seen.out
    assert "routers.edge-1.platform" not in seen.out


async def test_only_words_that_are_left_are_explained():
    net = company("uplinks: {isp-a: {neighbor: 203.0.113.129}}", "routers: {edge-1: {platform: frr}}")
    net.process_up("edges").process_up("outside").converge()
    seen = await look(net, "explain", await leaking(net))
    left = seen.lines[seen.lines.index("To be replaced: ermon does not know them") + 1 :]
    assert [line.split(":")[0] for line in left if line] == ["  TO-ISP"]


async def test_a_recovering_finding_shows_since_when_it_is_gone_and_when_it_clears(net: Company):
    leak = await leaking(net.wait(30))
    assert "Gone since" not in (await look(net.wait(30), "explain", leak)).out
    seen = await look(net.withdraw("isp-a", V4.pool).wait(10), "explain", leak)
    assert seen.code == 1, "it is raised until it is cleared"
    gone = seen.lines[2]
    assert re.fullmatch(
        r"Gone since (\d\d:\d\d:\d\d) UTC; clears at \d\d:\d\d:\d\d UTC if it stays gone\.", gone
    )
    assert re.fullmatch(
        r"○ recovering \(critical\), from [-\d]+ [:\d]+ UTC to [-\d]+ [:\d]+ UTC", seen.lines[1]
    )
    assert gone[11:19] in seen.lines[1]
    assert "Gone since" not in (await look(net.wait(60), "explain", leak)).out


async def test_json_is_the_answer_of_the_api_and_a_cleared_finding_exits_with_0(net: Company):
    wanted = await leaking(net)
    net.withdraw("isp-a", V4.pool).wait(70)
    seen = await look(net, "explain", wanted, "--json")
    assert (seen.code, seen.data["finding"]["state"]) == (0, "cleared")


async def test_an_unknown_finding_is_an_error(net: Company):
    seen = await look(net, "explain", "0123456789abcdef")
    assert seen.code == 3
    assert "--storage.retention" in seen.err
