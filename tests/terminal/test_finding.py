"""One finding, with what to do about it filled in."""

from __future__ import annotations

import re

from tests.checks.company import V4, Company, company
from tests.terminal.looking import look


async def leaking(net: Company) -> str:
    net.announce("isp-a", V4.pool, path="64500")
    seen = await look(net, "status", "--json")
    return next(found["id"] for found in seen.data["findings"] if found["check"] == "pool-leak")


async def test_a_finding_is_told_with_the_commands_of_its_routers_platform():
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


async def test_all_platforms_are_told_where_nobody_knows_which_it_is(net: Company):
    seen = await look(net, "explain", await leaking(net))
    for platform in ("Junos", "BIRD", "Cisco IOS-XR"):
        assert f"     [edge-1, uplink isp-a, {platform}]" in seen.lines
    assert "  ISP: address of the internet provider's router" in seen.out
    assert "  PEER-GROUP: " in seen.out, "of Junos and PAN-OS"
    assert "routers.edge-1.platform." in seen.out


async def test_a_platform_without_a_command_is_said_and_no_other_stands_in_for_it():
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


async def test_what_recovers_says_since_when_it_is_gone_and_when_it_is_cleared(net: Company):
    leak = await leaking(net.wait(30))
    assert "Gone since" not in (await look(net.wait(30), "explain", leak)).out
    seen = await look(net.withdraw("isp-a", V4.pool).wait(10), "explain", leak)
    assert seen.code == 1, "it is raised until it is cleared"
    gone = seen.lines[2]
    assert re.fullmatch(
        r"○ Gone since (\d\d:\d\d:\d\d) UTC; clears at \d\d:\d\d:\d\d UTC if it stays gone\.", gone
    )
    assert re.fullmatch(r"critical, recovering, from [-\d]+ [:\d]+ UTC to [-\d]+ [:\d]+ UTC", seen.lines[1])
    assert gone[13:21] in seen.lines[1]
    assert "Gone since" not in (await look(net.wait(60), "explain", leak)).out


async def test_json_is_what_the_api_says_and_what_is_over_is_0(net: Company):
    wanted = await leaking(net)
    net.withdraw("isp-a", V4.pool).wait(70)
    seen = await look(net, "explain", wanted, "--json")
    assert (seen.code, seen.data["finding"]["state"]) == (0, "cleared")


async def test_a_finding_that_nobody_knows_is_told(net: Company):
    seen = await look(net, "explain", "0123456789abcdef")
    assert seen.code == 3
    assert "--storage.retention" in seen.err
