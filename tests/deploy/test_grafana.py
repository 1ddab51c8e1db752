"""The Grafana dashboard as a document: Grafana would accept it.

``tests/e2e/test_grafana.py`` tests that its queries return data.
"""

from __future__ import annotations

import re
import runpy

import pytest
import yaml

from tests.grafana import DASHBOARD, FILE, GRAFANA, panels, queries, rows, variables

WIDTH = 24
BUILT_IN = {"__rate_interval", "__interval", "__range"}


def test_the_committed_dashboard_is_the_generated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(GRAFANA)
    generated = runpy.run_path(str(GRAFANA / "dashboard.py"))["generate"]()
    assert generated == FILE.read_text(encoding="utf-8"), "run: python deploy/grafana/dashboard.py"


def test_the_dashboard_keeps_its_address_and_cannot_be_changed_by_accident() -> None:
    assert DASHBOARD["uid"] == "ermon"
    assert DASHBOARD["editable"] is False
    assert "ermon" in DASHBOARD["tags"]
    assert (DASHBOARD["refresh"], DASHBOARD["timezone"]) == ("30s", "browser")
    assert "id" not in DASHBOARD, "a number of one Grafana's own"


# Panels ----------------------------------------------------------------------------------------------


def test_a_panel_has_a_description_and_a_unit() -> None:
    assert len({panel["title"] for panel in panels()}) == len(panels())
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], "an empty panel must not look like a good one"


def test_a_panel_names_its_series() -> None:
    for panel in panels():
        legends = [target["legendFormat"] for target in panel["targets"]]
        if panel["type"] == "table":
            assert [target["format"] for target in panel["targets"]] == ["table"], panel["title"]
        else:
            assert all(legends), panel["title"]
            assert len(set(legends)) == len(legends), panel["title"]


def test_the_queries_of_a_panel_have_different_letters() -> None:
    for panel in panels():
        letters = "".join(target["refId"] for target in panel["targets"])
        assert letters, panel["title"]
        assert "ABCDEFGH".startswith(letters), panel["title"]


def test_thresholds_rise_from_one_without_a_value() -> None:
    for panel in panels():
        field = panel["fieldConfig"]
        own = [p["value"] for o in field["overrides"] for p in o["properties"] if p["id"] == "thresholds"]
        for thresholds in (field["defaults"]["thresholds"], *own):
            first, *others = (step["value"] for step in thresholds["steps"])
            assert first is None, panel["title"]
            assert others == sorted(set(others)), panel["title"]


def test_states_have_words_and_different_colours() -> None:
    shown = [panel for panel in panels() if panel["type"] == "state-timeline"]
    assert shown
    for panel in shown:
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        results = mapping["options"].values()
        for key in ("text", "color"):
            assert len({result[key] for result in results}) == len(results), (panel["title"], key)


def test_instant_queries_are_shown_as_present_values() -> None:
    for panel in panels():
        present = panel["type"] in {"stat", "table"}
        for target in panel["targets"]:
            assert (target["instant"], target["range"]) == (present, not present), panel["title"]


def test_a_raised_finding_leads_to_its_runbook_and_the_dashboard_to_the_status_page() -> None:
    (table,) = (p for p in panels() if p["type"] == "table" and p["title"] == "Raised findings")
    links = [
        link["url"]
        for override in table["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "check"
        for found in override["properties"]
        if found["id"] == "links"
        for link in found["value"]
    ]
    assert links == ["${status_page:raw}/runbooks/${__value.raw}"]
    assert [link["url"] for link in DASHBOARD["links"]] == ["${status_page:raw}/"]


# The grid --------------------------------------------------------------------------------------------


def test_panels_have_numbers_of_their_own() -> None:
    numbers = [row["id"] for row, _ in rows()] + [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)
    assert all(numbers)


def test_nothing_lies_outside_the_grid_or_over_something_else() -> None:
    open_rows = [thing for thing in DASHBOARD["panels"] if thing["type"] == "row"] + [
        panel for row, inside in rows() if not row["collapsed"] for panel in inside
    ]
    folded = [inside for row, inside in rows() if row["collapsed"]]
    for together in (open_rows, *folded):
        taken: dict[tuple[int, int], str] = {}
        for panel in together:
            place = panel["gridPos"]
            assert 0 <= place["x"] < place["x"] + place["w"] <= WIDTH, panel["title"]
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_a_folded_row_holds_its_panels_and_an_open_one_does_not() -> None:
    for row, inside in rows():
        assert inside, row["title"]
        assert bool(row["panels"]) == row["collapsed"], row["title"]
    assert not rows()[0][0]["collapsed"], "what is wrong must be seen at once"


# Queries ---------------------------------------------------------------------------------------------


def test_rates_use_the_interval_of_grafana() -> None:
    for where, expr in queries():
        windows = re.findall(r"\b(?:rate|increase)\([^\[]*\[([^\]]*)\]", expr)
        assert set(windows) <= {"$__rate_interval", "$__range"}, where
        assert len(windows) == len(re.findall(r"\b(?:rate|increase|irate|delta)\(", expr)), where


def test_a_query_asks_only_the_ermons_that_are_chosen() -> None:
    for where, expr in queries():
        metrics = re.findall(r"\b(?:ermon_\w+|process_\w+|up(?=\{))", expr)
        assert metrics, where
        assert expr.count('{job=~"$job", instance=~"$instance"') == len(metrics), where


def test_a_query_uses_variables_that_exist() -> None:
    for where, expr in queries():
        assert set(re.findall(r"\$\{?(\w+)", expr)) <= variables().keys() | BUILT_IN, where


def test_every_source_of_data_is_the_one_that_is_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert variables()["datasource"]["query"] == "prometheus"
    for panel in panels():
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    asked = [*DASHBOARD["annotations"]["list"], *(v for v in variables().values() if v["type"] == "query")]
    assert all(thing["datasource"] == chosen for thing in asked)


def test_every_choice_begins_with_all_and_takes_many() -> None:
    choices = [variable for variable in variables().values() if variable["type"] == "query"]
    assert [choice["name"] for choice in choices] == ["job", "instance", "geo", "circuit"]
    for choice in choices:
        assert choice["includeAll"]
        assert choice["multi"]
        assert choice["current"]["value"] == ["$__all"]


# Provisioning ----------------------------------------------------------------------------------------


def test_provisioning_gives_grafana_a_prometheus() -> None:
    given = yaml.safe_load((GRAFANA / "provisioning/datasources/ermon.yml").read_text(encoding="utf-8"))
    assert given["apiVersion"] == 1
    (source,) = given["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", source["uid"])
    assert source["url"].startswith("http://127.0.0.1:")


def test_provisioning_reads_dashboards_from_files_and_keeps_them_as_they_are() -> None:
    given = yaml.safe_load((GRAFANA / "provisioning/dashboards/ermon.yml").read_text(encoding="utf-8"))
    assert given["apiVersion"] == 1
    (provider,) = given["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
    assert provider["allowUiUpdates"] is False
