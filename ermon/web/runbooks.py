"""``/runbooks/``: the texts of ``ermon explain`` as pages, which the alerts link to. No script, nothing to load."""

from __future__ import annotations

import re
from html import escape

from aiohttp import web

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, Section
from ermon.checks.explain import facts
from ermon.checks.guide import HEADINGS, LINK, guide
from ermon.web.html import document, page

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-block: 1.6rem .4rem; }
p, ol, dl { margin-block: .4rem; }
li { margin-block: .4rem; }
code { padding: .1rem .3rem; border-radius: .2rem; background: light-dark(#eef0f3, #2a2d33); user-select: all; }
dt { font-family: ui-monospace, monospace; font-weight: bold; }
dd { margin: 0 0 .4rem 1.5rem; }
.facts { opacity: .75; }
"""

_CODE = re.compile(r"`([^`]+)`")


async def runbook(request: web.Request) -> web.Response:
    """What one check means, what it needs, and what to do."""
    name = request.match_info["check"]
    check = CATALOGUE.get(name)
    if check is None:
        raise web.HTTPNotFound(text=f"there is no check {name!r}; /runbooks/ lists all\n")
    return page(document(f"{name} - ermon", _STYLE, _runbook(check)), _STYLE)


async def listing(request: web.Request) -> web.Response:
    """All checks, by section."""
    del request
    parts = ["<h1>What ermon can find</h1>"]
    for section in Section:
        checks = [check for check in CATALOGUE.values() if check.section is section]
        items = "\n".join(
            f'<li><a href="{escape(check.name)}">{escape(check.name)}</a>: '
            f"{_marked(guide(check.name).title)}</li>"
            for check in checks
        )
        parts.append(f"<h2>{escape(str(section))}</h2>\n<ul>\n{items}\n</ul>")
    parts.append('<p><a href="../">Status</a></p>')
    return page(document("Runbooks - ermon", _STYLE, "\n".join(parts)), _STYLE)


def _runbook(check: Check) -> str:
    found = guide(check.name)
    means, needs, action, source = HEADINGS
    steps = "\n".join(f"<li>{_marked(step)}</li>" for step in found.steps)
    words = "\n".join(
        f"<dt>{escape(word)}</dt>\n<dd>{escape(meaning)}</dd>" for word, meaning in found.placeholders.items()
    )
    return "\n".join(
        [
            f"<h1>{escape(check.name)}: {_marked(found.title)}</h1>",
            *(f'<p class="facts">{escape(fact)}</p>' for fact in facts(check)),
            f"<h2>{means}</h2>\n<p>{_marked(found.meaning)}</p>",
            f"<h2>{needs}</h2>\n<p>{_marked(found.needs)}</p>",
            f"<h2>{action}</h2>\n<ol>\n{steps}\n</ol>",
            *([f"<h2>In the commands</h2>\n<dl>\n{words}\n</dl>"] if words else []),
            f"<h2>{source}</h2>\n<p>{_marked(found.source)}</p>",
            '<p><a href="./">All runbooks</a> · <a href="../">Status</a></p>',
        ]
    )


def _marked(text: str) -> str:
    """Escape a text of a guide, set what stands in backticks as code, and let links lead somewhere."""
    return LINK.sub(lambda link: _anchor(link[1], link[2]), _CODE.sub(r"<code>\1</code>", escape(text)))


def _anchor(text: str, target: str) -> str:
    """A page with its address, since a page of paper has no links; the guide of another check by its name."""
    if ":" in target:
        return f'<a href="{target}">{text}</a> ({target.removeprefix("https://")})'
    return f'<a href="{target.removesuffix(".md")}">{text}</a>'
