"""Microsoft's test procedure, walked with the steps of the acceptance test."""

from __future__ import annotations

import pytest

from tests.checks.company import PLANT, V4, V6, Company, Space
from tests.checks.test_azure import AZURE, good
from tests.checks.test_azure_tables import TABLES, everything, usual
from tests.verify.acceptance import Run, converged, put_to_the_test

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


def outcomes(run: Run, circuit: str = "chicago") -> dict[int, str | None]:
    """By the number of its step: pass, fail or unknown; ``None`` where another tool shows it."""
    return {step["number"]: step["status"] for step in run.circuit(circuit)["procedure"]}


def part(run: Run, number: int) -> dict[str, object]:
    return next(step for step in run.circuit()["procedure"] if step["number"] == number)


async def test_it_says_what_was_tested_and_which_tool_shows_the_rest(net: Company) -> None:
    run = await put_to_the_test(net)
    seen = {2, 4, 6, 7}
    assert outcomes(run) == {number: "pass" if number in seen else None for number in range(1, 9)}
    assert part(run, 4)["eyes"] == ["chicago-primary", "chicago-secondary"]
    assert part(run, 6)["eyes"] == ["dallas-primary", "dallas-secondary", "isp-a", "outside"]
    assert "edge-1 and edge-2" in str(part(run, 1)["text"])
    assert "ermon render rules --nat-sessions" in str(part(run, 3)["text"])
    assert "circuits.chicago" in str(part(run, 5)["text"])
    assert "ermon render probes" in str(part(run, 8)["text"])


@BOTH_FAMILIES
async def test_a_leak_fails_the_step_on_other_places_alone(net: Company, space: Space) -> None:
    net.announce("isp-a", space.pool, path="64500").wait(10)
    run = await put_to_the_test(net)
    assert [number for number, status in outcomes(run).items() if status == "fail"] == [6]
    assert "isp-a" in str(part(run, 6)["text"])


@BOTH_FAMILIES
async def test_a_lost_session_is_no_session_and_no_advertisement(net: Company, space: Space) -> None:
    net.lose("chicago-primary", space.family).wait(10)
    failed = [number for number, status in outcomes(await put_to_the_test(net)).items() if status == "fail"]
    assert {4, 7} <= set(failed)


@BOTH_FAMILIES
async def test_microsofts_tables_say_whether_the_pools_are_accepted(space: Space) -> None:
    off = [
        f"checks: {{{check}: {{enabled: false}}}}" for check in ("azure-ownership", "azure-prefix-unlisted")
    ]
    net = converged(TABLES, *off)
    assert outcomes(await put_to_the_test(net))[5] == "unknown"
    for link in ("primary", "secondary"):
        net.microsoft_says("chicago", link, [row for each in (V4, V6) for row in everything(each, link)])
    run = await put_to_the_test(net)
    assert outcomes(run)[5] == "pass"
    assert run.step("accepted")["status"] == "pass"
    other = V6 if space is V4 else V4
    for _ in range(2):
        net.wait(900).microsoft_says("chicago", "secondary", [*everything(other, "secondary"), *usual(space)])
    run = await put_to_the_test(net)
    assert outcomes(run)[5] == "fail"
    [problem] = run.problems("accepted")
    assert "link secondary" in problem
    assert space.pool in problem


def microsoft_sees(net: Company, link: str, state: str = "2", mac: str = "00a0.c9aa.0001") -> None:
    """Read the tables of an edge router: the state of its sessions with us, and our end of the link in ARP."""
    third = {"primary": 1, "secondary": 5}[link]
    addresses = (f"203.0.113.{third}", f"2001:db8:ffff::{third}")
    neighbors = [(address, "1d02h", state) for address in addresses]
    rows = [row for space in (V4, V6) for row in everything(space, link)]
    arp = [("On-Prem", mac), ("Microsoft", "00a0.c9bb.0001")]
    net.microsoft_says("chicago", link, rows, neighbors=neighbors, arp=arp)


async def test_azures_arp_tables_show_whether_the_links_answer() -> None:
    net = converged(TABLES)
    net.azure_says("chicago", good(net))
    assert outcomes(await put_to_the_test(net))[1] == "unknown"
    for link in ("primary", "secondary"):
        microsoft_sees(net, link)
    run = await put_to_the_test(net)
    first = part(run, 1)
    assert first["status"] == "pass"
    assert "both ends of primary and secondary answer at layer 2. Ping" in str(first["text"])
    assert "edge-1 and edge-2" in str(first["text"])
    assert str(first["eyes"]).startswith("[\"Azure's ARP tables, asked 20")
    microsoft_sees(net, "secondary", mac="Incomplete")
    run = await put_to_the_test(net)
    assert (part(run, 1)["status"], run.circuit()["status"]) == ("fail", "pass")
    assert str(part(run, 1)["text"]).startswith("secondary: ARP incomplete: call the provider")


async def test_microsofts_side_of_the_sessions_stands_beside_them_and_decides_nothing() -> None:
    net = converged(TABLES)
    assert "Microsoft's side" not in str(part(await put_to_the_test(net), 7)["text"])
    microsoft_sees(net, "primary")
    microsoft_sees(net, "secondary", "Idle")
    seventh = part(await put_to_the_test(net), 7)
    assert seventh["status"] == "pass"
    assert str(seventh["text"]).endswith(
        ": up with 203.0.113.1, 2001:db8:ffff::1; Idle with 203.0.113.5, 2001:db8:ffff::5"
    )
    net.wait(3 * 900)
    assert "Microsoft's side" not in str(part(await put_to_the_test(net), 7)["text"])


async def test_the_answer_on_acceptance_says_when_azure_was_read() -> None:
    net = converged(TABLES)
    net.azure_says("chicago", good(net))
    for link in ("primary", "secondary"):
        microsoft_sees(net, link)
    fifth = part(await put_to_the_test(net), 5)
    assert (fifth["status"], fifth["text"]) == ("pass", "chi")
    circuit, tables = map(str, fifth["eyes"])  # type: ignore[call-overload]
    assert circuit.startswith("Azure's view of the circuit, read 20")
    assert tables.startswith("Microsoft's tables of primary and secondary, asked 20")


async def test_the_list_of_the_circuit_alone_is_not_taken_for_its_links() -> None:
    net = converged(f"circuits: {{chicago: {{{AZURE}}}}}")
    net.azure_says("chicago", good(net))
    fifth = part(await put_to_the_test(net), 5)
    assert fifth["status"] == "pass"
    assert "by the circuit's list alone" in str(fifth["text"])
    net.wait(3 * 900)
    fifth = part(await put_to_the_test(net), 5)
    assert fifth["status"] == "unknown"
    assert ", too old" in str(fifth["eyes"])


async def test_what_ermon_cannot_see_is_unknown(net: Company) -> None:
    net.down("isp-a", "edge-3").down("outside", "edge-3").wait(70)
    assert outcomes(await put_to_the_test(net))[6] == "unknown"


async def test_a_circuit_without_nat_pools_has_none() -> None:
    assert (await put_to_the_test(converged(PLANT), "plant")).circuit("plant")["procedure"] == []
