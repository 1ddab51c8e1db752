"""``/``: in one line whether all is well, and links to everything else. Needs no script and no other host."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from aiohttp import web

from ermon.inventory import Severity
from ermon.model import Finding
from ermon.state import CurrentFeed, current_feeds
from ermon.web import html
from ermon.web.context import CONTEXT
from ermon.web.render import by_severity

_LINKS = (
    ("/api/v1/status", "State of circuits, links, pools and feeds"),
    ("/api/v1/findings", "Findings"),
    ("/api/v1/findings?state=raised", "Raised findings"),
    ("/api/v1/events", "Events, as they happen"),
    ("/runbooks/", "Runbooks: what each finding means, and what to do"),
    ("/metrics", "Metrics"),
    ("/-/healthy", "Health"),
    ("/-/ready", "Readiness"),
)

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
.state { padding: .75rem 1rem; border-inline-start: .4rem solid; font-size: 1.15rem; overflow-wrap: anywhere; }
.well { border-color: light-dark(#18794e, #4cc38a); }
.wrong { border-color: light-dark(#cd2b31, #ff6369); }
.blind { border-color: light-dark(#ad5700, #ffb224); }
footer { opacity: .7; font-size: .875rem; }
"""


class Line(NamedTuple):
    kind: str
    """``well``, ``wrong`` or ``blind``."""
    mark: str
    """A shape, for whoever does not see the colour."""
    text: str


async def landing(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    monitor = context.monitor()
    line = overall(monitor.findings(), current_feeds(monitor))
    return html.page(_page(line, context.version), _STYLE)


def overall(raised: Sequence[Finding], feeds: Sequence[CurrentFeed]) -> Line:
    """Say in one line whether all is well, something is raised, or ermon cannot see."""
    blind = [current.feed.name for current in feeds if not current.sees_all]
    sight = f"ermon cannot see everything: {len(blind)} of {len(feeds)} feeds are down or not in sync"
    counts = {name: count for name, count in by_severity(raised).items() if count}
    if any(finding.severity is not Severity.INFO for finding in raised):
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        also = f"; {sight}" if blind else ""
        return Line("wrong", "\N{BLACK UP-POINTING TRIANGLE}", f"Something is wrong: {told}{also}.")
    if blind:
        return Line("blind", "\N{BLACK DIAMOND}", f"{sight[0].upper()}{sight[1:]}.")
    notes = f" ({len(raised)} for information)" if raised else ""
    return Line("well", "\N{BLACK CIRCLE}", f"All is well{notes}.")


def _page(line: Line, version: str) -> str:
    links = "\n".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in _LINKS)
    return html.document(
        "ermon",
        _STYLE,
        f"""<h1>ermon</h1>
<p class="state {line.kind}" role="status"><span aria-hidden="true">{line.mark}</span> {escape(line.text)}</p>
<nav><ul>
{links}
</ul></nav>
<footer>ermon {escape(version)}</footer>""",
    )
