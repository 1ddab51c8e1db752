"""The documents are right: their links lead somewhere, their commands are ermon's, their tables are up to date."""

import re
from pathlib import Path

import pytest

from ermon.cli import run

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    str(file.relative_to(ROOT))
    for file in (
        ROOT / "README.md",
        ROOT / ".github" / "CONTRIBUTING.md",
        *(
            file
            for folder in ("config", "deploy", "ermon", "tests")
            for file in (ROOT / folder).rglob("*.md")
        ),
    )
)


def text_of(document):
    return (ROOT / document).read_text()


def commands_of(document):
    """Return ermon's commands that a document shows in blocks of shell."""
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text_of(document), re.DOTALL))
    return set(re.findall(r"(?:^\s*(?:sudo )?|/bin/)ermon ([a-z]+)", shell, re.MULTILINE))


def anchors_of(document):
    """Return the anchors that GitHub makes from a document's headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


LINKS = sorted(
    (document, target)
    for document in DOCUMENTS
    for target in set(
        re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL))
    )
)


def test_the_documents_that_the_readme_sends_its_readers_to_are_looked_at():
    sent = {target for document, target in LINKS if document == "README.md" and target.endswith(".md")}
    assert {"deploy/README.md", "ermon/README.md", "tests/README.md"} <= sent
    assert sent - {"CHANGELOG.md"} <= set(DOCUMENTS)


@pytest.mark.parametrize(("document", "target"), LINKS)
def test_link_targets_exist(document, target):
    if target.startswith("https://"):
        return
    path, _, anchor = target.partition("#")
    file = (ROOT / document).parent / path if path else ROOT / document
    assert file.exists()
    assert not anchor or anchor in anchors_of(file)


def test_the_commands_that_the_readme_shows_are_those_of_a_beginning():
    assert {"demo", "check", "run"} <= commands_of("README.md")


@pytest.mark.parametrize(
    ("document", "command"),
    [(document, command) for document in DOCUMENTS for command in sorted(commands_of(document))],
)
def test_the_commands_that_a_document_shows_are_ermon_s(document, command, capsys):
    with pytest.raises(SystemExit) as end:
        run([command, "--help"])
    assert end.value.code == 0
    capsys.readouterr()
