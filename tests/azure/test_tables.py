"""The tables of Microsoft's edge routers, as they really are: with stars, origin codes, words for counts, and odd numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ermon.azure.tables import (
    MAX_ROWS,
    RouteTable,
    TableError,
    arp,
    neighbors,
    next_link,
    read_document,
    routes,
    traffic,
)
from ermon.model.azure_tables import (
    AzureArp,
    AzureNeighbor,
    AzureRoute,
    AzureTraffic,
    arp_problem,
    read_address,
    read_asn,
    read_duration,
)

ROW = {
    "network": "198.51.100.0/28",
    "nextHop": "203.0.113.1",
    "locPrf": "100",
    "weight": 0,
    "path": "64500 I",
}
ROUTE = AzureRoute("198.51.100.0/28", "203.0.113.1", "64500 I")


# The shapes of an answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"value": [ROW]},
        {"value": [ROW], "nextLink": None},
        {"value": [ROW], "nextLink": ""},
        [ROW],
        ROW,
        {"Value": [{name.title().replace("hop", "Hop"): value for name, value in ROW.items()}]},
    ],
    ids=["answer", "null link", "empty link", "list", "one row", "PowerShell"],
)
def test_every_shape_of_an_answer_is_read(value: Any) -> None:
    assert routes(value) == RouteTable((ROUTE,), partial=False)


@pytest.mark.parametrize("value", [{"value": []}, {"value": None}, [], {}])
def test_an_empty_table_is_a_table(value: Any) -> None:
    assert routes(value) == RouteTable((), partial=False)


@pytest.mark.parametrize("value", ["text", 5, None, True, {"value": "text"}, {"value": 5}])
def test_anything_else_is_an_error(value: Any) -> None:
    for read in (routes, neighbors, arp):
        with pytest.raises(TableError, match="is not a table"):
            read(value)


def test_a_table_that_continues_elsewhere_is_partial() -> None:
    answer = {"value": [ROW], "nextLink": "https://management.azure.com/next"}
    assert routes(answer).partial
    assert next_link(answer) == "https://management.azure.com/next"
    assert next_link([ROW]) is None


# Routes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.2.0.0/16", "10.2.0.0/16"),
        ("*> 10.2.0.0/16", "10.2.0.0/16"),
        ("10.2.0.0/16*", "10.2.0.0/16"),
        ("10.2.3.4/16", "10.2.0.0/16"),
        ("2001:DB8:100:10::/64", "2001:db8:100:10::/64"),
        ("10.0.0.0", "10.0.0.0/8"),
        ("172.16.0.0", "172.16.0.0/16"),
        ("192.168.1.0", "192.168.1.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_networks_as_routers_write_them(network: str, expected: str) -> None:
    [route] = routes([ROW | {"network": network}]).routes
    assert route.network == expected


@pytest.mark.parametrize(
    "network",
    ["", "text", "10.0.0.1", "0.0.0.0", "10.0.0.0/33", "10.0.0/8", "::1", "2001:db8::", "224.0.0.0", 5, None],
)
def test_a_row_without_a_network_is_left_out_and_makes_the_table_partial(network: Any) -> None:
    assert routes([ROW | {"network": network}]) == RouteTable((), partial=True)


def test_further_paths_of_a_network_need_not_repeat_it() -> None:
    more = ROW | {"network": "", "nextHop": "10.17.17.140*", "path": "65515 ?"}
    table = routes([ROW, more])
    assert [(route.network, route.next_hop) for route in table.routes] == [
        ("198.51.100.0/28", "203.0.113.1"),
        ("198.51.100.0/28", "10.17.17.140*"),
    ]
    assert not table.partial


def test_rows_that_are_no_objects_make_the_table_partial() -> None:
    assert routes([ROW, 5, None, "text"]) == RouteTable((ROUTE,), partial=True)


def test_a_next_hop_may_have_a_star_and_a_path_an_origin_code() -> None:
    route = AzureRoute("10.2.0.0/16", "10.11.1.236*", "65515 {64512,64513} -94967296 1.10 I")
    assert str(route.next_hop_address) == "10.11.1.236"
    assert route.asns == (65515, 64512, 64513, 4200000000, 65546)
    assert AzureRoute("10.2.0.0/16", "", "?").asns == ()
    assert AzureRoute("10.2.0.0/16", "", "").next_hop_address is None


def test_a_preference_may_be_a_text_or_empty_or_missing() -> None:
    for preference in ("100", "", None, 100):
        assert routes([ROW | {"locPrf": preference}]).routes == (ROUTE,)
    assert routes([{"network": "198.51.100.0/28"}]).routes == (AzureRoute("198.51.100.0/28"),)


# Neighbors, ARP, counters ----------------------------------------------------------------------------------


def test_a_neighbor_is_established_if_it_has_a_count() -> None:
    rows = [
        {"neighbor": "203.0.113.1", "v": 4, "as": 64500, "upDown": "8w4d", "statePfxRcd": "5"},
        {"neighbor": "203.0.113.5", "v": 4, "as": -94967296, "upDown": "00:12:33", "statePfxRcd": "Idle"},
        {"neighbor": "2001:db8:ffff::1", "as": "64500", "upDown": "never", "statePfxRcd": 7},
        {"neighbor": ""},
    ]
    first, second, third = neighbors({"value": rows})
    assert first == AzureNeighbor("203.0.113.1", 64500, "8w4d", "5")
    assert (first.received, first.seconds, first.family) == (5, 60 * 86_400.0, "ipv4")
    assert (second.asn, second.received, second.seconds) == (4200000000, None, 753.0)
    assert (third.asn, third.received, third.seconds, third.family) == (64500, 7, None, "ipv6")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("On-Prem", "ffff.eeee.dddd"), ("Microsoft", "aaaa.bbbb.cccc")], ""),
        ([("On-Prem", "Incomplete"), ("Microsoft", "aaaa.bbbb.cccc")], "ARP incomplete: call the provider"),
        ([("On-Prem", ""), ("Microsoft", "aaaa.bbbb.cccc")], "ARP incomplete: call the provider"),
        ([("OnPrem", "0000.0000.0000")], "ARP incomplete: call the provider"),
        ([("Microsoft", "aaaa.bbbb.cccc")], "ARP shows Microsoft's side only: call the provider"),
        ([], "ARP table empty: open a support case with Microsoft"),
    ],
)
def test_arp_says_who_can_mend_it(rows: list[tuple[str, str]], problem: str) -> None:
    table = arp({"value": [{"age": 10, "interface": side, "macAddress": mac} for side, mac in rows]})
    assert [(entry.interface, entry.mac) for entry in table] == rows
    assert arp_problem(table) == problem


def test_powershell_calls_the_interface_otherwise() -> None:
    row = {
        "Age": 0,
        "InterfaceProperty": "On-Prem",
        "IpAddress": "203.0.113.1",
        "MacAddress": "ffff.eeee.dddd",
    }
    assert arp([row]) == (AzureArp("On-Prem", "203.0.113.1", "ffff.eeee.dddd"),)


def test_counters_are_of_each_edge_router() -> None:
    answer = {
        "primarybytesIn": 10,
        "primarybytesOut": "20",
        "secondarybytesIn": -1,
        "secondarybytesOut": None,
    }
    assert traffic(answer) == {"primary": AzureTraffic(10, 20), "secondary": AzureTraffic(0, 0)}
    for value in ({}, [], {"value": []}, None):
        with pytest.raises(TableError, match="is not a circuit's statistics"):
            traffic(value)


# What routers write --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:05", 5.0),
        ("23:59:59", 86_399.0),
        ("1d02h", 93_600.0),
        ("8w4d", 5_184_000.0),
        ("1y2w", 32_745_600.0),
        ("never", None),
        ("", None),
        ("12:99:00", None),
        ("٣d", None),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "asn"),
    [
        ("64500", 64500),
        ("-94967296", 4200000000),
        ("1.10", 65546),
        ("-2147483649", None),
        ("0", None),
        ("I", None),
    ],
)
def test_asns(text: str, asn: int | None) -> None:
    assert read_asn(text) == asn


def test_addresses() -> None:
    assert str(read_address(" *>203.0.113.1* ")) == "203.0.113.1"
    assert str(read_address("2001:db8::1*")) == "2001:db8::1"
    for text in ("", "text", "203.0.113", "\0"):
        assert read_address(text) is None


# Hostile input ---------------------------------------------------------------------------------------------


def test_documents_that_are_no_json_are_errors() -> None:
    for document in (b"", b"{", b"\xff\xfe{", b"[" * 100_000, b"\xff\xff"):
        with pytest.raises(TableError, match="is not JSON"):
            read_document(document)


def test_documents_of_powershell_have_a_byte_order_mark() -> None:
    text = json.dumps([ROW])
    for encoding in ("utf-8-sig", "utf-16"):
        assert routes(read_document(text.encode(encoding))).routes == (ROUTE,)


def test_long_tables_are_cut_and_partial() -> None:
    table = routes([ROW] * (MAX_ROWS + 1))
    assert (len(table.routes), table.partial) == (MAX_ROWS, True)


def test_texts_are_cut_and_made_printable() -> None:
    [route] = routes([ROW | {"nextHop": "\x1b[2J" + "x" * 10_000, "path": "1\n2"}]).routes
    assert len(route.next_hop) == 400
    assert "\x1b" not in route.next_hop
    assert route.path == "1 2"


def test_numbers_of_any_size_are_read() -> None:
    rows = [{"neighbor": "203.0.113.1", "as": 10**30, "statePfxRcd": 10**18, "upDown": True}]
    assert neighbors(rows) == (AzureNeighbor("203.0.113.1", 0, "", str(10**18)),)
