"""A good day: every feed has what the configuration expects, and nothing that it forbids."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.inventory import Config
from ermon.scenario.good_day import Sent, good_day
from ermon.scenario.load import load_scenarios
from tests.scenario.files import CONFIG, START, read, unmet

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"


def shown(feed: str, config: Config = CONFIG) -> list[Sent]:
    return good_day(config, config.feeds[feed], START)


def prefixes(feed: str, config: Config = CONFIG) -> list[str]:
    return [str(sent.route.prefix) for sent in shown(feed, config)]


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        ("edge-1", ["192.0.2.0/26", "192.0.2.64/26", "2001:db8:40::/48", "2001:db8:41::/48"]),
        ("edge-3", ["13.107.0.0/24", "2603:1006::/40"]),
        ("edge-5", ["10.64.0.0/24", "fd64::/40"]),
        (
            "chicago-primary",
            ["198.51.100.0/28", "2001:db8:100:10::/64", "198.51.100.64/28", "2001:db8:100:40::/64"],
        ),
        ("plant-primary", ["10.16.0.0/12", "fd16::/32"]),
        ("isp-a", ["198.51.100.128/27", "2001:db8:100:80::/64"]),
        ("outside", ["198.51.100.128/27", "2001:db8:100:80::/64"]),
        ("dmz", ["10.16.0.0/12", "fd16::/32"]),
    ],
)
def test_each_view_has_its_expected_routes(feed: str, expected: list[str]):
    assert prefixes(feed) == expected


def test_without_published_space_the_internet_receives_a_part_without_pools(tmp_path: Path):
    config = read(tmp_path, "- up: all", head="changes: {internet_only: null}").config
    assert prefixes("isp-a", config) == ["198.51.100.128/25", "2001:db8:180::/41"]


def test_a_required_segment_has_the_routes_of_the_links():
    assert {"192.0.2.0/26", "2603:1006::/40"} <= set(prefixes("campus"))


def test_every_route_of_a_link_carries_the_required_services():
    for sent in shown("edge-1"):
        assert (12076, 5010) in sent.route.attributes.communities
        assert sent.link == ("chicago", "primary")


def test_a_link_receives_as_many_routes_as_required(tmp_path: Path):
    config = read(
        tmp_path, "- up: all", more="    changes: {circuits: {dallas: {receive: {minimum: {ipv6: 300}}}}}"
    ).config
    found = prefixes("edge-3", config)
    assert len(found) == len(set(found)) == 301


TWO_LINKS = "    changes: {{circuits: {{chicago: {{links: {{secondary: {{router: edge-1}}}}}}}}, feeds: {{edge-2: null, chicago-secondary: {{router: edge-1}}, edge-1: {{add_path: {0}}}}}}}"


@pytest.mark.parametrize(("add_path", "paths"), [("true", 8), ("false", 4)])
def test_only_with_add_path_a_router_shows_both_its_links(tmp_path: Path, add_path: str, paths: int):
    config = read(tmp_path, "- up: all", more=TWO_LINKS.format(add_path)).config
    found = shown("edge-1", config)
    assert len(found) == len({sent.route.key for sent in found}) == paths


def test_a_prefix_is_there_on_the_days_on_which_it_is_expected(tmp_path: Path):
    dated = "[{prefix: 192.0.2.0/26, from: 2026-03-01}]"
    more = f"    changes: {{circuits: {{chicago: {{receive: {{prefixes: {dated}}}}}}}}}\n    start: "
    for day, there in (("2026-02-28", False), ("2026-03-01", True)):
        scenario = read(tmp_path, "- converge: all", more=f"{more}{day}T12:00:00Z")
        found = good_day(scenario.config, scenario.config.feeds["edge-1"], scenario.start)
        assert ("192.0.2.0/26" in [str(sent.route.prefix) for sent in found]) is there


def test_on_a_good_day_of_the_reference_configuration_nothing_is_wrong(tmp_path: Path):
    file = tmp_path / "reference.yml"
    file.write_text(f"config: {REFERENCE}\nscenarios: [{{name: x, steps: [{{converge: all}}]}}]\n")
    assert unmet(load_scenarios(file)[0]) == []
