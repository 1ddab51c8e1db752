"""A configuration with changes over it: what wins, and where an error is told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ermon.config.load import ConfigError
from ermon.config.yaml import Positions
from ermon.model.inventory import Config
from ermon.scenario.layers import Layer, load_layers
from tests.scenario.files import COMPANY, CONFIG

BASE = Layer(yaml.safe_load(COMPANY.read_text()), Positions("base.yml", {(): (1, 1), ("uplinks",): (9, 1)}))


def changes(values: dict[str, Any], **marks: tuple[int, int]) -> Layer:
    places = {(): (1, 1), ("changes",): (2, 1)} | {
        ("changes", *key.split("__")): at for key, at in marks.items()
    }
    return Layer(values, Positions("policy.yml", places), ("changes",))


def laid_over(*layers: Layer) -> Config:
    return load_layers([BASE, *layers]).config


def test_without_changes_it_is_the_configuration():
    assert laid_over() == CONFIG


def test_mappings_are_merged_and_lists_are_replaced():
    found = laid_over(changes({"circuits": {"chicago": {"receive": {"prefixes": ["2001:db8:40::/48"]}}}}))
    receive = found.circuits["chicago"].receive
    assert [str(item.prefix) for item in receive.prefixes] == ["2001:db8:40::/48"]
    assert receive.services == CONFIG.circuits["chicago"].receive.services


def test_the_last_changes_win():
    first, second = ({"collector": {"max_routes": number}} for number in (5, 6))
    assert laid_over(changes(first), changes(second)).collector.max_routes == 6


def test_null_removes_what_was_there():
    assert "dmz" not in laid_over(changes({"feeds": {"dmz": None}})).feeds


def test_the_configuration_that_was_changed_is_left_as_it_was():
    laid_over(changes({"feeds": {"dmz": None}, "collector": {"port": 5}}))
    assert laid_over() == CONFIG


def test_what_changes_break_elsewhere_is_told_where_that_stands():
    marks = {("feeds", "dmz", "segment"): (7, 3), ("feeds", "dmz"): (6, 1), ("feeds",): (5, 1)}
    base = Layer(BASE.values, Positions("base.yml", marks))
    with pytest.raises(ConfigError) as caught:
        load_layers([base, changes({"segments": {"dmz": None}}, segments=(3, 3))])
    (problem,) = caught.value.problems
    assert str(problem).startswith("base.yml:7:3: feeds.dmz.segment: 'dmz' is not a segment in this file")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            changes({"uplinks": {"isp-a": {"asn": 0}}}, uplinks=(3, 3)),
            "policy.yml:3:3: changes.uplinks.isp-a.asn: must be an AS number",
        ),
        (
            changes({"collector": {"port": 0}}, collector=(4, 5)),
            "policy.yml:4:5: changes.collector.port: must be a TCP port",
        ),
        (
            changes({"circuits": None}),
            "policy.yml:2:1: changes.circuits: is missing; add it",
        ),
    ],
)
def test_an_error_is_told_where_its_value_stands(layer: Layer, expected: str):
    with pytest.raises(ConfigError) as caught:
        laid_over(layer)
    assert any(str(problem).startswith(expected) for problem in caught.value.problems), str(caught.value)
