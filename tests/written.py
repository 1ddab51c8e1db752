"""Writes the files that are generated from the catalogue of checks and the models of files. Run at the top of the
repository:

    python -m tests.written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ermon.checks.explain import markdown_table
from ermon.config.load import schema_json
from ermon.rules import RuleSet, render
from ermon.scenario.load import schema_json as scenario_schema_json
from tests.deploy import catalogue_tests

ROOT = Path(__file__).parents[1]
COMMAND = "python -m tests.written"
_BEGIN, _END = "<!-- checks: written by `ermon checks --markdown` -->\n", "\n<!-- end of checks -->"


_TABLE = "ermon/checks/README.md"


def _table() -> str:
    text = (ROOT / _TABLE).read_text()
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}{markdown_table()}{_END}{rest.partition(_END)[2]}"


WRITTEN: Mapping[str, Callable[[], str]] = {
    _TABLE: _table,
    "ermon/data/ermon.schema.json": schema_json,
    "ermon/data/ermon.scenario.schema.json": scenario_schema_json,
    **{f"deploy/prometheus/ermon-{each}.rules.yml": lambda each=each: render([each]) for each in RuleSet},
    "deploy/prometheus/tests/ermon-findings.test.yml": catalogue_tests.render,
}
"""The text of each file."""


if __name__ == "__main__":
    for name, text in WRITTEN.items():
        (ROOT / name).write_text(text())
