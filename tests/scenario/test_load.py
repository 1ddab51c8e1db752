"""Scenario files: what is read from them, and every error with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ermon.config.load import ConfigError
from ermon.config.yaml import Positions
from ermon.model.inventory import Config
from ermon.scenario.load import Layer, find_files, load_layers, load_scenarios, schema_json
from tests.scenario.files import COMPANY, CONFIG, START, errors, read, write

ROUTE = "{announce: 198.51.100.0/28, feed: isp-a"


def test_a_scenario_has_a_configuration_steps_and_a_start(tmp_path: Path):
    scenario = read(tmp_path, "- converge: all")
    assert (scenario.name, scenario.start, len(scenario.acts)) == ("it works", START, 1)
    assert "chicago" in scenario.config.circuits


def test_a_configuration_may_stand_in_the_file(tmp_path: Path):
    text = COMPANY.read_text().replace("\n", "\n  ")
    file = tmp_path / "inline.yml"
    file.write_text(f"config:\n  {text}\nscenarios: [{{name: x, steps: [{{converge: all}}]}}]\n")
    assert "chicago" in load_scenarios(file)[0].config.circuits


def test_a_configuration_is_named_relative_to_the_file(tmp_path: Path):
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "ermon.yml").write_text(COMPANY.read_text())
    file = tmp_path / "policy.yml"
    file.write_text("config: networks/ermon.yml\nscenarios: [{name: x, steps: [{converge: all}]}]\n")
    assert load_scenarios(file)


def test_changes_of_a_scenario_come_on_top_of_those_of_the_file(tmp_path: Path):
    scenario = read(
        tmp_path,
        "- converge: all",
        head="changes: {collector: {settle: 5s, max_routes: 7}}",
        more="    changes: {collector: {settle: 1s}, uplinks: {isp-a: {asn: 64777}}}",
    )
    assert (scenario.config.collector.settle, scenario.config.collector.max_routes) == (1.0, 7)
    assert scenario.config.uplinks["isp-a"].router == "edge-1"
    assert scenario.config.uplinks["isp-a"].asn == 64777


def test_null_removes_a_key(tmp_path: Path):
    scenario = read(tmp_path, "- converge: all", more="    changes: {feeds: {dmz: null}}")
    assert "dmz" not in scenario.config.feeds


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "    changes: {nat_pools: {chi: {circuit: boston}}}",
            "4:33: scenarios[0].changes.nat_pools.chi.circuit: 'boston' is not a circuit in this file; known: chicago, dallas, plant",
        ),
        (
            "    changes: {feeds: {nobody: null}}",
            "4:23: scenarios[0].changes.feeds.nobody: has no value; give one, or remove the key",
        ),
        (
            "    changes: [feeds]",
            "4:5: scenarios[0].changes: must be a mapping with keys of the configuration, not a list",
        ),
        (
            "    ignore: pool-leek",
            "4:5: scenarios[0].ignore: 'pool-leek' is not a check; did you mean pool-leak?",
        ),
        (
            "    until: 1s",
            "4:5: scenarios[0].until: is before the last of what happens and is expected, at 2s; make it later, or remove it",
        ),
        (
            "    start: yesterday",
            "4:5: scenarios[0].start: 'yesterday' is not a time with a zone; write 2026-12-01T02:00:00Z or …+01:00",
        ),
        ("    expects: x", "4:5: scenarios[0].expects: is not a known key; known: "),
    ],
)
def test_mistakes_in_a_scenario_are_reported_with_their_places(tmp_path: Path, more: str, expected: str):
    found = errors(write(tmp_path, "- converge: all", more=more))
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_an_error_caused_by_a_change_is_reported_at_its_place(tmp_path: Path):
    found = errors(write(tmp_path, "- converge: all", head="changes: {uplinks: {isp-a: null}}"))
    assert len(found) == 1
    assert found[0].startswith(f"{COMPANY}:")
    assert "feeds.isp-a.uplink: 'isp-a' is not an uplink" in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: (file): is empty; it needs at least config and scenarios"),
        ("[]", "1:1: (file): must be a mapping with config and scenarios at the top"),
        ("config: ermon.yml", "1:1: scenarios: is missing; add it: the scenarios; each begins from nothing"),
        (
            "config: 3\nscenarios: []",
            "1:1: config: must be the file name of a configuration, or a whole one, not 3",
        ),
        (
            "config: gone.yml\nscenarios: [{name: x, steps: [{up: all}]}]",
            "1:1: config: 'gone.yml' is not a file; name a configuration, relative to {folder}",
        ),
        (
            "config: a\nconfig: b\nscenarios: []",
            "2:1: config: is given twice, first on line 1; keep one of them",
        ),
    ],
)
def test_mistakes_in_a_file_are_reported_with_their_places(tmp_path: Path, text: str, expected: str):
    file = tmp_path / "bad.yml"
    file.write_text(text)
    assert expected.replace("{folder}", str(tmp_path)) in errors(file)


def test_two_scenarios_of_a_file_differ_in_their_names(tmp_path: Path):
    file = tmp_path / "twice.yml"
    one = "{name: it works, steps: [{up: all}]}"
    file.write_text(f"config: {COMPANY}\nscenarios: [{one}, {one}]\n")
    assert errors(file) == ["2:52: scenarios[1].name: is the name of another scenario; change one"]


def test_the_errors_of_all_scenarios_are_reported_at_once(tmp_path: Path):
    file = tmp_path / "two.yml"
    one, two = "{name: one, steps: [{up: nobody}]}", "{name: two, steps: [{down: nowhere}]}"
    file.write_text(f"config: {COMPANY}\nscenarios: [{one}, {two}]\n")
    assert len(errors(file)) == 2


def test_an_error_of_the_configuration_is_reported_at_its_place(tmp_path: Path):
    (tmp_path / "ermon.yml").write_text("customer: {asn: 0}\n")
    file = tmp_path / "policy.yml"
    file.write_text("config: ermon.yml\nscenarios: [{name: x, steps: [{up: all}]}]\n")
    with pytest.raises(ConfigError) as caught:
        load_scenarios(file)
    assert {problem.file for problem in caught.value.problems} == {str(tmp_path / "ermon.yml")}


def test_of_a_folder_the_scenario_files_are_taken_and_configurations_left_alone(tmp_path: Path):
    (tmp_path / "ermon.yml").write_text(COMPANY.read_text())
    (tmp_path / "notes.txt").write_text("no YAML")
    (tmp_path / "inner").mkdir()
    wanted = [tmp_path / "inner" / "b.yaml", write(tmp_path, "- up: all"), tmp_path / "typo.yml"]
    wanted[0].write_text(wanted[1].read_text())
    wanted[2].write_text("scenario: []")
    assert list(find_files([tmp_path])) == sorted(wanted)
    assert list(find_files([tmp_path / "ermon.yml"])) == [tmp_path / "ermon.yml"]


def test_every_key_has_help_for_editors():
    schema = json.loads(schema_json())
    for name, kind in {"(file)": schema, **schema["$defs"]}.items():
        for key, value in kind.get("properties", {}).items():
            assert "description" in value, f"{name}.{key}"


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


def test_null_removes_a_section():
    assert "dmz" not in laid_over(changes({"feeds": {"dmz": None}})).feeds


def test_the_configuration_that_was_changed_is_left_as_it_was():
    laid_over(changes({"feeds": {"dmz": None}, "collector": {"port": 5}}))
    assert laid_over() == CONFIG


def test_an_error_caused_by_changes_is_reported_at_its_place():
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
def test_an_error_is_reported_at_its_value(layer: Layer, expected: str):
    with pytest.raises(ConfigError) as caught:
        laid_over(layer)
    assert any(str(problem).startswith(expected) for problem in caught.value.problems), str(caught.value)
