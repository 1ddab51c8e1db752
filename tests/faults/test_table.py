"""The table of faults in tests/README.md names existing tests, and every file of this folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SECTION = re.search(r"^## Faults$(.*?)^## ", (TESTS / "README.md").read_text(), re.MULTILINE | re.DOTALL)
ROWS = [
    line.strip("|").split(" | ")
    for line in (SECTION[1].splitlines() if SECTION else [])
    if line.startswith("| ") and "`" in line
]
NAMED = [(fault.strip(), name) for fault, tests in ROWS for name in re.findall(r"`([^`]*)`", tests)]


def functions(file: Path) -> set[str]:
    found = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("fault", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_test_of_a_fault_exists(fault: str, name: str) -> None:
    file, _, function = name.partition("::")
    assert (TESTS / file).is_file(), fault
    assert function in functions(TESTS / file), fault


def test_every_file_of_faults_has_a_row() -> None:
    named = {name.partition("::")[0] for _, name in NAMED}
    files = {f"faults/{file.name}" for file in (TESTS / "faults").glob("test_*.py")}
    assert files - named == {"faults/test_table.py"}
