"""``ermon init`` from its flags to its file; an error leaves no file behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ermon.config.lints import lint
from ermon.config.load import ConfigError, interpret
from ermon.config.yaml import parse_yaml
from ermon.init.answers import AnswerError, Answers
from ermon.init.azure import MAX_BYTES, add_circuits
from ermon.init.flags import add_flags
from ermon.init.plan import Plan, plan
from ermon.init.questions import MissingError, Questions, Terminal, ask_for_the_rest, do_without
from ermon.init.write import MARK, marked, render_bmp, render_router, save, text_of

STANDARD = "-"
"""Standard input or output instead of a file."""


class InitError(Exception):
    """Nothing was written; the text says why, one reason per line."""


class Console:
    """The terminal. Questions go to standard error, because standard output may be the configuration."""

    def read(self, prompt: str) -> str:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()

    def say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


def init(
    file: str,
    flags: Sequence[tuple[str, str]],
    azure: Sequence[str],
    *,
    replace: bool,
    terminal: Terminal | None,
) -> list[str]:
    """Write the configuration; return the final message. ``InitError`` if that is impossible.

    ``terminal``: the user to ask for missing answers, if any.
    """
    answers = Answers()
    try:
        _refuse_to_overwrite(file, replace=replace)
        _gather(answers, flags, azure, terminal)
        planned = plan(answers)
        text = text_of(planned, file)
        loaded = interpret(parse_yaml(text, file))
        if file == STANDARD:
            sys.stdout.write(text)
        else:
            save(text, Path(file), replace=replace)
    except (AnswerError, MissingError) as error:
        raise InitError("\n".join([str(error), *answers.notes])) from None
    except ConfigError as error:
        raise InitError(f"the answers contradict each other:\n{error}") from None
    except EOFError:
        raise InitError("the answers ended too early") from None
    except FileExistsError:
        raise InitError(_exists(file)) from None
    except OSError as error:
        raise InitError(f"{error.filename or file}: {error.strerror or error}") from None
    found = [f"  {each}" for each in lint(loaded, time.time())]
    return [*answers.notes, *_next(file, planned, found)]


def _gather(
    answers: Answers, flags: Sequence[tuple[str, str]], azure: Sequence[str], terminal: Terminal | None
) -> None:
    """Add Azure's data, then the flags, which take precedence, then answers to questions and proposals."""
    if azure:
        add_circuits(answers, [(name, _contents(name)) for name in dict.fromkeys(azure)])
    add_flags(answers, flags)
    if terminal is None:
        do_without(answers)
    else:
        ask_for_the_rest(answers, Questions(terminal))


def _refuse_to_overwrite(file: str, *, replace: bool) -> None:
    if file != STANDARD and not replace and (Path(file).exists() or Path(file).is_symlink()):
        raise InitError(_exists(file))


def _exists(file: str) -> str:
    return f"{file} exists already; overwrite it with --force, or give another name"


def _contents(name: str) -> bytes:
    if name == STANDARD:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise AnswerError(f"{name}: is larger than {MAX_BYTES // 1024**2} MiB; give only the circuits")
    return content


def _next(file: str, planned: Plan, found: Sequence[str]) -> list[str]:
    shown = "ermon.yml" if file == STANDARD else file
    steps = [
        (f"ermon check {shown}", "its errors, and weaknesses of your network"),
        (render_router(planned, shown), "what to paste into that router"),
        (f"ermon run --config.file={shown}", "and, when the sessions are up, ermon verify"),
    ]
    if planned.reporting:
        steps.insert(2, (render_bmp(planned, shown), "and what makes it report its sessions"))
    if marked(planned):
        steps.insert(0, (f"grep {MARK} {shown}", "placeholders: replace them with your values"))
    width = max(len(command) for command, _ in steps)
    lines = ["The configuration is complete. Next:" if file == STANDARD else f"Wrote {file}. Next:"]
    lines += [f"  {command:<{width}}   {purpose}" for command, purpose in steps]
    if found:
        lines += ["The file is valid. `ermon check` reports on the network:", *found]
    return lines
