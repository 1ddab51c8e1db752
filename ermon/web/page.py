"""The status page: ``/``, and the files that it is made of under ``/static/``.

They are read once, when the application is made, and served from memory: a name that was not found then is
not found later either, whatever it looks like. Browsers keep them and ask each time whether they are still
the same, so that a page never mixes the files of two releases for longer than it takes to reload it.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import ETag, web

INDEX = "index.html"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads its own files and asks its own host; there is no inline script, style or handler in it."""

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Of files that are served; whatever else lies beside them, such as a licence, is plain text."""


@dataclass(frozen=True, slots=True)
class File:
    """One file, ready to be sent."""

    content_type: str
    body: bytes
    zipped: bytes
    etag: ETag

    def answer(self, request: web.Request) -> web.Response:
        """Answer with the file, or with 304 where the client has it already."""
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
    """Read every file of the page, by its name under ``/static/``; those in folders too."""
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
    # Weak: the zipped file and the plain one are the same to whoever asks (RFC 9110 section 8.8.1).
    etag = ETag(hashlib.sha256(body).hexdigest()[:32], is_weak=True)
    return File(content_type, body, gzip.compress(body, mtime=0), etag)


FILES = web.AppKey("files", Mapping[str, File])


async def status_page(request: web.Request) -> web.Response:
    """The page itself."""
    return request.app[FILES][INDEX].answer(request)


async def static(request: web.Request) -> web.Response:
    """One of its files."""
    file = request.app[FILES].get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound(text="there is no such file of the status page\n")
    return file.answer(request)
