"""The guides: for each check a Markdown file beside this one, read when it is shown.

``README.md`` says how they are written, and what the words in capitals stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ermon.commands import CAPITALS, TYPED, WORDS_OF, Question, command

HEADINGS = ("What it means", "What it needs", "What to do", "Where the rule comes from")

WRITTEN_FOR = "iosxe"
"""The platform of the commands in guides, unless a guide says otherwise."""

_FOLDER = resources.files(__name__)
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_STEP = re.compile(r"^([0-9]+)\. ", re.MULTILINE)
_QUESTION = re.compile(r"\{([a-z-]+)((?: [A-Z-]+)*)\}")
_PLACEHOLDER = re.compile(r"^- `([A-Z-]+)`: (.+(?:\n  .+)*)$", re.MULTILINE)

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
"""A link of a guide: its text, and its target, which is a URL or the file of another guide."""


class GuideError(ValueError):
    """A guide is missing, or is not in the form of a guide; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What an engineer needs to know about a check that has woken them. Texts are one line of Markdown each, with only
    links and, in backticks, commands to type.
    """

    title: str
    """What is wrong, in one clause."""
    meaning: str
    """What has happened when the check is raised, and why that matters."""
    needs: str
    """The feeds and the configuration that it needs, and when it is unknown."""
    steps: tuple[str, ...]
    """What to do, in this order; a question is written as its command on IOS-XE."""
    source: str
    """The source of the rule: a page, an RFC, or ermon's own reasoning."""
    pieces: tuple[tuple[str | Question, ...], ...] = ()
    """The same steps, each cut into texts and questions, which ``ermon.commands.fill`` fills in."""

    def plain(self) -> Guide:
        """Return the guide without links: the address of a page is put after its name."""
        return Guide(
            title=self.title,
            meaning=_without_links(self.meaning),
            needs=_without_links(self.needs),
            steps=tuple(map(_without_links, self.steps)),
            source=_without_links(self.source),
            pieces=tuple(tuple(map(_plain_piece, step)) for step in self.pieces),
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """The command lines in the steps, IOS-XE unless said otherwise."""
        return tuple(command for step in self.steps for command in TYPED.findall(step))

    @property
    def typed(self) -> tuple[str, ...]:
        """The commands that the guide has word for word, without those for its questions."""
        texts = [piece for step in self.pieces for piece in step if isinstance(piece, str)]
        return tuple(command for text in texts for command in TYPED.findall(text))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the guide asks of routers."""
        return tuple(piece for step in self.pieces for piece in step if isinstance(piece, Question))

    @property
    def placeholders(self) -> dict[str, str]:
        """The words in capitals in the commands and what they stand for, in the order of ``README.md``."""
        return words_in(self.commands)


def words_in(commands: Iterable[str]) -> dict[str, str]:
    """Return the words in capitals in these commands and what they stand for, in the order of ``README.md``."""
    used = {word for command in commands for word in CAPITALS.findall(command)}
    return {word: meaning for word, meaning in placeholders().items() if word in used}


def _plain_piece(piece: str | Question) -> str | Question:
    return piece if isinstance(piece, Question) else _without_links(piece)


def _without_links(text: str) -> str:
    return LINK.sub(lambda link: _plain_link(link[1], link[2]), text)


def _plain_link(text: str, target: str) -> str:
    return f"{text} ({target.removeprefix('https://')})" if ":" in target else f"'{text}'"


@cache
def guide(check: str) -> Guide:
    """Return the guide of a check. If it cannot be read, the guide says why, so that pages with the guides of all
    checks still show the others.
    """
    try:
        return read_guide(check)
    except GuideError as error:
        return Guide("has no guide that can be read", str(error), "", (), "")


def read_guide(check: str) -> Guide:
    """Read the guide of a check. Raises ``GuideError``."""
    try:
        text = (_FOLDER / f"{check}.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GuideError(f"{check}.md cannot be read: {reason}") from None
    return parse(check, text)


def parse(check: str, text: str) -> Guide:
    """Read a guide's text. Raises ``GuideError``."""
    head, *rest = _HEADING.split(text)
    name, _, title = head.strip().removeprefix("# ").partition(": ")
    if name != check or not title or "\n" in title:
        raise GuideError(f"{check}.md does not begin with the one line '# {check}: ' and its title")
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    if tuple(rest[::2]) != HEADINGS:
        wanted = ", ".join(HEADINGS)
        raise GuideError(f"{check}.md has the sections {', '.join(rest[::2]) or 'none'}; it needs {wanted}")
    meaning, needs, action, source = sections.values()
    steps = _steps(check, action)
    return Guide(
        title=title,
        meaning=_paragraph(check, HEADINGS[0], meaning),
        needs=_paragraph(check, HEADINGS[1], needs),
        steps=tuple(_QUESTION.sub(lambda found: _typed(_question(check, found)), step) for step in steps),
        source=_paragraph(check, HEADINGS[3], source),
        pieces=tuple(tuple(_pieces(check, step)) for step in steps),
    )


def _pieces(check: str, step: str) -> Iterator[str | Question]:
    end = 0
    for found in _QUESTION.finditer(step):
        if text := _between(step[end : found.start()]):
            yield text
        yield _question(check, found)
        end = found.end()
    if text := _between(step[end:]):
        yield text


def _between(text: str) -> str:
    """Remove the full stop or comma after a command: the command gets a line of its own."""
    return re.sub(r"^[.,](?=\s|$)", "", text.strip()).strip()


def _question(check: str, found: re.Match[str]) -> Question:
    question = Question(found[1], tuple(found[2].split()))
    allowed = WORDS_OF.get(question.kind)
    if (
        allowed is None
        or len(allowed) != len(question.words)
        or any(word not in words for word, words in zip(question.words, allowed, strict=False))
    ):
        raise GuideError(f"{check}.md asks {found[0]}, which is not a question of ermon.commands")
    return question


def lines_of(question: Question) -> list[str]:
    """Return a question's command on the platform that guides are written for, with its words in capitals."""
    found = lines_on(WRITTEN_FOR, question)
    assert found is not None  # every question has a command on this platform
    return found


def lines_on(platform: str, question: Question) -> list[str] | None:
    """Return a question's command on a platform, with its words in capitals; ``None`` if none is known."""
    text = command(platform, question, {}, None, None)
    return None if text is None else text.splitlines()


def _typed(question: Question) -> str:
    return ", ".join(f"`{line}`" for line in lines_of(question))


def _paragraph(check: str, heading: str, text: str) -> str:
    paragraph = text.strip()
    if not paragraph or "\n\n" in paragraph:
        raise GuideError(f"{check}.md, {heading!r}: there must be one paragraph")
    return " ".join(paragraph.split())


def _steps(check: str, text: str) -> tuple[str, ...]:
    before, *rest = _STEP.split(text)
    numbers, steps = rest[::2], rest[1::2]
    if before.strip() or not steps or numbers != [str(n) for n in range(1, len(steps) + 1)]:
        raise GuideError(
            f"{check}.md, {HEADINGS[2]!r}: there must be steps, numbered from 1, and nothing else"
        )
    return tuple(_paragraph(check, HEADINGS[2], step) for step in steps)


@cache
def placeholders() -> Mapping[str, str]:
    """Return what each word in capitals stands for, for every word that a reader has to replace in a command."""
    text = (_FOLDER / "README.md").read_text(encoding="utf-8")
    return {word: " ".join(meaning.split()) for word, meaning in _PLACEHOLDER.findall(text)}
