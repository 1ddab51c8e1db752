"""The pages: the status page with its files under ``/static/``, and the runbooks, to which alerts link.

The files of the status page are read once, when the application is made, and served from memory. So no requested name
can lead to any other file. Browsers cache the files and ask each time whether they have changed, so that a page never
mixes the files of two releases after it is reloaded.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import ETag, web

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, Section
from ermon.checks.explain import facts
from ermon.checks.guide import HEADINGS, LINK, WRITTEN_FOR, guide, lines_of
from ermon.commands import TITLES, Question

INDEX = "index.html"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load files and data only from its own host. It contains no inline script, style or handler."""

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Content types by suffix. Other files beside them, such as a licence, are plain text."""


@dataclass(frozen=True, slots=True)
class File:
    """One file with its headers, ready to be sent."""

    content_type: str
    body: bytes
    zipped: bytes
    etag: ETag

    def answer(self, request: web.Request) -> web.Response:
        """Answer with the file, or with 304 if the client has it already."""
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.content_type == "text/html":
            headers["Content-Security-Policy"] = POLICY
        known = request.if_none_match or ()
        if any(etag.value in {self.etag.value, "*"} for etag in known):
            response = web.Response(status=304, headers=headers)
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            response = self._whole(self.zipped, headers)
        else:
            response = self._whole(self.body, headers)
        response.etag = self.etag
        return response

    def _whole(self, body: bytes, headers: Mapping[str, str]) -> web.Response:
        return web.Response(body=body, content_type=self.content_type, charset="utf-8", headers=headers)


@functools.cache
def read_files() -> Mapping[str, File]:
    """Return every file of the page, also those in folders, by its name under ``/static/``."""
    folder = files("ermon.web") / "static"
    return {name: _file(name, found.read_bytes()) for name, found in _walk(folder, "")}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for found in folder.iterdir():
        name = f"{prefix}{found.name}"
        if found.is_dir():
            yield from _walk(found, f"{name}/")
        else:
            yield name, found


def _file(name: str, body: bytes) -> File:
    content_type = next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "text/plain")
    # Weak, because the compressed and the plain file are equivalent for the client (RFC 9110 section 8.8.1).
    etag = ETag(hashlib.sha256(body).hexdigest()[:32], is_weak=True)
    return File(content_type, body, gzip.compress(body, mtime=0), etag)


FILES = web.AppKey("files", Mapping[str, File])


async def status_page(request: web.Request) -> web.Response:
    """Handle the status page."""
    return request.app[FILES][INDEX].answer(request)


async def static(request: web.Request) -> web.Response:
    """Handle a file of the status page."""
    file = request.app[FILES].get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound(text="the status page has no such file\n")
    return file.answer(request)


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-block: 1.6rem .4rem; }
p, ol, dl { margin-block: .4rem; }
li { margin-block: .4rem; }
code { padding: .1rem .3rem; border-radius: .2rem; background: light-dark(#eef0f3, #2a2d33); user-select: all; }
pre { margin: .3rem 0; white-space: pre-wrap; user-select: all; }
dt { font-family: ui-monospace, monospace; font-weight: bold; }
dd { margin: 0 0 .4rem 1.5rem; }
.facts { opacity: .75; }
"""

_CODE = re.compile(r"`([^`]+)`")


async def runbook(request: web.Request) -> web.Response:
    """Handle the runbook of one check: what it means, what it needs, and what to do."""
    name = request.match_info["check"]
    check = CATALOGUE.get(name)
    if check is None:
        raise web.HTTPNotFound(text=f"there is no check {name!r}; /runbooks/ lists all\n")
    return _page(_document(f"{name} - ermon", _STYLE, _runbook(check)), _STYLE)


async def runbooks(request: web.Request) -> web.Response:
    """Handle the list of runbooks: all checks, by section."""
    del request
    parts = ["<h1>The checks of ermon</h1>"]
    for section in Section:
        checks = [check for check in CATALOGUE.values() if check.section is section]
        items = "\n".join(
            f'<li><a href="{escape(check.name)}">{escape(check.name)}</a>: '
            f"{_marked(guide(check.name).title)}</li>"
            for check in checks
        )
        parts.append(f"<h2>{escape(str(section))}</h2>\n<ul>\n{items}\n</ul>")
    parts.append('<p><a href="../">Status</a></p>')
    return _page(_document("Runbooks - ermon", _STYLE, "\n".join(parts)), _STYLE)


def _runbook(check: Check) -> str:
    found = guide(check.name)
    means, needs, action, source = HEADINGS
    steps = "\n".join(f"<li>{_step(step)}</li>" for step in found.pieces)
    where = f" (router commands: {TITLES[WRITTEN_FOR]})" if found.questions else ""
    words = "\n".join(
        f"<dt>{escape(word)}</dt>\n<dd>{escape(meaning)}</dd>" for word, meaning in found.placeholders.items()
    )
    return "\n".join(
        [
            f"<h1>{escape(check.name)}: {_marked(found.title)}</h1>",
            *(f'<p class="facts">{escape(fact)}</p>' for fact in facts(check)),
            f"<h2>{means}</h2>\n<p>{_marked(found.meaning)}</p>",
            f"<h2>{needs}</h2>\n<p>{_marked(found.needs)}</p>",
            f"<h2>{action}{where}</h2>\n<ol>\n{steps}\n</ol>",
            *(
                [
                    f"<h2>To be replaced in the commands</h2>\n<p>The page of a finding has them filled in, for your router.</p>\n<dl>\n{words}\n</dl>"
                ]
                if words
                else []
            ),
            f"<h2>{source}</h2>\n<p>{_marked(found.source)}</p>",
            '<p><a href="./">All runbooks</a> · <a href="../">Status</a></p>',
        ]
    )


def _step(step: Iterable[str | Question]) -> str:
    """Return the markup of a step, with each router command on its own line."""
    return "\n".join(
        "<pre>" + "\n".join(f"<code>{escape(line)}</code>" for line in lines_of(piece)) + "</pre>"
        if isinstance(piece, Question)
        else _marked(piece)
        for piece in step
    )


def _marked(text: str) -> str:
    """Return the markup of a guide's text: escaped, with code for backticks, and with links."""
    return LINK.sub(lambda link: _anchor(link[1], link[2]), _CODE.sub(r"<code>\1</code>", escape(text)))


def _anchor(text: str, target: str) -> str:
    """Return the markup of a link. It shows the address, for a printed page; a link to another guide shows its check."""
    if ":" in target:
        return f'<a href="{target}">{text}</a> ({target.removeprefix("https://")})'
    return f'<a href="{target.removesuffix(".md")}">{text}</a>'


def _policy(style: str) -> str:
    """Return the Content-Security-Policy of a page with this style. It allows no script, no other host and no frame."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _document(title: str, style: str, body: str) -> str:
    """Return a whole page; ``body`` is markup that is already escaped."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _page(text: str, style: str, cache: str = "no-store") -> web.Response:
    """Answer with a page."""
    return web.Response(
        text=text,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _policy(style), "Cache-Control": cache},
    )
