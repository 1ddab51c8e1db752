"""What every check of the catalogue must have, and where each piece belongs.

A check that lacks a piece breaks nothing else: ``test_the_catalogue_is_complete`` reports what it lacks, and the tests
that need the piece are skipped (see ``tests/conftest.py``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Formatter

from ermon.checks.catalogue import CATALOGUE, subjects
from ermon.checks.check import SUBJECT_LABELS, Check
from ermon.checks.guide import GuideError, read_guide
from ermon.checks.subject import Subject
from tests.deploy.catalogue_tests import reference
from tests.written import COMMAND

OF_AN_INSTANCE = "region"
"""The label of subjects that are about an instance itself. The reference configuration is that of no region's instance."""
ROOT = Path(__file__).parents[1]
GUIDES, SCENARIOS, TESTS = "ermon/checks/guide", "tests/scenarios", "tests/checks"

_NAME = re.compile(r'^    name="([a-z-]+)",$', re.MULTILINE)

PIECES = {
    "ermon/checks/README.md": "| `{check}` |",
    "ermon/data/ermon.schema.json": '"{check}": {{',
    "deploy/prometheus/ermon-findings.rules.yml": '{{check="{check}"',
    "deploy/prometheus/tests/ermon-findings.test.yml": "  - name: {check}, ",
}
"""By generated file: what it must contain for each check."""


@functools.cache
def missing() -> Mapping[str, tuple[str, ...]]:
    """Return what to do, one line each, by check that lacks something, or by file that belongs to no check."""
    by_check: dict[str, list[Subject]] = {}
    for subject in subjects(reference()):
        by_check.setdefault(subject.check, []).append(subject)
    tests = "\n".join(file.read_text() for file in sorted((ROOT / TESTS).glob("test_*.py")))
    written = {name: (ROOT / name).read_text() for name in PIECES}
    strays = _strays()
    found = strays | {
        name: (
            *strays.get(name, ()),
            *_unsaid(check),
            *_wrong_labels(check, by_check.get(name, [])),
            *_absent(name, tests),
            *_unwritten(name, written),
        )
        for name, check in CATALOGUE.items()
    }
    return {name: lines for name, lines in found.items() if lines}


def _unsaid(check: Check) -> Iterator[str]:
    if not check.summary:
        yield "summary: say in one line what a finding is, with its labels in braces"
    can_name = (*check.labels, *check.optional_labels, *check.named_evidence, "prefix", "routers", "feeds")
    try:
        if wrong := _fields(check.summary) - set(can_name):
            yield f"summary: {_names(wrong)} is not among what it can name: {_names(can_name) or 'nothing'}"
    except ValueError as error:
        yield f"summary: its braces cannot be read: {error}"
    if check.needs is None:
        yield "needs: say which feeds an instance must have for a subject to exist, one of ermon/checks/needs.py"
    if check.acceptance is None:
        yield "acceptance: say which step of `ermon verify` asks it, or why none does"
    for name in (*check.suppresses, *check.suppresses_together):
        if name not in CATALOGUE:
            yield f"suppresses: there is no check {name!r}"


def _fields(template: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(template) if field is not None}


def _wrong_labels(check: Check, found: list[Subject]) -> Iterator[str]:
    if not found:
        yield "subjects: the reference configuration asks for none; tests/deploy/catalogue_tests.py changes it so that each check has some"
        return
    seen = [{label for label, _ in subject.labels} for subject in found]
    of_all, of_any = set.intersection(*seen), set.union(*seen)
    if wrong := set(check.labels) - of_all:
        yield f"labels: not all of its subjects have {_names(wrong)}"
    if wrong := of_any - set(check.labels) - set(check.optional_labels):
        yield f"labels: its subjects also have {_names(wrong)}; what only some have is in optional_labels"
    if wrong := set(check.optional_labels) - of_any - {OF_AN_INSTANCE}:
        yield f"optional_labels: none of its subjects has {_names(wrong)}"
    if wrong := of_any - set(SUBJECT_LABELS):
        yield f"labels: {_names(wrong)} is new: add it to SUBJECT_LABELS, and to what a scenario can name"


def _absent(name: str, tests: str) -> Iterator[str]:
    try:
        read_guide(name)
    except GuideError as error:
        yield f"guide: {GUIDES}/{error}; README.md beside it says how a guide is written"
    if not (ROOT / SCENARIOS / f"{name}.yml").exists():
        yield f"scenarios: there is no {SCENARIOS}/{name}.yml"
    if not re.search(rf"(?<![\w-]){name}(?![\w-])", tests):
        yield f"tests: no {TESTS}/test_*.py names it"


def _unwritten(name: str, written: Mapping[str, str]) -> Iterator[str]:
    for file, piece in PIECES.items():
        if piece.format(check=name) not in written[file]:
            yield f"{file}: write it anew: {COMMAND}"


def _strays() -> dict[str, tuple[str, ...]]:
    """Yield checks that are not listed or share a name, and guides and scenarios without a check."""
    modules = {file: file.read_text() for file in sorted((ROOT / "ermon/checks").glob("*.py"))}
    written = [(name, file) for file, text in modules.items() for name in _NAME.findall(text)]
    found: dict[str, tuple[str, ...]] = {}
    for name, files in ((name, [file for each, file in written if each == name]) for name, _ in written):
        where = ", ".join(str(file.relative_to(ROOT)) for file in files)
        if name not in CATALOGUE:
            found[name] = (f"catalogue: {where} has it, and ermon/checks/catalogue.py does not list it",)
        elif len(files) > 1:
            found[name] = (f"name: two checks have it, in {where}",)
    for file in sorted({*(ROOT / GUIDES).glob("*.md"), *(ROOT / SCENARIOS).glob("*.yml")}):
        if file.stem not in {*CATALOGUE, *found, "README", "good-day", "heard-by-ripe"}:
            stray = str(file.relative_to(ROOT))
            found[stray] = ("there is no check of this name in ermon/checks/catalogue.py",)
    return found


def _names(names: Iterable[str]) -> str:
    """List labels in the order in which series show them."""
    found = set(names)
    order = (*SUBJECT_LABELS, *sorted(found - set(SUBJECT_LABELS)))
    return ", ".join(name for name in order if name in found)
