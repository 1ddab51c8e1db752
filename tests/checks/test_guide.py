"""The guides: their texts, and that a reader of Markdown understands them as ermon does."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

import ermon.checks.guide as guide_package
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import HEADINGS, LINK, GuideError, parse, placeholders, read_guide
from ermon.checks.guide import guide as guide_of
from ermon.commands import CAPITALS, PLATFORMS, UNDO, WORDS_OF, Question, command

FOLDER = Path(guide_package.__file__).parent

NO_PLACEHOLDERS = {"AS-MICROSOFT", "BADAUTH", "BGP", "BGP-5-ADJCHANGE", "CPU", "CRC", "NEXT_HOP"}
"""Words in capitals that are typed as they are."""

ALL = pytest.mark.parametrize("check", CATALOGUE)


@ALL
def test_no_text_is_empty_or_broken(check: str):
    guide = read_guide(check)
    for text in (guide.title, guide.meaning, guide.needs, *guide.steps, guide.source):
        assert text == text.strip()
        assert text
        assert "  " not in text
        assert text.count("`") % 2 == 0
        assert text.count("(") == text.count(")")


@ALL
def test_a_title_is_one_short_clause(check: str):
    title = read_guide(check).title
    assert len(title) <= 75
    assert not title.endswith(".")
    assert "`" not in title


@ALL
def test_meaning_and_needs_are_a_few_sentences(check: str):
    sentence = re.compile(r"[.?](?= |$)")
    guide = read_guide(check).plain()
    assert 2 <= len(sentence.findall(guide.meaning)) <= 4
    assert 1 <= len(sentence.findall(guide.needs)) <= 4


@ALL
def test_the_steps_have_a_command_to_type(check: str):
    assert read_guide(check).commands


@pytest.mark.whole_catalogue
def test_no_two_checks_share_their_advice_and_no_three_a_command():
    """A command in three guides shows the cause of none. ``ermon render router``, which writes a session again, may be."""
    checks_of: dict[str, set[str]] = defaultdict(set)
    guides = {check: read_guide(check) for check in CATALOGUE}
    for check, read in guides.items():
        for line in set(read.typed) - {"ermon render router NAME"}:
            checks_of[line].add(check)
    assert {line: checks for line, checks in checks_of.items() if len(checks) > 2} == {}
    for texts in zip(*((g.title, g.meaning, g.steps) for g in guides.values()), strict=True):
        assert len(set(texts)) == len(guides)


@ALL
def test_every_word_to_be_replaced_in_a_command_is_explained(check: str):
    guide = read_guide(check)
    capitals = re.compile(r"(?<![\w-])[A-Z][A-Z0-9_]+(?:-[A-Z0-9]+)*(?![\w-])")
    words = {word for command in guide.commands for word in capitals.findall(command)} - NO_PLACEHOLDERS
    assert words == set(guide.placeholders)


@pytest.mark.whole_catalogue
def test_every_placeholder_is_used():
    used = {word for check in CATALOGUE for word in read_guide(check).placeholders}
    asked = {question for check in CATALOGUE for question in read_guide(check).questions}
    texts = (command(name, each, {}, None, None) for name in PLATFORMS for each in asked)
    used |= {word for text in texts for word in CAPITALS.findall(text or "")} & set(placeholders())
    assert used == set(placeholders())


@pytest.mark.whole_catalogue
def test_every_question_is_asked_somewhere():
    assert {question.kind for check in CATALOGUE for question in read_guide(check).questions} == set(WORDS_OF)


@ALL
def test_every_command_for_a_router_is_written_as_a_question(check: str):
    """A command that a guide has word for word is for ermon's machine or for Azure."""
    own = ("ermon", "az", "curl", "journalctl", "systemctl", "ss", "ip", "ping", "free", "uptime")
    own += ("df", "findmnt", "ls", "whois", "traceroute")
    assert {command.split()[0] for command in read_guide(check).typed} <= set(own)


@ALL
def test_a_guide_that_changes_a_router_says_how_to_undo_the_change(check: str):
    kinds = {question.kind for question in read_guide(check).questions}
    assert {UNDO[kind] for kind in kinds & set(UNDO)} <= kinds


@ALL
def test_guides_look_for_a_session_that_is_shut_down_on_the_own_side_before_calling_support(check: str):
    """Guides that look for the reason why a session with Microsoft is down look at the company's own side first."""
    steps = read_guide(check).pieces
    asked = [{piece.kind for piece in step if isinstance(piece, Question)} for step in steps]
    called = [at for at, step in enumerate(read_guide(check).steps) if "support case" in step]
    down = check in {"link-down", "circuit-down"}
    assert not down or called
    for at in called if down else []:
        ours = [n for n, kinds in enumerate(asked) if "enable" in kinds]
        assert ours, "no command that enables the session"
        assert ours[0] < at
        assert "Shut down on our side" in read_guide(check).steps[ours[0]]


@ALL
def test_a_source_says_where_the_rule_comes_from(check: str):
    source = read_guide(check).plain().source
    assert re.search(r"learn\.microsoft\.com/|RFC \d{4}|ermon's own visibility: ", source)
    assert not re.search(r"\bR\d{1,2}\b", source)


# How a guide is written ------------------------------------------------------------------------------

GOOD = """# drain: A title

## What it means

It means
this.

## What it needs

A feed; see [link-down](link-down.md).

## What to do

1. First `show
   this`, then
   wait.
2. Second.

## Where the rule comes from

[A page](https://learn.microsoft.com/a/page); ermon's own
"""


def test_a_guide_is_read_line_by_line_and_kept_in_one():
    read = parse("drain", GOOD)
    assert (read.title, read.meaning) == ("A title", "It means this.")
    assert read.steps == ("First `show this`, then wait.", "Second.")
    assert read.commands == ("show this",)


def test_without_links_the_address_of_a_page_is_after_its_name():
    read = parse("drain", GOOD).plain()
    assert read.needs == "A feed; see 'link-down'."
    assert read.source == "A page (learn.microsoft.com/a/page); ermon's own"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# drain: A title", "# link-down: A title", "begins? with"),
        ("# drain: A title", "# drain:", "begins? with"),
        ("# drain: A title", "# drain: A title\nand more", "begins? with"),
        ("## What it needs", "## Needs", "has the sections What it means, Needs, What to do"),
        ("## What it means\n\nIt means\nthis.\n\n", "", "it needs What it means, What it needs, "),
        ("It means\nthis.", "", "'What it means': there must be one paragraph"),
        ("It means\nthis.", "One.\n\nTwo.", "'What it means': there must be one paragraph"),
        ("1. First", "First", "'What to do': there must be steps"),
        ("2. Second", "3. Second", "numbered from 1"),
        ("2. Second.", "", "'What to do': .*"),
    ],
)
def test_a_guide_that_is_written_otherwise_is_refused_with_the_reason(old: str, new: str, problem: str):
    text = GOOD.replace(old, new)
    assert text != GOOD
    if not new and old.startswith("2."):
        assert parse("drain", text).steps == ("First `show this`, then wait.",)
        return
    with pytest.raises(GuideError, match=problem):
        parse("drain", text)


def test_a_guide_that_is_missing_says_so_where_it_would_be_shown_and_hides_no_other():
    with pytest.raises(GuideError, match=r"no-such-check\.md cannot be read"):
        read_guide("no-such-check")
    assert "no-such-check.md cannot be read" in guide_of("no-such-check").meaning
    assert guide_of("drain") == read_guide("drain")


@ALL
def test_links_lead_to_the_guide_of_a_check_or_to_a_page_of_microsoft(check: str):
    for text, target in LINK.findall((FOLDER / f"{check}.md").read_text()):
        assert target == f"{text}.md" or target.startswith("https://learn.microsoft.com/"), target
        assert ":" in target or text in CATALOGUE


@ALL
def test_a_reader_of_markdown_understands_a_guide_as_ermon_does(check: str):
    read = read_guide(check)
    tokens = MarkdownIt("commonmark").parse((FOLDER / f"{check}.md").read_text())
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} == {
        *("heading", "inline", "paragraph", "ordered_list", "list_item")
    }
    seen = [_asked(_inline(token)) for token in tokens if token.type == "inline"]
    means, needs, action, source = HEADINGS
    assert seen == [
        *(f"{check}: {read.title}", means, read.meaning, needs, read.needs),
        *(action, *read.steps, source, read.source),
    ]


def _asked(text: str) -> str:
    """Replace the questions by the commands of IOS-XE."""

    def typed(found: re.Match[str]) -> str:
        kind, *words = found[1].split()
        lines = command("iosxe", Question(kind, tuple(words)), {}, None, None)
        assert lines is not None
        return ", ".join(f"`{line}`" for line in lines.splitlines())

    return re.sub(r"\{([a-z-]+(?: [A-Z-]+)*)\}", typed, text)


@pytest.mark.parametrize(
    "asked",
    [
        "{nothing ISP}",
        "{advertised ISP}",
        "{advertised POOL ISP}",
        "{session ISP POOL}",
        "{routes}",
        "{nothing}",
        "{ports ISP}",
    ],
)
def test_an_unknown_question_in_a_guide_is_refused(asked: str):
    with pytest.raises(GuideError, match="is not a question"):
        parse("drain", GOOD.replace("Second.", f"Second: {asked}."))


def test_a_question_in_a_guide_is_written_as_its_ios_xe_command():
    read = parse("drain", GOOD.replace("Second.", "What is sent: {advertised ISP POOL}. Then wait."))
    line = "show bgp FAMILY unicast neighbors ISP advertised-routes | include NETWORK"
    assert read.steps[1] == f"What is sent: `{line}`. Then wait."
    assert read.pieces[1] == ("What is sent:", Question("advertised", ("ISP", "POOL")), "Then wait.")
    assert read.typed == ("show this",)


def _inline(token: Token) -> str:
    """Write out again what a reader of Markdown understands."""
    parts: list[str] = []
    target = ""
    for child in token.children or ():
        match child.type:
            case "text":
                parts.append(child.content)
            case "softbreak":
                parts.append(" ")
            case "code_inline":
                parts.append(f"`{child.content}`")
            case "link_open":
                target = str(child.attrs["href"])
                parts.append("[")
            case "link_close":
                parts.append(f"]({target})")
            case other:
                raise AssertionError(other)
    return "".join(parts)
