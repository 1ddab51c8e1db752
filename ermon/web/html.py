"""What the pages share: the frame around each, and the policy that lets it use its own style and nothing else."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from aiohttp import web


def policy(style: str) -> str:
    """Return the Content-Security-Policy of a page with this style: no script, no other host, no frame."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def document(title: str, style: str, body: str) -> str:
    """Return a whole page; ``body`` is markup, everything in it escaped already."""
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


def page(text: str, style: str, cache: str = "no-store") -> web.Response:
    """Answer with a page."""
    return web.Response(
        text=text,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": policy(style), "Cache-Control": cache},
    )
