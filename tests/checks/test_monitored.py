"""Checks of what routers report of their own sessions by BMP."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import V4, V6, Space, company

BOTH = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
BMP = """
collector: {bmp: {listen: ["192.0.2.10:11019"]}}
routers: {edge-1: {bmp: {peer: 127.0.0.11}}, edge-2: {bmp: {peer: 127.0.0.12}}}
"""
WITHOUT_TABLES = "feeds: {edge-1: null, edge-2: null}"
EDGE_1 = {"process": "bmp/edge-1"}


def session(space: Space, link: str = "primary", router: str = "edge-1") -> str:
    return f"{router}/chicago/{link}/{space.family}"


def primary(space: Space) -> dict[str, str]:
    return {"circuit": "chicago", "link": "primary", "family": space.family}


# The connection ----------------------------------------------------------------------------------------


def test_a_lost_connection_is_noticed_after_half_a_minute_with_its_reason():
    net = company(BMP).converge().disconnect("edge-1")
    finding = net.assert_raised_after(30, "bmp-down", **EDGE_1)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["reason"] == "exited"
    net.connect("edge-1")
    net.assert_cleared_after(0, "bmp-down", **EDGE_1)


def test_a_router_has_time_to_connect_after_a_restart_and_is_then_missed():
    net = company(BMP).converge().restart().wait(0)
    finding = net.assert_raised_after(180, "bmp-down", **EDGE_1)
    assert finding.evidence["reason"] == "the router has not connected since ermon started"


def test_a_lost_connection_is_one_finding_and_proves_nothing():
    net = company(BMP, WITHOUT_TABLES).converge().disconnect("edge-1").wait(3600)
    assert "bmp-down bmp/edge-1" in net.raised()
    assert net.raised("link-down", "circuit-down", "bmp-no-stats", "bmp-session-missing", "feed-down") == []


def test_a_connection_without_statistics_is_noticed_after_five_minutes():
    net = company(BMP).converge().disconnect("edge-1").wait(1).connect("edge-1")
    finding = net.assert_raised_after(300, "bmp-no-stats", **EDGE_1)
    assert finding.severity is Severity.WARNING
    net.statistics("edge-1")
    net.assert_cleared_after(0, "bmp-no-stats", **EDGE_1)


def test_statistics_of_an_earlier_connection_do_not_count_and_without_one_nothing_is_known():
    net = company(BMP).converge()
    assert net.status("bmp-no-stats", **EDGE_1) == "ok"
    net.disconnect("edge-1").wait(0)
    assert net.status("bmp-no-stats", **EDGE_1) == "unknown"
    net.connect("edge-1").wait(0)
    assert net.status("bmp-no-stats", **EDGE_1) == "violated"


# The sessions ------------------------------------------------------------------------------------------


@BOTH
def test_a_session_that_the_router_never_reported_is_noticed_after_a_minute(space: Space):
    net = company(BMP).connect("edge-1").wait(10).not_reported(session(space))
    finding = net.assert_raised_after(60, "bmp-session-missing", **primary(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["neighbor"] == space.msee["chicago-primary"]
    net.up(session(space))
    net.assert_cleared_after(0, "bmp-session-missing", **primary(space))


@BOTH
def test_before_the_router_has_had_time_to_report_nothing_is_known(space: Space):
    net = company(BMP).wait(0)
    assert net.status("bmp-session-missing", **primary(space)) == "unknown"
    net.connect("edge-1").wait(9)
    assert net.status("bmp-session-missing", **primary(space)) == "unknown"


@BOTH
def test_a_session_that_is_reported_as_down_is_reported(space: Space):
    net = company(BMP).converge().down(session(space)).wait(120)
    assert net.status("bmp-session-missing", **primary(space)) == "ok"
    assert net.raised("bmp-session-missing") == []


@BOTH
def test_a_session_whose_routes_cannot_be_read_is_no_help_either(space: Space):
    net = company(BMP).converge().unreadable(session(space))
    finding = net.assert_raised_after(60, "bmp-session-missing", **primary(space))
    assert "cannot be read: ADD-PATH" in str(finding.evidence["reason"])
